"""NSEC3 hashes, records and proofs, by table."""

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trust.denial_model import Nsec3Chain, Zone, hollow_sig, name_hash, nsec3_rrset
from trust.denial import Denial, Proof, prove_name_error, prove_no_data, prove_no_ds, prove_wildcard
from trust.nsec3 import nsec3_covers, nsec3_hash, nsec3_matches, owner_hash, read_nsec3
from trust.policy import Budget, Policy
from trust.reason import Reason
from wire import types as t
from wire.limits import NSEC3_PER_PROOF, NSEC3_PER_RESOLUTION
from wire.name import count_labels
from wire.rrset import RRset
from wire.text import name_from_text as n
from wire.text import type_from_text

EXAMPLE = n("example")
POLICY = Policy()


def d(text: str) -> dns.name.Name:
    return dns.name.from_text(text, dns.name.root)


def chain_of(
    *lines: str,
    apex: str = "example",
    omitted: tuple[str, ...] = (),
    salt: bytes = b"",
    iterations: int = 0,
    opt_out: bool = False,
) -> Nsec3Chain:
    """The chain of a zone whose nodes are `owner TYPE …`."""
    nodes = {d(apex): frozenset({t.SOA, t.NS})}
    for line in lines:
        owner, *types = line.split()
        nodes[d(owner)] = frozenset(map(type_from_text, types))
    zone = Zone(d(apex), nodes, frozenset(map(d, omitted)))
    return Nsec3Chain(zone, salt, iterations, frozenset(range(100)) if opt_out else frozenset())


def name_error(qname: str, records: list[RRset], policy: Policy = POLICY, budget: Budget | None = None) -> Denial:
    return prove_name_error(n(qname), EXAMPLE, records, policy, budget or Budget())


def no_data(qname: str, qtype: int, records: list[RRset]) -> Denial:
    return prove_no_data(n(qname), qtype, EXAMPLE, records, POLICY, Budget())


def no_ds(qname: str, records: list[RRset]) -> Denial:
    return prove_no_ds(n(qname), EXAMPLE, records, POLICY, Budget())


def wildcard(qname: str, encloser: str, records: list[RRset]) -> Denial:
    return prove_wildcard(n(qname), n(encloser), EXAMPLE, records, POLICY, Budget())


# --- hashes ----------------------------------------------------------------------------------------------------------

names = st.lists(st.binary(min_size=1, max_size=12), max_size=6).map(lambda labels: dns.name.Name([*labels, b""]))


@given(names, st.binary(max_size=16), st.integers(0, 30))
def test_hashes_are_dnspythons(name: dns.name.Name, salt: bytes, iterations: int) -> None:
    assert nsec3_hash(name.to_digestable(), salt, iterations) == name_hash(name, salt, iterations)


def test_owner_hash_reads_base32hex() -> None:
    for hashed in (bytes(20), b"\xff" * 20, bytes(range(20))):
        label = nsec3_rrset(d("example"), hashed, hashed, []).name
        assert owner_hash(label, EXAMPLE) == hashed


@pytest.mark.parametrize(
    "owner",
    [
        "example",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.other",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.a.example",
        "a.0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3to.example",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tomm.example",
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3tow.example",  # w is no base32hex digit
        "0p9mhaveqvm6t7vbl5lop2u3t2rp3t_m.example",  # int() would take the underscore,
        "+p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example",  # the sign,
        "-p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example",
        r"\032p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example",  # the space,
        r"0p9mhaveqvm6t7vbl5lop2u3t2rp3to\009.example",
        r"\217\1619mhaveqvm6t7vbl5lop2u3t2rp3tom.example",  # and other scripts' digits
    ],
)
def test_owners_that_are_no_hash_of_the_zone(owner: str) -> None:
    assert owner_hash(n(owner), EXAMPLE) is None


def h(first: int) -> bytes:
    return bytes((first,)) + bytes(19)


@pytest.mark.parametrize(
    ("owner", "nxt", "covered", "free"),
    [
        (10, 20, [11, 19], [10, 20, 9, 21, 0, 255]),
        (20, 10, [21, 255, 0, 9], [20, 10, 15]),  # the last record: round the ring
        (10, 10, [11, 255, 0, 9], [10]),  # the only record
    ],
)
def test_cover(owner: int, nxt: int, covered: list[int], free: list[int]) -> None:
    rrset = nsec3_rrset(d("example"), h(owner), h(nxt), [])
    for value in covered:
        assert nsec3_covers(rrset, EXAMPLE, h(value))
        assert not nsec3_matches(rrset, EXAMPLE, h(value))
    for value in free:
        assert not nsec3_covers(rrset, EXAMPLE, h(value))
        assert nsec3_matches(rrset, EXAMPLE, h(value)) == (value == owner)
    assert not nsec3_covers(rrset, n("other"), h(covered[0]))


