"""Asking one zone's servers: choose one, ask it, and when it is of no use the next.

Choice: the server with the least expected time, except that now and then another one is tried, so that a server which has
become better is noticed. One that rests after time-outs, or whose address family does, is asked when all others have
failed, or as a probe when its rest is over. Addresses that glue did not give are resolved one name at a time, and only when
those at hand have been tried.

Over TCP go questions whose answer over UDP was truncated, too long, without the case or the cookie that this server used to
give, or among too many mismatched packets; and all questions to a zone that is under forgery (`resolver.cache.forgery`).

RFC 1035 §7.2, RFC 5452 (what the driver matches), RFC 6891 §7 (servers without EDNS), RFC 7766 §5 (TCP after TC),
RFC 7873 §5 (cookies), RFC 9520.
"""

from typing import Final

from resolver.cache.memory import View
from resolver.cache.servers import QUIRK_SECONDS, Server
from resolver.iteration.addresses import AddressFilter, address_of
from resolver.iteration.cookies import weigh_cookie
from resolver.iteration.response import Reading, Shape, read_response
from trust.policy import Budget
from trust.vocabulary import Address, Ask, Cut, Finding, Kind, Need, Question, Reply, Security, Steps, Transport, Trouble
from wire import types as t
from wire.edns import REPORT_CHANNEL
from wire.limits import ADDRESSES_PER_NS, ATTEMPTS, LOST_LOOKUPS
from wire.message import Message
from wire.name import Name

TRIES_PER_ADDRESS: Final = 4
"""Times one question goes to one address that stays silent, when there is no other: some four seconds in all."""
RESTING_TRIES: Final = 2
"""Servers that rest which one question tries when there are no others: enough to see that one is back."""
EXPLORE: Final = 0.05
"""Share of questions for which a server other than the best is tried."""
WAITS_FOR_ITSELF: Final = "address lookup waits for itself"
"""The finding on a name server whose address could be found only by what is waiting for it."""
CLOSE: Final = 1.2
"""Servers within this factor of the best are taken as equal, and share the load."""


_MAX_TURNS: Final = 6
"""Packets to one server in a row for one question: TC, EDNS, cookies and case may each need another one."""
_OF_TCP: Final = frozenset((Trouble.TIMEOUT, Trouble.UNREACHABLE, Trouble.MALFORMED))
"""Troubles over TCP that are the server's."""
_OVER_TCP: Final = frozenset((Trouble.CASE, Trouble.SPOOFED, Trouble.OVERSIZE))
"""What may be forged or cut over UDP, and cannot be over TCP."""


class LimitReachedError(Exception):
    """A limit or the deadline ended the resolution; the message names it."""


class OverQuotaError(LimitReachedError):
    """Too much of the same is under way: it would have to wait, and fails instead."""


class ExcessiveSetError(LimitReachedError):
    """What the zone's servers send is over a limit, whoever asks: it may be remembered."""


