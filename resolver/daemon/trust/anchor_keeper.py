"""The schedule of the trust anchors, in the supervisor: each trust point's keys are looked at when they are due.

Theory: `open` gives the trust points to begin with. `run` asks for a DNSKEY RRset when it is due (RFC 5011 §2.3), hands it
to the `anchor_book`, which judges and writes, and then publishes the trust points if they changed. Written first,
published then. With each refresh the zone's servers are told which anchors are in use (RFC 8145), when that is on.

The wall clock says what is due, since that is what the state is kept in; it is read anew at least every LONGEST_SLEEP_S,
as it may be set.

RFC 5011 §2.3, RFC 8145 §5.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from resolver.daemon.trust.anchor_book import AnchorBook
from resolver.state.database import Database, Log
from trust.anchors import TrustPoint
from trust.policy import Policy
from trust.rfc5011 import Timers, Transition
from trust.rfc8145 import anchor_tags, key_tag_names
from wire.name import Name
from wire.rrset import RRset
from wire.text import name_to_text

LONGEST_SLEEP_S: Final = 60.0
SIGNAL_S: Final = 86400.0
"""Between two signals where no refresh gives the occasion (`follow` off)."""


class Fetched(NamedTuple):
    """What asking for a zone's DNSKEY RRset brought: the set with its signatures, or None and why not."""

    rrset: RRset | None
    server: str = ""
    text: str = ""


Fetch: TypeAlias = Callable[[Name], Awaitable[Fetched]]
"""Asks afresh, past every cache. What it brings need not be validated."""
Publish: TypeAlias = Callable[[Sequence[TrustPoint], Sequence[Name]], None]
"""(trust points in force, configured ones that are deleted because all their keys are revoked and another is above)"""
Signal: TypeAlias = Callable[[Name], Awaitable[None]]
"""Asks for a name, type NULL, past every cache. The answer does not matter."""


class Outcome(NamedTuple):
    """What a refresh of one zone came to. `changes`: the transitions that took effect."""

    zone: Name
    ok: bool
    text: str
    changes: tuple[Transition, ...]


class AnchorKeeper:
    """Keeps the trust points current. One in the daemon.

    Attributes:
        book: the trust points; `signal`: None tells nobody (RFC 8145).
    """

    def __init__(
        self,
        configured: Iterable[TrustPoint],
        policy: Policy,
        *,
        database: Database | None,
        fetch: Fetch,
        publish: Publish,
        log: Log,
        now: Callable[[], float],
        timers: Timers | None = None,
        signal: Signal | None = None,
        follow: bool = True,
    ) -> None:
        """`database`: None keeps the state in memory; `now`: wall seconds; `follow`: whether RFC 5011 is on."""
        self.book = AnchorBook(configured, policy, database=database, log=log, now=now, timers=timers, follow=follow)
        self.signal = signal
        self._fetch = fetch
        self._publish = publish
        self._log = log
        self._published: object = None
        self._signals: dict[Name, float] = {}
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()

    def open(self) -> tuple[list[TrustPoint], list[Name]]:
        """Begin; gives what `publish` would be called with. It is not called yet.

        Raises:
            StateError: the database cannot be used at all.
        """
        self.book.open()
        points, gone = self.book.in_force()
        self._published = _fingerprint(points, gone)
        return points, gone

    def configure(
        self,
        configured: Iterable[TrustPoint],
        policy: Policy,
        *,
        timers: Timers | None = None,
        signal: Signal | None = None,
        follow: bool = True,
    ) -> None:
        """Other anchors, policy, timers or signalling from now on (after a reload); `follow`: whether RFC 5011 is on.

        Raises:
            StateError: RFC 5011 is on from now on, and the database cannot be used.
        """
        self.signal = signal
        self.book.configure(configured, policy, timers, follow=follow)
        self.changed()

    def changed(self) -> None:
        """Publish what is in force, if it is not what was published; and look at the schedule again.

        To be called after every command on the book.
        """
        points, gone = self.book.in_force()
        fingerprint = _fingerprint(points, gone)
        if fingerprint != self._published:
            self._published = fingerprint
            self._publish(points, gone)
        self._wake.set()

    # --- schedule -------------------------------------------------------------------------------------------------

    def due(self, name: Name) -> float:
        """When a zone's keys are to be looked at, wall seconds. A time that the schedule could not have given (the clock
        was set back) means now.
        """
        at = self.book.points[name].next_refresh
        return at if at <= self.book.now() + self.book.timers.longest_refresh_s else 0.0

    def next_due(self) -> float:
        """When the next refresh or signal is due, wall seconds; infinity when none ever is."""
        if self.book.following:
            return min(map(self.due, self.book.points), default=float("inf"))
        if self.signal is None:
            return float("inf")
        return min((self._signals.get(name, 0.0) for name in self.book.configured), default=float("inf"))

    async def run(self) -> None:
        """Do what is due, for ever."""
        while True:
            wait = min(self.next_due() - self.book.now(), LONGEST_SLEEP_S)
            if wait > 0:
                self._wake.clear()
                try:
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                except TimeoutError:
                    pass
            else:
                await self._work()

    async def _work(self) -> None:
        now = self.book.now()
        if self.book.following:
            await self.refresh([name for name in self.book.points if self.due(name) <= now])
            return
        for point in list(self.book.configured.values()):
            if self._signals.get(point.name, 0.0) <= now:
                self._signals[point.name] = now + SIGNAL_S
                await self._tell_servers(point)

    async def refresh(self, zones: Iterable[Name] | None = None) -> list[Outcome]:
        """Look at the keys of these trust points (None: all) now.

        Raises:
            NoTrustPointError: one of them is no trust point.
            ValueError: RFC 5011 is off.
        """
        if not self.book.following:
            raise ValueError("trust.rfc5011 is off: there is nothing to refresh")
        names = list(self.book.points) if zones is None else list(zones)
        for name in names:
            self.book.known(name)
        return [await self._refresh(name) for name in names]

    async def _refresh(self, name: Name) -> Outcome:
        async with self._turn:
            try:
                fetched = await self._fetch(name)
            except Exception as error:  # a bug of ours must not end the schedule
                self._log.error("internal-error", where="trust-refresh", exc_info=error)
                fetched = Fetched(None, text=f"internal error: {error}")
            if name not in self.book.points:
                return Outcome(name, False, "no trust point any more", ())
            if fetched.rrset is None:
                self.book.missed(name, fetched.text)
                return Outcome(name, False, fetched.text, ())
            seen, moves = self.book.observed(name, fetched.rrset, fetched.server)
            self.changed()
            for point in self.book.in_force()[0]:
                if point.name == name:
                    await self._tell_servers(point)
            return Outcome(name, seen.ok, seen.text, moves)

    async def _tell_servers(self, point: TrustPoint) -> None:
        """RFC 8145 §5: tell the zone's servers which anchors are in use."""
        for name in key_tag_names(point.name, anchor_tags(point)):
            if self.signal is None:
                return
            try:
                await self.signal(name)
            except Exception as error:  # likewise
                self._log.error("internal-error", where="trust-signal", exc_info=error)
                return
            self.book.counts.signalled += 1
            self._log.info("trust-signalled", query=f"{name_to_text(name)}/NULL")


def _fingerprint(points: Iterable[TrustPoint], gone: Iterable[Name]) -> object:
    """What to compare: whether two sets of trust points are the same."""
    return {p.name: (set(p.ds), set(p.dnskeys)) for p in points}, set(gone)
