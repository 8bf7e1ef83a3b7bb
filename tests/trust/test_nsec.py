"""NSEC records and proofs, by table."""

import dns.name
import pytest

from tests.trust.denial_model import hollow_sig, nsec_rrset
from trust.denial import Denial, Proof, prove_name_error, prove_no_data, prove_no_ds, prove_wildcard
from trust.nsec import Nsec, nsec_covers, nsec_matches, read_nsec, usable
from trust.policy import Budget, Policy
from trust.reason import Reason
from wire import types as t
from wire.name import ROOT
from wire.rrset import RRset
from wire.text import name_from_text as n
from wire.text import type_from_text

EXAMPLE = n("example")
POLICY = Policy()


def nsec(text: str, *, zone: str = "example", labels: int | None = None) -> RRset:
    """`a.example b.example A MX`: owner, next name, types (NSEC and RRSIG are added)."""
    owner, nxt, *types = text.split()
    names = [dns.name.from_text(name, dns.name.root) for name in (owner, nxt, zone)]
    return nsec_rrset(names[0], names[1], map(type_from_text, types), names[2], labels)


def zone(*lines: str) -> list[RRset]:
    return [nsec(line) for line in lines]


def name_error(qname: str, records: list[RRset], apex: str = "example") -> Denial:
    return prove_name_error(n(qname), n(apex), records, POLICY, Budget())


def no_data(qname: str, qtype: int, records: list[RRset], apex: str = "example") -> Denial:
    return prove_no_data(n(qname), qtype, n(apex), records, POLICY, Budget())


def no_ds(qname: str, records: list[RRset], apex: str = "example") -> Denial:
    return prove_no_ds(n(qname), n(apex), records, POLICY, Budget())


def wildcard(qname: str, encloser: str, records: list[RRset], apex: str = "example") -> Denial:
    return prove_wildcard(n(qname), n(encloser), n(apex), records, POLICY, Budget())


# --- predicates ------------------------------------------------------------------------------------------------------

# RFC 4034 §6.1's example of canonical order
ORDER = [
    "example",
    "a.example",
    "yljkjljk.a.example",
    "z.a.example",
    "zabc.a.example",
    "z.example",
    r"\001.z.example",
    "*.z.example",
    r"\200.z.example",
]


def test_cover_follows_the_order_of_rfc_4034() -> None:
    for low in range(len(ORDER)):
        for high in range(low + 1, len(ORDER)):
            rrset = nsec(f"{ORDER[low]} {ORDER[high]} A")
            for i, name in enumerate(ORDER):
                assert nsec_covers(rrset, n(name)) == (low < i < high), (ORDER[low], name, ORDER[high])
                assert nsec_matches(rrset, n(name)) == (i == low)


def test_the_last_nsec_covers_what_sorts_after_it() -> None:
    rrset = nsec("m.example example A")
    assert [nsec_covers(rrset, n(x)) for x in ("example", "a.example", "m.example", "a.m.example", "z.example")] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_the_only_nsec_covers_all_but_the_apex() -> None:
    rrset = nsec("example example SOA NS")
    assert not nsec_covers(rrset, EXAMPLE)
    assert nsec_covers(rrset, n("a.example"))
    assert nsec_covers(rrset, n("*.example"))


def test_the_next_name_is_lower_cased() -> None:
    """RFC 6840 §5.1 leaves an NSEC's next name as it was signed."""
    rrset = nsec("a.example M.EXAMPLE A")
    rrset.rdatas[0] = rrset.rdatas[0].replace(b"m\x07example", b"M\x07EXAMPLE")
    assert Nsec(rrset).next == n("m.example")
    assert nsec_covers(rrset, n("b.example"))
    assert not nsec_covers(rrset, n("m.example"))


def test_speaks_of_and_closest_encloser() -> None:
    record = Nsec(nsec("b.a.example d.c.a.example A"))
    assert record.speaks_of(n("c.a.example"))
    assert record.shows_empty_non_terminal(n("c.a.example"))
    assert not record.shows_empty_non_terminal(n("bb.a.example"))
    assert record.closest_encloser(n("b.c.a.example")) == n("c.a.example")
    assert record.closest_encloser(n("x.bb.a.example")) == n("a.example")
    assert record.closest_encloser(n("x.y.b.a.example")) == n("b.a.example")


