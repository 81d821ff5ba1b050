"""A network in its fastest equal form for use: batch normalisation folded into convolutions."""

import copy
import math

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from graphprune.nn.kept_weights import CompactLayer

_PAIRS = {(nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d)}  # exact classes only
_NEAR = 1e-4  # of the largest logit


def inference_form(model: nn.Module, length: int) -> nn.Module:
    """A copy in evaluation mode that computes the same with fewer passes over memory.

    Batch normalisation behind a convolution becomes part of its weights. Parts of the network
    whose computation cannot be traced stay as they are, and a form whose logits differ is not
    used. Compact networks fold what they can by themselves and are only copied.

    Args:
        model: From float32 of shape (batch, 2, length) to logits; left unchanged.
        length: Samples a window.

    Returns:
        A network for use only: neither to train nor to save.
    """
    plain = copy.deepcopy(model).eval()
    if any(isinstance(part, CompactLayer) for part in plain.modules()):
        return plain
    first = next(plain.parameters(), None)
    example = torch.randn(3, 2, length, generator=torch.Generator().manual_seed(0))
    if first is not None:
        example = example.to(first.device)
    with torch.inference_mode():
        wanted = plain(example)
    try:
        folded = _folded(copy.deepcopy(plain)).eval()
        with torch.inference_mode():
            found = folded(example)
    except Exception:  # a part that needs more of another part than its output
        return plain
    largest = max(float(wanted.abs().max()), math.ulp(1.0))
    near = found.shape == wanted.shape and bool(
        ((found - wanted).abs() <= _NEAR * largest).all()
    )
    return folded if near else plain


def _folded(module: nn.Module) -> nn.Module:
    """The module folded as a whole or, where it cannot be traced, part by part."""
    if not list(module.children()):
        return module
    try:
        traced = fx.symbolic_trace(module)
    except Exception:  # tracing runs the module's own code, which may raise anything
        for name, child in list(module.named_children()):
            setattr(module, name, _folded(child))
        return module
    calls = [node for node in traced.graph.nodes if node.op == "call_module"]
    targets = [str(node.target) for node in calls]
    for node in calls:
        before = node.args[0] if node.args else None
        if not isinstance(before, fx.Node) or before.op != "call_module":
            continue
        names = str(before.target), str(node.target)
        layer, norm = (traced.get_submodule(name) for name in names)
        once = len(before.users) == 1 and [targets.count(name) for name in names] == [1, 1]
        if not once or (type(layer), type(norm)) not in _PAIRS:
            continue
        assert isinstance(layer, nn.Conv1d | nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        if norm.running_mean is None:
            continue
        traced.add_submodule(names[0], fuse_conv_bn_eval(layer, norm))
        node.replace_all_uses_with(before)
        traced.graph.erase_node(node)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced
