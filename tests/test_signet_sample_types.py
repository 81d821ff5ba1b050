import numpy as np
import pytest

from graphprune.errors import SpecError
from signet.sample_types import SAMPLE_TYPES, SUFFIXES, sample_type


@pytest.mark.parametrize(
    ("name", "raw", "samples"),
    [
        ("cf32_le", np.array([0.5, -2.0, 1.0, 0.0], "<f4").tobytes(), [0.5 - 2j, 1]),
        ("cf32_be", np.array([0.5, -2.0, 1.0, 0.0], ">f4").tobytes(), [0.5 - 2j, 1]),
        ("ci16_le", b"\x00\x40\x00\x80", [0.5 - 1j]),  # 16384 and -32768
        ("ci16_be", b"\x40\x00\x80\x00", [0.5 - 1j]),
        ("ci8", b"\x40\x80\x00\x7f", [0.5 - 1j, 1j * 127 / 128]),
        ("cu8", b"\x00\xff\x7f\x80", [-1 + 1j, (-1 + 1j) * 0.5 / 127.5]),
    ],
)
def test_bytes_of_each_type_by_hand(name, raw, samples):
    found = sample_type(name)
    values = np.frombuffer(raw, found.component)
    assert found.bytes * len(samples) == len(raw)
    decoded = found.decode(values)
    assert decoded.dtype == np.complex64
    assert decoded == pytest.approx(np.array(samples), abs=1e-7)


def test_the_short_names_and_suffixes_stand_for_types_of_sigmf():
    short = {"cf32": "cf32_le", "fc32": "cf32_le", "complex64": "cf32_le", "cs16": "ci16_le"}
    short |= {"ci16": "ci16_le", "cs8": "ci8", "cu8": "cu8", "ci8_le": "ci8"}
    assert {name: sample_type(name).name for name in short} == short
    assert set(SUFFIXES.values()) <= set(SAMPLE_TYPES)


@pytest.mark.parametrize("name", ["cf16_le", "rf32_le", "", None, 8, ["ci8"]])
def test_another_datatype_is_refused_and_the_allowed_ones_named(name):
    with pytest.raises(SpecError, match=r"core:datatype must be one of cf32_le, .*cu8, got"):
        sample_type(name, where="core:datatype")
