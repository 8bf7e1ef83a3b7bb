"""Client-side sockets: opened and bound before privileges are dropped, one UDP and one TCP socket per worker and address.

With several workers the system spreads clients over the sockets of one address (SO_REUSEPORT). It would also let a second
daemon of the same user share them without a word, so each address is first bound without that option: that tells whether
somebody has it.

Port 0 takes a port that is free for both UDP and TCP; all workers share it.

On a system without IPv6 (a container, often) the IPv6 addresses are left out, as long as any other is left: the default
configuration must start there.
"""

import errno
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from resolver.config import Endpoint
from resolver.daemon.errors import StartError
from resolver.server.handover import make_pair
from resolver.server.listen_udp import prepare

_ATTEMPTS: Final = 20
"""Ports tried for port 0: one free for UDP may be taken for TCP."""


@dataclass(slots=True)
class WorkerSockets:
    """What one worker listens on: bound, not yet listening. `shared`: another worker serves them meanwhile; `handover`: by
    which it gives its clients' connections to the next (resolver/server/handover.py).
    """

    udp: list[socket.socket] = field(default_factory=list)
    tcp: list[socket.socket] = field(default_factory=list)
    shared: bool = False
    handover: tuple[socket.socket, socket.socket] | None = None

    @property
    def all(self) -> tuple[socket.socket, ...]:
        """Every one of them."""
        return (*self.udp, *self.tcp, *(self.handover or ()))

    def close(self) -> None:
        """Close them in this process."""
        for sock in self.all:
            sock.close()


def without_ipv6(endpoints: Sequence[Endpoint]) -> tuple[list[Endpoint], list[Endpoint]]:
    """The addresses to listen on, and those left out because this system has no IPv6 at all."""
    left_out = [] if _has_ipv6() else [endpoint for endpoint in endpoints if ":" in endpoint.address]
    kept = [endpoint for endpoint in endpoints if endpoint not in left_out]
    return (kept, left_out) if kept else (list(endpoints), [])


def _has_ipv6() -> bool:
    """Whether the system has so much as ::1."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


def open_sockets(endpoints: Sequence[Endpoint], workers: int) -> tuple[list[WorkerSockets], list[Endpoint]]:
    """Sockets for each worker, and the addresses with their ports as bound.

    Raises:
        StartError: an address cannot be bound; nothing stays open.
    """
    sets = [WorkerSockets(handover=make_pair()) for _ in range(workers)]
    bound: list[Endpoint] = []
    try:
        for endpoint in endpoints:
            bound.append(_open_all(endpoint, sets))
    except BaseException:
        for sockets in sets:
            sockets.close()
        raise
    return sets, bound


def _open_all(endpoint: Endpoint, sets: list[WorkerSockets]) -> Endpoint:
    """Open an address for every worker; returns it with its port."""
    shared = len(sets) > 1
    for attempt in range(_ATTEMPTS):
        try:
            udp = _open(endpoint, socket.SOCK_DGRAM, shared=False)
            address = Endpoint(endpoint.address, udp.getsockname()[1])
            try:
                tcp = _open(address, socket.SOCK_STREAM, shared=False)
            except StartError:
                udp.close()
                raise
            break
        except StartError:
            if endpoint.port or attempt == _ATTEMPTS - 1:
                raise
    if not shared:
        sets[0].udp.append(udp)
        sets[0].tcp.append(tcp)
        return address
    udp.close()
    tcp.close()
    for sockets in sets:
        sockets.udp.append(_open(address, socket.SOCK_DGRAM, shared=True))
        sockets.tcp.append(_open(address, socket.SOCK_STREAM, shared=True))
    return address


def _open(endpoint: Endpoint, kind: socket.SocketKind, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    try:
        sock = socket.socket(family, kind)
    except OSError as error:
        raise _start_error(endpoint, kind, error) from None
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            # Connections of the last run may linger (TIME_WAIT); a socket that listens is still noticed.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
        else:
            prepare(sock)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((endpoint.address, endpoint.port))
        return sock
    except OSError as error:
        sock.close()
        raise _start_error(endpoint, kind, error) from None


def _start_error(endpoint: Endpoint, kind: socket.SocketKind, error: OSError) -> StartError:
    over = "UDP" if kind == socket.SOCK_DGRAM else "TCP"
    where = f"server.listen: {endpoint} ({over})"
    if error.errno == errno.EADDRINUSE:
        return StartError(
            f"{where}: address in use by another process",
            f"see which one with: ss -lntup 'sport = :{endpoint.port}'; stop it or choose another address or port",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return StartError(
            f"{where}: permission denied: ports below 1024 need a privilege",
            "start as root with server.user set, or by systemd with AmbientCapabilities=CAP_NET_BIND_SERVICE, or once"
            f" as root: setcap cap_net_bind_service=+ep {sys.executable}; or choose a port from 1024 on",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return StartError(f"{where}: no interface of this machine has the address", "see which there are with: ip address")
    if error.errno == errno.EAFNOSUPPORT:
        return StartError(f"{where}: this system has no such address family", "leave the address out of server.listen")
    return StartError(f"{where}: {error.strerror}")
