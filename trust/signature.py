"""One RRset and its signatures: does one of them hold?

Theory: a zone's keys are gathered in a `KeySet` once. For each RRSIG the rules of RFC 4035 §5.3.1 are looked at in the
order of their cost; only what passes them is verified, which is where the time goes. The first signature that holds
decides; when none does, the most telling failure is reported, so that an expired signature is called that even when a
signature by a key long gone stands beside it.

Bounds (KeyTrap, CVE-2023-50387): signatures looked at, keys tried per tag, failures per set, verifications per resolution.

Limitations: whoever asks must see to it that the wildcard's proof follows (RFC 4035 §5.3.4) when `closest_encloser` is set.

RFC 4034 §3.1.5, §3.1.8.1, §6; RFC 4035 §5.3; RFC 6840 §5.1, §5.11; RFC 1982 (serial numbers); RFC 5011 §2.1 (revocation).
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from trust.algorithms import Key, mark
from trust.policy import Budget, Policy, limit_text
from trust.reason import Reason
from wire import types as t
from wire.limits import KEYS_PER_TAG, RRSIGS_PER_RRSET, SIG_FAILURES, Limit
from wire.name import Name, count_labels, is_subdomain, is_wildcard, suffix, wildcard
from wire.rdata import Rrsig
from wire.rrset import RRset
from wire.text import name_to_text, type_to_text

_RR_HEAD: Final = struct.Struct("!HHI")
TIMELESS_LEFT: Final = 60
"""Seconds that a signature counts as valid yet when times do not count (`Policy.timeless`)."""
_REPEATED: Final = frozenset((t.SOA, t.NSEC, t.NSEC3))
"""Types whose very records come again with other answers: what the key verified of them it need not verify twice."""
_VALID: Final = Reason.VALID  # a member of an enum takes the compiled core two look-ups, a constant none
_MISSING: Final = Reason.RRSIG_MISSING
_HALF: Final = 1 << 31
_MASK: Final = (1 << 32) - 1


class KeySet:
    """The keys of one zone, by tag and algorithm.

    Attributes:
        zone: the zone whose keys they are; `keys`: all of them, usable or not, in the order received.
    """

    __slots__ = ("_usable", "keys", "zone")

    def __init__(self, zone: Name, keys: Sequence[Key], *, even_revoked: bool = False) -> None:
        """`even_revoked`: revoked keys count too; only for `self_signed`."""
        self.zone = zone
        self.keys = keys
        self._usable: dict[int, list[Key]] = {}
        for key in keys:
            if key.usable or (even_revoked and key.revoked and key.zone_key):
                self._usable.setdefault(key.tag << 8 | key.algorithm, []).append(key)

    @classmethod
    def of(cls, rrset: RRset) -> "KeySet":
        """The keys of a DNSKEY RRset."""
        return cls(rrset.name, [Key(rdata) for rdata in rrset.rdatas])

    def find(self, tag: int, algorithm: int) -> list[Key]:
        """The keys that a signature with this tag and algorithm may be by; empty when there is none."""
        return self._usable.get(tag << 8 | algorithm, _NO_KEYS)


_NO_KEYS: Final[list[Key]] = []


class SignatureResult:
    """What came of verifying one RRset.

    Attributes:
        ok: whether a signature holds; `rrsig`, `key`: which, by which key (on failure: the most telling signature, if any).
        reason, text: on failure why, in one sentence; VALID and "" otherwise.
        closest_encloser: when the set was expanded from a wildcard, the name below which (RFC 4035 §5.3.4); else None.
        ttl_cap_s: seconds the set may be kept (RFC 4035 §5.3.3): least of TTL, original TTL and what is left of the
            signature's validity; `valid_s`: that last alone.
    """

    __slots__ = ("_rrsig", "closest_encloser", "key", "ok", "reason", "text", "ttl_cap_s", "valid_s")

    def __init__(
        self,
        ok: bool,
        reason: Reason,
        text: str = "",
        rrsig: Rrsig | bytes | None = None,
        key: Key | None = None,
        closest_encloser: Name | None = None,
        ttl_cap_s: int = 0,
        valid_s: int = 0,
    ) -> None:
        self.ok = ok
        self.reason = reason
        self.text = text
        # Results are remembered with what they are of, by the million: so only the octets, which the set has too.
        self._rrsig: bytes | None = rrsig.rdata if isinstance(rrsig, Rrsig) else rrsig
        self.key = key
        self.closest_encloser = closest_encloser
        self.ttl_cap_s = ttl_cap_s
        self.valid_s = valid_s

    @property
    def rrsig(self) -> Rrsig | None:
        """The signature meant, taken apart anew."""
        return None if self._rrsig is None else Rrsig(self._rrsig)

    @property
    def rrsig_rdata(self) -> bytes:
        """Its RDATA; empty when there is none."""
        return self._rrsig or b""

    def __repr__(self) -> str:
        return f"SignatureResult({self.ok}, {self.reason.name}, {self.text!r})"


def verify_rrset(
    rrset: RRset,
    keys: KeySet,
    zone: Name,
    now_wall: float,
    policy: Policy,
    budget: Budget,
    sigs: list[Rrsig] | None = None,
) -> SignatureResult:
    """Whether a signature by one of the keys of `zone` holds for `rrset` at `now_wall` (seconds since 1970).

    `sigs`: the set's signatures, when the caller has taken them apart already. RFC 6840 §5.11: one that holds suffices,
    whatever other algorithms the zone uses.
    """
    if sigs is None:
        sigs = parse_signatures(rrset)
    owner = rrset.name
    owner_labels = count_labels(owner) - is_wildcard(owner)  # RFC 4034 §3.1.3: neither the root nor a leading `*`
    now = int(now_wall)
    repeats = rrset.rtype in _REPEATED
    failure = _Failure(rrset, zone, now)
    failed = 0
    algorithms = policy.algorithms
    for place, sig in enumerate(sigs):
        if place >= RRSIGS_PER_RRSET.value and place >= budget.ceiling(RRSIGS_PER_RRSET, place + 1):
            return failure.limit(RRSIGS_PER_RRSET)
        if sig.algorithm not in algorithms:
            failure.note(_RANK_UNSUPPORTED, Reason.SIGNATURE_UNSUPPORTED, sig)
            continue
        broken = _broken_rule(rrset, owner_labels, sig, zone)
        if broken:
            failure.note(_RANK_MALFORMED, Reason.RRSIG_MALFORMED, sig, broken)
            continue
        candidates = keys.find(sig.key_tag, sig.algorithm)
        untimely = _untimely(sig, sig.inception if policy.timeless else now)
        if untimely is not None:
            failure.note(_RANK_TIME if candidates else _RANK_TIME_NO_KEY, untimely, sig)
            continue
        if not candidates:
            _note_no_key(failure, keys, sig)
            continue
        expanded = sig.labels < owner_labels
        encloser = suffix(owner, sig.labels) if expanded else None
        data = signed_data(rrset, sig, owner if encloser is None else wildcard(encloser))
        marked = mark(sig.signature, data) if repeats else b""
        for tried, key in enumerate(candidates):
            if tried >= KEYS_PER_TAG.value and tried >= budget.ceiling(KEYS_PER_TAG, tried + 1):
                return failure.limit(KEYS_PER_TAG)
            if failed >= SIG_FAILURES.value and failed >= budget.ceiling(SIG_FAILURES, failed + 1):
                return failure.limit(SIG_FAILURES)
            held = repeats and key.holds(marked)
            if not held and not budget.take_verification():
                assert budget.hit is not None
                return failure.limit(budget.hit)
            if held or key.verifies(sig.signature, data):
                if repeats and not held:
                    key.hold(marked)
                left = TIMELESS_LEFT if policy.timeless else _difference(sig.expiration, now)
                ttl_cap_s = min(min(rrset.ttl, sig.original_ttl), left)
                return SignatureResult(True, _VALID, "", sig, key, encloser, ttl_cap_s, left)
            failed += 1
        failure.note(_RANK_INVALID, Reason.SIGNATURE_INVALID, sig)
    return failure.result()


def verify_exact(
    rrset: RRset,
    keys: KeySet,
    zone: Name,
    now_wall: float,
    policy: Policy,
    budget: Budget,
    sigs: list[Rrsig] | None = None,
) -> SignatureResult:
    """As `verify_rrset`, for sets that never come from a wildcard: SOA, DNSKEY, DS, NSEC, NSEC3.

    An NSEC at `*.example`, replayed under another owner as if expanded, would deny what exists (CVE-2017-15105).
    """
    result = verify_rrset(rrset, keys, zone, now_wall, policy, budget, sigs)
    if result.closest_encloser is None:
        return result
    text = f"{_describe(rrset)} is expanded from a wildcard, which this type may not be"
    return SignatureResult(False, Reason.RRSIG_MALFORMED, text, result.rrsig, result.key)


def self_signed(rrset: RRset, key: Key, now_wall: float, policy: Policy, budget: Budget) -> SignatureResult:
    """Whether `key`, revoked or not, signs the DNSKEY RRset that it is in: the only thing that a revoked key may verify
    (RFC 5011 §2.1).
    """
    if rrset.rtype != t.DNSKEY or key.rdata not in rrset.rdatas:
        return SignatureResult(False, Reason.SIGNING_KEY_MISSING, f"key {key.tag} is not in {_describe(rrset)}")
    return verify_exact(rrset, KeySet(rrset.name, [key], even_revoked=True), rrset.name, now_wall, policy, budget)


def parse_signatures(rrset: RRset) -> list[Rrsig]:
    """The set's signatures taken apart: one more than is ever looked at, so that it shows when there are too many."""
    if len(rrset.sigs) == 1:
        return [Rrsig(rrset.sigs[0])]
    return [Rrsig(rdata) for rdata in rrset.sigs[: RRSIGS_PER_RRSET.hard + 1]]


