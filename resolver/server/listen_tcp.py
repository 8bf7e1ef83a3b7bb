"""Clients over TCP: two-octet framing, pipelining, answers in the order in which they are ready (RFC 7766).

What bounds a client (RFC 7766 §6.2, RFC 9210 §4):

* connections in all and for each address (IPv6: prefix); at the ceiling the one idle for longest gives way;
* idle time: no whole query for that long and none being worked on; octets that make no query do not count, so neither
  silence nor a trickle holds a connection;
* queries worked on at once for one connection: beyond TCP_PIPELINE it is not read, and the client's window fills up;
* queries taken up at once, one of each connection in its turn: TURN of all connections, then the loop looks at everything
  else, so that a stream of queries that are answered at once (some 40 µs each) does not keep other clients waiting; up to
  TURN hits of the packet cache that follow one another (some 3 µs each) count as one, and their answers are one write;
* answers it does not read: while the system takes no more, it is not read either; over TCP_UNREAD octets it is cut.

A client that is not served gets one REFUSED and is closed. One that closes its side still gets the answers to what it
asked.

Limitations: one sweep a second at most closes idle connections, so they live up to that much longer than configured.
"""

import asyncio
import contextlib
import socket
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from resolver.server.clock import monotonic
from resolver.server.handover import Handover
from resolver.server.service import Service
from wire.limits import TCP_CONNECTIONS, TCP_PER_CLIENT, TCP_PIPELINE, TCP_UNREAD

_BACKLOG: Final = 256
"""Connections the system completes before we take them."""
_SWEEP: Final = 1.0
"""Seconds between looks for idle connections, at most; less when the time-out is shorter."""
_SEND_BUFFER: Final = 128 * 1024
"""Octets of answers the system keeps for a connection (it counts double); by itself it would go up to some mebioctets."""
_AHEAD: Final = 4096
"""Octets that are read ahead of the queries taken up, beside what one reading brings."""
TURN: Final = 16
"""Queries taken up before the loop turns to other things."""


@dataclass(frozen=True, slots=True)
class TcpBounds:
    """`[server]` tcp-connections, tcp-per-client, tcp-idle-timeout."""

    connections: int = 500
    per_client: int = 20
    idle_s: float = 10.0
    pipeline: int = TCP_PIPELINE
    unread: int = TCP_UNREAD


