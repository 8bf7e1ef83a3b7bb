"""Keys, signatures and digests: the RFCs' vectors, the forms of RSA keys, malformed keys."""

import os
import textwrap

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from tests.trust.zones import KeyPair, n
from trust import policy as p
from trust.algorithms import Key, digest, ecdsa_der, load_public_key, rsa_numbers
from trust.policy import Budget, Policy, Sha1
from trust.signature import KeySet, verify_rrset
from wire.text import rrsets_from_text

# (RFC, text of the DNSKEY, the signed set and its RRSIG, a wall clock within its validity)
VECTORS = {
    "RFC 5702 §6.1 RSA/SHA-256": (
        """
        example.net. 3600 IN DNSKEY 256 3 8 (
          AwEAAcFcGsaxxdgiuuGmCkVImy4h99CqT7jwY3pexPGcnUFtR2Fh36BponcwtkZ4cAgtvd4Qs8PkxUdp6p/DlUmObdk=)
        www.example.net. 3600 IN A 192.0.2.91
        www.example.net. 3600 IN RRSIG A 8 3 3600 20300101000000 20000101000000 9033 example.net. (
          kRCOH6u7l0QGy9qpC9l1sLncJcOKFLJ7GhiUOibu4teYp5VE9RncriShZNz85mwlMgNEacFYK/lPtPiVYP4bwg==)
        """,
        1_500_000_000,
    ),
    "RFC 5702 §6.2 RSA/SHA-512": (
        """
        example.net. 3600 IN DNSKEY 256 3 10 (AwEAAdHoNTOW+et86KuJOWRDp1pndvwb6Y83nSVXXyLA3DLroROUkN6X0O6pnWnjJQujX/AyhqFD
          xj13tOnD9u/1kTg7cV6rklMrZDtJCQ5PCl/D7QNPsgVsMu1J2Q8gpMpztNFLpPBz1bWXjDtaR7ZQBlZ3PFY12ZTSncorffcGmhOL)
        www.example.net. 3600 IN A 192.0.2.91
        www.example.net. 3600 IN RRSIG A 10 3 3600 20300101000000 20000101000000 3740 example.net. (
          tsb4wnjRUDnB1BUi+t6TMTXThjVnG+eCkWqjvvjhzQL1d0YRoOe0CbxrVDYd0xDtsuJRaeUw1ep94PzEWzr0iGYgZBWm/zpq+9fO
          uagYJRfDqfReKBzMweOLDiNa8iP5g9vMhpuv6OPlvpXwm9Sa9ZXIbNl1MBGk0fthPgxdDLw=)
        """,
        1_500_000_000,
    ),
    "RFC 6605 §6.1 ECDSA P-256": (
        """
        example.net. 3600 IN DNSKEY 257 3 13 (
          GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==)
        example.net. 3600 IN DS 55648 13 2 b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17
        www.example.net. 3600 IN A 192.0.2.1
        www.example.net. 3600 IN RRSIG A 13 3 3600 20100909100439 20100812100439 55648 example.net. (
          qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==)
        """,
        1_282_000_000,
    ),
    "RFC 6605 §6.2 ECDSA P-384": (
        """
        example.net. 3600 IN DNSKEY 257 3 14 (xKYaNhWdGOfJ+nPrL8/arkwf2EY3MDJ+SErKivBVSum1w/egsXvSADtNJhyem5RCOpgQ6K8X
          1DRSEkrbYQ+OB+v8/uX45NBwY8rp65F6Glur8I/mlVNgF6W/qTI37m40)
        example.net. 3600 IN DS 10771 14 4 (
          72d7b62976ce06438e9c0bf319013cf801f09ecc84b8d7e9495f27e305c6a9b0563a9b5f4d288405c3008a946df983d6)
        www.example.net. 3600 IN A 192.0.2.1
        www.example.net. 3600 IN RRSIG A 14 3 3600 20100909102025 20100812102025 10771 example.net. (
          /L5hDKIvGDyI1fcARX3z65qrmPsVz73QD1Mr5CEqOiLP95hxQouuroGCeZOvzFaxsT8Glr74hbavRKayJNuydCuzWTSSPdz7wnqX
          L5bdcJzusdnI0RSMROxxwGipWcJm)
        """,
        1_282_000_000,
    ),
    "RFC 8080 §6.1 Ed25519, first": (
        """
        example.com. 3600 IN DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=
        example.com. 3600 IN DS 3613 15 2 3aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b
        example.com. 3600 IN MX 10 mail.example.com.
        example.com. 3600 IN RRSIG MX 15 2 3600 1440021600 1438207200 3613 example.com. (
          oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==)
        """,
        1_439_000_000,
    ),
    "RFC 8080 §6.1 Ed25519, second": (
        """
        example.com. 3600 IN DNSKEY 257 3 15 zPnZ/QwEe7S8C5SPz2OfS5RR40ATk2/rYnE9xHIEijs=
        example.com. 3600 IN MX 10 mail.example.com.
        example.com. 3600 IN RRSIG MX 15 2 3600 1440021600 1438207200 35217 example.com. (
          zXQ0bkYgQTEFyfLyi9QoiY6D8ZdYo4wyUhVioYZXFdT410QPRITQSqJSnzQoSm5poJ7gD7AQR0O7KuI5k2pcBg==)
        """,
        1_439_000_000,
    ),
    "RFC 8080 §6.2 Ed448, first": (
        """
        example.com. 3600 IN DNSKEY 257 3 16 3kgROaDjrh0H2iuixWBrc8g2EpBBLCdGzHmn+G2MpTPhpj/OiBVHHSfPodx1FYYUcJKm1MDpJtIA
        example.com. 3600 IN MX 10 mail.example.com.
        example.com. 3600 IN RRSIG MX 16 2 3600 1440021600 1438207200 9713 example.com. (
          3cPAHkmlnxcDHMyg7vFC34l0blBhuG1qpwLmjInI8w1CMB29FkEAIJUA0amxWndkmnBZ6SKiwZSAxGILn/NBtOXft0+Gj7FSvOKx
          E/07+4RQvE581N3Aj/JtIyaiYVdnYtyMWbSNyGEY2213WKsJlwEA)
        """,
        1_439_000_000,
    ),
    "RFC 8080 §6.2 Ed448, second": (
        """
        example.com. 3600 IN DNSKEY 257 3 16 kkreGWoccSDmUBGAe7+zsbG6ZAFQp+syPmYUurBRQc3tDjeMCJcVMRDmgcNLp5HlHAMy12VoISsA
        example.com. 3600 IN MX 10 mail.example.com.
        example.com. 3600 IN RRSIG MX 16 2 3600 1440021600 1438207200 38353 example.com. (
          E1/oLjSGIbmLny/4fcgM1z4oL6aqo+izT3urCyHyvEp4Sp8Syg1eI+lJ57CSnZqjJP41O/9l4m0AsQ4f7qI1gVnML8vWWiyW2KXh
          T9kuAICUSxv5OWbf81Rq7Yu60npabODB0QFPb/rkW3kUZmQ0YQUA)
        """,
        1_439_000_000,
    ),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_of_the_rfcs(name: str) -> None:
    text, now = VECTORS[name]
    sets = {rrset.rtype: rrset for rrset in rrsets_from_text(textwrap.dedent(text))}
    keys = KeySet.of(sets[48])
    (signed,) = (rrset for rrset in sets.values() if rrset.sigs)
    result = verify_rrset(signed, keys, keys.zone, now, Policy(), Budget())
    assert result.ok, result
    for ds in sets[43].rdatas if 43 in sets else []:
        assert keys.keys[0].matches_ds(keys.zone, ds)
    good = signed.rdatas[0]
    for at in (0, len(good) * 4, len(good) * 8 - 1):
        signed.rdatas = [(int.from_bytes(good, "big") ^ 1 << at).to_bytes(len(good), "big")]
        assert not verify_rrset(signed, keys, keys.zone, now, Policy(), Budget()).ok


def test_ds_of_rfc_4034_and_4509() -> None:
    text = """
      dskey.example.com. 86400 IN DNSKEY 256 3 5 (AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMz
      NXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==)
      dskey.example.com. 86400 IN DS 60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118
      dskey.example.com. 86400 IN DS 60485 5 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A"""
    key_set, ds_set = rrsets_from_text(textwrap.dedent(text))
    key = Key(key_set.rdatas[0])
    assert key.tag == 60485
    for ds in ds_set.rdatas:
        assert key.matches_ds(key_set.name, ds)
        assert not key.matches_ds(n("other.example.com"), ds)
        assert not key.matches_ds(key_set.name, ds[:-1])
        assert not key.matches_ds(key_set.name, ds[:-1] + bytes((ds[-1] ^ 1,)))
        assert not key.matches_ds(key_set.name, bytes((ds[0], ds[1] ^ 1)) + ds[2:])
        assert not key.matches_ds(key_set.name, ds[:2] + b"\x08" + ds[3:])


@pytest.mark.parametrize("algorithm", [5, 7, 8, 10, 13, 14, 15, 16])
def test_every_algorithm_verifies_its_own_and_no_other(algorithm: int) -> None:
    pair = KeyPair(algorithm, 256)
    key = Key(pair.rdata)
    data = b"some data"
    if isinstance(pair.private, rsa.RSAPrivateKey):
        how = {5: hashes.SHA1(), 7: hashes.SHA1(), 8: hashes.SHA256(), 10: hashes.SHA512()}[algorithm]
        signature = pair.private.sign(data, padding.PKCS1v15(), how)
    elif isinstance(pair.private, ec.EllipticCurvePrivateKey):
        half, hashed = (32, hashes.SHA256()) if algorithm == 13 else (48, hashes.SHA384())
        r, s = decode_dss_signature(pair.private.sign(data, ec.ECDSA(hashed)))
        signature = r.to_bytes(half, "big") + s.to_bytes(half, "big")
    else:
        signature = pair.private.sign(data)
    assert key.verifies(signature, data)
    assert key.verifies(signature, data), "the loaded key is kept"
    for wrong in (
        b"",
        signature[:-1],
        signature + b"\0",
        b"\0" + signature,
        signature[:-1] + bytes((signature[-1] ^ 1,)),
        bytes((signature[0] ^ 0x80,)) + signature[1:],
        bytes(len(signature)),
        b"\xff" * len(signature),
    ):
        assert not key.verifies(wrong, data)
    assert not key.verifies(signature, data + b"\0")
    for other in (5, 7, 8, 10, 13, 14, 15, 16):
        if {other, algorithm} not in ({other}, {5, 7}):
            assert not Key(pair.altered(algorithm=other).rdata).verifies(signature, data)


@pytest.mark.parametrize(("algorithm", "half"), [(13, 32), (14, 48)])
def test_ecdsa_signatures_have_one_length(algorithm: int, half: int) -> None:
    """RFC 6605 §4: r and s keep their leading zeros; without them the same numbers are no signature."""
    pair = KeyPair(algorithm, 256)
    key, how = Key(pair.rdata), ec.ECDSA(hashes.SHA256() if algorithm == 13 else hashes.SHA384())
    assert isinstance(pair.private, ec.EllipticCurvePrivateKey)
    for _ in range(5000):
        r, s = decode_dss_signature(pair.private.sign(b"data", how))
        if s < 1 << 8 * (half - 1):
            break
    signature = r.to_bytes(half, "big") + s.to_bytes(half, "big")
    assert signature[half] == 0 and key.verifies(signature, b"data")
    assert not key.verifies(signature[:half] + signature[half + 1 :], b"data")
    assert not key.verifies(signature[:half] + b"\0" + signature[half:], b"data")


def _rsa_key(exponent: int, modulus: int, *, long: bool = False, exponent_octets: int | None = None) -> bytes:
    raw = exponent.to_bytes(exponent_octets or (exponent.bit_length() + 7) // 8, "big")
    head = b"\0" + len(raw).to_bytes(2, "big") if long else bytes((len(raw),))
    return head + raw + modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")


@pytest.mark.parametrize("half", [32, 48])
def test_der_of_ecdsa_signatures(half: int) -> None:
    numbers = [0, 1, 127, 128, 255, 256, 1 << 8 * half - 9, 1 << 8 * half - 8, 1 << 8 * half - 1, (1 << 8 * half) - 1]
    for r in numbers:
        for s in numbers:
            assert ecdsa_der(r.to_bytes(half, "big"), s.to_bytes(half, "big")) == encode_dss_signature(r, s)


def test_rsa_key_forms() -> None:
    """RFC 3110 §2: the exponent's length in one octet, or in three with the first zero."""
    private = KeyPair(8, 256).private
    assert isinstance(private, rsa.RSAPrivateKey)
    modulus = private.public_key().public_numbers().n
    signature = private.sign(b"data", padding.PKCS1v15(), hashes.SHA256())
    for public in (_rsa_key(65537, modulus), _rsa_key(65537, modulus, long=True)):
        assert rsa_numbers(public) == (65537, modulus)
        assert Key(b"\1\0\3\x08" + public).verifies(signature, b"data")
    assert rsa_numbers(_rsa_key(3, modulus, exponent_octets=256, long=True)) == (3, modulus)
    for cut in (
        b"",
        b"\0",
        b"\0\0",
        b"\0\0\1",
        b"\1",
        b"\1\3",
        b"\0\0\1\3",
        b"\3\1\0",
        b"\0\xff\xff" + bytes(300),
        b"\0\0\0\5",
    ):
        assert rsa_numbers(cut) is None or load_public_key(8, cut) is None
        assert load_public_key(8, cut) is None


@pytest.mark.parametrize(
    ("algorithm", "bits", "loads"),
    [
        (8, 511, False),
        (8, 512, True),
        (8, 4096, True),
        (8, 4097, False),
        (10, 1023, False),
        (10, 1024, True),
        (5, 512, True),
    ],
)
def test_rsa_modulus_bounds(algorithm: int, bits: int, loads: bool) -> None:
    """RFC 5702 §2.1, §2.2; a huge modulus would be a way to spend our time."""
    modulus = (1 << (bits - 1)) | 1
    assert (load_public_key(algorithm, _rsa_key(65537, modulus)) is not None) is loads


@pytest.mark.parametrize(
    ("exponent", "loads"), [(0, False), (1, False), (2, False), (3, True), (2**64 - 1, True), (2**64 + 1, False)]
)
def test_rsa_exponent_bounds(exponent: int, loads: bool) -> None:
    modulus = (1 << 1023) | 1
    assert (load_public_key(8, _rsa_key(exponent, modulus, exponent_octets=9)) is not None) is loads


@pytest.mark.parametrize("algorithm", range(256))
def test_malformed_keys_are_no_keys(algorithm: int) -> None:
    """Whatever the octets: None or a key that verifies nothing, never an exception."""
    for size in (0, 1, 2, 3, 31, 32, 33, 56, 57, 58, 63, 64, 65, 95, 96, 97, 128, 300):
        for public in (bytes(size), b"\xff" * size, b"\x01" * size, os.urandom(size)):
            key = Key(b"\1\0\3" + bytes((algorithm,)) + public)
            for signature in (b"", bytes(64), bytes(96), bytes(114), os.urandom(64), os.urandom(size)):
                # A few Ed25519 and Ed448 points of small order "verify" chosen signatures; not these.
                assert not key.verifies(signature, b"data") or algorithm in (15, 16)


def test_points_off_the_curve_are_no_keys() -> None:
    for algorithm, half in ((13, 32), (14, 48)):
        good = KeyPair(algorithm, 256).rdata[4:]
        assert load_public_key(algorithm, good) is not None
        assert load_public_key(algorithm, good[:half] + bytes(half)) is None
        assert load_public_key(algorithm, bytes(2 * half)) is None
        assert load_public_key(algorithm, b"\xff" * (2 * half)) is None
        assert load_public_key(algorithm, b"\4" + good) is None


def test_unknown_algorithms_and_digests() -> None:
    for algorithm in (0, 1, 2, 3, 4, 6, 9, 11, 12, 17, 23, 100, 200, 252, 253, 254, 255):
        assert load_public_key(algorithm, bytes(64)) is None
    for kind in (0, 3, 5, 6, 100, 255):
        assert digest(n("example"), bytes(8), kind) is None
        assert not Key(bytes(8)).matches_ds(n("example"), bytes((0, 0, 0, kind)))


def test_policy_of_rfc_9905() -> None:
    insecure, validating = Policy(), Policy(sha1=Sha1.VALIDATE)
    assert insecure.algorithms == {8, 10, 13, 14, 15, 16}
    assert validating.algorithms == insecure.algorithms | {5, 7}
    assert insecure.digests == {2, 4}
    assert validating.digests == {1, 2, 4}
    assert insecure.nsec3_max_iterations == 50
    assert Sha1("insecure") is Sha1.INSECURE and Sha1("validate") is Sha1.VALIDATE


def test_usable_keys() -> None:
    """RFC 4034 §2.1.1 and §2.1.2, RFC 5011 §2.1; SEP means nothing."""
    public = KeyPair(13, 256).rdata[4:]
    for flags, protocol, usable in (
        (0x0100, 3, True),
        (0x0101, 3, True),
        (0xFF7F, 3, True),
        (0x0000, 3, False),
        (0x0001, 3, False),
        (0x0180, 3, False),
        (0x0181, 3, False),
        (0x0100, 0, False),
        (0x0101, 4, False),
        (0x0101, 255, False),
    ):
        assert Key(flags.to_bytes(2, "big") + bytes((protocol, p.ECDSAP256SHA256)) + public).usable is usable


def test_tags_of_flags() -> None:
    """The zone-key bit is part of the tag: 256 more, mostly."""
    key = Key(KeyPair(13, 256).altered(flags=0).rdata)
    assert not key.zone_key
    assert key.with_zone_key_bit().rdata == KeyPair(13, 256).rdata
