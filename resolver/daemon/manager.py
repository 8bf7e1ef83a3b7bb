"""What the supervisor does besides minding processes: the one place that knows the state of the whole daemon.

It owns the configuration in force, the trust points, the supervisor's own resolver and the totals of all workers' counts;
the control API and the metrics are views of it. Changes reach the workers over their channels; a worker that is started
later is born with them (fork) and told again (`go`).

Reload: the configuration is read anew. It is refused, with all reasons, when it is wrong or changes what cannot change
while we run; then nothing happened. Otherwise workers of the new configuration take the places of the old ones
(`Supervisor.replace`). Their caches start empty.
"""

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from structlog.typing import FilteringBoundLogger

import resolver
from resolver.cache.selection import Selection
from resolver.config import Config, ConfigError, Endpoint, load
from resolver.daemon import logs
from resolver.daemon.build import anchor_tags
from resolver.daemon.errors import StartError
from resolver.daemon.notify import notify
from resolver.daemon.policy.build import make_policy
from resolver.daemon.policy.desk import Tables
from resolver.daemon.prober import Prober
from resolver.daemon.sockets import WorkerSockets
from resolver.daemon.stats import Totals
from resolver.daemon.supervisor import Body, Child, ReplaceError, Supervisor
from resolver.daemon.trust.hub import TrustHub
from resolver.daemon.trust.message import encode_trust
from resolver.daemon.worker import Plan, make_plan, serve
from resolver.policy.rules import ResponsePolicy
from resolver.server import clock
from trust.anchors import TrustPoints
from trust.vocabulary import Question
from wire.name import Name
from wire.text import name_to_text

Document: TypeAlias = dict[str, Any]
Samples: TypeAlias = Mapping[str, Iterable[tuple[tuple[str, ...], float]]]
"""Metric name → (label values, value)."""

TICK_S: Final = 5.0
"""Seconds between two looks at the workers' counts."""
RATE_WINDOW: Final = 12
"""Looks that rates are over: a minute."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration came from: read again at reload."""

    file: Path | None = None
    overrides: tuple[str, ...] = ()

    def load(self) -> Config:
        """Raises ConfigError."""
        return load(self.file, self.overrides)


class ReloadRefusedError(Exception):
    """The configuration was not taken over. `reasons`: each an object with `problem`, and `key` where there is one."""

    def __init__(self, reasons: list[Document]) -> None:
        super().__init__("; ".join(str(reason["problem"]) for reason in reasons))
        self.reasons = reasons


@dataclass(slots=True)
class Life:
    """What workers are made from: replaced as a whole at reload."""

    plan: Plan
    level: str


@dataclass(slots=True)
class Service:
    """Something that runs beside the workers, in the supervisor: started once, closed at the end."""

    start: Callable[[], Awaitable[None]]
    close: Callable[[], Awaitable[None]]

    @classmethod
    def of(cls, run: Callable[[], Coroutine[Any, Any, None]]) -> "Service":
        """One that is a coroutine without an end."""
        task: asyncio.Task[None] | None = None

        async def start() -> None:
            nonlocal task
            task = asyncio.get_running_loop().create_task(run())

        async def close() -> None:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        return cls(start, close)


@dataclass(slots=True)
class Check:
    """A condition of health. `finding`: what is wrong, or ""."""

    name: str
    finding: Callable[[], str]


@dataclass(slots=True)
class Hooks:
    """What others hang onto the manager.

    `preparing`: awaited with a new configuration before workers are made from it; `reloaded`: called with each new
    configuration in force; `policy`: the tables that a worker of a configuration is born with; `tables`: give routes of the
    control API (aiohttp's `web.RouteDef`), called when it starts; `metrics`: samples by name for metrics of `metrics.table`
    that read others; `facts`: more fields of the status; `greetings`: requests, with their arguments, that each worker is
    given at its start.
    """

    services: list[Service] = field(default_factory=list)
    tables: list[Callable[[], Iterable[Any]]] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    metrics: list[Callable[[], Samples]] = field(default_factory=list)
    reloaded: list[Callable[[Config], None]] = field(default_factory=list)
    preparing: list[Callable[[Config], Awaitable[None]]] = field(default_factory=list)
    policy: Callable[[Config], Tables] | None = None
    facts: list[Callable[[], Document]] = field(default_factory=list)
    greetings: dict[str, Callable[[], Document]] = field(default_factory=dict)


