"""Clients over UDP, through real sockets on loopback."""

import asyncio
import socket
from ipaddress import IPv4Network

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from resolver.server import clock
from resolver.server.access import AccessList
from resolver.server.batch import HEAD, SYSTEM, System
from resolver.server.listen_udp import BATCH, UdpListener, prepare
from tests.resolver.server.queries import make_query
from tests.resolver.server.world import FakeDriver, Silent, address_of, make_service, run, until
from trust.reason import Reason
from trust.vocabulary import Question, Security
from wire import types as t
from wire.limits import STALE_HOLD

LOOPBACK = {"127.0.0.1": "127.0.0.1", "::1": "::1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@pytest.fixture(autouse=True, params=["batch", "each"])
def system(request, monkeypatch):
    """Packets come many at once, or one by one where the system has no calls for that."""
    if request.param == "batch" and SYSTEM is None:
        pytest.skip("no recvmmsg")
    monkeypatch.setattr(Server, "system", SYSTEM if request.param == "batch" else None)
    return Server.system


class Client:
    """A connected socket; answers from another address than the one asked never arrive."""

    def __init__(self, address, source=None):
        self.sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
        if source is not None:
            self.sock.bind((source, 0))
        self.sock.setblocking(False)
        self.sock.connect(address)

    def send(self, message):
        self.sock.send(message if isinstance(message, bytes) else message.to_wire())

    async def receive(self):
        return dns.message.from_wire(await asyncio.get_running_loop().sock_recv(self.sock, 65535))

    async def ask(self, message):
        self.send(message)
        return await self.receive()

    async def hears_nothing_before(self, message):
        """An answer to what is sent now is the next thing heard."""
        answer = await self.ask(message)
        assert answer.id == message.id

    def close(self):
        self.sock.close()


class Server:
    """A listener on a free port."""

    system = SYSTEM

    def __init__(self, service, address="127.0.0.1"):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        prepare(sock)
        sock.bind((address, 0))
        self.service = service
        self.address = (LOOPBACK[address], sock.getsockname()[1])
        self.listener = UdpListener(sock, service, self.system)

    def __enter__(self):
        self.listener.start(asyncio.get_running_loop())
        return self

    def __exit__(self, *_):
        self.listener.close()


def talk(story, service=None, address="127.0.0.1", source=None):
    """Run a story (an async function of server and client)."""

    async def main():
        with Server(service or make_service(), address) as server:
            client = Client(server.address, source)
            try:
                await story(server, client)
            finally:
                client.close()

    run(main())


@pytest.mark.parametrize("address", LOOPBACK)
def test_miss_then_hit(address):
    async def story(server, client):
        driver, counters = server.service.driver, server.service.counters
        for count in range(3):
            query = make_query(edns=True)
            answer = await client.ask(query)
            assert answer.id == query.id
            assert answer.answer[0][0].address == "192.0.2.1"
            assert len(driver.asked) == 1, "the second time it is in the packet cache"
            assert counters.packet_hits == count
        assert counters.udp_queries == 3
        assert counters.responses[0] == 3

    talk(story, address=address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_wildcard_socket_answers_from_the_address_asked(address):
    """127.0.0.2 and ::1 are ours too; a connected client hears only the address it asked."""

    async def story(server, client):
        for other in ("127.0.0.2", "127.9.9.9") if address == "0.0.0.0" else ("::1",):
            peer = Client((other, server.address[1]))
            for _ in range(2):
                assert (await peer.ask(make_query())).rcode() == 0
            peer.close()

    talk(story, address=address)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_of_many_packets_each_is_answered_from_the_address_it_came_to(address, cached):
    async def story(server, client):
        if cached:
            await client.ask(make_query())
        ours = ("127.0.0.1", "127.0.0.2", "127.9.9.9", "127.0.0.2") if address == "0.0.0.0" else ("::1",) * 4
        peers = [Client((other, server.address[1])) for other in ours]
        for _ in range(2):
            queries = [make_query() for _ in peers]
            for peer, query in zip(peers, queries, strict=True):
                peer.send(query)
            for peer, query in zip(peers, queries, strict=True):
                assert (await peer.receive()).id == query.id
                assert server.service.counters.send_failures == 0
        for peer in peers:
            peer.close()

    talk(story, address=address)


def test_a_cookie_does_not_spoil_the_hit():
    async def story(server, client):
        for octet in range(4):
            cookie = dns.edns.GenericOption(10, bytes((octet,)) * 8)
            answer = await client.ask(make_query(edns=True, options=[cookie]))
            assert answer.answer
        assert len(server.service.driver.asked) == 1
        assert server.service.counters.packet_hits == 3

    talk(story)


def test_what_differs_is_resolved_apart():
    async def story(server, client):
        for query in (
            make_query(),
            make_query(do=True),
            make_query(cd=True),
            make_query(ad=True),
            make_query("WWW.example.jp"),
        ):
            answer = await client.ask(query)
            assert answer.question == query.question
        assert len(server.service.driver.asked) == 5
        assert server.service.driver.checking_disabled.count(True) == 1

    talk(story)


def test_ttls_of_a_hit_have_aged():
    async def story(server, client):
        first = await client.ask(make_query())
        (packet,) = server.service.packets.table.values()
        packet.second -= 100
        second = await client.ask(make_query())
        assert first.answer[0].ttl == 300
        assert 198 <= second.answer[0].ttl <= 200

    talk(story)


def test_an_expired_packet_is_resolved_anew():
    async def story(server, client):
        await client.ask(make_query())
        (packet,) = server.service.packets.table.values()
        packet.expires = 0.0
        await client.ask(make_query())
        assert len(server.service.driver.asked) == 2

    talk(story)


def test_bogus_is_kept_and_told_once_each_time():
    def bogus(question):
        found = address_of(question)
        found.security, found.rcode = Security.BOGUS, t.SERVFAIL
        return found

    observer = Silent()
    service = make_service(FakeDriver(bogus), observer=observer)

    async def story(server, client):
        for _ in range(3):
            assert (await client.ask(make_query())).rcode() == dns.rcode.SERVFAIL
        assert len(observer.failures) == 1

    talk(story, service)


def test_clients_that_are_not_served():
    service = make_service(allow=AccessList((IPv4Network("127.0.0.1/32"),)))

    async def story(server, client):
        stranger = Client(server.address, "127.0.0.9")
        for _ in range(2):  # what is cached is not for strangers either
            refused = await stranger.ask(make_query(edns=True))
            assert refused.rcode() == dns.rcode.REFUSED
            assert [int(option.code) for option in refused.options] == [18]
            assert (await client.ask(make_query(edns=True))).rcode() == 0
        stranger.send(b"\0\1garbage that is long enough")
        await stranger.hears_nothing_before(make_query(edns=True))
        stranger.close()
        assert server.service.counters.refused == 4
        assert server.service.counters.packet_hits == 1

    talk(story, service)


def test_garbage():
    async def story(server, client):
        client.send(b"")
        client.send(b"short")
        client.send(make_query().to_wire()[:11])
        response = bytearray(make_query().to_wire())
        response[2] |= 0x80
        client.send(bytes(response))
        await client.hears_nothing_before(make_query())
        malformed = await client.ask(make_query().to_wire() + b"more")
        assert malformed.rcode() == dns.rcode.FORMERR
        assert server.service.counters.malformed == 5
        assert server.service.counters.dropped == 4

    talk(story)


def test_late_answers_find_their_clients():
    driver = FakeDriver(hold=True)

    async def story(server, client):
        other = Client(server.address)
        queries = [make_query(f"{number}.example.jp") for number in range(6)]
        for number, query in enumerate(queries):
            (client, other)[number % 2].send(query)
        await until(lambda: len(driver.waiting) == 6)
        assert server.service.unanswered == 6
        for _ in range(6):
            driver.release(-1)
        heard = [{(await peer.receive()).id for _ in range(3)} for peer in (client, other)]
        assert heard == [{query.id for query in queries[number::2]} for number in (0, 1)]
        assert server.service.unanswered == 0
        other.close()

    talk(story, make_service(driver))


def test_too_many_unanswered_queries_are_dropped():
    driver = FakeDriver(hold=True)

    async def story(server, client):
        for number in range(5):
            client.send(make_query(f"{number}.example.jp"))
        await until(lambda: server.service.counters.dropped == 2)
        for _ in range(3):
            driver.release()
            await client.receive()
        client.send(make_query())
        await until(lambda: len(driver.waiting) == 1)

    service = make_service(driver)
    service.unanswered_limit = 3
    talk(story, service)


def test_a_burst_longer_than_a_batch():
    async def story(server, client):
        queries = [make_query(ident=number) for number in range(3 * BATCH)]
        for query in queries:
            client.send(query)
        heard = [(await client.receive()).id for _ in queries]
        assert heard == list(range(3 * BATCH))
        assert server.service.counters.packet_hits == 3 * BATCH - 1

    talk(story)


def test_nothing_bypasses_the_query_log():
    observer = Silent()
    service = make_service(observer=observer, log_queries=True)

    async def story(server, client):
        for _ in range(3):
            await client.ask(make_query())
        await client.ask(make_query(rd=False))
        assert observer.queries == [("127.0.0.1", 0)] * 3 + [("127.0.0.1", 5)]
        assert len(server.service.driver.asked) == 3

    talk(story, service)


def test_a_response_that_fits_no_packet_goes_truncated(system, monkeypatch):
    """The system may refuse what the interface cannot carry: the client is sent to TCP."""

    class Narrow:
        """A socket on a link that carries 100 octets."""

        def __init__(self, sock):
            self.sock = sock

        def __getattr__(self, name):
            return getattr(self.sock, name)

        def sendto(self, data, client):
            if len(data) > 100:
                raise OSError(90, "Message too long")
            return self.sock.sendto(data, client)

    def long(question: Question):
        found = address_of(question)
        found.answer[0][0].rdatas = [bytes((192, 0, 2, number)) for number in range(20)]
        return found

    async def main():
        if system is not None:
            monkeypatch.setattr(Server, "system", System(system.recvmmsg, lambda *_: -1))
        server = Server(make_service(FakeDriver(long)))
        server.listener._socket = Narrow(server.listener._socket)
        with server:
            client = Client(server.address)
            for _ in range(2):  # resolved, then from the packet cache
                answer = await client.ask(make_query())
                assert answer.flags & dns.flags.TC
                assert not answer.answer
            assert server.service.counters.send_failures == 2
            client.close()

    run(main())


def numbered(*numbers):
    return [make_query(f"{number}.example.jp", ident=1000 + number) for number in numbers]


@pytest.mark.parametrize("refused", [{0}, {1}, {2}, {0, 1}, {1, 3}, {0, 1, 2, 3}])
def test_what_the_system_refuses_of_many_goes_alone(system, monkeypatch, refused):
    if system is None:
        pytest.skip("sent one by one anyway")
    offered = []

    def sendmmsg(descriptor, headers, count, flags):
        """Stops at the answers that it does not like."""
        first = 4 - count if not offered else offered[-1] + 1
        good = next((place for place in range(count) if first + place in refused), count)
        offered.append(first + good)
        return system.sendmmsg(descriptor, headers, good, flags) if good else -1

    async def story(server, client):
        for query in numbered(0, 1, 2, 3):
            await client.ask(query)
        alone = []
        server.listener._socket = Watched(server.listener._socket, alone)
        for query in numbered(0, 1, 2, 3):
            client.send(query)
        heard = [await client.receive() for _ in range(4)]
        assert sorted(answer.id for answer in heard) == [1000, 1001, 1002, 1003]
        assert all(answer.answer for answer in heard)
        assert len(alone) == len(refused)
        assert server.service.counters.packet_hits == 4
        assert server.service.counters.send_failures == 0

    monkeypatch.setattr(Server, "system", System(system.recvmmsg, sendmmsg))
    talk(story)


class Watched:
    """A socket whose single sendings are noted."""

    def __init__(self, sock, noted):
        self.sock, self.noted = sock, noted

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def sendto(self, data, client):
        self.noted.append(client)
        return self.sock.sendto(data, client)


def test_a_system_that_forbids_the_calls(system, monkeypatch):
    """As under a filter of system calls: everything goes one by one."""
    if system is None:
        pytest.skip("sent one by one anyway")

    async def story(server, client):
        for _ in range(3):
            assert (await client.ask(make_query())).answer
        assert server.service.counters.udp_queries == 3
        assert server.service.counters.packet_hits == 2

    monkeypatch.setattr(Server, "system", System(lambda *_: -1, lambda *_: -1))
    talk(story)


def test_hits_do_not_wait_for_others(system):
    """Of packets that came together those that are in the cache are answered first, each by its own answer."""
    driver = FakeDriver()

    async def story(server, client):
        other = Client(server.address)
        for query in numbered(1, 3, 4):
            await client.ask(query)
        for place, query in enumerate(numbered(0, 1, 2, 3, 4, 5)):
            (client, other)[place % 2].send(query)
        heard = {peer: [await peer.receive() for _ in range(3)] for peer in (client, other)}
        assert [answer.id for answer in heard[client]] == ([1004, 1000, 1002] if system else [1000, 1002, 1004])
        assert [answer.id for answer in heard[other]] == [1001, 1003, 1005]
        for answer in heard[client] + heard[other]:
            assert answer.question[0].name.to_text() == f"{answer.id - 1000}.example.jp."
        assert server.service.counters.udp_queries == 9
        assert server.service.counters.packet_hits == 3
        other.close()

    talk(story, make_service(driver))


@pytest.mark.parametrize("octets", [HEAD - 12, HEAD, 3000])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_long_queries_are_whole(octets, address):
    """Padded queries (RFC 7830): what does not fit beside the others is not lost, and is in the packet cache too."""

    async def story(server, client):
        for _ in range(2):
            for query in (padded(1, octets), make_query("2.example.jp", edns=True), padded(3, octets + 1)):
                client.send(query)
            for _ in range(3):
                assert (await client.receive()).rcode() == 0
        assert server.service.counters.packet_hits == 3
        assert server.service.counters.malformed == 0

    def padded(number, octets):
        options = [dns.edns.GenericOption(12, bytes(octets))]
        return make_query(f"{number}.example.jp", edns=True, options=options).to_wire(max_size=65535)

    talk(story, address=address)


def test_a_query_longer_than_any_is_cut():
    async def story(server, client):
        long = make_query(edns=True, options=[dns.edns.GenericOption(12, bytes(5000))])
        assert (await client.ask(long.to_wire(max_size=65535))).rcode() == dns.rcode.FORMERR
        assert (await client.ask(make_query())).rcode() == 0

    talk(story)


def test_a_bug_in_one_query_is_not_the_undoing_of_others():
    def resolve(question: Question):
        if question.name.startswith(b"\x012"):
            raise RuntimeError("a bug")
        return address_of(question)

    async def story(server, client):
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        for query in numbered(0, 1, 2, 3, 4):
            client.send(query)
        heard = [(await client.receive()).id for _ in range(4)]
        assert heard == [1000, 1001, 1003, 1004]
        assert [str(error) for error in told] == ["a bug"]

    talk(story, make_service(FakeDriver(resolve)))


def test_a_bug_in_one_answer_is_not_the_undoing_of_others():
    async def story(server, client):
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
        for query in numbered(0, 1, 2, 3, 4):
            await client.ask(query)
        table = server.service.packets.table
        spoilt = table[numbered(2)[0].to_wire()[2:]]
        spoilt.body, spoilt.second = b"no message", 0
        for query in numbered(0, 1, 2, 3, 4):
            client.send(query)
        heard = [(await client.receive()).id for _ in range(4)]
        assert heard == [1000, 1001, 1003, 1004]
        assert len(told) == 1

    talk(story)


def test_stopped_listeners_still_answer_what_they_took():
    driver = FakeDriver(hold=True)

    async def story(server, client):
        client.send(make_query())
        await until(lambda: driver.waiting)
        server.listener.stop()
        client.send(make_query("later.example.jp"))
        driver.release()
        assert (await client.receive()).answer
        assert len(driver.asked) == 1

    talk(story, make_service(driver))


# --- data fetched anew ahead of its end ----------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_hit_near_the_end_has_the_data_fetched_anew(address, wanted):
    service = make_service(prefetch=wanted)

    async def story(server, client):
        for _ in range(2):
            await client.ask(make_query())
        (packet,) = service.packets.table.values()
        # As if its last tenth had begun a second ago.
        packet.renew -= 300
        packet.second -= 1
        for _ in range(2):
            await client.ask(make_query())
        assert service.counters.packet_hits == 3
        assert service.driver.renewed == (service.driver.asked if wanted else [])

    talk(story, service, address)


def test_a_stale_answer_is_kept_for_a_few_seconds_and_never_renewed():
    def stale(question):
        resolution = address_of(question, ttl=30)
        resolution.reason = Reason.STALE
        resolution.expires_mono = clock.monotonic() + STALE_HOLD
        return resolution

    service = make_service(FakeDriver(stale), prefetch=True)

    async def story(server, client):
        answer = await client.ask(make_query())
        assert answer.answer[0].ttl == 30
        (packet,) = service.packets.table.values()
        assert packet.expires <= clock.monotonic() + STALE_HOLD
        assert packet.renew == float("inf")

    talk(story, service)
