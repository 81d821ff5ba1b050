"""Chains as JSON and back, to save a long search and go on from there."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

from graphprune.graph.chain import Chain
from graphprune.graph.table import Table


def snapshot(chain: Chain) -> dict[str, Any]:
    """What a chain between two runs needs to go on, as JSON types."""
    best = None
    if chain.best is not None:
        packed = base64.b64encode(chain.best.astype("<i4").tobytes()).decode()
        best = {"shape": list(chain.best.shape), "int32": packed}
    return {
        "runs": chain.runs,
        "steps": chain.steps,
        "evaluations": chain.evaluations,
        "total": chain.total,
        "history": [list(entry) for entry in chain.history],
        "best": best,
    }


def best_of(saved: Mapping[str, Any]) -> Table | None:
    """The best graph in a snapshot, if there was one."""
    best = saved["best"]
    if best is None:
        return None
    flat = np.frombuffer(base64.b64decode(best["int32"]), "<i4")
    return flat.reshape(best["shape"]).astype(np.int32)


def restore(saved: Mapping[str, Any], chain: Chain) -> None:
    """Bring a new chain to where the saved one was."""
    chain.best = best_of(saved)
    chain.runs, chain.steps = saved["runs"], saved["steps"]
    chain.evaluations, chain.total = saved["evaluations"], saved["total"]
    chain.history = [(at, total) for at, total in saved["history"]]
