"""The mesh when several clients wait for the same: whose budget counts, who goes on, and what one mistake costs."""

from typing import Any

import pytest

import resolver.mesh
from resolver.cache.memory import View
from tests.resolver.house import PACKET_S, House, silent
from tests.resolver.play import question
from tests.trust.zones import SignedZone, n
from trust.reason import Reason
from trust.vocabulary import Ask, Need, Outcome, Reply, Security
from wire import types as t
from wire.limits import PACKETS, RESOLUTION_SECONDS
from wire.message import Message
from wire.text import name_to_text, rrsets_from_text, type_to_text

KEYS = "example.jp DNSKEY"


def house(**changes: Any) -> House:
    """root → jp → example.jp."""
    root, jp = SignedZone(".", server="192.0.2.1"), SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", "www A 192.0.2.80\nmail A 192.0.2.25\n", server="192.0.2.3")
    root.delegate(jp)
    jp.delegate(example)
    for zone in (root, jp, example):
        zone.sign()
    return House(root, jp, example, **changes)


@pytest.fixture
def here() -> House:
    """Two clients, "old" and "new", who both wait for the keys of example.jp, which "old" has asked for 8 s ago."""
    here = house()
    here.ask("jp", "DNSKEY")
    here.begin("old", "www.example.jp")
    while here.waiting_texts() != [KEYS]:
        here.deliver(here.waiting_texts()[0])
    here.passes(8)
    here.begin("new", "mail.example.jp")
    here.deliver("mail.example.jp A")
    assert here.waiting_texts() == [KEYS]
    assert here.mesh.inflight == 3
    return here


# --- deadlines ---------------------------------------------------------------------------------------------------------


def test_each_has_its_own_deadline(here: House) -> None:
    here.passes(2.1)
    old = here.finished["old"]
    assert (old.rcode, old.reason) == (t.SERVFAIL, Reason.LIMIT)
    assert "new" not in here.finished
    # The packet goes on for the one who still waits.
    assert here.waiting_texts() == [KEYS]
    here.run()
    assert here.finished["new"].security is Security.SECURE
    assert here.mesh.inflight == 0
    assert here.mesh.next_deadline() is None


def test_who_joined_starts_anew_when_the_time_of_who_began_is_over(here: House) -> None:
    here.passes(1.9)
    here.changes["192.0.2.3"] = silent
    here.deliver(KEYS)  # times out, as does "old"
    assert set(here.finished) == {"old"}
    here.changes.clear()
    here.run()
    new = here.finished["new"]
    assert (new.security, new.errors) == (Security.SECURE, [])


def test_when_all_have_gone_the_work_ends(here: House) -> None:
    here.passes(11)
    assert set(here.finished) == {"old", "new"}
    assert (here.waiting, here.mesh.inflight) == ({}, 0)
    assert here.mesh.next_deadline() is None
    # Nobody knows yet that the keys cannot be had.
    assert here.mesh.memory.failures.get(question("example.jp", "DNSKEY"), here.now.mono) is None


def test_the_first_deadline_is_the_next() -> None:
    here = house()
    here.begin("first", "www.example.jp")
    first = here.now.mono + RESOLUTION_SECONDS.value
    here.passes(1)
    here.begin("second", "mail.jp")
    assert here.mesh.next_deadline() == first
    while "first" not in here.finished:
        here.deliver(next(text for text in here.waiting_texts() if text != "mail.jp A"))
    deadline = here.mesh.next_deadline()
    assert deadline is not None
    assert first < deadline <= first + 1 + PACKET_S
    here.run()
    assert here.mesh.next_deadline() is None


def test_after_its_deadline_a_resolution_waits_for_nothing(here: House) -> None:
    """Not for a packet, and not for the sub-resolution of another either."""
    seen: list[Reply] = []

    def stubborn(*_: object, **__: object) -> resolver.mesh.Course:
        for _ in range(3):
            seen.append((yield Need(question("example.jp", "DNSKEY"))))
        yield resolver.mesh.Done(Outcome(question("stubborn"), []))

    task_question = question("stubborn")
    mesh = here.mesh
    quota = resolver.mesh.Quota(here.now.mono + 1, mesh.limits)
    view = View(mesh.memory, quota.budget, here.now)
    task = mesh._start((task_question, "fetch"), stubborn(), view, quota, 0)
    mesh._ready.append((task, None))
    here._take(mesh._run())
    here.passes(1.1)
    assert [reply.text for reply in seen] == [f"{RESOLUTION_SECONDS.label} of {RESOLUTION_SECONDS.value}"] * 3
    assert task.done


# --- budgets -----------------------------------------------------------------------------------------------------------


def test_who_joined_does_not_suffer_from_the_budget_of_who_began() -> None:
    here = house()
    here.ask("jp", "DNSKEY")
    here.mesh.limits.lowered[PACKETS.label] = 3
    here.begin("old", "www.example.jp")  # referral, answer, keys: the last of its packets
    while here.waiting_texts() != [KEYS]:
        here.deliver(here.waiting_texts()[0])
    here.mesh.limits.lowered.clear()
    here.begin("new", "mail.example.jp")
    here.deliver("mail.example.jp A")
    here.changes["192.0.2.3"] = silent
    here.deliver(KEYS)
    here.changes.clear()
    here.run()
    assert here.finished["old"].rcode == t.SERVFAIL
    assert here.finished["old"].reason is Reason.LIMIT
    assert (here.finished["new"].security, here.finished["new"].errors) == (Security.SECURE, [])


