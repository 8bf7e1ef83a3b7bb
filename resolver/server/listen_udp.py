"""Clients over UDP: the receive loop.

Theory: the socket is drained in batches of at most BATCH per wake-up, so that neither a busy socket starves the others nor
a wake-up is spent on each packet. A batch comes with one system call (`resolver.server.batch`). For each packet of it:
packet cache (one look-up by the query's octets), access (one by the client's), aged TTLs; what is found leaves with one
call too, before the rest is looked at. Nothing is parsed on that way; everything else goes through the `Gate`, packet by
packet. With rates for clients the look-up by address gives the client's bucket, and the hit costs its arithmetic.

Where the system has no such calls, every packet is received, looked at by the gate, and answered by itself.

A socket bound to one address answers from it by itself. One bound to all addresses (0.0.0.0, ::) has to say from which
(IP_PKTINFO, RFC 3542 §6), because the client takes an answer from no other.

Fragmentation: what we send never exceeds 1232 octets of UDP payload, and the system is told not to fragment and to ignore
path-MTU news (IP_PMTUDISC_PROBE sets DF; such news can be forged). A response that is too long for the interface goes as an
empty one with TC (RFC 9715 §3.1 and appendix C).
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from resolver.cache.packets import Key, Packet
from resolver.server.batch import HEAD, RECEIVED, SYSTEM, Batch, ClientAddress, System
from resolver.server.clock import monotonic
from resolver.server.gate import Gate
from resolver.server.respond import truncated
from resolver.server.service import Send, Service

BATCH: Final = 64
"""Packets handled per wake-up and socket at most."""
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

    def __init__(self, sock: socket.socket, service: Service, system: System | None = SYSTEM) -> None:
        """`system`: the calls for many packets at once, if there are any."""
        self._socket = sock
        self._service = service
        self._gate = Gate(service)
        # Never replaced, only changed.
        self._table: dict[Key, Packet] = {} if service.packets is None else service.packets.table
        self._loop: asyncio.AbstractEventLoop | None = None
        self._batch: Batch | None = None
        address = sock.getsockname()[0]
        self._wildcard = address in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        if self._wildcard:
            if sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        if service.packets is not None and system is not None:
            self._batch = Batch(sock, BATCH, system, told=self._wildcard)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to receive."""
        self._loop = loop
        loop.add_reader(self._socket.fileno(), self._receive_each if self._batch is None else self._receive_batch)

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

    # --- many at once -----------------------------------------------------------------------------------------------

    def _receive_batch(self) -> None:
        """Receive, answer what is in the packet cache, then take up the rest: whoever gets an answer waits for nobody's."""
        batch = self._batch
        assert batch is not None
        count = batch.receive()
        if not count:
            # Nothing is there any more, or the system is short of something, or forbids the call.
            self._receive_each()
            return
        self._service.counters.udp_queries += count
        now = monotonic()
        others: list[int] = []
        try:
            self._answer_hits(batch, count, now, others)
        finally:
            if others:
                self._take_others(deque([(batch.query(slot), *self._way_back(batch, slot)) for slot in others]), now)

    def _answer_hits(self, batch: Batch, count: int, now: float, others: list[int]) -> None:
        """The short way. `others`: gets the slots that it does not answer."""
        second = int(now)
        service, table = self._service, self._table
        counters, access = service.counters, service.access
        cells, served = counters.tally.counts, access.known
        rated = self._gate.clients is not None
        heads, lengths, senders = batch.heads, batch.lengths, batch.senders
        size, step = batch.address_size, batch.sender_size
        at, start, slot, first, hits = batch.address_at, 0, -1, 0, 0
        bodies: list[bytes] = []
        try:
            for slot in range(count):
                length = lengths[slot]
                whole = 2 <= length <= HEAD
                packet = table.get(heads[start + 2 : start + length] if whole else batch.query(slot)[2:])
                client = senders[at : at + size]
                start += HEAD
                at += step
                if (
                    packet is None
                    or packet.expires <= now
                    or not (served.get(client) or access.allows(client))
                    or (rated and not self._spends(client, packet, now))
                ):
                    others.append(slot)
                    if bodies:
                        self._answer(batch, first, bodies)
                        bodies = []
                    continue
                if packet.second != second:
                    packet.age(second)
                    if packet.due:
                        service.renew(batch.query(slot), packet)
                packet.used = True
                cells[packet.cell] += 1
                hits += 1
                if not bodies:
                    first = slot
                bodies.append(packet.body)
        finally:
            # Should one of them be our undoing, those after it are not.
            others.extend(range(slot + 1, count))
            if bodies:
                self._answer(batch, first, bodies)
            counters.packet_hits += hits

    def _spends(self, client: bytes, packet: Packet, now: float) -> bool:
        """Whether the rates let a client that is served have this answer; counts it if so."""
        protection = self._service.protection
        clients, responses = protection.clients, protection.responses
        assert clients is not None
        bucket = clients.known.get(client)
        if bucket is None:
            bucket = clients.bucket(client, now)
        full = bucket.full
        if full < now:
            full = now
        elif full - now > clients.tolerance:
            return False
        if responses is not None and bucket.prefix >= 0 and not responses.allows(bucket.prefix, packet.subject, now):
            return False
        bucket.full = full + bucket.interval
        return True

    def _answer(self, batch: Batch, slot: int, bodies: list[bytes]) -> None:
        """Send the answers to the queries from `slot` on."""
        sent = batch.send(slot, bodies)
        while sent < len(bodies):
            # Refused. Alone it learns why, unless it goes now.
            _, send = self._way_back(batch, slot + sent)
            send(batch.query(slot + sent)[:2] + bodies[sent])
            sent += 1
            if sent < len(bodies):
                sent += batch.send(slot + sent, bodies[sent:])

    def _way_back(self, batch: Batch, slot: int) -> tuple[str, Send]:
        """Whose query it is, and what sends the answer now or later."""
        client = batch.client(slot)
        if self._wildcard:
            return client[0], partial(self._send_from, batch.control(slot), client)
        return client[0], partial(self._send, client)

    def _take_others(self, others: deque[tuple[bytes, str, Send]], now: float) -> None:
        """Queries that the short way did not answer: with a COOKIE, not in the cache, or not from a known client."""
        try:
            while others:
                query, client, send = others.popleft()
                self._gate.take(query, client, send, now)
        finally:
            if others and self._loop is not None:
                # The loop is told of the exception, and those after it have their turn.
                self._loop.call_soon(self._take_others, others, now)

    # --- one by one -------------------------------------------------------------------------------------------------

    def _receive_each(self) -> None:
        """The receive loop when every query must be looked at, or comes by itself."""
        if self._wildcard:
            self._receive_wildcard()
            return
        take = self._gate.take
        now = monotonic()
        for count in range(BATCH):
            try:
                query, client = self._socket.recvfrom(RECEIVED)
            except OSError:
                self._service.counters.udp_queries += count
                return
            take(query, client[0], partial(self._send, client), now)
        self._service.counters.udp_queries += BATCH

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

    # --- one by one, bound to all addresses -------------------------------------------------------------------------

    def _receive_wildcard(self) -> None:
        counters = self._service.counters
        take = self._gate.take
        now = monotonic()
        for count in range(BATCH):
            try:
                query, ancillary, _, client = self._socket.recvmsg(RECEIVED, _ANCILLARY)
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
