"""What the runs of a study say of graphs and accuracy, and what they cannot say."""

from graphprune.statistics.associating import associate as associate
from graphprune.statistics.association import Association as Association
from graphprune.statistics.association import Estimate as Estimate
from graphprune.statistics.association import StratumAssociation as StratumAssociation
from graphprune.statistics.comparing import Comparison as Comparison
from graphprune.statistics.comparing import compare as compare
from graphprune.statistics.names import MEASURES as MEASURES
from graphprune.statistics.tabulating import measures_table as measures_table
from graphprune.statistics.wording import sentence as sentence
