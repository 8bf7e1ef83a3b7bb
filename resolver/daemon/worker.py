"""One worker: a mesh, its sockets to clients and servers, its channel to the supervisor, one event loop.

It serves when the supervisor says `go`, and goes on serving when the supervisor dies. It stops on SIGTERM and SIGINT: no
new queries, those in hand get DRAIN_S seconds, then everything is closed. When a successor serves (`retire`) it takes
nothing new either, but finishes all that it has in hand, and hands its connections over (`resolver.server.handover`).

Garbage collection: what exists after start-up is frozen (never looked at again), and collections are made rare; the cache
holds its objects by reference counting alone, cycles come from exceptions and few other places.
"""

import asyncio
import gc
import os
import random
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop
from structlog.typing import FilteringBoundLogger

from resolver.cache.local_root import LocalRoot
from resolver.cache.packets import PacketCache
from resolver.config import Config
from resolver.daemon.build import (
    build_access,
    build_cookie_secrets,
    build_identity,
    build_policy,
    build_protection,
    build_settings,
    build_tcp_bounds,
    build_trust,
    packet_cache_size,
)
from resolver.daemon.cache_file import restore, save
from resolver.daemon.channel import Channel
from resolver.daemon.desk import Desk
from resolver.daemon.local_root.keeper import REQUEST as LOCAL_ROOT
from resolver.daemon.local_root.keeper import LocalRootDesk
from resolver.daemon.observer import SWEEP_S, LogObserver
from resolver.daemon.policy.desk import PolicyDesk, Tables
from resolver.daemon.sockets import WorkerSockets
from resolver.daemon.trust.message import decode_trust
from resolver.mesh import Mesh
from resolver.policy.rules import ResponsePolicy
from resolver.server import clock
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from resolver.server.handover import Handover
from resolver.server.listen_tcp import TcpListeners
from resolver.server.listen_udp import UdpListener
from resolver.server.service import Service
from resolver.settings import Settings
from resolver.watch.impact import FailingZones
from resolver.watch.sketch import Pseudonyms
from trust.anchors import TrustPoints
from trust.policy import Policy
from wire.limits import RESOLUTION_SECONDS, UPSTREAM_TCP, UPSTREAM_UDP
from wire.name import Name
from wire.text import name_to_text

CLIENTS_KEY: Final = os.urandom(16)
"""Under which clients are counted: made when the daemon starts, the same in all workers (they are forked), never told."""
DRAIN_S: Final = 1.0
"""Seconds that queries in hand get when the worker is told to stop."""
RETIRE_DRAIN_S: Final = RESOLUTION_SECONDS.value + 1.0
"""Seconds that they get when a successor serves already: each has its own deadline before that."""
NOT_READY_S: Final = 1.0
"""Seconds that a worker waits to be told what is in force before it tells clients that it is not ready."""
_DRAIN_STEP_S: Final = 0.02
_IDLE_S: Final = 0.05
"""Seconds of silence after which a client's connection is closed while the worker ends."""
_PATIENCE_S: Final = 8.0
"""Seconds of ending after which a connection is closed as soon as nothing of it is being worked on."""
_BYE_S: Final = 1.0
_SPARE_FILES: Final = 64
"""Descriptors left for listening sockets, the log, the loop and files."""
_GC_THRESHOLDS: Final = (10_000, 10, 1_000_000)
"""Container objects made before a collection of the youngest, which takes half a millisecond; collections before one of the
middle generation (a hundred thousand objects, some five milliseconds). The oldest is all that is cached, and looking at it
would stop us for seconds: it never comes to that. None of our objects refer to each other in circles for longer than that.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker is made from: read and checked once, before there are workers."""

    config: Config
    settings: Settings
    points: TrustPoints
    policy: Policy
    cookie_secrets: tuple[bytes, ...] = field(default=(), repr=False)


def make_plan(config: Config, *, serving: bool = True) -> Plan:
    """Read what the configuration names. `serving`: for a worker with clients, who want more than one answer.

    Raises:
        StartError: a file makes no sense.
    """
    secrets = build_cookie_secrets(config) if serving else ()
    return Plan(config, build_settings(config), build_trust(config), build_policy(config), secrets)


