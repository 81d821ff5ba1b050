"""One model of a bank: its graphs, its network, its training, its files."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import networkx as nx
import torch
from torch import nn

from ggt.bank_folder import GRAPHS, BankFolder, file_hashes, size_of
from ggt.clock import Clock, Row, recipe_key
from ggt.design import Design, member_graphs, member_seed
from ggt.manifest import Member, Preprocessing, Rejected
from ggt.networks import dense_builder, judged, labelled
from ggt.originals import load_original
from ggt.splits import DataRequest, load_splits
from graphprune.allocation import MOST_NODES, Plan
from graphprune.errors import SpecError, TrainingError
from graphprune.graph import GraphSpec, aspl, graph_hash, random_regular
from graphprune.graph.files import sorted_edges
from graphprune.mask import adjacency, expand
from graphprune.nn import (
    compact,
    masks_of,
    plan,
    prune,
    prune_unstructured,
    save_pretrained,
    saved_config,
    trainable,
)
from graphprune.nn.masking import apply_masks
from graphprune.records import remove, write_text
from graphprune.training import Settings, train
from graphprune.whole_folder import filling_folder

Recipe = Settings
LEAST_DEGREE = 2
LOW_RATIO = 0.3  # any layer of 3 channels or more can have this share pruned


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberTask:
    """All that a process needs to make one model; picklable.

    `seed` is the bank's, `least_accuracy` the share of judging images to get right. `builder`
    builds networks that are not of `graphprune.models.MODELS`. `base_hash` and `fingerprint`
    tell trainings on other originals and images apart.
    """

    folder: BankFolder
    index: int
    design: Design
    recipe: Recipe
    seed: int
    data: DataRequest
    preprocessing: Preprocessing
    least_accuracy: float
    base_hash: str
    fingerprint: str
    data_dir: Path | None = None
    builder: str | None = None
    device: str = "cpu"
    threads: int = 1

    @property
    def name(self) -> str:
        """Name of the model's folder."""
        return f"{self.index:03d}"

    @property
    def own_seed(self) -> int:
        """Source of every random choice made for this model."""
        return member_seed(self.seed, self.index)


def design_plan(design: Design, dense: nn.Module) -> Plan | None:
    """Which layers of a network carry the masks of a design; None where nothing is pruned.

    The degree of the plan is that of the design only where every node has the same.

    Raises:
        SpecError: No layer can carry them, or a glob matches none.
    """
    if design.degree is None:
        return None
    degree, nodes = design.degree, design.nodes
    if nodes is None:
        nodes = _usual_nodes(plan(dense, ratio=LOW_RATIO, skip=design.skip), math.ceil(degree))
        nodes -= isinstance(degree, int) and nodes * degree % 2
    whole = degree if isinstance(degree, int) else LEAST_DEGREE
    return plan(dense, nodes=nodes, degree=whole, skip=design.skip)


def build_member(
    dense: nn.Module, made: Plan | None, design: Design, *, seed: int, index: int
) -> tuple[nn.Module, dict[str, nx.Graph]]:
    """Model `index` of a bank before its training.

    Args:
        dense: With the weights to begin with: new ones, or the original's where the design is
            "fine-tuned"; left unchanged.
        made: From `design_plan`.
        design: How to prune.
        seed: The bank's.
        index: From 0.

    Returns:
        The masked network, or the dense one itself where nothing is pruned; and the graph of
        each pruned layer by name.

    Raises:
        SpecError: No graph has these nodes and this degree.
    """
    if made is None:
        return dense, {}
    rescale = design.start == "scratch"
    if design.family == "unstructured":
        own = member_seed(seed, index)
        like = prune(dense, made, graph=random_regular(GraphSpec(made.nodes, made.degree, own)))
        return prune_unstructured(dense, like, seed=own, rescale=rescale), {}
    graphs = member_graphs(design, made, seed=seed, index=index)
    masks = {
        layer.name: expand(
            adjacency(graphs[layer.name]),
            out_channels=layer.out_channels,
            in_channels=layer.in_channels,
        )
        for layer in made.layers
    }
    return apply_masks(dense, masks, rescale=rescale), graphs


