"""The number of series: an hour of traffic of every kind, scraped every minute, in virtual time.

Two workers answer random questions from anybody: names do not matter (no label has one), types, RCODEs, verdicts, reasons,
errors and results of exchanges are drawn at random, NTAs come and go, workers are killed and started anew.
"""

import random
import subprocess
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from resolver.daemon.metrics.exporter import Table
from resolver.daemon.metrics.table import Snapshot
from resolver.daemon.stats import Totals
from resolver.server.counters import Counters
from resolver.server.tally import MAX_CELLS, TYPES, Said
from tests.conftest import require_binary
from tests.e2e import prometheus
from trust.reason import Reason
from trust.vocabulary import Security, Transport
from wire.limits import ALL_LIMITS
from wire.text import name_from_text

SCRAPE_S = 60
HOUR_S = 3600
WARM_UP_S = 600
MOST = 1500
"""Series that there may be: two or three of what there are, so that one label too many is noticed."""

RCODES = (0, 1, 2, 3, 4, 5, 6, 16, 23)
NTAS = [b"", *(name_from_text(f"broken{number}.jp") for number in range(3))]
REASONS = [(security.value, reason.label) for security in Security for reason in Reason]
CODES = sorted({reason.ede for reason in Reason if reason.ede is not None})
EXCHANGES = [
    (f"{family}|{transport}", result)
    for family in ("ipv4", "ipv6")
    for transport in ("udp", "tcp")
    for result in ("answer", "truncated", "timeout", "unreachable", "malformed", "case", "spoofed", "limit", "abandoned")
]


class Worker:
    """Counts what it never did."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.counters = Counters()

    def work(self, queries: int) -> None:
        dice, counters = self.dice, self.counters
        for _ in range(queries):
            counters.udp_queries += 1
            security, reason = dice.choice(REASONS)
            said = Said(
                dice.choice(list(Transport)),
                dice.choice([*TYPES, dice.randrange(65536)]),
                dice.choice(RCODES),
                security,
                reason,
                tuple(sorted(dice.sample(CODES, dice.randrange(3)))),
                dice.choice(NTAS),
            )
            counters.tally.add(said)
            counters.client_seconds.add(dice.expovariate(10))
            counters.upstream_seconds.add(dice.expovariate(10))
            counters.exchanged(*dice.choice(EXCHANGES))

    def stats(self) -> dict[str, object]:
        counters = self.counters
        seconds = {
            name: dict(zip([*map(str, histogram.bounds), "+Inf"], histogram.counts, strict=True)) | {"sum": histogram.sum_s}
            for name, histogram in (
                ("client_seconds", counters.client_seconds),
                ("upstream_seconds", counters.upstream_seconds),
            )
        }
        return seconds | {
            "counters": counters.as_dict(),
            "responses": counters.said(),
            "exchanges": counters.exchanges,
            "limits": {self.dice.choice(ALL_LIMITS).label: 1},
        }


def scrape(totals: Totals, workers: list[Worker]) -> list[str]:
    """The lines of a scrape, without comments."""
    stats = totals.with_living(worker.stats() for worker in workers)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Table(Snapshot(stats, restarts=[0, 0])))
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def hour(dice: random.Random) -> list[list[str]]:
    """What Prometheus reads in an hour."""
    totals, workers = Totals(), [Worker(dice), Worker(dice)]
    scrapes = []
    for second in range(0, HOUR_S, SCRAPE_S):
        for worker in workers:
            worker.work(600 if second < WARM_UP_S else 100)  # by then everything there is has happened
        if second % 300 == 0:  # killed, and started anew
            totals.bury(workers[0].stats())
            workers = [workers[1], Worker(dice)]
        scrapes.append(scrape(totals, workers))
    return scrapes


def test_an_hour_of_anything_has_a_constant_number_of_series(tmp_path: Path) -> None:
    scrapes = hour(random.Random(1))
    warm = scrapes[WARM_UP_S // SCRAPE_S :]
    series = [{line.rpartition(" ")[0] for line in lines} for lines in warm]
    assert all(found == series[0] for found in series)
    assert len(series[0]) < MOST
    # What a real Prometheus makes of that hour.
    promtool = require_binary("promtool")
    text = "".join(f"{line} {1_700_000_000 + number * SCRAPE_S}\n" for number, lines in enumerate(warm) for line in lines)
    (tmp_path / "hour").write_text(text + "# EOF\n")
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", tmp_path / "hour", tmp_path / "data"]
    made = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stderr
    with prometheus.running(tmp_path) as server:
        answer = server.get(
            "/api/v1/query_range",
            query='count({__name__=~"akashi_.+"})',
            start=1_700_000_000,
            end=1_700_000_000 + (len(warm) - 1) * SCRAPE_S,
            step=SCRAPE_S,
        )
        (result,) = answer["result"]
        assert {value for _, value in result["values"]} == {str(len(series[0]))}
        assert len(result["values"]) == len(warm)


def test_totals_of_many_workers_stay_bounded_and_complete() -> None:
    dice, totals, sent = random.Random(2), Totals(), 0
    for _ in range(8):
        worker = Worker(dice)
        worker.work(1000)
        sent += 1000
        totals.bury(worker.stats())
    responses = totals.with_living([])["responses"]
    coarse = len(Transport) * len(RCODES) * len(Security)
    assert MAX_CELLS <= len(responses) <= MAX_CELLS + coarse
    assert sum(responses.values()) == sent
    by_rcode: dict[str, float] = {}
    for key, count in responses.items():
        by_rcode[key.split("|")[2]] = by_rcode.get(key.split("|")[2], 0) + count
    assert set(by_rcode) == {str(rcode) for rcode in RCODES}
