"""SRigL: equal numbers an output, ablation of outputs, and the drop and growth between."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from sparse_toys import begun, every_step, examples, kept, moment, one_step

from graphprune.errors import SpecError
from graphprune.methods.srigl import StructuredRigL
from graphprune.nn import masks_of
from graphprune.sparse_training import method_named
from graphprune.sparse_training.densities import erk_counts

pytestmark = pytest.mark.usefixtures("one_thread")


def chosen(method, weights, mask, gradients, *, step=0):
    toy = moment({"a": weights}, masks={"a": mask}, gradients={"a": gradients}, step=step)
    return method.choose(toy)["a"].int().tolist()


def rows_of(mask):
    return mask.flatten(1).sum(dim=1).tolist()


def check_rows(mask, total):
    """Outputs at work keep equally many, or one more; together the layer's count."""
    rows = [row for row in rows_of(mask) if row]
    assert sum(rows) == total
    assert max(rows) - min(rows) <= 1


def test_the_smallest_of_the_layer_go_and_each_output_fills_up():
    weights = [[0.9, 0.8, 0, 0], [0.2, 0.1, 0, 0]]
    mask = [[1, 1, 0, 0], [1, 1, 0, 0]]
    slopes = [[0, 0, 9, 9], [0, 0.1, 0.3, -0.5]]
    method = StructuredRigL(alpha=0.5, salient=0)
    assert chosen(method, weights, mask, slopes) == [[1, 1, 0, 0], [0, 0, 1, 1]]
    slopes = [[0, 0, 9, 9], [0.4, 0.1, 0.3, -0.5]]  # a dropped one may return
    assert chosen(method, weights, mask, slopes) == [[1, 1, 0, 0], [1, 0, 0, 1]]


WEIGHTS = [
    [0.9, 0.8, 0, 0, 0, 0],
    [0.7, 0.01, 0, 0, 0, 0],
    [0.6, 0.5, 0, 0, 0, 0],
    [0.02, 0.03, 0, 0, 0, 0],
]
MASK = [[1, 1, 0, 0, 0, 0]] * 4
SLOPES = [
    [0, 0, 1, 2, 3, 0],
    [0, 0, 7, 8, 4, 0],
    [0, 0, 0.1, 0.2, 0.3, 0],
    [0, 0, 0, 0, 0.5, 0.4],
]  # 3 of 8 move; salient: 2 of output 0, 1 + 3 of output 1, 2 of output 2, none of output 3


