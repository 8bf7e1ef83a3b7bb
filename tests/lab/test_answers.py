"""What the authoritative servers say: sections, flags, proofs, as RFC 1034, 4035, 5155, 4592 and 6672 have it."""

import dns.dnssec
import dns.flags
import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from dns.name import Name
from dns.rdatatype import RdataType

from lab.internet import Internet
from tests.lab.conftest import Asker
from tests.lab.messages import shown, verify_all


def _n(text: str) -> Name:
    return dns.name.from_text(text)


def _hashed(name: str, zone: str) -> str:
    return f"{dns.dnssec.nsec3_hash(_n(name), None, 0, 1).lower()}.{zone}"


# zone asked, name, type -> RCODE, AA, answer, authority (without signatures)
NSEC_TABLE = [
    ("example.jp.", "www.example.jp.", "A", "NOERROR", {"www.example.jp. A"}, set()),
    ("example.jp.", "short.example.jp.", "A", "NOERROR", {"short.example.jp. CNAME", "www.example.jp. A"}, set()),
    ("example.jp.", "alias.example.jp.", "A", "NOERROR", {"alias.example.jp. CNAME"}, set()),
    ("example.jp.", "alias.example.jp.", "CNAME", "NOERROR", {"alias.example.jp. CNAME"}, set()),
    ("example.jp.", "loop1.example.jp.", "A", "NOERROR", {"loop1.example.jp. CNAME", "loop2.example.jp. CNAME"}, set()),
    (
        "example.jp.",
        "www.old.example.jp.",
        "A",
        "NOERROR",
        {"old.example.jp. DNAME", "www.old.example.jp. CNAME", "www.new.example.jp. A"},
        set(),
    ),
    ("example.jp.", "old.example.jp.", "DNAME", "NOERROR", {"old.example.jp. DNAME"}, set()),
    # NODATA: the NSEC at the name
    (
        "example.jp.",
        "www.example.jp.",
        "MX",
        "NOERROR",
        set(),
        {"example.jp. SOA", "www.example.jp. NSEC"},
    ),
    # NODATA at an empty non-terminal: the NSEC before it
    (
        "example.jp.",
        "deep.ent.example.jp.",
        "A",
        "NOERROR",
        set(),
        {"example.jp. SOA", "chain3.example.jp. NSEC"},
    ),
    # NXDOMAIN: the NSECs that cover the name and the wildcard
    (
        "example.jp.",
        "nonexistent.example.jp.",
        "A",
        "NXDOMAIN",
        set(),
        {"example.jp. SOA", "www.new.example.jp. NSEC", "example.jp. NSEC"},
    ),
    (
        "example.jp.",
        "to-nowhere.example.jp.",
        "A",
        "NXDOMAIN",
        {"to-nowhere.example.jp. CNAME"},
        {"example.jp. SOA", "www.new.example.jp. NSEC", "example.jp. NSEC"},
    ),
    # wildcard: the NSEC that covers the name itself
    (
        "example.jp.",
        "any.wild.example.jp.",
        "A",
        "NOERROR",
        {"any.wild.example.jp. A"},
        {"*.wild.example.jp. NSEC"},
    ),
    (
        "example.jp.",
        "any.wildalias.example.jp.",
        "A",
        "NOERROR",
        {"any.wildalias.example.jp. CNAME", "www.example.jp. A"},
        {"*.wildalias.example.jp. NSEC"},
    ),
    # wildcard NODATA: that, and the bitmap of the wildcard (one record here)
    (
        "example.jp.",
        "any.wild.example.jp.",
        "MX",
        "NOERROR",
        set(),
        {"example.jp. SOA", "*.wild.example.jp. NSEC"},
    ),
    # RFC 4592 §2.2: an existing name keeps the wildcard from answering, for itself and for what is below it
    (
        "example.jp.",
        "exact.wild.example.jp.",
        "TXT",
        "NOERROR",
        set(),
        {"example.jp. SOA", "exact.wild.example.jp. NSEC"},
    ),
    (
        "example.jp.",
        "below.exact.wild.example.jp.",
        "A",
        "NXDOMAIN",
        set(),
        {"example.jp. SOA", "exact.wild.example.jp. NSEC"},
    ),
    # the wildcard itself is a name like any other
    ("example.jp.", "*.wild.example.jp.", "A", "NOERROR", {"*.wild.example.jp. A"}, set()),
    # DS: of the parent's side where both live on one server, of the child's side where the parent lives elsewhere
    ("example.jp.", "sub.example.jp.", "DS", "NOERROR", {"sub.example.jp. DS"}, set()),
    (
        "example.jp.",
        "insecure.example.jp.",
        "DS",
        "NOERROR",
        set(),
        {"example.jp. SOA", "insecure.example.jp. NSEC"},
    ),
    ("example.jp.", "example.jp.", "DS", "NOERROR", set(), {"example.jp. SOA", "example.jp. NSEC"}),
    # parent and child on one server: the child answers
    ("example.jp.", "www.sub.example.jp.", "A", "NOERROR", {"www.sub.example.jp. A"}, set()),
    ("jp.", "co.jp.", "A", "NOERROR", set(), {"jp. SOA", "jp. NSEC"}),
]


