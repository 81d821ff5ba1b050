"""One graph search from request to run folder; no torch."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import networkx as nx

from graphprune.errors import SpecError
from graphprune.graph import (
    GraphSpec,
    SearchResult,
    approach,
    graph_hash,
    lengthen,
    measure,
    random_regular,
    read_graph,
    ring_lattice,
    shorten,
    write_graph,
)
from graphprune.graph.effort import Method, usual_steps
from graphprune.monitor import Monitor
from graphprune.records import Record, cannot_write, write_text
from graphprune.report import plot_graph, plot_search
from graphprune.run_folder import RunFolder

FILES = {"run": "", "record": "record.json", "graph": "graph.json", "plots": "plots"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphRequest:
    """What `graphprune graph` is asked for.

    `start` is "random", "ring-lattice" or the path of a graph file; `towards` is "shorter",
    "longer" or a path length in hops as text. Without `seconds` and `steps` the usual number
    of steps is taken.

    Raises:
        SpecError: No such graph exists, or `towards` is none of these.
    """

    nodes: int
    degree: int
    seconds: float | None = None
    steps: int | None = None
    method: Method = "anneal"
    towards: str = "shorter"
    start: str = "random"
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        GraphSpec(self.nodes, self.degree, self.seed)
        if self.towards not in ("shorter", "longer"):
            try:
                float(self.towards)
            except ValueError:
                raise SpecError(
                    f"towards must be shorter, longer or a number of hops, got {self.towards!r}"
                ) from None

    @property
    def spec(self) -> GraphSpec:
        """The graph asked for."""
        return GraphSpec(self.nodes, self.degree, self.seed)

    @property
    def name(self) -> str:
        """Short name for the run's folder."""
        return f"graph-{self.nodes}x{self.degree}-seed{self.seed}"


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

    Raises:
        SpecError: The start graph has another size or degree, or an aim cannot be reached.
        SearchError: The start graph is not connected.
        FileError: A file is missing, damaged or cannot be written.
    """
    began = time.monotonic()
    start = _start(request)
    tell.stage(f"searching a graph of {request.nodes} nodes and degree {request.degree}")
    found = _search(start, request, tell)
    values = graph_values(found.graph, found)
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


def graph_values(graph: nx.Graph, found: SearchResult | None = None) -> dict[str, Any]:
    """A graph's measures and, where it was searched for, how it was found."""
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


def _search(start: nx.Graph, request: GraphRequest, tell: Monitor) -> SearchResult:
    steps = request.steps
    if steps is None and request.seconds is None:
        steps = usual_steps(request.nodes, request.degree)
    options: dict[str, Any] = {
        "seconds": request.seconds,
        "steps": steps,
        "seed": request.seed,
        "threads": request.threads,
        "method": request.method,
        "progress": lambda share, aspl: tell.progress(share, f"ASPL {aspl:.4f}"),
    }
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