def signed_data(rrset: RRset, sig: Rrsig, owner: Name) -> bytes:
    """What the signature covers (RFC 4034 §3.1.8.1): the RRSIG's RDATA without the signature, then each RR in canonical
    form and order, under `owner` (the wildcard when expanded: RFC 4035 §5.3.2) and the original TTL.
    """
    head = owner + _RR_HEAD.pack(rrset.rtype, rrset.rclass, sig.original_ttl)
    rdatas = rrset.rdatas
    if len(rdatas) == 1:
        rdata = rdatas[0]
        return sig.head + head + len(rdata).to_bytes(2, "big") + rdata
    out = [sig.head]
    for rdata in sorted(set(rdatas)):  # RFC 4034 §6.3: as octet strings, duplicates removed
        out += (head, len(rdata).to_bytes(2, "big"), rdata)
    return b"".join(out)


def _broken_rule(rrset: RRset, owner_labels: int, sig: Rrsig, zone: Name) -> str:
    """The first rule of RFC 4035 §5.3.1 that the signature breaks, in words; "" when it keeps all. Times and keys apart."""
    # "The RRSIG RR and the RRset MUST have the same owner name and the same class." The reader files signatures so; the
    # keys are those of a zone in class IN.
    if rrset.rclass != t.IN:
        return "class is not IN"
    # A set without records, of which only signatures came, is no RRset.
    if not rrset.rdatas:
        return "no records beside the signature"
    # "The RRSIG RR's Signer's Name field MUST be the name of the zone that contains the RRset."
    if sig.signer != zone:
        return f"signer's name {name_to_text(sig.signer)} is not the zone {name_to_text(zone)}"
    if not is_subdomain(rrset.name, zone):
        return f"owner is not in the zone {name_to_text(zone)}"
    # RFC 4035 §2.4, RFC 3658 §2.2.1.2: the DS at a cut is in the parent's zone, so the zone's own keys never sign its own.
    if rrset.rtype == t.DS and rrset.name == zone:
        return "DS is signed by the zone that it is for"
    # "The RRSIG RR's Type Covered field MUST equal the RRset's type."
    if sig.covered != rrset.rtype:
        return f"signature covers {type_to_text(sig.covered)}"
    # "The number of labels in the RRset owner name MUST be greater than or equal to the value in the RRSIG RR's Labels
    # field."
    if sig.labels > owner_labels:
        return f"labels field {sig.labels} exceeds the owner's {owner_labels}"
    # A wildcard lies in the zone, so its name is never shorter than the signer's (CVE-2026-11721).
    if sig.labels < owner_labels and sig.labels < count_labels(zone):
        return f"labels field {sig.labels} is less than the signer's {count_labels(zone)}"
    return ""


