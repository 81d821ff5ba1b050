"""Training: one step by hand, equal runs, resumed runs equal to the bit, and divergence."""

import copy
import itertools
import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from toys import files_of_at_most, noise, noisy_network, pixel_classifier, pixels

from graphprune.errors import FileError, MismatchError, TrainingError
from graphprune.nn.masking import apply_masks, masks_of
from graphprune.training import LabelledImages, Score, Settings, evaluate, loop, train

BRIGHT = 255  # a pixel of 1.0


pytestmark = pytest.mark.usefixtures("one_thread")


def plain(**options):
    return Settings(**{"augment": False, "batch_size": 2, **options})


def state(model):
    return copy.deepcopy(model.state_dict())


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_two_steps_of_sgd_by_hand():
    model = pixel_classifier(0.0, 0.0)
    settings = plain(epochs=2, learning_rate=0.1, momentum=0.9, weight_decay=0.5)

    rows = train(model, pixels(BRIGHT, BRIGHT, labels=[0, 0]), settings)

    # Logits (0, 0): both classes have probability 1/2, the gradient is (-1/2, 1/2).
    weight, momentum = 0.1 / 2, -1 / 2
    share = 1 / (1 + math.exp(-2 * weight))  # probability of class 0 after the first step
    momentum = 0.9 * momentum + (share - 1) + 0.5 * weight
    weight -= 0.05 * momentum  # half way on a cosine the rate is half
    assert model[1].weight.flatten().tolist() == pytest.approx([weight, -weight], rel=1e-6)
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.1, 0.05])
    assert [row["train_loss"] for row in rows] == pytest.approx([math.log(2), -math.log(share)])
    assert [row["train_accuracy"] for row in rows] == [1.0, 1.0]
    assert [row["epoch"] for row in rows] == [1, 2]


def test_one_step_of_adamw_by_hand():
    model = pixel_classifier(1.0, 1.0)
    settings = plain(epochs=1, optimizer="adamw", learning_rate=0.1, weight_decay=0.5)
    train(model, pixels(BRIGHT, BRIGHT, labels=[0, 0]), settings)
    # The first step has length one in the direction of the sign; decay takes 0.1 * 0.5 * 1.
    assert model[1].weight.flatten().tolist() == pytest.approx([0.95 + 0.1, 0.95 - 0.1])


def test_label_smoothing_by_hand():
    model = pixel_classifier(math.log(3), 0.0)  # probabilities 3/4 and 1/4
    settings = plain(epochs=1, label_smoothing=0.2)
    (row,) = train(model, pixels(BRIGHT, BRIGHT, labels=[0, 0]), settings)
    expected = -(0.9 * math.log(0.75) + 0.1 * math.log(0.25))
    assert row["train_loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (
            "cosine",
            [0.05 * (1 + math.cos(math.pi / 4)), 0.05 * (1 + math.cos(3 * math.pi / 4))],
        ),
        ("multistep", [0.1, 0.001]),
    ],
)
def test_the_rate_falls_with_every_step(schedule, rates):
    data = pixels(*[BRIGHT] * 4, labels=[0, 1, 0, 1])  # two steps an epoch
    settings = plain(epochs=2, learning_rate=0.1, schedule=schedule)
    rows = train(pixel_classifier(0.0, 0.0), data, settings)
    assert [row["learning_rate"] for row in rows] == pytest.approx(rates)


class Watcher(nn.Module):
    """Notes the pixels of every batch that it is trained on, which are less than 100."""

    def __init__(self):
        super().__init__()
        self.inner = pixel_classifier(0.0, 0.0)
        self.met = []

    def forward(self, input):
        if self.training:
            self.met.append((input * 255).round().int().flatten().tolist())
        return self.inner(input)


def test_every_epoch_meets_all_images_in_an_order_of_its_own():
    data = pixels(*range(24), labels=[0, 1] * 12)
    watcher = Watcher()
    train(watcher, data, plain(epochs=3, batch_size=8))
    epochs = [list(itertools.chain(*watcher.met[i : i + 3])) for i in (0, 3, 6)]
    assert all(sorted(order) == list(range(24)) for order in epochs)
    assert len({tuple(order) for order in epochs}) == 3


def test_the_seed_chooses_the_order():
    orders = []
    for seed in (1, 1, 2):
        watcher = Watcher()
        train(watcher, pixels(*range(8), labels=[0, 1] * 4), plain(epochs=1, seed=seed))
        orders.append(watcher.met)
    assert orders[0] == orders[1] != orders[2]


def test_dropout_differs_from_epoch_to_epoch():
    class Noisy(Watcher):
        def forward(self, input):
            if self.training:
                self.met.append(torch.rand(()).item())
            return self.inner(input)

    noisy = Noisy()
    train(noisy, pixels(1, 2, labels=[0, 1]), plain(epochs=3))
    assert len(set(noisy.met)) == 3


def test_augmentation_changes_the_images_only_where_it_is_asked_for():
    results = []
    for options in ({"augment": False}, {"augment": True}, {"augment": True, "flip": False}):
        model = noisy_network()
        train(model, noise(20), Settings(epochs=1, batch_size=10, **options))
        results.append(state(model))
    assert not same(results[0], results[1])
    assert not same(results[1], results[2])


