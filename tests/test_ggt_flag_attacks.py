"""The attacker who sees label and flag, in a plane where the nearest evasion is known."""

import pytest
import torch

from ggt.flag_attacks import FlagCriterion, _Asked, _Spent, evade_by_queries
from graphprune.errors import SpecError

START = torch.tensor([[0.9, 0.9]])


def plane(points):
    """Points of two coordinates as images of two pixels."""
    return torch.as_tensor(points, dtype=torch.float32).reshape(-1, 1, 1, 2)


class Quadrants:
    """Label 1 right of .5; flagged below .5. Counts what it is asked."""

    def __init__(self):
        self.calls, self.images = 0, 0

    def __call__(self, pixels):
        self.calls += 1
        self.images += len(pixels)
        across, up = pixels.flatten(1).T
        return (across > 0.5).long(), up < 0.5


ORIGINALS = plane([[0.2, 0.2], [0.4, 0.6], [0.1, 0.3]])
RIGHT = torch.tensor([0, 0, 0])
NEAREST = torch.tensor([0.3 * 2**0.5, 0.1, (0.4**2 + 0.2**2) ** 0.5])


def far(found, norm=2):
    return (found.pixels - ORIGINALS).flatten(1).norm(p=norm, dim=1)


def test_finds_the_nearest_corner_that_is_not_flagged():
    oracle = Quadrants()
    found = evade_by_queries(oracle, ORIGINALS, RIGHT, plane(START), queries=1000)
    labels, flags = oracle(found.pixels)
    assert found.found.all()
    assert (labels != RIGHT).all() and not flags.any()
    assert (far(found) >= NEAREST - 1e-6).all()
    assert (far(found) <= NEAREST * 1.1).all()
    assert found.pixels.min() >= 0 and found.pixels.max() <= 1


def test_small_largest_change():
    oracle = Quadrants()
    found = evade_by_queries(oracle, ORIGINALS, RIGHT, plane(START), queries=1000, norm="linf")
    nearest = torch.tensor([0.3, 0.1, 0.4])
    assert found.found.all()
    assert (far(found, torch.inf) <= nearest * 1.15).all()


@pytest.mark.parametrize("queries", [1, 37, 300])
def test_no_sample_asks_more_than_it_may_and_all_is_counted(queries):
    oracle = Quadrants()
    found = evade_by_queries(oracle, ORIGINALS, RIGHT, plane(START), queries=queries, batch=2)
    assert (found.queries <= queries).all()
    assert (found.queries == queries).all()  # this attack never ends early
    assert found.shared_queries == 1
    confirmation = len(ORIGINALS)
    assert oracle.images == int(found.queries.sum()) + found.shared_queries + confirmation


def test_more_queries_bring_it_nearer():
    few, many = (
        far(evade_by_queries(Quadrants(), ORIGINALS, RIGHT, plane(START), queries=queries))
        for queries in (20, 800)
    )
    assert (many <= few).all() and (many < few).any()


def test_starts_that_are_flagged_or_have_the_label_are_passed_over():
    starts = plane([[0.9, 0.1], [0.1, 0.9], [0.95, 0.95], [0.7, 0.7]])
    found = evade_by_queries(Quadrants(), ORIGINALS, RIGHT, starts, queries=1)
    assert found.shared_queries == 4
    # One query is a half-way point, so nothing is farther than the nearest start.
    assert (far(found) <= (plane([[0.7, 0.7]]) - ORIGINALS).flatten(1).norm(dim=1)).all()
    assert found.found.all()


@pytest.mark.parametrize("starts", [[[0.9, 0.1], [0.1, 0.9]], []])
def test_without_a_start_nothing_is_found_and_nothing_changes(starts):
    found = evade_by_queries(Quadrants(), ORIGINALS, RIGHT, plane(starts), queries=50)
    assert not found.found.any()
    assert torch.equal(found.pixels, ORIGINALS)
    assert found.queries.tolist() == [0, 0, 0]


def test_samples_with_and_without_a_start_stand_side_by_side():
    labels = torch.tensor([0, 1, 0])
    found = evade_by_queries(Quadrants(), ORIGINALS, labels, plane(START), queries=60)
    assert found.found.tolist() == [True, False, True]
    assert found.queries[1] == 0 and found.queries[0] > 0
    assert torch.equal(found.pixels[1], ORIGINALS[1])