class Worker:
    """The parts of a running worker. Made within its event loop."""

    def __init__(
        self,
        plan: Plan,
        sockets: WorkerSockets,
        files: int,
        log: FilteringBoundLogger,
        tables: Tables | None = None,
        cache_file: Path | None = None,
    ) -> None:
        self._cache_file = cache_file
        loop = asyncio.get_running_loop()
        config = plan.config
        self.loop = loop
        self.log = log
        self.counters = Counters()
        # Only for choosing among servers; IDs, ports and case come from the system's generator (server.entropy).
        dice = random.Random(os.urandom(16))
        self.mesh = Mesh(plan.settings, plan.points, plan.policy, dice)
        self.packets = PacketCache(packet_cache_size(config))
        clients, udp_limit, tcp_limit = share_descriptors(files, config.server.tcp_connections)
        self.driver = Driver(
            self.mesh,
            loop,
            self.counters,
            payload=config.upstream.edns_buffer,
            udp_limit=udp_limit,
            tcp_limit=tcp_limit,
            crashed=self._crashed,
            new_epoch=self._forget_responses,
        )
        self.zones = FailingZones()
        memory = self.mesh.memory
        self.observer = LogObserver(
            log,
            validation_failures=config.log.validation_failures,
            zones=self.zones if config.watch.impact else None,
            closest=lambda name: memory.delegations.closest(name, clock.monotonic()).zone,
            pseudonyms=Pseudonyms(CLIENTS_KEY),
            policy_hits=config.policy.log_hits,
        )
        self.service = Service(
            self.driver,
            build_access(config),
            build_identity(config),
            self.counters,
            self.packets,
            self.observer,
            log_queries=config.log.queries,
            prefetch=plan.settings.prefetch,
            protection=build_protection(config, plan.cookie_secrets, self.mesh.limits),
        )
        self.udp = [UdpListener(sock, self.service) for sock in sockets.udp]
        self.tcp = TcpListeners(self.service, build_tcp_bounds(config, clients))
        self._tcp_sockets = sockets.tcp
        self._handover = Handover(*sockets.handover) if sockets.handover is not None else None
        self._retiring = False
        self._shared = sockets.shared
        self._listening = False
        self.mesh.memory.forgery.told = self._forged
        self.desk = Desk(self.driver, self.service, self._sizes, self._evictions, self._retire, self.zones.drain)
        self.policy = PolicyDesk(config, tables or Tables(), self._set_policy)
        self.desk.tasks.update(self.policy.tasks)
        self.desk.tasks[LOCAL_ROOT] = LocalRootDesk(self._set_local_root, log).handle
        self._go = asyncio.Event()
        self._stop = asyncio.Event()
        self._drain_s = DRAIN_S
        loop.set_exception_handler(self._escaped)

    async def run(self, channel_socket: socket.socket) -> None:
        """Serve until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._end, DRAIN_S)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # reloading is the supervisor's
        channel = await Channel.open(channel_socket, self.desk.handle, self._told, self._orphaned)
        try:
            if not self._shared:
                await self._tell_not_ready()
            await self._go.wait()
            await self._listen()
            self._sweep()
            tame_garbage_collection()
            channel.tell("ready")
            restoring = self._restore()
            await self._stop.wait()
            self.log.debug("worker-stopping", unanswered=self.service.unanswered)
            await self._drain()
            if restoring is not None:
                restoring.cancel()
            self._save()
        finally:
            self._close()
            channel.tell("bye", **self.desk.stats())
            await channel.finish(_BYE_S)

    # --- news from the supervisor --------------------------------------------------------------------------------

    def _told(self, what: str, facts: dict[str, Any]) -> None:
        if what == "go":
            self.desk.set_trust(decode_trust(facts["trust"]))
            self.driver.set_clock(facts["clock"]["note"], verified=facts["clock"]["verified"])
            for request, arguments in facts["requests"].items():
                self.desk.tasks[request](arguments)
            self._go.set()

    async def _tell_not_ready(self) -> None:
        """Should the supervisor not say `go` soon, tell clients that we are not ready (EDE 14): who hears nothing waits."""
        try:
            async with asyncio.timeout(NOT_READY_S):
                await self._go.wait()
        except TimeoutError:
            self.log.warning("worker-not-ready", waits_for="the supervisor", advice="clients get SERVFAIL meanwhile")
            self.service.ready = False
            await self._listen()
            await self._go.wait()
            self.service.ready = True

    async def _listen(self) -> None:
        if self._listening:
            return
        self._listening = True
        await self.tcp.start(self._tcp_sockets)
        if self._handover is not None:
            self._handover.start(self.loop, self.tcp.take_over)
        for listener in self.udp:
            listener.start(self.loop)

    def _sweep(self) -> None:
        """Have repeated failures summed up in the log, now and every minute."""
        self.observer.sweep()
        self.loop.call_later(SWEEP_S, self._sweep)

    def _forget_responses(self) -> None:
        """What was concluded under other anchors, or before a flush, counts no more."""
        self.packets.clear()
        self.service.failing.clear()

    def _set_policy(self, policy: ResponsePolicy | None) -> None:
        """Another response policy is in force: what was answered under the last one is not repeated."""
        self.service.policy = policy
        self._forget_responses()

    def _set_local_root(self, copy: LocalRoot | None) -> None:
        self.mesh.memory.local_root = copy

    def _retire(self) -> None:
        """A successor serves: what comes from now on is its."""
        self._stop_receiving()
        self._retiring = True
        self.tcp.leave()
        self._end(RETIRE_DRAIN_S)

    def _stop_receiving(self) -> None:
        for listener in self.udp:
            listener.stop()
        self.tcp.stop()
        if self._handover is not None:
            self._handover.stop()

    def _orphaned(self) -> None:
        """The supervisor is gone: clients are served all the same."""
        if not self._stop.is_set():
            self.log.error("supervisor-gone", advice="restart the daemon; clients are served meanwhile")
        self._go.set()

    def _end(self, drain_s: float) -> None:
        self._drain_s = drain_s
        self._stop.set()
        self._go.set()

    # --- the cache over a restart ------------------------------------------------------------------------------------

    def _restore(self) -> "asyncio.Task[int] | None":
        """Take over in the background what the last run knew."""
        if self._cache_file is None:
            return None
        return self.loop.create_task(restore(self._cache_file, self.mesh.memory, clock.now, self.log))

    def _save(self) -> None:
        """Keep for the next run what is known. A worker that is replaced leaves that to its successor."""
        if self._cache_file is None or self._retiring:
            return
        try:
            entries = save(self._cache_file, self.mesh.memory, clock.now(), clock.monotonic)
            self.log.info("cache-saved", entries=entries)
        except OSError as error:
            self.log.warning("cache-not-saved", file=str(self._cache_file), problem=error.strerror)

    # --- the end -------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Take no new queries, and give those in hand their time."""
        self._stop_receiving()
        start = self.loop.time()
        while (spent := self.loop.time() - start) < self._drain_s:
            if self._retiring and self._handover is not None:
                self.tcp.hand_over(self._handover)
            else:
                self.tcp.hang_up_idle(_IDLE_S if spent < _PATIENCE_S else 0.0)
            if not self.service.unanswered and not self.tcp.connections:
                break
            await asyncio.sleep(_DRAIN_STEP_S)

    def _close(self) -> None:
        self.tcp.close()
        for listener in self.udp:
            listener.close()
        self.driver.close()

    def _sizes(self) -> dict[str, int]:
        """What the caches hold."""
        memory, packets = self.mesh.memory, self.packets
        return {
            "answers": len(memory.answers),
            "answer_octets": memory.answers.octets,
            "answer_limit": memory.answers.limit,
            "packets": len(packets),
            "packet_octets": packets.octets,
            "packet_limit": packets.limit,
            "delegations": len(memory.delegations),
            "zones": len(memory.zones),
            "denials": len(memory.denials),
            "failures": len(memory.failures),
            "servers": len(memory.servers),
            "tcp_connections": len(self.tcp.connections),
            "forgery_zones": memory.forgery.count(clock.monotonic()),
        }

    def _evictions(self) -> dict[str, int]:
        return {
            "answer_evictions": self.mesh.memory.answers.evictions,
            "packet_evictions": self.packets.evictions,
            "prefetches": self.mesh.memory.prefetches,
            "prefetches_left_out": self.mesh.prefetches_left_out,
        }

    def _forged(self, zone: Name) -> None:
        self.log.warning("forgery-suspected", zone=name_to_text(zone), advice="its servers are asked over TCP for a while")

    def _crashed(self, where: str, error: Exception) -> None:
        self.log.error("internal-error", where=where, exc_info=error)

    def _escaped(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """The loop caught what nobody else did."""
        self.counters.internal_errors += 1
        error = context.get("exception")
        self.log.error(
            "internal-error", where=context.get("message"), exc_info=error if isinstance(error, Exception) else None
        )


def serve(
    plan: Plan,
    sockets: WorkerSockets,
    files: int,
    log: FilteringBoundLogger,
    channel_socket: socket.socket,
    tables: Tables | None = None,
    cache_file: Path | None = None,
) -> int:
    """Run a worker to its end in this process; returns the exit status. `files`: descriptors this process may have;
    `tables`: of response policy zones; `cache_file`: where its cache is kept over a restart.
    """

    async def main() -> None:
        await Worker(plan, sockets, files, log, tables, cache_file).run(channel_socket)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return 0


def share_descriptors(files: int, client_connections: int) -> tuple[int, int, int]:
    """Client connections, and sockets to servers over UDP and TCP, at once: so many that descriptors suffice for all."""
    left = max(files - _SPARE_FILES, 8)
    clients = min(client_connections, left // 2)
    left -= clients
    tcp = min(UPSTREAM_TCP, left // 4)
    return clients, min(UPSTREAM_UDP, left - tcp), tcp


def tame_garbage_collection() -> None:
    """Called once when everything long-lived is there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.enable()  # `akashi serve` starts without
