"""Evidence → a document that shows its proof: question, verdict, fault, the chain link by link, every server's own answer.

The document is plain data (dict, list, str, int, float, bool, None): what `akashi explain --json` prints, and what the
tree, the drawing and the page are made of. Its schema is `schema.json` beside this file, told in docs/EXPLAIN.md.
"""

from collections.abc import Iterator

from resolver.explain.diagnosis import Fault, Link, Party, answers, find_fault, next_step, sentence_of, who_can_mend
from resolver.explain.evidence import Evidence
from resolver.explain.governed import governed_of
from resolver.explain.links import Document, Teller
from resolver.explain.servers import daemon_fails, daemon_of, errors_of, survey_of, unchecked_of
from resolver.explain.terms import mail_address
from resolver.explain.texts import Words
from resolver.resolution import Resolution
from trust.reason import Reason
from trust.signature import SignatureResult, time_text
from trust.validate import Validated
from trust.vocabulary import Finding, Security, Step
from trust.zone import ZoneTrust
from wire import types as t
from wire.rdata import Rrsig
from wire.rrset import RRset
from wire.text import name_to_text, rcode_to_text, rrset_to_text, type_to_text

__all__ = ["SCHEMA", "Document", "chain_of", "document", "report"]

SCHEMA = "akashi-explain/1"
"""Changes when a field goes away or changes its meaning; new fields may come without."""


def report(resolution: Resolution, wall: float, language: str = "en") -> Document:
    """The document of a resolution alone, with nothing beside it; `wall`: seconds since 1970."""
    return document(Evidence(resolution, wall), language)


