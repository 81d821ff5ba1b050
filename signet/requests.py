"""From the options of commands to requests."""

from collections.abc import Mapping
from typing import Any

from graphprune.errors import SpecError
from graphprune.training import Settings
from signet.train_request import CONTROLS, TrainRequest

RECIPE = ("epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing")


def resolve(options: Mapping[str, Any]) -> tuple[TrainRequest, Settings]:
    """The request and the recipe that options of `signet train` stand for.

    Raises:
        SpecError: A value is out of range.
    """
    chosen = dict(options)
    recipe = {name: chosen.pop(name) for name in RECIPE}
    if chosen.get("controls") == ("all",):
        chosen["controls"] = CONTROLS
    if len(chosen["shares"]) != 3:
        raise SpecError(f"shares must be three numbers, got {len(chosen['shares'])}")
    chosen["trained"] = chosen.pop("start", "scratch") == "trained"
    request = TrainRequest(**chosen)
    settings = Settings(
        optimizer="adamw", schedule="onecycle", flip=False, seed=request.seed, **recipe
    )
    return request, settings
