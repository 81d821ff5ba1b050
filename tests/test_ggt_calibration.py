"""Calibrations through their file, and every way in which such a file can be wrong."""

import dataclasses
import json
import math
from datetime import datetime

import numpy as np
import pytest

from ggt.calibration import TAUS, Calibration, Thresholds
from ggt.detector import calibrate
from ggt.scores import SCORES, Reference
from ggt.thresholds import binomial_upper
from ggt.votes import Votes
from graphprune.errors import FileError, MismatchError, SpecError


def thresholds(**changed):
    """Thresholds of two looks that flag 2 of 100."""
    sound = {
        "flag": (0.5, 0.4),
        "clear": (0.1, 0.4),
        "fixed": (0.45, 0.35),
        "flagged": 2,
        "achieved": 0.02,
        "upper": float(binomial_upper(2, 100, 0.95)),
    }
    return Thresholds(**{**sound, **changed})


def calibration(**changed):
    """A small sound calibration."""
    sound = {
        "bank_hash": "ab" * 32,
        "data_hash": "cd" * 32,
        "samples": 100,
        "only_correct": True,
        "fpr": 0.1,
        "confidence": 0.95,
        "method": "quantile",
        "looks": (1, 3),
        "scores": {score: thresholds() for score in SCORES},
        "reference": Reference((1, 3), (-1.0, -0.5), ((0.0, 0.25), (0.125, 0.3))),
        "tau": {"mean": 0.1, "half_width": 0.02, "published": 0.12, "quantile": 0.5},
        "models": ("000", "001", "002"),
        "date": "2024-05-06T07:08:09+00:00",
    }
    return Calibration(**{**sound, **changed})


def saved(folder, edit=lambda body: None):
    """Path of a saved calibration whose JSON object `edit` has changed."""
    path = folder / "calibration.json"
    calibration().save(path)
    body = json.loads(path.read_text())
    edit(body)
    path.write_text(json.dumps(body))
    return path


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "calibration.json"
    calibration().save(path)
    assert Calibration.load(path) == calibration()
    body = json.loads(path.read_text())
    assert (body["format"], body["version"]) == ("graphprune-calibration", 1)


def test_round_trip_of_a_real_one_keeps_every_bit(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.dirichlet(np.ones(3), 150).astype(np.float32)
    bank = rng.dirichlet(np.ones(3), (150, 7)).astype(np.float32)
    made = calibrate(Votes(base=base, bank=bank, bank_hash="ff"), fpr=0.2, data_hash="d")
    made.save(tmp_path / "c.json")
    assert Calibration.load(tmp_path / "c.json") == made


def test_infinite_thresholds_survive_the_file(tmp_path):
    inf = math.inf
    ends = thresholds(flag=(inf, 0.4), clear=(-inf, 0.4), fixed=(inf, inf))
    never = thresholds(flag=(inf, inf), clear=(-inf, inf))
    made = calibration(scores={"soft": ends, "rate": never, "combined": thresholds()})
    made.save(tmp_path / "c.json")
    assert "Infinity" not in (tmp_path / "c.json").read_text()
    assert Calibration.load(tmp_path / "c.json") == made


def test_a_bank_of_another_hash_is_refused():
    calibration().check("ab" * 32)
    with pytest.raises(MismatchError, match="is of bank abababababab, not of 0123"):
        calibration().check("0123")
    with pytest.raises(MismatchError, match=r"not of \(none\)"):
        calibration().check("")
    assert MismatchError.exit_status == 3


def test_the_date_is_that_of_its_making():
    values = {f.name: getattr(calibration(), f.name) for f in dataclasses.fields(Calibration)}
    del values["date"]
    made = Calibration(**values)
    assert datetime.fromisoformat(made.date).tzinfo is not None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"samples": 0}, "needs samples"),
        ({"fpr": 0.0}, "in .0, 1."),
        ({"fpr": math.nan}, "in .0, 1."),
        ({"confidence": 1.0}, "in .0, 1."),
        ({"method": "mean"}, "quantile, published"),
        ({"looks": (3, 1)}, "rising"),
        ({"looks": (1, 4)}, "do not fit"),
        ({"looks": (1, 2)}, "reference for"),
        ({"looks": (1, 2, 3)}, "reference for"),
        ({"models": ("a", "a", "b")}, "do not fit"),
        ({"models": ()}, "do not fit"),
        ({"scores": {"soft": thresholds()}}, "soft, rate, combined, got soft"),
        ({"samples": 99}, "2 of 99 flagged is not 0.02"),
        ({"confidence": 0.9}, "upper bound"),
        ({"tau": {"mean": 0.1}}, "tau must hold"),
        ({"tau": {**dict.fromkeys(TAUS, 0.0), "mean": 1.1}}, "tau holds rates"),
        ({"tau": {**dict.fromkeys(TAUS, 0.0), "quantile": -1}}, "tau holds rates"),
        ({"tau": {**dict.fromkeys(TAUS, 0.0), "half_width": -1}}, "tau holds rates"),
        ({"tau": {**dict.fromkeys(TAUS, 0.0), "published": 0.1}}, "mean . half width"),
        ({"tau": {**dict.fromkeys(TAUS, 0.0), "mean": math.nan}}, "tau holds rates"),
    ],
)
def test_values_that_contradict_each_other_are_refused(changed, message):
    with pytest.raises(SpecError, match=message):
        calibration(**changed)


