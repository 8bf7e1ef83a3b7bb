"""Worker processes: fork, watch, restart with back-off, replace, stop.

Theory: the supervisor opens the client sockets and keeps them, so that a restarted or newer worker inherits the ones its
predecessor had and nothing that is queued there is lost. A place (`Slot`) has one set of sockets and at most one worker
that serves them, besides one that is coming up and any number that are on their way out (several processes may receive
from one socket; each packet goes to one of them).

The event loop is asyncio's own and has no threads. A worker is forked from a callback of it and never returns there
(`os._exit`); its copies of every descriptor that is not its own are turned into /dev/null at once, so that it keeps no
control connection open, no lock and no port, and so that a stray close cannot hit one of its own. The child makes a loop of
its own and must not close the parent's: both share its epoll instance.

A new worker is told to serve (`go`, with the trust points in force) as soon as its channel is open; a worker without a
supervisor keeps serving. One that dies is restarted after a delay that doubles with each early death; one that hangs is
killed first.

Replacing (after the configuration changed): a first worker of the new kind comes up beside an old one. When it is ready and
answers a query, the old one is told to retire: it takes nothing more, finishes what it has in hand, and ends. Then the
other places follow one by one. If the first fails, it is ended and nothing has changed.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from structlog.typing import FilteringBoundLogger

from resolver.daemon.channel import Channel, ChannelError, make_pair
from resolver.daemon.notify import notify
from resolver.daemon.sockets import WorkerSockets

FIRST_DELAY_S: Final = 0.1
MAX_DELAY_S: Final = 10.0
HEALTHY_S: Final = 30.0
"""A worker that lived this long is restarted at once when it dies."""
GRACE_S: Final = 5.0
"""Seconds after SIGTERM until SIGKILL."""
RETIRE_S: Final = 15.0
"""Seconds that a retiring worker gets until SIGKILL: more than any resolution takes."""
READY_S: Final = 20.0
"""Seconds that a new worker may take until it answers."""
FIRST_S: Final = 5.0
"""Seconds that what runs beside the workers waits at most until the first of them all serve, or have failed."""

HUNG_ROUNDS: Final = 4
"""Rounds of asking (half a minute) without an answer after which a worker counts as hung."""

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

Document: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Body:
    """A kind of worker.

    Attributes:
        run: what it does: (its place, its sockets, its end of the channel) → exit status.
        greeting: what it is told with `go`, as of now.
    """

    run: Callable[[int, WorkerSockets, socket.socket], int]
    greeting: Callable[[], Document]


class Child:
    """A worker process.

    Attributes:
        generation: counts the replacements; `started`: loop time; `ready`: it answers clients.
        retiring: it was told to end; `came`: done when it is ready, failed when it ended before.
        stats: the counts it last told; `unheard`: rounds of asking in a row that it did not answer.
    """

    def __init__(self, slot: "Slot", generation: int, pid: int, came: "asyncio.Future[None]", started: float) -> None:
        self.slot = slot
        self.generation = generation
        self.pid = pid
        self.came = came
        self.started = started
        self.ready = False
        self.retiring = False
        self.channel: Channel | None = None
        self.stats: Document = {}
        self.unheard = 0


class Slot:
    """A place for one worker at a time. `delay`: of the next restart, seconds; `restarts`: after unexpected ends."""

    def __init__(self, index: int, sockets: WorkerSockets) -> None:
        self.index = index
        self.sockets = sockets
        self.current: Child | None = None
        self.restarts = 0
        self.delay = FIRST_DELAY_S


class Owner(Protocol):
    """Who has the supervisor work for them."""

    def worker_told(self, child: Child, what: str, facts: Document) -> None:
        """News from a worker."""

    def worker_gone(self, child: Child) -> None:
        """A worker ended; all that it said has been heard."""

    async def begin(self) -> None:
        """Called once, when the first workers are forked and the loop runs."""

    async def end(self) -> None:
        """Called once, when all workers are gone."""

    def hangup(self) -> None:
        """SIGHUP."""

    def all_ready(self) -> None:
        """Called once, when every place has had a ready worker and `begin` is through."""


class ReplaceError(Exception):
    """The workers could not be replaced; the old ones serve."""


class Supervisor:
    """One worker for each set of sockets, each running `body`."""

    def __init__(self, sets: Iterable[WorkerSockets], body: Body, log: FilteringBoundLogger, owner: Owner) -> None:
        self.body = body
        self.slots = [Slot(index, sockets) for index, sockets in enumerate(sets)]
        self.generation = 0
        self._log = log
        self._owner = owner
        self._children: dict[int, Child] = {}
        self._stopping = False
        self._loop = asyncio.SelectorEventLoop()
        self._gone = asyncio.Event()
        self._replacing = asyncio.Lock()
        self._begun = False
        self._told = False
        self._attaching: set[asyncio.Task[None]] = set()

    @property
    def stopping(self) -> bool:
        """Whether the end has begun."""
        return self._stopping

    @property
    def children(self) -> list[Child]:
        """All workers that live."""
        return list(self._children.values())

    @property
    def serving(self) -> list[Child]:
        """The workers in their places that are ready."""
        return [slot.current for slot in self.slots if slot.current is not None and slot.current.ready]

    def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit status."""
        try:
            self._loop.run_until_complete(self._main())
        finally:
            self._loop.close()
        return 0

    async def _main(self) -> None:
        loop = self._loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._owner.hangup)
        # After the handlers of signals that came with it: Ctrl-C goes to all of us, and workers may be gone before we know.
        loop.add_signal_handler(signal.SIGCHLD, loop.call_soon, self._reap)
        for slot in self.slots:
            self._start(slot)
        # Workers are told to serve before anything else is set up; where all of us share one processor, it is theirs until
        # they do.
        await asyncio.gather(*self._attaching, return_exceptions=True)
        if coming := [slot.current.came for slot in self.slots if slot.current is not None]:
            await asyncio.wait(coming, timeout=FIRST_S)
        try:
            await self._owner.begin()
            gc.freeze()
            gc.enable()  # `akashi serve` starts without
            self._begun = True
            self._tell_ready()
            await self._gone.wait()
        finally:
            if self._children and not self._stopping:
                self.stop()
                await self._gone.wait()
            await self._owner.end()

    # --- requests ------------------------------------------------------------------------------------------------

    async def ask(self, child: Child, what: str, **arguments: Any) -> Document | None:
        """A worker's answer; None when it gave none."""
        if child.channel is None:
            return None
        try:
            return await child.channel.request(what, **arguments)
        except ChannelError as error:
            if not child.retiring and not self._stopping:
                self._log.warning("worker-silent", worker=child.slot.index, request=what, problem=str(error))
            return None

    async def ask_all(self, what: str, *, retiring: bool = False, **arguments: Any) -> list[tuple[Child, Document]]:
        """What the workers that are alive answer in time. `retiring`: ask those on their way out, too."""
        children = [child for child in self._children.values() if retiring or not child.retiring]
        answers = await asyncio.gather(*(self.ask(child, what, **arguments) for child in children))
        return [(child, answer) for child, answer in zip(children, answers, strict=True) if answer is not None]

    # --- life of a child -----------------------------------------------------------------------------------------

    def _start(self, slot: Slot) -> None:
        """Put a worker into an empty place."""
        if self._stopping or slot.current is not None:
            return
        try:
            slot.current = self._fork(slot, self.body)
        except OSError as error:
            self._log.error("no-process", worker=slot.index, problem=error.strerror)
            self._loop.call_later(MAX_DELAY_S, self._start, slot)
            return
        # Its end is told by `_ended`; nobody waits for this one's coming.
        slot.current.came.add_done_callback(_ignore)

    def _fork(self, slot: Slot, body: Body) -> Child:
        """Called from a callback of the loop.

        Raises:
            OSError: no process, or no descriptor, is to be had.
        """
        ours, theirs = make_pair()
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal between fork and the child's first lines would be told to us as ours: it comes when the child is ready.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                _be_child(slot, theirs, body)  # never returns
        except OSError:
            ours.close()
            theirs.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        theirs.close()
        child = Child(slot, self.generation, pid, self._loop.create_future(), self._loop.time())
        self._children[pid] = child
        task = self._loop.create_task(self._attach(child, ours, body))
        self._attaching.add(task)
        task.add_done_callback(self._attaching.discard)
        self._log.debug("worker-started", worker=slot.index, pid=pid)
        return child

    async def _attach(self, child: Child, sock: socket.socket, body: Body) -> None:
        def handle(what: str, _: Document) -> Document:
            raise ChannelError(f"workers are not served: {what}")

        def told(what: str, facts: Document) -> None:
            if what == "ready":
                self._came_up(child)
            else:
                self._owner.worker_told(child, what, facts)

        def lost() -> None:
            child.channel = None
            self._owner.worker_gone(child)

        child.channel = await Channel.open(sock, handle, told, lost)
        child.channel.tell("go", **body.greeting())

    def _came_up(self, child: Child) -> None:
        child.ready = True
        if not child.came.done():
            child.came.set_result(None)
        self._tell_ready()

    def _tell_ready(self) -> None:
        if self._begun and not self._told and not self._stopping and len(self.serving) == len(self.slots):
            self._told = True
            self._owner.all_ready()

    def _reap(self) -> None:
        """SIGCHLD: some children ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            child = self._children.pop(pid, None)
            if child is not None:
                self._ended(child, status)
        if self._stopping and not self._children:
            self._gone.set()

    def _ended(self, child: Child, status: int) -> None:
        slot = child.slot
        code = os.waitstatus_to_exitcode(status)
        how = {"signal": signal.Signals(-code).name} if code < 0 else {"status": code}
        if not child.came.done():
            child.came.set_exception(ReplaceError(f"the new worker ended: {next(iter(how.values()))}"))
        in_place = slot.current is child
        if in_place:
            slot.current = None
        if self._stopping or child.retiring or not in_place:
            return
        if self._loop.time() - child.started >= HEALTHY_S:
            slot.delay = FIRST_DELAY_S
        slot.restarts += 1
        self._log.error("worker-exited", worker=slot.index, restart_in_s=round(slot.delay, 1), **how)
        self._loop.call_later(slot.delay, self._start, slot)
        slot.delay = min(slot.delay * 2, MAX_DELAY_S)

    def judge(self, answered: Iterable[Child]) -> None:
        """A round of asking is over: end workers that have not answered for too long; they are restarted."""
        heard = set(answered)
        for child in self.serving:
            child.unheard = 0 if child in heard else child.unheard + 1
            if child.unheard >= HUNG_ROUNDS:
                self._log.error("worker-hung", worker=child.slot.index, pid=child.pid)
                self._signal([child], signal.SIGKILL)

    # --- replacing -----------------------------------------------------------------------------------------------

    async def replace(self, body: Body, accepted: Callable[[], None]) -> list[int]:
        """Have every place served by a worker of the new body; returns the places where that failed.

        `accepted` is called once the first new worker answers: from then on restarted workers are of the new body.

        Raises:
            ReplaceError: the first new worker did not come up, or we are stopping; all is as it was.
        """
        async with self._replacing:
            self.generation += 1
            left: list[int] = []
            for slot in self.slots:
                try:
                    child = await self._bring_up(slot, body)
                except ReplaceError as error:
                    if slot is self.slots[0]:
                        self.generation -= 1
                        raise
                    self._log.error("worker-not-replaced", worker=slot.index, problem=str(error))
                    left.append(slot.index)
                    continue
                if slot is self.slots[0]:
                    self.body = body
                    accepted()
                old, slot.current = slot.current, child
                slot.delay = FIRST_DELAY_S
                if old is not None:
                    await self._retire(old)
            return left

    async def _bring_up(self, slot: Slot, body: Body) -> Child:
        """A worker that serves the place beside the present one."""
        if self._stopping:
            raise ReplaceError("the daemon is stopping")
        forked: asyncio.Future[Child] = self._loop.create_future()

        def fork() -> None:
            try:
                forked.set_result(self._fork(slot, body))
            except OSError as error:
                forked.set_exception(ReplaceError(f"no new process: {error.strerror}"))

        # From a plain callback: the child must not find itself within a task.
        self._loop.call_soon(fork)
        child = await forked
        child.retiring = True  # until it has its place: its end is no reason to restart it
        try:
            async with asyncio.timeout(READY_S):
                await child.came
            if child.channel is None:
                raise ReplaceError("the new worker is gone")
            await child.channel.request("self-test")
        except (TimeoutError, ChannelError, ReplaceError) as error:
            self._kill(child)
            raise ReplaceError(str(error) or f"the new worker was not ready within {READY_S:g} s") from None
        if child.pid not in self._children:
            raise ReplaceError("the new worker ended")
        child.retiring = False
        return child

    async def _retire(self, child: Child) -> None:
        """Let a worker finish what it has in hand, and go; it takes nothing more when this returns."""
        child.retiring = True
        self._loop.call_later(RETIRE_S, self._kill, child)
        if await self.ask(child, "retire") is None:
            self._signal([child], signal.SIGTERM)

    def _kill(self, child: Child) -> None:
        if child.pid in self._children:
            self._log.error("worker-stuck", worker=child.slot.index, pid=child.pid)
            self._signal([child], signal.SIGKILL)

    # --- the end -------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop all workers, then ourselves."""
        if self._stopping:
            return
        self._stopping = True
        self._log.info("stopping")
        notify("STOPPING=1")
        self._signal(self._children.values(), signal.SIGTERM)
        self._loop.call_later(GRACE_S, self._kill_all)
        self._reap()

    def _kill_all(self) -> None:
        for child in list(self._children.values()):
            self._kill(child)

    def _signal(self, children: Iterable[Child], number: signal.Signals) -> None:
        for child in children:
            if child.pid in self._children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child.pid, number)


def _ignore(future: "asyncio.Future[None]") -> None:
    future.exception()


# --- in the child ------------------------------------------------------------------------------------------------------


def _be_child(slot: Slot, channel: socket.socket, body: Body) -> None:
    status = 1
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        # The parent's loop runs on this stack, but not in this process.
        asyncio._set_running_loop(None)
        gc.freeze()  # what the parent left behind must not be collected, and closed, here
        isolate([channel.fileno(), *(sock.fileno() for sock in slot.sockets.all)])
        slot.sockets.shared = slot.current is not None  # in this process only
        status = body.run(slot.index, slot.sockets, channel)
    except BaseException:
        with contextlib.suppress(OSError):
            traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(status)


def isolate(keep: Iterable[int]) -> None:
    """Turn every descriptor that is not kept, nor standard input, output or error, into /dev/null."""
    kept = {0, 1, 2, *keep}
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for name in list(Path("/proc/self/fd").iterdir()):
        fd = int(name.name)
        if fd in kept or fd == null:
            continue
        with contextlib.suppress(OSError):  # the directory's own is closed by now
            os.fstat(fd)
            os.dup2(null, fd, inheritable=False)
    os.close(null)
