"""Fields of `bank.json` that the fields of a model card have no word for, each checked."""

import dataclasses
import math
import re
import types
import typing
from typing import Any, Literal, TypeVar

from graphprune.errors import FileError, GraphPruneError
from graphprune.nn.card_checks import Fields

HEX = re.compile(r"[0-9a-f]{64}")
FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
Value = TypeVar("Value")


def names_of(kind: type[Any]) -> tuple[str, ...]:
    """Names of a dataclass's fields."""
    return tuple(one.name for one in dataclasses.fields(kind))


def value_of(kind: type[Value], fields: Fields, key: str) -> Value:
    """A frozen request from its JSON object; fields that an older version lacks get defaults.

    Args:
        kind: A dataclass whose fields are texts, numbers, flags, choices and lists of texts.
        fields: Where it stands.
        key: Under which name.

    Raises:
        FileError: A field is unknown, of a wrong type or refused by `kind`.
    """
    part = fields.part(key)
    part.only(*names_of(kind))
    hints = typing.get_type_hints(kind)
    known = {}
    for name, value in part.body.items():
        if not _fits(value, hints[name]):
            raise part.wrong(name, f"of another type for {kind.__name__}")
        known[name] = tuple(value) if isinstance(value, list) else value
    try:
        return kind(**known)
    except GraphPruneError as error:
        raise FileError(f"{part.name}: {error}") from error


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value is of an annotated type."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in options)
    if origin is Literal:
        return isinstance(value, str) and value in options
    if origin is tuple:
        return isinstance(value, list) and all(_fits(one, options[0]) for one in value)
    if type(value) is int and hint in (int, float):
        return abs(value) < 2**62
    if type(value) is float:
        return hint is float and math.isfinite(value)
    return type(value) is hint


def parts_of(fields: Fields, key: str) -> list[Fields]:
    """The objects of a list.

    Raises:
        FileError: It is anything else.
    """
    entries = fields.body.get(key)
    if not isinstance(entries, list) or any(not isinstance(one, dict) for one in entries):
        raise fields.wrong(key, "a list of objects")
    return [Fields(one, f"{fields.name}: {key}[{at}]") for at, one in enumerate(entries)]


def files_of(fields: Fields) -> dict[str, str]:
    """The field `files`: plain names of files in one folder, and their SHA-256.

    Raises:
        FileError: It is anything else, or lists none.
    """
    part = fields.part("files")
    if not part.body:
        raise fields.wrong("files", "at least one name and hash")
    for name in part.names():
        if not FILE.fullmatch(name):
            raise FileError(f"{part.name}: {name!r} is no name of a file")
    return {name: hash_of(part, name) for name in part.body}


def texts_of(fields: Fields, key: str) -> tuple[str, ...]:
    """A list of texts.

    Raises:
        FileError: It is anything else.
    """
    value = fields.body.get(key)
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise fields.wrong(key, "a list of texts")
    return tuple(value)


def numbers_of(fields: Fields, key: str, count: int) -> tuple[float, ...]:
    """A list of `count` finite numbers.

    Raises:
        FileError: It is anything else.
    """
    value = fields.body.get(key)
    if not isinstance(value, list) or len(value) != count:
        raise fields.wrong(key, f"a list of {count} numbers")
    if not all(_fits(one, float) for one in value):
        raise fields.wrong(key, "a list of finite numbers")
    return tuple(map(float, value))


def share_of(fields: Fields, key: str) -> float:
    """A number in [0, 1].

    Raises:
        FileError: It is anything else.
    """
    if not 0 <= (value := fields.number(key)) <= 1:
        raise fields.wrong(key, "a number in [0, 1]")
    return float(value)


def hash_of(fields: Fields, key: str) -> str:
    """A SHA-256 as hexadecimal digits.

    Raises:
        FileError: It is anything else.
    """
    if not HEX.fullmatch(value := fields.text(key)):
        raise fields.wrong(key, "64 hexadecimal digits")
    return value
