"""The wall clock jumps, forwards and backwards; the monotonic one does not. Verdicts follow the wall clock by what the
signatures say (valid from an hour before START to a day after), nothing hangs, and nothing bogus is called anything else.
"""

import random

import pytest

from tests.hostile.signed import World
from tests.hostile.virtual import Net
from trust.reason import Reason
from trust.vocabulary import Now, Security
from wire import types as t

START = 1_700_000_000.0
DAY = 86_400.0


@pytest.fixture(scope="module")
def world():
    return World(START)


def jump(net, seconds):
    net.now = Now(net.now.wall + seconds, net.now.mono)


@pytest.fixture
def net(world):
    return Net(world.respond, anchor=world.anchor())


def verdict(net, name):
    resolution = net.ask(name)
    assert resolution.rcode == (t.SERVFAIL if resolution.security is Security.BOGUS else t.NOERROR), resolution.errors
    return resolution.security


@pytest.mark.parametrize(
    ("seconds", "reason", "code"),
    [(3 * DAY, Reason.SIGNATURE_EXPIRED, 7), (-3 * DAY, Reason.SIGNATURE_NOT_YET_VALID, 8)],
    ids=["forwards", "backwards"],
)
def test_there_and_back(net, seconds, reason, code):
    assert verdict(net, "host1.honest.") is Security.SECURE
    jump(net, seconds)
    resolution = net.ask("host2.honest.")
    assert (resolution.security, resolution.rcode) == (Security.BOGUS, t.SERVFAIL)
    assert resolution.reason is reason
    assert resolution.errors[0][0] == code
    jump(net, -seconds)
    assert verdict(net, "host3.honest.") is Security.SECURE, "a name that was not asked for meanwhile"
    net.passes(61)  # what was bogus is remembered for a minute
    assert verdict(net, "host2.honest.") is Security.SECURE


def test_an_unsigned_delegation_is_not_bogus_for_longer_than_the_clock_is_wrong(net):
    assert verdict(net, "a.calm.") is Security.INSECURE
    jump(net, -3 * DAY)
    for number in range(5):
        assert net.ask(f"b{number}.calm.").security in (Security.INSECURE, Security.BOGUS)
    jump(net, 3 * DAY)
    net.passes(61)
    assert verdict(net, "c.calm.") is Security.INSECURE


def test_a_jump_while_questions_are_under_way_ends_no_differently(net):
    """Deadlines are of the monotonic clock: neither do they all pass at once, nor never."""
    for number in range(20):
        net.begin(number, f"host{number}.honest.")
        net.begin(("silent", number), f"x{number}.silent.")
    net.passes(0.015)
    jump(net, 10 * DAY)
    net.passes(0.015)
    jump(net, -20 * DAY)
    start = net.now.mono
    net.run()
    assert net.now.mono - start <= 11
    assert len(net.finished) == 40
    assert net.mesh.inflight == 0
    for number in range(20):
        resolution = net.finished[number]
        assert resolution.security in (Security.SECURE, Security.BOGUS)
        assert resolution.rcode == (t.NOERROR if resolution.security is Security.SECURE else t.SERVFAIL)


def test_a_clock_gone_mad(net):
    """At random, to anywhere: what is asked anew is judged by the time it is asked at."""
    dice = random.Random(1)
    offset = 0.0
    judged = set()
    for number in range(80):
        seconds = dice.choice([0.0, 0.0, -DAY / 48, DAY / 4, -5 * DAY, 40 * DAY, -30 * DAY, 2**31])
        jump(net, seconds - offset)
        offset = seconds
        resolution = net.ask(f"host{number}.honest.")
        valid = -3600 <= net.now.wall - START <= DAY
        judged.add(valid)
        if resolution.security is Security.SECURE:
            assert valid, f"{net.now.wall - START} s from the start"
        else:
            assert resolution.security is Security.BOGUS
            assert resolution.rcode == t.SERVFAIL
        net.passes(61)
        if valid:
            assert verdict(net, f"host{number}.honest.") is Security.SECURE
    assert judged == {True, False}
