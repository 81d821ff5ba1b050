"""A network from a name, or from a function of one's own."""

import contextlib
import difflib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

from torch import nn

from graphprune.errors import SpecError
from graphprune.models.catalogue import MODELS


def build_model(name: str, *, classes: int, in_channels: int, size: int) -> nn.Module:
    """Build the network that a name of `MODELS` or `package.module:function` stands for.

    The function gets by keyword those of `classes`, `in_channels` and `size` that its
    signature names (all of them if it takes `**kwargs`). Its module may lie in the current
    folder, which can be imported from while this call lasts.

    Args:
        name: Key of `MODELS`, or module and function with a colon between them.
        classes: Count of labels.
        in_channels: Count of image channels.
        size: Image side in pixels.

    Returns:
        The network: (batch, in_channels, size, size) -> (batch, classes) if it keeps the
        custom of `MODELS`; only that it is an `nn.Module` is checked.

    Raises:
        SpecError: The name is unknown, its module cannot be imported or lacks the function,
            the function cannot be called with these keywords or returns no `nn.Module`, or
            a builder of `MODELS` refuses a count.
    """
    request = {"classes": classes, "in_channels": in_channels, "size": size}
    if name in MODELS:
        return _call(name, MODELS[name], request)
    with _current_folder_importable():
        return _call(name, _load(name), request)


def _call(name: str, function: Callable[..., object], request: dict[str, int]) -> nn.Module:
    """Call with the keywords that the function knows, and check what comes back."""
    known = _known_keywords(name, function, request)
    try:
        model = function(**known)
    except TypeError as error:
        keywords = ", ".join(f"{key}={value}" for key, value in known.items())
        raise SpecError(
            f"model {name!r}: call with ({keywords}) failed: {_one_line(error)}"
        ) from error
    if not isinstance(model, nn.Module):
        raise SpecError(
            f"model {name!r}: the function must return a torch.nn.Module, "
            f"got {type(model).__name__}"
        )
    return model


def _known_keywords(
    name: str, function: Callable[..., object], request: dict[str, int]
) -> dict[str, int]:
    """The part of `request` that the function's signature names."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise SpecError(f"model {name!r}: not a function with a signature: {error}") from error
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return request
    by_keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = {parameter.name for parameter in parameters if parameter.kind in by_keyword}
    return {key: value for key, value in request.items() if key in names}


def _load(name: str) -> Callable[..., object]:
    """The function that `package.module:function` stands for."""
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise SpecError(
            f"unknown model {name!r}{_suggestion(name, MODELS)}; "
            f"known: {', '.join(sorted(MODELS))}, or package.module:function"
        )
    module = _import(name, module_name)
    function = getattr(module, function_name, None)
    if function is None:
        own = [key for key, value in vars(module).items() if _is_own(value, module_name)]
        raise SpecError(
            f"model {name!r}: module {module_name} has no function {function_name!r}"
            f"{_suggestion(function_name, own)}; it has: {', '.join(sorted(own)) or 'none'}"
        )
    if not callable(function):
        raise SpecError(
            f"model {name!r}: {function_name} is {type(function).__name__}, not a function"
        )
    return function  # type: ignore[no-any-return]


def _import(name: str, module_name: str) -> ModuleType:
    """Import a module; whatever stops its first lines is told in one line."""
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise SpecError(
            f"model {name!r}: cannot import {module_name}: {_one_line(error)}"
        ) from error


def _one_line(error: BaseException) -> str:
    """Kind and text of an error without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _is_own(value: object, module_name: str) -> bool:
    """Whether a module's attribute is a function or class that the module itself defines."""
    return callable(value) and getattr(value, "__module__", None) == module_name


def _suggestion(name: str, known: Iterable[str]) -> str:
    """The known name that `name` nearly is, as the end of a message, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


@contextlib.contextmanager
def _current_folder_importable() -> Iterator[None]:
    """Let imports look into the current folder first, as `python -m` does."""
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)
