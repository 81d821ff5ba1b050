"""What a bank has to beat: free scores of the original alone, and its own noisy copies.

Free scores cost nothing beyond the original's pass. Copies vote as a bank's models do: the
original on inputs with noise, or with some of its channels dropped. A copy's noise or choice of
channels is fixed, so that its vote on a sample is the same in every batch.
"""

import copy
import math
from collections.abc import Callable
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from torch import Tensor, nn

from ggt.neurons import plain_copy
from graphprune.errors import SpecError

Free = Callable[[NDArray[np.float32]], NDArray[np.float64]]
SIGMAS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
SHARES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3)
ACTIVATIONS = (
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.Hardswish,
    nn.LeakyReLU,
    nn.Mish,
    nn.PReLU,
    nn.ReLU,
    nn.ReLU6,
    nn.SELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softplus,
    nn.Tanh,
)


def max_softmax(base: NDArray[np.float32]) -> NDArray[np.float64]:
    """One minus the largest class probability; shape (samples,), in [0, 1].

    Summed from the other classes: float32 rounds a sure class to 1 and so makes ties.

    Args:
        base: The original's class probabilities; shape (samples, classes).

    Raises:
        SpecError: The shape is another, or a probability is not in [0, 1].
    """
    return np.asarray(_others(base).sum(axis=1))


def small_margin(base: NDArray[np.float32]) -> NDArray[np.float64]:
    """One minus the margin between the two likeliest classes; shape (samples,), in [0, 1].

    As `max_softmax` free of that rounding, else one minus `ggt.scores.margin`. Args and errors
    are those of `max_softmax`.
    """
    others = _others(base)
    return np.asarray(others.sum(axis=1) + others[:, -1])


def entropy(base: NDArray[np.float32]) -> NDArray[np.float64]:
    """Entropy of the class probabilities in nats; shape (samples,), in [0, ln classes].

    Args and errors are those of `max_softmax`.
    """
    return np.asarray(entr(_probabilities(base)).sum(axis=1))


FREE: MappingProxyType[str, Free] = MappingProxyType(
    {"max-softmax": max_softmax, "margin": small_margin, "entropy": entropy}
)
"""Name -> score of the original's probabilities; higher looks more adversarial."""


class NoisyCopy(nn.Module):
    """A model that sees every image with the same Gaussian noise added, clipped to [0, 1].

    The noise follows from the seed, the copy's number and the shape of one image. All images
    get one pattern, so no vote depends on what else is in the batch.
    """

    def __init__(self, model: nn.Module, index: int, *, sigma: float, seed: int) -> None:
        """`model` takes pixels in [0, 1] and is shared, not copied; `sigma` is in pixels."""
        super().__init__()
        self.model = model
        self.index = index
        self.sigma = sigma
        self.seed = seed
        self.training = False

    def train(self, mode: bool = True) -> "NoisyCopy":
        """Stays in evaluation mode."""
        return super().train(False)

    def noise(self, shape: tuple[int, ...]) -> Tensor:
        """The pattern for images of one shape, such as (channels, height, width)."""
        drawn = np.random.default_rng([self.seed, self.index]).standard_normal(shape)
        return torch.from_numpy((drawn * self.sigma).astype(np.float32))

    def forward(self, pixels: Tensor) -> Tensor:
        """Outputs of the model on noisy pixels; shape (batch, channels, height, width) in."""
        noise = self.noise(tuple(pixels.shape[1:])).to(pixels)
        outputs: Tensor = self.model((pixels + noise).clamp(0, 1))
        return outputs


