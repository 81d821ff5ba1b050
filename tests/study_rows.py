"""Rows of studies that never ran, with a known slope and known scatter."""

import numpy as np


def study(
    *,
    graphs=6,
    seeds=3,
    degrees=(4,),
    slope=-1.0,
    graph_scatter=0.0,
    seed_shift=0.0,
    run_scatter=0.0,
    slope_scatter=0.0,
    own_graphs=False,
    seed=0,
):
    """One run a degree, graph and seed; slope in points per hop, scatter in points.

    `own_graphs` gives each run a graph of its own, slightly shorter or longer than its level.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for degree in degrees:
        lengths = np.linspace(1.5, 2.5, graphs) + (6 - degree) / 4
        offsets = graph_scatter * rng.normal(size=(graphs, seeds if own_graphs else 1))
        offsets = np.broadcast_to(offsets, (graphs, seeds))
        shifts, turns = rng.normal(size=(2, seeds)) * [[seed_shift], [slope_scatter]]
        scatter = run_scatter * rng.normal(size=(graphs, seeds))
        for g, length in enumerate(lengths.tolist()):
            for s in range(seeds):
                aspl = length + (0.001 * rng.normal() if own_graphs else 0.0)
                points = 50 + degree + (slope + turns[s]) * (aspl - 2)
                points += offsets[g, s] + shifts[s] + scatter[g, s]
                rows.append(
                    row(
                        degree=degree,
                        level=length,
                        seed=s,
                        graph=f"graph-{degree}-{g}" + f"-{s}" * own_graphs,
                        accuracy=points / 100,
                        aspl=aspl,
                        clustering=0.1 * length**2,
                        diameter=3,
                    )
                )
    return rows


def row(**fields):
    """A finished run of a searched graph, with some fields set."""
    plain = {
        "status": "done",
        "role": "family",
        "family": "searched",
        "nodes": 16,
        "degree": 4,
        "density": fields.get("degree", 4) / 16 if fields.get("degree", 4) else 1.0,
        "level": None,
        "seed": 0,
        "graph": "graph",
        "accuracy": 0.5,
        "aspl": 2.0,
    }
    return plain | fields
