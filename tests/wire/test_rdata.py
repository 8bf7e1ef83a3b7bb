"""RDATA taken apart: key tags, RRSIG, NSEC, NSEC3, type bit maps, SOA; the layouts against RFC 3597 and RFC 4034."""

import dns.dnssec
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.NSEC
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.build import name
from tests.wire.steady import steady
from wire import types as t
from wire.rdata import (
    LAYOUTS,
    Nsec3,
    Rrsig,
    bitmap_has,
    bitmap_is_sound,
    bitmap_types,
    form_is_sound,
    key_tag,
    name_end,
    nsec_parts,
    soa_minimum,
    soa_serial,
)

# RFC 4034 §4.3's example, as octets: A MX RRSIG NSEC TYPE1234.
RFC_4034_BITMAP = bytes.fromhex("0006 400100000003 041b" + "00" * 26 + "20")


def dnskey(algorithm: int, key: bytes, flags: int = 257) -> bytes:
    return flags.to_bytes(2, "big") + b"\3" + bytes([algorithm]) + key


def rdata(rtype: int, text: str) -> bytes:
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), text).to_digestable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The root's key-signing keys, by the tags under which IANA publishes them.
        (
            "257 3 8 AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3+/4RgWOq7HrxRixHlFlExOLAJr5emLvN7SWX"
            "gnLh4+B5xQlNVz8Og8kvArMtNROxVQuCaSnIDdD5LKyWbRd2n9WGe2R8PzgCmr3EgVLrjyBxWezF0jLHwVN8efS3rCj/EWgvIWgb"
            "9tarpVUDK/b58Da+sqqls3eNbuv7pr+eoZG+SrDK6nWeL3c6H5Apxz7LjVc1uTIdsIXxuOLYA4/ilBmSVIzuDWfdRUfhHdY6+cn8"
            "HFRm+2hM8AnXGXws9555KrUB5qihylGa8subX2Nn6UwNR1AkUTV74bU=",
            20326,
        ),
        # RFC 4034 §5.4, the key of the DS example.
        (
            "256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAph"
            "XdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==",
            60485,
        ),
    ],
)
def test_key_tags_of_well_known_keys(text: str, expected: int) -> None:
    assert key_tag(rdata(t.DNSKEY, text)) == expected


@steady()
@given(st.integers(0, 65535), st.sampled_from([0, 1, 3, 5, 8, 10, 13, 15, 253]), st.binary(min_size=3, max_size=300))
def test_key_tag_agrees_with_dnspython(flags: int, algorithm: int, key: bytes) -> None:
    wire = dnskey(algorithm, key, flags)
    assert key_tag(wire) == dns.dnssec.key_id(dns.rdata.from_wire(1, t.DNSKEY, wire, 0, len(wire)))


def test_key_tag_carries_once() -> None:
    """Appendix B adds the carry in once; a carry of that addition is lost, which no sum modulo 65535 would lose."""
    wire = dnskey(8, b"\xff\xff\xff\xff\xfc\xf9", flags=0)
    assert sum(int.from_bytes(wire[at : at + 2], "big") for at in range(0, len(wire), 2)) == 0x2FFFF
    assert key_tag(wire) == 1


@pytest.mark.parametrize("key", [b"", b"\1", b"\1\2", b"\xff" * 3])
def test_key_tag_of_short_keys(key: bytes) -> None:
    """Nothing shorter than a DNSKEY's head gets past the reader; anything else must have a tag."""
    assert 0 <= key_tag(dnskey(1, key)) <= 0xFFFF
    assert 0 <= key_tag(dnskey(13, key)) <= 0xFFFF


def test_rrsig() -> None:
    wire = rdata(t.RRSIG, "NSEC 13 2 3600 20261201000000 20261101000000 4711 example.jp. c2lnbmF0dXJl")
    sig = Rrsig(wire)
    assert (sig.covered, sig.algorithm, sig.labels, sig.original_ttl, sig.key_tag) == (t.NSEC, 13, 2, 3600, 4711)
    assert (sig.expiration, sig.inception) == (1796083200, 1793491200)
    assert sig.signer == name("example.jp")
    assert sig.signature == b"signature"
    assert sig.head + sig.signature == wire
    assert sig.head == wire[:18] + name("example.jp")


def test_rrsig_by_the_root_with_an_empty_signature() -> None:
    sig = Rrsig(bytes(18) + b"\0")
    assert (sig.signer, sig.signature) == (b"\0", b"")


def test_nsec_parts_lower_cases_the_next_name() -> None:
    """RFC 6840 §5.1: the signature covers the next name in its own case; comparisons ignore case."""
    following, bitmap = nsec_parts(name("WWW.Example.jp") + RFC_4034_BITMAP)
    assert following == name("www.example.jp")
    assert bitmap == RFC_4034_BITMAP


def test_nsec3() -> None:
    wire = rdata(t.NSEC3, "1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A NS SOA RRSIG DNSKEY NSEC3PARAM")
    nsec3 = Nsec3(wire)
    assert (nsec3.algorithm, nsec3.flags, nsec3.iterations, nsec3.salt) == (1, 1, 12, bytes.fromhex("aabbccdd"))
    assert nsec3.opt_out
    assert len(nsec3.next_hash) == 20
    assert bitmap_types(nsec3.bitmap) == [t.A, t.NS, t.SOA, t.RRSIG, t.DNSKEY, t.NSEC3PARAM]
    plain = Nsec3(rdata(t.NSEC3, "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr"))
    assert (plain.opt_out, plain.salt, plain.bitmap) == (False, b"", b"")


