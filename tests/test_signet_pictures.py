"""Pictures show what was given, their texts do not overlap, equal ones have equal bytes."""

import numpy as np
import pytest
from drawn import check_picture

from graphprune.errors import FileError, SpecError
from signet.pictures import (
    confusion_figure,
    few_shot_figure,
    plot_confusion,
    plot_few_shot,
    plot_snr,
    short,
    snr_figure,
)

RNG = np.random.default_rng(0)
SNR = np.arange(-20, 20, 2.0)
CURVES = {
    "signet2": (SNR, RNG.random((3, 20))),
    "$a_1$": (SNR, RNG.random(20)),
    "n" * 90: (SNR[:3], np.array([0.1, np.nan, 0.5])),
}
FEW = {name: (np.array([0.01, 0.1, 1]), RNG.random((3, 3))) for name in CURVES}
NAMES = ["8PSK", "AM-DSB", "AM-SSB", "BPSK", "CPFSK", "GFSK", "PAM4", "QAM16", "QAM64"]


def names(count):
    return [f"{NAMES[k % 9]}-{k}" for k in range(count)]


PICTURES = {
    "snr": lambda p: plot_snr(CURVES, p, title="t", chance=1 / 11),
    "snr, many": lambda p: plot_snr(
        {str(k): CURVES["signet2"] for k in range(32)}, p, title=""
    ),
    "snr, one": lambda p: plot_snr({"a": (SNR[:1], np.ones(1))}, p, title="$x$"),
    "few": lambda p: plot_few_shot(FEW, p, title="t"),
    "few, dense": lambda p: plot_few_shot(
        {"a": (np.linspace(0.01, 1, 100), np.ones(100))},
        p,
        title="t",
        label="at 0 dB and above",
    ),
    "few, one": lambda p: plot_few_shot({"a": (np.ones(1), np.ones(1))}, p, title="t"),
    "confusion": lambda p: plot_confusion(RNG.integers(0, 99, (9, 9)), NAMES, p, title="t"),
    "confusion, 24": lambda p: plot_confusion(
        np.diag(RNG.integers(1, 99, 24)) + np.eye(24, k=7, dtype=int), names(24), p, title="t"
    ),
    "confusion, 1": lambda p: plot_confusion(np.zeros((1, 1), int), ["$a"], p, title="t"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_pictures_whose_texts_do_not_overlap(name, tmp_path, monkeypatch):
    check_picture(PICTURES[name], tmp_path / "a.png", monkeypatch)


def test_equal_pictures_have_equal_bytes(tmp_path):
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        plot_few_shot(FEW, path, title="t")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot write picture .*a\.png"):
        plot_few_shot(FEW, tmp_path / "missing" / "a.png", title="")


def test_lines_are_means_in_order_and_bands_reach_over_the_seeds():
    places = np.array([4.0, -2.0, 0.0])
    values = np.array([[0.8, 0.1, 0.2], [0.6, 0.3, 0.2]])
    figure = snr_figure({"two": (places, values), "one": (places, values[0])}, title="t")
    (axes,) = figure.axes
    two, one = axes.lines
    assert two.get_xdata().tolist() == [-2, 0, 4]
    assert two.get_ydata() == pytest.approx([20, 20, 70])
    assert one.get_ydata() == pytest.approx([10, 20, 80])
    (band,) = axes.collections
    edge = {tuple(np.round(point, 6)) for point in band.get_paths()[0].vertices}
    assert {(-2, 10), (-2, 30), (0, 20), (4, 60), (4, 80)} <= edge
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["two", "one"]
    chance = snr_figure({"one": (places, values[0])}, title="t", chance=0.25).axes[0]
    assert list(chance.lines[-1].get_ydata()) == [25, 25]


def test_series_differ_in_colour_or_style():
    lines = snr_figure({str(k): (SNR, SNR) for k in range(32)}, title="").axes[0].lines
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 32


def test_shares_of_frames_are_marked_on_a_logarithmic_axis():
    axes = few_shot_figure(FEW, title="t", label="high").axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_xticks().tolist() == [0.01, 0.1, 1]
    shown = [axes.xaxis.get_major_formatter()(tick, 0) for tick in axes.get_xticks()]
    assert shown == ["1 %", "10 %", "100 %"]
    assert axes.get_ylabel() == "high"


def test_rows_of_a_confusion_are_percents_of_the_true_class():
    counts = np.array([[3, 1, 0], [0, 0, 0], [1, 1, 198]])
    axes = confusion_figure(counts, ["a", "b", "c"], title="t").axes[0]
    wanted = [[75, 25, 0], [0, 0, 0], [0.5, 0.5, 99]]
    assert axes.images[0].get_array().tolist() == wanted
    cells = {text.get_position(): text.get_text() for text in axes.texts}
    assert cells == {(0, 0): "75", (1, 0): "25", (0, 2): "1", (1, 2): "1", (2, 2): "99"}
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "a  (4)",
        "b  (0)",
        "c  (200)",
    ]


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda: snr_figure({}, title=""), "nothing to draw"),
        (lambda: snr_figure({"a": (SNR, SNR[:3])}, title=""), "'a' needs places"),
        (lambda: snr_figure({"a": (SNR[:0], SNR[:0])}, title=""), "'a' needs places"),
        (lambda: few_shot_figure({"a": (SNR, SNR)}, title=""), r"must be in \(0, 1\]"),
        (lambda: confusion_figure(np.zeros((2, 3), int), "ab", title=""), r"shape \(2, 2\)"),
        (lambda: confusion_figure(np.zeros((0, 0), int), "", title=""), "at least 1 class"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, said):
    with pytest.raises(SpecError, match=said):
        draw()


def test_long_names_lose_their_middle():
    assert short("a" * 34) == "a" * 34
    assert short("a" * 20 + "b" * 20) == "a" * 15 + "..." + "b" * 15
    assert short("a\nb") == "a\N{REPLACEMENT CHARACTER}b"
