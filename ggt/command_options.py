"""Options that commands of `ggt` share."""

from pathlib import Path

import click

from graphprune.options import Place

FOLDER, SOURCE = Place(path_type=Path), Place(path_type=str)
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
    help="Folder of the official data files, or of a run's file of frames. [default: "
    "GRAPHPRUNE_DATA, then the cache; where the run found its frames]",
)
BUILDER = click.option(
    "--builder",
    metavar="MODULE:FUNCTION",
    help="Builds the dense network, where it is one of your own.",
)
DEVICE = click.option("--device", type=click.Choice(["auto", "cpu"]), default="cpu")
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
FORCE = click.option("--force", is_flag=True, help="Replace files that are there already.")
THREADS = click.option(
    "--threads", type=click.IntRange(min=1), default=1, help="CPU threads to use."
)
JOBS = click.option(
    "--jobs", type=click.IntRange(min=1), default=1, help="Processes that train models."
)
