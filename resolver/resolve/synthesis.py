"""Answers made from cached denials, without asking anybody (RFC 8198, "aggressive use").

The records come from `resolver.cache.denials` and are secure; the proofs are those of `trust.denial`, so a synthesised
answer is exactly as well founded as one from the wire. EDE 29 tells that it was synthesised (RFC 8914 §4.30).

Not synthesised: what an NTA governs, what lies below a known deeper cut, answers from opt-out spans, and questions for
ANY, RRSIG, NSEC and NSEC3.
"""

from typing import Final

from resolver.cache.denials import Ring, ZoneDenials
from resolver.cache.memory import View
from resolver.resolve.link import Link
from trust.anchors import Nta
from trust.denial import Denial, Proof, prove_name_error, prove_no_data, prove_wildcard
from trust.nsec import Nsec
from trust.nsec3 import nsec3_hash
from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Kind, Note, Question, Security, Step, Verdict
from wire import types as t
from wire.name import ROOT, Name, ancestors, canonical_key, count_labels, is_subdomain, parent, suffix, wildcard
from wire.rrset import RRset
from wire.text import name_to_text

_NEVER: Final = frozenset((t.ANY, t.RRSIG, t.NSEC, t.NSEC3))

Found = tuple[RRset, float]


def synthesise(question: Question, view: View) -> Link | None:
    """An answer from what is cached of the zone's denials; None when they do not settle the question."""
    name, rtype = question
    if rtype in _NEVER or not view.memory.settings.aggressive_nsec:
        return None
    subject = parent(name) if rtype == t.DS and name != ROOT else name
    known = _deepest(subject, view)
    if known is None:
        return None
    if isinstance(view.points.governing(subject, view.now.wall), Nta):
        return None
    if known.wildcards:
        link = _from_wildcard(question, known, view)
        if link is not None:
            return link
    if known.soa is None or known.soa[1] <= view.now.mono:
        return None
    if len(known.nsec):
        found = _nsec_records(name, known, view.now.mono)
        if found:
            link = _answer(question, known, found, view)
            if link is not None:
                return link
    for (salt, iterations), ring in known.nsec3.items():
        if iterations > view.policy.nsec3_max_iterations:
            continue
        found = _nsec3_records(name, known.zone, salt, iterations, ring, view.now.mono)
        if found:
            link = _answer(question, known, found, view)
            if link is not None:
                return link
    return None


def _deepest(name: Name, view: View) -> ZoneDenials | None:
    """The denials of the deepest zone at or above the name that has any, unless a cut is known below it."""
    denials = view.memory.denials
    if not len(denials):
        return None
    current = name
    while (known := denials.get(current)) is None:
        if current == ROOT:
            return None
        current = parent(current)
    # What the parent's records say of names below a cut is nothing (RFC 6840 §4.1); spare the attempt.
    cut = view.closest_cut(name).zone
    return known if is_subdomain(known.zone, cut) else None


def _nsec_records(name: Name, known: ZoneDenials, mono: float) -> list[Found]:
    """The NSEC at or before the name, and the one at or before the wildcard that could stand for it."""
    first = known.nsec.at_or_before(canonical_key(name), mono)
    if first is None:
        return []
    nsec = Nsec(first[0])
    if nsec.matches(name):
        return [first]
    if not nsec.covers(name):
        return []
    second = known.nsec.at_or_before(canonical_key(wildcard(nsec.closest_encloser(name))), mono)
    return [first] if second is None or second[0] is first[0] else [first, second]


