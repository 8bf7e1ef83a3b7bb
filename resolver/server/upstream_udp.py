"""Queries to servers over UDP: a connected socket for each, with a port of its own.

Theory: the socket's port is the system's random choice, the ID has 16 bits, the question's case one bit a letter; none is
ever used for a second query (RFC 5452 §9.2). Sockets are used again, their ports are not (`udp_socket`): whoever runs one
authoritative server would learn the ports of a pool. A connected socket also lets the kernel drop what comes from another
address or port, and hands us the ICMP errors that concern it.

What comes in is judged by `matching`; what does not match is counted and waited past, until MISMATCHED of them look like an
attempt at forgery (Trouble.SPOOFED: the asker turns to TCP).
"""

import _socket
import errno
import os
from collections.abc import Callable
from typing import Final

from resolver.server.clock import monotonic, now
from resolver.server.counters import Counters
from resolver.server.entropy import Entropy
from resolver.server.matching import Judgement, Sent, judge
from resolver.server.poller import READ, Poller
from resolver.server.udp_socket import open_socket, release
from trust.vocabulary import Ask, Reply, Trouble
from wire.limits import MIN_UDP, MISMATCHED, UPSTREAM_UDP
from wire.message import Message

_RECEIVED: Final = 4096
"""Octets taken of a packet: far more than we say we can take. A longer one is malformed."""
_SPARE: Final = 64
"""Sockets of each family that wait for their next query at most."""

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
        self._spare4: list[UdpChannel] = []
        self._spare6: list[UdpChannel] = []

    def start(self, ask_id: int, ask: Ask) -> "UdpExchange | Reply":
        """Send the query; a Reply when that failed at once."""
        if self.open >= self.limit:
            return Reply(now(), trouble=Trouble.LIMIT, text=f"here: {self.limit} queries in flight")
        exact = ask.randomise_case
        entropy = self.entropy
        server = ask.server
        sent = Sent(
            ask,
            entropy.ident(),
            entropy.mixed_case(ask.qname) if exact else ask.qname,
            self.payload,
            exact=exact,
            room=self.payload if ask.edns else MIN_UDP,
        )
        six = ":" in server[0]
        spare = self._spare6 if six else self._spare4
        try:
            channel = spare.pop() if spare else self._new(six=six)
        except OSError as error:
            return failure(error)
        started = monotonic()
        try:
            channel.socket.connect(server)
            channel.socket.send(sent.wire)
        except OSError as error:
            channel.close()
            return failure(error)
        self.counters.upstream_udp += 1
        return UdpExchange(self, ask_id, sent, channel, started)

    def _new(self, *, six: bool) -> "UdpChannel":
        """One socket more. Those of the other family must not stand in its way: the limit is one of descriptors."""
        if self.open + len(self._spare4) + len(self._spare6) >= self.limit:
            self.close()
        return UdpChannel(self, six=six)

    def close(self) -> None:
        """Close the sockets that wait. Exchanges are closed by whoever started them."""
        for channel in (*self._spare4, *self._spare6):
            channel.close()
        self._spare4.clear()
        self._spare6.clear()

    def take_back(self, channel: "UdpChannel") -> None:
        """An exchange is over: keep its socket for another, if that may be."""
        spare = self._spare6 if channel.six else self._spare4
        if len(spare) < _SPARE and release(channel.fd):
            channel.exchange = None
            spare.append(channel)
        else:
            channel.close()

    def drop(self, channel: "UdpChannel") -> None:
        """Something is wrong with a socket that waits: it was woken, although nothing can come in."""
        spare = self._spare6 if channel.six else self._spare4
        if channel in spare:
            spare.remove(channel)
        channel.close()


class UdpChannel:
    """A socket and the exchange that it is used for, if any."""

    __slots__ = ("_owner", "exchange", "fd", "six", "socket")

    def __init__(self, owner: UpstreamUdp, *, six: bool) -> None:
        self._owner = owner
        self.six = six
        self.exchange: UdpExchange | None = None
        self.socket = open_socket(_socket.AF_INET6 if six else _socket.AF_INET)
        self.fd = self.socket.fileno()
        owner.poller.add(self.fd, READ, self._ready)

    def close(self) -> None:
        """Give the socket back to the system."""
        self._owner.poller.remove(self.fd)
        self.exchange = None
        self.socket.close()

    def _ready(self, events: int) -> None:
        exchange = self.exchange
        if exchange is not None:
            exchange.ready()
        else:
            self._owner.drop(self)


class UdpExchange:
    """One query and the socket that it has for a time. `close` ends it without a word."""

    __slots__ = ("_ask_id", "_channel", "_owner", "_sent", "label", "mismatched", "started")

    def __init__(self, owner: UpstreamUdp, ask_id: int, sent: Sent, channel: UdpChannel, started: float) -> None:
        self._owner = owner
        self._ask_id = ask_id
        self._sent = sent
        self._channel: UdpChannel | None = channel
        self.started = started
        self.mismatched = 0
        self.label = ""
        channel.exchange = self
        owner.open += 1

    def close(self) -> None:
        """Give the socket back. May be called twice."""
        channel = self._channel
        if channel is not None:
            self._channel = None
            owner = self._owner
            owner.open -= 1
            owner.take_back(channel)

    def ready(self) -> None:
        """Look at what came in."""
        counters = self._owner.counters
        while True:
            channel = self._channel
            if channel is None:
                return
            try:
                packet = channel.socket.recv(_RECEIVED)
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
                self._end(Reply(moment, found, rtt_s=moment.mono - self.started))
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
            self._end(Reply(moment, trouble=trouble, text=text, rtt_s=moment.mono - self.started))
            return

    def _end(self, reply: Reply) -> None:
        reply.mismatched = self.mismatched
        self.close()
        self._owner.deliver(self._ask_id, reply)
