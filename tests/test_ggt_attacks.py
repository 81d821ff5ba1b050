"""One table over all attacks, and closed forms for those that have one."""

import numpy as np
import pytest
import torch
from eagerpy.astensor import astensor
from victims import digits_victim, linear_victim, random_states

from ggt import attacks
from ggt.attacks import ATTACKS, AttackRequest, craft, parse
from ggt.crafting import own_randomness, predicted
from ggt.decision_based import HopSkipJump
from graphprune.errors import SpecError

pytestmark = pytest.mark.usefixtures("one_thread")

SLOW = [pytest.param("brendel-bethge:steps=60,batch=4", marks=pytest.mark.slow)]  # numba: 30 s
TABLE = [
    "fgsm:epsilon=0.3",
    "pgd:epsilon=0.2,steps=8",
    "deepfool:steps=20",
    "deepfool-linf:steps=20",
    "cw:confidence=2,steps=30",
    "boundary:steps=60",
    "hopskipjump:steps=2",
    "jsma:gamma=0.4",
    "local-search:steps=10",
    "one-pixel:pixels=6,steps=10",
    "substitute:epsilon=0.4,steps=2",
    *SLOW,
]


def test_the_table_has_every_attack():
    texts = [getattr(row, "values", (row,))[0] for row in TABLE]
    assert {parse(text).name for text in texts} == set(ATTACKS)


@pytest.mark.parametrize("text", TABLE)
def test_every_attack_keeps_the_invariants(text):
    model, images, labels = digits_victim()
    images, labels = images[:8].clone(), labels[:8].clone()
    known = digits_victim()[1][100:160] if text.startswith("substitute") else None
    before = images.clone()
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    model.network.train()  # as a careless caller may have it
    first = next(model.parameters())
    first.grad = torch.ones_like(first)
    states = random_states()
    done = []
    try:
        made = craft(model, images, labels, parse(text), known=known, progress=done.append)
        assert model.network.training
        assert all(p.requires_grad for p in model.parameters())
        assert torch.equal(first.grad, torch.ones_like(first))
    finally:
        model.network.eval()
        first.grad = None
    assert random_states() == states
    assert all(torch.equal(value, weights[key]) for key, value in model.state_dict().items())
    assert torch.equal(images, before)
    assert done[-1] == len(images)
    check_made(made, model, images, labels, parse(text))
    again = craft(model, images, labels, parse(text), known=known)
    assert np.array_equal(made.images, again.images)
    assert np.array_equal(made.success, again.success)


def check_made(made, model, images, labels, request):
    """What must hold of whatever an attack made."""
    assert made.images.shape == tuple(images.shape) and made.images.dtype == np.float32
    assert np.isfinite(made.images).all() and made.images.min() >= 0 and made.images.max() <= 1
    assert made.success.any(), made.reasons
    labels = labels.numpy()
    assert np.array_equal(made.labels, labels)
    found = predicted(model, torch.from_numpy(made.images)).numpy()
    assert np.array_equal(found, made.predictions)
    assert np.array_equal(found != labels, made.success)
    assert np.array_equal(made.images[~made.success], images.numpy()[~made.success])
    assert sum(made.reasons.values()) == (~made.success).sum()
    change = np.abs(made.images.astype(np.float64) - images.numpy())
    if request.epsilon is not None:
        assert change.max() <= request.epsilon + 1e-5
    if request.pixels is not None:
        assert (change.max(1) > 0).sum((1, 2)).max() <= request.pixels
    if request.gamma is not None:
        assert (change > 0).sum((1, 2, 3)).max() <= request.gamma * change[0].size
    assert made.seconds > 0


LINEAR = linear_victim([1.0, -2.0, 0.5, -0.25], [0.0, 0.0, 0.0, 0.0])
POINT = torch.tensor([0.6, 0.1, 0.5, 0.6]).reshape(1, 1, 2, 2)  # logit 0.5, label 0
SIGNS = torch.tensor([1.0, -1.0, 1.0, -1.0]).reshape(1, 1, 2, 2)


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_sign_attacks_on_a_linear_network_go_to_the_corner(name):
    label = torch.tensor([0])
    made = craft(LINEAR, POINT, label, AttackRequest(name, epsilon=0.15))
    assert made.success.all()  # 0.5 - 0.15 * 3.75 < 0
    corner = (POINT - 0.15 * SIGNS).numpy()
    assert np.allclose(made.images, corner, atol=1e-6)
    weak = craft(LINEAR, POINT, label, AttackRequest(name, epsilon=0.13))
    assert weak.reasons == {"not misclassified": 1}  # 0.5 - 0.13 * 3.75 > 0


@pytest.mark.parametrize(("name", "norm"), [("deepfool", "l2"), ("deepfool-linf", "linf")])
def test_deepfool_on_a_linear_network_goes_the_distance_of_the_plane(name, norm):
    made = craft(LINEAR, POINT, torch.tensor([0]), AttackRequest(name))
    weights = np.array([1.0, 2.0, 0.5, 0.25])
    length = np.sqrt((weights**2).sum()) if norm == "l2" else weights.sum()
    # 2 % of overshoot, and foolbox adds 0.0001 to each distance.
    assert made.norms[norm][0] == pytest.approx(1.02 * (0.5 / length + 1e-4), rel=1e-3)


