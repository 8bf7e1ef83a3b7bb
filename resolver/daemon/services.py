"""What runs in the supervisor beside the workers: bound before privileges are dropped, started when the workers are.

A service whose socket cannot be opened keeps the daemon from starting when the configuration asks for that very socket. At
the default address it is only told: a second daemon on a host, or one that is started by hand, resolves without it.
"""

import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from resolver.config import Config
from resolver.daemon.control_socket import open_control
from resolver.daemon.errors import StartError
from resolver.daemon.manager import Manager, Service

T = TypeVar("T")


@dataclass(slots=True)
class Services:
    """Sockets that are open, for services to come."""

    control: socket.socket | None
    log: FilteringBoundLogger

    def attach(self, manager: Manager) -> None:
        """Hang the services onto the manager."""
        if self.control is not None:
            manager.hooks.services.append(_control(manager, self.control))

    def close(self) -> None:
        """Close the sockets; a service that ran has closed its own."""
        for sock in (self.control,):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.close()


def open_services(config: Config, log: FilteringBoundLogger) -> Services:
    """Open what the configuration asks for.

    Raises:
        StartError: a socket that is not at its default place cannot be opened.
    """
    control = config.control.socket
    default = Config()
    return Services(
        _try(
            lambda: open_control(control, config.server.user) if control is not None else None,
            required=control != default.control.socket,
            event="control-unavailable",
            log=log,
        ),
        log,
    )


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
