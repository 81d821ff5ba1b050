"""Joint PGD on models whose best attack is known, against a slow twin, and its promises."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ggt.joint_attack import distances, joint_pgd, orthogonal
from graphprune.errors import SpecError

MODES = ("joint", "orthogonal", "selective")


class Reader(nn.Module):
    """Logits (0, 20 * (pixel - edge), ...), one pixel for each class after the first."""

    def __init__(self, *read):
        """`read`: (position, edge) of each class; position None gives the constant `edge`."""
        super().__init__()
        self.read = read
        self.eval()

    def forward(self, pixels):
        flat = pixels.flatten(1)
        zero = torch.zeros_like(flat[:, 0]) * flat.sum(1)
        parts = [
            zero + edge if place is None else 20 * (flat[:, place] - edge)
            for place, edge in self.read
        ]
        return torch.stack([zero, *parts], dim=1)


def image(*values):
    return torch.tensor(values).reshape(1, 1, 1, -1)


class Centred(nn.Module):
    """Pixels in [-1, 1], twelve of them."""

    def forward(self, pixels):
        return pixels.flatten(1) * 2 - 1


def small_network(seed, *, classes=4):
    """A random function of twelve pixels that is sure of itself."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, classes, bias=False)]
        with torch.no_grad():
            layers[0].weight *= 4
            layers[2].weight *= 6
        return nn.Sequential(Centred(), *layers).eval()


