"""Each attack costs a bounded number of packets, ends in time, says what happened, and leaves nothing behind."""

import pytest

from tests.hostile.attacks import ATTACKS
from tests.hostile.virtual import Net
from trust.vocabulary import Security
from wire import types as t
from wire.limits import PACKETS, RESOLUTION_SECONDS


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_one_query_costs_a_bounded_number_of_packets(attack):
    net = Net()
    costs = []
    for number in range(3):
        before, start = len(net.asked), net.now.mono
        resolution = net.ask(attack.question(number))
        net.run()
        costs.append(len(net.asked) - before)
        assert net.now.mono - start <= RESOLUTION_SECONDS.value + 1
        assert resolution.security is not Security.SECURE
        if attack.succeeds:
            answered = (t.NXDOMAIN, False) if attack.name == "wide-denial" else (t.NOERROR, True)
            assert (resolution.rcode, bool(resolution.answer)) == answered, resolution.errors
        else:
            assert resolution.rcode == t.SERVFAIL
            assert resolution.errors and any(text for _, text in resolution.errors)
    print(attack.name, costs)
    assert max(costs) <= min(attack.packets, PACKETS.value)
    assert net.mesh.inflight == 0
    assert not net.mesh._load.by_zone and not net.mesh._load.by_server
