"""Pictures show what was given, their texts do not overlap, equal ones have equal bytes."""

import itertools

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib import _pylab_helpers
from matplotlib.text import Text

from ggt import flagged_picture
from ggt.flagged_picture import MOST_PAIRS, flagged_figure
from ggt.line_pictures import cost_figure, roc, roc_figure, short, sweep_figure
from ggt.pictures import (
    examples,
    nearest_examples,
    plot_costs,
    plot_flagged,
    plot_models_used,
    plot_rates,
    plot_roc,
    plot_sweep,
)
from ggt.row_pictures import models_figure, rates_figure
from graphprune.errors import FileError, SpecError

RNG = np.random.default_rng(0)
CLEAN, ADVERSARIAL = RNG.beta(1, 9, 200), RNG.beta(4, 3, 150)
SERIES = {
    name: (CLEAN, ADVERSARIAL + index / 50)
    for index, name in enumerate(["soft", "_x", "$a_1$", "n" * 90, *"bcdefgh"])
}
GROUPS = {
    "clean": CLEAN, "tied": np.full(9, 0.25), "none": np.array([]), "$x_1$ " * 20: ADVERSARIAL,
}  # fmt: skip
ASKED = {"clean": np.array([1, 2, 2, 8]), "none": np.array([], int), "_all": np.full(5, 4)}
IMAGES = RNG.random((60, 3, 6, 6)).astype(np.float32)


def pairs(count, channels=3):
    nearest = IMAGES[:count, :channels].copy()
    nearest[1:2] = np.nan
    captions = [f"{'folder/' * 9}{i}.png: 7\nsoft $0_1$\nthird" for i in range(count)]
    return IMAGES[:count, :channels], nearest, captions


