"""The sets on offer: classes, labels, numbers, and what is refused."""

import pytest

from graphprune.errors import SpecError
from signet.specs import SPECS, Fading, SetSpec, named_spec


def test_the_first_set_is_the_published_one():
    spec = SPECS["rml2016a"]
    assert spec.classes == (
        *("8PSK", "AM-DSB", "AM-SSB", "BPSK", "CPFSK", "GFSK"),
        *("PAM4", "QAM16", "QAM64", "QPSK", "WBFM"),
    )
    assert spec.snr == tuple(range(-20, 19, 2))
    assert (spec.length, spec.samples_per_symbol, spec.rate) == (128, 8, 200e3)
    assert (spec.rate_offset, spec.frequency_offset, spec.drift) == (50, 500, 0.01)
    assert spec.fading == Fading(
        delays=(0, 0.9, 1.7), magnitudes=(1, 0.8, 0.3), sinusoids=8, direct=4, doppler=1
    )


def test_the_third_variant_differs_in_its_offsets_alone():
    first, third = SPECS["rml2016a"], SPECS["rml2016c"]
    assert (third.rate_offset, third.frequency_offset) == (100, 1000)
    assert (third.classes, third.snr, third.fading) == (first.classes, first.snr, first.fading)


def test_the_second_set_has_twelve_classes_and_noise_only():
    spec = SPECS["sig12"]
    assert len(spec.classes) == 12 and spec.fading is None and spec.length == 512
    assert spec.snr == tuple(range(-20, 31, 2)) and spec.roll_off == (0.2, 0.7)
    assert spec.frequency_offset / spec.rate == pytest.approx(0.1)
    assert spec.modes == ("corrected",)


def test_an_unknown_set_is_refused_with_the_known_ones():
    with pytest.raises(SpecError, match="rml2016a, rml2016c, sig12, got 'rml2018'"):
        named_spec("rml2018")


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"classes": ("B", "A")}, "classes must be sorted"),
        ({"classes": ()}, "classes must be sorted"),
        ({"snr": (0, 0)}, "snr must be sorted"),
        ({"length": 0}, "length must be positive, got 0"),
        ({"rate": -1.0}, "rate must be positive"),
    ],
)
def test_a_set_that_cannot_be_is_refused(fields, found):
    whole = {"name": "toy", "classes": ("A", "B"), "snr": (0, 2)} | fields
    with pytest.raises(SpecError, match=found):
        SetSpec(**whole)


@pytest.mark.parametrize(
    "fields", [{"delays": (0.0,)}, {"delays": (), "magnitudes": ()}, {"delays": (0, 1, 8)}]
)
def test_fading_that_cannot_be_is_refused(fields):
    with pytest.raises(SpecError, match="delays"):
        Fading(**fields)
