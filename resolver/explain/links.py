"""The links of the chain as document parts: delegations, keys, signatures.

RFC 4034 §2 (DNSKEY), §3 (RRSIG), §5 (DS); RFC 4509 §3; RFC 5011 §2.1 (revoked keys).
"""

from typing import Any, TypeAlias

from resolver.explain.denials import read_out
from resolver.explain.terms import algorithm_name, digest_name, instant, instant_text
from resolver.explain.texts import Words
from trust.algorithms import Key
from trust.delegation import usable_ds
from trust.denial import Denial
from trust.policy import Policy
from trust.signature import SignatureResult
from trust.vocabulary import Security
from trust.zone import ZoneTrust
from wire import types as t
from wire.name import Name
from wire.rdata import Rrsig
from wire.text import name_to_text, rrset_to_text

Document: TypeAlias = dict[str, Any]


class Teller:
    """What every part of a document needs: the time told against, the policy, the language."""

    __slots__ = ("policy", "wall", "words")

    def __init__(self, wall: float, policy: Policy, words: Words) -> None:
        self.wall = wall
        self.policy = policy
        self.words = words

    # --- a zone --------------------------------------------------------------------------------------------------

    def zone(self, zone: ZoneTrust) -> Document:
        """One zone of the chain."""
        return {
            "zone": name_to_text(zone.zone),
            "security": zone.security.value,
            "reason": zone.reason.label,
            "text": zone.text,
            "inherited": zone.security is not Security.SECURE and zone.at != zone.zone,
            "trust_point": zone.point is not None,
            "anchors": self._anchors(zone),
            "parent": name_to_text(zone.parent.zone) if zone.parent is not None else None,
            "ds": self._ds(zone),
            "no_ds": self.denial(zone.denial, zone.zone, t.DS) if zone.ds is None else None,
            "dnskey": self._dnskey(zone),
            "servers": [server.ip for server in zone.servers],
        }

    def _anchors(self, zone: ZoneTrust) -> list[Document]:
        """The trust anchors of a trust point, each with the key that it is of."""
        if zone.point is None:
            return []
        keys = _keys(zone)
        out: list[Document] = []
        for ds in zone.point.ds:
            match = next((key for key in keys if key.matches_ds(zone.zone, ds)), None)
            out.append({"kind": "DS"} | self._ds_record(ds, match, self._anchor_text(match)))
        for rdata in zone.point.dnskeys:
            key = Key(rdata)
            match = next((each for each in keys if each.rdata == rdata), None)
            names = {"tag": key.tag, "algorithm": key.algorithm, "algorithm_name": algorithm_name(key.algorithm)}
            out.append({"kind": "DNSKEY"} | names | {"matches": match is not None, "text": self._anchor_text(match)})
        return out

    def _anchor_text(self, match: Key | None) -> str:
        return self.words("anchor.matches", tag=match.tag) if match is not None else self.words("anchor.none")

    def _ds(self, zone: ZoneTrust) -> Document | None:
        if zone.ds is None:
            return None
        keys = _keys(zone)
        usable, _ = usable_ds(zone.ds.rdatas, self.policy)
        records = []
        for ds in zone.ds.rdatas:
            match = next((key for key in keys if key.matches_ds(zone.zone, ds)), None)
            records.append(self._ds_record(ds, match, self._ds_text(ds, match, keys, ds in usable)))
        return {"records": records, "signature": self.result(zone.ds_signature)}

    def _ds_record(self, ds: bytes, match: Key | None, text: str) -> Document:
        return {
            "tag": int.from_bytes(ds[:2], "big"),
            "algorithm": ds[2],
            "algorithm_name": algorithm_name(ds[2]),
            "digest_type": ds[3],
            "digest_name": digest_name(ds[3]),
            "digest": ds[4:].hex(),
            "matches": match is not None and match.usable,
            "text": text,
        }

    def _ds_text(self, ds: bytes, match: Key | None, keys: list[Key], counts: bool) -> str:
        """What becomes of one DS record, in words."""
        tag, words = int.from_bytes(ds[:2], "big"), self.words
        if not counts:
            if ds[2] not in self.policy.algorithms:
                return words("ds.unsupported.algorithm")
            return words("ds.weaker" if ds[3] in self.policy.digests else "ds.unsupported.digest")
        if not keys:
            return words("ds.unknown")
        if match is not None:
            if match.usable:
                return words("ds.matches", tag=match.tag)
            return words("ds.revoked" if match.revoked else "ds.unfit", tag=match.tag)
        if any(key.tag == tag and key.algorithm == ds[2] for key in keys):
            return words("ds.differs", tag=tag)
        return words("ds.none", tag=tag)

    def _dnskey(self, zone: ZoneTrust) -> Document | None:
        if zone.dnskey is None:
            return None
        result = zone.dnskey_signature
        used = result.key.tag if result is not None and result.ok and result.key is not None else None
        signature = self.result(result)
        signatures = [self.signature(Rrsig(rdata)) for rdata in zone.dnskey.sigs]
        keys = sorted(_keys(zone), key=lambda key: (not key.zone_key, not key.flags & 1, key.tag))
        return {"keys": [_key(key, used) for key in keys], "signature": signature, "signatures": signatures}

    # --- signatures ----------------------------------------------------------------------------------------------

    def result(self, result: SignatureResult | None) -> Document | None:
        """What came of verifying a set: which signature decided, and whether it holds."""
        if result is None:
            return None
        out: Document = {"holds": result.ok, "text": result.text}
        return out | self.signature(result.rrsig) if result.rrsig is not None else out

    def signature(self, sig: Rrsig) -> Document:
        """One RRSIG, with the validity left."""
        begins, ends = instant(sig.inception, self.wall), instant(sig.expiration, self.wall)
        left = int(ends - self.wall)
        not_yet = begins > self.wall and left >= 0
        return {
            "tag": sig.key_tag,
            "algorithm": sig.algorithm,
            "algorithm_name": algorithm_name(sig.algorithm),
            "signer": name_to_text(sig.signer),
            "labels": sig.labels,
            "inception": instant_text(sig.inception, self.wall),
            "expiration": instant_text(sig.expiration, self.wall),
            "seconds_left": left,
            "left": self.words.not_yet(begins - self.wall) if not_yet else self.words.left(left),
            "timely": not not_yet and left >= 0,
        }

    # --- denials -------------------------------------------------------------------------------------------------

    def denial(self, denial: Denial | None, name: Name, rtype: int) -> Document | None:
        """A proof of absence: what it amounts to, its records, and each record read out."""
        if denial is None:
            return None
        return {
            "proof": denial.proof.value,
            "text": denial.text,
            "records": [line for rrset in denial.used for line in rrset_to_text(rrset, signatures=False)],
            "words": read_out(denial, name, rtype, self.words),
        }


def _keys(zone: ZoneTrust) -> list[Key]:
    return [Key(rdata) for rdata in zone.dnskey.rdatas] if zone.dnskey is not None else []


def _key(key: Key, used: int | None) -> Document:
    return {
        "tag": key.tag,
        "algorithm": key.algorithm,
        "algorithm_name": algorithm_name(key.algorithm),
        "flags": key.flags,
        "role": "KSK" if key.zone_key and key.flags & 1 else "ZSK" if key.zone_key else "none",
        "zone_key": key.zone_key,
        "sep": bool(key.flags & 1),
        "revoked": key.revoked,
        "used": key.tag == used,
    }
