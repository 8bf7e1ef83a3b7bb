"""Hangs what the daemon watches itself by onto the manager: clock, probes, baseline of SERVFAIL, impact of failures."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from resolver.config import Config
from resolver.daemon.manager import Check, Manager, Service
from resolver.daemon.watch.baseline_keeper import BaselineKeeper
from resolver.daemon.watch.clock_keeper import ClockKeeper
from resolver.daemon.watch.impact_keeper import ImpactKeeper
from resolver.daemon.watch.probe_keeper import ProbeKeeper
from resolver.daemon.watch.watch import Watch
from resolver.resolution import Resolution
from resolver.state.database import Database, StateError
from resolver.state.watch_store import WatchStore
from resolver.watch.baseline import WINDOW_S
from trust.vocabulary import Question
from wire import types as t

if TYPE_CHECKING:
    from aiohttp import web

SERVFAIL: Final = str(t.SERVFAIL)


def attach_watch(manager: Manager, database: Database | None) -> Watch:
    """Watch from when the workers are there. Called before there are workers, after the trust anchors are attached."""
    config = manager.config
    clock = ClockKeeper(config, manager.set_clock, manager.log)

    async def resolve(question: Question) -> Resolution:
        return await manager.prober.resolve(question, fresh=True, ignore_ntas=True)

    probes = ProbeKeeper(config, resolve, lambda: manager.listen, manager.log)

    async def counts() -> tuple[int, int]:
        responses = (await manager.stats())["responses"]
        servfails = sum(count for key, count in responses.items() if key.split("|")[2] == SERVFAIL)
        return int(sum(responses.values())) - probes.asked, int(servfails) - probes.servfails

    async def drain() -> list[dict[str, Any]]:
        await baseline.look()
        return [answer for _, answer in await manager.supervisor.ask_all("failures", retiring=True)]

    baseline = BaselineKeeper(config, counts, _store(manager, database), manager.log)
    impact = ImpactKeeper(drain, lambda: baseline.responses_last_hour, probes.bogus_names, enabled=config.watch.impact)
    watch = Watch(clock, probes, baseline, impact)

    async def minutes() -> None:
        while True:
            await baseline.minute()
            await impact.collect()
            await asyncio.sleep(WINDOW_S)

    def reloaded(config: Config) -> None:
        clock.configure(config)
        probes.configure(config)
        baseline.configure(config)
        impact.enabled = config.watch.impact

    def table() -> "list[web.RouteDef]":
        from resolver.daemon.watch.api import routes

        return routes(watch)

    hooks = manager.hooks
    hooks.services += [_service(manager, run) for run in (clock.run, probes.run)]
    hooks.services.append(_service(manager, minutes, baseline.save))
    hooks.checks += [Check("clock", lambda: clock.finding), Check("probes", lambda: probes.finding)]
    hooks.metrics += [clock.metrics, probes.metrics, baseline.metrics, impact.metrics]
    hooks.reloaded.append(reloaded)
    hooks.tables.append(table)
    hooks.facts.append(
        lambda: {
            "clock": clock.document(),
            "probes": probes.document(),
            "baseline": baseline.document(),
            "impact": impact.known(),
        }
    )
    return watch


def _store(manager: Manager, database: Database | None) -> WatchStore | None:
    if database is None:
        return None
    try:
        return WatchStore(database)
    except StateError as error:
        manager.log.warning("state-unavailable", problem=error.problem, advice=error.advice)
        return None


def _service(
    manager: Manager, run: Callable[[], Coroutine[Any, Any, None]], at_end: Callable[[], None] | None = None
) -> Service:
    """A coroutine that runs until the end; when it fails, which is a bug, it is logged and begun again."""

    async def run_on() -> None:
        while True:
            try:
                await run()
            except Exception as error:
                manager.crashed("watch", error)
            await asyncio.sleep(WINDOW_S)

    service = Service.of(run_on)

    async def close() -> None:
        await service.close()
        if at_end is not None:
            at_end()

    return Service(service.start, close)
