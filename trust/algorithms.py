"""Keys, signatures and digests: the only file on the query path that imports `cryptography`.

A `Key` is one DNSKEY record. Its public key is loaded when the first signature is tried and then kept, so a zone's key
costs one load for as long as the zone's keys are remembered. A malformed key loads as None and verifies nothing; nothing
here raises on account of data from the network.

Limitations: DSA, RSA/MD5 and GOST are not implemented (RFC 8624 §3.1: MUST NOT, or of no use).

RFC 3110 (RSA keys), RFC 5702 (RSA/SHA-2), RFC 6605 (ECDSA, SHA-384 digests), RFC 8080 (EdDSA), RFC 4034 §2 and §5.1.4,
RFC 4509 (SHA-256 digests).
"""

import hashlib
from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from trust import policy as p
from wire.name import Name
from wire.rdata import key_tag

Verify: TypeAlias = Callable[[bytes, bytes], None]
"""(signature, data); raises InvalidSignature or ValueError when the signature is not one of the data."""

ZONE_KEY: Final = 0x0100
"""Flag of a DNSKEY: it signs zone data (RFC 4034 §2.1.1)."""
REVOKED: Final = 0x0080
"""Flag of a DNSKEY: never to be trusted again (RFC 5011 §7)."""
PROTOCOL: Final = 3
"""The only value of the protocol field (RFC 4034 §2.1.2)."""

RSA_MODULUS_BITS: Final = {
    p.RSASHA1: (512, 4096),
    p.RSASHA1_NSEC3_SHA1: (512, 4096),
    p.RSASHA256: (512, 4096),  # RFC 5702 §2.1
    p.RSASHA512: (1024, 4096),  # RFC 5702 §2.2
}
HELD: Final = 8
"""Signatures that a key remembers to have verified: a zone's SOA and the few records that most of its denials share."""

RSA_EXPONENT_BITS: Final = 64
"""Longest public exponent: verification takes time in proportion to it, and real keys have 2, 17 or 33 bits."""


