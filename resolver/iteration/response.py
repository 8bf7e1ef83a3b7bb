"""What an authority's answer is: data, an alias, a denial, a referral, or of no use. Scrubs as it reads.

Bailiwick: only records at or below the asked zone count; the rest of the message is not looked at. Glue counts when it is
in the asked zone's bailiwick and belongs to a server that this very referral names; it is kept with that cut only.

RFC 1034 §4.3.2 and §5.3.3, RFC 2181 §5.4.1 and §9, RFC 2308 §2, RFC 6672 §3, RFC 6840 §4.4.
"""

from enum import Enum
from typing import Final

from resolver.iteration.addresses import address_of
from trust.policy import Budget
from trust.vocabulary import Address, Cut, Kind, Step
from wire import types as t
from wire.limits import ADDRESSES_PER_CUT, ADDRESSES_PER_NS, CHAIN, MAX_PROOF_SETS, NS_PER_CUT, RECORDS_PER_SET
from wire.message import Message
from wire.name import Name, is_strict_subdomain, is_subdomain, replace_suffix
from wire.rrset import RRset

_PROOF_TYPES = frozenset((t.SOA, t.NSEC, t.NSEC3))
_NO_PROOFS: Final[list[RRset]] = []
"""One empty list for all answers that carry no proof; a step's lists are never changed."""


class Shape(Enum):
    """What a response amounts to."""

    STEPS = "steps"
    """It answers: data, aliases, a denial."""
    REFERRAL = "referral"
    """It names the servers of a zone nearer to the name."""
    UNHELPFUL = "unhelpful"
    """An RCODE that says nothing about the name; another server may do better."""
    LAME = "lame"
    """The server does not serve the zone it was asked as an authority for."""
    EXCESSIVE = "excessive"
    """A set that it answers with has more records than are taken; the text names the limit."""


class Reading:
    """A response read: `steps` for STEPS, `cut` for REFERRAL, `text` for those of no use; `additional` as it came.

    STEPS with a `text` are doubtful: a last resort when no other server of the zone has anything better to say.
    """

    __slots__ = ("additional", "cut", "shape", "steps", "text")

    def __init__(
        self,
        shape: Shape,
        steps: list[Step] | None = None,
        cut: Cut | None = None,
        text: str = "",
        additional: list[RRset] | None = None,
    ) -> None:
        self.additional = [] if additional is None else additional
        self.shape = shape
        self.steps = [] if steps is None else steps
        self.cut = cut
        self.text = text


def read_response(
    message: Message,
    qname: Name,
    qtype: int,
    cut: Cut,
    server: Address,
    mono: float,
    port: int,
    budget: Budget | None = None,
) -> Reading:
    """Read the answer of one of `cut`'s servers. The caller has matched ID and question; `port` is where glue listens.

    `budget`: whose limits hold, and where they are counted when reached.
    """
    budget = Budget() if budget is None else budget
    rcode = message.rcode
    if rcode not in (t.NOERROR, t.NXDOMAIN, t.YXDOMAIN):
        return Reading(Shape.UNHELPFUL, text=_RCODES.get(rcode, f"RCODE {rcode}"))
    zone = cut.zone
    authoritative = bool(message.flags & t.AA) or cut.forward
    recursive = bool(message.flags & t.RA)
    if message.answer:
        steps = _direct(message, qname, qtype, zone, server, budget) or _chain(message, qname, qtype, zone, server, budget)
        if steps:
            for step in steps:
                if not _has_room(step.rrsets, budget):
                    return Reading(Shape.EXCESSIVE, text=budget.limits.text(RECORDS_PER_SET))
            # A server that did not set AA but offers recursion answered from its cache: it is no authority.
            doubt = "answers from a cache" if not authoritative and recursive else ""
            return Reading(Shape.STEPS, steps, text=doubt, additional=message.additional)
    authority = _within(message.authority, zone)
    soa = _soa_of(authority, qname)
    if rcode != t.NXDOMAIN and soa is None and not cut.forward:
        delegation = _delegation(authority, qname, zone)
        if delegation is not None:
            below = _referral(message, delegation, authority, cut, mono, port, budget)
            if below.ds is not None and not _has_room([below.ds], budget):
                return Reading(Shape.EXCESSIVE, text=budget.limits.text(RECORDS_PER_SET))
            return Reading(Shape.REFERRAL, cut=below)
    if rcode == t.YXDOMAIN:
        # RFC 6672 §2.2 has it for a DNAME that leads too far, and there is none.
        return Reading(Shape.UNHELPFUL, text="YXDOMAIN without DNAME")
    if not authoritative and not recursive and rcode == t.NOERROR and not message.authority:
        # Neither data nor SOA nor a referral: some servers deny a type so.
        step = Step(qname, qtype, Kind.NODATA, [], [], zone, server)
        return Reading(Shape.STEPS, [step], text="not authoritative, nothing said")
    if not authoritative and (recursive or soa is None):
        return Reading(Shape.LAME, text="refers upwards" if message.authority else "not authoritative")
    if soa is not None and qtype == t.DS and soa.name == qname and qname != zone:
        # RFC 4035 §3.1.4.1: a DS is the parent's to answer; this is the child speaking.
        return Reading(Shape.UNHELPFUL, text="answers DS for the child side")
    kind = Kind.NXDOMAIN if rcode == t.NXDOMAIN else Kind.NODATA
    step = Step(qname, qtype, kind, [], _proofs(authority, budget), zone, server)
    return Reading(Shape.STEPS, [step], text="answers another question" if message.answer and soa is None else "")


