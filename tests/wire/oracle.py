"""dnspython's view of a packet beside ours, and the listed reasons for which they may differ.

Two views are *the same* when header, question, OPT and, section by section, the RRsets agree: owner, type, class, TTL, set
of canonical RDATA, set of RRSIGs. `explain` says what became of a packet: the same, refused by both, or the name of the one
entry of `REASONS` that accounts for the difference. A difference without a reason is an AssertionError.
"""

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import dns.edns
import dns.exception
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from wire import types as t
from wire.composer import compose
from wire.message import Message
from wire.rdata import CHARACTER_STRINGS, IN_ONLY, LAYOUTS, Nsec3, nsec_parts
from wire.reader import FormError, read

# dnspython loads its classes when a type is first seen; seen first in class ANY, a type of class IN stays generic for good.
dns.rdata.load_all_types(disable_dynamic_load=False)

Key = tuple[bytes, int, int]
Section = dict[Key, tuple[int, frozenset[bytes], frozenset[bytes]]]

_ABSENT: tuple[int, frozenset[bytes], frozenset[bytes]] = (-1, frozenset(), frozenset())

SAME = "same"
BOTH_REFUSE = "both refuse"

UPDATE = 5
"""The opcode of RFC 2136."""


@dataclass(frozen=True)
class View:
    """What a reader saw."""

    head: tuple[int, int]
    question: Key | None
    sections: tuple[Section, ...]
    edns: tuple[int, int, int, int, tuple[tuple[int, bytes], ...]] | None


@dataclass(frozen=True)
class Case:
    """A packet, and what the two readers made of it: a view or an error each."""

    wire: bytes
    ours: View | None
    error: str
    theirs: View | None
    exception: Exception | None

    @property
    def opcode(self) -> int:
        return self.wire[2] >> 3 & 15

    def our_records(self) -> list[tuple[Key, bytes]]:
        """Every record we read, RRSIGs as such."""
        out: list[tuple[Key, bytes]] = []
        for section in self.ours.sections if self.ours else ():
            for (owner, rtype, rclass), (_, rdatas, sigs) in section.items():
                out += [((owner, rtype, rclass), rdata) for rdata in rdatas]
                out += [((owner, t.RRSIG, rclass), rdata) for rdata in sigs]
        return out

    def differing(self) -> list[tuple[Key, bool]]:
        """Keys of RRsets that differ; whether both have as many records of them."""
        assert self.ours is not None
        assert self.theirs is not None
        out = []
        for mine, other in zip(self.ours.sections, self.theirs.sections, strict=True):
            for key in mine.keys() | other.keys():
                left, right = mine.get(key, _ABSENT), other.get(key, _ABSENT)
                if left != right:
                    out.append((key, left[0] == right[0] and len(left[1]) == len(right[1])))
        return out


def our_view(message: Message) -> View:
    """A message of ours."""
    # dnspython does not keep a TSIG's TTL.
    sections = tuple(
        {
            (r.name, r.rtype, r.rclass): (0 if r.rtype == t.TSIG else r.ttl, frozenset(r.rdatas), frozenset(r.sigs))
            for r in section
        }
        for section in (message.answer, message.authority, message.additional)
    )
    question = (message.qname, message.qtype, message.qclass) if message.has_question else None
    opt = message.edns
    edns = None if opt is None else (opt.payload, opt.version, opt.extended_rcode, opt.flags, tuple(opt.options))
    return View((message.id, message.flags), question, sections, edns)


def their_view(message: dns.message.Message) -> View:
    """A message of dnspython's, read with one record in each RRset (its RRsets of singleton types keep only the last)."""
    sections = [_section(section) for section in message.sections[1:4]]
    if message.tsig is not None:
        key = (message.tsig.name.to_digestable(), t.TSIG, t.CLASS_ANY)
        sections[2][key] = (0, frozenset(rd.to_digestable() for rd in message.tsig), frozenset())
    asked = message.sections[0]
    question = (asked[0].name.to_digestable(), int(asked[0].rdtype), int(asked[0].rdclass)) if asked else None
    edns = None
    if message.opt is not None:
        options = tuple((int(option.otype), option.to_wire() or b"") for option in message.options)
        edns = (message.payload, message.edns, message.opt.ttl >> 24, message.ednsflags & 0xFFFF, options)
    return View((message.id, int(message.flags)), question, tuple(sections), edns)


def _section(rrsets: Iterable[dns.rrset.RRset]) -> Section:
    found: dict[Key, tuple[int, set[bytes], set[bytes]]] = {}
    for rrset in rrsets:
        if rrset.rdtype == t.OPT:
            continue
        covered = int(rrset.covers) if rrset.rdtype == t.RRSIG else int(rrset.rdtype)
        # dnspython tells the classes ANY and NONE of a dynamic update as `deleting`.
        rclass = int(rrset.rdclass if rrset.deleting is None else rrset.deleting)
        ttl, rdatas, sigs = found.setdefault((rrset.name.to_digestable(), covered, rclass), (rrset.ttl, set(), set()))
        target = sigs if rrset.rdtype == t.RRSIG else rdatas
        target.update([rdata.to_digestable() for rdata in rrset] or [b""])
        found[rrset.name.to_digestable(), covered, rclass] = (min(ttl, rrset.ttl), rdatas, sigs)
    return {key: (ttl, frozenset(rdatas), frozenset(sigs)) for key, (ttl, rdatas, sigs) in found.items()}


