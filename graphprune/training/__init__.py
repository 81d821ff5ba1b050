"""Training: a frozen recipe, one bare loop, checkpoints that resume bit for bit."""

from graphprune.training.examples import Labelled as Labelled
from graphprune.training.images import LabelledImages as LabelledImages
from graphprune.training.learning import Learner as Learner
from graphprune.training.loop import Score as Score
from graphprune.training.loop import evaluate as evaluate
from graphprune.training.loop import train as train
from graphprune.training.loop import train_with as train_with
from graphprune.training.settings import Settings as Settings