# --- which records count ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("why", "rrset"),
    [
        ("owner outside the zone", nsec("a.other b.other A")),
        ("owner above the zone", nsec(". example A")),
        ("owner beside the zone", nsec("xexample example A")),
        ("next name outside the zone: CVE-2026-13321", nsec("a.example a.exampleb A")),
        ("next name above the zone", nsec("a.example . A")),
        ("goes back, but not to the apex", nsec("m.example a.example A")),
        ("goes to itself, but is not the apex", nsec("m.example m.example A")),
        ("signed by the parent", nsec("example other NS", zone=".")),
        ("signed by a child", nsec("a.example b.a.example SOA NS", zone="a.example")),
        ("expanded from *.example", nsec("x.example z.example A", labels=1)),
        ("expanded from *", nsec("x.example z.example A", labels=0)),
        ("expanded from *.example to a wildcard's name", nsec("*.x.example z.example A", labels=1)),
    ],
)
def test_records_that_must_not_be_used(why: str, rrset: RRset) -> None:
    assert read_nsec(rrset, EXAMPLE) is None, why


def test_the_wildcards_own_nsec_is_no_expansion() -> None:
    assert read_nsec(nsec("*.example a.example A"), EXAMPLE) is not None
    assert read_nsec(nsec("*.example a.example A", labels=1), EXAMPLE) is not None


def test_an_owner_has_one_nsec() -> None:
    both = nsec("a.example c.example A")
    both.rdatas += nsec("a.example m.example A").rdatas
    assert usable([both], EXAMPLE) == []
    assert usable([RRset(n("a.example"), t.NSEC, 0, [], both.sigs)], EXAMPLE) == []


def test_one_signature_of_an_expansion_spoils_the_set() -> None:
    """Which of the signatures was the one that verified is not known here."""
    rrset = nsec("x.example z.example A")
    star = dns.name.from_text("x.example.")
    rrset.sigs.append(hollow_sig(t.NSEC, star, dns.name.from_text("example."), 1))
    assert read_nsec(rrset, EXAMPLE) is None


# --- name error ------------------------------------------------------------------------------------------------------

ZONE = zone(
    "example *.w.example SOA NS MX DNSKEY",
    "*.w.example x.w.example MX",
    "x.w.example x.y.w.example MX",
    "x.y.w.example z.example MX",
    "z.example example A",
)


@pytest.mark.parametrize(
    ("qname", "proof"),
    [
        ("a.example", Proof.PROVEN),
        ("zz.example", Proof.PROVEN),
        ("a.z.example", Proof.PROVEN),
        ("a.b.c.z.example", Proof.PROVEN),
        ("a.x.w.example", Proof.PROVEN),
        ("a.y.w.example", Proof.PROVEN),
        ("z.example", Proof.WRONG),  # exists
        ("example", Proof.WRONG),
        ("w.example", Proof.WRONG),  # empty non-terminal
        ("y.w.example", Proof.WRONG),
        ("a.w.example", Proof.WRONG),  # the wildcard stands for it
        ("a.b.w.example", Proof.WRONG),
        ("*.w.example", Proof.WRONG),
        ("x.*.w.example", Proof.PROVEN),  # RFC 4592 §2.1.3: below a wildcard's name nothing is synthesised
        ("other", Proof.MISSING),
    ],
)
def test_name_error(qname: str, proof: Proof) -> None:
    denial = name_error(qname, ZONE)
    assert denial.proof is proof, denial
    assert denial.name_error == (proof is Proof.PROVEN)
    assert name_error(qname, ZONE[::-1]).proof is proof


def test_name_error_says_what_it_rests_on() -> None:
    denial = name_error("a.z.example", ZONE)
    assert denial.used == [ZONE[4]]
    assert denial.closest_encloser == n("z.example")
    assert denial.reason is Reason.VALID
    denial = name_error("a.example", ZONE)
    assert denial.used == [ZONE[0]]
    denial = name_error("zz.example", ZONE)
    assert denial.used == [ZONE[4], ZONE[0]]


