"""Regular graphs: what to ask for, how to build one, how to shorten its paths."""

from graphprune.graph.build import random_regular as random_regular
from graphprune.graph.build import ring_lattice as ring_lattice
from graphprune.graph.files import graph_hash as graph_hash
from graphprune.graph.files import read_graph as read_graph
from graphprune.graph.files import write_graph as write_graph
from graphprune.graph.measures import Measures as Measures
from graphprune.graph.measures import aspl as aspl
from graphprune.graph.measures import aspl_bound as aspl_bound
from graphprune.graph.measures import aspl_random as aspl_random
from graphprune.graph.measures import diameter as diameter
from graphprune.graph.measures import hop_histogram as hop_histogram
from graphprune.graph.measures import measure as measure
from graphprune.graph.spec import GraphSpec as GraphSpec
from graphprune.graph.swap import SearchResult as SearchResult
from graphprune.graph.swap import approach as approach
from graphprune.graph.swap import lengthen as lengthen
from graphprune.graph.swap import shorten as shorten
