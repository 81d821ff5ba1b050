"""The commands' front doors; what they need is imported when one is opened."""


def graphprune() -> None:
    """Run the command `graphprune`."""
    from graphprune.commands import main

    main(prog_name="graphprune")


def ggt() -> None:
    """Run the command `ggt`."""
    from ggt.commands import main

    main(prog_name="ggt")


def signet() -> None:
    """Run the command `signet`."""
    from signet.commands import main

    main(prog_name="signet")
