"""Mutants as copies: deterministic, filtered by accuracy, counted; the strongest that pass."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ggt.mutation import (
    FLOOR,
    OPERATORS,
    PATIENCE,
    VARIANTS,
    Mutation,
    mutants,
    mutate,
    strongest,
    strongest_rate,
)
from ggt.pixel_models import PixelModel
from graphprune.errors import SpecError, TrainingError
from graphprune.nn import compact, plan, prune
from tests.test_ggt_neurons import drawn, lively
from tests.toys import image_network

BOTH = [(operator, variant) for operator in OPERATORS for variant in VARIANTS]
GF = Mutation("gf", 0.1)


@pytest.fixture(autouse=True)
def seeded():
    """Initial weights of toys are the same in every run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def network():
    """Takes pixels; its inner network has convolutions, norms and a linear layer."""
    return PixelModel(lively(image_network(classes=4, in_channels=1)), [0.25], [0.5])


def equal(one, other):
    first, second = one.state_dict(), other.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def listed(*accuracies):
    """A judge that gives these accuracies in turn, then the last for good."""
    left = list(accuracies)

    def judge(model):
        assert isinstance(model, nn.Module)
        return left.pop(0) if len(left) > 1 else left[0]

    return judge


@pytest.mark.parametrize(("operator", "variant"), BOTH)
def test_mutants_follow_from_their_seed_and_leave_the_model_alone(operator, variant):
    model = network()
    before, state = copy.deepcopy(model), torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    mutation = Mutation(operator, 0.2, variant, seed=5)
    first, second = mutate(model, mutation), mutate(model, mutation)
    other = mutate(model, replace(mutation, seed=6))
    assert equal(first, second)
    assert not equal(first, model)
    assert not equal(first, other)
    assert equal(model, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


@pytest.mark.parametrize(("operator", "variant"), BOTH)
def test_mutants_of_a_pixel_model_take_pixels_and_keep_its_normalisation(operator, variant):
    model = network()
    mutant = mutate(model, Mutation(operator, 0.3, variant))
    assert isinstance(mutant, PixelModel)
    assert torch.equal(mutant.mean, model.mean)
    assert torch.equal(mutant.std, model.std)
    assert not any(part.training for part in mutant.modules())
    pixels = drawn(3, 1, 8, 8).sigmoid()
    assert mutant(pixels).shape == (3, 4)
    assert not torch.equal(mutant(pixels), model(pixels))


@pytest.mark.parametrize(("operator", "variant"), BOTH)
def test_masked_and_compact_originals_give_the_same_mutant(operator, variant):
    dense = lively(image_network(classes=4, in_channels=1))
    masked = prune(dense, plan(dense, nodes=16, degree=4), rescale=False)
    mutation = Mutation(operator, 0.3, variant)
    pixels = drawn(3, 1, 8, 8)
    found = [mutate(model, mutation)(pixels) for model in (masked, compact(masked))]
    assert torch.allclose(*found, atol=1e-5)
    assert not torch.allclose(found[0], masked(pixels), atol=1e-3)


def test_weights_of_any_memory_layout_mutate_alike():
    model = network()
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)
    for operator, variant in BOTH:
        mutation = Mutation(operator, 0.3, variant)
        assert equal(mutate(model, mutation), mutate(other, mutation))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"operator": "gx"}, "one of gf, ws, ns, nai, got 'gx'"),
        ({"variant": "own"}, "one of defined, published, got 'own'"),
        ({"rate": 0}, "rate must be in"),
        ({"rate": 1.1}, "rate must be in"),
        ({"rate": float("nan")}, "rate must be in"),
        ({"seed": -1}, "seed must be at least 0"),
    ],
)
def test_mutations_that_make_no_sense_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        replace(GF, **options)


def test_names_tell_families_apart():
    assert Mutation("nai", 0.01, "published", 3).name == "nai-published-0.01"


def test_the_filter_keeps_what_is_accurate_enough_and_counts_the_rest():
    judge = listed(0.8, 0.72, 0.719, 0.1, 0.9, 0.7, 0.73)  # the first is the original's
    bank = mutants(network(), GF, 3, judge=judge)
    assert FLOOR == 0.9
    assert bank.accuracies == (0.72, 0.9, 0.73)
    assert (len(bank), bank.tried, bank.rejected, bank.base_accuracy) == (3, 6, 3, 0.8)


