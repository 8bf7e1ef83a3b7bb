"""Several workers: fork, watch, restart with back-off, stop.

Theory: the parent opens the sockets and reads files before it forks, and keeps the sockets, so that a restarted worker
inherits the ones its predecessor had and nothing that is queued there is lost. It runs an event loop of the standard
kind, without threads; a worker is forked from a callback of it and never returns there (`os._exit`). The child makes a loop
of its own and must not close the parent's: both share its epoll instance.

A worker keeps serving when its parent dies. One that dies is restarted after a delay that doubles with each early death.
"""

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from resolver.daemon.notify import notify

FIRST_DELAY_S: Final = 0.1
MAX_DELAY_S: Final = 10.0
HEALTHY_S: Final = 30.0
"""A worker that lived this long is restarted at once when it dies."""
GRACE_S: Final = 5.0
"""Seconds after SIGTERM until SIGKILL."""

Body = Callable[[int, Callable[[], None]], int]
"""What a worker does: (its index, what to call when it is ready) → exit status."""


class Child:
    """A worker process. `started`: loop time; `delay`: of the next restart, seconds."""

    __slots__ = ("delay", "index", "pid", "ready", "started")

    def __init__(self, index: int) -> None:
        self.index = index
        self.pid = 0
        self.ready = False
        self.started = 0.0
        self.delay = FIRST_DELAY_S


class Supervisor:
    """`count` processes that each run `body`. `all_ready` is called once, when every one has been ready."""

    def __init__(self, count: int, body: Body, log: FilteringBoundLogger, all_ready: Callable[[], None]) -> None:
        self._body = body
        self._log = log
        self._all_ready = all_ready
        self._told = False
        self._stopping = False
        self._children = [Child(index) for index in range(count)]
        self._loop = asyncio.SelectorEventLoop()
        self._gone = asyncio.Event()

    def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit status."""
        loop = self._loop
        try:
            loop.run_until_complete(self._main())
        finally:
            loop.close()
        return 0

    async def _main(self) -> None:
        loop = self._loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._log.warning, "reload-not-supported")
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        for child in self._children:
            self._start(child)
        await self._gone.wait()

    # --- life of a child -----------------------------------------------------------------------------------------

    def _start(self, child: Child) -> None:
        if self._stopping:
            return
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._be_child(child, writing)  # never returns
        os.close(writing)
        child.pid = pid
        child.started = self._loop.time()
        child.ready = False
        self._loop.add_reader(reading, self._heard, child, reading)
        self._log.debug("worker-started", worker=child.index, pid=pid)

    def _be_child(self, child: Child, writing: int) -> None:
        status = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            # The parent's loop runs on this stack, but not in this process.
            asyncio._set_running_loop(None)

            def ready() -> None:
                os.write(writing, b"R")
                os.close(writing)

            status = self._body(child.index, ready)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stderr.flush()
            os._exit(status)

    def _heard(self, child: Child, reading: int) -> None:
        """The child is ready, or its end of the pipe closed."""
        data = os.read(reading, 1)
        self._loop.remove_reader(reading)
        os.close(reading)
        child.ready = bool(data)
        if not self._told and all(child.ready for child in self._children):
            self._told = True
            self._all_ready()

    def _reap(self) -> None:
        """SIGCHLD: some children ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            for child in self._children:
                if child.pid == pid:
                    child.pid = 0
                    self._ended(child, status)
        if self._stopping and not any(child.pid for child in self._children):
            self._gone.set()

    def _ended(self, child: Child, status: int) -> None:
        if self._stopping:
            return
        if self._loop.time() - child.started >= HEALTHY_S:
            child.delay = FIRST_DELAY_S
        code = os.waitstatus_to_exitcode(status)
        how = {"signal": signal.Signals(-code).name} if code < 0 else {"status": code}
        self._log.error("worker-exited", worker=child.index, restart_in_s=round(child.delay, 1), **how)
        self._loop.call_later(child.delay, self._start, child)
        child.delay = min(child.delay * 2, MAX_DELAY_S)

    # --- the end -------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._log.info("stopping")
        notify("STOPPING=1")
        self._signal(signal.SIGTERM)
        self._loop.call_later(GRACE_S, self._kill)
        self._reap()

    def _kill(self) -> None:
        for child in self._children:
            if child.pid:
                self._log.error("worker-stuck", worker=child.index, pid=child.pid)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)