COSTS = {"graph": (1.2, 0.97, 0.96, 0.98), "dense": (6.0, 0.97), "$m_1$": (120.0, 0.76)}
SWEEP = {"own": (np.arange(4), np.array([0.9, np.nan, 0.5, 0.4])), "j = 2": ([0, 1], [1, 0])}
LABELS = {"x_label": "epsilon $_", "y_label": "AUROC"}
PICTURES = {
    "roc": lambda p: plot_roc(SERIES, p, title="$t_1$"),
    "roc, linear": lambda p: plot_roc(SERIES, p, title="t", log=False),
    "roc, tied": lambda p: plot_roc({"a": (np.zeros(3), np.zeros(4))}, p, title="t"),
    "rates": lambda p: plot_rates(GROUPS, 0.3, p, title="t", name="soft"),
    "rates, tied": lambda p: plot_rates({"a": np.full(5, 7.0)}, None, p, title="t", name="s"),
    "models": lambda p: plot_models_used(ASKED, p, title="t"),
    "models, one": lambda p: plot_models_used({"a": np.array([100])}, p, title="t"),
    "flagged": lambda p: plot_flagged(*pairs(60), p, title="t"),
    "flagged, grey": lambda p: plot_flagged(*pairs(5, 1), p, title="t"),
    "flagged, one": lambda p: plot_flagged(*pairs(1), p, title="t"),
    "flagged, none": lambda p: plot_flagged(*pairs(0), p, title="t"),
    "costs": lambda p: plot_costs(COSTS, p, title="t"),
    "costs, one": lambda p: plot_costs({"a": (3.0, 0.9)}, p, title="t", x_label="bytes"),
    "sweep": lambda p: plot_sweep(SWEEP, p, title="t", **LABELS),
    "sweep, log": lambda p: plot_sweep({"a": ([1, 9], [0, 1])}, p, title="t", log_x=True,
                                       **LABELS),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_pictures_whose_texts_do_not_overlap(name, tmp_path, monkeypatch):
    boxes = {}
    draw = Text.draw

    def record(self, renderer):
        draw(self, renderer)
        if self.get_visible() and self.get_text().strip():
            boxes[self] = Text.get_window_extent(self, renderer)

    monkeypatch.setattr(Text, "draw", record)
    PICTURES[name](tmp_path / "a.png")
    image = matplotlib.image.imread(tmp_path / "a.png")
    height, width, _ = image.shape
    assert 200 <= height <= 2400
    assert 600 <= width <= 1600
    assert image[..., :3].mean() > 0.4
    assert not _pylab_helpers.Gcf.figs
    assert len(boxes) > 1
    for one, other in itertools.combinations(boxes, 2):
        assert not boxes[one].overlaps(boxes[other]), (one, other)
    assert not [text for text in boxes if "$" in text.get_text() and text.get_parse_math()]
    for text, box in boxes.items():
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, text


@pytest.mark.parametrize("name", ["roc", "rates, tied", "costs, one", "flagged, one"])
def test_equal_pictures_have_equal_bytes(name, tmp_path):
    for path in (tmp_path / "a.png", tmp_path / "b.png"):
        PICTURES[name](path)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(FileError, match=r"cannot write picture .*a\.png"):
        plot_costs(COSTS, tmp_path / "missing" / "a.png", title="")


SCORES = arrays(float, st.integers(1, 9), elements=st.sampled_from([0, 0.25, 0.5, 1, 2]))


@given(SCORES, SCORES)
def test_roc_agrees_with_counting(clean, adversarial):
    false, true, area = roc(clean, adversarial)
    wins = [(a > c) + (a == c) / 2 for a in adversarial for c in clean]
    assert area == pytest.approx(np.mean(wins))
    limits = [np.inf, *sorted({*clean, *adversarial}, reverse=True)]
    assert false.tolist() == pytest.approx([np.mean(clean >= limit) for limit in limits])
    assert true.tolist() == pytest.approx([np.mean(adversarial >= limit) for limit in limits])


def test_roc_shows_curves_with_their_areas_and_marks_the_rates_of_the_tables():
    clean, adversarial = np.array([0.0, 1, 2, 3]), np.array([2.5, 4])
    for log in (True, False):
        figure = roc_figure({"a": (clean, adversarial)}, title="t", log=log)
        (axes,) = figure.axes
        line, chance, *marks = axes.lines[0], axes.lines[1], *axes.lines[2:]
        floor = 0.005 if log else 0.0
        assert line.get_xdata().tolist() == [floor, floor, 0.25, 0.25, 0.5, 0.75, 1]
        assert line.get_ydata().tolist() == [0, 0.5, 0.5, 1, 1, 1, 1]
        assert np.array_equal(chance.get_xdata(), chance.get_ydata())
        assert [mark.get_xdata()[0] for mark in marks] == [0.01, 0.05, 0.1]
        texts = [text.get_text() for text in figure.legends[0].get_texts()]
        assert texts == ["a  0.875", "chance  0.500"]
        assert axes.get_xscale() == ("log" if log else "linear")


def test_series_differ_in_colour_or_style():
    many = {str(index): (CLEAN, ADVERSARIAL) for index in range(32)}
    for figure in (
        roc_figure(many, title=""),
        sweep_figure({k: (v, v) for k, (v, _) in many.items()}, title="", **LABELS),
    ):
        lines = figure.axes[0].lines[:32]
        assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 32
    costs = {str(index): (1.0, 0.5) for index in range(32)}
    points = [
        bars.lines[0] for bars in cost_figure(costs, title="", **LABELS).axes[0].containers
    ]
    assert len({(point.get_color(), point.get_marker()) for point in points}) == 32


def test_sweeps_and_costs_draw_what_they_are_given():
    axes = sweep_figure(SWEEP, title="t", **LABELS).axes[0]
    assert np.array_equal(
        axes.lines[0].get_xydata(), np.transpose(SWEEP["own"]), equal_nan=True
    )
    assert axes.get_xlabel() == LABELS["x_label"]
    axes = cost_figure(COSTS, title="t", **LABELS).axes[0]
    for bars, point in zip(axes.containers, COSTS.values(), strict=True):
        assert bars.lines[0].get_xydata().tolist() == [list(point[:2])]
    (low, high) = axes.containers[0].lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((0.96, 0.98))


def bars(axes):
    """Height of each bar and its left edge, in both colours together."""
    return {
        (round(float(bar.get_x()), 9), bar.get_facecolor()): float(bar.get_height())
        for bar in axes.patches
        if bar.get_height()
    }


@pytest.mark.parametrize("threshold", [None, 0.0, 0.013, 0.43, 0.999, 1.0, 3.5])
def test_bars_count_every_score_once_and_change_colour_at_the_threshold(threshold):
    values = np.concatenate([RNG.random(500), [0, 1, 0.43, np.nan, np.inf]])
    figure = rates_figure({"a": values, "b": values[:0]}, threshold, title="t", name="soft")
    first, second = figure.axes
    heights = bars(first)
    assert sum(heights.values()) == 503
    assert not bars(second)
    kept = values[np.isfinite(values)]
    if threshold is None:
        assert len({colour for _, colour in heights}) == 1
        assert first.get_title(loc="right") == "503 samples"
    else:
        above = kept > threshold
        blue = [height for (_, colour), height in heights.items() if colour[2] > colour[0]]
        assert sum(blue) == 503 - above.sum()
        said = f"503 samples, {100 * above.mean():.1f} % above"
        assert first.get_title(loc="right") == said
        assert first.lines[0].get_xdata()[0] == threshold
        orange = [left for left, colour in heights if colour[2] < colour[0]]
        assert all(left >= threshold - 1e-9 for left in orange)
    assert first.get_title(loc="left") == "a"
    assert second.get_title(loc="right") == "0 samples"


def test_models_used_are_shares_with_their_mean():
    figure = models_figure(ASKED, title="t")
    heights = {bar.get_x() + 0.4: bar.get_height() for bar in figure.axes[0].patches}
    assert {round(x): y for x, y in heights.items() if y} == {1: 0.25, 2: 0.5, 8: 0.25}
    said = [axes.get_title(loc="right") for axes in figure.axes]
    assert said == ["4 samples, mean 3.25", "0 samples", "5 samples, mean 4.00"]
    assert figure.axes[0].lines[0].get_xdata()[0] == 3.25
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    assert "full height 100 %" in figure.axes[-1].get_xlabel()
    assert models_figure({"none asked": np.zeros(3, int)}, title="").axes[0].get_xlim()[0] < 0


@settings(max_examples=25)
@given(
    arrays(np.float32, (7, 1, 2, 2), elements=st.floats(0, 1, width=16)),
    arrays(np.float32, (9, 1, 2, 2), elements=st.floats(0, 1, width=16)),
    arrays(np.int16, 7, elements=st.integers(0, 2)),
    arrays(np.int64, 9, elements=st.integers(0, 2)),
)
def test_nearest_examples_agree_with_a_search(flagged, clean, named, labels):
    before, flagged_picture._BLOCK = flagged_picture._BLOCK, 3
    try:
        chosen = nearest_examples(flagged, named, clean, labels)
    finally:
        flagged_picture._BLOCK = before
    assert np.array_equal(chosen, nearest_examples(flagged, named, clean, labels))
    for image, label, found in zip(flagged, named, chosen, strict=True):
        there = np.flatnonzero(labels == label)
        distances = ((clean - image).astype(float) ** 2).sum(axis=(1, 2, 3))
        if len(there):
            assert labels[found] == label
            assert distances[found] == pytest.approx(distances[there].min(), abs=1e-9)
        else:
            assert found == -1


def test_examples_are_blank_where_there_is_none():
    found = examples(IMAGES, np.array([3, -1, 0]))
    assert np.array_equal(found[[0, 2]], IMAGES[[3, 0]])
    assert np.isnan(found[1]).all()
    assert examples(IMAGES, np.array([], int)).shape == (0, 3, 6, 6)


def test_of_equally_near_images_the_first_is_taken():
    clean = np.zeros((1100, 1, 1, 1))
    labels = np.ones(1100, int)
    assert nearest_examples(clean[:2], labels[:2], clean, labels).tolist() == [0, 0]


def test_pairs_show_both_images_with_their_captions():
    flagged, nearest, _ = pairs(3)
    figure = flagged_figure(flagged, nearest, ["one\ntwo\nthree", "b", "c"], title="t")
    drawn = figure.axes[0].images[0].get_array()
    assert np.array_equal(drawn[:, :6], flagged[0].transpose(1, 2, 0))
    assert np.array_equal(drawn[:, -6:], nearest[0].transpose(1, 2, 0))
    assert (figure.axes[1].images[0].get_array()[:, -6:] == 1).all()
    assert [text.get_text() for text in figure.axes[1].texts] == ["no clean\nexample"]
    assert figure.axes[0].get_title() == "one\ntwo"
    assert figure.get_suptitle().startswith("t\nleft: flagged, right: nearest clean")
    grey = flagged_figure(flagged[:, :2], nearest[:, :2], ["", "", ""], title="t")
    mean = flagged[0, :2].mean(axis=0)
    assert np.allclose(grey.axes[0].images[0].get_array()[:, :6], mean[:, :, None])


def test_many_pairs_are_cut_and_none_is_said():
    figure = flagged_figure(*pairs(60), title="t")
    assert sum(bool(axes.images) for axes in figure.axes) == MOST_PAIRS
    assert "the first 24 of 60 flagged samples" in figure.get_suptitle()
    empty = flagged_figure(*pairs(0), title="t")
    assert [text.get_text() for text in empty.texts if text.get_text() != "t"] == [
        "no sample was flagged"
    ]


NAN = np.array([np.nan])
REFUSED = {
    "no curve": (lambda: roc_figure({}, title=""), "nothing to draw"),
    "no scores": (lambda: roc_figure({"a": (CLEAN, CLEAN[:0])}, title=""), "'a' has no clean"),
    "NaN": (lambda: roc_figure({"a": (CLEAN, NAN)}, title=""), "score of 'a' is not finite"),
    "no group": (lambda: rates_figure({}, 0.1, title="", name=""), "no group to draw"),
    "no groups": (lambda: models_figure({}, title=""), "no group to draw"),
    "no sweep": (lambda: sweep_figure({}, title="", **LABELS), "nothing to draw"),
    "lengths": (
        lambda: sweep_figure({"a": ([1], [])}, title="", **LABELS),
        "1 places, but 0 va",
    ),
    "at 0": (
        lambda: sweep_figure({"a": ([0], [1])}, title="", log_x=True, **LABELS),
        "needs places above 0",
    ),
    "no point": (lambda: cost_figure({}, title="", **LABELS), "nothing to draw"),
    "free": (lambda: cost_figure({"a": (0, 1)}, title="", **LABELS), "a cost above 0"),
    "three": (lambda: cost_figure({"a": (1, 1, 1)}, title="", **LABELS), r"got \(1, 1, 1\)"),
    "counts": (
        lambda: flagged_figure(IMAGES, IMAGES[1:], [], title=""),
        "60 flagged images, 59",
    ),
    "shapes": (lambda: nearest_examples(IMAGES, CLEAN, IMAGES[:, 1:], CLEAN), "of shapes"),
    "labels": (lambda: nearest_examples(IMAGES, CLEAN, IMAGES, CLEAN), "differ in count"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_drawn_is_named(what):
    call, message = REFUSED[what]
    with pytest.raises(SpecError, match=message):
        call()


def test_names_are_shortened_and_kept_on_one_line():
    assert short("x" * 34) == "x" * 34
    assert len(short("x" * 35)) <= 34
    assert short("a\nb\tc") == "a\ufffdb\ufffdc"


def test_signals_are_drawn_as_lines_of_i_and_q():
    flagged = RNG.random((3, 2, 16, 1)).astype(np.float32)
    nearest = RNG.random((3, 2, 16, 1)).astype(np.float32)
    nearest[1] = np.nan
    figure = flagged_figure(flagged, nearest, ["a\nb", "b", "c"], title="t")
    lines = [np.asarray(line.get_ydata()) for line in figure.axes[0].lines]
    expected = [*flagged[0, :, :, 0], *nearest[0, :, :, 0]]
    for line, wanted in zip(lines, expected, strict=True):
        np.testing.assert_allclose(line, wanted - 0.5)
    starts = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert starts[0] == starts[1] == 0 and starts[2] == starts[3] >= 16
    assert len(figure.axes[1].lines) == 2
    assert [text.get_text() for text in figure.axes[1].texts] == ["no clean\nexample"]
    assert figure.axes[0].get_title() == "a\nb"
    assert "I blue, Q orange" in figure.get_suptitle()
    silent = np.full((1, 2, 16, 1), 0.5)
    assert flagged_figure(silent, silent, [""], title="").axes[0].get_ylim()[1] > 0
