"""Classifiers that learn the training frames of a run anew: what a bench compares runs with."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphprune.monitor import Monitor
from graphprune.training import Settings, train
from signet.bench_request import FEATURES
from signet.contenders import new_network
from signet.evaluate import Scores, scores
from signet.feature_models import FeatureModel
from signet.iq import normalised
from signet.labelled import AUGMENTATIONS
from signet.latencies import latency_values, size_values
from signet.material import Material, divided
from signet.train_request import TrainRequest
from signet.training_job import test_scores


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """What one classifier reached: scores on the test part, its size and latency.

    `size` and `latency` are empty where they have no meaning, as for trees.
    """

    scores: Scores
    seconds: float
    size: Mapping[str, int]
    latency: Mapping[str, Any]


def entry_of(
    name: str,
    material: Material,
    request: TrainRequest,
    settings: Settings,
    monitor: Monitor,
) -> Entry:
    """Train a network or trees on a run's training frames and judge them.

    Args:
        name: A network's name or one of `FEATURES`.
        material: The set, divided.
        request: The run's, whose seed, batch, threads and device are taken.
        settings: The recipe of networks.
        monitor: Told of progress.

    Raises:
        SpecError: There is no such classifier.
        TrainingError: The training diverged.
    """
    if name in FEATURES:
        return _trees(name, material, request)
    return _network(name, material, request, settings, monitor)


def with_fraction(material: Material, request: TrainRequest, fraction: float) -> Material:
    """A set divided as before, with that share of its training frames."""
    own = replace(
        request,
        fraction=fraction,
        split=material.split.by,
        shares=material.split.shares,
        seed=material.split.seed,
    )
    return divided(material.source, material.fingerprint, own)


def few_shot_recipe(
    request: TrainRequest, settings: Settings, fraction: float, *, frames: int
) -> tuple[TrainRequest, Settings]:
    """A recipe for a share of the frames: more epochs, smaller batches, all augmentations.

    Chosen on validation frames of a generated set: five times the epochs at a tenth of the
    frames, twenty-five times at a hundredth. All the frames keep the recipe that they had.

    Args:
        request: The run's.
        settings: Its recipe.
        fraction: Share of the training frames.
        frames: How many these are.
    """
    if fraction == 1:
        return request, settings
    more = min(25.0, fraction**-0.7)
    batch = max(2, min(settings.batch_size, frames // 4))
    epochs = round(settings.epochs * more)
    return (
        replace(request, augment=AUGMENTATIONS),
        replace(settings, epochs=epochs, batch_size=batch),
    )


def _network(
    name: str,
    material: Material,
    request: TrainRequest,
    settings: Settings,
    monitor: Monitor,
) -> Entry:
    source, began = material.source, time.monotonic()
    network = new_network(
        name, classes=len(source.classes), length=source.length, seed=request.seed
    )

    def on_epoch(row: Mapping[str, float]) -> None:
        monitor.progress(row["epoch"] / settings.epochs, f"loss {row['train_loss']:.3f}")

    train(
        network,
        material.train,
        replace(settings, seed=request.seed),
        device=request.device,
        on_epoch=on_epoch,
    )
    network = network.cpu().eval()
    latency = latency_values(
        network, material.test, batch=request.batch, threads=request.threads
    )
    size = size_values(network, material.test)
    return Entry(test_scores(network, material), time.monotonic() - began, size, latency)


def _trees(name: str, material: Material, request: TrainRequest) -> Entry:
    source, split, began = material.source, material.split, time.monotonic()
    model = FeatureModel(
        name, classes=len(source.classes), seed=request.seed, jobs=request.threads
    )
    model.fit(normalised(source.read(split.train), "power"), source.labels[split.train])
    told = model.predict(normalised(source.read(split.test), "power"))
    found = scores(
        np.asarray(told, np.int64),
        source.labels[split.test],
        source.snr[split.test],
        classes=len(source.classes),
    )
    return Entry(found, time.monotonic() - began, {}, {})
