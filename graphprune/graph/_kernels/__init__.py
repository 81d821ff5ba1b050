"""Compiled loops over arrays. Arrays in, integers out; no checks.

A neighbour table is int32, shape (nodes, width): row `u` lists the neighbours of `u` in no
particular order, without duplicates; rows of nodes with fewer than `width` neighbours are
padded with `u` itself. Callers guarantee that it is symmetric and otherwise free of loops.
Kernels that swap edges want tables without padding (regular graphs).
"""

from graphprune.graph._kernels.reach import UNCONNECTED as UNCONNECTED
from graphprune.graph._kernels.reach import hop_counts as hop_counts
from graphprune.graph._kernels.reach import reach_next_hop as reach_next_hop
from graphprune.graph._kernels.reach import reach_one_hop as reach_one_hop
from graphprune.graph._kernels.reach import total_hops as total_hops
from graphprune.graph._kernels.swaps import anneal as anneal
from graphprune.graph._kernels.swaps import has as has
from graphprune.graph._kernels.swaps import replace as replace
from graphprune.graph._kernels.swaps import rewire as rewire
from graphprune.graph._kernels.swaps import scramble as scramble
from graphprune.graph._kernels.swaps import swappable as swappable
from graphprune.graph._kernels.words import popcount as popcount
