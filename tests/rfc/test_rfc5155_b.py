"""RFC 5155 appendices A and B, section by section, with the published records and signatures.

Every NSEC3 of the zone has Opt-Out set: what rests on a *covered* next closer name is insecure (§9.2), what rests on a
match is secure.
"""

import base64

import pytest

from tests.rfc import rfc5155_zone
from tests.rfc.published import EXAMPLE, Published, without_each
from trust.denial import Proof, prove_no_data, prove_no_ds
from trust.nsec3 import nsec3_covers, nsec3_hash, nsec3_matches, owner_hash
from trust.policy import Budget, Policy, Sha1
from trust.reason import Reason
from trust.signature import KeySet, verify_rrset
from trust.vocabulary import Kind, Question, Security
from wire import types as t
from wire.text import name_from_text as n

POLICY = Policy()
SALT = bytes.fromhex("aabbccdd")


def nsec3(name: str) -> str:
    """The NSEC3 RRset that matches a name of appendix A."""
    return f"{rfc5155_zone.HASHES[name]}.example NSEC3"


NAME_ERROR = ("example SOA", nsec3("example"), nsec3("x.w.example"), nsec3("a.example"))
NO_DATA = ("example SOA", nsec3("ns1.example"))
EMPTY_NON_TERMINAL = ("example SOA", nsec3("y.w.example"))
OPT_OUT_REFERRAL = (nsec3("a.example"), nsec3("example"))
WILDCARD = ("example NS", nsec3("ns2.example"))
WILDCARD_NO_DATA = ("example SOA", nsec3("w.example"), nsec3("ns2.example"), nsec3("*.w.example"))
CHILD_NO_DATA = ("example SOA", nsec3("example"))


@pytest.fixture
def rfc() -> Published:
    return Published(rfc5155_zone)


# --- A. Example Zone -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "label"), rfc5155_zone.HASHES.items())
def test_a_hashes(name: str, label: str) -> None:
    hashed = nsec3_hash(n(name), SALT, 12)
    assert base64.b32hexencode(hashed).decode().lower() == label
    assert owner_hash(n(f"{label}.example"), EXAMPLE) == hashed


def test_every_published_signature_holds(rfc: Published) -> None:
    keys = KeySet.of(rfc.keys)
    for rrset in rfc.rrsets.values():
        assert rrset.sigs
        assert verify_rrset(rrset, keys, EXAMPLE, rfc.now.wall, rfc.policy, Budget()).ok, rrset


# --- B.1 Name Error --------------------------------------------------------------------------------------------------


def test_b1_name_error(rfc: Published) -> None:
    out = rfc.judge("a.c.x.w.example A", Kind.NXDOMAIN, authority=NAME_ERROR)
    assert (out.verdict.security, out.verdict.reason) == (Security.INSECURE, Reason.OPT_OUT)
    assert out.denial is not None
    assert out.denial.proof is Proof.OPT_OUT
    assert out.denial.closest_encloser == n("x.w.example")
    assert len(out.denial.used) == 3


def test_b1_which_record_does_what(rfc: Published) -> None:
    """The comments in the RFC's listing."""
    covers_next_closer, matches_encloser, covers_wildcard = (rfc[r] for r in NAME_ERROR[1:])
    assert nsec3_covers(covers_next_closer, EXAMPLE, nsec3_hash(n("c.x.w.example"), SALT, 12))
    assert nsec3_matches(matches_encloser, EXAMPLE, nsec3_hash(n("x.w.example"), SALT, 12))
    assert nsec3_covers(covers_wildcard, EXAMPLE, nsec3_hash(n("*.x.w.example"), SALT, 12))


@pytest.mark.parametrize(("gone", "left"), without_each(NAME_ERROR[1:]))
def test_b1_each_nsec3_is_needed(rfc: Published, gone: str, left: tuple[str, ...]) -> None:
    out = rfc.judge("a.c.x.w.example A", Kind.NXDOMAIN, authority=("example SOA", *left))
    assert out.verdict.security is Security.BOGUS, gone
    assert out.verdict.reason in (Reason.DENIAL_MISSING, Reason.DENIAL_UNFIT)


# --- B.2 No Data Error -----------------------------------------------------------------------------------------------


