"""Filters as columns of a matrix: which of them span it best, and what the others add.

A weight of shape (filters, ...) is the matrix whose columns are its filters.
"""

import torch
from torch import Tensor


def column_scores(weight: Tensor, kept: int) -> Tensor:
    """How much each filter has to do with the matrix's best `kept` directions.

    The score is the norm of the filter's row in the first right singular vectors; the squares
    sum to `kept`. Where filters have fewer weights than there are filters it is their L1 norm.

    Args:
        weight: Shape (filters, ...).
        kept: Directions to keep, at most the filters.

    Returns:
        Shape (filters,); float64.

    Source: column subset selection as in CHEX, Hou et al., CVPR 2022, arXiv:2203.15794.
    """
    rows = weight.detach().flatten(1).double()
    if rows.shape[1] < len(rows):
        return rows.abs().sum(dim=1)
    # Right singular vectors are the eigenvectors of the columns' products, largest last.
    vectors = torch.linalg.eigh(rows @ rows.T).eigenvectors
    scores: Tensor = torch.linalg.vector_norm(vectors[:, len(rows) - kept :], dim=1)
    return scores


def residuals(filters: Tensor, span: Tensor) -> Tensor:
    """Length of what filters have outside the span of others; shape (filters,), float64.

    Args:
        filters: Shape (filters, ...).
        span: Filters of the same shape; shape (others, ...).
    """
    rows, base = (each.detach().flatten(1).double() for each in (filters, span))
    outside = rows - rows @ torch.linalg.pinv(base) @ base
    lengths: Tensor = torch.linalg.vector_norm(outside, dim=1)
    return lengths


def drawn(weights: Tensor, allowed: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """True at `count` allowed places, drawn one by one with chances as exp(weights).

    Args:
        weights: Shape (places,).
        allowed: Bool, shape (places,); at least `count` are True.
        count: Places to draw.
        rng: On the CPU.

    Returns:
        Bool, shape (places,), on the CPU.

    Source: the largest of weights with Gumbel noise; Yellott, J. Math. Psychol. 15:109 (1977).
    """
    chance = torch.rand(len(weights), generator=rng, dtype=torch.float64)
    noise = -(-chance.clamp(min=1e-300).log()).log()
    places = torch.where(allowed.cpu(), weights.cpu().double() + noise, -torch.inf)
    found = torch.zeros(len(weights), dtype=torch.bool)
    found[places.sort(descending=True, stable=True).indices[:count]] = True
    return found
