"""A pruner keeps what its method chose, step by step, masked and compact alike."""

from dataclasses import dataclass

import pytest
import torch
from sparse_toys import begun, budget, every_step, examples, kept, one_step, small_net

from graphprune.errors import SpecError, TrainingError
from graphprune.nn import masks_of
from graphprune.sparse_training import Method, method_named, methods
from graphprune.sparse_training.protocol import everything

COMPACT = ["regular", "regular:family=random,own=true", "degree-schedule",
           "degree-schedule:wiring=fan-in,updates=3"]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Script(Method):
    """Keeps the first `counts[i]` weights of each layer after step i."""

    title = "script"
    paper = "none"
    counts: tuple[int, ...] = ()
    grown: bool = False

    def begin(self, moment):
        return everything(moment)

    def due(self, moment):
        return moment.step <= len(self.counts)

    def choose(self, moment):
        count = self.counts[moment.step - 1]
        return {
            name: (torch.arange(mask.numel()) < count).reshape(mask.shape)
            for name, mask in moment.masks.items()
        }


def test_pruned_weights_are_zero_whatever_momentum_and_decay_do():
    for pruner in every_step(Script(counts=(400, 300, 200, 144)), steps=8, density="1/4"):
        for name, mask in pruner.masks.items():
            stored = pruner.model.get_submodule(name).parametrizations.weight.original
            assert not (stored[~mask] != 0).any()
            momentum = pruner.optimizer.state.get(stored, {}).get("momentum_buffer")
            assert momentum is None or not (momentum[~mask] != 0).any()


def test_grown_weights_and_their_momentum_start_from_zero():
    pruner = begun(Script(counts=(200, 100, 300)), steps=10)
    images, labels = examples()
    for _ in range(3):
        one_step(pruner, images, labels)
    stored = pruner.model.first.parametrizations.weight.original
    grown = torch.arange(576).reshape(stored.shape)
    grown = (grown >= 100) & (grown < 300)
    assert pruner.masks["first"][grown].all()
    assert not stored[grown].any()
    assert not pruner.optimizer.state[stored]["momentum_buffer"][grown].any()
    one_step(pruner, images, labels)
    assert stored[grown].any()


def test_a_method_that_overspends_is_told_so():
    pruner = begun(Script(counts=(145,)), steps=2)
    one_step(pruner, *examples())
    with pytest.raises(TrainingError, match=r"script kept .*'first': 145"):
        pruner.finish()


@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-9), (torch.float32, 5e-3)])
@pytest.mark.parametrize("text", COMPACT)
def test_compact_and_masked_training_agree_step_by_step(text, dtype, near):
    method, net = method_named(text), small_net().to(dtype)  # rounding grows in float32
    images = examples(seed=1)[0].to(dtype)
    both = [every_step(method, net=net, steps=16, compact=small) for small in (False, True)]
    for masked, small in zip(*both, strict=True):
        assert all(torch.equal(masked.masks[name], mask) for name, mask in small.masks.items())
        with torch.no_grad():
            apart = (masked.model(images) - small.model(images)).abs().max()
        assert apart < near
    finished = masked.finish(), small.finish()
    for one, other in zip(*(each.state_dict().values() for each in finished), strict=True):
        torch.testing.assert_close(one, other, atol=near, rtol=near)
    assert kept(masks_of(finished[0])) == masked.budget.kept


def test_a_compact_body_is_smaller_once_pruned():
    for pruner in every_step(method_named("degree-schedule"), steps=16, compact=True):
        stored = sum(parameter.numel() for parameter in pruner.model.parameters())
    dense = sum(parameter.numel() for parameter in small_net().parameters())
    assert stored == dense - sum(mask.numel() - mask.sum() for mask in pruner.masks.values())
    share = pruner.effort.forward["first"]
    assert 0.25 < share < 1


