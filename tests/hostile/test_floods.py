"""Floods: what one zone's silence may cost the others, and what quotas leave of it."""

import dns.message
import pytest

from tests.hostile.attacks import ATTACKS, Asked, respond, server, whole
from tests.hostile.virtual import Net
from trust.reason import Reason
from wire import types as t
from wire.limits import FETCHES_PER_SERVER, FETCHES_PER_ZONE, FETCHES_WHEN_SILENT

SILENT = ATTACKS["silent"]


def flood(net, seconds, rate, tick=0.1):
    """`rate` random names a second below the silent zone, and beside them a calm client, whose tokens come back."""
    calm = []
    for step in range(int(seconds / tick)):
        for number in range(int(rate * tick)):
            net.begin(("flood", step, number), SILENT.question(step * 100_000 + number))
        calm.append(("calm", step))
        net.begin(calm[-1], f"calm{step}.calm.")
        net.passes(tick)
    return calm


def test_a_flood_for_a_dead_zone_leaves_the_others_alone():
    net = Net()
    net.ask("warm.calm.")
    most = 0
    calm = []
    for _ in range(10):
        calm += flood(net, 1.0, 300)
        most = max(most, sum(net.mesh._load.by_zone.values()))
    answered = [token for token in calm if token in net.finished and net.finished[token].rcode == t.NOERROR]
    assert len(answered) == len(calm)
    assert max(net.took[token] for token in answered) < 0.1, "virtual seconds"
    assert most <= FETCHES_PER_ZONE.value + 10
    # Once its servers rest, hardly anything more goes their way.
    assert net.mesh._load.by_zone.get(b"\x06silent\0", 0) <= SILENT.servers * FETCHES_WHEN_SILENT.value
    assert net.mesh.limits.hits[FETCHES_WHEN_SILENT.label] > 1000
    net.run()
    assert not net.mesh._load.by_zone
    assert not net.mesh._load.by_server


def test_over_quota_is_said_and_not_remembered():
    net = Net()
    flood(net, 3.0, 1000, 0.5)
    refused = [r for r in net.finished.values() if r.reason is Reason.OVER_QUOTA]
    assert refused
    for resolution in refused[:20]:
        assert resolution.rcode == t.SERVFAIL
        assert any("limit fetches-per-" in text for _, text in resolution.errors), resolution.errors
        assert resolution.expires_mono <= net.now.mono
        failure = net.mesh.memory.failures.get(resolution.question, net.now.mono)
        assert failure is None or failure.reason is not Reason.OVER_QUOTA


def test_cached_names_of_a_flooded_zone_are_answered():
    dead = False

    def world(ip, transport, wire):
        return [] if dead and ip == server("twice") else respond(ip, transport, wire)

    net = Net(world)
    name = ATTACKS["twice"].question(1)
    net.ask(name)
    dead = True
    for number in range(2000):
        net.begin(number, ATTACKS["twice"].question(number + 10))
    net.passes(5.0)
    assert net.mesh.limits.hits
    before = len(net.asked)
    assert net.ask(name).rcode == t.NOERROR
    assert len(net.asked) == before


def test_a_zone_has_its_ceiling_however_many_servers_it_has():
    """Fast to say yes, slow to answer: no server rests, so the zone's ceiling is what holds."""

    def world(ip, transport, wire):
        said = respond(ip, transport, wire)
        return said if not ip.startswith(server("silent")[:10]) else whole(_slow(ip, transport, wire), after_s=0.5)

    net = Net(world)
    net.ask(SILENT.question(0))
    for number in range(1, 3000):
        net.begin(number, SILENT.question(number))
    zone = b"\x06silent\0"
    assert net.mesh._load.by_zone[zone] == FETCHES_PER_ZONE.value
    assert max(net.mesh._load.by_server.values()) <= FETCHES_PER_SERVER.value
    assert net.mesh.limits.hits[FETCHES_PER_ZONE.label] == 3000 - 1 - FETCHES_PER_ZONE.value
    assert net.ask("www.calm.").rcode == t.NOERROR


def _slow(ip, transport, wire):
    query = dns.message.from_wire(wire)
    return Asked(query, wire, "silent.", ip, transport).address()


@pytest.mark.parametrize("shadow", [frozenset(), frozenset((FETCHES_PER_ZONE.label,))])
def test_a_quota_in_shadow_is_counted_only(shadow):
    net = Net(shadow=shadow)
    net.ask(SILENT.question(0))
    for number in range(1000):
        net.mesh._load.by_zone[b"\x06silent\0"] = FETCHES_PER_ZONE.value
        net.begin(number, SILENT.question(number + 1))
        if net.mesh.limits.hits or net.mesh.limits.shadowed:
            break
    limits = net.mesh.limits
    counted, other = (limits.shadowed, limits.hits) if shadow else (limits.hits, limits.shadowed)
    assert counted.get(FETCHES_PER_ZONE.label)
    assert FETCHES_PER_ZONE.label not in other
