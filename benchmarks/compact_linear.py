"""One linear layer of 64 nodes and degree 6: block products beside dense and sparse ones.

The layer alone, in float32 on one thread under no_grad (torch's sparse linear operator fails
under inference_mode), all forms timed in turn at each batch size: dense, masked by us and by
torch.nn.utils.prune, with zeros folded in, torch's sparse matrices (CSR, and BSR of 32 x 32
blocks), and the compact layer, as it is and on stock operators only. A turn is two passes: the
first after another form has used the caches, as in a network, the second after the form itself.

    python benchmarks/compact_linear.py
"""

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import click
import torch
from side_by_side import (
    by_torch_prune,
    largest_difference,
    met,
    summary,
    timed_in_turn,
    torch_facts,
)
from torch import Tensor, nn
from torch.nn import functional

NODES, DEGREE, BLOCK = 64, 6, 32
SIZES = ((2048, 2048), (3072, 768))  # inputs, outputs
TURNS = ("after_another_form", "again")  # first and second pass of a form's turn
TARGET = ((2048, 2048), 64, 8.0, 10.0)  # size, batch, at least, aim


LIMITS = {
    "what limits it": "blocks multiply about as fast as the dense product, so the density sets "
    "a ceiling of 10.7; gathering, transposing, copying, and reading weights that another form "
    "has driven out of the caches take the rest",
    "tried": [
        "stock: gather by channels, runs, groups; feature-major activations; batched product "
        "with and without the bias; out= on a transposed view; chunks of 16 and 32 rows; six "
        "products added up: the fastest is kept",
        "compiled: features first, register blocks of 4 x 24, rows transposed by strips; 40 "
        "GMAC/s in the product, but two transpositions of 0.1 ms: kept for blocks below 16",
        "compiled: memory kept and on a cache line, channels in the inner loop: kept",
    ],
}


@click.command()
@click.option("--repeats", default=60, show_default=True, help="Timed rounds.")
@click.option("--batches", default="1,16,64,128", show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=Path, default=Path("benchmarks/results/compact_linear.json"))
def main(repeats: int, batches: str, threads: int, seed: int, out: Path) -> None:
    """Time every layer and write the record."""
    from graphprune.records import Record, write_text

    began = time.monotonic()
    torch.set_num_threads(threads)
    counts = [int(batch) for batch in batches.split(",")]
    runs = []
    for size in SIZES:
        forms, refused, layout = forms_of(*size, seed=seed)
        for batch in counts:
            rows = one_run(forms, size[0], batch, repeats=repeats, threads=threads, seed=seed)
            about = {"size": size, "batch": batch, "layout": layout, "refused": refused}
            runs.append(about | {"forms": rows})
            show(runs[-1])
    values = {"runs": runs, "target": target(runs), "limits": LIMITS}
    record = Record(
        command=" ".join(["python", *sys.argv]),
        settings={
            "repeats": repeats,
            "batches": counts,
            "threads": threads,
            "nodes": NODES,
            "degree": DEGREE,
            "bsr_block": BLOCK,
            "dtype": "float32",
            "seed": seed,
            "torch": torch_facts(),
        },
        values=values,
        seconds=time.monotonic() - began,
    )
    write_text(out, record.to_json())
    click.echo(json.dumps(values["target"], indent=2))


def forms_of(
    inputs: int, outputs: int, *, seed: int
) -> tuple[dict[str, Callable[[Tensor], Tensor]], dict[str, str], str]:
    """Every form of one layer by name, why torch refuses the others, and ours' layout."""
    from graphprune import compact, strip
    from graphprune.graph import GraphSpec
    from graphprune.mask import adjacency, expand
    from graphprune.nn import compaction_report
    from graphprune.nn.masking import apply_masks
    from graphprune.nn.pruning import usual_graph

    torch.manual_seed(seed)
    dense = nn.Sequential(nn.Linear(inputs, outputs)).eval()
    joined = adjacency(usual_graph(GraphSpec(NODES, DEGREE)))
    mask = expand(joined, out_channels=outputs, in_channels=inputs)
    masked = apply_masks(dense, {"0": mask}).eval()
    stripped = strip(masked).eval()
    small = compact(masked).eval()
    forms: dict[str, Callable[[Tensor], Tensor]] = {
        "dense": dense,
        "masked": masked,
        "torch_prune": by_torch_prune(masked),
        "stripped": stripped,
        "compact_stock_operators": compact(masked, layouts={"0": "grouped"}).eval(),
        "compact": small,
    }
    refused = {}
    example = torch.randn(2, inputs)
    for name, form in sparse_forms(stripped[0]).items():
        try:
            with torch.no_grad():
                form(example)
        except (RuntimeError, ValueError) as error:
            refused[name] = str(error).splitlines()[0]
        else:
            forms[name] = form
    return forms, refused, compaction_report(small)[0].layout


def sparse_forms(layer: nn.Linear) -> dict[str, Callable[[Tensor], Tensor]]:
    """The layer with its weight in torch's sparse formats, as an operator and as a product."""
    weight, bias = layer.weight.detach(), layer.bias.detach()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls these formats a beta feature
        kinds = {"csr": weight.to_sparse_csr(), "bsr": weight.to_sparse_bsr((BLOCK, BLOCK))}
    forms: dict[str, Callable[[Tensor], Tensor]] = {}
    for kind, sparse in kinds.items():
        forms[f"torch_{kind}_linear"] = lambda x, w=sparse: functional.linear(x, w, bias)
        forms[f"torch_{kind}_matmul"] = lambda x, w=sparse: (w @ x.t()).t() + bias
    return forms


def one_run(
    forms: dict[str, Callable[[Tensor], Tensor]],
    inputs: int,
    batch: int,
    *,
    repeats: int,
    threads: int,
    seed: int,
) -> dict[str, dict]:
    """All forms in turn on one batch, with their largest error against the masked layer."""
    example = torch.randn(batch, inputs, generator=torch.Generator().manual_seed(seed))
    times = timed_in_turn(
        forms,
        example,
        repeats=repeats,
        threads=threads,
        warmup=10,
        passes=len(TURNS),
        mode=torch.no_grad,
    )
    rows: dict[str, dict] = {
        name: {
            turn: summary(times[name][:, number], times["dense"][:, number])
            for number, turn in enumerate(TURNS)
        }
        for name in forms
    }
    for name, form in forms.items():
        if name not in ("dense", "masked"):
            rows[name]["max_abs_error"] = largest_difference(form, forms["masked"], example)
    return rows


def target(runs: list[dict]) -> dict:
    """The figure to reach, or null where its batch was not timed."""
    size, batch, at_least, aim = TARGET
    for run in runs:
        if run["size"] == size and run["batch"] == batch:
            return {"size": size, "batch": batch} | {
                form: {
                    turn: met(row[turn]["times_faster_by_medians"], at_least, aim)
                    for turn in TURNS
                }
                for form, row in run["forms"].items()
                if form.startswith("compact")
            }
    return {"size": size, "batch": batch, "met": None}


def show(run: dict) -> None:
    """One run as lines on standard error."""
    click.echo(f"Linear {run['size']} batch {run['batch']}", err=True)
    for form, row in run["forms"].items():
        turns = "".join(
            f"{row[turn]['median_ms']:10.3f} ms {row[turn]['times_faster_by_medians']:6.2f}x "
            f"(minima {row[turn]['times_faster_by_minima']:.2f}x)"
            for turn in TURNS
        )
        click.echo(f"  {form:26}{turns}", err=True)


if __name__ == "__main__":
    main()
