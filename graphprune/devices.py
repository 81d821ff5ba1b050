"""Devices by the names that options give them."""

import torch


def device_named(name: str) -> torch.device:
    """ "cpu", or what "auto" stands for here: an accelerator if there is one."""
    found = None
    if name == "auto":  # a build may know of a kind of which there is none here
        found = torch.accelerator.current_accelerator(check_available=True)
    return found or torch.device("cpu")
