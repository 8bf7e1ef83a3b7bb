"""Denial proofs over random zones, against the independent opinion of `denial_model`.

Completeness: from all records of a zone every true denial is proven, every false one is not, and the records that a proof
used (three at most) suffice for it. Soundness: whatever records of the zone, of its parent, sibling or child, or expanded
from a wildcard are thrown together, nothing false is proven.

The questions of one zone are asked in a loop, not drawn one by one, which makes hundreds of thousands of them cheap.
AKASHI_DENIAL_ZONES: how many zones each test draws (60 if not set).
"""

import os
import random
from collections.abc import Iterator
from functools import lru_cache

import dns.name
from dns.name import Name
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trust.denial_model import (
    STAR,
    Nsec3Chain,
    Zone,
    bitmap,
    hides,
    is_delegation,
    nsec3_rrset,
    nsec_rrset,
    wire,
)
from trust.denial import Denial, Proof, prove_name_error, prove_no_data, prove_no_ds, prove_wildcard
from trust.policy import Budget, Policy
from wire import types as t
from wire.rrset import RRset

POLICY = Policy()
QTYPES = (t.A, t.NS, t.CNAME, t.SOA, t.MX, t.DS, t.DNAME)
LABELS = (b"*", b"a", b"b")
ODD_LABELS = (b"\0", b"a\0", b"c", b"-")

DATA = [
    frozenset({t.A}),
    frozenset({t.A}),
    frozenset({t.A, t.MX}),
    frozenset({t.TXT}),
    frozenset({t.CNAME}),
]
CUTS = [
    frozenset({t.NS}),
    frozenset({t.NS, t.DS}),
    frozenset({t.DNAME}),
    frozenset({t.DNAME, t.A}),
]
APEXES = [dns.name.root, dns.name.from_text("example."), dns.name.from_text("b.a.example.")]

