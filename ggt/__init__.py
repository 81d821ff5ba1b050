"""Graph-guided testing: a bank of graph-pruned models votes on whether an input is adversarial.

What needs torch is imported when it is first asked for, so `import ggt` stays light.

Source: Graph-guided testing, arXiv:2107.07043.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ggt.asking import Detection as Detection
    from ggt.asking import cast_votes as cast_votes
    from ggt.asking import detect as detect
    from ggt.bank import Bank as Bank
    from ggt.calibration import Calibration as Calibration
    from ggt.detector import calibrate as calibrate
    from ggt.scores import label_change_rate as label_change_rate
    from ggt.scores import soft_disagreement as soft_disagreement
    from ggt.sequential import sprt as sprt
    from ggt.votes import Votes as Votes

_LAZY = {
    "Bank": "ggt.bank",
    "Calibration": "ggt.calibration",
    "Detection": "ggt.asking",
    "Votes": "ggt.votes",
    "calibrate": "ggt.detector",
    "cast_votes": "ggt.asking",
    "detect": "ggt.asking",
    "label_change_rate": "ggt.scores",
    "soft_disagreement": "ggt.scores",
    "sprt": "ggt.sequential",
}

__all__ = [
    "Bank",
    "Calibration",
    "Detection",
    "Votes",
    "calibrate",
    "cast_votes",
    "detect",
    "label_change_rate",
    "soft_disagreement",
    "sprt",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'ggt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
