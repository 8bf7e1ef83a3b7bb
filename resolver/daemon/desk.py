"""A worker's side of the channel: what the supervisor asks of it is carried out here, at once.

| request | does |
| --- | --- |
| trust | puts other trust anchors and NTAs in force |
| clock | what is known of our clock: what errors about times say of it, and whether it is right |
| failures | hands over what was counted of failing zones since it was last asked |
| flush | forgets a name, a subtree, a type, what is bogus, or all |
| lookup | what is remembered of a name |
| recall | what a client would be told from memory alone |
| inflight | what is being resolved |
| stats | counts, sizes, limits hit |
| log-level | writes other lines to the log from now on |
| self-test | answers a query of its own, by the whole way through the worker but the socket |
| retire | a successor serves: takes nothing more from clients, finishes what it has in hand, ends |

News from the supervisor: `go`, with the trust points in force: serve from now on. News for it: `ready`, and `bye` with the
last counts.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from resolver.cache.selection import Selection
from resolver.daemon import logs
from resolver.daemon.build import with_trust
from resolver.daemon.channel import ChannelError
from resolver.daemon.trust.message import decode_trust
from resolver.explain.cached import cached, recalled
from resolver.mesh import Task
from resolver.server import clock
from resolver.server.driver import Driver
from resolver.server.service import Service
from resolver.server.tally import Histogram
from trust.anchors import TrustPoints
from trust.vocabulary import Question, Transport
from wire import types as t
from wire.composer import compose_query
from wire.limits import RESOLUTION_SECONDS
from wire.text import name_from_text, name_to_text, type_to_text

Document: TypeAlias = dict[str, Any]

MAX_INFLIGHT: Final = 1000
"""Resolutions told of at once, the oldest."""


class Desk:
    """Carries out the supervisor's requests on the parts of a worker. `tasks`: by name; others may be added."""

    def __init__(
        self,
        driver: Driver,
        service: Service,
        sizes: Callable[[], dict[str, int]],
        evictions: Callable[[], dict[str, int]],
        retire: Callable[[], None],
        drain: Callable[[], Document],
    ) -> None:
        self._driver = driver
        self._service = service
        self._sizes = sizes
        self._evictions = evictions
        self._leave = retire
        self._drain = drain
        self.tasks: dict[str, Callable[[Document], Document]] = {
            "trust": self._trust,
            "clock": self._clock,
            "failures": lambda _: self._drain(),
            "flush": self._flush,
            "lookup": self._lookup,
            "recall": self._recall,
            "inflight": self._inflight,
            "stats": lambda _: self.stats(),
            "log-level": self._log_level,
            "self-test": self._self_test,
            "retire": self._retire,
        }

    def handle(self, what: str, arguments: Document) -> Document:
        """Carry out one request.

        Raises:
            ChannelError: there is no such request, or it cannot be carried out.
        """
        task = self.tasks.get(what)
        if task is None:
            raise ChannelError(f"no such request: {what}")
        return task(arguments)

    def set_trust(self, points: TrustPoints) -> None:
        """Put trust anchors and NTAs in force, and tell clients who ask."""
        self._driver.set_trust(points)
        self._service.identity = with_trust(self._service.identity, points)

    def stats(self) -> Document:
        """Counts (which only grow) and gauges (which do not)."""
        counters = self._service.counters
        return {
            "counters": counters.as_dict() | self._evictions(),
            "responses": counters.said(),
            "exchanges": counters.exchanges,
            "policy_drops": dict(counters.policy_drops),
            "client_seconds": _histogram(counters.client_seconds),
            "upstream_seconds": _histogram(counters.upstream_seconds),
            "limits": dict(self._driver.mesh.limits.hits),
            "defences": dict(self._driver.mesh.memory.servers.events),
            "limits_shadow": dict(self._driver.mesh.limits.shadowed),
            "error_reports": dict(self._driver.mesh.reports.counts),
            "gauges": {"inflight": self._driver.inflight, "unanswered": self._service.unanswered} | self._sizes(),
        }

    def _trust(self, arguments: Document) -> Document:
        points = decode_trust(arguments["trust"])
        self.set_trust(points)
        return {"generation": points.generation}

    def _clock(self, arguments: Document) -> Document:
        self._driver.set_clock(arguments["note"], verified=arguments["verified"])
        return {}

    def _flush(self, arguments: Document) -> Document:
        selection = Selection(
            bytes.fromhex(arguments["name"]), arguments["subtree"], arguments["rtype"], arguments["bogus"]
        )
        return self._driver.flush_selected(selection)

    def _lookup(self, arguments: Document) -> Document:
        name = bytes.fromhex(arguments["name"])
        return cached(self._driver.mesh.memory, name, arguments["rtype"], clock.now())

    def _recall(self, arguments: Document) -> Document:
        question = Question(bytes.fromhex(arguments["name"]), arguments["rtype"])
        return recalled(self._driver.mesh.memory, question, clock.now())

    def _inflight(self, arguments: Document) -> Document:
        mono = clock.monotonic()
        tasks = self._driver.mesh.tasks()
        return {"count": len(tasks), "tasks": [_task(task, mono) for task in tasks[:MAX_INFLIGHT]]}

    def _retire(self, arguments: Document) -> Document:
        self._leave()
        return {}

    def _log_level(self, arguments: Document) -> Document:
        logs.set_level(arguments["level"])
        return {}

    def _self_test(self, arguments: Document) -> Document:
        """Ask who this is: any response at all, even REFUSED, shows that queries are read and answered."""
        query = compose_query(0x5E1F, name_from_text("id.server"), t.TXT, qclass=t.CH)
        got: list[bytes] = []
        self._service.take(query, "127.0.0.1", Transport.UDP, got.append)
        if len(got) != 1 or got[0][:2] != query[:2] or not got[0][2] & 0x80:
            raise ChannelError("a query of its own was not answered")
        return {"rcode": got[0][3] & t.RCODE_MASK}


def _task(task: Task, mono: float) -> Document:
    key, waits = task.key, task.waits_for
    document: Document = {
        "seconds": round(mono - task.quota.deadline + RESOLUTION_SECONDS.value, 3),
        "clients": len(task.clients),
        "depth": task.depth,
        "waits_for": None,
        "packets_left": task.quota.packets,
    }
    if key is not None:
        question, mode = key
        document |= {"name": name_to_text(question.name), "type": type_to_text(question.rtype), "mode": mode}
    if task.ask_id:
        document["waits_for"] = "a server"
    elif waits is not None and waits.key is not None:
        question, _ = waits.key
        document["waits_for"] = f"{name_to_text(question.name)}/{type_to_text(question.rtype)}"
    return document


def _histogram(histogram: Histogram) -> Document:
    """Counts by upper bound of their bucket, and the sum."""
    bounds = [*map(str, histogram.bounds), "+Inf"]
    return dict(zip(bounds, histogram.counts, strict=True)) | {"sum": histogram.sum_s}
