"""The attacker who sees labels and flags only: HopSkipJump in which a flag is a failure.

Pixels are float32 in [0, 1], shape (samples, channels, height, width).
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor

from ggt._foolbox import Bounds, Criterion, Model, astensor, astensor_, astensors_
from ggt.decision_based import HopSkipJump
from ggt.joint_attack import Norm, check_samples, distances, spread
from graphprune.errors import SpecError

Oracle = Callable[[Tensor], tuple[Any, Any]]  # pixels -> labels, flags; shapes (samples,)


@dataclass(frozen=True, slots=True, eq=False)
class QueryEvasion:
    """What an attacker found who sees only labels and flags.

    `pixels` is the nearest evasion of each sample, or the sample itself where `found` is False.
    `queries` counts the images asked about for each sample, shape (samples,); `shared_queries`
    those asked about once for all, the starts.
    """

    pixels: Tensor
    found: Tensor
    queries: Tensor
    shared_queries: int


class FlagCriterion(Criterion):
    """Success is another label *and* no flag; remembers the nearest success of each sample."""

    def __init__(self, pixels: Tensor, labels: Tensor, nearest: Tensor, norm: Norm) -> None:
        """`pixels` and `labels`: the originals; `nearest`: a success for each of them."""
        self.pixels, self.labels, self.norm = pixels, labels, norm
        self.nearest = nearest.clone()

    def __repr__(self) -> str:
        return f"FlagCriterion({self.norm}, {len(self.labels)} samples)"

    def __call__(self, perturbed: Any, outputs: Any) -> Any:
        """Which samples succeed; `outputs` is what `_Asked` gives, shape (samples, 2)."""
        (points, answers), restore = astensors_(perturbed, outputs)
        success = (answers.raw[:, 0] != self.labels) & (answers.raw[:, 1] == 0)
        nearer = distances(points.raw, self.pixels, self.norm) < distances(
            self.nearest, self.pixels, self.norm
        )
        kept = spread(success & nearer, self.pixels)
        self.nearest = torch.where(kept, points.raw, self.nearest)
        return restore(astensor(success))


class _Asked(Model):
    """The oracle as a foolbox model: outputs (label, flag), shape (samples, 2).

    An image is asked about once for each sample: foolbox asks again and insists on the same
    answer, which a detector that batches otherwise need not give at its threshold. A sample
    whose queries are spent is answered "flagged"; `_Spent` ends the attack when all are.
    """

    def __init__(self, oracle: Oracle, labels: Tensor, queries: int) -> None:
        self.oracle, self.labels, self.most = oracle, labels, queries
        self.asked = [0] * len(labels)
        self.known: list[dict[bytes, tuple[int, bool]]] = [{} for _ in labels]

    @property
    def bounds(self) -> Bounds:
        """The range of pixels."""
        return Bounds(0, 1)

    def learn(self, pixels: Tensor, labels: Tensor) -> None:
        """Remember for each sample an image that is known to have this label and no flag."""
        for known, image, label in zip(self.known, pixels, labels.tolist(), strict=True):
            known[_key(image)] = (label, False)

    def __call__(self, inputs: Any) -> Any:
        """Labels and flags of one image for each sample."""
        points, restore = astensor_(inputs)
        keys = [_key(image) for image in points.raw]
        new = [i for i, key in enumerate(keys) if key not in self.known[i]]
        if new and all(count >= self.most for count in self.asked):
            raise _Spent
        new = [i for i in new if self.asked[i] < self.most]
        if new:
            labels, flags = (each.tolist() for each in _ask(self.oracle, points.raw[new]))
            for i, label, flag in zip(new, labels, flags, strict=True):
                self.known[i][keys[i]] = (label, flag)
                self.asked[i] += 1
        rows = [
            known.get(key, (label, True))
            for known, key, label in zip(self.known, keys, self.labels.tolist(), strict=True)
        ]
        answers = torch.tensor(rows, dtype=torch.int64, device=points.raw.device)
        return restore(astensor(answers))


class _Spent(Exception):
    """No sample has queries left."""


def _key(image: Tensor) -> bytes:
    return image.cpu().numpy().tobytes()


def evade_by_queries(
    oracle: Oracle,
    pixels: Tensor,
    labels: Tensor,
    starts: Tensor,
    *,
    queries: int = 2000,
    steps: int = 64,
    norm: Norm = "l2",
    seed: int = 0,
    batch: int = 32,
) -> QueryEvasion:
    """HopSkipJump against label and flag: near images that are mislabelled and not flagged.

    Each sample starts from the nearest of `starts` that is no flagged image and has another
    label: an attacker's own clean images serve. From there the attack walks along the edge of
    what the original and the detector let pass.

    Args:
        oracle: Pixels to labels and to flags, both of shape (samples,); a flag is True where
            the detector does not let the sample pass.
        pixels: What to stay near to.
        labels: The original's own labels of them; shape (samples,).
        starts: Images to start from, shape (starts, channels, height, width).
        queries: Images that may be asked about for one sample, beside the starts.
        steps: HopSkipJump's steps at most.
        norm: Which distance to make small.
        seed: Fixes every random choice; the global state is left as it was.
        batch: Samples attacked together, which bounds memory.

    Returns:
        The nearest evasion of each sample. The oracle is asked once more about all of them,
        and what it then flags is not called found; this is not counted as a query.

    Raises:
        SpecError: A value is out of range or shapes do not line up.

    Source: Chen et al., HopSkipJumpAttack, arXiv:1904.02144, as foolbox has it,
    with every image's steps of full length (see `ggt.decision_based.HopSkipJump`).
    """
    if min(queries, steps) < 1:
        raise SpecError(
            f"queries and steps must be at least 1, got queries={queries}, steps={steps}"
        )
    if norm not in get_args(Norm):
        raise SpecError(f"norm must be one of {', '.join(get_args(Norm))}, got {norm!r}")
    check_samples(pixels, labels)
    if not len(pixels):
        return QueryEvasion(pixels.clone(), labels.bool(), labels.clone(), 0)
    nearest, said = _nearest_starts(oracle, pixels, labels, starts, norm)
    asked = torch.zeros(len(pixels), dtype=torch.int64)
    able = (said >= 0).nonzero()[:, 0]
    attack = HopSkipJump(steps=steps, constraint=norm)
    with torch.random.fork_rng(devices=[pixels.device] if pixels.is_cuda else []):
        torch.manual_seed(seed)
        for begin in range(0, len(able), batch):
            part = able[begin : begin + batch]
            model = _Asked(oracle, labels[part], queries)
            model.learn(nearest[part], said[part])
            criterion = FlagCriterion(pixels[part], labels[part], nearest[part], norm)
            with suppress(_Spent):
                attack.run(model, pixels[part], criterion, starting_points=nearest[part])
            nearest[part] = criterion.nearest
            asked[part.cpu()] = torch.tensor(model.asked)
    answers, flags = _ask(oracle, nearest)
    found = (answers != labels) & ~flags & (said >= 0)
    kept = torch.where(spread(found, pixels), nearest, pixels)
    return QueryEvasion(kept, found, asked, len(starts))


def _ask(oracle: Oracle, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels, int64, and flags, bool, both of shape (samples,), where the pixels are."""
    labels, flags = (torch.as_tensor(each, device=pixels.device) for each in oracle(pixels))
    if labels.shape != (len(pixels),) or flags.shape != (len(pixels),):
        raise SpecError(
            f"an oracle must give a label and a flag for each of {len(pixels)} samples, got "
            f"shapes {tuple(labels.shape)} and {tuple(flags.shape)}"
        )
    return labels.long(), flags.bool()


def _nearest_starts(
    oracle: Oracle, pixels: Tensor, labels: Tensor, starts: Tensor, norm: Norm
) -> tuple[Tensor, Tensor]:
    """The nearest start that evades, and its label; the sample itself and -1 without one."""
    if not len(starts):
        return pixels.clone(), torch.full_like(labels, -1)
    answers, flags = _ask(oracle, starts)
    nearest, said = [], []
    for image, label in zip(pixels, labels, strict=True):
        far = distances(starts, image[None].expand_as(starts), norm)
        far[(answers == label) | flags] = math.inf
        chosen = int(far.argmin())
        fits = bool(far[chosen] < math.inf)
        nearest.append(starts[chosen] if fits else image)
        said.append(int(answers[chosen]) if fits else -1)
    return torch.stack(nearest), torch.tensor(said, device=pixels.device)
