"""Sweeps against a detector that must win or lose by construction, and on the digits."""

import json

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from ggt.adaptive_sweeps import grey_box, joint_sweep, judge_oracle, query_rows
from ggt.flag_attacks import evade_by_queries
from graphprune.errors import SpecError


class Reader(nn.Module):
    """Says 1 where one pixel is above .5."""

    def __init__(self, place):
        super().__init__()
        self.place = place
        self.eval()

    def forward(self, pixels):
        read = 20 * (pixels.flatten(1)[:, self.place] - 0.5)
        return torch.stack([-read, read], dim=1)


BASE, MEMBERS = Reader(0), [Reader(1), Reader(1), Reader(2)]
PIXELS = torch.full((4, 1, 2, 2), 0.4)
RIGHT = torch.zeros(4, dtype=torch.int64)


def judged_by(base, models, threshold):
    """A judge: soft disagreement at most `threshold` is normal."""
    asked = []

    def judge(pixels, members):
        asked.append(members)
        with torch.no_grad():
            labels = base(pixels).argmax(dim=1)
            shares = torch.stack([models[i](pixels).softmax(1) for i in members]).mean(0)
        scores = 1 - shares.gather(1, labels[:, None])[:, 0].numpy()
        return labels, np.where(scores <= threshold, "normal", "adversarial"), scores

    judge.asked = asked
    return judge


def rates(rows, **wanted):
    return [
        row["evaded_rate"]
        for row in rows
        if all(row[name] == value for name, value in wanted.items())
    ]


def test_knowing_a_model_beats_it_and_no_other():
    judge = judged_by(BASE, MEMBERS, 0.2)
    rows = joint_sweep(
        BASE, MEMBERS, PIXELS, RIGHT, judge, known=[0, 1, 2, 3], epsilons=[0.05, 0.2]
    )
    assert rates(rows, epsilon=0.05) == [0.0] * 6  # .45 is still 0 to all
    assert rates(rows, epsilon=0.2, scored_on="attacked") == [1.0, 1.0, 1.0]
    assert rates(rows, epsilon=0.2, scored_on="held_out") == [0.0, 0.0, 0.0]
    assert [row["misclassified"] for row in rows if row["epsilon"] == 0.2] == [4] * 6
    assert rows[0]["threat"] == "static" and rows[-1]["threat"] == "known"
    assert [row["known"] for row in rows] == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3]
    assert judge.asked[:2] == [range(3), range(3)]
    assert judge.asked[2:4] == [range(1, 3), range(1)]
    assert json.loads(json.dumps(rows)) == rows


def test_a_row_says_how_it_was_made():
    judge = judged_by(BASE, MEMBERS, 0.2)
    (row,) = joint_sweep(
        BASE,
        MEMBERS,
        PIXELS,
        RIGHT,
        judge,
        known=[3],
        epsilons=[0.2],
        options={"steps": 7, "mode": "selective", "batch": 3, "weight": 2.0, "seed": 5},
    )
    said = {name: row[name] for name in ("mode", "steps", "restarts", "weight", "seed", "norm")}
    assert said == {
        "mode": "selective",
        "steps": 7,
        "restarts": 1,
        "weight": 2.0,
        "seed": 5,
        "norm": "linf",
    }
    assert "batch" not in row
    assert row["members"] == 3 and row["samples"] == 4
    assert row["norm_max"] == pytest.approx(0.2, abs=1e-6)
    assert row["score_median"] < 0.2


def test_options_reach_the_attack():
    judge = judged_by(BASE, MEMBERS, 0.2)
    still = {"steps": 3, "step_size": 1e-4}
    (row,) = joint_sweep(
        BASE, MEMBERS, PIXELS, RIGHT, judge, known=[3], epsilons=[0.2], options=still
    )
    assert row["misclassified"] == 0 and row["step_size"] == 1e-4


