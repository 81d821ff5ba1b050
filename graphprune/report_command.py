"""The command `graphprune report`."""

from pathlib import Path

import click

from graphprune.options import Place


@click.command()
@click.argument(
    "sources", nargs=-1, required=True, metavar="RUNS...", type=Place(path_type=Path)
)
@click.option(
    "--out",
    type=Place(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    metavar="FILE",
)
@click.option("--title", default="", help="[default: the names of the sources]")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
def report(*, sources: tuple[Path, ...], out: Path, title: str, force: bool) -> None:
    """Write one page, for any browser and without a network, of studies, runs and records.

    RUNS are folders of studies, run folders of `graphprune rgp`, `ggt bench` or `signet bench`,
    or record files.
    """
    from graphprune.report.model_tables import byte_size
    from graphprune.report_job import report as write

    size = write(sources, out, title=title, force=force)
    click.echo(f"written to {out} ({byte_size(size)})")
