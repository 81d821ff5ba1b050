"""Trees on features of frames: what networks have to beat, above all with few frames.

These are rivals for a benchmark and stay in memory: scikit-learn has no way to save trees but
pickles, which are never read here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphprune.errors import SpecError
from signet.features import FEATURES, Values, features_of
from signet.iq import Labels, Samples

FEATURE_MODELS: tuple[str, ...] = ("boosting", "extra-trees")
"""Gradient boosting of histograms, and extremely randomised trees."""

_TREES = 300
_ROUNDS = 120


class FeatureModel:
    """One of `FEATURE_MODELS` on `features_of` frames.

    Source: scikit-learn's HistGradientBoostingClassifier and ExtraTreesClassifier.
    """

    def __init__(self, name: str, *, classes: int, seed: int = 0, jobs: int = 1) -> None:
        """Choose the model.

        Args:
            name: One of `FEATURE_MODELS`.
            classes: Count of labels.
            seed: Fixes every random choice.
            jobs: Processes that grow trees ("extra-trees" alone).

        Raises:
            SpecError: There is no such model, or fewer than two classes.
        """
        if name not in FEATURE_MODELS:
            allowed = ", ".join(FEATURE_MODELS)
            raise SpecError(f"feature model must be one of {allowed}, got {name!r}")
        if classes < 2:
            raise SpecError(f"classes must be at least 2, got {classes}")
        self.name = name
        self.classes = classes
        self._model = _estimator(name, seed, jobs)
        self._fitted = False

    def fit(self, iq: Samples, labels: Labels) -> "FeatureModel":
        """Learn from frames; earlier learning is forgotten.

        Args:
            iq: Frames, float32, shape (count, 2, length).
            labels: Their classes, int64, shape (count,).

        Returns:
            The model itself.

        Raises:
            SpecError: Frames and labels do not line up, there are none, or a label is not in
                [0, classes).
        """
        if labels.shape != (len(iq),):
            raise SpecError(f"labels must have shape ({len(iq)},), got {labels.shape}")
        if not len(iq):
            raise SpecError("there are no frames to learn from")
        if not 0 <= labels.min() <= labels.max() < self.classes:
            raise SpecError(
                f"labels must be in [0, {self.classes}), got {labels.min()} to {labels.max()}"
            )
        self._model.fit(features_of(iq), labels)
        self._fitted = True
        return self

    def probabilities(self, iq: Samples) -> Values:
        """Shares of the classes, shape (count, classes); classes never seen get 0.

        Raises:
            SpecError: The model has learnt nothing yet, or the frames have another form.
        """
        if not self._fitted:
            raise SpecError(f"{self.name} has learnt nothing yet: fit it first")
        found = np.zeros((len(iq), self.classes))
        if len(iq):
            found[:, self._model.classes_] = self._model.predict_proba(features_of(iq))
        return found

    def predict(self, iq: Samples) -> Labels:
        """The likeliest class of each frame, int64, shape (count,).

        Raises:
            SpecError: As `probabilities`.
        """
        found: NDArray[np.int64] = self.probabilities(iq).argmax(axis=1).astype(np.int64)
        return found


def _estimator(name: str, seed: int, jobs: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

    if name == "extra-trees":
        return ExtraTreesClassifier(
            _TREES,
            min_samples_leaf=2,
            max_features=len(FEATURES) // 3,
            random_state=seed,
            n_jobs=jobs,
        )
    return HistGradientBoostingClassifier(
        max_iter=_ROUNDS,
        learning_rate=0.1,
        max_leaf_nodes=31,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )
