"""The embedded authoritative server: sockets around `lab.responder`.

Theory of operation. One UDP socket and one TCP listener per server address, the same port for all. `AuthorityServer` owns
them inside a running event loop; `load` replaces what they answer, for a change of zones, without closing anything.
`running` is the same in a thread of its own, for tests and other synchronous callers:

    net = lab.internet.build(time.time())
    with lab.server.running(net) as server:          # an ephemeral port, on 127.53.x.y
        resolve(hints=net.hints(), port=server.port)

Limitations: loopback addresses other than 127.0.0.1 exist on Linux without being configured; elsewhere they have to be
added to the interface first.

RFC 7766 (TCP: several queries on one connection, answered as they come).
"""

import asyncio
import contextlib
import errno
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import cast

from dns.name import Name

from lab.authority import Authority
from lab.internet import Internet, LabError
from lab.responder import Responder
from lab.steps import Behaviour

DEFAULT_PORT = 5310
TCP_IDLE_S = 30.0
TCP_MAX_BUFFER = 65537 * 4
PORT_ATTEMPTS = 20
UDP_BUFFER = 1 << 20
"""Socket receive buffer: a burst of a test's queries should not be lost."""


class AuthorityServer:
    """The servers of a mini-Internet on their addresses; made by `serve` or `running`."""

    def __init__(self) -> None:
        self.port = 0
        self.queries = 0
        """Queries received since the start."""
        self._responders: dict[str, Responder] = {}
        self._transports: list[asyncio.BaseTransport | asyncio.AbstractServer] = []
        self._connections: set[asyncio.Transport] = set()

    @property
    def addresses(self) -> list[str]:
        """Addresses that answer."""
        return list(self._responders)

    def load(self, internet: Internet, addresses: Iterable[str] | None = None) -> None:
        """Answer from these zones from now on. Addresses are fixed when the sockets are opened."""
        zones = [*internet.zones.values(), *(former.zone for former in internet.moved.values())]
        authorities = {id(zone): Authority(zone) for zone in zones}
        behaviours: dict[Name, Behaviour] = {origin: internet.behaviour(origin) for origin in internet.zones}
        wanted = None if addresses is None else set(addresses)
        self._responders = {
            server.address: Responder(
                server.host.to_text(),
                server.address,
                {origin: authorities[id(internet.served(server.host, origin))] for origin in server.zones},
                behaviours,
            )
            for server in internet.servers()
            if wanted is None or server.address in wanted
        }

    async def open(self, port: int) -> None:
        """Open the sockets; port 0 chooses one that is free on all addresses. Raises LabError when there is none."""
        loop = asyncio.get_running_loop()
        pairs = bind_all(self.addresses, port)
        for address, (udp, tcp) in pairs.items():
            transport, _ = await loop.create_datagram_endpoint(self._udp_factory(address), sock=udp)
            self._transports.append(transport)
            self._transports.append(await loop.create_server(self._tcp_factory(address), sock=tcp, backlog=128))
            self.port = udp.getsockname()[1]

    async def close(self) -> None:
        """Close all sockets and connections."""
        for transport in self._transports:
            transport.close()
        for connection in list(self._connections):
            connection.abort()
        self._transports.clear()
        # Transports close in callbacks of the next turns of the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def _udp_factory(self, address: str) -> Callable[[], asyncio.DatagramProtocol]:
        return lambda: _Udp(lambda wire, peer: self._respond(address, wire, peer, tcp=False))

    def _tcp_factory(self, address: str) -> Callable[[], asyncio.Protocol]:
        return lambda: _Tcp(lambda wire, peer: self._respond(address, wire, peer, tcp=True), self._connections)

    def _respond(self, address: str, wire: bytes, peer: str, *, tcp: bool) -> bytes | None:
        self.queries += 1
        return self._responders[address].respond(wire, peer, tcp=tcp)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, respond: Callable[[bytes, str], bytes | None]) -> None:
        self._respond = respond
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._respond(data, addr[0])
        if response is not None and self._transport is not None:
            self._transport.sendto(response, addr)


