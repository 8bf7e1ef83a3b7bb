"""A running lab: builds the mini-Internet, serves it, takes commands, signs again in time, and stops everything it started.

Theory of operation. `run` is the life of a lab from start to end, the same whether `akashi lab up` put it in the background
(as `python -m lab`) or `akashi lab up --serve` runs it in the foreground with a resolver beside it. It ends when it is told
to (a signal, or `stop` on the control socket), or when a process it depends on ends, which makes its exit status 1.

Limitations: a change of the wall clock is noticed within a minute.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import dns.name
from dns.name import Name

from lab import child, control, operations
from lab.child import Child
from lab.daemons import Backend, make_backend
from lab.directory import LabDirectory, Settings
from lab.faults import CATALOGUE
from lab.internet import LIFETIME_S, Internet, LabError, build
from lab.keys import KeyStore
from lab.lifecycle import KeyClock
from lab.operations import zone_name
from lab.server import AuthorityServer
from lab.timeserver import TimeServers, addresses

RESIGN_CHECK_S = 60.0

Report = dict[str, Any]
Ready = Callable[[Report], Awaitable[str | None]]
"""Told what is running; may return what is wrong with it, which ends the lab."""


def log(text: str) -> None:
    """One line on standard error, which in the background is the log file."""
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {text}", file=sys.stderr, flush=True)


class Lab:
    """The lab of one directory while it runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.directory = LabDirectory(settings.directory)
        self.internet: Internet
        self.server = AuthorityServer()
        self.time = TimeServers(lambda: self.clock_offset_s)
        self.backend: Backend | None = None
        self.resolver: Child | None = None
        self.started = int(time.time())
        self.clock_offset_s = 0
        """How far the clock by which zones are signed, and which the time servers tell, is ahead of this machine's."""
        self.key_clock = KeyClock(time.time)
        self._stop = asyncio.Event()
        self._changes = asyncio.Lock()

    # -- life --------------------------------------------------------------------------------------------------------

    async def run(self, resolver: Sequence[str] | None, ready: Ready | None) -> int:
        """From start to end; returns the exit status."""
        lock = self.directory.acquire()
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._start(stack, resolver)
                watched = self._watched()
                if ready:
                    watched.append(asyncio.create_task(_announce(ready, self.report())))
                return await self._until_the_end(watched)
        finally:
            self.directory.release(lock)

    async def _start(self, stack: contextlib.AsyncExitStack, resolver: Sequence[str] | None) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        settings = self.settings
        if resolver:
            _require_free(settings.resolver_listen)
        self.internet = build(
            self._now(),
            prefix=settings.prefix,
            faults=None if settings.faults else [],
            keys=KeyStore(self.directory.keys),
            ttl=settings.ttl,
        )
        self.directory.write(self.internet, settings)
        self.backend = make_backend(settings.backend, self.internet, self.directory, settings.port)
        elsewhere = self.backend.addresses() if self.backend else set()
        embedded = [s.address for s in self.internet.servers() if s.address not in elsewhere]
        self.server.load(self.internet, embedded)
        stack.push_async_callback(self.server.close)
        await self.server.open(settings.port)
        stack.callback(self.time.close)
        try:
            await self.time.open(settings.prefix, settings.port)
        except OSError as error:
            raise LabError(f"the time servers cannot listen: {error.strerror or error}") from error
        if self.backend:
            stack.push_async_callback(self.backend.stop)
            await self.backend.start()
        stack.push_async_callback(_close, await control.listen(self.directory.control_socket, self._command))
        if resolver:
            self.resolver = await child.start("the resolver", resolver)
            stack.push_async_callback(self.resolver.stop)

    def _now(self) -> int:
        """The time by which zones are signed."""
        return int(time.time()) + self.clock_offset_s

    def _watched(self) -> list[asyncio.Task[str | None]]:
        """Tasks whose end is the end of the lab; the result says what went wrong."""
        watched = [asyncio.create_task(_ended(self._stop)), asyncio.create_task(self._keep_signed())]
        if self.backend:
            watched.append(asyncio.create_task(self.backend.trouble()))
        if self.resolver:
            watched.append(asyncio.create_task(self.resolver.trouble()))
        return watched

    async def _until_the_end(self, watched: list[asyncio.Task[str | None]]) -> int:
        try:
            while True:
                done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    watched.remove(task)
                    trouble = task.result()
                    if trouble:
                        log(f"{trouble}; stopping")
                        return 1
                if self._stop.is_set():
                    return 0
        finally:
            for task in watched:
                task.cancel()
            await asyncio.gather(*watched, return_exceptions=True)

    async def _keep_signed(self) -> str | None:
        """Sign again before signatures expire, also after the clock was changed or the machine slept."""
        while True:
            await asyncio.sleep(RESIGN_CHECK_S)
            if self.internet.needs_signing(self._now()):
                await self._resign()

    # -- changes -------------------------------------------------------------------------------------------------------

    async def _resign(self) -> None:
        async with self._changes:
            await asyncio.to_thread(self.internet.resign, self._now())
            await self._publish(list(self.internet.zones))
            log("signed all zones again")

    async def _change(self, zone: str, fault: str | None) -> list[Name]:
        """Break or heal a zone and serve the result."""
        origin = zone_name(zone)
        if fault is not None and fault not in CATALOGUE:
            raise LabError(f"no fault is called {fault!r}; `akashi lab cases` lists them")
        async with self._changes:
            chosen = CATALOGUE[fault] if fault is not None else None
            if chosen and self.backend:
                self.backend.check(origin, chosen)
            changed = self.internet.apply(origin, chosen, self._now())
            await self._publish(changed)
        log(f"{zone} has the fault {fault}" if fault else f"{zone} is healed")
        return changed

    async def _operate(self, do: str, request: dict[str, Any]) -> Report:
        """Something that a registrant, a registry or an operator does to a zone (lab/operations.py)."""
        async with self._changes:
            if self.backend and do in operations.NEED_EMBEDDED:
                raise LabError(f"{self.settings.backend} does not do that; use --backend embedded")
            now = self.key_clock.now()
            changed, report = operations.run(self.internet, do, request, now, self._now())
            if changed:
                self.key_clock.changed(now)
                await self._publish(changed)
                log(f"{do}: {', '.join(f'{name} {value}' for name, value in request.items() if name != 'do')}")
        return report

    async def _publish(self, changed: list[Name]) -> None:
        for origin in changed:
            self.directory.write_zone(self.internet, origin)
        self.server.load(self.internet, self.server.addresses)
        if self.backend:
            await self.backend.reload(self.internet, changed)

    # -- commands --------------------------------------------------------------------------------------------------------

    async def _command(self, request: dict[str, Any]) -> Report:
        match request.get("do"):
            case "status":
                return self.report()
            case "stop":
                self._stop.set()
                return {}
            case "break":
                changed = await self._change(str(request.get("zone")), str(request.get("fault")))
                return {"changed": [name.to_text() for name in changed]}
            case "heal":
                changed = await self._change(str(request.get("zone")), None)
                return {"changed": [name.to_text() for name in changed]}
            case "resign":
                await self._resign()
                return {"signed": self.internet.signed_at}
            case "clock":
                self.clock_offset_s = int(request.get("offset_s", 0))
                await self._resign()
                return {"signed": self.internet.signed_at}
            case "key-clock":
                (self.key_clock.stop if request.get("stop") else self.key_clock.go)()
                return {}
            case str(do) if do in operations.ALL:
                return await self._operate(do, request)
            case unknown:
                raise LabError(f"unknown command {unknown!r}")

    def report(self) -> Report:
        """What is running, for `akashi lab status`."""
        real = self.backend.addresses() if self.backend else set()
        own = {origin for origin, fault in self.internet.faults.items() if origin == dns.name.from_text(fault.zone)}
        return {
            "pid": os.getpid(),
            "directory": str(self.directory.root),
            "since": self.started,
            "port": self.settings.port,
            "backend": self.settings.backend,
            "backend_note": self.backend.note() if self.backend else None,
            "resolver": self.settings.resolver_listen if self.resolver else None,
            "config": str(self.directory.config),
            "time_servers": [f"{address}:{self.settings.port}" for address in addresses(self.settings.prefix)],
            "clock_offset_s": self.clock_offset_s,
            "signed": self.internet.signed_at,
            "expires": self.internet.signed_at + LIFETIME_S,
            "ttl": self.settings.ttl,
            "zones": len(self.internet.zones),
            "fault_zones": len(own),
            "broken": {o.to_text(): f.name for o, f in self.internet.faults.items() if o not in own},
            "embedded_queries": self.server.queries,
            "servers": [
                {
                    "address": server.address,
                    "host": server.host.to_text(),
                    "zones": [zone.to_text() for zone in server.zones],
                    "served_by": self.settings.backend if server.address in real else "embedded",
                }
                for server in self.internet.servers()
            ],
        }


