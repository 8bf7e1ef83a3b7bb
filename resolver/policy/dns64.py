"""DNS64: IPv6 addresses made from IPv4 ones, for clients that have IPv6 only and a NAT64 on their way.

The arithmetic and the lists; the order of questions is in `resolver.resolve.policy`.

RFC 6147 (DNS64), RFC 6052 §2.2 (where the IPv4 address stands), §3.1 (the Well-Known Prefix is for global addresses),
RFC 7050 and RFC 8880 (ipv4only.arpa).
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Final

from resolver.policy.prefixes import number_of_rdata
from wire import types as t
from wire.name import Name, labels
from wire.rrset import RRset

WELL_KNOWN: Final = IPv6Network("64:ff9b::/96")
TTL_WITHOUT_SOA: Final = 600
"""RFC 6147 §5.1.7: seconds, when the denial of AAAA came without an SOA."""
_RESERVED_OCTET: Final = 8
"""Bits 64 to 71 are zero (RFC 6052 §2.2)."""

IPV4ONLY: Final = b"\x08ipv4only\x04arpa\0"
_IPV4ONLY_A: Final = [bytes((192, 0, 0, 170)), bytes((192, 0, 0, 171))]
IPV4ONLY_TTL: Final = 86400
"""RFC 8880 §7.1: seconds."""
_IP6_ARPA: Final = b"\x03ip6\x04arpa\0"
_IN_ADDR: Final = b"\x07in-addr\x04arpa\0"


class Dns64:
    """What is made into what, for whom.

    Args:
        prefixes: each address of IPv4 is given under every one of them.
        exclude: addresses of IPv6 that count as none (RFC 6147 §5.1.4); `exclude_a`: of IPv4, that are not made into any.
        clients: for whom; None for everybody.
    """

    def __init__(
        self,
        prefixes: Iterable[IPv6Network] = (WELL_KNOWN,),
        exclude: Iterable[IPv6Network] = (IPv6Network("::ffff:0:0/96"),),
        exclude_a: Iterable[IPv4Network] = (),
        clients: Iterable[IPv4Network | IPv6Network] | None = None,
    ) -> None:
        self.prefixes = tuple(prefixes)
        self._exclude = [_bounds(network) for network in exclude]
        self._exclude_a = [_bounds(network) for network in exclude_a]
        self.clients = None if clients is None else [_bounds(network) for network in clients]

    def serves(self, client: int) -> bool:
        """Whether a client, as a number of 128 bits, is one of those."""
        return self.clients is None or any(low <= client <= high for low, high in self.clients)

    def usable(self, rrset: RRset) -> RRset | None:
        """An AAAA RRset without the addresses that count as none; itself when there are none of these."""
        kept = [rdata for rdata in rrset.rdatas if not _within(self._exclude, rdata)]
        if len(kept) == len(rrset.rdatas):
            return rrset
        return RRset(rrset.name, rrset.rtype, rrset.ttl, kept) if kept else None

    def make(self, a: RRset, ttl: int) -> RRset | None:
        """The AAAA RRset for an A RRset; None when nothing can be made of it."""
        rdatas = []
        for rdata in a.rdatas:
            if len(rdata) != 4 or _within(self._exclude_a, rdata):
                continue
            for prefix in self.prefixes:
                # RFC 6052 §3.1; the addresses of ipv4only.arpa are there to be made into others (RFC 7050).
                if prefix == WELL_KNOWN and not IPv4Address(rdata).is_global and rdata not in _IPV4ONLY_A:
                    continue
                rdatas.append(embed(prefix, rdata))
        return RRset(a.name, t.AAAA, ttl, rdatas) if rdatas else None

    def alias_of_reverse(self, name: Name) -> Name | None:
        """The reverse name of IPv4 for a reverse name of IPv6 under one of the prefixes (RFC 6147 §5.3.1, second way)."""
        address = _address_of_reverse(name)
        if address is None:
            return None
        for prefix in self.prefixes:
            octets = extract(prefix, address)
            if octets is not None:
                parts = [str(octet).encode() for octet in reversed(octets)]
                return b"".join(bytes([len(part)]) + part for part in parts) + _IN_ADDR
        return None

    def ipv4only(self, name: Name, rtype: int) -> list[RRset] | None:
        """RFC 8880 §7.1: what ipv4only.arpa has of a type, [] for nothing; None when the name is another."""
        if name != IPV4ONLY:
            return None
        a = RRset(name, t.A, IPV4ONLY_TTL, _IPV4ONLY_A)
        if rtype == t.A:
            return [a]
        made = self.make(a, IPV4ONLY_TTL) if rtype == t.AAAA else None
        return [] if made is None else [made]


def embed(prefix: IPv6Network, a: bytes) -> bytes:
    """The IPv6 address that stands for an IPv4 one (RFC 6052 §2.2)."""
    out = bytearray(prefix.network_address.packed)
    position = prefix.prefixlen // 8
    for octet in a:
        if position == _RESERVED_OCTET:
            position += 1
        out[position] = octet
        position += 1
    return bytes(out)


def extract(prefix: IPv6Network, address: bytes) -> bytes | None:
    """The IPv4 address that an IPv6 address of the prefix stands for; None when it stands for none."""
    length = prefix.prefixlen // 8
    if address[:length] != prefix.network_address.packed[:length]:
        return None
    if prefix.prefixlen < 96 and address[_RESERVED_OCTET]:
        return None
    octets = bytearray()
    position = length
    while len(octets) < 4:
        if position == _RESERVED_OCTET:
            position += 1
        octets.append(address[position])
        position += 1
    return bytes(octets)


def _address_of_reverse(name: Name) -> bytes | None:
    if len(name) != 2 * 32 + len(_IP6_ARPA) or not name.endswith(_IP6_ARPA):
        return None
    try:
        nibbles = "".join(label.decode("ascii") for label in reversed(labels(name)[:32]))
        return bytes.fromhex(nibbles) if len(nibbles) == 32 else None
    except ValueError:
        return None


def _bounds(network: IPv4Network | IPv6Network) -> tuple[int, int]:
    low, high = network.network_address.packed, network.broadcast_address.packed
    return number_of_rdata(low), number_of_rdata(high)


def _within(networks: list[tuple[int, int]], rdata: bytes) -> bool:
    number = number_of_rdata(rdata)
    return any(low <= number <= high for low, high in networks)
