"""Presentation format: there and back again."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import generate
from tests.wire.build import name
from tests.wire.steady import steady
from wire import types as t
from wire.name import ROOT
from wire.reader import read
from wire.rrset import RRset
from wire.text import (
    gather,
    name_from_text,
    name_to_text,
    rcode_to_text,
    rdata_to_text,
    rrset_to_text,
    rrsets_from_text,
    type_from_text,
    type_to_text,
)


@pytest.mark.parametrize(
    ("text", "wire", "back"),
    [
        (".", ROOT, "."),
        ("jp", name("jp"), "jp"),
        ("jp.", name("jp"), "jp"),
        ("WWW.Example.JP", name("www.example.jp"), "www.example.jp"),
        (r"a\.b.jp", b"\3a.b\2jp\0", r"a\.b.jp"),
        (r"a\.", b"\2a.\0", r"a\."),
        (r"\000\255.jp", b"\2\0\xff\2jp\0", r"\000\255.jp"),
        ("*.jp", name("*.jp"), "*.jp"),
        ("日本語.jp", name("xn--wgv71a119e.jp"), "xn--wgv71a119e.jp"),
    ],
)
def test_names(text: str, wire: bytes, back: str) -> None:
    assert name_from_text(text) == wire
    assert name_to_text(wire) == back


@pytest.mark.parametrize(
    "text", ["a..b", ".a", "x" * 64 + ".jp", ".".join(["x" * 63] * 4), r"\256.jp", "\\", "a\\", "\x80" * 64]
)
def test_not_names(text: str) -> None:
    with pytest.raises(ValueError, match="is not a domain name"):
        name_from_text(text)


@steady()
@given(st.text(max_size=300))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        wire = name_from_text(text)
    except ValueError:
        return
    assert wire == wire.lower()
    assert 1 <= len(wire) <= 255
    assert name_from_text(name_to_text(wire)) == wire


@steady()
@given(st.lists(st.binary(min_size=1, max_size=20), max_size=8))
def test_any_name_comes_back(labels: list[bytes]) -> None:
    wire = b"".join(bytes([len(label)]) + label for label in labels).lower() + b"\0"
    text = name_to_text(wire)
    assert text.isascii()
    assert name_from_text(text) == wire
    assert text == "." or not text.endswith(".") or text.endswith(r"\.")


def test_types() -> None:
    assert [type_to_text(rtype) for rtype in (t.A, t.NSEC3PARAM, t.HTTPS, 65280)] == [
        "A",
        "NSEC3PARAM",
        "HTTPS",
        "TYPE65280",
    ]
    assert [type_from_text(text) for text in ("A", "aaaa", "TYPE65280", "type1")] == [t.A, t.AAAA, 65280, t.A]
    assert all(type_from_text(type_to_text(rtype)) == rtype for rtype in range(65536))
    for text in ("", "NOSUCH", "TYPE65536", "TYPE", "1"):
        with pytest.raises(ValueError, match="is not a record type"):
            type_from_text(text)


def test_rcodes() -> None:
    assert [rcode_to_text(rcode) for rcode in (0, 2, 3, t.BADVERS)] == ["NOERROR", "SERVFAIL", "NXDOMAIN", "BADVERS"]
    assert [rcode_to_text(rcode) for rcode in (3000, 4095)] == ["3000", "4095"]


def test_rdata() -> None:
    assert rdata_to_text(t.A, b"\xc0\0\2\1") == "192.0.2.1"
    assert rdata_to_text(65280, b"\1\2") == r"\# 2 0102"
    assert rdata_to_text(t.A, b"\1\2") == r"\# 2 0102"  # not an address: RFC 3597 §5
    assert rdata_to_text(t.DS, b"\0\1\x0d\2\xab") == r"\# 5 00010d02ab"
    assert rdata_to_text(t.NS, b"\xc0\x0c") == r"\# 2 c00c"


@steady(300)
@given(st.integers(0, 65535), st.binary(max_size=40))
def test_any_rdata_has_a_text(rtype: int, rdata: bytes) -> None:
    for number in (rtype, rtype % 300):
        assert rdata_to_text(number, rdata).isprintable()


def test_rrset() -> None:
    sig = "A 13 3 300 20261201000000 20261101000000 4711 example.jp. c2lnbmF0dXJl"
    text = f"www.example.jp. 300 IN A 192.0.2.1\nwww.example.jp. 300 IN A 192.0.2.2\nwww.example.jp. 300 IN RRSIG {sig}"
    (rrset,) = rrsets_from_text(text)
    assert (rrset.name, rrset.rtype, rrset.ttl, len(rrset.rdatas), len(rrset.sigs)) == (
        name("www.example.jp"),
        t.A,
        300,
        2,
        1,
    )
    assert rrset_to_text(rrset) == text.splitlines()
    assert rrset_to_text(rrset, signatures=False) == text.splitlines()[:2]


@pytest.mark.parametrize("owner", [ROOT, name("jp"), b"\2a.\0", b"\2.a\0", b"\3a\\.\0"])
def test_owners_are_absolute(owner: bytes) -> None:
    rrset = RRset(owner, t.A, 300, [bytes(4)])
    (line,) = rrset_to_text(rrset)
    assert line.split()[0].endswith(".")
    assert rrsets_from_text(line, origin="elsewhere.example") == [rrset]


def test_zone_file_habits() -> None:
    text = """
    $ORIGIN example.jp.
    $TTL 60
    @        IN SOA NS Host 1 2 3 4 5   ; relative and mixed-case names
    WWW  30  IN A   192.0.2.1
    www      IN A   192.0.2.1
             IN A   192.0.2.2
    ch       CH TXT "x"
    """.replace("\n    ", "\n")
    soa, www, ch = rrsets_from_text(text)
    assert (soa.name, soa.ttl) == (name("example.jp"), 60)
    assert soa.rdatas[0].startswith(name("ns.example.jp") + name("host.example.jp"))
    assert (www.name, www.ttl, www.rdatas) == (name("www.example.jp"), 30, [b"\xc0\0\2\1", b"\xc0\0\2\2"])
    assert ch.rclass == t.CH
    assert rrsets_from_text("a A 192.0.2.1", origin="jp", default_ttl=7)[0].ttl == 7
    assert rrsets_from_text("") == []


@pytest.mark.parametrize("text", ["a A", "a NOSUCH x", "a A 1.2.3", "a A 1.2.3.4 x", "a..b A 1.2.3.4", "a TXT \\"])
def test_not_records(text: str) -> None:
    with pytest.raises(ValueError, match="not a list of records"):
        rrsets_from_text(text)


def test_gather_says_which_record_is_malformed() -> None:
    with pytest.raises(ValueError, match="malformed AAAA record: address of a wrong length"):
        gather([(ROOT, t.A, t.IN, 1, bytes(4)), (ROOT, t.AAAA, t.IN, 1, bytes(4))])


@steady(60)
@given(st.randoms(use_true_random=False))
def test_generated_rrsets_come_back(random: Random) -> None:
    m = read(generate.message(random)[0])
    for rrset in m.answer + m.authority + m.additional:
        if rrset.rclass != t.IN:
            continue  # dnspython has no presentation format for most types of other classes
        (again,) = rrsets_from_text("\n".join(rrset_to_text(rrset)))
        assert again == rrset
        assert (again.ttl, set(again.sigs)) == (rrset.ttl, set(rrset.sigs))
