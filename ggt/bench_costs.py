"""What a detection costs, measured: early stopping, compact and masked models, in turn."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ggt.asking import ask
from ggt.bank import Bank
from ggt.calibration import Calibration
from ggt.detector import GroupRule
from ggt.evaluate import CLEAN, attacks_of
from ggt.panels import CONTROL_NAMES
from ggt.pixel_models import PixelModel, probabilities
from ggt.sample_sets import SampleSets
from graphprune.nn import expand
from graphprune.nn.compaction import compaction_report

ROUNDS = 3
MOST = 1000  # samples of the detection that is timed
GRAPH_BANK = "graph bank"


def detection_costs(
    bank: Bank,
    controls: Mapping[str, Bank],
    sets: SampleSets,
    calibrations: Mapping[str, Calibration],
) -> dict[str, Any]:
    """Time of whole detections by the group-sequential soft rule, and of dense passes.

    The samples are half clean and half adversarial. Every way is timed in turn, several times;
    the networks are loaded and have run once before.

    Returns:
        "samples", "dense_pass_ms" (the original alone, a sample) and a row for each way:
        "ms" a sample (median), "dense_passes" (its time in units of the original's in the same
        round, median), "models" (mean asked).
    """
    mixed = _mixture(sets.pixels)
    base = bank.base()
    ways: dict[str, tuple[Callable[[int], nn.Module], Calibration]] = {
        "graph bank, compact": (bank.member, calibrations[GRAPH_BANK])
    }
    members = bank.members()
    if any(_is_compact(member.network) for member in members):
        masked = [_masked(member) for member in members]
        ways["graph bank, masked"] = (masked.__getitem__, calibrations[GRAPH_BANK])
    for family, own in controls.items():
        name = CONTROL_NAMES[family]
        ways[name] = (own.member, calibrations[name])
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    dense: list[float] = []
    models: dict[str, float] = {}
    for turn in range(ROUNDS + 1):  # the first warms up: compilation, caches
        seconds = {name: _seconds(base, way, mixed, models, name) for name, way in ways.items()}
        began = time.perf_counter()
        probabilities(base, mixed)
        if turn:
            dense.append(time.perf_counter() - began)
            for name, taken in seconds.items():
                rounds[name].append(taken)
    return {
        "samples": len(mixed),
        "rounds": ROUNDS,
        "dense_pass_ms": 1000 * statistics.median(dense) / len(mixed),
        "ways": {
            name: {
                "ms": 1000 * statistics.median(taken) / len(mixed),
                "dense_passes": statistics.median(
                    own / one for own, one in zip(taken, dense, strict=True)
                ),
                "models": models[name],
            }
            for name, taken in rounds.items()
        },
    }


def _seconds(
    base: nn.Module,
    way: tuple[Callable[[int], nn.Module], Calibration],
    pixels: Tensor,
    models: dict[str, float],
    name: str,
) -> float:
    member, calibration = way
    rule = GroupRule(calibration, "soft")
    began = time.perf_counter()
    found = ask(base, member, pixels, rule, models=calibration.models)
    seconds = time.perf_counter() - began
    models[name] = float(found.verdicts.models_used.mean())
    return seconds


def _mixture(sets: Mapping[str, Tensor]) -> Tensor:
    """Half clean, half attacked samples, of every attack alike."""
    names = attacks_of(sets)
    clean = sets[CLEAN][: MOST // 2]
    if not names:
        return clean
    each = -(-len(clean) // len(names))
    return torch.cat([clean, *(sets[name][:each] for name in names)])


def _is_compact(network: nn.Module) -> bool:
    return bool(compaction_report(network))


def _masked(model: PixelModel) -> PixelModel:
    """The same model with masks in the place of compact layers, if it has any."""
    if not _is_compact(model.network):
        return model
    return PixelModel(
        expand(model.network),
        model.mean.flatten().tolist(),
        model.std.flatten().tolist(),
        signal=model.signal,
    )
