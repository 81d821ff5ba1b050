"""What a long job shows: nothing without a terminal, lines where asked for."""

import pytest

from graphprune.terminal import TerminalMonitor


def job(monitor):
    with monitor:
        monitor.stage("reading")
        monitor.progress(0.5, "half")
        monitor.stage("training")
        monitor.progress(1.0, "loss 0.1")


def test_verbose_prints_each_stage_and_step_on_standard_error(capsys):
    job(TerminalMonitor(verbose=True))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "reading",
        "reading: 50% half",
        "training",
        "training: 100% loss 0.1",
    ]


@pytest.mark.parametrize("options", [{}, {"quiet": True}, {"quiet": True, "verbose": True}])
def test_nothing_is_shown_without_a_terminal_or_when_quiet(options, capsys):
    job(TerminalMonitor(**options))
    assert capsys.readouterr() == ("", "")


def test_bars_are_shown_on_a_terminal(monkeypatch, capsys):
    import sys

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    job(TerminalMonitor())
    out, err = capsys.readouterr()
    assert out == ""
    assert "training" in err
    assert "loss 0.1" in err
