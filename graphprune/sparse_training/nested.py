"""All levels of a nested model trained together, by one set of weights."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import networkx as nx
import torch
from torch import Tensor, nn

from graphprune.allocation import Plan
from graphprune.devices import device_named
from graphprune.nn.level_card import check_levels
from graphprune.nn.masking import masks_of, strip
from graphprune.nn.nested import NestedModel, level_of
from graphprune.nn.pruning import prune
from graphprune.sparse_training.norm_statistics import (
    estimate_statistics,
    norm_layers,
    statistics_of,
)
from graphprune.sparse_training.protocol import Masks
from graphprune.sparse_training.switch_mask import settled, switchable
from graphprune.training import Labelled, Settings, train_with
from graphprune.training.checkpoints import Row
from graphprune.training.learning import (
    Draw,
    cross_entropy,
    forward,
    new_optimizer,
    right,
    set_rate,
)


def train_nested(
    model: nn.Module,
    plan: Plan,
    graphs: Mapping[int, nx.Graph],
    data: Labelled,
    settings: Settings,
    *,
    held_out: Labelled | None = None,
    device: str = "cpu",
    rescale: bool = True,
    on_epoch: Callable[[Row], None] | None = None,
) -> NestedModel:
    """Train a network at several degrees at once; each level's weights are in the next's.

    Each step learns from one batch at the highest degree, the lowest, and one in between that
    is drawn anew; their losses are averaged. In the end each level's running statistics are
    estimated anew, on the training examples without augmentation. Distillation from the
    highest degree to the others, which the source has too, is left out.

    Args:
        model: Dense and untrained; left unchanged.
        plan: Which layers are pruned; its degree is the highest.
        graphs: Graph by degree, each within the next, as
            `graphprune.graph.nested_graphs` gives them.
        data: Training examples.
        settings: The recipe; its seed draws the levels as well.
        held_out: Examples to evaluate after each epoch, at the highest degree; they choose
            nothing.
        device: "cpu", or "auto" for what accelerate finds.
        rescale: Rescale the kept weights for the fan-in of the highest degree.
        on_epoch: Called with each row of figures as it comes, those of
            `graphprune.training.train`: the loss is that of the levels of each step, all else
            is said of the highest degree.

    Raises:
        SpecError: The graphs are no levels, or do not fit the plan.
        TrainingError: The loss or a weight is no longer finite.

    Source: arXiv:2112.10930 for the levels; Yu and Huang, arXiv:1903.05134, for the steps (the
    sandwich rule) and the statistics after training.
    """
    check_levels(graphs)
    place = device_named(device)
    top = prune(model, plan, graph=graphs[max(graphs)], rescale=rescale).to(place)
    masks = {
        degree: masks_of(level_of(top, graph, plan.dialect)) for degree, graph in graphs.items()
    }
    dense = strip(top)
    learner = NestedLearner(dense, masks, settings)
    train_with(learner, data, settings, held_out=held_out, device=device, on_epoch=on_epoch)
    densest = settled(dense, learner.model, masks[max(masks)])
    estimate_statistics(densest, data, settings)
    statistics = {}
    for degree in sorted(graphs)[:-1]:
        level = level_of(densest, graphs[degree], plan.dialect)
        estimate_statistics(level, data, settings)
        statistics[degree] = statistics_of(level)
    return NestedModel(densest.eval(), dict(graphs), plan.dialect, statistics)


class NestedLearner:
    """Steps of a training at several levels; a `graphprune.training.Learner`."""

    def __init__(
        self, dense: nn.Module, masks: Mapping[int, Masks], settings: Settings
    ) -> None:
        """`dense`: left unchanged; `masks` of each level, by degree and layer."""
        self._masks = dict(sorted(masks.items()))
        self._top = max(masks)
        self.model, self._switches = switchable(dense, self._masks[self._top])
        self._settings = settings
        self._optimizer = new_optimizer(self.model.parameters(), settings)
        self._rng = torch.Generator().manual_seed(settings.seed)

    def step(
        self, draw: Draw, labels: Tensor, rate: float, *, weight: float
    ) -> tuple[Tensor, Tensor]:
        """As `Learner` says; the loss is the mean over levels, labels are of the highest."""
        set_rate(self._optimizer, rate)
        inputs, degrees = draw(), self._drawn()
        self._optimizer.zero_grad()
        losses, correct = [], []
        for degree in degrees:
            with self._level(degree):
                outputs = forward(self.model, inputs, self._settings)
                loss = cross_entropy(outputs, labels, self._settings)
                (loss * (weight / len(degrees))).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
            correct.append(right(outputs, labels))
        self._optimizer.step()
        return torch.stack(losses).mean(), correct[0]

    def _drawn(self) -> list[int]:
        """The highest degree, the lowest, and one between if there is any."""
        low, *between, high = self._masks
        if not between:
            return [high, low]
        pick = int(torch.randint(len(between), (), generator=self._rng))
        return [high, low, between[pick]]

    @contextmanager
    def _level(self, degree: int) -> Iterator[None]:
        """The network at a degree; running statistics follow the highest alone."""
        layers = [layer for _, layer in norm_layers(self.model)]
        try:
            self._put(degree)
            for layer in layers:
                layer.track_running_stats = degree == self._top
            yield
        finally:
            self._put(self._top)
            for layer in layers:
                layer.track_running_stats = True

    def _put(self, degree: int) -> None:
        for name, switch in self._switches.items():
            switch.mask = self._masks[degree][name]
