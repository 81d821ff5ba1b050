"""Options that commands share, and what options not given stand for."""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphprune.processes import count_here

if TYPE_CHECKING:
    from graphprune.model_request import ModelRequest
    from graphprune.request import Request
    from graphprune.training import Settings

RATIO = click.FloatRange(0, 1, min_open=True, max_open=True)
RUNS = Path("runs")


class Place(click.Path):
    """A path by a name that a file can have; an empty one is a slip, not the current folder."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """The path; refused where the name is empty, or no file can be looked up by it."""
        if value == "":
            self.fail("the name is empty", param, ctx)
        try:
            Path(value).exists()
        except OSError as error:
            self.fail(f"{value}: {error.strerror}", param, ctx)
        return super().convert(value, param, ctx)


Decorator = Callable[[Callable[..., None]], Callable[..., None]]

SHARED: dict[str, Decorator] = {
    "seed": click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Source of every random choice.",
    ),
    "threads": click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="CPU threads to use.",
    ),
    "out": click.option(
        "--out",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder to write; must not exist. [default: a new one in runs/]",
    ),
    "json": click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object instead of tables."
    ),
    "quiet": click.option("--quiet", "-q", is_flag=True, help="Show no progress."),
    "verbose": click.option(
        "--verbose", "-v", is_flag=True, help="Print each step on standard error."
    ),
    "dry-run": click.option(
        "--dry-run", is_flag=True, help="Say what would be done; write nothing."
    ),
    "skip": click.option(
        "--skip",
        multiple=True,
        metavar="GLOB",
        help="Layers that stay dense, by name; may be given again.",
    ),
    "nodes": click.option(
        "--nodes",
        type=click.IntRange(min=3),
        help="Nodes of the graph. [default: the narrowest layer that can be pruned, <= 64]",
    ),
    "degree": click.option(
        "--degree",
        type=click.IntRange(min=2),
        help="Edges a node, instead of a ratio; asks for --nodes.",
    ),
    "dialect": click.option(
        "--dialect",
        type=click.Choice(["rgp", "relational"]),
        default="rgp",
        show_default=True,
        help="relational adds a self-edge to every node.",
    ),
}


def shared(*names: str) -> Decorator:
    """Options that several commands share, by name and in this order."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        for name in reversed(names):
            function = SHARED[name](function)
        return function

    return decorate


UNTRAINED = ("ratio", "nodes", "degree", "skip", "dialect", "data")


def _to_shape(_ctx: Any, _option: Any, value: str | None) -> tuple[int, ...] | None:
    """`"3,32,32"` to `(3, 32, 32)`; anything else is refused."""
    if value is None:
        return None
    if re.fullmatch(r"[1-9][0-9]{0,5}(,[1-9][0-9]{0,5})*", value, re.ASCII) is None:
        raise click.BadParameter(f"{value!r} is no shape such as 3,32,32")
    return tuple(map(int, value.split(",")))


MODEL: tuple[Decorator, ...] = (
    click.argument("source", metavar="MODEL"),
    click.option(
        "--model",
        "builder",
        metavar="MODULE:FUNCTION",
        help="Builds the dense network of a folder, where it is one of your own.",
    ),
    click.option(
        "--input",
        "shape",
        callback=_to_shape,
        metavar="SHAPE",
        help="Shape of one input, 3,32,32 say. [default: as the model was saved]",
    ),
    click.option(
        "--ratio",
        type=RATIO,
        help="Share of weights to prune of an untrained network. [default: 0.9]",
    ),
    SHARED["nodes"],
    SHARED["degree"],
    SHARED["skip"],
    click.option(
        "--dialect",
        type=click.Choice(["rgp", "relational"]),
        help="relational adds a self-edge to every node. [default: rgp]",
    ),
    click.option(
        "--data", help="Data set whose shapes an untrained network gets. [default: cifar10]"
    ),
)


def model_options(function: Callable[..., None]) -> Callable[..., None]:
    """The argument MODEL and all that it takes to read, or to build and prune it."""
    for option in reversed(MODEL):
        function = option(function)
    return function


def take_model(options: dict[str, Any]) -> "ModelRequest":
    """Take what `model_options` gave, and the seed, out of a command's options.

    Raises:
        SpecError: The options do not go together.
    """
    from graphprune.model_request import ModelRequest

    names = ("source", "builder", "shape", "seed", *UNTRAINED)
    return ModelRequest(**{name: options.pop(name) for name in names if name in options})


PAPER: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 256,
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "nodes": 64,
    "rescale": False,
    "held_out": 0.0,
}
SMALL: dict[str, Any] = {"epochs": 20, "batch_size": 64, "model": "resnet8-wide", "threads": 1}
USUAL: dict[str, Any] = {
    "epochs": 30,
    "batch_size": 128,
    "model": "resnet20",
    "rescale": True,
    "held_out": 0.1,
}

RATES = {"sgd": 0.1, "adamw": 0.001}  # usual learning rate of each optimizer


def resolve(options: dict[str, Any]) -> tuple["Request", "Settings"]:
    """Fill options not given from the preset and the defaults, and split them in two."""
    from graphprune.request import CONTROLS, Request
    from graphprune.training import Settings
    from graphprune.training.precision import usual_precision

    defaults = {**USUAL, "threads": cores(), "learning_rate": RATES[options["optimizer"]]}
    if options["data"] == "digits":
        defaults |= SMALL  # passes this short run faster on one thread than on many
    if options.pop("preset") == "paper":
        defaults |= PAPER
    chosen: dict[str, Any] = {
        key: defaults.get(key) if value is None else value for key, value in options.items()
    }
    if chosen["ratio"] is None and chosen["graph"] is None:
        chosen["ratio"] = 0.9
    controls = chosen["controls"]
    named = {"none": (), "all": CONTROLS}.get(controls)
    chosen["controls"] = tuple(controls.split(",")) if named is None else named
    if chosen["precision"] == "auto":
        chosen["precision"] = usual_precision(chosen["device"])
    recipe = {
        key: chosen.pop(key)
        for key in (
            "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "schedule",
            "label_smoothing", "augment", "precision",
        )
    }  # fmt: skip
    settings = Settings(**recipe, channels_last=True, seed=chosen["seed"])
    return Request(**chosen), settings


def cores() -> int:
    """Cores for this process, of several on this machine its share."""
    here = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, here // count_here())
