"""The life of a zone's keys: from Generated to Removed, with the waiting times that keep a roll-over from hurting anybody.

Theory of operation. A `KeyRing` holds the keys of one zone. Of each key it knows three facts, and since or until when they
are so: it is in the DNSKEY RRset, it signs, its DS is at the parent. The state of a key is not stored, it follows from
those facts, the time and the TTLs. Operations change facts, and refuse when a resolver may still hold something in its
cache that the change would contradict; `force` skips that, for showing what happens then.

What must hold at all times, whatever the method (double-KSK, double-DS, pre-publication):

* each DS RRset that may be in a cache is empty or matches a key of each DNSKEY RRset that may be in a cache or be fetched;
* each signature that may be in a cache or be fetched was made by a key in each DNSKEY RRset that may be in a cache.

Limitations: double signatures of a ZSK and algorithm roll-overs are not offered. The ring is forgotten when the lab stops.
A zone without a parent (the root) has no DS; its KSK is Active while it signs, and how long its resolvers hold a new key
down (RFC 5011 §2.4.1) is not the lab's to know.

RFC 7583 §3.1 (states), §3.2.1 (ZSK pre-publication), §3.3 (KSK: double-KSK, double-DS, RFC 5011); RFC 6781 §4.1; RFC 5011
§2.1 (REVOKE). The guideline's 3.6.2 names the states, its 3.5.3 the emergency roll-overs.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from dns.name import Name

from lab.errors import LabError
from lab.keys import REVOKE_FLAG, Key, Validity
from lab.signer import Plan

PROPAGATION_S = 1.0
"""RFC 7583 §3.2.1 Dprp: all servers of the lab change at once; the second is for resolvers that count in whole ones."""
LONG_AGO = -math.inf


class Role(Enum):
    """What a key signs."""

    KSK = "ksk"
    ZSK = "zsk"


class State(Enum):
    """RFC 7583 §3.1, and the guideline's 3.6.2, where each has a sentence."""

    GENERATED = "Generated"
    PUBLISHED = "Published"
    READY = "Ready"
    ACTIVE = "Active"
    RETIRED = "Retired"
    DEAD = "Dead"
    REMOVED = "Removed"
    REVOKED = "Revoked"


@dataclass
class Span:
    """Since when something is so, or until when it was; seconds since 1970."""

    since: float | None = None
    until: float | None = None

    @property
    def on(self) -> bool:
        """It is so now."""
        return self.since is not None and self.until is None

    @property
    def over(self) -> bool:
        """It was so once."""
        return self.until is not None

    def set(self, on: bool, now: float) -> None:
        """Make it so, or no longer so."""
        if on and not self.on:
            self.since, self.until = now, None
        elif not on and self.on:
            self.until = now