@pytest.mark.parametrize("most", [1, 150])
def test_what_is_flagged_when_asked_again_is_not_found(most):
    class Learning(Quadrants):
        """Flags everything once it has seen enough; the start alone, at the least."""

        def __call__(self, pixels):
            labels, flags = super().__call__(pixels)
            return labels, flags | (self.images > most)

    found = evade_by_queries(Learning(), ORIGINALS, RIGHT, plane(START), queries=100)
    assert not found.found.any()
    assert torch.equal(found.pixels, ORIGINALS)


def test_an_image_is_asked_about_once_and_a_spent_sample_not_at_all():
    oracle = Quadrants()
    asked = _Asked(oracle, torch.tensor([0, 0]), 2)
    asked.learn(plane([[0.9, 0.8], [0.8, 0.9]]), torch.tensor([7, 8]))
    assert asked(plane([[0.9, 0.8], [0.8, 0.9]])).tolist() == [[7, 0], [8, 0]]
    assert (oracle.images, asked.asked) == (0, [0, 0])
    first = plane([[0.6, 0.6], [0.6, 0.1]])
    assert asked(first).tolist() == asked(first).tolist() == [[1, 0], [1, 1]]
    assert (oracle.images, asked.asked) == (2, [1, 1])
    asked(plane([[0.6, 0.6], [0.7, 0.7]]))
    assert asked.asked == [1, 2]
    # The second sample has no queries left: its own label, and a flag.
    assert asked(plane([[0.7, 0.7], [0.75, 0.75]])).tolist() == [[1, 0], [0, 1]]
    assert (oracle.images, asked.asked) == (4, [2, 2])
    with pytest.raises(_Spent):
        asked(plane([[0.1, 0.1], [0.2, 0.2]]))


def test_an_oracle_that_rounds_from_call_to_call_does_not_end_the_attack():
    class Rounding(Quadrants):
        """Its threshold moves from call to call."""

        def __call__(self, pixels):
            labels, _ = super().__call__(pixels)
            edge = 0.5 + 0.01 * (self.calls % 3)
            return labels, pixels.flatten(1)[:, 1] < edge

    found = evade_by_queries(Rounding(), ORIGINALS, RIGHT, plane(START), queries=200)
    assert (found.pixels[found.found].flatten(1)[:, 1] >= 0.5).all()
    assert (found.queries == 200).all()


def test_same_seed_same_result_and_global_state_untouched():
    before = torch.random.get_rng_state()
    copy = ORIGINALS.clone()
    one, two, other = (
        evade_by_queries(Quadrants(), ORIGINALS, RIGHT, plane(START), queries=300, seed=seed)
        for seed in (4, 4, 5)
    )
    assert torch.equal(one.pixels, two.pixels)
    assert not torch.equal(one.pixels, other.pixels)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(ORIGINALS, copy)


def test_criterion_by_hand():
    originals = plane([[0.0, 0.0]] * 4)
    labels = torch.tensor([3, 3, 3, 3])
    criterion = FlagCriterion(originals, labels, plane([[0.5, 0.5]] * 4), "l2")
    points = plane([[0.1, 0.0], [0.2, 0.0], [0.3, 0.0], [0.9, 0.9]])
    outputs = torch.tensor([[3, 0], [2, 1], [2, 0], [2, 0]])
    assert criterion(points, outputs).tolist() == [False, False, True, True]
    # Only a success that is nearer replaces what is remembered.
    wanted = plane([[0.5, 0.5], [0.5, 0.5], [0.3, 0.0], [0.5, 0.5]])
    assert torch.equal(criterion.nearest, wanted)
    assert repr(criterion) == "FlagCriterion(l2, 4 samples)"


def test_no_samples_ask_nothing():
    oracle = Quadrants()
    none = evade_by_queries(oracle, ORIGINALS[:0], RIGHT[:0], plane(START))
    assert none.pixels.shape == (0, 1, 1, 2) and oracle.calls == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queries": 0}, "queries=0"),
        ({"steps": 0}, "steps=0"),
        ({"norm": "l1"}, "norm must be one of linf, l2, got 'l1'"),
    ],
)
def test_bad_requests_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        evade_by_queries(Quadrants(), ORIGINALS, RIGHT, plane(START), **options)


def test_bad_samples_and_oracles_are_refused():
    with pytest.raises(SpecError, match="3 samples, but 1 labels"):
        evade_by_queries(Quadrants(), ORIGINALS, RIGHT[:1], plane(START))
    with pytest.raises(SpecError, match="label and a flag for each of 1 samples"):
        evade_by_queries(
            lambda pixels: (torch.zeros(2), torch.zeros(1)), ORIGINALS, RIGHT, plane(START)
        )