@pytest.mark.parametrize(("zone", "name", "rdtype", "rcode", "answer", "authority"), NSEC_TABLE)
def test_answers(
    net: Internet, ask: Asker, zone: str, name: str, rdtype: str, rcode: str, answer: set[str], authority: set[str]
) -> None:
    response = ask.zone(zone, name, rdtype)
    assert dns.rcode.to_text(response.rcode()) == rcode
    assert response.flags & dns.flags.AA
    assert shown(response.answer) == answer
    assert shown(response.authority) == authority
    signed = verify_all(net, response)
    synthesised = rcode == "NOERROR" and "old" in name and rdtype == "A"  # the CNAME that a DNAME implies
    assert signed == len(answer) + len(authority) - synthesised


class TestReferrals:
    def test_secure_with_glue(self, net: Internet, ask: Asker) -> None:
        response = ask.zone(".", "www.example.jp.")
        assert not response.flags & dns.flags.AA
        assert shown(response.answer) == set()
        assert shown(response.authority) == {"jp. NS", "jp. DS"}
        assert shown(response.additional) == {"a.dns.jp. A", "b.dns.jp. A"}
        assert verify_all(net, response) == 1

    def test_insecure_with_nsec(self, net: Internet, ask: Asker) -> None:
        response = ask.zone("jp.", "www.unsigned.jp.")
        assert shown(response.authority) == {"unsigned.jp. NS", "unsigned.jp. NSEC"}
        assert "DS" not in response.authority[1].to_text().split()
        assert verify_all(net, response) == 1

    def test_insecure_by_opt_out(self, net: Internet, ask: Asker) -> None:
        response = ask.zone("com.", "www.unsigned.com.")
        nsec3 = [r for r in response.authority if r.rdtype == RdataType.NSEC3]
        assert _hashed("com.", "com.") in {str(r.name) for r in nsec3}
        assert _hashed("unsigned.com.", "com.") not in {str(r.name) for r in nsec3}
        assert all(r[0].flags == 1 for r in nsec3)
        assert verify_all(net, response) == len(nsec3) == 2

    def test_no_glue_for_servers_elsewhere(self, ask: Asker) -> None:
        response = ask.zone("com.", "www.example.com.")
        assert {str(r.target) for r in response.authority[0]} == {"ns1.example.net.", "ns2.example.net."}
        assert response.additional == []

    def test_without_do_no_dnssec_records(self, ask: Asker) -> None:
        for zone, name in ((".", "www.example.jp."), ("com.", "www.unsigned.com."), ("example.jp.", "no.example.jp.")):
            response = ask.zone(zone, name, dnssec=False)
            types = {r.rdtype for section in (response.answer, response.authority) for r in section}
            assert types <= {RdataType.NS, RdataType.SOA}

    def test_dnssec_types_are_answered_without_do_when_asked_for(self, ask: Asker) -> None:
        for rdtype in ("DNSKEY", "NSEC"):
            response = ask.zone("example.jp.", "example.jp.", rdtype, dnssec=False)
            assert shown(response.answer) == {f"example.jp. {rdtype}"}
        response = ask.zone("example.jp.", "www.example.jp.", "RRSIG", dnssec=False)
        assert {r.covers.name for r in response.answer} == {"A", "AAAA", "HTTPS", "NSEC"}


