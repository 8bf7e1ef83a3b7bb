"""The driver against a scripted authority on loopback: what counts as an answer, and what becomes of what does not."""

import asyncio
import contextlib
import errno
import itertools
import os
import resource
import socket
import struct
from collections import Counter
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from resolver.mesh import Finish, Forget, Send
from resolver.server import clock
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from resolver.server.poller import READ, Poller
from tests.resolver.server.world import address_of, run, until
from trust.anchors import TrustPoints
from trust.vocabulary import Address, Ask, Now, Question, Reply, Transport, Trouble
from wire.limits import MISMATCHED
from wire.text import name_from_text

NAME = name_from_text("www.example.jp")


class Script:
    """A mesh in which the test says what is asked and sees what comes back."""

    def __init__(self):
        self.epoch = 0
        self.inflight = 0
        self.deadline = None
        self.expired = []
        self.replies: dict[int, Reply] = {}
        self.times = Counter()
        self.on_submit = lambda token, question: []
        self.on_reply = lambda ask_id, reply: []

    def submit(self, token, question, now, *, checking_disabled=False, scope=None):
        return self.on_submit(token, question)

    def reply(self, ask_id, reply):
        self.replies[ask_id] = reply
        self.times[ask_id] += 1
        return self.on_reply(ask_id, reply)

    def expire(self, now):
        self.expired.append(now)
        self.deadline = None
        return []

    def next_deadline(self):
        return self.deadline

    def set_trust(self, points):
        self.epoch += 1

    def flush(self):
        self.epoch += 1


class World:
    """A driver, its scripted mesh, and what it told."""

    def __init__(self, **limits):
        self.mesh = Script()
        self.counters = Counters()
        self.crashes = []
        self.epochs = 0
        self.driver = Driver(
            self.mesh,
            asyncio.get_running_loop(),
            self.counters,
            crashed=lambda where, error: self.crashes.append((where, error)),
            new_epoch=self.new_epoch,
            **limits,
        )
        self.asked = 0

    def new_epoch(self):
        self.epochs += 1

    def ask(self, server, **options):
        """Send one query; returns its ask_id."""
        self.asked += 1
        options.setdefault("timeout_s", 5.0)
        ask = Ask(Address(*server), options.pop("qname", NAME), options.pop("qtype", 1), b"\2jp\0", **options)
        self.driver._perform([Send(self.asked, ask)])
        return self.asked

    async def reply(self, ask_id):
        await until(lambda: ask_id in self.mesh.replies)
        assert self.mesh.times[ask_id] == 1
        return self.mesh.replies[ask_id]


def open_sockets():
    """How many sockets and epoll instances this process has."""
    count = 0
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += str(fd.readlink()).startswith(("socket:", "anon_inode:[eventpoll]"))
    return count


def play(story, **limits):
    """Run a story (an async function of a World); nothing may stay open afterwards."""

    async def main():
        before = open_sockets()
        world = World(**limits)
        try:
            await story(world)
        finally:
            world.driver.close()
        assert not world.crashes
        assert all(times == 1 for times in world.mesh.times.values()), "exactly one reply for each Ask"
        await until(lambda: open_sockets() == before)

    run(main())


