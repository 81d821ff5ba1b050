"""The command `signet`; heavy imports are inside the commands."""

import click

from graphprune.shell import Commands
from signet.bench_command import bench
from signet.classify_command import classify
from signet.set_commands import audit, generate
from signet.train_command import train


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="graphprune")
def main() -> None:
    """Radio signals: make and audit frames, train small classifiers, classify recordings.

    Exit status: 0 done; 1 an audit found a defect, or a gate such as --min-accuracy failed;
    2 wrong usage or unusable input; 3 inputs that do not belong together, such as a model and
    frames of another set.
    """


for command in (generate, audit, train, classify, bench):
    main.add_command(command)
