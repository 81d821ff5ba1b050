"""The convolution that all image networks here are made of, and its initial weights."""

from torch import nn


def convolution(
    in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1
) -> nn.Conv2d:
    """A bias-free square convolution that keeps the image size at stride 1.

    Args:
        in_channels: Count of input channels.
        out_channels: Count of output channels.
        kernel: Side of the kernel in pixels; odd.
        stride: Step in pixels; an image side s becomes ceil(s / stride).

    Returns:
        (batch, in_channels, height, width) -> (batch, out_channels, height', width').
    """
    return nn.Conv2d(
        in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
    )


def he_normal(model: nn.Module) -> None:
    """Draw every convolution's weights anew, in place, so that gradients keep their size.

    Draws come from torch's global generator. Batch normalisation already starts at weight 1
    and bias 0, and linear layers keep torch's own initial weights.

    Args:
        model: Network whose `nn.Conv2d` weights are replaced.

    Source: He et al., Delving Deep into Rectifiers, ICCV 2015, arXiv:1502.01852.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
