import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_rows import row, study

from graphprune.statistics import associate, measures_table, sentence

NOISY = {"run_scatter": 0.3, "graph_scatter": 0.1}
FORBIDDEN = re.compile(
    r"because|causes|caused|due to|no effect|proves|leads to|improves|nan|None"
)


def test_a_clear_slope_is_told_with_all_its_figures():
    found = associate(study(slope=-3.0, seeds=4, **NOISY))
    said = sentence(found)
    assert said.startswith(
        "At degree 4, shorter paths went with higher accuracy: "
        f"{found.slope.value:+.2f} percentage points per hop (95 % interval "
        f"{found.slope.low:+.2f} to {found.slope.high:+.2f}, p = {found.slope.p:.2g}), "
        f"rank correlation {found.spearman.value:+.2f}, average path length from 2 to 3 hops, "
        "in 24 runs of 6 graphs with 4 seeds. "
    )
    assert said.endswith(
        "This is so of this network, data set and length of training, no more; it names no "
        "cause, as other properties of graphs may differ along with average path length."
    )


def test_the_other_sign_is_told_the_other_way_round():
    said = sentence(associate(study(slope=3.0, degrees=(4, 6), **NOISY)))
    assert said.startswith("At fixed degree, longer paths went with higher accuracy: +")
    assert "p < 0.001" in said


def test_what_is_not_seen_is_not_denied():
    found = associate(study(slope=0.0, seed=4, run_scatter=0.3))
    assert sentence(found).startswith(
        "At degree 4, no association of accuracy with average path length can be seen: "
    )
    assert (
        f"would tell a slope of {found.detectable:.2g} points per hop from chance (p < 0.05), "
        "and fewer a lesser one; one of the size found would take "
        f"{found.seeds_needed:,} seeds a level."
    ) in sentence(found)


@pytest.fixture
def unseen():
    found = associate(study(slope=0.0, seed=1, **NOISY))
    assert found.slope.p > 0.05 and found.slope.low < 0 < found.slope.high
    return found


def with_slope(association, **changes):
    return replace(association, slope=replace(association.slope, **changes))


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        (
            None,
            "with graphs that scatter like these, no number of seeds would tell one of the "
            "size found.",
        ),
        (2, "one of the size found is no smaller."),
        (3, "one of the size found is no smaller."),
        (4, "one of the size found would take 4 seeds a level."),
        (10_000, "one of the size found would take 10,000 seeds a level."),
        (10_001, "one of the size found would take more than 10,000 seeds a level."),
    ],
)
def test_the_seeds_that_it_would_take(unseen, needed, words):
    assert sentence(replace(unseen, seeds_needed=needed)).endswith(f"; {words}")


def test_no_slope_at_all_takes_no_seeds(unseen):
    said = sentence(replace(with_slope(unseen, value=0.0), seeds_needed=None))
    assert said.endswith("(p < 0.05), and fewer a lesser one.")


def test_unknown_power_is_admitted(unseen):
    said = sentence(replace(unseen, detectable=None, seeds_needed=None))
    assert said.endswith(
        ". These runs are too few, or too much alike, to say what would have been missed."
    )


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"p": 0.01}, "the interval includes 0"),
        ({"low": 0.1, "high": 0.9}, "chance does as well too often"),
        ({"low": -0.9, "high": -0.1}, "chance does as well too often"),
        ({"p": 0.01, "low": None, "high": None}, "there are too few graphs for an interval"),
    ],
)
def test_one_doubt_leaves_it_unsettled(unseen, changes, doubt):
    said = sentence(with_slope(unseen, value=-0.5, **changes))
    assert (
        f"shorter paths went with higher accuracy, but that is not settled, as {doubt}:" in said
    )


def test_several_measures_raise_a_doubt_of_their_own(unseen):
    found = with_slope(unseen, p=0.02, low=0.1, high=0.9)
    assert "not settled" not in sentence(replace(found, p_holm=0.04))
    said = sentence(replace(found, p_holm=0.06))
    assert "as one of so many measures does as well by chance too often" in said
    assert "p = 0.02, p = 0.06 adjusted for all measures" in said


