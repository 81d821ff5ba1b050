"""How a long job tells what it does."""

from typing import Protocol


class Monitor(Protocol):
    """Something that shows, logs or ignores what a job tells it."""

    def stage(self, text: str) -> None:
        """A new part of the job begins."""

    def progress(self, share: float, note: str) -> None:
        """The share of the current part that is done, in [0, 1], and a figure worth seeing."""


class Silent:
    """A monitor that shows nothing."""

    def stage(self, text: str) -> None:
        """Ignore it."""

    def progress(self, share: float, note: str) -> None:
        """Ignore it."""
