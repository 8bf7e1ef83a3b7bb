"""What can be done to a zone to spoil it: the steps that the faults of lab/faults.py are put together from.

There are four places where a step can act, in the order of a build:

* on the `Plan`, before signing (keys, DNSKEYs, validity): `PlanStep`
* on the signed `Zone` (signatures and denial records removed or altered): `EditStep`
* on the `Delegation` that the parent publishes (DS, glue): `ParentStep`
* on the server: `Behaviour`

Each function here either is such a step or returns one.
"""

from collections.abc import Callable
from enum import Enum
from typing import cast

from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.NSEC3PARAM import NSEC3PARAM
from dns.rdtypes.ANY.RRSIG import RRSIG

from lab.keys import KSK_FLAGS, ZONE_FLAG, ZSK_FLAGS, Validity, altered
from lab.records import Delegation, Node, Zone, rdata, rrset_of
from lab.signer import Plan, sign_rrset, unbase32

PlanStep = Callable[[Plan], None]
EditStep = Callable[[Zone, Plan], None]
ParentStep = Callable[[Delegation], None]

DAY = 86400
RSASHA1_NSEC3 = 7
"""The algorithm number that the published cases put where RSA/SHA-256 should stand."""


class Behaviour(Enum):
    """How the servers of a zone treat queries for it."""

    NORMAL = "answers"
    NOT_SERVED = "the zone is not configured on its servers"
    REFUSE = "refuses everybody"
    REFUSE_OTHERS = "refuses everybody but itself"
    SERVFAIL = "answers SERVFAIL"
    SILENT = "never answers"
    TRUNCATE = "truncates every answer over UDP"
    NO_EDNS = "answers FORMERR to every query with EDNS"
    NO_DNSSEC = "knows no DNSSEC: leaves out signatures and proofs"


class When(Enum):
    """Wrong times for a signature, relative to the time of signing."""

    EXPIRED = (-30, -1)
    FUTURE = (30, 44)
    INVERTED = (7, -7)
    """Expiration before inception."""

    def validity(self, now: int) -> Validity:
        """The two time stamps."""
        return Validity(now + self.value[0] * DAY, now + self.value[1] * DAY)


# -- plan ------------------------------------------------------------------------------------------------------------


def sign_all(when: When) -> PlanStep:
    """All signatures of the zone bear the wrong times."""

    def step(plan: Plan) -> None:
        plan.validity = when.validity(plan.now)

    return step


def clear_zone_bit(*, ksk: bool = False, zsk: bool = False) -> PlanStep:
    """Keys without the zone-key bit (RFC 4034 §2.1.1), which sign and are pointed at as if they had it.

    The bit is cleared before signing, so that tags, digests and signatures all match and the bit is the only fault.
    """

    def step(plan: Plan) -> None:
        if ksk:
            plan.ksk = plan.ksk.with_fields(flags=KSK_FLAGS & ~ZONE_FLAG)
        if zsk:
            plan.zsk = plan.zsk.with_fields(flags=ZSK_FLAGS & ~ZONE_FLAG)

    return step


def unsign(plan: Plan) -> None:
    """The zone is not signed; what the parent says about its keys stays."""
    plan.signed = False


def publish_no_keys(plan: Plan) -> None:
    """No DNSKEY RRset at all; everything else stays signed."""
    plan.published = []


def withhold_ksk(plan: Plan) -> None:
    """Publish the ZSK only; both go on signing."""
    plan.published = [plan.zsk.dnskey]


def withhold_zsk(plan: Plan) -> None:
    """Publish the KSK only; both go on signing."""
    plan.published = [plan.ksk.dnskey]


def alter_ksk(plan: Plan) -> None:
    """Publish other key material for the KSK than it signs with."""
    plan.published = [altered(plan.ksk.dnskey), plan.zsk.dnskey]


def alter_zsk(plan: Plan) -> None:
    """Publish other key material for the ZSK than it signs with."""
    plan.published = [plan.ksk.dnskey, altered(plan.zsk.dnskey)]


def publish_ksk_as(algorithm: int) -> PlanStep:
    """Publish the KSK under another algorithm number than it signs with."""

    def step(plan: Plan) -> None:
        plan.published = [plan.ksk.with_fields(algorithm=algorithm).dnskey, plan.zsk.dnskey]

    return step


def publish_zsk_as(algorithm: int) -> PlanStep:
    """Publish the ZSK under another algorithm number than it signs with."""

    def step(plan: Plan) -> None:
        plan.published = [plan.ksk.dnskey, plan.zsk.with_fields(algorithm=algorithm).dnskey]

    return step


def ksk_does_not_sign(plan: Plan) -> None:
    """Only the ZSK signs the DNSKEY RRset."""
    plan.key_signers = [plan.zsk]


def nobody_signs_keys(plan: Plan) -> None:
    """The DNSKEY RRset is not signed."""
    plan.key_signers = []


# -- edit ------------------------------------------------------------------------------------------------------------


def resign_apex_a(when: When) -> EditStep:
    """The signature over the apex A RRset bears the wrong times."""

    def step(zone: Zone, plan: Plan) -> None:
        rrset = zone.rrsets[zone.origin, RdataType.A]
        sign_rrset(zone, plan, rrset, when.validity(plan.now))

    return step


