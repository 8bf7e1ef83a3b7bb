"""Which addresses may be asked.

Glue may name any address; asking some of them would let a stranger's zone send our packets into our own network. Only
global unicast addresses are used, unless the configuration allows more. The reason is kept: it goes into EDE 22's text.

RFC 6890 and the IANA special-purpose address registries; RFC 4291 §2.4.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from resolver.settings import Settings
from trust.vocabulary import Address

_MEMORIES: Final = 20_000
"""Addresses whose text, or whether they may be asked, is worked out once; then all of it is forgotten."""
_LOOPBACK: Final = "loopback address"

_ALLOWED_WHEN_PRIVATE: Final = "private-servers"

# (prefix, what it is, which setting allows it; "" = none)
_SPECIAL_4: Final = tuple(
    (IPv4Network(prefix), what, allowed)
    for prefix, what, allowed in (
        ("0.0.0.0/8", "this-host address", ""),
        ("10.0.0.0/8", "private address", _ALLOWED_WHEN_PRIVATE),
        ("100.64.0.0/10", "shared address", _ALLOWED_WHEN_PRIVATE),
        ("127.0.0.0/8", _LOOPBACK, "allow-loopback"),
        ("169.254.0.0/16", "link-local address", _ALLOWED_WHEN_PRIVATE),
        ("172.16.0.0/12", "private address", _ALLOWED_WHEN_PRIVATE),
        ("192.0.0.0/24", "protocol-assignment address", _ALLOWED_WHEN_PRIVATE),
        ("192.0.2.0/24", "documentation address", _ALLOWED_WHEN_PRIVATE),
        ("192.168.0.0/16", "private address", _ALLOWED_WHEN_PRIVATE),
        ("198.18.0.0/15", "benchmarking address", _ALLOWED_WHEN_PRIVATE),
        ("198.51.100.0/24", "documentation address", _ALLOWED_WHEN_PRIVATE),
        ("203.0.113.0/24", "documentation address", _ALLOWED_WHEN_PRIVATE),
        ("224.0.0.0/4", "multicast address", ""),
        ("240.0.0.0/4", "reserved address", ""),
    )
)
_SPECIAL_6: Final = tuple(
    (IPv6Network(prefix), what, allowed)
    for prefix, what, allowed in (
        ("::/128", "unspecified address", ""),
        ("::1/128", _LOOPBACK, "allow-loopback"),
        ("::ffff:0:0/96", "IPv4-mapped address", ""),
        ("::/96", "IPv4-compatible address", ""),
        ("64:ff9b::/96", "NAT64 address", _ALLOWED_WHEN_PRIVATE),
        ("64:ff9b:1::/48", "NAT64 address", _ALLOWED_WHEN_PRIVATE),
        ("100::/64", "discard address", ""),
        ("2001:db8::/32", "documentation address", _ALLOWED_WHEN_PRIVATE),
        ("3fff::/20", "documentation address", _ALLOWED_WHEN_PRIVATE),
        ("fc00::/7", "unique-local address", _ALLOWED_WHEN_PRIVATE),
        ("fe80::/10", "link-local address", _ALLOWED_WHEN_PRIVATE),
        ("ff00::/8", "multicast address", ""),
    )
)
_GLOBAL_6: Final = IPv6Network("2000::/3")


class AddressFilter:
    """Says of an address whether it may be asked, under one configuration."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = set()
        if settings.allow_loopback:
            self._allowed.add("allow-loopback")
        if settings.private_servers:
            self._allowed.add(_ALLOWED_WHEN_PRIVATE)
        self._ipv4 = settings.ipv4
        self._ipv6 = settings.ipv6
        self._never = tuple(ip_network(prefix) for prefix in settings.do_not_query)
        self._known: dict[str, str] = {}

    def why_not(self, ip: str) -> str:
        """Why the address is not asked; empty when it may be."""
        known = self._known.get(ip)
        if known is None:
            if len(self._known) >= _MEMORIES:
                self._known.clear()
            known = self._known[ip] = self._why_not(ip)
        return known

    def _why_not(self, ip: str) -> str:
        address = ip_address(ip)
        version_4 = isinstance(address, IPv4Address)
        special: tuple[tuple[IPv4Network | IPv6Network, str, str], ...] = _SPECIAL_4 if version_4 else _SPECIAL_6
        for prefix, what, allowed in special:
            if address in prefix:
                if allowed not in self._allowed:
                    return what
                break
        else:
            private = _ALLOWED_WHEN_PRIVATE in self._allowed
            if isinstance(address, IPv6Address) and address not in _GLOBAL_6 and not private:
                return "not a global unicast address"
        if not (self._ipv4 if version_4 else self._ipv6):
            return "IPv4 is off" if version_4 else "IPv6 is off"
        for network in self._never:
            if address.version == network.version and address in network:
                return "on the do-not-query list"
        return ""


def text_of(rdata: bytes) -> str:
    """The address in an A or AAAA RDATA (4 or 16 octets) as text."""
    if len(rdata) == 4:
        return f"{rdata[0]}.{rdata[1]}.{rdata[2]}.{rdata[3]}"
    return IPv6Address(rdata).compressed


_known_addresses: Final[dict[bytes, Address]] = {}


def address_of(rdata: bytes, port: int) -> Address:
    """A server's address from A or AAAA RDATA; the same object for the same address, since many cuts name it."""
    known = _known_addresses.get(rdata)
    if known is None or known[1] != port:
        if len(_known_addresses) >= _MEMORIES:
            _known_addresses.clear()
        known = _known_addresses[rdata] = Address(text_of(rdata), port)
    return known
