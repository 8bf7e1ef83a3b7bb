"""The scripted network: answers each Ask from the ranges that are valid at the present step.

An Ask becomes the query's own bytes, an entry that matches becomes an answer's own bytes, and those pass the same reader
and the same check (ID, question) as a packet from the network, so nothing of the wire format is skipped.

A server that has a range at this step and no entry for the question says SERVFAIL; nobody answers at an address without a
range, nor when the answer would be ignored: then the Ask times out.
"""

from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tests.scenarios.compare import mismatches, read
from tests.scenarios.rpl import DEFAULT_TTL, SECTIONS, Asked, Entry, Range, Scenario, StepKind
from trust.vocabulary import Ask, Now, Reply, Transport, Trouble
from wire import types as t
from wire.composer import compose_query
from wire.edns import Edns
from wire.message import Message
from wire.reader import FormError
from wire.reader import read as read_wire

RTT_S = 0.01
"""How long every server takes, in virtual seconds."""


@dataclass
class Exchange:
    """One Ask and what came of it: what a trace prints."""

    step: int
    at: float
    """Virtual seconds since the start."""
    ask: Ask
    query: bytes
    entry: Entry | None = None
    answer: bytes | None = None
    trouble: Trouble | None = None
    text: str = ""

    @property
    def answered(self) -> bool:
        """Whether the resolver gets to see an answer."""
        return self.answer is not None and self.trouble is None


@dataclass
class World:
    """Everybody whom the resolver may ask, at one step of the play. `exchanges` remembers all that was asked."""

    scenario: Scenario
    step: int = 0
    exchanges: list[Exchange] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    """Lines of the entries that have answered something."""

    def ask(self, ask: Ask, at: float) -> Exchange:
        """Send one question at virtual time `at` (seconds since the start)."""
        ident = 0x2000 + len(self.exchanges) % 0x4000
        exchange = Exchange(self.step, at, ask, query_wire(ask, ident, ask.qtype))
        self.exchanges.append(exchange)
        query = read(exchange.query)
        entry = self._find(query, ask)
        if entry is None and self._serving(ask):
            exchange.answer = _failure_wire(query)
            exchange.text = "not in the script"
            return exchange
        if entry is None:
            exchange.trouble, exchange.text = Trouble.TIMEOUT, "nobody answers"
            return exchange
        self.used.add(entry.line)
        exchange.entry = entry
        if "do_not_answer" in entry.adjust:
            exchange.trouble, exchange.text = Trouble.TIMEOUT, "scripted silence"
            return exchange
        exchange.answer = _answer_wire(entry, query, exchange.query)
        exchange.trouble, exchange.text = judge(exchange.answer, ask, ident)
        return exchange

    def _find(self, query: dns.message.Message, ask: Ask) -> Entry | None:
        """The entry that answers: of a range that is valid now, else a one-shot REPLY step that is still to come."""
        tcp = ask.transport is Transport.TCP
        entries = [entry for span in self._serving(ask) for entry in span.entries]
        for entry in entries:
            if not mismatches(entry, query, tcp=tcp):
                return entry
        if ask.qtype == t.A:
            # Minimised questions: the files script them with type NS, as was once usual; ours have type A (RFC 9156 §2.1).
            as_ns = read(query_wire(ask, query.id, t.NS))
            for entry in entries:
                if not mismatches(entry, as_ns, tcp=tcp):
                    return entry
        for step in self.scenario.steps:
            once = step.entry
            if step.kind is not StepKind.REPLY or step.number < self.step or once is None or once.line in self.used:
                continue
            if not mismatches(once, query, tcp=tcp):
                return once
        return None

    def _serving(self, ask: Ask) -> list[Range]:
        """The ranges of the asked address that are valid now."""
        return [s for s in self.scenario.ranges if s.first <= self.step <= s.last and ask.server.ip in s.addresses]