@pytest.mark.parametrize("text", ["regular", "random-uniform", "rigl"])
def test_equal_seeds_give_equal_networks_and_others_do_not(text):
    ends = []
    for seed in (3, 3, 4):
        *_, pruner = every_step(method_named(f"{text}:family=random" if text == "regular"
                                             else text), steps=6, seed=seed)  # fmt: skip
        ends.append(pruner.finish().state_dict())
    assert all(torch.equal(one, other) for one, other in
               zip(ends[0].values(), ends[1].values(), strict=True))  # fmt: skip
    assert any(not torch.equal(one, other) for one, other in
               zip(ends[0].values(), ends[2].values(), strict=True))  # fmt: skip


def test_the_model_given_is_left_unchanged():
    net = small_net()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    *_, pruner = every_step(method_named("rigl:interval=2"), net=net, steps=6)
    pruner.finish()
    assert all(torch.equal(net.state_dict()[key], value) for key, value in before.items())


def test_methods_that_prune_at_once_rescale_each_output():
    net = small_net()
    pruner = begun(method_named("random-uniform"), net=net)
    scaled = begun(method_named("random-uniform"), net=net, rescale=False)
    for name, mask in pruner.masks.items():
        plain = scaled.model.get_submodule(name).weight
        share = mask.flatten(1).float().mean(dim=1).clamp(min=1e-9)
        wanted = plain / share.sqrt().reshape(-1, 1, 1, 1)
        torch.testing.assert_close(pruner.model.get_submodule(name).weight, wanted)


def test_every_method_names_its_paper_and_its_module_alone():
    found = methods()
    assert {"regular", "degree-schedule", "random-uniform", "rigl"} <= set(found)
    for title, method in found.items():
        assert method.title == title
        assert method.paper
        assert method.__doc__
        assert "Source" in method.__doc__


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rig", "no method 'rig'; there are: .*rigl"),
        ("rigl:alfa=1", "has no option 'alfa=1'; its options are: alpha, interval"),
        ("rigl:alpha", "has no option 'alpha'; its options are"),
        ("rigl:alpha=x", "option alpha must be a float, got 'x'"),
        ("rigl:interval=1.5", "option interval must be a int, got '1.5'"),
        ("rigl:layers=even", "rigl: layers must be one of erk, uniform, got 'even'"),
        ("rigl:alpha=0", r"alpha must be in \(0, 1\], got 0.0"),
        ("regular:own=yes", "option own must be a bool, got 'yes'"),
        ("regular:own=true", "own=true is for family=random"),
        ("regular:family=petersen", "family must be one of searched, random, ring"),
        ("degree-schedule:shape=step", "shape must be one of linear, cubic, geometric"),
        ("degree-schedule:begin_at=0.9", "0 <= begin_at <= end_at <= 1 must hold"),
        ("degree-schedule:updates=0", "updates must be at least 1"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        method_named(text)
    assert "\n" not in str(caught.value)


def test_a_ratio_that_no_degree_gives_is_refused_with_the_nearest():
    with pytest.raises(
        SpecError, match=r"ratio 0.7 is no whole degree on 8 nodes.* 0.75 and 0"
    ):
        begun(method_named("regular"), density="3/10")


def test_nodes_that_do_not_divide_channels_are_refused():
    with pytest.raises(
        SpecError, match="first has 8 x 8 channels, which 6 nodes do not divide"
    ):
        begun(method_named("degree-schedule"), density="1/2", nodes=6)


def test_a_method_that_scores_examples_wants_some():
    class Scoring(Script):
        scores_examples = True

    with pytest.raises(SpecError, match="script scores weights on examples: it needs data"):
        begun(Scoring(), sample=None)


@pytest.mark.parametrize("density", ["0", "1", "5/4", "-1/4"])
def test_a_budget_keeps_a_share(density):
    with pytest.raises(SpecError, match=r"density must be in \(0, 1\)"):
        budget({"one": (4, 4)}, density=density)
