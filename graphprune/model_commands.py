"""Commands on one finished or planned model: inspect, compact, export, bench."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from graphprune.errors import GraphPruneError
from graphprune.options import RUNS, model_options, shared, take_model

BATCH = click.IntRange(min=1)


@click.command()
@model_options
@shared("json")
def inspect(*, as_json: bool, **options: Any) -> None:
    """Show the graphs and the pruning of a MODEL, layer by layer, without data or training.

    MODEL is a run folder, a folder of a saved model, or what would be pruned: a name (mlp,
    resnet20, ...) or package.module:function.
    """
    from graphprune.model_request import is_path
    from graphprune.printing import show_inspected, show_plan

    request = take_model(options)
    if not is_path(request.source):
        from graphprune.inspection import inspect_untrained

        show_plan(inspect_untrained(request), as_json=as_json)
    else:
        from graphprune.inspection import inspect_saved

        show_inspected(inspect_saved(request), as_json=as_json)


@click.command()
@model_options
@click.option("--probe", is_flag=True, help="Choose each layer's layout by time, here and now.")
@click.option("--batch", type=BATCH, default=16, show_default=True, help="Inputs to check on.")
@shared("threads", "seed", "out", "json", "quiet", "verbose", "dry-run")
def compact(
    *,
    out: Path | None,
    threads: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Write MODEL so that it holds and multiplies kept weights only, and check its outputs.

    MODEL is a run folder, a folder of a saved model, or a name or package.module:function of a
    network to be pruned without training.
    """
    from graphprune.compacting import CompactRequest, compact_model
    from graphprune.printing import show_compact
    from graphprune.run_folder import choose
    from graphprune.terminal import TerminalMonitor

    model = take_model(options)
    folder = choose(out, RUNS / f"compact-{model.name}", resume=False)
    target = None if dry_run else folder.target
    request = CompactRequest(model=model, out=target, threads=threads or 1, **options)
    with _whole_or_not(), TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = compact_model(request, monitor)
    show_compact(record, as_json=as_json)


@click.command()
@model_options
@click.option(
    "--onnx",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="File to write.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@click.option("--batch", type=BATCH, default=2, show_default=True, help="Inputs to check on.")
@shared("seed", "json", "quiet", "verbose", "dry-run")
def export(*, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> None:
    """Write MODEL's compact form as an ONNX file of stock operators, and check it.

    MODEL is a run folder, a folder of a saved model, or a name or package.module:function of a
    network to be pruned without training. The file takes batches of any size.
    """
    from graphprune.export_job import ExportRequest, export_model
    from graphprune.printing import show_export
    from graphprune.terminal import TerminalMonitor

    request = ExportRequest(model=take_model(options), **options)
    with _whole_or_not(), TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = export_model(request, monitor)
    show_export(record, as_json=as_json)


@click.command()
@model_options
@click.option(
    "--batch",
    "batches",
    type=BATCH,
    multiple=True,
    default=(1, 16),
    show_default=True,
    help="Inputs in a pass; may be given again.",
)
@click.option("--repeats", type=click.IntRange(min=1), default=30, show_default=True)
@click.option(
    "--onnx/--no-onnx",
    default=None,
    help="Time ONNX files too. [default: if onnxruntime is installed]",
)
@shared("threads", "seed", "json", "quiet", "verbose")
def bench(
    *, threads: int | None, as_json: bool, quiet: bool, verbose: bool, **options: Any
) -> None:
    """Measure how fast and how large MODEL is: dense, masked, compact and as ONNX.

    MODEL is a run folder, a folder of a saved model, or a name or package.module:function of a
    network to be pruned without training, whose speed is that of the trained one. All forms
    take turns in one run; no speed is inferred from a count.
    """
    from graphprune.bench import BenchRequest, bench_model
    from graphprune.printing import show_bench
    from graphprune.terminal import TerminalMonitor

    request = BenchRequest(model=take_model(options), threads=threads or 1, **options)
    with _whole_or_not(), TerminalMonitor(quiet=quiet, verbose=verbose) as monitor:
        record = bench_model(request, monitor)
    show_bench(record, as_json=as_json)


@contextmanager
def _whole_or_not() -> Iterator[None]:
    """Ctrl-C leaves nothing behind, and says so."""
    try:
        yield
    except KeyboardInterrupt:
        raise GraphPruneError("interrupted; nothing was written") from None
