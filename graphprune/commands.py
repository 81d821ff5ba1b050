"""The command `graphprune`: parses, delegates, prints one result."""

import sys
from pathlib import Path
from typing import Any

import click

from graphprune.method_commands import compare, methods, prune
from graphprune.model_commands import bench, compact, export, inspect
from graphprune.options import RATIO, RUNS, resolve, shared
from graphprune.processes import check_launch, from_main, is_main, part
from graphprune.report_command import report
from graphprune.shell import NEGATIVE, Commands, complain
from graphprune.study_commands import study


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="graphprune")
def main() -> None:
    """Prune neural networks by regular graphs, and search the graphs.

    Exit status: 0 done; 1 a gate such as --min-accuracy failed; 2 wrong usage or unusable
    input; 3 inputs that do not belong together.
    """


@main.command()
@click.option("--ratio", type=RATIO, help="Share of weights to prune. [default: 0.9]")
@click.option("--data", default="digits", help="digits, mnist, fashion-mnist, cifar10, ...")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the official data files. [default: GRAPHPRUNE_DATA, then the cache]",
)
@click.option(
    "--model",
    help="Name, or package.module:function. [default: resnet8-wide on digits, else resnet20]",
)
@shared("nodes", "skip", "dialect")
@click.option(
    "--graph",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Use this graph instead of searching one; without --ratio it sets the ratio.",
)
@click.option(
    "--search-steps",
    type=click.IntRange(min=0),
    help="Swaps to try in the graph search. [default: about a second's worth]",
)
@click.option("--preset", type=click.Choice(["paper"]), help="The published recipe.")
@click.option("--epochs", type=int, help="[default: 20 on digits, else 30]")
@click.option("--batch-size", type=int, help="[default: 64 on digits, else 128]")
@click.option("--optimizer", type=click.Choice(["sgd", "adamw"]), default="sgd")
@click.option("--learning-rate", type=float, help="[default: 0.1 for sgd, 0.001 for adamw]")
@click.option("--weight-decay", type=float, default=5e-4)
@click.option(
    "--schedule", type=click.Choice(["cosine", "multistep", "onecycle"]), default="cosine"
)
@click.option("--label-smoothing", type=float, default=0.0)
@click.option("--augment/--no-augment", default=True, help="Random crops and flips.")
@click.option(
    "--rescale/--no-rescale",
    default=None,
    help="Scale initial weights for the smaller fan-in. [default: rescale; not in paper]",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    help="auto is bf16 where the device has it in hardware.",
)
@click.option(
    "--controls",
    default="dense,random-regular",
    help="Networks trained beside it: dense, random-regular, ring-lattice, unstructured; "
    "all or none.",
)
@click.option(
    "--held-out",
    type=float,
    help="Share of training images kept for curves only. [default: 0.1; 0 in paper]",
)
@click.option("--train-images", type=int, help="Train on a class-balanced subset this large.")
@click.option("--min-accuracy", type=float, help="Exit with 1 if the pruned network is below.")
@click.option("--device", type=click.Choice(["auto", "cpu"]), default="auto")
@click.option("--resume", is_flag=True, help="Go on with the unfinished run.")
@shared("threads", "seed", "out", "json", "quiet", "verbose", "dry-run")
def rgp(
    *,
    out: Path | None,
    resume: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
    min_accuracy: float | None,
    **options: Any,
) -> None:
    """Prune a network by a searched regular graph, train it, and compare it with controls.

    One training may run on several GPUs or machines, a process for each:
    accelerate launch --multi_gpu --num_processes 2 -m graphprune rgp ...
    """
    from graphprune.printing import show_plan, show_run
    from graphprune.terminal import TerminalMonitor

    check_launch()
    request, settings = resolve(options)
    if dry_run:
        from graphprune.inspection import inspect_request

        if is_main():
            show_plan(inspect_request(request, settings), as_json=as_json)
        return
    from graphprune.experiment import run_rgp
    from graphprune.run_folder import RunFolder, choose

    usual = RUNS / request.name
    chosen = str(choose(out, usual, resume=resume).target) if is_main() else ""
    folder = RunFolder(Path(from_main(chosen, device=request.device)))
    with TerminalMonitor(quiet=quiet or not is_main(), verbose=verbose) as monitor:
        record = run_rgp(request, settings, folder, monitor)
    reached = record.values["accuracy"]["pruned"]
    failed = min_accuracy is not None and reached < min_accuracy
    if is_main():
        show_run(record, as_json=as_json)
        if failed:
            complain(f"accuracy {reached:.4f} is below --min-accuracy {min_accuracy}")
    part(request.device)
    if failed:
        sys.exit(NEGATIVE)


@main.command()
@click.option("--nodes", type=click.IntRange(min=3), required=True, help="Node count.")
@click.option("--degree", type=click.IntRange(min=2), required=True, help="Edges a node.")
@click.option(
    "--seconds",
    type=float,
    help="Time to search; results need not repeat.  [default: 5]",
)
@click.option("--steps", type=int, help="Proposals a thread; results repeat.")
@click.option(
    "--method",
    type=click.Choice(["race", "anneal", "descend"]),
    help="race: shipped graphs, constructions, symmetric and free searches compete; the others "
    "swap edges of the start. [default: race from random towards shorter, else anneal]",
)
@click.option(
    "--families",
    default="shipped,construction,symmetric,free",
    metavar="LIST",
    help="Who takes part in the race.",
)
@click.option(
    "--towards", default="shorter", metavar="AIM", help="shorter, longer or a path length."
)
@click.option(
    "--start", default="random", metavar="GRAPH", help="random, ring-lattice or a graph file."
)
@click.option("--resume", is_flag=True, help="Go on with the unfinished search.")
@shared("threads", "seed", "out", "json", "quiet", "verbose", "dry-run")
def graph(
    *,
    out: Path | None,
    resume: bool,
    families: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Search a regular graph with short paths and write it. Ctrl-C keeps the best so far."""
    from graphprune.graph_request import GraphRequest
    from graphprune.graph_search import describe, search
    from graphprune.printing import show_graph
    from graphprune.run_folder import choose
    from graphprune.terminal import TerminalMonitor

    options["threads"] = options["threads"] or 1
    request = GraphRequest(families=tuple(families.split(",")), **options)
    if dry_run:
        record = describe(request)
    else:
        folder = choose(out, RUNS / request.name, resume=resume)
        with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
            record = search(request, folder, monitor)
    show_graph(record, as_json=as_json)


@main.command()
@click.option("--verify", is_flag=True, help="Rebuild every graph and count its paths again.")
@shared("json", "quiet")
def graphs(*, verify: bool, as_json: bool, quiet: bool) -> None:
    """List the graphs that come with the package; with --verify, rebuild and check each.

    A check counts every distance twice, by this package and by scipy. Exit status 1: a graph
    is not what the table says.
    """
    from graphprune.printing import show_shipped
    from graphprune.shipped_graphs import list_shipped
    from graphprune.terminal import TerminalMonitor

    with TerminalMonitor(quiet=quiet, verbose=False) as monitor:
        record = list_shipped(monitor, verify=verify)
    show_shipped(record, as_json=as_json)
    if faulty := record.values["faulty"]:
        complain(f"{faulty} shipped graphs are not what the table says")
        sys.exit(NEGATIVE)


for command in (inspect, prune, compare, methods, compact, export, bench, study, report):
    main.add_command(command)
