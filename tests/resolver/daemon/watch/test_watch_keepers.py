"""The keepers of the baseline and of the impact: counts in, documents and metrics out, restarts survived."""

import asyncio
import io
import json
from pathlib import Path

import pytest

from resolver.config import load
from resolver.daemon import logs
from resolver.daemon.watch.baseline_keeper import SAVE_MINUTES, SUBJECT, BaselineKeeper
from resolver.daemon.watch.impact_keeper import RANKS, ImpactKeeper
from resolver.state.database import Database
from resolver.state.watch_store import WatchStore
from resolver.watch.impact import FailingZones
from resolver.watch.sketch import Pseudonyms
from trust.vocabulary import Now
from wire.text import name_from_text as n

NAMES = Pseudonyms(bytes(16))


class Traffic:
    """Counts as of now; each minute adds to them."""

    def __init__(self, *settings: str, store: WatchStore | None = None) -> None:
        self.stream = io.StringIO()
        logs.configure("info", "json", self.stream)
        self.responses = self.servfails = 0
        self.now = Now(1_800_000_000.0, 100.0)
        self.keeper = BaselineKeeper(load(None, settings), self.counts, store, logs.logger(), now=lambda: self.now)

    async def counts(self) -> tuple[int, int]:
        return self.responses, self.servfails

    def minutes(self, count: int, n: int, k: int) -> None:
        for _ in range(count):
            self.now = Now(self.now.wall + 60, self.now.mono + 60)
            self.responses += n
            self.servfails += k
            asyncio.run(self.keeper.minute())

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]


def test_an_anomaly_comes_and_goes() -> None:
    here = Traffic("watch.learning=1h")
    here.minutes(1, 0, 0)
    here.minutes(30, 6000, 60)
    assert here.keeper.learning
    assert here.keeper.document()["learning"]
    here.minutes(60, 6000, 60)
    document = here.keeper.document()
    assert not document["learning"]
    assert document["ratio"] == pytest.approx(0.01)
    assert document["usual"] == pytest.approx(0.01, rel=0.1)
    assert 0.01 < document["threshold"] < 0.1
    assert document["suggested_threshold"] is not None
    assert here.keeper.responses_last_hour == 360_000
    here.minutes(5, 6000, 1200)
    assert here.keeper.document()["anomaly"]
    assert here.keeper.document()["anomaly_since"] is not None
    samples = here.keeper.metrics()
    assert samples["servfail_anomaly"] == [((), 1.0)]
    assert samples["servfail_ratio"] == [((), 0.2)]
    here.minutes(12, 6000, 60)
    assert not here.keeper.document()["anomaly"]
    assert here.events() == ["servfail-anomaly", "servfail-usual"]


def test_no_traffic_has_no_ratio() -> None:
    here = Traffic()
    assert here.keeper.document()["ratio"] is None
    here.minutes(5, 0, 0)
    assert here.keeper.document()["ratio"] is None
    assert "servfail_ratio" not in here.keeper.metrics()
    assert here.keeper.metrics()["servfail_anomaly"] == [((), 0.0)]


def test_a_fixed_threshold() -> None:
    here = Traffic("watch.servfail-threshold=0.5")
    here.minutes(10, 1000, 400)
    assert not here.keeper.document()["anomaly"]
    here.minutes(10, 1000, 600)
    assert here.keeper.document()["anomaly"], "learning or not"
    assert here.keeper.document()["configured_threshold"] == 0.5


def test_what_was_learned_survives_a_restart(tmp_path: Path) -> None:
    log = logs.logger()
    database = Database(tmp_path, log, 0.0)
    here = Traffic(store=WatchStore(database))
    here.minutes(SAVE_MINUTES + 2, 6000, 300)
    usual = here.keeper.document()["usual"]
    here.keeper.save()
    database.close()
    database = Database(tmp_path, log, 0.0)
    again = Traffic(store=WatchStore(database))
    assert again.keeper.baseline.minutes == SAVE_MINUTES + 1
    assert again.keeper.baseline.usual(here.now.wall) == pytest.approx(usual, abs=1e-5)
    again.keeper.reset()
    assert again.keeper.baseline.minutes == 0
    assert Traffic(store=WatchStore(database)).keeper.baseline.minutes == 0
    database.close()


