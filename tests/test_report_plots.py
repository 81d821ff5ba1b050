"""Pictures: what is drawn equals what was given, and files are whole and reproducible."""

import itertools
import math

import matplotlib
import matplotlib.image
import networkx as nx
import numpy as np
import pytest
from matplotlib import _pylab_helpers
from matplotlib.collections import LineCollection
from matplotlib.text import Text

from graphprune.errors import FileError, SpecError
from graphprune.report import plot_curves, plot_graph, plot_masks, plot_search
from graphprune.report.curve_picture import curve_figure
from graphprune.report.graph_picture import graph_figure
from graphprune.report.mask_picture import mask_figure
from graphprune.report.search_picture import search_figure

HISTORY = [(0, 2.6), (10, 2.5), (400, 2.4), (9000, 2.34)]
LIMITS = {"bound": 2.3333, "expectation": 2.48}


def rows(epochs):
    return [
        {"epoch": e, "train_loss": 2 / e, "train_accuracy": 1 - 1 / e, "learning_rate": 0.1}
        | {"held_out_accuracy": 0.9 - 1 / e}
        for e in range(1, epochs + 1)
    ]


def mask(out_channels, in_channels, every=4):
    return (np.add.outer(np.arange(out_channels), np.arange(in_channels)) % every) == 0


PICTURES = {
    "small graph": lambda path: plot_graph(nx.cycle_graph(8), path, title="g"),
    "large graph": lambda path: plot_graph(
        nx.random_regular_graph(8, 256, seed=0), path, title="g"
    ),
    "search": lambda path: plot_search(HISTORY, path, **LIMITS, title="s"),
    "one point": lambda path: plot_search([(0, 2.5)], path, **LIMITS, title="s"),
    "at the bound": lambda path: plot_search(
        [(0, 2.0), (9, 2.0)], path, bound=2.0, expectation=2.0, title="s"
    ),
    "masks": lambda path: plot_masks({"a": mask(512, 512), "b": mask(16, 16)}, path),
    "curves": lambda path: plot_curves({"pruned": rows(9), "x": rows(9)}, path, title="c"),
    "one epoch": lambda path: plot_curves({"dense": rows(1)}, path, title="c"),
}


def artists(figure, kind):
    return [artist for axes in figure.axes for artist in axes.findobj(kind)]


def texts(axes):
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("name", PICTURES)
def test_files_are_readable_pictures_with_equal_bytes_each_time(tmp_path, name):
    first, again = tmp_path / "first.png", tmp_path / "again.png"
    again.write_text("an older file is replaced")
    PICTURES[name](first)
    PICTURES[name](again)
    image = matplotlib.image.imread(first)
    height, width, _ = image.shape
    assert 400 <= height <= 2000
    assert 600 <= width <= 2000
    assert len(np.unique((image[..., :3] * 255).astype(int).reshape(-1, 3), axis=0)) > 20
    assert image[..., :3].mean() > 0.5  # drawn on white
    assert first.read_bytes() == again.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.png", "first.png"]
    assert not _pylab_helpers.Gcf.figs


@pytest.mark.parametrize("name", PICTURES)
def test_no_two_texts_overlap(tmp_path, name, monkeypatch):
    """Compare the boxes of all texts that are drawn into the file."""
    boxes = {}
    draw = Text.draw

    def record(self, renderer):
        draw(self, renderer)
        if self.get_visible() and self.get_text().strip():
            boxes[self] = Text.get_window_extent(self, renderer)  # without its arrow

    monkeypatch.setattr(Text, "draw", record)
    PICTURES[name](tmp_path / "a.png")
    assert len(boxes) > 1
    pairs = itertools.combinations(boxes, 2)
    clashes = [(a, b) for a, b in pairs if boxes[a].overlaps(boxes[b])]
    assert clashes == []


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "missing" / "a.png"
    with pytest.raises(FileError, match=r"cannot write picture .*a\.png: No such file"):
        plot_graph(nx.cycle_graph(4), path, title="g")


def test_a_failed_write_leaves_the_older_file_and_no_rest(tmp_path):
    path = tmp_path / "a.png"
    path.mkdir()
    with pytest.raises(FileError, match=r"cannot write picture .*a\.png"):
        plot_graph(nx.cycle_graph(4), path, title="g")
    assert list(tmp_path.iterdir()) == [path]
    assert list(path.iterdir()) == []


