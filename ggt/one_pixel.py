"""The one pixel attack: differential evolution over places and values of a few pixels.

Source: Su et al., One pixel attack for fooling deep neural networks, arXiv:1710.08864.
Written from the paper.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import differential_evolution
from torch import Tensor

from ggt._foolbox import Goal, Model, PixelSearch, outputs
from graphprune.errors import SpecError

Values = NDArray[np.float64]


class OnePixelAttack(PixelSearch):
    """Evolves which pixels to replace and by what, from scores alone, one image at a time."""

    def __init__(
        self, *, pixels: int = 1, generations: int = 100, population: int = 400, seed: int = 0
    ) -> None:
        """Set the search.

        Args:
            pixels: Pixels that may change.
            generations: Generations at most, after the first population.
            population: Candidates a generation, at least 5.
            seed: Fixes every random choice.

        Raises:
            SpecError: An argument is too small.
        """
        if pixels < 1 or generations < 1 or population < 5:
            raise SpecError(
                "pixels and generations must be at least 1, population at least 5; got "
                f"{pixels}, {generations} and {population}"
            )
        self.pixels, self.generations = pixels, generations
        self.population, self.seed = population, seed

    def find(self, model: Model, images: Tensor, goal: Goal) -> Tensor:
        """Search image by image; each stops at the first candidate that meets the goal."""
        changed = images.clone()
        for row in range(len(images)):
            rng = np.random.default_rng((self.seed, row))
            search = _Search(model, images[row], goal, row, self.pixels)
            if search.found is None:
                self._evolve(search, rng)
            if search.found is not None:
                changed[row] = search.found
        return changed

    def _evolve(self, search: "_Search", rng: np.random.Generator) -> None:
        """Strategy rand/1 with factor 0.5 and no crossover, as published."""
        channels, height, width = search.image.shape
        genes = [(0, height), (0, width), *[(0, 1)] * channels]
        first = rng.uniform(0, 1, (self.population, self.pixels, len(genes)))
        first[:, :, :2] *= (height, width)
        first[:, :, 2:] = np.clip(rng.normal(0.5, 0.5, first[:, :, 2:].shape), 0, 1)
        differential_evolution(
            search.distances,
            genes * self.pixels,
            strategy="rand1bin",
            maxiter=self.generations,
            init=first.reshape(self.population, -1),
            mutation=0.5,
            recombination=1.0,
            tol=0,
            atol=0,
            seed=rng,
            polish=False,
            callback=search.over,
            updating="deferred",
            vectorized=True,
        )


class _Search:
    """One image's search: candidates to images to scores, and the first that met the goal."""

    def __init__(self, model: Model, image: Tensor, goal: Goal, row: int, pixels: int) -> None:
        self.model, self.image, self.pixels = model, image, pixels
        self.goal = Goal(goal.classes[row : row + 1], goal.targeted)
        self.found: Tensor | None = None
        self._ask(image[None])

    def distances(self, genes: Values) -> Values:
        """Distance of each candidate to the goal; `genes` has shape (genes, candidates)."""
        if self.found is not None:
            return np.zeros(genes.shape[1])
        return self._ask(placed(self.image, genes.T, self.pixels))

    def over(self, xk: Values, convergence: float) -> bool:
        """Whether a candidate has met the goal: stops the evolution."""
        return self.found is not None

    def _ask(self, images: Tensor) -> Values:
        logits = outputs(self.model, images)
        rows = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        met = self.goal.met(logits, rows)
        distances = self.goal.distance(logits, rows)
        if met.any():
            self.found = images[distances.masked_fill(~met, torch.inf).argmin()]
        scores: Values = distances.double().cpu().numpy()
        return scores


def placed(image: Tensor, candidates: Values, pixels: int) -> Tensor:
    """One copy of an image for each candidate, with its pixels replaced.

    Args:
        image: Shape (channels, height, width).
        candidates: Rows of pixels after each other, each row, column, then a value a channel;
            shape (candidates, pixels * (2 + channels)).
        pixels: How many a candidate has.

    Returns:
        Shape (candidates, channels, height, width). Of two pixels at one place the last counts.
    """
    channels, height, width = image.shape
    parts = candidates.reshape(len(candidates), pixels, 2 + channels)
    places = np.minimum(parts[:, :, :2].astype(np.int64), (height - 1, width - 1))
    where = torch.from_numpy(places).to(image.device)
    values = torch.from_numpy(parts[:, :, 2:]).to(image)
    copies = image.repeat(len(candidates), 1, 1, 1)
    every = torch.arange(len(candidates), device=image.device)
    for pixel in range(pixels):
        copies[every, :, where[:, pixel, 0], where[:, pixel, 1]] = values[:, pixel]
    return copies