def test_name_error_needs_the_wildcards_cover() -> None:
    denial = name_error("zz.example", [ZONE[4]])
    assert (denial.proof, denial.reason) == (Proof.MISSING, Reason.DENIAL_MISSING)
    assert denial.text == "no NSEC covers *.example"
    # A record that serves for nothing: not merely incomplete.
    denial = name_error("zz.example", [ZONE[4], ZONE[1]])
    assert (denial.proof, denial.reason) == (Proof.WRONG, Reason.DENIAL_UNFIT)


def test_name_error_and_a_wildcard_that_is_an_empty_non_terminal() -> None:
    """RFC 4592 §2.2.2: a.*.example makes *.example exist; what it stands for is NODATA."""
    records = zone("example a.*.example SOA NS", "a.*.example m.example A", "m.example example A")
    assert name_error("b.example", records).proof is Proof.WRONG
    denial = no_data("b.example", t.A, records)
    assert denial.proof is Proof.PROVEN
    assert denial.closest_encloser == EXAMPLE


def test_a_single_name_zone_denies_everything_below() -> None:
    records = zone("example example SOA NS")
    assert name_error("a.b.example", records).proof is Proof.PROVEN
    assert no_data("example", t.A, records).proof is Proof.PROVEN
    assert name_error("example", records).proof is Proof.WRONG


def test_the_root_zone() -> None:
    records = [nsec(". aaa SOA NS", zone="."), nsec("aaa . NS DS", zone=".")]
    assert name_error("zzz", records, ".").proof is Proof.PROVEN
    assert name_error("a.aaa", records, ".").proof is not Proof.PROVEN
    assert no_ds("zzz", records, ".").proof is Proof.NO_DELEGATION
    # Nobody but the root itself can say that it has no DS.
    assert no_data(".", t.DS, records, ".").proof is Proof.PROVEN
    assert prove_no_ds(ROOT, ROOT, records, POLICY, Budget()).proof is Proof.MISSING


# --- no data ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qname", "qtype", "proof"),
    [
        ("z.example", t.MX, Proof.PROVEN),
        ("z.example", t.DS, Proof.PROVEN),
        ("z.example", t.A, Proof.WRONG),
        ("z.example", t.NSEC, Proof.WRONG),
        ("z.example", t.RRSIG, Proof.WRONG),
        ("z.example", t.ANY, Proof.WRONG),
        ("example", t.A, Proof.PROVEN),
        ("example", t.DS, Proof.MISSING),  # the child's NSEC does not deny DS
        ("w.example", t.A, Proof.PROVEN),  # empty non-terminal
        ("w.example", t.ANY, Proof.PROVEN),
        ("y.w.example", t.MX, Proof.PROVEN),
        ("a.w.example", t.A, Proof.PROVEN),  # wildcard no data
        ("a.b.w.example", t.A, Proof.PROVEN),
        ("a.w.example", t.MX, Proof.WRONG),
        ("a.w.example", t.ANY, Proof.WRONG),
        ("*.w.example", t.A, Proof.PROVEN),
        ("a.example", t.A, Proof.WRONG),  # a name error is no NODATA
        ("a.x.w.example", t.A, Proof.WRONG),
    ],
)
def test_no_data(qname: str, qtype: int, proof: Proof) -> None:
    assert no_data(qname, qtype, ZONE).proof is proof


def test_no_data_needs_the_cname_bit_clear() -> None:
    """RFC 6840 §4.3."""
    records = zone("example alias.example SOA NS", "alias.example *.w.example CNAME", "*.w.example example CNAME")
    assert no_data("alias.example", t.A, records).proof is Proof.WRONG
    assert "alias" in no_data("alias.example", t.A, records).text
    assert no_data("a.w.example", t.A, records).proof is Proof.WRONG
    assert no_data("alias.example", t.DS, records).proof is Proof.WRONG
    # That there is no zone cut it does prove.
    assert no_ds("alias.example", records).proof is Proof.NO_DELEGATION