class Key:
    """One DNSKEY record.

    Attributes:
        rdata: as in the RRset: flags (2), protocol (1), algorithm (1), public key.
        tag: the key tag (RFC 4034 appendix B), with the flags as they are.
        usable: whether it may verify zone data at all: zone-key bit, protocol 3, not revoked.
    """

    __slots__ = ("_held", "_tried", "_verify", "algorithm", "flags", "protocol", "rdata", "tag", "usable")

    def __init__(self, rdata: bytes) -> None:
        self.rdata = rdata
        self.flags = rdata[0] << 8 | rdata[1]
        self.protocol = rdata[2]
        self.algorithm = rdata[3]
        self.tag = key_tag(rdata)
        # RFC 4035 §5.3.1, last bullet; RFC 4034 §2.1.2; RFC 5011 §2.1. The SEP flag means nothing here (RFC 4034 §2.1.1).
        self.usable = self.flags & (ZONE_KEY | REVOKED) == ZONE_KEY and self.protocol == PROTOCOL
        self._verify: Verify | None = None
        self._tried = False
        self._held: dict[bytes, None] | None = None

    @property
    def revoked(self) -> bool:
        """Whether the REVOKE bit is set."""
        return bool(self.flags & REVOKED)

    @property
    def zone_key(self) -> bool:
        """Whether the Zone Key bit is set."""
        return bool(self.flags & ZONE_KEY)

    def with_zone_key_bit(self) -> "Key":
        """The key as it would be with the Zone Key bit set: another tag and digest. Only to tell what went wrong."""
        return Key((self.flags | ZONE_KEY).to_bytes(2, "big") + self.rdata[2:])

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` is one of `data` by this key. Looks at no flag."""
        if not self._tried:
            self._tried = True
            self._verify = load_public_key(self.algorithm, self.rdata[4:])
        if self._verify is None:
            return False
        try:
            self._verify(signature, data)
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True

    def holds(self, mark: bytes) -> bool:
        """Whether what has this mark was verified before and is still remembered. Times, names and flags are not part of
        it: whoever asks has looked at them anew.
        """
        held = self._held
        if held is None or mark not in held:
            return False
        del held[mark]
        held[mark] = None  # the least recently used goes first
        return True

    def hold(self, mark: bytes) -> None:
        """Remember that what has this mark was verified."""
        held = self._held
        if held is None:
            held = self._held = {}
        elif len(held) >= HELD:
            del held[next(iter(held))]
        held[mark] = None

    def matches_ds(self, owner: Name, ds: bytes) -> bool:
        """Whether `ds` (RDATA of a DS at `owner`) is of this key: tag, algorithm and digest (RFC 4034 §5)."""
        return self.tag == ds[0] << 8 | ds[1] and self.algorithm == ds[2] and digest(owner, self.rdata, ds[3]) == ds[4:]

    def __repr__(self) -> str:
        return f"Key(tag={self.tag}, algorithm={self.algorithm}, flags={self.flags})"


def mark(signature: bytes, data: bytes) -> bytes:
    """Stands for this very signature of this very data; the length keeps the two apart."""
    return hashlib.sha256(len(signature).to_bytes(2, "big") + signature + data).digest()


def digest(owner: Name, dnskey: bytes, digest_type: int) -> bytes | None:
    """The digest field of a DS for a DNSKEY's RDATA (RFC 4034 §5.1.4); None for an unknown digest type."""
    if digest_type == p.SHA256:
        return hashlib.sha256(owner + dnskey).digest()
    if digest_type == p.SHA384:
        return hashlib.sha384(owner + dnskey).digest()
    if digest_type == p.SHA1:
        return hashlib.sha1(owner + dnskey, usedforsecurity=False).digest()
    return None


def load_public_key(algorithm: int, key: bytes) -> Verify | None:
    """What verifies signatures by the public key field of a DNSKEY; None when the key is malformed or the algorithm
    unknown.
    """
    loader = _LOADERS.get(algorithm)
    if loader is None:
        return None
    try:
        return loader(algorithm, key)
    except (ValueError, UnsupportedAlgorithm):
        return None


def rsa_numbers(key: bytes) -> tuple[int, int] | None:
    """Exponent and modulus of an RSA public key field (RFC 3110 §2); None when it is cut short.

    Layout: exponent length (1, or 0 followed by 2), exponent, modulus.
    """
    if not key:
        return None
    start, length = 1, key[0]
    if not length:
        start, length = 3, int.from_bytes(key[1:3], "big")
    if not length or len(key) <= start + length:
        return None
    return int.from_bytes(key[start : start + length], "big"), int.from_bytes(key[start + length :], "big")


def _rsa(algorithm: int, key: bytes) -> Verify | None:
    numbers = rsa_numbers(key)
    if numbers is None:
        return None
    exponent, modulus = numbers
    low, high = RSA_MODULUS_BITS[algorithm]
    if not low <= modulus.bit_length() <= high or exponent.bit_length() > RSA_EXPONENT_BITS:
        return None
    verify = RSAPublicNumbers(exponent, modulus).public_key().verify
    padding, hashed = PKCS1v15(), _RSA_HASHES[algorithm]
    return lambda signature, data: verify(signature, data, padding, hashed)


def _ecdsa(algorithm: int, key: bytes) -> Verify | None:
    curve, half, how = _CURVES[algorithm]
    if len(key) != 2 * half:
        return None
    verify = ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\4" + key).verify
    full = 2 * half

    def check(signature: bytes, data: bytes) -> None:
        # RFC 6605 §4: r and s, each exactly as long as the curve's field.
        if len(signature) != full:
            raise InvalidSignature
        verify(ecdsa_der(signature[:half], signature[half:]), data, how)

    return check


def ecdsa_der(r: bytes, s: bytes) -> bytes:
    """Two unsigned numbers of at most 48 octets as the DER SEQUENCE of INTEGERs that OpenSSL wants (RFC 3279 §2.2.3)."""
    first, second = _der_integer(r), _der_integer(s)
    return b"\x30" + _OCTETS[len(first) + len(second)] + first + second


def _der_integer(number: bytes) -> bytes:
    """X.690 §8.3: as few octets as there can be, the first below 128, since these numbers are not negative."""
    digits = number.lstrip(b"\0")
    if not digits or digits[0] & 0x80:
        digits = b"\0" + digits
    return b"\x02" + _OCTETS[len(digits)] + digits


_OCTETS: Final = [bytes((length,)) for length in range(128)]


def _ed25519(_algorithm: int, key: bytes) -> Verify:
    return ed25519.Ed25519PublicKey.from_public_bytes(key).verify


def _ed448(_algorithm: int, key: bytes) -> Verify:
    return ed448.Ed448PublicKey.from_public_bytes(key).verify


_RSA_HASHES: Final[dict[int, hashes.HashAlgorithm]] = {
    p.RSASHA1: hashes.SHA1(),  # noqa: S303 - only under sha1 = "validate"
    p.RSASHA1_NSEC3_SHA1: hashes.SHA1(),  # noqa: S303
    p.RSASHA256: hashes.SHA256(),
    p.RSASHA512: hashes.SHA512(),
}
_CURVES: Final[dict[int, tuple[ec.EllipticCurve, int, ec.ECDSA]]] = {
    p.ECDSAP256SHA256: (ec.SECP256R1(), 32, ec.ECDSA(hashes.SHA256())),
    p.ECDSAP384SHA384: (ec.SECP384R1(), 48, ec.ECDSA(hashes.SHA384())),
}
_LOADERS: Final[dict[int, Callable[[int, bytes], Verify | None]]] = {
    p.RSASHA1: _rsa,
    p.RSASHA1_NSEC3_SHA1: _rsa,
    p.RSASHA256: _rsa,
    p.RSASHA512: _rsa,
    p.ECDSAP256SHA256: _ecdsa,
    p.ECDSAP384SHA384: _ecdsa,
    p.ED25519: _ed25519,
    p.ED448: _ed448,
}
