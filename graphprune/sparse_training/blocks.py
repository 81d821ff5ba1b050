"""Masks of whole blocks: which nodes a layer's nodes read, and the weights that this keeps."""

import numpy as np
import torch
from torch import Tensor

from graphprune.errors import SpecError
from graphprune.mask import Mask, expand
from graphprune.projection import Scores, block_scores
from graphprune.sparse_training.budget import Budget

NORMS = ("l1", "l2")


def check_blocks(title: str, budget: Budget) -> None:
    """Refuse layers whose channels the nodes do not divide: blocks would be of unequal size.

    Raises:
        SpecError: There is one; or no degree gives the density.
    """
    for name, (nodes, _) in budget.degrees.items():
        rows, columns = budget.shapes[name][:2]
        if rows % nodes or columns % nodes:
            raise SpecError(
                f"method {title}: {name} has {rows} x {columns} channels, which {nodes} nodes "
                "do not divide"
            )


def node_scores(weight: Tensor, nodes: int, norm: str) -> Scores:
    """Sums of |w| ("l1") or w squared ("l2") of each block; shape (nodes, nodes)."""
    values = weight.detach().to("cpu", torch.float64)
    sizes = values.abs() if norm == "l1" else values.square()
    return block_scores(sizes.numpy(), nodes)


def block_mask(wiring: Mask, like: Tensor) -> Tensor:
    """The weights that a wiring of nodes keeps; bool, shape of `like`."""
    joined = expand(wiring, out_channels=like.shape[0], in_channels=like.shape[1])
    mask = torch.from_numpy(joined).to(like.device)
    return mask.reshape(*joined.shape, *[1] * (like.ndim - 2)).expand(like.shape).clone()


def wiring_of(mask: Tensor, nodes: int) -> Mask:
    """The wiring of a mask of whole blocks; bool, shape (nodes, nodes)."""
    kept = mask.flatten(2)[..., 0] if mask.ndim > 2 else mask
    rows, columns = (np.arange(nodes) * (size // nodes) for size in kept.shape)
    return kept.cpu().numpy()[np.ix_(rows, columns)]
