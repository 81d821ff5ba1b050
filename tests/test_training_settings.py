"""Recipes: what they refuse, and their learning rates by hand."""

import dataclasses
import math

import pytest
import torch

from graphprune.errors import SpecError
from graphprune.training import Settings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adam"}, "optimizer must be one of sgd, adamw, got 'adam'"),
        (
            {"schedule": "linear"},
            "schedule must be one of cosine, multistep, onecycle, got 'linear'",
        ),
        ({"precision": "fp16"}, "precision must be one of fp32, bf16, got 'fp16'"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"learning_rate": math.inf}, "learning_rate must be positive, got inf"),
        ({"learning_rate": math.nan}, "learning_rate must be positive, got nan"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"momentum": -0.1}, r"momentum must be in \[0, 1\), got -0.1"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\), got 1.0"),
        ({"weight_decay": -1e-4}, r"weight_decay must be in \[0, 1e\+09\), got -0.0001"),
        ({"noise": -0.1}, "noise must be in .* got -0.1"),
        ({"weight_decay": math.nan}, "weight_decay must be in .* got nan"),
    ],
)
def test_values_out_of_range_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        Settings(**options)


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().epochs = 3


@pytest.mark.parametrize(
    ("progress", "rate"), [(0, 0.8), (1 / 3, 0.6), (0.5, 0.4), (2 / 3, 0.2), (1, 0.0)]
)
def test_cosine_by_hand(progress, rate):
    settings = Settings(learning_rate=0.8, schedule="cosine")
    assert settings.learning_rate_at(progress) == pytest.approx(rate, abs=1e-15)


@pytest.mark.parametrize(
    ("progress", "rate"),
    [(0, 0.8), (0.4999, 0.8), (0.5, 0.08), (0.7499, 0.08), (0.75, 0.008), (1, 0.008)],
)
def test_multistep_by_hand(progress, rate):
    settings = Settings(learning_rate=0.8, schedule="multistep")
    assert settings.learning_rate_at(progress) == pytest.approx(rate)


def test_one_cycle_is_that_of_torch():
    steps, settings = 200, Settings(learning_rate=0.8, schedule="onecycle")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 0.8)
    twin = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=0.8,
        total_steps=steps + 1,
        pct_start=0.3 * steps / (steps + 1) + 1 / (steps + 1),
        final_div_factor=1e12,
        cycle_momentum=False,
    )
    for step in range(steps):
        assert settings.learning_rate_at(step / steps) == pytest.approx(
            twin.get_last_lr()[0], abs=1e-9
        )
        optimizer.step()
        twin.step()
