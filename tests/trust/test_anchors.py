"""Trust points, negative trust anchors, anchor files."""

import base64

import pytest

from tests.conftest import require_corpora
from tests.trust.zones import NOW, KeyPair, n
from trust.algorithms import Key
from trust.anchors import (
    MAX_FILE,
    Nta,
    TrustPoint,
    TrustPoints,
    builtin,
    merge,
    points_from_file,
    points_from_text,
    points_from_xml,
)
from wire.name import ROOT
from wire.text import rrsets_from_text

XML = """<?xml version="1.0" encoding="UTF-8"?>
<TrustAnchor id="X" source="Y"><Zone>.</Zone>
<KeyDigest id="a" validFrom="{start}" {end}><KeyTag>20326</KeyTag><Algorithm>8</Algorithm><DigestType>2</DigestType>
<Digest>E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D</Digest>{extra}</KeyDigest></TrustAnchor>"""


def xml(start: str = "2017-02-02T00:00:00+00:00", end: str = "", extra: str = "") -> str:
    return XML.format(start=start, end=end, extra=extra)


# --- the packaged anchors ------------------------------------------------------------------------------------------------


def test_builtin_anchors_are_those_of_iana() -> None:
    text = require_corpora("anchors", "root-anchors-2024.xml").read_text()
    (point,) = points_from_xml(text, NOW)
    (packaged,) = builtin()
    assert packaged.name == ROOT and packaged.dnskeys == ()
    assert set(packaged.ds) == set(point.ds)
    assert [int.from_bytes(ds[:2], "big") for ds in packaged.ds] == [20326, 38696]


def test_builtin_anchors_match_the_root_zone() -> None:
    """The DNSKEY RRset of the root zone of 2026-08-22 holds both keys."""
    lines = require_corpora("rootzone", "root-2026082201.zone").read_text().splitlines()
    (dnskey,) = rrsets_from_text("\n".join(line for line in lines if "\tDNSKEY\t" in line))
    keys = {Key(rdata).tag: Key(rdata) for rdata in dnskey.rdatas}
    for ds in builtin()[0].ds:
        assert keys[int.from_bytes(ds[:2], "big")].matches_ds(ROOT, ds)


@pytest.mark.parametrize(
    ("when", "tags"),
    [
        (1_300_000_000, {19036}),
        (1_500_000_000, {19036, 20326}),
        (1_547_164_799, {19036, 20326}),  # a second before 2019-01-11
        (1_547_164_800, {20326}),
        (1_721_260_799, {20326}),
        (1_721_260_800, {20326, 38696}),  # 2024-07-18
    ],
)
def test_validity_of_key_digests(when: int, tags: set[int]) -> None:
    text = require_corpora("anchors", "root-anchors-2024.xml").read_text()
    (point,) = points_from_file(text.encode(), when)
    assert {int.from_bytes(ds[:2], "big") for ds in point.ds} == tags


def test_the_file_of_2010() -> None:
    data = require_corpora("anchors", "root-anchors-2010.xml").read_bytes()
    (point,) = points_from_file(data, NOW)
    assert [int.from_bytes(ds[:2], "big") for ds in point.ds] == [19036]


# --- files -------------------------------------------------------------------------------------------------------------


