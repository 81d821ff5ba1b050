"""What every attack shares: a network left as it was, and outputs that are checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ggt.pixel_models import probabilities
from ggt.signal_budget import power_ratios
from graphprune.data import Signal
from graphprune.errors import SpecError

NORMS = ("l0", "l2", "linf")
RANGE_SLACK = 1e-6  # beyond [0, 1], of rounding; clipped away
NORM_SLACK = 1e-5  # share of the bound, of rounding

NOT_FINITE = "not finite"
OUT_OF_RANGE = "out of range"
BEYOND = "beyond the norm"
CONSTANT = "constant image"
NOT_FOOLED = "not misclassified"
NOT_TRIED = "not tried"
REASONS = (NOT_TRIED, NOT_FINITE, OUT_OF_RANGE, BEYOND, CONSTANT, NOT_FOOLED)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Crafted:
    """What an attack made of each image it was given, failures included.

    `images` is float32, shape (count, channels, height, width), in [0, 1], the clean image
    where the attack failed. `success` is bool, `labels` the label that was attacked and
    `predictions` what the network says of `images`, int64, each of shape (count,). `norms`
    gives the size of each change by name: l0 (pixels), l2, linf; 0 where it failed.
    `reasons` counts failures, each under the first of `REASONS` that applies. `seconds` is the
    time that the attack took. `psr`, of radio signals only, is the power of each change over
    that of the frame in dB, float64, shape (count,), -inf where it failed.
    """

    images: NDArray[np.float32]
    success: NDArray[np.bool_]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    norms: dict[str, NDArray[np.float64]]
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    psr: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Number of images that were attacked."""
        return len(self.success)

    @property
    def rate(self) -> float:
        """Share of the images on which the attack succeeded; NaN if there was none."""
        return float(self.success.mean()) if len(self) else float("nan")


def guard(
    model: nn.Module,
    clean: Tensor,
    labels: Tensor,
    produced: Tensor,
    *,
    norm: str | None = None,
    bound: float | Tensor | None = None,
    batch: int = 256,
    tried: Tensor | None = None,
    seconds: float = 0.0,
    signal: Signal | None = None,
) -> Crafted:
    """Judge what an attack returned; its own opinion of its success is not asked for.

    An image counts as made if it is finite, in [0, 1], within the bound, not of a single
    colour (unless the clean one is), and if the network, asked again as a detector asks it,
    gives it another label than `labels`.

    Args:
        model: The attacked network, as `probabilities` takes it.
        clean: Shape (count, channels, height, width), in [0, 1].
        labels: The label attacked, one an image; shape (count,).
        produced: The attack's output, of the shape of `clean`.
        norm: What `bound` bounds: "l0" (pixels), "l2" or "linf"; None: nothing is bounded.
        bound: Largest change allowed, in that norm; one for all, or one an image.
        batch: Images a pass.
        tried: bool, which images were attacked at all, the others count as failed; shape
            (count,). None: all.
        seconds: Time that the attack took, kept in the result.
        signal: How the pixels of signals are read; None: they are images.

    Raises:
        SpecError: The shapes differ, or the norm is unknown or has no bound.
    """
    _check_shapes(clean, labels, produced)
    if (norm is None) != (bound is None) or (norm is not None and norm not in NORMS):
        raise SpecError(f"a bound needs a norm of {', '.join(NORMS)}, got {norm!r}: {bound}")
    clean, produced = clean.detach().cpu().float(), produced.detach().cpu().float()
    finite = torch.isfinite(produced).flatten(1).all(1)
    usable = torch.where(finite.reshape(-1, 1, 1, 1), produced, clean)
    lowest, highest = usable.flatten(1).amin(1), usable.flatten(1).amax(1)
    in_range = (lowest >= -RANGE_SLACK) & (highest <= 1 + RANGE_SLACK)
    usable = usable.clamp(0, 1)
    untried = torch.zeros_like(finite) if tried is None else ~tried.cpu()
    faults = {NOT_TRIED: untried, NOT_FINITE: ~finite, OUT_OF_RANGE: ~in_range}
    if norm is not None and bound is not None:
        size = torch.from_numpy(change_norms(clean, usable)[norm])
        faults[BEYOND] = size > bound * (1 + NORM_SLACK) + RANGE_SLACK
    faults[CONSTANT] = _constant(usable) & ~_constant(clean)
    asked = labels.cpu().long()
    found = probabilities(model, usable, batch=batch)
    faults[NOT_FINITE] = faults[NOT_FINITE] | ~torch.isfinite(found).all(1)
    faults[NOT_FOOLED] = found.argmax(1) == asked
    success, reasons = _first_faults(faults)
    images = torch.where(success.reshape(-1, 1, 1, 1), usable, clean).clamp(0, 1)
    after = torch.where(success, found.argmax(1), predicted(model, clean, batch=batch))
    return Crafted(
        images=images.numpy(),
        success=success.numpy(),
        labels=asked.numpy(),
        predictions=after.numpy(),
        norms=change_norms(clean, images),
        reasons=reasons,
        seconds=seconds,
        psr=None if signal is None else power_ratios(clean, images, signal),
    )


