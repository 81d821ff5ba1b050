"""One-shot magnitude pruning in the middle of a training."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sparse_toys import begun, every_step, kept, moment

from graphprune.errors import SpecError
from graphprune.methods.magnitude import Magnitude
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named

WEIGHTS = {"one": [[3.0, -1.0], [2.0, 0.5]], "other": [[0.1, 0.2, 0.3, -9.0]]}


def test_every_layer_keeps_its_largest_weights():
    masks = Magnitude().choose(moment(WEIGHTS, density="1/2"))
    assert masks["one"].tolist() == [[True, False], [True, False]]
    assert masks["other"].tolist() == [[False, False, True, True]]


def test_or_all_layers_together_keep_theirs():
    masks = Magnitude(layers="global").choose(moment(WEIGHTS, density="1/2"))
    assert masks["one"].tolist() == [[True, True], [True, False]]
    assert masks["other"].tolist() == [[False, False, False, True]]


def test_equal_weights_give_exact_counts():
    ones = {"one": torch.ones(3, 3), "other": torch.ones(2, 5)}
    for layers in ("uniform", "global"):
        now = moment(ones, density="1/4")
        assert sum(kept(Magnitude(layers=layers).choose(now)).values()) == now.budget.total == 6


@pytest.mark.parametrize("layers", ["uniform", "global"])
def test_a_training_is_dense_and_then_keeps_what_was_largest(layers):
    method = method_named(f"magnitude:at=0.5,layers={layers}")
    dense = every_step(method_named("magnitude:at=1"), steps=8)
    for step, (pruner, other) in enumerate(
        zip(every_step(method, steps=8), dense, strict=True)
    ):
        sizes = {name: mask.numel() for name, mask in pruner.masks.items()}
        if step < 4:
            assert kept(pruner.masks) == sizes
            continue
        if step == 4:  # Both trainings were the same so far: the dense one has all weights.
            weights = {name: other.model.get_submodule(name).weight.detach() for name in sizes}
            chosen = pruner.masks
            for group in [[name] for name in sizes] if layers == "uniform" else [list(sizes)]:
                stay = torch.cat([weights[name][chosen[name]].abs() for name in group])
                go = torch.cat([weights[name][~chosen[name]].abs() for name in group])
                assert stay.min() >= go.max()
        assert all(torch.equal(pruner.masks[name], chosen[name]) for name in sizes)
        for name, mask in pruner.masks.items():
            assert not pruner.model.get_submodule(name).weight[~mask].any()
    counts = kept(masks_of(pruner.finish()))
    assert sum(counts.values()) == pruner.budget.total
    assert (counts == pruner.budget.kept) == (layers == "uniform")


@given(st.floats(0, 1, exclude_min=True), st.integers(1, 60))
def test_it_prunes_once_after_a_step_whatever_the_length(at, steps):
    method = Magnitude(at=at)
    due = [
        step
        for step in range(1, steps + 1)
        if method.due(moment({"one": [[1.0]]}, step=step, steps=steps))
    ]
    assert len(due) == 1
    assert abs(due[0] - at * steps) <= 1


def test_nine_tenths_of_ten_steps_are_nine():
    assert Magnitude(at=0.9).due(moment(WEIGHTS, step=9, steps=10))
    assert Magnitude(at=0.29).due(moment(WEIGHTS, step=29, steps=100))


def test_the_network_is_dense_and_unscaled_at_first():
    pruner = begun(Magnitude())
    assert all(bool(mask.all()) for mask in pruner.masks.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("magnitude:at=0", r"^magnitude: at must be in \(0, 1\], got 0.0$"),
        ("magnitude:at=1.1", r"^magnitude: at must be in \(0, 1\], got 1.1$"),
        ("magnitude:at=nan", r"^magnitude: at must be in \(0, 1\], got nan$"),
        (
            "magnitude:layers=erk",
            "^magnitude: layers must be one of uniform, global, got 'erk'$",
        ),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message):
        method_named(text)
