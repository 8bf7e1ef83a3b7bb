"""One mini-Internet for all tests of the lab, built once and served on an ephemeral port."""

import time
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rdatatype
import pytest

import lab.internet
import lab.server
from lab.internet import Internet
from lab.keys import KeyStore
from lab.server import RunningServer

TIMEOUT_S = 5.0


@pytest.fixture(scope="session")
def keys() -> KeyStore:
    return KeyStore()


@pytest.fixture(scope="session")
def net(keys: KeyStore) -> Internet:
    """The whole mini-Internet. Not to be changed: tests that break things build their own."""
    return lab.internet.build(time.time(), keys=keys)


@pytest.fixture(scope="session")
def server(net: Internet) -> Iterator[RunningServer]:
    with lab.server.running(net) as running:
        yield running


class Asker:
    """Asks the servers of a mini-Internet."""

    def __init__(self, net: Internet, port: int, timeout_s: float = TIMEOUT_S) -> None:
        self.net = net
        self.port = port
        self.timeout_s = timeout_s

    def at(
        self, address: str, name: str, rdtype: str = "A", *, dnssec: bool = True, tcp: bool = False
    ) -> dns.message.Message:
        """One question; UDP falls back to TCP when truncated."""
        query = dns.message.make_query(name, dns.rdatatype.from_text(rdtype), want_dnssec=dnssec, flags=0)
        if tcp:
            return dns.query.tcp(query, address, timeout=self.timeout_s, port=self.port)
        return dns.query.udp_with_fallback(query, address, timeout=self.timeout_s, port=self.port)[0]

    def zone(self, origin: str, name: str, rdtype: str = "A", *, dnssec: bool = True) -> dns.message.Message:
        """One question to the first server of a zone."""
        return self.at(self.address_of(origin), name, rdtype, dnssec=dnssec)

    def serial(self, address: str, origin: str) -> int:
        """Serial of a zone at one server."""
        answer = self.at(address, origin, "SOA").answer
        return next(int(rrset[0].serial) for rrset in answer if rrset.rdtype == dns.rdatatype.SOA)

    def truncated(self, origin: str, name: str, rdtype: str = "A") -> bool:
        """Whether the answer over UDP has the TC bit."""
        query = dns.message.make_query(name, rdtype, want_dnssec=True, flags=0)
        response = dns.query.udp(query, self.address_of(origin), timeout=self.timeout_s, port=self.port)
        return bool(response.flags & dns.flags.TC)

    def address_of(self, origin: str) -> str:
        host = self.net.specs[dns.name.from_text(origin)].hosts[0]
        return self.net.addresses[dns.name.from_text(host)]


@pytest.fixture(scope="session")
def ask(net: Internet, server: RunningServer) -> Asker:
    return Asker(net, server.port)
