"""Failing zones: bounded, ranked by clients, forgotten after an hour."""

import json

import pytest

from resolver.watch import impact
from resolver.watch.impact import BIN_S, BINS, FailingZones, ImpactBook
from resolver.watch.sketch import Pseudonyms
from wire.text import name_from_text as n

NAMES = Pseudonyms(bytes(16))
A, B, C = n("a.example"), n("b.example"), n("c.example")


def failing(
    zones: FailingZones, zone: bytes, clients: int, times: int = 1, wall: float = 100.0, *, bogus: bool = True
) -> None:
    for number in range(clients):
        for _ in range(times):
            counts = zones.zone(zone, wall)
            counts.reason, counts.text = "signature-expired", "why"
            counts.add(NAMES.hashed(f"192.0.2.{number}"), wall, bogus=bogus)


def test_what_a_worker_counted_is_plain_data_without_addresses() -> None:
    zones = FailingZones()
    failing(zones, A, 3, 2)
    drained = zones.drain()
    text = json.dumps(drained)
    assert "192.0.2" not in text
    assert len(zones) == 0
    assert zones.drain() == {}
    book = ImpactBook()
    book.add(json.loads(text), 1000.0)
    (found,) = book.top(10, 60)
    assert (found.zone, found.count, found.bogus, found.clients, found.share) == (A, 6, 6, 3, pytest.approx(0.1))
    assert (found.reason, found.text, found.since_wall, found.last_wall) == ("signature-expired", "why", 100.0, 100.0)


def test_clients_of_all_workers_are_distinct_together() -> None:
    book = ImpactBook()
    for _ in range(3):
        zones = FailingZones()
        failing(zones, A, 5)
        book.add(zones.drain(), 1000.0)
    (found,) = book.top(10, None)
    assert (found.count, found.clients, found.share) == (15, 5, None)


def test_ranked_by_clients_not_by_retries() -> None:
    zones, book = FailingZones(), ImpactBook()
    failing(zones, A, 1, 100)
    failing(zones, B, 20)
    failing(zones, C, 3, bogus=False)
    book.add(zones.drain(), 1000.0)
    assert [(i.zone, i.bogus) for i in book.top(10, 1000)] == [(B, 20), (C, 0), (A, 100)]
    assert len(book.top(2, 1000)) == 2


def test_an_hour_later_it_is_forgotten_and_since_begins_anew() -> None:
    zones, book = FailingZones(), ImpactBook()
    failing(zones, A, 2, wall=100.0)
    book.add(zones.drain(), 0.0)
    failing(zones, A, 4, wall=1900.0)
    book.add(zones.drain(), 1800.0)
    (found,) = book.top(1, None)
    assert (found.count, found.clients, found.since_wall, found.last_wall) == (6, 4, 100.0, 1900.0)
    book.forget(BIN_S * BINS)
    (found,) = book.top(1, None)
    assert (found.count, found.since_wall) == (4, 100.0)
    book.forget(1800.0 + BIN_S * BINS)
    assert len(book) == 0
    failing(zones, A, 1, wall=9000.0)
    book.add(zones.drain(), 9000.0)
    assert book.top(1, None)[0].since_wall == 9000.0


def test_a_flood_of_failing_names_does_not_push_out_the_zone_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impact, "MAX_ZONES", 8)
    zones, book = FailingZones(), ImpactBook()
    failing(zones, A, 50)
    for number in range(200):
        failing(zones, n(f"{number}.attack.example"), 1)
        assert len(zones) <= 8
    book.add(zones.drain(), 1000.0)
    for number in range(200):
        failing(zones, n(f"{number}.again.example"), 1)
        book.add(zones.drain(), 1000.0)
        assert len(book) <= 8
    assert book.top(1, None)[0].zone == A
    assert abs(book.top(1, None)[0].clients - 50) <= 5
