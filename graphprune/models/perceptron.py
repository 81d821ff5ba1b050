"""A multilayer perceptron on flattened images."""

from collections import OrderedDict

from torch import nn

from graphprune.models.request import check_request


def mlp(
    *, classes: int = 10, in_channels: int = 3, size: int = 32, width: int = 512, depth: int = 3
) -> nn.Sequential:
    """A perceptron with batch normalisation and ReLU after every hidden layer.

    Parameters: pixels * width + (depth - 2) * width**2 + 2 * (depth - 1) * width
    + (width + 1) * classes, where pixels = in_channels * size**2 and depth >= 2;
    1,842,186 by default.

    Args:
        classes: Count of labels, at least 2.
        in_channels: Count of image channels, at least 1.
        size: Image side in pixels; other sizes do not fit the first layer.
        width: Count of units in each hidden layer.
        depth: Count of weight layers, the classifier included; 1 is a linear classifier.

    Returns:
        (batch, in_channels, size, size) -> logits of shape (batch, classes).

    Raises:
        SpecError: A count is too small.

    Source: the 5-layer, 512-wide network of You et al., Graph Structure of Neural Networks,
    ICML 2020, arXiv:2007.06559, with a depth of one's own.
    """
    check_request(classes=classes, in_channels=in_channels, size=size, width=width, depth=depth)
    features = in_channels * size * size
    parts: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for index in range(1, depth):
        parts[f"hidden{index}"] = _hidden(features, width)
        features = width
    parts["classifier"] = nn.Linear(features, classes)
    return nn.Sequential(parts)


def _hidden(in_features: int, out_features: int) -> nn.Sequential:
    """(batch, in_features) -> (batch, out_features), with He's initial weights."""
    linear = nn.Linear(in_features, out_features, bias=False)
    nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
    return nn.Sequential(
        OrderedDict(linear=linear, norm=nn.BatchNorm1d(out_features), relu=nn.ReLU())
    )