def view(wire: bytes) -> Case:
    """Let both read a packet. Anything but a FormError of ours is a crash and propagates."""
    ours = theirs = exception = None
    error = ""
    try:
        ours = our_view(read(wire))
    except FormError as problem:
        error = str(problem)
    try:
        theirs = their_view(dns.message.from_wire(wire, keyring=False, one_rr_per_rrset=True))
    except (dns.exception.DNSException, ValueError) as problem:
        exception = problem
    return Case(wire, ours, error, theirs, exception)


# --- reasons -----------------------------------------------------------------------------------------------------


class Reason(NamedTuple):
    """A listed difference: its name, why it is right, and the predicate that recognises it."""

    name: str
    why: str
    holds: Callable[[Case], bool]


# The types whose RDATA we read through and through; in all others dnspython may find fault where we see octets.
_READ_THROUGH = frozenset(LAYOUTS) | frozenset((t.A, t.AAAA, t.NAPTR, t.NSEC3, t.NSEC3PARAM)) | CHARACTER_STRINGS
# Types with names in their RDATA for which dnspython has no class: it keeps their octets, pointers and all.
_UNKNOWN_TO_DNSPYTHON = frozenset((t.MD, t.MF, t.MB, t.MG, t.MR, t.MINFO, t.NXT))


def _they_refuse(case: Case, accept: Callable[[Key, bytes], bool]) -> bool:
    """Whether dnspython refuses the RDATA, taken alone, of at least one record we read for which `accept` holds."""
    for key, rdata in case.our_records():
        if accept(key, rdata):
            try:
                dns.rdata.from_wire(key[2], key[1], rdata, 0, len(rdata))
            except (dns.exception.DNSException, ValueError):
                return True
    return False


def _is_opaque(key: Key, _rdata: bytes) -> bool:
    return key[1] not in _READ_THROUGH or (key[2] != t.IN and key[1] in IN_ONLY)


def _refused_option(case: Case) -> bool:
    assert case.ours is not None
    for code, data in case.ours.edns[4] if case.ours.edns else ():
        try:
            dns.edns.option_from_wire(code, data, 0, len(data))
        except (dns.exception.DNSException, ValueError):
            return True
    return False


def _rewritten_options(case: Case) -> bool:
    """OPT alone differs, and every option that does is one that dnspython takes apart and writes anew."""
    left, right = case.ours, case.theirs
    assert left is not None
    assert right is not None
    if left.edns is None or right.edns is None or left.edns[:4] != right.edns[:4]:
        return False
    if (left.head, left.question, left.sections) != (right.head, right.question, right.sections):
        return False
    if [code for code, _ in left.edns[4]] != [code for code, _ in right.edns[4]]:
        return False
    different = [mine for mine, other in zip(left.edns[4], right.edns[4], strict=True) if mine != other]
    parsed = [dns.edns.option_from_wire(code, data, 0, len(data)) for code, data in different]
    return not any(isinstance(option, dns.edns.GenericOption) for option in parsed)


def _bitmap_with_zeros(key: Key, rdata: bytes) -> bool:
    if key[1] not in (t.NSEC, t.NSEC3):
        return False
    bitmap = nsec_parts(rdata)[1] if key[1] == t.NSEC else Nsec3(rdata).bitmap
    pos = 0
    while pos < len(bitmap):
        pos += 2 + bitmap[pos + 1]
        if not bitmap[pos - 1]:
            return True
    return False


# We read it, dnspython does not.
THEY_REFUSE = (
    Reason(
        "RDATA opaque to us",
        "The type's inner form is not ours to judge (RFC 3597 §3): digest lengths of DS, tags of CAA, parameters of SVCB.",
        lambda case: _they_refuse(
            case, lambda key, rdata: key[1] not in _READ_THROUGH or (key[2] != t.IN and key[1] in IN_ONLY)
        ),
    ),
    Reason(
        "bit maps with trailing zeros",
        "RFC 4034 §4.1.2 forbids them to the sender; they change nothing that the bit maps say, and are signed.",
        lambda case: _they_refuse(case, _bitmap_with_zeros),
    ),
    Reason(
        "malformed option",
        "An option is octets to the reader; who uses one checks it.",
        _refused_option,
    ),
    Reason(
        "TSIG out of place",
        "We never negotiate TSIG: to us it is a record like others, wherever it stands.",
        lambda case: any(key[1] == t.TSIG for key, _ in case.our_records()),
    ),
    Reason(
        "chain of more than 16 pointers",
        "RFC 1035 §4.1.4 sets no such limit, and a sender that compresses label by label gets there with long names.",
        lambda case: isinstance(case.exception, dns.name.PointerChainTooLong),
    ),
    Reason(
        "dynamic update",
        "dnspython reads updates by their own rules (RFC 2136); we answer NOTIMP to the opcode alone.",
        lambda case: case.opcode == UPDATE,
    ),
)

