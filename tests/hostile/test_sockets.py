"""The attacks that sockets make a difference to, over real ones: the whole driver, its connections, its descriptors."""

import asyncio
import contextlib
import itertools
import random
import socket
from collections import Counter
from pathlib import Path

import dns.message
import pytest
import uvloop

from resolver.cache.servers import FAMILY_BROKEN
from resolver.mesh import Mesh
from resolver.server import clock
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from resolver.settings import Settings
from tests.hostile.attacks import ATTACKS, CALM, ROOT, UDP, Asked, addresses, respond, server, whole
from tests.hostile.sockets import Hostile
from tests.hostile.virtual import World
from trust.anchors import TrustPoints
from trust.policy import Policy
from trust.vocabulary import Address, Question
from wire import types as t
from wire.text import name_from_text

HARD = [
    *("wrong-id", "wrong-question", "wrong-case", "elsewhere", "twice", "oversize", "garbage"),
    *("tc-always", "tcp-hangs-up", "tcp-slow", "tcp-endless", "huge", "bad-cookie", "refused"),
]
PLACES = [ROOT, CALM, *(server(name, number) for name in HARD for number in range(ATTACKS[name].servers))]


class Client:
    """Waits for one answer."""

    def __init__(self):
        self.answer = asyncio.get_running_loop().create_future()

    def finish(self, resolution, now):
        self.answer.set_result(resolution)

    def abandon(self):
        self.answer.cancel()


class Resolver:
    """A mesh and its driver before the hostile world."""

    def __init__(self, port, **changes):
        settings = Settings(
            root={name_from_text("a.root."): [Address(ROOT, port)]},
            prime=False,
            port=port,
            allow_loopback=True,
            cookie_secret=b"secret",
            **changes,
        )
        self.mesh = Mesh(settings, TrustPoints(), Policy(), random.Random(1))
        self.counters = Counters()
        self.crashes = []
        self.driver = Driver(
            self.mesh,
            asyncio.get_running_loop(),
            self.counters,
            crashed=lambda where, error: self.crashes.append((where, error)),
            new_epoch=lambda: None,
        )

    async def ask(self, name):
        client = Client()
        self.driver.submit(client, Question(name_from_text(name), t.A))
        return await asyncio.wait_for(client.answer, 15)

    @property
    def packets(self):
        return self.counters.upstream_udp + self.counters.upstream_tcp


@contextlib.asynccontextmanager
async def resolver(port, **changes):
    one = Resolver(port, **changes)
    try:
        yield one
    finally:
        one.driver.close()
    assert not one.crashes


def play(story, world: World = respond, only=None):
    """Run a story (an async function of a resolver and the hostile world)."""

    async def main(hostile):
        async with resolver(hostile.port) as one:
            await story(one, hostile)

    with Hostile(world, only or PLACES) as hostile, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(hostile))


def test_real_packets_are_as_bounded_as_virtual_ones():
    async def story(one, hostile):
        async def attack(name):
            asked = ATTACKS[name]
            resolution = await one.ask(asked.question(1))
            assert resolution.rcode == (t.NOERROR if asked.succeeds else t.SERVFAIL), (name, resolution.errors)
            return name

        async with asyncio.timeout(25):
            for name in await asyncio.gather(*map(attack, HARD)):
                sent = sum(
                    count
                    for (ip, _), count in hostile.packets.items()
                    if ip in [server(name, number) for number in range(ATTACKS[name].servers)]
                )
                assert 0 < sent <= ATTACKS[name].packets, name
        assert (await one.ask("www.calm.")).rcode == t.NOERROR
        assert one.mesh.inflight == 0
        assert not one.driver._exchanges

    play(story)


def test_a_server_that_truncates_everything_costs_one_connection():
    def world(ip, transport, wire):
        if ip != server("huge") or transport == UDP:
            return respond(ip, transport, wire)
        return whole(Asked(dns.message.from_wire(wire), wire, "huge.", ip, transport).address())

    async def story(one, hostile):
        await one.ask(ATTACKS["huge"].question(0))
        for start in range(1, 201, 20):
            found = await asyncio.gather(*(one.ask(ATTACKS["huge"].question(start + n)) for n in range(20)))
            assert all(resolution.rcode == t.NOERROR for resolution in found)
        assert one.counters.upstream_tcp == hostile.packets[server("huge"), "tcp"] >= 201
        assert hostile.connections[server("huge")] == one.counters.upstream_tcp_opened <= 3

    play(story, world, [ROOT, server("huge")])


def test_a_zone_under_forgery_is_asked_over_tcp_and_its_clients_get_the_truth():
    async def story(one, hostile):
        told = []
        one.mesh.memory.forgery.told = told.append
        attack = ATTACKS["wrong-id"]
        for number in range(20):
            assert (await one.ask(attack.question(number))).rcode == t.NOERROR
        assert told == [name_from_text(attack.zone)]
        places = [server(attack.name, number) for number in range(attack.servers)]
        over_udp = sum(hostile.packets[ip, "udp"] for ip in places)
        assert over_udp <= 4, "a few, then TCP only"
        assert one.counters.upstream_mismatched >= 20

    play(story)


# --- families ------------------------------------------------------------------------------------------------------------


def honest(ip, transport, wire):
    """Answers whatever it is asked."""
    return whole(Asked(dns.message.from_wire(wire), wire, "calm.", ip, transport).address())