# --- which records count ---------------------------------------------------------------------------------------------


def test_records_that_must_not_be_used() -> None:
    apex = d("example")
    good = nsec3_rrset(apex, h(1), h(2), [t.A])
    assert read_nsec3(good, EXAMPLE) is not None
    assert read_nsec3(nsec3_rrset(apex, h(1), h(2), [t.A], opt_out=True), EXAMPLE) is not None
    refused = {
        "unknown algorithm (§8.1)": nsec3_rrset(apex, h(1), h(2), [], algorithm=2),
        "unknown flag (§8.2)": nsec3_rrset(apex, h(1), h(2), [], flags=2),
        "unknown flag beside Opt-Out (§8.2)": nsec3_rrset(apex, h(1), h(2), [], flags=3),
        "next hash too short": nsec3_rrset(apex, h(1), h(2)[:19], []),
        "next hash too long": nsec3_rrset(apex, h(1), h(2) + b"\0", []),
        "signed by the parent": nsec3_rrset(apex, h(1), h(2), [], signer=dns.name.root),
        "signed by a child that is called like a hash: CVE-2026-10723": nsec3_rrset(
            apex, h(1), h(2), [], signer=dns.name.Name([b"0" * 32, *apex.labels])
        ),
        "two records at one owner": RRset(good.name, t.NSEC3, 0, good.rdatas * 2, good.sigs),
        "expanded from a wildcard": RRset(
            good.name, t.NSEC3, 0, good.rdatas, [hollow_sig(t.NSEC3, d("x.example"), apex, 1)]
        ),
    }
    for why, rrset in refused.items():
        assert read_nsec3(rrset, EXAMPLE) is None, why


# --- proofs ----------------------------------------------------------------------------------------------------------

CHAIN = chain_of(
    "*.w.example MX",
    "x.y.w.example MX",
    "z.example A",
    "alias.example CNAME",
    "dname.example DNAME",
    "insecure.example NS",
    "secure.example NS DS",
)
ALL = CHAIN.rrsets


@pytest.mark.parametrize(
    ("qname", "proof"),
    [
        ("a.example", Proof.PROVEN),
        ("a.b.c.z.example", Proof.PROVEN),
        ("a.y.w.example", Proof.PROVEN),
        ("x.*.w.example", Proof.PROVEN),
        ("z.example", Proof.WRONG),
        ("example", Proof.WRONG),
        ("y.w.example", Proof.WRONG),  # empty non-terminal
        ("a.w.example", Proof.WRONG),  # the wildcard stands for it
        ("a.insecure.example", Proof.MISSING),  # below a delegation
        ("a.secure.example", Proof.MISSING),
        ("a.b.dname.example", Proof.MISSING),
        ("other", Proof.MISSING),
    ],
)
def test_name_error(qname: str, proof: Proof) -> None:
    """§8.4."""
    denial = name_error(qname, ALL)
    assert denial.proof is proof, denial
    assert denial.name_error == (proof is Proof.PROVEN)
    assert name_error(qname, ALL[::-1]).proof is proof


@pytest.mark.parametrize(
    ("qname", "qtype", "proof"),
    [
        ("z.example", t.MX, Proof.PROVEN),
        ("z.example", t.A, Proof.WRONG),
        ("z.example", t.ANY, Proof.WRONG),
        ("alias.example", t.A, Proof.WRONG),
        ("y.w.example", t.A, Proof.PROVEN),
        ("y.w.example", t.ANY, Proof.PROVEN),
        ("insecure.example", t.A, Proof.MISSING),
        ("insecure.example", t.DS, Proof.PROVEN),
        ("secure.example", t.DS, Proof.WRONG),
        ("example", t.DS, Proof.MISSING),
        ("example", t.A, Proof.PROVEN),
        ("dname.example", t.A, Proof.PROVEN),
        ("a.dname.example", t.A, Proof.MISSING),
        ("a.b.w.example", t.A, Proof.PROVEN),  # §8.7
        ("a.b.w.example", t.MX, Proof.WRONG),
        ("a.example", t.A, Proof.WRONG),  # a name error is no NODATA
        ("a.example", t.DS, Proof.WRONG),
    ],
)
def test_no_data(qname: str, qtype: int, proof: Proof) -> None:
    """§8.5 to §8.7."""
    assert no_data(qname, qtype, ALL).proof is proof


