"""Image files keep every pixel, or are refused with the reason."""

import numpy as np
import pytest
from PIL import Image

from ggt.image_files import image_paths, is_image, read_images
from graphprune.errors import FileError, SpecError

GREY = np.arange(20, dtype=np.uint8).reshape(4, 5) * 12
COLOUR = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)


def saved(path, pixels, **more):
    Image.fromarray(pixels).save(path, **more)
    return path


def read(path, channels):
    return read_images([path], shape=(channels, 4, 5))[0]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF", ".webp"])
def test_lossless_formats_keep_every_pixel(suffix, tmp_path):
    more = {"lossless": True} if suffix == ".webp" else {}
    path = saved(tmp_path / f"a{suffix}", COLOUR, **more)
    assert np.array_equal(read(path, 3), COLOUR.transpose(2, 0, 1))


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".gif"])
def test_other_formats_give_what_the_file_holds(suffix, tmp_path):
    path = saved(tmp_path / f"a{suffix}", COLOUR)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(read(path, 3), expected)


def test_grey_fits_three_channels_and_grey_colours_fit_one(tmp_path):
    path = saved(tmp_path / "a.png", GREY)
    assert np.array_equal(read(path, 1), GREY[None])
    assert np.array_equal(read(path, 3), np.stack([GREY] * 3))
    path = saved(tmp_path / "b.png", np.stack([GREY] * 3, axis=2))
    assert np.array_equal(read(path, 1), GREY[None])
    Image.fromarray(GREY > 60).save(tmp_path / "c.png")  # one bit a pixel
    assert np.array_equal(read(tmp_path / "c.png", 1), (GREY > 60)[None] * 255)
    Image.fromarray(GREY).convert("P").save(tmp_path / "d.png")
    assert np.array_equal(read(tmp_path / "d.png", 1), GREY[None])


def test_full_opacity_is_dropped_and_less_is_refused(tmp_path):
    for pixels in (COLOUR, np.stack([GREY] * 3, axis=2)):
        full = np.concatenate([pixels, np.full((4, 5, 1), 255, np.uint8)], axis=2)
        path = saved(tmp_path / "a.png", full)
        assert np.array_equal(read(path, 3), pixels.transpose(2, 0, 1))
        full[3, 4, 3] = 254
        with pytest.raises(SpecError, match=r"a\.png: has transparent pixels"):
            read(saved(tmp_path / "a.png", full), 3)
    Image.fromarray(GREY).convert("P").save(tmp_path / "p.png", transparency=0)
    with pytest.raises(SpecError, match="transparent"):
        read(tmp_path / "p.png", 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: saved(p, COLOUR), r"a\.png: has colours, the bank takes one grey channel"),
        (lambda p: saved(p, GREY[:, :4]), r"the image is 4 x 4 \(height x width\), the bank "
         r"takes 4 x 5; nothing is resized"),
        (lambda p: saved(p, GREY.T.copy()), "the image is 5 x 4"),
        (lambda p: saved(p, GREY.astype(np.uint16)), r"mode I;16 are not read; save it as 8-b"),
    ],
)  # fmt: skip
def test_images_that_would_need_a_change_are_refused(make, message, tmp_path):
    make(tmp_path / "a.png")
    with pytest.raises(SpecError, match=message):
        read(tmp_path / "a.png", 1)


def test_other_colour_spaces_and_several_frames_are_refused(tmp_path):
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(SpecError, match="mode CMYK"):
        read(tmp_path / "a.jpg", 3)
    frames = [Image.fromarray(GREY), Image.fromarray(GREY.max() - GREY)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(SpecError, match=r"a\.gif: holds 2 frames, wanted one"):
        read(tmp_path / "a.gif", 1)


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\nrubbish", b"%!PS-Adobe"])
def test_what_is_no_image_is_refused(data, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"a\.png: not a readable image") as caught:
        read(path, 1)
    assert "\n" not in str(caught.value)


def test_a_suffix_opens_no_door_to_other_formats(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path, format="PPM")
    with pytest.raises(FileError, match="not a readable image"):
        read(path, 1)


def test_a_cut_image_is_refused(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64), np.uint8)
    path = saved(tmp_path / "a.png", noise)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FileError, match="not a readable image"):
        read_images([path], shape=(1, 64, 64))


def test_missing_files_and_unusual_banks_are_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.png: no such file"):
        read(tmp_path / "none.png", 1)
    with pytest.raises(SpecError, match="1 or 3 channels, the bank takes 2"):
        read(tmp_path / "none.png", 2)


def test_an_image_is_too_large_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4)
    with pytest.raises(FileError, match=r"not a readable image .*exceeds limit"):
        read(saved(tmp_path / "a.png", GREY), 1)


def test_a_folder_gives_its_images_in_order_of_path(tmp_path):
    for name in ("b/2.png", "b/10.PNG", "a.jpg", "c.npy", "z.txt", ".hidden.png", ".x/y.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in image_paths(tmp_path)]
    assert found == ["a.jpg", "b/10.PNG", "b/2.png"]
    assert not is_image(tmp_path / "folder.png")


def test_a_folder_below_a_hidden_one_is_read(tmp_path):
    folder = tmp_path / ".cache" / "images"
    folder.mkdir(parents=True)
    (folder / "a.png").touch()
    assert image_paths(folder) == [folder / "a.png"]


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(FileError, match=r"holds no image \(\.bmp, \.gif, "):
        image_paths(tmp_path)