def test_records_of_several_names() -> None:
    key = KeyPair(13, 257)
    public = base64.b64encode(key.rdata[4:]).decode()
    text = f"""
; a comment
. 172800 IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D
Example.JP. IN DNSKEY 257 3 13 {public}
example.jp. DS {key.tag} 13 2 {key.ds(n("example.jp"))[4:].hex()}
"""
    points = {point.name: point for point in points_from_text(text)}
    assert set(points) == {ROOT, n("example.jp")}
    assert points[n("example.jp")].dnskeys == (key.rdata,)
    assert points[n("example.jp")].ds == (key.ds(n("example.jp")),)
    assert points_from_file(b"\xef\xbb\xbf" + text.encode(), NOW)[0].name == ROOT


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no trust anchor"),
        ("; nothing\n", "no trust anchor"),
        (". IN NS a.root-servers.net.", "not NS"),
        (". IN DS 1 8 2 0011", "digest length"),
        (". IN DS 1 8 1 " + "00" * 32, "digest length"),
        (". IN DS 1 8", "not a list of records"),
        ("hello world", "not a list of records"),
        (". IN DNSKEY 1 3 13 AAAA", "zone-key bit"),
        (". IN DNSKEY 385 3 13 AAAA", "revoked"),
        (". IN DNSKEY 257 2 13 AAAA", "protocol"),
        (". CH DS 1 8 2 " + "00" * 32, "class"),
        (". IN RRSIG DS 8 0 1 20300101000000 20000101000000 1 . AAAA", "DS"),
    ],
)
def test_refused_records(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        points_from_text(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<TrustAnchor>", "not well-formed"),
        ("<Other><Zone>.</Zone></Other>", "TrustAnchor"),
        ("<TrustAnchor></TrustAnchor>", "<Zone>"),
        ("<TrustAnchor><Zone>.</Zone></TrustAnchor>", "none of 0"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><TrustAnchor/>", "document type"),
        (xml(start="2100-01-01T00:00:00+00:00"), "none of 1"),
        (xml(end='validUntil="2020-01-01T00:00:00+00:00"'), "none of 1"),
        (xml(start="yesterday"), "no date"),
        (xml(start="2017-02-02T00:00:00"), "time zone"),
        (xml().replace("20326", "x"), "KeyTag"),
        (xml().replace("20326", "70000"), "KeyTag"),
        (xml().replace("20326", "-1"), "KeyTag"),
        (xml().replace("<Algorithm>8", "<Algorithm>256"), "Algorithm"),
        (xml().replace("EC8D<", "EC8DFF<"), "32 octets"),
        (xml().replace("EC8D<", "ZZZZ<"), "Digest"),
        (xml().replace("<KeyTag>20326</KeyTag>", ""), "KeyTag"),
        (xml().replace("<KeyTag>20326</KeyTag>", "<KeyTag>1</KeyTag><KeyTag>2</KeyTag>"), "KeyTag"),
        (xml(extra="<PublicKey>AwEAAQ==</PublicKey><Flags>257</Flags>"), "does not have the <Digest>"),
        (xml(extra="<PublicKey>*</PublicKey><Flags>257</Flags>"), "PublicKey"),
        (xml(extra="<PublicKey>AwEAAQ==</PublicKey>"), "Flags"),
        (xml(extra="<PublicKey>AwEAAQ==</PublicKey><Flags>385</Flags>"), "revoked"),
    ],
)
def test_refused_xml(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        points_from_file(text.encode(), NOW)


def test_refused_files() -> None:
    with pytest.raises(ValueError, match="octets"):
        points_from_file(b" " * (MAX_FILE + 1), NOW)
    with pytest.raises(ValueError, match="text"):
        points_from_file(b"\xff\xfe\x00", NOW)
    with pytest.raises(ValueError, match="characters"):
        points_from_xml(" " * (MAX_FILE + 1), NOW)


def test_merge() -> None:
    a, b = TrustPoint(ROOT, [b"1"]), TrustPoint(ROOT, [b"1", b"2"], [b"k"])
    (merged,) = merge([a, b])
    assert merged.ds == (b"1", b"2") and merged.dnskeys == (b"k",)


# --- which one governs ---------------------------------------------------------------------------------------------


def points(*, anchors: str = "", ntas: str = "", until: float | None = NOW + 60) -> TrustPoints:
    return TrustPoints(
        [TrustPoint(n(name), [b"ds"]) for name in anchors.split()], [Nta(n(name), "why", until) for name in ntas.split()]
    )


@pytest.mark.parametrize(
    ("anchors", "ntas", "name", "governs"),
    [
        ("", "", "example.jp", None),
        (".", "", "example.jp", "."),
        (".", "", ".", "."),
        (". jp", "", "www.example.jp", "jp"),
        (". jp", "", "example.com", "."),
        ("example.jp", "", "jp", None),
        ("example.jp", "", "www.example.jp", "example.jp"),
        ("example.jp", "", "notexample.jp", None),
        # longest match
        (".", "example.jp", "www.example.jp", "NTA example.jp"),
        (".", "example.jp", "example.jp", "NTA example.jp"),
        (".", "example.jp", "jp", "."),
        (".", "example.jp", "other.jp", "."),
        (".", "jp example.jp", "www.example.jp", "NTA example.jp"),
        (".", "jp example.jp", "www.other.jp", "NTA jp"),
        # an NTA never weakens an anchor configured below it
        (". example.jp", "jp", "www.example.jp", "example.jp"),
        (". example.jp", "jp", "other.jp", "NTA jp"),
        (". example.jp", "jp sub.example.jp", "www.sub.example.jp", "NTA sub.example.jp"),
        # RFC 7646 §5: at the very name of an anchor the NTA takes precedence
        (". example.jp", "example.jp", "www.example.jp", "NTA example.jp"),
        (".", ".", "www.example.jp", "NTA ."),
        ("", "example.jp", "www.example.jp", "NTA example.jp"),
    ],
)
def test_governing(anchors: str, ntas: str, name: str, governs: str | None) -> None:
    snapshot = points(anchors=anchors, ntas=ntas)
    found = snapshot.governing(n(name), NOW)
    if governs is None:
        assert found is None
    elif governs.startswith("NTA "):
        assert isinstance(found, Nta) and found.name == n(governs[4:])
        assert snapshot.nta(n(name), NOW) is found
    else:
        assert isinstance(found, TrustPoint) and found.name == n(governs)
        assert snapshot.nta(n(name), NOW) is None


def test_an_expired_nta_is_none() -> None:
    snapshot = points(anchors=".", ntas="example.jp")
    assert snapshot.nta(n("www.example.jp"), NOW + 59.9) is not None
    assert snapshot.nta(n("www.example.jp"), NOW + 60) is None
    forever = points(anchors=".", ntas="example.jp", until=None)
    assert forever.nta(n("example.jp"), 1e12) is not None


def test_generations_and_immutability() -> None:
    first = points(anchors=". jp", ntas="example.jp")
    second = first.with_ntas([])
    third = second.with_points([TrustPoint(ROOT)])
    assert (first.generation, second.generation, third.generation) == (0, 1, 2)
    assert set(second.points) == {ROOT, n("jp")} and not second.ntas and set(first.ntas) == {n("example.jp")}
    assert first.trust_point(n("www.jp")) is first.points[n("jp")]
    assert points().trust_point(n("jp")) is None
    with pytest.raises(TypeError):
        first.points[ROOT] = TrustPoint(ROOT)  # type: ignore[index]
