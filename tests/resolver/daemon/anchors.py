"""A keeper of trust anchors with a scripted zone, a scripted clock, a log that remembers, and a real database or none."""

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import TypeVar

from resolver.daemon.trust.anchor_keeper import AnchorKeeper, Fetched
from resolver.state.database import Database
from tests.trust.rollover import TTL, ZONE, published
from tests.trust.zones import DAY, NOW, KeyPair
from trust.anchors import TrustPoint
from trust.policy import Policy
from trust.rfc5011 import State, Timers
from wire.name import Name

Call = tuple[str, object]
T = TypeVar("T")


def run(work: Coroutine[object, object, T]) -> T:
    """The outcome of a coroutine."""
    return asyncio.run(work)


class Log:
    """Remembers events; `order` is shared with what else happens."""

    def __init__(self, order: list[Call]) -> None:
        self.lines: list[tuple[str, str, dict[str, object]]] = []
        self.order = order

    def _write(self, level: str, event: str, facts: dict[str, object]) -> None:
        self.lines.append((level, event, facts))
        self.order.append(("log", event))

    def info(self, event: str, **facts: object) -> None:
        self._write("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._write("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._write("error", event, facts)

    def of(self, event: str) -> list[dict[str, object]]:
        return [facts for _, name, facts in self.lines if name == event]

    def level(self, event: str) -> str:
        return next(level for level, name, _ in self.lines if name == event)

    def clear(self) -> None:
        self.lines.clear()


class World:
    """Clock, zones and what is in force. `wall` may be set; `zone` is what the servers of ZONE publish."""

    def __init__(self, directory: Path | None) -> None:
        self.wall = float(NOW)
        self.order: list[Call] = []
        self.log = Log(self.order)
        self.database = None if directory is None else Database(directory, self.log, self.wall)
        self.answers: dict[Name, Fetched] = {}
        self.fetched: list[Name] = []
        self.signalled: list[Name] = []
        self.published: list[tuple[list[TrustPoint], list[Name]]] = []

    def zone(
        self, present: Sequence[KeyPair], signers: Sequence[KeyPair], name: Name = ZONE, *, at: float | None = None
    ) -> None:
        """From now on the zone's servers give this RRset, signed now (or at another time)."""
        rrset = published(present, signers, self.wall if at is None else at, ttl=TTL, zone=name)
        self.answers[name] = Fetched(rrset, "192.0.2.1")

    def keeper(
        self, *configured: TrustPoint, follow: bool = True, signal: bool = False, timers: Timers | None = None
    ) -> AnchorKeeper:
        return AnchorKeeper(
            configured,
            Policy(),
            database=self.database,
            fetch=self.fetch,
            publish=self.publish,
            log=self.log,
            now=lambda: self.wall,
            timers=timers,
            signal=self.signal if signal else None,
            follow=follow,
        )

    async def fetch(self, name: Name) -> Fetched:
        self.fetched.append(name)
        self.order.append(("fetch", name))
        return self.answers.get(name, Fetched(None, "", "timed out"))

    async def signal(self, name: Name) -> None:
        self.signalled.append(name)

    def publish(self, points: Sequence[TrustPoint], gone: Sequence[Name]) -> None:
        self.published.append((list(points), list(gone)))
        self.order.append(("publish", len(points)))

    def days(self, days: float) -> None:
        self.wall += days * DAY

    def close(self) -> None:
        if self.database is not None:
            self.database.close()
            self.database = None

    def reopen(self, directory: Path) -> None:
        """As after a restart."""
        self.close()
        self.database = Database(directory, self.log, self.wall)


def point(*anchors: KeyPair | bytes, name: Name = ZONE) -> TrustPoint:
    return TrustPoint(
        name,
        [item for item in anchors if isinstance(item, bytes)],
        [item.rdata for item in anchors if isinstance(item, KeyPair)],
    )


def states(keeper: AnchorKeeper, name: Name = ZONE) -> dict[int, State]:
    return {entry.tag: entry.state for entry in keeper.book.points[name].keys}


def trusted(points: Sequence[TrustPoint], name: Name = ZONE) -> set[bytes]:
    """The anchors in force."""
    return next(set(p.ds) | set(p.dnskeys) for p in points if p.name == name)