@pytest.mark.parametrize("known", [[-1], [0, 4]])
def test_more_models_than_there_are_cannot_be_known(known):
    judge = judged_by(BASE, MEMBERS, 0.2)
    with pytest.raises(SpecError, match=r"known must lie in \[0, 3\]"):
        joint_sweep(BASE, MEMBERS, PIXELS, RIGHT, judge, known=known, epsilons=[0.1])


def test_an_own_bank_helps_as_far_as_it_is_alike():
    judge = judged_by(BASE, MEMBERS, 0.2)
    alike, other = [Reader(1), Reader(2)], [Reader(3)]
    options = {"members": 3, "epsilons": [0.05, 0.2]}
    rows = grey_box(BASE, alike, PIXELS, RIGHT, judge, **options)
    assert [row["evaded_rate"] for row in rows] == [0.0, 1.0]
    assert {(row["threat"], row["known"], row["scored_on"]) for row in rows} == {
        ("grey", 2, "defender")
    }
    rows = grey_box(BASE, other, PIXELS, RIGHT, judge, **options)
    assert [row["evaded_rate"] for row in rows] == [0.0, 0.0]
    assert all(members == range(3) for members in judge.asked)


def test_query_attacker_from_oracle_to_rows():
    judge = judged_by(BASE, MEMBERS, 0.2)
    oracle = judge_oracle(judge, 3)
    starts = torch.full((1, 1, 2, 2), 0.9)
    found = evade_by_queries(oracle, PIXELS, RIGHT, starts, queries=150)
    near, wide = query_rows(
        found, PIXELS, RIGHT, judge, members=3, bounds=[0.01, 2.0], norm="l2"
    )
    assert (near["evaded"], near["misclassified"], wide["evaded"]) == (0, 0, 4)
    assert wide["flagged"] == 0 and wide["found"] == 4
    assert (wide["epsilon"], wide["norm"], wide["threat"]) == (2.0, "l2", "query")
    assert (wide["queries_median"], wide["shared_queries"]) == (150.0, 1)
    assert json.loads(json.dumps([near, wide])) == [near, wide]
    none = evade_by_queries(oracle, PIXELS, RIGHT, starts[:0], queries=10)
    (row,) = query_rows(none, PIXELS, RIGHT, judge, members=3, bounds=[2.0])
    assert row["queries_median"] is None and row["evaded"] == row["found"] == 0


def test_an_undecided_sample_is_stopped_unless_told_otherwise():
    def judge(pixels, members):
        assert members == range(2)
        return [1, 1, 1], np.array(["normal", "adversarial", "undecided"]), [0, 0, 0]

    labels, flags = judge_oracle(judge, 2)(PIXELS[:3])
    assert labels.tolist() == [1, 1, 1] and flags.tolist() == [False, True, True]
    _, flags = judge_oracle(judge, 2, undecided_passes=True)(PIXELS[:3])
    assert flags.tolist() == [False, True, False]


def trained(pixels, labels, seed):
    """A small network that knows the digits it has seen."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    steps = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(40):
        steps.zero_grad()
        nn.functional.cross_entropy(network(pixels), labels).backward()
        steps.step()
    return network.eval()


@pytest.mark.usefixtures("one_thread")
def test_on_digits_knowing_the_bank_pays():
    bunch = load_digits()
    pixels = torch.tensor(bunch.images[:, None] / 16, dtype=torch.float32)
    labels = torch.tensor(bunch.target)
    base, *members = [trained(pixels[:900], labels[:900], seed) for seed in range(4)]
    clean = judged_by(base, members, 0)(pixels[900:1400], range(3))[2]
    judge = judged_by(base, members, np.quantile(clean, 0.9))
    with torch.no_grad():
        right = base(pixels[1400:]).argmax(1) == labels[1400:]
    static, white = joint_sweep(
        base,
        members,
        pixels[1400:][right],
        labels[1400:][right],
        judge,
        known=[0, 3],
        epsilons=[0.15],
        options={"steps": 10, "restarts": 3},
    )
    assert min(static["misclassified_rate"], white["misclassified_rate"]) > 0.8
    assert white["evaded_rate"] > static["evaded_rate"] + 0.05
    assert white["score_median"] < static["score_median"]
