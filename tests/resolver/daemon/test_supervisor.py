"""Parts of the supervisor that need no daemon: what a worker keeps of its parent, and who counts as hung."""

import errno
import io
import os
import socket
from pathlib import Path

import pytest

from resolver.daemon import logs
from resolver.daemon.sockets import WorkerSockets
from resolver.daemon.supervisor import HUNG_ROUNDS, Body, Child, Supervisor, isolate


def in_a_child(body):
    """Run `body` in a forked process; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = body()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_keeps_only_what_it_is_to_keep():
    kept, theirs = socket.socketpair()
    other, far = socket.socketpair()

    def body():
        isolate([kept.fileno()])
        kept.send(b"still here")
        # A write goes nowhere, and a stray close hits nothing that matters.
        os.write(other.fileno(), b"to nobody")
        os.close(other.fileno())
        return 0 if os.path.samestat(os.fstat(far.fileno()), Path(os.devnull).stat()) else 1

    with kept, theirs, other, far:
        assert in_a_child(body) == 0
        assert theirs.recv(100) == b"still here"
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(100)


class Owner:
    """Wants nothing."""


@pytest.fixture
def killed(monkeypatch):
    """Signals that would have been sent, as (process, number)."""
    sent = []
    monkeypatch.setattr("resolver.daemon.supervisor.os.kill", lambda pid, number: sent.append((pid, number)))
    return sent


def test_a_worker_that_does_not_answer_for_long_is_hung(killed):
    logs.configure("info", "json", io.StringIO())
    supervisor = Supervisor([WorkerSockets(), WorkerSockets()], Body(lambda *_: 0, dict), logs.logger(), Owner())
    children = []
    for number, slot in enumerate(supervisor.slots):
        child = Child(slot, 0, 1000 + number, supervisor._loop.create_future(), 0.0)
        child.ready = True
        slot.current = supervisor._children[child.pid] = child
        children.append(child)
    good, bad = children
    for _ in range(HUNG_ROUNDS - 1):
        supervisor.judge([good])
    assert not killed and bad.unheard == HUNG_ROUNDS - 1
    supervisor.judge([good, bad])
    assert bad.unheard == 0, "it answers again: all is forgiven"
    for _ in range(HUNG_ROUNDS):
        supervisor.judge([good])
    assert [pid for pid, _ in killed] == [bad.pid]
    supervisor._loop.close()


def test_a_system_without_room_for_a_process_is_asked_again(monkeypatch):
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    supervisor = Supervisor([WorkerSockets()], Body(lambda *_: 0, dict), logs.logger(), Owner())
    later = []
    monkeypatch.setattr(supervisor._loop, "call_later", lambda delay, *call: later.append((delay, *call)))

    def no_room():
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("resolver.daemon.supervisor.os.fork", no_room)
    before = len(list(Path("/proc/self/fd").iterdir()))
    (slot,) = supervisor.slots
    supervisor._start(slot)
    assert slot.current is None and "no-process" in stream.getvalue()
    assert [call[1:] for call in later] == [(supervisor._start, slot)]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    supervisor._loop.close()
