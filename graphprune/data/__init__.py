"""Named sets of labelled images: one bundled, the others read from their official files."""

from graphprune.data.images import Dataset as Dataset
from graphprune.data.images import Images as Images
from graphprune.data.registry import DATASETS as DATASETS
from graphprune.data.registry import READERS as READERS
from graphprune.data.registry import SHAPES as SHAPES
from graphprune.data.registry import Shape as Shape
from graphprune.data.registry import check_name as check_name
from graphprune.data.registry import load as load
from graphprune.data.registry import shape_of as shape_of
from graphprune.data.sampling import divided as divided
from graphprune.data.sampling import split as split
from graphprune.data.sampling import subset as subset
from graphprune.data.signals import NORMALISATIONS as NORMALISATIONS
from graphprune.data.signals import Normalisation as Normalisation
from graphprune.data.signals import Signal as Signal
