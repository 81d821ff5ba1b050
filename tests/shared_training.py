"""A program that trains in each of two processes and writes what every one saw as JSON."""

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from toys import noise, noisy_network, pixel_classifier, pixels

from graphprune.errors import GraphPruneError
from graphprune.graph import GraphSpec, random_regular
from graphprune.nn import masks_of, plan, prune
from graphprune.nn.masking import apply_masks
from graphprune.nn.training_form import trainable
from graphprune.training import Settings, evaluate, train

UNEVEN = Settings(epochs=2, batch_size=5, augment=False)  # parts of three and of two


class Watcher(nn.Module):
    """Notes what it is trained on, and a random number as dropout would draw it."""

    def __init__(self):
        super().__init__()
        self.inner, self.met = pixel_classifier(0.0, 0.0), []

    def forward(self, input):
        if self.training:
            self.met.append([input.flatten().tolist(), torch.rand(()).item()])
        return self.inner(input)


def linear_network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))


def digest(model):
    whole = hashlib.sha256()
    for value in model.state_dict().values():
        whole.update(value.numpy().tobytes())
    return whole.hexdigest()


def uneven():
    model = linear_network()
    rows = train(model, noise(15), UNEVEN)
    return {"rows": rows, "weights": model[1].weight.flatten().tolist()}


def masked():
    mask = np.random.default_rng(0).random((8, 8)) < 0.5
    model, settings = (
        apply_masks(noisy_network(), {"4": mask}),
        Settings(epochs=2, batch_size=8),
    )
    rows = train(model, noise(24), settings, held_out=noise(12, seed=1))
    intact = bool((masks_of(model)["4"][:, :, 0, 0].numpy() == mask).all())
    score = evaluate(model, noise(12, seed=1), settings)
    return {"digest": digest(model), "rows": rows, "loss": score.loss, "intact": intact}


def compact():
    dense = noisy_network()
    made = plan(dense, nodes=8, degree=4)
    model = trainable(prune(dense, made, graph=random_regular(GraphSpec(8, 4))))
    before = digest(model)
    train(model, noise(24), Settings(epochs=1, batch_size=8, channels_last=True))
    return {"digest": digest(model), "moved": digest(model) != before}


def statistics():
    model = nn.Sequential(nn.BatchNorm2d(1), *pixel_classifier(0.0, 0.0))
    train(
        model,
        pixels(0, 51, 102, 255, labels=[0, 1, 0, 1]),
        Settings(epochs=1, batch_size=4, augment=False),
    )
    return model[0].running_mean.item()


def chance():
    watcher = Watcher()
    train(
        watcher,
        pixels(*[100] * 4, labels=[0, 1, 0, 1]),
        Settings(epochs=1, batch_size=4, noise=0.1),
    )
    return watcher.met


def refused(model, settings):
    try:
        train(model, noise(8), settings)
    except GraphPruneError as error:
        return str(error)
    return None


def main(folder):
    rank = os.environ["RANK"]
    torch.set_num_threads(1)
    found = {
        "uneven": uneven(),
        "masked": masked(),
        "compact": compact(),
        "statistics": statistics(),
        "chance": chance(),
        "too small": refused(linear_network(), Settings(epochs=1, batch_size=3)),
    }
    (folder / f"{rank}.json").write_text(json.dumps(found))
    other = pixel_classifier(0.0, 0.0) if rank == "1" else linear_network()
    try:
        said = refused(other, Settings(epochs=1, batch_size=4))
    except RuntimeError:  # the other process is gone
        said = "alone"
    (folder / f"{rank}.txt").write_text(str(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
