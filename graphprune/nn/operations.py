"""What one step of a traced model does to the channels of its tensors."""

from collections.abc import Collection, Mapping
from typing import Literal

from torch import fx, nn

Effect = Literal[
    "layer", "chain", "keep", "scale", "join", "cat", "pad", "pick", "plain", "mix"
]

MODULES: dict[str, Effect] = {  # by the file of torch.nn.modules that defines them
    "activation": "keep",
    "batchnorm": "keep",
    "dropout": "keep",
    "flatten": "keep",
    "instancenorm": "keep",
    "normalization": "scale",
    "padding": "keep",
    "pooling": "keep",
    "upsampling": "keep",
}
ACROSS = (nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax)
MIXING = (nn.GLU, nn.MultiheadAttention, nn.Unflatten)
_FUNCTIONS: dict[Effect, str] = {
    "keep": """relu relu6 gelu elu selu celu silu mish leaky_relu rrelu prelu sigmoid tanh
        hardtanh hardswish hardsigmoid logsigmoid softplus softsign threshold clamp neg abs exp
        sqrt rsqrt pow square dropout dropout1d dropout2d dropout3d alpha_dropout
        feature_alpha_dropout max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d adaptive_avg_pool1d
        adaptive_avg_pool2d adaptive_avg_pool3d batch_norm instance_norm interpolate contiguous
        clone detach to float half double bfloat16 type_as requires_grad flatten squeeze
        unsqueeze""",
    "scale": "layer_norm group_norm rms_norm normalize softmax log_softmax softmin",
    "join": """add iadd sub isub rsub mul imul multiply div truediv itruediv maximum minimum
        lerp addcmul""",
    "cat": "cat concat concatenate",
    "pad": "pad",
    "pick": "getitem",
    "plain": "size dim numel ndimension eq _assert _assert_is_none",
}
EFFECTS = {name: effect for effect, names in _FUNCTIONS.items() for name in names.split()}
PIXELS = {2, 3, 4, -1, -2, -3}  # axes of an image behind its channels


def effect_of(
    node: fx.Node, modules: Mapping[str, nn.Module], layers: Collection[str]
) -> Effect:
    """What a step does to channels.

    Args:
        node: A step that calls a module, a function or a method.
        modules: The model's modules by name.
        layers: Names of those that are layers.

    Returns:
        "layer" or "chain" (a module of torch's with layers inside); "keep": channel by channel,
        on one tensor; "scale": the same but for a common factor; "join": the same on several;
        "cat", "pad", "pick": channels move; "plain": no tensor comes out; "mix": not known.
    """
    if node.op == "call_module":
        name = str(node.target)
        if name in layers:
            return "layer"
        if any(layer.startswith(f"{name}.") for layer in layers):
            return "chain"
        return _module_effect(modules[name])
    name = node.target if isinstance(node.target, str) else node.target.__name__
    if name in ("view", "reshape"):
        return "keep" if _flattens(node) else "mix"
    if name in ("mean", "sum", "amax"):
        return "keep" if set(axes_of(node)) <= PIXELS and axes_of(node) else "mix"
    if name == "getattr":
        return "mix" if node.args[1] in ("T", "mT", "H", "mH") else "plain"
    return EFFECTS.get(name, EFFECTS.get(name.removesuffix("_"), "mix"))


def axes_of(node: fx.Node) -> tuple[int, ...]:
    """The axes that a step is told as its second argument or as `dim`, empty if none."""
    told = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else ())
    axes = told if isinstance(told, list | tuple) else (told,)
    return tuple(axis for axis in axes if isinstance(axis, int))


def _module_effect(module: nn.Module) -> Effect:
    if isinstance(module, ACROSS):
        return "scale"
    if isinstance(module, MIXING):
        return "mix"
    if isinstance(module, nn.Identity):
        return "keep"
    return MODULES.get(type(module).__module__.removeprefix("torch.nn.modules."), "mix")


def _flattens(node: fx.Node) -> bool:
    """Whether `view` or `reshape` makes rows of features: two sizes, the last of them -1."""
    sizes = node.args[1:]
    if len(sizes) == 1 and isinstance(sizes[0], list | tuple):
        sizes = tuple(sizes[0])
    return len(sizes) == 2 and isinstance(sizes[1], int) and sizes[1] == -1
