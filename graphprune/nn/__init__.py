"""Masks on torch models: planning, pruning, counting, and back to plain weights."""

from graphprune.nn.counting import Count as Count
from graphprune.nn.counting import count as count
from graphprune.nn.masking import masks_of as masks_of
from graphprune.nn.masking import strip as strip
from graphprune.nn.pruning import plan as plan
from graphprune.nn.pruning import prune as prune
from graphprune.nn.pruning import prune_unstructured as prune_unstructured
