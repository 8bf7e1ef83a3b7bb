"""What listeners and driver are tested with: a service whose resolutions the test decides, loops with a time limit."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

from resolver.cache.packets import PacketCache
from resolver.protect.protection import Protection
from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.access import AccessList
from resolver.server.counters import Counters
from resolver.server.driver import Waiter
from resolver.server.respond import Identity
from resolver.server.service import Service
from trust.vocabulary import Question, Security
from wire import types as t
from wire.rrset import RRset

T = TypeVar("T")

LIMIT_S = 20.0
"""No test of a socket takes longer: what hangs fails."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of the kind the daemon uses."""

    async def bounded() -> T:
        async with asyncio.timeout(LIMIT_S):
            return await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until a condition holds; the test's own limit ends what never does."""
    while not condition():
        await asyncio.sleep(0.002)


def address_of(question: Question, rdata: bytes = b"\xc0\0\2\1", ttl: int = 300) -> Resolution:
    """A secure answer of one A record, from now on."""
    expires = clock.monotonic() + ttl
    rrset = RRset(question.name, t.A, ttl, [rdata])
    return Resolution(question, t.NOERROR, [(rrset, expires)], [], Security.SECURE, [], expires)


class FakeDriver:
    """Answers at once, or (`hold`) when the test says so."""

    def __init__(self, make: Callable[[Question], Resolution] = address_of, *, hold: bool = False) -> None:
        self.make = make
        self.hold = hold
        self.asked: list[Question] = []
        self.renewed: list[Question] = []
        self.checking_disabled: list[bool] = []
        self.waiting: list[tuple[Waiter, Question]] = []

    def submit(self, waiter: Waiter, question: Question, *, checking_disabled: bool = False) -> None:
        """As the real one's."""
        self.asked.append(question)
        self.checking_disabled.append(checking_disabled)
        if self.hold:
            self.waiting.append((waiter, question))
        else:
            waiter.finish(self.make(question), clock.now())

    def renew(self, question: Question) -> None:
        """As the real one's."""
        self.renewed.append(question)

    def release(self, index: int = 0) -> None:
        """Finish one that waits."""
        waiter, question = self.waiting.pop(index)
        waiter.finish(self.make(question), clock.now())


class Silent:
    """An observer that only counts."""

    def __init__(self) -> None:
        self.queries: list[tuple[str, int]] = []
        self.failures: list[Resolution] = []

    def answered(self, query, client, transport, rcode, resolution, seconds) -> None:  # type: ignore[no-untyped-def]
        """A response was made."""
        self.queries.append((client, rcode))

    def failed(self, resolution: Resolution, client: str) -> None:
        """A failure was told to a client."""
        self.failures.append(resolution)

    def rewrote(self, resolution: Resolution, client: str) -> None:
        """Policy rules were met."""


def make_service(
    driver: FakeDriver | None = None,
    *,
    allow: AccessList | None = None,
    identity: Identity | None = None,
    log_queries: bool = False,
    prefetch: bool = False,
    observer: Silent | None = None,
    protection: Protection | None = None,
) -> Service:
    """A service with a packet cache of a mebioctet."""
    return Service(
        driver or FakeDriver(),
        allow or AccessList(),
        identity or Identity(b"test", idle_timeout_s=10.0),
        Counters(),
        PacketCache(1 << 20),
        observer or Silent(),
        log_queries=log_queries,
        prefetch=prefetch,
        protection=protection,
    )


def bound(kind: socket.SocketKind, address: str = "127.0.0.1") -> socket.socket:
    """A socket on a free port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind)
    sock.bind((address, 0))
    sock.setblocking(False)
    return sock
