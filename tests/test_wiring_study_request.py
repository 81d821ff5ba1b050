"""What a study may be asked to compare."""

import pytest

from graphprune.errors import SpecError
from graphprune.wiring_study.request import CONTROLS, FAMILIES, StudyRequest


def test_usual_values_ask_for_everything():
    request = StudyRequest(nodes=16, degrees=(4, 6))
    assert request.families == FAMILIES
    assert list(request.all_seeds) == [0, 1, 2]
    assert CONTROLS == ("dense", "random-regular", "ring", "unstructured")


def test_seeds_go_on_from_the_first():
    request = StudyRequest(nodes=16, degrees=(4,), seeds=2, first_seed=7)
    assert list(request.all_seeds) == [7, 8]


def test_density_is_the_degree_over_the_nodes_exactly():
    request = StudyRequest(nodes=16, degrees=(3, 4))
    assert request.density(4) == 0.25
    assert request.density(3) == 3 / 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degrees": ()}, "degrees must name at least one"),
        ({"degrees": (4, 6, 4)}, "degrees must differ, got 4 twice"),
        ({"degrees": (4, 16)}, r"degree must be in \[2, nodes\), got degree=16, nodes=16"),
        ({"degrees": (1,)}, r"degree must be in \[2, nodes\), got degree=1"),
        ({"nodes": 15, "degrees": (3,)}, r"nodes \* degree must be even"),
        ({"families": ()}, "families must name at least one"),
        ({"families": ("ring", "ring")}, "families must differ, got ring twice"),
        (
            {"families": ("ring", "dense")},
            "families must be of random-regular, ring, small-world, searched, got 'dense'",
        ),
        ({"levels": 0}, "levels must be at least 1, got 0"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"first_seed": -1}, "first seed must be at least 0, got -1"),
        ({"search_steps": -1}, "search steps must be at least 0, got -1"),
    ],
)
def test_nonsense_is_refused_at_birth(options, message):
    with pytest.raises(SpecError, match=message):
        StudyRequest(**{"nodes": 16, "degrees": (4,), **options})
