"""The packet cache for clients over TCP: what it gives them, and that it is never mixed up with what goes over UDP."""

import asyncio
import socket

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from resolver.cache.packets import apart
from resolver.protect.cookies import Cookies
from resolver.protect.protection import Protection
from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.access import AccessList
from resolver.server.gate import Gate
from resolver.server.listen_udp import UdpListener
from tests.resolver.server.queries import make_query
from tests.resolver.server.test_listen_tcp import Client, framed, talk
from tests.resolver.server.world import FakeDriver, Silent, bound, make_service, until
from trust.vocabulary import Question, Security, Transport
from wire import types as t
from wire.rrset import RRset


def many(question: Question) -> Resolution:
    """An answer too long for UDP."""
    expires = clock.monotonic() + 300
    rrset = RRset(question.name, t.A, 300, [bytes((192, 0, 2, number)) for number in range(200)])
    return Resolution(question, t.NOERROR, [(rrset, expires)], [], Security.SECURE, [], expires)


def over_udp(service, query: bytes) -> bytes:
    heard: list[bytes] = []
    Gate(service).take(query, "127.0.0.1", heard.append, clock.monotonic())
    return heard[0]


def test_the_second_is_a_hit_with_its_own_id():
    driver = FakeDriver()

    async def story(server):
        client = await server.connect()
        first, second = make_query(edns=True), make_query(edns=True)
        one, two = await client.ask(first), await client.ask(second)
        assert (one.id, two.id) == (first.id, second.id)
        assert one.answer == two.answer
        assert one.answer[0].ttl >= two.answer[0].ttl
        counters = server.service.counters
        assert (counters.tcp_queries, counters.packet_hits, counters.responses[t.NOERROR]) == (2, 1, 2)
        assert [said.transport for said, _ in counters.tally.items()] == [Transport.TCP]

    talk(story, make_service(driver))
    assert len(driver.asked) == 1


def test_what_was_cut_for_udp_is_whole_over_tcp_whichever_comes_first():
    for first in ("udp", "tcp"):
        service = make_service(FakeDriver(many))

        async def story(server, first=first):
            client = await server.connect()
            wire = make_query(edns=True).to_wire()
            for transport in (first, "udp", "tcp", "udp", "tcp"):
                if transport == "udp":
                    answer = dns.message.from_wire(over_udp(server.service, wire))
                    assert answer.flags & dns.flags.TC
                else:
                    answer = await client.ask(wire)
                    assert not answer.flags & dns.flags.TC
                    assert len(answer.answer[0]) == 200

        talk(story, service)
        assert len(service.driver.asked) == 2


def test_no_octets_of_a_udp_query_find_what_went_over_tcp():
    service = make_service(FakeDriver(many))
    wire = make_query(edns=True).to_wire()

    async def story(server):
        client = await server.connect()
        whole = await client.ask(wire)
        assert len(whole.answer[0]) == 200
        assert apart("T", wire[2:]) in server.service.packets.table
        listening = bound(socket.SOCK_DGRAM, "127.0.0.1")
        listener = UdpListener(listening, server.service)
        listener.start(asyncio.get_running_loop())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.connect(listening.getsockname())
            asking.setblocking(False)
            asking.send(wire[:2] + b"T" + wire[2:])
            heard = await asyncio.get_running_loop().sock_recv(asking, 65535)
        listener.close()
        assert len(heard) < 100
        assert dns.message.from_wire(heard, ignore_trailing=True).rcode() != dns.rcode.NOERROR

    talk(story, service)


@pytest.mark.parametrize("count", [3, 15, 16, 17, 100])
def test_hits_in_one_piece_are_all_answered(count):
    driver = FakeDriver()

    async def story(server):
        client = await server.connect()
        await client.ask(make_query())
        queries = [make_query() for _ in range(count)]
        client.send(*queries)
        heard = [(await client.receive()).id for _ in queries]
        assert heard == [query.id for query in queries]
        assert server.service.counters.tcp_queries == count + 1

    talk(story, make_service(driver))
    assert len(driver.asked) == 1


def test_a_query_cut_in_the_middle_follows_hits():
    async def story(server):
        client = await server.connect()
        await client.ask(make_query())
        first, second = make_query(), make_query()
        octets = framed(first) + framed(second)
        client.writer.write(octets[:-5])
        assert (await client.receive()).id == first.id
        client.writer.write(octets[-5:])
        assert (await client.receive()).id == second.id

    talk(story)


def test_hits_pass_by_what_is_still_resolved():
    driver = FakeDriver()

    async def story(server):
        client = await server.connect()
        await client.ask(make_query("known.example.jp"))
        driver.hold = True
        slow, quick = make_query("new.example.jp"), make_query("known.example.jp")
        client.send(slow, quick)
        assert (await client.receive()).id == quick.id
        driver.release()
        assert (await client.receive()).id == slow.id

    talk(story, make_service(driver))


def test_a_hit_does_not_outlive_access():
    access = AccessList()

    async def story(server):
        client: Client = await server.connect()
        await client.ask(make_query())
        server.service.access = AccessList([])
        answer = await client.ask(make_query())
        assert answer.rcode() == dns.rcode.REFUSED
        assert await client.is_closed()

    talk(story, make_service(allow=access))


def test_each_gets_its_own_cookie():
    service = make_service(FakeDriver(), protection=Protection(cookies=Cookies([bytes(16)])))

    async def story(server):
        client = await server.connect()
        await client.ask(make_query(edns=True))
        for number in range(2):
            query = make_query(edns=True)
            query.use_edns(0, payload=1232, options=[dns.edns.GenericOption(10, bytes([number]) * 8)])
            answer = await client.ask(query)
            (cookie,) = [option for option in answer.options if int(option.otype) == 10]
            assert cookie.to_wire()[:8] == bytes([number]) * 8

    talk(story, service)


def test_with_a_log_of_queries_each_is_looked_at():
    driver, observer = FakeDriver(), Silent()

    async def story(server):
        client = await server.connect()
        for _ in range(3):
            await client.ask(make_query())

    talk(story, make_service(driver, observer=observer, log_queries=True))
    assert len(driver.asked) == len(observer.queries) == 3


def test_idle_timeout_is_told_again_to_who_asks_for_it():
    """RFC 7828 §3.3.2: the option is in the query's octets, so only who asks for it gets it."""

    async def story(server):
        client = await server.connect()
        for _ in range(2):
            query = make_query(edns=True)
            query.use_edns(0, payload=1232, options=[dns.edns.GenericOption(11, b"")])
            assert [int(option.otype) for option in (await client.ask(query)).options] == [11]
        assert not (await client.ask(make_query(edns=True))).options

    talk(story)


def test_the_answer_of_a_bug_is_not_kept():
    driver = FakeDriver(hold=True)

    async def story(server):
        client = await server.connect()
        client.send(make_query())
        await until(lambda: driver.waiting)
        waiter, _ = driver.waiting.pop()
        waiter.abandon()
        assert (await client.receive()).rcode() == dns.rcode.SERVFAIL
        client.send(make_query())
        await until(lambda: driver.waiting)  # a bug's answer is not kept
        driver.release()
        assert (await client.receive()).rcode() == dns.rcode.NOERROR

    talk(story, make_service(driver))
