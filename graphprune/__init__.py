"""Graph-theoretic pruning: regular graphs as sparsity patterns of neural networks.

What needs torch is imported when it is first asked for, so `import graphprune` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphprune.nn.counting import count as count
    from graphprune.nn.masking import strip as strip
    from graphprune.nn.pruning import plan as plan
    from graphprune.nn.pruning import prune as prune

_LAZY = {
    "count": "graphprune.nn.counting",
    "plan": "graphprune.nn.pruning",
    "prune": "graphprune.nn.pruning",
    "strip": "graphprune.nn.masking",
}

__all__ = ["count", "plan", "prune", "strip"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'graphprune' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
