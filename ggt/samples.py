"""The samples to judge: read from arrays, image files or a pipe, and written for others.

Whatever the source, samples come out as pixels in [0, 1], float32, shape (samples, channels,
height, width). Radio signals are read and written as I/Q values. What would need a guess is
refused.
"""

import hashlib
import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ggt import array_files
from ggt.array_files import NPY_MAGIC, ZIP_MAGICS, StoredArray
from ggt.image_files import image_paths, is_image, read_images
from ggt.pixels import Layout, Shape, arrangement, blocks, check_total, check_type, to_pixels
from ggt.signal_samples import signal_pixels
from graphprune.data.signals import Signal
from graphprune.errors import FileError, SpecError
from graphprune.records import writing

_EXTRAS = ("labels", "indices", "split")  # arrays of a .npz file, for reports only


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Wanted:
    """What a bank takes: images of one shape, or signals, read as `signal` says."""

    shape: Shape
    layout: Layout = "auto"
    signal: Signal | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Samples:
    """Images to judge, and what their source tells about them.

    `images` is float32 in [0, 1], shape (samples, channels, height, width). `names` are the
    files of a folder or list. `labels` (what is true or was meant), `indices` (where each
    sample came from) and `split` (what each is) are for reports only; shape (samples,).

    Raises:
        SpecError: A part has another length than `images`.
    """

    images: NDArray[np.float32]
    source: str
    names: tuple[str, ...] | None = None
    labels: NDArray[np.int64] | None = None
    indices: NDArray[np.int64] | None = None
    split: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        for name in ("names", *_EXTRAS):
            part = getattr(self, name)
            if part is not None and len(part) != len(self.images):
                raise SpecError(
                    f"{self.source}: {len(self.images)} images, but {len(part)} {name}"
                )

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.images)


def read_samples(
    source: str | Path,
    *,
    shape: Shape,
    layout: Layout = "auto",
    signal: Signal | None = None,
    stdin: BinaryIO | None = None,
) -> Samples:
    """Read samples for a bank that takes images of one shape.

    Args:
        source: A .npy or .npz file (array `images`, or its only array of four axes), an image
            file, a folder of images, or "-" for standard input, which holds the bytes of a
            .npy or .npz file or the paths of image files, one a line. Signals are complex
            arrays of shape (samples, length) or floats of shape (samples, 2, length), `iq` in
            a .npz file or its only array of this kind.
        shape: (channels, height, width) that the bank takes.
        layout: Whether channels come first or last; "auto" tells it by `shape`. (samples,
            height, width) fits one channel; one image without a sample axis is one sample.
        signal: How the pixels of signals are read; None: the bank takes images.
        stdin: Where "-" is read from; standard input by default.

    Returns:
        Samples in the order of the source; uint8 divided by 255, floats as they are, signals
        normalised as those that the bank was trained on.

    Raises:
        SpecError: There is no sample, or it has another shape, type or range, or holds values
            that are no numbers; or the layout is ambiguous.
        FileError: The source is missing, damaged, cut off, too large, or holds Python objects.
    """
    wanted = Wanted(shape=shape, layout=layout, signal=signal)
    if str(source) == "-":
        return _from_stream(stdin or sys.stdin.buffer, "standard input", wanted)
    path = Path(source)
    try:
        folder = path.is_dir()
    except OSError as error:
        raise FileError(f"{source}: {(error.strerror or str(error)).lower()}") from error
    if folder:
        paths = image_paths(path)
        names = [item.relative_to(path).as_posix() for item in paths]
        return _from_images(paths, names, str(source), wanted)
    if is_image(path):
        return _from_images([path], [str(source)], str(source), wanted)
    try:
        with path.open("rb") as file:
            if not path.is_file():  # a named pipe, say
                return _from_stream(file, str(source), wanted)
            start = file.read(len(NPY_MAGIC))
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"{source}: {(error.strerror or str(error)).lower()}") from error
    if start == NPY_MAGIC:
        return _from_array(array_files.stored_array(path), str(source), wanted)
    if start.startswith(ZIP_MAGICS):
        arrays = array_files.archived_arrays(path, str(source))
        return _from_arrays(arrays, str(source), wanted)
    raise FileError(f"{source}: not a .npy or .npz file, an image or a folder of images")


