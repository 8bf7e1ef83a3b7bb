"""RDATA: where names sit in it, and the DNSSEC records taken apart.

Layouts serve the reader (decompress, lower-case, check lengths) and the composer (compress again). Types without a
layout are opaque octets (RFC 3597 §3).

Limitations: A6 (RFC 2874, historic) is opaque too, though RFC 4034 §6.2 would have the name in it lower-cased.

RFC 1035 §3.3, RFC 3597 §4 (which names may be compressed), RFC 4034 §6.2 with RFC 6840 §5.1 (which are lower-cased: all
but NSEC's), RFC 4034 §2-5, RFC 5155 §3-4.
"""

import struct
from typing import Final, NamedTuple

from wire import types as t
from wire.name import Name


class Layout(NamedTuple):
    """`prefix` octets, then `names` domain names, then `tail` octets exactly (None: any number)."""

    prefix: int
    names: int
    tail: int | None
    compressed: bool
    """Whether a reader decompresses the names (RFC 3597 §4); elsewhere a pointer is an error."""
    compress: bool
    """Whether the composer may compress them: the types of RFC 1035 only (RFC 3597 §4)."""
    lower: bool = True


_NAME = Layout(0, 1, 0, True, True)
_PREFERENCE_NAME = Layout(2, 1, 0, True, False)

LAYOUTS: Final[dict[int, Layout]] = {
    t.NS: _NAME,
    t.MD: _NAME,
    t.MF: _NAME,
    t.CNAME: _NAME,
    t.MB: _NAME,
    t.MG: _NAME,
    t.MR: _NAME,
    t.PTR: _NAME,
    t.SOA: Layout(0, 2, 20, True, True),
    t.MINFO: Layout(0, 2, 0, True, True),
    t.MX: Layout(2, 1, 0, True, True),
    t.RP: Layout(0, 2, 0, True, False),
    t.AFSDB: _PREFERENCE_NAME,
    t.RT: _PREFERENCE_NAME,
    t.PX: Layout(2, 2, 0, True, False),
    t.SIG: Layout(18, 1, None, True, False),
    t.NXT: Layout(0, 1, None, True, False),
    t.SRV: Layout(6, 1, 0, True, False),
    t.KX: Layout(2, 1, 0, False, False),
    t.DNAME: Layout(0, 1, 0, False, False),
    t.RRSIG: Layout(18, 1, None, False, False),
    t.NSEC: Layout(0, 1, None, False, False, lower=False),
}

FIXED: Final[dict[int, int]] = {t.A: 4, t.AAAA: 16}
"""Types whose RDATA has one length."""

MINIMUM: Final[dict[int, int]] = {
    t.DS: 4,
    t.DNSKEY: 4,
    t.CDS: 4,
    t.CDNSKEY: 4,
    t.NSEC3: 7,
    t.NSEC3PARAM: 5,
    t.ZONEMD: 6,
}
"""Types whose RDATA has a fixed head (RFC 4034 §2.1, §5.1; RFC 5155 §3.2, §4.2; RFC 8976 §2.2)."""

CHARACTER_STRINGS: Final = frozenset((t.TXT, t.SPF, t.HINFO, t.X25, t.ISDN))
"""Types whose RDATA is nothing but character-strings, at least one (RFC 1035 §3.3.14)."""

_STRINGS_AT_MOST: Final = {t.HINFO: 2, t.X25: 1, t.ISDN: 2}
"""RFC 1035 §3.3.2 (exactly two); RFC 1183 §3.1, §3.2."""

IN_ONLY: Final = frozenset((t.A, t.WKS, t.PX, t.AAAA, t.SRV, t.NAPTR, t.KX))
"""Types that class IN alone defines (RFC 1035 §3.4, RFC 2163, 3596, 2782, 3403, 2230): opaque in any other class."""


class Rrsig:
    """An RRSIG's RDATA taken apart (RFC 4034 §3.1).

    Layout: type covered (2), algorithm (1), labels (1), original TTL (4), expiration (4), inception (4), key tag (2),
    signer's name, signature. `head` is everything before the signature: the first part of the signed data (§3.1.8.1).
    Times are 32-bit serial numbers (§3.1.5).
    """

    __slots__ = (
        "algorithm",
        "covered",
        "expiration",
        "head",
        "inception",
        "key_tag",
        "labels",
        "original_ttl",
        "rdata",
        "signature",
        "signer",
    )
    # What `unpack_from` gives could be anything: said here, the compiled core knows better.
    covered: int
    algorithm: int
    labels: int
    original_ttl: int
    expiration: int
    inception: int
    key_tag: int

    def __init__(self, rdata: bytes) -> None:
        (
            self.covered,
            self.algorithm,
            self.labels,
            self.original_ttl,
            self.expiration,
            self.inception,
            self.key_tag,
        ) = _RRSIG_HEAD.unpack_from(rdata)
        self.rdata = rdata
        end = name_end(rdata, 18)
        self.signer: Name = rdata[18:end]
        self.head = rdata[:end]
        self.signature = rdata[end:]


