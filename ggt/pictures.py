"""Pictures of what ggt measured, as PNG files: one function a picture, plain arrays in."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ggt.flagged_picture import examples as examples
from ggt.flagged_picture import flagged_figure
from ggt.flagged_picture import nearest_examples as nearest_examples
from ggt.line_pictures import cost_figure, roc_figure, sweep_figure
from ggt.row_pictures import models_figure, rates_figure
from graphprune.report.picture import write_png


def plot_roc(
    curves: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
    path: Path,
    *,
    title: str,
    log: bool = True,
) -> None:
    """Draw the share of adversarial samples flagged against the share of clean ones.

    Args:
        curves: Name -> scores of clean and of adversarial samples, higher more suspicious. The
            area below each curve stands beside its name, ties counted half.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture.
        log: A logarithmic axis of clean samples, which shows low rates; 1, 5 and 10 % are
            marked.

    Raises:
        SpecError: There is no curve, or one without scores or with scores not finite.
        FileError: The file cannot be written.
    """
    write_png(roc_figure(curves, title=title, log=log), path)


def plot_rates(
    groups: Mapping[str, NDArray[np.floating]],
    threshold: float | None,
    path: Path,
    *,
    title: str,
    name: str,
) -> None:
    """Draw how a score is spread in each group of samples.

    Args:
        groups: Name of a split -> its scores; those not finite are left out.
        threshold: Scores above it are flagged; None draws none.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture.
        name: What the score is called.

    Raises:
        SpecError: There is no group.
        FileError: The file cannot be written.
    """
    write_png(rates_figure(groups, threshold, title=title, name=name), path)


def plot_models_used(
    groups: Mapping[str, NDArray[np.integer]], path: Path, *, title: str
) -> None:
    """Draw how many models the samples of each group needed.

    Args:
        groups: Name of a split -> models asked about each of its samples, counts.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture.

    Raises:
        SpecError: There is no group.
        FileError: The file cannot be written.
    """
    write_png(models_figure(groups, title=title), path)


def plot_flagged(
    flagged: NDArray[np.floating],
    nearest: NDArray[np.floating],
    captions: Sequence[str],
    path: Path,
    *,
    title: str,
) -> None:
    """Draw flagged images, each beside a clean one of the class that the original named.

    Args:
        flagged: In [0, 1]; shape (samples, channels, height, width). The first 24 are drawn;
            without any the picture says so. Other than 3 channels are drawn as their mean, but
            signals of shape (2, length, 1) as lines of I and Q.
        nearest: What stands beside each, as `examples` gives it; an image of NaN is left blank.
        captions: Text above each pair, at most two lines.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture.

    Raises:
        SpecError: Images and captions differ in count.
        FileError: The file cannot be written.
    """
    write_png(flagged_figure(flagged, nearest, captions, title=title), path)


def plot_costs(
    points: Mapping[str, Sequence[float]],
    path: Path,
    *,
    title: str,
    x_label: str = "milliseconds a sample",
    y_label: str = "AUROC",
) -> None:
    """Draw what each detector reaches against what it costs.

    Args:
        points: Name -> (cost, value) or (cost, value, low, high), the last two an interval of
            the value; costs above 0.
        path: PNG file to write, in a folder that exists.
        title: Line above the picture.
        x_label: What a cost is: milliseconds a sample, bytes, seconds of training.
        y_label: What a value is.

    Raises:
        SpecError: There is no point, or one has another length, is not finite or costs nothing.
        FileError: The file cannot be written.
    """
    write_png(cost_figure(points, title=title, x_label=x_label, y_label=y_label), path)


def plot_sweep(
    curves: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
    path: Path,
    *,
    x_label: str,
    y_label: str,
    title: str,
    log_x: bool = False,
) -> None:
    """Draw what a quantity does as a setting changes: epsilon, confidence, models known.

    Args:
        curves: Name -> settings and values, equally many; values not finite leave a gap.
        path: PNG file to write, in a folder that exists.
        x_label: What the setting is.
        y_label: What the value is.
        title: Line above the picture.
        log_x: A logarithmic axis of settings.

    Raises:
        SpecError: There is no curve, one has other counts of settings and values, or a setting
            on a logarithmic axis is not above 0.
        FileError: The file cannot be written.
    """
    figure = sweep_figure(curves, title=title, x_label=x_label, y_label=y_label, log_x=log_x)
    write_png(figure, path)
