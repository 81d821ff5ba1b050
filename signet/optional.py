"""Libraries that are not always installed: asked for where they are used."""

from importlib import import_module
from typing import Any

from graphprune.errors import SpecError


def library(name: str, *, needed_by: str) -> Any:
    """A module of the optional extra `[signal]`.

    Args:
        name: Name of the module, "h5py" or "sigmf".
        needed_by: What cannot be done without it, for the message.

    Raises:
        SpecError: It is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise SpecError(f"{needed_by} needs {name}: pip install graphprune[signal]") from error
