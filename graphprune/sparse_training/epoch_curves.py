"""How far a method is on its way to full sparsity, epoch by epoch."""

from graphprune.errors import SpecError
from graphprune.sparse_training.protocol import Moment

CURVES = ("linear", "cubic", "cos")


def check_curve(title: str, curve: str, begin_at: float, end_at: float) -> None:
    """Refuse a curve that there is not, and shares of a training in the wrong order.

    Raises:
        SpecError: As said.
    """
    if curve not in CURVES:
        raise SpecError(f"{title}: curve must be one of {', '.join(CURVES)}, got {curve!r}")
    if not 0 <= begin_at <= end_at <= 1:
        raise SpecError(
            f"{title}: 0 <= begin_at <= end_at <= 1 must hold, got {begin_at} and {end_at}"
        )


def way(moment: Moment, begin_at: float, end_at: float) -> float:
    """Part of the way from one share of a training to another at an epoch's start, in [0, 1].

    The epoch is that of the step to come; after the last step the way is done.
    """
    if moment.step == moment.steps:
        return 1.0
    done = moment.step // moment.steps_an_epoch * moment.steps_an_epoch / moment.steps
    if begin_at == end_at:
        return float(done >= end_at)
    return min(max((done - begin_at) / (end_at - begin_at), 0.0), 1.0)
