"""RigL: what it drops and grows, when, and from which gradients."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from sparse_toys import begun, budget, every_step, examples, kept, moment, one_step, small_net
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from graphprune.errors import SpecError
from graphprune.methods.rigl import RigL
from graphprune.nn import masks_of
from graphprune.sparse_training import Pruner, method_named
from graphprune.sparse_training.densities import erk_counts

pytestmark = pytest.mark.usefixtures("one_thread")
WEIGHTS = [0.9, -0.1, 0.5, 0.2, 0, 0, 0, 0]
MASK = [1, 1, 1, 1, 0, 0, 0, 0]
SLOPES = [0, 0.3, 0.1, 0.05, 0.2, 0.9, 0.1, 0]  # of the size of the gradient
MOVED = [True, True, True, False, False, True, False, False]


def stored(pruner, name):
    return pruner.model.get_submodule(name).parametrizations.weight.original


def test_the_smallest_go_and_the_steepest_grow():
    toy = moment({"a": [WEIGHTS]}, masks={"a": [MASK]}, gradients={"a": [SLOPES]})
    signs = torch.tensor([1.0, -1.0] * 4)
    assert RigL(alpha=0.5).choose(toy)["a"].tolist() == [MOVED]
    toy.gradients["a"].mul_(signs)  # size alone counts
    assert RigL(alpha=0.5).choose(toy)["a"].tolist() == [MOVED]


def test_ties_go_by_position():
    toy = moment({"a": [[1.0] * 8]}, masks={"a": [MASK]}, gradients={"a": [[1.0] * 8]})
    assert RigL(alpha=0.5).choose(toy)["a"].tolist() == [MASK]  # the last two go, and return


def test_the_share_that_moves_falls_along_a_cosine():
    method = RigL(alpha=0.3, until=0.75)
    shares = [method.share(0.75 * done) for done in (0, 1 / 3, 1 / 2, 1)]
    assert shares == pytest.approx([0.3, 0.225, 0.15, 0])


def test_it_is_due_at_every_interval_until_its_end():
    method = RigL(interval=100, until=0.75)
    due = [
        step
        for step in range(1, 1001)
        if method.due(moment({"a": [[1.0]]}, step=step, steps=1000))
    ]
    assert due == [100, 200, 300, 400, 500, 600, 700]
    last = RigL(interval=250, until=0.75)
    assert not last.due(moment({"a": [[1.0]]}, step=750, steps=1000))  # nothing moves any more


def test_a_weight_dropped_and_regrown_at_once_keeps_its_value(monkeypatch):
    monkeypatch.setattr(
        RigL, "begin", lambda self, moment: {"0": torch.tensor([MASK], dtype=torch.bool)}
    )
    net = nn.Sequential(nn.Linear(8, 1, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([WEIGHTS[:4] + [7.0] * 4]))
    pruner = Pruner(
        net,
        RigL(alpha=0.6, interval=2, until=1.0),
        budget({"0": (1, 8)}, density="1/2"),
        steps=400,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.5),
        rescale=False,
    )
    (pruner.model(torch.zeros(1, 8)).sum()).backward()
    pruner.step()  # nothing changes but that there is momentum
    pruner.optimizer.state[stored(pruner, "0")]["momentum_buffer"].fill_(3.0)
    pruner.optimizer.zero_grad()
    pruner.model(torch.tensor([SLOPES])).sum().backward()  # dL/dw is the input
    pruner.step()
    assert pruner.masks["0"].tolist() == [MOVED]
    assert stored(pruner, "0").flatten().tolist() == pytest.approx(
        [0.9, -0.1, 0.5, 0, 0, 0, 0, 0]
    )
    momentum = pruner.optimizer.state[stored(pruner, "0")]["momentum_buffer"]
    assert momentum.tolist() == [[3, 3, 3, 0, 0, 0, 0, 0]]  # 5 is new, 1 never left


def test_the_optimizer_rests_where_it_is_due_and_only_there():
    interval, before = 3, None
    for step, pruner in enumerate(every_step(RigL(interval=interval, until=1.0), steps=9)):
        now = {name: value.detach().clone() for name, value in pruner.model.named_parameters()}
        if before is not None:
            rests = step % interval == 0 and step < 9
            for name in ("stem.weight", "norm.weight", "classify.bias"):
                assert torch.equal(now[name], before[0][name]) == rests
            for name, mask in pruner.masks.items():
                place = f"{name}.parametrizations.weight.original"
                stay = mask & before[1][name]
                assert torch.equal(now[place][stay], before[0][place][stay]) == rests
        before = now, {name: mask.clone() for name, mask in pruner.masks.items()}


def test_gradients_of_pruned_weights_are_those_of_the_dense_product():
    images, labels = examples()
    pruner = begun(RigL(interval=2, until=1.0))
    one_step(pruner, images, labels)
    pruner.optimizer.zero_grad()
    functional.cross_entropy(pruner.model(images), labels).backward()
    assert pruner.masks["first"].float().mean() < 0.5

    dense = {
        name: (stored(pruner, name) * mask).detach().requires_grad_()
        for name, mask in pruner.masks.items()
    }
    plain = small_net()
    state = {
        key: value.detach().clone()
        for key, value in pruner.model.state_dict().items()
        if "parametrizations" not in key
    }
    loss = functional.cross_entropy(
        functional_call(
            plain, state | {f"{name}.weight": value for name, value in dense.items()}, (images,)
        ),
        labels,
    )
    wanted = torch.autograd.grad(loss, list(dense.values()))
    for (name, mask), gradient in zip(pruner.masks.items(), wanted, strict=True):
        assert gradient[~mask].abs().max() > 0
        torch.testing.assert_close(stored(pruner, name).grad, gradient)


def test_between_updates_pruned_weights_have_no_gradient():
    images, labels = examples()
    pruner = begun(RigL(interval=2, until=1.0))
    functional.cross_entropy(pruner.model(images), labels).backward()
    for name, mask in pruner.masks.items():
        assert not stored(pruner, name).grad[~mask].any()
        assert stored(pruner, name).grad[mask].any()


def test_every_layer_keeps_its_count_at_every_step_and_something_moves():
    method = RigL(interval=2, until=1.0)
    seen = set()
    for pruner in every_step(method, steps=12):
        assert kept(pruner.masks) == erk_counts(pruner.budget)
        assert sum(kept(pruner.masks).values()) == pruner.budget.total
        seen.add(pruner.masks["second"].numpy().tobytes())
    assert len(seen) == 6  # first masks, and five updates; not after the last step
    assert sum(kept(masks_of(pruner.finish())).values()) == pruner.budget.total


@given(st.integers(0, 999), st.floats(0.01, 1), st.floats(0, 0.74), st.integers(1, 23))
def test_counts_stay_whatever_the_weights(seed, alpha, progress, count):
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(24, generator=rng).reshape(4, 6)
    mask, slopes = order < count, torch.randn(4, 6, generator=rng)
    weights = torch.randint(-2, 3, (4, 6), generator=rng) * mask  # many ties
    toy = moment(
        {"a": weights}, masks={"a": mask}, gradients={"a": slopes},
        step=int(progress * 1000), steps=1000,
    )  # fmt: skip
    new = RigL(alpha=alpha).choose(toy)["a"]
    assert new.sum() == count
    moved = int(RigL(alpha=alpha).share(toy.progress) * count)
    assert (mask & ~new).sum() <= moved


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rigl:alpha=0", r"alpha must be in \(0, 1\], got 0.0"),
        ("rigl:alpha=1.1", r"alpha must be in \(0, 1\], got 1.1"),
        ("rigl:interval=0", "interval must be at least 1, got 0"),
        ("rigl:until=-0.1", r"until must be in \[0, 1\], got -0.1"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        method_named(text)
    assert "\n" not in str(caught.value)


def test_unknown_densities_are_refused():
    with pytest.raises(SpecError, match="layers must be one of erk, uniform, got 'snip'"):
        begun(RigL(layers="snip"))
