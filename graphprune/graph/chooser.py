"""The best graph for a size and degree: constructions, symmetric and free searches compete."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

import networkx as nx

from graphprune.errors import SpecError
from graphprune.graph.build import random_regular
from graphprune.graph.contestant import Contestant, State
from graphprune.graph.effort import Effort
from graphprune.graph.free_chain import WalkChain, engine
from graphprune.graph.lift import groups
from graphprune.graph.lift_chain import LIFT_RUN, LiftChain
from graphprune.graph.measures import least_hops
from graphprune.graph.named import candidates, named_graph
from graphprune.graph.race import Race, Save
from graphprune.graph.repair import repair
from graphprune.graph.result import (
    Progress,
    SearchResult,
    connected_total,
    in_hops,
    result_at_once,
    result_of,
)
from graphprune.graph.shipped import shipped_graph
from graphprune.graph.spec import GraphSpec
from graphprune.graph.table import Table, regular_table

Family = Literal["shipped", "construction", "symmetric", "free"]
FAMILIES: tuple[Family, ...] = get_args(Family)
FREE_NODES = 100  # up to here long free searches beat all but exact constructions
FEW_GROUPS, MANY_GROUPS = 12, 40
MOST_CONSTRUCTIONS = 3


def best_graph(
    spec: GraphSpec,
    *,
    seconds: float | None = None,
    steps: int | None = None,
    threads: int = 1,
    families: Sequence[Family] = FAMILIES,
    progress: Progress | None = None,
    save: Save | None = None,
    state: State | None = None,
) -> SearchResult:
    """The shortest graph that shipped graphs, constructions and searches find in the time.

    Shipped and algebraic graphs that meet the lower bound are returned at once. Else they,
    repaired where they have another size or degree, compete with searches among symmetric
    graphs and among all graphs; after each round the worse half drops out, and the last round
    also polishes the leader by free swaps. Ctrl-C ends the search with the best graph so far.

    Args:
        spec: Nodes and degree; its seed is the source of every random choice.
        seconds: Wall-clock time of the race, compilation not counted. Proposals are counted
            out by measured speed, so results need not repeat.
        steps: Proposals in each thread, dealt out by estimated cost; equal specs, families,
            steps and threads give equal graphs.
        threads: Independent chains of every contestant, one a thread.
        families: Which contestants to admit; "free" is the one that needs no luck.
        progress: Called now and then with the share done in [0, 1] and the best ASPL.
        save: Called now and then with the state of the race, JSON types.
        state: What `save` was last given, to go on with an interrupted race of the same
            arguments.

    Returns:
        The best graph met; `method` says which contestant found it, `race` what each reached.

    Raises:
        SpecError: An argument is out of range or a family unknown.
    """
    effort = Effort(seconds=seconds, steps=steps, seed=spec.seed, threads=threads)
    if unknown := [family for family in families if family not in FAMILIES]:
        raise SpecError(f"families must be of {', '.join(FAMILIES)}, got {unknown[0]!r}")
    target = spec.nodes * least_hops(spec.nodes, spec.degree)
    began = time.monotonic()
    free = regular_table(random_regular(spec))
    start = connected_total(free)
    starts = _starts(spec, families)
    totals = {name: connected_total(table) for name, table in starts.items()}
    for name, total in totals.items():
        if total == target:
            return result_at_once(
                starts[name],
                effort,
                total=total,
                start=start,
                method=name,
                seconds=time.monotonic() - began,
            )
    most = FEW_GROUPS if seconds is None else min(MANY_GROUPS, max(FEW_GROUPS, int(seconds)))
    contestants = _contestants(spec, families, starts, free, target, most)
    if seconds is not None:  # building the starts is part of the time
        effort = replace(effort, seconds=max(0.0, seconds - time.monotonic() + began))
    race = Race(
        contestants, effort, progress=in_hops(progress, spec.nodes), save=save, state=state
    )
    race.run()
    return result_of(race, effort, start=start)


def _starts(spec: GraphSpec, families: Sequence[Family]) -> dict[str, Table]:
    """Shipped and algebraic graphs of this size, repaired where need be, by what they are."""
    found = {}
    if "shipped" in families and (graph := shipped_graph(spec.nodes, spec.degree)) is not None:
        found[f"shipped ({graph.graph['method']})"] = regular_table(graph)
    if "construction" in families:
        for near in candidates(spec.nodes, spec.degree)[:MOST_CONSTRUCTIONS]:
            built = named_graph(near.name)
            graph = repair(built, spec)
            exact = nx.utils.edges_equal(built.edges, graph.edges)
            name = (
                f"construction {near.name}" if exact else f"construction {near.name}, repaired"
            )
            found[name] = regular_table(graph)
    return found


def _contestants(
    spec: GraphSpec,
    families: Sequence[Family],
    starts: Mapping[str, Table],
    free: Table,
    target: int,
    most_groups: int,
) -> list[Contestant]:
    """Who takes part in the race."""
    nodes, degree = spec.nodes, spec.degree
    kind = engine(nodes, degree)
    polish = partial(kind, target=target, polish=True)
    small = nodes <= FREE_NODES and kind is WalkChain
    found = [
        Contestant(
            f"{name}, then swaps", partial(polish, table), kind.length, family="construction"
        )
        for name, table in starts.items()
    ]
    if "symmetric" in families:
        for group in groups(nodes, degree)[:most_groups]:
            make = partial(LiftChain, nodes, degree, group, target=target)
            found.append(
                Contestant(f"symmetric {group.name}", make, LIFT_RUN, family="symmetric")
            )
    if "free" in families or not starts:
        for heat in kind.heats:
            make_free = partial(kind, free, target=target, heat=heat)
            name = f"free swaps at {heat.hot:g} to {heat.cold:g}"
            family = f"free {heat.hot}" if small else "free"
            favourite = small and heat is kind.heats[0]
            found.append(
                Contestant(name, make_free, kind.length, family=family, favourite=favourite)
            )
    found.append(Contestant("free swaps on the leader", polish, kind.length, finisher=True))
    return found
