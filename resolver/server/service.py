"""One client query, from octets to octets: access, reading, cookies, screening, submission to the mesh, response.

Listeners bring raw queries with a way to send the response. Whoever answers at once (refusals, malformed queries) calls it
before `take` returns; a resolution answers when it is finished. The packet cache is filled here; the UDP listener reads it,
and `cached_over_tcp` for the other.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from resolver.cache.packets import Key, Packet, PacketCache, add_option, apart, key_and_cookie, opt_length_at
from resolver.policy.rules import ResponsePolicy, Scope
from resolver.protect.cookies import Standing, is_lawful
from resolver.protect.protection import COOKIE_HEAD, COOKIE_ROOM, Protection, subject
from resolver.resolution import Handling, Resolution
from resolver.resolve.errors import OTHER as OTHER_ERROR
from resolver.resolve.errors import remembered
from resolver.server import clock
from resolver.server.access import AccessList
from resolver.server.counters import Counters
from resolver.server.driver import Waiter
from resolver.server.failing import Again, FailingResponses
from resolver.server.respond import Identity, refuse, respond, say_who, truncated
from resolver.server.screen import CLIENT, FORM, NOT_READY, Refusal, is_query, screen, unreadable
from resolver.server.tally import OTHER, Said
from trust.reason import Reason
from trust.vocabulary import Now, Question, Security, Transport, question_of
from wire import types as t
from wire.edns import COOKIE
from wire.limits import CLIENT_QUERIES, RESPONSE_RATE, UNANSWERED
from wire.message import Message
from wire.name import Name
from wire.reader import FormError, read

STALE: Final = (Reason.STALE, Reason.STALE_NXDOMAIN)
NOT_RENEWED: Final = (*STALE, Reason.POLICY)
"""What is not fetched anew before it expires: what could not be had, and what nobody shall be asked for."""

Send = Callable[[bytes], None]
"""Sends a whole response to the client, if it is still there. Over TCP an empty one says that there will be none."""
_make: Final = tuple.__new__
"""In place of the constructor of a NamedTuple, which runs in the interpreter: see `trust.vocabulary.question_of`."""
_VALID: Final = Reason.VALID
_VALID_LABEL: Final = Reason.VALID.label
_NTA: Final = Reason.NTA
_SECURE: Final = Security.SECURE.value
_BAD_COOKIE = Refusal(t.BADCOOKIE)
_COOKIE_ONLY = Refusal(t.NOERROR)


class Submitter(Protocol):
    """What a service needs of the driver."""

    def submit(
        self, waiter: Waiter, question: Question, *, checking_disabled: bool = False, scope: Scope | None = None
    ) -> None:
        """Resolve; `waiter.finish` is called once."""

    def renew(self, question: Question) -> None:
        """Fetch anew what is about to expire."""


class Observer(Protocol):
    """Who is told what happens, beyond counting."""

    def answered(
        self, query: Message, client: str, transport: Transport, rcode: int, resolution: Resolution | None, seconds: float
    ) -> None:
        """A response was made; called only when `log.queries` is on."""

    def failed(self, resolution: Resolution, client: str) -> Again | None:
        """A client gets SERVFAIL, or would but for CD; returns whom to tell of others that get the same response."""

    def rewrote(self, resolution: Resolution, client: str) -> None:
        """Policy rules were met on the way to a client's answer."""


