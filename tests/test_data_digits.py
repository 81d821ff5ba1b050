import hashlib

import numpy as np
from sklearn.datasets import load_digits

from graphprune.data import load


def test_digits_need_no_file_and_fill_the_range():
    found = load("digits")
    assert (found.channels, found.size, len(found.classes)) == (1, 8, 10)
    assert (len(found.train), len(found.test)) == (1438, 359)
    assert (found.train.images.min(), found.train.images.max()) == (0, 255)
    assert found.classes == tuple("0123456789") and not found.flip


def test_every_class_gives_a_fifth_to_the_test():
    found = load("digits")
    counts = np.bincount(load_digits().target)
    expected = [round(0.2 * count) for count in counts]
    assert np.bincount(found.test.labels).tolist() == expected


def test_both_parts_are_all_the_digits_scaled():
    found = load("digits")
    bundle = load_digits()
    scaled = {
        (label, *np.rint(image.ravel() * 255 / 16).astype(int))
        for label, image in zip(bundle.target, bundle.images, strict=True)
    }
    parts = [
        {(label, *image.ravel()) for label, image in zip(part.labels, part.images, strict=True)}
        for part in (found.train, found.test)
    ]
    assert parts[0] | parts[1] == scaled
    assert not parts[0] & parts[1]


def test_the_division_never_changes():
    checksum = hashlib.md5(load("digits").test.images.tobytes()).hexdigest()
    assert checksum == "1e1f0aa8b42ee89f231bee5e29e3c1d2"
