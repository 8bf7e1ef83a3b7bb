"""RFC 4035 appendix B, section by section, with the published records and signatures."""

import pytest

from tests.rfc import rfc4035_zone
from tests.rfc.published import EXAMPLE, Published, without_each
from trust.denial import Proof, prove_name_error, prove_no_data, prove_no_ds, prove_wildcard
from trust.policy import Budget, Policy, Sha1
from trust.reason import Reason
from trust.signature import KeySet, verify_rrset
from trust.vocabulary import Kind, Question, Security
from wire import types as t
from wire.name import ROOT
from wire.text import name_from_text as n

POLICY = Policy()

NAME_ERROR = ("example SOA", "b.example NSEC", "example NSEC")
NO_DATA = ("example SOA", "ns1.example NSEC")
WILDCARD = ("example NS", "x.y.w.example NSEC")
WILDCARD_NO_DATA = ("example SOA", "x.y.w.example NSEC", "*.w.example NSEC")
CHILD_NO_DATA = ("example SOA", "example NSEC")


@pytest.fixture
def rfc() -> Published:
    return Published(rfc4035_zone)


def test_every_published_signature_holds(rfc: Published) -> None:
    keys = KeySet.of(rfc.keys)
    for rrset in rfc.rrsets.values():
        assert rrset.sigs
        assert verify_rrset(rrset, keys, EXAMPLE, rfc.now.wall, rfc.policy, Budget()).ok, rrset


# --- B.1 Answer ------------------------------------------------------------------------------------------------------


def test_b1_answer(rfc: Published) -> None:
    out = rfc.judge("x.w.example MX", Kind.ANSWER, answer=("x.w.example MX",), authority=("example NS",))
    assert (out.verdict.security, out.verdict.reason) == (Security.SECURE, Reason.VALID)
    assert rfc.needs == [Question(EXAMPLE, t.DNSKEY)]


@pytest.mark.parametrize("text", ["example NS", "xx.example A", "xx.example AAAA", "ns1.example A", "ns2.example A"])
def test_b1_authority_and_additional_sets_hold_too(rfc: Published, text: str) -> None:
    assert rfc.verify(text).ok


# --- B.2 Name Error --------------------------------------------------------------------------------------------------


def test_b2_name_error(rfc: Published) -> None:
    out = rfc.judge("ml.example A", Kind.NXDOMAIN, authority=NAME_ERROR)
    assert (out.verdict.security, out.verdict.reason) == (Security.SECURE, Reason.VALID)
    assert out.denial is not None
    assert out.denial.closest_encloser == EXAMPLE
    assert len(out.denial.used) == 2


@pytest.mark.parametrize(("gone", "left"), without_each(NAME_ERROR[1:]))
def test_b2_each_nsec_is_needed(rfc: Published, gone: str, left: tuple[str, ...]) -> None:
    out = rfc.judge("ml.example A", Kind.NXDOMAIN, authority=("example SOA", *left))
    assert out.verdict.security is Security.BOGUS, gone
    assert out.verdict.reason in (Reason.DENIAL_MISSING, Reason.DENIAL_UNFIT)


def test_b2_is_no_proof_of_no_data_nor_for_a_name_that_exists(rfc: Published) -> None:
    assert rfc.judge("ml.example A", Kind.NODATA, authority=NAME_ERROR).verdict.security is Security.BOGUS
    assert rfc.judge("ns1.example A", Kind.NXDOMAIN, authority=NAME_ERROR).verdict.security is Security.BOGUS


# --- B.3 No Data Error -----------------------------------------------------------------------------------------------


def test_b3_no_data(rfc: Published) -> None:
    out = rfc.judge("ns1.example MX", Kind.NODATA, authority=NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.SECURE, Reason.VALID)


def test_b3_the_nsec_is_needed_and_fits_only_its_name(rfc: Published) -> None:
    assert rfc.judge("ns1.example MX", Kind.NODATA, authority=("example SOA",)).verdict.security is Security.BOGUS
    assert rfc.judge("ns2.example MX", Kind.NODATA, authority=NO_DATA).verdict.security is Security.BOGUS
    out = rfc.judge("ns1.example A", Kind.NODATA, authority=NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.BOGUS, Reason.DENIAL_WRONG)


# --- B.4 Referral to Signed Zone -------------------------------------------------------------------------------------


def test_b4_referral_to_signed_zone(rfc: Published) -> None:
    assert rfc.verify("a.example DS").ok
    trust = rfc.trust_below("a.example", ds="a.example DS")
    # Its keys are not published: whatever comes instead of them, the zone is signed and must not count as insecure.
    assert Question(n("a.example"), t.DNSKEY) in rfc.needs
    assert trust.security is Security.BOGUS
    assert trust.ds is not None


def test_b4_under_rfc_9905_the_delegation_counts_as_unsigned() -> None:
    rfc = Published(rfc4035_zone, Policy(sha1=Sha1.INSECURE))
    trust = rfc.trust_below("a.example", ds="a.example DS")
    assert (trust.security, trust.reason) == (Security.INSECURE, Reason.UNSUPPORTED_ALGORITHM)


# --- B.5 Referral to Unsigned Zone -----------------------------------------------------------------------------------


def test_b5_referral_to_unsigned_zone(rfc: Published) -> None:
    trust = rfc.trust_below("b.example", denial=("b.example NSEC",))
    assert (trust.security, trust.reason) == (Security.INSECURE, Reason.UNSIGNED_DELEGATION)


def test_b5_another_nsec_does_not_make_it_unsigned(rfc: Published) -> None:
    trust = rfc.trust_below("b.example", denial=("ns1.example NSEC", "example NSEC"))
    assert trust.security is Security.BOGUS