def test_wildcard_no_data_needs_both_records() -> None:
    # One record may do both: cover the name and match the wildcard.
    denial = no_data("a.b.w.example", t.A, ZONE)
    assert (denial.proof, denial.used) == (Proof.PROVEN, [ZONE[1]])
    records = zone("example *.example SOA NS", "*.example m.example A", "m.example example A")
    assert no_data("z.example", t.MX, records).proof is Proof.PROVEN
    assert no_data("z.example", t.MX, records[1:]).proof is Proof.PROVEN
    assert no_data("z.example", t.MX, records[2:]).proof is Proof.MISSING
    assert no_data("z.example", t.MX, records[:2]).proof is not Proof.PROVEN


# --- ancestor delegations (RFC 6840 §4.1) ----------------------------------------------------------------------------

CUTS = zone(
    "example dname.example SOA NS",
    "dname.example insecure.example DNAME",
    "insecure.example secure.example NS",
    "secure.example zz.example NS DS",
    "zz.example example A",
)


@pytest.mark.parametrize("below", ["a.insecure.example", "a.b.insecure.example", "a.secure.example", "a.dname.example"])
def test_a_delegation_or_dname_denies_nothing_below_it(below: str) -> None:
    for records in ([*CUTS], [CUTS[1]], [CUTS[2]], [CUTS[3]]):
        assert not name_error(below, records).proof.holds
        assert not no_data(below, t.A, records).proof.holds
        assert not no_data(below, t.DS, records).proof.holds
        assert not no_ds(below, records).proof.holds
        assert not wildcard(below, "example", records).proof.holds


@pytest.mark.parametrize("cut", ["insecure.example", "secure.example"])
def test_at_the_cut_the_parents_nsec_denies_nothing_but_ds(cut: str) -> None:
    for qtype in (t.A, t.SOA, t.MX, t.DNSKEY, t.NSEC3PARAM):
        denial = no_data(cut, qtype, CUTS)
        assert denial.proof is Proof.MISSING
        assert "delegating" in denial.text
    assert not name_error(cut, CUTS).proof.holds


def test_a_dname_denies_types_at_its_own_name() -> None:
    assert no_data("dname.example", t.A, CUTS).proof is Proof.PROVEN
    assert no_data("dname.example", t.DNAME, CUTS).proof is Proof.WRONG


def test_names_beside_a_delegation_are_denied_by_its_nsec() -> None:
    assert name_error("j.example", CUTS).proof is Proof.PROVEN
    assert name_error("t.example", CUTS).proof is Proof.PROVEN


# --- no DS (RFC 6840 §4.4) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qname", "proof", "reason"),
    [
        ("insecure.example", Proof.PROVEN, Reason.UNSIGNED_DELEGATION),
        ("secure.example", Proof.WRONG, Reason.DENIAL_WRONG),
        ("zz.example", Proof.NO_DELEGATION, Reason.VALID),
        ("dname.example", Proof.NO_DELEGATION, Reason.VALID),
        ("nothere.example", Proof.NO_DELEGATION, Reason.VALID),
        ("example", Proof.MISSING, Reason.DENIAL_MISSING),
        ("other", Proof.MISSING, Reason.DENIAL_MISSING),
    ],
)
def test_no_ds(qname: str, proof: Proof, reason: Reason) -> None:
    denial = no_ds(qname, CUTS)
    assert (denial.proof, denial.reason) == (proof, reason)


def test_no_ds_and_empty_non_terminals() -> None:
    denial = no_ds("w.example", ZONE)
    assert denial.proof is Proof.NO_DELEGATION
    assert not denial.name_error
    assert no_ds("a.example", ZONE).name_error


def test_the_childs_apex_nsec_does_not_deny_ds() -> None:
    """Signed by the parent's key, as when one key serves both: still the child's."""
    records = zone("child.example a.child.example SOA NS")
    assert no_ds("child.example", records).proof is Proof.MISSING
    assert no_data("child.example", t.DS, records).proof is Proof.MISSING


