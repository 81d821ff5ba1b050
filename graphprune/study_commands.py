"""The commands `graphprune study` and those below it: parse, delegate, print."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphprune.options import RUNS, Place, shared
from graphprune.shell import Commands
from graphprune.study_options import engine_options, recipe_options, run_study

if TYPE_CHECKING:
    pass

STUDY = click.argument("study", metavar="STUDY", type=Place(path_type=Path))
WATCH_SECONDS = 2.0


class StudyCommands(Commands):
    """A group whose interrupted command says how to go on."""

    interrupted = (
        "interrupted; finished runs are kept, and `graphprune study resume STUDY` goes on"
    )


def _names(_ctx: Any, _option: Any, value: str | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(part.strip() for part in value.split(","))


def _whole_numbers(_ctx: Any, _option: Any, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of degrees such as 4,6") from None


@click.group(cls=StudyCommands, invoke_without_command=True)
@recipe_options
@click.option("--nodes", type=click.IntRange(min=3), default=16, help="Nodes of every graph.")
@click.option(
    "--degrees", callback=_whole_numbers, default="4", metavar="LIST", help="Edges a node."
)
@click.option(
    "--levels",
    type=click.IntRange(min=1),
    default=6,
    help="Path lengths at each degree, from the ring lattice's to the best.",
)
@click.option(
    "--families",
    callback=_names,
    default="random-regular,ring,small-world,searched",
    metavar="LIST",
    help="Of random-regular, ring, small-world, searched.",
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, help="Repetitions.")
@click.option("--search-steps", type=click.IntRange(min=0), help="Swaps tried for a graph.")
@engine_options
@shared("seed", "out", "json", "quiet", "verbose", "dry-run")
@click.pass_context
def study(context: click.Context, /, **options: Any) -> None:
    """Train many networks, graph by graph, to see what path length does to accuracy.

    Families of graphs x degrees x path lengths x seeds at one pruning ratio a degree, beside
    dense, random-regular, ring and unstructured controls. Every run is kept the moment it ends;
    what is interrupted goes on with `graphprune study resume STUDY`.
    """
    if context.invoked_subcommand is None:
        _begin(**options)


def _begin(
    *,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    from graphprune.terminal import TerminalMonitor
    from graphprune.wiring_study.asking import asked_for, usual_folder

    request, recipe, place = asked_for(options)
    if dry_run:
        from graphprune.wiring_study.job import dry_run as estimate
        from graphprune.wiring_study.printing import show_estimate

        with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
            record = estimate(request, recipe, place, monitor)
        show_estimate(record, as_json=as_json)
        return
    from graphprune.wiring_study.job import begin

    folder = usual_folder(request, recipe, out, RUNS)
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        notes = begin(request, recipe, place, folder, monitor)
    if not quiet and not as_json:
        for note in notes:
            click.echo(f"note: {note}", err=True)
    run_study(folder, place, as_json=as_json, quiet=quiet, verbose=verbose, failed=False)


@study.command()
@STUDY
@click.option("--failed", is_flag=True, help="Try again what failed, too.")
@click.option("--seeds", type=click.IntRange(min=1), help="Add runs, up to so many seeds.")
@engine_options
@shared("json", "quiet", "verbose")
def resume(
    *,
    study: Path,
    failed: bool,
    seeds: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Go on with a study that was interrupted, or extend it.

    What is done is not done again. Options not given are as the study was begun with.
    """
    from graphprune.method_study.job import extend as extend_methods
    from graphprune.method_study.job import is_comparison
    from graphprune.terminal import TerminalMonitor
    from graphprune.wiring_study.asking import changed
    from graphprune.wiring_study.job import extend, place_of

    place = changed(place_of(study), options)
    if seeds is not None and is_comparison(study):
        extend_methods(study, seeds)
    elif seeds is not None:
        with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
            extend(study, seeds, monitor)
    run_study(study, place, as_json=as_json, quiet=quiet, verbose=verbose, failed=failed)


@study.command()
@STUDY
@click.option("--watch", is_flag=True, help="Show it again and again until it ends.")
@shared("json")
def show(*, study: Path, watch: bool, as_json: bool) -> None:
    """Print how a study stands; another process may be running it.

    With --json one object that holds every run; with --watch one line of progress after the
    other, as JSON if asked for.
    """
    from graphprune.wiring_study.printing import show_study
    from graphprune.wiring_study.show import study_record

    while watch:
        record = study_record(study, runs=False)
        if not record.values["driven"]:
            break
        if as_json:
            names = ("counts", "seconds_left", "driven")
            click.echo(json.dumps({name: record.values[name] for name in names}))
        else:
            if sys.stdout.isatty():
                click.clear()
            show_study(record, as_json=False)
        time.sleep(WATCH_SECONDS)
    show_study(study_record(study, runs=as_json), as_json=as_json)


@study.command()
@STUDY
@click.option(
    "--out",
    type=Place(path_type=Path),
    required=True,
    metavar="FILE",
    help="A name that ends with .csv or .parquet.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def export(*, study: Path, out: Path, force: bool) -> None:
    """Write all runs of a study as one table."""
    from graphprune.wiring_study.export import export_runs

    count = export_runs(study, out, force=force)
    click.echo(f"{count} runs written to {out}")