@pytest.mark.parametrize(
    ("qname", "proof", "reason"),
    [
        ("insecure.example", Proof.PROVEN, Reason.UNSIGNED_DELEGATION),
        ("secure.example", Proof.WRONG, Reason.DENIAL_WRONG),
        ("z.example", Proof.NO_DELEGATION, Reason.VALID),
        ("y.w.example", Proof.NO_DELEGATION, Reason.VALID),
        ("nothere.example", Proof.NO_DELEGATION, Reason.VALID),
        ("a.w.example", Proof.NO_DELEGATION, Reason.VALID),
        ("a.secure.example", Proof.MISSING, Reason.DENIAL_MISSING),
        ("a.insecure.example", Proof.MISSING, Reason.DENIAL_MISSING),
        ("a.dname.example", Proof.MISSING, Reason.DENIAL_MISSING),
        ("example", Proof.MISSING, Reason.DENIAL_MISSING),
    ],
)
def test_no_ds(qname: str, proof: Proof, reason: Reason) -> None:
    """§8.6, §8.9."""
    denial = no_ds(qname, ALL)
    assert (denial.proof, denial.reason) == (proof, reason)


@pytest.mark.parametrize(
    ("qname", "encloser", "proof"),
    [
        ("a.w.example", "w.example", Proof.PROVEN),
        ("a.b.w.example", "w.example", Proof.PROVEN),
        ("a.y.w.example", "w.example", Proof.WRONG),  # its next closer name exists
        ("a.w.example", "example", Proof.WRONG),
        ("a.w.example", "a.w.example", Proof.MISSING),
        ("a.w.example", ".", Proof.MISSING),
    ],
)
def test_wildcard(qname: str, encloser: str, proof: Proof) -> None:
    """§8.8."""
    denial = wildcard(qname, encloser, ALL)
    assert denial.proof is proof
    if proof is Proof.PROVEN:
        assert len(denial.used) == 1


def test_a_proof_names_its_three_records() -> None:
    denial = name_error("a.b.z.example", ALL)
    expected = {id(CHAIN.record(d(x))) for x in ("z.example", "b.z.example", "*.z.example")}
    assert {id(r) for r in denial.used} == expected
    assert denial.closest_encloser == n("z.example")


def test_each_record_of_a_proof_is_needed() -> None:
    used = name_error("a.b.z.example", ALL).used
    assert len(used) == 3
    for gone in used:
        denial = name_error("a.b.z.example", [r for r in used if r is not gone])
        assert denial.proof in (Proof.MISSING, Proof.WRONG)
        assert not denial.used


def test_an_incomplete_proof_is_missing_one_that_does_not_fit_is_wrong() -> None:
    used = name_error("a.b.z.example", ALL).used
    source = CHAIN.record(d("*.z.example"))
    left = [r for r in used if r is not source]
    assert name_error("a.b.z.example", left).reason is Reason.DENIAL_MISSING
    # A record that serves for nothing stands in for the missing one, as when next hashes were altered.
    idle = next(r for r in ALL if r not in used)
    assert name_error("a.b.z.example", [*left, idle]).reason is Reason.DENIAL_UNFIT
    assert name_error("a.b.z.example", []).reason is Reason.DENIAL_MISSING


# --- opt-out (§6, §9.2) ----------------------------------------------------------------------------------------------

OPT_OUT = chain_of(
    "*.w.example MX",
    "z.example A",
    "secure.example NS DS",
    "hidden.example NS",
    "deep.ent.example NS",
    omitted=("hidden.example", "deep.ent.example", "ent.example"),
    opt_out=True,
)


def test_what_rests_on_an_opt_out_cover_is_insecure() -> None:
    records = OPT_OUT.rrsets
    for denial in (
        name_error("nothere.example", records),
        no_ds("hidden.example", records),
        no_ds("nothere.example", records),
        no_data("hidden.example", t.DS, records),
        no_data("a.w.example", t.A, records),
        no_data("ent.example", t.A, records),  # erratum 3441
        wildcard("a.w.example", "w.example", records),
        no_ds("ent.example", records),
        no_ds("deep.ent.example", records),
    ):
        assert (denial.proof, denial.reason) == (Proof.OPT_OUT, Reason.OPT_OUT), denial


