"""What the options of `graphprune study` come to, where some are not given."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from graphprune.options import RATES, SMALL, USUAL
from graphprune.training import Settings
from graphprune.training.precision import usual_precision
from graphprune.whole_folder import check_free
from graphprune.wiring_study.recipe import StudyPlace, StudyRecipe
from graphprune.wiring_study.request import StudyRequest

PLACE = (
    "engine", "jobs", "address", "gpus_per_run", "retries", "data_dir", "latency_batch",
    "device", "threads",
)  # fmt: skip
DESIGN = ("nodes", "degrees", "levels", "families", "seeds", "search_steps")
SETTINGS = (
    "epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "schedule",
    "label_smoothing", "augment", "precision",
)  # fmt: skip


def asked_for(options: Mapping[str, Any]) -> tuple[StudyRequest, StudyRecipe, StudyPlace]:
    """Design, recipe and place of a study from the options of its command.

    Raises:
        SpecError: An option is out of range, or options do not go together.
    """
    place = changed(StudyPlace(), options)
    request = StudyRequest(
        first_seed=options["seed"], **{name: options[name] for name in DESIGN}
    )
    return request, recipe_of(options, place), place


def recipe_of(options: Mapping[str, Any], place: StudyPlace) -> StudyRecipe:
    """How networks are trained, from the options of a command.

    Raises:
        SpecError: An option is out of range.
    """
    usual = {**USUAL, **(SMALL if options["data"] == "digits" else {})}
    given = {name: options[name] for name in SETTINGS if options[name] is not None}
    chosen = {
        "batch_size": usual["batch_size"],
        "learning_rate": RATES[options["optimizer"]],
        **given,
    }
    if chosen["precision"] == "auto":
        chosen["precision"] = usual_precision(place.device)
    settings = asdict(Settings(**chosen, channels_last=True))
    settings.pop("seed")  # each run has its own
    return StudyRecipe(
        data=options["data"],
        model=options["model"] or usual["model"],
        nodes=options["nodes"] or 0,
        settings=settings,
        form=options["form"],
        skip=tuple(options["skip"]),
        rescale=options["rescale"],
        train_images=options["train_images"],
        held_out=options["held_out"],
    )


def changed(place: StudyPlace, options: Mapping[str, Any]) -> StudyPlace:
    """A place with those options changed that are given; a share of GPUs is there to be used.

    Raises:
        SpecError: An option is out of range or belongs to another engine.
    """
    given = {name: options[name] for name in PLACE if options.get(name) is not None}
    if "gpus_per_run" in given and "device" not in given:
        given["device"] = "auto" if given["gpus_per_run"] else "cpu"
    if given.get("engine", place.engine) != place.engine:
        place = replace(
            place, address=None, gpus_per_run=0.0, jobs=None, engine=given["engine"]
        )
    return replace(place, **given)


def usual_folder(
    request: StudyRequest, recipe: StudyRecipe, out: Path | None, runs: Path
) -> Path:
    """The folder of a new study: the one asked for, or the first free one of a usual name.

    Raises:
        FileError: The folder asked for exists.
    """
    degrees = "-".join(str(degree) for degree in request.degrees)
    model = recipe.model.replace(":", ".")
    usual = f"study-{recipe.data}-{model}-{request.nodes}x{degrees}"
    return free_folder(out, runs / usual)


def free_folder(out: Path | None, usual: Path) -> Path:
    """The folder asked for, or the first free one of a usual name.

    Raises:
        FileError: The folder asked for exists.
    """
    if out is not None:
        check_free(out)
        return out
    number, folder = 1, usual
    while folder.exists():
        number += 1
        folder = usual.with_name(f"{usual.name}-{number}")
    return folder
