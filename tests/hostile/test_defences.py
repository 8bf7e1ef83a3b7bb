"""What the core does about forgers and odd servers: cookies, case, forgery watch, health of address families."""

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest

from resolver.cache.forgery import ForgeryWatch
from resolver.cache.servers import (
    CASE_MISSES,
    FAMILY_BROKEN,
    FIRST_REST,
    MAX_REST,
    QUIRK_SECONDS,
    TCP_REST,
    Family,
    Servers,
)
from tests.hostile.attacks import ATTACKS, CALM, Asked, Said, respond, server, whole
from tests.hostile.virtual import Net
from trust.vocabulary import Address, Transport
from wire import types as t
from wire.limits import FORGERY_HALF_LIFE, FORGERY_SECONDS, FORGERY_THRESHOLD, FORGERY_ZONES
from wire.text import name_from_text

JP = name_from_text("jp")
COOKIE = dns.edns.OptionType.COOKIE


def asked_at(net, ip, since=0):
    """Packets to an address."""
    return [ask for ask in net.asked[since:] if ask.server.ip == ip]


# --- cookies -----------------------------------------------------------------------------------------------------------


class Baker:
    """A calm server that gives cookies, and may be told to do so badly."""

    def __init__(self):
        self.gives = True
        self.bad_once = False
        self.client = None
        self.seen = []

    def __call__(self, ip, transport, wire):
        if ip != CALM:
            return respond(ip, transport, wire)
        query = dns.message.from_wire(wire)
        sent = next((o.to_wire() for o in query.options if o.otype == COOKIE), b"")
        self.seen.append((transport, sent))
        out = Asked(query, wire, "calm.", ip, transport).address("192.0.2.1")
        if sent and self.gives:
            cookie = (self.client or sent[:8]) + b"server-cookie!!!"
            out.use_edns(0, dns.flags.DO, 1232, options=[dns.edns.GenericOption(COOKIE, cookie)])
            if self.bad_once and sent != cookie:
                out.set_rcode(dns.rcode.BADCOOKIE)
        return whole(out)


def test_a_cookie_is_learnt_and_sent_again():
    baker = Baker()
    net = Net(baker)
    for number in range(3):
        assert net.ask(f"www{number}.calm.").rcode == t.NOERROR
    first, *later = [sent for _, sent in baker.seen]
    assert len(first) == 8
    assert all(sent == first + b"server-cookie!!!" for sent in later)
    assert net.mesh.memory.servers.events["cookie-learnt"] == 1


def test_client_cookies_differ_by_server_and_day_and_secret():
    def cookie(ip, mono=1000.0, secret=b"secret"):
        servers = Servers(secret)
        address = Address(ip, 53)
        return servers.cookie(address, servers.get(address), mono)

    assert len(cookie("192.0.2.1")) == 8
    assert cookie("192.0.2.1") == cookie("192.0.2.1")
    assert (
        len({cookie("192.0.2.1"), cookie("192.0.2.2"), cookie("192.0.2.1", 100_000.0), cookie("192.0.2.1", secret=b"x")})
        == 4
    )
    assert cookie("192.0.2.1", secret=b"") == b""


def test_bad_cookie_is_asked_again_with_the_new_one():
    baker = Baker()
    baker.bad_once = True
    net = Net(baker)
    assert net.ask("www.calm.").rcode == t.NOERROR
    assert [(over, len(sent)) for over, sent in baker.seen] == [("udp", 8), ("udp", 24)]
    assert net.mesh.memory.servers.events["cookie-bad"] == 1


def test_an_answer_without_the_cookie_that_was_given_is_asked_again_over_tcp():
    baker = Baker()
    net = Net(baker)
    net.ask("one.calm.")
    baker.gives = False
    assert net.ask("two.calm.").rcode == t.NOERROR
    assert [over for over, _ in baker.seen] == ["udp", "udp", "tcp"]
    assert net.mesh.memory.servers.events["cookie-missing"] == 1
    # Over TCP it gave none either: it has stopped, and is believed for a while.
    net.ask("three.calm.")
    assert baker.seen[-1] == ("udp", b"")
    baker.gives = True
    net.passes(QUIRK_SECONDS + 1)
    net.ask("four.calm.")
    assert len(baker.seen[-1][1]) == 8


