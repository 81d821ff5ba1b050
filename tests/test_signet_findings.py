"""Cells of a set, findings about them, fences of cells."""

import json

import numpy as np
import pytest
from radio_sets import made

from signet.findings import EXAMPLES, Grid, cells_of, low_fence, medians, named
from signet.iq import Frames


@pytest.fixture
def source():
    """Six frames of classes z and a, which are not in the order of their names."""
    return Frames(
        iq=np.zeros((6, 2, 8), np.float32),
        labels=np.array([1, 0, 1, 1, 0, 1]),
        snr=np.array([4.0, -2.0, -2.0, 4.0, -2.0, 4.0]),
        classes=("z", "a", "empty"),
    )


def test_cells_by_hand(source):
    cells, of = cells_of(source)
    assert cells == (("z", -2.0), ("a", -2.0), ("a", 4.0))
    assert of.tolist() == [2, 0, 1, 2, 0, 2]


def test_members_of_a_part_of_the_set(source):
    grid = Grid.build(source, np.array([0, 2, 3]))
    assert [m.tolist() for m in grid.members()] == [[], [1], [0, 2]]
    whole = Grid.build(source)
    assert [m.tolist() for m in whole.members()] == [[1, 4], [2], [0, 3, 5]]


def test_a_finding_speaks_of_positions_in_the_set(source):
    grid = Grid.build(source, np.array([0, 2, 3, 5]))
    mask = np.array([False, True, False, True])
    for which in (mask, np.array([3, 1])):
        found = grid.finding("quiet", "warning", which, "too quiet")
        assert found.examples == (2, 5) and found.frames == 2 and found.share == 0.5
        assert found.cells == (("a", -2.0), ("a", 4.0))
    assert json.loads(json.dumps(found.to_dict())) == {
        "check": "quiet",
        "severity": "warning",
        "frames": 2,
        "share": 0.5,
        "cells": [["a", -2.0], ["a", 4.0]],
        "examples": [2, 5],
        "why": "too quiet",
    }


def test_examples_are_few():
    grid = Grid.build(made(frames=20))
    found = grid.finding("quiet", "note", np.ones(len(grid.chosen), bool), "all")
    assert found.examples == tuple(range(EXAMPLES)) and found.frames == len(grid.chosen)


def test_names_of_classes_once(source):
    assert named(Grid.build(source).cells) == "z, a"


def test_medians_and_fences_by_hand(source):
    grid = Grid.build(source)
    values = np.array([10.0, 1.0, 5.0, 30.0, 3.0, 20.0])
    usable = np.array([True, True, False, True, True, True])
    middle = medians(values, grid, usable)
    assert middle[[0, 2]].tolist() == [2.0, 20.0] and np.isnan(middle[1])
    fence = low_fence(values, grid, usable, 2.0)
    # Label 4 deviates by -10, 0, 10: quartiles -5 and 5; label -2 by -1 and 1.
    assert fence[[0, 3, 5]].tolist() == [20 - 5 - 2 * 10] * 3
    assert fence[[1, 4]].tolist() == [2 - 0.5 - 2 * 1] * 2
    assert fence[2] == -np.inf
