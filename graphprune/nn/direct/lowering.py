"""From the traced graph of a network to the programs of its fast regions.

A region is a run of nodes, in order of execution, each of which has a form on planes. What has
none ends the region and stays what it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import fx, nn

from graphprune.nn.direct import columns as at
from graphprune.nn.direct.draft import Draft, NoForm
from graphprune.nn.direct.forms import add_node
from graphprune.nn.direct.layout import Operation
from graphprune.nn.direct.program import Program, assemble


@dataclass(frozen=True, slots=True)
class Region:
    """Nodes that one program replaces; `inputs` come from outside, `outputs` are read there."""

    nodes: tuple[fx.Node, ...]
    inputs: tuple[fx.Node, ...]
    outputs: tuple[fx.Node, ...]
    program: Program


def find_regions(graph: fx.Graph, modules: Mapping[str, nn.Module]) -> list[Region]:
    """Every maximal run of nodes with a form, if it holds a compact layer marked "direct".

    Args:
        graph: Traced; every node's `meta` holds its result for a batch of `draft.EXAMPLES`
            images under "example".
        modules: The network's modules by name; in evaluation mode.
    """
    drafts = [Draft()]
    for node in graph.nodes:
        if node.op in ("placeholder", "output"):
            continue
        try:
            add_node(drafts[-1], node, modules)
        except NoForm:
            drafts.append(Draft())
            try:
                add_node(drafts[-1], node, modules)
            except NoForm:
                continue
    return [_region(draft) for draft in drafts if draft.compact]


def _region(draft: Draft) -> Region:
    inside = set(draft.nodes)
    outputs = [node for node in draft.nodes if any(user not in inside for user in node.users)]
    unpacked = [
        Operation(kind=at.UNPACK, source=draft.value(node), number=number)
        for number, node in enumerate(outputs)
    ]
    program = assemble([*draft.operations, *unpacked])
    return Region(tuple(draft.nodes), tuple(draft.inputs), tuple(outputs), program)
