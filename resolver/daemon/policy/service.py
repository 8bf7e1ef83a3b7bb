"""Hangs response policy onto the daemon: what can be had without a network is in force from the first worker on.

Nothing of it runs when the configuration names no policy zone; local zones and DNS64 are the workers' own, made from their
configuration.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from resolver.daemon.manager import Check, Manager, Service
from resolver.daemon.policy.keeper import PolicyKeeper, Workers
from resolver.daemon.policy.store import PolicyStore
from resolver.server import clock
from resolver.state.database import Database

if TYPE_CHECKING:
    from aiohttp import web

Sample = tuple[tuple[str, ...], float]
CHECK: Final = "policy-zones"


def attach_policy(manager: Manager, database: Database | None) -> PolicyKeeper:
    """Have the policy zones, serve the commands, and keep up. Called before there are workers."""
    store = PolicyStore(manager.config.trust.state_dir if database is not None else None)
    supervisor = manager.supervisor
    workers = Workers(
        lambda: [child for child in supervisor.children if child.channel is not None and not child.retiring], supervisor.ask
    )
    keeper = PolicyKeeper(store, workers, manager.log, wall=lambda: clock.now().wall, mono=clock.monotonic)
    keeper.open(manager.config)
    manager.hooks.policy = keeper.tables
    manager.hooks.preparing.append(keeper.prepare)
    manager.hooks.reloaded.append(lambda _: keeper.adopt())
    manager.hooks.services.append(Service.of(keeper.run))
    manager.hooks.checks.append(Check(CHECK, lambda: keeper.finding))
    manager.hooks.metrics.append(lambda: policy_samples(keeper))

    def table() -> "list[web.RouteDef]":
        from resolver.daemon.policy.api import routes

        return routes(keeper, lambda: manager.config, manager.stats)

    manager.hooks.tables.append(table)
    return keeper


def policy_samples(keeper: PolicyKeeper) -> Mapping[str, Iterable[Sample]]:
    """What metrics say of policy zones. Names: `metrics.table`."""
    now = clock.now().wall
    rules: list[Sample] = []
    serials: list[Sample] = []
    ages: list[Sample] = []
    results: list[Sample] = []
    failing: list[Sample] = []
    for source in keeper.sources:
        label = source.label
        rules += [((label, trigger), count) for trigger, count in source.table.counts().items()]
        if source.soa is not None and source.loaded:
            serials.append(((label,), source.soa.serial))
        if source.checked_wall:
            ages.append(((label,), max(now - source.checked_wall, 0.0)))
        results += [((label, result), count) for result, count in source.results.items()]
        failing.append(((label,), float(bool(source.problem))))
    return {
        "policy_rules": rules,
        "policy_serial": serials,
        "policy_age_seconds": ages,
        "policy_refreshes": results,
        "policy_failing": failing,
    }
