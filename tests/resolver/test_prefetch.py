"""Fetching anew what is wanted and about to expire: when, what of it, and how often."""

from typing import Any

import pytest

from tests.resolver.house import House, broken, silent
from tests.resolver.play import question
from tests.trust.zones import SignedZone, n
from trust.vocabulary import Security
from wire import types as t
from wire.limits import PREFETCHES
from wire.text import name_to_text

SECURE = Security.SECURE
EXAMPLE_AT = "192.0.2.3"
TTL = 300
RECORDS = f"""www {TTL} A 192.0.2.80
alias 3600 CNAME www
brief 9 A 192.0.2.81
""" + "".join(f"n{number} {TTL} A 192.0.2.82\n" for number in range(PREFETCHES + 5))


def house(**changes: Any) -> House:
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", RECORDS, server=EXAMPLE_AT)
    root.delegate(jp)
    jp.delegate(example)
    for zone in (root, jp, example):
        zone.sign()
    return House(root, jp, example, **({"prefetch": True} | changes))


def asked(here: House) -> list[str]:
    """Names asked for since the last look, packets answered."""
    here.run()
    names = [name_to_text(ask.qname) for ask in here.asked]
    here.asked.clear()
    return names


def left(here: House, name: str = "www.example.jp") -> float:
    entry = here.mesh.memory.answers.exact(n(name), t.A, here.now.mono)
    return entry.expires - here.now.mono if entry is not None else 0.0


def settle(here: House, name: str = "www.example.jp", *, hits: int = 2) -> None:
    """Asked for so many times; then its life is nearly over."""
    for _ in range(hits + 1):
        here.ask(name)
    here.passes(TTL * 0.95)
    here.packets()


def test_a_wanted_answer_is_fetched_anew_and_the_client_does_not_wait() -> None:
    here = house()
    settle(here)
    here.begin("client", "www.example.jp")
    assert here.finished["client"].security is SECURE
    assert asked(here) == ["www.example.jp"]
    assert left(here) > TTL - 1
    assert here.mesh.memory.prefetches == 1
    here.ask("www.example.jp")
    assert asked(here) == []


@pytest.mark.parametrize(("hits", "expected"), [(0, []), (1, ["www.example.jp"])])
def test_one_hit_is_not_enough(hits: int, expected: list[str]) -> None:
    """`hits` before the one near the end."""
    here = house()
    settle(here, hits=hits)
    here.ask("www.example.jp")
    assert asked(here) == expected


def test_off() -> None:
    here = house(prefetch=False)
    settle(here)
    here.ask("www.example.jp")
    assert asked(here) == []


def test_not_before_the_last_tenth() -> None:
    here = house()
    for _ in range(3):
        here.ask("www.example.jp")
    here.passes(TTL * 0.85)
    here.packets()
    here.ask("www.example.jp")
    assert asked(here) == []


def test_not_for_a_short_life() -> None:
    here = house()
    for _ in range(3):
        here.ask("brief.example.jp")
    here.passes(8.5)
    here.packets()
    here.ask("brief.example.jp")
    assert asked(here) == []


def test_of_a_chain_only_what_is_about_to_expire() -> None:
    here = house()
    settle(here, "alias.example.jp")
    here.ask("alias.example.jp")
    assert asked(here) == ["www.example.jp"]


def test_once_for_each_life_even_if_it_fails() -> None:
    here = house()
    settle(here)
    here.changes = {EXAMPLE_AT: silent}
    here.ask("www.example.jp")
    assert asked(here)
    for _ in range(3):
        assert here.ask("www.example.jp").security is SECURE
        assert asked(here) == []


def test_what_comes_bogus_does_not_take_the_place_of_live_data() -> None:
    here = house()
    settle(here)
    here.changes = {EXAMPLE_AT: broken(t.A)}
    here.ask("www.example.jp")
    assert asked(here)
    assert here.ask("www.example.jp").security is SECURE


def test_what_is_bogus_is_not_fetched_ahead() -> None:
    here = house()
    here.changes = {EXAMPLE_AT: broken(t.A)}
    for _ in range(3):
        here.ask("www.example.jp")
    here.passes(58)
    here.packets()
    here.ask("www.example.jp")
    assert asked(here) == []


def test_a_denial_is_fetched_anew_too() -> None:
    here = house()
    for _ in range(3):
        here.ask("none.example.jp")
    here.passes(290)
    here.packets()
    here.ask("none.example.jp")
    assert asked(here) == ["none.example.jp"]


def test_equal_wishes_are_one() -> None:
    here = house()
    settle(here)
    for token in range(5):
        here.begin(token, "www.example.jp")
        here._take(here.mesh.renew(question("www.example.jp"), here.now))
    assert len(here.finished) == 5
    assert asked(here) == ["www.example.jp"]


def test_bounded_in_flight() -> None:
    here = house()
    names = [f"n{number}.example.jp" for number in range(PREFETCHES + 5)]
    for _ in range(3):
        for name in names:
            here.ask(name)
    here.passes(TTL * 0.95)
    here.packets()
    for name in names:
        here.begin(name, name)
    assert len(here.waiting) == PREFETCHES
    assert here.mesh.prefetches_left_out == 5
    here.run()
    assert here.mesh.inflight == 0
    # The rest has its turn with its next hit.
    for name in names:
        here.begin(name, name)
    assert len(here.waiting) == 5


def test_a_wish_from_outside_for_what_is_not_about_to_expire_asks_nobody() -> None:
    here = house()
    here.ask("www.example.jp")
    here.packets()
    here._take(here.mesh.renew(question("www.example.jp"), here.now))
    assert asked(here) == []
    assert here.mesh.inflight == 0
