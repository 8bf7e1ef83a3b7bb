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
from resolver.server.listen_udp import BATCH, UdpListener, prepare
from tests.resolver.server.queries import make_query
from tests.resolver.server.world import FakeDriver, Silent, address_of, make_service, run, until
from trust.reason import Reason
from trust.vocabulary import Question, Security
from wire import types as t
from wire.limits import STALE_HOLD

LOOPBACK = {"127.0.0.1": "127.0.0.1", "::1": "::1", "0.0.0.0": "127.0.0.1", "::": "::1"}


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

    def __init__(self, service, address="127.0.0.1"):
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        prepare(sock)
        sock.bind((address, 0))
        self.service = service
        self.address = (LOOPBACK[address], sock.getsockname()[1])
        self.listener = UdpListener(sock, service)

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


def test_a_response_that_fits_no_packet_goes_truncated():
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
