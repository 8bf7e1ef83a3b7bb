"""Cookies, rates and refusals as clients meet them, through real sockets on loopback."""

import asyncio
from ipaddress import IPv4Network, ip_network

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.protect.cookies import Cookies, Standing
from resolver.protect.protection import Protection, packed
from resolver.protect.rates import ClientRates, Prefixes, Rate, ResponseRates
from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.access import AccessList
from resolver.server.gate import Gate
from tests.resolver.server.queries import ede_codes, make_query
from tests.resolver.server.test_listen_tcp import talk as talk_tcp
from tests.resolver.server.test_listen_udp import Client, system, talk  # noqa: F401 - a fixture of all tests here
from tests.resolver.server.world import FakeDriver, make_service, until
from trust.vocabulary import Security
from wire import types as t
from wire.limits import Limit, Limits
from wire.rrset import RRset

SECRET = bytes(range(16))
CLIENT_COOKIE = b"\xc0okie-me"
RARELY = 0.001
"""A rate a second that does not fill a bucket while a test lasts."""


def with_cookie(shown, name="www.example.jp", **options):
    return make_query(name, edns=True, options=[dns.edns.GenericOption(10, shown)], **options)


def cookie_in(answer):
    (cookie,) = [option.to_wire() for option in answer.options if int(option.otype) == 10]
    return cookie


def protection(*, rate=0.0, burst=1.0, responses=0.0, length=32, exempt=(), shadow=(), cookies=True, **more):
    prefixes = Prefixes(length, 128, [ip_network(text) for text in exempt])
    return Protection(
        limits=Limits(frozenset(shadow)),
        prefixes=prefixes,
        cookies=Cookies([SECRET]) if cookies else None,
        clients=ClientRates(rate, burst, prefixes, packed) if rate or responses else None,
        responses=ResponseRates(responses, burst, 1 << 10) if responses else None,
        **more,
    )


def good_cookie(address="127.0.0.1"):
    return Cookies([SECRET]).make(CLIENT_COOKIE, packed(address), clock.now().wall)


# --- cookies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0"])
@pytest.mark.parametrize("log_queries", [False, True])
def test_everybody_gets_a_cookie_of_its_own(address, log_queries):
    """RFC 7873 §5.2.3; answered from the packet cache or not."""
    service = make_service(protection=protection(), log_queries=log_queries)

    async def story(server, client):
        source = "::1" if address == "::1" else "127.0.0.1"
        first = cookie_in(await client.ask(with_cookie(CLIENT_COOKIE)))
        assert first[:8] == CLIENT_COOKIE
        assert Cookies([SECRET]).judge(first, packed(source), clock.now().wall) == (Standing.GOOD, first)
        assert cookie_in(await client.ask(with_cookie(first))) == first, "it stays while it is young"
        for octet in range(3):
            answer = await client.ask(with_cookie(bytes((octet,)) * 8))
            assert cookie_in(answer)[:8] == bytes((octet,)) * 8
            assert answer.answer
        plain = await client.ask(make_query(edns=True))
        assert not plain.options, "who shows none gets none"
        assert not (await client.ask(make_query())).options
        assert service.counters.packet_hits == (0 if log_queries else 5)

    talk(story, service, address=address)


def test_a_wrong_cookie_is_answered_with_a_right_one():
    """RFC 7873 §5.2.4, our policy: the answer is given."""

    async def story(server, client):
        for shown in (bytes(40), bytes(16), good_cookie("192.0.2.1")):
            answer = await client.ask(with_cookie(shown))
            assert (answer.rcode(), len(answer.answer)) == (0, 1)
            assert Cookies([SECRET]).judge(cookie_in(answer), packed("127.0.0.1"), clock.now().wall)[0] is Standing.GOOD

    talk(story, make_service(protection=protection()))


