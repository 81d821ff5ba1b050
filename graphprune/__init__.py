"""Graph-theoretic pruning: regular graphs as sparsity patterns of neural networks.

What needs torch is imported when it is first asked for, so `import graphprune` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphprune.nn.compaction import compact as compact
    from graphprune.nn.compaction import expand as expand
    from graphprune.nn.counting import count as count
    from graphprune.nn.exporting import export_onnx as export_onnx
    from graphprune.nn.importing import adopt as adopt
    from graphprune.nn.importing import adopt_zeros as adopt_zeros
    from graphprune.nn.masking import strip as strip
    from graphprune.nn.projecting import nearest_graphs as nearest_graphs
    from graphprune.nn.pruning import plan as plan
    from graphprune.nn.pruning import prune as prune
    from graphprune.nn.saving import save_pretrained as save_pretrained
    from graphprune.nn.wiring import topology as topology
    from graphprune.pretrained import from_pretrained as from_pretrained

_LAZY = {
    "adopt": "graphprune.nn.importing",
    "adopt_zeros": "graphprune.nn.importing",
    "nearest_graphs": "graphprune.nn.projecting",
    "compact": "graphprune.nn.compaction",
    "count": "graphprune.nn.counting",
    "expand": "graphprune.nn.compaction",
    "export_onnx": "graphprune.nn.exporting",
    "from_pretrained": "graphprune.pretrained",
    "plan": "graphprune.nn.pruning",
    "prune": "graphprune.nn.pruning",
    "save_pretrained": "graphprune.nn.saving",
    "strip": "graphprune.nn.masking",
    "topology": "graphprune.nn.wiring",
}

__all__ = [
    "adopt",
    "adopt_zeros",
    "compact",
    "count",
    "expand",
    "export_onnx",
    "from_pretrained",
    "nearest_graphs",
    "plan",
    "prune",
    "save_pretrained",
    "strip",
    "topology",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'graphprune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
