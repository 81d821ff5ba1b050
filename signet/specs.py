"""The sets that can be generated: their classes, labels, frames and channel."""

from dataclasses import dataclass
from types import MappingProxyType

from graphprune.errors import SpecError

MODES = ("corrected", "faithful")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fading:
    """Multipath of a channel.

    `delays` are in samples, `magnitudes` linear, one a path; `doppler` is in Hz. Each path is
    a sum of `sinusoids`; the first has a direct wave of `direct` times the power of its
    scattered ones (the K factor of Rician fading), the others have none. Fractional delays are
    interpolated over `taps` samples.
    """

    delays: tuple[float, ...] = (0.0, 0.9, 1.7)
    magnitudes: tuple[float, ...] = (1.0, 0.8, 0.3)
    sinusoids: int = 8
    direct: float = 4.0
    doppler: float = 1.0
    taps: int = 8

    def __post_init__(self) -> None:
        if not self.delays or len(self.delays) != len(self.magnitudes):
            raise SpecError(
                f"fading needs one magnitude a delay, got {len(self.delays)} delays and "
                f"{len(self.magnitudes)} magnitudes"
            )
        if min(self.delays) < 0 or max(self.delays) >= self.taps:
            raise SpecError(
                f"delays must be in [0, {self.taps}) samples, got {list(self.delays)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSpec:
    """A set of labelled frames as it is published.

    `snr` are labels in dB; `length` and `samples_per_symbol` count samples; `rate`,
    `rate_offset` and `frequency_offset` (the largest ones, of the sampling clock and of the
    carrier) are in Hz, `drift` in Hz a sample is the step of the random walk of both. With
    `fading` None the channel adds noise only. `roll_off` is the range that the roll-off of the
    pulse is drawn from. `modes` says which ways of generation the set has.

    Raises:
        SpecError: Classes or labels are not sorted and different, or a number is not positive.
    """

    name: str
    classes: tuple[str, ...]
    snr: tuple[int, ...]
    length: int = 128
    samples_per_symbol: int = 8
    rate: float = 200e3
    roll_off: tuple[float, float] = (0.35, 0.35)
    rate_offset: float = 50.0
    frequency_offset: float = 500.0
    drift: float = 0.01
    fading: Fading | None = Fading()
    modes: tuple[str, ...] = MODES

    def __post_init__(self) -> None:
        if not self.classes or list(self.classes) != sorted(set(self.classes)):
            raise SpecError(f"classes must be sorted and different, got {list(self.classes)}")
        if not self.snr or list(self.snr) != sorted(set(self.snr)):
            raise SpecError(f"snr must be sorted and different, got {list(self.snr)}")
        for name in ("length", "samples_per_symbol", "rate"):
            if not getattr(self, name) > 0:
                raise SpecError(f"{name} must be positive, got {getattr(self, name)}")


_RML = (
    "8PSK", "AM-DSB", "AM-SSB", "BPSK", "CPFSK", "GFSK", "PAM4", "QAM16", "QAM64", "QPSK",
    "WBFM",
)  # fmt: skip
_SIG12 = (
    "16QAM", "2FSK", "32QAM", "4FSK", "4PAM", "64QAM", "8FSK", "8PAM", "8PSK", "BPSK", "OQPSK",
    "QPSK",
)  # fmt: skip

# For sig12 we read the published offset of +-0.1 as cycles a sample, so the rate cancels.
SPECS: MappingProxyType[str, SetSpec] = MappingProxyType(
    {
        "rml2016a": SetSpec(name="rml2016a", classes=_RML, snr=tuple(range(-20, 20, 2))),
        "rml2016c": SetSpec(
            name="rml2016c",
            classes=_RML,
            snr=tuple(range(-20, 20, 2)),
            rate_offset=100.0,
            frequency_offset=1000.0,
        ),
        "sig12": SetSpec(
            name="sig12",
            classes=_SIG12,
            snr=tuple(range(-20, 32, 2)),
            length=512,
            roll_off=(0.2, 0.7),
            rate_offset=0.0,
            frequency_offset=0.1 * 200e3,
            drift=0.0,
            fading=None,
            modes=("corrected",),
        ),
    }
)


def named_spec(name: str) -> SetSpec:
    """The set of this name.

    Raises:
        SpecError: There is no such set.
    """
    if name not in SPECS:
        raise SpecError(f"spec must be one of {', '.join(SPECS)}, got {name!r}")
    return SPECS[name]
