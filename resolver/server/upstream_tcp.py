"""Queries to servers over TCP: connections are shared, kept for a few seconds, and bounded in number.

Theory: TCP is asked when an answer over UDP was truncated or not to be trusted. Mostly that is rare, but a server that
truncates everything, or a zone under forgery, brings it in floods, and then a connection a query would cost two round trips
and two ports each. So a connection is kept UPSTREAM_TCP_IDLE seconds after its last answer, and carries several queries at
once, whose answers may come in any order (RFC 7766 §6.2.1.1, §7): they are told apart by ID. A server that closes a
connection on which it has answered before gets the unanswered queries once more on a fresh one (§6.2.3: it may have been
idle in its eyes). One that lets a query time out gets no further queries on that connection.

What cannot be an answer to any query on the connection is counted, and MISMATCHED of it end the connection: a server that
sends without end is read no further than that. A message is at most 65,535 octets long (RFC 1035 §4.2.2), so no more is
kept of one that arrives octet by octet; the time-out of its query, which is the driver's, ends the waiting.

Limitations: no TCP Fast Open; no edns-tcp-keepalive towards servers (RFC 7828): the idle time is short enough for all.
"""

import _socket
import errno
import os
from asyncio import TimerHandle
from collections import deque
from enum import Enum
from typing import Final

from resolver.server.clock import monotonic, now
from resolver.server.counters import Counters
from resolver.server.entropy import Entropy
from resolver.server.matching import Sent, judge
from resolver.server.poller import READ, WRITE, Poller
from resolver.server.upstream_udp import Deliver, failure
from trust.vocabulary import Address, Ask, Reply, Trouble
from wire.limits import MISMATCHED, UPSTREAM_TCP, UPSTREAM_TCP_IDLE, UPSTREAM_TCP_PIPELINE
from wire.message import Message

_MOST_LATE: Final = 8
"""Queries given up, whose answers may still come, after which a connection takes no more."""


class UpstreamTcp:
    """Starts exchanges over TCP. `payload`: as over UDP; a server may tell from it what UDP could carry.

    Attributes:
        open: connections there are, idle ones included; at most `limit`.
        pipeline, idle_s: queries at once on a connection, and seconds that it is kept without one.
    """

    def __init__(
        self,
        poller: Poller,
        entropy: Entropy,
        counters: Counters,
        deliver: Deliver,
        payload: int,
        limit: int = UPSTREAM_TCP,
    ) -> None:
        self.poller = poller
        self.entropy = entropy
        self.counters = counters
        self.deliver = deliver
        self.payload = payload
        self.limit = limit
        self.open = 0
        self.pipeline = UPSTREAM_TCP_PIPELINE
        self.idle_s = UPSTREAM_TCP_IDLE
        self._pool: dict[Address, list[_Connection]] = {}
        self._idle: dict[_Connection, float] = {}
        self._waiting: deque[TcpExchange] = deque()
        self._sweeper: TimerHandle | None = None

    def start(self, ask_id: int, ask: Ask) -> "TcpExchange | Reply":
        """Send the query, now or when a connection is free; a Reply when that failed at once."""
        # The case is not mixed: a connection is not forged blindly, and some servers come here because they break it.
        sent = Sent(ask, self.entropy.ident(), ask.qname, self.payload, exact=False)
        exchange = TcpExchange(self, ask_id, ask.server, sent)
        trouble = self._place(exchange)
        return exchange if trouble is None else trouble

    def close(self) -> None:
        """Close every connection; what was asked on them stays unanswered."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._waiting.clear()
        for connections in list(self._pool.values()):
            for connection in list(connections):
                connection.shut()

    # --- which connection ----------------------------------------------------------------------------------------

    def _place(self, exchange: "TcpExchange", *, fresh: bool = False) -> Reply | None:
        """Put a query on a connection to its server, or into the queue; a Reply when neither can be."""
        if not fresh:
            for connection in self._pool.get(exchange.server, ()):
                if connection.takes_more:
                    self._idle.pop(connection, None)
                    connection.send(exchange)
                    return None
        if self.open >= self.limit and not self._make_room():
            self._waiting.append(exchange)
            return None
        connection = _Connection(self, exchange.server)
        trouble = connection.connect()
        if trouble is not None:
            return trouble
        self.open += 1
        self._pool.setdefault(exchange.server, []).append(connection)
        connection.send(exchange)
        return None

    def again(self, exchange: "TcpExchange") -> None:
        """Send once more, on a connection of its own."""
        trouble = self._place(exchange, fresh=True)
        if trouble is not None:
            exchange.end(trouble)

    def _make_room(self) -> bool:
        """Close the connection that has been idle the longest; whether there was one."""
        for connection in self._idle:
            connection.shut()
            return True
        return False

    def gone(self, connection: "_Connection") -> None:
        """A connection was closed: the next one's turn."""
        self.open -= 1
        self._idle.pop(connection, None)
        others = self._pool[connection.server]
        others.remove(connection)
        if not others:
            del self._pool[connection.server]

    def serve_waiting(self) -> None:
        """Give queued queries the room there is."""
        while self._waiting and (self.open < self.limit or self._idle):
            exchange = self._waiting.popleft()
            if not exchange.over:
                trouble = self._place(exchange)
                if trouble is not None:
                    exchange.end(trouble)

    # --- idle connections ----------------------------------------------------------------------------------------

    def rest(self, connection: "_Connection") -> None:
        """Nothing is asked on a connection any more: keep it for a while."""
        self._idle[connection] = monotonic() + self.idle_s
        if self._sweeper is None:
            self._sweeper = self.poller.after(self.idle_s, self._sweep)
        if self._waiting:
            self.serve_waiting()

    def _sweep(self) -> None:
        self._sweeper = None
        mono = monotonic()
        for connection, until in list(self._idle.items()):
            if until > mono:
                self._sweeper = self.poller.after(until - mono, self._sweep)
                return
            connection.shut()


