"""PGD on the original and known models of the bank together: the white-box attacker.

Pixels are float32 in [0, 1], shape (samples, channels, height, width). Models are in evaluation
mode, take pixels and give logits of shape (samples, classes).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from graphprune.errors import SpecError

Mode = Literal["joint", "orthogonal", "selective"]
Norm = Literal["linf", "l2"]


def joint_pgd(
    base: nn.Module,
    known: Sequence[nn.Module],
    pixels: Tensor,
    labels: Tensor,
    *,
    epsilon: float,
    steps: int = 40,
    step_size: float | None = None,
    restarts: int = 1,
    weight: float = 1.0,
    mode: Mode = "joint",
    target: Tensor | None = None,
    enough: float = 0.0,
    seed: int = 0,
    batch: int = 256,
) -> Tensor:
    """Make the original wrong and the known bank models agree with it, within an Linf ball.

    Each sample gets a class to aim at; the losses are the cross-entropies to that class, of the
    original and averaged over the known models. "joint" follows the sign of the gradient of
    original + weight * known. "selective" follows the original while it does not say the class
    aimed at, and the known models once it does. "orthogonal" chooses alike, but where the two
    gradients conflict it takes from the one that it follows its part along the other, and it
    steps along what is left, not along its sign, which would not be orthogonal. With no known
    model all three follow the original alone.

    Restart 0 starts at the image and aims at the likeliest class beside the label, by the mean
    of all models; restart r starts at a random point and aims at the r-th next.

    Args:
        base: The original.
        known: Models of the bank that the attacker has; may be empty.
        pixels: Where to start.
        labels: What the original must not say; shape (samples,).
        epsilon: Radius, in pixel units.
        steps: Gradient steps a restart, at least 1.
        step_size: In pixel units, for "orthogonal" the root mean square; None takes
            2.5 * epsilon / steps.
        restarts: At least 1.
        weight: Of the known models in "joint".
        mode: How the two gradients are combined.
        target: Class to aim at in every restart, shape (samples,); None chooses as above.
        enough: A sample with this disagreement (see Returns) or less is not started again.
        seed: Fixes the random starts; they do not depend on `batch`.
        batch: Samples a pass, which bounds memory.

    Returns:
        For each sample the point met on the way that the original gets wrong with the lowest
        soft disagreement of the known models (with none known: with the highest confidence),
        the later one on ties; where there is none, the point where the label was least likely.

    Raises:
        SpecError: A value is out of range, shapes do not line up, or a model trains.

    Source: Madry et al., arXiv:1706.06083, for PGD; Bryniarski et al., arXiv:2106.15023, for
    the orthogonal and selective forms. They take the part away where the gradients agree too;
    members that resemble the original then hold it back. That a restart aims at another class
    is ours.
    """
    _check_joint(epsilon, steps, restarts, mode)
    check_samples(pixels, labels)
    models = [base, *known]
    if any(model.training for model in models):
        raise SpecError("an attacked model is in training mode; call eval() first")
    parameter = next(base.parameters(), pixels)
    step_size = 2.5 * epsilon / steps if step_size is None else step_size
    plan = _Plan(models, epsilon, steps, step_size, restarts, weight, mode, enough)
    rng = torch.Generator().manual_seed(seed)
    noise = torch.rand((restarts, *pixels.shape), generator=rng) * 2 - 1
    noise[0] = 0
    found = []
    for start in range(0, len(pixels), batch):
        part = slice(start, start + batch)
        sent = [pixels[part], labels[part].long(), noise[:, part]]
        aims = None if target is None else target[part].long().to(parameter.device)
        found.append(plan.attack(*(each.to(parameter.device) for each in sent), aims=aims))
    return torch.cat(found).to(pixels.device) if found else pixels.clone()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What stays the same over all batches of one `joint_pgd`."""

    models: list[nn.Module]
    epsilon: float
    steps: int
    step_size: float
    restarts: int
    weight: float
    mode: Mode
    enough: float

    def attack(
        self, pixels: Tensor, labels: Tensor, noise: Tensor, *, aims: Tensor | None
    ) -> Tensor:
        """The best point of each sample of one batch."""
        with torch.no_grad():
            mean = torch.stack([model(pixels).softmax(dim=1) for model in self.models]).mean(0)
        ranked = mean.scatter(1, labels[:, None], -1.0).argsort(dim=1, descending=True)
        best, rank = pixels.clone(), torch.full((len(pixels),), math.inf, device=pixels.device)
        for restart in range(self.restarts):
            rows = (rank > self.enough).nonzero()[:, 0]
            if not len(rows):
                break
            # The last of the ranked classes is the label itself.
            aim = ranked[:, restart % (mean.shape[1] - 1)] if aims is None else aims
            start = pixels[rows] + self.epsilon * noise[restart][rows]
            found, now = self._walk(start, pixels[rows], labels[rows], aim[rows])
            better = now <= rank[rows]
            best[rows] = torch.where(spread(better, pixels), found, best[rows])
            rank[rows] = torch.where(better, now, rank[rows])
        return best

    def _walk(
        self, start: Tensor, pixels: Tensor, labels: Tensor, aim: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The best point of each sample from one start, and how good it is."""
        low, high = (pixels - self.epsilon).clamp(min=0), (pixels + self.epsilon).clamp(max=1)
        point = best = start.clamp(low, high)
        rank = torch.full((len(pixels),), math.inf, device=pixels.device)
        for step in range(self.steps + 1):
            outputs, own, others = self._gradients(point, aim)
            now = _rank(outputs, labels)
            better = now <= rank
            rank = torch.where(better, now, rank)
            best = torch.where(spread(better, pixels), point, best)
            if step < self.steps:
                move = self._direction(own, others, outputs[0].argmax(dim=1) == aim)
                point = (point - self.step_size * move).clamp(low, high)
        return best, rank

    def _gradients(self, point: Tensor, aim: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Probabilities of each model; gradients of the original's loss and of the others'."""
        outputs, gradients = [], []
        for model in self.models:  # one graph at a time, whatever the size of the bank
            leaf = point.detach().requires_grad_()
            logits = model(leaf)
            loss = nn.functional.cross_entropy(logits, aim, reduction="sum")
            gradients.append(torch.autograd.grad(loss, leaf)[0])
            outputs.append(logits.detach().softmax(dim=1))
        others = torch.stack(gradients[1:]).mean(0) if gradients[1:] else torch.zeros_like(leaf)
        return outputs, gradients[0], others

    def _direction(self, own: Tensor, others: Tensor, reached: Tensor) -> Tensor:
        """Where to go uphill; `reached` tells where the original says the class aimed at."""
        if self.mode == "joint":
            return (own + self.weight * others).sign()
        # Without known models there is nothing else to follow.
        turn = spread(reached & others.flatten(1).any(dim=1), own)
        if self.mode == "selective":
            return torch.where(turn, others, own).sign()
        followed, spared = torch.where(turn, others, own), torch.where(turn, own, others)
        against = (followed * spared).flatten(1).sum(dim=1) < 0
        chosen = torch.where(spread(against, own), orthogonal(followed, spared), followed)
        length = spread(chosen.flatten(1).norm(dim=1).clamp(min=1e-30), own)
        move: Tensor = chosen / length * math.sqrt(own[0].numel())
        return move


def orthogonal(gradient: Tensor, other: Tensor) -> Tensor:
    """What is left of each sample's gradient without its part along the other one.

    A zero gradient takes nothing away. Both have shape (samples, ...), as the result has.
    """
    one, two = gradient.flatten(1).double(), other.flatten(1).double()
    unit = two / two.norm(dim=1, keepdim=True).clamp(min=1e-300)
    left: Tensor = one - (one * unit).sum(dim=1, keepdim=True) * unit
    return left.view_as(gradient).to(gradient.dtype)


def _rank(outputs: list[Tensor], labels: Tensor) -> Tensor:
    """How good a point is, lower being better; below 1 where the original is wrong.

    There it is the soft disagreement in [0, 1), elsewhere 2 plus the label's probability.
    """
    base, known = outputs[0], outputs[1:]
    new = base.argmax(dim=1)
    voters = torch.stack(known).mean(0) if known else base
    disagreement = 1 - voters.gather(1, new[:, None])[:, 0]
    right = 2 + base.gather(1, labels[:, None])[:, 0]
    return torch.where(new != labels, disagreement, right)


def spread(values: Tensor, like: Tensor) -> Tensor:
    """One value a sample, in a shape that broadcasts over the samples."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def distances(points: Tensor, pixels: Tensor, norm: Norm) -> Tensor:
    """Distance of each sample from its original, in pixel units; shape (samples,)."""
    moved = (points - pixels).flatten(1)
    return moved.abs().amax(dim=1) if norm == "linf" else moved.norm(dim=1)


def _check_joint(epsilon: float, steps: int, restarts: int, mode: str) -> None:
    if not 0 <= epsilon <= 1:
        raise SpecError(f"epsilon must be in [0, 1], got {epsilon}")
    if min(steps, restarts) < 1:
        raise SpecError(
            f"steps and restarts must be at least 1, got steps={steps}, restarts={restarts}"
        )
    if mode not in get_args(Mode):
        raise SpecError(f"mode must be one of {', '.join(get_args(Mode))}, got {mode!r}")


def check_samples(pixels: Tensor, labels: Tensor) -> None:
    """Refuse samples that no attack can start from.

    Raises:
        SpecError: Labels are missing, or pixels leave [0, 1].
    """
    if len(pixels) != len(labels):
        raise SpecError(f"{len(pixels)} samples, but {len(labels)} labels")
    if not bool(((pixels >= 0) & (pixels <= 1)).all()):
        raise SpecError("pixels must be in [0, 1]")
