"""What RFC 5011 keeps of a trust point: its keys' states and its timers, as immutable values.

`trust.rfc5011` makes new ones out of what is observed, `trust.anchor_merge` out of what is configured; `trust_point` gives
what validation goes by. Times are seconds since 1970, durations are seconds.

RFC 5011 §2.3, §2.4, §4.2, §5.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from trust.algorithms import REVOKED, Key
from trust.anchors import TrustPoint
from trust.rfc5011_table import TRUSTED, Event, State
from wire.name import Name
from wire.text import name_to_text

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Timers:
    """Durations in seconds; the defaults are the RFC's. Labs shorten them."""

    add_hold_down_s: float = 30 * DAY
    """§2.4.1: "30 days or the expiration time of the original TTL of the first trust point DNSKEY RRSet that contained the
    new key, whichever is greater"."""
    remove_hold_down_s: float = 30 * DAY
    """§2.4.2."""
    shortest_s: float = HOUR
    """§2.3: "no more often than once per hour"."""
    longest_refresh_s: float = 15 * DAY
    longest_retry_s: float = DAY
    longest_gap_s: float = 30 * DAY
    """Deviation: time between two sightings of a pending key beyond which its hold-down starts anew. A resolver that runs
    asks every 15 days at least (§2.3)."""
    backwards_s: float = HOUR
    """How far a clock may be set back before that counts as a jump."""

    def refresh_s(self, original_ttl: float, expire_s: float) -> float:
        """§2.3: "MAX(1 hr, MIN (15 days, 1/2*OrigTTL, 1/2*RRSigExpirationInterval))"."""
        return max(self.shortest_s, min(self.longest_refresh_s, original_ttl / 2, expire_s / 2))

    def retry_s(self, original_ttl: float, expire_s: float) -> float:
        """§2.3: "MAX (1 hour, MIN (1 day, .1 * origTTL, .1 * expireInterval))"."""
        return max(self.shortest_s, min(self.longest_retry_s, original_ttl / 10, expire_s / 10))

    def hold_s(self, original_ttl: float) -> float:
        """§2.4.1: the hold-down of a key first seen under this TTL."""
        return max(self.add_hold_down_s, original_ttl)


class Origin(Enum):
    """Whose word a key rests on."""

    CONFIGURED = "configured"
    """The configuration's, or the package's: ends when that no longer names it."""
    IMPORTED = "imported"
    """The operator's, by command: stays until it is revoked, replaced or forgotten."""
    LEARNED = "learned"
    """The zone's own, by this protocol."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is known of one key. Times are seconds since 1970.

    `dnskey`: its RDATA with the REVOKE bit cleared, which is what identifies it; b"" while only a digest is known.
    `ds`: RDATA of the DS records that name it, if it was given so.
    `since`: when the state began. `first_seen`, `last_seen`: in a validated RRset, in this run of sightings.
    `hold_s`, `validators`: of a pending key: its hold-down, and the keys that signed the RRset in which it appeared (§2.2).
    """

    state: State
    since: float
    dnskey: bytes = b""
    ds: tuple[bytes, ...] = ()
    origin: Origin = Origin.LEARNED
    first_seen: float | None = None
    last_seen: float | None = None
    hold_s: float = 0.0
    validators: tuple[bytes, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether it is a trust anchor now (§4.2: Valid, and Missing, where it "remains a valid trust-point key")."""
        return self.state in TRUSTED

    @property
    def tag(self) -> int:
        """The key tag, that of the key without REVOKE bit."""
        return Key(self.dnskey).tag if self.dnskey else int.from_bytes(self.ds[0][:2], "big")

    @property
    def algorithm(self) -> int:
        """The DNSKEY algorithm."""
        return self.dnskey[3] if self.dnskey else self.ds[0][2]

    def hold_left_s(self, now_wall: float, timers: Timers) -> float | None:
        """Seconds of hold-down left, at least; None in a state without one."""
        if self.state is State.ADD_PEND and self.first_seen is not None:
            return max(0.0, self.first_seen + self.hold_s - now_wall)
        if self.state is State.REVOKED:
            seen = self.since if self.last_seen is None else self.last_seen
            return max(0.0, seen + timers.remove_hold_down_s - now_wall)
        return None

    def __str__(self) -> str:
        return f"key {self.tag} (algorithm {self.algorithm})"


@dataclass(frozen=True, slots=True)
class PointState:
    """A trust point. `next_refresh`: when its keys are to be looked at again; 0: at once.

    `original_ttl`, `expire_s`: of the last RRset that validated: original TTL, and how long its signature was still valid.
    `failures`: refreshes that failed since; `error`: what the last one said.
    """

    name: Name
    keys: tuple[KeyState, ...]
    last_success: float | None = None
    last_attempt: float | None = None
    next_refresh: float = 0.0
    original_ttl: int = 0
    expire_s: int = 0
    failures: int = 0
    error: str = ""

    @property
    def trusted(self) -> tuple[KeyState, ...]:
        """The trust anchors of now."""
        return tuple(key for key in self.keys if key.trusted)


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of one key, for log, metrics and audit. `event`: None when the operator made it."""

    zone: Name
    key_tag: int
    algorithm: int
    old: State
    new: State
    event: Event | None
    at: float
    why: str

    def __str__(self) -> str:
        by = self.event.value if self.event else "operator"
        return f"{name_to_text(self.zone)} key {self.key_tag}: {self.old.value} -> {self.new.value} ({by}: {self.why})"


def trust_point(point: PointState, *, superior: bool = False) -> TrustPoint | None:
    """What validation goes by. `superior`: whether there is a trust point above, which takes over when none is left here.

    None: the trust point is deleted (§5: "data at and below the deleted trust point are evaluated with respect to the
    superior trust point"). Deviation: without a superior one §5 would have everything below be insecure. We keep the trust
    point and give it the revoked keys, which match nothing, so that what is below is bogus until the operator acts.
    """
    trusted = point.trusted
    if trusted:
        ds = [ds for key in trusted if not key.dnskey for ds in key.ds]
        return TrustPoint(point.name, ds, [key.dnskey for key in trusted if key.dnskey])
    if superior:
        return None
    return TrustPoint(point.name, (), [revoked_form(key.dnskey) for key in point.keys if key.dnskey])


def revoked_form(dnskey: bytes) -> bytes:
    """A DNSKEY's RDATA with the REVOKE bit set."""
    return (int.from_bytes(dnskey[:2], "big") | REVOKED).to_bytes(2, "big") + dnskey[2:]


def plain_form(dnskey: bytes) -> bytes:
    """A DNSKEY's RDATA with the REVOKE bit cleared."""
    return (int.from_bytes(dnskey[:2], "big") & ~REVOKED).to_bytes(2, "big") + dnskey[2:]
