"""Levels of a saved model: how a nested model is stored, and one level of it taken out."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.nn.level_card import LevelsCard, kept_weights, levels_card
from graphprune.nn.mask_index import GraphIndex, mask_of
from graphprune.nn.nested import NestedModel, check_degree
from graphprune.nn.saved_files import SavedModel
from graphprune.nn.stored_state import bits_key, level_key, weight_key


def add_levels(
    model: NestedModel, tensors: dict[str, Tensor], parts: dict[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What is stored of a nested model, from what is stored of its densest level.

    Args:
        model: The nested model.
        tensors: As `save_pretrained` stores them for `model.densest`.
        parts: The card's fields for it.

    Raises:
        SpecError: Statistics are of a tensor that is stored under another name.
    """
    index = GraphIndex(model.graphs[model.degrees[-1]], model.dialect)
    layers = {name: replace(layer, mask=index) for name, layer in parts["layers"].items()}
    tensors = {key: value for key, value in tensors.items() if key not in map(bits_key, layers)}
    own = model.statistics[model.degrees[0]]
    if odd := sorted(own.keys() - tensors.keys()):
        raise SpecError(f"{odd[0]}: the model shares it or does not store it")
    for degree, statistics in model.statistics.items():
        tensors |= {level_key(key, degree): value for key, value in statistics.items()}
    shapes = [layer.shape for layer in layers.values()]
    levels = levels_card(model.graphs, model.dialect, own, shapes)
    return tensors, parts | {"layers": layers, "levels": levels}


def check_level(saved: SavedModel, degree: int | None) -> None:
    """Refuse a degree that a saved model does not have; None is the densest.

    Raises:
        SpecError: It does not; the message says which there are.
    """
    if degree is None:
        return
    if saved.card.levels is None:
        raise SpecError(f"{saved.folder} is no nested model, so degree={degree!r} says nothing")
    check_degree(degree, tuple(saved.card.levels.graphs), name=str(saved.folder))


def at_level(saved: SavedModel, degree: int | None) -> SavedModel:
    """One level of a saved model as a saved model of its own, without levels.

    Args:
        saved: Its shapes are known to be those of a network at hand.
        degree: As `check_level` lets it through; None: the densest.
    """
    levels = saved.card.levels
    if levels is None:
        return saved
    degree = levels.top if degree is None else degree
    layers, tensors = {}, saved.tensors | dict(_statistics(saved, levels, degree))
    for name, layer in saved.card.layers.items():
        index = GraphIndex(levels.graphs[degree], levels.dialect)
        kept = kept_weights(index.graph, index.dialect, layer.shape)
        layers[name] = replace(layer, mask=index, kept=kept)
        within = mask_of(index, layer.shape)[mask_of(layer.mask, layer.shape)]
        channels = saved.tensors[weight_key(name)].reshape(len(within), -1)  # with kernels
        tensors[weight_key(name)] = channels[torch.from_numpy(within)].flatten()
    others = {level_key(key, lower) for lower in levels.lower for key in levels.own}
    return replace(
        saved,
        card=replace(saved.card, layers=layers, levels=None),
        tensors={key: value for key, value in tensors.items() if key not in others},
    )


def _statistics(
    saved: SavedModel, levels: LevelsCard, degree: int
) -> Iterator[tuple[str, Tensor]]:
    """A level's own tensors under the names that the state dict has for them."""
    if degree != levels.top:
        for key in levels.own:
            yield key, saved.tensors[level_key(key, degree)]