# dnspython reads it, we do not.
WE_REFUSE = (
    Reason(
        "more than one question",
        "RFC 9619 §4.",
        lambda case: case.error == "more than one question" and int.from_bytes(case.wire[4:6], "big") > 1,
    ),
    Reason(
        "pointer into the header",
        "The header holds no name (RFC 1035 §4.1.4: a prior occurrence of a name).",
        lambda case: "backwards" in case.error and any(bytes((0xC0, low)) in case.wire for low in range(12)),
    ),
    Reason(
        "dynamic update",
        "Its empty RDATA stands for deletion (RFC 2136 §2.5); we answer NOTIMP to the opcode alone.",
        lambda case: case.opcode == UPDATE,
    ),
    Reason(
        "type without a class in dnspython",
        "We read the names in the RDATA of all types of RFC 1035 and RFC 4034 §6.2; dnspython keeps some as octets.",
        lambda case: any(key[1] in _UNKNOWN_TO_DNSPYTHON for section in case.theirs.sections for key in section),
    ),
)

# Both read it, differently.
CONTENT = (
    Reason(
        "type without a class in dnspython",
        "We expand and lower-case the names in all types of RFC 1035 and RFC 4034 §6.2; dnspython keeps some as octets.",
        lambda case: (
            all(key[1] in _UNKNOWN_TO_DNSPYTHON and alike for key, alike in case.differing()) and bool(case.differing())
        ),
    ),
    Reason(
        "dynamic update",
        "A deletion (RFC 2136 §2.5) has no RDATA; dnspython drops its TTL as well.",
        lambda case: case.opcode == UPDATE and all(key[2] in (t.CLASS_ANY, t.CLASS_NONE) for key, _ in case.differing()),
    ),
    Reason(
        "address of class CHAOS",
        "dnspython knows that class's own A, a name and a number (RFC 1035 §3.4.1 is about IN alone); to us it is octets.",
        lambda case: all(key[1:] == (t.A, t.CH) and alike for key, alike in case.differing()) and bool(case.differing()),
    ),
    Reason(
        "empty ISDN sub-address",
        "dnspython takes an empty sub-address (RFC 1183 §3.2) for none and does not write it; we keep the octets.",
        lambda case: all(key[1] == t.ISDN and alike for key, alike in case.differing()) and bool(case.differing()),
    ),
    Reason(
        "option written anew",
        "dnspython takes some options apart and does not keep their octets; we do.",
        _rewritten_options,
    ),
)


REASONS = THEY_REFUSE + WE_REFUSE + CONTENT


def listed_for(case: Case) -> tuple[Reason, ...]:
    """The reasons that may account for a difference of this kind."""
    return WE_REFUSE if case.ours is None else THEY_REFUSE if case.theirs is None else CONTENT


def explain(case: Case) -> str:
    """`SAME`, `BOTH_REFUSE` or the name of the reason for the difference.

    Raises:
        AssertionError: the readers differ, and no listed reason accounts for it.
    """
    if case.ours is None and case.theirs is None:
        return BOTH_REFUSE
    if case.ours is not None and case.ours == case.theirs:
        return SAME
    for reason in listed_for(case):
        if reason.holds(case):
            return reason.name
    raise AssertionError(_report(case))


def _report(case: Case) -> str:
    lines = [f"unexplained difference in {case.wire.hex()}"]
    if case.ours is None:
        lines.append(f"we refuse: {case.error}; dnspython reads {case.theirs}")
    elif case.theirs is None:
        lines.append(f"we read {case.ours}; dnspython refuses:")
        lines += traceback.format_exception(case.exception)
    else:
        lines += [f"we read {case.ours}", f"dnspython reads {case.theirs}", f"differing: {case.differing()}"]
    return "\n".join(lines)


# --- composing again ---------------------------------------------------------------------------------------------


def recomposed(message: Message, max_size: int = 65535) -> bytes:
    """The message written by our composer, each set with its own TTL."""
    question = (message.qname_raw, message.qtype, message.qclass) if message.has_question else None
    answer, authority, additional = (
        [(rrset, rrset.ttl) for rrset in section] for section in (message.answer, message.authority, message.additional)
    )
    return compose(message.id, message.flags, question, answer, authority, additional, message.edns, max_size=max_size)


def same_message(left: Message, right: Message) -> bool:
    """Whether two messages of ours are equal in everything, the order of RRsets, RDATA and signatures included."""

    def everything(message: Message) -> object:
        sections = [
            [(rrset.name, rrset.rtype, rrset.rclass, rrset.ttl, rrset.rdatas, rrset.sigs) for rrset in section]
            for section in (message.answer, message.authority, message.additional)
        ]
        return our_view(message), message.has_question, message.qname_raw, sections

    return everything(left) == everything(right)