def test_bitmap_of_the_rfc() -> None:
    """RFC 4034 §4.3."""
    assert bitmap_types(RFC_4034_BITMAP) == [t.A, t.MX, t.RRSIG, t.NSEC, 1234]
    assert bitmap_is_sound(RFC_4034_BITMAP)
    for rtype in range(0x600):
        assert bitmap_has(RFC_4034_BITMAP, rtype) == (rtype in (t.A, t.MX, t.RRSIG, t.NSEC, 1234))
    assert not bitmap_has(b"", t.A)
    assert bitmap_types(b"") == []


@pytest.mark.parametrize(
    ("bitmap", "sound"),
    [
        ("", True),
        ("0001 40", True),
        ("0020" + "01" * 32, True),
        ("0001 40 0101 40 ff01 40", True),
        ("0001 00", True),  # trailing zero octets change nothing
        ("00", False),  # a window without its length
        ("0000", False),  # RFC 4034 §4.1.2: lengths from 1 …
        ("0021" + "01" * 33, False),  # … to 32
        ("0002 40", False),  # longer than what is left
        ("0001 40 01", False),
        ("0101 40 0001 40", False),  # windows ascend
        ("0001 40 0001 40", False),  # and do not repeat
    ],
)
def test_bitmap_is_sound(bitmap: str, sound: bool) -> None:
    assert bitmap_is_sound(bytes.fromhex(bitmap)) is sound


@steady()
@given(st.sets(st.integers(1, 65535), max_size=20))
def test_bitmaps_agree_with_dnspython(types: set[int]) -> None:
    bitmap = dns.rdtypes.ANY.NSEC.Bitmap.from_rdtypes([dns.rdatatype.RdataType.make(rtype) for rtype in types])
    wire = b"".join(bytes([window, len(bits)]) + bits for window, bits in bitmap.windows)
    assert bitmap_is_sound(wire)
    assert bitmap_types(wire) == sorted(types)
    assert all(bitmap_has(wire, rtype) for rtype in types)
    assert not any(bitmap_has(wire, rtype ^ 1) for rtype in types if rtype ^ 1 not in types)


@pytest.mark.parametrize(
    ("rtype", "octets", "sound"),
    [
        (t.DS, bytes(4), True),  # the digest's length is for the validator
        (t.DS, bytes(3), False),
        (t.DNSKEY, bytes(4), True),
        (t.DNSKEY, bytes(3), False),
        (t.ZONEMD, bytes(5), False),
        (t.NSEC3PARAM, b"\1\0\0\0\0", True),
        (t.NSEC3PARAM, b"\1\0\0\0\2ab", True),
        (t.NSEC3PARAM, b"\1\0\0\0\2a", False),
        (t.NSEC3PARAM, b"\1\0\0\0\2abc", False),
        (t.NSEC3, b"\1\0\0\0\0\1h", True),
        (t.NSEC3, b"\1\0\0\0\0\0\0", False),  # no hash
        (t.NSEC3, b"\1\0\0\0\0\2h", False),
        (t.NSEC3, b"\1\0\0\0\2ab", False),
        (t.NSEC3, b"\1\0\0\0\0\1h\0\1\x40", True),
        (t.NSEC3, b"\1\0\0\0\0\1h\0\0", False),
        (t.TXT, b"\0", True),
        (t.TXT, b"\1a\0\2bc", True),
        (t.TXT, b"", False),
        (t.TXT, b"\2a", False),
        (t.SPF, b"\2a", False),
        (t.HINFO, b"\1a\1b", True),
        (t.HINFO, b"\1a", False),
        (t.HINFO, b"\1a\1b\1c", False),
        (t.X25, b"\1a", True),
        (t.X25, b"\1a\1b", False),
        (t.ISDN, b"\1a", True),
        (t.ISDN, b"\1a\1b", True),
        (t.ISDN, b"\1a\1b\1c", False),
        (65280, b"", True),
    ],
)
def test_form_is_sound(rtype: int, octets: bytes, sound: bool) -> None:
    assert form_is_sound(rtype, octets) is sound


def test_soa() -> None:
    wire = rdata(t.SOA, "ns.example.jp. host.example.jp. 2026112201 2 3 4 5")
    assert (soa_serial(wire), soa_minimum(wire)) == (2026112201, 5)


def test_name_end() -> None:
    assert name_end(b"xx" + name("a.bc") + b"yy", 2) == 8
    assert name_end(b"\0", 0) == 1


def test_layouts_are_the_rfcs_lists() -> None:
    """RFC 3597 §4: compressed only in the types of RFC 1035; decompressed also in those of other RFCs that it names."""
    rfc1035 = {t.NS, t.MD, t.MF, t.CNAME, t.SOA, t.MB, t.MG, t.MR, t.PTR, t.MINFO, t.MX}
    assert {rtype for rtype, layout in LAYOUTS.items() if layout.compress} == rfc1035
    also = {t.RP, t.AFSDB, t.RT, t.SIG, t.PX, t.NXT, t.SRV}  # and NAPTR, which the reader reads by itself
    assert {rtype for rtype, layout in LAYOUTS.items() if layout.compressed} == rfc1035 | also
    # RFC 4034 §6.2 with RFC 6840 §5.1: lower-cased in all of them but NSEC.
    assert {rtype for rtype, layout in LAYOUTS.items() if not layout.lower} == {t.NSEC}
    assert set(LAYOUTS) == rfc1035 | also | {t.KX, t.DNAME, t.RRSIG, t.NSEC}
