"""Names that other installed packages add to the built-in ones, through entry points."""

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from graphprune.errors import SpecError

Value = TypeVar("Value")


class Catalogue(Mapping[str, Value]):
    """Built-in values by name, then those that installed packages offer.

    A package offers an object by an entry point of the group; it is imported when it is asked
    for. A built-in name wins. A name in a file can so name nothing but what is installed.
    """

    def __init__(self, group: str, builtin: Mapping[str, Value]) -> None:
        """`group`: that of the entry points; `builtin`: what is there without them."""
        self.group = group
        self.builtin = builtin

    def __getitem__(self, name: str) -> Value:
        """The value of a name.

        Raises:
            KeyError: There is none.
            SpecError: The package that offers it cannot be imported or lacks it.
        """
        if name in self.builtin:
            return self.builtin[name]
        point = self._offered()[name]
        try:
            value: Value = point.load()
        except (Exception, SystemExit) as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise SpecError(
                f"{name!r} is offered by an installed package as {point.value}, which cannot "
                f"be loaded: {why}"
            ) from error
        return value

    def __contains__(self, name: object) -> bool:
        """Whether there is such a name; imports nothing."""
        return name in self.builtin or name in self._offered()

    def __iter__(self) -> Iterator[str]:
        """The names, built-in ones first; imports nothing."""
        yield from self.builtin
        yield from (name for name in sorted(self._offered()) if name not in self.builtin)

    def __len__(self) -> int:
        """Number of names."""
        return len(self.builtin.keys() | self._offered().keys())

    def _offered(self) -> dict[str, EntryPoint]:
        """What installed packages offer, by name."""
        return {point.name: point for point in entry_points(group=self.group)}
