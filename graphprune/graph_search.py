"""One graph search from request to run folder; no torch."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import networkx as nx

from graphprune.errors import FileError, MismatchError, SpecError
from graphprune.graph import (
    SearchResult,
    approach,
    best_graph,
    graph_hash,
    lengthen,
    measure,
    random_regular,
    read_graph,
    ring_lattice,
    shorten,
    write_graph,
)
from graphprune.graph.chooser import Family
from graphprune.graph.effort import usual_steps
from graphprune.graph.evenness import EvenResult, even_out
from graphprune.graph_request import GraphRequest
from graphprune.monitor import Monitor
from graphprune.records import (
    Record,
    cannot_write,
    read_json_object,
    read_text,
    write_text,
)
from graphprune.report import plot_graph, plot_search
from graphprune.run_folder import RunFolder

LEAST_EVEN_SECONDS = 1.0
STATE = "search.json"
STATE_FORMAT, STATE_VERSION = "graphprune-search", 1
FILES = {"run": "", "record": "record.json", "graph": "graph.json", "plots": "plots"}


def describe(request: GraphRequest) -> Record:
    """What is known before any search: the start graph's measures beside the bound."""
    start = _start(request)
    return Record(
        command="graph --dry-run",
        settings=asdict(request),
        values={"graph": graph_values(start)},
        seconds=0.0,
    )


def search(request: GraphRequest, folder: RunFolder, tell: Monitor) -> Record:
    """Search, and leave a whole run folder behind.

    The state of the search is kept in the unfinished folder; one found there is gone on with.

    Raises:
        MismatchError: The unfinished search was asked for something else.
        SpecError: The start graph has another size or degree, or an aim cannot be reached.
        SearchError: The start graph is not connected.
        FileError: A file is missing, damaged or cannot be written.
    """
    began = time.monotonic()
    start = _start(request)
    state = _saved_state(request, folder)
    tell.stage(f"searching a graph of {request.nodes} nodes and degree {request.degree}")
    found = _search(start, request, tell, state, folder)
    even = None
    if request.towards == "shorter" and found.saturated and not found.interrupted:
        even = _even_out(found, request, tell)
        found = replace(found, graph=even.graph)
    values = graph_values(found.graph, found, even)
    files = {name: str(folder.target / path) for name, path in FILES.items()}
    record = Record(
        command="graph",
        settings=asdict(request),
        values={"graph": values, "files": files},
        seconds=time.monotonic() - began,
    )
    with folder.filling() as place:
        write_graph_files(found.graph, found, values, place)
        write_text(place / "record.json", record.to_json())
    return record


def _even_out(found: SearchResult, request: GraphRequest, tell: Monitor) -> EvenResult:
    """Go on by evenness, in the steps asked for or the time that is left, at least a second."""
    tell.stage("diameter 2: ASPL tells graphs apart no more, so walks are evened out")
    seconds = None
    if request.seconds is not None:
        seconds = max(LEAST_EVEN_SECONDS, request.seconds - found.seconds)
    steps = request.steps
    if steps is None and seconds is None:
        steps = usual_steps(request.nodes, request.degree)
    return even_out(
        found.graph,
        steps=steps,
        seconds=seconds,
        seed=request.seed,
        progress=lambda share, variance: tell.progress(share, f"variance {variance:.4f}"),
    )


def graph_values(
    graph: nx.Graph, found: SearchResult | None = None, even: EvenResult | None = None
) -> dict[str, Any]:
    """A graph's measures and, where it was searched for, how it was found and evened out."""
    values = asdict(measure(graph)) | {"hash": graph_hash(graph)}
    if found is not None:
        values |= {
            "aspl_start": found.aspl_start,
            "method": found.method,
            "steps": found.steps,
            "evaluations": found.evaluations,
            "seconds": found.seconds,
            "seed": found.seed,
            "threads": found.threads,
            "interrupted": found.interrupted,
            "race": [{"name": name, "aspl": aspl} for name, aspl in found.race],
        }
    if even is not None:
        values["evenness"] = {
            "before": asdict(even.before),
            "after": asdict(even.after),
            "steps": even.steps,
            "evaluations": even.evaluations,
            "seconds": even.seconds,
        }
    return values


