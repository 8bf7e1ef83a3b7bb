"""Keys: making, keeping and using the key pairs of the mini-Internet.

Theory of operation. A `Key` is a DNSKEY record with the private half that belongs to it. A `KeyStore` makes each key pair
the first time it is asked for and then always returns the same one: from memory, and from PEM files when it was given a
directory, so that a lab that is started again keeps its trust anchor. Zones may share a pair (all the fault zones do);
the owner name in the signed data and in the DS digest keeps their signatures apart.

For algorithms that no library signs with any more (RSA/MD5, DSA) the key is well formed and meaningless, and so are its
signatures: a resolver must not look that far, it has to call the zone insecure (RFC 4035 §5.2).

Limitations: private keys lie unencrypted in the lab's directory. They are worth nothing outside of the lab.

RFC 4034 §2, §3, appendix B; RFC 5702; RFC 6605; RFC 8080.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, cast

import dns.dnssec
import dns.name
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from dns.dnssectypes import Algorithm
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rrset import RRset

from lab.records import rdata

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey

ZONE_FLAG = 0x0100
SEP_FLAG = 0x0001
REVOKE_FLAG = 0x0080
KSK_FLAGS = ZONE_FLAG | SEP_FLAG
ZSK_FLAGS = ZONE_FLAG


class Validity(NamedTuple):
    """The two time stamps of a signature, in seconds since 1970."""

    inception: int
    expiration: int


# What has to be generated for an algorithm; one RSA pair serves all the RSA algorithms.
_GENERATORS: dict[str, Callable[[], PrivateKey]] = {
    "rsa": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
}
_MATERIAL: dict[int, str] = {
    Algorithm.RSASHA1: "rsa",
    Algorithm.RSASHA1NSEC3SHA1: "rsa",
    Algorithm.RSASHA256: "rsa",
    Algorithm.RSASHA512: "rsa",
    Algorithm.ECDSAP256SHA256: "p256",
    Algorithm.ECDSAP384SHA384: "p384",
    Algorithm.ED25519: "ed25519",
    Algorithm.ED448: "ed448",
}


@dataclass(frozen=True)
class Key:
    """A DNSKEY record and what it takes to sign with it; `private` is None for a key that only looks like one."""

    dnskey: DNSKEY
    private: PrivateKey | None

    @property
    def tag(self) -> int:
        """Key tag (RFC 4034 appendix B)."""
        return dns.dnssec.key_id(self.dnskey)

    def with_fields(self, flags: int | None = None, algorithm: int | None = None) -> "Key":
        """The same key pair published with other flags or under another algorithm number."""
        dnskey = self.dnskey
        if flags is not None:
            dnskey = cast(DNSKEY, dnskey.replace(flags=flags))
        if algorithm is not None:
            dnskey = cast(DNSKEY, dnskey.replace(algorithm=algorithm))
        return replace(self, dnskey=dnskey)

    def sign(self, rrset: RRset, signer: Name, validity: Validity) -> RRSIG:
        """The RRSIG of this key over `rrset`, with `signer` as the signer's name (RFC 4034 §3.1)."""
        if self.private is None:
            return self._pretend(rrset, signer, validity)
        return dns.dnssec.sign(
            rrset,
            self.private,
            signer,
            self.dnskey,
            inception=validity.inception,
            expiration=validity.expiration,
            policy=dns.dnssec.allow_all_policy,
        )

    def _pretend(self, rrset: RRset, signer: Name, validity: Validity) -> RRSIG:
        """A signature of the right length without any meaning."""
        seed = f"{rrset.name} {rrset.rdtype}".encode()
        if self.dnskey.algorithm in (Algorithm.DSA, Algorithm.DSANSEC3SHA1):
            signature = b"\x08" + _noise(seed, 40)  # RFC 2536 §3: T, R, S
        else:
            signature = _noise(seed, 256)
        return rdata(
            RRSIG,
            RdataType.RRSIG,
            rrset.rdtype,
            self.dnskey.algorithm,
            len(rrset.name) - 1 - rrset.name.is_wild(),
            rrset.ttl,
            validity.expiration,
            validity.inception,
            self.tag,
            signer,
            signature,
        )


