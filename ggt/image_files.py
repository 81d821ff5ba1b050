"""Image files as samples: nothing is resized, cropped or blended."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graphprune.errors import FileError, SpecError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
_GREY, _COLOUR = ("1", "L", "LA"), ("P", "PA", "RGB", "RGBA")


def image_paths(folder: Path) -> list[Path]:
    """The image files in a folder and below it, in order of their path; hidden ones not.

    Raises:
        FileError: The folder cannot be read or holds no image.
    """
    try:
        inside = [path.relative_to(folder) for path in folder.rglob("*") if is_image(path)]
    except OSError as error:
        raise FileError(f"{folder}: {error.strerror or error}") from error
    visible = [p for p in inside if not any(part.startswith(".") for part in p.parts)]
    if not visible:
        raise FileError(f"{folder}: holds no image ({', '.join(SUFFIXES)})")
    return [folder / path for path in sorted(visible, key=lambda path: path.as_posix())]


def is_image(path: Path) -> bool:
    """Whether a file's suffix is that of an image format that is read."""
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def read_images(paths: Sequence[Path], *, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Pixels of image files, as stored; a camera's note of orientation is not followed.

    Grey images fit a bank of three channels (each gets the grey value), and colour images a
    bank of one channel if their three channels are equal throughout. Opacity is dropped where
    it is full.

    Args:
        paths: The files, in the order of the result.
        shape: (channels, height, width) that each must have; 1 or 3 channels.

    Returns:
        Pixels in [0, 255]; shape (files, channels, height, width).

    Raises:
        SpecError: An image has another size, colours where grey is wanted, transparency,
            several frames or more than 8 bits; or the bank takes neither 1 nor 3 channels.
        FileError: A file is missing, damaged or no image.
    """
    if shape[0] not in (1, 3):
        raise SpecError(f"image files have 1 or 3 channels, the bank takes {shape[0]}")
    pixels = np.empty((len(paths), *shape), dtype=np.uint8)
    for index, path in enumerate(paths):
        pixels[index] = _read_one(path, shape)
    return pixels


def _read_one(path: Path, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Pixels of one file; shape (channels, height, width)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd tag is no reason to stop
            with Image.open(path, formats=_FORMATS) as image:
                _check(image, path, shape)  # before anything is unpacked
                return _channels(image, path, shape[0])
    except SpecError:
        raise
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file") from error
    except Exception as error:  # decoders raise what they like on damage
        why = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise FileError(f"{path}: not a readable image ({why})") from error


def _check(image: Image.Image, path: Path, shape: tuple[int, int, int]) -> None:
    """Refuse what could only be used after changing it."""
    _, height, width = shape
    if image.size != (width, height):
        raise SpecError(
            f"{path}: the image is {image.height} x {image.width} (height x width), the bank "
            f"takes {height} x {width}; nothing is resized"
        )
    if getattr(image, "n_frames", 1) != 1:
        raise SpecError(f"{path}: holds {getattr(image, 'n_frames', 1)} frames, wanted one")
    if image.mode not in (*_GREY, *_COLOUR):
        raise SpecError(
            f"{path}: pixels of mode {image.mode} are not read; save it as 8-bit grey or RGB"
        )


def _channels(image: Image.Image, path: Path, channels: int) -> NDArray[np.uint8]:
    """Pixels as grey or RGB, where that loses nothing."""
    if image.has_transparency_data:
        opaque = np.asarray(image.convert("RGBA"))
        if opaque[..., 3].min() < 255:
            raise SpecError(f"{path}: has transparent pixels, and no background is assumed")
        values = opaque[..., :3]
    else:
        values = np.asarray(image.convert("RGB"))
    if channels == 1:
        if (values != values[..., :1]).any():
            raise SpecError(f"{path}: has colours, the bank takes one grey channel")
        values = values[..., :1]
    return _first_axis(values)


def _first_axis(values: NDArray[Any]) -> NDArray[np.uint8]:
    """(height, width, channels) -> (channels, height, width)."""
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.uint8)
