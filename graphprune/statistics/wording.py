"""An association in plain words: what can be said, how surely, and what cannot."""

from graphprune.statistics.association import Association
from graphprune.statistics.names import name_of, outcome_of
from graphprune.statistics.power import LEVEL

MOST_SEEDS = 10_000  # above which the number says nothing
SAME_DENSITY = 0.005  # fraction


def sentence(association: Association) -> str:
    """One or two sentences on an association, true whatever its sign and size.

    A slope counts as seen if shuffled graphs do as well in less than 5 % of shuffles (adjusted
    for other measures, if there are any) and its interval leaves out 0; as not settled if only
    one of the two holds. What is not seen is not said to be absent, and no cause is named.
    """
    name, outcome = name_of(association.measure), outcome_of(association.outcome)
    if association.reason is not None:
        return f"Nothing can be said of {outcome} and {name.label}: {association.reason}."
    doubts = _doubts(association)
    kind = name.little if (association.slope.value or 0) < 0 else name.much
    said = f"{_fixed(association)}, {kind} went with higher {outcome}"
    if not doubts:
        return f"{said}: {_figures(association)}. {_scope(association)}"
    if len(doubts) > 1:
        said = (
            f"{_fixed(association)}, no association of {outcome} with {name.label} can be seen"
        )
        return f"{said}: {_figures(association)}. {_power(association)}"
    said += f", but that is not settled, as {doubts[0]}"
    return f"{said}: {_figures(association)}. {_power(association)}"


def _doubts(association: Association) -> list[str]:
    """Why a slope may be chance; at most two."""
    slope, adjusted = association.slope, association.p_holm
    doubts = []
    if slope.p is None or slope.p >= LEVEL:
        doubts.append("chance does as well too often")
    elif adjusted is not None and adjusted >= LEVEL:
        doubts.append("one of so many measures does as well by chance too often")
    if slope.low is not None and slope.high is not None:
        if slope.low <= 0 <= slope.high:
            doubts.append("the interval includes 0")
    elif association.run_noise != 0:
        doubts.append("there are too few graphs for an interval")
    return doubts


def _fixed(association: Association) -> str:
    """What was held fixed, at the start of a sentence."""
    fields, parts = association.strata, association.by_stratum
    if not fields:
        return "With nothing held fixed"
    if len(parts) == 1:
        values = [f"{_words(name)} {value}" for name, value in parts[0].fixed.items()]
        return "At " + " and ".join(values)
    return "At fixed " + " and ".join(_words(name) for name in fields)


def _figures(association: Association) -> str:
    """Slope, interval, p, correlation, range and counts."""
    slope, name = association.slope, name_of(association.measure)
    sure = []
    if slope.low is not None and slope.high is not None:
        percent = f"{100 * association.confidence:.4g} % interval"
        sure.append(f"{percent} {_signed(slope.low)} to {_signed(slope.high)}")
    if slope.p is not None:
        sure.append(_chance(slope.p))
    if association.p_holm is not None:
        sure.append(f"{_chance(association.p_holm)} adjusted for all measures")
    unit = " hops" if name.unit == "hop" else ""
    low, high = association.lowest or 0.0, association.highest or 0.0
    return (
        f"{_signed(slope.value or 0.0)} {association.unit} ({', '.join(sure)}), "
        f"rank correlation {association.spearman.value or 0.0:+.2f}, {name.label} from "
        f"{low:.4g} to {high:.4g}{unit}, in {_count(association.runs, 'run')} of "
        f"{_count(association.graphs, 'graph')} with {_count(association.seeds, 'seed')}"
        f"{_cautions(association)}"
    )


def _cautions(association: Association) -> str:
    """What the pooled figures hide."""
    slopes = [part.slope.value for part in association.by_stratum]
    signs = {slope > 0 for slope in slopes if slope}
    of = " and ".join(_words(name) for name in association.strata)
    found = f"; the sign is not the same at every {of}" if len(signs) > 1 else ""
    spread = association.density_spread
    if spread is not None and spread > SAME_DENSITY:
        where = f" at one {of}" if of else ""
        found += f"; density differs by up to {100 * spread:.2g} percentage points{where}"
    return found


def _power(association: Association) -> str:
    """What the design sees, and what it would take to see the slope found."""
    if association.detectable is None:
        return "These runs are too few, or too much alike, to say what would have been missed."
    size = f"{association.detectable:.2g} points per {name_of(association.measure).unit}"
    tells = (
        f"Four studies like this in five would tell a slope of {size} from chance "
        f"(p < {LEVEL}), and fewer a lesser one"
    )
    needed = association.seeds_needed
    if not association.slope.value:
        return f"{tells}."
    if needed is None:
        return (
            f"{tells}; with graphs that scatter like these, no number of seeds would tell one "
            "of the size found."
        )
    if needed <= association.seeds:
        return f"{tells}; one of the size found is no smaller."
    seeds = f"{needed:,}" if needed <= MOST_SEEDS else f"more than {MOST_SEEDS:,}"
    return f"{tells}; one of the size found would take {seeds} seeds a level."


def _scope(association: Association) -> str:
    """How far a seen slope reaches."""
    besides = "other properties of graphs" if association.strata else "density and much else"
    return (
        "This is so of this network, data set and length of training, no more; it names no "
        f"cause, as {besides} may differ along with {name_of(association.measure).label}."
    )


def _signed(value: float) -> str:
    """Two decimals, or two digits where these come later."""
    return f"{value:+.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:+.2g}"


def _chance(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


def _words(field: str) -> str:
    return field.replace("_", " ")
