"""What a UDP packet meets that the receive loop's short way did not answer: access, rates, cookies, packet cache.

In this order, so that what floods costs least: a client that is not served gets at most a brief REFUSED, made without
reading the query (RFC 5358), at a bounded rate for all of them together; one over its rate gets every so many-th time a
brief reply that sends it to TCP or, when it knows cookies, gives it one (TC, BADCOOKIE), and otherwise nothing. Who shows
a valid cookie is no forgery and is not counted. Only what comes through is read.

An answer of the packet cache is the same for all who ask alike; what is a client's own, its cookie, is put behind it here.
"""

from typing import Final

from resolver.cache.packets import Key, Packet, apart, key_and_cookie
from resolver.protect.brief import brief
from resolver.protect.cookies import Standing
from resolver.protect.protection import COOKIE_HEAD
from resolver.server import clock
from resolver.server.service import Send, Service
from resolver.server.tally import OTHER, Said
from trust.vocabulary import Transport
from wire import types as t
from wire.edns import EDE
from wire.limits import CLIENT_RATE, MIN_UDP, REFUSALS, RESPONSE_RATE, Limit

_PROHIBITED: Final = EDE.to_bytes(2, "big") + b"\0\2\0\x12"
"""Extended DNS Error 18 (RFC 8914 §4.19), without text."""
_REFUSED: Final = Said(Transport.UDP, OTHER, t.REFUSED, errors=(18,))
_SLIPPED: Final = Said(Transport.UDP, OTHER, t.NOERROR)
_BAD_COOKIE: Final = Said(Transport.UDP, OTHER, t.BADCOOKIE & t.RCODE_MASK)


class Gate:
    """Stands before a worker's service. `refused`: see `Service.counters`."""

    __slots__ = ("_cookies", "_counters", "_protection", "_responses", "_service", "clients")

    def __init__(self, service: Service) -> None:
        protection = service.protection
        self._service = service
        self._counters = service.counters
        self._protection = protection
        self._cookies = protection.cookies
        self._responses = protection.responses
        self.clients = protection.clients

    def take(self, query: bytes, client: str, send: Send, now: float) -> None:
        """Answer a packet, now or later or not at all."""
        service = self._service
        if not service.access.allows(client):
            self._refuse(query, client, send, now)
            return
        raw, shown = key_and_cookie(query)
        key: Key = raw
        clients = self.clients
        if (
            clients is not None
            and not clients.allows(clients.bucket(client, now), now)
            and self._over(CLIENT_RATE, query, shown, client, send)
        ):
            return
        packets = service.packets
        policy = service.policy
        if policy is not None and policy.by_client:
            # What rules for clients' addresses decide is nobody else's: such clients have no part in the packet cache,
            # and what is the others' stands there under a key that the receive loop does not look for.
            if policy.is_special(client):
                service.take(query, client, Transport.UDP, send)
                return
            key = apart("+", raw)
        packet = packets.find(key, now) if packets is not None else None
        if packet is None:
            service.take(query, client, Transport.UDP, send, key)
            return
        if shown and self._cookies is not None:
            self._hit_with_cookie(packet, query, shown, client, send)
        elif not self._repeated(packet, query, client, send, now):
            self._hit(packet, query, packet.body, send)

    def _hit(self, packet: Packet, query: bytes, body: bytes, send: Send) -> None:
        counters = self._counters
        counters.packet_hits += 1
        counters.tally.counts[packet.cell] += 1
        send(query[:2] + body)
        if packet.due:
            self._service.renew(query, packet)

    def _hit_with_cookie(self, packet: Packet, query: bytes, shown: bytes, client: str, send: Send) -> None:
        """A hit by a client that knows cookies: the answer with its own, when there is room."""
        assert self._cookies is not None
        now = clock.now()
        standing, data = self._cookies.judge(shown, self._protection.pack(client), now.wall)
        body = packet.with_option(COOKIE_HEAD + data)
        if (self._protection.demanded and standing is not Standing.GOOD) or (
            len(body) + 2 > MIN_UDP and len(body) + 2 > min(_payload(query), self._service.identity.max_udp_size)
        ):
            self._service.take(query, client, Transport.UDP, send)
        elif standing is Standing.GOOD or not self._repeated(packet, query, client, send, now.mono, shown):
            self._hit(packet, query, body, send)

    def _repeated(self, packet: Packet, query: bytes, client: str, send: Send, now: float, shown: bytes = b"") -> bool:
        """Whether the client's prefix has had this response too often; if so, it has been dealt with."""
        clients, responses = self.clients, self._responses
        if responses is None or clients is None:
            return False
        prefix = clients.bucket(client, now).prefix
        return (
            prefix >= 0
            and not responses.allows(prefix, packet.subject, now)
            and self._over(RESPONSE_RATE, query, shown, client, send)
        )

    def _over(self, limit: Limit, query: bytes, shown: bytes, client: str, send: Send) -> bool:
        """A client is over a rate. False when it is to be answered all the same."""
        protection, cookies = self._protection, self._cookies
        cookie = b""
        if shown and cookies is not None:
            standing, data = cookies.judge(shown, protection.pack(client), clock.now().wall)
            if standing is Standing.GOOD:
                return False
            cookie = COOKIE_HEAD + data
        if not protection.refuses(limit):
            return False
        reply = None
        if protection.slips():
            payload = self._service.identity.max_udp_size
            if cookie:
                reply = brief(query, t.BADCOOKIE, payload, cookie)
            else:
                reply = brief(query, t.NOERROR, payload, truncated=True)
        if reply is None:
            self._counters.dropped += 1
        else:
            self._counters.tally.add(_BAD_COOKIE if cookie else _SLIPPED)
            send(reply)
        return True

    def _refuse(self, query: bytes, client: str, send: Send, now: float) -> None:
        """A client that is not served."""
        service, counters = self._service, self._counters
        if not self._protection.refusals.allows(now) and self._protection.refuses(REFUSALS):
            counters.refused += 1
            counters.dropped += 1
            return
        if service.log_queries:
            service.take(query, client, Transport.UDP, send)
            return
        counters.refused += 1
        reply = brief(query, t.REFUSED, service.identity.max_udp_size, _PROHIBITED)
        if reply is None:
            counters.malformed += 1
        else:
            counters.tally.add(_REFUSED)
            send(reply)


def _payload(query: bytes) -> int:
    """The size of UDP response that a query offers to take (RFC 6891 §6.2.3), given that its one further record is OPT."""
    pos = 12
    while length := query[pos]:
        pos += length + 1
    pos += 8  # root label, type, class; root label and type of OPT
    return query[pos] << 8 | query[pos + 1]
