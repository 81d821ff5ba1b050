"""What people look at: pictures of graphs, searches, masks and trainings. Computes nothing."""

from graphprune.report.plots import plot_curves as plot_curves
from graphprune.report.plots import plot_graph as plot_graph
from graphprune.report.plots import plot_masks as plot_masks
from graphprune.report.plots import plot_search as plot_search