class KeyClock:
    """The time by which keys wait for caches, for a drill to stop while it shows what is too early.

    Stopped, it lags, so that the lab believes caches to be older than they are and refuses more than it must, never less.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stops = False
        self._stopped: float | None = None

    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock() if self._stopped is None else self._stopped

    def stop(self) -> None:
        """Stand still from the next change on, so that whatever is next tried comes right after it."""
        self._stops, self._stopped = True, None

    def go(self) -> None:
        """Tell the time again."""
        self._stops, self._stopped = False, None

    def changed(self, now: float) -> None:
        """At this time something about a key was changed."""
        if self._stops and self._stopped is None:
            self._stopped = now


@dataclass
class ManagedKey:
    """One key of a zone and where it stands."""

    label: str
    role: Role
    key: Key
    in_zone: Span = field(default_factory=Span)
    signs: Span = field(default_factory=Span)
    at_parent: Span = field(default_factory=Span)

    @property
    def revoked(self) -> bool:
        """Whether the REVOKE bit is set."""
        return bool(self.key.dnskey.flags & REVOKE_FLAG)


@dataclass
class KeyRing:
    """The keys of one zone. TTLs in seconds: `ttl` of the DNSKEY RRset, `ds_ttl` of the DS, `data_ttl` of all else."""

    origin: Name
    has_parent: bool
    ttl: int
    ds_ttl: int
    data_ttl: int
    make: Callable[[Role], tuple[str, Key]]
    """A new key pair of that role, with its label."""
    keys: dict[str, ManagedKey] = field(default_factory=dict)
    validity_s: int | None = None
    """How long signatures over the DNSKEY RRset hold; None: as all the others."""
    _former_ttl: int = 0
    _ttl_changed: float = LONG_AGO

    # -- what follows from the facts -------------------------------------------------------------------------------

    def state(self, key: ManagedKey, now: float) -> State:
        """Where a key stands (RFC 7583 §3.1)."""
        if key.revoked and key.in_zone.on:
            return State.REVOKED
        if not key.in_zone.on and not key.at_parent.on:
            gone = key.in_zone.over or key.at_parent.over
            return State.REMOVED if gone else State.GENERATED
        # A KSK needs two things to be Active, in either order; a ZSK, or a KSK without a parent, publication and signing.
        first, second = (key.in_zone, key.at_parent) if self._has_ds(key) else (key.in_zone, key.signs)
        if first.on and second.on:
            return State.ACTIVE
        if not first.on:
            first, second = second, first  # double-DS: the DS comes first
        if second.over:
            return State.DEAD if now >= self._forgotten(key, second) else State.RETIRED
        return State.READY if now >= self._known(key, first) else State.PUBLISHED

    def settles_in(self, key: ManagedKey, now: float) -> float | None:
        """Seconds until a key that waits for caches becomes Ready or Dead; None when it does not wait."""
        match self.state(key, now):
            case State.PUBLISHED:
                return self._known(key, key.in_zone if key.in_zone.on else key.at_parent) - now
            case State.RETIRED:
                other = key.at_parent if self._has_ds(key) else key.signs
                return self._forgotten(key, other if key.in_zone.on else key.in_zone) - now
        return None

    def _has_ds(self, key: ManagedKey) -> bool:
        return key.role is Role.KSK and self.has_parent

    def _known(self, key: ManagedKey, span: Span) -> float:
        """When no cache holds an RRset from before `span` began (RFC 7583: Ipub)."""
        since = span.since if span.since is not None else math.inf
        return self._dnskeys_from(since) if span is key.in_zone else since + self.ds_ttl + PROPAGATION_S

    def _forgotten(self, key: ManagedKey, span: Span) -> float:
        """When no cache holds anything from before `span` ended (RFC 7583: Iret)."""
        until = span.until if span.until is not None else math.inf
        if span is key.in_zone:
            return self._dnskeys_from(until)
        return until + (self.ds_ttl if span is key.at_parent else self.data_ttl) + PROPAGATION_S

    def _dnskeys_from(self, when: float) -> float:
        """When all DNSKEY RRsets in caches are from `when` or later, those with the TTL of before a change included."""
        former = self._ttl_changed + self._former_ttl if self._ttl_changed < when else when + self._former_ttl
        return max(when + self.ttl, former if self._former_ttl else LONG_AGO) + PROPAGATION_S

    def direct(self, plan: Plan) -> None:
        """Tell the signer."""
        keys = self.keys.values()
        plan.published = [k.key.dnskey for k in keys if k.in_zone.on]
        plan.key_signers = [k.key for k in keys if k.role is Role.KSK and k.in_zone.on and k.signs.on]
        plan.zone_signers = [k.key for k in keys if k.role is Role.ZSK and k.signs.on]
        plan.ds_keys = [k.key for k in keys if k.at_parent.on]
        plan.key_ttl = self.ttl
        if self.validity_s is not None:
            plan.key_validity = Validity(plan.validity.inception, plan.now + self.validity_s)

    # -- operations --------------------------------------------------------------------------------------------------

    def add_first(self, role: Role, key: Key, *, linked: bool) -> None:
        """A key that the zone has had all along; `linked`: with its DS at the parent, if that is where a DS goes."""
        first = ManagedKey(role.value, role, key, Span(LONG_AGO), Span(LONG_AGO))
        if linked and self._has_ds(first):
            first.at_parent = Span(LONG_AGO)
        self.keys[first.label] = first

    def key(self, label: str) -> ManagedKey:
        """The key of that label or key tag."""
        for key in self.keys.values():
            if label in (key.label, str(key.key.tag)):
                return key
        raise LabError(f"{self.origin} has no key {label!r}; it has {', '.join(self.keys)}")

    def generate(self, role: Role) -> ManagedKey:
        """A new key, of no use to anybody yet."""
        label, key = self.make(role)
        self.keys[label] = ManagedKey(label, role, key)
        return self.keys[label]

    def publish(self, label: str, now: float) -> None:
        """Put a key into the DNSKEY RRset; with a KSK that has a parent it signs that RRset from now on (double-KSK)."""
        key = self.key(label)
        if key.in_zone.on:
            raise LabError(f"{label} is published already")
        key.in_zone.set(True, now)
        key.signs.set(self._has_ds(key), now)

    def activate(self, label: str, now: float, *, force: bool = False) -> None:
        """Sign with this key, and no longer with others of its role that are not revoked."""
        key = self.key(label)
        if self._has_ds(key):
            raise LabError(f"{label} becomes Active when its DS is at the parent: akashi lab ds {self.origin} {label}")
        if not key.in_zone.on or key.revoked:
            raise LabError(f"{label} is {self.state(key, now).value}; publish it first")
        if key.role is Role.ZSK:
            self._refuse(force, self._known(key, key.in_zone) - now, f"DNSKEY RRsets without {label}")
        for other in self.keys.values():
            if other.role is key.role and not other.revoked:
                other.signs.set(other is key, now)

    def revoke(self, label: str, now: float) -> None:
        """Set the REVOKE bit; the key signs that it is revoked (RFC 5011 §2.1)."""
        key = self.key(label)
        if key.role is not Role.KSK or not key.in_zone.on:
            raise LabError(f"only a published KSK is revoked; {label} is {self.state(key, now).value}")
        if not any(k.signs.on and not k.revoked for k in self.keys.values() if k.role is Role.KSK and k is not key):
            raise LabError(f"no other KSK signs; activate one before {label} is revoked")
        key.key = key.key.with_fields(flags=key.key.dnskey.flags | REVOKE_FLAG)
        key.signs.set(True, now)

    def remove(self, label: str, now: float, *, force: bool = False) -> None:
        """Take a key out of the DNSKEY RRset."""
        key = self.key(label)
        if not key.in_zone.on:
            raise LabError(f"{label} is not in the zone; it is {self.state(key, now).value}")
        if key.role is Role.ZSK:
            if key.signs.on:
                raise LabError(f"{label} signs the zone; activate another ZSK first")
            if key.signs.over:
                self._refuse(force, self._forgotten(key, key.signs) - now, f"signatures by {label}")
        elif self.has_parent:
            rest = [k for k in self.keys.values() if k is not key and k.in_zone.on and k.at_parent.on]
            self._refuse(force, self._ds_wait(rest, now), f"a DS RRset that only {label} matches")
        elif not key.revoked and key.signs.on and not force:
            raise LabError(f"{label} signs the DNSKEY RRset; activate another KSK first")
        key.in_zone.set(False, now)
        key.signs.set(False, now)

    def abandon(self, now: float) -> None:
        """The zone is no longer signed; what the parent has stays."""
        for key in self.keys.values():
            key.in_zone.set(False, now)
            key.signs.set(False, now)

    def set_ds(self, labels: Iterable[str], now: float, *, force: bool = False) -> None:
        """The parent publishes the DS of these keys and no others; none at all makes the zone insecure."""
        if not self.has_parent:
            raise LabError("the root has no parent")
        wanted = [self.key(label) for label in labels]
        if any(key.role is not Role.KSK for key in wanted):
            raise LabError("a DS names a KSK")
        if wanted:
            # At least one of them has to be in each DNSKEY RRset that a resolver may have.
            waits = [self._known(key, key.in_zone) - now for key in wanted if key.in_zone.on]
            self._refuse(force, min(waits, default=math.inf), "DNSKEY RRsets without these keys")
        for key in self.keys.values():
            key.at_parent.set(key in wanted, now)

    def set_policy(self, now: float, *, ttl: int | None, validity_s: int | None) -> None:
        """TTL of the DNSKEY RRset, validity of its signatures (0: as usual); the guideline's 3.5.3.1, steps 1, 2 and 5."""
        if ttl is not None and ttl != self.ttl:
            self._former_ttl, self._ttl_changed, self.ttl = self.ttl, now, ttl
        if validity_s is not None:
            self.validity_s = validity_s or None

    def _ds_wait(self, rest: list[ManagedKey], now: float) -> float:
        """Seconds until each DS RRset in a cache is empty or names one of the keys `rest`."""
        if rest:
            return min(self._known(key, key.at_parent) for key in rest) - now
        if any(key.at_parent.on for key in self.keys.values()):
            return math.inf
        return max(self._forgotten(k, k.at_parent) for k in self.keys.values() if k.at_parent.over) - now

    def _refuse(self, force: bool, wait_s: float, what: str) -> None:
        if force or wait_s <= 0:
            return
        if math.isinf(wait_s):
            raise LabError(f"that leaves {what}: the chain of trust would break (--force does it all the same)")
        raise LabError(f"caches may hold {what} for {wait_s:.1f} s yet; wait, or use --force")