def samples(count, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand((count, 3, 2, 2), generator=rng)


def labels_of(model, pixels):
    with torch.no_grad():
        return model(pixels).argmax(dim=1)


def disagreement(models, pixels, new):
    with torch.no_grad():
        shares = torch.stack([model(pixels).softmax(1) for model in models]).mean(0)
    return 1 - shares.gather(1, new[:, None])[:, 0]


BASE, MEMBER = Reader((0, 0.5)), Reader((1, 0.5))
START, RIGHT = image(0.4, 0.4, 0.4), torch.tensor([0])


def test_plain_attack_moves_only_what_the_original_reads():
    found = joint_pgd(BASE, [], START, RIGHT, epsilon=0.2)
    assert torch.allclose(found, image(0.6, 0.4, 0.4))


def test_joint_attack_moves_what_either_reads_to_the_corner():
    found = joint_pgd(BASE, [MEMBER], START, RIGHT, epsilon=0.2)
    assert torch.allclose(found, image(0.6, 0.6, 0.4))


@pytest.mark.parametrize("mode", ["orthogonal", "selective"])
def test_detector_is_followed_once_the_original_is_wrong(mode):
    found = joint_pgd(
        BASE, [MEMBER], START, RIGHT, epsilon=0.2, step_size=0.01, steps=60, mode=mode
    )
    first, second, third = found.flatten().tolist()
    assert 0.5 < first < 0.53
    assert second == pytest.approx(0.6)
    assert third == pytest.approx(0.4)


class Mirrored(nn.Module):
    """Says 1 where `BASE` does not."""

    def forward(self, pixels):
        return BASE(1 - pixels)


def test_weight_decides_where_the_models_pull_apart():
    against = Mirrored().eval()
    options = {"epsilon": 0.2, "steps": 20}
    light = joint_pgd(BASE, [against], START, RIGHT, weight=0.0, **options)
    assert light[0, 0, 0, 0] > 0.5
    heavy = joint_pgd(BASE, [against], START, RIGHT, weight=50.0, **options)
    assert torch.equal(heavy, START)  # every step makes the label likelier


def plain_pgd(model, pixels, labels, *, epsilon, steps):
    """One image at a time: signs towards the runner-up; the most confident mistake."""
    found = []
    for one, label in zip(pixels, labels, strict=True):
        image, best, rank = one[None], one[None], 9.0
        with torch.no_grad():
            order = model(image)[0].argsort(descending=True)
        aim = order[order != label][:1]
        for _ in range(steps + 1):
            image = image.detach().requires_grad_()
            logits = model(image)
            share = logits.softmax(1)[0].detach()
            now = 1 - share.max() if share.argmax() != label else 2 + share[label]
            if now <= rank:
                best, rank = image.detach(), float(now)
            nn.functional.cross_entropy(logits, aim).backward()
            moved = image.detach() - 2.5 * epsilon / steps * image.grad.sign()
            image = torch.minimum(torch.maximum(moved, one - epsilon), one + epsilon)
            image = image.clamp(0, 1)
        found.append(best)
    return torch.cat(found)


@pytest.mark.parametrize("mode", ["joint", "selective"])
def test_without_known_models_it_is_plain_pgd(mode):
    model, pixels = small_network(1), samples(12)
    labels = labels_of(model, pixels)
    found = joint_pgd(model, [], pixels, labels, epsilon=0.2, steps=9, mode=mode)
    twin = plain_pgd(model, pixels, labels, epsilon=0.2, steps=9)
    assert torch.allclose(found, twin, atol=1e-6)
    assert (labels_of(model, found) != labels).any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("known", [0, 2])
def test_epsilon_zero_changes_nothing(mode, known):
    models, pixels = [small_network(seed) for seed in range(3)], samples(5)
    labels = labels_of(models[0], pixels)
    found = joint_pgd(
        models[0], models[1 : 1 + known], pixels, labels, epsilon=0.0, mode=mode, restarts=2
    )
    assert torch.equal(found, pixels)
    assert found is not pixels


@settings(max_examples=12)
@given(
    st.integers(0, 2**31),
    st.sampled_from(MODES),
    st.integers(0, 3),
    st.floats(0, 0.6),
    st.integers(1, 3),
)
def test_radius_range_and_mode_hold(seed, mode, known, epsilon, restarts):
    models, pixels = [small_network(seed % 1000 + i) for i in range(4)], samples(4, seed)
    found = joint_pgd(
        models[0],
        models[1 : 1 + known],
        pixels,
        labels_of(models[0], pixels),
        epsilon=epsilon,
        steps=4,
        step_size=0.5,
        restarts=restarts,
        mode=mode,
        seed=seed,
    )
    assert distances(found, pixels, "linf").max() <= epsilon + 1e-6
    assert found.min() >= 0 and found.max() <= 1
    assert found.shape == pixels.shape and found.dtype == torch.float32


@pytest.mark.parametrize("mode", MODES)
def test_at_a_large_radius_nothing_stops_who_knows_all(mode):
    base, *members = [small_network(seed) for seed in range(3)]
    pixels = samples(40)
    labels = labels_of(base, pixels)
    found = joint_pgd(base, members, pixels, labels, epsilon=1.0, mode=mode, restarts=3)
    new = labels_of(base, found)
    assert ((new != labels) & (disagreement(members, found, new) < 0.2)).float().mean() > 0.95


@pytest.mark.parametrize("mode", MODES)
def test_knowing_the_models_lowers_their_disagreement(mode):
    base, *members = [small_network(seed) for seed in range(4)]
    pixels = samples(40)
    labels = labels_of(base, pixels)
    means = []
    for known in ([], members):
        found = joint_pgd(base, known, pixels, labels, epsilon=0.3, mode=mode)
        new = labels_of(base, found)
        fooled = new != labels
        assert fooled.float().mean() > 0.5
        means.append(disagreement(members, found, new)[fooled].mean())
    assert means[1] < means[0] - 0.1


class Band(nn.Module):
    """Says 1 only where the first pixel is within .03 of .52."""

    def forward(self, pixels):
        first = pixels.flatten(1)[:, 0]
        return torch.stack([torch.zeros_like(first), 50 * (0.03 - (first - 0.52).abs())], 1)


def test_best_point_on_the_way_is_kept_not_the_last():
    options = {"epsilon": 0.2, "steps": 2, "step_size": 0.1}  # .4, .5 (wrong), .6 (right)
    found = joint_pgd(Band().eval(), [], START, RIGHT, **options)
    assert found[0, 0, 0, 0] == pytest.approx(0.5)
    # Two points fool the original; the member agrees more at the second.
    found = joint_pgd(BASE, [Band().eval()], image(0.45, 0, 0), RIGHT, **options)
    assert found[0, 0, 0, 0] == pytest.approx(0.55)


def test_of_points_alike_the_later_is_kept():
    sure = Reader((None, 50.0))  # agrees wholly with every point that is wrong
    found = joint_pgd(BASE, [sure], START, RIGHT, epsilon=0.2, steps=10)
    assert found[0, 0, 0, 0] == pytest.approx(0.6)


def test_where_none_is_wrong_the_label_is_least_likely():
    found = joint_pgd(Reader((0, 0.9)), [], START, RIGHT, epsilon=0.2)
    assert found[0, 0, 0, 0] == pytest.approx(0.6)


class Hole(nn.Module):
    """Not a number beyond .5."""

    def forward(self, pixels):
        first = pixels.flatten(1)[:, 0]
        return torch.stack([torch.zeros_like(first), (0.5 - first).sqrt()], 1) - 1


def test_what_is_no_number_is_never_returned():
    right = torch.tensor([1])
    model = Reader((0, 0.1))
    found = joint_pgd(model, [Hole().eval()], START, right, epsilon=0.45, step_size=0.2)
    assert found.isfinite().all()


def test_further_restarts_aim_at_further_classes():
    base = Reader((0, 0.5), (1, 0.51))
    stubborn = Reader((None, -1.0), (2, 0.5))  # never says 1
    options = {"epsilon": 0.3, "steps": 30}
    one = joint_pgd(base, [stubborn], START, RIGHT, **options)
    two = joint_pgd(base, [stubborn], START, RIGHT, restarts=2, **options)
    assert labels_of(base, one).item() == 1
    assert labels_of(base, two).item() == labels_of(stubborn, two).item() == 2


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.integers(1, 4))
def test_restarts_never_make_it_worse(seed, restarts):
    base, member = small_network(seed), small_network(seed + 1)
    pixels = samples(6, seed)
    labels = labels_of(base, pixels)

    def rank(restarts):
        found = joint_pgd(
            base, [member], pixels, labels, epsilon=0.2, steps=5, restarts=restarts, seed=seed
        )
        new = labels_of(base, found)
        return torch.where(new != labels, disagreement([member], found, new), 2.0)

    assert (rank(restarts) <= rank(1) + 1e-6).all()


