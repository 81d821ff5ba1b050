"""N:M: at every step, exactly the N largest of each M input channels."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import budget, every_step, examples, kept, moment, one_step, small_net
from torch.nn import functional

from graphprune.errors import SpecError
from graphprune.methods.nm import NM
from graphprune.nn import masks_of
from graphprune.sparse_training import Budget, Pruner

pytestmark = pytest.mark.usefixtures("one_thread")


def counts_of_groups(mask, m):
    """Kept weights of every group of m input channels; a set."""
    split = (mask != 0).reshape(mask.shape[0], mask.shape[1] // m, m, -1)
    return set(split.sum(dim=2).flatten().tolist())


def test_two_of_four_by_hand():
    weights = {"one": [[1.0, -4.0, 3.0, 2.0, 5.0, 5.0, -5.0, 5.0]]}
    mask = NM().choose(moment(weights, density="1/2", nodes=4))["one"]
    assert mask.tolist() == [[False, True, True, False] + [True, False] * 2]  # 1:2
    mask = NM(n=2, m=4).choose(moment(weights, density="1/2"))["one"]
    assert mask.tolist() == [[False, True, True, False, True, True, False, False]]


def test_groups_run_along_channels_at_each_kernel_position():
    weight = torch.tensor([[[3.0, 9.0], [2.0, 1.0]]])  # channel 0 wins at both positions
    mask = NM().choose(moment({"one": weight}, density="1/2"))["one"]
    assert mask[0].tolist() == [[True, True], [False, False]]


@given(
    st.sampled_from([(1, 2), (1, 4), (2, 4), (3, 4), (2, 6)]),
    st.sampled_from([(), (3,), (2, 3)]),
    st.integers(0, 2**31),
)
def test_every_group_keeps_its_largest(pattern, kernel, seed):
    n, m = pattern
    weight = torch.randint(-3, 4, (3, 2 * m, *kernel), generator=torch.manual_seed(seed))
    now = moment({"one": weight}, density=f"{n}/{m}")
    NM(n=n, m=m).check(now.budget)
    mask = NM(n=n, m=m).choose(now)["one"]
    assert mask.shape == weight.shape
    assert kept({"one": mask}) == now.budget.kept
    assert counts_of_groups(mask, m) == {n}
    sizes = weight.abs().reshape(3, 2, m, -1)
    stays = mask.reshape(3, 2, m, -1)
    lowest = torch.where(stays, sizes, 99).amin(dim=2)
    assert (torch.where(stays, -1, sizes).amax(dim=2) <= lowest).all()


def test_masks_follow_the_weights_after_every_step():
    changed = 0
    before = None
    for pruner in every_step(NM(decay=0.1), steps=12):
        for name, mask in pruner.masks.items():
            weight = pruner.model.get_submodule(name).parametrizations.weight.original
            assert counts_of_groups(mask, 4) == {1}
            best = weight.abs().reshape(weight.shape[0], -1, 4, 9).argmax(dim=2)
            assert torch.equal(
                mask.reshape(weight.shape[0], -1, 4, 9).int().argmax(dim=2), best
            )
        now = pruner.masks["second"].clone()
        changed += before is not None and not torch.equal(now, before)
        before = now
    assert changed > 0
    done = pruner.finish()
    assert kept(masks_of(done)) == pruner.budget.kept
    assert torch.equal(done.first.weight, pruner.model.first.weight)


def test_one_step_of_sr_ste_by_hand():
    """w - rate * (gradient at the pruned weights + decay * (pruned weights))."""
    layer = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 2.0]]))
    pruner = Pruner(
        torch.nn.Sequential(layer),
        NM(decay=0.5),
        Budget({"0": (1, 2)}, budget({"0": (1, 2)}, density="1/2").density, 2),
        steps=2,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        rescale=False,
    )
    out = pruner.model(torch.tensor([[10.0, 100.0]]))
    assert out.item() == 30.0
    out.sum().backward()
    pruner.step()
    stored = pruner.model[0].parametrizations.weight.original
    torch.testing.assert_close(stored, torch.tensor([[2.0, 2.0 - 0.1 * (100.0 + 1.0)]]))
    assert pruner.masks["0"].tolist() == [[False, True]]


def test_the_decay_is_of_pruned_weights_alone():
    steps = {}
    for decay in (0.0, 1.0):
        pruner = next(every_step(NM(decay=decay), net=small_net(3)))
        masks = {name: mask.clone() for name, mask in pruner.masks.items()}
        one_step(pruner, *examples())
        steps[decay] = {
            name: pruner.model.get_submodule(name).parametrizations.weight.original.detach()
            for name in masks
        }
    for name, mask in masks.items():
        assert torch.equal(steps[0.0][name][mask], steps[1.0][name][mask])
        assert (steps[0.0][name][~mask] != steps[1.0][name][~mask]).any()


def test_pruned_weights_get_the_gradient_of_the_pruned_network():
    pruner = next(every_step(NM(decay=0.0)))
    images, labels = examples()
    functional.cross_entropy(pruner.model(images), labels).backward()
    stored = pruner.model.first.parametrizations.weight.original
    assert stored.grad[~pruner.masks["first"]].abs().min() > 0


def test_layers_of_their_own_share_have_patterns_of_their_own():
    shapes = {"one": (2, 8), "two": (2, 12), "all": (2, 3)}
    own = {"one": (8, 2), "two": (12, 8), "all": (3, 3)}
    mixed = Budget(shapes, budget(shapes).density, 0, own)
    now = moment({name: torch.rand(shape) for name, shape in shapes.items()})
    now = replace(now, budget=mixed)
    NM().check(mixed)
    masks = NM().choose(now)
    assert counts_of_groups(masks["one"], 4) == {1}
    assert counts_of_groups(masks["two"], 3) == {2}
    assert masks["all"].all()
    assert kept(masks) == mixed.kept


@pytest.mark.parametrize(
    ("options", "shape", "density", "message"),
    [
        ({}, (4, 8), "1/3", "nm: one has 8 input channels, which groups of 3 do not divide; "
         "the nearest ratios that can: 0.75 and 0.625"),
        ({"m": 6}, (4, 8), "1/2", "which groups of 6 do not divide; m can be 2, 4, 8"),
        ({"m": 4}, (4, 8), "1/3", "one is to have ratio 0.666667, which is no pattern of n:4; "
         "the nearest ratios that are: 0.75 and 0.5"),
        ({"n": 2, "m": 4}, (4, 8), "1/4", "ratio 0.75, which is no pattern of 2:4; .*: 0.5$"),
        ({"n": 2}, (4, 8), "3/8", "no pattern of 2:m; .*: 0.6 and 0.666667"),
        ({}, (4, 1), "1/2", "groups of 2 do not divide; .*: there are none"),
    ],
)  # fmt: skip
def test_what_no_pattern_gives_is_refused(options, shape, density, message):
    with pytest.raises(SpecError, match=message) as caught:
        NM(**options).check(budget({"one": shape}, density=density))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"n": 4, "m": 4}, {"n": -1}, {"m": 1}, {"decay": -0.1}])
def test_nonsense_options_are_refused(options):
    with pytest.raises(SpecError, match=r"^nm: .* must be .*, got"):
        NM(**options)