def document(evidence: Evidence, language: str = "en") -> Document:
    """The whole document. Times of validity are told against `evidence.wall`."""
    words = Words(language)
    resolution = evidence.resolution
    tell = Teller(evidence.wall, evidence.policy, words)
    fault = find_fault(resolution)
    name, rtype = resolution.question
    known = chain_of(resolution)
    if evidence.delegation is not None:
        here = {zone.zone for zone in known}
        known += [zone for zone in chain_of(evidence.delegation) if zone.zone not in here]
    chain = [tell.zone(zone) for zone in known]
    steps = [_step(tell, step, validated) for step, validated in resolution.steps]
    contacts = _contacts(evidence, fault)
    mail = next((contact["mail"] for contact in contacts if contact["mail"]), "")
    return {
        "schema": SCHEMA,
        "made": {"at": time_text(int(evidence.wall)), "by": evidence.by, "language": words.language},
        "question": {"name": name_to_text(name), "type": type_to_text(rtype)},
        "asked": {"server": evidence.server.ip if evidence.server is not None else None},
        "answer": {
            "rcode": rcode_to_text(resolution.rcode),
            "security": resolution.security.value,
            "reason": resolution.reason.label,
            "sentence": sentence_of(resolution, fault, words),
            "who": who_can_mend(resolution, fault, words),
            "next": next_step(resolution, fault, mail, daemon_fails(evidence), words),
            "errors": errors_of(resolution.errors),
            "records": [line for rrset, _ in resolution.answer for line in rrset_to_text(rrset, signatures=False)],
        },
        "policy": governed_of(evidence, words),
        "fault": _fault(fault),
        "contacts": contacts,
        "validity": _first_to_expire(chain, steps),
        "procedure": _procedure(evidence, fault, words),
        "chain": chain,
        "steps": steps,
        "authorities": [survey_of(survey, evidence.server, words) for survey in evidence.surveys],
        "unchecked": unchecked_of(evidence.unchecked, words),
        "daemon": daemon_of(evidence, words),
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


# --- the answer's steps --------------------------------------------------------------------------------------------


def _step(tell: Teller, step: Step, validated: Validated | None) -> Document:
    verdict = validated.verdict if validated is not None else None
    decided = validated.zone if validated is not None else None
    sets: list[RRset] = [*step.rrsets, *(r for r in step.authority if not step.rrsets or r.rtype != t.SOA)]
    results = {id(rrset): result for rrset, result in validated.signatures} if validated is not None else {}
    return {
        "name": name_to_text(step.name),
        "type": type_to_text(step.rtype),
        "kind": step.kind.value,
        "records": [line for rrset in step.rrsets for line in rrset_to_text(rrset, signatures=False)],
        "target": name_to_text(step.target) if step.target is not None else None,
        "zone": name_to_text(step.zone),
        "chain_zone": name_to_text(decided.zone) if decided is not None else None,
        "server": step.server.ip if step.server is not None else None,
        "security": verdict.security.value if verdict is not None else "unchecked",
        "reason": verdict.reason.label if verdict is not None else "",
        "text": verdict.text if verdict is not None else "",
        "signatures": [one for rrset in sets for one in _signatures(tell, rrset, results.get(id(rrset)))],
        "denial": tell.denial(validated.denial, step.name, step.rtype) if validated is not None else None,
    }


def _signatures(tell: Teller, rrset: RRset, result: SignatureResult | None) -> Iterator[Document]:
    """Every signature of a set; `used`: the one that decided; `holds`: what came of it, null when it was not needed."""
    covers = f"{name_to_text(rrset.name)}/{type_to_text(rrset.rtype)}"
    for rdata in rrset.sigs:
        sig = Rrsig(rdata)
        decided = result is not None and result.rrsig is not None and _same(result.rrsig, sig)
        yield {
            "covers": covers,
            **tell.signature(sig),
            "used": decided,
            "holds": result.ok if decided and result is not None else None,
            "text": result.text if decided and result is not None else "",
        }


def _same(left: Rrsig, right: Rrsig) -> bool:
    return left.head == right.head and left.signature == right.signature


def _first_to_expire(chain: list[Document], steps: list[Document]) -> Document | None:
    """The signature of the whole proof that runs out first: only those that hold count."""
    found: list[Document] = []
    for zone in chain:
        for part, label in (("ds", "DS"), ("dnskey", "DNSKEY")):
            signature = zone[part]["signature"] if zone[part] is not None else None
            if signature is not None and signature["holds"]:
                found.append({"covers": f"{zone['zone']}/{label}"} | signature)
    found += [signature for step in steps for signature in step["signatures"] if signature["holds"]]
    if not found:
        return None
    first = min(found, key=lambda signature: int(signature["seconds_left"]))
    return {key: first[key] for key in ("covers", "expiration", "seconds_left", "left")}


# --- who and what next ---------------------------------------------------------------------------------------------


def _fault(fault: Fault | None) -> Document | None:
    if fault is None:
        return None
    return {
        "link": fault.link.value,
        "zone": name_to_text(fault.zone),
        "parent": name_to_text(fault.parent) if fault.parent is not None else None,
        "reason": fault.reason.label,
        "text": fault.text,
        "parties": [party.value for party in fault.parties],
    }


def _contacts(evidence: Evidence, fault: Fault | None) -> list[Document]:
    """Whom to write to, the zone that can mend it first."""
    out = []
    for contact in evidence.contacts:
        is_parent = fault is not None and contact.zone == fault.parent
        role = Party.PARENT.value if is_parent else Party.AUTHORITY.value
        out.append(
            {
                "zone": name_to_text(contact.zone),
                "role": role,
                "rname": name_to_text(contact.rname),
                "mail": mail_address(contact.rname),
            }
        )
    if fault is not None:
        order = [party.value for party in fault.parties]
        out.sort(key=lambda each: order.index(str(each["role"])) if each["role"] in order else len(order))
    return out


def _procedure(evidence: Evidence, fault: Fault | None, words: Words) -> list[Document]:
    """Guideline 2.6.3, step by step: CD query, then the chain; and what every server says, which outside services show."""
    resolution, unchecked = evidence.resolution, evidence.unchecked
    without = rcode_to_text(unchecked.rcode) if unchecked is not None else words("step.cd.missing")
    steps = [
        {
            "step": words("step.cd.title"),
            "found": words("step.cd.found", checked=rcode_to_text(resolution.rcode), unchecked=without),
            "means": _cd_means(resolution, unchecked, words),
        },
        {
            "step": words("step.chain.title"),
            "found": sentence_of(resolution, fault, words),
            "means": _chain_means(resolution, fault, words),
        },
    ]
    if evidence.surveys:
        first = survey_of(evidence.surveys[0], evidence.server, words)
        bad = sum(1 for row in first["servers"] if row["security"] not in ("secure", "insecure"))
        found = words("step.servers.found", good=len(first["servers"]) - bad, all=len(first["servers"]))
        steps.append({"step": words("step.servers.title"), "found": found, "means": first["sentence"]})
    return steps


def _cd_means(resolution: Resolution, unchecked: Resolution | None, words: Words) -> str:
    if unchecked is None:
        return ""
    if answers(resolution.rcode):
        return words("step.cd.both")
    return words("step.cd.dnssec" if answers(unchecked.rcode) else "step.cd.neither")


def _chain_means(resolution: Resolution, fault: Fault | None, words: Words) -> str:
    if fault is None:
        if resolution.security is Security.SECURE:
            return words("step.chain.holds")
        if resolution.reason is Reason.NTA:
            return words("step.chain.nta")
        zone = name_to_text(_end_of(resolution))
        return words("step.chain.ends", zone=zone)
    if fault.link in (Link.SERVERS, Link.ALIAS):
        return words("step.chain.unknown")
    return words("step.chain.ours" if fault.parties[0] is Party.US else "step.chain.breaks")


def _end_of(resolution: Resolution) -> bytes:
    """Where a chain ends that ends as it should."""
    for step, validated in resolution.steps:
        if validated is not None and validated.verdict.security is Security.INSECURE:
            return validated.verdict.at or step.zone
    return resolution.question.name


def _finding(finding: Finding) -> Document:
    name, rtype = finding.question
    return {
        "server": finding.server.ip if finding.server is not None else None,
        "name_server": name_to_text(finding.ns_name) if finding.ns_name is not None else None,
        "question": f"{name_to_text(name)}/{type_to_text(rtype)}",
        "what": finding.what,
    }
