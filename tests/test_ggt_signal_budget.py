"""Ratios of powers and what they allow, by hand and against a slow twin."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ggt.attack_request import ATTACKS, AttackRequest, parse
from ggt.attacks import craft
from ggt.crafting import predicted
from ggt.pixel_models import PixelModel
from ggt.signal_budget import budget_of, frame_power, power_ratios
from graphprune.data import Signal
from graphprune.errors import SpecError

SIGNAL = Signal(scale=4, normalise="power")
LENGTH = 32
pytestmark = pytest.mark.usefixtures("one_thread")


def frames(count=12, seed=0, size=1.0):
    """Unit-power frames at random phases, as pixels."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(count, 2, LENGTH))
    drawn *= size / np.sqrt(np.square(drawn).sum(axis=1).mean(axis=1))[:, None, None]
    return torch.from_numpy(SIGNAL.pixels(drawn))


def victim(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Flatten(), nn.Linear(2 * LENGTH, 3))
    return PixelModel(network, SIGNAL.mean, SIGNAL.std, signal=SIGNAL)


def slow_ratio(clean, changed):
    """Ratio of one frame in dB, sample by sample."""
    before = [complex(*row) for row in SIGNAL.iq(clean[None].numpy())[0].T.tolist()]
    after = [complex(*row) for row in SIGNAL.iq(changed[None].numpy())[0].T.tolist()]
    added = sum(abs(b - a) ** 2 for a, b in zip(before, after, strict=True))
    return 10 * math.log10(added / sum(abs(a) ** 2 for a in before))


def test_power_by_hand():
    iq = np.zeros((2, 2, 4))
    iq[0] = [[3, 0, 0, 0], [0, 0, 1, 0]]  # |x|^2: 9 0 1 0
    pixels = torch.from_numpy(SIGNAL.pixels(iq))
    assert frame_power(pixels, SIGNAL).tolist() == [2.5, 0]
    changed = iq.copy()
    changed[0, 0, 1] += 1  # one sample of |d|^2 = 1: 0.25 over 2.5
    changed[1, 1, 1] += 1
    found = power_ratios(pixels, torch.from_numpy(SIGNAL.pixels(changed)), SIGNAL)
    assert found[0] == pytest.approx(-10) and found[1] == math.inf
    assert power_ratios(pixels, pixels, SIGNAL).tolist() == [-math.inf, -math.inf]


@pytest.mark.parametrize("psr", [-20, -15, -3])
def test_a_full_sign_attack_has_the_ratio_asked_for(psr):
    clean = frames()
    made = craft(victim(), clean, predicted(victim(), clean), parse("fgsm", psr=psr))
    assert made.success.any()
    won = made.psr[made.success]
    np.testing.assert_allclose(won, psr, atol=0.05)  # a little is lost to clipping
    for at in np.flatnonzero(made.success):
        twin = slow_ratio(clean[at], torch.from_numpy(made.images[at]))
        assert made.psr[at] == pytest.approx(twin, abs=1e-3)
    assert (made.psr[~made.success] == -math.inf).all()


@pytest.mark.parametrize("name", ["pgd", "deepfool", "deepfool-linf", "substitute"])
def test_no_attack_goes_beyond_its_ratio(name):
    clean, psr = frames(24, size=0.7), -18
    free = craft(victim(), clean, predicted(victim(), clean), AttackRequest(name))
    made = craft(victim(), clean, predicted(victim(), clean), parse(name, psr=psr))
    assert free.success.sum() >= made.success.sum() > 0
    assert made.psr.max() <= psr + 1e-3 < free.psr.max()
    if name == "deepfool":
        assert made.reasons == {"beyond the norm": int((free.psr > psr).sum())}
        assert (made.success == (free.success & (free.psr <= psr))).all()


def test_frames_of_other_powers_have_other_bounds_in_l2():
    clean = torch.cat([frames(1), frames(1, size=0.1)])
    request, bound = budget_of(parse("deepfool", psr=-20), clean, SIGNAL)
    assert request.psr == -20 and request.epsilon is None
    expected = np.array([1, 0.1]) * math.sqrt(LENGTH) * 0.1 / (2 * SIGNAL.scale)
    np.testing.assert_allclose(bound.numpy(), expected, rtol=1e-4)


def test_linf_has_one_bound_of_the_mean_power():
    clean = torch.cat([frames(1), frames(1, size=0.1)])
    request, bound = budget_of(parse("pgd:steps=7", psr=-20), clean, SIGNAL)
    expected = math.sqrt(0.01 * (1 + 0.01) / 2 / 2) / 8
    assert request.epsilon == bound == pytest.approx(expected, rel=1e-4)
    assert (request.psr, request.steps) == (None, 7)
    wide, _ = budget_of(parse("pgd", psr=100), clean, SIGNAL)
    assert wide.epsilon == 1


def test_images_and_silence_have_no_ratio():
    with pytest.raises(SpecError, match="psr is a budget for radio signals"):
        craft(
            PixelModel(nn.Flatten(), [0.0], [1.0]),
            torch.rand(2, 1, 2, 2),
            torch.zeros(2, dtype=torch.int64),
            parse("fgsm", psr=-20),
        )
    with pytest.raises(SpecError, match="silent"):
        budget_of(parse("fgsm", psr=-20), torch.full((2, 2, 8, 1), 0.5), SIGNAL)


def test_which_attacks_take_a_ratio():
    blind = {name for name, kind in ATTACKS.items() if not kind.takes_psr}
    assert blind == {"jsma", "local-search", "one-pixel"}