def test_target_is_aimed_at():
    model, pixels = small_network(3), samples(10)
    labels = labels_of(model, pixels)
    target = (labels + 2) % 4
    found = joint_pgd(model, [], pixels, labels, epsilon=1.0, target=target, steps=80)
    assert (labels_of(model, found) == target).float().mean() > 0.7


@given(st.integers(0, 2**31))
def test_orthogonal_part_is_orthogonal_and_the_rest_is_parallel(seed):
    rng = torch.Generator().manual_seed(seed)
    one, two = torch.randn((2, 5, 3, 4, 4), generator=rng)
    left = orthogonal(one, two)
    dots = (left * two).flatten(1).sum(1)
    sizes = left.flatten(1).norm(dim=1) * two.flatten(1).norm(dim=1)
    assert (dots.abs() <= 1e-6 * sizes).all()
    taken = (one - left).flatten(1)
    cosine = nn.functional.cosine_similarity(taken, two.flatten(1)).abs()
    assert torch.allclose(cosine, torch.ones(5), atol=1e-4)
    assert torch.equal(orthogonal(one, torch.zeros_like(two)), one)


def test_orthogonal_step_spares_the_other_loss_where_they_conflict():
    base, member = small_network(5), small_network(6)
    pixels = samples(60) * 0.2 + 0.4
    labels = labels_of(base, pixels)
    aim = (labels + 1) % 4

    def gradient(model):
        leaf = pixels.clone().requires_grad_()
        nn.functional.cross_entropy(model(leaf), aim, reduction="sum").backward()
        return leaf.grad.flatten(1)

    # One small step away from the image, kept where it makes the label less likely.
    found = joint_pgd(
        base,
        [member],
        pixels,
        labels,
        epsilon=0.1,
        steps=1,
        step_size=1e-2,
        mode="orthogonal",
        target=aim,
    )
    own, other = gradient(base), gradient(member)
    moved = (found - pixels).flatten(1)
    kept, against = moved.norm(dim=1) > 0, (own * other).sum(1) < 0
    cosine = nn.functional.cosine_similarity
    assert (kept & against).sum() > 5 and (kept & ~against).sum() > 5
    assert cosine(moved, other)[kept & against].abs().max() < 1e-3
    assert (cosine(moved, own)[kept & against] < 0).all()
    assert (cosine(moved, own)[kept & ~against] < -0.999).all()
    assert torch.allclose(moved[kept].norm(dim=1), torch.tensor(1e-2 * 12**0.5), rtol=1e-3)


