"""The sets of samples of a benchmark: clean, placebo, wrongly labelled, one an attack."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ggt.attack_request import AttackRequest
from ggt.attacks import craft
from ggt.crafting import Crafted, correctly_classified
from ggt.evaluate import CLEAN, FRESH, PLACEBO, WRONG
from ggt.samples import read_samples, write_samples
from ggt.targets import as_pixels
from graphprune.data import Images
from graphprune.errors import SpecError
from graphprune.monitor import Monitor

MOST_FRESH = 2000  # further clean samples, which show the false-positive rate


@dataclass(frozen=True, slots=True, eq=False)
class SampleSets:
    """Samples by set, each read back from the file that it was written to.

    `attacks` holds a row of facts for each attack: tried, succeeded, why not, how far.
    """

    pixels: dict[str, Tensor]
    attacks: list[dict[str, Any]]


def make_sets(
    model: nn.Module,
    test: Images,
    attacks: Sequence[AttackRequest],
    monitor: Monitor,
    *,
    count: int,
    seed: int,
    known: Images | None = None,
) -> SampleSets:
    """Attack test images that the model classifies correctly; keep what succeeded.

    Clean, placebo and adversarial samples go the same way, through a file each; the placebo is
    the clean images once more, so what a detector says of it is the way's doing. `known` are
    images that a substitute attack may train on.

    Raises:
        SpecError: There are fewer than 10 such images.
    """
    pixels, labels = torch.from_numpy(as_pixels(test)), torch.from_numpy(test.labels)
    right = correctly_classified(model, pixels, labels)
    order = np.random.default_rng(seed).permutation(len(test))
    chosen = order[right[order]][:count]
    if len(chosen) < 10:
        raise SpecError(f"{len(chosen)} test images are classified correctly; 10 are needed")
    clean, named = pixels[chosen], labels[chosen]
    sets, facts = {CLEAN: clean, PLACEBO: clean}, []
    more = order[right[order]][count : count + MOST_FRESH]
    for name, places in ((FRESH, more), (WRONG, order[~right[order]][:count])):
        if len(places):
            sets[name] = pixels[places]
    for attack in attacks:
        monitor.stage(f"attack {attack.label()}")
        made = craft(
            model,
            clean,
            named,
            attack,
            known=_known(attack, known),
            progress=lambda done: monitor.progress(done / len(clean), f"{done} images"),
        )
        facts.append(attack_facts(attack, made))
        if made.success.any():
            sets[attack.label()] = torch.from_numpy(made.images[made.success])
    with tempfile.TemporaryDirectory() as folder:
        stored = {
            name: _through_file(part, Path(folder) / f"{index}.npy")
            for index, (name, part) in enumerate(sets.items())
        }
    return SampleSets(stored, facts)


def _known(attack: AttackRequest, images: Images | None) -> Tensor | None:
    """What the attacker has, for the one attack that has a use for it."""
    if attack.name != "substitute" or images is None or not len(images):
        return None
    return torch.from_numpy(as_pixels(images))


def attack_facts(attack: AttackRequest, made: Crafted) -> dict[str, Any]:
    """What a record says of an attack: counts, reasons, median distances of successes.

    Of attacks on signals also "psr" and "psr_max", in dB: median and largest of successes.
    """
    medians = {
        name: float(np.median(sizes[made.success])) if made.success.any() else None
        for name, sizes in made.norms.items()
    }
    facts = {
        "attack": attack.label(),
        "request": attack.text(),
        "attempted": len(made),
        "succeeded": int(made.success.sum()),
        "failed": dict(made.reasons),
        "l2": medians["l2"],
        "linf": medians["linf"],
        "pixels": medians["l0"],
        "seconds": made.seconds,
    }
    if made.psr is not None:
        won = made.psr[made.success]
        facts["psr"] = float(np.median(won)) if len(won) else None
        facts["psr_max"] = float(won.max()) if len(won) else None
    return facts


def _through_file(pixels: Tensor, path: Path) -> Tensor:
    """The samples as a user would have them: written, and read back."""
    write_samples(path, pixels.numpy())
    _, channels, height, width = pixels.shape
    images = read_samples(path, shape=(channels, height, width)).images
    return torch.from_numpy(np.array(images))
