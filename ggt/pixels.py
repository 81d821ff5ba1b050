"""Arrays as pixels: channels first, values in [0, 1]; what needs a guess is refused."""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ggt import array_files
from graphprune.errors import FileError, SpecError

Layout = Literal["auto", "nchw", "nhwc"]
Shape = tuple[int, int, int]

TOLERANCE = 1e-6  # by which floats may leave [0, 1]; they are clipped
_BLOCK_BYTES = 2**24
_HINTS = {
    "b": "give uint8 (0 or 255) or floats",
    "i": "cast to uint8 if these are pixels from 0 to 255, else give floats in [0, 1]",
    "u": "cast to uint8 if these are pixels from 0 to 255, else give floats in [0, 1]",
}


def check_type(dtype: np.dtype[Any], name: str) -> None:
    """Refuse what is neither uint8 nor a float of 16, 32 or 64 bits.

    Raises:
        SpecError: It is another type; the message says what to do.
    """
    if dtype == np.uint8 or (dtype.kind == "f" and dtype.itemsize in (2, 4, 8)):
        return
    hint = _HINTS.get(dtype.kind, "these are no pixels")
    raise SpecError(f"{name}: pixels are uint8 or float16, 32 or 64, not {dtype}; {hint}")


def arrangement(
    found: tuple[int, ...], wanted: Shape, *, layout: Layout, name: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """How to bring an array to shape (samples, channels, height, width).

    Args:
        found: The array's shape; a missing sample axis means one sample, and for one channel
            its axis may be missing too.
        wanted: (channels, height, width).
        layout: Decides where channels first and channels last both fit.
        name: What to call the array in an error.

    Returns:
        A shape of four axes to give the array, and the order in which to take them.

    Raises:
        SpecError: The shape does not fit, fits twice, or there is no sample.
    """
    channels, height, width = wanted
    last = (height, width, channels)
    full = [found] if len(found) == 4 else [(1, *found)] if len(found) == 3 else []
    if channels == 1:  # first or last makes no difference
        layout = "auto"
        full += [(found[0], 1, *found[1:])] if len(found) == 3 else []
        full += [(1, 1, *found)] if len(found) == 2 else []
    ways = {"nchw": (wanted, (0, 1, 2, 3)), "nhwc": (last, (0, 3, 1, 2))}
    fits = [
        (shape, ways[way][1])
        for way in ways
        for shape in full
        if shape[1:] == ways[way][0] and layout in ("auto", way)
    ]
    if not fits:
        raise SpecError(f"{name}: shape {found} does not fit; wanted {_wanted(wanted, layout)}")
    if len(fits) > 1 and channels > 1:
        raise SpecError(
            f"{name}: shape {found} fits channels first and channels last; give the layout, "
            "nchw or nhwc"
        )
    if not fits[0][0][0]:
        raise SpecError(f"{name}: holds no sample, its shape is {found}")
    return fits[0]


def check_total(samples: int, shape: Shape, name: str) -> None:
    """Refuse what would not fit in memory.

    Raises:
        FileError: The samples take more than `array_files.MAX_BYTES` as float32.
    """
    size = 4 * samples * shape[0] * shape[1] * shape[2]
    if size > array_files.MAX_BYTES:
        raise FileError(
            f"{name}: {samples:,} samples take {size:,} bytes, at most "
            f"{array_files.MAX_BYTES:,} are read at once; split them"
        )


def to_pixels(images: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Values as float32 in [0, 1], block by block, so that a mapped file stays on disk.

    Args:
        images: uint8, which is divided by 255, or floats; the first axis counts samples.
        name: What to call the array in an error.

    Raises:
        SpecError: A float is no number or outside [0, 1]; the message says by how much.
    """
    pixels = np.empty(images.shape, dtype=np.float32)
    if images.dtype == np.uint8:
        for start, block in blocks(images):
            pixels[start : start + len(block)] = block / np.float32(255)
        return pixels
    low, high = np.inf, -np.inf
    for start, block in blocks(images):
        _check_numbers(block, start, name)
        low, high = min(low, float(block.min())), max(high, float(block.max()))
        pixels[start : start + len(block)] = block.clip(0, 1)
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise SpecError(f"{name}: {_out_of_range(low, high)}")
    return pixels


def blocks(images: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Runs of samples of a bounded size, each with the position of its first."""
    each = max(1, images[:1].nbytes)
    step = max(1, _BLOCK_BYTES // each)
    for start in range(0, len(images), step):
        yield start, np.asarray(images[start : start + step])


def _check_numbers(block: NDArray[Any], start: int, name: str) -> None:
    """Refuse NaN and infinities, and say in which sample the first one is."""
    sound = np.isfinite(block).reshape(len(block), -1).all(axis=1)
    if not sound.all():
        first = int(sound.argmin())
        what = "NaN" if np.isnan(block[first]).any() else "an infinite value"
        raise SpecError(f"{name}: sample {start + first} holds {what}")


def _out_of_range(low: float, high: float) -> str:
    rule = "floats must lie in [0, 1]"
    if low < -TOLERANCE:
        return (
            f"values go from {low:.4g} to {high:.4g}; {rule}: give pixels before normalisation"
        )
    hint = ", or give uint8" if 1.5 < high <= 255 else ""
    return f"values reach {high:.6g}; {rule}{hint}"


def _wanted(wanted: Shape, layout: Layout) -> str:
    """Shapes that would fit, in words."""
    channels, height, width = wanted
    ways = {
        "nchw": f"(samples, {channels}, {height}, {width})",
        "nhwc": f"(samples, {height}, {width}, {channels})",
    }
    return ways[layout] if layout != "auto" else " or ".join(ways.values())
