import pytest
import torch
from torch import nn
from toys import image_network, pixel_classifier, pixels

from ggt.manifest import Preprocessing
from ggt.networks import check_outputs, dense_builder, judged, labelled
from graphprune.data import load
from graphprune.errors import MismatchError, SpecError

CONFIG = {"classes": ["a", "b", "c"], "in_channels": 2, "size": 8}


def test_networks_of_our_own_are_built_by_name_and_others_by_a_builder():
    assert dense_builder(CONFIG | {"model": "mlp"}, None)().classifier.out_features == 3
    own = dense_builder(CONFIG | {"model": "mlp"}, "toys:image_network")()
    assert (own.stem.in_channels, own.classifier.out_features) == (2, 3)
    for model in ("toys:image_network", None):
        with pytest.raises(SpecError, match="say which function builds it"):
            dense_builder(CONFIG | {"model": model}, None)


def test_images_are_normalised_by_the_banks_own_numbers():
    scale = Preprocessing(channels=1, size=8, mean=(0.5,), std=(0.25,))
    data = load("digits")
    images = labelled(data.test, scale)
    expected = (torch.from_numpy(data.test.images[:3]) / 255 - 0.5) / 0.25
    assert torch.equal(images.normalised(images.images[:3]), expected)
    assert images.labels.tolist() == data.test.labels.tolist()


def test_judging_counts_what_is_right():
    network = pixel_classifier(1.0, -1.0)  # class 0 where the pixel is bright
    assert judged(network, pixels(255, 128, 1, 64, labels=[0, 0, 1, 1])) == 0.5
    assert judged(network, pixels(255, labels=[0])) == 1.0
    assert judged(network, pixels(255, labels=[1])) == 0.0


def test_networks_that_do_not_fit_the_images_are_refused():
    images = pixels(255, 0, labels=[0, 1])
    check_outputs(pixel_classifier(1.0, -1.0), images, 2)
    with pytest.raises(MismatchError, match=r"must return \(batch, 3\), got \(2, 2\)"):
        check_outputs(pixel_classifier(1.0, -1.0), images, 3)
    with pytest.raises(MismatchError, match=r"does not take images of shape \(1, 1, 1\)"):
        check_outputs(image_network(classes=2, in_channels=3), images, 2)

    class Two(nn.Module):
        def forward(self, images):
            return images, images

    with pytest.raises(MismatchError, match="got tuple"):
        check_outputs(Two(), images, 2)


def test_checking_leaves_the_training_mode():
    network = pixel_classifier(1.0, -1.0)
    check_outputs(network.train(), pixels(255, 0, labels=[0, 1]), 2)
    assert network.training