def test_a_cookie_for_somebody_else_is_no_answer():
    baker = Baker()
    baker.client = b"somebody"
    net = Net(baker)
    assert net.ask("www.calm.").rcode == t.NOERROR, "in the end, without one: who knows what bakes there"
    assert [bool(sent) for _, sent in baker.seen] == [True, False]
    assert net.mesh.memory.servers.events["mismatched"] == 1
    assert net.mesh.memory.servers.events["cookie-learnt"] == 0


def test_who_cannot_bear_cookies_is_asked_without_them():
    def world(ip, transport, wire):
        if ip != CALM:
            return respond(ip, transport, wire)
        query = dns.message.from_wire(wire)
        asked = Asked(query, wire, "calm.", ip, transport)
        return whole(asked.reply(dns.rcode.FORMERR) if query.options else asked.address())

    net = Net(world)
    assert net.ask("one.calm.").rcode == t.NOERROR
    assert [(bool(ask.cookie), ask.edns) for ask in asked_at(net, CALM)] == [(True, True), (False, True)]
    since = len(net.asked)
    net.ask("two.calm.")
    assert [(bool(ask.cookie), ask.edns) for ask in asked_at(net, CALM, since)] == [(False, True)]


# --- forgery -----------------------------------------------------------------------------------------------------------


def test_counts_go_down_by_half():
    watch = ForgeryWatch()
    assert not watch.seen(JP, FORGERY_THRESHOLD - 1, 0.0)
    assert not watch.seen(JP, 1, 10 * FORGERY_HALF_LIFE)
    assert not watch.under(JP, 10 * FORGERY_HALF_LIFE)
    assert watch.seen(JP, FORGERY_THRESHOLD, 10 * FORGERY_HALF_LIFE)


def test_a_zone_goes_over_to_tcp_and_back():
    watch = ForgeryWatch()
    told = []
    watch.told = told.append
    assert watch.seen(JP, FORGERY_THRESHOLD, 0.0)
    assert not watch.seen(JP, 5, 1.0), "no news"
    assert watch.under(JP, 1.0 + FORGERY_SECONDS - 1)
    assert watch.count(2.0) == 1
    assert not watch.under(JP, 1.0 + FORGERY_SECONDS)
    assert watch.seen(JP, FORGERY_THRESHOLD, 1000.0)
    assert told == [JP, JP]
    assert watch.switches == 2


def test_zones_counted_are_bounded():
    watch = ForgeryWatch()
    for number in range(3 * FORGERY_ZONES):
        watch.seen(name_from_text(f"z{number}"), 1, 0.0)
    assert len(watch.zones) <= FORGERY_ZONES


def test_under_forgery_all_questions_of_the_zone_go_over_tcp():
    attack = ATTACKS["wrong-id"]
    net = Net()
    told = []
    net.mesh.memory.forgery.told = told.append
    for number in range(4):
        assert net.ask(attack.question(number)).rcode == t.NOERROR
    since = len(net.asked)
    net.ask(attack.question(9))
    assert [ask.transport for ask in net.asked[since:]] == [Transport.TCP]
    net.ask("www.calm.")
    assert asked_at(net, CALM)[0].transport is Transport.UDP
    assert len(told) == 1
    assert net.mesh.memory.servers.events["forgery-tcp"] == 1
    net.world = lambda ip, transport, wire: respond(ip, transport, wire) if transport == "udp" else []
    errors = net.ask(attack.question(10)).errors
    assert any("over TCP since forgery is suspected" in text for _, text in errors), errors
    net.passes(FORGERY_SECONDS + 1)
    since = len(net.asked)
    net.ask(attack.question(11))
    assert net.asked[since].transport is Transport.UDP


def test_a_server_that_gives_cookies_is_asked_over_udp_under_forgery_too():
    baker = Baker()
    net = Net(baker)
    net.ask("one.calm.")
    net.mesh.memory.forgery.seen(name_from_text("calm"), 1000, net.now.mono)
    net.ask("two.calm.")
    assert [over for over, _ in baker.seen] == ["udp", "udp"]