def test_every_score_needs_a_threshold_a_look():
    one = thresholds(flag=(0.4,), clear=(0.4,), fixed=(0.4,))
    with pytest.raises(SpecError, match="rate: 1 thresholds"):
        calibration(scores={**calibration().scores, "rate": one})


def drop(*keys):
    """An edit that removes a field."""

    def edit(body):
        for key in keys[:-1]:
            body = body[key]
        del body[keys[-1]]

    return edit


def put(value, *keys):
    """An edit that changes a field or adds one."""

    def edit(body):
        for key in keys[:-1]:
            body = body[key]
        body[keys[-1]] = value

    return edit


FIELDS = [f.name for f in dataclasses.fields(Calibration)]
PARTS = [f.name for f in dataclasses.fields(Thresholds)]


@pytest.mark.parametrize(
    "keys",
    [
        *[(name,) for name in FIELDS],
        *[("scores", "soft", part) for part in PARTS],
        *[("tau", name) for name in TAUS],
        ("scores", "rate"),
        ("reference", "margins"),
        ("reference", "distances"),
    ],
    ids=".".join,
)
def test_each_field_has_to_be_there_and_of_its_kind(tmp_path, keys):
    with pytest.raises(FileError, match="must hold exactly"):
        Calibration.load(saved(tmp_path, drop(*keys)))
    for wrong in (None, {"a": 1}, [{}], [None, []], -1.5):
        with pytest.raises(FileError) as caught:
            Calibration.load(saved(tmp_path, put(wrong, *keys)))
        assert "calibration.json: " in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (put("other", "format"), "not a graphprune-calibration"),
        (put(2, "version"), "version 2 is not supported"),
        (put(1, "more"), "must hold exactly"),
        (put(True, "samples"), "samples must be a number, got True"),
        (put(100.5, "samples"), "samples must be a whole number"),
        (put(10**400, "samples"), "samples must be a number"),
        (put(1, "only_correct"), "true or false"),
        (put("0.1", "fpr"), "fpr must be a number"),
        (put("yesterday", "date"), "ISO date"),
        (put([1, 3.0], "looks"), "whole number"),
        (put(["000", "001", 2], "models"), "models must be a text"),
        (put([0.5, "0.4"], "scores", "soft", "flag"), "scores soft flag must be a number"),
        (put([0.1, None], "scores", "soft", "flag"), "differ at the last look"),
        (put([0.5, math.nan], "scores", "soft", "flag"), "must be a number"),
        (put([0.5, math.inf], "scores", "soft", "flag"), "must be a number"),
        (put([0.6, 0.4], "scores", "soft", "clear"), "above its flag threshold"),
        (put([], "scores", "soft", "clear"), "one value a look"),
        (put(3, "scores", "soft", "flagged"), "3 of 100 flagged is not 0.02"),
        (put([[0.0, 0.25]], "reference", "distances"), "2 looks, but 1 distances"),
        (put([0.5, -0.5], "reference", "margins"), "rising order"),
        (put([], "reference", "margins"), "1 to 1001 values"),
        (put(0.3, "tau", "published"), "mean . half width"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused(tmp_path, edit, message):
    with pytest.raises(FileError, match=message):
        Calibration.load(saved(tmp_path, edit))


def test_files_that_are_no_calibration_are_refused(tmp_path):
    path = tmp_path / "c.json"
    with pytest.raises(FileError, match="No such file"):
        Calibration.load(path)
    whole = saved(tmp_path).read_text()
    for text in ("", "[]", "{", whole[: len(whole) // 2]):
        path.write_text(text)
        with pytest.raises(FileError, match=r"c\.json: not "):
            Calibration.load(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        calibration().save(tmp_path / "file" / "c.json")
