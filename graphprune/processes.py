"""Several processes that do one training, as `accelerate launch` and torchrun start them.

Each does the whole job on its part of every batch; the main one alone writes, prints and shows
progress. What started them tells in the environment how many there are, so that a process that
works alone asks nobody and loads nothing.
"""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from graphprune.errors import SpecError

if TYPE_CHECKING:
    from accelerate import PartialState

Result = TypeVar("Result")

# Names that accelerate reads: torchrun's, then those of MPI.
SIZE = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
RANK = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
SIZE_HERE = (
    "LOCAL_WORLD_SIZE",
    "MPI_LOCALNRANKS",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MV2_COMM_WORLD_LOCAL_SIZE",
)
PATIENCE = 10.0  # seconds; a launcher ends the others as soon as one has ended


def count() -> int:
    """Number of processes that work together, at least 1."""
    return max(1, _number(SIZE, 1))


def count_here() -> int:
    """Number of them on this machine, which share its cores."""
    return max(1, _number(SIZE_HERE, 1)) if count() > 1 else 1


def is_main() -> bool:
    """Whether this is the process that writes and prints; a process alone is."""
    return count() == 1 or _number(RANK, 0) == 0


def check_launch() -> None:
    """Refuse to work alone where several processes were asked for.

    `accelerate launch --num_processes 2` starts one process, without a word, where it is told
    `--cpu` or finds fewer than two GPUs; all that shows is the address that it sets.

    Raises:
        SpecError: A launcher was asked for several processes and started one.
    """
    if count() == 1 and {"ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"} <= os.environ.keys():
        raise SpecError(
            "accelerate launch was asked for several processes and started one; "
            "give it --multi_gpu, and on CPUs --device cpu to graphprune"
        )


def from_main(text: str, *, device: str) -> str:
    """The main process's text, in every process; all wait for it.

    Args:
        text: Not empty in the main process; in the others it does not matter.
        device: Device of the whole job, "cpu" or "auto".

    Raises:
        SpecError: The processes cannot reach each other on this device.
    """
    if count() == 1:
        return text
    import torch
    from torch.distributed import broadcast

    state = _state(device)
    data = text.encode(errors="surrogateescape") if state.is_main_process else b""
    size = torch.tensor(len(data), device=state.device)
    broadcast(size, src=0)
    whole = torch.zeros(int(size), dtype=torch.uint8, device=state.device)
    if state.is_main_process:
        whole.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    broadcast(whole, src=0)
    return bytes(whole.tolist()).decode(errors="surrogateescape")


def main_first(act: Callable[[], Result], *, device: str) -> Result:
    """What `act` returns here; it is done by the main process first, then by the others.

    So that what one has downloaded the others find.

    Raises:
        SpecError: The processes cannot reach each other on this device.
    """
    if is_main():
        result = act()
        from_main("done", device=device)
        return result
    from_main("", device=device)
    return act()


def part(device: str) -> None:
    """Wait for the other processes and leave them: the work is done."""
    if count() > 1:
        state = _state(device)
        state.wait_for_everyone()
        state.destroy_process_group()


def hold_back() -> None:
    """Before this process tells of an error, leave time for one that knows more to do so.

    Where a process ends with an error the others lose it in the midst of an exchange, and the
    launcher ends them. So does the same error in all of them. Only a process that is still
    there after a while has something to say; the main one, whose end may take some seconds, is
    the first to speak.
    """
    if count() > 1:
        time.sleep(PATIENCE if is_main() else 3 * PATIENCE)


def _state(device: str) -> "PartialState":
    """The group of the processes, formed by the first call."""
    from accelerate import PartialState

    from graphprune.devices import device_named

    state = PartialState(cpu=device_named(device).type == "cpu")
    if state.num_processes != count():
        raise SpecError(
            f"{count()} processes were started, but {state.num_processes} can work together "
            f"on device {device!r}"
        )
    return state


def _number(names: tuple[str, ...], default: int) -> int:
    """The first of these variables that holds a count."""
    found = (os.environ.get(name, "") for name in names)
    return next((int(value) for value in found if value.isdecimal()), default)
