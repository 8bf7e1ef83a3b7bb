"""Queries to servers over TCP: one connection each, a bounded number at once; the others wait their turn.

Theory: TCP is asked when an answer over UDP was truncated or not to be trusted, so it is rare, and a connection a query is
simple and as hard to forge as can be. Connecting, sending and reading go on in one small state machine on the poller; the
time-out is the driver's.

Limitations: connections are not reused (RFC 7766 §6.2.1 recommends it; it matters for servers that truncate everything).
An answer of more than 65,535 octets cannot be (RFC 1035 §4.2.2: two-octet length); what follows it is not read.
"""

import _socket
import errno
import os
from collections import deque
from enum import Enum

from resolver.server.clock import now
from resolver.server.counters import Counters
from resolver.server.entropy import Entropy
from resolver.server.matching import Sent, judge
from resolver.server.poller import READ, WRITE, Poller
from resolver.server.upstream_udp import Deliver, failure
from trust.vocabulary import Ask, Reply, Trouble
from wire.limits import UPSTREAM_TCP
from wire.message import Message


class UpstreamTcp:
    """Starts exchanges over TCP. `payload`: as over UDP; a server may tell from it what UDP could carry."""

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
        self._waiting: deque[TcpExchange] = deque()

    def start(self, ask_id: int, ask: Ask) -> "TcpExchange | Reply":
        """Connect and send the query, now or when a connection ends; a Reply when that failed at once."""
        # The case is not mixed: a connection is not forged blindly, and some servers come here because they break it.
        sent = Sent(ask, self.entropy.ident(), ask.qname, self.payload, exact=False)
        exchange = TcpExchange(self, ask_id, ask, sent)
        if self.open >= self.limit:
            self._waiting.append(exchange)
            return exchange
        trouble = exchange.connect()
        return exchange if trouble is None else trouble

    def ended(self) -> None:
        """A connection was closed: the next one's turn."""
        self.open -= 1
        while self._waiting and self.open < self.limit:
            exchange = self._waiting.popleft()
            if exchange.state is not _State.WAITING:
                continue  # closed while it waited
            trouble = exchange.connect()
            if trouble is not None:
                exchange.end(trouble)


class _State(Enum):
    WAITING = "for a free connection"
    CONNECTING = "SYN sent"
    SENDING = "part of the query is still to be sent"
    READING = "the query is sent"
    CLOSED = "over"


class TcpExchange:
    """One query and its connection. `close` ends it without a word."""

    __slots__ = ("_ask", "_ask_id", "_fd", "_input", "_output", "_owner", "_sent", "_socket", "_started", "label", "state")

    def __init__(self, owner: UpstreamTcp, ask_id: int, ask: Ask, sent: Sent) -> None:
        self._owner = owner
        self._ask_id = ask_id
        self._ask = ask
        self._sent = sent
        self._socket: _socket.socket | None = None
        self._fd = -1
        self._started = 0.0
        self.label = ""
        self._input = bytearray()
        self._output = len(sent.wire).to_bytes(2, "big") + sent.wire
        self.state = _State.WAITING

    def connect(self) -> Reply | None:
        """Begin; a Reply when that failed at once."""
        server = self._ask.server
        socket = None
        try:
            family = _socket.AF_INET6 if ":" in server.ip else _socket.AF_INET
            socket = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
            self._started = now().mono
            code = socket.connect_ex(server)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, os.strerror(code))
        except OSError as error:
            if socket is not None:
                socket.close()
            self.state = _State.CLOSED
            return failure(error)
        self._socket = socket
        self._fd = socket.fileno()
        self.state = _State.CONNECTING
        owner = self._owner
        owner.open += 1
        owner.counters.upstream_tcp += 1
        owner.poller.add(self._fd, WRITE, self._ready)
        return None

    def close(self) -> None:
        """Close the connection. May be called twice."""
        self.state = _State.CLOSED
        if self._socket is not None:
            self._owner.poller.remove(self._fd)
            self._socket.close()
            self._socket = None
            self._owner.ended()

    def end(self, reply: Reply) -> None:
        """Close, and tell what came of it."""
        self.close()
        self._owner.deliver(self._ask_id, reply)

    def _ready(self, events: int) -> None:
        socket = self._socket
        assert socket is not None
        try:
            if self.state is _State.CONNECTING:
                code = socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
                self.state = _State.SENDING
            if self.state is _State.SENDING:
                self._output = self._output[socket.send(self._output) :]
                if not self._output:
                    self.state = _State.READING
                    self._owner.poller.change(self._fd, READ)
                return
            data = socket.recv(65537)
        except BlockingIOError:
            return
        except OSError as error:
            self._owner.counters.upstream_unreachable += 1
            self.end(failure(error))
            return
        if data:
            self._take(data)
        else:
            self._owner.counters.upstream_unreachable += 1
            self.end(Reply(now(), trouble=Trouble.UNREACHABLE, text="connection closed without an answer"))

    def _take(self, data: bytes) -> None:
        """Octets came: the answer when it is whole."""
        whole = self._input
        whole += data
        if len(whole) < 2:
            return
        end = 2 + (whole[0] << 8 | whole[1])
        if len(whole) < end:
            return
        moment = now()
        rtt_s = moment.mono - self._started
        found = judge(self._sent, bytes(whole[2:end]))
        counters = self._owner.counters
        if isinstance(found, Message):
            counters.upstream_answers += 1
            self.end(Reply(moment, found, rtt_s=rtt_s))
            return
        # Over a connection nothing strays in from elsewhere: what is not the answer is the server's mistake.
        counters.upstream_malformed += 1
        self.end(Reply(moment, trouble=Trouble.MALFORMED, text=found[1], rtt_s=rtt_s))
