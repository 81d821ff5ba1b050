"""The names that the command line and the Python surface offer for networks."""

from collections.abc import Callable

from torch import nn

from graphprune.installed import Catalogue
from graphprune.models import perceptron, resnet, vgg

GROUP = "graphprune.models"

BUILTIN: dict[str, Callable[..., nn.Module]] = {
    "mlp": perceptron.mlp,
    "resnet8-strided": resnet.resnet8_strided,
    "resnet8-wide": resnet.resnet8_wide,
    "resnet18": resnet.resnet18,
    "resnet20": resnet.resnet20,
    "resnet32": resnet.resnet32,
    "resnet50": resnet.resnet50,
    "resnet50-224": resnet.resnet50_224,
    "resnet56": resnet.resnet56,
    "vgg16": vgg.vgg16,
    "vgg16-bn": vgg.vgg16,
}
"""Name -> builder; every builder takes the keywords `classes` and `in_channels`."""

MODELS: Catalogue[Callable[..., nn.Module]] = Catalogue(GROUP, BUILTIN)
"""`BUILTIN`, and the networks that installed packages offer as entry points of `GROUP`.

Their builders take the keywords `classes`, `in_channels` and `size` as far as they need them.
"""