def test_what_rests_on_a_match_is_secure_in_spite_of_opt_out() -> None:
    records = OPT_OUT.rrsets
    assert no_data("z.example", t.MX, records).proof is Proof.PROVEN
    assert no_data("w.example", t.A, records).proof is Proof.PROVEN
    assert no_ds("z.example", records).proof is Proof.NO_DELEGATION


def test_opt_out_never_hides_a_signed_delegation() -> None:
    records = OPT_OUT.rrsets
    for size in range(1, len(records) + 1):
        for records_left in (records[:size], records[-size:], records[:: max(1, size // 2)]):
            assert not no_ds("secure.example", records_left).proof.holds
            assert not no_ds("a.secure.example", records_left).proof.holds
            assert not name_error("a.secure.example", records_left).proof.holds


def test_opt_out_of_the_wildcards_cover_alone_does_not_matter() -> None:
    """§9.2 speaks of the next closer name: a wildcard is no unsigned delegation."""
    for qname in (f"q{i}.z.example" for i in range(200)):
        cover, source = CHAIN.position(d(qname)), CHAIN.position(d("*.z.example"))
        if cover != source:
            break
    chain = Nsec3Chain(CHAIN.zone, more_opt_out=frozenset({source}))
    assert name_error(qname, chain.rrsets).proof is Proof.PROVEN
    chain = Nsec3Chain(CHAIN.zone, more_opt_out=frozenset({cover}))
    assert name_error(qname, chain.rrsets).proof is Proof.OPT_OUT


def test_without_opt_out_a_cover_is_no_insecure_delegation() -> None:
    assert no_ds("nothere.example", ALL).proof is Proof.NO_DELEGATION
    assert no_data("nothere.example", t.DS, ALL).proof is Proof.WRONG


# --- compact denial (RFC 9824 §4) ------------------------------------------------------------------------------------


def compact(qname: str, *types: int) -> list[RRset]:
    hashed = name_hash(d(qname))
    following = (int.from_bytes(hashed, "big") + 1).to_bytes(20, "big")
    return [nsec3_rrset(d("example"), hashed, following, types)]


def test_compact_denial() -> None:
    denial = name_error("no.example", compact("no.example", t.NXNAME))
    assert (denial.proof, denial.name_error) == (Proof.PROVEN, True)
    denial = no_data("no.example", t.A, compact("no.example", t.NXNAME))
    assert (denial.proof, denial.name_error) == (Proof.PROVEN, True)
    assert no_ds("no.example", compact("no.example", t.NXNAME)).proof is Proof.NO_DELEGATION
    assert name_error("no.example", compact("no.example")).proof is Proof.WRONG
    assert no_data("no.example", t.A, compact("no.example")).proof is Proof.PROVEN
    assert name_error("no.example", compact("no.example", t.NXNAME, t.A)).proof is Proof.WRONG
    assert not name_error("a.no.example", compact("no.example", t.NXNAME)).proof.holds


# --- parameters ------------------------------------------------------------------------------------------------------


def test_records_of_different_chains_do_not_add_up() -> None:
    """§8.2."""
    salted = Nsec3Chain(CHAIN.zone, b"\x01", 1)
    both = ALL + salted.rrsets
    assert name_error("a.example", both).proof is Proof.PROVEN
    assert name_error("a.example", both[::-1]).proof is Proof.PROVEN
    plain = name_error("a.b.z.example", ALL).used
    other = {id(r) for r in name_error("a.b.z.example", salted.rrsets).used}
    for position, wanted in enumerate(("z.example", "b.z.example", "*.z.example")):
        mixed = [r for i, r in enumerate(plain) if i != position] + [salted.record(d(wanted))]
        assert not name_error("a.b.z.example", mixed).proof.holds
    assert len(other) == 3


@pytest.mark.parametrize(
    ("iterations", "allowed", "proof"),
    [
        (0, 0, Proof.PROVEN),
        (1, 0, Proof.ITERATIONS),
        (50, 50, Proof.PROVEN),
        (51, 50, Proof.ITERATIONS),
        (150, 50, Proof.ITERATIONS),
        (150, 150, Proof.PROVEN),
        (65535, 50, Proof.ITERATIONS),
    ],
)
def test_iterations(iterations: int, allowed: int, proof: Proof) -> None:
    """RFC 9276 §3.2."""
    records = chain_of("z.example A", iterations=min(iterations, 200)).rrsets
    if iterations > 200:
        # No need to run them: the record says how many there are.
        records = [nsec3_rrset(d("example"), h(1), h(1), [], iterations=iterations)]
    budget = Budget()
    denial = name_error("a.example", records, Policy(nsec3_max_iterations=allowed), budget)
    assert denial.proof is proof
    if proof is Proof.ITERATIONS:
        assert denial.reason is Reason.NSEC3_ITERATIONS
        assert str(allowed) in denial.text
        assert budget.nsec3_hashes == 0


def test_dear_records_beside_cheap_ones_do_not_make_it_insecure() -> None:
    dear = nsec3_rrset(d("example"), h(1), h(1), [], iterations=500)
    assert name_error("a.example", [dear, *ALL]).proof is Proof.PROVEN
    assert name_error("a.example", [dear, ALL[0]]).proof in (Proof.MISSING, Proof.WRONG)


# --- limits (CVE-2023-50868) -----------------------------------------------------------------------------------------


def long_name(labels: int, below: str) -> str:
    return ".".join("x" * labels) + f".{below}"


def test_the_work_for_a_name_error_does_not_grow_with_the_name() -> None:
    for labels in (1, 5, 100):
        budget = Budget()
        assert name_error(long_name(labels, "example"), ALL, budget=budget).proof is Proof.PROVEN
        assert budget.nsec3_hashes <= 4


def test_each_name_is_hashed_once() -> None:
    budget = Budget()
    assert name_error("a.z.example", ALL, budget=budget).proof is Proof.PROVEN
    # a.z.example, example, z.example, *.z.example
    assert budget.nsec3_hashes == 4


def deep_chain(depth: int, iterations: int) -> tuple[Nsec3Chain, str]:
    """A zone with one name at `depth` below the apex, and a name that does not exist beside it."""
    owner = long_name(depth, "example")
    return chain_of(f"{owner} A", iterations=iterations), f"q{owner[1:]}"


def test_names_hashed_for_one_proof_are_limited() -> None:
    chain, qname = deep_chain(NSEC3_PER_PROOF.value + 2, iterations=50)
    budget = Budget()
    denial = name_error(qname, chain.rrsets, budget=budget)
    assert (denial.proof, denial.reason) == (Proof.MISSING, Reason.LIMIT)
    assert NSEC3_PER_PROOF.label in denial.text
    assert budget.hit is NSEC3_PER_PROOF
    assert budget.nsec3_hashes == NSEC3_PER_PROOF.value


def test_cheap_hashes_buy_more_names() -> None:
    """A tree as deep as ip6.arpa's, at the 0 iterations that RFC 9276 §3.1 asks for."""
    chain, qname = deep_chain(32, iterations=0)
    budget = Budget()
    parent = qname.split(".", 1)[1]
    used = [chain.record(d(x)) for x in (qname, parent, f"*.{parent}")]
    assert name_error(qname, used, budget=budget).proof is Proof.PROVEN
    assert budget.nsec3_hashes == 34


def test_names_hashed_for_one_resolution_are_limited() -> None:
    budget = Budget()
    proofs = []
    for i in range(NSEC3_PER_RESOLUTION.value):
        proofs.append(name_error(f"q{i}.example", ALL, budget=budget))
        if budget.hit:
            break
    assert all(p.proof is Proof.PROVEN for p in proofs[:-1])
    assert (proofs[-1].proof, proofs[-1].reason) == (Proof.MISSING, Reason.LIMIT)
    assert NSEC3_PER_RESOLUTION.label in proofs[-1].text
    assert budget.nsec3_hashes == NSEC3_PER_RESOLUTION.value


def test_every_question_respects_an_empty_budget() -> None:
    spent = Budget()
    spent.nsec3_hashes = NSEC3_PER_RESOLUTION.value
    for denial in (
        prove_name_error(n("a.example"), EXAMPLE, ALL, POLICY, spent),
        prove_no_data(n("z.example"), t.MX, EXAMPLE, ALL, POLICY, spent),
        prove_no_ds(n("insecure.example"), EXAMPLE, ALL, POLICY, spent),
        prove_wildcard(n("a.w.example"), n("w.example"), EXAMPLE, ALL, POLICY, spent),
    ):
        assert (denial.proof, denial.reason) == (Proof.MISSING, Reason.LIMIT)
        assert not denial.used


def test_the_longest_name_is_no_trouble() -> None:
    qname = long_name(123, "example")
    assert len(n(qname)) == 255
    assert count_labels(n(qname)) == 124
    assert name_error(qname, ALL).proof is Proof.PROVEN
    assert name_error(qname, []).proof is Proof.MISSING
