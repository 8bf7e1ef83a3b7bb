"""Real-time priority of what is timed."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.priority import before_others


@pytest.fixture
def program() -> Iterator[int]:
    """Waits until its input ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as popen:
        yield popen.pid


def policies(pid: int) -> list[int]:
    """Of this thread, what it starts, and the program."""
    print_own = "import os; print(os.sched_getscheduler(0))"
    started = subprocess.run([sys.executable, "-c", print_own], capture_output=True, text=True, check=True)
    return [os.sched_getscheduler(0), int(started.stdout), os.sched_getscheduler(pid)]


def test_all_that_is_timed_comes_before_others_and_only_then(program: int) -> None:
    before = policies(program)
    with before_others(program) as permitted:
        if not permitted:
            pytest.skip("real-time priorities are for root outside of user namespaces")
        assert policies(program) == [os.SCHED_FIFO] * 3
    assert policies(program) == before == [os.SCHED_OTHER] * 3


def test_where_it_is_not_permitted_all_stays_as_it_was(program: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with before_others(program) as permitted:
        assert not permitted
        assert policies(program) == [os.SCHED_OTHER] * 3


def test_a_program_that_ends_meanwhile_is_no_problem(program: int) -> None:
    with before_others(program):
        os.kill(program, 9)
        os.waitpid(program, 0)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