class _Tcp(asyncio.Protocol):
    """Length-prefixed queries, answered in order; the connection ends when it is idle or breaks the framing."""

    def __init__(self, respond: Callable[[bytes, str], bytes | None], connections: set[asyncio.Transport]) -> None:
        self._respond = respond
        self._connections = connections
        self._buffer = bytearray()
        self._peer = ""
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self._transport)
        self._peer = transport.get_extra_info("peername")[0]
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self._transport)
        if self._idle:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._wait()
        self._buffer += data
        if len(self._buffer) > TCP_MAX_BUFFER:
            self._transport.abort()
            return
        while len(self._buffer) >= 2:
            (length,) = struct.unpack_from("!H", self._buffer)
            if len(self._buffer) < 2 + length:
                break
            query = bytes(self._buffer[2 : 2 + length])
            del self._buffer[: 2 + length]
            response = self._respond(query, self._peer)
            if response is not None:
                self._transport.write(struct.pack("!H", len(response)) + response)

    def _wait(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(TCP_IDLE_S, self._transport.close)


@contextlib.asynccontextmanager
async def serve(
    internet: Internet, *, port: int = 0, addresses: Iterable[str] | None = None
) -> AsyncIterator[AuthorityServer]:
    """Serve a mini-Internet in the running event loop; port 0 chooses a free one. `addresses`: these servers only."""
    server = AuthorityServer()
    server.load(internet, addresses)
    await server.open(port)
    try:
        yield server
    finally:
        await server.close()


class RunningServer:
    """Handle on a server that runs in a thread: its port, and `load` for other zones."""

    def __init__(self, server: AuthorityServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.port = server.port

    @property
    def addresses(self) -> list[str]:
        """Addresses that answer."""
        return self._server.addresses

    @property
    def queries(self) -> int:
        """Queries received since the start."""
        return self._server.queries

    def load(self, internet: Internet) -> None:
        """Answer from these zones from now on; returns when it is so."""
        done = threading.Event()

        def swap() -> None:
            self._server.load(internet)
            done.set()

        self._loop.call_soon_threadsafe(swap)
        done.wait()


@contextlib.contextmanager
def running(internet: Internet, *, port: int = 0, addresses: Iterable[str] | None = None) -> Iterator[RunningServer]:
    """`serve` in a thread of its own."""
    ready: list[RunningServer | BaseException] = []
    started = threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        try:
            async with serve(internet, port=port, addresses=addresses) as server:
                loop = asyncio.get_running_loop()
                asked_to_stop = asyncio.Event()
                stop.append((loop, asked_to_stop))
                ready.append(RunningServer(server, loop))
                started.set()
                await asked_to_stop.wait()
        except BaseException as error:
            ready.append(error)
            raise
        finally:
            started.set()

    def run() -> None:
        with contextlib.suppress(LabError):  # The caller gets it.
            asyncio.run(main())

    thread = threading.Thread(target=run, name="lab-authority", daemon=True)
    thread.start()
    started.wait()
    if isinstance(ready[0], BaseException):
        thread.join()
        raise ready[0]
    try:
        yield ready[0]
    finally:
        loop, asked_to_stop = stop[0]
        loop.call_soon_threadsafe(asked_to_stop.set)
        thread.join()


def bind_all(addresses: list[str], port: int) -> dict[str, tuple[socket.socket, socket.socket]]:
    """A UDP and a TCP socket on one port of every address."""
    for attempt in range(1 if port else PORT_ATTEMPTS):
        pairs: dict[str, tuple[socket.socket, socket.socket]] = {}
        chosen = port
        try:
            for address in addresses:
                pairs[address] = _bind(address, chosen)
                chosen = pairs[address][0].getsockname()[1]
            return pairs
        except OSError as error:
            for pair in pairs.values():
                for sock in pair:
                    sock.close()
            if port or error.errno != errno.EADDRINUSE or attempt == PORT_ATTEMPTS - 1:
                where = f"{address} port {chosen}" if chosen else address
                raise LabError(f"cannot listen on {where}: {error.strerror}") from error
    raise LabError("no addresses to listen on")


def free_port(address: str) -> int:
    """A port that is free for UDP and TCP on an address, for a server that has to be told one."""
    udp, tcp = bind_all([address], 0)[address]
    port: int = udp.getsockname()[1]
    udp.close()
    tcp.close()
    return port


def _bind(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UDP_BUFFER)
        udp.bind((address, port))
        # Connections of a lab that was just stopped linger in TIME_WAIT.
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind((address, udp.getsockname()[1]))
        tcp.listen(128)
    except OSError:
        udp.close()
        tcp.close()
        raise
    return udp, tcp
