"""What clean samples say about a bank: thresholds, in a file that belongs to that bank."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, get_args

from ggt.scores import SCORES, Reference, check_looks
from ggt.thresholds import Thresholds as Thresholds
from ggt.thresholds import binomial_upper
from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.records import read_json_object, read_text, write_text

FORMAT = "graphprune-calibration"
FORMAT_VERSION = 1
MOST = 2.0**53  # no number in the file is beyond

Method = Literal["quantile", "published"]
METHODS: tuple[str, ...] = get_args(Method)
TAUS = ("mean", "half_width", "published", "quantile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Thresholds of one bank for every score, and what they were calibrated on.

    `samples` clean held-out ones (`only_correct`: of those that the original classifies
    correctly); `data_hash` says which. `fpr` is the false-positive rate asked for, `looks` the
    counts of models at which the sequential rules decide, `scores` the thresholds and
    `reference` what the combined score ranks by. `tau` holds the clean label change rate over
    the whole bank: "mean", "half_width" (99 % of that mean), "published" (their sum) and
    "quantile" (the 1 - `fpr` one). `models` names the models in the order asked.

    Raises:
        SpecError: A value is out of range or contradicts another.
    """

    bank_hash: str
    data_hash: str
    samples: int
    only_correct: bool
    fpr: float
    confidence: float
    method: Method
    looks: tuple[int, ...]
    scores: Mapping[str, Thresholds]
    reference: Reference
    tau: Mapping[str, float]
    models: tuple[str, ...]
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 < self.fpr < 1 or not 0 < self.confidence < 1:
            raise SpecError(
                f"a calibration needs samples, and fpr and confidence in (0, 1), got "
                f"{self.samples}, {self.fpr} and {self.confidence}"
            )
        if self.method not in METHODS:
            raise SpecError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        check_looks(self.looks)
        if len(set(self.models)) != len(self.models) or self.looks[-1] > len(self.models):
            raise SpecError(f"looks {self.looks} do not fit models {self.models}")
        if self.reference.looks != self.looks:
            raise SpecError(f"looks {self.looks}, but a reference for {self.reference.looks}")
        self._check_scores()
        self._check_tau()

    def _check_scores(self) -> None:
        if sorted(self.scores) != sorted(SCORES):
            raise SpecError(f"scores must be {', '.join(SCORES)}, got {', '.join(self.scores)}")
        for name, found in self.scores.items():
            if len(found.flag) != len(self.looks):
                raise SpecError(f"{name}: {len(found.flag)} thresholds for {self.looks}")
            if found.flagged > self.samples or not math.isclose(
                found.achieved, found.flagged / self.samples, abs_tol=1e-9
            ):
                raise SpecError(
                    f"{name}: {found.flagged} of {self.samples} flagged is not {found.achieved}"
                )
            upper = float(binomial_upper(found.flagged, self.samples, self.confidence))
            if not math.isclose(found.upper, upper, rel_tol=1e-6):
                raise SpecError(f"{name}: the upper bound is {upper}, not {found.upper}")

    def _check_tau(self) -> None:
        tau = self.tau
        if sorted(tau) != sorted(TAUS):
            raise SpecError(f"tau must hold {', '.join(TAUS)}, got {', '.join(tau)}")
        if not (0 <= tau["mean"] <= 1 and 0 <= tau["quantile"] <= 1 and tau["half_width"] >= 0):
            raise SpecError(f"tau holds rates, got {dict(tau)}")
        if not math.isclose(tau["published"], tau["mean"] + tau["half_width"], abs_tol=1e-9):
            raise SpecError(f"tau published is not mean + half width, got {dict(tau)}")

    def check(self, bank_hash: str) -> None:
        """Refuse to be used with another bank.

        Raises:
            MismatchError: `bank_hash` is not that of the calibrated bank.
        """
        if bank_hash != self.bank_hash:
            raise MismatchError(
                f"the calibration is of bank {self.bank_hash[:12] or '(none)'}, not of "
                f"{bank_hash[:12] or '(none)'}; calibrate this bank"
            )

    def save(self, path: Path | str) -> None:
        """Write a JSON file that appears whole or not at all; infinities become null.

        Raises:
            FileError: The file cannot be written.
        """
        body: dict[str, Any] = {"format": FORMAT, "version": FORMAT_VERSION}
        body |= {name: getattr(self, name) for name in _READERS}
        body["scores"] = {
            name: {part: _plain(getattr(found, part)) for part in _PARTS}
            for name, found in self.scores.items()
        }
        body["reference"] = {
            "margins": self.reference.margins,
            "distances": self.reference.distances,
        }
        body["tau"] = dict(self.tau)
        write_text(Path(path), json.dumps(body, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote, every field checked.

        Raises:
            FileError: The file is missing or damaged, or values contradict each other.
        """
        text = read_text(Path(path))
        body = read_json_object(text, name=str(path), format=FORMAT, version=FORMAT_VERSION)
        try:
            _check_keys(body, {"format", "version", *_READERS}, "calibration")
            looks = _tuple(body["looks"], "looks", _whole)
            found = {name: read(body[name], name) for name, read in _READERS.items()}
            found["reference"] = Reference(looks, *found["reference"])
            return cls(**found)
        except SpecError as error:
            raise FileError(f"{path}: {error}") from error


_PARTS = ("flag", "clear", "fixed", "flagged", "achieved", "upper")


def _plain(value: Any) -> Any:
    """A threshold or tuple of them as JSON has it."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return None if math.isinf(value) else value


def _check_keys(value: Any, keys: set[str], name: str) -> None:
    if not isinstance(value, dict) or set(value) != keys:
        raise SpecError(f"{name} must hold exactly {', '.join(sorted(keys))}")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise SpecError(f"{name} must be a text, got {value!r:.40}")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise SpecError(f"{name} must be true or false, got {value!r:.40}")
    return value


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MOST:
        raise SpecError(f"{name} must be a number, got {value!r:.40}")
    return float(value)


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or int(_number(value, name)) != value:
        raise SpecError(f"{name} must be a whole number, got {value!r:.40}")
    return value


def _date(value: Any, name: str) -> str:
    try:
        datetime.fromisoformat(_text(value, name))
    except ValueError as error:
        raise SpecError(f"{name} must be an ISO date, got {value!r:.40}") from error
    return str(value)


def _tuple(value: Any, name: str, read: Callable[[Any, str], Any]) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise SpecError(f"{name} must be a list, got {value!r:.40}")
    return tuple(read(one, name) for one in value)


def _numbers(value: Any, name: str) -> tuple[float, ...]:
    return _tuple(value, name, _number)


def _thresholds(value: Any, name: str) -> Thresholds:
    _check_keys(value, set(_PARTS), name)

    def values(part: str, missing: float) -> tuple[float, ...]:
        listed = _tuple(value[part], f"{name} {part}", lambda one, _: one)
        return tuple(
            missing if one is None else _number(one, f"{name} {part}") for one in listed
        )

    flag, clear = values("flag", math.inf), values("clear", -math.inf)
    return Thresholds(
        flag=flag,
        clear=clear[:-1] + flag[-1:] if value["clear"][-1:] == [None] else clear,
        fixed=values("fixed", math.inf),
        flagged=_whole(value["flagged"], f"{name} flagged"),
        achieved=_number(value["achieved"], f"{name} achieved"),
        upper=_number(value["upper"], f"{name} upper"),
    )


def _scores(value: Any, name: str) -> dict[str, Thresholds]:
    _check_keys(value, set(SCORES), name)
    return {score: _thresholds(value[score], f"{name} {score}") for score in SCORES}


def _reference(value: Any, name: str) -> tuple[tuple[float, ...], tuple[Any, ...]]:
    _check_keys(value, {"margins", "distances"}, name)
    return _numbers(value["margins"], name), _tuple(value["distances"], name, _numbers)


def _tau(value: Any, name: str) -> dict[str, float]:
    _check_keys(value, set(TAUS), name)
    return {key: _number(value[key], f"{name} {key}") for key in TAUS}


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "bank_hash": _text,
    "data_hash": _text,
    "samples": _whole,
    "only_correct": _flag,
    "fpr": _number,
    "confidence": _number,
    "method": _text,
    "looks": lambda value, name: _tuple(value, name, _whole),
    "scores": _scores,
    "reference": _reference,
    "tau": _tau,
    "models": lambda value, name: _tuple(value, name, _text),
    "date": _date,
}
