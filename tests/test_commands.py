"""The command line as a user meets it: golden results, one-line errors, exit status."""

import json
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest
from click.testing import CliRunner

from graphprune.commands import main
from graphprune.graph import GraphSpec, read_graph, ring_lattice, write_graph
from graphprune.nn import compaction_report
from graphprune.pretrained import from_pretrained
from graphprune.records import Record

FORMS = ("dense", "masked", "compact")
GRAPH_TABLE = """\
graph
nodes, degree             10, 3
average shortest path     1.6667 hops   lower bound 1.6667
above the bound           0.00 %
below random regular      10.63 %       expected 1.8648
at the start              1.8889 hops
diameter                  2 hops
clustering                0.0000
spectral gap              2.0000
Ramanujan margin          0.8284        Ramanujan
"""

PLAN_TABLE = """\
resnet8-wide: 32 nodes, degree 3
layer kind weights pruned fan-in why dense
stage1.0.branch.conv1 Conv2d 9,216 90.62% 3 of 32
stage1.0.branch.conv2 Conv2d 9,216 90.62% 3 of 32
stage2.0.branch.conv1 Conv2d 18,432 90.62% 3 of 32
stage2.0.branch.conv2 Conv2d 36,864 90.62% 6 of 64
stage3.0.branch.conv1 Conv2d 73,728 90.62% 6 of 64
stage3.0.branch.conv2 Conv2d 147,456 90.62% 12 of 128
stem.conv Conv2d 288 0 first convolution
classifier Linear 1,280 0 classifier (last layer)
pruned 90.62% of the weights of 6 layers, 89.85% of all parameters
parameters left: 30,186 of 297,450 (10.1%)
MACs an image left: 296,192 of 2,968,832 (10.0%)
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def words(text):
    """Lines of a table without borders and padding."""
    lines = []
    for line in text.splitlines():
        clean = "".join(" " if c in "│┃" or 0x2500 <= ord(c) <= 0x257F else c for c in line)
        if clean.strip():
            lines.append(" ".join(clean.split()))
    return lines


def test_graph_prints_its_measures_and_writes_a_whole_folder():
    done = run("graph", "--nodes", 10, "--degree", 3, "--steps", 500, "--out", "found")

    assert done.exit_code == 0, done.output
    lines = words(done.stdout)
    assert lines[0] == "graph"
    for line in words(GRAPH_TABLE)[1:]:
        assert line in lines
    assert lines[-1] == "written to found"
    graph = read_graph("found/graph.json")
    assert nx.is_isomorphic(graph, nx.petersen_graph())
    assert {p.name for p in Path("found").iterdir()} == {"record.json", "graph.json", "plots"}
    assert {p.name for p in Path("found/plots").iterdir()} == {"graph.png", "search.png"}
    assert [p.name for p in Path().iterdir()] == ["found"]


def test_graph_json_is_one_record_with_the_promised_values():
    done = run("graph", "--nodes", 16, "--degree", 4, "--steps", 300, "--threads", 2, "--json")

    record = Record.from_json(done.stdout)
    promised = "nodes degree aspl aspl_bound aspl_random diameter method race steps"
    promised += " evaluations seconds seed threads interrupted"
    assert set(promised.split()) <= set(record.values["graph"])
    entrants = record.values["graph"]["race"]
    winner = record.values["graph"]["method"], record.values["graph"]["aspl"]
    assert (entrants[0]["name"], entrants[0]["aspl"]) == winner
    assert [one["aspl"] for one in entrants] == sorted(one["aspl"] for one in entrants)
    assert record.values["graph"]["aspl_bound"] == pytest.approx(1.73333, abs=1e-4)
    again = run("graph", "--nodes", 16, "--degree", 4, "--steps", 300, "--threads", 2, "--json")
    first, second = record.values["graph"], json.loads(again.stdout)["values"]["graph"]
    assert first["hash"] == second["hash"]
    assert record.values["files"]["run"] != json.loads(again.stdout)["values"]["files"]["run"]


@pytest.mark.parametrize(("aim", "low", "high"), [("longer", 4.0, 99), ("2.2", 2.19, 2.21)])
def test_graph_goes_longer_or_to_a_wanted_length(aim, low, high):
    done = run(
        "graph", "--nodes", 24, "--degree", 4, "--steps", 6000, "--towards", aim, "--json"
    )
    assert low < json.loads(done.stdout)["values"]["graph"]["aspl"] < high


def test_graph_starts_from_a_file_and_says_when_it_does_not_fit():
    write_graph(ring_lattice(GraphSpec(12, 4)), "ring.json")

    done = run(
        "graph", "--nodes", 12, "--degree", 4, "--steps", 0, "--start", "ring.json", "--json"
    )
    values = json.loads(done.stdout)["values"]["graph"]
    assert values["aspl"] == values["aspl_start"] == pytest.approx(21 / 11)

    wrong = run("graph", "--nodes", 14, "--degree", 4, "--start", "ring.json")
    assert wrong.exit_code == 2
    assert "ring.json: has 12 nodes of degree [4], asked for 14" in wrong.stderr


def graph_json(*options):
    done = run("graph", *options, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_graph_is_at_once_a_construction_where_one_is_best():
    record = graph_json("--nodes", 50, "--degree", 7, "--steps", 10**6)
    values = record["values"]["graph"]
    assert values["aspl"] == pytest.approx(91 / 49)
    assert values["method"].split()[0] in ("shipped", "construction")
    assert values["steps"] == 0
    assert record["settings"]["method"] == "race"


def test_graph_admits_the_families_asked_for():
    record = graph_json("--nodes", 10, "--degree", 3, "--steps", 300, "--families", "free")
    assert {one["name"].split()[0] for one in record["values"]["graph"]["race"]} == {"free"}
    assert record["settings"]["families"] == ["free"]


@pytest.mark.parametrize("method", ["anneal", "descend"])
def test_graph_swaps_edges_of_the_start_by_other_methods(method):
    record = graph_json("--nodes", 24, "--degree", 4, "--steps", 200, "--method", method)
    values = record["values"]["graph"]
    assert values["race"] == [{"name": method, "aspl": values["aspl"]}]
    assert values["aspl"] < values["aspl_start"]


def test_a_killed_graph_search_resumes_to_the_same_graph(monkeypatch):
    from graphprune.graph import race

    options = ("--nodes", 26, "--degree", 3, "--steps", 300)
    whole = graph_json(*options, "--out", "whole")["values"]["graph"]
    monkeypatch.setattr(race, "SAVE_SECONDS", -1.0)
    restart = race.Race.state

    def state_and_end(self):
        if self.round == 1:
            raise MemoryError("killed")
        return restart(self)

    monkeypatch.setattr(race.Race, "state", state_and_end)
    cut = ("graph", *options, "--out", "cut")
    assert isinstance(run(*cut).exception, MemoryError)
    monkeypatch.setattr(race.Race, "state", restart)
    assert Path("cut.partial/checkpoints/search.json").exists()
    assert not Path("cut").exists()

    refused = run(*cut)
    assert refused.exit_code == 2
    assert "add --resume" in refused.stderr
    other = run(*cut, "--seed", 1, "--resume")
    assert other.exit_code == 3
    assert other.stderr == "Error: cut.partial: asked for seed 0 then, for 1 now\n"

    resumed = graph_json(*options, "--out", "cut", "--resume")["values"]["graph"]
    for name in ("hash", "method", "race", "steps", "evaluations"):
        assert resumed[name] == whole[name]
    assert not Path("cut.partial").exists()
    assert {p.name for p in Path("cut").iterdir()} == {"record.json", "graph.json", "plots"}


def test_ctrl_c_leaves_the_best_graph_so_far(monkeypatch):
    from graphprune.terminal import TerminalMonitor

    def stop(self, share, note):
        if share > 0 and not told:
            told.append(share)
            raise KeyboardInterrupt

    told = []
    monkeypatch.setattr(TerminalMonitor, "progress", stop)
    values = graph_json("--nodes", 48, "--degree", 3, "--steps", 10**13, "--families", "free")
    graph = values["values"]["graph"]
    assert graph["interrupted"] is True
    assert 0 < graph["steps"] < 10**13


def test_graph_dry_run_writes_nothing():
    done = run("graph", "--nodes", 12, "--degree", 4, "--dry-run")
    assert done.exit_code == 0
    assert "lower bound" in done.stdout
    assert not list(Path().iterdir())


def test_inspect_prints_every_layer_with_its_reason():
    done = run("inspect", "resnet8-wide", "--data", "digits")
    assert done.exit_code == 0
    assert words(done.stdout) == words(PLAN_TABLE)


def test_inspect_takes_a_function_of_ones_own():
    Path("mine.py").write_text(
        "from torch import nn\n"
        "def small(classes):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 40), nn.Linear(40, classes))\n"
    )
    done = run("inspect", "mine:small", "--data", "digits", "--ratio", "0.8", "--json")
    pruning = json.loads(done.stdout)["values"]["pruning"]
    assert [layer["name"] for layer in pruning["layers"]] == ["1"]
    assert pruning["layers"][0]["nodes"] == 40
    assert pruning["layers"][0]["degree"] == 8
    assert pruning["dense_layers"][0]["reason"] == "classifier (last layer)"


def test_rgp_dry_run_shows_the_plan_and_writes_nothing():
    done = run("rgp", "--ratio", "0.9", "--dry-run")
    assert done.exit_code == 0
    assert words(PLAN_TABLE)[-1] in words(done.stdout)
    assert not list(Path().iterdir())


def test_rgp_runs_the_main_job_and_compares_it_with_its_controls():
    done = run("rgp", "--ratio", "0.9", "--epochs", 1, "--search-steps", 500, "--out", "run")

    assert done.exit_code == 0, done.output
    lines = words(done.stdout)
    names = ("dense", "searched graph", "random regular")
    for name in names:
        assert any(line.startswith(name) and "%" in line for line in lines), name
    assert "pruned 90.62% of the weights of 6 layers, 89.85% of all parameters" in lines
    assert "dense, first convolution: stem.conv" in lines
    assert lines[-1] == "written to run"
    record = Record.from_json(Path("run/record.json").read_text())
    assert record.values["pruning"]["parameters_kept"] == 30_186
    latency, sizes = record.values["latency"], record.values["file_bytes"]
    times = ", ".join(f"{name} {latency[f'{name}_ms']:.2f} ms" for name in FORMS)
    assert f"a batch of 16, threads: 1: {times}" in lines
    assert latency["compact_max_abs_error"] < 1e-4
    assert sizes["compact"] <= 0.12 * sizes["dense"]
    assert any(line.startswith("compact is ") for line in lines)
    assert compaction_report(from_pretrained("run/model"))
    assert not Path("run.partial").exists()


def test_rgp_gate_fails_with_status_one_and_keeps_the_run():
    done = run(
        "rgp", "--epochs", 1, "--train-images", 100, "--controls", "none",
        "--search-steps", 10, "--min-accuracy", "0.999", "--out", "run",
    )  # fmt: skip
    assert done.exit_code == 1
    assert "is below --min-accuracy 0.999" in done.stderr
    assert Path("run/record.json").exists()


def test_preset_paper_sets_the_published_recipe():
    done = run("rgp", "--preset", "paper", "--model", "resnet18", "--data", "cifar10",
               "--ratio", "0.9", "--dry-run", "--json")  # fmt: skip
    settings = json.loads(done.stdout)["settings"]
    recipe = {key: settings["training"][key] for key in ("epochs", "batch_size")}
    assert recipe == {"epochs": 100, "batch_size": 256}
    assert settings["training"]["learning_rate"] == 0.1
    assert settings["training"]["weight_decay"] == 5e-4
    assert settings["request"]["nodes"] == 64
    assert settings["request"]["rescale"] is False


WRONG = {
    "rgp --ratio 1": "--ratio",
    "rgp --ratio 0.99": "the largest ratio is 0.96875",
    "rgp --ratio 0.9 --nodes 16": "the largest ratio for 16 nodes is 0.875",
    "rgp --nodes 31 --ratio 0.03 --skip classifier --skip nothing*": "'nothing*'",
    "rgp --data dogs": "there are digits, mnist",
    "rgp --data cifar10 --data-dir nowhere": "cifar10: ",
    "rgp --model resnet21": "did you mean",
    "rgp --model no_such_module:net": "cannot import no_such_module",
    "rgp --graph absent.json": "absent.json",
    "rgp --graph broken.json": "broken.json: not JSON",
    "rgp --graph ring.json --ratio 0.9": "ring.json: graph has 12 nodes of degree 4",
    "rgp --graph star.json": "star.json: graph must be regular",
    "rgp --graph parts.json": "parts.json: graph on 16 nodes is not connected",
    "rgp --graph wide.json": "wide.json: nodes=200 is wider than every layer",
    "rgp --epochs 0": "epochs must be at least 1",
    "rgp --controls dens": "unknown control 'dens'",
    "rgp --train-images 5000": "5000",
    "rgp --resume": "no unfinished run to resume",
    "rgp --out taken": "taken: exists already",
    "rgp --learning-rate nan": "learning_rate must be positive",
    "rgp --colour red": "--colour",
    "graph --nodes 7 --degree 3": "nodes * degree must be even",
    "graph --nodes 8 --degree 8": "degree must be in [2, nodes)",
    "graph --degree 3": "--nodes",
    "graph --nodes 10 --degree 3 --towards soon": "'soon'",
    "graph --nodes 10 --degree 3 --towards 1.2": "the lower bound is 1.666667",
    "graph --nodes 10 --degree 3 --seconds -1": "seconds must be at least 0",
    "graph --nodes 10 --degree 3 --steps -1": "steps must be at least 0",
    "graph --nodes 10 --degree 3 --threads 0": "--threads",
    "graph --nodes 10 --degree 3 --method tabu": "--method",
    "graph --nodes 10 --degree 3 --method race --towards longer": "use anneal or descend",
    "graph --nodes 12 --degree 4 --method race --start ring.json": "use anneal or descend",
    "graph --nodes 10 --degree 3 --families free,own": "got 'own'",
    "graph --nodes 10 --degree 3 --resume": "no unfinished run to resume",
    "graph --nodes 10 --degree 3 --out taken": "taken: exists already",
    "inspect resnet20 --skip zzz": "'zzz' matches no layer",
    "paint": "No such command 'paint'",
}


@pytest.mark.parametrize("command", WRONG)
def test_wrong_input_gets_one_line_status_two_and_leaves_nothing(command):
    Path("broken.json").write_text("{")
    Path("taken").mkdir()
    write_graph(ring_lattice(GraphSpec(12, 4)), "ring.json")
    write_graph(ring_lattice(GraphSpec(200, 4)), "wide.json")
    write_graph(nx.star_graph(31), "star.json")
    write_graph(nx.disjoint_union(nx.cycle_graph(8), nx.cycle_graph(8)), "parts.json")
    before = sorted(Path().rglob("*"))

    done = run(*command.split())

    assert done.exit_code == 2, done.output
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert WRONG[command] in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


def test_divergence_names_the_epoch_and_leaves_nothing_useless_behind():
    done = run("rgp", "--learning-rate", "1e30", "--epochs", 2, "--train-images", 200,
               "--search-steps", 10)  # fmt: skip
    assert done.exit_code == 2
    assert "training diverged in epoch 1: loss" in done.stderr
    assert not list(Path("runs").iterdir())


def test_ctrl_c_gets_one_line_and_the_run_resumes_to_the_same_result(monkeypatch):
    options = ("rgp", "--epochs", 2, "--train-images", 200, "--search-steps", 10, "--json",
               "--controls", "random-regular")  # fmt: skip
    whole = json.loads(run(*options, "--out", "whole").stdout)["values"]

    import graphprune.experiment as experiment

    evaluate = experiment.evaluate

    def interrupt(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "evaluate", interrupt)
    stopped = run(*options, "--out", "cut")
    assert stopped.exit_code == 2
    assert stopped.stderr.strip().splitlines()[-1].startswith("Error: interrupted")
    assert Path("cut.partial/checkpoints/pruned.safetensors").exists()
    assert not Path("cut").exists()
    monkeypatch.setattr(experiment, "evaluate", evaluate)

    refused = run(*options, "--out", "cut")
    assert refused.exit_code == 2
    assert "add --resume" in refused.stderr
    other = run(*options, "--epochs", 3, "--out", "cut", "--resume")
    assert other.exit_code == 3
    assert "epochs=2, this run has epochs=3" in other.stderr

    resumed = json.loads(run(*options, "--out", "cut", "--resume").stdout)["values"]
    assert resumed["accuracy"] == whole["accuracy"]
    assert resumed["graph"]["hash"] == whole["graph"]["hash"]
    assert not Path("cut.partial").exists()


def test_a_bug_keeps_its_traceback(monkeypatch):
    import graphprune.inspection as inspection

    def broken(_request):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(inspection, "inspect_request", broken)
    done = run("inspect", "resnet20")
    assert isinstance(done.exception, ZeroDivisionError)


def test_installed_command_answers_help_and_version():
    command = [sys.executable, "-c", "import cli; cli.graphprune()"]
    for arguments, expected in (
        (["--help"], "Usage: graphprune"),
        (["--version"], "version"),
        (["rgp", "-h"], "--ratio"),
    ):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert done.returncode == 0
        assert expected in done.stdout