# --- wildcard answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("qname", "encloser", "proof"),
    [
        ("a.w.example", "w.example", Proof.PROVEN),
        ("a.b.w.example", "w.example", Proof.PROVEN),
        ("x.w.example", "w.example", Proof.WRONG),  # exists
        ("a.x.w.example", "w.example", Proof.WRONG),  # its next closer name exists
        ("a.y.w.example", "w.example", Proof.WRONG),  # … as an empty non-terminal
        ("y.w.example", "w.example", Proof.WRONG),
        ("a.w.example", "example", Proof.WRONG),  # the labels field claims a wildcard too high
        ("a.b.w.example", "b.w.example", Proof.PROVEN),  # *.b.w.example signed it, so it must exist: not our affair
        ("a.w.example", "a.w.example", Proof.MISSING),  # no expansion
        ("a.w.example", "other", Proof.MISSING),
        ("a.w.example", ".", Proof.MISSING),  # a wildcard above the zone: CVE-2026-11721
    ],
)
def test_wildcard(qname: str, encloser: str, proof: Proof) -> None:
    denial = wildcard(qname, encloser, ZONE)
    assert denial.proof is proof, denial
    if proof is Proof.PROVEN:
        assert denial.closest_encloser == n(encloser)
        assert len(denial.used) == 1


def test_wildcard_without_a_cover() -> None:
    assert wildcard("a.w.example", "w.example", []).proof is Proof.MISSING
    assert wildcard("a.w.example", "w.example", [ZONE[4]]).proof is Proof.WRONG


# --- compact denial (RFC 9824) and its forerunners -------------------------------------------------------------------


def test_nxname_is_a_name_error_and_no_data() -> None:
    records = zone(r"no.example \000.no.example NXNAME")
    denial = name_error("no.example", records)
    assert (denial.proof, denial.name_error) == (Proof.PROVEN, True)
    denial = no_data("no.example", t.A, records)
    assert (denial.proof, denial.name_error) == (Proof.PROVEN, True)
    assert no_data("no.example", t.ANY, records).proof is Proof.PROVEN
    denial = no_ds("no.example", records)
    assert (denial.proof, denial.name_error) == (Proof.NO_DELEGATION, True)


def test_nxname_says_nothing_of_other_names() -> None:
    records = zone(r"no.example \000.no.example NXNAME")
    for qname in ("a.no.example", "example", "np.example", r"\000.no.example"):
        assert not name_error(qname, records).proof.holds
        assert not no_data(qname, t.A, records).proof.holds
        assert not no_ds(qname, records).proof.holds
    # Not even with a wider span: the owner's ancestors need not exist, so no closest encloser follows.
    wide = zone("a.no.example m.example NXNAME", "example a.no.example SOA NS")
    assert not name_error("b.no.example", wide).proof.holds
    assert not wildcard("b.no.example", "no.example", wide).proof.holds


def test_nxname_beside_other_types_is_no_name_error() -> None:
    records = zone(r"no.example \000.no.example A NXNAME")
    assert name_error("no.example", records).proof is Proof.WRONG
    assert no_data("no.example", t.A, records).proof is Proof.WRONG
    assert not no_data("no.example", t.MX, records).name_error


def test_black_lies_are_no_data() -> None:
    """Before NXNAME: an NSEC at the name asked for, without types."""
    records = zone(r"no.example \000.no.example")
    assert no_data("no.example", t.A, records).proof is Proof.PROVEN
    assert not no_data("no.example", t.A, records).name_error
    assert name_error("no.example", records).proof is Proof.WRONG
    assert no_ds("no.example", records).proof is Proof.NO_DELEGATION


def test_white_lies_are_name_errors() -> None:
    """RFC 4470: spans made just wide enough for the name and for the wildcard."""
    records = zone(r"nn\255.example no\000.example", r"\)\255.example +.example")
    denial = name_error("no.example", records)
    assert denial.proof is Proof.PROVEN
    assert len(denial.used) == 2
    assert name_error("a.no.example", records).proof is Proof.PROVEN


def test_an_unsigned_referral_of_an_online_signer() -> None:
    """RFC 9824 §3.4: the next name is just outside the delegated zone."""
    records = zone(r"cut.example cut\000.example NS")
    assert no_ds("cut.example", records).proof is Proof.PROVEN
    assert not no_ds("a.cut.example", records).proof.holds
