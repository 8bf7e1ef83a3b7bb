"""Resolvers of the administration's own, and questions to them: the production core and driver, without listeners.

What `explain`, the prober, the survey of a zone's servers and the rounds of NTAs have in common. What they do not: the
survey sends packets of its own, for it shows what a server said (NSID, latency, serial), and judges them in the light of a
look that was made already; NTA rounds have the whole core look afresh at each authority alone, for a zone is given back to
validation on nothing less.
"""

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import replace

from resolver.daemon.worker import Plan
from resolver.iteration.addresses import text_of
from resolver.mesh import Mesh
from resolver.policy.rules import Scope
from resolver.resolution import Resolution
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from resolver.settings import Settings
from trust.anchors import TrustPoints
from trust.vocabulary import Address, Now, Question
from wire import types as t
from wire.name import Name

Crashed = Callable[[str, Exception], None]


class ProberError(RuntimeError):
    """A bug of ours: the question was abandoned."""


class Waiter:
    """Puts the resolution where the event loop waits for it."""

    def __init__(self, future: "asyncio.Future[Resolution]") -> None:
        self._future = future

    def finish(self, resolution: Resolution, now: Now) -> None:
        """The answer."""
        if not self._future.done():
            self._future.set_result(resolution)

    def abandon(self) -> None:
        """There will be none."""
        if not self._future.done():
            self._future.set_exception(ProberError("the resolver failed; this is a bug, see the log"))


def make_driver(plan: Plan, settings: Settings, points: TrustPoints, counters: Counters, crashed: Crashed) -> Driver:
    """A resolver with an empty memory, on the running event loop. `crashed`: told of a bug."""
    mesh = Mesh(settings, points, plan.policy, random.Random(os.urandom(16)))
    return Driver(
        mesh,
        asyncio.get_running_loop(),
        counters,
        payload=plan.config.upstream.edns_buffer,
        crashed=crashed,
        new_epoch=lambda: None,
    )


def alone(settings: Settings, zone: Name, address: Address, *, forward: bool = False) -> Settings:
    """The same with one server for all that the zone itself has to say; the chain above it is found as usual.

    `forward`: it is asked with RD, since it is a forwarder.
    """
    table = {zone: [address]}
    if forward:
        return replace(settings, forward={**settings.forward, **table})
    return replace(settings, stub={**settings.stub, **table})


async def resolve(
    driver: Driver, question: Question, *, checking_disabled: bool = False, scope: Scope | None = None
) -> Resolution:
    """Resolve as for a client. `scope`: under which response policy, if any.

    Raises:
        ProberError: a bug.
    """
    future: asyncio.Future[Resolution] = asyncio.get_running_loop().create_future()
    driver.submit(Waiter(future), question, checking_disabled=checking_disabled, scope=scope)
    return await future


async def addresses(driver: Driver, ns_name: Name) -> list[Address]:
    """Addresses of a name server without glue, unchecked: it may live in the very zone that is broken."""
    settings = driver.mesh.memory.settings
    out: list[Address] = []
    for rtype, wanted in ((t.A, settings.ipv4), (t.AAAA, settings.ipv6)):
        if not wanted:
            continue
        found = await resolve(driver, Question(ns_name, rtype), checking_disabled=True)
        sets = [rrset for rrset, _ in found.answer if rrset.rtype == rtype]
        out += [Address(text_of(rdata), settings.port) for rrset in sets for rdata in rrset.rdatas]
    return out
