"""Queries to servers over UDP: one fresh, connected socket each.

Theory: the socket's port is the system's random choice (some 28,000 of them on Linux), the ID has 16 bits, the question's
case one bit a letter; none is ever used for a second query (RFC 5452 §9.2). Pooled sockets would save 9 of the 15 µs that a
socket costs, but whoever runs one authoritative server learns the ports of a pool. A connected socket also lets the kernel
drop what comes from another address or port, and hands us the ICMP errors that concern it. The socket type is that of the
C module: its subclass in `socket` costs 1.5 µs more.

What comes in is judged by `matching`; what does not match is counted and waited past, until MISMATCHED of them look like an
attempt at forgery (Trouble.SPOOFED: the asker turns to TCP).
"""

import _socket
import errno
import os
from collections.abc import Callable
from typing import Final

from resolver.server.clock import now
from resolver.server.counters import Counters
from resolver.server.entropy import Entropy
from resolver.server.matching import Judgement, Sent, judge
from resolver.server.poller import READ, Poller
from trust.vocabulary import Ask, Reply, Trouble
from wire.limits import MIN_UDP, MISMATCHED, UPSTREAM_UDP
from wire.message import Message

_RECEIVED: Final = 4096
"""Octets taken of a packet: far more than we say we can take. A longer one is malformed."""

Deliver = Callable[[int, Reply], None]
"""Called once for each Ask that was started, unless it was closed before: ask_id, what came of it."""

LOCAL_SHORTAGES: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN))
"""Errors that say something of us (EAGAIN of connect: no free port) and nothing of the server."""


def failure(error: OSError) -> Reply:
    """What the asker is told of an error of the system."""
    what = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in LOCAL_SHORTAGES:
        return Reply(now(), trouble=Trouble.LIMIT, text=f"here: {what.lower()}")
    return Reply(now(), trouble=Trouble.UNREACHABLE, text=what.lower())


class UpstreamUdp:
    """Starts exchanges over UDP.

    Args:
        payload: octets of UDP that we tell servers we can take (EDNS), at most 1232 (guideline 2-4, RFC 9715 §3.2).
        limit: exchanges at once.
    """

    def __init__(
        self,
        poller: Poller,
        entropy: Entropy,
        counters: Counters,
        deliver: Deliver,
        payload: int,
        limit: int = UPSTREAM_UDP,
    ) -> None:
        self.poller = poller
        self.entropy = entropy
        self.counters = counters
        self.deliver = deliver
        self.payload = payload
        self.limit = limit
        self.open = 0

    def start(self, ask_id: int, ask: Ask) -> "UdpExchange | Reply":
        """Send the query; a Reply when that failed at once."""
        if self.open >= self.limit:
            return Reply(now(), trouble=Trouble.LIMIT, text=f"here: {self.limit} queries in flight")
        exact = ask.randomise_case
        qname = self.entropy.mixed_case(ask.qname) if exact else ask.qname
        room = self.payload if ask.edns else MIN_UDP
        sent = Sent(ask, self.entropy.ident(), qname, self.payload, exact=exact, room=room)
        family = _socket.AF_INET6 if ":" in ask.server.ip else _socket.AF_INET
        try:
            socket = _socket.socket(family, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
        except OSError as error:
            return failure(error)
        started = now().mono
        try:
            socket.connect(ask.server)
            socket.send(sent.wire)
        except OSError as error:
            socket.close()
            return failure(error)
        self.counters.upstream_udp += 1
        return UdpExchange(self, ask_id, sent, socket, started)


class UdpExchange:
    """One query and its socket. `close` ends it without a word."""

    __slots__ = ("_ask_id", "_fd", "_owner", "_sent", "_socket", "_started", "label", "mismatched")

    def __init__(self, owner: UpstreamUdp, ask_id: int, sent: Sent, socket: _socket.socket, started: float) -> None:
        self._owner = owner
        self._ask_id = ask_id
        self._sent = sent
        self._socket = socket
        self._started = started
        self.mismatched = 0
        self.label = ""
        self._fd = socket.fileno()
        owner.open += 1
        owner.poller.add(self._fd, READ, self._ready)

    def close(self) -> None:
        """Give the socket back. May be called twice."""
        if self._fd >= 0:
            owner = self._owner
            owner.poller.remove(self._fd)
            self._fd = -1
            self._socket.close()
            owner.open -= 1

    def _ready(self, events: int) -> None:
        counters = self._owner.counters
        while True:
            try:
                packet = self._socket.recv(_RECEIVED)
            except BlockingIOError:
                return
            except OSError as error:
                # An ICMP error came back: ECONNREFUSED, EHOSTUNREACH, ENETUNREACH …
                counters.upstream_unreachable += 1
                self._end(failure(error))
                return
            moment = now()
            found = judge(self._sent, packet)
            if isinstance(found, Message):
                counters.upstream_answers += 1
                self._end(Reply(moment, found, rtt_s=moment.mono - self._started))
                return
            judgement, text = found
            if judgement is Judgement.IGNORE:
                counters.upstream_mismatched += 1
                self.mismatched += 1
                if self.mismatched < MISMATCHED:
                    continue
                self._end(Reply(moment, trouble=Trouble.SPOOFED, text=f"{MISMATCHED} mismatched answers"))
                return
            if judgement is Judgement.CASE:
                counters.upstream_case += 1
                trouble = Trouble.CASE
            elif judgement is Judgement.OVERSIZE:
                trouble = Trouble.OVERSIZE
            else:
                counters.upstream_malformed += 1
                trouble = Trouble.MALFORMED
            self._end(Reply(moment, trouble=trouble, text=text, rtt_s=moment.mono - self._started))
            return

    def _end(self, reply: Reply) -> None:
        reply.mismatched = self.mismatched
        self.close()
        self._owner.deliver(self._ask_id, reply)