def test_b2_no_data(rfc: Published) -> None:
    out = rfc.judge("ns1.example MX", Kind.NODATA, authority=NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.SECURE, Reason.VALID)


def test_b2_the_type_that_is_there_is_not_denied(rfc: Published) -> None:
    out = rfc.judge("ns1.example A", Kind.NODATA, authority=NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.BOGUS, Reason.DENIAL_WRONG)
    out = rfc.judge("ns1.example MX", Kind.NXDOMAIN, authority=NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.BOGUS, Reason.DENIAL_WRONG)


# --- B.2.1 No Data Error, Empty Non-Terminal -------------------------------------------------------------------------


def test_b21_no_data_empty_non_terminal(rfc: Published) -> None:
    out = rfc.judge("y.w.example A", Kind.NODATA, authority=EMPTY_NON_TERMINAL)
    assert (out.verdict.security, out.verdict.reason) == (Security.SECURE, Reason.VALID)


def test_b21_another_nsec3_is_no_proof(rfc: Published) -> None:
    out = rfc.judge("y.w.example A", Kind.NODATA, authority=("example SOA", nsec3("a.example")))
    assert out.verdict.security is Security.BOGUS


def test_b21_the_empty_non_terminal_is_no_name_error_and_no_cut(rfc: Published) -> None:
    assert rfc.judge("y.w.example A", Kind.NXDOMAIN, authority=EMPTY_NON_TERMINAL).verdict.security is Security.BOGUS
    denial = prove_no_ds(n("y.w.example"), EXAMPLE, [rfc[nsec3("y.w.example")]], POLICY, Budget())
    assert denial.proof is Proof.NO_DELEGATION


# --- B.3 Referral to an Opt-Out Unsigned Zone ------------------------------------------------------------------------


def test_b3_referral_to_opt_out_unsigned_zone(rfc: Published) -> None:
    trust = rfc.trust_below("c.example", denial=OPT_OUT_REFERRAL)
    assert (trust.security, trust.reason) == (Security.INSECURE, Reason.OPT_OUT)


@pytest.mark.parametrize(("gone", "left"), without_each(OPT_OUT_REFERRAL))
def test_b3_each_nsec3_is_needed(rfc: Published, gone: str, left: tuple[str, ...]) -> None:
    assert rfc.trust_below("c.example", denial=left).security is Security.BOGUS, gone


def test_b3_opt_out_does_not_make_the_signed_sibling_unsigned(rfc: Published) -> None:
    """a.example has a DS; its NSEC3 says so. So the DS itself is asked for."""
    denial = prove_no_ds(n("a.example"), EXAMPLE, [rfc[r] for r in OPT_OUT_REFERRAL], POLICY, Budget())
    assert (denial.proof, denial.reason) == (Proof.WRONG, Reason.DENIAL_WRONG)
    assert rfc.trust_below("a.example", denial=OPT_OUT_REFERRAL).security is Security.BOGUS
    assert Question(n("a.example"), t.DS) in rfc.needs


# --- B.4 Wildcard Expansion ------------------------------------------------------------------------------------------


def test_b4_wildcard_expansion(rfc: Published) -> None:
    out = rfc.judge("a.z.w.example MX", Kind.ANSWER, answer=("a.z.w.example MX",), authority=WILDCARD)
    assert (out.verdict.security, out.verdict.reason) == (Security.INSECURE, Reason.OPT_OUT)
    assert out.denial is not None
    assert out.denial.closest_encloser == n("w.example")


def test_b4_the_proof_is_needed(rfc: Published) -> None:
    out = rfc.judge("a.z.w.example MX", Kind.ANSWER, answer=("a.z.w.example MX",), authority=("example NS",))
    assert (out.verdict.security, out.verdict.reason) == (Security.BOGUS, Reason.DENIAL_MISSING)


def test_b4_the_additional_sets_hold_too(rfc: Published) -> None:
    assert rfc.verify("ai.example A").ok
    assert rfc.verify("ai.example AAAA").ok


# --- B.5 Wildcard No Data Error --------------------------------------------------------------------------------------


def test_b5_wildcard_no_data(rfc: Published) -> None:
    out = rfc.judge("a.z.w.example AAAA", Kind.NODATA, authority=WILDCARD_NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.INSECURE, Reason.OPT_OUT)
    assert out.denial is not None
    assert len(out.denial.used) == 3


