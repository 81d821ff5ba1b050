"""What a network answers for many frames."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from signet.labelled import LabelledFrames

BATCH = 500


def probabilities(network: nn.Module, data: LabelledFrames) -> NDArray[np.float32]:
    """Class probabilities of a network in evaluation mode; shape (count, classes).

    The network's training mode is put back; masks are applied once for the whole pass.
    """
    device = next(network.parameters()).device
    data = data.to(device)
    training, found = network.training, []
    with torch.inference_mode(), parametrize.cached():
        network.eval()
        for start in range(0, len(data), BATCH):
            chosen = torch.arange(start, min(start + BATCH, len(data)), device=device)
            outputs = network(data.inputs(data.raw(chosen)))
            found.append(outputs.float().softmax(dim=1).cpu())
    network.train(training)
    return torch.cat(found).numpy()
