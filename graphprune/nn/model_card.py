"""What `config.json` says of a saved model: written, read back and checked field by field."""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import networkx as nx

from graphprune.errors import FileError
from graphprune.graph import graph_hash
from graphprune.graph.files import sorted_edges
from graphprune.mask import DIALECTS
from graphprune.nn.card_checks import Fields, check_edges
from graphprune.nn.kept_weights import FALLBACKS, LAYOUTS
from graphprune.nn.level_card import LevelsCard, kept_weights, read_levels
from graphprune.nn.mask_index import BitIndex, GraphIndex

FORMAT = "graphprune-model"
FORMAT_VERSION = 2
# Of nested models alone: whoever knows version 2 only would take their statistics for tensors
# of another network, and is told a version that is not supported instead.
NESTED_VERSION = 3
Form = Literal["masked", "compact", "dense"]
FORMS: tuple[Form, ...] = ("masked", "compact", "dense")
MOST_NODES = 100_000
LAYER_FIELDS = (
    *("kind", "shape", "kept", "ratio", "mask", "layout", "fallback", "reason"),
    *("groups", "width", "fan_in"),
)
CARD = "config.json"
WEIGHTS = "model.safetensors"
LATER_WEIGHTS = re.compile(r"model-[0-9]{1,9}\.safetensors")
FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerCard:
    """One pruned layer: which weights it keeps, and how its compact form computes.

    `shape` is that of the dense weight, `kept` a count of weights. `mask` is a graph, or tiles
    whose bits the weights file holds. `layout`, `fallback`, `groups`, `width` and `fan_in` are
    those of `compaction_report`; empty texts and zeros where the model was saved masked.
    """

    kind: str
    shape: tuple[int, ...]
    kept: int
    mask: GraphIndex | BitIndex
    layout: str = ""
    fallback: str = ""
    reason: str = ""
    groups: int = 0
    width: int = 0
    fan_in: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ModelCard:
    """A saved model without its numbers.

    `file` is the name of the weights file, `sha256` its hash. `shared` maps names of tensors to
    the name under which the same tensor is stored; `buffers` tells the dtypes of floating
    buffers that are not stored. `achieved` holds counts and ratios of the whole model,
    `config` is the caller's own. `levels` is there for a nested model: all else is then said
    of its densest level.
    """

    form: Form
    file: str
    sha256: str
    layers: Mapping[str, LayerCard] = field(default_factory=dict)
    shared: Mapping[str, str] = field(default_factory=dict)
    buffers: Mapping[str, str] = field(default_factory=dict)
    achieved: Mapping[str, float] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    levels: LevelsCard | None = None

    def to_json(self) -> str:
        """The card as one JSON object, a line for each field.

        Raises:
            ValueError: `config` holds a number that JSON has no word for.
            TypeError: `config` holds something else than JSON types.
        """
        body = {
            "format": FORMAT,
            "version": NESTED_VERSION if self.levels else FORMAT_VERSION,
            "form": self.form,
            "weights": {"file": self.file, "sha256": self.sha256},
            "layers": {name: _layer_body(layer) for name, layer in self.layers.items()},
            "graphs": _graph_bodies(self.layers, self.levels),
            **({"levels": self.levels.body()} if self.levels else {}),
            "shared": dict(self.shared),
            "buffers": dict(self.buffers),
            "achieved": dict(self.achieved),
            "versions": dict(self.versions),
            "config": dict(self.config),
        }
        body["structure_sha256"] = structure_hash(body)
        lines = (f"  {json.dumps(key)}: {_dumps(value)}" for key, value in body.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"


def structure_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 of everything in `config.json` that the model's structure depends on."""
    parts = [body[key] for key in ("form", "layers", "graphs", "shared", "buffers")]
    if body.get("version") == NESTED_VERSION:
        parts.append(body.get("levels"))
    text = json.dumps(parts, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def card_of(body: Mapping[str, Any], *, name: str) -> ModelCard:
    """The card that a parsed `config.json` of format version 2 or 3 tells.

    Args:
        body: The JSON object.
        name: Stands in error messages.

    Raises:
        FileError: A field is missing, of a wrong type, out of range or contradicts another.
    """
    fields = Fields(body, name)
    form = fields.choice("form", FORMS)
    weights = fields.part("weights")
    file = weights.text("file")
    if file != WEIGHTS and not LATER_WEIGHTS.fullmatch(file):
        raise FileError(f"{name}: weights file {file!r} is no name that is written here")
    graphs = {key: _graph_of(key, part) for key, part in fields.part("graphs").parts().items()}
    layers = {
        key: _layer_of(part, graphs) for key, part in fields.part("layers").parts().items()
    }
    if (form == "dense") == bool(layers):
        raise FileError(f"{name}: a {form} model with {len(layers)} pruned layers")
    levels = None
    if body["version"] == NESTED_VERSION:
        shapes = [layer.shape for layer in layers.values()]
        levels = read_levels(fields.part("levels"), graphs, shapes)
        _check_densest(form, layers, levels, name)
    buffers = fields.part("buffers")
    card = ModelCard(
        form=form,
        file=file,
        sha256=weights.text("sha256"),
        layers=layers,
        shared=fields.part("shared").texts(),
        buffers={key: buffers.choice(key, FLOATS) for key in buffers.names()},
        achieved=fields.part("achieved").body,
        config=fields.part("config").body,
        versions=fields.part("versions").texts(),
        levels=levels,
    )
    if structure_hash(body) != fields.text("structure_sha256"):
        raise FileError(f"{name}: layers and graphs have another hash than the file says")
    return card


def _check_densest(
    form: Form, layers: Mapping[str, LayerCard], levels: LevelsCard, name: str
) -> None:
    """Refuse layers that are not those of a nested model's highest degree."""
    if form != "masked":
        raise FileError(f"{name}: a nested model is stored masked, not {form}")
    graph = levels.graphs[levels.top]
    for key, layer in layers.items():
        follows = (
            isinstance(layer.mask, GraphIndex)
            and graph_hash(layer.mask.graph) == graph_hash(graph)
            and layer.mask.dialect == levels.dialect
        )
        kept = kept_weights(graph, levels.dialect, layer.shape)
        if not follows or (layer.kept, layer.layout) != (kept, ""):
            raise FileError(f"{name}: {key} is not pruned by the graph of degree {levels.top}")


def _layer_body(layer: LayerCard) -> dict[str, Any]:
    size = math.prod(layer.shape)
    mask: dict[str, Any]
    if isinstance(layer.mask, GraphIndex):
        mask = {"graph": graph_hash(layer.mask.graph), "dialect": layer.mask.dialect}
    else:
        tiles = layer.mask
        mask = {"rows": tiles.rows, "columns": tiles.columns, "kernel": tiles.kernel}
    return {
        "kind": layer.kind,
        "shape": list(layer.shape),
        "kept": layer.kept,
        "ratio": 1 - layer.kept / size,
        "mask": mask,
        "layout": layer.layout,
        "fallback": layer.fallback,
        "reason": layer.reason,
        "groups": layer.groups,
        "width": layer.width,
        "fan_in": layer.fan_in,
    }


def _layer_of(fields: Fields, graphs: Mapping[str, nx.Graph]) -> LayerCard:
    fields.only(*LAYER_FIELDS)
    shape = fields.counts("shape", least=1)
    if not 2 <= len(shape) <= 5:
        raise fields.wrong("shape", "2 to 5 counts")
    size, kept = math.prod(shape), fields.count("kept")
    if kept > size or abs(fields.number("ratio") - (1 - kept / size)) > 1e-9:
        raise fields.wrong("kept", f"a count up to {size} that its ratio agrees with")
    layer = LayerCard(
        kind=fields.text("kind"),
        shape=shape,
        kept=kept,
        mask=_mask_of(fields.part("mask"), shape, graphs),
        layout=fields.choice("layout", ("", *LAYOUTS)),
        fallback=fields.choice("fallback", ("", *FALLBACKS)),
        reason=fields.text("reason"),
        groups=fields.count("groups"),
        width=fields.count("width"),
        fan_in=fields.count("fan_in"),
    )
    if (layer.layout == "") != (layer.fallback == ""):
        raise fields.wrong("fallback", "given where a layout is")
    if not layer.groups and layer.layout not in ("", "dense"):
        raise fields.wrong("layout", "dense where there are no groups")
    return layer


def _mask_of(
    fields: Fields, shape: tuple[int, ...], graphs: Mapping[str, nx.Graph]
) -> GraphIndex | BitIndex:
    if "graph" in fields.body:
        fields.only("graph", "dialect")
        graph = graphs[fields.choice("graph", tuple(graphs))]
        if len(graph) > min(shape[:2]):
            raise fields.wrong("graph", f"one of at most {min(shape[:2])} nodes")
        return GraphIndex(graph, fields.choice("dialect", DIALECTS))
    fields.only("rows", "columns", "kernel")
    rows, columns = fields.count("rows", least=1), fields.count("columns", least=1)
    kernel = fields.flag("kernel")
    if shape[0] % rows or shape[1] % columns or (kernel and rows * columns > 1):
        raise fields.wrong("rows", f"tiles that fit shape {shape}")
    return BitIndex(rows, columns, kernel)


def _graph_bodies(layers: Mapping[str, LayerCard], levels: LevelsCard | None) -> dict[str, Any]:
    """Each graph once, by its hash."""
    graphs = [
        layer.mask.graph for layer in layers.values() if isinstance(layer.mask, GraphIndex)
    ]
    graphs += levels.graphs.values() if levels else ()
    return {graph_hash(graph): _graph_body(graph) for graph in graphs}


def _graph_body(graph: nx.Graph) -> dict[str, Any]:
    degrees = sorted({degree for _, degree in graph.degree})
    return {
        "nodes": len(graph),
        "degree": degrees[0] if len(degrees) == 1 else None,
        "edges": sorted_edges(graph),
    }


def _graph_of(hash_: str, fields: Fields) -> nx.Graph:
    """A graph whose edges are sound and have this hash."""
    fields.only("nodes", "degree", "edges")
    graph = nx.Graph()
    nodes = fields.count("nodes", least=2, most=MOST_NODES)
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(check_edges(fields, nodes))
    if graph_hash(graph) != hash_ or _graph_body(graph)["degree"] != fields.body.get("degree"):
        raise FileError(f"{fields.name}: edges have another hash or degree than the file says")
    return graph


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