def _untimely(sig: Rrsig, now: int) -> Reason | None:
    """RFC 4035 §5.3.1: now lies between inception and expiration, both included. RFC 4034 §3.1.5: as serial numbers.

    Bit 31 of a difference tells whether `_difference` would be negative.
    """
    if sig.expiration - sig.inception & _HALF:
        return Reason.SIGNATURE_EXPIRED_BEFORE_VALID
    # "The validator's notion of the current time MUST be less than or equal to the time listed in the Expiration field."
    if sig.expiration - now & _HALF:
        return Reason.SIGNATURE_EXPIRED
    # "The validator's notion of the current time MUST be greater than or equal to the time listed in the Inception field."
    if now - sig.inception & _HALF:
        return Reason.SIGNATURE_NOT_YET_VALID
    return None


def in_time(sig: Rrsig, wall: float) -> bool:
    """Whether the signature is within its validity period."""
    return _untimely(sig, int(wall)) is None


def _difference(left: int, right: int) -> int:
    """left - right of 32-bit serial numbers (RFC 1982 §3.2), -2^31 … 2^31 - 1. The distance 2^31, which RFC 1982 leaves
    undefined, comes out negative: never in a signature's favour.
    """
    return ((left - right + _HALF) & _MASK) - _HALF


def _note_no_key(failure: "_Failure", keys: KeySet, sig: Rrsig) -> None:
    """No usable key has the signature's tag and algorithm: tell why."""
    # "The RRSIG RR's Signer's Name, Algorithm, and Key Tag fields MUST match … some DNSKEY RR in the zone's apex DNSKEY
    # RRset", which "MUST have the Zone Flag bit set". Clearing that bit changes the tag: look at both.
    for key in keys.keys:
        if key.algorithm != sig.algorithm:
            continue
        if not key.zone_key and sig.key_tag in (key.tag, key.with_zone_key_bit().tag):
            failure.note(_RANK_ZONE_BIT, Reason.NO_ZONE_KEY_BIT, sig)
            return
        if key.revoked and key.tag == sig.key_tag:
            failure.note(_RANK_NO_KEY, Reason.SIGNING_KEY_MISSING, sig, f"key {sig.key_tag} is revoked")
            return
    failure.note(_RANK_NO_KEY, Reason.SIGNING_KEY_MISSING, sig)


