"""Hangs the trust anchors' life onto the daemon: what the state says is in force from the first worker on.

With `trust.rfc5011` off the configuration's anchors stand, and the commands only show them.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resolver.config import Config
from resolver.daemon.errors import StartError
from resolver.daemon.manager import Check, Manager, Service
from resolver.daemon.prober import Prober
from resolver.daemon.trust.anchor_keeper import AnchorKeeper, Fetched, Signal
from resolver.daemon.trust.metrics import trust_samples
from resolver.server import clock
from resolver.state.database import Database, StateError
from trust.anchors import TrustPoint
from trust.rfc5011 import Timers
from trust.vocabulary import Question
from wire import types as t
from wire.name import Name
from wire.text import name_to_text

if TYPE_CHECKING:
    from aiohttp import web


def attach_trust(manager: Manager, database: Database | None) -> AnchorKeeper:
    """Begin with what the database holds, serve the commands, and refresh. Called before there are workers, and before
    anything else reads the database: if it is damaged, it is begun anew.

    Raises:
        StartError: the database cannot be used.
    """
    config = manager.config

    def publish(points: Sequence[TrustPoint], deleted: Sequence[Name]) -> None:
        manager.spawn(manager.set_trust(manager.trust.follow(points, deleted)))

    async def signal(name: Name) -> None:
        await manager.prober.resolve(Question(name, t.NULL), fresh=True)

    def signal_of(config: Config) -> Signal | None:
        return signal if config.trust.signal else None

    async def fetch(name: Name) -> Fetched:
        return await fetch_dnskey(manager.prober, name)

    keeper = AnchorKeeper(
        manager.trust.configured.points.values(),
        manager.plan.policy,
        database=database,
        fetch=fetch,
        publish=publish,
        log=manager.log,
        now=lambda: clock.now().wall,
        timers=timers_of(config),
        signal=signal_of(config),
        follow=config.trust.rfc5011,
    )
    try:
        points, deleted = keeper.open()
    except StateError as error:
        raise StartError(error.problem, error.advice) from None
    if config.trust.rfc5011:
        manager.trust.follow(points, deleted)

    def reloaded(config: Config) -> None:
        points, policy = manager.trust.configured.points.values(), manager.plan.policy
        follow = config.trust.rfc5011
        try:
            keeper.configure(points, policy, timers=timers_of(config), signal=signal_of(config), follow=follow)
        except StateError as error:
            manager.log.error("state-unavailable", problem=error.problem, advice=error.advice)

    def table() -> "list[web.RouteDef]":
        from resolver.daemon.trust.api import routes

        return routes(keeper, lambda: manager.plan.policy)

    manager.hooks.services.append(Service.of(keeper.run))
    manager.hooks.reloaded.append(reloaded)
    manager.hooks.tables.append(table)
    manager.hooks.metrics.append(lambda: trust_samples(keeper.book))
    manager.hooks.checks.append(Check("trust-anchors", lambda: keeper.book.finding))
    return keeper


async def fetch_dnskey(prober: Prober, name: Name) -> Fetched:
    """A zone's DNSKEY RRset as its servers have it now, past every cache. Data that does not validate comes, too: whether
    it holds is judged by the anchors' own rules.
    """
    resolution = await prober.resolve(Question(name, t.DNSKEY), fresh=True, ignore_ntas=True)
    server = next((step.server for step, _ in resolution.steps if step.server is not None), None)
    address = "" if server is None else server.ip
    for rrset, _ in resolution.answer:
        if rrset.name == name and rrset.rtype == t.DNSKEY:
            return Fetched(rrset, address)
    text = next((text for _, text in resolution.errors if text), "")
    return Fetched(None, address, text or f"no DNSKEY of {name_to_text(name)} in the answer")


def timers_of(config: Config) -> Timers:
    """RFC 5011's timers, or those of a lab."""
    trust = config.trust
    return Timers(
        add_hold_down_s=trust.add_hold_down, remove_hold_down_s=trust.remove_hold_down, shortest_s=trust.shortest_refresh
    )
