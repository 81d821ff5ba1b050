"""Studies: many runs of a function, kept in one file, each computed once, here or elsewhere."""

from graphprune.study.cluster import RayEngine as RayEngine
from graphprune.study.driver import drive as drive
from graphprune.study.engine import Ended as Ended
from graphprune.study.engine import Engine as Engine
from graphprune.study.engine import Work as Work
from graphprune.study.processes import LocalEngine as LocalEngine
from graphprune.study.store import Store as Store
from graphprune.study.task import Task as Task