def test_the_level_is_five_percent_exactly(unseen):
    found = with_slope(unseen, low=0.1, high=0.9, value=0.5)
    assert "not settled" in sentence(with_slope(found, p=0.05))
    assert "not settled" not in sentence(with_slope(found, p=0.0499))


def test_an_interval_that_touches_0_includes_it(unseen):
    assert "the interval includes 0" in sentence(with_slope(unseen, p=0.01, low=0.0, high=0.9))
    assert "the interval includes 0" in sentence(with_slope(unseen, p=0.01, low=-1.0, high=0.0))


def test_runs_without_scatter_are_told_without_interval():
    said = sentence(associate(study(slope=2.0)))
    assert said.startswith("At degree 4, longer paths went with higher accuracy: +2.00 percent")
    assert "interval" not in said


def test_degrees_of_opposite_sign_are_told():
    rows = [r for d, s in ((4, -1.0), (6, 3.0)) for r in study(degrees=(d,), slope=s, **NOISY)]
    assert "; the sign is not the same at every degree. " in sentence(associate(rows))
    assert "sign" not in sentence(associate(study(degrees=(4, 6), slope=5.0, **NOISY)))


def test_density_that_is_not_held_is_told():
    rows = study(degrees=(4, 6), slope=-9.0, **NOISY)
    said = sentence(associate(rows, strata=()))
    assert said.startswith("With nothing held fixed, ")
    assert "; density differs by up to 12 percentage points. " in said
    assert "density differs" not in sentence(associate(rows))


def test_strata_are_called_by_their_names():
    rows = study(degrees=(4, 6), slope=-9.0, **NOISY)
    assert sentence(associate(rows, strata=("nodes", "degree"))).startswith(
        "At fixed nodes and degree, "
    )
    assert sentence(associate(rows[:18], strata=("nodes", "degree"))).startswith(
        "At nodes 16 and degree 4, "
    )


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no finished run of a graph network has both accuracy and average path length"),
        ([row()], "average path length does not vary within one degree"),
        (study(graphs=2, **NOISY), "only 2 different graphs, and at least 3 are needed"),
        (
            study(seeds=1, **NOISY),
            "all runs have one seed, so chance cannot be told from a difference of graphs",
        ),
    ],
)
def test_too_little_says_nothing_and_why(rows, words):
    said = sentence(associate(rows))
    assert said == f"Nothing can be said of accuracy and average path length: {words}."


def test_other_measures_and_outcomes_have_their_own_words():
    rows = [r | {"held_out_accuracy": r["accuracy"]} for r in study(slope=-4.0, **NOISY)]
    said = [sentence(each) for each in measures_table(rows, outcome="held_out_accuracy")]
    assert said[1].startswith(
        "At degree 4, less clustering went with higher held-out accuracy: "
    )
    assert " percentage points per unit (" in said[1]
    assert ", clustering from 0.4 to 0.9, in" in said[1]
    rows = [r | {"mean_cut": -r["aspl"]} for r in rows]
    assert "higher mean cut went with" in sentence(associate(rows, measure="mean_cut"))


@settings(max_examples=40)
@given(
    st.floats(-3, 3),
    st.integers(2, 6),
    st.integers(1, 4),
    st.floats(0, 1),
    st.sampled_from([(4,), (4, 6)]),
    st.integers(0, 99),
)
def test_sentences_say_what_the_figures_say(slope, graphs, seeds, scatter, degrees, seed):
    rows = study(
        slope=slope,
        graphs=graphs,
        seeds=seeds,
        run_scatter=scatter,
        degrees=degrees,
        seed=seed,
    )
    found = associate(rows, resamples=100)
    said = sentence(found)
    assert not FORBIDDEN.search(said)
    assert said.endswith(".") and said.count(". ") <= 1
    assert ("Nothing can be said" in said) == (found.reason is not None)
    if "shorter paths went" in said:
        assert found.slope.value < 0
    if "longer paths went" in said:
        assert found.slope.value >= 0
    if "no association" in said:
        assert found.slope.p >= 0.05 and found.slope.low <= 0 <= found.slope.high
    if "went with" in said and "not settled" not in said:
        assert found.slope.p < 0.05
        assert found.slope.low is None or found.slope.low * found.slope.high > 0
