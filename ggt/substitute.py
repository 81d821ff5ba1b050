"""A black-box attack: train a substitute on labels asked for, attack that one by its gradient.

Source: Papernot et al., Practical black-box attacks against machine learning,
arXiv:1602.02697. Written from the paper.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ggt._foolbox import (
    FixedEpsilonAttack,
    Model,
    astensor_,
    goal_of,
    linf,
    outputs,
    raise_if_kwargs,
    verify_input_bounds,
)
from graphprune.errors import SpecError


class SubstituteAttack(FixedEpsilonAttack):
    """Learns the network's labels on a few images and their neighbours; FGSM on what it learnt.

    Only labels of the attacked network are used. The substitute is trained at the first call
    and kept for later ones, until another network is attacked.
    """

    distance = linf

    def __init__(
        self,
        known: Tensor,
        *,
        rounds: int = 4,
        epochs: int = 10,
        step: float = 0.1,
        most: int = 2000,
        seed: int = 0,
    ) -> None:
        """Set what the attacker knows and how much it asks.

        Args:
            known: Images that the attacker has, in [0, 1], none of them to be attacked; shape
                (count, channels, height, width). Their labels are asked for.
            rounds: Rounds of training, each but the last followed by new neighbours.
            epochs: Epochs a round.
            step: Change of a value from an image to its neighbour.
            most: Images that one round adds at most.
            seed: Fixes weights, order and choice of images.

        Raises:
            SpecError: There are no known images, or a count is below 1.
        """
        if known.ndim != 4 or not len(known):
            raise SpecError(
                "known images must have shape (count, channels, height, width), "
                f"got {tuple(known.shape)}"
            )
        if min(rounds, epochs, most) < 1:
            raise SpecError(
                f"rounds, epochs and most must be at least 1, got {rounds}, {epochs}, {most}"
            )
        self.known, self.rounds, self.epochs = known, rounds, epochs
        self.step, self.most, self.seed = step, most, seed
        self._trained: tuple[Model, nn.Module] | None = None

    def run(
        self, model: Model, inputs: Any, criterion: Any, *, epsilon: float, **kwargs: Any
    ) -> Any:
        """As foolbox calls it."""
        raise_if_kwargs(kwargs)
        images, restore = astensor_(inputs)
        verify_input_bounds(images, model)
        goal = goal_of(criterion)
        slope = _slope(self.substitute(model), images.raw, goal.classes)
        step = -epsilon if goal.targeted else epsilon
        return restore(type(images)((images.raw + step * slope).clamp(0, 1)))

    def substitute(self, model: Model) -> nn.Module:
        """The network trained to give the labels that `model` gives.

        The global random state of torch is left as it was.
        """
        if self._trained is not None and self._trained[0] is model:
            return self._trained[1]
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self.seed)
            trained = self._train(model)
        self._trained = (model, trained)
        return trained

    def _train(self, model: Model) -> nn.Module:
        rng = torch.Generator().manual_seed(self.seed)
        logits = outputs(model, self.known)
        images, labels = self.known, logits.argmax(1)
        narrow = images.shape[3] == 1
        learner = small_network(images.shape[1], logits.shape[1], narrow=narrow)
        learner = learner.to(images.device)
        for done in range(self.rounds):
            _fit(learner, images, labels, self.epochs, rng)
            if done + 1 == self.rounds:
                break
            chosen = torch.randperm(len(images), generator=rng)[: self.most].to(images.device)
            grown = images[chosen] + self.step * _logit_slope(
                learner, images[chosen], labels[chosen]
            )
            grown = grown.clamp(0, 1)
            images = torch.cat([images, grown])
            labels = torch.cat([labels, outputs(model, grown).argmax(1)])
        return learner.eval().requires_grad_(False)


def small_network(channels: int, classes: int, *, narrow: bool = False) -> nn.Module:
    """Two convolutions and a linear layer, for images of any size; untrained.

    `narrow`: the images are one pixel wide, as signals are.
    """
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d((2, 1) if narrow else 2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(4),
        nn.Flatten(),
        nn.Linear(32 * 16, classes),
    )


def _fit(
    learner: nn.Module, images: Tensor, labels: Tensor, epochs: int, rng: torch.Generator
) -> None:
    """Some epochs of Adam on cross-entropy."""
    optimizer = torch.optim.Adam(learner.parameters(), 3e-3)
    for _ in range(epochs):
        order = torch.randperm(len(images), generator=rng).to(images.device)
        for rows in torch.split(order, 64):
            loss = functional.cross_entropy(learner(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()


def _logit_slope(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Sign of the gradient of each label's logit; of the shape of `images`."""
    images = images.detach().requires_grad_()
    aimed = network(images).gather(1, labels[:, None]).sum()
    return torch.autograd.grad(aimed, images)[0].sign()


def _slope(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Sign of the gradient of the loss; of the shape of `images`."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        loss = functional.cross_entropy(network(images), labels, reduction="sum")
        return torch.autograd.grad(loss, images)[0].sign()
