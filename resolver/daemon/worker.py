"""One worker: a mesh, its sockets to clients and servers, one event loop.

The same code runs in the only process (workers = 1) and in each process of several. It stops on SIGTERM and SIGINT: no new
queries, those in hand get DRAIN_S seconds, then everything is closed.

Garbage collection: what exists after start-up is frozen (never looked at again), and collections are made rare; the cache
holds its objects by reference counting alone, cycles come from exceptions and few other places.
"""

import asyncio
import gc
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import uvloop
from structlog.typing import FilteringBoundLogger

from resolver.cache.packets import PacketCache
from resolver.config import Config
from resolver.daemon.build import (
    build_access,
    build_identity,
    build_policy,
    build_settings,
    build_tcp_bounds,
    build_trust,
    packet_cache_size,
)
from resolver.daemon.notify import notify
from resolver.daemon.observer import LogObserver
from resolver.daemon.sockets import WorkerSockets
from resolver.mesh import Mesh
from resolver.server.counters import Counters
from resolver.server.driver import Driver
from resolver.server.listen_tcp import TcpListeners
from resolver.server.listen_udp import UdpListener
from resolver.server.service import Service
from resolver.settings import Settings
from trust.anchors import TrustPoints
from trust.policy import Policy
from wire.limits import UPSTREAM_TCP, UPSTREAM_UDP

DRAIN_S: Final = 1.0
"""Seconds that queries in hand get when the worker is told to stop."""
_DRAIN_STEP_S: Final = 0.02
_SPARE_FILES: Final = 64
"""Descriptors left for listening sockets, the log, the loop and files."""
_GC_THRESHOLDS: Final = (100_000, 20, 50)
"""Container objects made before a collection of the youngest; collections before those of the older ones."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a worker is made from: read and checked once, before there are workers."""

    config: Config
    settings: Settings
    points: TrustPoints
    policy: Policy


def make_plan(config: Config) -> Plan:
    """Read what the configuration names.

    Raises:
        StartError: a file makes no sense.
    """
    return Plan(config, build_settings(config), build_trust(config), build_policy(config))


class Worker:
    """The parts of a running worker. Made within its event loop."""

    def __init__(self, plan: Plan, sockets: WorkerSockets, files: int, log: FilteringBoundLogger) -> None:
        loop = asyncio.get_running_loop()
        config = plan.config
        self.loop = loop
        self.log = log
        self.counters = Counters()
        # Only for choosing among servers; IDs, ports and case come from the system's generator (server.entropy).
        dice = random.Random(os.urandom(16))
        self.mesh = Mesh(plan.settings, plan.points, plan.policy, dice)
        self.packets = PacketCache(packet_cache_size(config))
        udp_limit, tcp_limit = upstream_limits(files, config.server.tcp_connections)
        self.driver = Driver(
            self.mesh,
            loop,
            self.counters,
            payload=config.upstream.edns_buffer,
            udp_limit=udp_limit,
            tcp_limit=tcp_limit,
            crashed=self._crashed,
            new_epoch=self.packets.clear,
        )
        self.service = Service(
            self.driver,
            build_access(config),
            build_identity(config),
            self.counters,
            self.packets,
            LogObserver(log, validation_failures=config.log.validation_failures),
            log_queries=config.log.queries,
        )
        self.udp = [UdpListener(sock, self.service) for sock in sockets.udp]
        self.tcp = TcpListeners(self.service, build_tcp_bounds(config))
        self._tcp_sockets = sockets.tcp
        self._stop = asyncio.Event()
        loop.set_exception_handler(self._escaped)

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until told to stop; `ready` is called when clients are answered."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(number, self._stop.set)
        # Reloading comes with the control socket; until then the signal must at least not kill.
        self.loop.add_signal_handler(signal.SIGHUP, self.log.warning, "reload-not-supported")
        try:
            await self.tcp.start(self._tcp_sockets)
            for listener in self.udp:
                listener.start(self.loop)
            tame_garbage_collection()
            ready()
            await self._stop.wait()
            self.log.info("stopping", unanswered=self.service.unanswered)
            notify("STOPPING=1")
            await self._drain()
        finally:
            self._close()

    async def _drain(self) -> None:
        """Take no new queries, and give those in hand their time."""
        for listener in self.udp:
            listener.stop()
        self.tcp.stop()
        deadline = self.loop.time() + DRAIN_S
        while self.service.unanswered and self.loop.time() < deadline:
            await asyncio.sleep(_DRAIN_STEP_S)

    def _close(self) -> None:
        self.tcp.close()
        for listener in self.udp:
            listener.close()
        self.driver.close()

    def _crashed(self, where: str, error: Exception) -> None:
        self.log.error("internal-error", where=where, exc_info=error)

    def _escaped(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """The loop caught what nobody else did."""
        self.counters.internal_errors += 1
        error = context.get("exception")
        self.log.error(
            "internal-error", where=context.get("message"), exc_info=error if isinstance(error, Exception) else None
        )


def serve(plan: Plan, sockets: WorkerSockets, files: int, log: FilteringBoundLogger, ready: Callable[[], None]) -> int:
    """Run a worker to its end in this process; returns the exit status. `files`: descriptors this process may have."""

    async def main() -> None:
        await Worker(plan, sockets, files, log).run(ready)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    return 0


def upstream_limits(files: int, client_connections: int) -> tuple[int, int]:
    """Sockets to servers at once, over UDP and TCP, so that descriptors suffice for clients too."""
    left = max(files - _SPARE_FILES - client_connections, 128)
    tcp = min(UPSTREAM_TCP, left // 4)
    return min(UPSTREAM_UDP, left - tcp), tcp


def tame_garbage_collection() -> None:
    """Called once when everything long-lived is there."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
