"""All networks of I/Q frames by name.

Each builder takes the keywords `classes` (count of labels), `in_channels` (2: I and Q) and
`size` (samples a frame); the network takes frames of shape (batch, 2, size), or (batch, 2,
size, 1), and gives (batch, classes). A builder raises SpecError where a number cannot be had.
Some take `width`, too, the channels of their narrowest blocks.
Parameters and multiply-accumulates (MACs) a frame are told for 11 classes and 128 samples.
"""

from collections.abc import Callable

from torch import nn

from signet.blocks import check_request
from signet.convolutional import VTCNN2, ResNet1d
from signet.light import ULCNN
from signet.matrix_nets import SigNet as SigNet
from signet.matrix_nets import SigNet2 as SigNet2
from signet.recurrent import CLDNN, Recurrent


def signet(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
    """SigNet: S2M to 32 rows, 2-D residual CNN; 25,961 parameters, 1,354,080 MACs."""
    check_request(classes, in_channels, size)
    return SigNet(classes, size)


def signet_10k(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
    """SigNet: S2M to 32 rows, a narrower CNN; 9,486 parameters, 488,710 MACs."""
    check_request(classes, in_channels, size)
    return SigNet(classes, size, widths=(7, 12, 18))


def signet2(
    *, classes: int, in_channels: int = 2, size: int = 128, width: int = 32
) -> nn.Module:
    """SigNet2.0: S2M to 64 rows, 32 channels; 29,835 parameters, 1,131,200 MACs."""
    check_request(classes, in_channels, size)
    return SigNet2(classes, size, widths=4 * (width,))


def signet2_10k(
    *, classes: int, in_channels: int = 2, size: int = 128, width: int = 16
) -> nn.Module:
    """SigNet2.0: S2M to 64 rows, 16 channels; 9,739 parameters, 401,760 MACs."""
    check_request(classes, in_channels, size)
    return SigNet2(classes, size, widths=4 * (width,))


def signet2_250k(
    *, classes: int, in_channels: int = 2, size: int = 128, width: int = 64
) -> nn.Module:
    """SigNet2.0: wide, to be pruned by graph; 240,139 parameters, 11,913,984 MACs."""
    check_request(classes, in_channels, size)
    widths = (width, width, 2 * width, 2 * width)
    return SigNet2(classes, size, widths=widths, strides=(1, 1, 1, 2))


def signet2_invariant(
    *, classes: int, in_channels: int = 2, size: int = 128, width: int = 32
) -> nn.Module:
    """SigNet2.0 blind to the phase: invariant S2M; 27,915 parameters, 1,311,424 MACs."""
    check_request(classes, in_channels, size)
    return SigNet2(classes, size, s2m="invariant", widths=3 * (width,), strides=(1, 2, 2))


def resnet1d(
    *, classes: int, in_channels: int = 2, size: int = 128, width: int = 32
) -> nn.Module:
    """1-D residual network of 32 channels; 25,963 parameters, 913,760 MACs."""
    check_request(classes, in_channels, size)
    return ResNet1d(classes, size, width=width)


def resnet1d_10k(
    *, classes: int, in_channels: int = 2, size: int = 128, width: int = 19
) -> nn.Module:
    """1-D residual network of 19 channels; 9,492 parameters, 329,137 MACs."""
    check_request(classes, in_channels, size)
    return ResNet1d(classes, size, width=width)


def vtcnn2(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
    """VT-CNN2 as published; 2,830,427 parameters, 19,126,016 MACs."""
    check_request(classes, in_channels, size)
    return VTCNN2(classes, size)


def vtcnn2_30k(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
    """VT-CNN2 made narrow: 32, 12 and 16; 27,991 parameters, 354,608 MACs."""
    check_request(classes, in_channels, size)
    return VTCNN2(classes, size, widths=(32, 12), hidden=16, dropout=0.1)


def lstm(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
    """Two LSTM layers of 48 on magnitude and phase; 29,339 parameters, 3,588,624 MACs."""
    check_request(classes, in_channels, size)
    return Recurrent(classes, size, kind="LSTM", hidden=48, polar=True)


def gru(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
    """Two GRU layers of 56 on I and Q; 29,859 parameters, 3,656,296 MACs."""
    check_request(classes, in_channels, size)
    return Recurrent(classes, size, kind="GRU", hidden=56, polar=False)


def cldnn(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
    """Three convolutions of 24 channels, an LSTM of 44; 27,899 parameters, 3,435,024 MACs."""
    check_request(classes, in_channels, size)
    return CLDNN(classes, size, width=24, hidden=48)


def ulcnn(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
    """ULCNN class, 32 channels; 9,715 parameters, 223,456 MACs."""
    check_request(classes, in_channels, size)
    return ULCNN(classes, size)


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "signet": signet,
    "signet-10k": signet_10k,
    "signet2": signet2,
    "signet2-10k": signet2_10k,
    "signet2-250k": signet2_250k,
    "signet2-invariant": signet2_invariant,
    "resnet1d": resnet1d,
    "resnet1d-10k": resnet1d_10k,
    "vtcnn2": vtcnn2,
    "vtcnn2-30k": vtcnn2_30k,
    "lstm": lstm,
    "gru": gru,
    "cldnn": cldnn,
    "ulcnn": ulcnn,
}
"""Name -> builder; every builder takes the keywords `classes`, `in_channels` and `size`."""


def _ablation(
    kind: str, base: Callable[..., nn.Module], words: str
) -> Callable[..., nn.Module]:
    """A builder of SigNet or SigNet2.0 with another operator, all else as it is."""

    def build(*, classes: int, in_channels: int = 2, size: int = 128) -> nn.Module:
        check_request(classes, in_channels, size)
        return base(classes, size, s2m=kind)

    build.__doc__ = f"{words}; an ablation."
    return build


signet_sliding = _ablation("sliding", SigNet, "SigNet with a projection a window")
signet_frozen = _ablation("frozen", SigNet, "SigNet whose S2M does not learn")
signet_reshape = _ablation("reshape", SigNet, "SigNet on the frame written in rows")
signet_none = _ablation("none", SigNet, "SigNet's CNN on the frame itself")
signet2_sliding = _ablation("sliding", SigNet2, "SigNet2.0 with a projection a window")
signet2_frozen = _ablation("frozen", SigNet2, "SigNet2.0 whose S2M does not learn")
signet2_reshape = _ablation("reshape", SigNet2, "SigNet2.0 on the frame written in rows")
signet2_none = _ablation("none", SigNet2, "SigNet2.0's network on the frame itself")

ABLATIONS: dict[str, Callable[..., nn.Module]] = {
    "signet-sliding": signet_sliding,
    "signet-frozen": signet_frozen,
    "signet-reshape": signet_reshape,
    "signet-none": signet_none,
    "signet2-sliding": signet2_sliding,
    "signet2-frozen": signet2_frozen,
    "signet2-reshape": signet2_reshape,
    "signet2-none": signet2_none,
}
"""Name -> builder of the same networks with another operator, or none."""
