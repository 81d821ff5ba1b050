"""HTML from plain values: everything that is not markup already is escaped."""

import html
import re
from collections.abc import Iterable

_VOID = {"br", "col", "input", "meta"}
_UNSHOWABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Any text as HTML; what cannot be shown or written becomes a replacement character."""
    clean = _UNSHOWABLE.sub("\ufffd", text).encode("utf-8", "replace").decode()
    return Markup(html.escape(clean))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element.

    Args:
        name: Of the element, `h2` say.
        children: Markup as it is, other text escaped, lists flattened, None left out.
        attributes: `class_` is written class, and other underscores as dashes. True gives an
            attribute without value; None and False give none.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    opened = f"<{name}{written}>"
    return Markup(opened if name in _VOID else f"{opened}{joined(children)}</{name}>")


def joined(children: Iterable[object]) -> Markup:
    """Children one after another; see `tag`."""
    return Markup("".join(_child(child) for child in children))


def _child(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escaped(child)
    if isinstance(child, Iterable):
        return joined(child)
    return escaped(str(child))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escaped(str(value))}"'
