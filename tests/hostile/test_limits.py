"""Each limit that an attack reaches is counted under its name, told to the client, and in shadow mode only counted."""

from pathlib import Path

import dns.message
import pytest

from tests.hostile.attacks import ATTACKS, CALM, Asked, read, respond, server, set_of, whole
from tests.hostile.virtual import Net
from trust.policy import Budget
from wire.limits import (
    ALL_LIMITS,
    CLIENT_RATE,
    QUERIES_PER_CLIENT,
    REFUSALS,
    RESOLUTION_SECONDS,
    RESPONSE_RATE,
    SHADOWABLE,
    SIG_PER_RESOLUTION,
    TCP_CONNECTIONS,
    TCP_PER_CLIENT,
    TRUST_KEYS,
    UNANSWERED,
    Limit,
    Limits,
)

FIVE = Limit("five", 5, "RFC 0000: a test", 10)
REACHED = [
    ("nxns", "failed-address-lookups"),
    ("nxns", "ns-per-delegation"),
    ("many-addresses", "attempts-per-zone"),
    ("many-addresses", "addresses-per-ns"),
    ("many-addresses", "addresses-per-delegation"),
    ("idns", "resolution-depth"),
    ("cname-ladder", "cname-hops"),
    ("dname-ladder", "cname-hops"),
    ("nrdelegation", "seconds-per-resolution"),
    ("huge", "records-per-rrset"),
]


@pytest.mark.parametrize(("attack", "label"), REACHED)
def test_a_limit_reached_is_counted_once_and_named(attack, label):
    net = Net()
    resolution = net.ask(ATTACKS[attack].question(1))
    net.run()
    assert net.mesh.limits.hits[label] == 1
    assert not net.mesh.limits.shadowed
    assert any("limit " in text and " reached" in text for _, text in resolution.errors), resolution.errors


def test_too_many_records_are_refused_at_once_and_remembered():
    """No other server is asked for another 64 KB; the failure is the data's, so whoever asks next meets with it too."""
    net = Net()
    name = ATTACKS["huge"].question(1)
    first = net.ask(name)
    assert first.errors[0] == (0, "limit records-per-rrset of 1000 reached")
    sent = len(net.asked)
    assert net.ask(name).errors == [*first.errors, (13, "")]
    assert len(net.asked) == sent


def test_a_set_as_large_as_none_that_is_known_is_served():
    def world(ip, transport, wire):
        return set_of(read(ip, transport, wire), 1000) if ip == server("huge") else respond(ip, transport, wire)

    net = Net(world)
    resolution = net.ask(ATTACKS["huge"].question(1))
    assert (resolution.rcode, len(resolution.answer[0][0].rdatas)) == (0, 1000)
    assert not net.mesh.limits.hits


def test_too_many_records_in_shadow_are_served():
    net = Net(shadow=frozenset(("records-per-rrset",)))
    resolution = net.ask(ATTACKS["huge"].question(1))
    assert (resolution.rcode, len(resolution.answer[0][0].rdatas)) == (0, 4000)
    assert net.mesh.limits.shadowed == {"records-per-rrset": 1}


@pytest.mark.parametrize(
    "attack", ["nxns", "many-addresses", "idns", "cname-ladder", "cname-camp", "dname-ladder", "cycle"]
)
def test_in_shadow_limits_are_counted_up_to_their_hard_ceilings(attack):
    """Even with everything in shadow an attack ends."""
    calm, loose = Net(), Net(shadow=SHADOWABLE)
    for net in (calm, loose):
        net.ask(ATTACKS[attack].question(1))
        net.run()
    assert loose.mesh.limits.shadowed
    assert set(calm.mesh.limits.hits) - {RESOLUTION_SECONDS.label} <= set(loose.mesh.limits.shadowed)
    assert len(calm.asked) <= len(loose.asked) <= 1000
    assert loose.mesh.inflight == 0


def test_what_is_in_shadow_does_not_hurt_who_is_honest():
    """A chain of aliases longer than the limit is followed to its end."""

    def world(ip, transport, wire):
        if ip != CALM:
            return respond(ip, transport, wire)
        asked = Asked(dns.message.from_wire(wire), wire, "calm.", ip, transport)
        number = int(asked.name.split(".")[0][1:])
        if number == 20:
            return whole(asked.address())
        out = asked.reply()
        out.answer.append(dns.rrset.from_text(asked.query.question[0].name, 60, "IN", "CNAME", f"a{number + 1}.calm."))
        return whole(out)

    assert Net(world).ask("a0.calm.").rcode == 2
    net = Net(world, shadow=frozenset(("cname-hops",)))
    assert net.ask("a0.calm.").rcode == 0
    assert net.mesh.limits.shadowed == {"cname-hops": 1}
    assert not net.mesh.limits.hits


# --- the table ---------------------------------------------------------------------------------------------------------


def test_every_limit_has_a_name_a_reason_and_a_ceiling():
    labels = [limit.label for limit in ALL_LIMITS]
    assert len(set(labels)) == len(labels)
    for limit in ALL_LIMITS:
        assert limit.why
        assert limit.hard == 0 or limit.hard > limit.value, limit
    assert RESOLUTION_SECONDS.label not in SHADOWABLE, "what ends every resolution stays"


def test_counts():
    limits = Limits()
    assert limits.allows(FIVE, 5)
    assert not limits.allows(FIVE, 6)
    assert (limits.hits, limits.shadowed) == ({"five": 1}, {})
    assert limits.text(FIVE) == "five of 5"
    shadow = Limits(frozenset(("five",)))
    assert shadow.allows(FIVE, 10)
    assert not shadow.allows(FIVE, 11)
    assert (shadow.hits, shadow.shadowed) == ({"five": 1}, {"five": 1})
    assert shadow.text(FIVE) == "five of 10"


def test_a_limit_without_ceiling_cannot_be_in_shadow():
    assert Limits(frozenset((RESOLUTION_SECONDS.label,))).ceiling(RESOLUTION_SECONDS) == RESOLUTION_SECONDS.value


def test_one_budget_counts_a_limit_once():
    limits = Limits(frozenset((SIG_PER_RESOLUTION.label,)))
    budget = Budget(limits)
    taken = 0
    while budget.take_verification():
        taken += 1
    assert taken == SIG_PER_RESOLUTION.hard
    assert not budget.take_verification()
    assert budget.hit is SIG_PER_RESOLUTION
    assert (limits.hits, limits.shadowed) == ({SIG_PER_RESOLUTION.label: 1}, {SIG_PER_RESOLUTION.label: 1})


def test_the_document_has_the_limits_as_they_are():
    text = (Path(__file__).parents[2] / "docs" / "RESILIENCE.md").read_text(encoding="utf-8")
    elsewhere = {
        CLIENT_RATE,
        RESPONSE_RATE,
        REFUSALS,
        QUERIES_PER_CLIENT,
        UNANSWERED,
        TCP_CONNECTIONS,
        TCP_PER_CLIENT,
        TRUST_KEYS,
    }
    for limit in ALL_LIMITS:
        row = f"| `{limit.label}` | {limit.value} | {limit.hard if limit.shadowable else '—'} | {limit.why} |"
        assert (row in text) == (limit not in elsewhere), row
    for name in ATTACKS:
        assert f"| `{name}`: " in text