def test_b5_the_parents_nsec_denies_nothing_but_ds_at_the_cut(rfc: Published) -> None:
    records = [rfc["b.example NSEC"]]
    for qtype in (t.A, t.MX, t.SOA):
        assert not prove_no_data(n("b.example"), qtype, EXAMPLE, records, POLICY, Budget()).proof.holds
    assert not prove_name_error(n("mc.b.example"), EXAMPLE, records, POLICY, Budget()).proof.holds
    assert not prove_no_ds(n("mc.b.example"), EXAMPLE, records, POLICY, Budget()).proof.holds


# --- B.6 Wildcard Expansion ------------------------------------------------------------------------------------------


def test_b6_wildcard_expansion(rfc: Published) -> None:
    out = rfc.judge("a.z.w.example MX", Kind.ANSWER, answer=("a.z.w.example MX",), authority=WILDCARD)
    assert (out.verdict.security, out.verdict.reason) == (Security.SECURE, Reason.VALID)
    assert out.denial is not None
    assert out.denial.closest_encloser == n("w.example")


def test_b6_the_proof_is_needed(rfc: Published) -> None:
    out = rfc.judge("a.z.w.example MX", Kind.ANSWER, answer=("a.z.w.example MX",), authority=("example NS",))
    assert (out.verdict.security, out.verdict.reason) == (Security.BOGUS, Reason.DENIAL_MISSING)


def test_b6_the_wildcard_does_not_reach_below_names_that_exist(rfc: Published) -> None:
    """The NSEC shows that y.w.example exists, so *.w.example is not for names below it."""
    records = [rfc["x.y.w.example NSEC"], rfc["*.w.example NSEC"]]
    denial = prove_wildcard(n("a.y.w.example"), n("w.example"), EXAMPLE, records, POLICY, Budget())
    assert not denial.proof.holds
    # Neither from the NSEC before it, which shows an empty non-terminal's presence.
    denial = prove_wildcard(n("a.x.w.example"), n("w.example"), EXAMPLE, records, POLICY, Budget())
    assert not denial.proof.holds


# --- B.7 Wildcard No Data Error --------------------------------------------------------------------------------------


def test_b7_wildcard_no_data(rfc: Published) -> None:
    out = rfc.judge("a.z.w.example AAAA", Kind.NODATA, authority=WILDCARD_NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.SECURE, Reason.VALID)


@pytest.mark.parametrize(("gone", "left"), without_each(WILDCARD_NO_DATA[1:]))
def test_b7_each_nsec_is_needed(rfc: Published, gone: str, left: tuple[str, ...]) -> None:
    out = rfc.judge("a.z.w.example AAAA", Kind.NODATA, authority=("example SOA", *left))
    assert out.verdict.security is Security.BOGUS, gone


def test_b7_is_no_proof_for_the_wildcards_own_type_nor_of_a_name_error(rfc: Published) -> None:
    out = rfc.judge("a.z.w.example MX", Kind.NODATA, authority=WILDCARD_NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.BOGUS, Reason.DENIAL_WRONG)
    out = rfc.judge("a.z.w.example AAAA", Kind.NXDOMAIN, authority=WILDCARD_NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.BOGUS, Reason.DENIAL_WRONG)


# --- B.8 DS Child Zone No Data Error ---------------------------------------------------------------------------------


def test_b8_ds_child_zone_no_data(rfc: Published) -> None:
    """The child answers for its own DS: its records hold, but they are no proof (RFC 6840 §4.4)."""
    assert rfc.verify("example SOA").ok
    assert rfc.verify("example NSEC").ok
    records = [rfc["example NSEC"]]
    assert not prove_no_data(EXAMPLE, t.DS, EXAMPLE, records, POLICY, Budget()).proof.holds
    assert not prove_no_ds(EXAMPLE, EXAMPLE, records, POLICY, Budget()).proof.holds
    assert not prove_no_ds(EXAMPLE, ROOT, records, POLICY, Budget()).proof.holds
    # Everything else it does deny.
    assert prove_no_data(EXAMPLE, t.TXT, EXAMPLE, records, POLICY, Budget()).proof is Proof.PROVEN
    # With the anchor at `example`, nothing is known of the parent, so the answer is never secure.
    out = rfc.judge("example DS", Kind.NODATA, authority=CHILD_NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.INSECURE, Reason.NO_TRUST_POINT)


# --- all of them -----------------------------------------------------------------------------------------------------

DENIALS = [
    ("ml.example A", Kind.NXDOMAIN, (), NAME_ERROR),
    ("ns1.example MX", Kind.NODATA, (), NO_DATA),
    ("a.z.w.example MX", Kind.ANSWER, ("a.z.w.example MX",), WILDCARD[1:]),
    ("a.z.w.example AAAA", Kind.NODATA, (), WILDCARD_NO_DATA),
]


@pytest.mark.parametrize(("question", "kind", "answer", "authority"), DENIALS)
def test_a_flipped_bit_in_any_denial_record_breaks_the_answer(
    rfc: Published, question: str, kind: Kind, answer: tuple[str, ...], authority: tuple[str, ...]
) -> None:
    for position, text in enumerate(authority):
        if not text.endswith("NSEC"):
            continue
        for where in ("rdata", "signature"):
            records = [rfc[r] for r in authority]
            altered = records[position]
            octets = bytearray(altered.rdatas[0] if where == "rdata" else altered.sigs[0])
            octets[-1] ^= 1
            (altered.rdatas if where == "rdata" else altered.sigs)[0] = bytes(octets)
            out = rfc.judge_with(question, kind, [rfc[r] for r in answer], records)
            assert out.verdict.security is Security.BOGUS, (text, where)
            assert out.verdict.reason is Reason.SIGNATURE_INVALID