@pytest.mark.parametrize("gone", [nsec3("w.example"), nsec3("ns2.example")])
def test_b5_the_closest_encloser_proof_is_needed(rfc: Published, gone: str) -> None:
    left = tuple(r for r in WILDCARD_NO_DATA if r != gone)
    assert rfc.judge("a.z.w.example AAAA", Kind.NODATA, authority=left).verdict.security is Security.BOGUS


def test_b5_without_the_wildcard_opt_out_still_leaves_it_insecure(rfc: Published) -> None:
    """In an opt-out span z.w.example may be an unsigned delegation, or stand above one: nothing is secure either way."""
    left = tuple(r for r in WILDCARD_NO_DATA if r != nsec3("*.w.example"))
    out = rfc.judge("a.z.w.example AAAA", Kind.NODATA, authority=left)
    assert (out.verdict.security, out.verdict.reason) == (Security.INSECURE, Reason.OPT_OUT)


def test_b5_the_wildcards_own_type_is_not_denied(rfc: Published) -> None:
    out = rfc.judge("a.z.w.example MX", Kind.NODATA, authority=WILDCARD_NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.BOGUS, Reason.DENIAL_WRONG)


# --- B.6 DS Child Zone No Data Error ---------------------------------------------------------------------------------


def test_b6_ds_child_zone_no_data(rfc: Published) -> None:
    """The child answers for its own DS: its records hold, but they are no proof (RFC 6840 §4.4)."""
    records = [rfc[nsec3("example")]]
    assert not prove_no_data(EXAMPLE, t.DS, EXAMPLE, records, POLICY, Budget()).proof.holds
    assert not prove_no_ds(EXAMPLE, EXAMPLE, records, POLICY, Budget()).proof.holds
    assert prove_no_data(EXAMPLE, t.TXT, EXAMPLE, records, POLICY, Budget()).proof is Proof.PROVEN
    out = rfc.judge("example DS", Kind.NODATA, authority=CHILD_NO_DATA)
    assert (out.verdict.security, out.verdict.reason) == (Security.INSECURE, Reason.NO_TRUST_POINT)


# --- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "kind", "answer", "authority"),
    [
        ("a.c.x.w.example A", Kind.NXDOMAIN, (), NAME_ERROR),
        ("ns1.example MX", Kind.NODATA, (), NO_DATA),
        ("y.w.example A", Kind.NODATA, (), EMPTY_NON_TERMINAL),
        ("a.z.w.example MX", Kind.ANSWER, ("a.z.w.example MX",), WILDCARD[1:]),
    ],
)
def test_a_flipped_bit_in_any_denial_record_breaks_the_answer(
    rfc: Published, question: str, kind: Kind, answer: tuple[str, ...], authority: tuple[str, ...]
) -> None:
    for position, text in enumerate(authority):
        if not text.endswith("NSEC3"):
            continue
        for where in ("flags", "rdata", "signature"):
            records = [rfc[r] for r in authority]
            altered = records[position]
            octets = bytearray(altered.sigs[0] if where == "signature" else altered.rdatas[0])
            # "flags": clearing Opt-Out would make the proof secure.
            octets[1 if where == "flags" else -1] ^= 1
            (altered.sigs if where == "signature" else altered.rdatas)[0] = bytes(octets)
            out = rfc.judge_with(question, kind, [rfc[r] for r in answer], records)
            assert out.verdict.security is Security.BOGUS, (text, where)
            assert out.verdict.reason is Reason.SIGNATURE_INVALID


def test_more_than_the_allowed_iterations_are_insecure() -> None:
    rfc = Published(rfc5155_zone, Policy(sha1=Sha1.VALIDATE, nsec3_max_iterations=11))
    for question, kind, authority in [
        ("a.c.x.w.example A", Kind.NXDOMAIN, NAME_ERROR),
        ("ns1.example MX", Kind.NODATA, NO_DATA),
    ]:
        out = rfc.judge(question, kind, authority=authority)
        assert (out.verdict.security, out.verdict.reason) == (Security.INSECURE, Reason.NSEC3_ITERATIONS)
