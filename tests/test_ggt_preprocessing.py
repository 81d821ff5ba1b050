"""What a bank takes, from a manifest and from a model's config; older banks keep their hash."""

import hashlib
import json
from pathlib import Path

import pytest
from test_ggt_manifest import manifest

from ggt.manifest import Manifest
from ggt.preprocessing import Preprocessing, listed_preprocessing, stored_scale
from graphprune.data import Signal
from graphprune.errors import FileError
from graphprune.nn.card_checks import Fields

IMAGES = Preprocessing(channels=1, size=8, mean=(0.25,), std=(0.5,))
SIGNALS = Preprocessing(
    channels=2, size=64, mean=(0.5, 0.5), std=(0.125, 0.125), signal=Signal(scale=4.0)
)
CONFIG = {
    "in_channels": 2,
    "size": 64,
    "mean": [0.5, 0.5],
    "std": [0.125, 0.125],
    "signal_scale": 4.0,
    "normalise": "power",
}


def test_shapes():
    assert IMAGES.shape == (1, 8, 8)
    assert SIGNALS.shape == (2, 64, 1)


def test_a_bank_of_images_has_the_hash_that_it_had_before_signals():
    told = manifest(preprocessing=IMAGES)
    assert told.preprocessing.values().keys() == {"channels", "size", "mean", "std"}
    parts = [
        told.base.hash,
        {"channels": 1, "size": 8, "mean": [0.25], "std": [0.5]},
        [member.hash for member in told.members],
    ]
    assert told.hash == hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    assert "signal" not in told.to_json()


def test_a_manifest_keeps_what_a_signal_is():
    told = manifest(preprocessing=SIGNALS)
    assert Manifest.from_json(told.to_json()) == told
    other = manifest(preprocessing=IMAGES)
    assert told.hash != other.hash


def test_a_config_tells_a_signal():
    assert stored_scale(CONFIG, Path("c")) == SIGNALS
    plain = {key: value for key, value in CONFIG.items() if key != "signal_scale"}
    assert stored_scale(plain, Path("c")).signal is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"signal_scale": 0}, "signal_scale must be a number above 0"),
        ({"signal_scale": "4"}, "signal_scale must be"),
        ({"normalise": "rms"}, "normalise must be one of 'none', 'l1', 'power', 'peak'"),
        ({"in_channels": 1, "mean": [0], "std": [1]}, "in_channels must be 2, I and Q"),
        ({"std": [0.0, 1.0]}, "std must be numbers above 0"),
    ],
)
def test_a_wrong_config_is_told(change, complaint):
    with pytest.raises(FileError, match=f"card: {complaint}"):
        stored_scale(CONFIG | change, Path("card"))


@pytest.mark.parametrize("signal", [{"scale": -1.0}, {"scale": 1, "kind": "x"}, None, 4])
def test_a_wrong_manifest_is_told(signal):
    with pytest.raises(FileError, match="bank: "):
        listed_preprocessing(Fields(SIGNALS.values() | {"signal": signal}, "bank"))
