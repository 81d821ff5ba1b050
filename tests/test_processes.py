"""What a process knows of others from the environment, and who speaks first after an error."""

import click
import pytest
from click.testing import CliRunner

from graphprune import processes
from graphprune.commands import main
from graphprune.errors import SpecError
from graphprune.options import cores
from graphprune.processes import (
    RANK,
    SIZE,
    SIZE_HERE,
    check_launch,
    count,
    count_here,
    from_main,
    is_main,
    main_first,
    part,
)
from graphprune.shell import Commands


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in (*SIZE, *RANK, *SIZE_HERE, "ACCELERATE_MIXED_PRECISION", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def waits(monkeypatch):
    """Seconds that were slept."""
    slept = []
    monkeypatch.setattr(processes.time, "sleep", slept.append)
    return slept


def start_as(monkeypatch, rank, size=2):
    monkeypatch.setenv("WORLD_SIZE", str(size))
    monkeypatch.setenv("RANK", str(rank))


def test_a_process_alone_is_main_and_asks_nobody():
    assert (count(), count_here(), is_main()) == (1, 1, True)
    assert from_main("text", device="cpu") == "text"
    assert main_first(lambda: 3, device="cpu") == 3
    part("cpu")


@pytest.mark.parametrize(
    ("size", "rank", "here"),
    [
        ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE"),
        ("PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS"),
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ],
)
def test_a_launcher_tells_how_many_there_are(monkeypatch, size, rank, here):
    monkeypatch.setenv(size, "6")
    monkeypatch.setenv(rank, "4")
    monkeypatch.setenv(here, "3")
    assert (count(), count_here(), is_main()) == (6, 3, False)
    monkeypatch.setenv(rank, "0")
    assert is_main()


@pytest.mark.parametrize("value", ["", "many", "-1", "0"])
def test_what_is_no_count_means_alone(monkeypatch, value):
    monkeypatch.setenv("WORLD_SIZE", value)
    monkeypatch.setenv("RANK", "1")
    assert (count(), is_main()) == (1, True)


def test_processes_on_one_machine_share_its_cores(monkeypatch):
    whole = cores()
    start_as(monkeypatch, 0, 64)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert cores() == max(1, whole // 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(4 * whole))
    assert cores() == 1


def test_a_launch_that_started_one_process_of_several_is_refused(monkeypatch):
    check_launch()
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    check_launch()
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    with pytest.raises(SpecError, match="started one; give it --multi_gpu"):
        check_launch()
    refused = CliRunner().invoke(main, ["rgp", "--dry-run"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    start_as(monkeypatch, 0)
    check_launch()


def failing(error):
    @click.group(cls=Commands)
    def group():
        pass

    @group.command()
    def fail():
        raise error

    return group


@pytest.mark.parametrize(
    ("rank", "error", "waited"),
    [
        (None, SpecError("wrong"), []),
        (None, RuntimeError("bug"), []),
        (0, SpecError("wrong"), []),
        (0, click.UsageError("wrong"), []),
        (0, RuntimeError("the other is gone"), [10.0]),
        (1, SpecError("wrong"), [30.0]),
        (1, click.UsageError("wrong"), [30.0]),
        (1, RuntimeError("the other is gone"), [30.0]),
        (1, KeyboardInterrupt(), []),
        (1, click.exceptions.Exit(0), []),
    ],
)
def test_a_process_that_may_know_less_holds_back(monkeypatch, waits, rank, error, waited):
    if rank is not None:
        start_as(monkeypatch, rank)
    done = CliRunner().invoke(failing(error), ["fail"])
    assert waits == waited
    if isinstance(error, RuntimeError) and not isinstance(error, click.exceptions.Exit):
        assert done.exception is error  # keeps its traceback
    elif isinstance(error, SpecError | click.UsageError):
        assert (done.exit_code, done.stderr) == (2, "Error: wrong\n")


@pytest.mark.parametrize(("rank", "lines"), [(0, 1), (1, 0)])
def test_the_main_process_tells_of_an_interruption(monkeypatch, rank, lines):
    start_as(monkeypatch, rank)
    done = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert (done.exit_code, done.stderr.count("Error: interrupted")) == (2, lines)


@pytest.mark.parametrize(("rank", "prints"), [(0, True), (1, False)])
def test_the_main_process_prints_the_plan(monkeypatch, rank, prints):
    start_as(monkeypatch, rank)
    done = CliRunner().invoke(main, ["rgp", "--dry-run", "--json"])
    assert (done.exit_code, bool(done.stdout)) == (0, prints)
