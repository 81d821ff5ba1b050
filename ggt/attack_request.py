"""Which attacks there are and which options each takes; imports nothing heavy."""

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType

from graphprune.errors import SpecError

OPTIONS = {
    "epsilon": float,
    "confidence": float,
    "steps": int,
    "restarts": int,
    "theta": float,
    "gamma": float,
    "target": str,
    "pixels": int,
}
TARGETS = ("runner-up", "random")
MOST_PSR = 100.0  # dB, either way
_SHORT = {"epsilon": "eps", "confidence": "conf", "pixels": "px"}
Value = float | int | str


@dataclass(frozen=True, slots=True)
class AttackKind:
    """An attack as a catalogue lists it.

    `norm` is what it bounds (where it takes an epsilon or counts pixels) or keeps small: "l0",
    "l2" or "linf". `access` is what it sees of the network: "gradients", "scores" or "labels".
    `options` holds what it takes with the defaults; those in `shown` are part of every label.
    """

    name: str
    norm: str
    access: str
    source: str
    options: Mapping[str, Value] = field(default_factory=dict)
    shown: tuple[str, ...] = ()

    @property
    def gradients(self) -> bool:
        """Whether it needs gradients of the attacked network."""
        return self.access == "gradients"

    @property
    def takes_psr(self) -> bool:
        """Whether the power of what it adds to a signal can be bounded."""
        return self.norm != "l0"


_DEEPFOOL = "Moosavi-Dezfooli et al., DeepFool, arXiv:1511.04599"
_KINDS = (
    AttackKind(
        "fgsm",
        "linf",
        "gradients",
        "Goodfellow et al., Explaining and harnessing adversarial examples, arXiv:1412.6572",
        {"epsilon": 0.05},
        ("epsilon",),
    ),
    AttackKind(
        "pgd",
        "linf",
        "gradients",
        "Madry et al., Towards deep learning models resistant to attacks, arXiv:1706.06083",
        {"epsilon": 0.05, "steps": 40, "restarts": 1},
        ("epsilon",),
    ),
    AttackKind("deepfool", "l2", "gradients", _DEEPFOOL, {"steps": 50}),
    AttackKind("deepfool-linf", "linf", "gradients", _DEEPFOOL, {"steps": 50}),
    AttackKind(
        "cw",
        "l2",
        "gradients",
        "Carlini and Wagner, Towards evaluating the robustness, arXiv:1608.04644",
        {"confidence": 0.0, "steps": 100},
        ("confidence",),
    ),
    AttackKind(
        "boundary",
        "l2",
        "labels",
        "Brendel et al., Decision-based adversarial attacks, arXiv:1712.04248",
        {"steps": 5000},
    ),
    AttackKind(
        "hopskipjump",
        "l2",
        "labels",
        "Chen et al., HopSkipJumpAttack, arXiv:1904.02144",
        {"steps": 20},
    ),
    AttackKind(
        "brendel-bethge",
        "l2",
        "gradients",
        "Brendel et al., Accurate, reliable and fast robustness evaluation, arXiv:1907.01003",
        {"steps": 200},
    ),
    AttackKind(
        "jsma",
        "l0",
        "gradients",
        "Papernot et al., The limitations of deep learning, arXiv:1511.07528",
        {"theta": 1.0, "gamma": 0.12, "target": "runner-up"},
    ),
    AttackKind(
        "local-search",
        "l0",
        "scores",
        "Narodytska and Kasiviswanathan, Simple black-box perturbations, arXiv:1612.06299",
        {"steps": 50},
    ),
    AttackKind(
        "one-pixel",
        "l0",
        "scores",
        "Su et al., One pixel attack for fooling deep neural networks, arXiv:1710.08864",
        {"pixels": 3, "steps": 100},
        ("pixels",),
    ),
    AttackKind(
        "substitute",
        "linf",
        "labels",
        "Papernot et al., Practical black-box attacks, arXiv:1602.02697",
        {"epsilon": 0.1, "steps": 4},
        ("epsilon",),
    ),
)

ATTACKS: Mapping[str, AttackKind] = MappingProxyType({kind.name: kind for kind in _KINDS})


