"""Latency of networks, measured side by side in one run."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from graphprune.errors import SpecError


@dataclass(frozen=True, slots=True)
class Latency:
    """How long one forward pass of one network takes, and under which conditions.

    Times are wall-clock milliseconds a batch: the median and the 5th and 95th percentile
    over `repeats` passes. `threads` is torch's thread count for one operator on the CPU,
    `batch` the count of inputs in a pass; `dtype` and `device` are those of the input, such
    as "float32" and "cpu".
    """

    median_ms: float
    p5_ms: float
    p95_ms: float
    repeats: int
    threads: int
    batch: int
    dtype: str
    device: str


def latency(
    models: Mapping[str, nn.Module],
    example: torch.Tensor,
    *,
    repeats: int = 30,
    warmup: int = 3,
    threads: int = 1,
) -> dict[str, Latency]:
    """Time the forward passes of several networks, in turn, on one input.

    Every round runs each network once, in the order of `models`, so that a machine which
    slows down slows all of them. Networks run in evaluation mode without gradients; their
    modes and torch's thread count are put back afterwards, even after an error.

    Args:
        models: Networks by name, at least one, on the device of `example`.
        example: Input of every pass; shape (batch, ...), batch >= 1.
        repeats: Count of timed rounds, at least 1.
        warmup: Count of rounds before them that are not timed, at least 0.
        threads: Thread count for torch, at least 1.

    Returns:
        One `Latency` a network, under its name and in the order of `models`.

    Raises:
        SpecError: There is no network or no input, a count is too small, or a network is on
            another device than `example`.
    """
    _check(models, example, repeats=repeats, warmup=warmup, threads=threads)
    rounds = np.empty((warmup + repeats, len(models)))
    with _evaluating(models), _threads(threads), torch.inference_mode():
        for row in rounds:
            row[:] = [_milliseconds(model, example) for model in models.values()]
    return {
        name: _summary(times, example, threads)
        for name, times in zip(models, rounds[warmup:].T, strict=True)
    }


def _check(
    models: Mapping[str, nn.Module],
    example: torch.Tensor,
    *,
    repeats: int,
    warmup: int,
    threads: int,
) -> None:
    """Refuse what cannot be measured."""
    for name, value, least in (
        ("repeats", repeats, 1),
        ("warmup", warmup, 0),
        ("threads", threads, 1),
        ("number of models", len(models), 1),
    ):
        if value < least:
            raise SpecError(f"{name} must be at least {least}, got {value}")
    if example.ndim == 0 or len(example) == 0:
        raise SpecError(f"example must hold an input, got shape {tuple(example.shape)}")
    for name, model in models.items():
        for parameter in model.parameters():
            if parameter.device != example.device:
                raise SpecError(
                    f"model {name!r} is on {parameter.device}, example on {example.device}"
                )


def _milliseconds(model: nn.Module, example: torch.Tensor) -> float:
    """Wall-clock time of one pass in ms, once the device has done all earlier work."""
    _synchronise(example.device)
    start = time.perf_counter_ns()
    model(example)
    _synchronise(example.device)
    return (time.perf_counter_ns() - start) / 1e6


def _synchronise(device: torch.device) -> None:
    """Wait for a device that runs ahead of Python."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _summary(times: NDArray[np.float64], example: torch.Tensor, threads: int) -> Latency:
    """`times`: one network's timed passes in ms; shape (repeats,)."""
    low, median, high = np.percentile(times, (5, 50, 95))
    return Latency(
        median_ms=float(median),
        p5_ms=float(low),
        p95_ms=float(high),
        repeats=len(times),
        threads=threads,
        batch=len(example),
        dtype=str(example.dtype).removeprefix("torch."),
        device=str(example.device),
    )


@contextlib.contextmanager
def _evaluating(models: Mapping[str, nn.Module]) -> Iterator[None]:
    """Put all networks in evaluation mode, and each of their modules back afterwards."""
    modes = {part: part.training for model in models.values() for part in model.modules()}
    try:
        for model in models.values():
            model.eval()
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use `count` threads for an operator, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
