"""Budgets of attacks on radio signals: the power of what is added over that of the frame."""

import math
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ggt.attack_request import AttackRequest
from graphprune.data import Signal
from graphprune.errors import SpecError


def budget_of(
    attack: AttackRequest, frames: Tensor, signal: Signal | None
) -> tuple[AttackRequest, float | Tensor]:
    """What a perturbation-to-signal ratio allows an attack, in pixels.

    An attack with an epsilon (Linf) gets the one at which a change of that size in every I and
    every Q has the ratio to a frame of the frames' mean power. One that looks for a small
    change succeeds where what it found is within the bound: in L2 that of each frame by its own
    power.

    Args:
        attack: With a `psr`.
        frames: Pixels, shape (count, 2, length, 1), at least one frame.
        signal: How they are read; None: they are no signals.

    Returns:
        The request with its epsilon, if it takes one, and the bound in the attack's norm: a
        number, or one a frame of shape (count,).

    Raises:
        SpecError: The images are no signals, or there is no power in them.
    """
    assert attack.psr is not None
    if signal is None:
        raise SpecError("psr is a budget for radio signals, and these are images; use epsilon")
    power = frame_power(frames, signal)
    if not power.mean() > 0:
        raise SpecError("the frames are silent: no ratio of powers is a budget for them")
    allowed = 10 ** (attack.psr / 10)
    pixel = 2 * signal.scale  # I/Q values from the least to the brightest pixel
    if attack.kind.norm == "l2":
        length = frames.shape[2]
        return attack, torch.from_numpy(np.sqrt(allowed * length * power) / pixel)
    # At most the whole range; each of I and Q has half of the power.
    epsilon = min(1.0, math.sqrt(allowed * float(power.mean()) / 2) / pixel)
    if "epsilon" not in attack.kind.options:
        return attack, epsilon
    return replace(attack, psr=None, epsilon=epsilon), epsilon


def frame_power(frames: Tensor, signal: Signal) -> NDArray[np.float64]:
    """Mean |x|^2 of each frame; shape (count,)."""
    values = (2 * frames.double().cpu().numpy() - 1) * signal.scale
    power: NDArray[np.float64] = np.square(values).sum(axis=1).mean(axis=(1, 2))
    return power


def power_ratios(clean: Tensor, changed: Tensor, signal: Signal) -> NDArray[np.float64]:
    """Power of each change over that of its frame, in dB; shape (count,).

    Args:
        clean: Pixels, shape (count, 2, length, 1).
        changed: What became of them.
        signal: How they are read.

    Returns:
        -inf where nothing is changed, inf where a silent frame is.
    """
    change = 2 * signal.scale * (changed.double() - clean.double()).cpu().numpy()
    added = np.square(change).sum(axis=1).mean(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(added / frame_power(clean, signal))
    ratios: NDArray[np.float64] = np.where(added > 0, ratio, -np.inf)
    return ratios
