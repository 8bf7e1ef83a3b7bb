"""Zone cuts: the closest one, how long it lives, and what the configuration has fixed."""

import pytest

from resolver.cache.delegations import MAX_CUTS, Delegations
from resolver.cache.memory import configured_cuts
from tests.resolver.cache.steps import cut
from tests.resolver.play import settings
from trust.vocabulary import Address
from wire.name import ROOT
from wire.text import name_from_text, name_to_text

NOW = 1000.0
FOREVER = float("inf")


def delegations(*configured: str, limit: int = MAX_CUTS) -> Delegations:
    return Delegations([cut(".", FOREVER), *(cut(zone, FOREVER) for zone in configured)], limit)


def closest(known: Delegations, name: str, mono: float = NOW) -> str:
    return name_to_text(known.closest(name_from_text(name), mono).zone)


def test_the_root_is_always_known() -> None:
    known = delegations()
    assert closest(known, "www.example.jp") == "."
    assert closest(known, ".") == "."


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("www.example.jp", "example.jp"),
        ("example.jp", "example.jp"),
        ("a.b.c.example.jp", "example.jp"),
        ("xexample.jp", "jp"),
        ("jp", "jp"),
        ("com", "."),
    ],
)
def test_the_deepest_cut_at_or_above_the_name(name: str, zone: str) -> None:
    known = delegations()
    known.put(cut("jp", NOW + 60))
    known.put(cut("example.jp", NOW + 60))
    assert closest(known, name) == zone


def test_a_cut_ends_with_its_time_and_the_next_one_above_counts() -> None:
    known = delegations()
    known.put(cut("jp", NOW + 3600))
    known.put(cut("example.jp", NOW + 60))
    assert closest(known, "www.example.jp", NOW + 59.9) == "example.jp"
    assert closest(known, "www.example.jp", NOW + 60) == "jp"
    assert len(known) == 1
    assert closest(known, "www.example.jp", NOW + 3600) == "."
    assert len(known) == 0


def test_a_new_referral_replaces_the_old_one() -> None:
    known = delegations()
    known.put(cut("jp", NOW + 60))
    new = cut("jp", NOW + 7200)
    known.put(new)
    assert known.get(name_from_text("jp"), NOW) is new
    assert len(known) == 1


def test_configured_cuts_stay_whatever_referrals_say() -> None:
    known = delegations("lab.example")
    configured = known.get(name_from_text("lab.example"), NOW)
    known.put(cut("lab.example", NOW + 60))
    assert known.get(name_from_text("lab.example"), NOW) is configured
    assert known.get(name_from_text("lab.example"), NOW + 1e9) is configured
    known.clear()
    known.forget(name_from_text("lab.example"))
    assert closest(known, "www.lab.example") == "lab.example"


def test_below_a_configured_cut_referrals_count() -> None:
    known = delegations("lab.example")
    known.put(cut("sub.lab.example", NOW + 60))
    assert closest(known, "www.sub.lab.example") == "sub.lab.example"


def test_priming_replaces_the_hints_as_long_as_it_lasts() -> None:
    known = delegations()
    hints = known.closest(ROOT, NOW)
    assert not known.is_primed(NOW)
    primed = cut(".", NOW + 60)
    known.put(primed)
    assert known.is_primed(NOW)
    assert known.closest(ROOT, NOW) is primed
    assert not known.is_primed(NOW + 60)
    assert known.closest(ROOT, NOW + 60) is hints


def test_a_forwarder_for_everything_is_not_replaced_by_priming() -> None:
    forwarder = cut(".", FOREVER, forward=True)
    known = Delegations([forwarder])
    known.put(cut(".", NOW + 60))
    assert known.closest(ROOT, NOW) is forwarder


def test_forget_and_clear() -> None:
    known = delegations()
    known.put(cut("jp", NOW + 60))
    known.put(cut("com", NOW + 60))
    known.forget(name_from_text("jp"))
    known.forget(name_from_text("never-seen"))
    assert (closest(known, "jp"), closest(known, "com")) == (".", "com")
    known.clear()
    assert closest(known, "com") == "."


def test_number_is_bounded_and_the_oldest_go() -> None:
    known = delegations("lab.example", limit=100)
    for number in range(1000):
        known.put(cut(f"z{number}", NOW + 60))
        assert len(known) <= 100
    assert closest(known, "www.z999") == "z999"
    assert closest(known, "www.z0") == "."
    assert closest(known, "www.lab.example") == "lab.example"


def test_renewed_is_not_old() -> None:
    known = delegations(limit=100)
    for number in range(1000):
        known.put(cut("jp", NOW + 60))
        known.put(cut(f"z{number}", NOW + 60))
    assert closest(known, "www.jp") == "jp"


def test_cuts_of_the_configuration() -> None:
    stub, forward = name_from_text("stub.example"), name_from_text("forward.example")
    chosen = settings(stub={stub: [Address("10.0.0.1", 5353)]}, forward={forward: [Address("10.0.0.2", 53)]})
    cuts = {made.zone: made for made in configured_cuts(chosen)}
    assert set(cuts) == {ROOT, stub, forward}
    assert all(made.expires_mono == FOREVER for made in cuts.values())
    assert [cuts[zone].forward for zone in (ROOT, stub, forward)] == [False, False, True]
    assert cuts[stub].servers == {stub: [Address("10.0.0.1", 5353)]}
    assert cuts[ROOT].servers == dict(chosen.root)
