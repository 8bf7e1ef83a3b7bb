"""What runs in the supervisor beside the workers: bound before privileges are dropped, started when the workers are.

A service whose socket cannot be opened keeps the daemon from starting when the configuration asks for that very socket. At
the default address it is only told: a second daemon on a host, or one that is started by hand, resolves without it.
"""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from structlog.typing import FilteringBoundLogger

from resolver.config import Config, Endpoint
from resolver.daemon.control_socket import open_control
from resolver.daemon.errors import StartError
from resolver.daemon.manager import Manager, Service

T = TypeVar("T")
_BACKLOG: Final = 64


@dataclass(slots=True)
class Services:
    """Sockets that are open, for services to come."""

    control: socket.socket | None
    metrics: socket.socket | None
    log: FilteringBoundLogger

    def attach(self, manager: Manager) -> None:
        """Hang the services onto the manager."""
        if self.control is not None:
            manager.hooks.services.append(_control(manager, self.control))
        if self.metrics is not None:
            manager.hooks.services.append(_metrics(manager, self.metrics))
            host, port = self.metrics.getsockname()[:2]
            manager.metrics_listen = Endpoint(host, port)

    def close(self) -> None:
        """Close the sockets; a service that ran has closed its own."""
        for sock in (self.control, self.metrics):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()


def open_services(config: Config, log: FilteringBoundLogger) -> Services:
    """Open what the configuration asks for.

    Raises:
        StartError: a socket that is not at its default place cannot be opened.
    """
    path, listen, default = config.control.socket, config.metrics.listen, Config()
    control = metrics = None
    if path is not None:
        control = _try(
            lambda: open_control(path, config.server.user),
            required=path != default.control.socket,
            event="control-unavailable",
            log=log,
        )
    if listen is not None:
        try:
            metrics = _try(
                lambda: open_metrics(listen),
                required=listen != default.metrics.listen,
                event="metrics-unavailable",
                log=log,
            )
        except StartError:
            if control is not None:
                control.close()
            raise
    return Services(control, metrics, log)


def open_metrics(endpoint: Endpoint) -> socket.socket:
    """A listening socket for metrics.

    Raises:
        StartError: the address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((endpoint.address, endpoint.port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise StartError(
            f"metrics.listen: {endpoint}: {error.strerror}",
            "choose another address or port, or switch it off with an empty one",
        ) from None
    return sock


def _try(open_it: Callable[[], T], *, required: bool, event: str, log: FilteringBoundLogger) -> T | None:
    try:
        return open_it()
    except StartError as error:
        if required:
            raise
        log.warning(event, problem=error.problem)
        return None


def _control(manager: Manager, sock: socket.socket) -> Service:
    # aiohttp takes a fifth of a second to import, and workers do not need it: it comes after them.
    control = None

    async def start() -> None:
        nonlocal control
        from resolver.daemon.control import Control
        from resolver.daemon.routes import routes

        control = Control(sock, [routes(manager), *(table() for table in manager.hooks.tables)], manager.log)
        await control.start()

    async def close() -> None:
        if control is not None:
            await control.close()

    return Service(start, close)


def _metrics(manager: Manager, sock: socket.socket) -> Service:
    metrics = None

    async def start() -> None:
        nonlocal metrics
        from resolver.daemon.metrics.exporter import Metrics

        metrics = Metrics(manager, sock)
        await metrics.start()

    async def close() -> None:
        if metrics is not None:
            await metrics.close()

    return Service(start, close)
