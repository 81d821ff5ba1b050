"""What a network costs: parameters, MACs, and time dense, masked and compact, in turn."""

from typing import Any

import torch
from torch import nn

from graphprune.forms import dense_twin, errors_against, saved_bytes
from graphprune.nn import compact, count, masks_of
from graphprune.timing import latency
from signet.labelled import LabelledFrames
from signet.recurrent import network_macs


def size_values(network: nn.Module, data: LabelledFrames) -> dict[str, int]:
    """Parameters and multiply-accumulates a frame, dense and kept, recurrent layers taken in.

    Args:
        network: With masks or dense; on the CPU.
        data: Whose first frame is counted on.
    """
    example = data.inputs(data.raw(torch.arange(1)))
    counted, macs = count(network, example), network_macs(network, example)
    return {
        "parameters": counted.parameters,
        "parameters_kept": counted.parameters_kept,
        "macs": macs,
        "macs_kept": macs - counted.macs + counted.macs_kept,
    }


def latency_values(
    network: nn.Module, data: LabelledFrames, *, batch: int, threads: int
) -> dict[str, Any]:
    """Median milliseconds of a batch and bytes of the saved model, of every form of a network.

    Args:
        network: With masks, or dense: then there is no other form.
        data: Frames to time on; used again from the first where there are too few.
        batch: Frames a pass.
        threads: CPU threads.
    """
    device = next(network.parameters()).device
    chosen = torch.arange(batch) % len(data)
    example = data.inputs(data.raw(chosen)).to(device)
    forms: dict[str, nn.Module] = {"dense": network}
    values: dict[str, Any] = {}
    if masks_of(network):
        forms = {"dense": dense_twin(network), "masked": network, "compact": compact(network)}
        forms["compact"].eval()
        error = errors_against(network, {"compact": forms["compact"]}, example)
        values["compact_max_abs_error"] = error["compact"]
    timed = latency(forms, example, threads=threads)
    one = latency(forms, example[:1], threads=threads)
    values |= {f"{name}_ms": item.median_ms for name, item in timed.items()}
    values |= {f"{name}_one_ms": item.median_ms for name, item in one.items()}
    values |= {f"{name}_one_p95_ms": item.p95_ms for name, item in one.items()}
    values["bytes"] = {
        name: saved_bytes(form) for name, form in forms.items() if name != "masked"
    }
    return values | {
        "threads": threads,
        "batch": batch,
        "device": example.device.type,
        "dtype": "float32",
    }