class TcpExchange:
    """One query. `close` ends it without a word; `over`: it has ended."""

    __slots__ = ("_ask_id", "_owner", "connection", "label", "mismatched", "over", "repeated", "sent", "server", "started")

    def __init__(self, owner: UpstreamTcp, ask_id: int, server: Address, sent: Sent) -> None:
        self._owner = owner
        self._ask_id = ask_id
        self.server = server
        self.sent = sent
        self.started = now().mono
        self.label = ""
        self.mismatched = 0
        self.connection: _Connection | None = None
        self.repeated = False
        self.over = False

    def close(self) -> None:
        """Give up. May be called twice."""
        self.over = True
        connection = self.connection
        if connection is not None:
            self.connection = None
            connection.give_up(self)

    def end(self, reply: Reply) -> None:
        """Tell what came of it; the connection has let go of it."""
        if not self.over:
            self.over = True
            self.connection = None
            self._owner.deliver(self._ask_id, reply)


class _State(Enum):
    CONNECTING = "SYN sent"
    OPEN = "connected"
    CLOSED = "over"


class _Connection:
    """One connection and the queries on it, by ID."""

    __slots__ = (
        "_asked",
        "_fd",
        "_input",
        "_late",
        "_output",
        "_owner",
        "_served",
        "_socket",
        "_state",
        "_strays",
        "_tired",
        "server",
    )

    def __init__(self, owner: UpstreamTcp, server: Address) -> None:
        self._owner = owner
        self.server = server
        self._socket: _socket.socket | None = None
        self._fd = -1
        self._state = _State.CLOSED
        self._asked: dict[bytes, TcpExchange] = {}
        self._late: set[bytes] = set()
        self._input = bytearray()
        self._output = bytearray()
        self._served = 0
        self._strays = 0
        self._tired = False

    @property
    def takes_more(self) -> bool:
        """Whether another query may be sent on it."""
        return self._state is not _State.CLOSED and not self._tired and len(self._asked) < self._owner.pipeline

    def connect(self) -> Reply | None:
        """Begin; a Reply when that failed at once."""
        socket = None
        try:
            family = _socket.AF_INET6 if ":" in self.server.ip else _socket.AF_INET
            socket = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
            # Queries follow one another; none may wait for the answer to the one before it.
            socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            code = socket.connect_ex(self.server)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        except OSError as error:
            if socket is not None:
                socket.close()
            return failure(error)
        self._socket = socket
        self._fd = socket.fileno()
        self._state = _State.CONNECTING
        self._owner.counters.upstream_tcp_opened += 1
        self._owner.poller.add(self._fd, WRITE, self._ready)
        return None

    def send(self, exchange: TcpExchange) -> None:
        """Put a query on the connection."""
        sent = exchange.sent
        while sent.ident in self._asked or sent.ident in self._late:
            sent.rename(self._owner.entropy.ident())
        self._asked[sent.ident] = exchange
        exchange.connection = self
        self._owner.counters.upstream_tcp += 1
        waiting = bool(self._output)
        self._output += len(sent.wire).to_bytes(2, "big") + sent.wire
        if self._state is _State.OPEN and not waiting:
            self._owner.poller.change(self._fd, READ | WRITE)

    def give_up(self, exchange: TcpExchange) -> None:
        """Nobody waits for this answer any more; it may come all the same. Who was slow once is given no more to do."""
        ident = exchange.sent.ident
        if self._asked.pop(ident, None) is None:
            return
        self._late.add(ident)
        self._tired = self._tired or len(self._late) >= _MOST_LATE or monotonic() - exchange.started >= 1.0
        if not self._asked:
            self._leave()

    def shut(self) -> None:
        """Close. May be called twice."""
        if self._socket is not None:
            self._owner.poller.remove(self._fd)
            self._socket.close()
            self._socket = None
            self._state = _State.CLOSED
            self._owner.gone(self)

    # --- what happens --------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Nothing is asked on it any more."""
        if self._tired:
            self.shut()
            self._owner.serve_waiting()
        else:
            self._owner.rest(self)

    def _fail(self, reply: Reply) -> None:
        """The connection is of no use: queries on it are sent again where that makes sense, else fail."""
        left = list(self._asked.values())
        self._asked.clear()
        hopeful = self._served > 0
        self.shut()
        for exchange in left:
            exchange.connection = None
            if hopeful and not exchange.repeated:
                exchange.repeated = True
                self._owner.again(exchange)
            else:
                self._owner.counters.upstream_unreachable += 1
                exchange.end(reply)
        self._owner.serve_waiting()

    def _ready(self, events: int) -> None:
        socket = self._socket
        assert socket is not None
        try:
            if self._state is _State.CONNECTING:
                code = socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
                self._state = _State.OPEN
            if self._output:
                del self._output[: socket.send(self._output)]
                self._owner.poller.change(self._fd, READ | WRITE if self._output else READ)
            if not events & ~WRITE:
                return
            data = socket.recv(65537)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(failure(error))
            return
        if data:
            self._take(data)
        else:
            trouble = Trouble.MALFORMED if self._strays else Trouble.UNREACHABLE
            self._fail(Reply(now(), trouble=trouble, text="connection closed without an answer"))

    def _take(self, data: bytes) -> None:
        """Octets came: whole messages are answers, in whatever order."""
        whole = self._input
        whole += data
        start = 0
        while len(whole) - start >= 2 and self._state is _State.OPEN:
            end = start + 2 + (whole[start] << 8 | whole[start + 1])
            if len(whole) < end:
                break
            self._answer(bytes(whole[start + 2 : end]))
            start = end
        del whole[:start]

    def _answer(self, packet: bytes) -> None:
        ident = packet[:2]
        exchange = self._asked.pop(ident, None)
        if exchange is None:
            self._stray(ident)
            return
        self._served += 1
        exchange.connection = None
        moment = now()
        rtt_s = moment.mono - exchange.started
        found = judge(exchange.sent, packet)
        counters = self._owner.counters
        if not self._asked:
            self._leave()
        if isinstance(found, Message):
            counters.upstream_answers += 1
            exchange.end(Reply(moment, found, rtt_s=rtt_s))
            return
        # Over a connection nothing strays in from elsewhere: what is not the answer is the server's mistake.
        counters.upstream_malformed += 1
        exchange.end(Reply(moment, trouble=Trouble.MALFORMED, text=found[1], rtt_s=rtt_s))

    def _stray(self, ident: bytes) -> None:
        """A message with the ID of no open query."""
        if ident in self._late:
            self._late.discard(ident)
            return
        self._strays += 1
        self._owner.counters.upstream_mismatched += 1
        if not self._asked:
            self.shut()
        elif self._strays >= MISMATCHED:
            self._served = 0  # it would do so again
            self._fail(Reply(now(), trouble=Trouble.MALFORMED, text=f"{MISMATCHED} messages that nobody asked for"))
