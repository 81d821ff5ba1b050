"""Masks on torch models: planning, pruning, counting, and back to plain weights."""

from graphprune.nn.compaction import compact as compact
from graphprune.nn.compaction import compaction_report as compaction_report
from graphprune.nn.compaction import expand as expand
from graphprune.nn.counting import Count as Count
from graphprune.nn.counting import count as count
from graphprune.nn.exporting import ExportReport as ExportReport
from graphprune.nn.exporting import export_onnx as export_onnx
from graphprune.nn.importing import adopt as adopt
from graphprune.nn.importing import adopt_zeros as adopt_zeros
from graphprune.nn.importing import masks_from_zeros as masks_from_zeros
from graphprune.nn.masking import masks_of as masks_of
from graphprune.nn.masking import strip as strip
from graphprune.nn.nested import NestedModel as NestedModel
from graphprune.nn.projecting import nearest_graphs as nearest_graphs
from graphprune.nn.projecting import node_scores as node_scores
from graphprune.nn.pruning import plan as plan
from graphprune.nn.pruning import prune as prune
from graphprune.nn.pruning import prune_magnitude as prune_magnitude
from graphprune.nn.pruning import prune_unstructured as prune_unstructured
from graphprune.nn.saved_files import saved_config as saved_config
from graphprune.nn.saved_files import saved_levels as saved_levels
from graphprune.nn.saving import save_pretrained as save_pretrained
from graphprune.nn.training_form import trainable as trainable
from graphprune.nn.wiring import Topology as Topology
from graphprune.nn.wiring import topology as topology