def test_each_edge_is_one_line_between_its_nodes_on_the_circle():
    graph = nx.Graph([(2, 0), (0, 1), (1, 3), (3, 3)])
    figure = graph_figure(graph, title="four")
    (lines,) = artists(figure, LineCollection)
    places = {0: (0, 1), 1: (1, 0), 2: (0, -1), 3: (-1, 0)}  # clockwise from the top
    expected = [(places[u], places[v]) for u, v in graph.edges if u != v]
    ends = [(segment[0], segment[-1]) for segment in lines.get_segments()]
    assert len(ends) == 3
    assert np.allclose(ends, expected)
    assert figure.axes[0].get_title() == "4 nodes, 3 edges"
    assert figure.get_suptitle() == "four"
    (dots,) = figure.axes[0].collections[1:]
    assert np.allclose(dots.get_offsets(), [places[node] for node in range(4)], atol=1e-12)


@pytest.mark.parametrize("nodes", [1, 8, 64, 65, 256])
def test_nodes_are_labelled_up_to_64(nodes):
    axes = graph_figure(nx.empty_graph(nodes), title="").axes[0]
    assert texts(axes) == ([str(node) for node in range(nodes)] if nodes <= 64 else [])


def test_more_edges_are_drawn_thinner_and_paler():
    few, many = (
        artists(graph_figure(nx.complete_graph(n), title=""), LineCollection)[0]
        for n in (6, 60)
    )
    assert few.get_linewidths()[0] > 2 * many.get_linewidths()[0] > 0
    assert few.get_alpha() > 2 * many.get_alpha() > 0


def test_nodes_of_any_kind_are_drawn_in_the_graph_s_order():
    graph = nx.path_graph(["b", "$a$", "c"])
    assert texts(graph_figure(graph, title="$x").axes[0]) == ["b", "$a$", "c"]


def test_a_graph_without_nodes_is_refused():
    with pytest.raises(SpecError, match="without nodes"):
        graph_figure(nx.Graph(), title="")


def test_the_search_line_is_the_history_between_its_two_limits():
    axes = search_figure(HISTORY[1:], **LIMITS, title="t").axes[0]
    search, bound, expectation = axes.lines
    assert search.get_xydata().tolist() == [list(pair) for pair in HISTORY[1:]]
    assert search.get_drawstyle() == "steps-post"
    assert list(bound.get_ydata()) == [2.3333, 2.3333]
    assert list(expectation.get_ydata()) == [2.48, 2.48]
    assert texts(axes) == ["lower bound 2.3333", "found 2.3400", "random regular 2.4800"]
    colours = [text.get_color() for text in axes.texts]
    assert colours == [bound.get_color(), search.get_color(), expectation.get_color()]
    low, high = axes.get_ylim()
    assert low < 2.3333 < 2.5 < high


def test_a_long_search_is_logarithmic_and_starts_at_one():
    axes = search_figure(HISTORY, **LIMITS, title="t").axes[0]
    assert axes.get_xscale() == "log"
    assert list(axes.lines[0].get_xdata()) == [1, 10, 400, 9000]
    short = search_figure([(0, 3.0), (99, 2.5)], **LIMITS, title="t").axes[0]
    assert short.get_xscale() == "linear"
    assert list(short.lines[0].get_xdata()) == [0, 99]


def test_a_search_without_history_is_refused():
    with pytest.raises(SpecError, match="without history"):
        search_figure([], **LIMITS, title="t")


def test_masks_are_drawn_as_they_are_with_name_shape_and_density():
    masks = {"narrow": mask(16, 16), "wide": mask(32, 64, every=8)}
    figure = mask_figure(masks)
    for axes, (name, expected) in zip(figure.axes, masks.items(), strict=True):
        assert np.array_equal(axes.images[0].get_array(), expected)
        first, second = axes.get_title().splitlines()
        assert first == name
        out_channels, in_channels = expected.shape
        density = {"narrow": "0.250", "wide": "0.125"}[name]
        assert second == f"{out_channels} x {in_channels}, density {density}"
        assert axes.get_xlabel() == "input channel"
        assert axes.get_ylabel() == "output channel"
    assert figure.get_suptitle() == "kept weights (blue), 2 of 2 pruned layers"


def test_kept_weights_are_blue_and_pruned_ones_pale():
    image = mask_figure({"a": mask(4, 4)}).axes[0].images[0]
    (kept, pruned) = image.to_rgba(np.array([[1.0, 0.0]]))[0, :, :3]
    assert kept[2] > kept[0] + 0.5
    assert pruned.min() > 0.9


