"""Is an adaptive evaluation sound? Findings about its rows, to be shown beside them.

A finding is a dict that JSON can hold: `check`; `of`, the settings it is about; `found`, a
number, or None where there was nothing to compare; `wanted`, the condition in words; `holds`.
What cannot be checked is a finding that does not hold.

Source: Carlini et al., On Evaluating Adversarial Robustness, arXiv:1902.06705.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from ggt.adaptive import SETTINGS, Row

Finding = dict[str, object]


def large_epsilon(rows: Iterable[Row], *, least: float = 0.95) -> list[Finding]:
    """At the largest radius, who has the whole bank gets past it nearly always.

    Uses the rows of `joint_sweep` in which all models are known, a finding for each mode.

    Args:
        rows: Any rows.
        least: Evasion rate wanted, in [0, 1].
    """
    wanted = f"evasion rate at least {least:g} at the largest radius, all models known"
    whole = [
        row for row in rows if row["scored_on"] == "attacked" and row["known"] == row["members"]
    ]
    findings = []
    for mode in dict.fromkeys(row["mode"] for row in whole):
        last = max((r for r in whole if r["mode"] == mode), key=lambda row: row["epsilon"])
        rate = last["evaded_rate"]
        holds = rate is not None and rate >= least
        findings.append(_finding("large epsilon", _settings(last), rate, wanted, holds))
    return findings or [_finding("large epsilon", {}, None, wanted, False)]


def never_hurts(
    rows: Iterable[Row], along: str, *, measure: str = "evaded_rate", tolerance: float = 0.05
) -> list[Finding]:
    """More of one setting never makes the attacker worse by more than a tolerance.

    Holds for what the attacker optimises, so give it no rows scored on held-out models.

    Args:
        rows: Rows that differ in `along`, and maybe in more; a finding for each group of rows
            that differ in nothing else.
        along: "steps", "epsilon", "known" or "restarts".
        measure: The rate to compare.
        tolerance: Largest drop from one value to the next that passes, in [0, 1].

    Returns:
        Findings whose `found` is the largest drop, negative where the rate only rose.
    """
    wanted = f"{measure} falls by at most {tolerance:g} with more {along}"
    name = f"more {along} never hurts"
    groups: dict[str, list[Row]] = {}
    for row in rows:
        # The attacker with no model is the first of those who know some.
        ignored = {along, "threat"} if along == "known" else {along}
        groups.setdefault(str(_settings(row, without=ignored)), []).append(row)
    findings = []
    for group in groups.values():
        line = sorted(group, key=lambda row: row[along])
        rates = [row[measure] for row in line if row[measure] is not None]
        drops = [one - two for one, two in pairwise(rates)]
        worst = max(drops, default=None)
        holds = worst is not None and worst <= tolerance
        of = _settings(line[0], without={along})
        findings.append(_finding(name, of, worst, wanted, holds))
    return findings or [_finding(name, {}, None, wanted, False)]


def redrawn(
    rows: Iterable[Row], others: Sequence[Row], *, tolerance: float = 0.1
) -> list[Finding]:
    """Another draw of the bank changes the evasion rates by at most a tolerance.

    Args:
        rows: Of one bank; a finding for each.
        others: Of the other; matched by their settings.
        tolerance: In [0, 1].
    """
    wanted = f"evasion rate within {tolerance:g} of another bank's"
    findings = []
    for row in rows:
        settings = _settings(row)
        twins = [each for each in others if _settings(each) == settings]
        rates = [each["evaded_rate"] for each in (row, *twins)]
        found = None
        if twins and None not in rates:
            found = max(abs(rate - rates[0]) for rate in rates[1:])
        holds = found is not None and found <= tolerance
        findings.append(_finding("another bank", settings, found, wanted, holds))
    return findings or [_finding("another bank", {}, None, wanted, False)]


def _settings(row: Row, *, without: Iterable[str] = ()) -> Row:
    return {name: row[name] for name in SETTINGS if name in row and name not in without}


def _finding(check: str, of: Row, found: float | None, wanted: str, holds: bool) -> Finding:
    return {"check": check, "of": of, "found": found, "wanted": wanted, "holds": holds}
