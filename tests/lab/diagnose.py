"""A second pair of eyes: looks at a fault zone over the network, with dnspython alone, and says what is wrong with it.

It knows nothing of the catalogue. What it returns is a set of short symptoms, empty for a zone without fault.
"""

import time

import dns.dnssec
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
from cryptography.exceptions import InvalidSignature
from dns.message import Message
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rrset import RRset

from tests.lab.conftest import Asker

VERIFIABLE = {5, 7, 8, 10, 13, 14, 15, 16}
USUAL_ALGORITHM = 8
ZONE_BIT = 0x100
SEP_BIT = 0x1


def symptoms(ask: Asker, parent: str, zone: str, question: str) -> set[str]:
    """All that is wrong with a zone, its delegation and its servers, as far as this question shows it."""
    found: set[str] = set()
    delegation = ask.zone(parent, zone, "NS")
    found |= _glue_symptoms(ask, delegation)
    ds = _first(ask.zone(parent, zone, "DS").answer, RdataType.DS)
    try:
        dnskey_answer = ask.zone(zone, zone, "DNSKEY")
        answer = ask.zone(zone, question)
    except dns.exception.Timeout:
        return found | {"server: silent"}
    for response in (dnskey_answer, answer):
        if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            found.add(f"server: {dns.rcode.to_text(response.rcode())}")
    if ask.truncated(zone, zone, "SOA"):
        found.add("server: truncates")
    if ds is None:
        found.add("no DS")
    if any(symptom.startswith("server: ") and "truncates" not in symptom for symptom in found):
        return found
    dnskeys = _first(dnskey_answer.answer, RdataType.DNSKEY)
    if dnskeys is None:
        found.add("no DNSKEY")
    if ds is not None:
        found |= _ds_symptoms(dns.name.from_text(zone), ds, dnskeys)
    found |= _signature_symptoms(dnskey_answer.answer, dnskeys)
    # Some servers add the zone's NS RRset to what was asked for; its signatures are not the question.
    relevant = [r for r in answer.authority if RdataType.NS not in (r.rdtype, r.covers)]
    found |= _signature_symptoms(answer.answer + relevant, dnskeys)
    if answer.rcode() == dns.rcode.NXDOMAIN:
        found |= _proof_symptoms(answer, dns.name.from_text(zone), dns.name.from_text(question))
        found |= _parameter_symptoms(_first(ask.zone(zone, zone, "NSEC3PARAM").answer, RdataType.NSEC3PARAM))
    return found


def _first(section: list[RRset], rdtype: RdataType) -> RRset | None:
    return next((rrset for rrset in section if rrset.rdtype == rdtype), None)


def _glue_symptoms(ask: Asker, referral: Message) -> set[str]:
    addresses = {
        record.address for rrset in referral.additional for record in rrset if rrset.rdtype in (RdataType.A, RdataType.AAAA)
    }
    return {f"glue: {address}" for address in addresses if address not in ask.net.addresses.values()}


def _ds_symptoms(zone: Name, ds_rrset: RRset, dnskeys: RRset | None) -> set[str]:
    found = set()
    for ds in ds_rrset:
        if ds.digest_type != 2:
            found.add(f"DS: digest type {ds.digest_type}")
        if ds.algorithm != USUAL_ALGORITHM:
            found.add(f"DS: algorithm {ds.algorithm}")
        near = [k for k in dnskeys or () if k.algorithm == ds.algorithm and dns.dnssec.key_id(k) == ds.key_tag]
        if not near:
            found.add("DS: no key of that tag and algorithm")
        elif ds.digest_type == 2:
            wanted = [dns.dnssec.make_ds(zone, key, "SHA256").digest for key in near]
            if ds.digest not in wanted:
                found.add("DS: digest differs")
    return found


def _signature_symptoms(section: list[RRset], dnskeys: RRset | None) -> set[str]:
    found = set()
    for key in dnskeys or ():
        if not key.flags & ZONE_BIT:
            found.add(f"{_role(key)} without zone bit")
        if key.algorithm != USUAL_ALGORITHM:
            found.add(f"{_role(key)}: algorithm {key.algorithm}")
    for rrset in section:
        if rrset.rdtype == RdataType.RRSIG:
            continue
        kind = rrset.rdtype.name
        signatures = [
            rrsig
            for other in section
            if (other.name, other.rdtype, other.covers) == (rrset.name, RdataType.RRSIG, rrset.rdtype)
            for rrsig in other
        ]
        if not signatures:
            found.add(f"{kind}: unsigned")
        roles = set()
        for rrsig in signatures:
            key = next((k for k in dnskeys or () if _made(k, rrsig)), None)
            role = _role(key) if key else "nobody"
            roles.add(role)
            state = _state(rrset, rrsig, key)
            if state:
                found.add(f"{kind} by {role}: {state}")
        if kind == "DNSKEY" and signatures and "KSK" not in roles:
            found.add("DNSKEY: not by KSK")
    return found


def _made(key, rrsig) -> bool:
    return key.algorithm == rrsig.algorithm and dns.dnssec.key_id(key) == rrsig.key_tag


def _role(key) -> str:
    return "KSK" if key.flags & SEP_BIT else "ZSK"


def _state(rrset: RRset, rrsig, key) -> str | None:
    now = time.time()
    if rrsig.expiration < rrsig.inception:
        return "expires before inception"
    if rrsig.expiration < now:
        return "expired"
    if rrsig.inception > now:
        return "not yet valid"
    if key is None:
        return "no such key"
    if rrsig.algorithm not in VERIFIABLE:
        return None
    # dnspython rightly ignores keys without the zone bit; here the signature itself is of interest.
    usable = key.replace(flags=key.flags | ZONE_BIT)
    data = dns.dnssec._make_rrsig_signature_data(rrset, rrsig, None)
    try:
        dns.dnssec._validate_signature(rrsig.signature, data, usable)
    except (InvalidSignature, dns.dnssec.ValidationFailure):
        return "does not verify"
    return None


def _parameter_symptoms(parameters: RRset | None) -> set[str]:
    if parameters is None:
        return {"no NSEC3PARAM"}
    return {f"NSEC3PARAM: salt {record.salt.hex()}" for record in parameters if record.salt}


def _proof_symptoms(answer: Message, zone: Name, question: Name) -> set[str]:
    nsec = [rrset for rrset in answer.authority if rrset.rdtype == RdataType.NSEC]
    if nsec:
        return set()
    nsec3 = {rrset.name.labels[0].lower(): rrset[0] for rrset in answer.authority if rrset.rdtype == RdataType.NSEC3}
    if not nsec3:
        return {"no NSEC3"}
    found = set()
    one = next(iter(nsec3.values()))
    if one.iterations:
        found.add(f"NSEC3: {one.iterations} iterations")

    def hashed(name: Name) -> bytes:
        return dns.dnssec.nsec3_hash(name, one.salt, one.iterations, 1).lower().encode()

    def covered(name: Name) -> bool:
        target = hashed(name)
        return any(
            (owner < target < following) if owner < following else (target > owner or target < following)
            for owner, following in ((o, r._next_text().lower().encode()) for o, r in nsec3.items())
        )

    if hashed(zone) not in nsec3:
        found.add("NSEC3: none matches the apex")
    for name, what in ((question, "question"), (dns.name.Name((b"*", *zone.labels)), "wildcard")):
        if not covered(name):
            found.add(f"NSEC3: none covers the {what}")
    return found
