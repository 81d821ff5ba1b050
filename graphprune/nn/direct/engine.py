"""Runs a compact network through fast regions wherever that gives what its modules give."""

from typing import Any

import torch
from torch import Tensor, fx, nn

import graphprune.nn.direct.operator  # noqa: F401 (registers the operator)
from graphprune.nn.compact_layers import BlockConvolution
from graphprune.nn.direct.draft import EXAMPLES
from graphprune.nn.direct.guard import COMPILED, may_run_compiled
from graphprune.nn.direct.lowering import Region, find_regions
from graphprune.nn.kept_weights import CompactLayer

MOST_SHAPES = 8  # input sizes whose programs are kept at a time
TOLERANCE = 1e-4  # largest difference from the stock modules, of outputs of size 1


class Engine:
    """Fast programs of one network, made for the input sizes it meets, dropped when it changes.

    It steps aside wherever the modules themselves must run: in training, with gradients,
    under autocast, hooks, tracing or dispatch modes, in other types or on other devices.
    `reason` says why the network has no fast region, and is empty where it has one.
    """

    def __init__(self, plain: type[nn.Module]) -> None:
        """`plain`: the network's own class."""
        self.plain = plain
        self.reason = "" if COMPILED else "compilation is switched off"
        self.error = 0.0  # largest difference seen when programs were made
        self._programs: dict[tuple[Any, ...], fx.GraphModule | None] = {}
        self._state: list[Any] = []
        self._parts: list[tuple[dict[str, Any], tuple[Any, ...]]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> "Engine":
        return Engine(self.plain)

    def __reduce__(self) -> tuple[Any, ...]:
        return Engine, (self.plain,)

    def program(self, model: nn.Module, args: tuple[Any, ...], kwargs: Any) -> Any:
        """What to call instead of the modules, or None where they must run themselves."""
        if model.training or torch.is_grad_enabled():
            self._state = []  # after training, do not trust that every change can be seen
            return None
        if self.reason or kwargs or len(args) != 1:
            return None
        example = args[0]
        if type(example) is not Tensor or not may_run_compiled(example):
            return None
        state = self._read_state(model)
        if state is None or not example.numel():
            return None
        if state != self._state:
            self._programs.clear()
            self._state = state
        size = tuple(example.shape[1:])
        if size not in self._programs:
            if len(self._programs) >= MOST_SHAPES:
                del self._programs[next(iter(self._programs))]
            self._programs[size] = self._build(model, example)
        return self._programs[size]

    def _read_state(self, model: nn.Module) -> list[Any] | None:
        """What tells whether parts or numbers have changed, or None where parts must run.

        Called before every pass, so it goes through the parts' own dictionaries, and walks the
        tree of parts again only if somebody's children are others.
        """
        if any(tuple(own["_modules"].values()) != others for own, others in self._parts):
            self._parts = []
        if not self._parts:
            self._parts = [
                (part.__dict__, tuple(part._modules.values())) for part in model.modules()
            ]
        found: list[Any] = []
        try:
            for own, _ in self._parts:
                if own["training"] or own["_forward_hooks"] or own["_forward_pre_hooks"]:
                    return None
                found.append(own.get("layout"))
                for tensors in (own["_parameters"], own["_buffers"]):
                    for tensor in tensors.values():
                        if tensor is not None:
                            found += tensor.data_ptr(), tensor._version
        except RuntimeError:  # tensors made in inference mode count no versions
            return None
        return found

    def _build(self, model: nn.Module, example: Tensor) -> fx.GraphModule | None:
        """The network's graph with its regions replaced, or None where there is none."""
        graph = self._trace(model)
        if graph is None:
            return None
        images = example[torch.arange(EXAMPLES) % len(example)]
        images = images.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)  # else nothing compares
        expected = self.plain.forward(model, images.clone())
        traced = fx.GraphModule(model, graph)
        _Recorder(traced).run(images.clone())
        regions = find_regions(graph, dict(model.named_modules()))
        if not regions or not isinstance(expected, Tensor):
            return None
        for index, region in reversed(list(enumerate(regions))):  # one may read an earlier one
            _replace(traced, region, f"_region{index}")
        traced.graph.lint()
        traced.recompile()
        # The modules are the measure: a trace may have missed what their code does.
        error = float((traced(images) - expected).abs().max())
        if not error <= TOLERANCE * max(1.0, float(expected.abs().max())):
            self.reason = f"the trace gives other outputs than the modules, by {error:.3g}"
            return None
        self.error = max(self.error, error)
        return traced

    def _trace(self, model: nn.Module) -> fx.Graph | None:
        try:
            return _Tracer().trace(model)
        except Exception as error:  # tracing runs the network's own code: anything may come
            reason = (str(error) or type(error).__name__).splitlines()[0]
            self.reason = f"the network cannot be traced: {reason}"
            return None


