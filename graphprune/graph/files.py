"""The one graph file format: an edge list, its hash, and how the graph was found."""

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx

from graphprune.errors import FileError
from graphprune.graph.table import neighbour_table
from graphprune.records import read_json_object, read_text, write_text

FORMAT = "graphprune-graph"
FORMAT_VERSION = 1


def write_graph(graph: nx.Graph, path: Path | str, *, found: Mapping[str, Any] = {}) -> None:
    """Write a simple undirected graph on 0..n-1 as JSON, whole or not at all.

    Args:
        graph: Any simple graph on nodes 0..n-1.
        path: File to write; an existing one is replaced.
        found: How the graph was found (method, seed, steps, path length); JSON types only.

    Raises:
        SpecError: The graph has loops, parallel or directed edges, or other labels.
        FileError: The file cannot be written.
    """
    neighbour_table(graph)
    body = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "nodes": len(graph),
        "hash": graph_hash(graph),
        "found": dict(found),
        "edges": sorted_edges(graph),
    }
    write_text(Path(path), json.dumps(body) + "\n")


def read_graph(path: Path | str) -> nx.Graph:
    """Read a graph that `write_graph` wrote; how it was found is in `graph.graph["found"]`.

    Raises:
        FileError: The file is missing, of another format, or its edges are damaged.
    """
    path = Path(path)
    body = read_json_object(
        read_text(path), name=str(path), format=FORMAT, version=FORMAT_VERSION
    )
    nodes, edges = body.get("nodes"), body.get("edges")
    if type(nodes) is not int or nodes < 2:
        raise FileError(f"{path}: nodes must be an integer of at least 2, got {nodes!r}")
    if not isinstance(edges, list):
        raise FileError(f"{path}: edges must be a list, got {type(edges).__name__}")
    pairs = _checked_edges(edges, nodes, path)
    if (found := _hash(nodes, pairs)) != body.get("hash"):
        raise FileError(f"{path}: edges have hash {found}, the file says {body.get('hash')}")
    graph = nx.Graph(found=body.get("found", {}))
    graph.add_nodes_from(range(nodes))
    graph.add_edges_from(pairs)
    return graph


def graph_hash(graph: nx.Graph) -> str:
    """SHA-256 of node count and sorted edges, as 64 hexadecimal digits: equal graphs only."""
    return _hash(len(graph), sorted_edges(graph))


def sorted_edges(graph: nx.Graph) -> list[list[int]]:
    """Edges as [smaller, larger] node, in order."""
    return sorted([int(min(edge)), int(max(edge))] for edge in graph.edges)


def _hash(nodes: int, edges: list[list[int]]) -> str:
    text = json.dumps([nodes, edges], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _checked_edges(edges: list[Any], nodes: int, path: Path) -> list[list[int]]:
    """Edges as `sorted_edges` gives them."""
    for edge in edges:
        pair = isinstance(edge, list) and len(edge) == 2
        if not pair or not all(type(v) is int and 0 <= v < nodes for v in edge):
            raise FileError(f"{path}: edge {edge!r} is no pair of nodes in 0..{nodes - 1}")
        if edge[0] == edge[1]:
            raise FileError(f"{path}: edge {edge!r} joins a node to itself")
    pairs = sorted(sorted(edge) for edge in edges)
    for edge, following in pairwise(pairs):
        if edge == following:
            raise FileError(f"{path}: edge {edge} is listed twice")
    return pairs
