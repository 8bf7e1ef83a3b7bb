"""The sockets: UDP and TCP on every address, pipelining, ports, a clean end."""

import asyncio
import socket
import struct
import time

import dns.message
import dns.name
import dns.query
import dns.rcode
import pytest

import lab.internet
import lab.server
from lab.internet import Internet, LabError
from lab.keys import KeyStore
from lab.server import RunningServer
from lab.zones import SPECS
from tests.lab.conftest import Asker


def _read_message(stream: socket.SocketIO) -> dns.message.Message:
    (length,) = struct.unpack("!H", stream.read(2))
    return dns.message.from_wire(stream.read(length))


def test_every_server_answers_for_its_zones_over_udp_and_tcp(net: Internet, ask: Asker) -> None:
    for one in net.servers():
        for origin in one.zones:
            if net.behaviour(origin).name not in ("NORMAL", "TRUNCATE", "NO_DNSSEC"):
                continue
            for tcp in (False, True):
                response = ask.at(one.address, origin.to_text(), "SOA", tcp=tcp)
                assert response.rcode() == dns.rcode.NOERROR, (one, origin)
                assert response.answer[0].name == origin


def test_addresses_are_in_the_prefix_and_never_the_resolvers_own(net: Internet) -> None:
    addresses = [server.address for server in net.servers()]
    assert len(addresses) == len(set(addresses))
    assert all(address.startswith("127.53.") for address in addresses)


def test_pipelining(server: RunningServer, ask: Asker) -> None:
    # RFC 7766 §6.2.1.1: queries do not wait for answers; also in pieces of any size.
    queries = [dns.message.make_query(f"n{i}.wild.example.jp.", "A") for i in range(50)]
    wire = b"".join(struct.pack("!H", len(q.to_wire())) + q.to_wire() for q in queries)
    with socket.create_connection((ask.address_of("example.jp."), server.port), timeout=5) as sock:
        for start in range(0, len(wire), 33):
            sock.sendall(wire[start : start + 33])
        with sock.makefile("rb") as stream:
            for query in queries:
                assert query.is_response(_read_message(stream))


def test_rubbish_over_tcp_gets_formerr_and_the_connection_goes_on(server: RunningServer, ask: Asker) -> None:
    query = dns.message.make_query("www.example.jp.", "A")
    with socket.create_connection((ask.address_of("example.jp."), server.port), timeout=5) as sock:
        sock.sendall(struct.pack("!H", 20) + b"\x12\x34\x01\x00\x00\x01" + b"\xff" * 14)
        sock.sendall(struct.pack("!H", len(query.to_wire())) + query.to_wire())
        with sock.makefile("rb") as stream:
            assert _read_message(stream).rcode() == dns.rcode.FORMERR
            assert query.is_response(_read_message(stream))


@pytest.fixture
def root_only(keys: KeyStore) -> Internet:
    """Two root servers, at addresses that no other test uses."""
    return lab.internet.build(time.time(), prefix="127.69", keys=keys, specs=SPECS[:1], faults=[])


def test_port_is_free_again_afterwards(root_only: Internet) -> None:
    with lab.server.running(root_only, addresses=["127.69.0.1"]) as first:
        port = first.port
        assert first.addresses == ["127.69.0.1"]
    with lab.server.running(root_only, port=port) as second:
        assert second.port == port
        assert second.addresses == ["127.69.0.1", "127.69.0.2"]


def test_a_taken_port_is_an_error_that_names_it(root_only: Internet) -> None:
    with (
        lab.server.running(root_only) as first,
        pytest.raises(LabError, match=f"127.69.0.1 port {first.port}"),
        lab.server.running(root_only, port=first.port),
    ):
        pytest.fail("two servers on one address and port")


def test_two_internets_beside_each_other(keys: KeyStore) -> None:
    nets = [lab.internet.build(time.time(), prefix=f"127.{n}", keys=keys, faults=[]) for n in (61, 62)]
    with lab.server.running(nets[0]) as one, lab.server.running(nets[1], port=one.port) as other:
        assert one.port == other.port
        for net in nets:
            response = Asker(net, one.port).zone(".", ".", "NS")
            assert {r[0].address.split(".")[1] for r in response.additional} == {net.prefix.split(".")[1]}


def test_in_the_callers_event_loop(net: Internet) -> None:
    async def main() -> dns.message.Message:
        async with lab.server.serve(net, addresses=["127.53.0.1"]) as server:
            query = dns.message.make_query("jp.", "NS")
            return await asyncio.to_thread(dns.query.udp, query, "127.53.0.1", timeout=5, port=server.port)

    assert asyncio.run(main()).authority


def test_many_queries(server: RunningServer, ask: Asker) -> None:
    """Thousands of queries in a burst that the socket's buffer can hold: none is lost."""
    address = ask.address_of("example.jp.")
    before = server.queries
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect((address, server.port))
        for batch in range(40):
            queries = [dns.message.make_query(f"n{batch}-{i}.wild.example.jp.", "A", id=i) for i in range(50)]
            for query in queries:
                sock.send(query.to_wire())
            assert {struct.unpack("!H", sock.recv(4096)[:2])[0] for _ in queries} == set(range(50))
    assert server.queries - before == 2000