def _start(request: GraphRequest) -> nx.Graph:
    if request.start == "random":
        return random_regular(request.spec)
    if request.start == "ring-lattice":
        return ring_lattice(request.spec)
    graph = read_graph(Path(request.start))
    degrees = {degree for _, degree in graph.degree}
    if len(graph) != request.nodes or degrees != {request.degree}:
        raise SpecError(
            f"{request.start}: has {len(graph)} nodes of degree {sorted(degrees)}, asked for "
            f"{request.nodes} nodes of degree {request.degree}"
        )
    return graph


def _saved_state(request: GraphRequest, folder: RunFolder) -> Mapping[str, Any] | None:
    """The state of the unfinished search in a folder, None where nothing was saved."""
    path = folder.checkpoints / STATE
    if not path.exists():
        return None
    body = read_json_object(
        read_text(path), name=str(path), format=STATE_FORMAT, version=STATE_VERSION
    )
    if not (isinstance(body.get("settings"), dict) and isinstance(body.get("state"), dict)):
        raise FileError(f"{path}: settings and state must be objects")
    asked = json.loads(json.dumps(asdict(request)))
    for name, value in asked.items():
        if (kept := body["settings"].get(name)) != value:
            raise MismatchError(
                f"{folder.partial}: asked for {name} {kept} then, for {value} now"
            )
    state: Mapping[str, Any] = body["state"]
    return state


def _search(
    start: nx.Graph,
    request: GraphRequest,
    tell: Monitor,
    state: Mapping[str, Any] | None,
    folder: RunFolder,
) -> SearchResult:
    def save(state: Mapping[str, Any]) -> None:
        path = folder.checkpoints / STATE
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path.parent, error) from error
        body = {"format": STATE_FORMAT, "version": STATE_VERSION, "settings": asdict(request)}
        write_text(path, json.dumps(body | {"state": state}))

    options: dict[str, Any] = {
        "seconds": request.seconds,
        "steps": request.steps,
        "threads": request.threads,
        "progress": lambda share, aspl: tell.progress(share, f"ASPL {aspl:.4f}"),
        "save": save,
        "state": state,
    }
    if request.method == "race":
        families = cast("tuple[Family, ...]", request.families)
        return best_graph(request.spec, families=families, **options)
    if request.steps is None and request.seconds is None:
        options["steps"] = usual_steps(request.nodes, request.degree)
    options |= {"seed": request.seed, "method": request.method}
    if request.towards == "shorter":
        return shorten(start, **options)
    if request.towards == "longer":
        return lengthen(start, **options)
    return approach(start, float(request.towards), **options)


def write_graph_files(
    graph: nx.Graph, found: SearchResult | None, values: Mapping[str, Any], place: Path
) -> None:
    """Write `graph.json` and the pictures of a graph and its search into a folder.

    Args:
        graph: Regular graph on 0..n-1.
        found: The search's result, or None where the graph was given.
        values: As `graph_values` gives them; they are kept in the graph file.
        place: Folder that exists.

    Raises:
        FileError: A file cannot be written.
    """
    write_graph(graph, place / "graph.json", found=values)
    plots = place / "plots"
    try:
        plots.mkdir(exist_ok=True)
    except OSError as error:
        raise cannot_write(plots, error) from error
    title = f"{values['nodes']} nodes, degree {values['degree']}, ASPL {values['aspl']:.4f}"
    plot_graph(graph, plots / "graph.png", title=title)
    if found is not None:
        plot_search(
            found.history,
            plots / "search.png",
            bound=found.bound,
            expectation=values["aspl_random"],
            title=title,
        )
