"""One network at several degrees: weights once, a graph and statistics for each degree."""

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx
import torch
from torch import Tensor, nn

from graphprune.errors import SpecError
from graphprune.mask import Dialect
from graphprune.nn.level_card import check_levels
from graphprune.nn.mask_index import GraphIndex, mask_of
from graphprune.nn.masking import apply_masks, masks_of, strip

Statistics = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class NestedModel:
    """A masked model of which some of the kept weights are a model too, and some of those.

    `densest` has the masks and statistics of the highest degree. `graphs` goes by degree, each
    within the next, and all masked layers share them. `statistics` has, for every lower degree,
    the buffers that are its own, by their names in the state dict: means and variances of
    normalisation, which a level cannot share.

    Raises:
        SpecError: The graphs are no levels (`graphprune.nn.level_card.check_levels`), the masks
            are not those of the highest degree, or statistics do not fit the model.

    Source: arXiv:2112.10930, for positions and values of a sparser level within a denser one.
    """

    densest: nn.Module
    graphs: Mapping[int, nx.Graph]
    dialect: Dialect
    statistics: Mapping[int, Statistics]

    def __post_init__(self) -> None:
        check_levels(self.graphs)
        masks = masks_of(self.densest)
        if not masks:
            raise SpecError("a nested model has masked layers, this one has none")
        index = GraphIndex(self.graphs[self.degrees[-1]], self.dialect)
        for name, mask in masks.items():
            if min(mask.shape[:2]) < len(index.graph) or not _follows(mask, index):
                raise SpecError(f"{name}: the mask is not that of degree {self.degrees[-1]}")
        if sorted(self.statistics) != list(self.degrees[:-1]):
            raise SpecError(
                f"statistics must be there of degrees {_listed(self.degrees[:-1])}, got "
                f"{_listed(sorted(self.statistics))}"
            )
        buffers = dict(self.densest.named_buffers(remove_duplicate=False))
        for own in self.statistics.values():
            if own.keys() != self.statistics[self.degrees[0]].keys():
                raise SpecError("all levels must have statistics of the same names")
            for key, value in own.items():
                if key not in buffers or _kind(buffers[key]) != _kind(value):
                    raise SpecError(f"{key}: the statistics fit no buffer of the model")

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degrees there are, lowest first."""
        return tuple(sorted(self.graphs))

    def at(self, degree: int) -> nn.Module:
        """A masked copy of one level, as `graphprune.prune` makes it, in evaluation mode.

        Raises:
            SpecError: There is no such degree; the message says which there are.
        """
        check_degree(degree, self.degrees, name="the model")
        model = level_of(self.densest, self.graphs[degree], self.dialect)
        state = model.state_dict()
        for key, value in self.statistics.get(degree, {}).items():
            state[key].copy_(value)
        return model.eval()


def level_of(masked: nn.Module, graph: nx.Graph, dialect: Dialect) -> nn.Module:
    """A copy of a masked model whose masked layers follow another graph; see `apply_masks`.

    Weights that the graph keeps and the mask does not are zero.
    """
    index = GraphIndex(graph, dialect)
    masks = {name: mask_of(index, tuple(mask.shape)) for name, mask in masks_of(masked).items()}
    return apply_masks(strip(masked), masks, rescale=False)


def check_degree(degree: object, degrees: tuple[int, ...], *, name: str) -> None:
    """Refuse a degree that is not there.

    Raises:
        SpecError: It is not; `name` stands in the message.
    """
    if type(degree) is not int or degree not in degrees:
        raise SpecError(
            f"{name} has no level of degree {degree!r}; there are {_listed(degrees)}"
        )


def _follows(mask: Tensor, index: GraphIndex) -> bool:
    """Whether a mask is a graph's, the same at every kernel position."""
    wanted = torch.from_numpy(mask_of(index, tuple(mask.shape))).to(mask.device)
    return bool((mask.reshape(*wanted.shape, -1) == wanted[..., None]).all())


def _kind(tensor: Tensor) -> tuple[torch.Size, torch.dtype]:
    return tensor.shape, tensor.dtype


def _listed(degrees: tuple[int, ...] | list[int]) -> str:
    return ", ".join(map(str, degrees)) or "none"
