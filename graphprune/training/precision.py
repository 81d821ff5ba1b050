"""Which arithmetic and memory layout train fastest on a device, without changing the result
by more than rounding."""

import torch

from graphprune.training.settings import Precision


def usual_precision(device: str) -> Precision:
    """bf16 autocast where the device multiplies bfloat16 in hardware, else fp32.

    On a CPU with AVX-512 BF16 an epoch of ResNet20 took half the time; without the
    instruction bf16 is emulated and slower.
    """
    if device != "cpu" and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    # The only test that torch has; it is not in its public namespace.
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"
