from dataclasses import dataclass
from typing import Literal

import pytest

from ggt.manifest_fields import files_of, names_of, numbers_of, parts_of, share_of, value_of
from graphprune.errors import FileError, SpecError
from graphprune.nn.card_checks import Fields


@dataclass(frozen=True, kw_only=True)
class Meal:
    dish: Literal["soup", "cake"] = "soup"
    plates: int = 1
    price: float = 2.5
    tip: float | None = None
    vegan: bool = True
    guests: tuple[str, ...] = ()

    def __post_init__(self):
        if self.plates < 0:
            raise SpecError(f"plates must be at least 0, got {self.plates}")


def meal(**told):
    return value_of(Meal, Fields({"meal": told}, "menu"), "meal")


def test_values_come_back_and_lists_become_tuples():
    assert meal() == Meal()
    assert meal(dish="cake", plates=3, price=4, tip=None, vegan=False, guests=["Ada"]) == Meal(
        dish="cake", plates=3, price=4, tip=None, vegan=False, guests=("Ada",)
    )
    assert names_of(Meal) == ("dish", "plates", "price", "tip", "vegan", "guests")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"dish": "stew"}, "menu: meal: dish must be of another type for Meal, got 'stew'"),
        ({"plates": 1.0}, "plates"),
        ({"plates": True}, "plates"),
        ({"plates": 2**63}, "plates"),
        ({"price": None}, "price"),
        ({"price": float("inf")}, "price"),
        ({"tip": "much"}, "tip"),
        ({"vegan": 1}, "vegan"),
        ({"guests": "Ada"}, "guests"),
        ({"guests": ["Ada", 1]}, "guests"),
        ({"drink": "tea"}, "unknown field 'drink'"),
        ({"plates": -1}, "menu: meal: plates must be at least 0, got -1"),
    ],
)
def test_values_of_other_types_are_refused(told, message):
    with pytest.raises(FileError, match=message):
        meal(**told)


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda fields: numbers_of(fields, "x", 2), [1, 2, 3]),
        (lambda fields: numbers_of(fields, "x", 2), [1, True]),
        (lambda fields: share_of(fields, "x"), 1.001),
        (lambda fields: parts_of(fields, "x"), [{}, []]),
    ],
)
def test_wrong_shapes_are_refused(read, value):
    with pytest.raises(FileError, match=r"menu: x must be"):
        read(Fields({"x": value}, "menu"))


def test_right_shapes_are_taken():
    fields = Fields({"x": [1, 2.5], "y": 1, "z": [{"a": 1}]}, "menu")
    assert numbers_of(fields, "x", 2) == (1.0, 2.5)
    assert share_of(fields, "y") == 1.0
    assert [part.body for part in parts_of(fields, "z")] == [{"a": 1}]


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "", "a b", "/etc/passwd"])
def test_only_plain_names_of_files_are_taken(name):
    with pytest.raises(FileError, match="no name of a file"):
        files_of(Fields({"files": {name: "a" * 64}}, "menu"))
    assert files_of(Fields({"files": {"a-1.b": "a" * 64}}, "menu")) == {"a-1.b": "a" * 64}