def noisy_copies(
    model: nn.Module, count: int, *, sigma: float, seed: int = 0
) -> list[nn.Module]:
    """Voters that are the model on noisy inputs; they share one copy of its weights.

    Args:
        model: Takes pixels in [0, 1]; left unchanged.
        count: Number of voters, at least 1.
        sigma: Standard deviation of the noise, in units where the brightest pixel is 1.
        seed: Fixes each voter's noise.

    Raises:
        SpecError: A count or a strength is out of range.
    """
    if not (sigma > 0 and math.isfinite(sigma)):
        raise SpecError(f"noise sigma must be above 0, got {sigma}")
    _check_copies(count, seed)
    shared = copy.deepcopy(model).eval()
    return [NoisyCopy(shared, index, sigma=sigma, seed=seed) for index in range(count)]


class DroppedChannels(nn.Module):
    """An activation behind which a fixed choice of channels is zero, as dropout zeroes them.

    Those left are divided by the share that stays on average. Channels are axis 1. The choice
    follows from the key and the number of channels alone.
    """

    def __init__(self, activation: nn.Module, key: tuple[int, ...], *, share: float) -> None:
        """`share`: chance of each channel to be dropped, in (0, 1)."""
        super().__init__()
        self.activation = activation
        self.key = key
        self.share = share

    def kept(self, channels: int) -> NDArray[np.bool_]:
        """Which of some channels stay; shape (channels,)."""
        return np.random.default_rng(self.key).random(channels) >= self.share

    def forward(self, input: Tensor) -> Tensor:
        """(batch, channels, ...) -> the activation's output with channels dropped."""
        output: Tensor = self.activation(input)
        channels = output.shape[1]
        scale = torch.from_numpy(self.kept(channels) / (1 - self.share)).to(output)
        return output * scale.reshape(1, -1, *[1] * (output.ndim - 2))


def dropout_copies(
    model: nn.Module, count: int, *, share: float, seed: int = 0
) -> list[nn.Module]:
    """Voters that are the model with some channels dropped behind every activation.

    Args:
        model: Takes pixels in [0, 1]; left unchanged. Masks are folded in. Its activations are
            modules of their own: functions cannot be followed.
        count: Number of voters, at least 1.
        share: Chance of each channel to be dropped, in (0, 1).
        seed: Fixes each voter's choice.

    Raises:
        SpecError: A count or share is out of range, or the model has no activation module.

    Source: dropout at test time after Gal and Ghahramani, ICML 2016, arXiv:1506.02142; one
    fixed choice a voter, of whole channels, is ours.
    """
    if not 0 < share < 1:
        raise SpecError(f"share of dropped channels must be in (0, 1), got {share}")
    _check_copies(count, seed)
    return [_dropout_copy(model, (seed, index), share) for index in range(count)]


def _dropout_copy(model: nn.Module, key: tuple[int, int], share: float) -> nn.Module:
    voter = plain_copy(model)[0].eval()
    named = list(voter.named_modules(remove_duplicate=False))
    found = [(name, module) for name, module in named if isinstance(module, ACTIVATIONS)]
    if not any(name for name, _ in found):
        raise SpecError("the model has no activation module to drop channels behind")
    for place, (name, activation) in enumerate(found):
        parent, _, own = name.rpartition(".")
        dropped = DroppedChannels(activation, (*key, place), share=share).eval()
        setattr(voter.get_submodule(parent), own, dropped)
    return voter


def _check_copies(count: int, seed: int) -> None:
    if count < 1 or seed < 0:
        raise SpecError(f"copies need a count above 0 and a seed, got {count} and {seed}")


def _probabilities(base: NDArray[np.float32]) -> NDArray[np.float64]:
    """Class probabilities as float64, checked."""
    found = np.asarray(base, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] < 2:
        raise SpecError(f"probabilities need shape (samples, classes), got {found.shape}")
    if not ((found >= 0) & (found <= 1.0001)).all():
        raise SpecError("class probabilities must be in [0, 1]; some are not, or are NaN")
    return np.minimum(found, 1)


def _others(base: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities of all classes but the likeliest, rising; shape (samples, classes - 1)."""
    return np.sort(_probabilities(base), axis=1)[:, :-1]
