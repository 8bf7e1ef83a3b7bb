"""A relay for servers that cannot listen on the lab's addresses.

BIND listens on addresses that an interface has, and loopback has 127.0.0.1 only, although all of 127/8 reaches it. Giving
it more takes root. So BIND listens on 127.0.0.1 and a port of its own, and a relay carries the octets between that and
the address where a resolver looks for the server. Nothing is changed but the message ID over UDP, which the relay needs to
tell whose answer it is.

Limitations: the server sees every query come from 127.0.0.1; an answer that never comes keeps its slot until 65,536 more
queries have come.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from lab.server import bind_all

READ_SIZE = 65536
_Peer = tuple[str, int]
P = TypeVar("P", bound=asyncio.DatagramProtocol)


class Relay:
    """Carries UDP and TCP from some addresses to one server."""

    def __init__(self, addresses: Iterable[str], port: int, target: _Peer) -> None:
        self._addresses = list(addresses)
        self._port = port
        self._target = target
        self._transports: list[asyncio.BaseTransport | asyncio.AbstractServer] = []
        self._pumps: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start carrying. Raises LabError when an address is taken."""
        loop = asyncio.get_running_loop()
        for udp, tcp in bind_all(self._addresses, self._port).values():
            upstream = _Upstream()
            inner, _ = await loop.create_datagram_endpoint(_always(upstream), remote_addr=self._target)
            outer, _ = await loop.create_datagram_endpoint(_always(_Downstream(upstream)), sock=udp)
            self._transports += [inner, outer, await asyncio.start_server(self._connected, sock=tcp)]

    async def close(self) -> None:
        """Stop carrying."""
        for transport in self._transports:
            transport.close()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            inner_reader, inner_writer = await asyncio.open_connection(*self._target)
            for source, sink in ((reader, inner_writer), (inner_reader, writer)):
                pump = asyncio.create_task(_pump(source, sink))
                self._pumps.add(pump)
                pump.add_done_callback(self._pumps.discard)


class _Upstream(asyncio.DatagramProtocol):
    """The side of the server: remembers who asked."""

    def __init__(self) -> None:
        self._asked: dict[int, tuple[asyncio.DatagramTransport, _Peer, bytes]] = {}
        self._next = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def ask(self, data: bytes, client: asyncio.DatagramTransport, peer: _Peer) -> None:
        self._next = (self._next + 1) % 65536
        self._asked[self._next] = client, peer, data[:2]
        self._transport.sendto(struct.pack("!H", self._next) + data[2:])

    def datagram_received(self, data: bytes, addr: _Peer) -> None:
        asked = self._asked.pop(struct.unpack_from("!H", data)[0], None) if len(data) >= 2 else None
        if asked:
            client, peer, identity = asked
            client.sendto(identity + data[2:], peer)

    def error_received(self, exc: Exception) -> None:
        pass  # Nobody listens: the client will notice.


class _Downstream(asyncio.DatagramProtocol):
    """The side of the client."""

    def __init__(self, upstream: _Upstream) -> None:
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: _Peer) -> None:
        if len(data) >= 2:
            self._upstream.ask(data, self._transport, addr)


def _always(protocol: P) -> Callable[[], P]:
    return lambda: protocol


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Carry octets one way until there are no more."""
    with contextlib.suppress(OSError):
        while data := await source.read(READ_SIZE):
            sink.write(data)
            await sink.drain()
    sink.close()