class Service:
    """What all listeners of a worker share.

    Attributes:
        unanswered: client queries being resolved, at most `unanswered_limit`.
        packets: the packet cache; None when every query must be looked at (`log.queries`).
        failing: SERVFAILs that are remembered, apart from `packets`.
        held: of `unanswered`, how many each client prefix has; prefixes without any are left out.
        ready: whether there is anything to resolve with yet; while not, clients are told so (EDE 14).
        prefetch: whether hits of the packet cache have what is about to expire fetched anew.
        policy: response policy in force; None when there is none.
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
        prefetch: bool = False,
        protection: Protection | None = None,
    ) -> None:
        self.protection = Protection() if protection is None else protection
        self.held: dict[int, int] = {}
        self.driver = driver
        self.access = access
        self.identity = identity
        self.counters = counters
        self.packets = None if log_queries else packets
        self.observer = observer
        self.log_queries = log_queries
        self.prefetch = prefetch
        self.ready = True
        self.failing = FailingResponses()
        self.policy: ResponsePolicy | None = None
        self.unanswered = 0
        self.unanswered_limit = CLIENT_QUERIES

    def take(self, packet: bytes, client: str, transport: Transport, send: Send, key: Key | None = None) -> bool:
        """Answer a query now or later; False when it gets no answer at all.

        Args:
            client: address as text; `key`: of the packet cache, when the response may be kept there.
        """
        counters = self.counters
        if not is_query(packet):
            counters.malformed += 1
            counters.dropped += 1
            return False
        asker = Asker(client, transport, send)
        try:
            query = read(packet)
        except FormError as error:
            counters.malformed += 1
            if not self.access.allows(client):
                # Whoever is not served is owed no explanation of what is wrong with the query.
                counters.refused += 1
                return False
            self._refuse(*unreadable(packet, error), asker)
            return True
        if not self.access.allows(client):
            counters.refused += 1
            self._refuse(query, CLIENT, asker)
            return True
        why = self._look_at_cookie(query, asker) or screen(query) or (None if self.ready else NOT_READY)
        if why is not None:
            self._refuse(query, why, asker)
            return True
        if query.qclass == t.CH:
            self._sent(say_who(query, transport, self.identity, asker.room), query, asker)
            return True
        if key is not None and self._failed_again(key, packet, asker):
            return True
        prefix = self.protection.counted(client)
        if (why := self._too_many(prefix)) is not None:
            return self._turn_away(query, why, asker)
        self.unanswered += 1
        if query.answer or query.authority or query.additional:
            key = None  # records that we did not look at
        pending = Pending(self, query, asker, key, prefix)
        question = question_of(query.qname, query.qtype)
        policy = self.policy
        if policy is None:
            self.driver.submit(pending, question, checking_disabled=bool(query.flags & t.CD))
        else:
            dnssec_ok = query.edns is not None and query.edns.dnssec_ok
            scope = policy.scope(client, dnssec_ok=dnssec_ok, tcp=transport is Transport.TCP)
            self.driver.submit(pending, question, checking_disabled=bool(query.flags & t.CD), scope=scope)
        if pending.done:
            counters.instant_hits += 1
        return True

    def cached_over_tcp(self, query: bytes, client: str) -> bytes:
        """The response of the packet cache, counted; empty when `take_over_tcp` must find one."""
        packets = self.packets
        if packets is None or not self.access.allows(client):
            return b""
        key, shown = key_and_cookie(query)
        if shown and self.protection.cookies is not None:
            return b""
        packet = packets.find(apart("T", key), clock.monotonic())
        if packet is None or self._is_special(client):
            return b""
        counters = self.counters
        counters.packet_hits += 1
        counters.tally.counts[packet.cell] += 1
        if packet.due:
            self.renew(query, packet)
        return query[:2] + packet.body

    def take_over_tcp(self, query: bytes, client: str, send: Send) -> bool:
        """Answer a query that came over TCP, now or later; False when it gets no answer at all."""
        if self.packets is None or self._is_special(client):
            return self.take(query, client, Transport.TCP, send)
        return self.take(query, client, Transport.TCP, send, apart("T", key_and_cookie(query)[0]))

    def _is_special(self, client: str) -> bool:
        """Whether policy has rules for this client's address: then it has no part in the packet cache."""
        policy = self.policy
        return policy is not None and policy.by_client and policy.is_special(client)

    def _failed_again(self, key: Key, packet: bytes, asker: "Asker") -> bool:
        """Answer with a failure that is remembered, and tell whom it concerns; False when there is none."""
        mono = clock.monotonic()
        known = self.failing.get(key, mono)
        if known is None:
            return False
        self.counters.packet_hits += 1
        self.counters.tally.counts[known.cell] += 1
        known.again(asker.client)
        self.answer(packet[:2] + known.body, asker, known.about, mono)
        return True

    def _look_at_cookie(self, query: Message, asker: "Asker") -> Refusal | None:
        """Learn what a COOKIE option says of the client, and why the query gets no more than that said (RFC 7873 §5.2)."""
        cookies = self.protection.cookies
        if cookies is None or query.edns is None or (shown := query.edns.option(COOKIE)) is None:
            return None
        if not is_lawful(shown):
            return FORM  # RFC 7873 §5.2.2
        asker.standing, data = cookies.judge(shown, self.protection.pack(asker.client), clock.now().wall)
        asker.cookie = COOKIE_HEAD + data
        if query.flags & t.OPCODE_MASK or query.edns.version:
            return None
        if not query.has_question:
            # RFC 7873 §5.4: a query for a cookie alone.
            return _BAD_COOKIE if asker.standing is Standing.BAD else _COOKIE_ONLY
        if self.protection.demanded and asker.may_be_forged:
            return _BAD_COOKIE  # RFC 7873 §5.2.3, §5.2.4; not over TCP
        return None

    def _too_many(self, prefix: int | None) -> Refusal | None:
        """Which limit of queries being worked on is reached, if any."""
        protection = self.protection
        if self.unanswered >= self.unanswered_limit:
            protection.limits.count(UNANSWERED, refused=True)
            return Refusal(t.SERVFAIL, ((OTHER_ERROR, f"{UNANSWERED.label} of {self.unanswered_limit}"),))
        if prefix is None:
            return None
        held = self.held.get(prefix, 0) + 1
        limit = protection.per_client
        if held > limit.value and not protection.limits.allows(limit, held):
            return Refusal(t.SERVFAIL, ((OTHER_ERROR, protection.limits.text(limit)),))
        self.held[prefix] = held
        return None

    def _turn_away(self, query: Message, why: Refusal, asker: "Asker") -> bool:
        """Over a limit of queries being worked on: who is certainly there is told; others may be forged and ask again."""
        if asker.may_be_forged:
            self.counters.dropped += 1
            return False
        self._refuse(query, why, asker)
        return True

    def renew(self, query: bytes, packet: Packet) -> None:
        """A hit of the packet cache near the end of its life: have the data fetched anew."""
        packet.due = False
        try:
            asked = read(query)
        except FormError:
            return
        self.driver.renew(Question(asked.qname, asked.qtype))

    def _refuse(self, query: Message, refusal: Refusal, asker: "Asker") -> None:
        response = refuse(query, refusal, asker.transport, self.identity, asker.room)
        self._sent(response, query, asker, refusal.errors)

    def _sent(self, response: bytes, query: Message, asker: "Asker", errors: tuple[tuple[int, str], ...] = ()) -> None:
        """Send a response that needed no resolution."""
        rcode = response[3] & t.RCODE_MASK
        self.counters.tally.add(_said(query, asker.transport, rcode, errors=errors))
        self.answer(response, asker, hash(rcode), clock.monotonic())
        if self.log_queries:
            self.observer.answered(query, asker.client, asker.transport, rcode, None, 0.0)

    def answer(self, response: bytes, asker: "Asker", about: int, mono: float) -> None:
        """Send a response, with the client's own cookie, unless the client has had too many of its kind (`subject`)."""
        protection = self.protection
        if asker.cookie:
            response = response[:2] + add_option(response[2:], opt_length_at(response[2:]), asker.cookie)
        if (
            protection.responses is not None
            and asker.may_be_forged
            and (prefix := protection.counted(asker.client)) is not None
            and not protection.responses.allows(prefix, about, mono)
            and protection.refuses(RESPONSE_RATE)
        ):
            if not protection.slips():
                self.counters.dropped += 1
                return
            response = truncated(response)
        asker.send(response)


