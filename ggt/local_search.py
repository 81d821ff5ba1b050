"""Greedy local search over pixels, from scores alone.

Source: Narodytska and Kasiviswanathan, Simple black-box adversarial perturbations for deep
networks, arXiv:1612.06299, algorithm LocSearchAdv. Written from the paper.
"""

import torch
from torch import Tensor
from torch.nn import functional

from ggt._foolbox import QUERIES, Goal, Model, PixelSearch, outputs
from graphprune.errors import SpecError

FIRST_SHARE = 0.1  # of all pixels, tried in the first round
MOST_TRIED = 128  # pixels tried in a round


class LocalSearchAttack(PixelSearch):
    """Tries extreme values at some pixels, changes the most telling, looks around those next.

    Values are centred, black -0.5 and the brightest 0.5. To *try* a pixel is to ask for the
    score with its values replaced by `p` times their sign; to *change* it is to multiply its
    values by `r` and wrap what leaves the range around to the other side. As strong values
    wrap, a negative `p` foretells a change better than the outward push of a positive one.
    """

    def __init__(
        self,
        *,
        p: float = -0.5,
        r: float = 1.5,
        d: int = 3,
        t: int = 3,
        rounds: int = 50,
        seed: int = 0,
    ) -> None:
        """Set the search; the names are the paper's.

        Args:
            p: Value that a pixel is tried with, in centred units, times the sign of its own;
                beyond 0.5 the network is asked about images out of range.
            r: Factor of a change, in [0, 2].
            d: Half the side of the square around a changed pixel that is tried next.
            t: Pixels changed in a round.
            rounds: Rounds at most.
            seed: Fixes which pixels are tried where there are too many.

        Raises:
            SpecError: An argument is out of range.
        """
        if not 0 <= r <= 2 or p == 0:
            raise SpecError(f"r must be in [0, 2] and p not 0, got {r} and {p}")
        if d < 0 or t < 1 or rounds < 1:
            raise SpecError(
                f"d must be at least 0, t and rounds at least 1: {d}, {t}, {rounds}"
            )
        self.p, self.r, self.d, self.t = p, r, d, t
        self.rounds, self.seed = rounds, seed

    def find(self, model: Model, images: Tensor, goal: Goal) -> Tensor:
        """Search round by round until every image has met the goal or no round is left."""
        count, _, height, width = images.shape
        rng = torch.Generator().manual_seed(self.seed)
        changed = images.clone()
        running = torch.arange(count, device=images.device)
        near = torch.ones(count, height * width, dtype=torch.bool, device=images.device)
        most = max(1, min(MOST_TRIED, int(FIRST_SHARE * height * width)))
        for _ in range(self.rounds):
            met = goal.met(outputs(model, changed[running]), running)
            running, near = running[~met], near[~met]
            if not len(running):
                break
            places, valid = _drawn(near, most, rng)
            scores = self._tried(model, changed[running], places, valid, goal, running)
            best = scores.topk(min(self.t, scores.shape[1]), dim=1, largest=False)
            chosen = torch.zeros_like(near).scatter(
                1, places.gather(1, best.indices), torch.isfinite(best.values)
            )
            spots = chosen.reshape(-1, 1, height, width)
            changed[running] = torch.where(
                spots, self.turned(changed[running]), changed[running]
            )
            near = (
                functional.max_pool2d(spots.float(), 2 * self.d + 1, 1, self.d).flatten(1) > 0
            )
            most = MOST_TRIED
        return changed

    def turned(self, values: Tensor) -> Tensor:
        """What a change makes of values in [0, 1]: times `r` about the middle, wrapped."""
        scaled = self.r * (values - 0.5)
        wrapped = scaled + (scaled < -0.5).to(scaled) - (scaled > 0.5).to(scaled)
        return wrapped + 0.5

    def _tried(
        self,
        model: Model,
        images: Tensor,
        places: Tensor,
        valid: Tensor,
        goal: Goal,
        rows: Tensor,
    ) -> Tensor:
        """Distance to the goal with each place tried; shape (images, places), inf if invalid.

        Images go through the network a few at a time, each with all of its places.
        """
        tries, scores = places.shape[1], []
        extreme = self.p * (images - 0.5).sign() + 0.5
        at_once = max(1, QUERIES // tries)
        for start in range(0, len(images), at_once):
            part = slice(start, start + at_once)
            spots = functional.one_hot(places[part], images.shape[2] * images.shape[3]).bool()
            spots = spots.reshape(-1, tries, 1, *images.shape[2:])
            asked = torch.where(spots, extreme[part, None], images[part, None]).flatten(0, 1)
            logits = outputs(model, asked)
            found = goal.distance(logits, rows[part].repeat_interleave(tries))
            scores.append(found.reshape(-1, tries))
        return torch.cat(scores).masked_fill(~valid, torch.inf)


def _drawn(near: Tensor, most: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Up to `most` random places of each row, and which of them are near; shape (rows, k)."""
    keys = torch.rand(near.shape, generator=rng).to(near.device)
    keys = keys.masked_fill(~near, -1.0)
    found = keys.topk(min(most, int(near.sum(1).max())), dim=1)
    return found.indices, found.values >= 0
