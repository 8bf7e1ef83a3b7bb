"""Sockets that serve one query after another: a port of its own for each, and nothing left over for the next."""

import itertools
import select
import socket
import subprocess
import sys

import pytest

from resolver.server import upstream_udp
from resolver.server.udp_socket import open_socket, release
from tests.resolver.server.test_driver import Authority, answer_to, open_sockets, play
from tests.resolver.server.world import until
from trust.vocabulary import Trouble

QUERIES = 200
FAMILIES = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


@pytest.fixture(params=FAMILIES, ids=["ipv4", "ipv6"])
def pair(request):
    """A server and a socket connected to it."""
    family, address = request.param
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind((address, 0))
        server.settimeout(5)
        client = open_socket(family)
        client.connect(server.getsockname())
        yield server, client
        client.close()


def readable(sock):
    return bool(select.select([sock], [], [], 5)[0])


def test_each_connection_has_a_port_of_its_own(pair):
    server, client = pair
    ports = []
    for _ in range(QUERIES):
        client.connect(server.getsockname())
        ports.append(client.getsockname()[1])
        assert release(client.fileno())
    # Two hundred out of 28,000: more than a few equal ones would not be chance.
    assert len(set(ports)) > QUERIES - 10
    steps = [b - a for a, b in itertools.pairwise(ports)]
    assert len(set(steps)) > QUERIES - 20, "they do not follow one another"


def test_without_a_peer_there_is_no_port(pair):
    server, client = pair
    before = client.getsockname()
    assert release(client.fileno())
    assert client.getsockname()[1] == 0
    server.sendto(b"late", before)
    client.connect(server.getsockname())
    client.send(b"next")
    data, peer = server.recvfrom(100)
    assert data == b"next" and peer[1] != before[1]
    server.sendto(b"answer", peer)
    assert readable(client) and client.recv(100) == b"answer"


def test_what_was_not_looked_at_ends_the_socket(pair):
    server, client = pair
    server.sendto(b"unread", client.getsockname())
    assert readable(client)
    assert not release(client.fileno())


def test_an_error_not_told_is_not_told_of_the_next(pair):
    server, client = pair
    family = socket.AF_INET6 if ":" in server.getsockname()[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as closed:
        closed.bind((server.getsockname()[0], 0))
        nobody = closed.getsockname()
    client.connect(nobody)
    client.send(b"?")
    assert readable(client), "the ICMP error came"
    assert release(client.fileno())
    client.connect(server.getsockname())
    client.send(b"next")
    assert server.recvfrom(100)[0] == b"next"


def test_what_cannot_be_released_is_not_used_again(pair):
    _, client = pair
    descriptor = client.fileno()
    client.close()
    assert not release(descriptor)


def test_queries_one_after_another_share_a_socket_and_no_port():
    async def story(world):
        with Authority() as authority:
            before, ports = open_sockets(), []
            for _ in range(30):
                ask_id = world.ask(authority.address)
                query, client = await authority.query()
                ports.append(client[1])
                authority.send(answer_to(query), client)
                assert (await world.reply(ask_id)).message is not None
                assert open_sockets() <= before + 1
            assert len(set(ports)) > 25

    play(story)


def test_a_second_answer_is_not_met_by_the_next_query():
    async def story(world):
        with Authority() as authority:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            authority.send(answer_to(query), client)
            authority.send(answer_to(query, "192.0.2.66"), client)
            assert (await world.reply(ask_id)).message is not None
            again = world.ask(authority.address)
            query, client = await authority.query()
            authority.send(answer_to(query), client)
            reply = await world.reply(again)
            assert reply.message.answer[0].rdatas == [b"\xc0\0\2\7"]
            assert reply.mismatched == 0 and world.counters.upstream_mismatched == 0

    play(story)


def test_no_more_sockets_wait_than_may_be_used():
    async def story(world):
        with Authority() as authority, Authority("::1") as other:
            before = open_sockets()
            for address, server in ((authority.address, authority), (other.address, other)) * 2:
                asks = [world.ask(address) for _ in range(3)]
                for _ in asks:
                    query, client = await server.query()
                    server.send(answer_to(query), client)
                for ask_id in asks:
                    assert (await world.reply(ask_id)).trouble is not Trouble.LIMIT
                await until(lambda: open_sockets() <= before + 4)

    play(story, udp_limit=4)


def test_a_socket_woken_without_a_query_is_closed():
    async def story(world):
        with Authority() as authority:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            authority.send(answer_to(query), client)
            await world.reply(ask_id)
            (channel,) = world.driver._udp._spare4
            assert isinstance(channel, upstream_udp.UdpChannel)
            channel.socket.connect(authority.address)
            authority.send(b"?", channel.socket.getsockname())
            await until(lambda: not world.driver._udp._spare4)

    play(story)


WITHOUT_CTYPES = """
import sys

class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name == "ctypes":
            raise MemoryError

sys.meta_path.insert(0, Refusing())
from resolver.server.batch import SYSTEM
from resolver.server.udp_socket import open_socket, release
client = open_socket(2)
print(SYSTEM, release(client.fileno()))
client.close()
"""


def test_without_ctypes_it_goes_without():
    """As with an old libffi under MemoryDenyWriteExecute (conf/systemd): the import itself fails for want of memory."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_CTYPES], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("None False\n", "")