class Asker:
    """A client and how it asked.

    Attributes:
        client: address as text.
        cookie: COOKIE option for its responses, with head; b"" for none. standing: what its own said; None without.
    """

    __slots__ = ("client", "cookie", "send", "standing", "transport")

    def __init__(self, client: str, transport: Transport, send: Send) -> None:
        self.client = client
        self.transport = transport
        self.send = send
        self.cookie = b""
        self.standing: Standing | None = None

    @property
    def room(self) -> int:
        """Octets to leave free for the cookie."""
        return COOKIE_ROOM if self.cookie else 0

    @property
    def may_be_forged(self) -> bool:
        """Whether somebody else may have written its address as source."""
        return self.transport is Transport.UDP and self.standing is not Standing.GOOD


class Pending:
    """A client's query while it is being resolved: the mesh's token."""

    __slots__ = ("_asker", "_key", "_policy", "_prefix", "_query", "_service", "_started", "done")

    def __init__(self, service: Service, query: Message, asker: Asker, key: Key | None, prefix: int | None) -> None:
        self._service = service
        self._query = query
        self._asker = asker
        self._key = key
        self._prefix = prefix
        self._policy = service.policy
        self._started = clock.monotonic()
        self.done = False

    def finish(self, resolution: Resolution, now: Now) -> None:
        """Compose, keep and send the response."""
        service = self._service
        query = self._query
        mono = now.mono
        asker = self._asker
        transport, room = asker.transport, asker.room
        if resolution.policy:
            service.observer.rewrote(resolution, asker.client)
            if resolution.handling is Handling.DROP:
                self._drop(resolution)
                return
        response = respond(query, resolution, mono, transport, service.identity, room=room)
        if resolution.handling is Handling.TRUNCATE:
            response = truncated(response)
        rcode = response[3] & t.RCODE_MASK
        counters = service.counters
        said = _said(query, transport, rcode, resolution, resolution.errors)
        cell = counters.tally.cell(said)
        counters.tally.counts[cell] += 1
        counters.client_seconds.add(mono - self._started)
        about = 0
        if service.protection.responses is not None:
            question = resolution.question
            soas = [rrset.name for rrset, _ in resolution.authority if rrset.rtype == t.SOA]
            about = subject(question.name, question.rtype, rcode, () if resolution.answer and not rcode else soas)
        again = None
        if rcode == t.SERVFAIL or resolution.security is Security.BOGUS:
            again = service.observer.failed(resolution, asker.client)
        # What was cut only to leave room for a cookie is whole for others.
        if (
            self._key is not None
            and service.packets is not None
            and not (room and response[2] & t.TC >> 8)
            and self._policy is service.policy  # not what a policy says that is no longer in force
        ):
            expires = resolution.expires_mono
            for _, until in resolution.answer:
                expires = min(expires, until)
            for _, until in resolution.authority:
                expires = min(expires, until)
            kept = response
            if rcode == t.SERVFAIL and query.edns is not None:
                kept = respond(query, resolution, mono, transport, service.identity, from_cache=True, room=room)
                said = said._replace(errors=tuple([code for code, _ in remembered(resolution.errors)]))
                cell = counters.tally.cell(said)
            if again is not None and rcode == t.SERVFAIL:
                service.failing.put(self._key, kept, cell, about, expires, again)
            else:
                service.packets.put(self._key, kept, mono, expires, cell, about)
            if service.prefetch and rcode in (t.NOERROR, t.NXDOMAIN) and resolution.reason not in NOT_RENEWED:
                service.packets.renew(self._key, mono)
        self._settle(response, about, mono)
        if service.log_queries:
            service.observer.answered(query, asker.client, transport, rcode, resolution, mono - self._started)

    def _drop(self, resolution: Resolution) -> None:
        """Policy wants no answer sent."""
        counters = self._service.counters
        counters.dropped += 1
        label = policy_label(resolution)
        counters.policy_drops[label] = counters.policy_drops.get(label, 0) + 1
        if not self.done:
            self._over()
            if self._asker.transport is Transport.TCP:
                self._asker.send(b"")  # the connection must not wait for it

    def abandon(self) -> None:
        """A bug of ours: the client is told SERVFAIL, unless it has its answer."""
        if not self.done:
            service = self._service
            transport, room = self._asker.transport, self._asker.room
            service.counters.tally.add(_said(self._query, transport, t.SERVFAIL))
            response = refuse(self._query, Refusal(t.SERVFAIL), transport, service.identity, room)
            self._settle(response, hash(t.SERVFAIL), clock.monotonic())

    def _settle(self, response: bytes, about: int, mono: float) -> None:
        if self.done:
            return
        self._over()
        self._service.answer(response, self._asker, about, mono)

    def _over(self) -> None:
        """The client waits no longer."""
        self.done = True
        service = self._service
        service.unanswered -= 1
        if self._prefix is not None:
            held = service.held[self._prefix] - 1
            if held:
                service.held[self._prefix] = held
            else:
                del service.held[self._prefix]


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
    reason = resolution.reason
    nta = _nta_of(resolution) if reason is _NTA or reason in STALE else b""
    policy = policy_label(resolution) if resolution.policy else ""
    security = _SECURE if resolution.security is Security.SECURE else resolution.security.value
    label = _VALID_LABEL if reason is _VALID else reason.label
    return _make(Said, (transport, rtype, rcode, security, label, codes, nta, policy))


def policy_label(resolution: Resolution) -> str:
    """The policy rules that were met, for counting: zone (hexadecimal, since it is any name) and action of each."""
    return ",".join([f"{hit.zone.encode().hex()}:{hit.action}" for hit in resolution.policy])


def _nta_of(resolution: Resolution) -> Name:
    """The name of the NTA that decided."""
    for _, validated in resolution.steps:
        if validated is not None and validated.verdict.reason is Reason.NTA:
            return validated.verdict.at
    return b""
