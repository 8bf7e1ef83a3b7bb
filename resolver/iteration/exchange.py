"""Asking one zone's servers: choose one, ask it, and when it is of no use the next.

Choice: the server with the least expected time, except that now and then another one is tried, so that a server which has
become better is noticed. One that rests after time-outs is asked when all others have failed, or as a probe when its rest
is over. Addresses that glue did not give are resolved one name at a time, and only when those at hand have been tried.

RFC 1035 §7.2, RFC 5452 (what the driver matches), RFC 6891 §7 (servers without EDNS), RFC 7766 §5 (TCP after TC), RFC 9520.
"""

from typing import Final

from resolver.cache.memory import View
from resolver.cache.servers import QUIRK_SECONDS, Server
from resolver.iteration.addresses import AddressFilter, text_of
from resolver.iteration.response import Reading, Shape, read_response
from trust.vocabulary import Address, Ask, Cut, Finding, Kind, Need, Question, Reply, Security, Steps, Transport, Trouble
from wire import types as t
from wire.edns import REPORT_CHANNEL
from wire.limits import ADDRESSES_PER_NS
from wire.message import Message
from wire.name import Name

MAX_ATTEMPTS: Final = 16
"""Exchanges with one zone's servers for one question; the packet budget of the whole query bounds them too."""
TRIES_PER_ADDRESS: Final = 3
EXPLORE: Final = 0.05
"""Share of questions for which a server other than the best is tried."""
WAITS_FOR_ITSELF: Final = "address lookup waits for itself"
"""The finding on a name server whose address could be found only by what is waiting for it."""
CLOSE: Final = 1.2
"""Servers within this factor of the best are taken as equal, and share the load."""


class LimitReachedError(Exception):
    """A limit or the deadline ended the resolution; the message names it."""


