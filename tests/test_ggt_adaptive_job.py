"""The adaptive part of a benchmark, on a bank of small networks that know the digits."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import ggt.adaptive_job as job_module
from ggt.adaptive import THREATS, evasion
from ggt.adaptive_job import adaptive_values, bank_judge, confidence_rows, rejection
from ggt.attack_request import AttackRequest
from ggt.attacks import craft
from ggt.detector import GroupRule, calibrate
from ggt.evaluate import CLEAN
from ggt.votes import Votes
from graphprune.data import Images
from graphprune.monitor import Silent

pytestmark = pytest.mark.usefixtures("one_thread")
SMALL = {"MOST": 24, "MOST_CONFIDENT": 8, "MOST_QUERIED": 3, "QUERIES": 60, "STARTS": 25}
SMALL |= {
    "EPSILONS": (0.02, 0.1, 0.5),
    "COMPARED": (0.1,),
    "WIDEST": (0.5,),
    "CONFIDENCES": (0.0, 9.0),
}


def images(part):
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))[part]
    pixels = (bunch.images[order, None] * 15).astype(np.uint8)
    return Images(pixels, bunch.target[order].astype(np.int64))


TRAIN, HELD, TEST = images(slice(800)), images(slice(800, 1300)), images(slice(1300, None))


def tensors(part):
    return torch.tensor(part.images / 255, dtype=torch.float32), torch.tensor(part.labels)


def trained(seed):
    """A small network that has seen the training digits."""
    pixels, labels = tensors(TRAIN)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    steps = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(25):
        steps.zero_grad()
        nn.functional.cross_entropy(network(pixels), labels).backward()
        steps.step()
    return network.eval().requires_grad_(False)


def votes(base, models, part):
    """Every vote, a model at a time, with no help of the package's."""
    pixels, _ = tensors(part)
    with torch.no_grad():
        own = base(pixels).softmax(1).numpy()
        bank = np.stack([model(pixels).softmax(1).numpy() for model in models], axis=1)
    return Votes(base=own, bank=bank)


def correct(found, part):
    return found.take(found.base_labels == part.labels)


@pytest.fixture(scope="module")
def toys():
    base, *models = [trained(seed) for seed in range(7)]
    held_out = correct(votes(base, models[:3], HELD), HELD)
    pixels, labels = tensors(TEST)
    with torch.no_grad():
        right = base(pixels).argmax(1) == labels
    return SimpleNamespace(
        base=base,
        members=models[:3],
        others=models[3:],
        held_out=held_out,
        pixels=pixels[right],
        labels=labels[right],
    )


def bank_of(base, models, seed=7):
    return SimpleNamespace(
        base=lambda: base, members=lambda: list(models), manifest=SimpleNamespace(seed=seed)
    )


def run(toys, others, monkeypatch, **changes):
    """The values, and what the attacker's bank was asked to be."""
    asked = []

    def other_bank(bank, family, models, tell, **more):
        asked.append((family, models, more))
        return bank_of(toys.base, others)

    monkeypatch.setattr(job_module, "control_bank", other_bank)
    for name, value in (SMALL | changes).items():
        monkeypatch.setattr(job_module, name, value)
    wanted = {"fpr": 0.1, "seed": 3, "controls": 0, "jobs": 1, "threads": 1}
    job = SimpleNamespace(**wanted, data_dir=None, device="cpu")
    sets = SimpleNamespace(pixels={CLEAN: toys.pixels})
    splits = SimpleNamespace(train=TRAIN, clean=HELD, test=TEST)
    bank = bank_of(toys.base, toys.members)
    return adaptive_values(job, bank, toys.held_out, splits, sets, Silent()), asked


@pytest.fixture(scope="module")
def found(toys):
    with pytest.MonkeyPatch.context() as patch:
        return run(toys, toys.others, patch)


def where(rows, **wanted):
    return [row for row in rows if all(row.get(name) == wanted[name] for name in wanted)]