def test_only_the_first_of_several_counts():
    async def story(server, client):
        options = [dns.edns.GenericOption(10, CLIENT_COOKIE), dns.edns.GenericOption(10, b"another!")]
        for _ in range(2):
            assert cookie_in(await client.ask(make_query(edns=True, options=options)))[:8] == CLIENT_COOKIE

    talk(story, make_service(protection=protection()))


@pytest.mark.parametrize("length", [0, 7, 9, 15, 41])
def test_a_cookie_of_no_lawful_length_is_malformed(length):
    """RFC 7873 §5.2.2."""

    async def story(server, client):
        assert (await client.ask(with_cookie(bytes(length)))).rcode() == dns.rcode.FORMERR

    talk(story, make_service(protection=protection()))


def test_with_cookies_off_the_option_is_nothing_to_us():
    async def story(server, client):
        for shown in (CLIENT_COOKIE, bytes(7)):
            answer = await client.ask(with_cookie(shown))
            assert answer.answer
            assert not answer.options

    talk(story, make_service(protection=protection(cookies=False)))


@pytest.mark.parametrize("cached", [False, True])
def test_demanded_cookies(cached):
    # A server cookie belongs to the client cookie that it was made for.
    async def altered(server, client):
        shown = cookie_in(await client.ask(with_cookie(bytes(24))))
        assert (await client.ask(with_cookie(CLIENT_COOKIE + shown[8:]))).rcode() == dns.rcode.BADCOOKIE
        assert (await client.ask(with_cookie(shown))).rcode() == 0

    talk(altered, make_service(protection=protection(demanded=True)))

    async def cached_or_not(server, client):
        if cached:
            await client.ask(make_query(edns=True))
        for shown in (CLIENT_COOKIE, bytes(24)):
            answer = await client.ask(with_cookie(shown))
            assert (answer.rcode(), answer.answer) == (dns.rcode.BADCOOKIE, [])
        for _ in range(2):
            answer = await client.ask(with_cookie(good_cookie()))
            assert (answer.rcode(), len(answer.answer)) == (0, 1)
        assert (await client.ask(make_query(edns=True))).answer, "who does not know cookies is served as ever"

    talk(cached_or_not, make_service(protection=protection(demanded=True)))


def test_over_tcp_none_is_demanded():
    """RFC 7873 §5.2.3: TCP shows as much."""

    async def story(server):
        client = await server.connect()
        answer = await client.ask(with_cookie(CLIENT_COOKIE))
        assert answer.rcode() == 0
        assert cookie_in(answer) == good_cookie() or cookie_in(answer)[:8] == CLIENT_COOKIE

    talk_tcp(story, make_service(protection=protection(demanded=True)))


def bare(shown):
    """A query for a cookie alone (RFC 7873 §5.4)."""
    query = dns.message.Message()
    query.use_edns(0, 0, 1232, options=[dns.edns.GenericOption(10, shown)])
    return query


def test_a_query_for_a_cookie_alone():
    async def story(server, client):
        for shown, rcode in ((CLIENT_COOKIE, 0), (good_cookie(), 0), (bytes(24), dns.rcode.BADCOOKIE)):
            answer = await client.ask(bare(shown))
            assert (answer.rcode(), answer.question, answer.answer) == (rcode, [], [])
            assert cookie_in(answer)[:8] == shown[:8]
        nothing = dns.message.Message()
        assert (await client.ask(nothing)).rcode() == dns.rcode.FORMERR

    talk(story, make_service(protection=protection()))


@pytest.mark.parametrize("refused", [{"rd": False}, {"rtype": "AXFR"}, {"rtype": "MAILB"}])
def test_refusals_carry_it_too(refused):
    async def story(server, client):
        answer = await client.ask(with_cookie(CLIENT_COOKIE, **refused))
        assert answer.rcode() != 0
        assert cookie_in(answer)[:8] == CLIENT_COOKIE

    talk(story, make_service(protection=protection()))


