"""The words between pure code and the world: the whole of them.

`iterate()`, `validate()` and `resolve()` are generators. They yield `Ask` (send one packet) or `Need` (resolve something
else first) and are sent a `Reply`, with which the time always arrives. `resolver.mesh` runs them; `resolver.server` turns
Asks into packets; a test plays both parts line by line.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple, TypeAlias, TypeVar

from trust.reason import Reason
from wire.message import Message
from wire.name import Name
from wire.rrset import RRset


class Now:
    """The time. `wall`: seconds since 1970 for signatures, RFC 5011 and NTA expiry; `mono`: monotonic seconds for TTLs,
    RTTs and deadlines. The two are unrelated.
    """

    # No NamedTuple: the compiled core reads `mono` some hundred times a query, and the attribute of a tuple costs it a
    # hundred times what that of a class of its own does.
    __slots__ = ("mono", "wall")

    def __init__(self, wall: float, mono: float) -> None:
        self.wall: Final = wall
        self.mono: Final = mono

    def __repr__(self) -> str:
        return f"Now({self.wall}, {self.mono})"


class Question(NamedTuple):
    """What is asked, in class IN."""

    name: Name
    rtype: int


class Address(NamedTuple):
    """A server's address: IPv4 or IPv6 text in its canonical form, and the port."""

    ip: str
    port: int


def question_of(name: Name, rtype: int) -> Question:
    """`Question(name, rtype)` for places where many are made: the constructor of a NamedTuple runs in the interpreter, also
    when it is called from the compiled core.
    """
    return _make(Question, (name, rtype))


_make: Final = tuple.__new__


class Transport(Enum):
    """How a packet travels."""

    # That of Enum is a function in Python, and responses are counted by their transport.
    __hash__ = object.__hash__

    UDP = "udp"
    TCP = "tcp"


class Ask:
    """Send one query packet to one server and wait for its answer.

    Attributes:
        server: where to; `ns_name` is the name server's own name, for texts (None when configured by address).
        zone: the cut whose servers are being asked: metrics and findings are counted under it.
        qname, qtype: the question (lower-cased; the driver randomises the case when `randomise_case`).
        edns: whether to send OPT with DO; `recursion_desired`: the RD bit (forwarders); `checking_disabled`: the CD bit.
        nsid: whether to ask the server for its identity (RFC 5001); with EDNS only.
        cookie: the COOKIE option's data, client cookie first (RFC 7873 §4); b"" for none; with EDNS only.
        timeout_s: seconds after which the driver replies with Trouble.TIMEOUT.
    """

    __slots__ = (
        "checking_disabled",
        "cookie",
        "edns",
        "ns_name",
        "nsid",
        "qname",
        "qtype",
        "randomise_case",
        "recursion_desired",
        "server",
        "timeout_s",
        "transport",
        "zone",
    )

    def __init__(
        self,
        server: Address,
        qname: Name,
        qtype: int,
        zone: Name,
        ns_name: Name | None = None,
        transport: Transport = Transport.UDP,
        *,
        edns: bool = True,
        randomise_case: bool = True,
        recursion_desired: bool = False,
        checking_disabled: bool = True,
        nsid: bool = False,
        cookie: bytes = b"",
        timeout_s: float = 1.0,
    ) -> None:
        self.server = server
        self.qname = qname
        self.qtype = qtype
        self.zone = zone
        self.ns_name = ns_name
        self.transport = transport
        self.edns = edns
        self.randomise_case = randomise_case
        self.recursion_desired = recursion_desired
        self.checking_disabled = checking_disabled
        self.nsid = nsid
        self.cookie = cookie
        self.timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"Ask({self.server.ip}, {self.qname!r}, {self.qtype}, {self.transport.value})"


class Need:
    """Resolve `question` first, without validating it: the asker judges. Answered by a Reply with an outcome.

    `avoid`: servers whose earlier answer was bad; when not empty, the cache is passed over and others are asked.
    """

    __slots__ = ("avoid", "question")

    def __init__(self, question: Question, avoid: frozenset[Address] = frozenset()) -> None:
        self.question = question
        self.avoid = avoid

    def __repr__(self) -> str:
        return f"Need({self.question.name!r}, {self.question.rtype})"


class Trouble(Enum):
    """Why there is no message (for an Ask) or no outcome (for a Need)."""

    TIMEOUT = "timed out"
    UNREACHABLE = "unreachable"
    MALFORMED = "malformed answer"
    CASE = "question's case not echoed"
    SPOOFED = "too many mismatched answers"
    OVERSIZE = "longer over UDP than asked for"
    CYCLE = "waits for itself"
    LIMIT = "over a limit"
    QUOTA = "too many questions for the zone under way"
    BUSY = "too many questions to the server under way"
    CANCELLED = "cancelled"


class Reply:
    """What comes back. Exactly one of `message` (an Ask answered), `outcome` (a Need resolved) and `trouble` is set.

    `rtt_s`: seconds the exchange took; `text`: a detail for findings (the malformation, the limit's name); `mismatched`:
    packets that came meanwhile to the question's own port and were not its answer.
    """

    __slots__ = ("message", "mismatched", "now", "outcome", "rtt_s", "text", "trouble")

    def __init__(
        self,
        now: Now,
        message: Message | None = None,
        outcome: "Outcome | None" = None,
        trouble: Trouble | None = None,
        rtt_s: float = 0.0,
        text: str = "",
        mismatched: int = 0,
    ) -> None:
        self.now = now
        self.mismatched = mismatched
        self.message = message
        self.outcome = outcome
        self.trouble = trouble
        self.rtt_s = rtt_s
        self.text = text


