"""From DS or trust anchor to keys: which DS records count, which keys they match, and whether those sign the DNSKEY RRset.

Pure judgement on records at hand; `trust.chain` fetches them.

RFC 4035 §5.2; RFC 4509 §3 (SHA-1 beside SHA-2); RFC 6840 §5.11 (any one path); RFC 5011 §2.1; RFC 9905.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from trust.algorithms import Key
from trust.anchors import TrustPoint
from trust.policy import SHA1, Budget, Policy, limit_text
from trust.reason import Reason
from trust.signature import KeySet, SignatureResult, parse_signatures, verify_exact
from trust.vocabulary import Address, Note
from wire.limits import DS_PER_ZONE, KEYS_PER_TAG, KEYS_PER_ZONE, Limit
from wire.name import Name
from wire.rrset import RRset
from wire.text import name_to_text

_TAGS_SHOWN: Final = 4


class Problem:
    """Why a link of the chain does not hold.

    Attributes:
        reason, text, notes: as in a verdict.
        server: who gave the bad data; None when nobody did.
        dnskey, signature: the DNSKEY RRset that was judged and its result, as evidence.
        lasting: whether it says something about the zone, and not only about this resolution (its limits, its cycles).
        unsigned: nothing was signed: perhaps there is a zone cut that was not seen.
        unreachable: no data came at all.
    """

    __slots__ = ("dnskey", "lasting", "notes", "reason", "server", "signature", "text", "unreachable", "unsigned")

    def __init__(
        self,
        reason: Reason,
        text: str,
        server: Address | None = None,
        *,
        notes: tuple[Note, ...] = (),
        dnskey: RRset | None = None,
        signature: SignatureResult | None = None,
        lasting: bool = True,
        unsigned: bool = False,
        unreachable: bool = False,
    ) -> None:
        self.reason = reason
        self.text = text if server is None else f"{text} at {server.ip}"
        self.notes = notes
        self.server = server
        self.dnskey = dnskey
        self.signature = signature
        self.lasting = lasting
        self.unsigned = unsigned
        self.unreachable = unreachable

    def after(self, first: "Problem | None") -> "Problem":
        """What to report when this one ends attempts that began with `first`: `first`, lasting no longer than this."""
        if first is None:
            return self
        first.lasting = first.lasting and self.lasting
        return first

    def __repr__(self) -> str:
        return f"Problem({self.reason.name}, {self.text!r})"


class KeyCheck:
    """A DNSKEY RRset that holds: all its keys, and the signature that holds for it."""

    __slots__ = ("keys", "signature")

    def __init__(self, keys: KeySet, signature: SignatureResult) -> None:
        self.keys = keys
        self.signature = signature


def usable_ds(rdatas: Sequence[bytes], policy: Policy) -> tuple[list[bytes], Reason]:
    """The DS records that count under the policy, and the reason for "insecure" when there is none.

    RFC 4035 §5.2: "If the validator does not support any of the algorithms listed in an authenticated DS RRset, then the
    resolver has no supported authentication path": the zone is as unsigned.
    """
    algorithms, digests = policy.algorithms, policy.digests
    known = [ds for ds in rdatas if ds[2] in algorithms]
    usable = [ds for ds in known if ds[3] in digests]
    # RFC 4509 §3: SHA-1 digests are ignored when there are better ones; else an attacker on SHA-1 could choose them.
    # Deviation: only beside a better one that counts, since an unusable one would leave nothing.
    if any(ds[3] != SHA1 for ds in usable):
        usable = [ds for ds in usable if ds[3] != SHA1]
    return usable, Reason.UNSUPPORTED_DIGEST if known else Reason.UNSUPPORTED_ALGORITHM


def unsupported_text(zone: Name, rdatas: Sequence[bytes], reason: Reason) -> str:
    """The sentence for a zone that is insecure because no DS counts."""
    if reason is Reason.UNSUPPORTED_DIGEST:
        return f"unsupported DS digest {_numbers(ds[3] for ds in rdatas)} of {name_to_text(zone)}"
    return f"unsupported DNSKEY algorithm {_numbers(ds[2] for ds in rdatas)} of {name_to_text(zone)}"


def keys_by_ds(
    dnskey: RRset, ds: Sequence[bytes], now_wall: float, policy: Policy, budget: Budget, server: Address | None
) -> KeyCheck | Problem:
    """Whether the DNSKEY RRset holds under the usable DS records `ds` (RFC 4035 §5.2)."""
    zone = dnskey.name
    most = budget.ceiling(KEYS_PER_ZONE, len(dnskey.rdatas))
    keys = [Key(rdata) for rdata in dnskey.rdatas[:most]]
    matching, over = _match(zone, ds, keys, budget)
    if not matching:
        if over is not None or len(dnskey.rdatas) > most:
            return _over(over or KEYS_PER_ZONE, zone, server, dnskey)
        reason, text = _why_no_match(zone, ds, keys)
        return Problem(reason, text, server, dnskey=dnskey)
    return _check(dnskey, keys, matching, now_wall, policy, budget, server, "which the DS points at")


def keys_by_anchor(
    dnskey: RRset,
    point: TrustPoint,
    ds: Sequence[bytes],
    now_wall: float,
    policy: Policy,
    budget: Budget,
    server: Address | None,
) -> KeyCheck | Problem:
    """Whether the DNSKEY RRset holds under the trust point's anchors; `ds`: those of its DS records that count."""
    zone = dnskey.name
    most = budget.ceiling(KEYS_PER_ZONE, len(dnskey.rdatas))
    keys = [Key(rdata) for rdata in dnskey.rdatas[:most]]
    matching, over = _match(zone, ds, keys, budget)
    matching += [key for key in keys if key.usable and key.rdata in point.dnskeys and key not in matching]
    if not matching:
        if over is not None or len(dnskey.rdatas) > most:
            return _over(over or KEYS_PER_ZONE, zone, server, dnskey)
        wanted = _numbers([anchor[0] << 8 | anchor[1] for anchor in point.ds] + [Key(rdata).tag for rdata in point.dnskeys])
        text = f"no DNSKEY of {name_to_text(zone)} matches a trust anchor (key {wanted})"
        return Problem(Reason.ANCHOR_MISMATCH, text, server, dnskey=dnskey)
    return _check(dnskey, keys, matching, now_wall, policy, budget, server, "which is the trust anchor")


