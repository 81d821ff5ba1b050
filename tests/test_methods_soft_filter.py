"""SFP: the weakest filters become zero after each epoch, and learn on from there."""

from functools import partial

import pytest
import torch
from sparse_toys import LAYERS, begun, budget, every_step, examples, kept, moment, one_step
from torch import nn

from graphprune.errors import SpecError
from graphprune.methods.soft_filter import SoftFilter
from graphprune.nn import masks_of
from graphprune.sparse_training import Pruner

pytestmark = pytest.mark.usefixtures("one_thread")


def stored(pruner, name):
    return pruner.model.get_submodule(name).parametrizations.weight.original


def zeros(pruner):
    """Filters that are zero, by layer."""
    return {
        name: int((stored(pruner, name).flatten(1).abs().sum(dim=1) == 0).sum())
        for name in LAYERS
    }


def linear_toy(**optimizer):
    """Four filters of one weight, 3, 1, 2 and 4, half of which stay; an epoch is a step."""
    net = nn.Sequential(nn.Linear(1, 4, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[3.0], [1.0], [2.0], [4.0]]))
    return Pruner(
        net,
        SoftFilter(),
        budget({"0": (4, 1)}, density="1/2"),
        steps=4,
        steps_an_epoch=1,
        optimizer=partial(torch.optim.SGD, lr=1.0, **optimizer),
    )


def pushed(pruner, slopes):
    """Weights after a step down a loss of these slopes."""
    weight = stored(pruner, "0")
    weight.grad = torch.tensor(slopes).reshape(4, 1)
    pruner.step()
    return weight.flatten().tolist()


def test_zeroed_filters_grow_back_and_take_the_place_of_others():
    pruner = linear_toy()
    assert pushed(pruner, [0.0, 0.0, 0.0, 0.0]) == [3, 0, 0, 4]
    assert pushed(pruner, [2.5, -2.0, 0.0, 0.0]) == [0, 2, 0, 4]
    assert pushed(pruner, [-1.0, 0.0, -5.0, 0.0]) == [0, 0, 5, 4]


def test_momentum_goes_on_in_zeroed_filters():
    pruner = linear_toy(momentum=0.5)
    assert pushed(pruner, [0.0, 0.8, 0.0, 0.0]) == [3, 0, 0, 4]
    # Filter 1 moves by half of its last move and comes from zero to -0.4; 2 stays at zero.
    buffer = pruner.optimizer.state[stored(pruner, "0")]["momentum_buffer"].flatten()
    assert buffer[1].item() == pytest.approx(0.8)


def test_the_zeroed_filters_learn_between_epochs_and_no_mask_holds_them():
    for step, pruner in enumerate(every_step(SoftFilter(), steps=20)):
        assert all(mask.all() for mask in pruner.masks.values())
        if step and step % 5 == 0:
            assert zeros(pruner) == {"first": 6, "second": 12}
        else:
            assert zeros(pruner) == {"first": 0, "second": 0}
    assert pruner.effort.forward == {"first": 1.0, "second": 1.0}


@pytest.mark.parametrize(
    ("interval", "steps", "due"), [(1, 12, [5, 10, 12]), (2, 20, [10, 20])]
)
def test_it_is_due_after_epochs_and_at_the_end(interval, steps, due):
    method = SoftFilter(interval=interval)
    found = [
        step
        for step in range(1, steps + 1)
        if method.due(moment({"a": [[1.0]]}, step=step, steps=steps, steps_an_epoch=5))
    ]
    assert found == due


def test_the_end_prunes_what_is_zero():
    *_, pruner = every_step(SoftFilter(interval=3), steps=17)  # the end is no end of an epoch
    assert zeros(pruner) == {"first": 6, "second": 12}
    finished = pruner.finish()
    masks = masks_of(finished)
    assert kept(masks) == pruner.budget.kept
    for name in LAYERS:
        whole = torch.as_tensor(masks[name]).flatten(1)
        assert (whole.all(dim=1) | ~whole.any(dim=1)).all()
    images, _ = examples(seed=3)
    with torch.no_grad():
        torch.testing.assert_close(
            finished.eval()(images), pruner.model.eval()(images), atol=1e-6, rtol=1e-5
        )


def test_finishing_early_prunes_the_weakest():
    pruner = begun(SoftFilter(), steps=20)
    one_step(pruner, *examples())
    assert kept(masks_of(pruner.finish())) == pruner.budget.kept


def test_nonsense_is_refused():
    with pytest.raises(SpecError, match="soft-filter: interval must be at least 1, got 0"):
        SoftFilter(interval=0)
    with pytest.raises(
        SpecError, match=r"soft-filter: first is to have ratio 0.8, which is no"
    ):
        begun(SoftFilter(), density="1/5")