def reply_to(exchange: Exchange, now: Now) -> Reply:
    """The Reply for an exchange whose answer arrives (or whose time is over) `now`."""
    if exchange.trouble is not None:
        return Reply(now, trouble=exchange.trouble, rtt_s=_duration(exchange), text=exchange.text)
    assert exchange.answer is not None
    return Reply(now, message=read_wire(exchange.answer), rtt_s=_duration(exchange))


def arrival(exchange: Exchange) -> float:
    """Virtual time of the answer or of the time-out."""
    return exchange.at + _duration(exchange)


def _duration(exchange: Exchange) -> float:
    return exchange.ask.timeout_s if exchange.trouble is Trouble.TIMEOUT else RTT_S


def query_wire(ask: Ask, ident: int, qtype: int) -> bytes:
    """The packet that an Ask is, its question's type replaced by `qtype`."""
    flags = (t.RD if ask.recursion_desired else 0) | (t.CD if ask.checking_disabled else 0)
    return compose_query(ident, ask.qname, qtype, flags=flags, edns=Edns(1232, t.DO) if ask.edns else None)


def _answer_wire(entry: Entry, query: dns.message.Message, query_wire: bytes) -> bytes:
    """The entry's message, adjusted to the query. OPT comes back when it was sent, with the query's DO bit."""
    if entry.raw is not None:
        return query_wire[:2] + entry.raw[2:] if entry.adjust & {"copy_id", "raw_id"} else entry.raw
    question = entry.question[:1]
    asked = query.question[0]
    if "copy_query" in entry.adjust:
        question = [Asked(asked.name, int(asked.rdtype), int(asked.rdclass))]
    elif "copy_id" in entry.adjust and question:
        # Deckard's documented behaviour: the query's name comes along with the ID, for the sake of its letter case.
        rtype = int(asked.rdtype) if question[0].rtype == t.NS and asked.rdtype == t.A else question[0].rtype
        question = [Asked(asked.name, rtype, question[0].rclass)]
    out = dns.message.Message(query.id if "copy_id" in entry.adjust else query.id ^ 0x5555)
    out.flags = dns.flags.Flag(entry.flags)
    out.set_opcode(dns.opcode.Opcode.make(entry.opcode))
    if query.edns >= 0:
        out.use_edns(0, query.ednsflags & dns.flags.DO, 1232)
    out.set_rcode(dns.rcode.Rcode.make(entry.rcode))
    for line in question:
        rclass, rtype = dns.rdataclass.RdataClass.make(line.rclass), dns.rdatatype.RdataType.make(line.rtype)
        out.question.append(dns.rrset.RRset(line.name, rclass, rtype))
    for section in SECTIONS:
        for record in entry.sections.get(section, []):
            ttl = DEFAULT_TTL if record.ttl is None else record.ttl
            getattr(out, section).append(dns.rrset.from_rdata(record.owner, ttl, record.rdata))
    return out.to_wire(max_size=65535)


def _failure_wire(query: dns.message.Message) -> bytes:
    """SERVFAIL: what a server of the script says to a question that is not in the script."""
    out = dns.message.make_response(query)
    out.set_rcode(dns.rcode.SERVFAIL)
    return out.to_wire()


def judge(wire: bytes, ask: Ask, ident: int) -> tuple[Trouble | None, str]:
    """What the driver says of a packet: an answer, a malformed one, or none of ours (then it goes on waiting)."""
    try:
        message = read_wire(wire)
    except FormError as error:
        if error.message is None or error.message.id != ident:
            return Trouble.TIMEOUT, "not an answer to our question"
        return Trouble.MALFORMED, str(error)
    return (None, "") if _is_ours(message, ask, ident) else (Trouble.TIMEOUT, "not an answer to our question")


def _is_ours(message: Message, ask: Ask, ident: int) -> bool:
    if message.id != ident or not message.flags & t.QR:
        return False
    if not message.has_question:
        return message.rcode == t.FORMERR  # servers older than EDNS
    return message.qname == ask.qname and message.qtype == ask.qtype and message.qclass == t.IN