class _Tracer(fx.Tracer):
    """Sees compact layers as units."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, CompactLayer) or super().is_leaf_module(m, module_qualified_name)


class _Recorder(fx.Interpreter):
    """Keeps every node's result, detached from what later nodes do in place."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        n.meta["example"] = result
        return result


def attach(model: nn.Module) -> nn.Module:
    """Let a compact network run through fast regions where it can; in place.

    Its class becomes a subclass of the one it had, with the same name and signature.
    """
    direct = (
        isinstance(part, BlockConvolution) and part.layout == "direct"
        for part in model.modules()
    )
    if "_engine" in model.__dict__ or not any(direct):
        return model
    plain = type(model)

    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if not torch.compiler.is_compiling():
            engine: Engine = self.__dict__["_engine"]
            program = engine.program(self, args, kwargs)
            if program is not None:
                return program(*args)
        return plain.forward(self, *args, **kwargs)

    functional_name = plain.__name__
    forward.__wrapped__ = plain.forward  # type: ignore[attr-defined]
    forward.__doc__ = plain.forward.__doc__
    namespace = {
        "forward": forward,
        "__reduce_ex__": lambda self, _protocol: (_restore, (plain, self.__dict__)),
        "__module__": plain.__module__,
        "__qualname__": plain.__qualname__,
        "__doc__": plain.__doc__,
    }
    model.__class__ = type(functional_name, (plain,), namespace)
    object.__setattr__(model, "_engine", Engine(plain))
    return model


def detach(model: nn.Module) -> nn.Module:
    """Take the fast regions off again; in place."""
    if "_engine" in model.__dict__:
        model.__class__ = type(model).__bases__[0]
        del model.__dict__["_engine"]
    return model


def _restore(plain: type[nn.Module], state: dict[str, Any]) -> nn.Module:
    model = plain.__new__(plain)
    model.__dict__.update((key, value) for key, value in state.items() if key != "_engine")
    return attach(model)


def _replace(traced: fx.GraphModule, region: Region, name: str) -> None:
    """Put one call of the operator in the place of a region's nodes."""
    program, graph = region.program, traced.graph
    for part in ("constants", "table"):
        tensor = torch.from_numpy(getattr(program, part))
        traced.register_buffer(f"{name}_{part}", tensor, persistent=False)
    with graph.inserting_after(region.nodes[-1]):
        anchor = graph.call_function(torch.ops.graphprune.planes.default)
    with graph.inserting_before(anchor):
        flat = [n for n in region.inputs if n.meta["example"].ndim == 3]
        images = [
            graph.call_method("unsqueeze", (n, 2)) if n in flat else n for n in region.inputs
        ]
        constants, table = (graph.get_attr(f"{name}_{p}") for p in ("constants", "table"))
    shapes = list(program.shapes)
    anchor.args = (images, constants, program.text, table, program.workspace, shapes)
    last = anchor
    for index, output in enumerate(region.outputs):
        with graph.inserting_after(last):
            last = result = graph.call_function(_item, (anchor, index))
        if output.meta["example"].ndim == 3:
            with graph.inserting_after(last):
                last = result = graph.call_method("squeeze", (result, 2))
        output.replace_all_uses_with(result, lambda user: user not in region.nodes)
    for node in reversed(region.nodes):
        graph.erase_node(node)


def _item(results: list[Tensor], index: int) -> Tensor:
    return results[index]
