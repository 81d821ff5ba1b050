"""Attacks by name: what is allowed, what is refused, and the two texts of a request."""

import subprocess
import sys
from pathlib import Path

import pytest

from ggt.attack_request import ATTACKS, OPTIONS, AttackRequest, parse
from graphprune.errors import SpecError

NAMES = [
    *("fgsm", "pgd", "deepfool", "deepfool-linf", "cw", "boundary", "hopskipjump"),
    *("brendel-bethge", "jsma", "local-search", "one-pixel", "substitute"),
]


def test_the_catalogue():
    assert list(ATTACKS) == NAMES
    for kind in ATTACKS.values():
        assert kind.norm in ("l0", "l2", "linf") and "arXiv" in kind.source
        assert set(kind.shown) <= set(kind.options) <= set(OPTIONS)
    blind = {name for name, kind in ATTACKS.items() if not kind.gradients}
    assert blind == {"boundary", "hopskipjump", "local-search", "one-pixel", "substitute"}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("cw:confidence=10,steps=200", "cw conf 10 steps 200"),
        ("cw", "cw conf 0"),
        ("fgsm:epsilon=0.05", "fgsm eps 0.05"),
        ("pgd:epsilon=0.02,restarts=3,seed=4", "pgd eps 0.02 restarts 3 seed 4"),
        ("deepfool", "deepfool"),
        ("one-pixel:pixels=1", "one-pixel px 1"),
        ("jsma:theta=-1,target=random,batch=7", "jsma theta -1 target random"),
    ],
)
def test_a_request_is_read_labelled_and_written(text, label):
    request = parse(text)
    assert request.label() == label
    assert parse(request.text()) == request


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_filled_in_and_the_rest_stays_empty(name):
    request = AttackRequest(name)
    for option in OPTIONS:
        assert getattr(request, option) == ATTACKS[name].options.get(option)
    assert parse(request.text()) == request == parse(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fgms", "unknown attack 'fgms'; one of: fgsm, pgd"),
        ("deepfool:epsilon=0.1", "deepfool takes no epsilon; it takes steps"),
        ("fgsm:steps=3", "fgsm takes no steps; it takes epsilon"),
        ("fgsm:eps=0.1", "no option 'eps'; one of: epsilon"),
        ("fgsm:0.05", "must be option=value"),
        ("fgsm:", "must be option=value"),
        ("fgsm:epsilon=0.1,epsilon=0.2", "each option once"),
        ("fgsm:epsilon=much", "epsilon must be a number"),
        ("pgd:steps=2.5", "steps must be a whole number"),
        ("fgsm:epsilon=0", r"epsilon must be in \(0, 1\], got 0"),
        ("fgsm:epsilon=nan", "epsilon must be a number"),
        ("cw:confidence=-1", "confidence must be at least 0"),
        ("pgd:steps=0", "steps must be at least 1"),
        ("jsma:theta=0", "theta must be in"),
        ("jsma:gamma=1.5", "gamma must be in"),
        ("jsma:target=best", "target must be one of runner-up, random"),
        ("fgsm:seed=-1", "seed must be in"),
        ("fgsm:batch=0", "batch must be at least 1"),
    ],
)
def test_a_wrong_request_says_what_is_allowed(text, message):
    with pytest.raises(SpecError, match=message):
        parse(text)


def test_a_value_of_a_wrong_type_is_refused():
    with pytest.raises(SpecError, match="steps must be a whole number"):
        AttackRequest("pgd", steps=2.5)
    with pytest.raises(SpecError, match="batch must be a whole number"):
        AttackRequest("pgd", batch=True)


def test_naming_attacks_loads_nothing_heavy():
    heavy = "{'torch', 'numpy', 'foolbox'}"
    code = f"import ggt.attack_request, sys; print({heavy} & set(sys.modules))"
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("fgsm:psr=-20", "fgsm psr -20"),
        ("pgd:psr=-12.5,steps=7", "pgd psr -12.5 steps 7"),
        ("deepfool:psr=-15", "deepfool psr -15"),
        ("cw:psr=-15,confidence=2", "cw psr -15 conf 2"),
    ],
)
def test_a_budget_of_power_takes_the_place_of_epsilon(text, label):
    request = parse(text)
    assert request.label() == label and request.epsilon is None
    assert parse(request.text()) == request
    name, _, rest = text.partition(":")
    others = ",".join(part for part in rest.split(",") if not part.startswith("psr"))
    assert parse(f"{name}:{others}" if others else name, psr=request.psr) == request


@pytest.mark.parametrize(
    ("text", "psr", "message"),
    [
        ("jsma:psr=-20", None, "jsma bounds a count of values, not their power"),
        ("fgsm:psr=-20,epsilon=0.1", None, "fgsm: give epsilon or psr, not both"),
        ("fgsm:psr=-101", None, r"dB in \+-100, got -101"),
        ("fgsm", float("nan"), "psr must be a number of dB"),
        ("fgsm:psr=-3", -3.0, "given twice"),
    ],
)
def test_a_budget_of_power_without_a_meaning_is_refused(text, psr, message):
    with pytest.raises(SpecError, match=message):
        parse(text, psr=psr)
