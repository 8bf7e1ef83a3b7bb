"""Clients over TCP, through real connections on loopback: RFC 7766, RFC 7828, RFC 9210."""

import asyncio
import contextlib
import socket
import struct
from ipaddress import IPv4Network, ip_network

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from resolver.protect.protection import Protection
from resolver.protect.rates import Prefixes
from resolver.server.access import AccessList
from resolver.server.listen_tcp import TcpBounds, TcpListeners
from tests.resolver.server.queries import make_query
from tests.resolver.server.world import FakeDriver, address_of, bound, make_service, run, until
from trust.vocabulary import Question
from wire.limits import Limits


def framed(message):
    wire = message if isinstance(message, bytes) else message.to_wire()
    return struct.pack("!H", len(wire)) + wire


class Client:
    """A connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, *messages):
        self.writer.write(b"".join(framed(message) for message in messages))

    async def receive_octets(self):
        (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        return await self.reader.readexactly(length)

    async def receive(self):
        return dns.message.from_wire(await self.receive_octets())

    async def ask(self, message):
        self.send(message)
        return await self.receive()

    async def is_closed(self):
        """Wait until the server has closed, without another answer before."""
        with contextlib.suppress(ConnectionResetError):
            assert await self.reader.read() == b""
        return True

    async def close(self):
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Server:
    def __init__(self, listeners, address):
        self.listeners, self.address = listeners, address
        self.service = listeners.service
        self.clients = []

    async def connect(self, source=None):
        local = None if source is None else (source, 0)
        client = Client(*await asyncio.open_connection(*self.address, local_addr=local, limit=1 << 24))
        self.clients.append(client)
        return client


def talk(story, service=None, address="127.0.0.1", **bounds):
    async def main():
        sock = bound(socket.SOCK_STREAM, address)
        listeners = TcpListeners(service or make_service(), TcpBounds(**bounds))
        await listeners.start([sock])
        server = Server(listeners, sock.getsockname()[:2])
        try:
            await story(server)
            for client in server.clients:
                await client.close()
            await until(lambda: not listeners.connections)
            assert not listeners._by_client
        finally:
            listeners.close()

    run(main())


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_one_after_the_other(address):
    async def story(server):
        client = await server.connect()
        for number in range(5):
            query = make_query(f"{number}.example.jp")
            answer = await client.ask(query)
            assert (answer.id, answer.question) == (query.id, query.question)
        assert server.service.counters.tcp_queries == 5
        assert server.service.counters.tcp_accepted == 1

    talk(story, address=address)


def test_pipelined_queries_are_answered_as_they_are_ready():
    driver = FakeDriver(hold=True)

    async def story(server):
        client = await server.connect()
        queries = [make_query(f"{number}.example.jp") for number in range(8)]
        client.send(*queries)
        await until(lambda: len(driver.waiting) == 8)
        for _ in queries:
            driver.release(-1)
        heard = [(await client.receive()).id for _ in queries]
        assert heard == [query.id for query in reversed(queries)]

    talk(story, make_service(driver))


def test_octet_by_octet():
    async def story(server):
        client = await server.connect()
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        query = make_query()
        for octet in framed(query) + framed(query):
            client.writer.write(bytes((octet,)))
            await asyncio.sleep(0)
        assert (await client.receive()).id == query.id
        assert (await client.receive()).id == query.id

    talk(story)


def test_more_than_the_pipeline_waits_its_turn():
    driver = FakeDriver(hold=True)

    async def story(server):
        client = await server.connect()
        queries = [make_query(f"{number}.example.jp") for number in range(20)]
        client.send(*queries)
        await until(lambda: len(driver.waiting) == 4)
        for done in range(1, 21):
            driver.release()
            await client.receive()
            await until(lambda done=done: len(driver.asked) == min(4 + done, 20))
            assert len(driver.waiting) <= 4

    talk(story, make_service(driver), pipeline=4)


def test_a_client_that_stops_asking_still_hears():
    """RFC 7766 §6.2.4: half-closed, answers still go out, then the server closes."""
    driver = FakeDriver(hold=True)

    async def story(server):
        client = await server.connect()
        client.send(make_query("a.example.jp"), make_query("b.example.jp"))
        client.writer.write_eof()
        await until(lambda: len(driver.waiting) == 2)
        driver.release()
        assert (await client.receive()).answer
        driver.release()
        assert (await client.receive()).answer
        assert await client.is_closed()

    talk(story, make_service(driver))


def test_half_closed_with_more_than_the_pipeline():
    driver = FakeDriver(hold=True)

    async def story(server):
        client = await server.connect()
        client.send(*[make_query(f"{number}.example.jp") for number in range(7)])
        client.writer.write_eof()
        for _ in range(7):
            await until(lambda: driver.waiting)
            driver.release()
            assert (await client.receive()).answer
        assert await client.is_closed()

    talk(story, make_service(driver), pipeline=2)


def test_a_client_that_leaves_in_the_middle():
    driver = FakeDriver(hold=True)

    async def story(server):
        client = await server.connect()
        client.send(make_query())
        await until(lambda: driver.waiting)
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset, not just an end
        client.writer.transport.abort()
        await until(lambda: not server.listeners.connections)
        driver.release()  # its answer goes nowhere, and hurts nobody
        assert (await (await server.connect()).ask(make_query(rd=False))).rcode() == dns.rcode.REFUSED

    talk(story, make_service(driver))


@pytest.mark.parametrize(
    "octets",
    [b"\0\0", b"\0\x05short", struct.pack("!H", 12) + b"\0\1\x81\0" + bytes(8)],
    ids=["empty", "short", "a response"],
)
def test_what_is_no_query_ends_the_connection(octets):
    async def story(server):
        client = await server.connect()
        client.writer.write(octets)
        assert await client.is_closed()
        assert server.service.counters.dropped == 1

    talk(story)


def test_malformed_queries_are_told_so_and_the_connection_stays():
    async def story(server):
        client = await server.connect()
        assert (await client.ask(make_query().to_wire() + b"x")).rcode() == dns.rcode.FORMERR
        assert (await client.ask(make_query())).rcode() == dns.rcode.NOERROR

    talk(story)


def test_an_idle_connection_is_closed():
    async def story(server):
        client = await server.connect()
        assert (await client.ask(make_query())).answer
        assert await client.is_closed()
        assert server.service.counters.tcp_idle_closed == 1

    talk(story, idle_s=0.2)


def test_octets_that_make_no_query_do_not_keep_it_open():
    async def story(server):
        client = await server.connect()
        trickle = framed(make_query())

        async def drip():
            with contextlib.suppress(ConnectionError):
                while True:
                    client.writer.write(trickle[2:3])
                    await client.writer.drain()
                    await asyncio.sleep(0.02)

        client.writer.write(b"\xff\xff")
        dripping = asyncio.create_task(drip())
        assert await client.is_closed()
        dripping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await dripping

    talk(story, idle_s=0.2)


def test_waiting_for_an_answer_is_not_idle():
    driver = FakeDriver(hold=True)

    async def story(server):
        idle = await server.connect()
        client = await server.connect()
        client.send(make_query())
        await until(lambda: driver.waiting)
        assert await idle.is_closed()
        await asyncio.sleep(0.1)  # more than another sweep
        driver.release()
        assert (await client.receive()).answer

    talk(story, make_service(driver), idle_s=0.15)


def test_one_client_has_so_many_connections():
    async def story(server):
        first = [await server.connect() for _ in range(3)]
        for client in first:
            assert (await client.ask(make_query())).answer
        assert await (await server.connect()).is_closed()
        assert server.service.counters.tcp_rejected == 1
        other = await server.connect("127.0.0.2")
        assert (await other.ask(make_query())).answer
        await first[0].close()
        await until(lambda: len(server.listeners.connections) == 3)
        assert (await (await server.connect()).ask(make_query())).answer

    talk(story, per_client=3)


def test_at_the_ceiling_the_longest_idle_gives_way():
    driver = FakeDriver()

    async def story(server):
        clients = [await server.connect(f"127.0.0.{number}") for number in range(1, 4)]
        for client in clients:
            await client.ask(make_query())
        driver.hold = True
        clients[0].send(make_query("busy.example.jp"))
        await until(lambda: driver.waiting)
        driver.hold = False
        newcomer = await server.connect("127.0.0.9")
        assert (await newcomer.ask(make_query())).answer
        assert await clients[1].is_closed(), "the first is at work, the second is idle for longest"
        assert (await clients[2].ask(make_query())).answer
        driver.release()
        assert (await clients[0].receive()).answer

    talk(story, make_service(driver), connections=3)


def test_when_all_are_at_work_a_newcomer_is_turned_away():
    driver = FakeDriver(hold=True)

    async def story(server):
        clients = [await server.connect(f"127.0.0.{number}") for number in range(1, 3)]
        for client in clients:
            client.send(make_query())
        await until(lambda: len(driver.waiting) == 2)
        assert await (await server.connect("127.0.0.9")).is_closed()
        for client in clients:
            driver.release()
            assert (await client.receive()).answer

    talk(story, make_service(driver), connections=2)


def huge(question: Question):
    found = address_of(question)
    found.answer[0][0].rdatas = [struct.pack("!I", number) for number in range(2000)]
    return found


def test_a_client_that_does_not_read_is_not_read_and_then_cut():
    service = make_service(FakeDriver(huge))

    async def story(server):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, server.address)
        query = framed(make_query())
        with contextlib.suppress(ConnectionError):
            for _ in range(400):
                await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(sock, query * 40), 5)
                if service.counters.tcp_cut:
                    break
        await until(lambda: service.counters.tcp_cut == 1)
        await until(lambda: not server.listeners.connections)
        # Not much more was worked on than it could have been sent.
        assert service.counters.tcp_queries < 1000
        sock.close()

    talk(story, service, idle_s=0.5)


def test_a_slow_reader_gets_everything():
    service = make_service(FakeDriver(huge))

    async def story(server):
        client = await server.connect()
        queries = [make_query(f"{number}.example.jp") for number in range(60)]
        client.send(*queries)
        client.writer.write_eof()
        heard = set()
        for _ in queries:
            await asyncio.sleep(0.002)
            answer = await client.receive_octets()
            assert len(answer) > 32000
            heard.add(int.from_bytes(answer[:2], "big"))
        assert heard == {query.id for query in queries}

    talk(story, service)


def test_answers_over_tcp_are_whole():
    async def story(server):
        client = await server.connect()
        answer = await client.ask(make_query(edns=True, payload=512))
        assert len(answer.answer[0]) == 2000
        assert not answer.flags & dns.flags.TC

    talk(story, make_service(FakeDriver(huge)))


def test_keepalive_is_told_when_asked():
    async def story(server):
        client = await server.connect()
        answer = await client.ask(make_query(options=[dns.edns.GenericOption(11, b"")]))
        assert [(option.otype, option.to_wire()) for option in answer.options] == [(11, b"\0\x64")]

    talk(story)


def test_a_client_that_is_not_served_is_told_once():
    service = make_service(allow=AccessList((IPv4Network("192.0.2.0/24"),)))

    async def story(server):
        client = await server.connect()
        client.send(make_query(edns=True), make_query(edns=True), make_query(edns=True))
        answer = await client.receive()
        assert answer.rcode() == dns.rcode.REFUSED
        assert [int(option.code) for option in answer.options] == [18]
        assert await client.is_closed()

    talk(story, service)


def test_stopping_leaves_connections_and_closing_ends_them():
    async def story(server):
        client = await server.connect()
        server.listeners.stop()
        assert (await client.ask(make_query())).answer
        with pytest.raises(OSError):
            await asyncio.open_connection(*server.address)
        server.listeners.close()
        assert await client.is_closed()

    talk(story)


def test_connections_are_counted_by_ipv4_address_and_ipv6_prefix():
    listeners = TcpListeners(make_service(), TcpBounds())
    assert listeners._holder("192.0.2.1") != listeners._holder("192.0.2.2")
    assert listeners._holder("2001:db8::1") == listeners._holder("2001:db8:0:ff::2")
    assert listeners._holder("2001:db8::1") != listeners._holder("2001:db8:0:100::1")


def test_the_exempt_hold_more_connections_and_shadow_only_counts():
    async def story(server):
        for _ in range(5):
            assert (await (await server.connect()).ask(make_query())).answer

    exempt = Protection(prefixes=Prefixes(24, 56, [ip_network("127.0.0.0/8")]))
    service = make_service(protection=exempt)
    talk(story, service, per_client=2)
    assert (exempt.limits.hits, service.counters.tcp_rejected) == ({}, 0)
    shadow = Protection(limits=Limits(frozenset(["tcp-per-client"])))
    talk(story, make_service(protection=shadow), per_client=2)
    assert (shadow.limits.hits, shadow.limits.shadowed) == ({}, {"tcp-per-client": 3})


def test_a_stream_of_queries_takes_turns_with_others():
    """One connection brings two thousand queries at once; another one's query does not wait for all of them."""

    async def story(server):
        greedy, modest = await server.connect(), await server.connect()
        await modest.ask(make_query())
        # Each asks for another name: what the packet cache answers goes out as it comes in, in microseconds.
        greedy.send(*(make_query(f"x{number}.example.jp", ident=number) for number in range(2000)))
        await until(lambda: server.service.counters.tcp_queries > 1)
        modest.send(make_query())
        heard = asyncio.create_task(modest.receive())
        await until(heard.done)
        before = server.service.counters.tcp_queries
        assert before < 2000, "the other one was answered in between"
        for number in range(2000):
            assert (await greedy.receive()).id == number

    talk(story)