fast = settings(
    max_examples=int(os.environ.get("AKASHI_DENIAL_ZONES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


# --- zones -----------------------------------------------------------------------------------------------------------


@lru_cache
def tree(apex: Name, labels: tuple[bytes, ...], depth: int) -> list[Name]:
    """All names down to `depth` below the apex."""
    level, out = [apex], []
    for _ in range(depth):
        level = [Name([label, *name.labels]) for name in level for label in labels]
        out += level
    return out


@lru_cache
def questions(apex: Name) -> list[Name]:
    """The apex, every name that a zone may hold, and names that none holds."""
    odd = [Name([label, *name.labels]) for name in [apex, *tree(apex, LABELS, 2)] for label in ODD_LABELS]
    return [apex, *tree(apex, LABELS, 3), *odd]


@st.composite
def zones(draw: st.DrawFn, *, opt_out: bool = False) -> Zone:
    apex = draw(st.sampled_from(APEXES))
    drawn = draw(
        st.dictionaries(st.sampled_from(tree(apex, LABELS, 3)), st.sampled_from(DATA + CUTS), min_size=0, max_size=8)
    )
    apex_types = {t.SOA, t.NS, t.DNSKEY}
    if draw(st.integers(0, 19)) == 0:
        apex_types.add(t.DNAME)
    nodes: dict[Name, frozenset[int]] = {apex: frozenset(apex_types)}
    for name, types in sorted(drawn.items(), key=lambda item: len(item[0].labels)):
        # RFC 4592 §4.2, §4.4: delegations and DNAMEs at wildcards are left undefined; they are not made here.
        if name.labels[0] == STAR and hides(types):
            types = DATA[0]
        above = [nodes[a] for a in Zone(apex, nodes).ancestors(name) if a in nodes]
        if not any(hides(types_above) for types_above in above):
            nodes[name] = types
    omitted: set[Name] = set()
    if opt_out:
        insecure = [name for name, types in nodes.items() if is_delegation(types) and t.DS not in types]
        omitted = {name for name in insecure if draw(st.booleans())}
        zone = Zone(apex, nodes)
        for name in sorted(zone.existing - nodes.keys(), key=lambda name: -len(name.labels)):
            below = {n for n in zone.existing if n.is_subdomain(name) and n != name}
            # RFC 5155 §7.1: an empty non-terminal may be left out when nothing but left-out delegations are below it.
            # Not made: a wildcard among these. §9.2 asks for no Opt-Out check of its cover, so it counts as absent, and
            # a name error is proven where NODATA would be the truth; nothing signed is denied by either.
            if name.labels[0] != STAR and below <= omitted and draw(st.booleans()):
                omitted.add(name)
    return Zone(apex, nodes, frozenset(omitted))


@st.composite
def nsec3_chains(draw: st.DrawFn) -> Nsec3Chain:
    zone = draw(zones(opt_out=draw(st.booleans())))
    salt, iterations = draw(st.sampled_from([(b"", 0), (b"", 0), (b"\xaa\xbb", 2)]))
    more = draw(st.frozensets(st.integers(0, 12), max_size=4)) if draw(st.booleans()) else frozenset()
    return Nsec3Chain(zone, salt, iterations, more)


# --- asking ----------------------------------------------------------------------------------------------------------


def enclosers(zone: Zone, name: Name) -> list[Name]:
    """Names whose wildcard the zone may hold and whose expansion the question could be."""
    return [a for a in zone.ancestors(name) if a in zone.existing and not zone.is_hidden(a) and not hides(zone.types(a))]


def next_closer(name: Name, encloser: Name) -> Name:
    return Name(name.labels[-len(encloser.labels) - 1 :])


def ask_all(zone: Zone, name: Name, records: list[RRset]) -> Iterator[tuple[str, int | Name | None, Denial]]:
    """Every question about one name."""
    qname, apex = wire(name), wire(zone.apex)
    yield "name-error", None, prove_name_error(qname, apex, records, POLICY, Budget())
    for qtype in QTYPES:
        yield "no-data", qtype, prove_no_data(qname, qtype, apex, records, POLICY, Budget())
    yield "no-ds", None, prove_no_ds(qname, apex, records, POLICY, Budget())
    for encloser in enclosers(zone, name):
        denial = prove_wildcard(qname, wire(encloser), apex, records, POLICY, Budget())
        yield "wildcard", encloser, denial


def truth(zone: Zone, name: Name, question: str, detail: int | Name | None) -> Proof | None:
    """What a complete proof amounts to without opt-out; None when the denial is false or not this zone's to make."""
    holds: bool
    if question == "name-error":
        holds = zone.no_name(name)
    elif question == "no-data":
        assert isinstance(detail, int)
        holds = zone.no_data(name, detail)
    elif question == "no-ds":
        if zone.is_hidden(name) or name == zone.apex:
            return None
        types = zone.types(name)
        if not is_delegation(types):
            return Proof.NO_DELEGATION
        holds = t.DS not in types
    else:
        assert isinstance(detail, Name)
        nearer = next_closer(name, detail)
        holds = nearer not in zone.existing and not zone.is_hidden(nearer)
    return Proof.PROVEN if holds else None


def nsec3_expectation(chain: Nsec3Chain, name: Name, question: str, detail: int | Name | None) -> Proof | None:
    """What the whole chain proves: as `truth`, but what is left out, or might be, is insecure (RFC 5155 §9.2)."""
    zone = chain.zone
    if question == "wildcard":
        assert isinstance(detail, Name)
        nearer = next_closer(name, detail)
        if chain.has(nearer):
            return None
        return Proof.OPT_OUT if chain.is_opt_out(nearer) else truth(zone, name, question, detail)
    if chain.has(name) or (question == "no-ds" and name == zone.apex):
        return truth(zone, name, question, detail)
    encloser, nearer = chain.encloser(name)
    if hides(zone.types(encloser)):
        return None
    if not chain.is_opt_out(nearer):
        return truth(zone, name, question, detail)
    star = Name([STAR, *encloser.labels])
    if question == "name-error":
        return None if chain.has(star) else Proof.OPT_OUT
    if question == "no-data" and chain.has(star):
        assert isinstance(detail, int)
        return Proof.OPT_OUT if zone.lacks_type(star, detail) else None
    return Proof.OPT_OUT


def may_hide_unsigned(chain: Nsec3Chain, name: Name) -> bool:
    """Whether OPT_OUT is no falsehood: the chain does not hold the name, nor a cut or DNAME above it."""
    zone = chain.zone
    return not chain.has(name) and not any(chain.has(a) and hides(zone.types(a)) for a in zone.ancestors(name))


# --- foreign records -------------------------------------------------------------------------------------------------


def foreign_nsec(zone: Zone, rng: random.Random) -> list[RRset]:
    """Records of other zones whose names overlap with this one's, and expansions of this zone's wildcards."""
    out: list[RRset] = []
    apex = zone.apex
    a, b = Name([b"a", *apex.labels]), Name([b"b", *apex.labels])
    if apex != dns.name.root:
        parent = apex.parent()
        out.append(nsec_rrset(apex, parent, {t.NS}, parent))
        out.append(nsec_rrset(apex, Name([b"zz", *parent.labels]), {t.NS, t.DS}, parent))
        out.append(nsec_rrset(parent, apex, {t.NS, t.SOA}, parent))
        sibling = Name([b"sib", *parent.labels])
        out.append(nsec_rrset(sibling, sibling, {t.NS, t.SOA}, sibling))
        # CVE-2026-13321: signed here, but the next name is elsewhere
        out.append(nsec_rrset(a, sibling, {t.A}, apex))
        out.append(nsec_rrset(apex, sibling, {t.NS, t.SOA}, apex))
    # A child zone's own records
    out.append(nsec_rrset(a, Name([b"b", *a.labels]), {t.NS, t.SOA}, a))
    out.append(nsec_rrset(Name([b"a", *a.labels]), a, {t.A}, a))
    out.append(nsec_rrset(b, b, {t.NS, t.SOA}, b))
    # Going back, but not to the apex
    out.append(nsec_rrset(b, a, {t.A}, apex))
    # Wildcard expansions: the wildcard's NSEC under another owner
    chain = {r.name: r for r in zone.nsec_chain()}
    for name in zone.nodes:
        if name.labels[0] == STAR:
            record = chain[wire(name)]
            for label in rng.sample([b"0", b"a", b"b", b"zz"], 2):
                expanded = Name([label, *name.labels[1:]])
                out.append(RRset(wire(expanded), t.NSEC, 3600, record.rdatas, record.sigs))
    return out


def foreign_nsec3(chain: Nsec3Chain, rng: random.Random) -> list[RRset]:
    """Records at hashed names that this zone did not sign, or signed wrongly."""
    apex = chain.zone.apex
    ring = chain.ring
    some, other = rng.choice(ring), bytes(20)
    kwargs = {"iterations": chain.iterations, "salt": chain.salt}
    out = [
        # CVE-2026-10723: the apex of a child zone that is called like a hash
        nsec3_rrset(apex, other, b"\xff" * 20, {t.A}, signer=Name([b"child", *apex.labels]), **kwargs),
        nsec3_rrset(apex, some, some, {t.NS, t.SOA}, signer=Name([b"child", *apex.labels]), **kwargs),
        # RFC 5155 §8.1, §8.2: unknown algorithm, unknown flag
        nsec3_rrset(apex, other, b"\xff" * 20, set(), algorithm=2, **kwargs),
        nsec3_rrset(apex, other, b"\xff" * 20, set(), flags=2, **kwargs),
        nsec3_rrset(apex, other, b"\xff" * 20, set(), flags=3, **kwargs),
        # A hash of another length
        nsec3_rrset(apex, other, b"\xff" * 21, set(), **kwargs),
        # Another zone's chain, at an owner that is not directly below this apex
        nsec3_rrset(Name([b"a", *apex.labels]), other, b"\xff" * 20, set(), signer=apex, **kwargs),
    ]
    # Another chain of the same zone, in the middle of a change of parameters
    out += rng.sample(other_chain(chain).rrsets, min(3, len(ring)))
    return out


def other_chain(chain: Nsec3Chain) -> Nsec3Chain:
    return Nsec3Chain(chain.zone, b"\x77", 1)


def subsets(rng: random.Random, own: list[RRset], foreign: list[RRset]) -> Iterator[list[RRset]]:
    """All single records and many mixtures."""
    for record in own + foreign:
        yield [record]
    for _ in range(30):
        size = rng.randint(0, min(4, len(own)))
        records = rng.sample(own, size) + rng.sample(foreign, rng.randint(0, 2))
        rng.shuffle(records)
        yield records


# --- completeness ----------------------------------------------------------------------------------------------------


def outcome(denial: Denial) -> Proof | None:
    return denial.proof if denial.proof.holds else None


@fast
@given(zones())
def test_the_whole_nsec_chain_proves_exactly_what_is_true(zone: Zone) -> None:
    records = zone.nsec_chain()
    for name in questions(zone.apex):
        for question, detail, denial in ask_all(zone, name, records):
            assert outcome(denial) == truth(zone, name, question, detail), (name, question, detail, denial)
            assert denial.proof.holds == bool(denial.used)


@fast
@given(nsec3_chains())
def test_the_whole_nsec3_chain_proves_exactly_what_is_true(chain: Nsec3Chain) -> None:
    for name in questions(chain.zone.apex):
        for question, detail, denial in ask_all(chain.zone, name, chain.rrsets):
            expected = nsec3_expectation(chain, name, question, detail)
            assert outcome(denial) == expected, (name, question, detail, denial)
            assert denial.proof.holds == bool(denial.used)


@fast
@given(nsec3_chains())
def test_what_a_proof_used_proves_it_again_by_either_kind(chain: Nsec3Chain) -> None:
    """The records named in `used` are the whole proof: they alone, in any order, give the same outcome."""
    for records in (chain.zone.nsec_chain(), chain.rrsets):
        for name in questions(chain.zone.apex)[::3]:
            first = list(ask_all(chain.zone, name, records))
            for position, (question, detail, denial) in enumerate(first):
                if denial.proof.holds:
                    again = list(ask_all(chain.zone, name, denial.used[::-1]))[position]
                    assert again[:2] == (question, detail)
                    assert again[2].proof is denial.proof, (name, question, detail, denial, again[2])


# --- soundness -------------------------------------------------------------------------------------------------------


@fast
@given(zones(), st.integers(0, 2**32))
def test_no_mixture_of_nsec_records_proves_a_falsehood(zone: Zone, seed: int) -> None:
    rng = random.Random(seed)
    names = questions(zone.apex)
    for records in subsets(rng, zone.nsec_chain(), foreign_nsec(zone, rng)):
        for name in rng.sample(names, 12):
            for question, detail, denial in ask_all(zone, name, records):
                if denial.proof.holds:
                    assert denial.proof == truth(zone, name, question, detail), (name, question, detail, denial)


@fast
@given(nsec3_chains(), st.integers(0, 2**32))
def test_no_mixture_of_nsec3_records_proves_a_falsehood(chain: Nsec3Chain, seed: int) -> None:
    rng = random.Random(seed)
    zone = chain.zone
    names = questions(zone.apex)
    for records in subsets(rng, chain.rrsets + zone.nsec_chain(), foreign_nsec3(chain, rng)):
        for name in rng.sample(names, 12):
            for question, detail, denial in ask_all(zone, name, records):
                if denial.proof is Proof.OPT_OUT:
                    subject = next_closer(name, detail) if isinstance(detail, Name) else name
                    assert may_hide_unsigned(chain, subject), (name, question, detail, denial)
                elif denial.proof.holds:
                    assert denial.proof == truth(zone, name, question, detail), (name, question, detail, denial)


@fast
@given(zones(), st.sampled_from(APEXES), st.integers(0, 2**32))
def test_records_of_one_zone_prove_nothing_for_another(zone: Zone, other: Name, seed: int) -> None:
    if other == zone.apex:
        return
    rng = random.Random(seed)
    records = zone.nsec_chain() + Nsec3Chain(zone).rrsets
    stranger = Zone(other, {other: frozenset({t.SOA, t.NS})})
    for name in rng.sample(questions(other), 20):
        for question, detail, denial in ask_all(stranger, name, records):
            assert not denial.proof.holds, (name, question, detail, denial)


def test_bitmaps_of_the_model_are_readable() -> None:
    """The model's own encoding is sound: RFC 4034 §4.3's example."""
    assert bitmap([t.A, t.MX, t.RRSIG, t.NSEC, 1234]) == bytes.fromhex(
        "0006400100000003041b000000000000000000000000000000000000000000000000000020"
    )
