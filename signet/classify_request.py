"""What `signet classify` is asked to do, as one frozen value."""

from dataclasses import dataclass
from pathlib import Path

from graphprune.errors import SpecError

FORMS = ("csv", "jsonl", "sigmf")
STANDARD_OUTPUT = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifyRequest:
    """A recording, the run whose classifier reads it, and what is written.

    `out` is a .csv, .jsonl or .sigmf-meta file, `-` for lines on standard output, None for a
    summary only. `hop` is samples from one window to the next (None: the frame length).
    `threshold` is the least confidence, `noise_floor` the least power in dB of full scale.
    `merge` joins neighbouring windows of one label; `least` windows make a segment. `plot` is
    a PNG file to draw.

    Raises:
        SpecError: A value is out of range.
    """

    recording: Path
    run: Path
    dtype: str | None = None
    rate: float | None = None
    out: Path | None = None
    form: str | None = None
    plot: Path | None = None
    hop: int | None = None
    top: int = 3
    threshold: float | None = None
    noise_floor: float | None = None
    merge: bool = False
    least: int = 1
    batch: int = 256
    threads: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("hop", "top", "least", "batch", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SpecError(f"{name} must be at least 1, got {value}")
        if self.least > 1 and not self.merge:
            raise SpecError("least has a meaning with merge only")
        if self.form not in (None, *FORMS):
            raise SpecError(f"format must be one of {', '.join(FORMS)}, got {self.form!r}")
        if self.out is None:
            if self.form is not None:
                raise SpecError("a format needs an output file, or - for standard output")
            return
        if self.out == STANDARD_OUTPUT and self.form == "sigmf":
            raise SpecError("SigMF annotations need a file, not standard output")
        if self.written is None:
            raise SpecError(
                f"{self.out}: say the format, or end the name in .csv, .jsonl or .sigmf-meta"
            )

    @property
    def written(self) -> str | None:
        """Format of what is written, from its option or the file's name."""
        if self.form is not None or self.out is None:
            return self.form
        suffix = {".csv": "csv", ".jsonl": "jsonl", ".sigmf-meta": "sigmf"}
        return "csv" if self.out == STANDARD_OUTPUT else suffix.get(self.out.suffix)
