"""compact, export, bench and inspect as a user meets them: results, refusals, exit status."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from toys import image_network

from graphprune import model_commands, onnx_forms
from graphprune.commands import main
from graphprune.errors import MismatchError
from graphprune.graph import GraphSpec, ring_lattice
from graphprune.nn import compact, compaction_report, exporting, plan, probing, prune
from graphprune.nn.saving import save_pretrained
from graphprune.pretrained import from_pretrained
from graphprune.records import Record
from graphprune.timing import Latency

OWN = ("--model", "toys:image_network")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A folder with a run, and the same model saved without a word of what it is."""
    monkeypatch.chdir(tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        dense = image_network(classes=10, in_channels=1)
    made = plan(dense, nodes=16, degree=4)
    small = compact(prune(dense, made, graph=ring_lattice(GraphSpec(16, 4))).eval())
    config = {"model": OWN[1], "classes": 10, "in_channels": 1, "size": 8}
    save_pretrained(small, tmp_path / "run" / "model", config=config)
    reasons = [{"name": "stem", "reason": "first convolution"}]
    values = {"pruning": {"dense_layers": reasons}}
    record = Record(command="rgp", settings={}, values=values, seconds=0.0)
    (tmp_path / "run" / "record.json").write_text(record.to_json())
    save_pretrained(small, tmp_path / "bare")


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def values_of(*arguments):
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return Record.from_json(done.stdout).values


def names():
    return sorted(str(path) for path in Path().rglob("*"))


def in_turn(models, example, *, repeats, threads):
    """Stands in for `latency`: the first form takes 8 ms, the others half of the one before."""
    return {
        name: Latency(8 / 2**i, 7 / 2**i, 9 / 2**i, repeats, threads, len(example), "", "")
        for i, name in enumerate(models)
    }


@pytest.fixture
def clockless(monkeypatch):
    from graphprune import bench

    monkeypatch.setattr(bench, "latency", in_turn)


def test_compact_writes_a_model_that_loads_and_computes_the_same():
    done = run("compact", "run", *OWN, "--out", "small")
    assert done.exit_code == 0, done.output
    assert "parameters left: 1,434 of 3,162 (45.4%)" in done.stdout
    assert "outputs differ from the masked model's by" in done.stdout
    assert done.stdout.splitlines()[-1] == "written to small"
    assert {path.name for path in Path("small").iterdir()} == {
        "config.json",
        "model.safetensors",
    }

    def build():
        return image_network(classes=10, in_channels=1)

    small = from_pretrained("small", build)
    assert [row.name for row in compaction_report(small)] == ["body"]
    batch = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = from_pretrained("run/model", build, form="dense")(batch)
        torch.testing.assert_close(small(batch), expected, atol=1e-5, rtol=0)
    again = run("compact", "small", *OWN, "--out", "smaller")
    assert again.exit_code == 0
    assert torch.equal(
        load_file("small/model.safetensors")["body.weight"],
        load_file("smaller/model.safetensors")["body.weight"],
    )


def test_the_record_of_compact_holds_what_was_measured():
    values = values_of("compact", "run", *OWN, "--out", "small", "--batch", 3)
    (layer,) = values["layers"]
    assert (layer["name"], layer["groups"], layer["width"], layer["fan_in"]) == (
        "body",
        16,
        1,
        4,
    )
    assert (layer["kept"], layer["weights"]) == (16 * 4 * 9, 16 * 16 * 9)
    assert 0 <= values["max_abs_error"] < 1e-4
    written = sum(path.stat().st_size for path in Path("small").iterdir())
    assert values["file_bytes"]["compact"] == written < values["file_bytes"]["dense"]
    assert values["trained"] is True
    assert values["example"] == "3 inputs, standard normal"


def test_compact_without_out_takes_a_free_name_and_dry_run_writes_nothing():
    before = names()
    done = run("compact", "run", *OWN, "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "dry run: nothing was written"
    assert names() == before
    for expected in ("runs/compact-run", "runs/compact-run-2"):
        assert values_of("compact", "run", *OWN)["files"]["model"] == expected
        assert Path(expected, "config.json").exists()


def test_probed_layouts_are_saved_with_their_times(monkeypatch):
    def timer(passes):
        order = ["chosen", "grouped", "dense", "direct", "usual"]
        return {name: float(order.index(name)) for name in passes}

    monkeypatch.setattr(probing, "interleaved", timer)
    values = values_of("compact", "run", *OWN, "--probe", "--out", "small")
    (layer,) = values["layers"]
    assert layer["layout"] == "grouped"
    assert layer["reason"].startswith("probed: grouped 1 ms, dense 2 ms")
    (again,) = values_of("compact", "small", *OWN, "--dry-run")["layers"]
    assert again == layer


def test_outputs_that_differ_end_compact_with_status_three(monkeypatch):
    def wrong(*_arguments):
        raise MismatchError("compact: outputs differ by 0.5")

    from graphprune import compacting

    monkeypatch.setattr(compacting, "errors_against", wrong)
    before = names()
    done = run("compact", "run", *OWN, "--out", "small")
    assert done.exit_code == 3
    assert done.stderr == "Error: compact: outputs differ by 0.5\n"
    assert names() == before


def test_ctrl_c_leaves_nothing_and_says_so(monkeypatch):
    from graphprune import compacting

    def stop(*_arguments, **_options):
        raise KeyboardInterrupt

    before = names()
    monkeypatch.setattr(compacting, "save_pretrained", stop)
    done = run("compact", "run", *OWN, "--out", "small")
    assert done.exit_code == 2
    assert done.stderr == "Error: interrupted; nothing was written\n"
    assert names() == before


def test_a_network_by_name_is_compacted_untrained_and_said_to_be():
    done = run("compact", "mlp", "--data", "digits", "--nodes", 32, "--degree", 3, "--out", "m")
    assert done.exit_code == 0, done.output
    assert "untrained: random weights, for speed and size only" in done.stdout
    assert values_of("compact", "m", "--dry-run")["trained"] is True


def test_export_writes_a_file_that_onnxruntime_agrees_with():
    pytest.importorskip("onnxruntime")
    Path("model.onnx").write_text("another file")
    refused = run("export", "run", *OWN, "--onnx", "model.onnx")
    assert refused.exit_code == 2
    assert refused.stderr == "Error: model.onnx: exists already; add --force to replace it\n"
    assert Path("model.onnx").read_text() == "another file"

    done = run("export", "run", *OWN, "--onnx", "model.onnx", "--force", "--batch", 1)
    assert done.exit_code == 0, done.output
    error = re.search("outputs differ by ([^ ]+) at most under ONNX Runtime", done.stdout)
    assert float(error[1]) < 1e-4
    assert done.stdout.splitlines()[-1] == "written to model.onnx"
    session = onnx_forms.OnnxModel(Path("model.onnx"), threads=1)
    assert session(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_the_record_of_export_holds_what_was_found(monkeypatch):
    from graphprune import export_job

    def written(_model, path, example):
        asked.append(tuple(example.shape))
        return exporting.ExportReport(path, 123, 18, {"Conv": 2}, None, ())

    asked = []
    monkeypatch.setattr(export_job, "export_onnx", written)
    values = values_of("export", "run", *OWN, "--onnx", "new.onnx", "--batch", 5)
    assert asked == [(5, 1, 8, 8)]
    assert values["onnx"] == {
        "bytes": 123, "opset": 18, "nodes": {"Conv": 2}, "max_abs_error": None, "batches": [],
    }  # fmt: skip
    assert values["files"] == {"onnx": "new.onnx"}
    told = run("export", "run", *OWN, "--onnx", "new.onnx").stdout
    assert "not checked: onnxruntime is not installed" in told


def test_export_dry_run_writes_nothing():
    before = names()
    done = run("export", "run", *OWN, "--onnx", "model.onnx", "--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "dry run: nothing was written"
    assert names() == before


def test_bench_measures_every_form_at_every_batch_size(clockless):
    before = names()
    values = values_of("bench", "run", *OWN, "--batch", 1, "--batch", 3, "--no-onnx",
                       "--repeats", 2, "--threads", 2)  # fmt: skip
    assert names() == before
    assert [timed["batch"] for timed in values["latency"]] == [1, 3]
    for timed in values["latency"]:
        found = timed["forms"]
        assert list(found) == [
            "dense", "dense_channels_last", "masked", "stripped", "compact_stock", "compact",
        ]  # fmt: skip
        assert (timed["threads"], timed["repeats"]) == (2, 2)
        assert [form["ratio_to_dense"] for form in found.values()] == [
            0.5**power for power in range(6)
        ]
        assert found["dense"]["max_abs_error"] is None
        assert all(found[name]["max_abs_error"] < 1e-4 for name in list(found)[2:])
    sizes = values["file_bytes"]
    assert sizes["compact"] < sizes["dense"]
    assert values["macs_kept"] < values["macs_dense"]


def test_bench_prints_what_is_slower_as_slower(monkeypatch):
    from graphprune import bench

    def slow(models, example, **options):
        found = in_turn(models, example, **options)
        return dict(zip(found, reversed(found.values()), strict=True))

    monkeypatch.setattr(bench, "latency", slow)
    done = run("bench", "run", *OWN, "--batch", 1, "--no-onnx")
    assert done.exit_code == 0, done.output
    assert "batch 1: compact is SLOWER than dense, 32.00 times" in done.stdout


def test_bench_takes_onnx_along(clockless):
    pytest.importorskip("onnxruntime")
    values = values_of("bench", "run", *OWN, "--batch", 1, "--onnx")
    found = values["latency"][0]["forms"]
    assert list(found)[-2:] == ["onnx_dense", "onnx_compact"]
    assert found["onnx_compact"]["max_abs_error"] < 1e-4
    assert found["onnx_dense"]["max_abs_error"] is None
    assert values["file_bytes"]["onnx_compact"] > 0


def test_bench_without_onnxruntime_says_so_or_refuses(clockless, monkeypatch):
    monkeypatch.setattr(onnx_forms, "NEEDED", ("onnx", "no_such_runtime"))
    done = run("bench", "run", *OWN, "--batch", 1)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "without ONNX Runtime: no_such_runtime not installed"
    refused = run("bench", "run", *OWN, "--onnx")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: --onnx needs no_such_runtime")


def test_bench_of_an_untrained_network_says_so(clockless):
    done = run("bench", "mlp", "--data", "digits", "--batch", 1, "--no-onnx")
    assert done.exit_code == 0, done.output
    assert "untrained: random weights, for speed and size only" in done.stdout


def test_inspect_shows_plan_layouts_and_graphs_of_a_saved_model():
    done = run("inspect", "run", *OWN)
    assert done.exit_code == 0, done.output
    assert "pruned 75.00% of the weights of 1 layers" in done.stdout
    for text in ("first convolution", "carries no mask", "compact form", "ASPL", "dead groups"):
        assert text in done.stdout
    values = values_of("inspect", "run", *OWN)
    assert values.keys() == {"pruning", "layouts", "topology"}
    (layer,) = values["pruning"]["layers"]
    assert (layer["ratio"], layer["fan_in_min"], layer["fan_in_max"]) == (0.75, 4, 4)
    body = next(one for one in values["topology"]["layers"] if one["name"] == "body")
    assert (body["nodes"], body["degree_min"], body["degree_max"]) == (16, 4, 4)


def test_inspect_takes_nodes_and_a_degree():
    values = values_of("inspect", "resnet20", "--nodes", 32, "--degree", 4)
    assert values["graph"]["degree"] == 4
    assert values["pruning"]["ratio"] == 1 - 4 / 32


def damage():
    """Folders that hold no sound model, one for each way to break it."""
    for name in ("card", "weights", "truncated"):
        Path(name).mkdir()
        for file in ("config.json", "model.safetensors"):
            Path(name, file).write_bytes(Path("run/model", file).read_bytes())
    Path("card/config.json").write_text("{")
    Path("weights/model.safetensors").unlink()
    whole = Path("truncated/model.safetensors").read_bytes()
    Path("truncated/model.safetensors").write_bytes(whole[: len(whole) // 2])
    Path("empty").mkdir()
    Path("file").write_text("text")
    Path("model.onnx").mkdir()
    Path("dense").mkdir()
    save_pretrained(image_network(classes=10, in_channels=1), "dense")


WRONG = {
    "runs/absent": (2, "runs/absent: no such folder"),
    "file": (2, "file: a file, wanted is a run folder"),
    "empty": (2, "empty: neither a run folder"),
    "card --model toys:image_network": (2, "card/config.json: not JSON"),
    "weights --model toys:image_network": (2, "model.safetensors"),
    "truncated --model toys:image_network": (2, "model.safetensors"),
    "dense --model toys:image_network --input 1,8,8": (2, "dense"),
    "run": (2, "toys:image_network"),
    "run --model mlp": (3, "body: the network built has no such layer"),
    "run --model toys:image_netwrk": (2, "did you mean 'image_network'"),
    "run --model absent:net": (2, "cannot import absent"),
    "run --ratio 0.5": (2, "run is pruned already: --ratio has no meaning"),
    "bare --model toys:image_network": (2, "does not tell the shape of an input"),
    "run --model toys:image_network --input 3,8,8": (2, "3, 8, 8)"),
    "run --input 3x8": (2, "'3x8' is no shape such as 3,32,32"),
    "run --input 0": (2, "'0' is no shape"),
    "resnt20": (2, "unknown model 'resnt20'"),
    "mlp --degree 3": (2, "degree 3 of how many nodes"),
    "mlp --nodes 32 --degree 3 --ratio 0.9": (2, "a ratio or a degree, not both"),
    "mlp --ratio 1": (2, "--ratio"),
    "mlp --data dogs": (2, "unknown data set 'dogs'"),
    "mlp --model toys:image_network": (2, "no folder is given"),
    "mlp --colour red": (2, "--colour"),
}
COMMANDS = {
    "compact": "--out small",
    "export": "--onnx small.onnx",
    "bench": "--no-onnx",
    "inspect": "",
}
OWN_WRONG = {
    "compact run --out empty": "empty: exists already",
    "compact run --out file": "file: exists already",
    "compact run --model toys:image_network --out file/small": "cannot be written",
    "compact run --batch 0": "--batch",
    "compact run --threads 0": "--threads",
    "export run": "--onnx",
    "export run --onnx model.onnx": "model.onnx: a folder, wanted is the name of a file",
    "export run --onnx file": "file: exists already; add --force",
    "export run --onnx new.onnx --batch 0": "--batch",
    "bench run --batch 0": "--batch",
    "bench run --threads 0": "--threads",
    "bench run --repeats 0": "--repeats",
    "bench run --batch 2 --batch 2": "a batch size is given twice: [2, 2]",
    "bench": "MODEL",
}


def check_refused(arguments, status, message):
    damage()
    before = names()
    done = run(*arguments)
    assert done.exit_code == status, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert names() == before


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("wrong", WRONG)
def test_every_command_refuses_a_wrong_model_in_one_line(command, wrong):
    status, message = WRONG[wrong]
    check_refused([command, *wrong.split(), *COMMANDS[command].split()], status, message)


@pytest.mark.parametrize("wrong", OWN_WRONG)
def test_wrong_options_of_one_command_are_refused_in_one_line(wrong):
    check_refused(wrong.split(), 2, OWN_WRONG[wrong])


def test_export_without_onnx_is_refused(monkeypatch):
    monkeypatch.setattr(exporting, "_NEEDED", ("no_such_package",))
    check_refused(["export", "run", *OWN, "--onnx", "new.onnx"], 2, "no_such_package")


def test_all_model_commands_are_there():
    assert {"inspect", "compact", "export", "bench"} <= main.commands.keys()
    for command in (model_commands.compact, model_commands.export, model_commands.bench):
        assert json.dumps(command.help)


def test_their_help_loads_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner\n"
        "from graphprune.commands import main\n"
        "for name in ('inspect', 'compact', 'export', 'bench'):\n"
        "    assert 'MODEL' in CliRunner().invoke(main, [name, '--help']).output\n"
        "print(sorted({'torch', 'numpy', 'networkx', 'numba'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
