"""The signer: turns the content of a zone and a plan into a signed zone.

Theory of operation. A `Plan` says everything about how a zone is signed: its content, its keys, which DNSKEYs are
published, who signs them, how denial of existence works and from when to when the signatures hold. `sign` carries the plan
out in the order of RFC 4035 §2: DNSKEY, then the NSEC or NSEC3 chain over the authoritative names, then an RRSIG over each
authoritative RRset. A fault either changes the plan, before, or the signed zone, after (lab/faults.py).

The signatures come from dnspython's `dns.dnssec`. The chains are ours, because dnspython builds no NSEC3.

Limitations: keys of one algorithm; no incremental signing, a change signs the whole zone again.

RFC 4034 §4, RFC 4035 §2, RFC 5155 §7.1, RFC 9077, RFC 9276.
"""

from dataclasses import dataclass

import dns.dnssec
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC import Bitmap as NsecBitmap
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.NSEC3 import Bitmap as Nsec3Bitmap
from dns.rdtypes.ANY.NSEC3PARAM import NSEC3PARAM
from dns.rrset import RRset

from lab.keys import Key, Validity
from lab.records import Zone, rdata, rrset_of

OPT_OUT_FLAG = 1
SHA1_HASH = 1
DS_DIGEST = "SHA256"

Bitmaps = dict[Name, list[RdataType]]


@dataclass(frozen=True)
class Nsec:
    """Denial of existence with NSEC."""


@dataclass(frozen=True)
class Nsec3:
    """Denial of existence with NSEC3; the defaults are those of RFC 9276 §3.1."""

    iterations: int = 0
    salt: bytes = b""
    opt_out: bool = False

    def hash(self, name: Name) -> bytes:
        """First label of the NSEC3 owner of `name`: base32hex text, lower case (RFC 5155 §5)."""
        return dns.dnssec.nsec3_hash(name, self.salt, self.iterations, SHA1_HASH).lower().encode()


Denial = Nsec | Nsec3


@dataclass
class Plan:
    """How a zone will be signed.

    `published`, `key_signers`, `zone_signers` and `ds_keys` follow the two keys unless they are set, as during a roll-over;
    `key_ttl` and `key_validity`, of the DNSKEY RRset and its signatures, follow the zone.
    """

    origin: Name
    rrsets: list[RRset]
    ksk: Key
    zsk: Key
    denial: Denial
    now: int
    validity: Validity
    signed: bool = True
    zsk_signs_keys: bool = False
    published: list[DNSKEY] | None = None
    key_signers: list[Key] | None = None
    zone_signers: list[Key] | None = None
    ds_keys: list[Key] | None = None
    key_ttl: int | None = None
    key_validity: Validity | None = None

    def dnskeys(self) -> list[DNSKEY]:
        """The DNSKEY RRset to publish; may be empty."""
        return [self.ksk.dnskey, self.zsk.dnskey] if self.published is None else self.published

    def signers_of(self, rdtype: RdataType) -> list[Key]:
        """The keys that sign RRsets of a type."""
        if rdtype != RdataType.DNSKEY:
            return [self.zsk] if self.zone_signers is None else self.zone_signers
        if self.key_signers is not None:
            return self.key_signers
        return [self.ksk, self.zsk] if self.zsk_signs_keys else [self.ksk]

    def validity_of(self, rdtype: RdataType) -> Validity:
        """The times of signatures over RRsets of a type."""
        if rdtype == RdataType.DNSKEY and self.key_validity is not None:
            return self.key_validity
        return self.validity

    def ds(self) -> list[DS]:
        """The DS RRset that belongs to the KSK."""
        keys = [self.ksk] if self.ds_keys is None else self.ds_keys
        return [dns.dnssec.make_ds(self.origin, k.dnskey, DS_DIGEST, policy=dns.dnssec.allow_all_policy) for k in keys]


def sign(plan: Plan) -> Zone:
    """The zone that the plan describes."""
    zone = Zone(plan.origin)
    for rrset in plan.rrsets:
        zone.put(rrset)
    if not plan.signed:
        return zone
    keys = plan.dnskeys()
    if keys:
        zone.put(rrset_of(plan.origin, zone.soa.ttl if plan.key_ttl is None else plan.key_ttl, keys))
    if isinstance(plan.denial, Nsec3):
        # RFC 5155 §7.1: the NSEC3PARAM is there before the chain, because the apex's bitmap names it.
        zone.put(rrset_of(plan.origin, 0, [_nsec3param(plan.denial)]))
        _add_nsec3_chain(zone, plan.denial)
    else:
        _add_nsec_chain(zone)
    cuts = zone.cuts()
    for rrset in list(zone.every_rrset()):
        if _is_signed(zone, rrset, cuts):
            sign_rrset(zone, plan, rrset)
    return zone


