"""Validated NSEC and NSEC3 records by zone, in their zone's order: what aggressive use needs (RFC 8198).

Only what the validator found SECURE comes in, so whatever a proof makes of these records holds. For a name the record that
could match or cover it is its predecessor in the ring: one binary search.

Bounded in records over all zones; the zone first heard of goes first, as a whole.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from resolver.cache.selection import Selection
from trust.nsec3 import read_nsec3
from trust.signature import SignatureResult
from wire import types as t
from wire.name import Name, canonical_key, is_subdomain, wildcard
from wire.rrset import RRset

MAX_RECORDS: Final = 100_000
"""Records kept over all zones: some 100 MB at the worst."""
MAX_PER_ZONE: Final = 20_000
"""Records kept of one zone; one more and the zone starts over."""

K = TypeVar("K", tuple[bytes, ...], bytes)


class Ring(Generic[K]):
    """Records in the order of their keys; the last one's successor is the first."""

    __slots__ = ("_keys", "_records")

    def __init__(self) -> None:
        self._keys: list[K] = []
        self._records: dict[K, tuple[RRset, float]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, key: K, rrset: RRset, expires: float) -> int:
        """Remember a record; returns by how many the ring has grown."""
        grown = key not in self._records
        self._records[key] = (rrset, expires)
        if grown:
            insort(self._keys, key)
        return int(grown)

    def at_or_before(self, key: K, mono: float) -> tuple[RRset, float] | None:
        """The live record whose key is this or the next smaller one, going round at the beginning."""
        if not self._keys:
            return None
        found = self._records[self._keys[bisect_right(self._keys, key) - 1]]
        return found if found[1] > mono else None

    def at(self, key: K, mono: float) -> tuple[RRset, float] | None:
        """The live record with exactly this key."""
        found = self._records.get(key)
        return found if found is not None and found[1] > mono else None


class ZoneDenials:
    """What one zone has proven not to exist.

    Attributes:
        soa: its SOA RRset with the monotonic time at which it ends.
        nsec: records by canonical owner; `nsec3`: records by hash, for each (salt, iterations).
        wildcards: sets seen expanded, under their wildcard's own name: (name, type) → set, end.
    """

    __slots__ = ("nsec", "nsec3", "soa", "wildcards", "zone")

    def __init__(self, zone: Name) -> None:
        self.zone = zone
        self.soa: tuple[RRset, float] | None = None
        self.nsec: Ring[tuple[bytes, ...]] = Ring()
        self.nsec3: dict[tuple[bytes, int], Ring[bytes]] = {}
        self.wildcards: dict[tuple[Name, int], tuple[RRset, float]] = {}

    def __len__(self) -> int:
        return len(self.nsec) + sum(len(ring) for ring in self.nsec3.values()) + len(self.wildcards)


class DenialCache:
    """Denials by zone."""

    def __init__(self, limit: int = MAX_RECORDS, limit_per_zone: int = MAX_PER_ZONE) -> None:
        self._zones: dict[Name, ZoneDenials] = {}
        self._records = 0
        self._limit = limit
        self._limit_per_zone = limit_per_zone

    def __len__(self) -> int:
        return self._records

    def get(self, zone: Name) -> ZoneDenials | None:
        """What exactly this zone has proven."""
        return self._zones.get(zone)

    def learn(self, zone: Name, records: Sequence[RRset], expires: float) -> None:
        """Keep the verified SOA, NSEC and NSEC3 RRsets of a secure answer until `expires` (monotonic seconds)."""
        known = self._zone(zone)
        before = len(known)
        for rrset in records:
            if rrset.rtype == t.SOA:
                known.soa = (rrset, expires)
            elif rrset.rtype == t.NSEC:
                known.nsec.put(canonical_key(rrset.name), rrset, expires)
            elif rrset.rtype == t.NSEC3 and (read := read_nsec3(rrset, zone)) is not None:
                hashed, record = read
                if not record.opt_out:
                    # RFC 8198 §5.2: an opt-out span leaves open what is in it.
                    ring = known.nsec3.setdefault((record.salt, record.iterations), Ring())
                    ring.put(hashed, rrset, expires)
        self._count(len(known) - before)

    def learn_wildcard(self, zone: Name, rrset: RRset, result: SignatureResult, expires: float) -> None:
        """Keep a verified set that was expanded from a wildcard, under the wildcard's own name (RFC 8198 §5.3)."""
        if result.closest_encloser is None:
            return
        known = self._zone(zone)
        before = len(known)
        source = wildcard(result.closest_encloser)
        known.wildcards[source, rrset.rtype] = (
            RRset(source, rrset.rtype, rrset.ttl, rrset.rdatas, rrset.sigs),
            expires,
        )
        self._count(len(known) - before)

    def forget_selected(self, selection: Selection) -> int:
        """Drop every zone that could say something of the names meant: those above them as well; returns the records."""
        doomed = [zone for zone in self._zones if selection.covers(zone) or is_subdomain(selection.name, zone)]
        dropped = sum(len(self._zones.pop(zone)) for zone in doomed)
        self._records -= dropped
        return dropped

    def clear(self) -> None:
        """Forget all: after a change of trust, or a flush."""
        self._zones.clear()
        self._records = 0

    def _zone(self, zone: Name) -> ZoneDenials:
        known = self._zones.get(zone)
        if known is not None and len(known) >= self._limit_per_zone:
            # Most of it has expired by now or will be learnt again; starting over is cheaper than keeping an order of ends.
            self._records -= len(self._zones.pop(zone))
            known = None
        if known is None:
            known = self._zones[zone] = ZoneDenials(zone)
        return known

    def _count(self, grown: int) -> None:
        self._records += grown
        limit = self._limit
        if self._records <= limit:
            return
        for zone in list(self._zones):  # in a batch: see `bounded.trim`
            self._records -= len(self._zones.pop(zone))
            if self._records <= limit - limit // 128:
                break