def _within(section: list[RRset], zone: Name) -> list[RRset]:
    """What counts of an authority section: records in class IN within the bailiwick."""
    return [rrset for rrset in section if rrset.rclass == t.IN and is_subdomain(rrset.name, zone)]


def _has_room(rrsets: list[RRset], budget: Budget) -> bool:
    """Whether so many records, signatures with them, are taken: of one set, for ANY of all at the name (CVE-2024-1737)."""
    wanted = 0
    for rrset in rrsets:
        wanted += len(rrset.rdatas) + len(rrset.sigs)
    return wanted <= RECORDS_PER_SET.value or wanted <= budget.ceiling(RECORDS_PER_SET, wanted)


def _direct(message: Message, qname: Name, qtype: int, zone: Name, server: Address, budget: Budget) -> list[Step] | None:
    """The step of an answer section that holds the set asked for and nothing else, as most do: `_chain` would find the
    same. None when there is more to it.
    """
    if len(message.answer) != 1:
        return None
    rrset = message.answer[0]
    if rrset.rtype != qtype or rrset.name != qname or rrset.rclass != t.IN or not rrset.rdatas:
        return None
    if qtype == t.ANY or qtype == t.RRSIG or not is_subdomain(qname, zone):
        return None
    proofs = _NO_PROOFS
    for other in message.authority:
        if other.rtype in _PROOF_TYPES:
            proofs = _proofs(_within(message.authority, zone), budget)
            break
    rrset.name = qname  # the same name, once in memory
    return [Step(qname, qtype, Kind.ANSWER, [rrset], proofs, zone, server)]


def _chain(message: Message, qname: Name, qtype: int, zone: Name, server: Address, budget: Budget) -> list[Step]:
    """The steps that the answer section holds, from the question on, as far as the zone's bailiwick reaches."""
    sets: dict[tuple[Name, int], RRset] = {}
    dnames: list[RRset] = []
    for rrset in message.answer:
        if rrset.rclass == t.IN and is_subdomain(rrset.name, zone):
            sets[rrset.name, rrset.rtype] = rrset
            if rrset.rtype == t.DNAME and rrset.rdatas:
                dnames.append(rrset)
    authority = _within(message.authority, zone)
    proofs = _proofs(authority, budget)
    steps: list[Step] = []
    seen: set[Name] = set()
    name: Name | None = qname
    while name is not None and name not in seen and is_subdomain(name, zone):
        if len(steps) > budget.ceiling(CHAIN, len(steps)):
            break
        seen.add(name)
        # RFC 6672 §2.3: nothing stands below a DNAME; a CNAME there, even if asked for, is made from it.
        redirected = any(is_strict_subdomain(name, dname.name) for dname in dnames)
        data = [] if redirected else _data(message, sets, name, qtype)
        if data:
            steps.append(Step(name, qtype, Kind.ANSWER, data, proofs, zone, server))
            return steps
        alias = _alias(sets, dnames, name, qtype, proofs, zone, server)
        if alias is None:
            break
        steps.append(alias)
        name = alias.target
    # RFC 2308 §2.1: after aliases, the RCODE and the SOA speak of the last name.
    if steps and name is not None and name not in seen.difference((name,)) and is_subdomain(name, zone):
        soa = _soa_of(authority, name)
        if soa is not None and not (qtype == t.DS and soa.name == name):
            kind = Kind.NXDOMAIN if message.rcode == t.NXDOMAIN else Kind.NODATA
            steps.append(Step(name, qtype, kind, [], proofs, zone, server))
    return steps


