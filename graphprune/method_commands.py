"""The commands `graphprune compare` and `graphprune prune`: parse, delegate, print."""

from pathlib import Path
from typing import Any

import click

from graphprune.options import RATIO, RUNS, shared
from graphprune.study_options import engine_options, recipe_options, run_study

USUAL = "regular,degree-schedule,random-uniform,random-erk,rigl,gradual"


def _methods(_ctx: Any, _option: Any, value: str) -> tuple[str, ...]:
    """Methods between commas; a part such as interval=50 is an option of the one before."""
    found: list[str] = []
    for part in (each.strip() for each in value.split(",")):
        if found and "=" in part and ":" not in part:
            found[-1] += f",{part}"
        else:
            found.append(part)
    return tuple(found)


def _ratios(_ctx: Any, _option: Any, value: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of ratios such as .8,.9") from None


BUDGET = (
    click.option(
        "--nodes",
        type=click.IntRange(min=3),
        help="Nodes of every graph. [default: the narrowest layer that can be pruned, <= 64]",
    ),
    click.option(
        "--allocation",
        type=click.Choice(["one", "uniform", "erk"]),
        default="one",
        help="One degree for all layers, or whole degrees for each near equal or ERK shares.",
    ),
    click.option(
        "--unit",
        type=click.Choice(["weights", "macs"]),
        default="weights",
        help="What the ratio is of, where layers have degrees of their own.",
    ),
    click.option(
        "--exact", is_flag=True, help="Keep to the ratio itself, not to the nearest degree's."
    ),
)


def budget_options(function: Any) -> Any:
    """How much each layer keeps."""
    for option in reversed(BUDGET):
        function = option(function)
    return function


@click.command()
@click.option(
    "--methods",
    callback=_methods,
    default=USUAL,
    metavar="LIST",
    help="Titles with options: rigl:alpha=0.2,interval=50,set; see graphprune methods.",
)
@click.option(
    "--ratios", callback=_ratios, default="0.8,0.9", metavar="LIST", help="Shares to prune."
)
@click.option("--seeds", type=click.IntRange(min=1), default=3, help="Repetitions.")
@budget_options
@recipe_options
@engine_options
@shared("seed", "out", "json", "quiet", "verbose", "dry-run")
def compare(
    *,
    methods: tuple[str, ...],
    ratios: tuple[float, ...],
    seeds: int,
    allocation: str,
    exact: bool,
    unit: str,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Train one network by many methods of pruning, at equal kept weights.

    Methods x ratios x seeds beside the dense network, by one recipe. It is a study: every run
    is kept the moment it ends, `graphprune study resume | show | export` and
    `graphprune report` take its folder.
    """
    from graphprune.method_study.request import CompareRequest
    from graphprune.wiring_study.asking import changed, free_folder, recipe_of
    from graphprune.wiring_study.recipe import StudyPlace

    place = changed(StudyPlace(), options)
    recipe = recipe_of(options, place)
    request = CompareRequest(
        methods=methods,
        ratios=ratios,
        nodes=options["nodes"],
        allocation=allocation,
        exact=exact,
        unit=unit,
        seeds=seeds,
        first_seed=options["seed"],
    )
    from graphprune.method_study.job import begin
    from graphprune.method_study.job import dry_run as estimate

    if dry_run:
        from graphprune.method_study.printing import show_estimate

        show_estimate(estimate(request, recipe, place), as_json=as_json)
        return
    model = recipe.model.replace(":", ".")
    folder = free_folder(out, RUNS / f"compare-{recipe.data}-{model}")
    notes = begin(request, recipe, place, folder)
    if not quiet and not as_json:
        for note in notes:
            click.echo(f"note: {note}", err=True)
    run_study(folder, place, as_json=as_json, quiet=quiet, verbose=verbose, failed=False)


@click.command()
@click.option("--method", required=True, metavar="NAME", help="Title, with options if need be.")
@click.option("--ratio", type=RATIO, default=0.9, help="Share of weights to prune.")
@budget_options
@recipe_options
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the official data files. [default: GRAPHPRUNE_DATA, then the cache]",
)
@click.option("--device", type=click.Choice(["auto", "cpu"]), default="cpu")
@shared("threads", "seed", "out", "json", "quiet", "verbose")
def prune(
    *,
    out: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    method: str,
    ratio: float,
    allocation: str,
    exact: bool,
    unit: str,
    threads: int | None,
    **options: Any,
) -> None:
    """Train one network by one method of pruning, and keep it in a run folder."""
    from graphprune.method_study.printing import show_pruned
    from graphprune.method_study.prune_job import run_prune
    from graphprune.method_study.request import CompareRequest
    from graphprune.terminal import TerminalMonitor
    from graphprune.wiring_study.asking import free_folder, recipe_of
    from graphprune.wiring_study.recipe import StudyPlace

    place = StudyPlace(
        threads=threads or 1, device=options["device"], data_dir=options["data_dir"]
    )
    recipe = recipe_of(options, place)
    request = CompareRequest(
        methods=(method,),
        ratios=(ratio,),
        nodes=options["nodes"],
        allocation=allocation,
        exact=exact,
        unit=unit,
        seeds=1,
        first_seed=options["seed"],
    )
    title = method.partition(":")[0]
    usual = f"prune-{recipe.data}-{recipe.model.replace(':', '.')}-{title}-{ratio:g}"
    folder = free_folder(out, RUNS / usual)
    with TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = run_prune(request, recipe, place, folder, monitor)
    show_pruned(record, as_json=as_json)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")
def methods(*, as_json: bool) -> None:
    """List the methods of pruning, their options and papers."""
    from graphprune.method_study.printing import show_methods

    show_methods(as_json=as_json)
