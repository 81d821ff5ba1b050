"""The fast region as a custom operator of torch: compiled on the CPU, stock ones elsewhere."""

import functools
import itertools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphprune.nn.direct.guard import COMPILED
from graphprune.nn.direct.kernels import run_images
from graphprune.nn.direct.program import read_steps
from graphprune.nn.direct.threads import in_threads, scratch
from graphprune.nn.direct.twin import run_stock


@torch.library.custom_op("graphprune::planes", mutates_args=(), schema=(
    "(Tensor[] inputs, Tensor constants, str steps, Tensor table, int workspace, "
    "int[] shapes) -> Tensor[]"
))  # fmt: skip
def planes(
    inputs: Sequence[Tensor],
    constants: Tensor,
    steps: str,
    table: Tensor,
    workspace: int,
    shapes: Sequence[int],
) -> list[Tensor]:
    """Run a `Program` on a batch.

    Args:
        inputs: float32, shape (batch, channels, height, width) each.
        constants: The program's, as are the following.
        steps: As `Program.text` gives them.
        table: int64.
        workspace: Floats an image needs.
        shapes: Channels, height and width of each output.

    Returns:
        float32, shape (batch, channels, height, width) each.
    """
    return run_stock(inputs, constants, read_steps(steps), table)


@planes.register_kernel("cpu")
def run_compiled(
    inputs: Sequence[Tensor],
    constants: Tensor,
    steps: str,
    table: Tensor,
    workspace: int,
    shapes: Sequence[int],
) -> list[Tensor]:
    """`planes` by the compiled kernels, on as many threads as torch uses.

    They share out the images, or where there are fewer images the channels of each step.
    """
    if not COMPILED:
        return run_stock(inputs, constants, read_steps(steps), table)
    batch = len(inputs[0])
    given = [each.contiguous() for each in inputs]
    made = _empty(inputs[0], shapes)
    rows = read_steps(steps)
    arguments = (
        rows,
        table.numpy(),
        constants.numpy(),
        np.array([each.data_ptr() for each in given]),
        np.array([each.data_ptr() for each in made]),
    )
    threads = torch.get_num_threads()
    if batch >= threads or os.name != "posix":
        edges = [batch * part // threads for part in range(threads + 1)]
        jobs = [
            functools.partial(_run_alone, arguments, workspace, *pair)
            for pair in itertools.pairwise(edges)
        ]
    else:
        meetings = np.zeros(batch * len(rows), np.int64)
        shared = (*arguments, scratch(workspace), 0, batch)
        jobs = [
            functools.partial(run_images, *shared, part, threads, meetings)
            for part in range(threads)
        ]
    in_threads(jobs)
    return made


def _run_alone(arguments: tuple[Any, ...], workspace: int, first: int, last: int) -> None:
    """Some of the images on one thread, whose memory is its own."""
    none = np.zeros(0, np.int64)
    run_images(*arguments, scratch(workspace), first, last, 0, 1, none)  # type: ignore[call-arg]


@planes.register_fake
def _(
    inputs: Sequence[Tensor],
    constants: Tensor,
    steps: str,
    table: Tensor,
    workspace: int,
    shapes: Sequence[int],
) -> list[Tensor]:
    return _empty(inputs[0], shapes)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    given, constants, ctx.steps, table, _, _ = inputs
    ctx.save_for_backward(*given, constants, table)


def _backward(ctx: Any, gradients: list[Tensor]) -> tuple[Any, ...]:
    """By stock operators, on the inputs once more."""
    *given, constants, table = ctx.saved_tensors
    with torch.enable_grad():
        leaves = [each.detach().requires_grad_() for each in (*given, constants)]
        results = run_stock(leaves[:-1], leaves[-1], read_steps(ctx.steps), table)
    found = torch.autograd.grad(
        results, leaves, list(gradients), allow_unused=True, materialize_grads=True
    )
    return list(found[:-1]), found[-1], None, None, None, None


planes.register_autograd(_backward, setup_context=_save)


def _empty(like: Tensor, shapes: Sequence[int]) -> list[Tensor]:
    batch = like.shape[0]
    return [like.new_empty((batch, *shapes[at : at + 3])) for at in range(0, len(shapes), 3)]
