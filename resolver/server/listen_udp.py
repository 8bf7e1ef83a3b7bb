"""Clients over UDP: the receive loop.

Theory: the socket is drained in batches of at most BATCH per wake-up, so that neither a busy socket starves the others nor
a wake-up is spent on each packet. For each packet: access (one look-up by address), packet cache (one look-up by the
query's octets), ID and aged TTLs, send. Nothing is parsed and no object made on that way; everything else goes through the
`Gate`. With rates for clients the look-up by address gives the client's bucket, and the hit costs its arithmetic.

A socket bound to one address answers from it by itself. One bound to all addresses (0.0.0.0, ::) has to say from which
(IP_PKTINFO, RFC 3542 §6), because the client takes an answer from no other; that way is slower and only such sockets take
it.

Fragmentation: what we send never exceeds 1232 octets of UDP payload, and the system is told not to fragment and to ignore
path-MTU news (IP_PMTUDISC_PROBE sets DF; such news can be forged). A response that is too long for the interface goes as an
empty one with TC (RFC 9715 §3.1 and appendix C).
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from resolver.server.clock import monotonic
from resolver.server.gate import Gate
from resolver.server.respond import truncated
from resolver.server.service import Service

BATCH: Final = 64
"""Packets handled per wake-up and socket at most."""
_RECEIVED: Final = 4096
"""Octets taken of a packet. A longer query is cut, and is malformed then."""
_BUFFER: Final = 4 << 20
"""Octets of packets the system may keep for us while we are busy, as far as net.core.rmem_max lets it."""
_ANCILLARY: Final = 128

# Linux constants that the socket module lacks (linux/in.h, linux/in6.h).
_IP_PKTINFO: Final = 8
_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_PROBE: Final = 3

_IN_PKTINFO: Final = struct.Struct("=I4s4s")
"""struct in_pktinfo: interface, our address, destination address."""
_IN6_PKTINFO: Final = struct.Struct("=16sI")
"""struct in6_pktinfo: address, interface."""
_LINK_LOCAL: Final = b"\xfe\x80"

ClientAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]


def prepare(sock: socket.socket) -> None:
    """Set what a client-side UDP socket needs; before or after bind. What the system does not know is left as it is."""
    sock.setblocking(False)
    options = [(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)]
    if sock.family == socket.AF_INET6:
        options += [
            (socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE),
            (socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG, 1),
        ]
    else:
        options.append((socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_PROBE))
    for level, option, value in options:
        with contextlib.suppress(OSError):
            sock.setsockopt(level, option, value)


class UdpListener:
    """One bound socket."""

    def __init__(self, sock: socket.socket, service: Service) -> None:
        self._socket = sock
        self._service = service
        self._gate = Gate(service)
        self._loop: asyncio.AbstractEventLoop | None = None
        address = sock.getsockname()[0]
        self._wildcard = address in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        if self._wildcard:
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to receive."""
        self._loop = loop
        loop.add_reader(self._socket.fileno(), self._receive_wildcard if self._wildcard else self._receiver())

    def stop(self) -> None:
        """Receive no more; answers to what was received can still be sent."""
        if self._loop is not None:
            forget: Callable[[int], object] = self._loop.remove_reader  # uvloop's says None instead of a bool
            forget(self._socket.fileno())
            self._loop = None

    def close(self) -> None:
        """Stop and close."""
        self.stop()
        self._socket.close()

    # --- bound to one address ------------------------------------------------------------------------------------

    def _receiver(self) -> Callable[[], None]:
        """The receive loop as a closure: what it needs at every packet is found without an attribute."""
        service = self._service
        if service.packets is None:
            return self._receive_uncached
        if self._gate.clients is not None:
            return self._guarded_receiver()
        counters = service.counters
        cells = counters.tally.counts  # its length changes, the list stays
        recvfrom, sendto = self._socket.recvfrom, self._socket.sendto
        # These two are never replaced, only changed.
        find = service.packets.table.get
        allowed = service.access.known.get
        others, renew = self._others, service.renew

        def receive() -> None:
            now = monotonic()
            second = int(now)
            count = hits = 0
            try:
                while count < BATCH:
                    query, client = recvfrom(_RECEIVED)
                    count += 1
                    packet = find(query[2:])
                    if packet is None or packet.expires <= now or not allowed(client[0]):
                        others(query, client, now)
                        continue
                    if packet.second != second:
                        packet.age(second)
                        if packet.due:
                            renew(query, packet)
                    packet.used = True
                    cells[packet.cell] += 1
                    hits += 1
                    try:
                        sendto(query[:2] + packet.body, client)
                    except OSError as error:
                        self._not_sent(error, query[:2] + packet.body, client)
            except OSError:
                pass  # drained; or a shortage of the system's, which the next wake-up will tell again
            counters.udp_queries += count
            counters.packet_hits += hits

        return receive

    def _guarded_receiver(self) -> Callable[[], None]:
        """The same where clients have rates."""
        service = self._service
        clients, responses = service.protection.clients, service.protection.responses
        assert service.packets is not None
        assert clients is not None
        counters = service.counters
        cells = counters.tally.counts
        recvfrom, sendto = self._socket.recvfrom, self._socket.sendto
        find = service.packets.table.get
        known = clients.known.get  # served clients only
        tolerance = clients.tolerance
        within = None if responses is None else responses.allows
        others, renew = self._others, service.renew

        def receive() -> None:
            now = monotonic()
            second = int(now)
            count = hits = 0
            try:
                while count < BATCH:
                    query, client = recvfrom(_RECEIVED)
                    count += 1
                    packet = find(query[2:])
                    bucket = known(client[0])
                    if packet is None or packet.expires <= now or bucket is None:
                        others(query, client, now)
                        continue
                    full = bucket.full
                    if full < now:
                        full = now
                    elif full - now > tolerance:
                        others(query, client, now)
                        continue
                    if within is not None and bucket.prefix >= 0 and not within(bucket.prefix, packet.subject, now):
                        others(query, client, now)
                        continue
                    bucket.full = full + bucket.interval
                    if packet.second != second:
                        packet.age(second)
                        if packet.due:
                            renew(query, packet)
                    packet.used = True
                    cells[packet.cell] += 1
                    hits += 1
                    try:
                        sendto(query[:2] + packet.body, client)
                    except OSError as error:
                        self._not_sent(error, query[:2] + packet.body, client)
            except OSError:
                pass
            counters.udp_queries += count
            counters.packet_hits += hits

        return receive

    def _receive_uncached(self) -> None:
        """The receive loop when every query must be looked at."""
        now = monotonic()
        for count in range(BATCH):
            try:
                query, client = self._socket.recvfrom(_RECEIVED)
            except OSError:
                self._service.counters.udp_queries += count
                return
            self._others(query, client, now)
        self._service.counters.udp_queries += BATCH

    def _others(self, query: bytes, client: ClientAddress, now: float) -> None:
        """A query that the short way did not answer: with a COOKIE, not in the cache, or not from a known client."""
        self._gate.take(query, client[0], partial(self._send, client), now)

    def _send(self, client: ClientAddress, response: bytes) -> None:
        try:
            self._socket.sendto(response, client)
        except OSError as error:
            self._not_sent(error, response, client)

    def _not_sent(self, error: OSError, response: bytes, client: ClientAddress) -> None:
        """The system refuses: too long for the interface, no route, source port 0, a filter."""
        self._service.counters.send_failures += 1
        if error.errno == errno.EMSGSIZE:
            short = truncated(response)
            if len(short) < len(response):
                self._send(client, short)

    # --- bound to all addresses ----------------------------------------------------------------------------------

    def _receive_wildcard(self) -> None:
        counters = self._service.counters
        take = self._gate.take
        now = monotonic()
        for count in range(BATCH):
            try:
                query, ancillary, _, client = self._socket.recvmsg(_RECEIVED, _ANCILLARY)
            except OSError:
                counters.udp_queries += count
                return
            take(query, client[0], partial(self._send_from, _reply_control(ancillary), client), now)
        counters.udp_queries += BATCH

    def _send_from(self, control: list[tuple[int, int, bytes]], client: ClientAddress, response: bytes) -> None:
        try:
            self._socket.sendmsg([response], control, 0, client)
        except OSError as error:
            self._service.counters.send_failures += 1
            if error.errno == errno.EMSGSIZE:
                short = truncated(response)
                if len(short) < len(response):
                    self._send_from(control, client, short)


def _reply_control(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """Control data that makes the answer leave from the address that was asked."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            _, ours, _ = _IN_PKTINFO.unpack_from(data)
            return [(level, kind, _IN_PKTINFO.pack(0, ours, bytes(4)))]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            ours, interface = _IN6_PKTINFO.unpack_from(data)
            # Only a link-local address needs its interface; elsewhere the routing table decides.
            return [(level, kind, _IN6_PKTINFO.pack(ours, interface if ours.startswith(_LINK_LOCAL) else 0))]
    return []
