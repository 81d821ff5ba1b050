"""Saved models of format version 1: dense weights with zeros, one graph, listed layers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from graphprune.errors import FileError
from graphprune.graph import graph_hash
from graphprune.mask import DIALECTS
from graphprune.nn.card_checks import Fields, check_edges
from graphprune.nn.mask_index import GraphIndex, mask_of
from graphprune.nn.model_card import MOST_NODES, LayerCard, ModelCard
from graphprune.nn.stored_state import weight_key

FIRST_VERSION = 1


def saved_of_first(
    body: Mapping[str, Any], tensors: Mapping[str, Tensor], *, name: str
) -> tuple[ModelCard, dict[str, Tensor]]:
    """Card and tensors of a folder of format version 1, as the present version has them.

    Args:
        body: The JSON object of `config.json`.
        tensors: State of the dense model, masks folded in.
        name: Stands in error messages.

    Raises:
        FileError: A field is missing, of a wrong type, out of range or contradicts another.
    """
    config = {key: value for key, value in body.items() if key not in ("format", "version")}
    stored, layers = dict(tensors), {}
    if "graph" in body:
        fields = Fields(body, name)
        index = GraphIndex(_graph_of(fields.part("graph")), fields.choice("dialect", DIALECTS))
        for layer in _layer_names(fields):
            key = weight_key(layer.text("name"))
            layers[layer.text("name")] = card = _layer_of(layer, stored.get(key), index)
            stored[key] = stored[key][_full_mask(card)]
    return ModelCard(
        form="masked" if layers else "dense",
        file="model.safetensors",
        sha256="",
        layers=layers,
        config=config,
    ), stored


def _layer_names(fields: Fields) -> list[Fields]:
    layers = fields.body.get("layers")
    if not isinstance(layers, list) or not all(isinstance(one, dict) for one in layers):
        raise fields.wrong("layers", "a list of objects")
    found = [Fields(one, f"{fields.name}: layer {i}") for i, one in enumerate(layers)]
    names = [layer.text("name") for layer in found]
    if len(set(names)) < len(names):
        raise fields.wrong("layers", "listed once each")
    return found


def _graph_of(fields: Fields) -> nx.Graph:
    graph = nx.Graph()
    nodes = fields.count("nodes", least=2, most=MOST_NODES)
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(check_edges(fields, nodes))
    if graph_hash(graph) != fields.text("hash"):
        raise FileError(f"{fields.name}: edges have another hash than the file says")
    return graph


def _layer_of(fields: Fields, weight: Tensor | None, index: GraphIndex) -> LayerCard:
    """The card of a layer, whose dense weight must be zero where the graph prunes it."""
    name = fields.text("name")
    if weight is None or weight.ndim < 2 or min(weight.shape[:2]) < len(index.graph):
        raise FileError(f"{fields.name}: {name} has no weight that the graph fits")
    card = LayerCard(kind=fields.text("kind"), shape=tuple(weight.shape), kept=0, mask=index)
    mask = _full_mask(card)
    if weight[~mask].count_nonzero():
        raise FileError(f"{fields.name}: {name} has weights that the graph prunes")
    return replace(card, kept=int(mask.sum()))


def _full_mask(card: LayerCard) -> Tensor:
    """Mask of a layer in the shape of its weight."""
    mask = torch.from_numpy(mask_of(card.mask, card.shape))
    return mask.reshape(*mask.shape, *[1] * (len(card.shape) - mask.ndim)).expand(card.shape)
