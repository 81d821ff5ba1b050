"""P values of several tests, adjusted so that all of them together err as one would."""

from collections.abc import Sequence


def holm_adjusted(chances: Sequence[float | None]) -> list[float | None]:
    """Adjusted p values in the same order; None stays None and counts as no test.

    Source: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal
    of Statistics 6:65 (1979).
    """
    known = sorted((p, i) for i, p in enumerate(chances) if p is not None)
    adjusted: list[float | None] = [None] * len(chances)
    highest = 0.0
    for place, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - place)))
        adjusted[i] = highest
    return adjusted
