"""The picture of a recording shows its power, its labels over time and their samples."""

import numpy as np
import pytest
from drawn import check_picture

from graphprune.errors import SpecError
from signet.spectrogram_picture import plot_recording, recording_figure

RNG = np.random.default_rng(0)
NAMES = ["8PSK", "AM-DSB", "AM-SSB", "BPSK", "CPFSK", "GFSK", "PAM4", "QAM16", "QAM64"]
CIRCLE = np.exp(1j * np.arange(300))


def page(classes, columns=40):
    """Power, shares and samples of as many classes and unknown ones."""
    power = RNG.normal(-40, 3, (16, columns))
    power[:, 3:4] = np.nan
    power[2, 2:3] = -np.inf
    shares = RNG.dirichlet(np.ones(classes + 1), columns).T
    return power, shares, dict.fromkeys(range(-1, classes), CIRCLE)


def names(count):
    return [f"{NAMES[k % 9]}-{k}" for k in range(count)]


PICTURES = {
    "recording": lambda p: plot_recording(
        *page(9), p, classes=NAMES, samples=10**7, sample_rate=2e5, title="capture.cf32"
    ),
    "recording, 24": lambda p: plot_recording(
        *page(24, 1), p, classes=names(24), samples=999, sample_rate=3e9, title=""
    ),
    "recording, 1": lambda p: plot_recording(
        *page(1), p, classes=["$a_1$"], samples=10**9, title="t"
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_pictures_whose_texts_do_not_overlap(name, tmp_path, monkeypatch):
    check_picture(PICTURES[name], tmp_path / "a.png", monkeypatch)


def test_equal_pictures_have_equal_bytes(tmp_path):
    fixed = page(2, 5)
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        plot_recording(*fixed, path, classes="ab", samples=100, title="t")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_bars_are_coloured_where_windows_have_a_label():
    shares = np.array([[1.0, 0, 0.5], [0, 0, 0], [0, 1, 0.5]])
    power = np.array([[-10.0, -20, -30], [-40, -50, -60]])
    shown = {0: CIRCLE[:40], 1: CIRCLE, -1: 2 * CIRCLE}
    figure = recording_figure(
        power, shares, shown, classes="ab", samples=3000, sample_rate=2000, title="t"
    )
    above, below, *rest = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    image = above.images[0]
    assert image.get_extent() == [0, 1.5, -1, 1]
    assert image.get_array()[0].tolist() == [-10, -20, -30]
    assert above.get_ylabel() == "frequency (kHz)"
    assert below.get_xlabel() == "time (s)"
    assert [label.get_text() for label in below.get_yticklabels()] == ["a", "unknown"]
    bars = np.asarray(below.images[0].get_array())
    white = (bars == 1).all(axis=2)
    assert white.tolist() == [[False, True, False], [True, False, False]]
    assert bars[0, 2] == pytest.approx((1 + bars[0, 0]) / 2)
    panels = [axes for axes in rest if axes.lines]
    assert [axes.get_title() for axes in panels] == ["a", "unknown"]
    assert panels[0].lines[0].get_xdata().tolist() == CIRCLE[:40].real.tolist()
    assert panels[1].lines[0].get_ydata().tolist() == (2 * CIRCLE).imag.tolist()


@pytest.mark.parametrize(
    ("samples", "rate", "time", "frequency"),
    [
        (500, None, "samples", "cycles a sample"),
        (2_500_000, None, "1,000,000 samples", "cycles a sample"),
        (20, 1e4, "ms", "kHz"),
        (20, 1e7, "µs", "MHz"),
        (600, 300, "s", "Hz"),
    ],
)
def test_axes_have_units_that_fit(samples, rate, time, frequency):
    figure = recording_figure(
        *page(1), classes="a", samples=samples, sample_rate=rate, title="t"
    )
    above, below = figure.axes[:2]
    assert (below.get_xlabel(), above.get_ylabel()) == (
        f"time ({time})", f"frequency ({frequency})"
    )  # fmt: skip


def test_only_the_commonest_labels_have_a_constellation():
    power, shares, shown = page(9)
    shares[:] = np.arange(10)[:, None] / 45
    figure = recording_figure(power, shares, shown, classes=NAMES[:9], samples=99, title="t")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["unknown", *NAMES[8:3:-1]]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(SpecError, match=r"shares must have shape \(3, columns\)"):
        recording_figure(*page(3), classes="ab", samples=9, title="")
    empty = np.zeros((2, 1))
    with pytest.raises(SpecError, match="no classified window"):
        recording_figure(empty, empty, {}, classes="a", samples=9, title="")