class Manager:
    """The daemon's state and what can be done to it. Fulfils `supervisor.Owner`.

    Attributes:
        listen: addresses as bound; `source`: of the configuration; `hooks`: what others hang on.
        scraped_mono: when the metrics were last collected, by the monotonic clock; None when never.
    """

    def __init__(
        self,
        source: Source,
        plan: Plan,
        sets: list[WorkerSockets],
        listen: list[Endpoint],
        files: int,
        log: FilteringBoundLogger,
    ) -> None:
        self.source = source
        self.listen = listen
        self.metrics_listen: Endpoint | None = None
        self.log = log
        self.hooks = Hooks()
        self.totals = Totals()
        self.trust = TrustHub(plan.points)
        self.clock: Document = {"note": "", "verified": False}
        self.started_wall = clock.now().wall
        self.started_mono = clock.monotonic()
        self._files = files
        self._life = Life(plan, plan.config.log.level)
        self.reloads = {"done": 0, "refused": 0}
        self.scraped_mono: float | None = None
        self._ready = False
        self._reload_lock = asyncio.Lock()
        self._samples: deque[tuple[float, dict[str, float]]] = deque(maxlen=RATE_WINDOW + 1)
        self._counting: set[Child] = set()  # those whose counts are not in the totals yet
        self._prober: Prober | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.supervisor = Supervisor(sets, self._body(self._life), log, self)

    def policy(self) -> ResponsePolicy | None:
        """The response policy in force, for those who explain answers: workers have their own."""
        tables = self.hooks.policy(self.config) if self.hooks.policy is not None else Tables()
        return make_policy(self.config, tables.generation, {label: table for label, (_, table) in tables.zones.items()})

    def run(self) -> int:
        """Until the end; returns the exit status."""
        return self.supervisor.run()

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._life.plan.config

    @property
    def log_level(self) -> str:
        """From which level on lines are written."""
        return self._life.level

    @property
    def plan(self) -> Plan:
        """What workers are made from."""
        return self._life.plan

    @property
    def points(self) -> TrustPoints:
        """The trust points and NTAs in force."""
        return self.trust.current

    @property
    def prober(self) -> Prober:
        """The supervisor's own resolver."""
        if self._prober is None:
            self._prober = Prober(self._life.plan, self.points, self.crashed)
            self._prober.set_clock(self.clock["note"], verified=self.clock["verified"])
        return self._prober

    # --- as the supervisor's owner -------------------------------------------------------------------------------

    def worker_told(self, child: Child, what: str, facts: Document) -> None:
        """A worker's last word."""
        if what == "bye":
            child.stats = facts
            self._counting.add(child)

    def worker_gone(self, child: Child) -> None:
        """Its counts live on in the totals."""
        self._counting.discard(child)
        self.totals.bury(child.stats)

    async def begin(self) -> None:
        """Start what runs beside the workers."""
        for service in self.hooks.services:
            await service.start()
        self.spawn(self._watch())

    async def end(self) -> None:
        """Close what runs beside the workers."""
        for task in list(self._tasks):
            task.cancel()
        for service in reversed(self.hooks.services):
            await service.close()
        if self._prober is not None:
            self._prober.close()

    def hangup(self) -> None:
        """SIGHUP: reload; what comes of it stands in the log."""

        async def reload() -> None:
            try:
                await self.reload()
            except ReloadRefusedError:
                return

        self.spawn(reload())

    def all_ready(self) -> None:
        """Clients are served by every worker."""
        self._ready = True
        self.log.info("ready")
        notify("READY=1")

    def spawn(self, work: "Any") -> None:
        """Run a coroutine beside everything else; what it raises is logged."""
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("internal-error", where="supervisor", exc_info=error)

    def crashed(self, where: str, error: Exception) -> None:
        """A resolver of the supervisor met a bug."""
        self.log.error("internal-error", where=f"prober: {where}", exc_info=error)

    def _body(self, life: Life) -> Body:
        """What a worker made now or later from this configuration does, and is told."""

        def run(index: int, sockets: WorkerSockets, channel: socket.socket) -> int:
            logs.configure(life.level, life.plan.config.log.format)
            tables = self.hooks.policy(life.plan.config) if self.hooks.policy is not None else None
            kept = life.plan.config.trust.state_dir / f"cache-{index}.rrsets" if life.plan.config.cache.persist else None
            return serve(life.plan, sockets, self._files, logs.logger(worker=index), channel, tables, kept)

        def greeting() -> Document:
            in_force = life is self._life
            points = self.points if in_force else self.trust.with_configured(life.plan.points)
            requests = {what: arguments() for what, arguments in self.hooks.greetings.items()}
            return {"trust": encode_trust(points), "clock": self.clock, "requests": requests}

        return Body(run, greeting)

    # --- what can be done ----------------------------------------------------------------------------------------

    async def set_trust(self, points: TrustPoints) -> int:
        """Put trust points in force (`TrustHub` makes them); returns how many workers confirmed."""
        if self._prober is not None:
            self._prober.set_trust(points)
        answers = await self.supervisor.ask_all("trust", retiring=True, trust=encode_trust(points))
        return len(answers)

    async def set_clock(self, note: str, verified: bool) -> None:
        """Let everybody know what is known of our clock (`Memory.set_clock`)."""
        self.clock = {"note": note, "verified": verified}
        if self._prober is not None:
            self._prober.set_clock(note, verified=verified)
        await self.supervisor.ask_all("clock", retiring=True, **self.clock)

    async def flush(self, selection: Selection) -> Document:
        """Have all workers forget; returns how much of each kind, all together."""
        answers = await self.supervisor.ask_all(
            "flush",
            name=selection.name.hex(),
            subtree=selection.subtree,
            rtype=selection.rtype,
            bogus=selection.bogus,
        )
        dropped: Document = {}
        for _, answer in answers:
            for kind, count in answer.items():
                dropped[kind] = dropped.get(kind, 0) + count
        return {"workers": len(answers), "dropped": dropped}

    async def lookup(self, name: Name, rtype: int | None) -> list[Document]:
        """What each worker remembers of a name."""
        answers = await self.supervisor.ask_all("lookup", name=name.hex(), rtype=rtype)
        return [{"worker": child.slot.index} | answer for child, answer in answers]

    async def recall(self, question: Question) -> list[Document]:
        """What each worker would tell a client from memory alone."""
        answers = await self.supervisor.ask_all("recall", name=question.name.hex(), rtype=question.rtype)
        return [{"worker": child.slot.index} | answer for child, answer in answers]

    async def inflight(self) -> list[Document]:
        """What each worker is resolving."""
        answers = await self.supervisor.ask_all("inflight")
        return [{"worker": child.slot.index} | answer for child, answer in answers]

    async def set_log_level(self, level: str) -> Document:
        """Log from this level on, until the next reload or restart."""
        before, self._life.level = self._life.level, level
        logs.set_level(level)
        self.log.info("log-level", before=before, now=level)
        await self.supervisor.ask_all("log-level", level=level)
        return {"before": before, "level": level}

    async def reload(self) -> Document:
        """Read the configuration anew and put it in force.

        Raises:
            ReloadRefusedError: all stays as it was.
        """
        async with self._reload_lock:
            self.log.info("reloading", file=str(self.source.file) if self.source.file else None)
            try:
                return await self._reload()
            except ReloadRefusedError as refused:
                self.reloads["refused"] += 1
                self.log.error("reload-refused", reasons=[str(reason["problem"]) for reason in refused.reasons])
                raise

    async def _reload(self) -> Document:
        try:
            config = self.source.load()
        except ConfigError as error:
            raise ReloadRefusedError(
                [finding.as_json() | {"problem": str(finding)} for finding in error.findings]
            ) from None
        differences = self.config.differences(config)
        fixed = [difference for difference in differences if not difference.reloadable]
        if fixed:
            raise ReloadRefusedError(
                [{"key": d.key, "problem": f"{d.key} cannot change while the daemon runs; restart it"} for d in fixed]
            )
        try:
            plan = make_plan(config)
        except StartError as error:
            raise ReloadRefusedError([{"problem": error.problem, "advice": error.advice}]) from None
        for prepare in self.hooks.preparing:
            await prepare(config)
        life = Life(plan, config.log.level)
        changed = [difference.key for difference in differences]

        def accepted() -> None:
            self._life = life
            logs.configure(config.log.level, config.log.format)
            points = self.trust.configure(plan.points)
            # Also to those that were started under what was in force then.
            self.spawn(self.set_trust(points))
            if self._prober is not None:
                self._prober.configure(plan, points)
            for hook in self.hooks.reloaded:
                hook(config)

        try:
            left = await self._replace(life, accepted)
        except ReplaceError as error:
            raise ReloadRefusedError([{"problem": f"a worker of the new configuration failed: {error}"}]) from None
        self.reloads["done"] += 1
        self.log.info("reloaded", changed=changed, generation=self.supervisor.generation)
        return {"changed": changed, "generation": self.supervisor.generation, "not_replaced": left}

    async def _replace(self, life: Life, accepted: Callable[[], None]) -> list[int]:
        """Replace the workers; those that were replaced go by the new trust points from their first query."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
        try:
            return await self.supervisor.replace(self._body(life), accepted)
        finally:
            notify("READY=1")

    # --- how it is -----------------------------------------------------------------------------------------------

    async def stats(self) -> Document:
        """Counts of all workers that are and were, gauges of those that are."""
        return self._add_up(await self.supervisor.ask_all("stats", retiring=True))

    def _add_up(self, answers: list[tuple[Child, Document]]) -> Document:
        for child, stats in answers:
            # One that is gone by now has said its last word after this one.
            if child.channel is not None:
                child.stats = stats
                self._counting.add(child)
        return self.totals.with_living(child.stats for child in self._counting)

    async def _watch(self) -> None:
        """Look at the counts now and then: for rates, and so that little is lost with a worker that is killed."""
        while True:
            answers = await self.supervisor.ask_all("stats", retiring=True)
            self.supervisor.judge(child for child, _ in answers)
            stats = self._add_up(answers)
            self._samples.append((clock.monotonic(), stats["counters"]))
            await asyncio.sleep(TICK_S)

    def rate(self, *counters: str) -> float:
        """How much these counts grew together in a second, over the last minute."""
        if len(self._samples) < 2:
            return 0.0
        (start, before), (end, after) = self._samples[0], self._samples[-1]
        grown = sum(after.get(name, 0) - before.get(name, 0) for name in counters)
        return grown / max(end - start, 1e-3)

    def findings(self) -> list[Document]:
        """What is wrong now."""
        found = []
        waiting = len(self.supervisor.slots) - len(self.supervisor.serving)
        if waiting:
            found.append({"check": "workers", "problem": f"{waiting} of {len(self.supervisor.slots)} workers not ready"})
        for child in self.supervisor.serving:
            if child.unheard:
                found.append({"check": "workers", "problem": f"worker {child.slot.index} does not answer"})
        for check in self.hooks.checks:
            if problem := check.finding():
                found.append({"check": check.name, "problem": problem})
        return found

    @property
    def serving(self) -> bool:
        """Whether clients are answered."""
        return bool(self.supervisor.serving) and not self.supervisor.stopping

    async def status(self) -> Document:
        """The whole daemon in brief."""
        stats = await self.stats()
        now = clock.now()
        findings = self.findings()
        loop_time = asyncio.get_running_loop().time()
        return {
            "version": resolver.__version__,
            "core": resolver.core(),
            "pid": os.getpid(),
            "started": self.started_wall,
            "uptime": round(now.mono - self.started_mono, 1),
            "config": str(self.source.file) if self.source.file else None,
            "generation": self.supervisor.generation,
            "healthy": not findings,
            "findings": findings,
            "listen": [str(endpoint) for endpoint in self.listen],
            "metrics": str(self.metrics_listen) if self.metrics_listen is not None else None,
            "workers": [
                {
                    "worker": slot.index,
                    "pid": slot.current.pid if slot.current else None,
                    "ready": bool(slot.current and slot.current.ready),
                    "generation": slot.current.generation if slot.current else None,
                    "uptime": round(loop_time - slot.current.started, 1) if slot.current else None,
                    "restarts": slot.restarts,
                }
                for slot in self.supervisor.slots
            ],
            "anchors": [
                {"zone": name_to_text(name), "tags": anchor_tags(point)} for name, point in self.points.points.items()
            ],
            "ntas": [
                {"name": name_to_text(name), "text": nta.text, "expires": nta.expires_wall}
                for name, nta in self.points.ntas.items()
                if nta.in_force(now.wall)
            ],
            "log_level": self._life.level,
            "queries_per_second": round(self.rate("udp_queries", "tcp_queries"), 1),
            **{key: value for facts in self.hooks.facts for key, value in facts().items()},
        } | stats
