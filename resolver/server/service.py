"""One client query, from octets to octets: access, reading, screening, submission to the mesh, response.

Listeners bring raw queries with a way to send the response. Whoever answers at once (refusals, malformed queries) calls it
before `take` returns; a resolution answers when it is finished. The packet cache is filled here; the UDP listener reads it.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from resolver.cache.packets import PacketCache
from resolver.resolution import Resolution
from resolver.resolve.errors import remembered
from resolver.server import clock
from resolver.server.access import AccessList
from resolver.server.counters import Counters
from resolver.server.driver import Waiter
from resolver.server.respond import Identity, refuse, respond, say_who
from resolver.server.screen import CLIENT, Refusal, is_query, screen, unreadable
from resolver.server.tally import OTHER, Said
from trust.reason import Reason
from trust.vocabulary import Now, Question, Security, Transport
from wire import types as t
from wire.limits import CLIENT_QUERIES
from wire.message import Message
from wire.name import Name
from wire.reader import FormError, read

Send = Callable[[bytes], None]
"""Sends a whole response to the client, if it is still there."""


class Submitter(Protocol):
    """What a service needs of the driver."""

    def submit(self, waiter: Waiter, question: Question, *, checking_disabled: bool = False) -> None:
        """Resolve; `waiter.finish` is called once."""


class Observer(Protocol):
    """Who is told what happens, beyond counting."""

    def answered(
        self, query: Message, client: str, transport: Transport, rcode: int, resolution: Resolution | None, seconds: float
    ) -> None:
        """A response was made; called only when `log.queries` is on."""

    def failed(self, resolution: Resolution) -> None:
        """A client is about to get a response for which validation failed."""


class Service:
    """What all listeners of a worker share.

    Attributes:
        unanswered: client queries being resolved.
        packets: the packet cache; None when every query must be looked at (`log.queries`).
    """

    def __init__(
        self,
        driver: Submitter,
        access: AccessList,
        identity: Identity,
        counters: Counters,
        packets: PacketCache | None,
        observer: Observer,
        *,
        log_queries: bool = False,
    ) -> None:
        self.driver = driver
        self.access = access
        self.identity = identity
        self.counters = counters
        self.packets = None if log_queries else packets
        self.observer = observer
        self.log_queries = log_queries
        self.unanswered = 0

    def take(self, packet: bytes, client: str, transport: Transport, send: Send, key: bytes | None = None) -> bool:
        """Answer a query now or later; False when it gets no answer at all.

        Args:
            client: address as text; `key`: of the packet cache, when the response may be kept there.
        """
        counters = self.counters
        if not is_query(packet):
            counters.malformed += 1
            counters.dropped += 1
            return False
        try:
            query = read(packet)
        except FormError as error:
            counters.malformed += 1
            if not self.access.allows(client):
                # Whoever is not served is owed no explanation of what is wrong with the query.
                counters.refused += 1
                return False
            query, refusal = unreadable(packet, error)
            self._refuse(query, refusal, client, transport, send)
            return True
        if not self.access.allows(client):
            counters.refused += 1
            self._refuse(query, CLIENT, client, transport, send)
            return True
        why = screen(query)
        if why is not None:
            self._refuse(query, why, client, transport, send)
            return True
        if query.qclass == t.CH:
            self._sent(say_who(query, transport, self.identity), query, client, transport, send)
            return True
        if self.unanswered >= CLIENT_QUERIES:
            counters.dropped += 1
            return False
        self.unanswered += 1
        if query.answer or query.authority or query.additional:
            key = None  # records that we did not look at
        pending = Pending(self, query, client, transport, send, key)
        question = Question(query.qname, query.qtype)
        self.driver.submit(pending, question, checking_disabled=bool(query.flags & t.CD))
        if pending.done:
            counters.instant_hits += 1
        return True

    def _refuse(self, query: Message, refusal: Refusal, client: str, transport: Transport, send: Send) -> None:
        self._sent(refuse(query, refusal, transport, self.identity), query, client, transport, send, refusal.errors)

    def _sent(
        self,
        response: bytes,
        query: Message,
        client: str,
        transport: Transport,
        send: Send,
        errors: tuple[tuple[int, str], ...] = (),
    ) -> None:
        """Send a response that needed no resolution."""
        rcode = response[3] & t.RCODE_MASK
        self.counters.tally.add(_said(query, transport, rcode, errors=errors))
        send(response)
        if self.log_queries:
            self.observer.answered(query, client, transport, rcode, None, 0.0)


class Pending:
    """A client's query while it is being resolved: the mesh's token."""

    __slots__ = ("_client", "_key", "_query", "_send", "_service", "_started", "_transport", "done")

    def __init__(
        self, service: Service, query: Message, client: str, transport: Transport, send: Send, key: bytes | None
    ) -> None:
        self._service = service
        self._query = query
        self._client = client
        self._transport = transport
        self._send = send
        self._key = key
        self._started = clock.monotonic()
        self.done = False

    def finish(self, resolution: Resolution, now: Now) -> None:
        """Compose, keep and send the response."""
        service = self._service
        query = self._query
        mono = now.mono
        response = respond(query, resolution, mono, self._transport, service.identity)
        rcode = response[3] & t.RCODE_MASK
        counters = service.counters
        said = _said(query, self._transport, rcode, resolution, resolution.errors)
        cell = counters.tally.cell(said)
        counters.tally.counts[cell] += 1
        counters.client_seconds.add(mono - self._started)
        if self._key is not None and service.packets is not None:
            expires = resolution.expires_mono
            for _, until in resolution.answer:
                expires = min(expires, until)
            for _, until in resolution.authority:
                expires = min(expires, until)
            kept = response
            if rcode == t.SERVFAIL and query.edns is not None:
                kept = respond(query, resolution, mono, self._transport, service.identity, from_cache=True)
                said = said._replace(errors=tuple([code for code, _ in remembered(resolution.errors)]))
                cell = counters.tally.cell(said)
            service.packets.put(self._key, kept, mono, expires, cell)
        self._settle(response)
        if resolution.security is Security.BOGUS:
            service.observer.failed(resolution)
        if service.log_queries:
            service.observer.answered(query, self._client, self._transport, rcode, resolution, mono - self._started)

    def abandon(self) -> None:
        """A bug of ours: the client is told SERVFAIL, unless it has its answer."""
        if not self.done:
            service = self._service
            service.counters.tally.add(_said(self._query, self._transport, t.SERVFAIL))
            self._settle(refuse(self._query, Refusal(t.SERVFAIL), self._transport, service.identity))

    def _settle(self, response: bytes) -> None:
        if not self.done:
            self.done = True
            self._service.unanswered -= 1
            self._send(response)


def _said(
    query: Message,
    transport: Transport,
    rcode: int,
    resolution: Resolution | None = None,
    errors: Sequence[tuple[int, str]] = (),
) -> Said:
    """What a response says, for counting. Errors count only where they are sent: with EDNS."""
    codes = tuple([code for code, _ in errors]) if errors and query.edns is not None else ()
    rtype = query.qtype if query.has_question else OTHER
    if resolution is None:
        return Said(transport, rtype, rcode, errors=codes)
    nta = _nta_of(resolution) if resolution.reason is Reason.NTA else b""
    return Said(transport, rtype, rcode, resolution.security.value, resolution.reason.label, codes, nta)


def _nta_of(resolution: Resolution) -> Name:
    """The name of the NTA that decided."""
    for _, validated in resolution.steps:
        if validated is not None and validated.verdict.reason is Reason.NTA:
            return validated.verdict.at
    return b""