def test_of_many_layers_the_first_of_each_shape_is_drawn():
    same = {f"same{i}": mask(8, 8) for i in range(6)}
    names = [axes.get_title().splitlines()[0] for axes in mask_figure(same).axes]
    assert names == list(same)
    more = same | {f"other{i}": mask(8 + i // 2, 9) for i in range(14)}
    figure = mask_figure(more)
    names = [axes.get_title().splitlines()[0] for axes in figure.axes]
    assert names == ["same0", "other0", "other2", "other4", "other6", "other8"]
    assert figure.get_suptitle() == "kept weights (blue), 6 of 20 pruned layers"


def test_a_long_layer_name_loses_its_middle():
    name = "encoder." * 6 + "conv1"
    (axes,) = mask_figure({name: mask(4, 4)}).axes
    shown = axes.get_title().splitlines()[0]
    assert len(shown) <= 30
    assert name.startswith(shown.split("...")[0])
    assert name.endswith(shown.split("...")[1])


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({}, "no mask"),
        ({"a": np.ones((2, 2, 3, 3), bool)}, r"'a' must be a matrix, got shape \(2, 2, 3, 3\)"),
        ({"a": np.ones((0, 3), bool)}, r"'a' must be a matrix, got shape \(0, 3\)"),
    ],
)
def test_what_is_no_mask_is_refused(masks, message):
    with pytest.raises(SpecError, match=message):
        mask_figure(masks)


def test_curves_are_the_rows_with_accuracy_in_percent():
    figure = curve_figure({"pruned": rows(3), "dense": rows(2)}, title="t")
    loss, accuracy = figure.axes
    assert [line.get_xydata().tolist() for line in loss.lines] == [
        [[1, 2.0], [2, 1.0], [3, 2 / 3]],
        [[1, 2.0], [2, 1.0]],
    ]
    train, held_out = accuracy.lines[:2]
    assert train.get_ydata() == pytest.approx([0, 50, 200 / 3])
    assert held_out.get_ydata() == pytest.approx([-10, 40, 90 - 100 / 3])
    assert (train.get_linestyle(), held_out.get_linestyle()) == ("--", "-")
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss (training)", "accuracy (%)")


def test_a_network_has_one_colour_in_all_panels_and_pictures():
    names = ["other", "dense", "random_regular", "pruned", "another"]
    alone = {
        name: curve_figure({name: rows(2)}, title="").axes[0].lines[0].get_color()
        for name in ("pruned", "dense", "random_regular")
    }
    figure = curve_figure({name: rows(2) for name in names}, title="")
    loss, accuracy = ([line.get_color() for line in axes.lines] for axes in figure.axes)
    together = dict(zip(names, loss, strict=True))
    assert len(set(loss)) == 5
    assert accuracy == [colour for colour in loss for _ in range(2)]
    assert alone == {name: together[name] for name in alone}
    (legend,) = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[:5] == ["other", "dense", "random regular", "pruned", "another"]
    assert [line.get_color() for line in legend.get_lines()][:5] == loss


def test_missing_and_infinite_values_leave_no_point():
    holes = [
        {"epoch": 1, "train_loss": math.nan, "train_accuracy": 0.5, "held_out_accuracy": None},
        {"epoch": 2, "train_loss": math.inf, "train_accuracy": 0.6},
        {"epoch": 3, "train_loss": 1.5, "train_accuracy": 0.7, "held_out_accuracy": 0.4},
    ]
    loss, accuracy = curve_figure({"a": holes, "b": []}, title="").axes
    assert [line.get_xydata().tolist() for line in loss.lines] == [[[3, 1.5]]]
    assert [list(line.get_xdata()) for line in accuracy.lines] == [[1, 2, 3], [3]]
    assert accuracy.lines[1].get_marker() == "o"  # a single point has to be seen


def test_a_panel_without_any_value_says_so(tmp_path):
    curves = {"a": [{"epoch": 1, "train_loss": 1.0}]}
    loss, accuracy = curve_figure(curves, title="").axes
    assert texts(loss) == []
    assert texts(accuracy) == ["not measured"]
    plot_curves(curves, tmp_path / "a.png", title="")
    assert (tmp_path / "a.png").stat().st_size > 5000


@pytest.mark.parametrize("curves", [{}, {"pruned": []}])
def test_curves_without_an_epoch_are_refused(curves):
    with pytest.raises(SpecError, match="no epoch"):
        curve_figure(curves, title="")