def test_it_is_saved_now_and_then(tmp_path: Path) -> None:
    database = Database(tmp_path, logs.logger(), 0.0)
    store = WatchStore(database)
    here = Traffic(store=store)
    here.minutes(SAVE_MINUTES, 100, 1)
    assert store.load(SUBJECT) is None
    here.minutes(1, 100, 1)
    assert store.load(SUBJECT) is not None
    database.close()


@pytest.mark.parametrize("stored", ["{}", "[]", "no JSON"])
def test_a_stored_baseline_that_makes_no_sense_is_learned_anew(tmp_path: Path, stored: str) -> None:
    database = Database(tmp_path, logs.logger(), 0.0)
    store = WatchStore(database)
    with database.transaction() as connection:
        connection.execute("INSERT INTO watch VALUES (?, 0.0, ?)", (SUBJECT, stored))
    assert Traffic(store=store).keeper.baseline.minutes == 0
    database.close()


# --- impact ------------------------------------------------------------------------------------------------------------


def worker(*zones: tuple[str, int]) -> FailingZones:
    made = FailingZones()
    for zone, clients in zones:
        for number in range(clients):
            counts = made.zone(n(zone), 1_800_000_000.0)
            counts.reason = "signature-expired"
            counts.add(NAMES.hashed(f"192.0.2.{number}"), 1_800_000_000.0, bogus=True)
    return made


def keeper(*workers: FailingZones, probed: tuple[str, ...] = ()) -> ImpactKeeper:
    async def drain() -> list[dict[str, object]]:
        return [one.drain() for one in workers]

    return ImpactKeeper(
        drain, lambda: 1000, lambda: [n(name) for name in probed], enabled=True, now=lambda: Now(0.0, 5000.0)
    )


def test_all_workers_together_are_told_once() -> None:
    here = keeper(worker(("a.example", 3), ("b.example", 9)), worker(("a.example", 3)))
    document = asyncio.run(here.document())
    assert [(z["zone"], z["clients"], z["responses"], z["share"]) for z in document["top"]] == [
        ("b.example", 9, 9, 0.009),
        ("a.example", 3, 6, 0.006),
    ]
    assert document["zones"] == 2
    assert asyncio.run(here.document()) == document, "asking again adds nothing"
    assert len(asyncio.run(here.document(1))["top"]) == 1
    json.dumps(document)


def test_metrics_have_ranks_and_no_names() -> None:
    here = keeper(worker(*((f"{number}.example", number) for number in range(1, 20))))
    asyncio.run(here.collect())
    samples = here.metrics()
    assert [labels for labels, _ in samples["impact_clients"]] == [(str(rank),) for rank in range(1, RANKS + 1)]
    assert next(iter(samples["impact_clients"]))[1] == pytest.approx(19, abs=2)
    assert list(samples["impact_zones"]) == [((), 19)]
    assert [value for _, value in keeper().metrics()["impact_clients"]] == [0.0] * RANKS


def test_our_own_probes_are_marked_and_rank_nowhere() -> None:
    here = keeper(worker(("bad.example", 1), ("other.example", 1)), probed=("www.bad.example",))
    document = asyncio.run(here.document())
    assert {zone["zone"]: zone["probe"] for zone in document["top"]} == {"bad.example": True, "other.example": False}
    assert [value for _, value in here.metrics()["impact_clients"]][:2] == [1.0, 0.0]
    many = keeper(worker(("bad.example", 5)), probed=("www.bad.example",))
    assert not asyncio.run(many.document())["top"][0]["probe"], "it fails for others, too"