def test_who_is_silent_over_tcp_is_not_asked_so_for_a_while():
    attack = ATTACKS["tcp-slow"]
    net = Net()
    for number in range(3):
        net.ask(attack.question(number))
    since = len(net.asked)
    errors = net.ask(attack.question(9)).errors
    assert {ask.transport for ask in net.asked[since:]} == {Transport.UDP}
    assert any("needs TCP and was silent there" in text for _, text in errors), errors
    net.passes(TCP_REST + 1)
    since = len(net.asked)
    net.ask(attack.question(10))
    assert Transport.TCP in {ask.transport for ask in net.asked[since:]}


def test_a_forger_who_hits_everything_but_the_cookie_is_no_answer():
    """With the port, the ID and the case right, a forged answer without the server's cookie leads to TCP."""
    baker = Baker()
    forging = False

    def world(ip, transport, wire):
        said = baker(ip, transport, wire)
        if not forging or ip != CALM or transport != "udp":
            return said
        query = dns.message.from_wire(wire)
        forged = Asked(query, wire, "calm.", ip, transport).address("203.0.113.66")
        return [Said(forged.to_wire(), -0.005), *said]

    net = Net(world)
    net.ask("one.calm.")
    forging = True
    resolution = net.ask("two.calm.")
    assert [rrset.rdatas for rrset, _ in resolution.answer] == [[b"\xc0\0\2\1"]]


# --- case --------------------------------------------------------------------------------------------------------------


def test_case_is_demanded_until_a_server_has_shown_often_that_it_cannot_keep_it():
    attack = ATTACKS["wrong-case"]
    net = Net()
    for number in range(20):
        assert net.ask(attack.question(number)).rcode == t.NOERROR
    events = net.mesh.memory.servers.events
    assert events["case"] == CASE_MISSES * attack.servers
    since = len(net.asked)
    net.ask(attack.question(30))
    assert [(ask.transport, ask.randomise_case) for ask in net.asked[since:]] == [(Transport.UDP, False)]
    net.passes(QUIRK_SECONDS + 1)
    since = len(net.asked)
    net.ask(attack.question(31))
    assert [ask.transport for ask in net.asked[since:] if ask.server.ip.startswith("127.66.")][-1] is Transport.TCP


def test_one_answer_with_the_case_forgives():
    attack = ATTACKS["twice"]
    net = Net()
    net.ask(attack.question(0))
    record = net.mesh.memory.servers.get(Address(server("twice"), 53))
    record.case_missed(net.now.mono)
    record.case_missed(net.now.mono)
    net.ask(attack.question(1))
    assert record.case_misses == 0


# --- families ----------------------------------------------------------------------------------------------------------


ROOTS = ("127.66.0.1", "2001:db8::53")


def twofold(world):
    """A net with a root server of either family."""
    return Net(world, root={name_from_text("a.root."): [Address(ip, 53) for ip in ROOTS]})


class Twofold:
    """Zones z0, z1 …, each served at an IPv4 and an IPv6 address of its own; one family may be broken."""

    def __init__(self, broken=()):
        self.broken = broken

    def __call__(self, ip, transport, wire):
        if (6 if ":" in ip else 4) in self.broken:
            return []
        query = dns.message.from_wire(wire)
        label = query.question[0].name.to_text().lower().rstrip(".").split(".")[-1]
        asked = Asked(query, wire, f"{label}.", ip, transport)
        if ip not in ROOTS:
            return whole(asked.address())
        number = int(label[1:])
        name = f"ns.{label}."
        out = asked.refer(f"{label}.", [name], {name: [f"127.66.{number >> 8}.{100 + number % 100}"]})
        out.additional.append(dns.rrset.from_text(name, 60, "IN", "AAAA", f"2001:db8:1::{number:x}"))
        return whole(out)


def waits(net, count, start=0):
    """Seconds that the client of each of `count` zones waits."""
    out = []
    for number in range(start, start + count):
        before = net.now.mono
        assert net.ask(f"www.z{number}.").rcode == t.NOERROR
        out.append(net.now.mono - before)
    return out


