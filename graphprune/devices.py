"""Devices by the names that options give them."""

import torch


def device_named(name: str) -> torch.device:
    """ "cpu", or what "auto" stands for here: an accelerator if there is one."""
    found = torch.accelerator.current_accelerator() if name == "auto" else None
    return found or torch.device("cpu")
