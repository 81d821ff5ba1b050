"""Trees on features: they learn, say so alike each time, and refuse what does not fit."""

import numpy as np
import pytest

from graphprune.errors import SpecError
from signet.feature_models import FEATURE_MODELS, FeatureModel


def two_kinds(count, seed):
    """Tones (class 0) and noise (class 2), of any phase and size."""
    rng = np.random.default_rng(seed)
    labels = np.where(np.arange(count) % 2, 2, 0)
    tone = np.exp(2j * np.pi * (rng.random((count, 1)) + np.arange(64) * 0.1))
    noise = rng.normal(size=(count, 64, 2)) @ [1, 1j]
    x = np.where(labels[:, None] == 0, tone, noise) * rng.uniform(0.1, 9, (count, 1))
    return np.stack([x.real, x.imag], axis=1).astype(np.float32), labels.astype(np.int64)


@pytest.mark.parametrize("name", FEATURE_MODELS)
def test_it_learns_and_tells_shares_of_all_classes(name):
    iq, labels = two_kinds(60, 0)
    fresh, wanted = two_kinds(40, 1)
    model = FeatureModel(name, classes=4).fit(iq, labels)
    assert (model.predict(fresh) == wanted).all()
    assert model.predict(fresh).dtype == np.int64
    shares = model.probabilities(fresh)
    assert shares.shape == (40, 4)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert not shares[:, [1, 3]].any()
    assert model.probabilities(fresh[:0]).shape == (0, 4)


@pytest.mark.parametrize("name", FEATURE_MODELS)
def test_equal_seeds_give_equal_shares(name):
    iq, labels = two_kinds(40, 0)
    labels = np.roll(labels, 7)  # something to be unsure of
    fresh, _ = two_kinds(20, 1)
    first, again = (
        FeatureModel(name, classes=3, seed=5).fit(iq, labels).probabilities(fresh)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, again)


def test_seeds_matter_to_random_trees():
    iq, labels = two_kinds(40, 0)
    labels = np.random.default_rng(0).permutation(labels)
    first, other = (
        FeatureModel("extra-trees", classes=3, seed=seed).fit(iq, labels).probabilities(iq)
        for seed in (0, 1)
    )
    assert not np.array_equal(first, other)


def test_what_does_not_fit_is_refused():
    iq, labels = two_kinds(10, 0)
    with pytest.raises(SpecError, match=r"one of boosting, extra-trees, got 'svm'"):
        FeatureModel("svm", classes=3)
    with pytest.raises(SpecError, match="classes must be at least 2, got 1"):
        FeatureModel("boosting", classes=1)
    model = FeatureModel("boosting", classes=2)
    with pytest.raises(SpecError, match="boosting has learnt nothing yet"):
        model.predict(iq)
    with pytest.raises(SpecError, match=r"labels must be in \[0, 2\), got 0 to 2"):
        model.fit(iq, labels)
    with pytest.raises(SpecError, match=r"shape \(10,\), got \(9,\)"):
        model.fit(iq, labels[:9])
    with pytest.raises(SpecError, match="no frames to learn from"):
        model.fit(iq[:0], labels[:0])
