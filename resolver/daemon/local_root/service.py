"""Hangs the local copy of the root zone onto the daemon, when the configuration wants one."""

from collections.abc import Iterable, Mapping
from typing import Final

from resolver.daemon.local_root.keeper import REQUEST, LocalRootKeeper, Origin
from resolver.daemon.manager import Check, Manager, Service
from resolver.server import clock
from resolver.state.database import Database
from wire.name import ROOT

CHECK: Final = "local-root"
Sample = tuple[tuple[str, ...], float]


def attach_local_root(manager: Manager, database: Database | None) -> LocalRootKeeper | None:
    """Keep a copy of the root zone. Called before there are workers."""
    upstream = manager.config.upstream
    if not upstream.local_root:
        return None
    if database is None:
        manager.log.warning("local-root-off", problem="there is no state directory to keep it in")
        return None
    keeper = LocalRootKeeper(
        Origin(upstream.local_root_file, upstream.local_root_servers),
        manager.config.trust.state_dir,
        manager.supervisor.ask_all,
        lambda: manager.points.points.get(ROOT),
        lambda: manager.plan.policy,
        manager.log,
        wall=lambda: clock.now().wall,
        mono=clock.monotonic,
    )
    manager.hooks.services.append(Service.of(keeper.run))
    manager.hooks.checks.append(Check(CHECK, lambda: keeper.problem))
    manager.hooks.metrics.append(lambda: local_root_samples(keeper))
    manager.hooks.greetings[REQUEST] = keeper.request
    manager.hooks.facts.append(lambda: {"local_root": _facts(keeper)})
    return keeper


def _facts(keeper: LocalRootKeeper) -> dict[str, float | str | None]:
    """`checked`: when the copy was last known to be current; nothing is in force that ZONEMD has not verified."""
    return {
        "serial": keeper.serial,
        "checked": keeper.checked_wall if keeper.serial is not None else None,
        "verified": "ZONEMD" if keeper.serial is not None else None,
        "expires": keeper.expires_wall or None,
        "workers": keeper.workers,
        "answers": keeper.answers,
    }


def local_root_samples(keeper: LocalRootKeeper) -> Mapping[str, Iterable[Sample]]:
    """What metrics say of the copy. Names: `metrics.table`."""
    return {
        "local_root_serial": [((), float(keeper.serial))] if keeper.serial is not None else [],
        "local_root_refreshes": [((result,), count) for result, count in keeper.results.items()],
    }
