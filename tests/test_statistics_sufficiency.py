from study_rows import row, study

from graphprune.statistics.selection import Runs
from graphprune.statistics.sufficiency import why_nothing


def why(rows, strata=("degree",)):
    return why_nothing(Runs(rows, "accuracy", strata).sample("aspl"))


def of_graphs(count, degree=4, same=0):
    """Two seeds of each of so many graphs, the last `same` + 1 of one length."""
    return [
        row(
            graph=f"{degree}-{g}",
            degree=degree,
            seed=s,
            aspl=float(min(g, count - 1 - same)),
            accuracy=0.5 + 0.01 * g + 0.001 * s,
        )
        for g in range(count)
        for s in (0, 1)
    ]


def test_one_degree_needs_three_graphs_of_three_lengths():
    assert why(of_graphs(3)) is None
    assert why(of_graphs(2)) == "only 2 different graphs, and at least 3 are needed"
    assert why(of_graphs(3, same=1)) == (
        "only 2 different values of average path length, and at least 3 are needed"
    )
    assert why(of_graphs(4, same=1)) is None


def test_every_further_degree_needs_one_more():
    assert why(of_graphs(2) + of_graphs(2, 6)) is None
    assert why(of_graphs(2) + of_graphs(1, 6)) == (
        "only 2 different graphs, and at least 3 are needed"
    )
    assert why(of_graphs(2) + of_graphs(3, 6, same=1)) is None


def test_equal_lengths_at_two_degrees_are_two_values():
    assert why(of_graphs(3) + of_graphs(3, 6)) is None
    assert why(of_graphs(1) + of_graphs(1, 6)) == (
        "average path length does not vary within one degree"
    )
    assert why(of_graphs(1), ()) == "average path length does not vary"


def test_the_outcome_has_to_vary_where_the_measure_does():
    flat = [r | {"accuracy": 0.5} for r in of_graphs(3)]
    assert why(flat) == "accuracy is the same in all runs"
    assert why(flat + of_graphs(1, 6)) == "accuracy is the same in all runs"


def test_two_seeds_are_needed():
    assert why(study(seeds=2, run_scatter=1)) is None
    assert "all runs have one seed" in why(study(seeds=1, run_scatter=1, graph_scatter=1))


def test_one_graph_too_few_for_its_degrees():
    # 2 + 2 + 1 graphs at three degrees: the third has no say; 2 + 2 are enough for two.
    assert why(of_graphs(2) + of_graphs(2, 6) + of_graphs(1, 8)) is None
    crossed = of_graphs(2) + [r | {"degree": 6} for r in of_graphs(2)]
    assert why(crossed) == "only 2 different graphs, and at least 4 are needed"
