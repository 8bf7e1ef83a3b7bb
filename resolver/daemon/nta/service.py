"""Hangs the NTA life cycle onto the daemon: what is active is in force from the first worker on.

Without a state database there are no NTAs by command, since they could not be remembered.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resolver.config import Config
from resolver.daemon.manager import Manager, Service
from resolver.daemon.nta.authority_probe import AuthorityProbe
from resolver.daemon.nta.keeper import NtaKeeper
from resolver.server import clock
from resolver.state.database import Database
from resolver.state.nta_store import NtaStore
from trust import nta
from trust.anchors import Nta
from trust.nta_rules import Rules
from wire.text import name_from_text

if TYPE_CHECKING:
    from aiohttp import web

NO_STATE = "without a state directory (trust.state-dir) no NTA can be kept: see the log of the start"


def attach_ntas(manager: Manager, database: Database | None) -> None:
    """Begin with what the database holds, serve the commands, and watch. Called before there are workers."""
    if database is None:
        manager.hooks.tables.append(_unavailable)
        return
    store = NtaStore(database)
    now = clock.now().wall
    active = [item for item in nta.in_force(store.trusted()[0]) if item.in_force(now)]
    if active:
        manager.trust.suspend(active)

    async def publish(ntas: Sequence[Nta]) -> int:
        return await manager.set_trust(manager.trust.suspend(ntas))

    probe = AuthorityProbe(lambda: manager.plan, lambda: manager.points, manager.crashed)
    config = manager.config
    keeper = NtaKeeper(store, rules_of(config), config.trust.nta.recheck_interval, probe, publish, manager.log)

    def table() -> "list[web.RouteDef]":
        from resolver.daemon.nta.api import routes

        return routes(keeper, lambda: manager.config.trust.nta.identity)

    manager.hooks.services.append(Service(keeper.start, keeper.close))
    manager.hooks.reloaded.append(lambda config: keeper.configure(rules_of(config), config.trust.nta.recheck_interval))
    manager.hooks.tables.append(table)
    manager.hooks.metrics.append(keeper.metrics)


def _unavailable() -> "list[web.RouteDef]":
    from resolver.daemon.nta.api import unavailable

    return unavailable(NO_STATE)


def rules_of(config: Config) -> Rules:
    """The rules that the configuration sets."""
    section = config.trust.nta
    return Rules(
        section.default_lifetime,
        section.max_lifetime,
        section.require_approval,
        frozenset(name_from_text(zone) for zone in section.static),
    )