_RRSIG_HEAD: Final = struct.Struct("!HBBIIIH")


class Nsec3:
    """An NSEC3's RDATA taken apart (RFC 5155 §3.2): hash algorithm (1), flags (1), iterations (2), salt length (1), salt,
    hash length (1), next hashed owner, type bit maps.
    """

    __slots__ = ("algorithm", "bitmap", "flags", "iterations", "next_hash", "salt")

    def __init__(self, rdata: bytes) -> None:
        self.algorithm = rdata[0]
        self.flags = rdata[1]
        self.iterations = rdata[2] << 8 | rdata[3]
        salt_end = 5 + rdata[4]
        self.salt = rdata[5:salt_end]
        hash_end = salt_end + 1 + rdata[salt_end]
        self.next_hash = rdata[salt_end + 1 : hash_end]
        self.bitmap = rdata[hash_end:]

    @property
    def opt_out(self) -> bool:
        """The Opt-Out flag (RFC 5155 §3.1.2.1)."""
        return bool(self.flags & 1)


def nsec_parts(rdata: bytes) -> tuple[Name, bytes]:
    """Next domain name (lower-cased) and type bit maps of an NSEC (RFC 4034 §4.1)."""
    end = name_end(rdata, 0)
    return rdata[:end].lower(), rdata[end:]


def name_end(data: bytes, pos: int) -> int:
    """The offset after the uncompressed name at `pos`. The RDATA has been checked by the reader."""
    while length := data[pos]:
        pos += length + 1
    return pos + 1


def bitmap_has(bitmap: bytes, rtype: int) -> bool:
    """Whether type bit maps contain `rtype` (RFC 4034 §4.1.2: window (1), length (1), bits)*."""
    window, low = rtype >> 8, rtype & 0xFF
    pos = 0
    while pos < len(bitmap):
        length = bitmap[pos + 1]
        if bitmap[pos] == window:
            octet = low >> 3
            return octet < length and bool(bitmap[pos + 2 + octet] & 0x80 >> (low & 7))
        pos += 2 + length
    return False


def bitmap_types(bitmap: bytes) -> list[int]:
    """All types in type bit maps, ascending."""
    out: list[int] = []
    pos = 0
    while pos < len(bitmap):
        window, length = bitmap[pos] << 8, bitmap[pos + 1]
        for octet, bits in enumerate(bitmap[pos + 2 : pos + 2 + length]):
            out.extend(window | octet << 3 | bit for bit in range(8) if bits & 0x80 >> bit)
        pos += 2 + length
    return out


def form_is_sound(rtype: int, rdata: bytes) -> bool:
    """Whether RDATA of a type without names has the lengths it must have. Types not known here always have."""
    minimum = MINIMUM.get(rtype)
    if minimum is not None:
        if len(rdata) < minimum:
            return False
        if rtype == t.NSEC3:
            return _nsec3_is_sound(rdata)
        return rtype != t.NSEC3PARAM or len(rdata) == 5 + rdata[4]
    if rtype in CHARACTER_STRINGS:
        count = pos = 0
        while pos < len(rdata):
            pos += rdata[pos] + 1
            count += 1
        return pos == len(rdata) and 0 < count <= _STRINGS_AT_MOST.get(rtype, count) and (count == 2 or rtype != t.HINFO)
    return True


def _nsec3_is_sound(rdata: bytes) -> bool:
    """RFC 5155 §3.2: salt and a hash of at least one octet lie within the RDATA; the bit maps are sound."""
    after_salt = 5 + rdata[4]
    if after_salt >= len(rdata):
        return False
    after_hash = after_salt + 1 + rdata[after_salt]
    return rdata[after_salt] > 0 and after_hash <= len(rdata) and bitmap_is_sound(rdata[after_hash:])


def bitmap_is_sound(bitmap: bytes) -> bool:
    """Whether windows ascend and have 1 to 32 octets each (RFC 4034 §4.1.2)."""
    pos, last, end = 0, -1, len(bitmap)
    while pos < end:
        if pos + 2 > end:
            return False
        window, length = bitmap[pos], bitmap[pos + 1]
        pos += 2 + length
        if window <= last or not 1 <= length <= 32 or pos > end:
            return False
        last = window
    return True


def soa_minimum(rdata: bytes) -> int:
    """The MINIMUM field of an SOA: the negative TTL together with the SOA's own (RFC 2308 §4), seconds."""
    return int.from_bytes(rdata[-4:], "big")


def soa_serial(rdata: bytes) -> int:
    """The SERIAL field of an SOA."""
    return int.from_bytes(rdata[-20:-16], "big")


def key_tag(dnskey: bytes) -> int:
    """The key tag of a DNSKEY's RDATA (RFC 4034 appendix B; B.1 for algorithm 1)."""
    if dnskey[3] == 1:
        return int.from_bytes(dnskey[-3:-1], "big") if len(dnskey) >= 7 else 0
    total = sum(dnskey[0::2]) * 256 + sum(dnskey[1::2])
    total += total >> 16 & 0xFFFF
    return total & 0xFFFF
