"""Which points no other beats."""

from collections.abc import Sequence


def pareto_front(costs: Sequence[float | None], gains: Sequence[float | None]) -> list[int]:
    """Points for which no other costs at most as much and gains at least as much, but once.

    Args:
        costs: Less is better; points without one are left out.
        gains: More is better, likewise; as many as costs.

    Returns:
        Positions by cost, ascending. Of points equal in both, all are kept.
    """
    points = [
        (cost, -gain, index)
        for index, (cost, gain) in enumerate(zip(costs, gains, strict=True))
        if cost is not None and gain is not None
    ]
    front: list[tuple[float, float, int]] = []
    for point in sorted(points):
        if not front or point[1] < front[-1][1] or point[:2] == front[-1][:2]:
            front.append(point)
    return [index for _, _, index in front]
