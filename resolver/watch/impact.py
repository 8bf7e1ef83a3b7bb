"""Which zones fail, for how many clients, since when: counted in bounded memory (guideline 2-16).

Theory: each worker counts its failing responses by zone (`FailingZones`) until the supervisor takes the counts away
(`drain`, once a minute), which keeps them in bins of ten minutes for an hour (`ImpactBook`). Zones are bounded in both:
when there is no room, the zone with the fewest failures gives way, so that no flood of failing names hides a zone that
fails for many. Clients are counted by sketches (`sketch`).

Limitations: a zone that gives way and comes back is counted from then on: counts of small zones are lower bounds while more
than MAX_ZONES fail. What a killed worker had counted in the last minute is lost.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from resolver.watch.sketch import Sketch
from wire.name import Name

Document: TypeAlias = dict[str, Any]

MAX_ZONES: Final = 256
"""Zones that are remembered at once."""
BIN_S: Final = 600.0
BINS: Final = 6
"""Together an hour."""


class Failing:
    """One zone's failures since the last drain."""

    __slots__ = ("bogus", "clients", "count", "first_wall", "last_wall", "reason", "text")

    def __init__(self, wall: float) -> None:
        self.count = 0
        self.bogus = 0
        self.clients = Sketch()
        self.first_wall = wall
        self.last_wall = wall
        self.reason = ""
        self.text = ""

    def add(self, hashed: int, wall: float, *, bogus: bool) -> None:
        """One more failing response, to this client."""
        self.count += 1
        self.bogus += bogus
        self.last_wall = wall
        self.clients.add(hashed)


class FailingZones:
    """A worker's failures by zone."""

    def __init__(self) -> None:
        self._zones: dict[Name, Failing] = {}

    def __len__(self) -> int:
        return len(self._zones)

    def zone(self, zone: Name, wall: float) -> Failing:
        """The zone's counts; another zone's go when there is no room."""
        failing = self._zones.get(zone)
        if failing is None:
            if len(self._zones) >= MAX_ZONES:
                del self._zones[min(self._zones, key=lambda name: self._zones[name].count)]
            failing = self._zones[zone] = Failing(wall)
        return failing

    def drain(self) -> Document:
        """All counts as plain data; they begin anew."""
        zones, self._zones = self._zones, {}
        return {
            zone.hex(): [
                f.count,
                f.bogus,
                f.first_wall,
                f.last_wall,
                f.reason,
                f.text,
                b64encode(f.clients.registers).decode(),
            ]
            for zone, f in zones.items()
        }


@dataclass(slots=True)
class Bin:
    """A zone's failures of ten minutes."""

    begin: float
    count: int = 0
    bogus: int = 0
    clients: Sketch = field(default_factory=Sketch)


@dataclass(slots=True)
class Zone:
    """What is remembered of a failing zone. `since_wall`: when it failed first without an hour's pause since."""

    since_wall: float
    last_wall: float
    reason: str = ""
    text: str = ""
    bins: list[Bin] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Impact:
    """One failing zone in the last hour.

    Attributes:
        count: failing responses, `bogus` of them because validation failed; `clients`: distinct ones, estimated.
        share: of all responses of the same time, None when that is unknown.
    """

    zone: Name
    count: int
    bogus: int
    clients: int
    share: float | None
    since_wall: float
    last_wall: float
    reason: str
    text: str


class ImpactBook:
    """The last hour's failures of all workers. `mono`: monotonic seconds."""

    def __init__(self) -> None:
        self._zones: dict[Name, Zone] = {}

    def __len__(self) -> int:
        return len(self._zones)

    def add(self, drained: Mapping[str, Any], mono: float) -> None:
        """Take over what one worker counted."""
        self.forget(mono)
        begin = mono - mono % BIN_S
        for text, (count, bogus, first, last, reason, why, registers) in drained.items():
            zone = self._zones.setdefault(bytes.fromhex(text), Zone(first, last))
            zone.since_wall = min(zone.since_wall, first)
            if last >= zone.last_wall:
                zone.last_wall, zone.reason, zone.text = last, reason, why
            if not zone.bins or zone.bins[-1].begin != begin:
                zone.bins.append(Bin(begin))
            now = zone.bins[-1]
            now.count += count
            now.bogus += bogus
            now.clients.merge(Sketch(registers=b64decode(registers)))
        while len(self._zones) > MAX_ZONES:
            del self._zones[min(self._zones, key=lambda name: sum(b.count for b in self._zones[name].bins))]

    def forget(self, mono: float) -> None:
        """Drop what is older than an hour."""
        for name, zone in list(self._zones.items()):
            zone.bins = [b for b in zone.bins if b.begin > mono - BIN_S * BINS]
            if not zone.bins:
                del self._zones[name]

    def top(self, limit: int, responses: float | None) -> list[Impact]:
        """The zones that fail for the most clients, then most often. `responses`: of the last hour, failing or not."""
        impacts = [self._impact(name, zone, responses) for name, zone in self._zones.items()]
        impacts.sort(key=lambda impact: (-impact.clients, -impact.count, impact.zone))
        return impacts[:limit]

    def _impact(self, name: Name, zone: Zone, responses: float | None) -> Impact:
        clients = Sketch()
        for one in zone.bins:
            clients.merge(one.clients)
        count = sum(one.count for one in zone.bins)
        share = min(count / responses, 1.0) if responses else None
        bogus = sum(one.bogus for one in zone.bins)
        return Impact(
            name, count, bogus, clients.estimate(), share, zone.since_wall, zone.last_wall, zone.reason, zone.text
        )