def _nsec3_records(name: Name, zone: Name, salt: bytes, iterations: int, ring: Ring[bytes], mono: float) -> list[Found]:
    """The records of RFC 5155 §8.3 for the name, as far as they are cached.

    From the apex down: the first ancestor without a matching record is the next closer name.
    """
    encloser, at_encloser = zone, ring.at(nsec3_hash(zone, salt, iterations), mono)
    for labels in range(count_labels(zone) + 1, count_labels(name) + 1):
        candidate = suffix(name, labels)
        hashed = nsec3_hash(candidate, salt, iterations)
        match = ring.at(hashed, mono)
        if match is None:
            if at_encloser is None:
                return []
            cover = ring.at_or_before(hashed, mono)
            source = ring.at_or_before(nsec3_hash(wildcard(encloser), salt, iterations), mono)
            found = [at_encloser] + [record for record in (cover, source) if record is not None]
            return list({id(record[0]): record for record in found}.values())
        encloser, at_encloser = candidate, match
    return [] if at_encloser is None else [at_encloser]


def _answer(question: Question, known: ZoneDenials, found: list[Found], view: View) -> Link | None:
    """What the records prove about the question."""
    name, rtype = question
    zone, policy, budget = known.zone, view.policy, view.budget
    records = [rrset for rrset, _ in found]
    denial = prove_name_error(name, zone, records, policy, budget)
    if denial.proof is Proof.PROVEN:
        return _link(question, Kind.NXDOMAIN, [], denial, known, found, view)
    denial = prove_no_data(name, rtype, zone, records, policy, budget)
    if denial.proof is Proof.PROVEN:
        return _link(question, Kind.NODATA, [], denial, known, found, view)
    return None


def _from_wildcard(question: Question, known: ZoneDenials, view: View) -> Link | None:
    """A cached wildcard's set for a name of which it is proven that nothing nearer exists (RFC 8198 §5.3, RFC 5155 §8.8).

    The closest encloser is the wildcard's parent: its signature told so when the set was verified.
    """
    name, rtype = question
    mono = view.now.mono
    for encloser in ancestors(name)[1:]:
        if not is_subdomain(encloser, known.zone):
            break
        for wanted in (rtype, t.CNAME):
            data = known.wildcards.get((wildcard(encloser), wanted))
            if data is None or data[1] <= mono:
                continue
            for cover in _covers(suffix(name, count_labels(encloser) + 1), known, mono):
                denial = prove_wildcard(name, encloser, known.zone, [cover[0]], view.policy, view.budget)
                if denial.proof is Proof.PROVEN:
                    kind = Kind.ANSWER if wanted == rtype else Kind.CNAME
                    return _link(question, kind, [data], denial, known, [cover], view)
    return None


def _covers(next_closer: Name, known: ZoneDenials, mono: float) -> list[Found]:
    """The cached records that may cover a next closer name: one of the NSEC chain, one of each NSEC3 chain."""
    out = [known.nsec.at_or_before(canonical_key(next_closer), mono)]
    for (salt, iterations), ring in known.nsec3.items():
        out.append(ring.at_or_before(nsec3_hash(next_closer, salt, iterations), mono))
    return [found for found in out if found is not None]


def _link(
    question: Question,
    kind: Kind,
    data: list[Found],
    denial: Denial,
    known: ZoneDenials,
    found: list[Found],
    view: View,
) -> Link:
    """The synthesised step with its verdict. It ends with the first of the records it is made from."""
    name, rtype = question
    used = [pair for pair in found if any(pair[0] is rrset for rrset in denial.used)]
    rrsets = [RRset(name, r.rtype, r.ttl, r.rdatas, r.sigs) for r, _ in data]
    authority = [rrset for rrset, _ in used]
    if kind in (Kind.NXDOMAIN, Kind.NODATA):
        assert known.soa is not None  # looked at before any denial
        authority.insert(0, known.soa[0])
        used.append(known.soa)
    target = rrsets[0].rdatas[0] if kind is Kind.CNAME else None
    step = Step(name, rtype, kind, rrsets, authority, known.zone, None, target)
    note = Note(Reason.SYNTHESISED, f"from cached denials of {name_to_text(known.zone)}")
    validated = Validated(Verdict(Security.SECURE, Reason.VALID, known.zone, notes=(note,)))
    validated.authority = authority
    validated.denial = denial
    validated.zone = view.zones.get(known.zone)
    return Link(step, validated, min(expires for _, expires in used + data))