class TestNsec3:
    def test_nxdomain(self, net: Internet, ask: Asker) -> None:
        response = ask.zone("example.com.", "a.b.nonexistent.example.com.")
        assert response.rcode() == dns.rcode.NXDOMAIN
        owners = {str(r.name) for r in response.authority if r.rdtype == RdataType.NSEC3}
        assert _hashed("example.com.", "example.com.") in owners
        assert len(owners) <= 3
        assert verify_all(net, response) == len(owners) + 1

    def test_nodata_and_empty_non_terminal(self, net: Internet, ask: Asker) -> None:
        for name in ("www.example.com.", "deep.ent.example.com.", "ent.example.com."):
            response = ask.zone("example.com.", name, "MX")
            assert response.rcode() == dns.rcode.NOERROR
            assert shown(response.authority) == {"example.com. SOA", f"{_hashed(name, 'example.com.')} NSEC3"}
            assert verify_all(net, response) == 2

    def test_wildcard(self, net: Internet, ask: Asker) -> None:
        response = ask.zone("example.com.", "x.y.wild.example.com.")
        assert shown(response.answer) == {"x.y.wild.example.com. A"}
        assert len(shown(response.authority)) == 1  # covers the next closer name, y.wild.example.com
        assert verify_all(net, response) == 2

    def test_wildcard_nodata(self, net: Internet, ask: Asker) -> None:
        response = ask.zone("example.com.", "x.wild.example.com.", "MX")
        owners = {str(r.name) for r in response.authority if r.rdtype == RdataType.NSEC3}
        assert {_hashed("wild.example.com.", "example.com."), _hashed("*.wild.example.com.", "example.com.")} <= owners
        assert verify_all(net, response) == len(owners) + 1

    def test_hashed_owner_is_no_name(self, ask: Asker) -> None:
        # RFC 5155 §7.2.8
        response = ask.zone("example.com.", _hashed("example.com.", "example.com."), "NSEC3")
        assert response.rcode() == dns.rcode.NXDOMAIN

    def test_ds_of_an_opted_out_delegation(self, net: Internet, ask: Asker) -> None:
        response = ask.zone("com.", "unsigned.com.", "DS")
        assert response.rcode() == dns.rcode.NOERROR
        assert response.flags & dns.flags.AA
        assert verify_all(net, response) == 3


def test_negative_ttl(ask: Asker) -> None:
    # RFC 2308 §5: the SOA's TTL in a negative answer is the lesser of its own and its minimum.
    response = ask.zone("com.", "nonexistent.com.")
    assert {r.ttl for r in response.authority if r.rdtype != RdataType.RRSIG} == {900}


def test_priming_answer_brings_the_addresses(ask: Asker) -> None:
    response = ask.zone(".", ".", "NS")
    assert shown(response.answer) == {". NS"}
    assert shown(response.additional) == {"a.root-servers.net. A", "b.root-servers.net. A"}


def test_any_gets_everything(net: Internet, ask: Asker) -> None:
    response = ask.zone("example.jp.", "www.example.jp.", "ANY")
    assert {e.split()[1] for e in shown(response.answer)} == {"A", "AAAA", "HTTPS", "NSEC"}
    assert verify_all(net, response) == 4


def test_dname_that_makes_a_name_too_long(ask: Asker) -> None:
    # RFC 6672 §2.2
    name = ".".join(["x" * 62] * 3 + ["y" * 20, "stretch.example.jp."])
    response = ask.zone("example.jp.", name)
    assert response.rcode() == dns.rcode.YXDOMAIN
    assert shown(response.answer) == {"stretch.example.jp. DNAME"}
    response = ask.zone("example.jp.", "short.stretch.example.jp.")
    assert response.rcode() == dns.rcode.NOERROR
    assert shown(response.answer) == {"stretch.example.jp. DNAME", "short.stretch.example.jp. CNAME"}


def test_every_signed_name_answers_its_own_types(net: Internet, ask: Asker) -> None:
    """Whatever a zone holds comes back from its server, with a signature that verifies."""
    zone = net.zones[_n("example.jp.")]
    cuts = zone.cuts()
    for (name, rdtype), rrset in zone.rrsets.items():
        if name in cuts or zone.is_below_cut(name, cuts):
            continue
        response = ask.zone("example.jp.", name.to_text(), dns.rdatatype.to_text(rdtype))
        assert rrset in response.answer, f"{name} {rdtype.name}"
        assert verify_all(net, response) >= 1
