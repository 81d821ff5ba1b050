"""Helpers of the benchmarks: forms of one network timed in turn, and peers to time them with.

Nothing here runs by itself; the scripts beside it import it.
"""

import copy
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

Forms = Mapping[str, Callable[[Tensor], Any]]
CLOSE_ENOUGH = 0.005  # of the kept parameters asked for
MOST_TRIES = 14


def timed_in_turn(
    forms: Forms,
    example: Tensor,
    *,
    repeats: int,
    threads: int = 1,
    warmup: int = 3,
    passes: int = 1,
    mode: Callable = torch.inference_mode,
) -> dict[str, np.ndarray]:
    """Wall-clock milliseconds of each pass of each form; shape (repeats, passes) each.

    Every round takes each form's turn once, in an order drawn anew, so that a machine which
    slows down slows all of them and no form always follows the same neighbour. A turn is
    `passes` passes: the first finds in the caches what another form left there, later ones
    what the form itself left. `mode` switches gradients off: torch.inference_mode or
    torch.no_grad.
    """
    rng = np.random.default_rng(0)
    names, before = list(forms), torch.get_num_threads()
    rounds = np.empty((warmup + repeats, len(names), passes))
    torch.set_num_threads(threads)
    try:
        with mode():
            for row in rounds:
                for index in rng.permutation(len(names)):
                    for number in range(passes):
                        start = time.perf_counter_ns()
                        forms[names[index]](example)
                        row[index, number] = (time.perf_counter_ns() - start) / 1e6
    finally:
        torch.set_num_threads(before)
    return dict(zip(names, np.moveaxis(rounds[warmup:], 1, 0), strict=True))


def summary(times: np.ndarray, dense: np.ndarray) -> dict[str, float]:
    """Spread of one form's passes in ms, and how many times faster than dense it is."""
    low, median, high = np.percentile(times, (5, 50, 95))
    return {
        "median_ms": float(median),
        "p5_ms": float(low),
        "p95_ms": float(high),
        "minimum_ms": float(times.min()),
        "times_faster_by_medians": float(np.median(dense) / median),
        "times_faster_by_minima": float(dense.min() / times.min()),
    }


def met(speed_up: float, at_least: float, aim: float | None = None) -> dict[str, object]:
    """A figure to reach, what was reached, and whether that is enough."""
    wanted = {"at_least": at_least} | ({} if aim is None else {"aim": aim})
    return wanted | {"reached": speed_up, "met": speed_up >= at_least}


def largest_difference(model: Callable, reference: Callable, example: Tensor) -> float:
    """Largest absolute difference of two models' outputs without gradients."""
    with torch.no_grad():
        return float((model(example) - reference(example)).abs().max())


def randomise_batch_norms(model: nn.Module, seed: int) -> None:
    """Give BatchNorm, in place, statistics as after training, so that folding it matters."""
    rng = torch.Generator().manual_seed(seed)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor, low, high in (
                (norm.running_mean, -0.2, 0.2),
                (norm.running_var, 0.5, 1.5),
                (norm.weight.data, 0.5, 1.5),
                (norm.bias.data, -0.2, 0.2),
            ):
                tensor.uniform_(low, high, generator=rng)


def by_torch_prune(masked: nn.Module) -> nn.Module:
    """The masked network with the same masks put on by torch.nn.utils.prune."""
    from graphprune import strip
    from graphprune.nn import masks_of

    model = strip(masked)
    for name, mask in masks_of(masked).items():
        torch_prune.custom_from_mask(model.get_submodule(name), "weight", mask)
    return model.eval()


def without_channels(
    model: nn.Module, example: Tensor, parameters: int
) -> tuple[nn.Module, float]:
    """Torch-Pruning: the network with its smallest channels removed, and the ratio asked.

    One ratio for all layers, found by bisection so that `parameters` are left, to half a
    percent or as near as whole channels allow; the classifier keeps its outputs.
    """
    low, high, best = 0.0, 1.0, (copy.deepcopy(model), 0.0)
    for _ in range(MOST_TRIES):
        ratio = (low + high) / 2
        found = _pruned_channels(model, example, ratio)
        left = parameters_of(found)
        if abs(left - parameters) < abs(parameters_of(best[0]) - parameters):
            best = found, ratio
        if abs(left / parameters - 1) < CLOSE_ENOUGH:
            break
        low, high = (ratio, high) if left > parameters else (low, ratio)
    return best[0].eval(), best[1]


def _pruned_channels(model: nn.Module, example: Tensor, ratio: float) -> nn.Module:
    import torch_pruning

    smaller = copy.deepcopy(model).eval()
    classifier = [one for one in smaller.modules() if isinstance(one, nn.Linear)][-1]
    torch_pruning.pruner.BasePruner(
        smaller,
        example,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        ignored_layers=[classifier],
    ).step()
    return smaller


def parameters_of(model: nn.Module) -> int:
    """Count of all parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def torch_facts() -> dict[str, object]:
    """What of torch's build decides its speed on this CPU."""
    return {
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkldnn": torch.backends.mkldnn.is_available(),
        "mkl": torch.backends.mkl.is_available(),
    }
