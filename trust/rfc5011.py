"""Trust anchors that follow their zone's rollovers: the states of RFC 5011, as a table, and what moves a key through them.

Theory: a `PointState` is all that is known of one trust point: a `KeyState` for each key, and when to look again.
`observe` takes the zone's DNSKEY RRset with its signatures, derives one event for each key by the rules of §2 and §4.1, and
moves the keys through `TABLE`. `missed` says that no RRset could be had. Both return a new state and the transitions made;
whoever calls keeps the state and publishes `trust_point(state)`.

What makes a key trusted, and nothing else does: the operator's word (configured or imported), or having been in every
DNSKEY RRset seen that a trusted key signs, for the whole hold-down time. Time is an argument, seconds since 1970.

Where we are stricter than the RFC, always towards less trust:

* sightings of a pending key that are further apart than `Timers.longest_gap_s`, or go backwards in time, start its
  hold-down anew: a resolver switched off for months, or whose clock jumped, has not seen the key for the whole time;
* a trust point without a trusted key left, and none above it, is not deleted (§5), which would make everything below it
  insecure: it stays, and nothing validates until the operator acts;
* removed keys are remembered, lest a configuration that still names one bring it back.

Limitations: a key with an algorithm that is not supported here is never taken up; a zone that rolls to one ends bogus, not
insecure. Subordinate trust points are not deleted after 180 days (§5: MAY).

RFC 5011 (sections named where they apply), RFC 6840 §5.11, RFC 9718 §1 (digests as anchors).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from trust.algorithms import PROTOCOL, REVOKED, Key, load_public_key
from trust.delegation import Problem, keys_by_anchor, usable_ds
from trust.policy import Budget, Policy
from trust.reason import Reason
from trust.rfc5011_state import KeyState, Origin, PointState, Timers, Transition, plain_form, trust_point
from trust.rfc5011_table import Event, State, next_state
from trust.signature import KeySet, SignatureResult, self_signed, time_text, verify_exact
from wire import types as t
from wire.limits import KEYS_PER_ZONE, REMOVED_KEYS, TRUST_KEYS
from wire.rrset import RRset
from wire.text import name_to_text

__all__ = [
    "Event",
    "KeyState",
    "Observation",
    "Origin",
    "PointState",
    "State",
    "Timers",
    "Transition",
    "missed",
    "observe",
    "trust_point",
]

SEP: Final = 0x0001
"""Flag of a DNSKEY: a key-signing key (RFC 4034 §2.1.1). RFC 5011 follows no other keys."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of looking at an RRset.

    `ok`: a trust anchor signs it; else `reason` and `text` say what is wrong. Even then a revocation may be among the
    transitions. `ignored`: keys in it that were not taken up, each with why.
    """

    point: PointState
    transitions: tuple[Transition, ...]
    ok: bool
    reason: Reason = Reason.VALID
    text: str = ""
    ignored: tuple[str, ...] = field(default=())


def observe(point: PointState, rrset: RRset, now_wall: float, policy: Policy, timers: Timers | None = None) -> Observation:
    """Look at the DNSKEY RRset of a trust point, as received: nothing about it needs to be validated yet."""
    return _Look(point, rrset, now_wall, policy, timers or Timers()).result()


def missed(point: PointState, now_wall: float, text: str, timers: Timers | None = None) -> PointState:
    """The state after a refresh that brought no RRset (§2.3: "If the query fails, the resolver MUST repeat the query")."""
    retry_s = (timers or Timers()).retry_s(point.original_ttl, point.expire_s)
    return replace(point, last_attempt=now_wall, next_refresh=now_wall + retry_s, failures=point.failures + 1, error=text)


class _Look:
    """One observation in the making."""

    def __init__(self, point: PointState, rrset: RRset, now: float, policy: Policy, timers: Timers) -> None:
        self.point = point
        self.rrset = rrset
        self.now = now
        self.policy = policy
        self.timers = timers
        self.budget = Budget()
        self.transitions: list[Transition] = []
        self.ignored: list[str] = []
        self.plain = {rdata for rdata in rrset.rdatas if not rdata[1] & REVOKED}
        self.revoked = {plain_form(rdata): rdata for rdata in rrset.rdatas if rdata[1] & REVOKED}

    def result(self) -> Observation:
        """The rules of §2 in their order: revocation, which is immediate; then validation; then everything else."""
        point, rrset = self.point, self.rrset
        if rrset.name != point.name or rrset.rtype != t.DNSKEY or rrset.rclass != t.IN or not rrset.rdatas:
            return self._failed(point.keys, Reason.DNSKEY_MISSING, f"no DNSKEY of {name_to_text(point.name)}")
        keys = tuple(self._revocation(key) for key in self._identified(point.keys))
        holders = self._holders(keys)
        if not holders:
            problem = self._problem(replace(point, keys=keys))
            return self._failed(keys if self.transitions else point.keys, problem.reason, problem.text)
        ttl = max(result.rrsig.original_ttl for result in holders.values() if result.rrsig)
        expire_s = min(result.valid_s for result in holders.values())
        kept = [moved for key in keys if (moved := self._moved(key, tuple(holders), keys, ttl)) is not None]
        kept += self._new_keys(kept, tuple(holders), ttl)
        after = PointState(
            point.name,
            tuple(_bounded(kept)),
            last_success=self.now,
            last_attempt=self.now,
            next_refresh=self.now + self.timers.refresh_s(ttl, expire_s),
            original_ttl=ttl,
            expire_s=expire_s,
        )
        return Observation(after, tuple(self.transitions), True, ignored=tuple(self.ignored))

    # --- whose signatures hold ------------------------------------------------------------------------------------

    def _identified(self, keys: Sequence[KeyState]) -> list[KeyState]:
        """Keys known only by digests, with the DNSKEY that those are of, when it is in the RRset (revoked or not)."""
        out = [key for key in keys if key.dnskey]
        candidates = [Key(rdata) for rdata in (*self.plain, *self.revoked)]
        for key in keys:
            if key.dnskey:
                continue
            found = next((c.rdata for c in candidates if self._is_of(c, key)), b"")
            twin = next((other for other in out if found and other.dnskey == found), None)
            if twin is None:
                out.append(replace(key, dnskey=found))
            else:  # two digests of one key, or a digest beside the key itself
                out[out.index(twin)] = replace(twin, ds=tuple(dict.fromkeys(twin.ds + key.ds)))
        return out

    def _is_of(self, candidate: Key, key: KeyState) -> bool:
        usable, _ = usable_ds(key.ds, self.policy)
        return any(candidate.matches_ds(self.point.name, ds) for ds in usable)

    def _revocation(self, key: KeyState) -> KeyState:
        """§2.1: "The key is considered revoked when the resolver sees the key in a self-signed RRSet and the key has the
        REVOKE bit set to '1'"; "revocation is immediate and permanent".
        """
        if not key.trusted or key.dnskey not in self.revoked:
            return key
        form = Key(self.revoked[key.dnskey])
        if not self_signed(self.rrset, form, self.now, self.policy, self.budget).ok:
            return key
        why = f"it signs the DNSKEY RRset in which it is revoked (as key {form.tag})"
        return replace(self._step(key, Event.REV_BIT, why), last_seen=self.now)

    def _holders(self, keys: Sequence[KeyState]) -> dict[bytes, SignatureResult]:
        """The trusted keys whose signature over the RRset holds, each with what came of verifying it."""
        holders: dict[bytes, SignatureResult] = {}
        for key in keys:
            if key.trusted and key.dnskey in self.plain:
                one = KeySet(self.point.name, [Key(key.dnskey)])
                result = verify_exact(self.rrset, one, self.point.name, self.now, self.policy, self.budget)
                if result.ok:
                    holders[key.dnskey] = result
        return holders

    def _problem(self, point: PointState) -> Problem:
        """Why no trust anchor's signature holds, in the words of validation."""
        anchors = trust_point(point)
        assert anchors is not None
        ds, _ = usable_ds(anchors.ds, self.policy)
        check = keys_by_anchor(self.rrset, anchors, ds, self.now, self.policy, Budget(), None)
        if isinstance(check, Problem):
            return check
        return Problem(Reason.BOGUS, f"no trust anchor signs the DNSKEY of {name_to_text(point.name)}")

    def _failed(self, keys: Sequence[KeyState], reason: Reason, text: str) -> Observation:
        after = missed(replace(self.point, keys=tuple(keys)), self.now, text, self.timers)
        return Observation(after, tuple(self.transitions), False, reason, text)

    # --- events ---------------------------------------------------------------------------------------------------

    def _moved(self, key: KeyState, holders: tuple[bytes, ...], keys: Sequence[KeyState], ttl: int) -> KeyState | None:
        """A key after this validated RRset; None: nothing is known of it any more (Start)."""
        present = key.dnskey in self.plain
        match key.state:
            case State.ADD_PEND:
                return self._pending(key, present, holders, keys, ttl)
            case State.VALID if not present:
                return self._step(key, Event.KEY_REM, "it is not in the DNSKEY RRset")
            case State.MISSING if present:
                return self._seen(self._step(key, Event.KEY_PRES, "it is in the DNSKEY RRset again"))
            case State.VALID:
                return self._seen(key)
            case State.REVOKED:
                return self._leaving(key, present)
        return key

    def _pending(
        self, key: KeyState, present: bool, holders: tuple[bytes, ...], keys: Sequence[KeyState], ttl: int
    ) -> KeyState | None:
        """§2.2, for a key in its hold-down."""
        assert key.first_seen is not None and key.last_seen is not None
        # "If the resolver ever sees the DNSKEY RRSet without the new key but validly signed, it stops the acceptance
        # process for that key and resets the acceptance timer."
        if not present:
            self._step(key, Event.KEY_REM, "it is not in the DNSKEY RRset")
            return None
        # "If all of the keys that were originally used to validate this key are revoked prior to the timer expiring, the
        # resolver stops the acceptance process and resets the timer."
        trusted = {other.dnskey for other in keys if other.trusted}
        if trusted.isdisjoint(key.validators):
            return self._anew(key, "no key that it was validated with is trusted any more", holders, ttl)
        gap = self.now - key.last_seen
        if gap > self.timers.longest_gap_s:
            return self._anew(key, f"it was last seen at {time_text(key.last_seen)}, too long ago", holders, ttl)
        if gap < -self.timers.backwards_s:
            return self._anew(key, f"it was seen at {time_text(key.last_seen)}: the clock was set back", holders, ttl)
        # "Once the timer expires, the new key will be added as a trust anchor the next time the validated RRSet with the
        # new key is seen at the resolver."
        if self.now - key.first_seen >= key.hold_s:
            accepted = self._step(key, Event.ADD_TIME, f"in every validated RRset since {time_text(key.first_seen)}")
            return self._seen(replace(accepted, hold_s=0.0, validators=()))
        return self._seen(key)

    def _anew(self, key: KeyState, why: str, holders: tuple[bytes, ...], ttl: int) -> KeyState:
        """Stop a key's acceptance and begin another."""
        self._step(key, Event.KEY_REM, why)
        return self._begin(key.dnskey, holders, ttl)

    def _leaving(self, key: KeyState, present: bool) -> KeyState:
        """§4.1 RemTime: "A revoked key has been missing from the trust-point DNSKEY RRSet for sufficient time"."""
        if present or key.dnskey in self.revoked:
            return replace(key, last_seen=self.now)
        # A clock that is set back must not stretch this for years, nor one that is ahead end it unseen: time counts from
        # the last sighting, and only with a validated RRset at hand.
        seen = min(self.now, key.since if key.last_seen is None else key.last_seen)
        if self.now - seen >= self.timers.remove_hold_down_s:
            return self._step(key, Event.REM_TIME, f"not in the DNSKEY RRset since {time_text(seen)}")
        return key if key.last_seen == seen else replace(key, last_seen=seen)

    def _new_keys(self, known: Sequence[KeyState], holders: tuple[bytes, ...], ttl: int) -> Iterator[KeyState]:
        """§4.1 NewKey: "The resolver sees a valid DNSKEY RRSet with a new SEP key"."""
        have = {key.dnskey for key in known}
        room = TRUST_KEYS.value - sum(key.state is not State.REMOVED for key in known)
        for rdata in self.rrset.rdatas[: KEYS_PER_ZONE.value]:
            key = Key(rdata)
            if not key.flags & SEP or key.revoked or rdata in have:
                continue
            have.add(rdata)
            why = self._unfit(key)
            if not why and room <= 0:
                why = f"limit {TRUST_KEYS.label} of {TRUST_KEYS.value} reached"
            if why:
                self.ignored.append(f"key {key.tag} (algorithm {key.algorithm}): {why}")
                continue
            room -= 1
            yield self._begin(rdata, holders, ttl)

    def _unfit(self, key: Key) -> str:
        """Why a key could never be a trust anchor; "" when it could."""
        if not key.zone_key or key.protocol != PROTOCOL:
            return "not a zone key"
        if key.algorithm not in self.policy.algorithms:
            return "algorithm not supported"
        return "" if load_public_key(key.algorithm, key.rdata[4:]) is not None else "malformed public key"

    def _begin(self, dnskey: bytes, holders: tuple[bytes, ...], ttl: int) -> KeyState:
        hold_s = self.timers.hold_s(ttl)
        key = KeyState(
            State.START, self.now, dnskey, first_seen=self.now, last_seen=self.now, hold_s=hold_s, validators=holders
        )
        return self._step(key, Event.NEW_KEY, f"hold-down until {time_text(self.now + hold_s)}")

    # --- steps ----------------------------------------------------------------------------------------------------

    def _step(self, key: KeyState, event: Event, why: str) -> KeyState:
        """Move a key through the table and write it down."""
        new = next_state(key.state, event)
        self.transitions.append(Transition(self.point.name, key.tag, key.algorithm, key.state, new, event, self.now, why))
        return replace(key, state=new, since=self.now)

    def _seen(self, key: KeyState) -> KeyState:
        first = self.now if key.first_seen is None else key.first_seen
        return replace(key, first_seen=first, last_seen=self.now)


def _bounded(keys: list[KeyState]) -> list[KeyState]:
    """Without the oldest removed keys, when there are too many. Those that the configuration names stay."""
    removed = [key for key in keys if key.state is State.REMOVED and key.origin is Origin.LEARNED]
    surplus = sorted(removed, key=lambda key: key.since)[: max(0, len(removed) - REMOVED_KEYS)]
    return [key for key in keys if key not in surplus]
