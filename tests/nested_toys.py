"""A small network at degrees 2, 4 and 6, for tests of nested models."""

import networkx as nx
import torch
from sparse_toys import examples, small_net

from graphprune.nn import NestedModel, plan, prune
from graphprune.sparse_training.norm_statistics import statistics_of
from graphprune.training import LabelledImages

DEGREES = (2, 4, 6)


def toy_graphs():
    """Circulant graphs of 8 nodes, each within the next."""
    return {d: nx.circulant_graph(8, range(1, 1 + d // 2)) for d in DEGREES}


def toy_plan(net, **options):
    return plan(net, **{"nodes": 8, "degree": 6, **options})


def toy_data(count=24, seed=0):
    """`examples` as what the training loop takes; sorted by class, as files often are."""
    images, labels = examples(count, seed)
    order = labels.argsort(stable=True)
    unit = torch.sigmoid(images)  # images of floats are in [0, 1]
    return LabelledImages(unit[order], labels[order], torch.full((1,), 0.5), torch.ones(1))


def toy_nested(*, dialect="rgp", seed=0):
    """Untrained, with seeded statistics that differ from level to level."""
    net = small_net(seed)
    graphs = toy_graphs()
    top = prune(net, toy_plan(net, dialect=dialect), graph=graphs[6])
    rng = torch.Generator().manual_seed(seed)
    for name, buffer in top.named_buffers():
        if "running" in name:
            buffer.copy_(_drawn(name, buffer, rng) + 0.5)
    statistics = {
        degree: {
            key: _drawn(key, value, rng) + degree * (1 if "var" in key else -1)
            for key, value in statistics_of(top).items()
        }
        for degree in DEGREES[:-1]
    }
    return NestedModel(top.eval(), graphs, dialect, statistics)


def _drawn(name, like, rng):
    """Variances from 0 to 1, and means from -2 to -1, so that no ReLU is dead."""
    drawn = torch.rand(like.shape, generator=rng)
    return drawn if "var" in name else drawn - 2