def run(settings: Settings, *, resolver: Sequence[str] | None = None, ready: Ready | None = None) -> int:
    """Run a lab until it is told to stop; returns the exit status.

    `resolver`: a command to run beside it, whose end is the end of the lab. `ready`: awaited once, when the servers
    listen, with what `akashi lab status` reports. Raises LabError when the lab cannot start.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(Lab(settings).run(resolver, ready))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _require_free(listen: str) -> None:
    """Before anything is started: else another resolver there would be taken for ours. Raises LabError."""
    host, _, port = listen.rpartition(":")
    address = host.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, int(port)))
        except OSError as error:
            raise LabError(f"the resolver cannot listen on {listen}: {error.strerror}") from error


async def _announce(ready: Ready, report: Report) -> str | None:
    return await ready(report)


async def _ended(event: asyncio.Event) -> str | None:
    await event.wait()
    return None


async def _close(server: asyncio.AbstractServer) -> None:
    server.close()


def main(settings: Settings) -> int:
    """`python -m lab`: a lab in the background; trouble goes to standard error."""

    async def ready(report: Report) -> str | None:
        log(f"{report['zones']} zones on port {report['port']}")
        return None

    try:
        status = run(settings, ready=ready)
    except LabError as error:
        log(f"cannot start: {error}")
        return 1
    log("stopped")
    return status
