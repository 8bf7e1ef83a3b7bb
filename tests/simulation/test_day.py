"""A few hours of the simulated day; `python -m tests.simulation` runs whole ones."""

import pytest

from tests.simulation.day import Day
from tests.simulation.sizes import octets_of


@pytest.mark.parametrize("changes", [{}, {"serve_stale": True, "prefetch": True}], ids=["plain", "stale and prefetch"])
def test_availability_verdicts_and_memory_are_as_the_oracle_says(changes: dict[str, bool]) -> None:
    """Servers come and go, keys are rolled well and badly, zones move, expire and are suspended."""
    day = Day(7, zones=16, rate=0.5, every=300.0, cache_size=400_000, **changes)
    report = day.run(3 * 3600)
    assert report.wrong == []
    assert report.judged["must be answered: answered"] > 2000
    assert sum(count for kind, count in report.judged.items() if kind.startswith("must fail")) > 20
    assert len(report.happened) >= 8
    assert report.evictions > 0


def test_the_oracle_objects() -> None:
    """Signatures are damaged behind the oracle's back: failures it does not expect."""
    day = Day(7, zones=16, rate=0.5, every=1e9)
    for version in (domain.versions[-1] for domain in day.net.domains.values()):
        for rrset in version.zone.data.values():
            rrset.sigs = [sig[:-1] + bytes((sig[-1] ^ 1,)) for sig in rrset.sigs]
    assert "everything was well" in day.run(600).wrong[0]


def test_a_size_counts_each_thing_once() -> None:
    shared = bytes(100_000)
    assert 100_000 < octets_of([shared, shared]) < 101_000
    assert octets_of([shared], beside=(shared,)) < 1000