def test_the_filter_looks_at_the_mutants_that_the_bank_gives():
    model, seen = network(), []

    def judge(one):
        seen.append(one)
        return 0.5 if len(seen) % 3 == 0 else 0.9

    bank = mutants(model, GF, 4, judge=judge)
    assert seen[0] is model
    passed = [one for i, one in enumerate(seen[1:], start=2) if i % 3]
    assert len(passed) == len(list(bank)) == 4
    for given, judged, index in zip(bank, passed, range(4), strict=True):
        assert equal(given, judged)
        assert equal(bank[index], judged)


def test_banks_follow_from_their_seed_and_share_no_mutant_with_others():
    def seeds(seed):
        bank = mutants(nn.Linear(2, 2), GF, 20, judge=listed(1.0), seed=seed)
        return {mutation.seed for mutation in bank.mutations}

    assert seeds(3) == seeds(3)
    assert len(seeds(3)) == 20
    assert not seeds(3) & seeds(4)


def test_a_larger_bank_starts_with_the_smaller():
    few, many = (mutants(network(), GF, n, judge=listed(1.0)) for n in (3, 5))
    assert many.mutations[:3] == few.mutations


def test_families_take_turns():
    families = [Mutation("gf", 0.1), Mutation("nai", 0.05, "published")]
    judge = listed(1.0, 1.0, 0.0, 1.0, 1.0)
    bank = mutants(network(), families, 4, judge=judge)
    assert [mutation.operator for mutation in bank.mutations] == ["gf", "nai", "gf", "nai"]
    assert [mutation.rate for mutation in bank.mutations] == [0.1, 0.05, 0.1, 0.05]
    assert bank.mutations[1].variant == "published"


def test_it_gives_up_after_many_rejections_in_a_row():
    judged = []

    def judge(model):
        judged.append(model)
        return 1.0 if len(judged) in (1, 2, 50) else 0.5

    with pytest.raises(TrainingError, match=r"100 mutants gf-defined-0\.1 .* \(2 of 3 kept\)"):
        mutants(nn.Linear(2, 2), GF, 3, judge=judge)
    assert len(judged) == 50 + PATIENCE


@pytest.mark.parametrize(
    "options", [{"count": 0}, {"families": []}, {"floor": 1.5}, {"seed": -1}]
)
def test_banks_that_make_no_sense_are_refused(options):
    asked = {"families": GF, "count": 2, "judge": listed(1.0)} | options
    with pytest.raises(SpecError):
        mutants(network(), **asked)


def by_change(model):
    """A judge whose accuracy falls by the number of changed weights of the first layer."""
    first = model.network.stem.weight

    def judge(mutant):
        return 1 - int((mutant.network.stem.weight != first).sum()) / first.numel()

    return judge


@pytest.mark.parametrize(("floor", "wanted"), [(0.9, 0.05), (0.7, 0.2), (0.0, 1.0)])
def test_the_strongest_rate_is_the_largest_whose_mutants_pass(floor, wanted):
    model, rates = network(), (0.2, 0.01, 1.0, 0.5, 0.05)
    found = strongest_rate(model, GF, judge=by_change(model), floor=floor, rates=rates)
    assert found == wanted


def test_half_of_the_mutants_are_enough_and_less_is_not():
    family = replace(GF, rate=0.5)
    for passing, wanted in ((4, 0.3), (3, 0.2)):
        judge = listed(1.0, *[0.9] * passing, *[0.899] * (8 - passing), 1.0)
        assert strongest_rate(network(), family, judge=judge, rates=(0.2, 0.3)) == wanted


def test_the_rate_judged_is_the_rate_asked_about():
    model, changed = network(), []

    def judge(mutant):
        weights = [(name, p) for name, p in model.named_parameters() if p.ndim > 1]
        state = mutant.state_dict()
        changed.append(sum(int((state[name] != weight).sum()) for name, weight in weights))
        return 1.0 if len(changed) == 1 else 0.0

    total = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    with pytest.raises(TrainingError, match=r"no strength of 0\.1, 0\.3 "):
        strongest_rate(model, GF, judge=judge, rates=(0.1, 0.3), tries=2)
    assert changed == [0] + [round(0.3 * total)] * 2 + [round(0.1 * total)] * 2


def test_strengths_of_no_sense_are_refused():
    with pytest.raises(SpecError, match="tries"):
        strongest_rate(network(), GF, judge=listed(1.0), tries=0)
    with pytest.raises(SpecError, match="no strength"):
        strongest(lambda _: [], (), judge=listed(1.0), base_accuracy=1.0)
    with pytest.raises(SpecError, match="floor"):
        strongest(lambda _: [], (1,), judge=listed(1.0), base_accuracy=1.0, floor=-0.1)
    with pytest.raises(TrainingError, match="no strength of 1 "):
        strongest(lambda _: [], (1,), judge=listed(1.0), base_accuracy=1.0)