@dataclass
class KeyStore:
    """All key pairs of one lab, made on first use; kept in `directory` as PEM files unless that is None."""

    directory: Path | None = None
    _pairs: dict[str, PrivateKey] = field(default_factory=dict)

    def key(self, owner: str, algorithm: int, flags: int, generation: int = 1) -> Key:
        """The key of `owner` (a zone, or the name of a pool that zones share) for an algorithm and a role.

        `generation`: 1 is the key that the zone starts with; see `fresh_generation`.
        """
        role = ("ksk" if flags & SEP_FLAG else "zsk") + ("" if generation == 1 else f"-{generation}")
        material = _MATERIAL.get(algorithm)
        if material is None:
            return Key(_meaningless(algorithm, flags, f"{owner} {role}".encode()), None)
        private = self._pair(f"{_file_stem(owner)}.{role}.{material}", material)
        # Made under a number that the library likes, then published under the one asked for.
        dnskey = dns.dnssec.make_dnskey(private.public_key(), algorithm, flags=flags)
        return Key(dnskey, private)

    def fresh_generation(self, owner: str, algorithm: int, flags: int) -> int:
        """The first generation that there is no key of yet, so that a key that was removed does not come back as new."""
        role, material = "ksk" if flags & SEP_FLAG else "zsk", _MATERIAL.get(algorithm)
        generation = 2
        while self._known(f"{_file_stem(owner)}.{role}-{generation}.{material}"):
            generation += 1
        return generation

    def _known(self, identity: str) -> bool:
        return identity in self._pairs or (self.directory is not None and (self.directory / f"{identity}.pem").exists())

    def _pair(self, identity: str, material: str) -> PrivateKey:
        if identity in self._pairs:
            return self._pairs[identity]
        path = self.directory / f"{identity}.pem" if self.directory else None
        if path and path.exists():
            private = cast(PrivateKey, serialization.load_pem_private_key(path.read_bytes(), password=None))
        else:
            private = _GENERATORS[material]()
            if path:
                _write_private(path, private)
        self._pairs[identity] = private
        return private


def altered(dnskey: DNSKEY) -> DNSKEY:
    """Another public key with the same key tag: two 16-bit words of the material change places (RFC 4034 appendix B).

    Keeping the tag lets a resolver find the key, and fail on the digest or the signature, which is another fault than a
    key that is absent.
    """
    material = bytearray(dnskey.key)
    # RSA keys start with the exponent, hence the offset; the DNSKEY RDATA has four octets before the key, so that even
    # offsets of the key are even offsets of the sum.
    start = 16
    for other in range(start + 2, len(material) - 1, 2):
        if material[start : start + 2] != material[other : other + 2]:
            words = material[start : start + 2], material[other : other + 2]
            material[other : other + 2], material[start : start + 2] = words
            break
    return cast(DNSKEY, dnskey.replace(key=bytes(material)))


def _meaningless(algorithm: int, flags: int, seed: bytes) -> DNSKEY:
    """A DNSKEY of the right shape for an algorithm that cannot be used."""
    if algorithm in (Algorithm.DSA, Algorithm.DSANSEC3SHA1):
        size = 64 + 8 * 8
        material = b"\x08" + _noise(seed, 20 + 3 * size)  # RFC 2536 §2: T, Q, P, G, Y
    else:
        material = b"\x03\x01\x00\x01" + b"\xc0" + _noise(seed, 255)  # RFC 3110 §2: exponent, modulus
    return rdata(DNSKEY, RdataType.DNSKEY, flags, 3, algorithm, material)


def _noise(seed: bytes, length: int) -> bytes:
    return hashlib.shake_128(seed).digest(length)


def _file_stem(owner: str) -> str:
    return owner.rstrip(".").replace("/", "_") or "root"


def _write_private(path: Path, private: PrivateKey) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_bytes(pem)
    temporary.replace(path)
