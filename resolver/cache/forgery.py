"""Zones whose answers somebody tries to forge: counted by what came in that was no answer, and for a while asked over TCP.

Theory: whoever forges without seeing our questions sends many packets with wrong IDs to the port of one of them. Each such
packet counts for the zone asked, and counts half after FORGERY_HALF_LIFE. From FORGERY_THRESHOLD on the zone's servers are
asked over TCP, where a blind forger would have to guess sequence numbers too, until FORGERY_SECONDS after the last time
that it was over the threshold. A server that itself sends wrong IDs has the same effect, which does no harm.

Limitations: only packets that reach the port of an open question, from the address asked, are seen; the kernel drops the
others. So a forger who guesses ports has hit one already when he is counted.

RFC 5452 §5 and §9.3.
"""

from collections.abc import Callable
from typing import Final

from resolver.cache.bounded import trim
from wire.limits import FORGERY_HALF_LIFE, FORGERY_SECONDS, FORGERY_THRESHOLD, FORGERY_ZONES
from wire.name import Name

_NEGLIGIBLE: Final = 30.0
"""Half-lives after which nothing is left of a count."""


class _Zone:
    """`score`: packets, as they count at monotonic time `mono`; `until`: when its servers may be asked over UDP again."""

    __slots__ = ("mono", "score", "until")

    def __init__(self, mono: float) -> None:
        self.score = 0.0
        self.mono = mono
        self.until = 0.0


class ForgeryWatch:
    """Zones with packets that were no answers, bounded in number, the least recently first counted forgotten first.

    Attributes:
        zones: empty while all is quiet, which callers may look at before they ask.
        switches: how often a zone went over to TCP; `told`: who is told of each.
    """

    def __init__(self) -> None:
        self.zones: dict[Name, _Zone] = {}
        self.switches = 0
        self.told: Callable[[Name], None] | None = None

    def seen(self, zone: Name, packets: int, mono: float) -> bool:
        """So many packets for a zone's question were no answer; whether the zone goes over to TCP for that."""
        known = self.zones.get(zone)
        if known is None:
            trim(self.zones, FORGERY_ZONES - 1)
            known = self.zones[zone] = _Zone(mono)
        halvings = min(max(mono - known.mono, 0.0) / FORGERY_HALF_LIFE, _NEGLIGIBLE)
        known.score = float(known.score * 0.5**halvings) + packets
        known.mono = mono
        if known.score < FORGERY_THRESHOLD:
            return False
        news = known.until <= mono
        known.until = mono + FORGERY_SECONDS
        if news:
            self.switches += 1
            if self.told is not None:
                self.told(zone)
        return news

    def under(self, zone: Name, mono: float) -> bool:
        """Whether the zone's servers are to be asked over TCP now."""
        known = self.zones.get(zone)
        return known is not None and known.until > mono

    def count(self, mono: float) -> int:
        """Zones that are asked over TCP now."""
        return sum(1 for zone in self.zones.values() if zone.until > mono)

    def clear(self) -> None:
        """Forget all."""
        self.zones.clear()
