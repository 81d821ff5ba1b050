"""Options that commands of `signet` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from graphprune.options import Place

FILE = Place(path_type=Path)
FORCE = click.option("--force", is_flag=True, help="Replace a file that is there already.")
THREADS = click.option(
    "--threads", type=click.IntRange(min=1), default=1, help="CPU threads to use."
)
DEVICE = click.option("--device", type=click.Choice(["auto", "cpu"]), default="cpu")


def names(_ctx: Any, _option: Any, value: str | None) -> tuple[str, ...] | None:
    """ "a,b" as ("a", "b"); "none" as no name."""
    if value is None:
        return None
    return () if value == "none" else tuple(part.strip() for part in value.split(","))


def numbers(_ctx: Any, option: Any, value: str | None) -> tuple[float, ...] | None:
    """ "0,2.5" as (0.0, 2.5); anything else is refused."""
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers such as 0,2,4") from None


RECIPE: tuple[Callable[..., Any], ...] = (
    click.option("--epochs", type=click.IntRange(min=1), default=12),
    click.option("--batch-size", type=click.IntRange(min=2), default=256),
    click.option("--learning-rate", type=float, default=0.008),
    click.option("--weight-decay", type=float, default=0.01),
    click.option("--label-smoothing", type=float, default=0.0),
    click.option(
        "--augment",
        callback=names,
        default="rotate,conjugate",
        metavar="LIST",
        help="Of rotate, conjugate, shift, noise; or none.",
    ),
)
SPLIT: tuple[Callable[..., Any], ...] = (
    click.option(
        "--split",
        type=click.Choice(["auto", "cell", "contiguous", "run"]),
        default="auto",
        help="run: whole runs; contiguous: in the set's order; cell: at random in each class "
        "and label. auto: run where every class and label has enough runs, else contiguous.",
    ),
    click.option(
        "--shares",
        callback=numbers,
        default="0.6,0.2,0.2",
        metavar="A,B,C",
        help="Of training, validation and test.",
    ),
    click.option(
        "--fraction",
        type=float,
        default=1.0,
        help="Share of the training frames to train on.",
    ),
    click.option(
        "--normalise",
        type=click.Choice(["none", "l1", "power", "peak"]),
        default="power",
        help="What is made equal in every frame.",
    ),
)


def recipe_options(function: Callable[..., None]) -> Callable[..., None]:
    """How a set is divided and networks are trained."""
    for option in reversed((*SPLIT, *RECIPE)):
        function = option(function)
    return function