def sign_rrset(zone: Zone, plan: Plan, rrset: RRset, validity: Validity | None = None) -> None:
    """Make (or replace) the signatures over one RRset of the zone."""
    signers = plan.signers_of(rrset.rdtype)
    rrsigs = [key.sign(rrset, plan.origin, validity or plan.validity_of(rrset.rdtype)) for key in signers]
    zone.signatures.pop((rrset.name, rrset.rdtype), None)
    if rrsigs:
        zone.signatures[rrset.name, rrset.rdtype] = rrset_of(rrset.name, rrset.ttl, rrsigs)


def _is_signed(zone: Zone, rrset: RRset, cuts: set[Name]) -> bool:
    """RFC 4035 §2.2: neither glue nor the NS RRset of a delegation is signed."""
    if rrset.name in cuts:
        return rrset.rdtype in (RdataType.DS, RdataType.NSEC)
    return not zone.is_below_cut(rrset.name, cuts)


def _bitmaps(zone: Zone) -> Bitmaps:
    """Types that a denial record has to list for each authoritative name, RRSIG where there will be one."""
    cuts = zone.cuts()
    types = zone.types_by_name()
    bitmaps: Bitmaps = {}
    for name in zone.authoritative_names():
        own = types.get(name, set())
        if name in cuts:
            # RFC 4035 §2.3: at a cut only what the parent is authoritative for, and the NS RRset.
            own = own & {RdataType.NS, RdataType.DS}
        signed = own - {RdataType.NS} if name in cuts else own
        bitmaps[name] = sorted(own | {RdataType.RRSIG} if signed else own)
    return bitmaps


def _add_nsec_chain(zone: Zone) -> None:
    """RFC 4035 §2.3: one NSEC for each name that owns something, the last one points back to the apex."""
    bitmaps = _bitmaps(zone)
    owners = sorted(name for name, types in bitmaps.items() if types)
    for owner, successor in zip(owners, owners[1:] + owners[:1], strict=True):
        types = sorted({*bitmaps[owner], RdataType.NSEC, RdataType.RRSIG})
        windows = NsecBitmap.from_rdtypes(types)
        nsec = rdata(NSEC, RdataType.NSEC, successor, windows)
        zone.put(rrset_of(owner, zone.negative_ttl, [nsec]))


def _add_nsec3_chain(zone: Zone, denial: Nsec3) -> None:
    """RFC 5155 §7.1: one NSEC3 for each name, empty non-terminals included; opt-out leaves insecure delegations out."""
    hashed: dict[bytes, list[RdataType]] = {}
    for name, types in _bitmaps(zone).items():
        if denial.opt_out and types == [RdataType.NS]:
            continue
        hashed[denial.hash(name)] = types
    flags = OPT_OUT_FLAG if denial.opt_out else 0
    owners = sorted(hashed)
    for label, successor in zip(owners, owners[1:] + owners[:1], strict=True):
        owner = Name((label, *zone.origin.labels))
        nsec3 = rdata(
            NSEC3,
            RdataType.NSEC3,
            SHA1_HASH,
            flags,
            denial.iterations,
            denial.salt,
            unbase32(successor),
            Nsec3Bitmap.from_rdtypes(hashed[label]),
        )
        zone.nsec3[owner] = rrset_of(owner, zone.negative_ttl, [nsec3])


def _nsec3param(denial: Nsec3) -> NSEC3PARAM:
    # RFC 5155 §4.1.2: the flags of NSEC3PARAM stay 0, opt-out or not.
    return rdata(NSEC3PARAM, RdataType.NSEC3PARAM, SHA1_HASH, 0, denial.iterations, denial.salt)


def unbase32(label: bytes) -> bytes:
    """Hash octets of an NSEC3 owner label (RFC 4648 §7: the digits of base32hex are those of Python's base 32)."""
    return int(label, 32).to_bytes(len(label) * 5 // 8, "big")
