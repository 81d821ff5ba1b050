"""One run of a study, known by its content."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from graphprune.errors import SpecError

Edges = list[list[int]]
Function = Callable[[Mapping[str, Any], Edges | None, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A call of a function whose result follows from what is written here.

    `function` is "package.module:name" and takes (arguments, edges of the graph or None,
    context); `arguments` are JSON types; `graph` is the hash of the graph that it gets. These
    three make the `key`. `labels` are columns of the store that say where in a design the run
    stands (family, degree, level, seed ...): they are kept, and change nothing.
    """

    function: str
    arguments: Mapping[str, Any]
    graph: str | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """SHA-256 of function, arguments and graph: equal runs have equal keys."""
        content = {
            "function": self.function,
            "arguments": self.arguments,
            "graph": self.graph,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


def function_of(name: str) -> Function:
    """The function that "package.module:name" names.

    Raises:
        SpecError: There is no such module or function.
    """
    module, _, attribute = name.partition(":")
    try:
        found: Function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise SpecError(f"{name}: no such function ({error})") from error
    return found
