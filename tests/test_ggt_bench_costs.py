"""What a detection costs: on a toy bank of real compact models, with a clock set by hand."""

from types import SimpleNamespace

import pytest
import torch
from toys import image_network

from ggt import bench_costs
from ggt.asking import ask, cast_votes
from ggt.bench_costs import GRAPH_BANK, detection_costs
from ggt.detector import GroupRule, calibrate
from ggt.evaluate import CLEAN, FRESH, PLACEBO, WRONG
from ggt.pixel_models import PixelModel, probabilities
from ggt.sample_sets import SampleSets
from graphprune.graph import GraphSpec, random_regular
from graphprune.nn import compact, masks_of, plan, prune
from graphprune.nn.layouts import compact_layers

pytestmark = pytest.mark.usefixtures("one_thread")


class Bank:
    """Models and an original, as `ggt.Bank` gives them."""

    def __init__(self, base, models):
        self._base, self._models = base, models

    def __len__(self):
        return len(self._models)

    def base(self):
        return self._base

    def member(self, index):
        return self._models[index]

    def members(self):
        return list(self._models)


def dense(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = image_network(classes=3, in_channels=1).eval()
    with torch.no_grad():
        network.classifier.weight.mul_(8)
    return network


def pixel_model(network):
    return PixelModel(network, [0.3], [0.5])


def compact_model(seed):
    """The dense network pruned by another graph for each seed."""
    network, graph = dense(), random_regular(GraphSpec(16, 6, seed))
    made = plan(network, nodes=16, degree=6)
    return pixel_model(compact(prune(network, made, graph=graph)))


def pixels(count, seed):
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def calibration_of(bank):
    votes = cast_votes(bank.base(), bank.members(), pixels(150, 9))
    return calibrate(votes, fpr=0.2, looks=(1, 2, len(bank)))


@pytest.fixture(scope="module")
def place():
    """A graph bank, controls, calibrations and sets of samples."""
    base = pixel_model(dense())
    bank = Bank(base, [compact_model(seed) for seed in range(4)])
    controls = {
        "unstructured": Bank(base, [pixel_model(dense(seed)) for seed in (1, 2, 3)]),
        "dense": Bank(base, [pixel_model(dense(seed)) for seed in (4, 5, 6)]),
    }
    calibrations = {
        GRAPH_BANK: calibration_of(bank),
        "random masks": calibration_of(controls["unstructured"]),
        "dense networks": calibration_of(controls["dense"]),
    }
    sets = {
        CLEAN: pixels(30, 1),
        PLACEBO: pixels(30, 1),
        FRESH: pixels(25, 2),
        WRONG: pixels(6, 3),
        "one": pixels(40, 4),
        "two": pixels(20, 5),
    }
    return SimpleNamespace(
        bank=bank, controls=controls, calibrations=calibrations, sets=SampleSets(sets, [])
    )


WAYS = ["graph bank, compact", "graph bank, masked", "random masks", "dense networks"]


@pytest.fixture
def calls(monkeypatch):
    """Every detection made: the member function's models, samples and answer."""
    kept = []

    def heard(base, member, shown, rule, *, models):
        found = ask(base, member, shown, rule, models=models)
        kept.append(SimpleNamespace(member=member, shown=shown, rule=rule, found=found))
        return found

    monkeypatch.setattr(bench_costs, "ask", heard)
    return kept


def costs(place, *, controls=True, bank=None, sets=None):
    chosen = place.controls if controls else {}
    return detection_costs(bank or place.bank, chosen, sets or place.sets, place.calibrations)


def test_every_way_is_timed_in_turn_on_the_same_mixture(place, calls):
    found = costs(place)
    assert set(found) == {"samples", "rounds", "dense_pass_ms", "ways"}
    assert list(found["ways"]) == WAYS
    assert all(set(way) == {"ms", "dense_passes", "models"} for way in found["ways"].values())
    assert all(way["ms"] > 0 and way["dense_passes"] > 0 for way in found["ways"].values())
    assert found["samples"] == 60 and found["rounds"] == 3 and found["dense_pass_ms"] > 0
    assert len(calls) == 4 * len(WAYS)  # three rounds and one before
    assert all(torch.equal(call.shown, calls[0].shown) for call in calls)
    first = [call.member(0) for call in calls]
    assert all(model is first[at % 4] for at, model in enumerate(first))
    own = (place.bank, None, place.controls["unstructured"], place.controls["dense"])
    for model, bank in zip(first, own, strict=False):
        assert bank is None or model is bank.member(0)


def test_models_are_the_mean_that_a_detection_asks(place, calls):
    found = costs(place)
    sets = place.sets.pixels
    mixed = torch.cat([sets[CLEAN], sets["one"][:15], sets["two"][:15]])
    banks = {"graph bank, compact": place.bank, "random masks": place.controls["unstructured"]}
    banks["dense networks"] = place.controls["dense"]
    for name, bank in banks.items():
        calibration = place.calibrations[name.removesuffix(", compact")]
        rule = GroupRule(calibration, "soft")
        votes = cast_votes(bank.base(), bank.members(), mixed)
        used = rule.decide(votes).models_used
        assert found["ways"][name]["models"] == pytest.approx(used.mean())
        assert 1 < used.mean() < len(bank)  # some samples stop early, some do not
    assert all(call.rule.score == "soft" for call in calls)


def test_masked_models_say_what_compact_ones_say(place, calls):
    found = costs(place, controls=False)
    assert list(found["ways"]) == WAYS[:2]
    small, masked = calls[:2]
    for at in range(len(place.bank)):
        assert compact_layers(small.member(at)) and not compact_layers(masked.member(at))
        assert masks_of(masked.member(at).network)
        ours, theirs = (probabilities(one.member(at), small.shown) for one in (small, masked))
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    ours, theirs = small.found.verdicts, masked.found.verdicts
    assert ours.decisions.tolist() == theirs.decisions.tolist()
    assert ours.models_used.tolist() == theirs.models_used.tolist()
    assert found["ways"][WAYS[0]]["models"] == found["ways"][WAYS[1]]["models"]
    assert compact_layers(place.bank.member(0))  # the bank's own models stay as they are


def test_half_of_the_mixture_is_clean_and_attacks_share_the_rest(place, calls, monkeypatch):
    costs(place, controls=False)
    sets = place.sets.pixels
    wanted = torch.cat([sets[CLEAN], sets["one"][:15], sets["two"][:15]])
    assert torch.equal(calls[0].shown, wanted)
    monkeypatch.setattr(bench_costs, "MOST", 20)
    calls.clear()
    assert costs(place, controls=False)["samples"] == 20
    wanted = torch.cat([sets[CLEAN][:10], sets["one"][:5], sets["two"][:5]])
    assert torch.equal(calls[0].shown, wanted)


def test_without_attacks_the_samples_are_clean(place, calls):
    quiet = SampleSets({CLEAN: pixels(10, 1), FRESH: pixels(5, 2)}, [])
    assert costs(place, controls=False, sets=quiet)["samples"] == 10
    assert torch.equal(calls[0].shown, pixels(10, 1))


def test_dense_banks_have_no_masked_way_and_mixed_ones_do(place, calls):
    base, plain = place.bank.base(), pixel_model(dense(3))
    alone = Bank(base, [plain, *(pixel_model(dense(seed)) for seed in (4, 5, 6))])
    assert list(costs(place, controls=False, bank=alone)["ways"]) == WAYS[:1]
    calls.clear()
    mixed = Bank(base, [plain, *place.bank.members()[1:]])
    assert list(costs(place, controls=False, bank=mixed)["ways"]) == WAYS[:2]
    assert calls[1].member(0) is plain and masks_of(calls[1].member(1).network)


def test_figures_are_medians_over_rounds_after_the_first(place, monkeypatch):
    # seconds of: compact, masked, the dense pass; the first turn counts for nothing
    taken = [(90, 80, 70), (6, 9, 2), (8, 2, 4), (1, 3, 1)]
    now, left = [0], [seconds for row in taken for seconds in row]

    def lasting(work):
        def timed(*args, **options):
            now[0] += left.pop(0)
            return work(*args, **options)

        return timed

    monkeypatch.setattr(bench_costs, "ask", lasting(ask))
    monkeypatch.setattr(bench_costs, "probabilities", lasting(probabilities))
    clock = SimpleNamespace(perf_counter=lambda: float(now[0]))
    monkeypatch.setattr(bench_costs, "time", clock)
    found = costs(place, controls=False)
    assert not left
    assert found["dense_pass_ms"] == pytest.approx(1000 * 2 / 60)
    small, masked = (found["ways"][name] for name in WAYS[:2])
    assert small["ms"] == pytest.approx(1000 * 6 / 60)
    assert masked["ms"] == pytest.approx(1000 * 3 / 60)
    assert small["dense_passes"] == pytest.approx(2)  # of 3, 2 and 1
    assert masked["dense_passes"] == pytest.approx(3)  # of 4.5, 0.5 and 3
