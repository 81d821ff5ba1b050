"""CR-SFP: the dense network and the pruned one learn together, each from the other."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from graphprune.errors import SpecError
from graphprune.sparse_training.budget import Budget
from graphprune.sparse_training.filters import check_whole_filters, of_largest_norm
from graphprune.sparse_training.protocol import Masks, Method, Moment, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class CrSfp(Method):
    """At every step the dense network R and the pruned one P see the batch, augmented apart.

    P is R with the filters of smallest L2 norm at zero, chosen anew after each step. They share
    all weights but the classifier: R has a copy of the last Linear, P the model's own. The loss
    is CE(R) + CE(P) + weight * (KL(R || P) + KL(P || R)) / 2, in nats. P ends up exported.

    What the abstract leaves open is chosen here: `weight` and the half, no temperature; pruned
    filters learn from R alone, as gradients do not pass the masks; each pass is normalised by
    its own batch, and BatchNorm's running statistics are those of P, which is what is exported.

    Source: Xiang et al., CR-SFP: Learning Consistent Representation for Soft Filter Pruning,
    arXiv:2312.11555.
    """

    title = "cr-sfp"
    paper = "arXiv:2312.11555"
    left_out = (
        "what its abstract does not say: weights of the losses, BatchNorm's statistics and how "
        "often filters are chosen are choices of ours"
    )
    keeps_pruned = True

    weight: float = 1.0

    def __post_init__(self) -> None:
        if not self.weight >= 0:
            raise SpecError(f"cr-sfp: weight must be at least 0, got {self.weight}")

    def check(self, budget: Budget) -> None:
        """Whole filters in every layer."""
        check_whole_filters(self.title, budget)

    def begin(self, moment: Moment) -> Masks:
        """The filters of largest norm."""
        return of_largest_norm(moment.weights, moment.budget)

    def due(self, moment: Moment) -> bool:
        """After every step."""
        return True

    def choose(self, moment: Moment) -> Masks:
        """The filters of largest norm."""
        return of_largest_norm(moment.weights, moment.budget)

    def extra_parameters(self, moment: Moment) -> list[nn.Parameter]:
        """R's classifier: weight, and bias where there is one."""
        own = [_classifier(moment.model).weight, _classifier(moment.model).bias]
        copies = [nn.Parameter(each.detach().clone()) for each in own if each is not None]
        moment.memory["classifier"] = copies
        return copies

    def loss(
        self, moment: Moment, run: Run, draw: Callable[[], Tensor], labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Outputs of P, and the loss of both networks."""
        with ExitStack() as stack:
            stack.enter_context(_frozen_statistics(moment.model))
            stack.enter_context(_classified(moment.model, moment.memory["classifier"]))
            dense = run(draw(), pruned=False)
        pruned = run(draw())
        apart = apartness(dense, pruned)
        both = run.cross_entropy(dense, labels) + run.cross_entropy(pruned, labels)
        return pruned, both + self.weight * apart / 2


def apartness(one: Tensor, other: Tensor) -> Tensor:
    """KL(one || other) + KL(other || one) of two sets of logits, mean of the batch, in nats."""
    p, q = functional.log_softmax(one, dim=1), functional.log_softmax(other, dim=1)
    return ((p.exp() - q.exp()) * (p - q)).sum(dim=1).mean()


def _classifier(model: nn.Module) -> nn.Linear:
    found = [each for each in model.modules() if isinstance(each, nn.Linear)]
    if not found:
        raise SpecError("cr-sfp: the model has no Linear layer to copy as second classifier")
    return found[-1]


@contextmanager
def _classified(model: nn.Module, parameters: list[nn.Parameter]) -> Iterator[None]:
    """Meanwhile the model's last Linear computes with other parameters."""
    layer = _classifier(model)
    handle = layer.register_forward_hook(
        lambda _layer, inputs, _outputs: functional.linear(inputs[0], *parameters)
    )
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _frozen_statistics(model: nn.Module) -> Iterator[None]:
    """Meanwhile BatchNorm normalises by its batch, and leaves its running statistics alone."""
    norms = [
        each
        for each in model.modules()
        if isinstance(each, _BatchNorm) and each.track_running_stats
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
