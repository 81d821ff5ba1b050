"""Neighbouring windows of one label join; agreement with a loop over single windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphprune.errors import SpecError
from signet.segments import UNKNOWN, Segment, WindowBatch, merged, separate


def batch(starts, labels, confidences, unknown, length=4):
    """Windows with one choice each."""
    count = len(starts)
    return WindowBatch(
        starts=np.array(starts, np.int64),
        length=length,
        classes=np.array(labels, np.int64).reshape(count, 1),
        confidences=np.array(confidences, np.float32).reshape(count, 1),
        unknown=np.array(unknown, bool),
        power_db=np.zeros(count, np.float32),
        iq=np.zeros((count, 2, length), np.float32),
    )


WINDOWS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([0.25, 0.5, 0.75]), st.booleans()), max_size=30
)


@given(WINDOWS, st.lists(st.integers(0, 30), max_size=5), st.integers(1, 9), st.integers(1, 3))
def test_joined_windows_agree_with_a_loop(windows, cuts, hop, least):
    starts = [hop * n for n in range(len(windows))]
    borders = sorted({0, len(windows), *(min(c, len(windows)) for c in cuts)})
    batches = [
        batch(starts[a:b], *([w[k] for w in windows[a:b]] for k in range(3)))
        for a, b in zip(borders, [*borders[1:], len(windows)], strict=True)
    ]
    runs = []
    for start, (label, confidence, unknown) in zip(starts, windows, strict=True):
        name = UNKNOWN if unknown else label
        if not runs or runs[-1][0] != name:
            runs.append((name, []))
        runs[-1][1].append((start, confidence))
    wanted = [
        Segment(
            inside[0][0],
            inside[-1][0] + 4 - inside[0][0],
            name,
            sum(c for _, c in inside) / len(inside),
            len(inside),
        )
        for name, inside in runs
        if len(inside) >= least
    ]
    assert list(merged(batches, least=least)) == wanted
    single = list(separate(batches))
    assert [(s.start, s.count, s.windows) for s in single] == [(n, 4, 1) for n in starts]
    assert [s.label for s in single] == [UNKNOWN if w[2] else w[0] for w in windows]
    assert [s.confidence for s in single] == [w[1] for w in windows]


def test_a_segment_is_handed_out_when_the_next_begins():
    seen = []

    def batches():
        for number, label in enumerate([0, 0, 1, 2]):
            seen.append(number)
            yield batch([4 * number], [label], [0.5], [False])

    found = merged(batches())
    assert next(found) == Segment(0, 8, 0, 0.5, 2)
    assert seen == [0, 1, 2]


def test_segments_of_no_window_are_refused():
    with pytest.raises(SpecError, match="least must be at least 1 window, got 0"):
        merged([], least=0)
