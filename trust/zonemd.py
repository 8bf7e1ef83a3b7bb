"""Whether a whole zone is the one that its owner signed: its message digest (ZONEMD).

The digest covers every record of the zone, glue and signatures too, in canonical order; the ZONEMD RRset itself is signed
like any other, so that from a trust anchor down nothing in the zone can be altered, left out or added.

Limitations: the SIMPLE scheme with SHA-384 only, which is all that is required and all that the root uses. A zone without
ZONEMD does not verify here: there would be nothing to know glue by.

RFC 8976 §3, §4; RFC 4034 §6.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from trust.anchors import TrustPoint
from trust.delegation import Problem, keys_by_anchor, usable_ds
from trust.policy import Budget, Policy
from trust.signature import verify_exact
from wire import types as t
from wire.name import Name, canonical_key, is_subdomain
from wire.rrset import RRset
from wire.text import name_to_text

SIMPLE: Final = 1
SHA384: Final = 1
_HEAD: Final = 6
"""Octets of a ZONEMD before its digest: serial, scheme, hash algorithm."""


class ZoneRefusedError(ValueError):
    """The zone is not what its owner signed; the message says why."""


def zone_digest(zone: Name, rrsets: Iterable[RRset]) -> bytes:
    """The SHA-384 digest of a zone by the SIMPLE scheme (RFC 8976 §3.3, §3.4): each set's signatures with it, the apex'
    ZONEMD and the signatures over that left out.
    """
    made = hashlib.sha384()
    ordered = sorted((rrset for rrset in rrsets if is_subdomain(rrset.name, zone)), key=lambda r: canonical_key(r.name))
    place = 0
    while place < len(ordered):
        name = ordered[place].name
        records: list[tuple[int, bytes, int]] = []
        while place < len(ordered) and ordered[place].name == name:
            records += _records(ordered[place], at_apex=name == zone)
            place += 1
        before: tuple[int, bytes] | None = None
        for rtype, rdata, ttl in sorted(records):
            if (rtype, rdata) != before:  # RFC 8976 §3.3.1: of equal records one counts
                before = rtype, rdata
                made.update(name + rtype.to_bytes(2, "big") + t.IN.to_bytes(2, "big") + ttl.to_bytes(4, "big"))
                made.update(len(rdata).to_bytes(2, "big") + rdata)
    return made.digest()


def _records(rrset: RRset, *, at_apex: bool) -> Iterator[tuple[int, bytes, int]]:
    if at_apex and rrset.rtype == t.ZONEMD:
        return
    for rdata in rrset.rdatas:
        yield rrset.rtype, rdata, rrset.ttl
    for sig in rrset.sigs:
        yield t.RRSIG, sig, int.from_bytes(sig[4:8], "big")  # a signature's TTL is that of its set, RFC 4034 §3


def check_zone(point: TrustPoint, rrsets: Iterable[RRset], now_wall: float, policy: Policy) -> int:
    """Verify a whole zone from its trust point; returns its serial number.

    Raises:
        ZoneRefusedError: keys, signatures, digest or serial are not as they should be.
    """
    zone = point.name
    rrsets = list(rrsets)
    apex = {rrset.rtype: rrset for rrset in rrsets if rrset.name == zone}
    for wanted, what in ((t.SOA, "SOA"), (t.DNSKEY, "DNSKEY RRset"), (t.ZONEMD, "ZONEMD")):
        if wanted not in apex:
            raise ZoneRefusedError(f"no {what} at {name_to_text(zone)}")
    budget = Budget()
    ds, _ = usable_ds(point.ds, policy)
    keys = keys_by_anchor(apex[t.DNSKEY], point, ds, now_wall, policy, budget, None)
    if isinstance(keys, Problem):
        raise ZoneRefusedError(keys.text)
    for rtype in (t.SOA, t.ZONEMD):
        result = verify_exact(apex[rtype], keys.keys, zone, now_wall, policy, budget)
        if not result.ok:
            raise ZoneRefusedError(result.text)
    serial = int.from_bytes(apex[t.SOA].rdatas[0][-20:-16], "big")
    usable = [
        rdata for rdata in apex[t.ZONEMD].rdatas if len(rdata) == _HEAD + 48 and rdata[4] == SIMPLE and rdata[5] == SHA384
    ]
    if len(usable) != 1:
        # RFC 8976 §2: more than one of a scheme and algorithm is as good as none.
        raise ZoneRefusedError("no single ZONEMD of scheme SIMPLE with SHA-384")
    if int.from_bytes(usable[0][:4], "big") != serial:
        raise ZoneRefusedError("the ZONEMD is of another serial number")
    if usable[0][_HEAD:] != zone_digest(zone, rrsets):
        raise ZoneRefusedError("the zone's digest is not the one in its ZONEMD")
    return serial
