"""Plain dense networks by name. They know nothing of graphs, masks or training."""

from graphprune.models.build import build_model as build_model
from graphprune.models.catalogue import BUILTIN as BUILTIN
from graphprune.models.catalogue import MODELS as MODELS