# How telling a failure is. A signature that was tried says more than one that could not be.
_RANK_UNSUPPORTED: Final = 1
_RANK_MALFORMED: Final = 2
_RANK_NO_KEY: Final = 3
_RANK_TIME_NO_KEY: Final = 4
_RANK_ZONE_BIT: Final = 5
_RANK_INVALID: Final = 6
_RANK_TIME: Final = 7


class _Failure:
    """The most telling failure so far, put into words only when it is needed."""

    __slots__ = ("detail", "now", "rank", "reason", "rrset", "sig", "zone")

    def __init__(self, rrset: RRset, zone: Name, now: int) -> None:
        self.rrset = rrset
        self.zone = zone
        self.now = now
        self.rank = 0
        self.reason = _MISSING
        self.sig: Rrsig | None = None
        self.detail = ""

    def note(self, rank: int, reason: Reason, sig: Rrsig, detail: str = "") -> None:
        if rank > self.rank:
            self.rank, self.reason, self.sig, self.detail = rank, reason, sig, detail

    def limit(self, limit: Limit) -> SignatureResult:
        text = f"{limit_text(limit)} at {_describe(self.rrset)}"
        return SignatureResult(False, Reason.LIMIT, text, self.sig)

    def result(self) -> SignatureResult:
        return SignatureResult(False, self.reason, self._text(), self.sig)

    def _text(self) -> str:
        what, sig = _describe(self.rrset), self.sig
        if sig is None:
            return f"no signature over {what}"
        by = f"for {what} by key {sig.key_tag}"
        match self.reason:
            case Reason.SIGNATURE_EXPIRED:
                return f"signature expired {self._time(sig.expiration)} {by}"
            case Reason.SIGNATURE_NOT_YET_VALID:
                return f"signature not valid before {self._time(sig.inception)} {by}"
            case Reason.SIGNATURE_EXPIRED_BEFORE_VALID:
                return f"signature expires before its inception {self._time(sig.inception)} {by}"
            case Reason.SIGNATURE_INVALID:
                return f"signature does not verify {by}"
            case Reason.NO_ZONE_KEY_BIT:
                return f"no zone-key bit in key {sig.key_tag}, which signs {what}"
            case Reason.SIGNATURE_UNSUPPORTED:
                return f"unsupported algorithm {sig.algorithm} of the signature {by}"
            case Reason.SIGNING_KEY_MISSING:
                missing = self.detail or f"no key with tag {sig.key_tag} and algorithm {sig.algorithm}"
                return f"{missing} in {name_to_text(self.zone)} for {what}"
        return f"{self.detail}: signature {by}"

    def _time(self, serial: int) -> str:
        """A signature's time as of our era: the instant nearest to now that the 32 bits may mean."""
        return time_text(self.now + _difference(serial, self.now))


def time_text(seconds: float) -> str:
    """Seconds since 1970 as `2026-11-20T00:00:00Z`."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def most_telling(results: Iterable[SignatureResult]) -> SignatureResult | None:
    """Of several failed sets the one to report: the first with the highest place in the order of `_TELLING`."""
    return min((r for r in results if not r.ok), key=lambda r: _TELLING.get(r.reason, len(_TELLING)), default=None)


_TELLING: Final = {
    reason: place
    for place, reason in enumerate(
        (
            Reason.LIMIT,
            Reason.SIGNATURE_EXPIRED_BEFORE_VALID,
            Reason.SIGNATURE_EXPIRED,
            Reason.SIGNATURE_NOT_YET_VALID,
            Reason.SIGNATURE_INVALID,
            Reason.NO_ZONE_KEY_BIT,
            Reason.SIGNING_KEY_MISSING,
            Reason.RRSIG_MALFORMED,
            Reason.SIGNATURE_UNSUPPORTED,
            Reason.RRSIG_MISSING,
        )
    )
}


def _describe(rrset: RRset) -> str:
    return f"{name_to_text(rrset.name)}/{type_to_text(rrset.rtype)}"
