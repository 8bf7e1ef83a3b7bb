"""Prometheus metrics and health over HTTP on `metrics.listen`: /metrics, /healthz, /readyz.

Theory: nothing is counted here. A scrape asks the workers for their counts (a worker that hangs is left out after the
channel's time-out, its last counts stand), adds those of the workers that are gone, and reads the table of
`metrics.table`. Scrapes at the same time share one round of asking.

| path | answers |
| --- | --- |
| /metrics | the metrics, in Prometheus's text format or OpenMetrics, as asked for |
| /healthz | 200 while the supervisor's loop runs |
| /readyz | 200 while clients are answered and nothing is wrong, else 503 with what is |

Limitations: unprotected HTTP, read only; put it on an address that only your Prometheus reaches.
"""

import asyncio
import platform
import socket
from collections.abc import Iterable, Iterator
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

import resolver
from resolver.daemon.build import anchor_tags
from resolver.daemon.manager import Manager
from resolver.daemon.metrics.table import METRICS, PREFIX, Metric, Snapshot
from resolver.server import clock
from wire.text import name_to_text

SHUTDOWN_S: Final = 1.0
MAX_REQUEST: Final = 1024
"""Octets of a request's body: none is expected."""


class Table(Collector):
    """The metrics of one snapshot, as prometheus-client wants them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Family]:
        """All of them; one without samples is told without."""
        for metric in METRICS:
            yield family(metric, self._snapshot)


def family(metric: Metric, snapshot: Snapshot) -> Family:
    """One metric with its samples."""
    name = PREFIX + metric.name
    samples = list(metric.read(snapshot))
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(name, metric.help)
        counts = {labels[0]: count for labels, count in samples}
        total = counts.pop("sum", 0.0)
        buckets, so_far = [], 0.0
        for bound in sorted(counts, key=float):
            so_far += counts[bound]
            buckets.append((bound, so_far))
        if buckets:
            histogram.add_metric([], buckets, total)
        return histogram
    made: CounterMetricFamily | GaugeMetricFamily
    if metric.kind == "counter":
        made = CounterMetricFamily(name, metric.help, labels=metric.labels)
    else:
        made = GaugeMetricFamily(name, metric.help, labels=metric.labels)
    for labels, value in samples:
        made.add_metric(labels, value)
    return made


async def take_snapshot(manager: Manager) -> Snapshot:
    """What the metrics are read from, now."""
    stats = await manager.stats()
    now = clock.now()
    supervisor, points = manager.supervisor, manager.points
    failing = {finding["check"] for finding in manager.findings()}
    others: dict[str, list[tuple[tuple[str, ...], float]]] = {
        "reloads": [((result,), count) for result, count in manager.reloads.items()]
    }
    for give in manager.hooks.metrics:
        for name, samples in give().items():
            others.setdefault(name, []).extend(samples)
    return Snapshot(
        stats,
        facts={
            "workers": len(supervisor.slots),
            "workers_ready": len(supervisor.serving),
            "generation": supervisor.generation,
            "start_time": manager.started_wall,
            "trust_generation": points.generation,
            "ntas": sum(nta.in_force(now.wall) for nta in points.ntas.values()),
        },
        info={"version": resolver.__version__, "python": platform.python_version(), "core": resolver.core()},
        restarts=[slot.restarts for slot in supervisor.slots],
        anchors={name_to_text(name): anchor_tags(point) for name, point in points.points.items()},
        findings={name: name in failing for name in ["workers", *(check.name for check in manager.hooks.checks)]},
        others=others,
    )


class Metrics:
    """The HTTP side, from `start` to `close`, on a listening socket."""

    def __init__(self, manager: Manager, sock: socket.socket) -> None:
        self._manager = manager
        self._socket = sock
        self._asking: asyncio.Task[Snapshot] | None = None
        app = web.Application(client_max_size=MAX_REQUEST)
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        app.on_response_prepare.append(_anonymous)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S)

    async def start(self) -> None:
        """Answer from now on."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def close(self) -> None:
        """Answer no more."""
        await self._runner.cleanup()
        self._socket.close()

    async def _metrics(self, request: web.Request) -> web.Response:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(take_snapshot(self._manager))
        snapshot = await asyncio.shield(self._asking)
        self._manager.scraped_mono = clock.monotonic()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Table(snapshot))
        if "application/openmetrics-text" in request.headers.get("Accept", ""):
            body = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
            kind = openmetrics.CONTENT_TYPE_LATEST
        else:
            body, kind = exposition.generate_latest(registry), exposition.CONTENT_TYPE_LATEST
        return web.Response(body=body, headers={"Content-Type": kind})

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        manager = self._manager
        findings = [f"{finding['check']}: {finding['problem']}" for finding in manager.findings()]
        if not manager.serving and not findings:
            findings = ["workers: none answers clients"]
        return _told(findings)


async def _anonymous(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "akashi"


def _told(findings: Iterable[str]) -> web.Response:
    lines = list(findings)
    if not lines:
        return web.Response(text="ready\n")
    return web.Response(status=503, text="".join(f"{line}\n" for line in lines))
