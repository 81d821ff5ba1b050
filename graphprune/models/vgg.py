"""VGG-16 with batch normalisation, in its form for small images."""

from collections import OrderedDict

from torch import nn

from graphprune.models.layers import convolution, he_normal
from graphprune.models.request import check_request

_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """Thirteen 3x3 convolutions in five stages that end in max pooling, and one classifier.

    Convolutions have no bias, since batch normalisation follows; 14,724,042 parameters with
    10 classes and 3 channels.

    Args:
        classes: Count of labels, at least 2.
        in_channels: Count of image channels, at least 1.

    Returns:
        (batch, in_channels, height, width) -> logits of shape (batch, classes). Made for
        32x32 images. Sides that 32 does not divide are rounded up at each pooling, so 28x28
        works too and no image is too small, though below 17 pixels the last poolings see
        a single pixel. Larger images are averaged before the classifier.

    Raises:
        SpecError: A count is too small.

    Source: Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015,
    arXiv:1409.1556, configuration D; batch normalisation instead of dropout and a single
    linear layer as in Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017,
    arXiv:1608.08710.
    """
    check_request(classes=classes, in_channels=in_channels)
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels = in_channels
    for index, widths in enumerate(_STAGES, start=1):
        parts[f"stage{index}"] = _stage(channels, widths)
        channels = widths[-1]
    parts["pool"] = nn.AdaptiveAvgPool2d(1)
    parts["flatten"] = nn.Flatten()
    parts["classifier"] = nn.Linear(channels, classes)
    model = nn.Sequential(parts)
    he_normal(model)
    return model


def _stage(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """Convolutions of one image size; an image side s becomes ceil(s / 2)."""
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    for index, width in enumerate(widths, start=1):
        parts[f"conv{index}"] = convolution(channels, width)
        parts[f"norm{index}"] = nn.BatchNorm2d(width)
        parts[f"relu{index}"] = nn.ReLU()
        channels = width
    parts["pool"] = nn.MaxPool2d(2, ceil_mode=True)
    return nn.Sequential(parts)
