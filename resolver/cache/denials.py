"""Validated NSEC and NSEC3 records by zone, in their zone's order: what aggressive use needs (RFC 8198).

Only what the validator found SECURE comes in, and of that only what may be used for proofs about the zone (`read_nsec`,
`read_nsec3`), taken apart once: whatever a proof makes of these records holds. For a name the record that could match or
cover it is its predecessor in the ring: one binary search.

Bounded in records over all zones; the zone first heard of goes first, as a whole.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from resolver.cache.selection import Selection
from trust.nsec import Nsec, read_nsec
from trust.nsec3 import Link, read_nsec3
from trust.signature import SignatureResult
from trust.vocabulary import Verdict
from wire import types as t
from wire.name import Name, is_subdomain, wildcard
from wire.rrset import RRset

MAX_RECORDS: Final = 100_000
"""Records kept over all zones: some 100 MB at the worst."""
MAX_PER_ZONE: Final = 20_000
"""Records kept of one zone; one more and the zone starts over."""

K = TypeVar("K", tuple[bytes, ...], bytes)
P = TypeVar("P")


class Held(Generic[P]):
    """A record: its set, what was read of it, and the monotonic time at which it ends."""

    __slots__ = ("expires", "read", "rrset")

    def __init__(self, rrset: RRset, read: P, expires: float) -> None:
        self.rrset = rrset
        self.read = read
        self.expires = expires


class Ring(Generic[K, P]):
    """Records in the order of their keys; the last one's successor is the first."""

    __slots__ = ("_by_owner", "_held", "_keys")

    def __init__(self) -> None:
        self._keys: list[K] = []
        self._held: list[Held[P]] = []  # as the keys
        self._by_owner: dict[Name, Held[P]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def renew(self, rrset: RRset, expires: float) -> bool:
        """Let this very record, signatures included, end at another time; False when it is not here."""
        held = self._by_owner.get(rrset.name)
        if held is None:
            return False
        known = held.rrset
        if known is not rrset and (known.rdatas != rrset.rdatas or known.sigs != rrset.sigs):
            return False
        held.expires = expires
        return True

    def put(self, key: K, rrset: RRset, read: P, expires: float) -> int:
        """Remember a record; returns by how many the ring has grown. `read`: what it says."""
        held = Held(rrset, read, expires)
        self._by_owner[rrset.name] = held
        at = bisect_left(self._keys, key)
        if at < len(self._keys) and self._keys[at] == key:
            self._held[at] = held
            return 0
        self._keys.insert(at, key)
        self._held.insert(at, held)
        return 1

    def at_or_before(self, key: K, mono: float) -> Held[P] | None:
        """The live record whose key is this or the next smaller one, going round at the beginning."""
        if not self._keys:
            return None
        held = self._held[bisect_right(self._keys, key) - 1]
        return held if held.expires > mono else None

    def at(self, key: K, mono: float) -> Held[P] | None:
        """The live record with exactly this key."""
        at = bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key:
            return None
        held = self._held[at]
        return held if held.expires > mono else None


class HashedDenials:
    """The NSEC3 records of one zone with one salt and one number of iterations.

    `hashes`: of the zone's own name and its wildcard's, once somebody has paid for them: nearly every proof needs them.
    """

    __slots__ = ("hashes", "iterations", "ring", "salt")

    def __init__(self, salt: bytes, iterations: int) -> None:
        self.salt = salt
        self.iterations = iterations
        self.ring: Ring[bytes, Link] = Ring()
        self.hashes: dict[Name, bytes] = {}


class ZoneDenials:
    """What one zone has proven not to exist.

    Attributes:
        soa: its SOA RRset with the monotonic time at which it ends.
        nsec: records by canonical owner; `nsec3`: records by hash, for each (salt, iterations).
        wildcards: sets seen expanded, under their wildcard's own name: (name, type) → set, end.
        verdict: on what is made of all this, once something was.
    """

    __slots__ = ("nsec", "nsec3", "soa", "verdict", "wildcards", "zone")

    def __init__(self, zone: Name) -> None:
        self.zone = zone
        self.soa: tuple[RRset, float] | None = None
        self.nsec: Ring[tuple[bytes, ...], Nsec] = Ring()
        self.nsec3: dict[tuple[bytes, int], HashedDenials] = {}
        self.wildcards: dict[tuple[Name, int], tuple[RRset, float]] = {}
        self.verdict: Verdict | None = None

    def __len__(self) -> int:
        return len(self.nsec) + sum([len(hashed.ring) for hashed in self.nsec3.values()]) + len(self.wildcards)

    def learn_nsec(self, rrset: RRset, expires: float) -> int:
        """Keep a verified NSEC; returns by how many records there are more."""
        if self.nsec.renew(rrset, expires):
            return 0
        nsec = read_nsec(rrset, self.zone)
        return 0 if nsec is None else self.nsec.put(nsec.key, rrset, nsec, expires)

    def learn_nsec3(self, rrset: RRset, expires: float) -> int:
        """Keep a verified NSEC3; returns by how many records there are more."""
        for hashed in self.nsec3.values():
            if hashed.ring.renew(rrset, expires):
                return 0
        read = read_nsec3(rrset, self.zone)
        if read is None:
            return 0
        owner, record = read
        # RFC 8198 §5.2: an opt-out span leaves open what is in it.
        if record.opt_out:
            return 0
        key = (record.salt, record.iterations)
        chain = self.nsec3.get(key)
        if chain is None:
            chain = self.nsec3[key] = HashedDenials(record.salt, record.iterations)
        return chain.ring.put(owner, rrset, Link(rrset, owner, record), expires)


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
        grown = 0
        for rrset in records:
            if rrset.rtype == t.SOA:
                known.soa = (rrset, expires)
            elif rrset.rtype == t.NSEC:
                grown += known.learn_nsec(rrset, expires)
            elif rrset.rtype == t.NSEC3:
                grown += known.learn_nsec3(rrset, expires)
        if grown:
            self._count(grown)

    def learn_wildcard(self, zone: Name, rrset: RRset, result: SignatureResult, expires: float) -> None:
        """Keep a verified set that was expanded from a wildcard, under the wildcard's own name (RFC 8198 §5.3)."""
        if result.closest_encloser is None:
            return
        known = self._zone(zone)
        before = len(known.wildcards)
        source = wildcard(result.closest_encloser)
        known.wildcards[source, rrset.rtype] = (
            RRset(source, rrset.rtype, rrset.ttl, rrset.rdatas, rrset.sigs),
            expires,
        )
        self._count(len(known.wildcards) - before)

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
