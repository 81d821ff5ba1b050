"""Counts of one pruned network, worked out by hand."""

import pytest
from toys import image_network

from graphprune.graph import GraphSpec, ring_lattice
from graphprune.model_values import file_values, layer_values, masked_values, subject_values
from graphprune.nn import compact, plan, prune
from graphprune.subject import Subject

BODY = 16 * 16 * 9
PARAMETERS = 16 * 9 + 4 * 16 + BODY + 65 * 10
MACS = 16 * 9 * 64 + BODY * 16 + 640


@pytest.fixture(scope="module")
def subject():
    dense = image_network(classes=10, in_channels=1)
    made = plan(dense, nodes=16, degree=4)
    masked = prune(dense, made, graph=ring_lattice(GraphSpec(16, 4))).eval()
    return Subject(
        name="toy", masked=masked, small=compact(masked), shape=(1, 8, 8), trained=True
    )


def test_counts_are_those_of_one_input(subject):
    kept = BODY * 3 // 4
    assert subject_values(subject) == {
        "model": "toy",
        "trained": True,
        "input": [1, 8, 8],
        "parameters_dense": PARAMETERS,
        "parameters_kept": PARAMETERS - kept,
        "macs_dense": MACS,
        "macs_kept": MACS - kept * 16,
        "bytes_dense": 4 * PARAMETERS,
        "bytes_kept": 4 * (PARAMETERS - kept),
    }


def test_masks_of_a_finished_model_are_told_as_those_of_a_plan(subject):
    values = masked_values(subject.masked, subject.example(1))
    assert (values["ratio"], values["parameters_dense"]) == (0.75, PARAMETERS)
    assert values["ratio_all_parameters"] == pytest.approx(BODY * 0.75 / PARAMETERS)
    assert values["layers"] == [
        {
            "name": "body", "kind": "Conv2d", "weights": BODY, "in_channels": 16,
            "out_channels": 16, "ratio": 0.75, "fan_in_min": 4, "fan_in_max": 4,
        }
    ]  # fmt: skip
    assert [(one["name"], one["reason"]) for one in values["dense_layers"]] == [
        ("stem", "carries no mask"),
        ("classifier", "carries no mask"),
    ]


def test_layers_are_the_rows_of_the_report(subject):
    (row,) = layer_values(subject.small)
    assert (row["name"], row["kept"], row["fan_in"]) == ("body", BODY // 4, 4)


def test_files_hold_kept_weights_only(subject):
    sizes = file_values(subject, image_network(classes=10, in_channels=1))
    assert sizes["dense"] - sizes["compact"] == pytest.approx(4 * BODY * 0.75, abs=4000)
    assert sizes["masked"] == pytest.approx(sizes["compact"], abs=1000)