@pytest.mark.parametrize("broken", [6, 4])
def test_a_broken_family_costs_a_few_short_waits(broken):
    net = twofold(Twofold((broken,)))
    took = waits(net, 100)
    late = [seconds for seconds in took if seconds > 0.2]
    assert len(late) <= FAMILY_BROKEN + 3
    assert sum(late) < 4.0
    family = net.mesh.memory.servers.ipv6 if broken == 6 else net.mesh.memory.servers.ipv4
    assert family.rests
    # And for an hour after that at most a probe now and then.
    probes = len(net.asked)
    later = []
    for minute in range(60):
        net.passes(60)
        later += waits(net, 5, 100 + 5 * minute)
    silent = [ask for ask in net.asked[probes:] if (":" in ask.server.ip) == (broken == 6)]
    assert len([seconds for seconds in later if seconds > 0.2]) <= 3600 / MAX_REST + 10
    assert len(silent) <= 3600 / MAX_REST + 10


def test_both_families_are_used_when_both_work():
    net = twofold(Twofold())
    assert max(waits(net, 50)) < 0.1
    families = [":" in ask.server.ip for ask in net.asked if ask.server.ip not in ROOTS]
    assert 10 < sum(families) < 40
    assert not net.mesh.memory.servers.doubt


def test_a_family_that_comes_back_is_used_again():
    world = Twofold((6,))
    net = twofold(world)
    waits(net, 60)
    assert net.mesh.memory.servers.ipv6.rests
    world.broken = ()
    net.passes(MAX_REST)
    waits(net, 100, 100)
    assert not net.mesh.memory.servers.ipv6.rests
    assert not net.mesh.memory.servers.doubt
    since = len(net.asked)
    waits(net, 40, 300)
    assert sum(":" in ask.server.ip for ask in net.asked[since:]) > 5


def test_a_zone_with_servers_in_the_resting_family_only_is_still_asked():
    net = Net(Twofold())
    family = net.mesh.memory.servers.ipv6
    for _ in range(FAMILY_BROKEN):
        family.missed(net.now.mono)
    net.mesh.memory.servers.doubt = True
    assert family.rest_until > net.now.mono

    def only_six(ip, transport, wire):
        said = Twofold()(ip, transport, wire)
        if ip != "127.66.0.1":
            return said
        out = dns.message.from_wire(said[0].octets)
        out.additional = [rrset for rrset in out.additional if rrset.rdtype == t.AAAA]
        return whole(out)

    net.world = only_six
    assert net.ask("www.z7.").rcode == t.NOERROR
    assert not net.mesh.memory.servers.doubt, "it answered"


def test_rests_of_a_family_double_and_one_probe_goes_at_a_time():
    servers = Servers()
    family = servers.ipv6
    there = Address("2001:db8::1", 53)
    mono = 0.0
    lengths = []
    for _ in range(8):
        while not family.missed(mono) and family.rest_until <= mono:
            pass
        lengths.append(family.rest_until - mono)
        mono = family.rest_until
        assert not servers.rests(there, mono)
        servers.probes(there, mono)
        assert servers.rests(there, mono), "one probe is enough"
    assert lengths[0] == FIRST_REST
    assert lengths == sorted(lengths)
    assert lengths[-1] == MAX_REST


def test_a_dead_server_does_not_make_its_family_rest():
    servers = Servers()
    address = Address("2001:db8::1", 53)
    record = servers.get(address)
    for _ in range(50):
        servers.unanswered(address, record, 0.0)
        record.silent(0.0)
    assert servers.ipv6.silent == 1
    assert isinstance(servers.ipv6, Family)
    assert servers.ipv6.rest_until == 0.0


# --- silence -------------------------------------------------------------------------------------------------------------


def test_a_dead_zone_is_given_up_before_clients_are():
    """Its servers are known to be silent: two are tried once more, and the client hears of it within its 5 s."""
    net = Net()
    for number in range(3):
        net.ask(ATTACKS["silent"].question(number))
        net.run()
    for number in range(3, 6):
        sent = len(net.asked)
        token = object()
        net.begin(token, ATTACKS["silent"].question(number))
        net.run()
        assert net.took[token] < 4.0
        assert len(net.asked) - sent <= 3