def _check(
    dnskey: RRset,
    keys: list[Key],
    matching: list[Key],
    now_wall: float,
    policy: Policy,
    budget: Budget,
    server: Address | None,
    role: str,
) -> KeyCheck | Problem:
    """Whether one of the `matching` keys signs the DNSKEY RRset."""
    zone = dnskey.name
    sigs = parse_signatures(dnskey)
    result = verify_exact(dnskey, KeySet(zone, matching), zone, now_wall, policy, budget, sigs)
    if result.ok:
        return KeyCheck(KeySet(zone, keys), result)
    reason, text = result.reason, result.text
    by = {(key.tag, key.algorithm) for key in matching}
    if reason is not Reason.LIMIT and not any((sig.key_tag, sig.algorithm) in by for sig in sigs):
        # Signatures by other keys, whatever is wrong with them, are beside the point.
        reason = Reason.RRSIG_MISSING
        text = f"no signature by key {_numbers(tag for tag, _ in by)}, {role}, over {name_to_text(zone)}/DNSKEY"
    return Problem(reason, text, server, dnskey=dnskey, signature=result, lasting=budget.hit is None)


def _match(zone: Name, ds: Sequence[bytes], keys: Sequence[Key], budget: Budget) -> tuple[list[Key], Limit | None]:
    """The usable keys that a DS is of, and the limit that cut the search short, if one did."""
    matching: list[Key] = []
    most = budget.ceiling(DS_PER_ZONE, len(ds))
    over: Limit | None = DS_PER_ZONE if len(ds) > most else None
    for record in ds[:most]:
        tag, algorithm = record[0] << 8 | record[1], record[2]
        # RFC 4035 §5.2: the key has the Zone Key bit; RFC 5011 §2.1: a revoked key serves for nothing.
        candidates = [key for key in keys if key.tag == tag and key.algorithm == algorithm and key.usable]
        few = budget.ceiling(KEYS_PER_TAG, len(candidates))
        if len(candidates) > few:
            over = over or KEYS_PER_TAG
        for key in candidates[:few]:
            if key not in matching and key.matches_ds(zone, record):
                matching.append(key)
    return matching, over


def _why_no_match(zone: Name, ds: Sequence[bytes], keys: Sequence[Key]) -> tuple[Reason, str]:
    """The reason and sentence for "no usable key has a DS"."""
    where = name_to_text(zone)
    zone_keys = [key for key in keys if key.zone_key]
    for key in keys:
        if key.zone_key:
            continue
        # Clearing the bit changes tag and digest, so look at the key as it would be with it, too.
        if not zone_keys or _has_ds(zone, key, ds) or _has_ds(zone, key.with_zone_key_bit(), ds):
            return Reason.NO_ZONE_KEY_BIT, f"no zone-key bit in key {key.tag} of {where}"
    for key in zone_keys:
        if not key.usable and _has_ds(zone, key, ds):
            fault = "is revoked" if key.revoked else f"has protocol {key.protocol}"
            return Reason.NO_MATCHING_DNSKEY, f"key {key.tag} of {where}, which the DS points at, {fault}"
    named = {(record[0] << 8 | record[1], record[2]) for record in ds}
    for key in zone_keys:
        if (key.tag, key.algorithm) in named:
            return Reason.NO_MATCHING_DNSKEY, f"the DS digest of key {key.tag} does not match the DNSKEY of {where}"
    wanted = _numbers(tag for tag, _ in named)
    return Reason.NO_MATCHING_DNSKEY, f"no DNSKEY of {where} matches the DS (key {wanted})"


def _has_ds(zone: Name, key: Key, ds: Sequence[bytes]) -> bool:
    return any(key.matches_ds(zone, record) for record in ds[: DS_PER_ZONE.value])


def _over(limit: Limit, zone: Name, server: Address | None, dnskey: RRset) -> Problem:
    return Problem(Reason.LIMIT, f"{limit_text(limit)} at the keys of {name_to_text(zone)}", server, dnskey=dnskey)


def _numbers(values: Iterable[int]) -> str:
    """Distinct numbers, ascending, in words; long lists are cut."""
    distinct = sorted(set(values))
    shown = ", ".join(map(str, distinct[:_TAGS_SHOWN]))
    return shown if len(distinct) <= _TAGS_SHOWN else f"{shown}, ..."
