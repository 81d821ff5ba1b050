"""Options that commands of `ggt` share."""

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path)
BANK = click.option(
    "--bank",
    type=FOLDER,
    metavar="DIR",
    help="The bank. [default: bank; made of the bundled digits if it is not there]",
)
DATA_DIR = click.option(
    "--data-dir",
    type=FOLDER,
    metavar="DIR",
    help="Folder of the official data files. [default: GRAPHPRUNE_DATA, then the cache]",
)
BUILDER = click.option(
    "--builder",
    metavar="MODULE:FUNCTION",
    help="Builds the dense network, where it is one of your own.",
)
DEVICE = click.option("--device", type=click.Choice(["auto", "cpu"]), default="cpu")
JOBS = click.option(
    "--jobs", type=click.IntRange(min=1), default=1, help="Processes that train models."
)
