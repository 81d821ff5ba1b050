"""The Jacobian saliency map attack: pairs of features that raise one class, sink the others.

Source: Papernot et al., The limitations of deep learning in adversarial settings,
arXiv:1511.07528, algorithms 2 and 3. Written from the paper.
"""

import math

import torch
from torch import Tensor

from ggt._foolbox import Goal, Model, PixelSearch, outputs
from graphprune.errors import SpecError

PAIRS = 2_000_000  # scores of pairs held at a time, which bounds memory


class JacobianSaliencyAttack(PixelSearch):
    """Changes the two most salient features of each image again and again.

    A feature is the value of one channel of one pixel. All images of a batch step together.
    Without a target class in the criterion each image aims at one and stops at any other
    label than its own.
    """

    def __init__(
        self,
        *,
        theta: float = 1.0,
        gamma: float = 0.12,
        target: str = "runner-up",
        seed: int = 0,
    ) -> None:
        """Set what a step does and when to stop.

        Args:
            theta: Change of a feature in a step, in [-1, 1], not 0; clipped to [0, 1].
            gamma: Share of the features that may change; half as many steps at most.
            target: "runner-up", the likeliest other class, or "random".
            seed: Fixes random targets.

        Raises:
            SpecError: An argument is out of range.
        """
        if not 0 < abs(theta) <= 1 or not 0 < gamma <= 1:
            raise SpecError(
                f"theta must be in [-1, 1] and not 0, gamma in (0, 1]; got {theta} and {gamma}"
            )
        if target not in ("runner-up", "random"):
            raise SpecError(f"target must be runner-up or random, got {target!r}")
        self.theta, self.gamma = theta, gamma
        self.target, self.seed = target, seed

    def find(self, model: Model, images: Tensor, goal: Goal) -> Tensor:
        """Step until every image has met the goal, has no salient pair or no step left."""
        targets = goal.classes if goal.targeted else self.targets(model, images, goal.classes)
        changed = images.flatten(1).clone()
        sign = math.copysign(1.0, self.theta)
        running = torch.arange(len(images), device=images.device)
        for _ in range(math.floor(changed.shape[1] * self.gamma / 2 + 1e-9)):
            now = changed[running].reshape(-1, *images.shape[1:])
            logits, toward, total = _jacobian_rows(model, now, targets[running])
            still = ~goal.met(logits, running)
            running = running[still]
            if not len(running):
                break
            room = changed[running] < 1 if sign > 0 else changed[running] > 0
            toward, away = sign * toward[still], sign * (toward - total)[still]
            pairs, found = best_pairs(toward, away, room)
            running, pairs = running[found], pairs[found]
            rows = running[:, None]
            changed[rows, pairs] = (changed[rows, pairs] + self.theta).clamp(0, 1)
        return changed.reshape(images.shape)

    def targets(self, model: Model, images: Tensor, labels: Tensor) -> Tensor:
        """The class that each image aims at, never its label; int64, shape (images,)."""
        logits = outputs(model, images)
        if self.target == "runner-up":
            return logits.scatter(1, labels[:, None], -math.inf).argmax(1)
        rng = torch.Generator().manual_seed(self.seed)
        shift = torch.randint(1, logits.shape[1], labels.shape, generator=rng)
        return (labels + shift.to(labels.device)) % logits.shape[1]


def best_pairs(toward: Tensor, away: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """The pair (p, q) of features that maximises (toward_p + toward_q) * (away_p + away_q).

    Only pairs in which both sums are positive count. No pair is overlooked, though few are
    scored: both factors grow with each member's values, so a member that at least two others
    equal or exceed in both values can give way to one of the two that is not its partner.
    What is left after that is the two outermost layers of the cloud of points, usually tens.

    Args:
        toward: How much a feature raises the target; shape (images, features).
        away: How much it sinks all other classes together; same shape.
        allowed: bool, which features may be chosen; same shape.

    Returns:
        Positions of the pair, int64, shape (images, 2), and whether there is one, bool, shape
        (images,).
    """
    order = toward.masked_fill(~allowed, -math.inf).argsort(dim=1, descending=True)
    sunk = away.masked_fill(~allowed, -math.inf).gather(1, order)
    # In order of falling `toward`, a point is exceeded twice where the second largest `away`
    # before it reaches its own. That is the largest of all that lost to a running maximum.
    beaten = torch.minimum(sunk, _shifted(sunk.cummax(1).values))
    kept = (sunk > _shifted(beaten.cummax(1).values)) & allowed.gather(1, order)
    width = max(2, int(kept.sum(1).max()))
    slots = kept.byte().argsort(dim=1, descending=True, stable=True)[:, :width]
    chosen, valid = order.gather(1, slots), kept.gather(1, slots)
    pairs = torch.zeros(len(order), 2, dtype=torch.int64, device=order.device)
    found = torch.zeros(len(order), dtype=torch.bool, device=order.device)
    if chosen.shape[1] < 2:
        return pairs, found
    part = max(1, PAIRS // width**2)
    for start in range(0, len(order), part):
        rows = slice(start, start + part)
        raised, sinks = (each[rows].gather(1, chosen[rows]) for each in (toward, away))
        score = _pair_scores(raised, sinks, valid[rows])
        best, place = score.flatten(1).max(1)
        both = torch.stack([place // width, place % width], dim=1)
        pairs[rows], found[rows] = chosen[rows].gather(1, both), best > 0
    return pairs, found


def _shifted(values: Tensor) -> Tensor:
    """Each column one to the right, nothing (minus infinity) before the first."""
    return torch.nn.functional.pad(values, (1, 0), value=-math.inf)[:, :-1]


def _pair_scores(toward: Tensor, away: Tensor, valid: Tensor) -> Tensor:
    """Score of every pair of positions, 0 where it does not count; in double precision."""
    toward, away = toward.double(), away.double()
    raised = toward[:, :, None] + toward[:, None, :]
    sunk = away[:, :, None] + away[:, None, :]
    counts = (raised > 0) & (sunk > 0) & valid[:, :, None] & valid[:, None, :]
    return torch.where(counts, raised * sunk, 0.0).triu(1)


def _jacobian_rows(
    model: Model, images: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, the gradient of the target's logit, and that of the sum of all logits.

    The gradients have shape (images, features).
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = model(images)
        aimed = logits.gather(1, targets[:, None]).sum()
        toward = torch.autograd.grad(aimed, images, retain_graph=True)[0]
        total = torch.autograd.grad(logits.sum(), images)[0]
    return logits.detach(), toward.flatten(1), total.flatten(1)
