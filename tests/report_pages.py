"""Studies and records made up for pages, with numbers that a reader checks by eye."""

import hashlib
import random
from dataclasses import replace

from graphprune.records import Record
from graphprune.report.page import StudyPart

NODES = 12
BAD_TEXT = "TrainingError: loss is nan </script><script>alert(1)</script> <!-- & \x1b[31m"


def circulant(degree, shift=0):
    """Edges of a ring lattice; `shift` turns the longest chords into other ones."""
    steps = [*range(1, degree // 2), degree // 2 + shift]
    return [[node, (node + step) % NODES] for node in range(NODES) for step in steps]


def name_of(*parts):
    """A hash of anything."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def run(position, **changes):
    """A finished run as a plain row."""
    row = {
        "key": name_of("run", position),
        "position": position,
        "status": "done",
        "role": "family",
        "family": "searched",
        "nodes": NODES,
        "degree": 4,
        "density": 1 / 3,
        "ratio": 2 / 3,
        "level": 2.0,
        "seed": 0,
        "graph": None,
        "accuracy": 0.75,
        "train_accuracy": 0.875,
        "held_out_accuracy": None,
        "aspl": 2.0,
        "diameter": 3,
        "clustering": 0.25,
        "spectral_gap": 1.5,
        "ramanujan_margin": -0.25,
        "log_paths": None,
        "gradient_resistance": None,
        "parameter_usage": None,
        "parameters_kept": 1000,
        "macs_kept": 20000,
        "dense_ms": 4.0,
        "masked_ms": 4.5,
        "compact_ms": 2.0,
        "seconds": 12.5,
        "attempts": 1,
        "worker": "local-0",
        "started": "2026-01-01T00:00:00Z",
        "ended": "2026-01-01T00:00:12Z",
        "error": None,
    }
    return row | changes


def failed(position, error=BAD_TEXT, **changes):
    """A run that failed, with nothing measured."""
    measured = ("accuracy", "train_accuracy", "dense_ms", "masked_ms", "compact_ms", "seconds")
    return run(position, status="failed", error=error, **dict.fromkeys(measured) | changes)


CONTROL = {"role": "control", "level": None}
NO_GRAPH = dict.fromkeys(
    ("graph", "aspl", "diameter", "clustering", "spectral_gap", "ramanujan_margin")
)


def whole_study(seeds=3):
    """Two degrees, three levels, all families and controls, a failed run, curves, graphs."""
    rng = random.Random(0)
    rows, graphs = [], {}
    for seed in range(seeds):
        for degree in (4, 6):
            for shift in range(3):
                edges = circulant(degree, shift)
                name = name_of("graph", degree, shift)
                graphs[name] = {"nodes": NODES, "degree": degree, "edges": edges}
                aspl = 2.5 - 0.2 * shift - 0.1 * degree
                known = {"graph": name, "aspl": aspl, "clustering": 0.1 * shift}
                known |= {"degree": degree, "seed": seed, "density": degree / NODES}
                rows.append(run(len(rows) + 1, level=aspl, **known))
            ring = known | {"aspl": 2.2, "family": "ring", **CONTROL}
            rows.append(run(len(rows) + 1, **ring))
            bare = {"family": "unstructured", "compact_ms": None, **CONTROL, **NO_GRAPH}
            rows.append(run(len(rows) + 1, **known | bare))
        dense = {"family": "dense", "degree": None, "density": 1.0, "ratio": 0.0, "seed": seed}
        dense |= {"compact_ms": None, "masked_ms": None, **CONTROL, **NO_GRAPH}
        rows.append(run(len(rows) + 1, **dense))
    for row in rows:
        row["accuracy"] = 0.9 - 0.05 * (row["aspl"] or 1.0) + rng.gauss(0, 0.005)
        if row["compact_ms"] is not None:
            row["compact_ms"] = 1 + 5 * row["density"] + rng.random() / 10
    rows.append(failed(len(rows) + 1, degree=4, level=1.9))
    curves = {row["key"]: curve(row["accuracy"]) for row in rows if row["accuracy"]}
    return study(rows, curves=curves, graphs=graphs)


def curve(last, epochs=3):
    """Epochs of a training whose held-out accuracy ends at `last`."""
    return [
        {
            "epoch": epoch,
            "learning_rate": 0.1 / epoch,
            "train_loss": 1 / epoch,
            "train_accuracy": 0.5 + epoch / 10,
            "held_out_accuracy": last - 0.1 * (epochs - epoch),
        }
        for epoch in range(1, epochs + 1)
    ]


def study(rows, **changes):
    """A study of these runs."""
    part = StudyPart(
        name="toy <study>",
        settings={"data": "digits", "training": {"epochs": 3, "rates": [0.1, 0.01]}},
        versions={"python": "3.11"},
        machine={"cores": 2},
        created="2026-01-02T03:04:05+00:00",
        rows=rows,
        curves={},
        graphs={},
        associations=[{"measure": "aspl", "rho": -0.5, "interval": [-0.75, -0.25]}],
        comparisons=[{"family": "searched", "against": "ring", "points": 1.5}],
        sentences=["Shorter paths go with higher accuracy."],
    )
    return replace(part, **changes)


def record(command, values, **settings):
    """A record with fixed date, versions and machine."""
    return Record(
        command=command,
        settings=settings,
        values=values,
        seconds=1.5,
        date="2026-01-02T03:04:05+00:00",
        versions={"python": "3.11"},
        machine={"cores": 2},
    )


def pruning_record():
    """What `graphprune rgp` writes, in little."""
    networks = {
        "pruned": {"accuracy": 0.75, "parameters_kept": 500, "macs_kept": 5000, "aspl": 1.5},
        "dense": {"accuracy": 0.8, "parameters_kept": 1000, "macs_kept": 9000, "aspl": None},
        "random_regular": {
            "accuracy": 0.7,
            "parameters_kept": 500,
            "macs_kept": 5000,
            "aspl": 1.6,
        },
    }
    values = {
        "graph": {"nodes": NODES, "degree": 4, "aspl": 1.5, "aspl_bound": 1.25, "diameter": 3},
        "pruning": {
            "ratio": 0.5,
            "ratio_all_parameters": 0.25,
            "layers": [{"name": "conv", "kind": "Conv2d", "nodes": NODES, "degree": 4}],
            "dense_layers": [{"name": "stem", "reason": "first convolution"}],
        },
        "networks": networks,
        "test_images": 100,
        "latency": {"dense_ms": 4.0, "masked_ms": 5.0, "compact_ms": 2.0, "batch": 16},
        "file_bytes": {"dense": 4000, "compact": 2000},
        "files": {"run": "/home/somebody/runs/rgp"},
    }
    return record("rgp", values, request={"model": "resnet8-wide", "data": "digits"})


def detection_record():
    """What `ggt bench` writes, in little."""

    def detector(name, one, mean, ms):
        return {
            "name": name,
            "auroc": {"placebo": 0.5, "one": one, "two": None},
            "mean": mean,
            "interval": [mean - 0.125, mean + 0.0625],
            "tpr": {"1": 0.25, "5": 0.5, "10": None},
            "clean": 1.5,
            "adversarial": None,
            "ms": ms,
            "bytes": None,
            "train_seconds": 60.0,
            "saw_attack": False,
        }

    rows = [
        {"norm": "linf", "threat": "static", "known": 0, "scored_on": "held_out"}
        | {"epsilon": epsilon, "unflagged_rate": 10 * epsilon}
        for epsilon in (0.05, 0.1)
    ]
    values = {
        "detectors": [
            detector("margin", 0.75, 0.75, 0.5),
            detector("graph bank, soft, 3", 0.9375, 0.875, 1.0),
            detector("graph bank, soft, 9", 0.25, 0.9375, 2.0),
        ],
        "samples": {"placebo": 40, "one": 12, "two": 9},
        "attacks": ["one", "two"],
        "clean_samples": 40,
        "lines": ["placebo AUROC 0.500 (0.5 is right)"],
        "adaptive": {"rows": rows},
    }
    return record("ggt bench", values)


def signal_record():
    """What `signet bench` writes, in little."""
    labels = [{"-8": 0.25, "0": 0.5, "10": 0.75}, {"-8": 0.25, "0": 0.625, "10": 0.875}]
    values = {
        "classes": ["BPSK", "QPSK"],
        "runs": {
            "mine": {
                "overall": 0.5,
                "high_snr": 0.625,
                "macro_f1": 0.5,
                "kappa": 0.25,
                "by_snr": labels[0],
                "confusion": [[3, 1], [2, 2]],
                "parameters_kept": 1234,
                "macs_kept": 5678,
                "latency": {"dense_ms": 4.0, "dense_one_ms": 1.0},
            }
        },
        "baselines": {
            "trees": {
                "overall": 0.5625,
                "overall_std": 0.03125,
                "high_snr": 0.6875,
                "by_snr": {"-8": 0.25, "0": 0.5625, "10": 0.8125},
                "by_snr_each": labels,
                "latency": {},
                "seeds": 2,
            }
        },
        "few_shot": {
            "trees": {
                "0.1": {"overall": [0.25, 0.375], "train_frames": 100},
                "1": {"overall": [0.5, 0.625], "train_frames": 1000},
            }
        },
        "true_snr": {"-8": -8.125, "0": 0.0, "10": 9.875},
    }
    return record("signet bench", values)


def estimate(value):
    """A statistic with its interval and p value."""
    return {"value": value, "low": value - 0.25, "high": value + 0.125, "p": 0.0001}


def association(measure="aspl", value=-0.5, **changes):
    """What statistics say of a measure, as plain values."""
    part = {"fixed": {"degree": 4}, "runs": 20, "graphs": 6, "seeds": 3}
    part |= {"spearman": estimate(value), "slope": estimate(4 * value)}
    row = {
        "outcome": "accuracy",
        "measure": measure,
        "partial": estimate(value / 2),
        "detectable": 0.75,
        "seeds_needed": 5,
        "reason": None,
        "p_holm": 0.0625,
        "by_stratum": [part],
    }
    return part | row | changes


def comparison(family="searched", difference=1.5, **changes):
    """What statistics say of a family beside a baseline, as plain values."""
    row = {
        "family": family,
        "level": 2.25,
        "degree": 4,
        "baseline": "random-regular",
        "outcome": "accuracy",
        "pairs": 3,
        "difference": difference,
        "low": difference - 1,
        "high": difference + 1,
        "p": 0.03125,
        "p_holm": None,
    }
    return row | changes
