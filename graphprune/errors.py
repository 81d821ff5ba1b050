"""Every error that the project raises on purpose, in one small tree.

The command line prints such an error as one line and exits with its `exit_status`; anything
else is a bug and keeps its traceback.
"""


class GraphPruneError(Exception):
    """Base of all deliberate errors."""

    exit_status = 2


class SpecError(GraphPruneError, ValueError):
    """A request that no graph, mask, plan or run can satisfy."""


class SearchError(GraphPruneError, RuntimeError):
    """A search that ended without a graph it may return."""


class FileError(GraphPruneError, OSError):
    """A file or folder that is missing, damaged, foreign or cannot be written."""


class TrainingError(GraphPruneError, RuntimeError):
    """A training that cannot go on, because its loss is no longer a number, say."""


class MismatchError(GraphPruneError, ValueError):
    """Inputs that are sound by themselves but do not belong together."""

    exit_status = 3
