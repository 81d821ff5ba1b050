"""Functions that studies in tests run, and tasks of them; importable by other processes."""

import os
import signal
import time
from pathlib import Path

from graphprune.errors import SpecError
from graphprune.study import Task


def square(arguments, edges, context):
    """A figure that follows from the arguments and the edges."""
    time.sleep(arguments.get("sleep", 0.0))
    return {
        "accuracy": arguments["number"] ** 2 + (len(edges) if edges else 0),
        "curves": [{"epoch": 1, "train_loss": 0.5}],
        "process": os.getpid(),
    }


def refuse(arguments, edges, context):
    """Raise an error; one that no other worker would mend, if asked for."""
    if arguments.get("final"):
        raise SpecError("never")
    raise RuntimeError(f"broken {arguments['number']}")


def die_once(arguments, edges, context):
    """Kill this process at the first attempt; `context` names a folder that remembers."""
    mark = Path(context["marks"]) / str(arguments["number"])
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return {"accuracy": float(arguments["number"]), "process": os.getpid()}


def fail_once(arguments, edges, context):
    """Fail at the first attempt, and tell which process that was."""
    mark = Path(context["marks"]) / str(arguments["number"])
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        raise RuntimeError("the first time")
    return {"accuracy": 1.0, "process": os.getpid()}


def give_nothing(arguments, edges, context):
    """End without a result: by leaving, or with one that cannot be sent."""
    if arguments["number"] == 0:
        raise SystemExit(3)
    return {"accuracy": lambda: 1.0}


def environment(arguments, edges, context):
    """What a library would see of threads."""
    return {"accuracy": float(os.environ["OMP_NUM_THREADS"])}


def tasks(count, *, name="square", start=0, **arguments):
    """`count` tasks, numbered."""
    return [
        Task(
            function=f"study_runs:{name}",
            arguments={"number": number, **arguments},
            labels={"role": "family", "family": "made", "seed": number},
        )
        for number in range(start, start + count)
    ]


def pretend_training(arguments, edges, context):
    """What `train_one` gives, without training: accuracy falls with the degree's distance."""
    if arguments["seed"] == context.get("broken_seed"):
        raise RuntimeError("this seed is broken")
    accuracy = (
        0.9 + 0.001 * arguments["seed"] + (0.0001 * sum(map(sum, edges)) % 0.01 if edges else 0)
    )
    degree, nodes = arguments["degree"], arguments["nodes"]
    return {
        "accuracy": accuracy,
        "train_accuracy": accuracy,
        "density": degree / nodes if degree else 1.0,
        "ratio": 1 - degree / nodes if degree else 0.0,
        "parameters_kept": 10,
        "macs_kept": 20,
        "train_seconds": 0.0,
        "curves": [{"epoch": 1, "train_loss": 0.5, "train_accuracy": accuracy}],
    }


def pretend_method(arguments, edges, context):
    """What a run of a comparison gives, without training: accuracy falls with the ratio."""
    ratio = arguments["ratio"] or 0.0
    return {
        "accuracy": 0.9 - 0.1 * ratio + 0.001 * arguments["seed"],
        "train_accuracy": 0.9,
        "density": 1 - ratio,
        "ratio": ratio,
        "weights_kept": round(1000 * (1 - ratio)) if ratio else None,
        "parameters_kept": 10,
        "macs_kept": 20,
        "train_macs": 1e6,
        "train_seconds": 0.1,
        "curves": [{"epoch": 1, "train_loss": 0.5, "train_accuracy": 0.9}],
    }
