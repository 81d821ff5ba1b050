"""Plans on shapes alone."""

import pytest

from graphprune.data import DATASETS, SHAPES, load
from graphprune.errors import SpecError
from graphprune.inspection import inspect_request
from graphprune.request import Request


def test_every_data_set_has_a_shape_and_that_of_the_digits_is_true():
    assert SHAPES.keys() == DATASETS.keys()
    digits = load("digits")
    shape = SHAPES["digits"]
    assert (shape.classes, shape.channels) == (len(digits.classes), digits.channels)
    assert shape.size == digits.size


@pytest.mark.parametrize(
    ("model", "nodes", "degree", "layers"),
    [("resnet18", 64, 6, 19), ("resnet20", 32, 3, 11), ("vgg16", 64, 6, 12)],
)
def test_known_networks_get_the_published_setting_where_they_are_wide_enough(
    model, nodes, degree, layers
):
    values = inspect_request(Request(model=model, data="cifar10")).values
    assert values["graph"]["nodes"] == nodes
    assert values["graph"]["degree"] == degree
    assert len(values["pruning"]["layers"]) == layers
    assert values["pruning"]["ratio"] == pytest.approx(1 - degree / nodes)


def test_unknown_data_is_refused_without_reading_any():
    with pytest.raises(SpecError, match="unknown data set 'cats'"):
        inspect_request(Request(data="cats"))
