"""Trust anchors in the daemon: who has a say in what is in force, and how a zone's keys are fetched."""

import asyncio
from typing import Any

from resolver.config import Config, load
from resolver.daemon.trust.hub import TrustHub
from resolver.daemon.trust.service import fetch_dnskey, timers_of
from resolver.resolution import Resolution
from tests.trust.rollover import ZONE, key, published
from tests.trust.zones import NOW, n
from trust.anchors import Nta, TrustPoint, TrustPoints
from trust.rfc5011 import Timers
from trust.vocabulary import Address, Kind, Question, Security, Step
from wire import types as t
from wire.name import ROOT

A, B, C = key(0), key(1), key(2)


def names(points: TrustPoints) -> dict[bytes, tuple[bytes, ...]]:
    return {name: (*p.ds, *p.dnskeys) for name, p in points.points.items()}


# --- the hub -------------------------------------------------------------------------------------------------------------


def test_what_is_followed_takes_the_place_of_what_is_configured() -> None:
    hub = TrustHub(TrustPoints([TrustPoint(ROOT, [], [A.rdata])], [Nta(n("static"))], 3))
    now = hub.follow([TrustPoint(ROOT, [], [B.rdata]), TrustPoint(ZONE, [], [C.rdata])])
    assert names(now) == {ROOT: (B.rdata,), ZONE: (C.rdata,)} and now.generation == 4 and n("static") in now.ntas
    assert hub.suspend([Nta(n("broken"))]).points.keys() == {ROOT, ZONE}


def test_a_deleted_trust_point_is_none_though_configured() -> None:
    hub = TrustHub(TrustPoints([TrustPoint(ROOT, [], [A.rdata]), TrustPoint(ZONE, [], [B.rdata])]))
    assert names(hub.follow([TrustPoint(ROOT, [], [A.rdata])], [ZONE])) == {ROOT: (A.rdata,)}
    assert names(hub.with_configured(hub.configured)) == {ROOT: (A.rdata,)}


def test_an_imported_one_goes_when_it_is_forgotten() -> None:
    hub = TrustHub(TrustPoints([TrustPoint(ROOT, [], [A.rdata])]))
    hub.follow([TrustPoint(ROOT, [], [A.rdata]), TrustPoint(ZONE, [], [B.rdata])])
    assert names(hub.follow([TrustPoint(ROOT, [], [A.rdata])])) == {ROOT: (A.rdata,)}


# --- fetching ------------------------------------------------------------------------------------------------------------


class Prober:
    """Answers with a resolution made beforehand, and remembers what was asked."""

    def __init__(self, resolution: Resolution) -> None:
        self.resolution = resolution
        self.asked: list[tuple[Question, dict[str, Any]]] = []

    async def resolve(self, question: Question, **how: Any) -> Resolution:
        self.asked.append((question, how))
        return self.resolution


def fetched(resolution: Resolution) -> tuple[Any, Prober]:
    prober = Prober(resolution)
    return asyncio.run(fetch_dnskey(prober, ZONE)), prober  # type: ignore[arg-type]


def answer(security: Security, *, errors: list[tuple[int, str]] | None = None, empty: bool = False) -> Resolution:
    rrset = published([A], [A], NOW)
    step = Step(ZONE, t.DNSKEY, Kind.ANSWER, [rrset], [], ZONE, Address("192.0.2.7", 53))
    data = [] if empty else [(rrset, 1.0)]
    rcode = t.NOERROR if security is Security.SECURE else t.SERVFAIL
    return Resolution(Question(ZONE, t.DNSKEY), rcode, data, [], security, errors or [], 1.0, steps=[(step, None)])


def test_fetched_afresh_and_past_ntas() -> None:
    found, prober = fetched(answer(Security.SECURE))
    assert found.rrset is not None and found.rrset.rdatas == [A.rdata] and found.rrset.sigs and found.server == "192.0.2.7"
    assert prober.asked == [(Question(ZONE, t.DNSKEY), {"fresh": True, "ignore_ntas": True})]


def test_bogus_data_comes_too() -> None:
    """A revocation may stand in a set that no trusted key signs: the anchors' own rules judge it."""
    found, _ = fetched(answer(Security.BOGUS, errors=[(9, "no match")]))
    assert found.rrset is not None and found.rrset.rdatas == [A.rdata]


def test_nothing_came() -> None:
    found, _ = fetched(answer(Security.INDETERMINATE, errors=[(22, ""), (23, "192.0.2.1 timed out")], empty=True))
    assert found.rrset is None and found.text == "192.0.2.1 timed out"
    found, _ = fetched(answer(Security.SECURE, empty=True))
    assert found.rrset is None and "no DNSKEY" in found.text


# --- options -------------------------------------------------------------------------------------------------------------


def test_timers() -> None:
    assert timers_of(Config()) == Timers()
    lab = load(None, ("trust.add-hold-down=20s", "trust.remove-hold-down=10s", "trust.shortest-refresh=2s"))
    assert timers_of(lab) == Timers(add_hold_down_s=20, remove_hold_down_s=10, shortest_s=2)
