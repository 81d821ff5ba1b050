"""What the commands of `ggt` are asked to do, as frozen values; imports no torch."""

from dataclasses import dataclass, field
from pathlib import Path

from ggt.attack_request import AttackRequest
from ggt.calibration import METHODS, Method
from ggt.outputs import check_rows_path
from ggt.pixels import Layout
from ggt.scores import SCORES
from graphprune.errors import SpecError

BANK = Path("bank")  # where a bank is made and looked for unless another folder is named
CALIBRATION, CALIBRATION_VOTES = "calibration.json", "calibration.npz"
TESTS = ("group", "fixed", "wald", "mmt-compat")
RATIO_TESTS = ("wald", "mmt-compat")
CLEAN_SET, WRONG_SET = (
    "none",
    "wrong-label",
)  # sets that `ggt attack` takes from the test images
PLAIN_SETS = (CLEAN_SET, WRONG_SET)
CONTROLS = ("unstructured", "dense")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackJob:
    """One attack on a bank's original, or on the model of a run.

    `attack` is None for the set that `plain_set` names: clean images that the original gets
    right ("none"), or those that it gets wrong ("wrong-label"). `count` images are taken from
    the test set (None: all that fit), in an order that `seed` fixes. `model` is a run's or a
    saved model's folder, attacked instead of the bank's original. `everything` keeps the
    failures too, as the clean images that they are. `out`, a .npy or .npz file, and the record
    beside it are new files unless `force` allows to replace them.

    Raises:
        SpecError: Neither or both of an attack and a plain set, a value out of range, or values
            that do not go together.
    """

    out: Path
    bank: Path | None = None
    model: Path | None = None
    builder: str | None = None
    attack: AttackRequest | None = None
    plain_set: str | None = None
    count: int | None = 200
    everything: bool = False
    force: bool = False
    data_dir: Path | None = None
    seed: int = 0
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if (self.attack is None) == (self.plain_set is None):
            raise SpecError("an attack job needs an attack, or a set of clean images")
        if self.plain_set is not None and self.plain_set not in PLAIN_SETS:
            raise SpecError(f"unknown set {self.plain_set!r}; {CLEAN_SET} or {WRONG_SET}")
        if self.plain_set is not None and self.everything:
            raise SpecError(f"--everything has no meaning for {self.plain_set}: nothing fails")
        if self.count is not None and self.count < 1:
            raise SpecError(f"count must be at least 1, got {self.count}")
        if self.out.suffix not in (".npy", ".npz"):
            raise SpecError(f"{self.out}: samples are written as .npy or .npz")
        if self.model is not None and self.bank is not None:
            raise SpecError("give --model or --bank, not both")


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationJob:
    """Thresholds of a bank, from clean images that neither trained nor will test anything.

    `clean` is a file of such images (None: those that the bank held out). `of` says which of
    them count: "correct", which the original classifies correctly, or "all"; None: "correct"
    where labels are known. `fresh` asks the models again although their votes are kept. `out`
    is a new file unless `force` allows to replace it (None: the bank's own calibration, which
    is replaced).

    Raises:
        SpecError: A value is out of range.
    """

    bank: Path | None = None
    out: Path | None = None
    builder: str | None = None
    clean: Path | None = None
    of: str | None = None
    fpr: float = 0.05
    confidence: float = 0.95
    method: Method = "quantile"
    looks: tuple[int, ...] | None = None
    fresh: bool = False
    force: bool = False
    data_dir: Path | None = None
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if self.of not in (None, "correct", "all"):
            raise SpecError(f"of must be correct or all, got {self.of!r}")
        if self.method not in METHODS:
            raise SpecError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        for name, value in (("fpr", self.fpr), ("confidence", self.confidence)):
            if not 0 < value < 1:
                raise SpecError(f"{name} must be in (0, 1), got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleRequest:
    """How samples are decided on.

    `test` is "group" (group-sequential on `score`), "fixed" (`score` after `models` models),
    "wald" or "mmt-compat" (probability ratio test on label changes). `models` is the most
    models asked. `tau` (None: the clean quantile of the calibration for "wald", the published
    mean and half width for "mmt-compat"), `relax`, `alpha` and `beta` are for the ratio tests.

    Raises:
        SpecError: A value is out of range or has no meaning for the test.
    """

    test: str = "group"
    score: str | None = None
    models: int | None = None
    tau: float | None = None
    relax: float | None = None
    alpha: float | None = None
    beta: float | None = None

    def __post_init__(self) -> None:
        if self.test not in TESTS:
            raise SpecError(f"test must be one of {', '.join(TESTS)}, got {self.test!r}")
        if self.score is not None and self.score not in SCORES:
            raise SpecError(f"score must be one of {', '.join(SCORES)}, got {self.score!r}")
        ratio = self.test in RATIO_TESTS
        if ratio and self.score not in (None, "rate"):
            raise SpecError(
                f"{self.test} decides on label changes, not on --score {self.score}"
            )
        for name in ("tau", "relax", "alpha", "beta"):
            if getattr(self, name) is not None and not ratio:
                raise SpecError(f"--{name} is for the tests wald and mmt-compat")
        if self.models is not None and self.models < 1:
            raise SpecError(f"models must be at least 1, got {self.models}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionJob:
    """Samples to judge, or votes on them kept from before, and how.

    Exactly one of `samples` (as `ggt.samples.read_samples` takes them) and `votes_from`.
    `out` gets one row a sample (.csv, .jsonl or .json), `votes` the votes (.npz), `plots` a
    folder of pictures; they are new unless `force` allows to replace what is there.

    Raises:
        SpecError: Both or neither source, or a file of a wrong suffix.
    """

    samples: str | None = None
    votes_from: Path | None = None
    bank: Path | None = None
    builder: str | None = None
    calibration: Path | None = None
    rule: RuleRequest = field(default_factory=RuleRequest)
    layout: Layout = "auto"
    out: Path | None = None
    votes: Path | None = None
    plots: Path | None = None
    force: bool = False
    data_dir: Path | None = None
    batch: int = 256
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        if (self.samples is None) == (self.votes_from is None):
            raise SpecError("give --samples, or --from-votes with votes kept from before")
        if self.votes_from is not None and (self.votes or self.plots):
            raise SpecError("--votes and --plots need --samples")
        if self.samples == "":
            raise SpecError("--samples has an empty name")
        if self.out is not None:
            check_rows_path(self.out)
        if self.votes is not None and self.votes.suffix != ".npz":
            raise SpecError(f"{self.votes}: votes are written as .npz")
        if self.batch < 1:
            raise SpecError(f"batch must be at least 1, got {self.batch}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchJob:
    """A table of attacks and detectors on one bank's test images.

    `count` images are attacked by each of `attacks`. `controls` models of each control
    (networks with random masks, dense networks) are trained beside the bank, `mutants` mutated
    copies and `copies` noisy and dropout copies of the original are asked. `adaptive` adds
    attackers who know the detector.

    Raises:
        SpecError: A value is out of range, or an attack is named twice.
    """

    bank: Path | None = None
    builder: str | None = None
    attacks: tuple[AttackRequest, ...] = ()
    count: int = 200
    controls: int = 3
    mutants: int = 20
    copies: int = 5
    fpr: float = 0.05
    adaptive: bool = False
    data_dir: Path | None = None
    seed: int = 0
    jobs: int = 1
    device: str = "cpu"
    threads: int = 1

    def __post_init__(self) -> None:
        for name, least in (("count", 10), ("controls", 0), ("mutants", 0), ("copies", 0)):
            if getattr(self, name) < least:
                raise SpecError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.fpr < 1:
            raise SpecError(f"fpr must be in (0, 1), got {self.fpr}")
        labels = [attack.label() for attack in self.attacks]
        if len(set(labels)) < len(labels):
            raise SpecError(f"an attack is named twice: {', '.join(labels)}")


def counts_in(name: str, text: str) -> tuple[int, ...]:
    """Read "1,2,4".

    Raises:
        SpecError: A part is no count above 0.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) for part in parts):
        raise SpecError(f"{name} must be counts such as 1,2,4, got {text!r}")
    return tuple(int(part) for part in parts)