def train_member(
    task: MemberTask, on_epoch: Callable[[Row], None] | None = None
) -> Member | Rejected:
    """Make, train and judge one model; keep it in the bank's folder if it is good enough.

    An interrupted training goes on from its checkpoint. Torch's number of threads is set for
    this process. Checkpoints stay for the caller to remove.

    Args:
        task: What to make.
        on_epoch: Called with each epoch's figures.

    Returns:
        The entry for the bank's manifest, which lists the model's files if it is kept.

    Raises:
        SpecError: The network cannot be pruned as the design says.
        FileError: A file is missing, damaged or cannot be written.
        MismatchError: The builder gives another network than the original's.
    """
    torch.set_num_threads(task.threads)
    splits = load_splits(task.data, task.data_dir)
    network, graphs = _network(task)
    clock = Clock(checkpoint_of(task))
    reason, accuracy = "", None
    try:
        train(
            network,
            labelled(splits.train, task.preprocessing),
            replace(task.recipe, seed=task.own_seed),
            checkpoint=clock.checkpoint,
            device=task.device,
            on_epoch=clock.wrapped(on_epoch),
        )
        seconds = clock.seconds()
        accuracy = judged(network.cpu().eval(), labelled(splits.judge, task.preprocessing))
    except TrainingError:
        seconds, reason = clock.seconds(), "the training diverged"
    if accuracy is not None and accuracy < task.least_accuracy:
        reason = f"accuracy {accuracy:.4f} is below {task.least_accuracy:.4f}"
    if reason or accuracy is None:
        return Rejected(
            index=task.index,
            design=task.design,
            seed=task.own_seed,
            recipe=task.recipe,
            accuracy=accuracy,
            reason=reason,
            seconds=seconds,
        )
    files = _save(task, network, graphs)
    distinct = _distinct(graphs)
    return Member(
        index=task.index,
        design=task.design,
        seed=task.own_seed,
        recipe=task.recipe,
        graphs=tuple(distinct),
        aspl=_mean([aspl(graph) for graph in distinct.values()]),
        degree_mean=_mean([2 * g.number_of_edges() / len(g) for g in distinct.values()]),
        accuracy=accuracy,
        files=files,
        bytes=size_of(task.folder.member(task.name), files),
        seconds=seconds,
    )


def _usual_nodes(every: Plan, degree: int) -> int:
    """Width of the narrowest layer that a graph of this degree thins out, at most 64."""
    least = degree + 2
    widths = [layer.width for layer in every.layers]
    if not (wide := [width for width in widths if width >= least]):
        raise SpecError(
            f"degree {degree} needs a layer of at least {least} channels, the widest that can "
            f"be pruned has {max(widths)}"
        )
    return min(*wide, max(MOST_NODES, least))


def checkpoint_of(task: MemberTask) -> Path:
    """File of a training's checkpoint; other requests for the same index have another."""
    key = recipe_key(
        task.design, task.recipe, task.seed, task.data, task.base_hash, task.fingerprint
    )
    return task.folder.checkpoints / f"{task.name}-{key}.safetensors"


def _network(task: MemberTask) -> tuple[nn.Module, dict[str, nx.Graph]]:
    """The network as it is trained, and its graphs."""
    if task.design.start == "fine-tuned":
        dense = load_original(task.folder, task.builder, dense=True)
    else:
        build = dense_builder(saved_config(task.folder.base), task.builder)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(task.own_seed)
            dense = build()
    made = design_plan(task.design, dense)
    network, graphs = build_member(dense, made, task.design, seed=task.seed, index=task.index)
    return (network if made is None else trainable(network)), graphs


def _save(
    task: MemberTask, network: nn.Module, graphs: Mapping[str, nx.Graph]
) -> dict[str, str]:
    """Write a trained model's folder; hashes of its files by name."""
    target = task.folder.member(task.name)
    remove(target)  # what an interrupted process left; the manifest does not list it
    config = saved_config(task.folder.base)
    keys = ["model", "classes", "in_channels", "size", "mean", "std"]
    if task.preprocessing.signal is not None:
        keys += ["signal_scale", "normalise"]
    with filling_folder(target) as place:
        small = compact(network).eval() if masks_of(network) else network
        save_pretrained(small, place, config={key: config[key] for key in keys})
        if graphs:
            write_text(place / GRAPHS, json.dumps(_graphs_body(graphs)) + "\n")
    return file_hashes(target)


def _graphs_body(graphs: Mapping[str, nx.Graph]) -> dict[str, Any]:
    distinct = _distinct(graphs)
    return {
        "format": "graphprune-bank-graphs",
        "version": 1,
        "layers": {layer: graph_hash(graph) for layer, graph in graphs.items()},
        "graphs": {
            digest: {"nodes": len(graph), "edges": sorted_edges(graph)}
            for digest, graph in distinct.items()
        },
    }


def _distinct(graphs: Mapping[str, nx.Graph]) -> dict[str, nx.Graph]:
    """Different graphs by hash, in the order of the layers."""
    return {graph_hash(graph): graph for graph in graphs.values()}


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