def test_pgd_is_never_weaker_than_fgsm():
    model, images, labels = digits_victim()
    images, labels = images[:100], labels[:100]
    for epsilon in (0.05, 0.12):
        fast = craft(model, images, labels, AttackRequest("fgsm", epsilon=epsilon))
        walk = craft(model, images, labels, AttackRequest("pgd", epsilon=epsilon, steps=2))
        assert (walk.success | ~fast.success).all()
        assert fast.success.any()


def test_pgd_falls_back_to_fgsm_where_its_own_walk_fails(monkeypatch):
    walk = attacks.LinfProjectedGradientDescentAttack
    monkeypatch.setattr(
        "ggt.attacks.LinfProjectedGradientDescentAttack",
        lambda **given: walk(rel_stepsize=1e-6, steps=1, random_start=False),
    )
    model, images, labels = digits_victim()
    fast, lame = (
        craft(model, images[:60], labels[:60], AttackRequest(name, epsilon=0.12))
        for name in ("fgsm", "pgd")
    )
    assert fast.success.any() and np.array_equal(fast.images, lame.images)


def test_restarts_only_add():
    model, images, labels = digits_victim()
    once, often = (
        craft(model, images[:60], labels[:60], parse(f"pgd:epsilon=0.1,steps=3,restarts={n}"))
        for n in (1, 4)
    )
    assert (often.success | ~once.success).all()


@pytest.mark.parametrize("asked", [0.0, 5.0])
def test_cw_reaches_the_confidence_asked_for(asked):
    model, images, labels = digits_victim()
    images, labels = images[:6], labels[:6]
    made = craft(model, images, labels, AttackRequest("cw", confidence=asked, steps=50))
    assert made.success.mean() >= 0.8
    with torch.no_grad():
        logits = model(torch.from_numpy(made.images))
    rows = torch.arange(len(labels))
    own = logits[rows, labels]
    logits[rows, labels] = -torch.inf
    margins = (logits.amax(1) - own).numpy()[made.success]
    assert margins.min() >= asked - 1e-3
    assert np.median(margins) < asked + 1.5  # and does not waste distance on more


def test_a_constant_network_counts_every_attack_as_failed():
    model = linear_victim([0.0, 0, 0, 0], [0.0, 0, 0, 0], bias=[1.0, 0.0])
    for text in ("hopskipjump:steps=1", "boundary:steps=3", "pgd", "jsma", "one-pixel:steps=2"):
        made = craft(model, POINT, torch.tensor([0]), parse(text))
        assert not made.success.any() and sum(made.reasons.values()) == 1
        assert np.array_equal(made.images, POINT.numpy())


def test_without_known_images_the_substitute_gives_up_a_quarter():
    model, images, labels = digits_victim()
    made = craft(model, images[:16], labels[:16], parse("substitute:epsilon=0.4,steps=1"))
    assert made.reasons["not tried"] == 4
    assert not made.success[:4].any()


def test_hopskipjump_gives_each_image_of_a_batch_a_direction_of_length_one():
    images = astensor(torch.full((5, 1, 4, 4), 0.5))
    with own_randomness(0, torch.device("cpu")):
        found = HopSkipJump().approximate_gradients(
            lambda asked: astensor(asked.raw[:, 0, 0, 0] > 0.5),
            images,
            30,
            astensor(torch.ones(5)),
        )
    assert torch.allclose(found.raw.flatten(1).norm(dim=1), torch.ones(5))
    assert (found.raw[:, 0, 0, 0] > 0.5).all()  # the side on which the answer is yes


def test_an_attack_that_lies_is_found_out(monkeypatch):
    def liar(job, images, labels, start):
        produced = images.clone()
        produced[0], produced[1] = torch.nan, 0.0
        return produced, None

    monkeypatch.setitem(attacks._MAKERS, "deepfool", liar)
    model, images, labels = digits_victim()
    made = craft(model, images[:3], labels[:3], AttackRequest("deepfool"))
    assert made.reasons["not finite"] == 1 and not made.success.any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.tensor([1])}, "labels 1 of 1 images otherwise"),
        ({"labels": torch.tensor([0, 0])}, "need as many labels"),
        ({"images": POINT.double()}, "must be float32"),
        ({"images": POINT[0]}, "must be float32 of shape"),
        ({"images": POINT + 0.5}, r"in \[0, 1\]"),
        ({"images": POINT * torch.nan}, "finite"),
        ({"known": POINT}, "no use for known images"),
    ],
)
def test_unusable_input_is_refused(change, message):
    given = {"images": POINT, "labels": torch.tensor([0])} | change
    images, labels = given.pop("images"), given.pop("labels")
    with pytest.raises(SpecError, match=message):
        craft(LINEAR, images, labels, AttackRequest("fgsm"), **given)