def test_noise_changes_training_follows_from_the_seed_and_is_absent_from_evaluation():
    results = []
    for noise_scale, seed in ((0.0, 0), (0.2, 0), (0.2, 0), (0.2, 1)):
        model, settings = pixel_classifier(0.5, -0.5), plain(noise=noise_scale, seed=seed)
        train(model, pixels(BRIGHT, BRIGHT, labels=[0, 1]), settings)
        results.append(state(model))
    assert same(results[1], results[2])
    assert not same(results[0], results[1])
    assert not same(results[1], results[3])
    bare = evaluate(noisy_network(), noise(20), plain())
    assert evaluate(noisy_network(), noise(20), Settings(noise=5.0)) == bare


def test_a_network_learns_and_held_out_images_are_scored():
    data = pixels(*[BRIGHT] * 4, labels=[0] * 4)
    model, settings = pixel_classifier(0.0, 0.0), plain(epochs=20)
    rows = train(model, data, settings, held_out=data)
    score = evaluate(model, data, settings)
    assert rows[0]["train_loss"] > 0.6
    assert rows[-1]["train_loss"] < 0.1
    assert rows[-1]["held_out_loss"] == score.loss
    assert rows[-1]["held_out_accuracy"] == score.accuracy == 1.0


def test_held_out_images_choose_nothing():
    models = [noisy_network(), noisy_network()]
    settings = Settings(epochs=2, batch_size=10)
    train(models[0], noise(20), settings)
    rows = train(models[1], noise(20), settings, held_out=noise(12, seed=9))
    assert same(state(models[0]), state(models[1]))
    assert "held_out_loss" in rows[0]


RECIPES = {
    "sgd": {},
    "no momentum": {"momentum": 0.0},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.01},
    "channels last": {"channels_last": True},
    "bf16": {"precision": "bf16"},
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_equal_arguments_give_equal_weights(recipe):
    results = []
    for _ in range(2):
        model = noisy_network()
        rows = train(model, noise(20), Settings(epochs=2, batch_size=10, **RECIPES[recipe]))
        results.append((rows, state(model)))
    assert results[0][0] == results[1][0]
    assert same(results[0][1], results[1][1])


class Killed(Exception):
    """Stands for a power cut."""


def killed_after(epochs):
    def on_epoch(row):
        if row["epoch"] == epochs:
            raise Killed

    return on_epoch


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("epochs", [1, 2, 3])
def test_a_resumed_training_ends_like_one_that_was_never_stopped(tmp_path, recipe, epochs):
    data, held_out = noise(40), noise(12, seed=1)
    settings = Settings(epochs=4, batch_size=10, label_smoothing=0.1, **RECIPES[recipe])
    whole = noisy_network()
    expected = train(whole, data, settings, held_out=held_out)
    checkpoint = tmp_path / "checkpoint"
    options = {"held_out": held_out, "checkpoint": checkpoint}
    with pytest.raises(Killed):
        train(noisy_network(), data, settings, on_epoch=killed_after(epochs), **options)
    torch.rand(100)  # another process would be in another random state
    heard = []

    resumed = noisy_network()
    rows = train(resumed, data, settings, on_epoch=heard.append, **options)

    assert rows == expected
    assert heard == expected[epochs:]
    assert same(state(resumed), state(whole))


def test_a_masked_network_resumes_with_its_masks(tmp_path):
    mask = {"4": np.random.default_rng(0).random((8, 8)) < 0.5}
    settings = Settings(epochs=2, batch_size=10)
    whole, resumed = (apply_masks(noisy_network(), mask) for _ in range(2))
    train(whole, noise(20), settings)
    options = {"checkpoint": tmp_path / "c"}
    with pytest.raises(Killed):
        train(
            apply_masks(noisy_network(), mask),
            noise(20),
            settings,
            on_epoch=killed_after(1),
            **options,
        )
    train(resumed, noise(20), settings, **options)
    assert same(state(resumed), state(whole))
    original = resumed[4].parametrizations.weight.original
    assert (original[~masks_of(resumed)["4"]] == 0).all()


def test_a_finished_training_is_not_trained_again(tmp_path):
    settings = Settings(epochs=2, batch_size=10)
    first, second = noisy_network(), noisy_network()
    rows = train(first, noise(20), settings, checkpoint=tmp_path / "c")
    heard = []
    again = train(second, noise(20), settings, checkpoint=tmp_path / "c", on_epoch=heard.append)
    assert (again, heard) == (rows, [])
    assert same(state(first), state(second))


