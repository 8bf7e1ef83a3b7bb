"""What a signed zone may cost whoever validates it: packets, verifications, hashes; and it convinces nobody.

Counts, not times: a validator's work is its verifications and hashes, and a resolution's budget counts both.
"""

from pathlib import Path

import pytest

from resolver.settings import Minimise
from tests.hostile.attacks import ATTACKS as UNSIGNED
from tests.hostile.costs import spent
from tests.hostile.signed import ATTACKS, World
from tests.hostile.virtual import Net
from trust.vocabulary import Security
from wire import types as t
from wire.limits import NSEC3_PER_RESOLUTION, SHADOWABLE, SIG_PER_RESOLUTION

START = 1_700_000_000.0


@pytest.fixture(scope="module")
def world():
    return World(START)


@pytest.mark.parametrize("minimise", [Minimise.RELAXED, Minimise.OFF])
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_one_query_costs_a_bounded_amount_of_work(attack, minimise, world):
    net = Net(world.respond, anchor=world.anchor(), minimise=minimise)
    for number in range(3):
        before = len(net.asked)
        net.begin(number, attack.question(number))
        net.run()
        resolution = net.finished[number]
        verifications, hashes = spent(net, number)
        print(attack.name, len(net.asked) - before, verifications, hashes, resolution.errors)
        assert len(net.asked) - before <= attack.packets
        assert verifications <= min(attack.verifications, SIG_PER_RESOLUTION.value)
        assert hashes <= min(attack.hashes, NSEC3_PER_RESOLUTION.value)
        if attack.truth == "insecure":
            assert (resolution.security, resolution.rcode) == (Security.INSECURE, t.NOERROR), resolution.errors
            assert len(resolution.answer) == 2, "alias and address"
        else:
            assert resolution.security in (Security.BOGUS, Security.INDETERMINATE)
            assert resolution.rcode == t.SERVFAIL
            assert resolution.errors
    assert net.mesh.inflight == 0


REACHED = {
    "key-sig-trap": "keys-per-tag",
    "sig-jam": "signature-failures",
    "key-trap-keys": "keys-per-tag",
    "hash-trap": "ds-per-zone",
    "nsec3-encloser": "nsec3-hashes-per-proof",
    "nsec3-salts": "nsec3-hashes-per-proof",
    "padded-denial": "verifications-per-rrset",
}


@pytest.mark.parametrize(("name", "label"), REACHED.items())
def test_the_limit_that_stops_it_is_counted(name, label, world):
    net = Net(world.respond, anchor=world.anchor())
    for number in range(2):
        resolution = net.ask(ATTACKS[name].question(number))
    assert net.mesh.limits.hits.get(label), net.mesh.limits.hits
    assert any(f"limit {label} of" in text for _, text in resolution.errors), resolution.errors


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_with_every_limit_in_shadow_it_still_convinces_nobody(attack, world):
    net = Net(world.respond, anchor=world.anchor(), shadow=SHADOWABLE)
    net.begin("client", attack.question(1))
    net.run()
    resolution = net.finished["client"]
    verifications, hashes = spent(net, "client")
    assert verifications <= SIG_PER_RESOLUTION.hard
    assert hashes <= NSEC3_PER_RESOLUTION.hard
    assert (resolution.security is Security.INSECURE) == (attack.truth == "insecure")
    assert resolution.security is not Security.SECURE


@pytest.mark.parametrize("attack", UNSIGNED.values(), ids=UNSIGNED)
def test_below_a_signed_root_what_is_unsigned_costs_as_much_as_ever(attack, world):
    """The proofs that delegations have no DS come with the referrals."""
    net = Net(world.respond, anchor=world.anchor())
    net.ask("host1.honest.")
    net.run()
    before = len(net.asked)
    resolution = net.ask(attack.question(1))
    net.run()
    assert len(net.asked) - before <= attack.packets + 2
    assert resolution.security is not Security.SECURE


def test_who_is_honest_is_secure_beside_all_of_them(world):
    net = Net(world.respond, anchor=world.anchor())
    for number, attack in enumerate([*ATTACKS.values(), *UNSIGNED.values()]):
        net.begin(("attack", number), attack.question(1))
    for number in range(50):
        net.begin(("honest", number), f"host{number}.honest.")
        net.begin(("calm", number), f"c{number}.calm.")
    net.run()
    for number in range(50):
        assert net.finished["honest", number].security is Security.SECURE
        assert net.finished["calm", number].security is Security.INSECURE
        assert net.finished["calm", number].rcode == t.NOERROR
        assert net.took["honest", number] < 0.5, "virtual seconds"


def test_the_document_has_all_of_them():
    text = (Path(__file__).parents[2] / "docs" / "RESILIENCE.md").read_text(encoding="utf-8")
    for attack in ATTACKS.values():
        assert f"| `{attack.name}`: " in text, "python -m tests.hostile.costs"
