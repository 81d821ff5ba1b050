"""How large the I and Q of a normalised frame get: the scale that makes pixels of them."""

import numpy as np

from signet.iq import Normalisation, normalised
from signet.material import Material

PEAK = 4.0  # root mean squares; noise of that power exceeds it in 1 of 60 million values
LOOKED_AT = 4096  # frames that tell the scale of frames that are not normalised


def signal_scale(kind: Normalisation, material: Material) -> float:
    """Full scale of I and Q after normalisation.

    Four times the root mean square of a frame: under "l1" of a frame of constant magnitude.
    Frames that are not normalised have no size of their own: the largest value of the first
    training frames tells it.

    Args:
        kind: How frames are normalised.
        material: The set, for frames that are not.
    """
    length = material.source.length
    if kind == "none":
        read = material.source.read(np.sort(material.split.train)[:LOOKED_AT])
        largest = float(np.abs(normalised(read, kind)).max())
        return largest if largest > 0 else 1.0
    return {"power": PEAK, "l1": PEAK / length, "peak": 1.0}[kind]