def test_the_whole_chain_of_aliases_is_on_one_account() -> None:
    root = SignedZone(".", server="192.0.2.1", signed=True)
    zones = [root]
    for number in range(6):
        target = f"www.z{number + 1}." if number < 5 else "www.nowhere."
        zone = SignedZone(f"z{number}", f"www CNAME {target}\n", signed=False, server=f"192.0.2.{10 + number}")
        root.delegate(zone)
        zones.append(zone)
    root.sign()
    here = House(*zones)
    here.mesh.limits.lowered[PACKETS.label] = 7
    resolution = here.ask("www.z0")
    assert (resolution.rcode, resolution.reason) == (t.SERVFAIL, Reason.LIMIT)
    assert here.packets() == 7
    assert here.mesh.limit_hits == {"packets-per-query": 1}
    # The next client has an account of its own, and goes on from what is known.
    assert [here.ask("www.z0").rcode for _ in range(3)][-1] == t.NXDOMAIN


def test_a_limit_is_counted_once_for_each_client() -> None:
    here = house()
    here.mesh.limits.lowered[PACKETS.label] = 1
    for count, name in enumerate(("www.example.jp", "mail.example.jp"), 1):
        assert here.ask(name).reason is Reason.LIMIT
        assert here.mesh.limit_hits == {"packets-per-query": count}


def test_two_clients_whose_questions_wait_for_each_other() -> None:
    root = SignedZone(".", server="192.0.2.1", signed=False)
    here = House(root)

    def circle(ask: Ask, out: Message) -> Message:
        zone, other = ("a", "b") if ask.qname.endswith(b"\1a\0") else ("b", "a")
        out.flags = t.QR
        out.answer = []
        out.authority = rrsets_from_text(f"{zone}. 3600 IN NS ns.{other}.")
        return out

    here.changes["192.0.2.1"] = circle
    here.begin("one", "www.a")
    here.begin("two", "www.b")
    here.run()
    for token in ("one", "two"):
        assert here.finished[token].rcode == t.SERVFAIL
        assert here.finished[token].errors[0][0] == 22
    assert here.mesh.inflight == 0


# --- mistakes of ours --------------------------------------------------------------------------------------------------


class MistakeError(Exception):
    """What a generator should not raise."""


class Dice:
    """Always show the middle, except that they fail so many times. They are thrown where a zone has two servers."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails

    def random(self) -> float:
        if self.fails:
            self.fails -= 1
            raise MistakeError
        return 0.5


SERVERS = ("192.0.2.3", "192.0.2.4")


def house_with(dice: Dice) -> House:
    """As `house`; example.jp has two servers."""
    here = house(more={"example.jp": SERVERS[1:]})
    here.mesh.memory.dice = dice
    return here


def test_a_mistake_ends_one_resolution_with_servfail() -> None:
    here = house_with(Dice(fails=1))
    told: list[Exception] = []
    here.mesh.crashed = told.append
    here.begin("one", "www.example.jp")
    here.begin("two", "www.example.jp")
    here.begin("three", "mail.example.jp")
    here.run()
    for token in ("one", "two"):
        resolution = here.finished[token]
        assert (resolution.rcode, resolution.errors) == (t.SERVFAIL, [(0, "internal error")])
        assert resolution.expires_mono <= here.now.mono
        assert resolution.question == question("www.example.jp")
    assert here.finished["three"].security is Security.SECURE
    assert [type(error) for error in told] == [MistakeError]
    assert here.mesh.inflight == 0
    assert here.ask("www.example.jp").security is Security.SECURE


def test_a_mistake_in_a_sub_resolution_is_met_with_like_a_failure() -> None:
    dice = Dice()
    here = house_with(dice)
    here.ask("jp", "DNSKEY")
    told: list[Exception] = []
    here.mesh.crashed = told.append
    here.begin("one", "www.example.jp")
    here.begin("two", "mail.example.jp")
    while referring := [ask for ask in here.waiting.values() if ask.server.ip not in SERVERS]:
        here.deliver(f"{name_to_text(referring[0].qname)} {type_to_text(referring[0].qtype)}")
    dice.fails = 1000  # from here on only the keys of example.jp are asked for
    here.run()
    for token in ("one", "two"):
        assert here.finished[token].rcode == t.SERVFAIL
        assert (0, "internal error") not in here.finished[token].errors
    assert {type(error) for error in told} == {MistakeError}
    assert here.mesh.inflight == 0
    dice.fails = 0
    here.passes(61)
    assert here.ask("www.example.jp").security is Security.SECURE


def test_without_anybody_to_tell_a_mistake_goes_on_to_the_caller() -> None:
    here = house_with(Dice(fails=1))
    with pytest.raises(MistakeError):
        here.ask("www.example.jp")


def test_a_question_in_another_case_is_the_same() -> None:
    here = house()
    here.begin("one", "www.example.jp")
    here.begin("two", "WWW.EXAMPLE.JP")
    assert len(here.waiting) == 1
    here.run()
    assert here.finished["one"] is here.finished["two"]
    assert here.finished["one"].question.name == n("www.example.jp")