@pytest.mark.parametrize(
    ("model", "data", "settings"),
    [
        (noisy_network(), noise(20, seed=5), Settings(epochs=2, batch_size=10)),
        (noisy_network(), noise(20), Settings(epochs=2, batch_size=5)),
        (nn.Sequential(*noisy_network(), nn.Identity()), noise(24), Settings(epochs=2)),
        (
            apply_masks(noisy_network(), {"4": np.eye(8, dtype=bool)}),
            noise(20),
            Settings(epochs=2, batch_size=10),
        ),
    ],
    ids=["data", "settings", "data and settings", "masks"],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, model, data, settings):
    own = Settings(epochs=2, batch_size=10)
    train(noisy_network(), noise(20), own, checkpoint=tmp_path / "c")
    before = state(model)
    with pytest.raises(MismatchError) as refused:
        train(model, data, settings, checkpoint=tmp_path / "c")
    assert refused.value.exit_status == 3
    assert same(state(model), before)


def test_the_global_random_states_are_left_as_they_were():
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    train(noisy_network(), noise(20), Settings(epochs=1, batch_size=10))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert random.getstate() == before[2]


def test_divergence_names_the_epoch_and_keeps_the_last_good_checkpoint(tmp_path):
    data, settings = noise(20), Settings(epochs=4, batch_size=10)
    checkpoint, model = tmp_path / "c", noisy_network()

    def poison(row):
        if row["epoch"] == 2:
            with torch.no_grad():
                model[0].weight[0] = math.nan

    message = (
        rf"diverged in epoch 3: loss nan; {checkpoint} holds epoch 2; a learning rate below"
    )
    with pytest.raises(TrainingError, match=message):
        train(model, data, settings, checkpoint=checkpoint, on_epoch=poison)

    whole, resumed = noisy_network(), noisy_network()
    expected = train(whole, data, settings)
    assert train(resumed, data, settings, checkpoint=checkpoint) == expected
    assert same(state(resumed), state(whole))


def test_divergence_in_the_first_epoch_writes_no_checkpoint(tmp_path):
    with pytest.raises(TrainingError, match=r"epoch 1: loss \w+; a learning rate below 1e\+30"):
        train(
            noisy_network(),
            noise(20),
            Settings(epochs=1, batch_size=4, learning_rate=1e30),
            checkpoint=tmp_path / "c",
        )
    assert list(tmp_path.iterdir()) == []


def test_an_infinite_weight_is_divergence_though_the_loss_is_finite():
    data = pixels(BRIGHT, BRIGHT, labels=[0, 0], std=1e-3)  # pixels of 1000, gradient 500
    with pytest.raises(TrainingError, match=r"epoch 1: loss 0\.69"):
        train(pixel_classifier(0.0, 0.0), data, plain(epochs=1, learning_rate=1e38))


def test_a_full_disk_stops_the_training_and_keeps_the_last_checkpoint(tmp_path):
    data, settings = noise(20), Settings(epochs=3, batch_size=10)
    checkpoint = tmp_path / "c"
    with pytest.raises(Killed):
        train(noisy_network(), data, settings, checkpoint=checkpoint, on_epoch=killed_after(2))
    before = checkpoint.read_bytes()
    with files_of_at_most(1000), pytest.raises(FileError, match=f"{checkpoint}: cannot be"):
        train(noisy_network(), data, settings, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_damaged_checkpoint_is_named_and_left_alone(tmp_path):
    (tmp_path / "c").write_bytes(b"damaged")
    with pytest.raises(FileError, match=rf"{tmp_path}/c: missing or damaged"):
        train(noisy_network(), noise(20), Settings(epochs=1), checkpoint=tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"damaged"


def test_a_score_by_hand(monkeypatch):
    monkeypatch.setattr(loop, "EVALUATION_BATCH", 2)  # three images make two batches
    model = pixel_classifier(math.log(3), 0.0)  # bright: 3/4 and 1/4; black: 1/2 and 1/2
    data = pixels(BRIGHT, BRIGHT, 0, labels=[0, 1, 0])
    score = evaluate(model, data, plain())
    expected = (math.log(4 / 3) + math.log(4) + math.log(2)) / 3
    assert score == Score(pytest.approx(expected, rel=1e-6), 2 / 3)


def test_evaluation_does_not_smooth_labels_nor_augment_nor_drop():
    data = noise(20)
    bare = evaluate(noisy_network(), data, plain())
    assert evaluate(noisy_network(), data, Settings(label_smoothing=0.5)) == bare


def test_evaluation_puts_the_mode_of_every_module_back():
    model = noisy_network().train()
    model[1].eval()
    before = [module.training for module in model.modules()]
    statistics = model[1].running_mean.clone()
    evaluate(model, noise(8), plain())
    assert [module.training for module in model.modules()] == before
    assert torch.equal(model[1].running_mean, statistics)


def test_evaluation_puts_the_mode_back_after_an_error():
    model = noisy_network().train()
    one_channel = LabelledImages(
        noise(4).images[:, :1], noise(4).labels, torch.zeros(1), torch.ones(1)
    )
    with pytest.raises(RuntimeError):
        evaluate(model, one_channel, plain())
    assert all(module.training for module in model.modules())


def test_evaluation_reads_the_masks():
    masked = apply_masks(
        pixel_classifier(math.log(3), -50.0), {"1": np.array([[True], [False]])}
    )
    score = evaluate(masked, pixels(BRIGHT, labels=[0]), plain())
    assert score.loss == pytest.approx(math.log(4 / 3), rel=1e-6)
