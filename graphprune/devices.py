"""Devices by the names that options give them."""

import torch


def device_named(name: str) -> torch.device:
    """ "cpu", or what "auto" stands for here: an accelerator if there is one."""
    there = name == "auto" and torch.accelerator.is_available()
    return (torch.accelerator.current_accelerator() if there else None) or torch.device("cpu")
