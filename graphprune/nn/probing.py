"""Layouts chosen by time on the machine at hand, layer by layer."""

import contextlib
import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from graphprune.errors import SpecError
from graphprune.nn.direct.engine import attach, detach
from graphprune.nn.kept_weights import BlockWeight
from graphprune.nn.layouts import compact_layers, set_layouts

Passes = Mapping[str, Callable[[], object]]
Timer = Callable[[Passes], dict[str, float]]
Progress = Callable[[float, str], None]
WARMUP = 3


@dataclass(frozen=True, slots=True)
class LayerProbe:
    """Milliseconds of one layer by layout, on its own real input shape, and the fastest."""

    name: str
    milliseconds: Mapping[str, float]

    @property
    def layout(self) -> str:
        """The layout that took the least time."""
        return min(self.milliseconds, key=lambda layout: self.milliseconds[layout])

    @property
    def reason(self) -> str:
        """The times in words, fastest first."""
        times = sorted(self.milliseconds.items(), key=lambda pair: pair[1])
        return "probed: " + ", ".join(f"{layout} {each:.3g} ms" for layout, each in times)


def probe_layouts(
    model: nn.Module, example_input: Tensor, *, threads: int = 1, timer: Timer | None = None
) -> dict[str, str]:
    """The fastest layout of each block layer of a compact model, by name.

    Each layer is timed alone on an input of the shape that it gets in the model. Alone, the
    compiled path pays for its own layout of the data at every layer, which it does not in a
    network; so the layouts found are compared with the usual ones on the whole model, and given
    only if they are faster there.

    Args:
        model: From `compact`; left unchanged.
        example_input: One batch, of the size that speed is wanted for.
        threads: As `torch.set_num_threads` takes it, for the time of the probe.
        timer: Gives milliseconds of each pass by name; the median of interleaved passes.

    Raises:
        SpecError: The model has no compact layer, does not accept the input, or `threads` is
            below 1.
    """
    probes = probe_layers(model, example_input, threads=threads, timer=timer)
    return best_layouts(model, example_input, probes, threads=threads, timer=timer)


def best_layouts(
    model: nn.Module,
    example_input: Tensor,
    probes: Iterable[LayerProbe],
    *,
    threads: int = 1,
    timer: Timer | None = None,
) -> dict[str, str]:
    """The layouts that layers are fastest in alone, if the whole model is faster with them.

    Args and errors are those of `probe_layouts`; `probes` come from `probe_layers`.

    Returns:
        Layout of each layer probed: the fastest ones, or those that the layers have.
    """
    chosen = {probe.name: probe.layout for probe in probes}
    usual = {name: compact_layers(model)[name].layout for name in chosen}
    if chosen == usual:
        return usual
    models = {"usual": with_layouts(model, usual), "chosen": with_layouts(model, chosen)}
    with _threads(threads):
        passes = {name: _pass(one.eval(), example_input) for name, one in models.items()}
        times = (timer or interleaved)(passes)
    return chosen if times["chosen"] < times["usual"] else usual


def probe_layers(
    model: nn.Module,
    example_input: Tensor,
    *,
    threads: int = 1,
    timer: Timer | None = None,
    progress: Progress | None = None,
) -> tuple[LayerProbe, ...]:
    """Times of each block layer of a compact model, in each layout that it can have.

    Args and errors are those of `probe_layouts`; `progress` is told the share of layers done
    and the layer that is next.
    """
    if not compact_layers(model):
        raise SpecError("the model has no compact layer to probe: compact it first")
    shapes = _input_shapes(model, example_input)
    found = []
    with _threads(threads):
        for done, (name, layer) in enumerate(compact_layers(model).items()):
            if progress is not None:
                progress(done / len(compact_layers(model)), name)
            if name in shapes and isinstance(layer, BlockWeight):
                generator = torch.Generator().manual_seed(0)
                like = torch.randn(shapes[name], generator=generator).to(example_input)
                passes = {layout: _pass(one, like) for layout, one in _candidates(layer, like)}
                found.append(LayerProbe(name, (timer or interleaved)(passes)))
    return tuple(found)


def with_layouts(model: nn.Module, layouts: Mapping[str, str]) -> nn.Module:
    """A copy of a compact model with these layouts, by layer name."""
    copied = detach(copy.deepcopy(model))
    for name, layout in layouts.items():
        set_layouts(copied, {_literal(name): layout})
    return attach(copied)


def interleaved(
    passes: Passes,
    *,
    repeats: int = 15,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median milliseconds of each pass, all of them taking turns."""
    times: dict[str, list[float]] = {name: [] for name in passes}
    for turn in range(WARMUP + repeats):
        for name, run in passes.items():
            start = clock()
            run()
            if turn >= WARMUP:
                times[name].append(1e3 * (clock() - start))
    return {name: median(each) for name, each in times.items()}


def _candidates(layer: BlockWeight, like: Tensor) -> list[tuple[str, nn.Module]]:
    """A copy of a layer in each layout that it can have on this input."""
    found: list[tuple[str, nn.Module]] = []
    for layout in ("dense", "grouped", "direct"):
        one = nn.Sequential(copy.deepcopy(layer)).eval()
        set_layouts(one, {"0": layout})
        if layout == "direct" and not runs_compiled(attach(one), like):
            continue
        found.append((layout, one))
    return found


def runs_compiled(model: nn.Module, example_input: Tensor) -> bool:
    """Whether a compact model would use the compiled path for such an input."""
    engine = model.__dict__.get("_engine")
    if engine is None:
        return False
    modes = {part: part.training for part in model.modules()}
    try:
        with torch.no_grad():
            return engine.program(model.eval(), (example_input,), {}) is not None
    finally:
        for part, mode in modes.items():
            part.training = mode


def _input_shapes(model: nn.Module, example_input: Tensor) -> dict[str, tuple[int, ...]]:
    """Shape of the first input that each compact layer gets; unused layers have none."""
    watched = detach(copy.deepcopy(model)).eval()
    shapes: dict[str, tuple[int, ...]] = {}
    for name, layer in compact_layers(watched).items():

        def look(_layer: nn.Module, inputs: tuple[Any, ...], own: str = name) -> None:
            shapes.setdefault(own, tuple(inputs[0].shape))

        layer.register_forward_pre_hook(look)
    try:
        with torch.no_grad():
            watched(example_input)
    except (RuntimeError, ValueError, TypeError) as error:
        shape = tuple(example_input.shape)
        told = " ".join(str(error).split())
        raise SpecError(f"the model does not accept input of shape {shape}: {told}") from error
    return shapes


def _pass(model: nn.Module, like: Tensor) -> Callable[[], object]:
    def run() -> object:
        with torch.inference_mode():
            return model(like)

    return run


def _literal(name: str) -> str:
    """A glob that matches this name alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch's thread count for a while."""
    if count < 1:
        raise SpecError(f"threads must be at least 1, got {count}")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
