"""What a bank is to become, as one frozen value, and whether it fits the bank that is there."""

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path

from ggt.design import Design
from ggt.manifest import Manifest
from ggt.originals import origin_of, recorded_data
from ggt.splits import DataRequest
from graphprune.errors import MismatchError, SpecError
from graphprune.model_request import is_path
from graphprune.models import MODELS
from graphprune.training import Settings

BASE = "resnet8-wide"
FLOOR = 0.9
RECIPE = Settings(epochs=10, batch_size=64, augment=False, noise=0.1)
"""Of models: noise and no crops did best on attacked held-out digits and Fashion-MNIST."""

BASE_RECIPE = Settings(epochs=20, batch_size=64)

SIGNAL_RECIPE = Settings(
    epochs=10,
    batch_size=256,
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=0.01,
    schedule="onecycle",
)
"""Of models for signals, whose phase is turned at random; noise is in the frames already."""

SIGNAL_BASE_RECIPE = replace(SIGNAL_RECIPE, epochs=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class BankRequest:
    """What a bank is to become; options left out are those of the bank that is there already.

    `base` is a run folder of `graphprune rgp`, a folder of a saved model, a name of
    `graphprune.models.MODELS` or `package.module:function`, to be trained by `base_recipe`
    (default: "resnet8-wide"); `builder` a function that builds a folder's dense network, where
    it is not of `MODELS`. `models` counts the models wanted in all. `design` and `recipe` are
    for the models added, default: those of the last one, or else `usual_recipe`. `floor` is the
    share of the original's
    accuracy that a model must reach (default: 0.9). `data` (default: the run's, or digits) and
    `seed` (default: 0) hold for the whole bank. `jobs` counts processes, each with `threads`
    CPU threads. Seeds in the recipes have no say.

    Raises:
        SpecError: A value is out of range.
    """

    folder: Path
    base: str | None = None
    builder: str | None = None
    design: Design | None = None
    models: int = 10
    floor: float | None = None
    data: DataRequest | None = None
    data_dir: Path | None = None
    recipe: Settings | None = None
    base_recipe: Settings | None = None
    seed: int | None = None
    jobs: int = 1
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("models", "jobs", "threads"):
            if getattr(self, name) < 1:
                raise SpecError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.floor is not None and not 0 <= self.floor <= 1:
            raise SpecError(f"floor must be in [0, 1], got {self.floor}")
        if self.seed is not None and self.seed < 0:
            raise SpecError(f"seed must be at least 0, got {self.seed}")
        if self.device not in ("cpu", "auto"):
            raise SpecError(f"device must be cpu or auto, got {self.device!r}")
        if self.copied and self.base_recipe is not None:
            raise SpecError(f"{self.base} is trained already: a recipe has no meaning for it")

    @property
    def copied(self) -> bool:
        """Whether the original comes from a folder."""
        return self.base is not None and is_path(self.base)

    @property
    def own_builder(self) -> str | None:
        """What builds the dense network, if it is not one of `MODELS`."""
        named = self.base is not None and not self.copied and self.base not in MODELS
        return self.builder or (self.base if named else None)


def data_of(request: BankRequest) -> DataRequest:
    """The data of a new bank: those of the original's own training, or as asked for.

    Raises:
        SpecError: A saved model comes without a record, and no data set is named.
        MismatchError: Another data set, or division, is named than the record tells.
        FileError: There is no saved model, or its record is damaged.
    """
    if not request.copied:
        return request.data or DataRequest()
    recorded = recorded_data(Path(str(request.base)))
    if recorded is None and request.data is None:
        raise SpecError(
            f"{request.base} does not tell which images it was trained on; say which data set"
        )
    if recorded is not None and request.data is not None:
        asked, told = dataclasses.asdict(request.data), dataclasses.asdict(recorded)
        for name, value in asked.items():
            if value != told[name]:
                raise MismatchError(
                    f"{request.base} was trained with data {name} {told[name]}, asked for is "
                    f"{value}"
                )
    data = recorded or request.data
    assert data is not None
    return data


def check_same(request: BankRequest, manifest: Manifest) -> None:
    """Refuse to go on with a bank that was begun otherwise; options left out agree.

    Raises:
        MismatchError: The message names the option.
    """
    asked: dict[str, object] = {"floor": request.floor, "seed": request.seed}
    made: dict[str, object] = {"floor": manifest.floor, "seed": manifest.seed}
    if request.data is not None:
        asked |= {f"data {k}": v for k, v in dataclasses.asdict(request.data).items()}
        made |= {f"data {k}": v for k, v in dataclasses.asdict(manifest.data).items()}
    told = manifest.base
    if request.copied:
        asked["base"] = f"files of hash {origin_of(Path(str(request.base)))[:12]}"
    else:
        asked["base"] = request.base
    made["base"] = f"files of hash {told.origin[:12]}" if told.origin else told.model
    if request.base_recipe is not None and told.recipe is not None:
        recipe = settled(request.base_recipe, flip=told.recipe.flip)
        asked |= {f"base recipe {k}": v for k, v in dataclasses.asdict(recipe).items()}
        made |= {f"base recipe {k}": v for k, v in dataclasses.asdict(told.recipe).items()}
    for name, value in asked.items():
        if (value is not None or name == "data train_images") and value != made[name]:
            raise MismatchError(
                f"{request.folder}: the bank was begun with {name} {made[name]}, asked for is "
                f"{value}"
            )


def usual_recipe(*, signals: bool, base: bool = False) -> Settings:
    """How models are trained unless asked for otherwise; `base`: how the original is."""
    if signals:
        return SIGNAL_BASE_RECIPE if base else SIGNAL_RECIPE
    return BASE_RECIPE if base else RECIPE


def settled(recipe: Settings, *, flip: bool) -> Settings:
    """A recipe without what has no say: its seed, and mirroring where it changes labels."""
    return replace(recipe, seed=0, flip=recipe.flip and flip)
