"""Tables whose cells are tinted by their value; the number stands in every cell."""

from collections.abc import Mapping, Sequence

from graphprune.report.page.markup import Markup, tag
from graphprune.report.page.quantities import MISSING

_WHITE, _HIGH, _LOW = (255, 255, 255), (0, 114, 178), (230, 159, 0)  # Okabe and Ito's


def heat_cell(text: str, share: float | None, *, best: bool = False) -> Markup:
    """A cell tinted from orange (-1) over white (0) to blue (1).

    Args:
        text: What it says.
        share: Strength of the tint, cut to [-1, 1]; None gives a cell without one.
        best: Set in bold.
    """
    if share is None:
        return tag("td", text, class_="number")
    colour = _mixed(_HIGH if share >= 0 else _LOW, min(1.0, abs(share)))
    ink = "#000000" if _luminance(colour) > 0.179 else "#ffffff"  # equal contrast with both
    style = f"background:#{bytes(colour).hex()};color:{ink}"
    return tag("td", tag("b", text) if best else text, class_="number heat", style=style)


def area_cell(value: float | None, *, best: bool = False) -> Markup:
    """An area under the ROC curve: white where it is chance, blue where all is told apart."""
    if value is None:
        return heat_cell(MISSING, None)
    return heat_cell(f"{value:.3f}", 2 * value - 1, best=best)


def share_cell(value: float | None) -> Markup:
    """A fraction, in percent."""
    return heat_cell(MISSING, None) if value is None else heat_cell(f"{100 * value:.1f}", value)


def count_cells(counts: Sequence[int]) -> list[Markup]:
    """Counts, tinted by their share of the row."""
    total = sum(counts)
    return [heat_cell(f"{count:,}", count / total if total else 0.0) for count in counts]


def best_of(columns: Mapping[str, float | None], digits: int = 3) -> set[str]:
    """Names of the highest value as shown; none where all are equal or unknown."""
    known = {name: round(value, digits) for name, value in columns.items() if value is not None}
    if len(set(known.values())) < 2:
        return set()
    return {name for name, value in known.items() if value == max(known.values())}


def _mixed(colour: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    red, green, blue = (
        round(pale + share * (full - pale)) for pale, full in zip(_WHITE, colour, strict=True)
    )
    return red, green, blue


def _luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance as in the Web Content Accessibility Guidelines 2.1."""
    parts = [part / 255 for part in colour]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
