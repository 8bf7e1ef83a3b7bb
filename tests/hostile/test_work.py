"""What an attacking query costs in processor time, as a count (`work`), and what others notice of it, in virtual time."""

import statistics

import pytest

from tests.hostile import attacks, signed
from tests.hostile.virtual import Net
from tests.hostile.work import calls
from trust.vocabulary import Security

START = 1_700_000_000.0
EVERY = {**attacks.ATTACKS, **signed.ATTACKS}
MOST = 20_000
"""Calls for one attacking query: those of 44 honest ones below a signed zone that is known (450 each)."""
WIDE = {"many-addresses": 50_000, "wide-denial": 70_000, "huge": 30_000, "thousand-addresses": 30_000}
"""More for messages of 50 KB over TCP: some 10 to 20 for each of their records."""


@pytest.fixture(scope="module")
def world():
    return signed.World(START)


def warm(world):
    net = Net(world.respond, anchor=world.anchor())
    net.ask("host1.honest.")
    net.ask("a.calm.")
    net.run()
    return net


@pytest.mark.parametrize("attack", EVERY.values(), ids=EVERY)
def test_an_attacking_query_costs_no_more_than_some_honest_ones(attack, world):
    net = warm(world)
    honest = calls(net, "host2.honest.")
    assert 100 < honest < 1000
    costs = [calls(net, attack.question(number)) for number in range(3)]
    print(attack.name, costs, honest)
    assert max(costs) <= WIDE.get(attack.name, MOST)


def test_others_wait_no_longer_beside_them(world):
    """200 attacking questions in a second, of all kinds, and 50 of another client: all answered, as fast as in calm."""
    quiet = warm(world)
    for number in range(50):
        quiet.begin(number, f"host{2 + number}.honest.")
        quiet.passes(0.02)
    net = warm(world)
    kinds = list(EVERY.values())
    for number in range(50):
        for turn in range(4 * number, 4 * number + 4):
            net.begin(("attack", turn), kinds[turn % len(kinds)].question(turn))
        net.begin(("other", number), f"host{2 + number}.honest.")
        net.passes(0.02)
    net.run()
    others = [net.finished["other", number] for number in range(50)]
    assert all(resolution.security is Security.SECURE for resolution in others)
    calm = [quiet.took[number] for number in range(50)]
    took = [net.took["other", number] for number in range(50)]
    assert statistics.median(took) <= 2 * statistics.median(calm)
    assert max(took) <= 0.05, "virtual seconds: five round trips"
