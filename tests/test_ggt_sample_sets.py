"""The sets of a benchmark: same way through files, same images, facts that add up."""

import numpy as np
import pytest
import torch
from torch import nn

from ggt.attack_request import parse
from ggt.evaluate import CLEAN, FRESH, PLACEBO, WRONG
from ggt.pixel_models import probabilities
from ggt.sample_sets import make_sets
from graphprune.data import Images
from graphprune.errors import SpecError
from graphprune.monitor import Silent

pytestmark = pytest.mark.usefixtures("one_thread")


class Brightness(nn.Module):
    """Class 1 where an image's mean is above a half."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(20.0))

    def forward(self, pixels):
        mean = pixels.mean(dim=(1, 2, 3))
        return torch.stack([0 * mean, self.weight * (mean - 0.5)], dim=1)


def images(count=60, wrong=5):
    rng = np.random.default_rng(0)
    pixels = rng.integers(90, 166, (count, 1, 4, 4)).astype(np.uint8)
    labels = (pixels.mean(axis=(1, 2, 3)) > 127.5).astype(np.int64)
    labels[:wrong] = 1 - labels[:wrong]
    return Images(pixels, labels)


def made(**options):
    attacks = [parse("fgsm:epsilon=0.2"), parse("fgsm:epsilon=0.0001")]
    options = {"count": 30, "seed": 1, **options}
    return make_sets(Brightness(), images(), attacks, Silent(), **options)


def test_sets_hold_right_wrong_and_attacked_images():
    found, model, known = made(), Brightness(), images()
    sizes = {name: len(part) for name, part in found.pixels.items()}
    assert sizes[CLEAN] == sizes[PLACEBO] == 30
    assert sizes[FRESH] == 25 and sizes[WRONG] == 5
    assert sizes["fgsm eps 0.2"] == found.attacks[0]["succeeded"] == 30
    rows = known.images.astype(np.float32) / np.float32(255)
    truths = {row.tobytes(): own for row, own in zip(rows, known.labels, strict=True)}
    for name, right in ((CLEAN, True), (FRESH, True), (WRONG, False)):
        part = found.pixels[name]
        said = probabilities(model, part).argmax(1).tolist()
        truth = [truths[row.numpy().tobytes()] for row in part]
        assert [s == t for s, t in zip(said, truth, strict=True)] == [right] * len(part)
    assert torch.equal(found.pixels[CLEAN], found.pixels[PLACEBO])
    clean = {row.numpy().tobytes() for row in found.pixels[CLEAN]}
    assert not clean & {row.numpy().tobytes() for row in found.pixels[FRESH]}


def test_attacks_that_fail_are_counted_and_have_no_set():
    found = made()
    failed = found.attacks[1]
    assert (failed["attempted"] == 30 and failed["l2"] is None) or failed["succeeded"] > 0
    assert failed["succeeded"] + sum(failed["failed"].values()) == 30
    if not failed["succeeded"]:
        assert "fgsm eps 0.0001" not in found.pixels
    assert found.attacks[0]["linf"] == pytest.approx(0.2, abs=1e-5)


def test_the_seed_chooses_the_images():
    first, again, other = made(), made(), made(seed=2)
    assert torch.equal(first.pixels[CLEAN], again.pixels[CLEAN])
    assert not torch.equal(first.pixels[CLEAN], other.pixels[CLEAN])


def test_too_few_right_images_are_refused():
    with pytest.raises(SpecError, match="10 are needed"):
        make_sets(Brightness(), images(12, wrong=6), [], Silent(), count=30, seed=0)
