"""Answers made from cached denials, without asking anybody (RFC 8198, "aggressive use").

The records come from `resolver.cache.denials` and are secure; the proofs are those of `trust.denial`, so a synthesised
answer is exactly as well founded as one from the wire. EDE 29 tells that it was synthesised (RFC 8914 §4.30).

Not synthesised: what an NTA governs, what lies below a known deeper cut, answers from opt-out spans, and questions for
ANY, RRSIG, NSEC and NSEC3.
"""

from typing import Final

from resolver.cache.denials import HashedDenials, Held, ZoneDenials
from resolver.cache.memory import View
from resolver.resolve.link import Link
from trust import nsec, nsec3
from trust.anchors import Nta
from trust.denial import Denial, Proof, prove_wildcard
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

# A member of an enum takes the compiled core two look-ups, a constant none.
_NODATA: Final = Kind.NODATA
_NXDOMAIN: Final = Kind.NXDOMAIN
_CNAME: Final = Kind.CNAME
_PROVEN: Final = Proof.PROVEN
_FOREVER: Final = float("inf")


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
        link = _by_nsec(question, known, view)
        if link is not None:
            return link
    for hashed in known.nsec3.values():
        if hashed.iterations <= view.policy.nsec3_max_iterations:
            link = _by_nsec3(question, known, hashed, view)
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
        # What the parent's records say of names below a cut is nothing (RFC 6840 §4.1); spare the attempt.
        if current == ROOT or view.cut(current) is not None:
            return None
        current = parent(current)
    return known


def _by_nsec(question: Question, known: ZoneDenials, view: View) -> Link | None:
    """What the NSEC at or before the name proves, with the one at or before the wildcard that could stand for it."""
    name, rtype = question
    mono = view.now.mono
    key = canonical_key(name)
    first = known.nsec.at_or_before(key, mono)
    if first is None:
        return None
    found = [first]
    nsecs = [first.read]
    if not first.read.matches(name):
        if not first.read.covers_key(key):
            return None
        source = wildcard(first.read.closest_encloser(name))
        key = canonical_key(source)
        second = known.nsec.at_or_before(key, mono)
        if second is None or not (second.read.matches(source) or second.read.covers_key(key)):
            return None  # a cheap look ahead: without it nothing is proven
        if second is not first:
            found.append(second)
            nsecs.append(second.read)
    denial = nsec.name_error(name, nsecs)
    kind = _NXDOMAIN
    if denial.proof is not _PROVEN:
        denial = nsec.no_data(name, rtype, nsecs)
        kind = _NODATA
    if denial.proof is not _PROVEN:
        return None
    used = [(held.rrset, held.expires) for held in found]
    return _link(question, kind, [], denial, known, used, view)


def _by_nsec3(question: Question, known: ZoneDenials, hashed: HashedDenials, view: View) -> Link | None:
    """What the cached records of one chain prove: those of RFC 5155 §8.3 for the name, as far as they are there."""
    name, rtype = question
    zone = known.zone
    chain = nsec3.Chain(zone, hashed.salt, hashed.iterations, nsec3.Meter(view.budget), hashed.hashes)
    try:
        found = _nsec3_records(name, zone, chain, hashed, view.now.mono)
        if not found:
            return None
        for held in found:
            chain.links[held.read.hash] = held.read
        denial = nsec3.name_error(name, chain)
        kind = _NXDOMAIN
        if denial.proof is not _PROVEN:
            denial = nsec3.no_data(name, rtype, chain)
            kind = _NODATA
    except nsec3.OverLimitError:
        return None
    if denial.proof is not _PROVEN:
        return None
    used = [(held.rrset, held.expires) for held in found]
    return _link(question, kind, [], denial, known, used, view)


def _nsec3_records(
    name: Name, zone: Name, chain: nsec3.Chain, hashed: HashedDenials, mono: float
) -> list[Held[nsec3.Link]]:
    """The records for the name's closest encloser, next closer name and wildcard; empty when one is lacking, so that there
    is nothing to be proven.

    From the apex down: the first ancestor without a matching record is the next closer name.

    Raises:
        OverLimitError: a limit is reached.
    """
    ring = hashed.ring
    encloser = zone
    hash_of = chain.hash(zone)
    at_encloser = ring.at_or_before(hash_of, mono)
    if at_encloser is not None and at_encloser.read.hash != hash_of:
        at_encloser = None
    for labels in range(count_labels(zone) + 1, count_labels(name) + 1):
        candidate = suffix(name, labels)
        hash_of = chain.hash(candidate)
        nearest = ring.at_or_before(hash_of, mono)
        if nearest is None:
            return []
        if nearest.read.hash == hash_of:
            encloser, at_encloser = candidate, nearest
            continue
        if at_encloser is None or not nearest.read.covers(hash_of):
            return []
        source = wildcard(encloser)
        hash_of_source = chain.hash(source)
        if encloser == zone and not hashed.hashes:
            hashed.hashes = {zone: chain.hash(zone), source: hash_of_source}
        at_source = ring.at_or_before(hash_of_source, mono)
        if at_source is None or not (at_source.read.hash == hash_of_source or at_source.read.covers(hash_of_source)):
            return []
        found = [at_encloser]
        if nearest is not at_encloser:
            found.append(nearest)
        if at_source is not at_encloser and at_source is not nearest:
            found.append(at_source)
        return found
    return [] if at_encloser is None else [at_encloser]


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
                if denial.proof is _PROVEN:
                    kind = Kind.ANSWER if wanted == rtype else _CNAME
                    return _link(question, kind, [data], denial, known, [cover], view)
    return None


def _covers(next_closer: Name, known: ZoneDenials, mono: float) -> list[Found]:
    """The cached records that may cover a next closer name: one of the NSEC chain, one of each NSEC3 chain."""
    out: list[Found] = []
    nsec_held = known.nsec.at_or_before(canonical_key(next_closer), mono)
    if nsec_held is not None:
        out.append((nsec_held.rrset, nsec_held.expires))
    for hashed in known.nsec3.values():
        held = hashed.ring.at_or_before(nsec3_hash(next_closer, hashed.salt, hashed.iterations), mono)
        if held is not None:
            out.append((held.rrset, held.expires))
    return out


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
    authority: list[RRset] = []
    until = _FOREVER
    if kind is _NXDOMAIN or kind is _NODATA:
        assert known.soa is not None  # looked at before any denial
        soa, until = known.soa
        authority.append(soa)
    for rrset, expires in found:
        for used in denial.used:
            if used is rrset:
                authority.append(rrset)
                until = min(until, expires)
                break
    rrsets: list[RRset] = []
    for rrset, expires in data:
        rrsets.append(RRset(name, rrset.rtype, rrset.ttl, rrset.rdatas, rrset.sigs))
        until = min(until, expires)
    target = rrsets[0].rdatas[0] if kind is _CNAME else None
    step = Step(name, rtype, kind, rrsets, authority, known.zone, None, target)
    validated = Validated(_verdict(known))
    validated.authority = authority
    validated.denial = denial
    validated.zone = view.zones.get(known.zone)
    return Link(step, validated, until)


def _verdict(known: ZoneDenials) -> Verdict:
    """The same for all that is made of one zone's denials."""
    if known.verdict is None:
        note = Note(Reason.SYNTHESISED, f"from cached denials of {name_to_text(known.zone)}")
        known.verdict = Verdict(Security.SECURE, Reason.VALID, known.zone, notes=(note,))
    return known.verdict