def write_samples(
    path: Path | str,
    images: NDArray[np.floating[Any]],
    *,
    labels: ArrayLike | None = None,
    indices: ArrayLike | None = None,
    split: ArrayLike | None = None,
    signal: Signal | None = None,
) -> None:
    """Write samples that `read_samples` reads back to the bit; the file is whole or absent.

    Signals are written as I/Q values, float32 of shape (samples, 2, length), normalised as they
    are; rounding apart they are read back as they were.

    Args:
        path: A .npz file, or a .npy file, which holds the images alone. Parents are made.
        images: Floats in [0, 1]; shape (samples, channels, height, width).
        labels: Whole numbers, shape (samples,); likewise `indices`.
        indices: Where each sample came from.
        split: What each sample is, as text; shape (samples,).
        signal: How the pixels of signals are read; None: they are images.

    Raises:
        SpecError: The suffix is another, or the images could not be read back as they are.
        FileError: The file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".npy", ".npz"):
        raise SpecError(f"{path}: samples are written as .npy or .npz")
    if images.ndim != 4 or images.dtype.kind != "f":
        raise SpecError(
            f"{path}: samples are floats of shape (samples, channels, height, width), got "
            f"{images.dtype} of shape {images.shape}"
        )
    pixels = to_pixels(images, str(path))
    named = {"labels": labels, "indices": indices, "split": split}
    more = {key: np.asarray(value) for key, value in named.items() if value is not None}
    _extras(more, len(pixels), str(path))
    name, values = ("images", pixels) if signal is None else ("iq", signal.iq(pixels))
    with writing(path) as beside, beside.open("wb") as file:
        if path.suffix == ".npy":
            np.save(file, values, allow_pickle=False)
        else:
            np.savez_compressed(file, allow_pickle=False, **{name: values}, **more)


def data_hash(images: NDArray[Any]) -> str:
    """SHA-256 over shape, dtype and bytes, in hexadecimal digits."""
    digest = hashlib.sha256(f"{images.shape} {images.dtype.str}\n".encode())
    for _, block in blocks(images):
        digest.update(np.ascontiguousarray(block).tobytes())
    return digest.hexdigest()


def _from_stream(file: BinaryIO, source: str, wanted: Wanted) -> Samples:
    """Samples from bytes that can be read only once."""
    data = file.read(array_files.MAX_BYTES + 1)
    if len(data) > array_files.MAX_BYTES:
        raise FileError(f"{source}: more than {array_files.MAX_BYTES:,} bytes; write a file")
    if not data.strip():
        raise FileError(f"{source}: empty")
    if data.startswith(NPY_MAGIC):
        array = array_files.streamed_array(io.BytesIO(data), len(data), source)
        return _from_array(array, source, wanted)
    if data.startswith(ZIP_MAGICS):
        arrays = array_files.archived_arrays(io.BytesIO(data), source)
        return _from_arrays(arrays, source, wanted)
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise FileError(f"{source}: neither .npy, .npz nor a list of image files") from error
    names = [line.removesuffix("\r") for line in lines if line.strip()]
    if any("\0" in name for name in names):
        raise FileError(f"{source}: neither .npy, .npz nor a list of image files")
    return _from_images([Path(name) for name in names], names, source, wanted)


def _from_images(paths: list[Path], names: list[str], source: str, wanted: Wanted) -> Samples:
    if wanted.signal is not None:
        raise SpecError(f"{source}: image files, and the bank takes radio signals (.npy, .npz)")
    check_total(len(paths), wanted.shape, source)
    pixels = to_pixels(read_images(paths, shape=wanted.shape), source)
    return Samples(images=pixels, source=source, names=tuple(names))


def _from_arrays(arrays: dict[str, StoredArray], source: str, wanted: Wanted) -> Samples:
    """Samples and what else stands in a .npz file."""
    signals = wanted.signal is not None
    name = "iq" if signals else "images"
    chosen = [arrays[name]] if name in arrays else []
    if not chosen and signals:
        chosen = [
            one for one in arrays.values() if one.dtype.kind == "c" or len(one.shape) == 3
        ]
    elif not chosen:
        chosen = [array for array in arrays.values() if len(array.shape) == 4]
    if len(chosen) != 1:
        found = ", ".join(f"{key} {array.shape}" for key, array in arrays.items()) or "nothing"
        what = "complex or of three axes" if signals else "of four axes"
        raise SpecError(f"{source}: needs an array `{name}` or one {what}; holds {found}")
    samples = _from_array(chosen[0], source, wanted)
    more = {key: array.read() for key, array in arrays.items() if key in _EXTRAS}
    return replace(samples, **_extras(more, len(samples), source))


def _extras(more: dict[str, NDArray[Any]], samples: int, source: str) -> dict[str, Any]:
    """Labels, indices and split, if they are what they should be."""
    checked: dict[str, Any] = {}
    for key, values in more.items():
        kinds, what = ("U", "text") if key == "split" else ("iu", "whole numbers")
        if values.shape != (samples,) or values.dtype.kind not in kinds:
            raise SpecError(
                f"{source}: `{key}` must be {what} of shape ({samples},), got {values.dtype} "
                f"of shape {values.shape}"
            )
        checked[key] = values.astype(np.str_ if key == "split" else np.int64)
    return checked


def _from_array(array: StoredArray, source: str, wanted: Wanted) -> Samples:
    """Samples of one array, whose header is judged first."""
    shape, layout = wanted.shape, wanted.layout
    if wanted.signal is not None:
        return Samples(images=signal_pixels(array, shape, wanted.signal), source=source)
    check_type(array.dtype, array.name)
    four, order = arrangement(array.shape, shape, layout=layout, name=array.name)
    check_total(four[0], shape, array.name)
    images = array.read().reshape(four).transpose(order)
    return Samples(images=to_pixels(images, array.name), source=source)