def _data(message: Message, sets: dict[tuple[Name, int], RRset], name: Name, qtype: int) -> list[RRset]:
    """The RRsets at `name` that answer `qtype`."""
    if qtype == t.ANY:
        return [r for r in message.answer if r.name == name and r.rclass == t.IN and r.rdatas]
    if qtype == t.RRSIG:
        # The reader keeps signatures with the sets that they cover; here they are the data.
        signed = [r for r in message.answer if r.name == name and r.rclass == t.IN and r.sigs]
        sigs = [sig for r in signed for sig in r.sigs]
        return [RRset(name, t.RRSIG, min(r.ttl for r in signed), sigs)] if sigs else []
    rrset = sets.get((name, qtype))
    return [rrset] if rrset is not None and rrset.rdatas else []


def _alias(
    sets: dict[tuple[Name, int], RRset],
    dnames: list[RRset],
    name: Name,
    qtype: int,
    proofs: list[RRset],
    zone: Name,
    server: Address,
) -> Step | None:
    """The DNAME above `name` or the CNAME at it. A CNAME synthesised from a DNAME is left out: we make our own."""
    for rrset in dnames:
        if is_strict_subdomain(name, rrset.name):
            target = replace_suffix(name, rrset.name, rrset.rdatas[0])
            return Step(name, qtype, Kind.DNAME, [rrset], proofs, zone, server, target)
    cname = sets.get((name, t.CNAME))
    if cname is not None and cname.rdatas:
        return Step(name, qtype, Kind.CNAME, [cname], proofs, zone, server, cname.rdatas[0])
    return None


def _proofs(authority: list[RRset], budget: Budget) -> list[RRset]:
    """SOA and denial records, no more than any proof looks at (CVE-2026-11605): nobody looks at an unsigned zone's.

    Sets with too many records are left out; what they should have proven is then not proven.
    """
    found = [rrset for rrset in authority if rrset.rtype in _PROOF_TYPES and rrset.rdatas][:MAX_PROOF_SETS]
    return [rrset for rrset in found if _has_room([rrset], budget)]


def _soa_of(authority: list[RRset], name: Name) -> RRset | None:
    """The SOA that a denial about `name` carries: of a zone at or above it."""
    for rrset in authority:
        if rrset.rtype == t.SOA and rrset.rdatas and is_subdomain(name, rrset.name):
            return rrset
    return None


def _delegation(authority: list[RRset], qname: Name, zone: Name) -> RRset | None:
    """The NS set of a zone strictly below the asked one and at or above the name: a step forward."""
    for rrset in authority:
        if (
            rrset.rtype == t.NS
            and rrset.rdatas
            and is_strict_subdomain(rrset.name, zone)
            and is_subdomain(qname, rrset.name)
        ):
            return rrset
    return None


def _referral(message: Message, ns: RRset, authority: list[RRset], cut: Cut, mono: float, port: int, budget: Budget) -> Cut:
    """The cut that a referral shows."""
    ds = None
    denial: list[RRset] = []
    ttl = ns.ttl
    for rrset in authority:
        if rrset.rtype == t.DS and rrset.name == ns.name and rrset.rdatas:
            ds = rrset
    if ds is not None:
        ttl = min(ttl, ds.ttl)
    else:
        denial = [rrset for rrset in _proofs(authority, budget) if rrset.rtype != t.SOA]
    for rrset in denial:
        ttl = min(ttl, rrset.ttl)
    servers = servers_of(ns, message.additional, cut.zone, port, budget)
    return Cut(ns.name, cut.zone, servers, mono + ttl, ds, denial)


def servers_of(ns: RRset, additional: list[RRset], zone: Name, port: int, budget: Budget) -> dict[Name, list[Address]]:
    """Name servers with their glue: A and AAAA in the additional section, owned by one of them and within `zone`."""
    most = budget.ceiling(NS_PER_CUT, len(ns.rdatas))
    servers: dict[Name, list[Address]] = {name: [] for name in ns.rdatas[:most]}
    total = 0
    for rrset in additional:
        if rrset.rtype == t.A or rrset.rtype == t.AAAA:
            known = servers.get(rrset.name)
            if known is not None and rrset.rclass == t.IN and is_subdomain(rrset.name, zone):
                room = budget.ceiling(ADDRESSES_PER_NS, len(known) + len(rrset.rdatas)) - len(known)
                wanted = min(room, len(rrset.rdatas))
                wanted = min(wanted, budget.ceiling(ADDRESSES_PER_CUT, total + wanted) - total)
                total += wanted
                known.extend([address_of(rdata, port) for rdata in rrset.rdatas[:wanted]])
    return servers


_RCODES = {t.FORMERR: "FORMERR", t.SERVFAIL: "SERVFAIL", t.NOTIMP: "NOTIMP", t.REFUSED: "REFUSED", t.NOTAUTH: "NOTAUTH"}
