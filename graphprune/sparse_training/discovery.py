"""The methods that there are: one module of `graphprune.methods` each, found by looking."""

import pkgutil
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from graphprune.errors import SpecError
from graphprune.sparse_training.protocol import Method

PACKAGE = "graphprune.methods"


@lru_cache(maxsize=1)
def methods() -> Mapping[str, type[Method]]:
    """All methods by title, sorted."""
    found: dict[str, type[Method]] = {}
    for each in pkgutil.iter_modules(import_module(PACKAGE).__path__):
        module = import_module(f"{PACKAGE}.{each.name}")
        for value in vars(module).values():
            if _is_method(value) and value.__module__ == module.__name__:
                assert value.title not in found, f"two methods are called {value.title}"
                found[value.title] = value
    return MappingProxyType(dict(sorted(found.items())))


def method_named(text: str) -> Method:
    """A method from its title and options, as in "rigl:alpha=0.3,interval=50".

    Raises:
        SpecError: There is no such method or option, or a value is of the wrong kind.
    """
    title, _, rest = text.partition(":")
    if title not in methods():
        raise SpecError(f"no method {title!r}; there are: {', '.join(methods())}")
    kind = methods()[title]
    allowed = {field.name: field.type for field in fields(kind)}
    options = {}
    for part in filter(None, rest.split(",")):
        name, equals, value = part.partition("=")
        if name not in allowed or not equals:
            words = ", ".join(allowed) or "none"
            raise SpecError(f"method {title} has no option {part!r}; its options are: {words}")
        options[name] = _value(title, name, value, allowed[name])
    return kind(**options)


def _is_method(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Method) and value is not Method


def _value(title: str, name: str, text: str, kind: Any) -> Any:
    """An option's value in the type of its field: int, float, str or bool."""
    try:
        if kind is bool:
            return {"true": True, "false": False}[text]
        return kind(text)
    except (KeyError, ValueError):
        raise SpecError(
            f"method {title}: option {name} must be a {kind.__name__}, got {text!r}"
        ) from None
