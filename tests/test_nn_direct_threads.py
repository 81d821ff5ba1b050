"""Jobs that run at once, from several callers and in forked children too."""

import os
import signal
import threading

import pytest

from graphprune.nn.direct.threads import in_threads


def meeting(count):
    """Jobs that all wait for each other, so each needs a thread of its own."""
    barrier, found = threading.Barrier(count), []

    def job(number):
        barrier.wait(timeout=20)
        found.append((number, threading.get_ident()))

    return [lambda number=number: job(number) for number in range(count)], found


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_job_runs_once_and_at_the_same_time(count):
    jobs, found = meeting(count)
    in_threads(jobs)
    assert sorted(number for number, _ in found) == list(range(count))
    assert len({thread for _, thread in found}) == count
    assert dict(found)[0] == threading.get_ident()


def test_callers_on_several_threads_do_not_wait_for_each_other_for_ever():
    done = []

    def call():
        for _ in range(20):
            jobs, found = meeting(3)
            in_threads(jobs)
            done.append(len(found))

    callers = [threading.Thread(target=call, daemon=True) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=60)
    assert done == [3] * 60


@pytest.mark.parametrize("wrong", [0, 1])
def test_an_error_in_a_job_comes_back_and_the_next_call_works(wrong):
    ran = []

    def job(number):
        ran.append(number)
        if number == wrong:
            raise ValueError(f"job {number}")

    with pytest.raises(ValueError, match=f"job {wrong}"):
        in_threads([lambda: job(0), lambda: job(1)])
    assert sorted(ran) == [0, 1]
    jobs, found = meeting(2)
    in_threads(jobs)
    assert len(found) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_forked_children_make_threads_of_their_own():
    in_threads(meeting(2)[0])
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        jobs, found = meeting(2)
        in_threads(jobs)
        os._exit(0 if len(found) == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