def test_a_host_whose_ipv6_leads_nowhere_asks_over_ipv4():
    """Zones with a server at each family; those at ::1 are open sockets that never answer."""
    near = [f"127.66.200.{number}" for number in range(1, 21)]

    async def main(hostile, holes):
        zones = {
            name_from_text(f"z{number}.calm."): [Address("::1", hole.getsockname()[1]), Address(ip, hostile.port)]
            for number, (hole, ip) in enumerate(zip(holes, near, strict=True))
        }
        async with resolver(hostile.port, stub=zones) as one:
            for number in range(len(holes)):
                for name in "ab":
                    assert (await one.ask(f"{name}.z{number}.calm.")).rcode == t.NOERROR
            servers = one.mesh.memory.servers
            assert 0 < one.counters.upstream_timeouts <= FAMILY_BROKEN + 1
            assert servers.events["family-rests"] == 1
            assert servers.ipv6.rest_until > 0
            assert not servers.ipv4.silent

    with contextlib.ExitStack() as open_sockets:
        holes = [open_sockets.enter_context(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)) for _ in near]
        for hole in holes:
            try:
                hole.bind(("::1", 0))
            except OSError:
                pytest.skip("no ::1 here")
        with Hostile(honest, near) as hostile, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(hostile, holes))


class Six(asyncio.DatagramProtocol):
    """An honest server at ::1."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, client):
        self.transport.sendto(honest("::1", UDP, data)[0].octets, client)


def test_a_server_at_ipv6_only_answers_though_the_family_rests():
    async def main():
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(Six, ("::1", 0))
        except OSError:
            pytest.skip("no ::1 here")
        there = Address("::1", transport.get_extra_info("sockname")[1])
        async with resolver(there.port, stub={name_from_text("six.calm."): [there]}) as one:
            servers = one.mesh.memory.servers
            for _ in range(FAMILY_BROKEN):
                servers.ipv6.missed(clock.monotonic())
            servers.doubt = True
            assert (await one.ask("www.six.calm.")).rcode == t.NOERROR
            assert not servers.doubt
        transport.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


# --- what a forger would have to guess -----------------------------------------------------------------------------------


_RECORD = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"


def chi_square(counts, cells, total):
    """How far counts are from an even distribution."""
    expected = total / cells
    return sum((counts.get(cell, 0) - expected) ** 2 / expected for cell in range(cells))


def test_ports_ids_and_case_of_real_packets_cannot_be_guessed():
    """Real queries: IDs are evenly spread in every part, ports over the system's range; none follows from the one before.

    What is random fails the bounds with a probability below 1e-9: for k degrees of freedom, k + 6.5 √(2k) + 15.
    """
    seen = []

    def world(ip, transport, wire):
        return respond(ip, transport, wire)

    async def story(one, hostile):
        for start in range(0, 2500, 100):
            await asyncio.gather(*(one.ask(f"abcdefghijklmnop{start + n}.calm.") for n in range(100)))

    class Listening(Hostile):
        """Keeps port, ID and name of every query to the calm server."""

        def _packet(self, ip, udp):
            wire, client = udp.recvfrom(4096)
            if ip == CALM:
                seen.append((client[1], int.from_bytes(wire[:2], "big"), wire[13:29]))
                question = wire[12 : wire.index(0, 12) + 5]
                udp.sendto(wire[:2] + b"\x84\0\0\1\0\1\0\0\0\0" + question + _RECORD, client)
                return
            for said in self._respond(ip, UDP, wire):
                udp.sendto(said.octets, client)

    async def main(hostile):
        async with resolver(hostile.port) as one:
            await story(one, hostile)

    with Listening(world, [ROOT, CALM]) as hostile, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(hostile))

    def bound(freedom):
        return freedom + 6.5 * (2 * freedom) ** 0.5 + 15

    total = len(seen)
    assert total >= 2500
    for shift in (0, 4, 8, 12):
        assert chi_square(Counter((ident >> shift) & 15 for _, ident, _ in seen), 16, total) < bound(15), (
            "IDs, by hexadecimal digit"
        )
    pairs = Counter(((b - a) & 0xFFFF) >> 10 for (_, a, _), (_, b, _) in itertools.pairwise(seen))
    assert chi_square(pairs, 64, total - 1) < bound(63), "differences of IDs that follow one another"
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    span = high - low + 1
    places = Counter((port - low) * 16 // span for port, _, _ in seen)
    assert set(places) == set(range(16)), "ports, over the whole range"
    # Linux gives connect() odd or even ports in preference and passes over those in use: not evenly to the last port, but
    # no sixteenth of the range is preferred by much.
    assert max(places.values()) < 3 * total / 16
    assert len({port for port, _, _ in seen}) > min(total, span) * 0.6
    steps = Counter((b - a) % span for (a, _, _), (b, _, _) in itertools.pairwise(seen))
    assert max(steps.values()) < 30, "no step from port to port is frequent"
    letters = [Counter() for _ in range(16)]
    for _, _, name in seen:
        for place, octet in enumerate(name):
            letters[place][octet < 0x61] += 1
    for counts in letters:
        assert abs(counts[True] - total / 2) < 6.5 * (total / 4) ** 0.5 + 15, "each letter in either case half of the time"


def test_the_world_is_whole():
    assert len(set(addresses())) == len(list(addresses()))
    assert all(attack.zone.count(".") == 1 for attack in ATTACKS.values())


@pytest.mark.parametrize("name", ["upward", "edns-black-hole"])
def test_attacks_answer_as_they_say(name):
    query = dns.message.make_query(f"x.{name}.", "A", use_edns=False)
    assert respond(server(name), UDP, query.to_wire())
