"""What was gathered to explain one answer: plain data, made by `resolver.daemon.once`, read by `report`.

`resolution` is the fresh, checked look; all else stands beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resolver.resolution import Resolution
from trust.policy import Policy
from trust.validate import Validated
from trust.vocabulary import Address, Question, Security, Step
from wire.name import Name
from wire.rrset import RRset


@dataclass(frozen=True, slots=True)
class ServerSaid:
    """One authority's own answer, judged as if it were the only server of its zone.

    Attributes:
        ns_name: the name server that has the address; None for one given by the operator.
        what: why there is no answer ("timed out", "REFUSED", "not asked: private address"), "" when there is one.
        rcode: None when nothing came back. steps: the links it gave, each with its verdict, up to the first bogus one.
        security, text: the weakest of them; None when there was nothing to judge.
        nsid: RFC 5001, None when the server gave none. latency_s: of the answer to the question.
        serial: of its SOA; keys: tags of its DNSKEY set; None when it gave none or was not asked.
    """

    address: Address
    ns_name: Name | None
    what: str = ""
    rcode: int | None = None
    steps: tuple[tuple[Step, Validated], ...] = ()
    security: Security | None = None
    text: str = ""
    nsid: bytes | None = None
    latency_s: float | None = None
    transport: str = "udp"
    serial: int | None = None
    keys: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """The servers of one zone, asked one by one. `left_out`: how many were not asked since there are too many."""

    zone: Name
    question: Question
    servers: tuple[ServerSaid, ...]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What the running resolver answered over DNS. `what`: why there is no answer, "" when there is one.

    From memory: `authentic` None when it was not judged yet, `latency_s` None.
    """

    what: str = ""
    rcode: int = 0
    authentic: bool | None = False
    errors: tuple[tuple[int, str], ...] = ()
    answer: tuple[RRset, ...] = ()
    nsid: bytes | None = None
    latency_s: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """The running resolver: its answer with what it remembers, checked and with CD. Both None: it was not asked.

    `workers`: asked over its control socket instead: what each would tell a client from memory (`explain.cached.recalled`);
    `nta`: the negative trust anchor that is in force there for the name, in words.
    """

    address: Address | None = None
    checked: Look | None = None
    unchecked: Look | None = None
    workers: tuple[Mapping[str, Any], ...] | None = None
    nta: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """The SOA RNAME of a zone: whom to write to (guideline 2-19). `rname` as a name in wire format."""

    zone: Name
    rname: Name


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything `report` tells.

    Attributes:
        resolution: the checked look with an empty memory; unchecked: the same question with CD set, apart from it.
        wall: seconds since 1970, against which validity left is told. by: who made it, "akashi 1.2.3".
        delegation: when there is no answer, what the parent says of the zone whose servers failed: the chain so far.
        governed: the same question as a client asks it, under response policy; None when there is none.
        server: the only server asked for the final question, when the operator named one.
    """

    resolution: Resolution
    wall: float
    policy: Policy = field(default_factory=Policy)
    unchecked: Resolution | None = None
    surveys: tuple[Survey, ...] = ()
    daemon: Daemon = field(default_factory=Daemon)
    contacts: tuple[Contact, ...] = ()
    by: str = "akashi"
    delegation: Resolution | None = None
    server: Address | None = None
    governed: Resolution | None = None