class TcpListeners:
    """All listening sockets of a worker and their connections: the bounds hold for them together."""

    def __init__(self, service: Service, bounds: TcpBounds) -> None:
        self.service = service
        self.bounds = bounds
        # In order of last use: what a connection does moves it to the end, so the first is idle for longest.
        self.connections: dict[Connection, None] = {}
        self._by_client: dict[str | int, int] = {}
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready: deque[Connection] = deque()
        self._turning = False
        self._coming: set[asyncio.Task[Any]] = set()

    async def start(self, sockets: list[socket.socket]) -> None:
        """Accept on bound sockets."""
        self._loop = loop = asyncio.get_running_loop()
        for sock in sockets:
            self._servers.append(await loop.create_server(partial(Connection, self), sock=sock, backlog=_BACKLOG))

    def stop(self) -> None:
        """Accept no more; connections stay."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    def close(self) -> None:
        """Stop, and close every connection without waiting."""
        self.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in list(self.connections):
            connection.cut()

    def hang_up_idle(self, idle_s: float) -> None:
        """Close the connections that have been silent for so long, with nothing being worked on."""
        limit = monotonic() - idle_s
        for connection in list(self.connections):
            if not connection.busy and connection.used_at < limit:
                connection.hang_up()

    # --- a change of workers --------------------------------------------------------------------------------------

    def leave(self) -> None:
        """A successor serves: read no connection any more."""
        for connection in list(self.connections):
            connection.leave()

    def hand_over(self, handover: Handover) -> None:
        """Give it the connections on which all that was read is answered."""
        for connection in list(self.connections):
            if connection.settled:
                connection.hand_over(handover)

    def take_over(self, sock: socket.socket, unread: bytes) -> None:
        """Serve a connection that a retiring worker gave."""
        assert self._loop is not None
        sock.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(partial(Connection, self, unread), sock))
        self._coming.add(task)
        task.add_done_callback(self._came)

    def _came(self, task: "asyncio.Task[Any]") -> None:
        self._coming.discard(task)
        if not task.cancelled():
            task.exception()  # it ended on the way

    # --- what connections tell -----------------------------------------------------------------------------------

    def adopt(self, connection: "Connection", client: str) -> None:
        """Take a connection that another worker had admitted."""
        self.connections[connection] = None
        holder = self._holder(client)
        self._by_client[holder] = self._by_client.get(holder, 0) + 1
        if self._sweeper is None:
            self._arm()

    def admit(self, connection: "Connection", client: str) -> bool:
        """Take a new connection, unless the bounds are full."""
        counters, protection = self.service.counters, self.service.protection
        held = self._by_client.get(self._holder(client), 0)
        if held >= self.bounds.per_client and protection.counted(client) is not None and protection.refuses(TCP_PER_CLIENT):
            counters.tcp_rejected += 1
            return False
        if len(self.connections) >= self.bounds.connections and not self._make_room():
            protection.limits.count(TCP_CONNECTIONS, refused=True)
            counters.tcp_rejected += 1
            return False
        counters.tcp_accepted += 1
        self.adopt(connection, client)
        return True

    def _holder(self, client: str) -> str | int:
        """For whom connections are counted: an IPv4 address, an IPv6 prefix, since who has one address has all of it."""
        if ":" not in client:
            return client
        protection = self.service.protection
        return protection.prefixes.of(protection.pack(client))

    def used(self, connection: "Connection") -> None:
        """A whole query came or an answer went."""
        connection.used_at = monotonic()
        if connection in self.connections:
            del self.connections[connection]
            self.connections[connection] = None

    def wants_turn(self, connection: "Connection") -> None:
        """A connection has queries to be taken up, now or in a moment."""
        if not connection.in_line:
            connection.in_line = True
            self._ready.append(connection)
            self._schedule()

    def _schedule(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Take up queries, one of each connection after the other's."""
        self._turning = False
        ready = self._ready
        for _ in range(TURN):
            if not ready:
                return
            connection = ready.popleft()
            connection.in_line = False
            if connection.take_one() and not connection.in_line:
                connection.in_line = True
                ready.append(connection)
        if ready:
            self._schedule()

    def ended(self, connection: "Connection", client: str) -> None:
        """A connection is gone."""
        if connection in self.connections:
            del self.connections[connection]
            holder = self._holder(client)
            held = self._by_client[holder] - 1
            if held:
                self._by_client[holder] = held
            else:
                del self._by_client[holder]

    def _make_room(self) -> bool:
        """Close the connection idle for longest; False when all are at work."""
        for connection in self.connections:
            if not connection.busy:
                self.service.counters.tcp_idle_closed += 1
                connection.cut()
                self.ended(connection, connection.client)
                return True
        return False

    def _arm(self) -> None:
        assert self._loop is not None
        self._sweeper = self._loop.call_later(min(_SWEEP, self.bounds.idle_s / 4), self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle for too long. Those at work or not reading are judged by the same clock."""
        self._sweeper = None
        limit = monotonic() - self.bounds.idle_s
        for connection in list(self.connections):
            if connection.used_at > limit:
                break
            if connection.busy and not connection.stalled:
                continue  # the resolution has a deadline of its own
            if connection.stalled:
                self.service.counters.tcp_cut += 1
            else:
                self.service.counters.tcp_idle_closed += 1
            connection.cut() if connection.stalled else connection.hang_up()
        if self.connections:
            self._arm()


class Connection(asyncio.Protocol):
    """One client's connection.

    Attributes:
        client: address as text; `used_at`: monotonic time of the last whole query or answer.
        busy: whether queries of it are being worked on; `stalled`: whether it does not read its answers.
        in_line: whether it waits for its turn.
    """

    def __init__(self, listeners: TcpListeners, handed: bytes | None = None) -> None:
        """`handed`: octets that the worker before us had read of a query, when it handed the connection over."""
        self._listeners = listeners
        self._service = listeners.service
        self._transport: asyncio.Transport | None = None
        self._input = bytearray()
        self._handed = handed
        self._leaving = False
        self._pending = 0
        self._at_end = False
        self._reading = True
        self.client = ""
        self.used_at = monotonic()
        self.stalled = False
        self.in_line = False

    @property
    def busy(self) -> bool:
        return self._pending > 0 or self._waits()

    # --- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        self._transport = tcp = cast(asyncio.Transport, transport)
        peer = tcp.get_extra_info("peername")
        self.client = peer[0] if peer else ""
        if peer and self._handed is not None:
            self._listeners.adopt(self, self.client)
        elif not peer or not self._listeners.admit(self, self.client):
            self._transport = None
            tcp.abort()
            return
        # Writing is paused as soon as the system's own buffer is full, and that does not grow for who does not read.
        tcp.set_write_buffer_limits(high=0)
        with contextlib.suppress(OSError):
            tcp.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        if self._handed:
            self._input += self._handed

    def data_received(self, data: bytes) -> None:
        """Octets came: any number of queries, or part of one."""
        if self._transport is None:
            return
        self._input += data
        if self._waits():
            self._listeners.used(self)
            if not self.in_line and self._may_take():
                self._take_hits()
            self._work()

    def eof_received(self) -> bool:
        """The client closed its side: answer what it asked, then close ours."""
        self._at_end = True
        self._close_if_done()
        return self._transport is not None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; answers still being worked on have nowhere to go."""
        self._transport = None
        self._input.clear()
        self._listeners.ended(self, self.client)

    def pause_writing(self) -> None:
        """The client does not read as fast as it asks."""
        self.stalled = True
        self._flow()

    def resume_writing(self) -> None:
        """It caught up."""
        self.stalled = False
        self._listeners.used(self)
        self._work()

    # --- queries and answers -------------------------------------------------------------------------------------

    def _work(self) -> None:
        """Have the queries that wait taken up, as far as the bounds allow."""
        if self._may_take():
            self._listeners.wants_turn(self)
        self._flow()
        self._close_if_done()

    def _may_take(self) -> bool:
        pipeline = self._listeners.bounds.pipeline
        return self._waits() and self._pending < pipeline and not self.stalled and self._transport is not None

    def _waits(self) -> bool:
        """Whether there is a whole query not taken up. What was read stays octets until then: objects cost more."""
        buffer = self._input
        return len(buffer) >= 2 and len(buffer) >= 2 + (buffer[0] << 8 | buffer[1])

    def take_one(self) -> bool:
        """Take up the next query if there is one and the bounds allow; whether another may be taken up after it."""
        if self._may_take():
            if self._take_hits():
                return self._may_take()
            service = self._service
            self._pending += 1
            service.counters.tcp_queries += 1
            buffer = self._input
            end = 2 + (buffer[0] << 8 | buffer[1])
            query = bytes(buffer[2:end])
            del buffer[:end]
            if not service.take_over_tcp(query, self.client, self._answer):
                self._pending -= 1
                # Not a query, or one that will get no answer: the client would wait for it in vain.
                self.cut()
                return False
            if self._may_take():
                return True
        self._flow()
        self._close_if_done()
        return False

    def _take_hits(self) -> bool:
        """Answer the queries that come first as long as the packet cache has the answers; whether there were any."""
        cached = self._service.cached_over_tcp
        buffer, client = self._input, self.client
        size, pos, count, answers = len(buffer), 0, 0, b""
        while count < TURN and pos + 2 <= size:
            end = pos + 2 + (buffer[pos] << 8 | buffer[pos + 1])
            if end > size:
                break
            response = cached(bytes(buffer[pos + 2 : end]), client)
            if not response:
                break
            answers += len(response).to_bytes(2, "big") + response
            count += 1
            pos = end
        if not count:
            return False
        del buffer[:pos]
        self._service.counters.tcp_queries += count
        self._write(answers)
        return True

    def _answer(self, response: bytes) -> None:
        self._pending -= 1
        if response:
            self._write(len(response).to_bytes(2, "big") + response)
        elif self._transport is not None and not self._transport.is_closing():
            self.cut()  # policy wants no answer: the client would wait for it in vain

    def _write(self, answers: bytes) -> None:
        """Send framed answers."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(answers)
        if transport.get_write_buffer_size() > self._listeners.bounds.unread:
            self._service.counters.tcp_cut += 1
            self.cut()
            return
        self._listeners.used(self)
        if not self._service.access.allows(self.client):
            self._input.clear()
            self.hang_up()
        elif not self._reading or self._at_end:
            self._listeners.wants_turn(self)

    def _flow(self) -> None:
        """Read only as long as what was read is being worked on."""
        transport = self._transport
        if transport is None or self._at_end or transport.is_closing():
            return
        ahead = self._waits() and (self._pending >= self._listeners.bounds.pipeline or len(self._input) >= _AHEAD)
        wanted = not ahead and not self.stalled and not self._leaving
        if wanted and not self._reading:
            self._reading = True
            transport.resume_reading()
        elif not wanted and self._reading:
            self._reading = False
            transport.pause_reading()

    @property
    def settled(self) -> bool:
        """Whether it is not read any more, and all that was read is answered and sent."""
        transport = self._transport
        if transport is None or self.busy or self._at_end or not self._leaving or transport.is_closing():
            return False
        return not transport.get_write_buffer_size()

    def leave(self) -> None:
        """Read no more: the rest is for our successor."""
        self._leaving = True
        self._flow()

    def hand_over(self, handover: Handover) -> None:
        """Give the connection away, if that is possible now."""
        transport = self._transport
        assert transport is not None
        if handover.give(transport.get_extra_info("socket").fileno(), bytes(self._input)):
            # Closes our descriptor, not the connection: the other one is on its way.
            transport.abort()

    def _close_if_done(self) -> None:
        if self._at_end and not self.busy and self._transport is not None:
            self.hang_up()

    def hang_up(self) -> None:
        """Close once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Close at once, whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()
