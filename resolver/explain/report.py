"""A Resolution → a document that shows its proof: question, verdict, the chain link by link, the steps of the answer.

The document is plain data (dict, list, str, int, float, bool, None) and the schema of `akashi explain --json`:

    question      {name, type}
    answer        {rcode, security, reason, sentence, errors: [{code, text}], who}
    chain         root first, one object a zone: {zone, security, reason, text, trust_point, parent,
                  ds: {records: [{tag, algorithm, digest_type, digest}], signature} | null,
                  no_ds: {proof, text, records} | null,
                  dnskey: {keys: [{tag, algorithm, flags, sep, revoked, used}], signature} | null, servers: [ip]}
    steps         the links of the answer: {name, type, kind, records, target, zone, server, security, reason, text,
                  signatures, denial}
    servers       when servers failed: {server, name_server, question, what}

A signature is {tag, algorithm, signer, labels, inception, expiration, seconds_left}, times in RFC 3339.
"""

from typing import Any, TypeAlias

from resolver.explain.sentences import sentence_of, who_can_mend
from resolver.resolution import Resolution
from trust.signature import SignatureResult, time_text
from trust.validate import Validated
from trust.vocabulary import Finding, Step
from trust.zone import ZoneTrust
from wire import types as t
from wire.rdata import Rrsig, key_tag
from wire.rrset import RRset
from wire.text import name_to_text, rcode_to_text, rrset_to_text, type_to_text

Document: TypeAlias = dict[str, Any]


def report(resolution: Resolution, wall: float) -> Document:
    """The document; `wall` is the time, seconds since 1970, against which validity left is told."""
    name, rtype = resolution.question
    return {
        "question": {"name": name_to_text(name), "type": type_to_text(rtype)},
        "answer": {
            "rcode": rcode_to_text(resolution.rcode),
            "security": resolution.security.value,
            "reason": resolution.reason.label,
            "sentence": sentence_of(resolution),
            "who": who_can_mend(resolution),
            "errors": [{"code": code, "text": text} for code, text in resolution.errors],
        },
        "chain": [_zone(zone, wall) for zone in chain_of(resolution)],
        "steps": [_step(step, validated, wall) for step, validated in resolution.steps],
        "servers": [_finding(finding) for finding in resolution.findings],
    }


def chain_of(resolution: Resolution) -> list[ZoneTrust]:
    """The zones on the way from the trust points to the answer's data, each once, from the top down."""
    zones: dict[bytes, ZoneTrust] = {}
    for _, validated in resolution.steps:
        path: list[ZoneTrust] = []
        zone = validated.zone if validated is not None else None
        while zone is not None:
            path.append(zone)
            zone = zone.parent
        for link in reversed(path):
            zones.setdefault(link.zone, link)
    return list(zones.values())


def _zone(zone: ZoneTrust, wall: float) -> Document:
    used = zone.dnskey_signature.key.tag if zone.dnskey_signature and zone.dnskey_signature.key else None
    return {
        "zone": name_to_text(zone.zone),
        "security": zone.security.value,
        "reason": zone.reason.label,
        "text": zone.text,
        "trust_point": zone.point is not None,
        "parent": name_to_text(zone.parent.zone) if zone.parent is not None else None,
        "ds": _ds(zone, wall),
        "no_ds": _denial(zone.denial) if zone.ds is None else None,
        "dnskey": _dnskey(zone, used, wall),
        "servers": [server.ip for server in zone.servers],
    }


def _ds(zone: ZoneTrust, wall: float) -> Document | None:
    if zone.ds is None:
        return None
    records = [
        {
            "tag": int.from_bytes(rdata[:2], "big"),
            "algorithm": rdata[2],
            "digest_type": rdata[3],
            "digest": rdata[4:].hex(),
        }
        for rdata in zone.ds.rdatas
    ]
    return {"records": records, "signature": _result(zone.ds_signature, wall)}


def _dnskey(zone: ZoneTrust, used: int | None, wall: float) -> Document | None:
    if zone.dnskey is None:
        return None
    keys = [_key(rdata, used) for rdata in zone.dnskey.rdatas]
    return {"keys": keys, "signature": _result(zone.dnskey_signature, wall)}


def _key(rdata: bytes, used: int | None) -> Document:
    flags = rdata[0] << 8 | rdata[1]
    tag = key_tag(rdata)
    return {
        "tag": tag,
        "algorithm": rdata[3],
        "flags": flags,
        "zone_key": bool(flags & 0x100),
        "sep": bool(flags & 1),
        "revoked": bool(flags & 0x80),
        "used": tag == used,
    }


def _result(result: SignatureResult | None, wall: float) -> Document | None:
    if result is None:
        return None
    out: Document = {"holds": result.ok, "text": result.text}
    if result.rrsig is not None:
        out |= _signature(result.rrsig, wall)
    return out


def _signature(sig: Rrsig, wall: float) -> Document:
    return {
        "tag": sig.key_tag,
        "algorithm": sig.algorithm,
        "signer": name_to_text(sig.signer),
        "labels": sig.labels,
        "inception": time_text(_era(sig.inception, wall)),
        "expiration": time_text(_era(sig.expiration, wall)),
        "seconds_left": int(_era(sig.expiration, wall) - wall),
    }


def _era(serial: int, wall: float) -> float:
    """The instant nearest to `wall` that a 32-bit time may mean (RFC 4034 §3.1.5)."""
    now = int(wall)
    return now + ((serial - now + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def _step(step: Step, validated: Validated | None, wall: float) -> Document:
    verdict = validated.verdict if validated is not None else None
    sets: list[RRset] = [*step.rrsets, *(r for r in step.authority if not step.rrsets or r.rtype != t.SOA)]
    return {
        "name": name_to_text(step.name),
        "type": type_to_text(step.rtype),
        "kind": step.kind.value,
        "records": [line for rrset in step.rrsets for line in rrset_to_text(rrset, signatures=False)],
        "target": name_to_text(step.target) if step.target is not None else None,
        "zone": name_to_text(step.zone),
        "server": step.server.ip if step.server is not None else None,
        "security": verdict.security.value if verdict is not None else "unchecked",
        "reason": verdict.reason.label if verdict is not None else "",
        "text": verdict.text if verdict is not None else "",
        "signatures": [
            {"covers": f"{name_to_text(rrset.name)}/{type_to_text(rrset.rtype)}"} | _signature(Rrsig(rdata), wall)
            for rrset in sets
            for rdata in rrset.sigs
        ],
        "denial": _denial(validated.denial) if validated is not None else None,
    }


def _denial(denial: Any) -> Document | None:
    if denial is None:
        return None
    return {
        "proof": denial.proof.value,
        "text": denial.text,
        "records": [line for rrset in denial.used for line in rrset_to_text(rrset, signatures=False)],
    }


def _finding(finding: Finding) -> Document:
    name, rtype = finding.question
    return {
        "server": finding.server.ip if finding.server is not None else None,
        "name_server": name_to_text(finding.ns_name) if finding.ns_name is not None else None,
        "question": f"{name_to_text(name)}/{type_to_text(rtype)}",
        "what": finding.what,
    }