def addresses(count):
    """A driver whose answers hold so many addresses."""

    def make(question):
        expires = clock.monotonic() + 300
        rrset = RRset(question.name, t.A, 300, [bytes((10, 0, number >> 8, number & 0xFF)) for number in range(count)])
        return Resolution(question, t.NOERROR, [(rrset, expires)], [], Security.SECURE, [], expires)

    return FakeDriver(make)


@pytest.mark.parametrize("payload", [512, 1232])
@pytest.mark.parametrize("first", ["plain", "cookie"])
def test_no_answer_is_longer_for_its_cookie(payload, first):
    """The size at which an answer still fits without a cookie and no longer does with it, from both sides."""

    async def story(server, client):
        for count in range((payload - 31 - 11 - 28) // 16 - 3, (payload - 31 - 11) // 16 + 2):
            server.service.driver.make = addresses(count).make
            name = f"{count:03}.example.jp"
            queries = [make_query(name, edns=True, payload=payload), with_cookie(CLIENT_COOKIE, name, payload=payload)]
            for query in queries if first == "plain" else reversed(queries):
                for _ in range(2):
                    client.send(query)
                    wire = await asyncio.get_running_loop().sock_recv(client.sock, 65535)
                    answer = dns.message.from_wire(wire)
                    room = 28 if answer.options else 0
                    fits = 12 + len(name) + 2 + 4 + 16 * count + 11 + room <= payload
                    assert bool(answer.flags & dns.flags.TC) == (not fits)
                    assert len(wire) <= payload
                    assert not fits or len(answer.answer[0]) == count

    talk(story, make_service(protection=protection()))


# --- rates -----------------------------------------------------------------------------------------------------------


async def hear(client, query, count):
    """Ask so often; what comes back before the answer to a query of another kind of ours."""
    for _ in range(count):
        client.send(query)
    heard = []
    last = make_query("last.example.jp", edns=True, options=[dns.edns.GenericOption(10, good_cookie())])
    client.send(last)
    while True:
        answer = await client.receive()
        if answer.id == last.id:
            assert answer.answer
            return heard
        heard.append(answer)


def kinds(heard):
    """How many were answers, truncated, BADCOOKIE."""
    return (
        sum(bool(answer.answer) for answer in heard),
        sum(bool(answer.flags & dns.flags.TC) for answer in heard),
        sum(answer.rcode() == dns.rcode.BADCOOKIE for answer in heard),
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("log_queries", [False, True])
def test_over_the_rate_every_second_is_sent_to_tcp(address, log_queries):
    service = make_service(protection=protection(rate=RARELY, burst=5), log_queries=log_queries)

    async def story(server, client):
        assert kinds(await hear(client, make_query(edns=True), 25)) == (5, 10, 0)
        assert service.counters.dropped == 10
        assert service.protection.limits.hits == {"client-rate": 20}
        assert service.counters.udp_queries == 26
        other = Client(server.address, "127.0.0.9")
        assert (await other.ask(make_query(edns=True))).answer
        other.close()

    talk(story, service, address=address)


def test_who_knows_cookies_is_given_one_and_with_it_comes_through():
    """RFC 7873 §5.2.3: a cookie instead of the way over TCP."""

    async def story(server, client):
        heard = await hear(client, with_cookie(CLIENT_COOKIE), 25)
        assert kinds(heard) == (5, 0, 10)
        shown = cookie_in(heard[-1])
        assert kinds(await hear(client, with_cookie(shown), 50)) == (50, 0, 0)
        assert kinds(await hear(client, with_cookie(bytes(24)), 4)) == (0, 0, 2)

    talk(story, make_service(protection=protection(rate=RARELY, burst=5)))


def test_a_flood_from_a_prefix_is_no_matter_for_clients_with_cookies_in_it():
    service = make_service(protection=protection(rate=RARELY, burst=5, length=8))

    async def story(server, client):
        flood = [Client(server.address, f"127.0.{number}.1") for number in range(1, 20)]
        for peer in flood:
            for _ in range(20):
                peer.send(make_query(edns=True))
        assert kinds(await hear(client, with_cookie(good_cookie()), 100)) == (100, 0, 0)
        await until(lambda: service.counters.udp_queries == 19 * 20 + 101)
        assert service.protection.limits.hits["client-rate"] >= 19 * 20 - 5
        for peer in flood:
            peer.close()

    talk(story, service)


def test_the_exempt_and_shadow():
    async def story(server, client):
        assert kinds(await hear(client, make_query(edns=True), 50)) == (50, 0, 0)

    service = make_service(protection=protection(rate=RARELY, burst=5, responses=RARELY, exempt=["127.0.0.0/8"]))
    talk(story, service)
    assert service.protection.limits.hits == {}
    service = make_service(
        protection=protection(rate=RARELY, burst=5, responses=RARELY, shadow=["client-rate", "response-rate"])
    )
    talk(story, service)
    limits = service.protection.limits
    assert limits.hits == {}
    assert limits.shadowed["client-rate"] == 45
    assert limits.shadowed["response-rate"] >= 40


def test_equal_responses_are_slowed_and_others_are_not():
    service = make_service(protection=protection(responses=RARELY, burst=5))

    async def story(server, client):
        assert kinds(await hear(client, make_query(edns=True), 25)) == (5, 10, 0)
        for number in range(20):
            assert (await client.ask(make_query(f"{number}.example.jp"))).answer
        # In other words it is the same question.
        assert kinds(await hear(client, make_query("WWW.example.jp", edns=True, do=True), 4)) == (0, 2, 0)
        assert kinds(await hear(client, with_cookie(good_cookie()), 25)) == (25, 0, 0)

    talk(story, service)


def denied(question):
    expires = clock.monotonic() + 300
    soa = RRset(b"\7example\2jp\0", t.SOA, 300, [b"\0\0" + bytes(20)])
    return Resolution(question, t.NXDOMAIN, [], [(soa, expires)], Security.INSECURE, [], expires)


def test_denials_of_a_zone_are_equal():
    """Random names below one zone: what a reflected flood would be made of."""
    service = make_service(FakeDriver(denied), protection=protection(responses=RARELY, burst=5))

    async def story(server, client):
        heard = [query for number in range(25) for query in await hear_one(client, f"{number}.example.jp")]
        assert sum(answer.rcode() == dns.rcode.NXDOMAIN and not answer.flags & dns.flags.TC for answer in heard) == 5
        assert len(heard) == 5 + 10

    async def hear_one(client, name):
        service.driver.make = denied
        client.send(make_query(name, edns=True))
        last = with_cookie(good_cookie(), name)
        client.send(last)
        heard = []
        while (answer := await client.receive()).id != last.id:
            heard.append(answer)
        return heard

    talk(story, service)


def test_errors_are_equal():
    service = make_service(protection=protection(responses=RARELY, burst=5))

    async def story(server, client):
        for number in range(5):
            assert (await client.ask(make_query(f"{number}.jp", rd=False))).rcode() == dns.rcode.REFUSED
        client.send(make_query("6.jp", rd=False))
        slipped = await client.ask(make_query("7.jp", rd=False))
        assert slipped.flags & dns.flags.TC

    talk(story, service)


# --- queries being worked on -----------------------------------------------------------------------------------------


def capped(count, **more):
    return protection(per_client=Limit("queries-per-client", count, "", 1 << 31), length=24, **more)


def test_a_prefix_has_so_many_queries_in_work():
    driver = FakeDriver(hold=True)
    service = make_service(driver, protection=capped(3))

    async def story(server, client):
        neighbour, other = Client(server.address, "127.0.0.9"), Client(server.address, "127.0.1.1")
        for number in range(5):
            (client, neighbour)[number % 2].send(make_query(f"{number}.example.jp"))
        await until(lambda: service.counters.dropped == 2)
        assert service.protection.limits.hits == {"queries-per-client": 2}
        other.send(make_query("other.example.jp"))
        await until(lambda: len(driver.waiting) == 4)
        # Who is certainly there is told.
        told = await client.ask(with_cookie(good_cookie(), "6.example.jp"))
        assert (told.rcode(), ede_codes(told)) == (dns.rcode.SERVFAIL, [0])
        assert "queries-per-client of 3" in told.to_text()
        for _ in range(4):
            driver.release()
        assert (await other.receive()).answer
        assert (service.unanswered, service.held) == (0, {})
        client.send(make_query("7.example.jp"))
        await until(lambda: len(driver.waiting) == 1)
        driver.release()
        neighbour.close()
        other.close()

    talk(story, service)


def test_over_tcp_it_is_told():
    driver = FakeDriver(hold=True)
    service = make_service(driver, protection=capped(3))

    async def story(server):
        client = await server.connect()
        client.send(*(make_query(f"{number}.example.jp", edns=True) for number in range(4)))
        told = await client.receive()
        assert (told.rcode(), ede_codes(told)) == (dns.rcode.SERVFAIL, [0])
        for _ in range(3):
            driver.release()
            assert (await client.receive()).answer

    talk_tcp(story, service)


@pytest.mark.parametrize("how", [{"exempt": ["127.0.0.0/8"]}, {"shadow": ["queries-per-client"]}])
def test_a_cap_that_does_not_hold(how):
    driver = FakeDriver(hold=True)
    service = make_service(driver, protection=capped(3, **how))

    async def story(server, client):
        for number in range(10):
            client.send(make_query(f"{number}.example.jp"))
        await until(lambda: len(driver.waiting) == 10)
        for _ in range(10):
            driver.release()
            await client.receive()

    talk(story, service)
    assert service.held == {}
    assert service.protection.limits.shadowed == ({"queries-per-client": 7} if "shadow" in how else {})


# --- refusals --------------------------------------------------------------------------------------------------------


def test_refusals_are_bounded_and_cost_no_reading():
    service = make_service(
        allow=AccessList((IPv4Network("127.0.0.1/32"),)), protection=protection(refusals=Rate(RARELY, 5))
    )

    async def story(server, client):
        stranger = Client(server.address, "127.0.0.9")
        for _ in range(5):
            refused = await stranger.ask(make_query(edns=True))
            assert (refused.rcode(), ede_codes(refused)) == (dns.rcode.REFUSED, [18])
        for _ in range(20):
            stranger.send(make_query(edns=True))
        await until(lambda: service.counters.dropped == 20)
        assert (await client.ask(make_query(edns=True))).answer
        assert service.counters.refused == 25
        assert service.protection.limits.hits == {"refusals": 20}
        assert len(service.driver.asked) == 1
        stranger.close()

    talk(story, service)


# --- anything at all -------------------------------------------------------------------------------------------------

FUZZED = st.one_of(
    st.binary(max_size=100),
    st.binary(max_size=60).map(lambda tail: b"\0\0\1\0\0\1\0\0\0\0\0\1" + tail),
    st.builds(
        lambda shown, size, cut: with_cookie(shown, payload=size, ident=0).to_wire()[: cut or None],
        st.binary(max_size=45),
        st.integers(0, 65535),
        st.integers(0, 80),
    ),
)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(FUZZED, st.sampled_from(["127.0.0.1", "127.0.0.2", "::1", "192.0.2.1", "2001:db8::1"])), max_size=20)
)
def test_no_packet_does_harm(packets):
    """Whatever comes, in whatever order: no exception, at most one response each, and never one to a response."""
    service = make_service(protection=protection(rate=RARELY, burst=4, responses=RARELY, refusals=Rate(RARELY, 3)))
    gate = Gate(service)
    for packet, client in packets:
        heard = []
        gate.take(packet, client, heard.append, clock.monotonic())
        assert len(heard) <= 1
        for response in heard:
            assert not packet[2] & 0x80
            assert response[:2] == packet[:2]
            assert response[2] & 0x80
            assert len(response) <= 1232
            dns.message.from_wire(response)
    assert service.unanswered == 0
    assert service.held == {}
