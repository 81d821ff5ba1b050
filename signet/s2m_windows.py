"""Where the filters of an S2M operator look, so that its matrix is exactly square."""

from dataclasses import dataclass

from graphprune.errors import SpecError

MOST_ROWS = 64  # that are chosen where none are asked for
KERNEL = 14  # samples a filter sees at least: nearly two symbols of the usual sets


@dataclass(frozen=True, slots=True)
class Windows:
    """Where filters look: `count` windows of `kernel` samples, `stride` samples apart.

    `before` and `after` count the zeros put in front of a frame and behind it, so that the
    windows lie on it evenly and exactly `count` of them fit.
    """

    count: int
    kernel: int
    stride: int
    before: int
    after: int


def solve_windows(
    length: int,
    count: int,
    *,
    kernel: int | None = None,
    stride: int | None = None,
) -> Windows:
    """Windows of which exactly `count` fit on a frame, padded as little as that takes.

    The padding p is what floor((length + p - kernel) / stride) + 1 = count leaves; where it is
    odd, the larger half comes last.

    Args:
        length: Samples a frame.
        count: Windows wanted.
        kernel: Samples a window; if omitted 14, fewer on a short frame, or as many more as
            cover a long one.
        stride: Samples from one window to the next; if omitted the nearest to length / count.

    Raises:
        SpecError: A number is below 1, or windows of this size would leave samples unread or
            hold nothing but padding.
    """
    given = {"length": length, "rows": count, "kernel": kernel, "stride": stride}
    for name, value in given.items():
        if value is not None and value < 1:
            raise SpecError(f"{name} must be at least 1, got {value}")
    if stride is None:
        stride = max(1, round(length / count))
    span = (count - 1) * stride
    least = max(length - span, span - length + 2, stride if count > 1 else 1)
    if kernel is None:
        kernel = max(least, min(KERNEL, span + length))  # a longer one has idle ends
    if kernel < least:
        blind = span - length + 2 > kernel
        what = "hold padding alone" if blind else "leave samples unread"
        raise SpecError(
            f"{count} windows of {kernel} samples, {stride} apart, on {length} samples would "
            f"{what}: kernel must be at least {least}"
        )
    padding = span + kernel - length
    return Windows(count, kernel, stride, padding // 2, padding - padding // 2)


def usual_rows(length: int) -> int:
    """Rows chosen for a frame: half its samples, at most 64 and at least 1."""
    return max(1, min(MOST_ROWS, length // 2))
