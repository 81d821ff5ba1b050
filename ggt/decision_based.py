"""What attacks that see labels only need beyond foolbox: starting points, unit directions."""

import warnings
from typing import Any

from torch import Tensor

from ggt._foolbox import (
    HopSkipJumpAttack,
    LinearSearchBlendedUniformNoiseAttack,
    Misclassification,
    Model,
    l2,
    outputs,
)

NOISE_DIRECTIONS = 100  # noise images tried before another image is taken


class HopSkipJump(HopSkipJumpAttack):
    """foolbox's attack with each image's direction at unit length.

    foolbox 3.3.4 divides a batch's directions by the length of all of them together, so that
    steps shrink as the batch grows.
    """

    def approximate_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """The estimated direction for each image, at length 1."""
        found = super().approximate_gradients(*args, **kwargs)
        lengths = found.raw.flatten(1).norm(dim=1).clamp_min(1e-12)
        return type(found)(found.raw / lengths.reshape(-1, 1, 1, 1))


def starting_points(
    model: Model, images: Tensor, labels: Tensor, *, pool: Tensor, pool_labels: Tensor
) -> Tensor:
    """Misclassified images near each one: noise blended in, else the nearest of another label.

    Args:
        model: The attacked network, as foolbox wraps it.
        images: Shape (count, channels, height, width).
        labels: Their labels; shape (count,).
        pool: Images to fall back to, of the shape of `images` but for their number.
        pool_labels: The network's labels of those.

    Returns:
        Of the shape of `images`; where neither is found, an image that has the label still.
    """
    noise = LinearSearchBlendedUniformNoiseAttack(
        distance=l2, directions=NOISE_DIRECTIONS, steps=50
    )
    with warnings.catch_warnings():  # it warns where it finds none
        warnings.simplefilter("ignore")
        begin: Tensor = noise(model, images, Misclassification(labels), epsilons=None)[1]
    for row in (outputs(model, begin).argmax(1) == labels).nonzero()[:, 0].tolist():
        others = pool[pool_labels != labels[row]]
        if len(others):
            begin[row] = others[(others - images[row]).flatten(1).norm(dim=1).argmin()]
    return begin
