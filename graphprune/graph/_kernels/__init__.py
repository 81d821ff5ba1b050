"""Compiled loops over arrays. Arrays in, integers out; no checks.

A neighbour table is int32, shape (nodes, width): row `u` lists the neighbours of `u` in no
particular order, without duplicates; rows of nodes with fewer than `width` neighbours are
padded with `u` itself. Callers guarantee that it is symmetric and otherwise free of loops.
Kernels that swap edges want tables without padding (regular graphs).
"""

from graphprune.graph._kernels.far import anneal_far as anneal_far
from graphprune.graph._kernels.far import beyond_pairs as beyond_pairs
from graphprune.graph._kernels.lifts import anneal_lift as anneal_lift
from graphprune.graph._kernels.lifts import spare_tables as spare_tables
from graphprune.graph._kernels.reach import NO_LIMIT as NO_LIMIT
from graphprune.graph._kernels.reach import UNCONNECTED as UNCONNECTED
from graphprune.graph._kernels.reach import hop_counts as hop_counts
from graphprune.graph._kernels.reach import total_hops as total_hops
from graphprune.graph._kernels.swaps import anneal as anneal
from graphprune.graph._kernels.swaps import has as has
from graphprune.graph._kernels.swaps import replace as replace
from graphprune.graph._kernels.swaps import rewire as rewire
from graphprune.graph._kernels.swaps import scramble as scramble
from graphprune.graph._kernels.swaps import swappable as swappable
from graphprune.graph._kernels.walk_rows import far_pairs as far_pairs
from graphprune.graph._kernels.walk_rows import walk_tables as walk_tables
from graphprune.graph._kernels.walks import anneal_walks as anneal_walks
from graphprune.graph._kernels.words import popcount as popcount
