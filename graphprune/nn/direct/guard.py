"""Where compiled kernels may stand in for stock operators."""

import numba
import torch
from torch import Tensor
from torch.nn.modules import module

COMPILED = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]


def may_run_compiled(*tensors: Tensor) -> bool:
    """Whether kernels give what operators give on these tensors, and nobody would miss those.

    True for plain float32 tensors on the CPU, not under autocast, tracing, compilation,
    function transforms, nor modes that look at operators. Gradients are the caller's concern.
    """
    return COMPILED and not watched() and all(_plain(tensor) for tensor in tensors)


def watched() -> bool:
    """Whether somebody looks at or changes what operators are called."""
    return bool(
        torch.compiler.is_compiling()
        or torch.is_autocast_enabled("cpu")
        or torch._C._get_tracing_state() is not None
        or torch._C._len_torch_dispatch_stack()
        or torch._C._len_torch_function_stack()
        or torch._C._functorch.peek_interpreter_stack() is not None
        or module._has_any_global_hook()  # type: ignore[no-untyped-call]
    )


def _plain(tensor: Tensor) -> bool:
    kind = type(tensor) in (Tensor, torch.nn.Parameter)
    return kind and tensor.dtype == torch.float32 and tensor.device.type == "cpu"