def change_norms(clean: Tensor, changed: Tensor) -> dict[str, NDArray[np.float64]]:
    """Size of each image's change by name; each of shape (count,).

    l0 counts pixels of which any channel differs; l2 and linf are over all values, in units
    where black is 0 and the brightest value 1.
    """
    change = (changed.double() - clean.double()).abs()
    flat = change.flatten(1)
    return {
        "l0": (change > 0).any(1).flatten(1).sum(1).double().numpy(),
        "l2": flat.square().sum(1).sqrt().numpy(),
        "linf": flat.amax(1).numpy(),
    }


def predicted(model: nn.Module, images: Tensor, *, batch: int = 256) -> Tensor:
    """The network's label of each image, as a detector asks for it; int64, on the CPU."""
    if not len(images):
        return torch.empty(0, dtype=torch.int64)
    return probabilities(model, images, batch=batch).argmax(1)


def correctly_classified(
    model: nn.Module, images: Tensor, labels: Tensor, *, batch: int = 256
) -> NDArray[np.bool_]:
    """Which images the network labels as `labels` does: those to attack; shape (count,)."""
    right: NDArray[np.bool_] = (predicted(model, images, batch=batch) == labels.cpu()).numpy()
    return right


def wrongly_labelled(
    model: nn.Module, images: Tensor, labels: Tensor, *, batch: int = 256
) -> NDArray[np.bool_]:
    """Which clean images the network gets wrong: the WL class; shape (count,)."""
    return ~correctly_classified(model, images, labels, batch=batch)


@contextmanager
def left_as_found(model: nn.Module) -> Iterator[None]:
    """A network in evaluation mode whose parameters gather no gradients, put back after.

    Masks and other parametrizations are applied once for the whole block.
    """
    modes = {module: module.training for module in model.modules()}
    wanted = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        for module in modes:
            module.training = False
        for parameter in wanted:
            parameter.requires_grad_(False)
        with parametrize.cached():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, want in wanted.items():
            parameter.requires_grad_(want)


@contextmanager
def own_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Global random states of torch and numpy that follow from `seed`, put back after.

    Attack libraries draw from these states whatever generator one would give them.
    """
    numpy_state = np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng([] if device.type == "cpu" else [device]):
            torch.manual_seed(seed)
            np.random.set_state(np.random.RandomState(seed).get_state())  # noqa: NPY002
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002


def _check_shapes(clean: Tensor, labels: Tensor, produced: Tensor) -> None:
    if clean.ndim != 4 or not len(clean):
        raise SpecError(
            "images must have shape (count, channels, height, width) with at least one, "
            f"got {tuple(clean.shape)}"
        )
    if produced.shape != clean.shape or labels.shape != clean.shape[:1]:
        raise SpecError(
            f"images of shape {tuple(clean.shape)}, but {tuple(labels.shape)} labels and an "
            f"attack's output of shape {tuple(produced.shape)}"
        )


def _constant(images: Tensor) -> Tensor:
    """Which images are of a single value; bool, shape (count,)."""
    flat = images.flatten(1)
    return flat.amax(1) - flat.amin(1) <= RANGE_SLACK


def _first_faults(faults: dict[str, Tensor]) -> tuple[Tensor, dict[str, int]]:
    """Which images have no fault, and how many fail by each, counted once."""
    count = len(faults[NOT_FINITE])
    open_still = torch.ones(count, dtype=torch.bool)
    reasons: dict[str, int] = {}
    for reason in REASONS:
        failed = faults.get(reason, torch.zeros(count, dtype=torch.bool)) & open_still
        open_still = open_still & ~failed
        if failed.any():
            reasons[reason] = int(failed.sum())
    return open_still, reasons
