"""Pruning before, while and after training: the frame that every method of pruning fits in."""

from graphprune.sparse_training.budget import Budget as Budget
from graphprune.sparse_training.budget import budget_of as budget_of
from graphprune.sparse_training.discovery import method_named as method_named
from graphprune.sparse_training.discovery import methods as methods
from graphprune.sparse_training.learner import Trained as Trained
from graphprune.sparse_training.learner import train_pruned as train_pruned
from graphprune.sparse_training.nested import train_nested as train_nested
from graphprune.sparse_training.protocol import Masks as Masks
from graphprune.sparse_training.protocol import Method as Method
from graphprune.sparse_training.protocol import Moment as Moment
from graphprune.sparse_training.pruner import Pruner as Pruner
