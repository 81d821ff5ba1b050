"""Fields of a JSON object that came from a file, each checked as it is read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from graphprune.errors import FileError

Text = TypeVar("Text", bound=str)


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object and where it stands; every method raises FileError on what it refuses."""

    body: Mapping[str, Any]
    name: str

    def wrong(self, key: str, wanted: str) -> FileError:
        """The error that names a field, what it must be and what it is."""
        found = repr(self.body.get(key))
        found = found if len(found) <= 60 else f"{found[:57]}..."
        return FileError(f"{self.name}: {key} must be {wanted}, got {found}")

    def only(self, *keys: str) -> None:
        """Refuse other fields than these."""
        if other := sorted(self.body.keys() - set(keys)):
            raise FileError(f"{self.name}: unknown field {other[0]!r}")

    def part(self, key: str) -> "Fields":
        """The object in a field."""
        value = self.body.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Fields(value, f"{self.name}: {key}")

    def parts(self) -> dict[str, "Fields"]:
        """The objects in all fields."""
        return {key: self.part(key) for key in self.names()}

    def text(self, key: str) -> str:
        """A text of one line."""
        value = self.body.get(key)
        if not isinstance(value, str) or not value.isprintable():
            raise self.wrong(key, "a text of one line")
        return value

    def texts(self) -> dict[str, str]:
        """The texts in all fields."""
        return {key: self.text(key) for key in self.names()}

    def names(self) -> list[str]:
        """The names of all fields, each of one line."""
        if odd := [key for key in self.body if not key.isprintable()]:
            raise FileError(f"{self.name}: {odd[0]!r} is no name of one line")
        return list(self.body)

    def choice(self, key: str, allowed: tuple[Text, ...]) -> Text:
        """One of the texts that are allowed."""
        value = self.text(key)
        for one in allowed:
            if one == value:
                return one
        raise self.wrong(key, f"one of {', '.join(map(repr, allowed))}")

    def count(self, key: str, *, least: int = 0, most: int = 2**62) -> int:
        """An integer in least..most."""
        value = self.body.get(key)
        if type(value) is not int or not least <= value <= most:
            raise self.wrong(key, f"an integer in {least}..{most}")
        return value

    def counts(self, key: str, *, least: int = 0) -> tuple[int, ...]:
        """A list of integers of at least `least`."""
        value = self.body.get(key)
        if not isinstance(value, list) or any(
            type(one) is not int or not least <= one < 2**62 for one in value
        ):
            raise self.wrong(key, f"a list of integers of at least {least}")
        return tuple(value)

    def number(self, key: str) -> float:
        """A number of at least 0, fractions allowed."""
        value = self.body.get(key)
        if type(value) is float and math.isfinite(value):
            return value
        return self.count(key)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.body.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value


def check_edges(fields: Fields, nodes: int) -> list[list[int]]:
    """The field `edges`: pairs of different nodes below `nodes`, sorted, each listed once.

    Raises:
        FileError: It is anything else.
    """
    edges = fields.body.get("edges")
    if not isinstance(edges, list):
        raise fields.wrong("edges", "a list of pairs")
    for edge in edges:
        pair = isinstance(edge, list) and len(edge) == 2 and {*map(type, edge)} == {int}
        if not pair or not 0 <= edge[0] < edge[1] < nodes:
            raise FileError(
                f"{fields.name}: edge {edge!r} is no rising pair of nodes in 0..{nodes - 1}"
            )
    if len({tuple(edge) for edge in edges}) < len(edges):
        raise FileError(f"{fields.name}: an edge is listed twice")
    return edges
