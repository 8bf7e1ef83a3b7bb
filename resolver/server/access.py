"""Who is served: address prefixes (RFC 5358: a resolver open to all is a tool for attacks).

Theory: an address is compared with the prefixes once; the result is remembered by the address as it was given, text or
octets, so that the receive loop pays one dictionary look-up. The memory is bounded: when full it starts anew.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_REMEMBERED: Final = 20_000
"""Client addresses remembered with their result: some 3 MB."""

LOOPBACK: Final = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class AccessList:
    """The clients that are served.

    `known`: results so far by address, open to the receive loop.
    """

    __slots__ = ("_limit", "_prefixes", "known")

    def __init__(self, allow: Iterable[IPv4Network | IPv6Network] = LOOPBACK, limit: int = _REMEMBERED) -> None:
        self.known: dict[str | bytes, bool] = {}
        self._limit = limit
        # By IP version: host bits below the prefix → network numbers shifted by as much.
        self._prefixes: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        for network in allow:
            host_bits = network.max_prefixlen - network.prefixlen
            networks = self._prefixes[network.version].setdefault(host_bits, set())
            networks.add(int(network.network_address) >> host_bits)

    def allows(self, address: str | bytes) -> bool:
        """Whether the client with this address is served: text as the socket gave it, or 4 or 16 octets."""
        allowed = self.known.get(address)
        if allowed is None:
            allowed = self._matches(address)
            if len(self.known) >= self._limit:
                self.known.clear()
            self.known[address] = allowed
        return allowed

    def _matches(self, address: str | bytes) -> bool:
        client = ip_address(address.partition("%")[0] if isinstance(address, str) else address)
        if isinstance(client, IPv6Address) and client.ipv4_mapped is not None:
            client = client.ipv4_mapped
        number = int(client)
        return any(number >> bits in networks for bits, networks in self._prefixes[client.version].items())
