"""A click group that tells users of their mistakes in one line, with a documented status."""

import sys
from typing import Any

import click

from graphprune.errors import GraphPruneError
from graphprune.processes import hold_back, is_main

UNUSABLE = 2  # exit status of wrong usage, unusable input and Ctrl-C
NEGATIVE = 1  # exit status where the answer is negative


class Commands(click.Group):
    """Shows what a user did wrong as one line; lets real bugs keep their traceback."""

    interrupted = "interrupted; finished epochs are kept, and --resume goes on from them"

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; of several processes that fail together, one tells of it."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise
        except (GraphPruneError, click.ClickException):
            if not is_main():
                hold_back()
            raise
        except Exception:  # a bug, or another process that is gone
            hold_back()
            raise

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and exit with the documented status: 0, 1, 2 or 3."""
        if not extra.pop("standalone_mode", True):
            return super().main(*args, **extra, standalone_mode=False)  # type: ignore[call-overload]
        try:
            status = super().main(*args, **extra, standalone_mode=False)  # type: ignore[call-overload]
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(UNUSABLE)
        except click.ClickException as error:
            complain(error.format_message())
            sys.exit(error.exit_code)
        except GraphPruneError as error:
            complain(str(error))
            sys.exit(error.exit_status)
        except click.Abort:
            if is_main():
                complain(self.interrupted)
            sys.exit(UNUSABLE)
        sys.exit(status if isinstance(status, int) else 0)


def complain(message: str) -> None:
    """Print one line on standard error, whatever line breaks the message has."""
    click.echo("Error: " + " ".join(message.split()), err=True)