class Authority:
    """A UDP socket with which the test answers by hand."""

    def __init__(self, address="127.0.0.1"):
        self.sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 0))
        self.sock.setblocking(False)
        self.address = self.sock.getsockname()[:2]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    async def query(self):
        """The next query and who sent it."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self.sock.fileno(), readable.set)
        await readable.wait()
        loop.remove_reader(self.sock.fileno())
        wire, client = self.sock.recvfrom(65535)
        return dns.message.from_wire(wire), client

    def send(self, response, client):
        self.sock.sendto(response if isinstance(response, bytes) else response.to_wire(), client)


def answer_to(query, text="192.0.2.7"):
    response = dns.message.make_response(query)
    response.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "A", text))
    return response


def with_id(response, ident):
    response.id = ident & 0xFFFF
    return response


# --- UDP ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_question_and_answer(address):
    async def story(world):
        with Authority(address) as authority:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            assert (query.edns, query.payload, query.ednsflags) == (0, 1232, dns.flags.DO)
            assert query.flags == dns.flags.CD
            authority.send(answer_to(query), client)
            reply = await world.reply(ask_id)
            assert reply.message.answer[0].rdatas == [b"\xc0\0\2\7"]
            assert 0 < reply.rtt_s < 5
            assert abs(reply.now.mono - clock.monotonic()) < 5
            assert world.counters.upstream_udp == world.counters.upstream_answers == 1

    play(story)


def test_a_packet_apart_from_every_resolution():
    async def story(world):
        replies = []
        with Authority() as authority:
            ask = Ask(Address(*authority.address), NAME, 1, b"\2jp\0", nsid=True, timeout_s=5.0)
            world.driver.ask(ask, replies.append)
            query, client = await authority.query()
            authority.send(answer_to(query), client)
            await until(lambda: replies)
            assert replies[0].message.answer[0].rdatas == [b"\xc0\0\2\7"]
            # A silent server is a time-out, a closed port is told at once; the mesh hears of none of it.
            world.driver.ask(Ask(Address(*authority.address), NAME, 1, b"\2jp\0", timeout_s=0.05), replies.append)
            await until(lambda: len(replies) == 2)
            assert replies[1].trouble is Trouble.TIMEOUT
        world.driver.ask(Ask(Address(*authority.address), NAME, 1, b"\2jp\0", timeout_s=5.0), replies.append)
        await until(lambda: len(replies) == 3)
        assert replies[2].trouble is Trouble.UNREACHABLE
        assert not world.mesh.replies

    play(story)


def test_ports_ids_and_case_differ_from_query_to_query():
    async def story(world):
        seen = set(), set(), set()
        with Authority() as authority:
            for _ in range(200):
                ask_id = world.ask(authority.address)
                query, client = await authority.query()
                seen[0].add(client[1])
                seen[1].add(query.id)
                seen[2].add(query.question[0].name.labels)
                authority.send(answer_to(query), client)
                await world.reply(ask_id)
        ports, idents, cases = seen
        # 28,000 ports and 65,536 IDs: 200 draws hardly ever meet; 2^12 cases meet now and then.
        assert len(ports) >= 190
        assert len(idents) >= 195
        assert len(cases) >= 180
        # Not in a row either.
        gaps = sorted(ports)
        assert max(after - before for before, after in itertools.pairwise(gaps)) > 100

    play(story)


def test_what_does_not_match_is_waited_past():
    async def story(world):
        with Authority() as authority, Authority() as stranger:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            other = dns.message.make_query("other.example.jp", "A", id=query.id)
            authority.send(with_id(answer_to(query, "203.0.113.1"), query.id + 1), client)
            authority.send(answer_to(other, "203.0.113.2"), client)
            authority.send(query, client)
            # The right answer in all respects, from another port: the system drops it.
            stranger.send(answer_to(query, "203.0.113.3"), client)
            authority.send(b"", client)
            authority.send(answer_to(query), client)
            reply = await world.reply(ask_id)
            assert reply.message.answer[0].rdatas == [b"\xc0\0\2\7"]
            assert world.counters.upstream_mismatched == 4

    play(story)


def test_too_many_mismatches_are_taken_for_an_attack():
    async def story(world):
        with Authority() as authority:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            for number in range(1, MISMATCHED + 1):
                authority.send(with_id(answer_to(query), query.id + number), client)
            reply = await world.reply(ask_id)
            assert reply.trouble is Trouble.SPOOFED
            assert world.counters.upstream_mismatched == MISMATCHED

    play(story)


def test_the_wrong_case_is_told_and_a_second_answer_goes_nowhere():
    async def story(world):
        with Authority() as authority:
            ask_id = world.ask(authority.address, qname=name_from_text("a-long-name-so-that-case-cannot-match.example.jp"))
            query, client = await authority.query()
            lower = dns.message.make_query(query.question[0].name.canonicalize(), "A", id=query.id)
            authority.send(answer_to(lower), client)
            assert (await world.reply(ask_id)).trouble is Trouble.CASE
            authority.send(answer_to(query), client)
            assert world.counters.upstream_case == 1

    play(story)


def test_malformed_and_truncated():
    async def story(world):
        with Authority() as authority:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            authority.send(answer_to(query).to_wire() + b"x", client)
            reply = await world.reply(ask_id)
            assert reply.trouble is Trouble.MALFORMED
            assert "after the last record" in reply.text

            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            cut = dns.message.make_response(query)
            cut.flags |= dns.flags.TC
            authority.send(cut, client)
            assert (await world.reply(ask_id)).message.truncated

    play(story)


def test_a_server_that_knows_no_edns_may_leave_the_question_out():
    async def story(world):
        with Authority() as authority:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            authority.send(struct.pack("!6H", query.id, 0x8001, 0, 0, 0, 0), client)
            assert (await world.reply(ask_id)).message.rcode == 1

    play(story)


def test_silence_is_a_timeout_and_a_late_answer_is_nobodys():
    async def story(world):
        with Authority() as authority:
            started = clock.monotonic()
            slow = world.ask(authority.address, timeout_s=0.3)
            quick = world.ask(authority.address, timeout_s=0.1)
            queries = [await authority.query() for _ in range(2)]
            assert (await world.reply(quick)).trouble is Trouble.TIMEOUT
            assert slow not in world.mesh.replies
            assert (await world.reply(slow)).trouble is Trouble.TIMEOUT
            assert clock.monotonic() - started >= 0.3
            for query, client in queries:
                authority.send(answer_to(query), client)
            assert world.counters.upstream_timeouts == 2
            assert world.counters.upstream_answers == 0

    play(story)


def closed_port(kind):
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()


@pytest.mark.parametrize("transport", Transport)
def test_a_closed_port_is_unreachable_at_once(transport):
    async def story(world):
        kind = socket.SOCK_DGRAM if transport is Transport.UDP else socket.SOCK_STREAM
        ask_id = world.ask(closed_port(kind), transport=transport, timeout_s=15.0)
        reply = await world.reply(ask_id)
        assert reply.trouble is Trouble.UNREACHABLE
        assert reply.text == "connection refused"
        assert world.counters.upstream_unreachable == 1

    play(story)


@pytest.mark.parametrize("transport", Transport)
def test_an_address_that_cannot_be_reached(transport):
    async def story(world):
        ask_id = world.ask(("255.255.255.255", 53), transport=transport)
        assert (await world.reply(ask_id)).trouble is Trouble.UNREACHABLE

    play(story)


def test_forgotten_queries_are_closed_and_never_answered():
    async def story(world):
        with Authority() as authority:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            world.driver._perform([Forget(ask_id)])
            authority.send(answer_to(query), client)
            after = world.ask(authority.address)
            query, client = await authority.query()
            authority.send(answer_to(query), client)
            await world.reply(after)
            assert ask_id not in world.mesh.replies

    play(story)


def test_a_bounded_number_of_queries_in_flight():
    async def story(world):
        with Authority() as authority:
            asks = [world.ask(authority.address) for _ in range(5)]
            assert [world.mesh.replies[ask_id].trouble for ask_id in asks[3:]] == [Trouble.LIMIT] * 2
            for _ in range(3):
                query, client = await authority.query()
                authority.send(answer_to(query), client)
            for ask_id in asks[:3]:
                assert (await world.reply(ask_id)).message
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            authority.send(answer_to(query), client)
            assert (await world.reply(ask_id)).message

    play(story, udp_limit=3)


@pytest.mark.parametrize("transport", Transport)
def test_no_descriptor_left(transport):
    async def story(world):
        with Authority() as authority:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            used = max(int(fd.name) for fd in Path("/proc/self/fd").iterdir())
            resource.setrlimit(resource.RLIMIT_NOFILE, (used, hard))
            spare = []
            try:
                with pytest.raises(OSError) as caught:
                    while True:
                        spare.append(os.dup(0))
                assert caught.value.errno == errno.EMFILE
                ask_id = world.ask(authority.address, transport=transport)
                reply = world.mesh.replies[ask_id]
                assert (reply.trouble, reply.text) == (Trouble.LIMIT, "here: too many open files")
            finally:
                for fd in spare:
                    os.close(fd)
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    play(story)


# --- TCP ---------------------------------------------------------------------------------------------------------


class TcpAuthority:
    """A listener; each connection is handed to the test."""

    def __init__(self):
        self.connections = asyncio.Queue()
        self.writers = []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.address = self.server.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_):
        for writer in self.writers:
            writer.transport.abort()
        self.server.close()
        await self.server.wait_closed()

    async def accept(self, reader, writer):
        self.writers.append(writer)
        await self.connections.put((reader, writer))

    async def query(self):
        """The first query of the next connection."""
        reader, writer = await self.connections.get()
        return await self.another(reader), writer

    async def another(self, reader):
        """The next query of a connection."""
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return dns.message.from_wire(await reader.readexactly(length))


def framed(message):
    wire = message.to_wire(max_size=65535)
    return struct.pack("!H", len(wire)) + wire


def tcp(story, **limits):
    async def with_authority(world):
        async with TcpAuthority() as authority:
            await story(world, authority)

    play(with_authority, **limits)


def test_over_tcp():
    async def story(world, authority):
        ask_id = world.ask(authority.address, transport=Transport.TCP)
        query, writer = await authority.query()
        writer.write(framed(answer_to(query)))
        reply = await world.reply(ask_id)
        assert reply.message.answer[0].rdatas == [b"\xc0\0\2\7"]
        assert world.counters.upstream_tcp == 1
        writer.close()

    tcp(story)


def test_case_does_not_matter_over_tcp():
    async def story(world, authority):
        ask_id = world.ask(authority.address, transport=Transport.TCP)
        query, writer = await authority.query()
        assert query.question[0].name.to_text() == "www.example.jp."
        upper = dns.message.make_query("WWW.EXAMPLE.JP", "A", id=query.id)
        writer.write(framed(answer_to(upper)))
        assert (await world.reply(ask_id)).message.answer

    tcp(story)


def test_octet_by_octet_and_more_than_asked():
    async def story(world, authority):
        ask_id = world.ask(authority.address, transport=Transport.TCP)
        query, writer = await authority.query()
        with contextlib.suppress(ConnectionError):  # we hang up when the answer is whole
            for octet in framed(answer_to(query)) + b"and an endless stream":
                writer.write(bytes((octet,)))
                await writer.drain()
                await asyncio.sleep(0)
        assert (await world.reply(ask_id)).message.answer

    tcp(story)


def test_the_largest_answer():
    async def story(world, authority):
        ask_id = world.ask(authority.address, transport=Transport.TCP)
        query, writer = await authority.query()
        response = dns.message.make_response(query)
        texts = [f'"{"x" * 250}{number}"' for number in range(241)]
        response.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "TXT", *texts))
        assert len(framed(response)) > 60_000
        writer.write(framed(response))
        assert len((await world.reply(ask_id)).message.answer[0].rdatas) == 241

    tcp(story)


@pytest.mark.parametrize(
    ("octets", "trouble"),
    [
        (b"", Trouble.UNREACHABLE),
        (b"\0", Trouble.UNREACHABLE),
        (b"\0\x20half of it", Trouble.UNREACHABLE),
        (b"\0\0", Trouble.MALFORMED),
        (b"\0\x0c" + bytes(12), Trouble.MALFORMED),
    ],
)
def test_a_server_that_makes_no_sense(octets, trouble):
    async def story(world, authority):
        ask_id = world.ask(authority.address, transport=Transport.TCP)
        _, writer = await authority.query()
        writer.write(octets)
        writer.close()
        assert (await world.reply(ask_id)).trouble is trouble

    tcp(story)


def test_a_silent_server_times_out():
    async def story(world, authority):
        ask_id = world.ask(authority.address, transport=Transport.TCP, timeout_s=0.1)
        await authority.query()
        assert (await world.reply(ask_id)).trouble is Trouble.TIMEOUT

    tcp(story)


def test_queries_share_a_connection_and_answers_come_in_any_order():
    async def story(world, authority):
        asks = [world.ask(authority.address, transport=Transport.TCP) for _ in range(5)]
        reader, writer = await authority.connections.get()
        queries = [await authority.another(reader) for _ in asks]
        assert len({query.id for query in queries}) == 5
        for query in reversed(queries):
            writer.write(framed(answer_to(query)))
        for ask_id in asks:
            assert (await world.reply(ask_id)).message
        assert (world.counters.upstream_tcp, world.counters.upstream_tcp_opened) == (5, 1)

    tcp(story)


def test_a_connection_is_used_again_and_closed_when_idle():
    async def story(world, authority):
        world.driver._tcp.idle_s = 0.2
        reader, writer = None, None
        for _ in range(3):
            ask_id = world.ask(authority.address, transport=Transport.TCP)
            if reader is None:
                reader, writer = await authority.connections.get()
            writer.write(framed(answer_to(await authority.another(reader))))
            assert (await world.reply(ask_id)).message
        assert world.counters.upstream_tcp_opened == 1
        assert await reader.read() == b"", "closed by us"
        assert world.driver._tcp.open == 0

    tcp(story)


def test_what_a_server_leaves_unanswered_when_it_closes_is_asked_once_more():
    async def story(world, authority):
        asks = [world.ask(authority.address, transport=Transport.TCP) for _ in range(2)]
        query, writer = await authority.query()
        writer.write(framed(answer_to(query)))
        writer.close()
        assert (await world.reply(asks[0])).message
        query, writer = await authority.query()
        writer.write(framed(answer_to(query)))
        assert (await world.reply(asks[1])).message
        assert world.counters.upstream_tcp_opened == 2
        # The second time it stays unanswered, for good.
        asks = [world.ask(authority.address, transport=Transport.TCP) for _ in range(2)]
        writer.close()
        _, writer = await authority.query()
        writer.close()
        _, writer = await authority.query()
        writer.close()
        for ask_id in asks:
            assert (await world.reply(ask_id)).trouble is Trouble.UNREACHABLE

    tcp(story)


def test_a_full_pipeline_opens_another_connection():
    async def story(world, authority):
        world.driver._tcp.pipeline = 2
        asks = [world.ask(authority.address, transport=Transport.TCP) for _ in range(4)]
        for _ in range(2):
            reader, writer = await authority.connections.get()
            for _ in range(2):
                writer.write(framed(answer_to(await authority.another(reader))))
        for ask_id in asks:
            assert (await world.reply(ask_id)).message
        assert world.counters.upstream_tcp_opened == 2

    tcp(story)


def test_a_server_that_sends_without_end_is_left():
    async def story(world, authority):
        ask_id = world.ask(authority.address, transport=Transport.TCP)
        query, writer = await authority.query()
        strange = answer_to(query)
        strange.id = query.id ^ 1
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 100_000:
                writer.write(framed(strange))
                await writer.drain()
                await asyncio.sleep(0)
                sent += 1
        assert sent < 100_000, "hung up on"
        assert (await world.reply(ask_id)).trouble is Trouble.MALFORMED
        assert world.driver._tcp.open == 0

    tcp(story)


def test_a_late_answer_is_no_stray_and_who_is_slow_gets_no_more():
    async def story(world, authority):
        slow = world.ask(authority.address, transport=Transport.TCP)
        other = world.ask(authority.address, transport=Transport.TCP)
        reader, writer = await authority.connections.get()
        queries = [await authority.another(reader) for _ in range(2)]
        world.driver._perform([Forget(slow)])
        for query in queries:
            writer.write(framed(answer_to(query)))
        assert (await world.reply(other)).message
        assert world.counters.upstream_mismatched == 0
        assert slow not in world.mesh.replies

    tcp(story)


def test_connections_are_bounded_and_the_others_wait_their_turn():
    async def story(world, authority):
        world.driver._tcp.pipeline = 1
        asks = [world.ask(authority.address, transport=Transport.TCP) for _ in range(6)]
        forgotten = asks[4]
        world.driver._perform([Forget(forgotten)])
        served = []
        for _ in range(2):
            served.append(await authority.connections.get())
        for turn in range(5):
            reader, writer = served[turn % 2]
            writer.write(framed(answer_to(await authority.another(reader))))
            assert world.driver._tcp.open <= 2
        for ask_id in asks:
            if ask_id != forgotten:
                assert (await world.reply(ask_id)).message
        assert forgotten not in world.mesh.replies
        assert world.counters.upstream_tcp == 5

    tcp(story, tcp_limit=2)


def test_an_idle_connection_gives_way_to_another_server():
    async def story(world, authority):
        first = world.ask(authority.address, transport=Transport.TCP)
        query, writer = await authority.query()
        writer.write(framed(answer_to(query)))
        assert (await world.reply(first)).message
        async with TcpAuthority() as another:
            second = world.ask(another.address, transport=Transport.TCP)
            query, writer = await another.query()
            writer.write(framed(answer_to(query)))
            assert (await world.reply(second)).message
            assert world.driver._tcp.open == 1

    tcp(story, tcp_limit=1)


def test_a_waiting_query_times_out_too():
    async def story(world, authority):
        world.driver._tcp.pipeline = 1
        first = world.ask(authority.address, transport=Transport.TCP)
        second = world.ask(authority.address, transport=Transport.TCP, timeout_s=0.1)
        assert (await world.reply(second)).trouble is Trouble.TIMEOUT
        query, writer = await authority.query()
        writer.write(framed(answer_to(query)))
        assert (await world.reply(first)).message

    tcp(story, tcp_limit=1)


# --- the loop of actions -------------------------------------------------------------------------------------------


class Waiter:
    def __init__(self, broken=False):
        self.broken = broken
        self.found = []
        self.abandoned = 0

    def finish(self, resolution, now):
        if self.broken:
            raise RuntimeError("a bug")
        self.found.append((resolution, now))

    def abandon(self):
        self.abandoned += 1


QUESTION = Question(NAME, 1)


def test_submit_may_finish_at_once():
    async def story(world):
        world.mesh.on_submit = lambda token, question: [Finish(token, address_of(question))]
        waiter = Waiter()
        world.driver.submit(waiter, QUESTION)
        ((resolution, now),) = waiter.found
        assert resolution.question == QUESTION
        assert isinstance(now, Now)

    play(story)


def test_failures_at_once_do_not_recurse():
    async def story(world):
        server = ("255.255.255.255", 53)
        left = 5000

        def again(ask_id, reply):
            nonlocal left
            left -= 1
            return [Send(10_000 + left, Ask(Address(*server), NAME, 1, b"\0"))] if left else []

        world.mesh.on_reply = again
        world.ask(server)
        assert left == 0
        assert len(world.mesh.replies) == 5000

    play(story)


def test_a_bug_in_one_query_leaves_the_others_alone():
    async def main():
        world = World()
        broken, sound = Waiter(broken=True), Waiter()
        world.mesh.on_submit = lambda token, question: [
            Finish(broken, address_of(question)),
            Finish(sound, address_of(question)),
        ]
        world.driver.submit(sound, QUESTION)
        assert broken.abandoned == 1
        assert len(sound.found) == 1

        def raising(*_):
            raise RuntimeError("a bug of the mesh")

        world.mesh.on_submit = raising
        lost = Waiter()
        world.driver.submit(lost, QUESTION)
        assert lost.abandoned == 1
        assert [where for where, _ in world.crashes] == ["Finish", "submit"]
        assert world.counters.internal_errors == 2
        world.driver.close()

    run(main())


def test_the_mesh_can_tell_of_its_mistakes():
    async def main():
        world = World()
        error = RuntimeError("in a generator")
        world.mesh.crashed(error)
        assert world.crashes == [("mesh", error)]
        assert world.counters.internal_errors == 1
        world.driver.close()

    run(main())


def test_the_mesh_is_told_when_its_deadline_has_come():
    async def story(world):
        deadline = clock.monotonic() + 0.1
        world.mesh.deadline = deadline
        world.driver._perform([])
        await until(lambda: world.mesh.expired)
        assert world.mesh.expired[0].mono >= deadline

    play(story)


def test_an_earlier_deadline_is_not_missed():
    async def story(world):
        world.mesh.deadline = clock.monotonic() + 30
        world.driver._perform([])
        with Authority() as authority:
            ask_id = world.ask(authority.address, timeout_s=0.05)
            assert (await world.reply(ask_id)).trouble is Trouble.TIMEOUT
            assert not world.mesh.expired

    play(story)


def test_a_new_epoch_is_told():
    async def story(world):
        world.driver.flush()
        assert world.epochs == 1
        world.driver.set_trust(TrustPoints([]))
        assert world.epochs == 2
        world.driver._perform([])
        assert world.epochs == 2

    play(story)


def test_never_more_than_1232_octets_are_asked_for():
    async def story(world):
        with Authority() as authority:
            ask_id = world.ask(authority.address)
            query, client = await authority.query()
            assert query.payload == 1232
            authority.send(answer_to(query), client)
            await world.reply(ask_id)

    play(story, payload=4096)


# --- the poller --------------------------------------------------------------------------------------------------


def test_a_callback_may_close_its_neighbour():
    """Two sockets are ready at once; the first callback removes the second, whose number a new socket may take."""

    async def main():
        poller = Poller(asyncio.get_running_loop())
        pairs = [socket.socketpair() for _ in range(2)]
        called = []

        def callback(index):
            called.append(index)
            for near, _ in pairs:
                poller.remove(near.fileno())

        for index, (near, far) in enumerate(pairs):
            near.setblocking(False)
            poller.add(near.fileno(), READ, lambda _, index=index: callback(index))
            far.send(b"x")
        await until(lambda: called)
        await asyncio.sleep(0.01)
        assert len(called) == 1
        poller.close()
        poller.close()
        for near, far in pairs:
            near.close()
            far.close()

    run(main())