def test_same_seed_same_result_and_nothing_else_changes():
    models, pixels = [small_network(seed) for seed in range(3)], samples(7)
    labels = labels_of(models[0], pixels)
    before, copy = torch.random.get_rng_state(), pixels.clone()

    def found(seed, batch=256):
        return joint_pgd(
            models[0],
            models[1:],
            pixels,
            labels,
            epsilon=0.1,
            steps=3,
            restarts=2,
            seed=seed,
            batch=batch,
        )

    assert torch.equal(found(0), found(0))
    assert not torch.equal(found(0), found(1))
    assert torch.allclose(found(0), found(0, batch=2), atol=1e-5)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(pixels, copy)
    assert all(p.grad is None for model in models for p in model.parameters())


def test_no_samples_give_none():
    model = small_network(0)
    none = torch.zeros((0, 3, 2, 2))
    assert joint_pgd(model, [], none, torch.zeros(0), epsilon=0.1).shape == none.shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": -0.1}, "epsilon must be in"),
        ({"epsilon": 1.5}, "epsilon must be in"),
        ({"epsilon": float("nan")}, "epsilon must be in"),
        ({"epsilon": 0.1, "steps": 0}, "steps=0"),
        ({"epsilon": 0.1, "restarts": 0}, "restarts=0"),
        ({"epsilon": 0.1, "mode": "sideways"}, "'sideways'"),
    ],
)
def test_bad_requests_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        joint_pgd(BASE, [], START, RIGHT, **options)


def test_bad_samples_and_training_models_are_refused():
    with pytest.raises(SpecError, match="1 samples, but 2 labels"):
        joint_pgd(BASE, [], START, torch.tensor([0, 1]), epsilon=0.1)
    for value in (1.2, -0.1, float("nan")):
        with pytest.raises(SpecError, match=r"pixels must be in \[0, 1\]"):
            joint_pgd(BASE, [], image(value, 0.0), RIGHT, epsilon=0.1)
    with pytest.raises(SpecError, match="training mode"):
        joint_pgd(BASE, [Reader((1, 0.5)).train()], START, RIGHT, epsilon=0.1)


def test_distances_by_hand():
    moved = torch.tensor([[[[0.3, 0.4]]], [[[0.0, -0.1]]]])
    zero = torch.zeros_like(moved)
    assert torch.allclose(distances(moved, zero, "l2"), torch.tensor([0.5, 0.1]))
    assert torch.allclose(distances(moved, zero, "linf"), torch.tensor([0.4, 0.1]))


def test_who_has_done_enough_is_not_started_again():
    class Counting(nn.Module):
        """Says 1 where the pixel is above .5, and counts the samples it is shown."""

        def __init__(self):
            super().__init__()
            self.seen = []

        def forward(self, pixels):
            self.seen.append(len(pixels))
            read = 20 * (pixels.flatten(1).mean(1) - 0.5)
            return torch.stack([-read, read], dim=1)

    pixels = torch.tensor([0.45, 0.2, 0.44]).reshape(3, 1, 1, 1).expand(3, 1, 2, 2).clone()
    labels = torch.zeros(3, dtype=torch.int64)
    shown = {}
    for enough in (0.0, 0.1):
        model = Counting().eval()
        options = {"epsilon": 0.2, "steps": 4, "restarts": 3, "enough": enough}
        found = joint_pgd(model, [], pixels, labels, **options)
        assert (found[[0, 2]] > 0.5).all() and (found[1] < 0.5).all()
        shown[enough] = model.seen[1:]  # after the pass that ranks the classes
    assert shown[0.0] == [3] * 15
    assert shown[0.1] == [3] * 5 + [1] * 10


def test_who_is_started_again_keeps_an_own_start_and_aim():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        models = [nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).eval() for _ in range(3)]
        pixels = torch.rand(30, 1, 3, 4)
    with torch.no_grad():
        for model in models:
            model[1].weight.mul_(8)
        labels = models[0](pixels).argmax(1)
    options = {"epsilon": 0.1, "steps": 5, "restarts": 4, "enough": 0.3}
    whole = joint_pgd(models[0], models[1:], pixels, labels, **options)
    alone = joint_pgd(models[0], models[1:], pixels, labels, batch=1, **options)
    once = joint_pgd(models[0], models[1:], pixels, labels, **options | {"restarts": 1})
    torch.testing.assert_close(whole, alone, rtol=0, atol=1e-5)
    again = (whole != once).flatten(1).any(1)
    assert 0 < again.sum() < len(pixels)
