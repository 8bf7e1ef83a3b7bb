"""A few hours of the simulated day; `python -m tests.simulation` runs whole ones."""

from typing import Any

import pytest

from tests.simulation.day import Day
from tests.simulation.internet import Condition
from tests.simulation.sizes import octets_of
from trust.anchors import Nta
from wire.name import ROOT

SMALL = 400_000
"""Octets of a cache from which something is evicted all the time: what it still holds depends on what was asked when."""
LARGE = 40_000_000


@pytest.mark.parametrize(
    ("changes", "unforetold"),
    [
        ({"cache_size": LARGE}, 0.06),
        ({"cache_size": SMALL}, 0.15),
        ({"cache_size": SMALL, "serve_stale": True, "prefetch": True}, 0.15),
    ],
    ids=["nothing evicted", "evictions", "stale and prefetch"],
)
def test_availability_verdicts_and_memory_are_as_the_oracle_says(changes: dict[str, Any], unforetold: float) -> None:
    """Servers come and go, keys are rolled well and badly, zones move, expire and are suspended: four times as often as in
    a whole day of `python -m tests.simulation`: so more is left open than there.
    """
    day = Day(7, zones=16, rate=0.5, every=300.0, **changes)
    report = day.run(3 * 3600)
    assert report.wrong == []
    assert report.judged["must be answered: answered"] > 2000
    assert sum(count for kind, count in report.judged.items() if kind.startswith("must fail")) > 20
    assert len(report.happened) >= 8
    assert (report.evictions > 0) == (changes["cache_size"] == SMALL)
    assert report.ambiguous <= unforetold


def test_the_oracle_objects() -> None:
    """Signatures are damaged behind the oracle's back: failures it does not expect."""
    day = Day(7, zones=16, rate=0.5, every=1e9)
    for version in (domain.versions[-1] for domain in day.net.domains.values()):
        for rrset in version.zone.data.values():
            rrset.sigs = [sig[:-1] + bytes((sig[-1] ^ 1,)) for sig in rrset.sigs]
    assert "everything was well" in day.run(600).wrong[0]


def in_calm() -> Day:
    """Ten minutes in which nothing happens."""
    day = Day(7, zones=16, rate=0.5, every=1e9, go_on=True)
    day.run(600)
    assert day.wrong == []
    return day


def test_the_oracle_objects_to_what_is_forgotten() -> None:
    """All servers are silent, as it knows; the cache is emptied, as it does not."""
    day = in_calm()
    for domain in day.net.domains.values():
        for server in domain.servers:
            server.condition = Condition.SILENT
        domain.note(day.elapsed)
    day.mesh.memory.flush()
    assert any("everything was well" in text for text in day.run(60).wrong)


def test_the_oracle_objects_to_trust_where_there_is_none() -> None:
    """All zones below the TLDs are badly signed, as it knows; validation is suspended, as it does not."""
    day = in_calm()
    day.mesh.set_trust(day.points.with_ntas([Nta(ROOT, "behind its back")]))
    for domain in day.net.domains.values():
        if domain.text:
            domain.sound = False
            day.fortunes.publish(domain)
    day.mesh.memory.flush()
    assert any("nothing was good" in text for text in day.run(1200).wrong)


def test_a_size_counts_each_thing_once() -> None:
    shared = bytes(100_000)
    assert 100_000 < octets_of([shared, shared]) < 101_000
    assert octets_of([shared], beside=(shared,)) < 1000
