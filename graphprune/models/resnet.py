"""Residual networks for small images, and ResNet-50 for 224 pixels a side.

All of them end in average pooling over the whole image, so they take every image size; the
size in each docstring is the one they were made for. Layers are called `stem`, `stage1`,
`stage2`, ..., `classifier`.

Source: He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from torch import nn

from graphprune.models.layers import convolution, he_normal
from graphprune.models.request import check_request
from graphprune.models.residual import Residual, basic, basic_subsampled, bottleneck

Block = Callable[[int, int, int], Residual]


def resnet8_wide(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """A small residual network: three stages of one block, 32, 64 and 128 wide, option A.

    It is ours, in the form of section 4.2 of the paper, for 8x8 digits up to 32x32 images;
    298,026 parameters with 10 classes and 3 channels.

    Args:
        classes: Count of labels, at least 2.
        in_channels: Count of image channels, at least 1.

    Returns:
        (batch, in_channels, height, width) -> logits of shape (batch, classes).

    Raises:
        SpecError: A count is too small.
    """
    return _thin(1, (32, 64, 128), classes=classes, in_channels=in_channels)


def resnet8_strided(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """`resnet8_wide` whose stem halves the image: a quarter of the work; 298,026 parameters.

    It is ours, for images of 28 to 32 pixels where many networks are to be trained. Args and
    Returns are those of `resnet8_wide`.

    Raises:
        SpecError: A count is too small.
    """
    return _thin(1, (32, 64, 128), classes=classes, in_channels=in_channels, stem_stride=2)


def resnet20(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """ResNet-20 for 32x32 images: stages 16, 32 and 64 wide, option A; 269,722 parameters.

    Args and Returns are those of `resnet8_wide`, the parameters those of 10 classes and
    3 channels. Section 4.2 of the paper, n = 3.

    Raises:
        SpecError: A count is too small.
    """
    return _thin(3, (16, 32, 64), classes=classes, in_channels=in_channels)


def resnet32(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """ResNet-32 for 32x32 images, like `resnet20` with n = 5; 464,154 parameters.

    Raises:
        SpecError: A count is too small.
    """
    return _thin(5, (16, 32, 64), classes=classes, in_channels=in_channels)


def resnet56(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """ResNet-56 for 32x32 images, like `resnet20` with n = 9; 853,018 parameters.

    Raises:
        SpecError: A count is too small.
    """
    return _thin(9, (16, 32, 64), classes=classes, in_channels=in_channels)


def resnet18(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """ResNet-18 in its form for 32x32 images: 3x3 stem, no max pooling; 11,173,962 parameters.

    Args and Returns are those of `resnet8_wide`, the parameters those of 10 classes and
    3 channels. Stages are 64, 128, 256 and 512 wide, two basic blocks each, with 1x1
    projections where the shape changes.

    Raises:
        SpecError: A count is too small.

    Source: the paper's table 1 with the stem of its section 4.2.
    """
    check_request(classes=classes, in_channels=in_channels)
    stem = _small_stem(in_channels, 64)
    return _resnet(stem, _stages(basic, 64, (64, 128, 256, 512), (2, 2, 2, 2)), 512, classes)


def resnet50(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """ResNet-50 with the 3x3 stem and no max pooling, for 32x32 images; 23,520,842 parameters.

    Args and Returns are those of `resnet8_wide`, the parameters those of 10 classes and
    3 channels.

    Raises:
        SpecError: A count is too small.

    Source: the paper's table 1 with the stem of its section 4.2.
    """
    check_request(classes=classes, in_channels=in_channels)
    return _resnet(_small_stem(in_channels, 64), _bottleneck_stages(), 2048, classes)


def resnet50_224(*, classes: int = 10, in_channels: int = 3) -> nn.Sequential:
    """ResNet-50 for 224x224 images: 7x7 stem of stride 2 and max pooling.

    Args and Returns are those of `resnet8_wide`. 23,528,522 parameters with 10 classes and
    3 channels, 25,557,032 with 1000 classes. The stem divides the image side by 4.

    Raises:
        SpecError: A count is too small.

    Source: the paper's table 1.
    """
    check_request(classes=classes, in_channels=in_channels)
    stem = OrderedDict(
        conv=convolution(in_channels, 64, kernel=7, stride=2),
        norm=nn.BatchNorm2d(64),
        relu=nn.ReLU(),
        pool=nn.MaxPool2d(3, stride=2, padding=1),
    )
    return _resnet(nn.Sequential(stem), _bottleneck_stages(), 2048, classes)


def _thin(
    blocks: int,
    widths: tuple[int, int, int],
    *,
    classes: int,
    in_channels: int,
    stem_stride: int = 1,
) -> nn.Sequential:
    """The 6n+2-layer form of the paper's section 4.2, with n = `blocks` to a stage."""
    check_request(classes=classes, in_channels=in_channels)
    stem = _small_stem(in_channels, widths[0], stride=stem_stride)
    stages = _stages(basic_subsampled, widths[0], widths, (blocks,) * 3)
    return _resnet(stem, stages, widths[-1], classes)


def _small_stem(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    """First convolution for small images; divides their side by `stride`."""
    return nn.Sequential(
        OrderedDict(
            conv=convolution(in_channels, out_channels, stride=stride),
            norm=nn.BatchNorm2d(out_channels),
            relu=nn.ReLU(),
        )
    )


def _bottleneck_stages() -> list[nn.Sequential]:
    """The four stages of ResNet-50."""
    return _stages(bottleneck, 64, (256, 512, 1024, 2048), (3, 4, 6, 3))


def _stages(
    block: Block, channels: int, widths: Sequence[int], depths: Sequence[int]
) -> list[nn.Sequential]:
    """One stage a width; each but the first halves the image in its first block."""
    stages: list[nn.Sequential] = []
    for width, depth in zip(widths, depths, strict=True):
        first = block(channels, width, 2 if stages else 1)
        rest = (block(width, width, 1) for _ in range(depth - 1))
        stages.append(nn.Sequential(first, *rest))
        channels = width
    return stages


def _resnet(
    stem: nn.Sequential, stages: list[nn.Sequential], features: int, classes: int
) -> nn.Sequential:
    """Join the parts, add the classifier, and draw the initial weights."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(stem=stem)
    for index, stage in enumerate(stages, start=1):
        parts[f"stage{index}"] = stage
    parts["pool"] = nn.AdaptiveAvgPool2d(1)
    parts["flatten"] = nn.Flatten()
    parts["classifier"] = nn.Linear(features, classes)
    model = nn.Sequential(parts)
    he_normal(model)
    return model
