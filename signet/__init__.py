"""Radio signals: frames made, audited and read, small classifiers, recordings classified.

What needs torch or numpy is imported when first asked for, so `import signet` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from signet.auditing import audit as audit
    from signet.classifying import classify_stream as classify_stream
    from signet.frame_files import FrameWriter as FrameWriter
    from signet.frame_files import read_frames as read_frames
    from signet.generating import generate as generate
    from signet.iq import Frames as Frames
    from signet.models import SigNet as SigNet
    from signet.models import SigNet2 as SigNet2
    from signet.radioml import read_radioml as read_radioml
    from signet.recording import open_recording as open_recording
    from signet.splits import split_frames as split_frames

_LAZY = {
    "FrameWriter": "signet.frame_files",
    "Frames": "signet.iq",
    "SigNet": "signet.models",
    "SigNet2": "signet.models",
    "audit": "signet.auditing",
    "classify_stream": "signet.classifying",
    "generate": "signet.generating",
    "open_recording": "signet.recording",
    "read_frames": "signet.frame_files",
    "read_radioml": "signet.radioml",
    "split_frames": "signet.splits",
}

__all__ = [
    "FrameWriter",
    "Frames",
    "SigNet",
    "SigNet2",
    "audit",
    "classify_stream",
    "generate",
    "open_recording",
    "read_frames",
    "read_radioml",
    "split_frames",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'signet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