Effect: TypeAlias = Ask | Need
R = TypeVar("R")
Steps: TypeAlias = Generator[Effect, Reply, R]
"""A computation that asks the world: `def f(…) -> Steps[Outcome]`."""


class Kind(Enum):
    """What one step of an answer is."""

    ANSWER = "answer"
    """The RRset asked for."""
    CNAME = "cname"
    """An alias of the whole name: `rrset` is the CNAME, `target` its target."""
    DNAME = "dname"
    """A redirection of a subtree: `rrset` is the DNAME, `target` the name after substitution."""
    NODATA = "nodata"
    """The name exists, the type does not (or an empty non-terminal): `authority` holds the proof."""
    NXDOMAIN = "nxdomain"
    """The name does not exist: `authority` holds the proof."""


class Step:
    """One link of an answer as an authority gave it: data, alias or denial for one owner name.

    Attributes:
        name, rtype: what this step answers.
        kind: see Kind.
        rrsets: the data: one RRset for ANSWER, CNAME, DNAME (several for a question for ANY), none for denials.
        target: where an alias leads.
        authority: RRsets of the authority section within the zone that bear on this step: SOA, NSEC, NSEC3, each with its
            RRSIGs (a wildcard's proof, a denial's proof).
        zone: the cut whose server answered: the data is in this zone or in one below it that the same server serves.
        server: who answered.
    """

    __slots__ = ("authority", "kind", "name", "rrsets", "rtype", "server", "target", "zone")

    def __init__(
        self,
        name: Name,
        rtype: int,
        kind: Kind,
        rrsets: list[RRset],
        authority: list[RRset],
        zone: Name,
        server: Address | None,
        target: Name | None = None,
    ) -> None:
        self.name = name
        self.rtype = rtype
        self.kind = kind
        self.rrsets = rrsets
        self.authority = authority
        self.zone = zone
        self.server = server
        self.target = target

    @property
    def rrset(self) -> RRset | None:
        """The (first) RRset of the step."""
        return self.rrsets[0] if self.rrsets else None

    def __repr__(self) -> str:
        return f"Step({self.name!r}, {self.rtype}, {self.kind.value}, zone={self.zone!r})"


class Cut:
    """A zone cut as its parent told it (a referral), or as configured (hints, stub, forward).

    Attributes:
        zone: the delegated zone; `parent`: the zone whose servers referred to it (None for the root and configured cuts).
        servers: name-server names → the addresses known from glue of this very referral (maybe none).
        ds: the DS RRset with its RRSIGs, when the referral carried one.
        denial: NSEC/NSEC3 RRsets with RRSIGs of the referral: the parent's proof that there is no DS.
        expires_mono: when the delegation must be looked at again; `forward`: ask with RD (a forwarder).
        usable: iteration's own note: all of `servers` with their addresses, once it is known that each has one from glue
            and every one may be asked.
    """

    __slots__ = ("denial", "ds", "expires_mono", "forward", "parent", "servers", "usable", "zone")

    def __init__(
        self,
        zone: Name,
        parent: Name | None,
        servers: dict[Name, list[Address]],
        expires_mono: float,
        ds: RRset | None = None,
        denial: list[RRset] | None = None,
        *,
        forward: bool = False,
    ) -> None:
        self.zone = zone
        self.parent = parent
        self.servers = servers
        self.expires_mono = expires_mono
        self.ds = ds
        self.denial = [] if denial is None else denial
        self.forward = forward
        self.usable: list[tuple[Name, Address]] | None = None

    def __repr__(self) -> str:
        return f"Cut({self.zone!r}, parent={self.parent!r}, {len(self.servers)} servers)"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one server did when it was asked: the material of EDE 22 and 23 and of `explain`."""

    server: Address | None
    ns_name: Name | None
    question: Question
    what: str
    """A few words: "timed out", "REFUSED", "lame: not authoritative for example.jp", …"""
    network: bool = False
    """Whether it is a network error (EDE 23) rather than an unhelpful answer (EDE 22)."""
    until: float = field(default=float("inf"), compare=False)
    """When it may be otherwise, if it is a failure that was remembered: monotonic seconds."""


class Outcome:
    """What iteration found for one question.

    Attributes:
        steps: the links of the answer, first owner first; the last may be an alias whose target is in another zone. Empty
            when resolution failed.
        failure: why there are no steps; `findings`: what each server asked did.
        expires_mono: until when the steps may be used, when they come from a cache: their TTLs say what they were at first;
            until when a remembered failure is in force.
    """

    __slots__ = ("expires_mono", "failure", "findings", "question", "steps", "text")

    def __init__(
        self,
        question: Question,
        steps: list[Step],
        failure: Reason | None = None,
        findings: list[Finding] | None = None,
        text: str = "",
    ) -> None:
        self.question = question
        self.steps = steps
        self.failure = failure
        self.findings = [] if findings is None else findings
        self.text = text
        self.expires_mono = float("inf")


class Security(Enum):
    """RFC 4035 §4.3."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the validator says of one answer.

    `at`: the zone or owner name the reason is about; `text`: the reason in one ASCII sentence that names record, key tag
    and time; `notes`: further reasons that also apply (each becomes an EDE of its own).
    """

    security: Security
    reason: Reason
    at: Name
    text: str = ""
    notes: tuple["Note", ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Note:
    """A further reason with its sentence."""

    reason: Reason
    text: str = ""