def test_an_output_without_salient_weights_is_ablated_and_the_count_stays():
    method = StructuredRigL(alpha=0.4, salient=0.5)
    assert chosen(method, WEIGHTS, MASK, SLOPES) == [
        [1, 1, 0, 0, 1, 0],  # one of the two outputs with one more: second by salience
        [1, 0, 1, 1, 0, 0],  # the first
        [1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_without_ablation_all_outputs_stay():
    method = StructuredRigL(alpha=0.4, salient=0)
    assert chosen(method, WEIGHTS, MASK, SLOPES) == [
        [1, 1, 0, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 1],
    ]


def test_the_threshold_is_a_share_of_the_number_an_output_keeps():
    slopes = [[0, 0, 1, 2, 3, 0], [0, 0, 0.1, 0.1, 0.1, 0], [0] * 6, [0, 0, 0.5, 0, 9, 8]]
    for salient, ablated in ((0.5, [False] * 4), (1.0, [False, True, False, False])):
        method = StructuredRigL(alpha=0.4, salient=salient)  # output 1 has one salient weight
        rows = torch.tensor(chosen(method, WEIGHTS, MASK, slopes)).sum(dim=1)
        assert (rows == 0).tolist() == ablated


def test_an_ablated_output_comes_back_when_its_gradients_are_large():
    weights = [[0.9, 0.8, 0.7, 0.1], [0, 0, 0, 0]]
    mask = [[1, 1, 1, 1], [0, 0, 0, 0]]
    slopes = [[0, 0, 0, 0], [1, 3, 2, 0]]
    method = StructuredRigL(alpha=0.5)
    assert chosen(method, weights, mask, slopes) == [[1, 1, 0, 0], [0, 1, 1, 0]]
    stays_away = StructuredRigL(alpha=0.25, salient=1.0)  # 1 salient weight, 2 are asked for
    assert chosen(stays_away, weights, mask, slopes) == [[1, 1, 1, 1], [0, 0, 0, 0]]


def test_as_many_outputs_are_spared_as_the_weights_need():
    weights = [[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0, 0], [0.1, 0, 0, 0]]
    mask = [[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]]
    slopes = [[0.0] * 4, [0.0] * 4, [0, 0, 0, 1.0]]
    found = torch.tensor(chosen(StructuredRigL(alpha=0.5, salient=1.0), weights, mask, slopes))
    check_rows(found, 7)
    assert (found.sum(dim=1) > 0).sum() == 2  # 7 weights need two outputs of 4


def test_the_share_falls_and_it_ends_in_time():
    method = StructuredRigL(interval=100, until=0.75)
    steps = range(1, 1001)
    due = [s for s in steps if method.due(moment({"a": [[1.0]]}, step=s, steps=1000))]
    assert due == [100, 200, 300, 400, 500, 600, 700]
    weights, mask = torch.rand(1, 400), torch.arange(400)[None] < 202
    slopes = torch.rand(1, 400) + ~mask

    def moved(step):
        found = torch.tensor(chosen(method, weights * mask, mask, slopes, step=step))
        return int((mask & (found == 0)).sum())

    assert [moved(step) for step in (0, 25, 74)] == [60, 45, 0]


@pytest.mark.parametrize("layers", ["erk", "uniform"])
def test_counts_and_rows_hold_at_every_step(layers):
    seen = set()
    method = StructuredRigL(interval=2, until=1.0, layers=layers, salient=0.8)
    for pruner in every_step(method, steps=12, density="3/16"):
        wanted = erk_counts(pruner.budget) if layers == "erk" else pruner.budget.kept
        for name, mask in pruner.masks.items():
            check_rows(mask, wanted[name])
        seen.add(pruner.masks["second"].numpy().tobytes())
    assert len(seen) == 6
    assert sum(kept(masks_of(pruner.finish())).values()) == pruner.budget.total


def test_ablation_happens_in_a_training():
    method = StructuredRigL(interval=1, until=1.0, salient=1.0)
    *_, pruner = every_step(method, steps=8)
    assert 0 in rows_of(pruner.masks["first"]) + rows_of(pruner.masks["second"])


def test_the_optimizer_rests_where_it_is_due():
    pruner = begun(StructuredRigL(interval=2, until=1.0))
    images, labels = examples()
    for rests in (False, True, False):
        before = pruner.model.classify.weight.detach().clone()
        one_step(pruner, images, labels)
        assert torch.equal(before, pruner.model.classify.weight) == rests


def test_few_weights_leave_some_outputs_without_from_the_start():
    toy = moment({"a": torch.rand(8, 4)}, density="5/32")
    mask = StructuredRigL().begin(toy)["a"]
    assert sorted(rows_of(mask)) == [0, 0, 0, 1, 1, 1, 1, 1]


def test_first_masks_are_random_and_all_outputs_are_at_work():
    toys = [moment({"a": torch.rand(6, 4)}, density="10/24", seed=seed) for seed in range(30)]
    masks = [StructuredRigL().begin(toy)["a"] for toy in toys]
    assert all(sorted(rows_of(mask)) == [1, 1, 2, 2, 2, 2] for mask in masks)
    assert sum(mask.int() for mask in masks).min() > 0
    assert len({tuple(rows_of(mask)) for mask in masks}) > 5


@settings(max_examples=40)
@given(
    st.integers(0, 999), st.integers(1, 6), st.integers(1, 7), st.data(),
    st.floats(0.01, 1), st.floats(0, 1),
)  # fmt: skip
def test_rows_and_counts_hold_whatever_the_weights(seed, rows, fan_in, data, alpha, salient):
    count = data.draw(st.integers(1, max(1, rows * fan_in - 1)))
    if count == rows * fan_in:
        return
    method = StructuredRigL(alpha=alpha, salient=salient, until=1.0)
    rng = torch.Generator().manual_seed(seed)
    shape = (rows, fan_in)
    toy = moment({"a": torch.ones(shape)}, density=f"{count}/{rows * fan_in}", seed=seed)
    mask = method.begin(toy)["a"]
    check_rows(mask, count)
    for step in range(0, 100, 20):
        toy = moment(
            {"a": torch.randint(-2, 3, shape, generator=rng) * mask},
            masks={"a": mask},
            gradients={"a": torch.randint(-2, 3, shape, generator=rng)},
            step=step,
        )
        mask = method.choose(toy)["a"]
        check_rows(mask, count)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("srigl:alpha=0", r"srigl: alpha must be in \(0, 1\], got 0.0"),
        ("srigl:interval=0", "srigl: interval must be at least 1, got 0"),
        ("srigl:until=2", r"srigl: until must be in \[0, 1\], got 2.0"),
        ("srigl:salient=1.5", r"srigl: salient must be in \[0, 1\], got 1.5"),
        ("srigl:layers=all", "srigl: layers must be one of erk, uniform, got 'all'"),
    ],
)
def test_nonsense_is_refused_in_one_line(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        method_named(text)
    assert "\n" not in str(caught.value)
