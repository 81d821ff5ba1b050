"""How the networks of a study are trained, and where: what `StudyRequest` does not say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graphprune.errors import SpecError

FORMS = ("compact", "masked")
ENGINES = ("local", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRecipe:
    """What every run of a study has in common; all of it is part of a run's content.

    `settings` are those of `graphprune.training.Settings` but the seed, as a dict. `form`
    says how graph networks are trained: "compact", kept weights only, or "masked".
    `train_images` is the size of a class-balanced subset (None: all), `held_out` the share of
    training images that only draws curves.

    Raises:
        SpecError: A value is out of range.
    """

    data: str
    model: str
    nodes: int
    settings: Mapping[str, Any]
    form: str = "compact"
    skip: tuple[str, ...] = ()
    rescale: bool = True
    train_images: int | None = None
    held_out: float = 0.0

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise SpecError(f"form must be one of {', '.join(FORMS)}, got {self.form!r}")
        if not 0 <= self.held_out < 1:
            raise SpecError(f"held-out share must be in [0, 1), got {self.held_out}")
        if self.train_images is not None and self.train_images < 1:
            raise SpecError(f"train images must be at least 1, got {self.train_images}")

    def arguments(self, *, network: str, degree: int | None, seed: int) -> dict[str, Any]:
        """What `graphprune.wiring_study.training_run.train_one` gets for a run, JSON types.

        What a network has no use for is left out of its content: a dense one is the same at
        every degree, and only graph networks have a form.
        """
        pruned, wired = network != "dense", network == "graph"
        return {
            "network": network,
            "data": self.data,
            "model": self.model,
            "nodes": self.nodes if pruned else None,
            "degree": degree if pruned else None,
            "form": self.form if wired else "masked",
            "skip": list(self.skip) if pruned else [],
            "rescale": self.rescale if pruned else True,
            "seed": seed,
            "train_images": self.train_images,
            "held_out": self.held_out,
            "settings": {**self.settings, "seed": seed},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlace:
    """Where and how the runs of a study are done; results do not depend on it.

    `jobs` counts runs at a time (None: as many as the engine has room for, one a core of this
    machine), `threads` the CPU threads of each.
    `latency_batch` is the number of images in a timed pass (0: nothing is timed). `retries`
    counts attempts beyond the first. `address` and `gpus_per_run` are for the engine "ray".

    Raises:
        SpecError: A value is out of range, or an option belongs to the other engine.
    """

    engine: str = "local"
    jobs: int | None = None
    threads: int = 1
    device: str = "cpu"
    data_dir: Path | None = None
    latency_batch: int = 16
    retries: int = 2
    address: str | None = None
    gpus_per_run: float = 0.0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise SpecError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.engine == "local" and (self.address is not None or self.gpus_per_run):
            raise SpecError("--address and --gpus-per-run are for --engine ray")
        if self.device not in ("cpu", "auto"):
            raise SpecError(f"device must be cpu or auto, got {self.device!r}")
        for name, least in (("jobs", 1), ("threads", 1), ("latency_batch", 0), ("retries", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                words = name.replace("_", " ")
                raise SpecError(f"{words} must be at least {least}, got {value}")
        if self.gpus_per_run < 0:
            raise SpecError(f"gpus per run must be at least 0, got {self.gpus_per_run}")
        if self.engine == "ray" and (self.device == "auto") != bool(self.gpus_per_run):
            raise SpecError(  # Ray hides GPUs from runs that ask for none
                "on --engine ray, --device auto needs --gpus-per-run above 0, and so the other "
                f"way round; got device {self.device}, GPUs a run {self.gpus_per_run:g}"
            )

    @property
    def context(self) -> dict[str, Any]:
        """What every run gets beside its arguments."""
        return {
            "data_dir": None if self.data_dir is None else str(self.data_dir.resolve()),
            "threads": self.threads,
            "device": self.device,
            "latency_batch": self.latency_batch,
        }


def recipe_values(recipe: StudyRecipe) -> dict[str, Any]:
    """A recipe as JSON types."""
    return asdict(recipe) | {"skip": list(recipe.skip), "settings": dict(recipe.settings)}
