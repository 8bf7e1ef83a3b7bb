"""What is common to the proofs of both kinds: choosing between them, bounds, and what a Denial says."""

import pytest

from tests.trust.test_nsec import ZONE as NSECS
from tests.trust.test_nsec import nsec
from tests.trust.test_nsec3 import ALL as NSEC3S
from tests.trust.test_nsec3 import chain_of, d
from trust import proof
from trust.denial import Denial, Proof, prove_name_error, prove_no_data, prove_no_ds, prove_wildcard
from trust.policy import Budget, Policy
from trust.proof import is_ancestor_delegation, is_nxname, type_fault
from trust.reason import Reason
from wire import types as t
from wire.limits import DENIAL_RECORDS
from wire.rrset import RRset
from wire.text import name_from_text as n

EXAMPLE = n("example")
POLICY = Policy()


def name_error(qname: str, records: list[RRset], budget: Budget | None = None) -> Denial:
    return prove_name_error(n(qname), EXAMPLE, records, POLICY, budget or Budget())


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_which_outcomes_hold() -> None:
    assert [p for p in Proof if p.holds] == [Proof.PROVEN, Proof.OPT_OUT, Proof.NO_DELEGATION]


@pytest.mark.parametrize("outcome", Proof)
def test_every_outcome_has_its_reason(outcome: Proof) -> None:
    denial = Denial(outcome, "text")
    assert denial.reason.ede == {Proof.ITERATIONS: 27, Proof.MISSING: 12, Proof.WRONG: 6}.get(outcome)
    assert Denial(outcome, "text", reason=Reason.LIMIT).reason is Reason.LIMIT


def test_text_is_made_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(proof, "name_to_text", lambda name: made.append(name) or "NAME")
    denial = name_error("zz.example", NSECS)
    assert made == []
    assert denial.text == "NAME does not exist"
    assert made == [n("zz.example")]


def test_texts_are_ascii_sentences_whatever_the_name() -> None:
    for qname in (r"\200\255.example", r"{}.example", r"a\.b.example", r"\000.example", "{0}.{x}.example"):
        for records in (NSECS, NSECS[:1], NSEC3S, NSEC3S[:1], []):
            for denial in (
                prove_name_error(n(qname), EXAMPLE, records, POLICY, Budget()),
                prove_no_data(n(qname), t.A, EXAMPLE, records, POLICY, Budget()),
                prove_no_ds(n(qname), EXAMPLE, records, POLICY, Budget()),
                prove_wildcard(n(qname), EXAMPLE, EXAMPLE, records, POLICY, Budget()),
            ):
                assert denial.text.isascii()
                assert 5 < len(denial.text) < 200
                assert repr(denial.text) in repr(denial)


def test_used_names_each_record_once_and_only_those_given() -> None:
    records = NSECS + NSEC3S
    for qname in ("a.example", "zz.example", "a.z.example"):
        used = name_error(qname, records).used
        assert used
        assert len({id(r) for r in used}) == len(used)
        assert all(any(r is given for given in records) for r in used)


# --- choosing --------------------------------------------------------------------------------------------------------


def test_nsec_and_nsec3_never_add_up() -> None:
    """One half of the proof of each kind."""
    by_nsec = name_error("zz.example", NSECS).used
    by_nsec3 = name_error("zz.example", NSEC3S).used
    assert len(by_nsec) == 2
    for half in by_nsec:
        for other in by_nsec3:
            assert not name_error("zz.example", [half, other]).proof.holds
            assert not name_error("zz.example", [other, half]).proof.holds


def test_either_kind_suffices_when_the_other_is_incomplete() -> None:
    assert name_error("zz.example", [NSECS[4], *NSEC3S]).proof is Proof.PROVEN
    assert name_error("zz.example", [*NSECS, NSEC3S[0]]).proof is Proof.PROVEN


def test_a_contradiction_is_reported_rather_than_a_gap() -> None:
    gap = NSECS[4]
    contradiction = chain_of("zz.example A").record(d("zz.example"))
    assert name_error("zz.example", [gap]).proof is Proof.MISSING
    assert name_error("zz.example", [contradiction]).proof is Proof.WRONG
    for records in ([gap, contradiction], [contradiction, gap]):
        assert name_error("zz.example", records).reason is Reason.DENIAL_WRONG


def test_other_records_are_passed_over() -> None:
    soa = RRset(EXAMPLE, t.SOA, 0, [b"\0\0" + bytes(20)])
    assert name_error("a.example", [soa, *NSECS]).proof is Proof.PROVEN
    denial = name_error("a.example", [soa])
    assert (denial.proof, denial.text) == (Proof.MISSING, "no usable NSEC or NSEC3 of example")


# --- bounds (CVE-2026-11605) -----------------------------------------------------------------------------------------


def padding(count: int) -> list[RRset]:
    return [nsec(f"p{i:04}.example p{i:04}a.example A") for i in range(count)]


def test_superfluous_records_are_not_looked_at_without_end() -> None:
    budget = Budget()
    denial = name_error("zz.example", padding(DENIAL_RECORDS.value) + NSECS, budget)
    assert (denial.proof, denial.reason) == (Proof.MISSING, Reason.LIMIT)
    assert DENIAL_RECORDS.label in denial.text
    assert budget.hit is DENIAL_RECORDS


def test_a_proof_among_the_first_records_counts() -> None:
    budget = Budget()
    denial = name_error("zz.example", NSECS + padding(1000), budget)
    assert denial.proof is Proof.PROVEN
    assert budget.hit is None


def test_padding_does_not_turn_a_contradiction_into_a_limit_that_hides_insecurity() -> None:
    """A padded answer is never insecure: neither for its length nor for records that ask for iterations."""
    for records in (padding(1000), NSEC3S * 100):
        assert name_error("z.example", records).proof in (Proof.MISSING, Proof.WRONG)


# --- type bit maps ---------------------------------------------------------------------------------------------------


def bits(*types: int) -> bytes:
    out = bytearray(32)
    for rtype in types:
        out[rtype >> 3] |= 0x80 >> (rtype & 7)
    return b"\0\x20" + bytes(out)


@pytest.mark.parametrize(
    ("types", "ancestor", "nxname"),
    [
        ((), False, False),
        ((t.NS,), True, False),
        ((t.NS, t.SOA), False, False),
        ((t.A, t.RRSIG, t.NSEC), False, False),
        ((t.NXNAME, t.RRSIG, t.NSEC), False, True),
        ((t.NXNAME,), False, True),
        ((t.NXNAME, t.A), False, False),
    ],
)
def test_bit_map_rules(types: tuple[int, ...], ancestor: bool, nxname: bool) -> None:
    assert is_ancestor_delegation(bits(*types)) is ancestor
    assert is_nxname(bits(*types)) is nxname


def test_an_empty_bit_map_denies_every_type() -> None:
    for qtype in (t.A, t.DS, t.NS, t.SOA, t.ANY, 65280):
        assert type_fault(EXAMPLE, b"", qtype) is None