@pytest.mark.parametrize("voters", [range(3), range(1, 3), range(1), range(2, 3)])
def test_a_part_of_the_bank_is_calibrated_and_asked_alone(toys, voters):
    judge = bank_judge(toys.base, toys.members, toys.held_out, 0.1)
    judge(toys.pixels[:5], range(2))  # another part asked before changes nothing
    pixels, _ = tensors(TEST)
    labels, decisions, scores = judge(pixels, voters)
    models = [toys.members[at] for at in voters]
    calibration = calibrate(correct(votes(toys.base, models, HELD), HELD), fpr=0.1)
    wanted = GroupRule(calibration, "soft").decide(votes(toys.base, models, TEST))
    assert decisions.tolist() == wanted.decisions.tolist()
    assert len(set(decisions.tolist())) > 1
    np.testing.assert_allclose(scores, wanted.scores, rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        assert labels.tolist() == toys.base(pixels).argmax(1).tolist()


def test_each_confidence_is_an_attack_of_its_own(toys, monkeypatch):
    monkeypatch.setattr(job_module, "CONFIDENCES", (0.0, 9.0))
    pixels, labels = toys.pixels[:10], toys.labels[:10]
    judge = bank_judge(toys.base, toys.members, toys.held_out, 0.1)
    rows = confidence_rows(toys.base, judge, pixels, members=3, seed=2)
    assert [row["confidence"] for row in rows] == [0.0, 9.0]
    assert [row["attack"] for row in rows] == ["cw conf 0 seed 2", "cw conf 9 seed 2"]
    for row in rows:
        request = AttackRequest("cw", confidence=row["confidence"], seed=2)
        made = craft(toys.base, pixels, labels, request)
        after, decisions, scores = judge(torch.from_numpy(made.images), range(3))
        counts = evasion(labels, after, decisions, made.norms["l2"])
        assert {name: row[name] for name in counts} == counts
        assert row["score_median"] == pytest.approx(float(np.median(scores)))
        assert row["misclassified"] == made.success.sum() > 5
        assert (row["threat"], row["known"], row["members"]) == ("static", 0, 3)
        assert (row["norm"], row["scored_on"]) == ("l2", "defender")


def test_clean_test_images_show_what_the_detector_costs(toys, monkeypatch):
    monkeypatch.setattr(job_module, "MOST_CLEAN", 200)
    judge = bank_judge(toys.base, toys.members, toys.held_out, 0.1)
    row = rejection(judge, TEST, 3, 5)
    chosen = TEST.take(np.random.default_rng(5).permutation(len(TEST))[:200])
    after, decisions, _ = judge(tensors(chosen)[0], range(3))
    right, passed = after == chosen.labels, decisions == "normal"
    assert row["samples"] == 200 and row["passed"] == passed.sum() < 200
    assert row["accuracy"] == right.mean() < 1
    assert row["accuracy_passed"] == pytest.approx(right[passed].mean())
    assert row["accuracy_passed"] > row["accuracy"]


def test_every_threat_is_there_with_all_of_its_settings(found):
    values, _ = found
    rows = values["rows"]
    assert {row["threat"] for row in rows} == set(values["threats"]) == set(THREATS)
    joint = where(rows, threat="known", mode="joint")
    assert {(row["known"], row["scored_on"]) for row in joint} == {
        (1, "attacked"), (1, "held_out"), (3, "attacked")
    }  # fmt: skip
    for threat, known, radii in (
        ("static", 0, [0.02, 0.1, 0.5]),
        ("known", 1, [0.1, 0.1]),
        ("known", 3, [0.02, 0.1, 0.5]),
        ("grey", 3, [0.02, 0.1, 0.5]),
    ):
        own = where(rows, threat=threat, known=known, mode="joint")
        assert [row["epsilon"] for row in own] == radii
    for mode in ("selective", "orthogonal"):
        (own,) = where(rows, mode=mode)
        assert (own["epsilon"], own["known"], own["scored_on"]) == (0.5, 3, "attacked")
    assert {row["restarts"] for row in rows if "restarts" in row} == {3}
    assert {row["steps"] for row in rows if "steps" in row} == {20}
    assert {row["enough"] for row in rows if "enough" in row} == {0.01}
    assert {row["seed"] for row in rows if "seed" in row} == {3}
    assert [row["confidence"] for row in rows if "attack" in row] == [0.0, 9.0]
    queried = where(rows, threat="query")
    assert [row["epsilon"] for row in queried] == [1.0, 2.0, 4.0]
    assert {row["shared_queries"] for row in queried} == {25}
    assert max(row["queries_median"] for row in queried) <= 60
    assert json.loads(json.dumps(values)) == values


def test_counts_and_rates_of_all_rows_agree(found):
    samples = {"static": 24, "known": 24, "grey": 24, "query": 3}
    for row in found[0]["rows"]:
        assert row["samples"] == (8 if "attack" in row else samples[row["threat"]])
        assert row["members"] == 3
        parts = row["flagged"] + row["undecided"] + row["evaded"]
        assert row["misclassified"] == parts
        assert row["evaded_rate"] == row["evaded"] / row["samples"]
        if row["norm"] == "linf" and row["norm_max"] is not None:
            assert row["norm_max"] <= row["epsilon"] + 1e-6
        assert 0 <= row["score_median"] <= 1


def test_knowing_more_pays_and_the_base_alone_does_not(found):
    rows = where(found[0]["rows"], mode="joint", norm="linf")
    (whole,) = where(rows, known=3, threat="known", epsilon=0.5)
    assert whole["evaded_rate"] > 0.9
    (whole,) = where(rows, known=3, threat="known", epsilon=0.1)
    (static,) = where(rows, threat="static", epsilon=0.1)
    assert static["score_median"] > whole["score_median"]
    assert static["evaded_rate"] < whole["evaded_rate"]


def test_the_real_settings_hold_what_readers_look_for():
    assert {0.05, 0.1} <= set(job_module.EPSILONS)
    assert set(job_module.COMPARED) | set(job_module.WIDEST) <= set(job_module.EPSILONS)
    assert max(job_module.EPSILONS) in job_module.WIDEST
    assert job_module.FEWER_STEPS < job_module.STEPS
    assert list(job_module.CONFIDENCES) == [0, 5, 10, 20, 40]


def test_all_kinds_of_checks_are_made(found):
    checks = found[0]["checks"]
    large = where(checks, check="large epsilon")
    assert [each["of"]["mode"] for each in large] == ["joint", "selective", "orthogonal"]
    assert {each["of"]["epsilon"] for each in large} == {0.5}
    (radii,) = where(checks, check="more epsilon never hurts")
    assert (radii["of"]["mode"], radii["of"]["known"]) == ("joint", 3)
    (steps,) = where(checks, check="more steps never hurts")
    of = steps["of"]
    assert (of["mode"], of["known"], of["epsilon"]) == ("joint", 3, 0.1)
    again = where(checks, check="another bank")
    assert [(each["of"]["known"], each["of"]["epsilon"]) for each in again] == [
        (0, 0.1), (3, 0.1)
    ]  # fmt: skip
    assert len(checks) == len(large) + 2 + len(again)
    assert all(each["found"] is not None for each in checks)


def test_the_attackers_bank_has_the_same_design_and_another_seed(found):
    ((family, models, more),) = found[1]
    assert (family, models, more["seed"]) == ("same", 3, 8)


QUICK = {"RESTARTS": 1, "EPSILONS": (0.1, 0.5), "CONFIDENCES": (0.0,), "MOST": 12}
QUICK |= {"QUERIES": 5, "MOST_QUERIED": 1, "MOST_CONFIDENT": 2}


def test_like_is_compared_with_like(toys, monkeypatch):
    # A smaller bank of the very same models: nothing may differ.
    values, _ = run(toys, toys.members[:2], monkeypatch, **QUICK)
    again = where(values["checks"], check="another bank")
    assert [each["found"] for each in again] == [0.0, 0.0]
    assert {each["of"]["members"] for each in again} == {2}
    assert {row["known"] for row in where(values["rows"], threat="grey")} == {2}


def test_another_bank_is_calibrated_on_the_same_clean_images(toys, monkeypatch):
    calls = []

    def noting(base, members, held_out, fpr):
        calls.append((held_out, fpr))
        return bank_judge(base, members, held_out, fpr)

    monkeypatch.setattr(job_module, "bank_judge", noting)
    run(toys, toys.others, monkeypatch, **QUICK)
    (own, rate), (other, same) = calls
    assert own is toys.held_out and rate == same == 0.1
    wanted = correct(votes(toys.base, toys.others, HELD), HELD)
    assert len(other) < len(HELD)
    np.testing.assert_allclose(other.base, wanted.base, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(other.bank, wanted.bank, rtol=1e-4, atol=1e-6)


def test_a_check_that_fails_is_told(toys, monkeypatch):
    def stops_all(base, members, held_out, fpr):
        def judge(pixels, voters):
            labels, _, scores = bank_judge(base, members, held_out, fpr)(pixels, voters)
            return labels, np.full(len(labels), "adversarial"), scores

        return judge

    monkeypatch.setattr(job_module, "bank_judge", stops_all)
    values, _ = run(toys, toys.others, monkeypatch, **QUICK)
    for finding in where(values["checks"], check="large epsilon"):
        assert (finding["found"], finding["holds"]) == (0.0, False)
    assert len(where(values["checks"], check="large epsilon")) == 3
    assert all(row["evaded"] == 0 for row in values["rows"])
    assert values["under_rejection"]["passed"] == 0


def test_steps_that_hurt_are_told(toys, monkeypatch):
    real = job_module.joint_sweep

    def better_with_few(*given, **more):
        rows = real(*given, **more)
        few = more["options"].get("steps") == job_module.FEWER_STEPS
        return [row | {"evaded_rate": 0.9 if few else 0.2} for row in rows]

    monkeypatch.setattr(job_module, "joint_sweep", better_with_few)
    values, _ = run(toys, toys.others, monkeypatch, **QUICK)
    (steps,) = where(values["checks"], check="more steps never hurts")
    assert steps["found"] == pytest.approx(0.7) and not steps["holds"]
    assert {row["steps"] for row in values["rows"] if "steps" in row} == {20}
