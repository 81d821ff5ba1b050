"""Finite fields: the axioms, checked on every pair or triple of elements."""

import dataclasses
import itertools

import numpy as np
import pytest

from graphprune.errors import SpecError
from graphprune.graph.fields import Field, prime_power, projective_points, scaled

SMALL = [2, 3, 4, 5, 7, 8, 9, 11, 13, 16, 25, 27]
LARGE = [32, 49, 64, 81, 125, 243, 251, 256, 343, 512]


def naive_prime_power(q):
    for p in range(2, q + 1):
        if all(p % d for d in range(2, p)):
            for k in range(1, 12):
                if p**k == q:
                    return p, k
    return None


def test_prime_powers_are_those_of_a_list_of_all():
    for q in range(-3, 200):
        assert prime_power(q) == naive_prime_power(q), q


@pytest.mark.parametrize("q", SMALL)
def test_axioms_hold_for_all_elements(q):
    field = Field(q)
    a, b, c = np.ogrid[:q, :q, :q]
    plus, times = field.plus, field.times
    for table in (plus, times):
        assert table.shape == (q, q)
        assert (table == table.T).all()
        assert (table[table[a, b], c] == table[a, table[b, c]]).all()
    assert (times[a, plus[b, c]] == plus[times[a, b], times[a, c]]).all()


@pytest.mark.parametrize("q", SMALL + LARGE)
def test_units_inverses_and_powers(q):
    field, elements = Field(q), np.arange(q)
    p, k = prime_power(q)
    assert (field.plus[0] == elements).all()
    assert (field.times[1] == elements).all()
    assert not field.times[0].any()
    assert not field.plus[elements, field.negative].any()
    assert (field.times[elements, field.inverse] == (elements > 0)).all()
    assert sorted(field.powers) == list(range(1, q))
    root = field.powers[1 % (q - 1)]
    assert (field.times[field.powers, root] == np.roll(field.powers, -1)).all()
    total = 0
    for times in range(1, p + 1):
        total = field.plus[total, 1]
        assert (total == 0) == (times == p)
    assert len({tuple(row) for row in field.plus}) == p**k


def test_a_prime_field_is_arithmetic_modulo_it():
    field, elements = Field(13), np.arange(13)
    assert (field.plus == (elements[:, None] + elements) % 13).all()
    assert (field.times == elements[:, None] * elements % 13).all()


@pytest.mark.parametrize("q", SMALL)
def test_squares_are_the_products_of_an_element_with_itself(q):
    field = Field(q)
    expected = sorted({int(field.times[x, x]) for x in range(1, q)})
    assert field.squares.tolist() == expected
    assert len(expected) == (q - 1 if q % 2 == 0 else (q - 1) // 2)


@pytest.mark.parametrize("q", [-2, 0, 1, 6, 12, 36, 100, 513, 521, 1024])
def test_other_orders_are_refused(q):
    with pytest.raises(SpecError, match=f"prime power up to 512, got {q}"):
        Field(q)


def test_a_field_is_a_value_that_cannot_be_changed():
    field = Field(4)
    assert field == Field(4) != Field(5)
    assert hash(field) == hash(Field(4))
    assert repr(field) == "Field(q=4)"
    with pytest.raises(dataclasses.FrozenInstanceError):
        field.q = 5
    with pytest.raises(ValueError, match="read-only"):
        field.plus[0, 0] = 1


@pytest.mark.parametrize(("q", "width"), [(2, 3), (3, 3), (4, 2), (5, 3), (9, 2)])
def test_every_vector_is_a_multiple_of_one_point(q, width):
    field = Field(q)
    points = projective_points(field, width)
    assert len(points) == (q**width - 1) // (q - 1)
    assert points.tolist() == sorted(points.tolist())
    vectors = np.array([v for v in itertools.product(range(q), repeat=width) if any(v)])
    for vector, point in zip(vectors, scaled(field, vectors), strict=True):
        assert (points == point).all(axis=1).sum() == 1
        assert any((field.times[factor, point] == vector).all() for factor in range(1, q))


def test_dot_products_are_sums_of_products():
    field = Field(9)
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, 9, (2, 20, 4))
    expected = [0] * 20
    for i, (u, v) in enumerate(zip(left, right, strict=True)):
        for a, b in zip(u, v, strict=True):
            expected[i] = int(field.plus[expected[i], field.times[a, b]])
    assert field.dot(left, right).tolist() == expected
    assert field.dot(left[0], right)[0] == expected[0]
