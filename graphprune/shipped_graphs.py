"""The shipped graphs as a record: what is claimed of each, and whether it holds; no torch."""

import time
from typing import Any

from graphprune.graph.shipped import Shipped, shipped
from graphprune.monitor import Monitor
from graphprune.records import Record


def list_shipped(tell: Monitor, *, verify: bool) -> Record:
    """Every graph of the table; with `verify` each is rebuilt and counted, and faults named."""
    began = time.monotonic()
    entries = shipped()
    if verify:
        tell.stage(f"rebuilding {len(entries)} graphs")
    graphs = []
    for index, entry in enumerate(entries):
        graphs.append(_facts(entry) | ({"faults": entry.faults()} if verify else {}))
        if verify:
            tell.progress((index + 1) / len(entries), f"{entry.nodes}, {entry.degree}")
    return Record(
        command="graphs",
        settings={"verify": verify},
        values={"graphs": graphs, "faulty": sum(bool(each.get("faults")) for each in graphs)},
        seconds=time.monotonic() - began,
    )


def _facts(entry: Shipped) -> dict[str, Any]:
    return {
        "nodes": entry.nodes,
        "degree": entry.degree,
        "aspl": entry.aspl,
        "aspl_bound": entry.bound,
        "diameter": entry.diameter,
        "method": entry.method,
        "form": next(iter(entry.form)),
    }