@dataclass(frozen=True, slots=True)
class AttackRequest:
    """An attack and its options; those left out get the attack's defaults.

    `epsilon` bounds the change of a value, in [0, 1] units; `confidence` is the gap of logits
    asked for; `steps` counts what the attack repeats (gradient steps, rounds, generations);
    `restarts` counts random starts; `theta` is a feature's change and `gamma` the share of
    features that may change; `target` says which label is aimed at; `pixels` how many may
    change. An option that the attack does not take stays None. `psr` is the budget of attacks
    on radio signals in the place of `epsilon`: the power of what is added over the power of the
    frame, in dB. `seed` fixes every random choice; `batch` is the number of images attacked at
    a time.

    Raises:
        SpecError: No such attack, an option that it does not take, or a value out of range.
    """

    name: str
    _: KW_ONLY
    epsilon: float | None = None
    confidence: float | None = None
    steps: int | None = None
    restarts: int | None = None
    theta: float | None = None
    gamma: float | None = None
    target: str | None = None
    pixels: int | None = None
    psr: float | None = None
    seed: int = 0
    batch: int = 64

    def __post_init__(self) -> None:
        if self.name not in ATTACKS:
            raise SpecError(f"unknown attack {self.name!r}; one of: {', '.join(ATTACKS)}")
        takes = self.kind.options
        self._check_psr()
        for name in OPTIONS:
            given = getattr(self, name)
            if given is None and not (name == "epsilon" and self.psr is not None):
                object.__setattr__(self, name, takes.get(name))
            elif given is not None and name not in takes:
                raise SpecError(f"{self.name} takes no {name}; it takes {', '.join(takes)}")
        for name in (*takes, "seed", "batch"):
            if name != "epsilon" or self.psr is None:
                _check(name, getattr(self, name))

    def _check_psr(self) -> None:
        """Refuse a budget of power where it has no meaning."""
        if self.psr is None:
            return
        if not self.kind.takes_psr:
            raise SpecError(
                f"{self.name} bounds a count of values, not their power: it takes no psr"
            )
        if self.epsilon is not None:
            raise SpecError(f"{self.name}: give epsilon or psr, not both")
        if isinstance(self.psr, bool) or not -MOST_PSR <= self.psr <= MOST_PSR:
            raise SpecError(f"psr must be a number of dB in +-{MOST_PSR:g}, got {self.psr!r}")

    @property
    def kind(self) -> AttackKind:
        """The catalogue's entry."""
        return ATTACKS[self.name]

    def value(self, option: str) -> Value:
        """The value of an option that the attack takes."""
        assert option in self.kind.options, f"{self.name} takes no {option}"
        found: Value = getattr(self, option)
        return found

    def label(self) -> str:
        """A short name for tables: "cw conf 10", "pgd eps 0.05 steps 7", "fgsm psr -20"."""
        parts = [f"{_SHORT.get(name, name)} {_plain(v)}" for name, v in self._told().items()]
        return " ".join([self.name, *parts])

    def text(self) -> str:
        """The request as `parse` reads it: "cw:confidence=10"."""
        told = self._told() | ({"batch": self.batch} if self.batch != 64 else {})
        parts = ",".join(f"{name}={_plain(value)}" for name, value in told.items())
        return f"{self.name}:{parts}" if parts else self.name

    def _told(self) -> dict[str, Value]:
        """Options that tell this request from the attack's defaults, or are always shown."""
        kind = self.kind
        told: dict[str, Value] = {
            name: self.value(name)
            for name in kind.options
            if name in kind.shown or self.value(name) != kind.options[name]
        }
        if self.psr is not None:
            others = {key: value for key, value in told.items() if key != "epsilon"}
            told = {"psr": self.psr, **others}
        return told | ({"seed": self.seed} if self.seed else {})


def parse(text: str, *, psr: float | None = None) -> AttackRequest:
    """Read "fgsm:epsilon=0.05" or "cw:confidence=10,steps=200".

    Args:
        text: Name and options.
        psr: In dB, as the option of that name; None: what the text says.

    Raises:
        SpecError: Not of this form, or no request that `AttackRequest` allows.
    """
    name, colon, rest = text.strip().partition(":")
    options: dict[str, Value] = {}
    types = OPTIONS | {"psr": float, "seed": int, "batch": int}
    for part in rest.split(",") if colon else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (key and equals and value) or key in options:
            raise SpecError(f"attack {text!r}: {part!r} must be option=value, each option once")
        if key not in types:
            raise SpecError(f"attack {text!r}: no option {key!r}; one of: {', '.join(types)}")
        try:
            options[key] = types[key](value)
        except ValueError as error:
            wanted = "a whole number" if types[key] is int else "a number"
            raise SpecError(f"attack {text!r}: {key} must be {wanted}") from error
    if psr is not None and "psr" in options:
        raise SpecError(f"attack {text!r}: psr is given twice, {psr} beside it")
    if psr is not None:
        options["psr"] = psr
    return AttackRequest(name, **options)  # type: ignore[arg-type]


def _plain(value: Value) -> str:
    """A value as short as it can be read back."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _check(name: str, value: Value) -> None:
    """Refuse a value out of its option's range."""
    if name == "target":
        if value not in TARGETS:
            raise SpecError(f"target must be one of {', '.join(TARGETS)}, got {value!r}")
        return
    kind = OPTIONS.get(name, int)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole or (kind is float and isinstance(value, float) and math.isfinite(value))):
        wanted = "a whole number" if kind is int else "a number"
        raise SpecError(f"{name} must be {wanted}, got {value!r}")
    assert not isinstance(value, str)
    fits, allowed = {
        "epsilon": (0 < value <= 1, "in (0, 1]"),
        "gamma": (0 < value <= 1, "in (0, 1]"),
        "theta": (0 < abs(value) <= 1, "in [-1, 1] and not 0"),
        "confidence": (value >= 0, "at least 0"),
        "seed": (0 <= value < 2**32, "in [0, 2**32)"),
    }.get(name, (value >= 1, "at least 1"))
    if not fits:
        raise SpecError(f"{name} must be {allowed}, got {value}")
