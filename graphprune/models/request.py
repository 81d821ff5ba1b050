"""The counts that a builder accepts."""

from graphprune.errors import SpecError


def check_request(*, classes: int, in_channels: int, **counts: int) -> None:
    """Refuse a network that no data set can use.

    Args:
        classes: Count of labels.
        in_channels: Count of image channels.
        counts: Further counts by name, each of which has to be at least 1.

    Raises:
        SpecError: `classes` is below 2, or another count is below 1.
    """
    if classes < 2:
        raise SpecError(f"classes must be at least 2, got classes={classes}")
    for name, value in {"in_channels": in_channels, **counts}.items():
        if value < 1:
            raise SpecError(f"{name} must be at least 1, got {name}={value}")