class Exchange:
    """The servers of one cut, asked on behalf of one question."""

    __slots__ = (
        "_first_finding",
        "avoid",
        "cut",
        "doubtful",
        "filter",
        "findings",
        "learnt",
        "looked_up",
        "minimised",
        "refused",
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
        self.doubtful: Reading | None = None
        self.minimised = False
        self.looked_up: set[Question] = set()
        self.learnt: dict[Name, list[Address]] = {}
        self.refused: set[str] = set()

    def ask(self, qname: Name, qtype: int, *, minimised: bool = False) -> Steps[Reading | None]:
        """Ask until one server gives a useful answer; None when none does (the findings say why).

        A doubtful answer is kept while others are asked: it counts when nobody does better. Servers that say nonsense to
        a `minimised` question are not yet held to be lame: many know no other than whole names (RFC 9156 §2.3).

        Raises:
            LimitReachedError: a budget or the deadline is used up.
        """
        question = Question(qname, qtype)
        self.tries = {}
        self.doubtful = None
        self.minimised = minimised
        for _ in range(MAX_ATTEMPTS):
            pick = self._choose(question)
            while pick is None:
                found = yield from self._find_addresses()
                if not found:
                    pick = self._choose(question, again=True)
                    if pick is None:
                        return self.doubtful
                    break
                pick = self._choose(question)
            address, ns_name = pick
            self.tries[address] = self.tries.get(address, 0) + 1
            reading = yield from self._one(address, ns_name, question)
            if reading is not None:
                return reading
        return self.doubtful

    @property
    def only_silence(self) -> bool:
        """Whether nothing came back from any server asked: another question will fare no better."""
        return bool(self.tries) and all(finding.network for finding in self.findings[self._first_finding :])

    # --- choosing ------------------------------------------------------------------------------------------------

    def _choose(self, question: Question, *, again: bool = False) -> tuple[Address, Name] | None:
        """The next server to ask: one not tried yet, or (`again`) one that timed out once."""
        servers = self.view.memory.servers
        mono = self.view.now.mono
        zone = self.cut.zone
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
            (resting if server.rest_until > mono else awake).append((server.cost(), address, ns_name))
        pool = awake or resting
        if not pool:
            return None
        if len(pool) == 1:
            return pool[0][1:]
        dice = self.view.memory.dice
        if awake and dice.random() < EXPLORE:
            return pool[int(dice.random() * len(pool))][1:]
        pool.sort(key=lambda candidate: candidate[0])
        best = pool[0][0] * CLOSE
        close = sum(1 for candidate in pool if candidate[0] <= best)
        return pool[int(dice.random() * close)][1:]

    def _addresses(self) -> list[tuple[Name, Address]]:
        """Every usable address known for the cut's servers: glue first, then what was resolved."""
        out: list[tuple[Name, Address]] = []
        configured = self.cut.expires_mono == float("inf")
        for ns_name, glue in self.cut.servers.items():
            for address in glue or self.learnt.get(ns_name) or self._cached(ns_name):
                if configured:
                    out.append((ns_name, address))
                    continue
                why_not = self.filter.why_not(address.ip)
                if not why_not:
                    out.append((ns_name, address))
                elif address.ip not in self.refused:
                    self.refused.add(address.ip)
                    self._note(address, ns_name, Question(self.cut.zone, t.NS), f"not queried: {why_not}")
        return out

    def _cached(self, ns_name: Name) -> list[Address]:
        """Addresses of a name server in the answer cache."""
        memory = self.view.memory
        mono = self.view.now.mono
        out: list[Address] = []
        for rtype in (t.A, t.AAAA):
            entry = memory.answers.exact(ns_name, rtype, mono)
            if entry is not None and entry.step.kind is Kind.ANSWER:
                out += _addresses_in(entry.step.rrsets[0].rdatas, memory.settings.port)
        return out

    def _find_addresses(self) -> Steps[bool]:
        """Resolve the address of one more name server; whether any was found."""
        settings = self.view.memory.settings
        types = ((t.A,) if settings.ipv4 else ()) + ((t.AAAA,) if settings.ipv6 else ())
        for rtype in types:
            for ns_name, glue in self.cut.servers.items():
                question = Question(ns_name, rtype)
                if glue or question in self.looked_up or self.learnt.get(ns_name) or self.cut.forward:
                    continue
                self.looked_up.add(question)
                reply = yield Need(question)
                found = self._addresses_from(reply, question)
                if found:
                    self.learnt.setdefault(ns_name, []).extend(found)
                    return True
        return False

    def _addresses_from(self, reply: Reply, question: Question) -> list[Address]:
        if reply.trouble is Trouble.LIMIT:
            raise LimitReachedError(reply.text)
        if reply.outcome is not None and reply.outcome.steps:
            step = reply.outcome.steps[-1]
            if step.kind is Kind.ANSWER and step.rtype == question.rtype:
                return _addresses_in(step.rrsets[0].rdatas, self.view.memory.settings.port)
            what = f"has no address ({step.kind.value})"
        elif reply.trouble is Trouble.CYCLE:
            what = WAITS_FOR_ITSELF
        else:
            what = "address lookup failed"
        self.findings.append(Finding(None, question.name, question, what))
        return []

    # --- one exchange --------------------------------------------------------------------------------------------

    def _one(self, address: Address, ns_name: Name, question: Question) -> Steps[Reading | None]:
        """Ask one server, over UDP and when it must be over TCP; None when its answer is of no use."""
        view = self.view
        memory = view.memory
        settings = memory.settings
        server = memory.servers.get(address)
        edns = server.no_edns_until <= view.now.mono
        transport = Transport.UDP
        for _ in range(4):
            reply = yield Ask(
                address,
                question.name,
                question.rtype,
                self.cut.zone,
                ns_name,
                transport,
                edns=edns,
                randomise_case=settings.randomise_case and server.no_case_until <= view.now.mono,
                recursion_desired=self.cut.forward,
                timeout_s=server.timeout() if transport is Transport.UDP else max(2.0, server.timeout()),
            )
            if reply.trouble is Trouble.CASE and transport is Transport.UDP:
                # Over TCP nobody can guess the answer, so the case does not matter there.
                server.no_case_until = view.now.mono + QUIRK_SECONDS
                transport = Transport.TCP
                continue
            if reply.message is None:
                self._trouble(address, ns_name, question, server, reply)
                return None
            message = reply.message
            server.heard(reply.rtt_s)
            if message.truncated and transport is Transport.UDP:
                transport = Transport.TCP
                continue
            if edns and _knows_no_edns(message):
                if self._signed():
                    # Without EDNS there are no signatures: such an answer could only be bogus.
                    self._note(address, ns_name, question, "no EDNS support in a signed zone")
                    return None
                edns = False
                server.no_edns_until = view.now.mono + QUIRK_SECONDS
                continue
            return self._judge(message, address, ns_name, question, server)
        self._note(address, ns_name, question, "keeps answering badly")
        return None

    def _judge(
        self, message: Message, address: Address, ns_name: Name, question: Question, server: Server
    ) -> Reading | None:
        memory = self.view.memory
        mono = self.view.now.mono
        if memory.settings.error_reports and message.edns is not None and not self.cut.forward:
            memory.channels.learn(self.cut.zone, message.edns.option(REPORT_CHANNEL))
        reading = read_response(message, question.name, question.rtype, self.cut, address, mono, memory.settings.port)
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

    def _trouble(self, address: Address, ns_name: Name, question: Question, server: Server, reply: Reply) -> None:
        trouble = reply.trouble
        if trouble is Trouble.LIMIT or trouble is None:
            self._note(address, ns_name, question, "has not answered when a limit was reached")
            raise LimitReachedError(reply.text)
        network = trouble in (Trouble.TIMEOUT, Trouble.UNREACHABLE)
        if network:
            server.silent(self.view.now.mono)
        if trouble is not Trouble.TIMEOUT:
            self.tries[address] = TRIES_PER_ADDRESS
        what = f"{trouble.value}: {reply.text}" if reply.text else trouble.value
        self._note(address, ns_name, question, what, network=network)

    def _signed(self) -> bool:
        """Whether answers from this cut are expected to carry signatures."""
        if self.cut.ds is not None:
            return True
        zone = self.view.zones.get(self.cut.zone)
        return zone is not None and zone.security is Security.SECURE

    def _note(self, address: Address, ns_name: Name, question: Question, what: str, *, network: bool = False) -> None:
        self.findings.append(Finding(address, ns_name, question, what, network))


def _addresses_in(rdatas: list[bytes], port: int) -> list[Address]:
    return [Address(text_of(rdata), port) for rdata in rdatas[: ADDRESSES_PER_NS.value]]


def _knows_no_edns(message: Message) -> bool:
    """RFC 6891 §7: a server that does not implement EDNS answers FORMERR or NOTIMP without OPT; some say BADVERS."""
    return message.edns is None and message.rcode in (t.FORMERR, t.NOTIMP)