def drop_all_signatures(zone: Zone, plan: Plan) -> None:
    """No RRSIG is left."""
    zone.signatures.clear()


def drop_signatures(rdtype: RdataType) -> EditStep:
    """No RRSIG over that type is left (for addresses: at the apex only)."""

    def step(zone: Zone, plan: Plan) -> None:
        for node in _signed_nodes(zone, rdtype):
            del zone.signatures[node]

    return step


def corrupt_signatures(rdtype: RdataType, *, only_ksk: bool = False) -> EditStep:
    """RRSIGs over that type get one wrong bit in the signature."""

    def step(zone: Zone, plan: Plan) -> None:
        for node in _signed_nodes(zone, rdtype):
            rrsigs = zone.signatures[node]
            spoiled = [_flip(cast(RRSIG, r), plan.ksk.tag if only_ksk else None) for r in rrsigs]
            zone.signatures[node] = rrset_of(rrsigs.name, rrsigs.ttl, spoiled)

    return step


def alter_nsec3_owners(zone: Zone, plan: Plan) -> None:
    """Each NSEC3 stands at the hash after its own; the signatures come along and no longer match their owner."""
    for owner in list(zone.nsec3):
        label = _successor(owner.labels[0])
        moved = Name((label, *owner.labels[1:]))
        rrset = zone.nsec3.pop(owner)
        zone.nsec3[moved] = rrset_of(moved, rrset.ttl, rrset)
        rrsigs = zone.signatures.pop((owner, RdataType.NSEC3))
        zone.signatures[moved, RdataType.NSEC3] = rrset_of(moved, rrsigs.ttl, rrsigs)


def alter_nsec3_next(zone: Zone, plan: Plan) -> None:
    """Each NSEC3 names a wrong successor; the signatures stay."""
    for owner, rrset in zone.nsec3.items():
        nsec3 = cast(NSEC3, rrset[0])
        wrong = unbase32(_successor(owner.labels[0]))
        zone.nsec3[owner] = rrset_of(owner, rrset.ttl, [nsec3.replace(next=wrong)])


def drop_nsec3(zone: Zone, plan: Plan) -> None:
    """No NSEC3 is left."""
    for owner in zone.nsec3:
        zone.signatures.pop((owner, RdataType.NSEC3), None)
    zone.nsec3.clear()


def drop_nsec3param(zone: Zone, plan: Plan) -> None:
    """No NSEC3PARAM is left, so that the server does not know of any chain."""
    zone.rrsets.pop((zone.origin, RdataType.NSEC3PARAM), None)
    zone.signatures.pop((zone.origin, RdataType.NSEC3PARAM), None)


def alter_nsec3param_salt(zone: Zone, plan: Plan) -> None:
    """The NSEC3PARAM names a salt that no NSEC3 uses; it is signed properly."""
    rrset = zone.rrsets[zone.origin, RdataType.NSEC3PARAM]
    wrong = cast(NSEC3PARAM, rrset[0]).replace(salt=b"\xab\xcd")
    zone.rrsets[zone.origin, RdataType.NSEC3PARAM] = changed = rrset_of(zone.origin, rrset.ttl, [wrong])
    sign_rrset(zone, plan, changed)


def _signed_nodes(zone: Zone, rdtype: RdataType) -> list[Node]:
    if rdtype == RdataType.NSEC3:
        return [node for node in zone.signatures if node[1] == rdtype]
    return [(zone.origin, rdtype)]


def _flip(rrsig: RRSIG, tag: int | None) -> RRSIG:
    if tag is not None and rrsig.key_tag != tag:
        return rrsig
    signature = bytearray(rrsig.signature)
    signature[len(signature) // 2] ^= 1
    return cast(RRSIG, rrsig.replace(signature=bytes(signature)))


def _successor(label: bytes) -> bytes:
    """The hash that follows, as an NSEC3 owner label of the same length."""
    digits = "0123456789abcdefghijklmnopqrstuv"
    number = (int(label, 32) + 1) % 32 ** len(label)
    text = ""
    for _ in label:
        number, digit = divmod(number, 32)
        text = digits[digit] + text
    return text.encode()


# -- parent ----------------------------------------------------------------------------------------------------------


def change_ds(
    *, tag_by: int = 0, algorithm: int | None = None, digest_type: int | None = None, wrong_digest: bool = False
) -> ParentStep:
    """Alter fields of every DS that the parent publishes."""

    def change(ds: DS) -> DS:
        digest = bytes(octet ^ 0xFF for octet in ds.digest) if wrong_digest else ds.digest
        return rdata(
            DS,
            RdataType.DS,
            (ds.key_tag + tag_by) % 65536,
            ds.algorithm if algorithm is None else algorithm,
            ds.digest_type if digest_type is None else digest_type,
            digest,
        )

    def step(delegation: Delegation) -> None:
        delegation.ds = [change(ds) for ds in delegation.ds]

    return step


def drop_ds(delegation: Delegation) -> None:
    """The parent publishes no DS."""
    delegation.ds = []


def only_glue(address: str) -> ParentStep:
    """The delegation names one server inside the child, and the only address for it is this one."""

    def step(delegation: Delegation) -> None:
        host = Name((b"ns1", *delegation.child.labels))
        delegation.hosts = [host]
        delegation.glue = {host: [address]}

    return step