class Exchange:
    """The servers of one cut, asked on behalf of one question. `once`: none that was silent is asked a second
    time; `begun`: how often each was tried already.
    """

    __slots__ = (
        "_first_finding",
        "avoid",
        "begun",
        "busy",
        "cut",
        "doubtful",
        "filter",
        "findings",
        "learnt",
        "looked_up",
        "minimised",
        "once",
        "refused",
        "rested",
        "tries",
        "view",
    )

    def __init__(
        self, cut: Cut, view: View, address_filter: AddressFilter, findings: list[Finding], avoid: frozenset[Address]
    ) -> None:
        self.cut = cut
        self.view = view
        self.filter = address_filter
        self.findings = findings
        self._first_finding = len(findings)
        self.avoid = avoid
        self.tries: dict[Address, int] = {}
        self.rested = 0
        self.doubtful: Reading | None = None
        self.minimised = False
        self.looked_up: set[Question] = set()
        self.learnt: dict[Name, list[Address]] = {}
        self.refused: set[str] = set()
        self.busy = ""
        self.once = False
        self.begun: dict[Address, int] = {}

    def ask(self, question: Question, *, minimised: bool = False) -> Steps[Reading | None]:
        """Ask until one server gives a useful answer; None when none does (the findings say why).

        A doubtful answer is kept while others are asked: it counts when nobody does better. Servers that say nonsense to
        a `minimised` question are not yet held to be lame: many know no other than whole names (RFC 9156 §2.3).

        Raises:
            LimitReachedError: a budget or the deadline is used up.
        """
        self.tries = dict(self.begun)
        self.rested = 0
        self.doubtful = None
        self.minimised = minimised
        for attempt in range(1, ATTEMPTS.hard + 1):
            if attempt > ATTEMPTS.value and attempt > self.view.budget.ceiling(ATTEMPTS, attempt):
                break
            pick = self._choose(question)
            while pick is None:
                found = yield from self._find_addresses()
                if not found:
                    pick = None if self.once else self._choose(question, again=True)
                    if pick is None:
                        return self._nothing()
                    break
                pick = self._choose(question)
            address, ns_name = pick
            self.tries[address] = self.tries.get(address, 0) + 1
            reading = yield from self._one(address, ns_name, question)
            if reading is not None:
                return reading
        return self._nothing()

    def _nothing(self) -> Reading | None:
        """No server gave a useful answer: what there is instead."""
        if self.busy and self.doubtful is None:
            raise OverQuotaError(self.busy)
        return self.doubtful

    @property
    def only_silence(self) -> bool:
        """Whether nothing came back from any server asked: another question will fare no better."""
        return bool(self.tries) and all(finding.network for finding in self.findings[self._first_finding :])

    @property
    def silent(self) -> dict[Address, int]:
        """How often each server was tried that stayed silent to the last question."""
        found = (finding.server for finding in self.findings[self._first_finding :] if finding.network)
        return {server: self.tries[server] for server in found if server is not None and server in self.tries}

    @property
    def may_retry(self) -> bool:
        """Whether a server is left that was silent, and may be asked again."""
        return any(tried < TRIES_PER_ADDRESS for tried in self.tries.values())

    # --- choosing ------------------------------------------------------------------------------------------------

    def _choose(self, question: Question, *, again: bool = False) -> tuple[Address, Name] | None:
        """The next server to ask: one not tried yet, or (`again`) one that timed out once."""
        servers = self.view.memory.servers
        mono = self.view.now.mono
        zone = self.cut.zone
        doubt = servers.doubt
        ceiling = TRIES_PER_ADDRESS if again else 1
        awake: list[tuple[float, Address, Name]] = []
        resting: list[tuple[float, Address, Name]] = []
        for ns_name, address in self._addresses():
            if self.tries.get(address, 0) >= ceiling or address in self.avoid:
                continue
            server = servers.get(address)
            if server.is_lame(zone, mono):
                if not self.tries.get(address):
                    self.tries[address] = TRIES_PER_ADDRESS
                    self._note(address, ns_name, question, "known to be lame")
                continue
            rests = server.rest_until > mono or (doubt and servers.rests(address, mono))
            (resting if rests else awake).append((server.cost(), address, ns_name))
        pool = awake or resting
        if not pool:
            return None
        if not awake:
            if self.rested >= RESTING_TRIES:
                return None
            self.rested += 1
        pick = pool[0][1:] if len(pool) == 1 else self._draw(pool, explore=bool(awake))
        if doubt:
            servers.probes(pick[0], mono)
        return pick

    def _draw(self, pool: list[tuple[float, Address, Name]], *, explore: bool) -> tuple[Address, Name]:
        """One of several servers: among those close to the best, or to `explore`, now and then, any."""
        dice = self.view.memory.dice
        if explore and dice.random() < EXPLORE:
            return pool[int(dice.random() * len(pool))][1:]
        if len(pool) == 2:
            if pool[1][0] < pool[0][0]:
                pool.reverse()
        else:
            pool.sort(key=_cost_of)
        best = pool[0][0] * CLOSE
        close = 0
        for candidate in pool:
            if candidate[0] > best:
                break
            close += 1
        return pool[int(dice.random() * close)][1:]

    def _addresses(self) -> list[tuple[Name, Address]]:
        """Every usable address known for the cut's servers: glue first, then what was resolved."""
        cut = self.cut
        if cut.usable is not None:
            return cut.usable
        out: list[tuple[Name, Address]] = []
        configured = cut.expires_mono == float("inf")
        complete = True
        for ns_name, glue in cut.servers.items():
            complete = complete and bool(glue)
            for address in glue or self.learnt.get(ns_name) or self._cached(ns_name):
                if configured:
                    out.append((ns_name, address))
                    continue
                why_not = self.filter.why_not(address.ip)
                if not why_not:
                    out.append((ns_name, address))
                    continue
                complete = False
                if address.ip not in self.refused:
                    self.refused.add(address.ip)
                    self._note(address, ns_name, Question(cut.zone, t.NS), f"not queried: {why_not}")
        if complete:
            cut.usable = out
        return out

    def _cached(self, ns_name: Name) -> list[Address]:
        """Addresses of a name server in the answer cache."""
        memory = self.view.memory
        mono = self.view.now.mono
        out: list[Address] = []
        for rtype in (t.A, t.AAAA):
            entry = memory.answers.exact(ns_name, rtype, mono)
            if entry is not None and entry.kind is Kind.ANSWER:
                out += _addresses_in(entry.step.rrsets[0].rdatas, memory.settings.port, self.view.budget)
        return out

    def _find_addresses(self) -> Steps[bool]:
        """Resolve the address of one more name server; whether any was found."""
        settings = self.view.memory.settings
        budget = self.view.budget
        types = ((t.A,) if settings.ipv4 else ()) + ((t.AAAA,) if settings.ipv6 else ())
        for rtype in types:
            for ns_name, glue in self.cut.servers.items():
                question = Question(ns_name, rtype)
                if glue or question in self.looked_up or self.learnt.get(ns_name) or self.cut.forward:
                    continue
                if budget.lost_lookups >= budget.ceiling(LOST_LOOKUPS, budget.lost_lookups + 1):
                    return False
                self.looked_up.add(question)
                reply = yield Need(question)
                found = self._addresses_from(reply, question)
                if found:
                    self.learnt.setdefault(ns_name, []).extend(found)
                    return True
                budget.lost_lookups += 1
        return False

    def _addresses_from(self, reply: Reply, question: Question) -> list[Address]:
        if reply.trouble is Trouble.LIMIT:
            raise LimitReachedError(reply.text)
        if reply.outcome is not None and reply.outcome.steps:
            step = reply.outcome.steps[-1]
            if step.kind is Kind.ANSWER and step.rtype == question.rtype:
                return _addresses_in(step.rrsets[0].rdatas, self.view.memory.settings.port, self.view.budget)
            what = f"has no address ({step.kind.value})"
        elif reply.trouble is Trouble.CYCLE:
            what = WAITS_FOR_ITSELF
        else:
            what = "address lookup failed"
        until = float("inf") if reply.outcome is None or reply.outcome.steps else reply.outcome.expires_mono
        self.findings.append(Finding(None, question.name, question, what, until=until))
        return []

    # --- one exchange --------------------------------------------------------------------------------------------

    def _one(self, address: Address, ns_name: Name, question: Question) -> Steps[Reading | None]:
        """Ask one server, over UDP and when it must be over TCP; None when its answer is of no use."""
        view = self.view
        memory = view.memory
        settings = memory.settings
        servers = memory.servers
        server = servers.get(address)
        mono = view.now.mono
        edns = server.no_edns_until <= mono
        cookie = servers.cookie(address, server, mono)
        if server.failures & 1 and server.srtt < 0:
            cookie = b""  # it may be the option on which it, or what stands before it, is silent
        repeated = False
        qname, qtype = question
        transport = Transport.UDP
        # Who answers with a cookie cannot be impersonated over UDP either.
        if memory.forgery.zones and not server.gives_cookies and memory.forgery.under(self.cut.zone, mono):
            transport = Transport.TCP
        for _ in range(_MAX_TURNS):
            if transport is Transport.TCP and server.no_tcp_until > view.now.mono:
                self.tries[address] = TRIES_PER_ADDRESS
                self._note(address, ns_name, question, "needs TCP and was silent there")
                return None
            patience = servers.patience(address, server) if servers.doubt else server.timeout()
            if server.rest_until > view.now.mono:
                patience = min(patience, server.timeout_at_rest(self.rested - 1))
            asked = view.now.mono
            reply = yield Ask(
                address,
                qname,
                qtype,
                self.cut.zone,
                ns_name,
                transport,
                edns=edns,
                randomise_case=settings.randomise_case and server.no_case_until <= view.now.mono,
                recursion_desired=self.cut.forward,
                cookie=cookie,
                timeout_s=patience if transport is Transport.UDP else max(2.0, patience),
            )
            if reply.mismatched:
                self._mismatched(reply.mismatched)
            if reply.trouble in _OVER_TCP and transport is Transport.UDP:
                # Over TCP nobody can guess the answer, so the case does not matter there.
                self._suspect(server, reply.trouble)
                transport = Transport.TCP
                continue
            message = reply.message
            if message is None:
                if transport is Transport.TCP and reply.trouble in _OF_TCP:
                    server.tcp_silent(view.now.mono)
                self._trouble(address, ns_name, question, server, reply, asked)
                return None
            if transport is Transport.TCP:
                server.tcp_failures = 0
            first = server.srtt < 0
            server.heard(reply.rtt_s)
            if servers.doubt:
                servers.answered(address)
            if message.truncated:
                if transport is Transport.UDP:
                    transport = Transport.TCP
                    continue
                # RFC 2181 §9: what is truncated is no answer, and over TCP there is no need for it.
                self.tries[address] = TRIES_PER_ADDRESS
                self._note(address, ns_name, question, "truncated over TCP")
                return None
            if cookie:
                turn = weigh_cookie(servers, server, cookie, message, transport, view.now.mono, repeated=repeated)
                if turn is not None:
                    cookie, transport = turn
                    repeated = True
                    continue
            elif first and edns and server.cookie:
                server.no_cookies(view.now.mono)  # silent with a cookie, not without
            if server.case_misses and transport is Transport.UDP:
                server.case_misses = 0
            if edns and _knows_no_edns(message):
                if self._signed():
                    # Without EDNS there are no signatures: such an answer could only be bogus.
                    self._note(address, ns_name, question, "no EDNS support in a signed zone")
                    return None
                edns, cookie = False, b""
                server.no_edns_until = view.now.mono + QUIRK_SECONDS
                continue
            return self._judge(message, address, ns_name, question, server)
        self._note(address, ns_name, question, "keeps answering badly")
        return None

    def _mismatched(self, packets: int) -> None:
        """Packets came that were not the answer: the zone may be under forgery."""
        memory = self.view.memory
        memory.servers.events["mismatched"] += packets
        if memory.forgery.seen(self.cut.zone, packets, self.view.now.mono):
            memory.servers.events["forgery-tcp"] += 1

    def _suspect(self, server: Server, trouble: Trouble | None) -> None:
        """What came over UDP cannot be trusted, or is cut short."""
        events = self.view.memory.servers.events
        if trouble is Trouble.CASE:
            events["case"] += 1
            server.case_missed(self.view.now.mono)
        elif trouble is Trouble.OVERSIZE:
            events["oversize"] += 1

    def _judge(
        self, message: Message, address: Address, ns_name: Name, question: Question, server: Server
    ) -> Reading | None:
        memory = self.view.memory
        mono = self.view.now.mono
        if memory.settings.error_reports and message.edns is not None and not self.cut.forward:
            memory.channels.learn(self.cut.zone, message.edns.option(REPORT_CHANNEL))
        qname, qtype = question
        reading = read_response(message, qname, qtype, self.cut, address, mono, memory.settings.port, self.view.budget)
        if reading.shape is Shape.EXCESSIVE:
            # Another server of the zone would most likely send as much: not a megabyte for one question.
            self._note(address, ns_name, question, "sent a set of too many records")
            raise ExcessiveSetError(reading.text)
        if reading.shape is Shape.LAME:
            if not self.minimised:
                server.set_lame(self.cut.zone, mono)
            self.tries[address] = TRIES_PER_ADDRESS
            self._note(address, ns_name, question, f"lame: {reading.text}")
            return None
        if reading.shape is Shape.UNHELPFUL:
            self.tries[address] = TRIES_PER_ADDRESS
            self._note(address, ns_name, question, reading.text)
            return None
        if reading.text:
            self.doubtful = self.doubtful or reading
            self.tries[address] = TRIES_PER_ADDRESS
            self._note(address, ns_name, question, reading.text)
            return None
        return reading

    def _trouble(
        self, address: Address, ns_name: Name, question: Question, server: Server, reply: Reply, asked: float
    ) -> None:
        trouble = reply.trouble
        if trouble is Trouble.LIMIT or trouble is None:
            self._note(address, ns_name, question, "has not answered when a limit was reached")
            raise LimitReachedError(reply.text)
        if trouble is Trouble.QUOTA:
            raise OverQuotaError(reply.text)
        if trouble is Trouble.BUSY:
            self.busy = reply.text
        network = trouble in (Trouble.TIMEOUT, Trouble.UNREACHABLE)
        if network:
            self.view.memory.servers.unanswered(address, server, self.view.now.mono)
            server.silent(self.view.now.mono, asked)
        if trouble is not Trouble.TIMEOUT:
            self.tries[address] = TRIES_PER_ADDRESS
        what = f"{trouble.value}: {reply.text}" if reply.text else trouble.value
        forgery = self.view.memory.forgery
        if forgery.zones and forgery.under(self.cut.zone, self.view.now.mono):
            what += ", over TCP since forgery is suspected,"
        self._note(address, ns_name, question, what, network=network)

    def _signed(self) -> bool:
        """Whether answers from this cut are expected to carry signatures."""
        if self.cut.ds is not None:
            return True
        zone = self.view.zones.get(self.cut.zone)
        return zone is not None and zone.security is Security.SECURE

    def _note(self, address: Address, ns_name: Name, question: Question, what: str, *, network: bool = False) -> None:
        self.findings.append(Finding(address, ns_name, question, what, network))


def _cost_of(candidate: tuple[float, Address, Name]) -> float:
    return candidate[0]


def _addresses_in(rdatas: list[bytes], port: int, budget: Budget) -> list[Address]:
    return [address_of(rdata, port) for rdata in rdatas[: budget.ceiling(ADDRESSES_PER_NS, len(rdatas))]]


def _knows_no_edns(message: Message) -> bool:
    """RFC 6891 §7: a server that does not implement EDNS answers FORMERR or NOTIMP without OPT; some say BADVERS."""
    return message.edns is None and message.rcode in (t.FORMERR, t.NOTIMP)
