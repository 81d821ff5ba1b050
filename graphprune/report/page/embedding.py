"""Values inside a page: JSON that no text can end, and columns that stay small."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from graphprune.report.page.markup import Markup, tag

DIGITS = 6  # significant digits of numbers in the page

_ROUND = f"%.{DIGITS}g"
_SCALARS = {bool, int, float, str, type(None)}
_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def json_script(value: Any, **attributes: object) -> Markup:
    """A script element that holds a value as JSON.

    Not-a-number and infinities become null. No text in it can end the element or start a
    comment, for it holds no "<".
    """
    try:
        text = _compact(value)
    except (TypeError, ValueError):  # a mapping that is no dict, or a number that is none
        text = _compact(_finite(value))
    return tag(
        "script", Markup(text.translate(_ESCAPES)), type="application/json", **attributes
    )


def rounded(value: Any) -> Any:
    """A float to six significant digits, not-a-number and infinities as None; others as is."""
    if type(value) is not float:
        return value
    return float(_ROUND % value) if value - value == 0 else None


def packed_column(values: Sequence[Any]) -> dict[str, Any]:
    """The values of one column in the smallest of three forms.

    Returns:
        `{"all": value}` where all are equal; `{"words": [...], "at": [...]}`, different texts
        and which of them stands where, for columns of texts that repeat; `{"list": [...]}`
        otherwise. Numbers are rounded to six significant digits.
    """
    kinds = set(map(type, values))
    if not kinds <= _SCALARS:
        values = [_scalar(value) for value in values]
        kinds = set(map(type, values))
    plain = [rounded(value) for value in values] if float in kinds else list(values)
    different = dict.fromkeys(plain)
    if len(kinds) == len(different) == 1:
        return {"all": plain[0]}
    if kinds <= {str, type(None)} and 2 * len(different) <= len(plain):
        at = {word: index for index, word in enumerate(different)}
        return {"words": list(different), "at": [at[word] for word in plain]}
    return {"list": plain}


def _scalar(value: Any) -> Any:
    """A value that one cell can hold: lists and mappings become text."""
    if value is None or isinstance(value, str | int | float):
        return value
    return json.dumps(value, sort_keys=True)


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
