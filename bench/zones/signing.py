"""A fast signer for the benchmark's own zones: a million names in minutes.

Works on canonical wire bytes and writes presentation format beside them; only the signature itself is a library call.

Limitations: lower-case names, one window of types, no wildcards, no empty non-terminals (all names of a zone are one label
below its apex, glue apart). NSEC3 has no salt, no iterations and no opt-out.

RFC 4034 §3.1.8.1 and §6, RFC 4035 §2, RFC 5155 §7.1, RFC 6605, RFC 5702.
"""

import base64
import functools
import hashlib
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

TYPES = {"A": 1, "NS": 2, "SOA": 6, "DS": 43, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50, "NSEC3PARAM": 51}
RSASHA256 = 8
ECDSAP256SHA256 = 13
CLASS_IN = 1
FLAG_ZONE = 256
FLAG_SEP = 1

_ECDSA = ec.ECDSA(hashes.SHA256())
_PKCS1 = padding.PKCS1v15()
_SHA256 = hashes.SHA256()


@functools.lru_cache(maxsize=4096)
def name_wire(name: str) -> bytes:
    """Uncompressed wire form of an absolute, lower-case name."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def canonical_key(name: str) -> tuple[bytes, ...]:
    """Sort key of RFC 4034 §6.1: labels from the root down."""
    return tuple(label.encode() for label in reversed(name.split(".")) if label)


@dataclass(frozen=True)
class Validity:
    """Inception and expiration of signatures, seconds since 1970."""

    inception: int
    expiration: int


@dataclass(frozen=True)
class RRset:
    """One RRset, its RDATA in both forms, in canonical order."""

    owner: str
    rtype: str
    ttl: int
    rdatas: tuple[bytes, ...]
    texts: tuple[str, ...]

    def lines(self) -> Iterable[str]:
        """Zone file lines."""
        head = f"{self.owner} {self.ttl} IN {self.rtype} "
        return [head + text for text in self.texts]


class Key:
    """A zone's key: signs, and knows its DNSKEY and DS."""

    def __init__(self, algorithm: int, flags: int) -> None:
        self.algorithm = algorithm
        if algorithm == RSASHA256:
            self._rsa = rsa.generate_private_key(65537, 2048)
            numbers = self._rsa.public_key().public_numbers()
            public = b"\x03\x01\x00\x01" + numbers.n.to_bytes(256)
        else:
            self._ec = ec.generate_private_key(ec.SECP256R1())
            point = self._ec.public_key().public_numbers()
            public = point.x.to_bytes(32) + point.y.to_bytes(32)
        self.dnskey = struct.pack("!HBB", flags, 3, algorithm) + public
        self.dnskey_text = f"{flags} 3 {algorithm} {base64.b64encode(public).decode()}"
        self.tag = key_tag(self.dnskey)

    def sign(self, data: bytes) -> bytes:
        """Signature field of an RRSIG over `data`."""
        if self.algorithm == RSASHA256:
            return self._rsa.sign(data, _PKCS1, _SHA256)
        r, s = decode_dss_signature(self._ec.sign(data, _ECDSA))
        return r.to_bytes(32) + s.to_bytes(32)

    def ds_digest(self, owner: str) -> bytes:
        """SHA-256 digest of RFC 4509."""
        return hashlib.sha256(name_wire(owner) + self.dnskey).digest()


def key_tag(dnskey: bytes) -> int:
    """RFC 4034 appendix B."""
    total = sum(octet if i & 1 else octet << 8 for i, octet in enumerate(dnskey))
    return (total + (total >> 16 & 0xFFFF)) & 0xFFFF


def sign_rrset(rrset: RRset, signer: str, key: Key, validity: Validity) -> tuple[str, bytes]:
    """The RRSIG's text up to the signature, and the signature."""
    owner = name_wire(rrset.owner)
    rtype = TYPES[rrset.rtype]
    labels = len([label for label in rrset.owner.split(".") if label])
    prefix = struct.pack(
        "!HBBIIIH", rtype, key.algorithm, labels, rrset.ttl, validity.expiration, validity.inception, key.tag
    )
    head = owner + struct.pack("!HHI", rtype, CLASS_IN, rrset.ttl)
    body = b"".join([head + len(rdata).to_bytes(2) + rdata for rdata in rrset.rdatas])
    text = (
        f"{rrset.owner} {rrset.ttl} IN RRSIG {rrset.rtype} {key.algorithm} {labels} {rrset.ttl} "
        f"{_date(validity.expiration)} {_date(validity.inception)} {key.tag} {signer} "
    )
    return text, key.sign(prefix + name_wire(signer) + body)


@functools.lru_cache(maxsize=16)
def _date(seconds: int) -> str:
    """YYYYMMDDHHmmSS: NSD takes no other form."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))


@functools.lru_cache(maxsize=256)
def type_bitmap(types: tuple[str, ...]) -> tuple[bytes, str]:
    """Type bitmap of NSEC and NSEC3 in both forms; all types are in window 0."""
    numbers = sorted(TYPES[rtype] for rtype in types)
    bits = bytearray(numbers[-1] // 8 + 1)
    for number in numbers:
        bits[number >> 3] |= 0x80 >> (number & 7)
    text = " ".join(sorted(types, key=TYPES.__getitem__))
    return bytes([0, len(bits)]) + bytes(bits), text


def nsec_chain(types_at: dict[str, tuple[str, ...]], ttl: int) -> list[RRset]:
    """NSEC records over the authoritative names; `types_at` has what each holds, RRSIG and NSEC apart."""
    names = sorted(types_at, key=canonical_key)
    chain = []
    for i, name in enumerate(names):
        following = names[(i + 1) % len(names)]
        bitmap, text = type_bitmap((*types_at[name], "RRSIG", "NSEC"))
        chain.append(RRset(name, "NSEC", ttl, (name_wire(following) + bitmap,), (f"{following} {text}",)))
    return chain


def nsec3_chain(types_at: dict[str, tuple[str, ...]], origin: str, ttl: int) -> list[RRset]:
    """NSEC3 records; as in `types_at` of `nsec_chain`, RRSIG is added where there is a signed RRset."""
    hashed = sorted((hashlib.sha1(name_wire(name)).digest(), name) for name in types_at)
    chain = []
    for i, (digest, name) in enumerate(hashed):
        following = hashed[(i + 1) % len(hashed)][0]
        types = types_at[name]
        signed = types if types == ("NS",) else (*types, "RRSIG")
        bitmap, text = type_bitmap(signed)
        owner = base64.b32hexencode(digest).decode().lower()
        owner = f"{owner}.{origin}" if origin != "." else f"{owner}."
        rdata = struct.pack("!BBHBB", 1, 0, 0, 0, 20) + following + bitmap
        following_text = base64.b32hexencode(following).decode().lower()
        chain.append(RRset(owner, "NSEC3", ttl, (rdata,), (f"1 0 0 - {following_text} {text}",)))
    return chain
