"""Bytes → Message, strictly and within bounds.

Theory: one pass over the packet. The offsets at which names begin are remembered, so a compression pointer is usually one
dictionary look-up; where it leads elsewhere, the labels there are followed once and remembered too. RRs are gathered into
RRsets as they come; an RRSIG joins the set that it covers.

Work is linear in the packet's size: a record is looked at once; a name costs at most 127 labels and 255 octets; where a
pointer led is remembered, so a chain of pointers is paid for once, not once per record that points to it.

What is refused: a pointer that does not lead to a name wholly before the one it stands in, or that leads into the header;
a label type other than 00 and 11; a name over 255 octets; any length that leaves the packet or the RDATA; a pointer in the
RDATA of a type that may not be compressed (RFC 3597 §4); malformed RDATA where the form is known (addresses,
character-strings, type bit maps, the lengths inside NSEC3); two OPT records, or one outside the additional section or not
owned by the root; more than one question (RFC 9619); octets after the last record.

Limitations: RDATA of types without a layout in `wire.rdata` is not looked into (RFC 3597 §3), nor that of types which are
defined for class IN alone when the class is another one. A record in a class other than IN is kept under its own class.
Dynamic updates, where empty RDATA stands for deletion (RFC 2136 §2.5), are refused as malformed.

RFC 1035 §4, RFC 2181 §5 and §8, RFC 3597, RFC 6891 §6.1, RFC 9619.
"""

import struct
from typing import Final

from wire import types as t
from wire.edns import Edns, parse_options
from wire.limits import MAX_TTL
from wire.message import Message
from wire.name import ROOT, Name
from wire.rdata import FIXED, IN_ONLY, LAYOUTS, Layout, bitmap_is_sound, form_is_sound
from wire.rrset import RRset

_HEADER: Final = struct.Struct("!6H")
_QUESTION: Final = struct.Struct("!HH")
_RR: Final = struct.Struct("!HHIH")
_POINTED_RR: Final = struct.Struct("!HHHIH")
_NAME: Final = LAYOUTS[t.NS]
_FEW: Final = 8
"""Sets in a section up to which looking at each is cheaper than a dictionary."""

Names = dict[int, Name]
"""Offsets in the packet at which a name is known to begin, with the name."""


class FormError(Exception):
    """The packet is not a DNS message. `message` holds the header and question when those were readable."""

    def __init__(self, why: str, message: Message | None = None) -> None:
        super().__init__(why)
        self.message = message


def read(wire: bytes) -> Message:
    """Read a whole message.

    Raises:
        FormError: as the module says; `.message` is set when header and question were sound.
    """
    message, pos, names, (answers, authorities, additionals) = _read_head(wire)
    try:
        if answers:
            pos = _read_section(wire, pos, answers, message.answer, names, None)
        if authorities:
            pos = _read_section(wire, pos, authorities, message.authority, names, None)
        if additionals:
            pos = _read_section(wire, pos, additionals, message.additional, names, message)
    except (IndexError, struct.error):
        raise FormError("message cut short", message) from None
    except FormError as error:
        error.message = message
        raise
    if pos != len(wire):
        raise FormError(f"{len(wire) - pos} octets after the last record", message)
    return message


def read_head(wire: bytes) -> Message:
    """Read header and question only: enough to match an answer or to refuse a query.

    Raises:
        FormError: header or question malformed; `.message` is set when the header was readable.
    """
    return _read_head(wire)[0]


def _read_head(wire: bytes) -> tuple[Message, int, Names, tuple[int, int, int]]:
    if len(wire) < 12:
        raise FormError("shorter than a header")
    ident: int
    flags: int
    questions: int
    answers: int
    authorities: int
    additionals: int
    ident, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    message = Message(ident, flags)
    names: Names = {}
    pos = 12
    if questions:
        if questions > 1:
            raise FormError("more than one question", message)  # RFC 9619 §4
        try:
            # A question stands first, so its name cannot be compressed: it is also its original case.
            qname, pos = _read_name(wire, 12, names)
            message.qname = qname
            message.qname_raw = wire[12:pos]
            message.qtype, message.qclass = _QUESTION.unpack_from(wire, pos)
        except (IndexError, struct.error):
            raise FormError("question cut short", message) from None
        except FormError as error:
            error.message = message
            raise
        message.has_question = True
        # Most owner names are ancestors of the name in question.
        at = qname[0] + 13
        while at < pos - 1:
            names[at] = qname[at - 12 :]
            at += wire[at] + 1
        pos += 4
    return message, pos, names, (answers, authorities, additionals)


def _read_section(wire: bytes, pos: int, count: int, section: list[RRset], names: Names, message: Message | None) -> int:
    """Read `count` records at `pos` into `section`; `message` is given for the additional section, where OPT may be."""
    sets: dict[tuple[Name, int, int], RRset] | None = None  # where there are more than a few
    rrset: RRset | None = None  # the one that the last record joined; often the next one does too
    several = False  # whether some set has more than one record, or signature: else there are no duplicates
    size = len(wire)
    # What `unpack_from` gives could be anything: said here, the compiled core knows better.
    pointer: int
    rtype: int
    rclass: int
    ttl: int
    length: int
    for _ in range(count):
        first = wire[pos]
        if first >= 0xC0:
            pointer, rtype, rclass, ttl, length = _POINTED_RR.unpack_from(wire, pos)
            known = names.get(pointer & 0x3FFF)
            owner = _read_name(wire, pos, names)[0] if known is None else known
            pos += 12
        else:
            if first:
                owner, pos = _read_name(wire, pos, names)
            else:
                owner = ROOT
                pos += 1
            rtype, rclass, ttl, length = _RR.unpack_from(wire, pos)
            pos += 10
        end = pos + length
        if end > size:
            raise FormError("record longer than the message")
        if rtype == t.RRSIG:
            rdata = _read_rrsig(wire, pos, end)
            set_type = rdata[0] << 8 | rdata[1]
        elif rtype == t.OPT:
            _read_opt(message, owner, rclass, ttl, wire[pos:end])
            pos = end
            continue
        else:
            rdata = _read_rdata(wire, pos, end, rtype, rclass, names)
            set_type = rtype
        pos = end
        if ttl > MAX_TTL:
            ttl = 0  # RFC 2181 §8
        if rrset is None or set_type != rrset.rtype or owner != rrset.name or rclass != rrset.rclass:
            if sets is None and len(section) > _FEW:
                sets = {(one.name, one.rtype, one.rclass): one for one in section}
            if sets is not None:
                rrset = sets.get((owner, set_type, rclass))
            else:
                rrset = _find(section, owner, set_type, rclass) if section else None
            if rrset is None:
                # Lists made with their first member have no room to spare: a million of them are remembered.
                if rtype == t.RRSIG:
                    rrset = RRset(owner, set_type, ttl, [], [rdata], rclass)
                else:
                    rrset = RRset(owner, set_type, ttl, [rdata], [], rclass)
                section.append(rrset)
                if sets is not None:
                    sets[owner, set_type, rclass] = rrset
                continue
        if rtype == t.RRSIG:
            if rrset.sigs:
                several = True
                rrset.sigs.append(rdata)
            else:
                rrset.sigs = [rdata]
        elif rrset.rdatas:
            several = True
            rrset.rdatas.append(rdata)
        else:
            rrset.rdatas = [rdata]
        if ttl < rrset.ttl:
            rrset.ttl = ttl  # RFC 2181 §5.2: differing TTLs, treat as the least
    if several:
        _drop_duplicates(section)
    return pos


def _find(section: list[RRset], owner: Name, rtype: int, rclass: int) -> RRset | None:
    """The set with this name, type and class."""
    for rrset in section:
        if rrset.rtype == rtype and rrset.rclass == rclass and rrset.name == owner:
            return rrset
    return None


def _drop_duplicates(section: list[RRset]) -> None:
    """RFC 2181 §5: a set has no duplicates."""
    for rrset in section:
        if len(rrset.rdatas) > 1 and len(set(rrset.rdatas)) < len(rrset.rdatas):
            rrset.rdatas = list(dict.fromkeys(rrset.rdatas))
        if len(rrset.sigs) > 1 and len(set(rrset.sigs)) < len(rrset.sigs):
            rrset.sigs = list(dict.fromkeys(rrset.sigs))


def _read_name(wire: bytes, pos: int, names: Names) -> tuple[Name, int]:
    """The name at `pos` and the offset after it. Every name that is not inside another one is read here, in order."""
    start = pos
    while length := wire[pos]:
        if length > 63:
            break
        pos += length + 1
    if not length:
        pos += 1
        name = wire[start:pos].lower()
    elif length >= 0xC0:
        target = (length & 0x3F) << 8 | wire[pos + 1]
        # What is known began and ended before this name, since names are read in order.
        tail = names.get(target)
        if tail is None:
            tail = _follow(wire, target, start, names)
        name = wire[start:pos].lower() + tail
        pos += 2
    else:
        raise FormError("unknown label type")
    if len(name) > 255:
        raise FormError("name over 255 octets")
    names[start] = name
    return name, pos


def _follow(wire: bytes, pos: int, limit: int, names: Names) -> Name:
    """The name at `pos` to which a name that begins at `limit` points; remembers it and the names its labels begin.

    Each piece of a name, up to and with the pointer that ends it, must lie before the piece that points to it: so there
    are no loops and no octet is walked twice for one name.
    """
    pieces: list[tuple[int, int]] = []
    while True:
        if pos >= limit or pos < 12:
            raise FormError("compression pointer does not point backwards")
        start = pos
        while pos < limit and 0 < (length := wire[pos]) < 0x40:
            pos += length + 1
        if pos + (2 if length else 1) > limit:
            raise FormError("compression pointer leads into its own name")
        tail = names.get(start)
        if tail is not None:
            break
        pieces.append((start, pos))
        if not length:
            tail = ROOT
            break
        if length < 0xC0:
            raise FormError("unknown label type")
        pos, limit = (length & 0x3F) << 8 | wire[pos + 1], start
    for start, end in reversed(pieces):
        tail = wire[start:end].lower() + tail
        if len(tail) > 255:
            raise FormError("name over 255 octets")
        names[start] = tail
        pos = start
        while pos < end:
            pos += wire[pos] + 1
            if pos >= end or pos in names:
                break
            names[pos] = tail[pos - start :]
    return tail


def _read_rdata(wire: bytes, pos: int, end: int, rtype: int, rclass: int, names: Names) -> bytes:
    """The canonical RDATA of one record (RFC 4034 §6.2) whose octets are wire[pos:end]."""
    if rtype == t.A or rtype == t.AAAA:
        if rclass == t.IN and end - pos != FIXED[rtype]:
            raise FormError("address of a wrong length")
        return wire[pos:end]
    if rclass != t.IN and rtype in IN_ONLY:
        return wire[pos:end]
    layout = LAYOUTS.get(rtype)
    if layout is _NAME:
        name, after = _read_name(wire, pos, names)
        if after != end:
            raise FormError("name does not fill its RDATA")
        return name
    if layout is not None:
        if not layout.compressed:
            return _read_plain(wire, pos, end, layout)
        return _read_decompressed(wire, pos, end, layout, names)
    if rtype == t.NAPTR:
        return _read_naptr(wire, pos, end, names)
    rdata = wire[pos:end]
    if not form_is_sound(rtype, rdata):
        raise FormError("malformed RDATA")
    return rdata


def _read_rrsig(wire: bytes, pos: int, end: int) -> bytes:
    """RDATA of an RRSIG: eighteen octets, the signer's name, which may not be compressed, the signature."""
    start = after = pos + 18
    while length := wire[after]:
        if length > 63:
            raise FormError("compressed name where none may be")
        after += length + 1
    after += 1
    if after > end:
        raise FormError("name leaves its RDATA")
    if after - start > 255:
        raise FormError("name over 255 octets")
    name = wire[start:after]
    lowered = name.lower()
    return wire[pos:end] if lowered == name else wire[pos:start] + lowered + wire[after:end]


def _read_plain(wire: bytes, pos: int, end: int, layout: Layout) -> bytes:
    """RDATA of a type whose name may not be compressed."""
    prefix, _, tail, _, _, lower = layout
    start = after = pos + prefix
    while length := wire[after]:
        if length > 63:
            raise FormError("compressed name where none may be")
        after += length + 1
    after += 1
    if after > end:
        raise FormError("name leaves its RDATA")
    if after - start > 255:
        raise FormError("name over 255 octets")
    if tail is not None and end - after != tail:
        raise FormError("RDATA of a wrong length")
    rdata = wire[pos:end]
    if lower:
        name = wire[start:after]
        lowered = name.lower()
        return rdata if lowered == name else rdata[:prefix] + lowered + wire[after:end]
    if not bitmap_is_sound(wire[after:end]):  # NSEC
        raise FormError("malformed type bit maps")
    return rdata


def _read_decompressed(wire: bytes, pos: int, end: int, layout: Layout, names: Names) -> bytes:
    """RDATA of a type whose names may be compressed."""
    prefix, count, tail, _, _, _ = layout
    out = wire[pos : pos + prefix]
    pos += prefix
    for _ in range(count):
        name, pos = _read_name(wire, pos, names)
        out += name
    if pos > end:
        raise FormError("name leaves its RDATA")
    if tail is not None and end - pos != tail:
        raise FormError("RDATA of a wrong length")
    return out + wire[pos:end]


def _read_naptr(wire: bytes, pos: int, end: int, names: Names) -> bytes:
    """RFC 3403 §4.1: order (2), preference (2); flags, services, regexp: three character-strings; a name."""
    at = pos + 4
    for _ in range(3):
        if at >= end:
            raise FormError("RDATA of a wrong length")
        at += wire[at] + 1
    if at >= end:
        raise FormError("RDATA of a wrong length")
    name, after = _read_name(wire, at, names)
    if after != end:
        raise FormError("RDATA of a wrong length")
    return wire[pos:at] + name


def _read_opt(message: Message | None, owner: Name, payload: int, ttl: int, rdata: bytes) -> None:
    """RFC 6891 §6.1.1: at most one OPT, in the additional section, owned by the root."""
    if message is None:
        raise FormError("OPT outside the additional section")
    if message.edns is not None:
        raise FormError("more than one OPT")
    if owner != ROOT:
        raise FormError("OPT not owned by the root")
    try:
        options = parse_options(rdata) if rdata else []
    except ValueError as error:
        raise FormError(str(error)) from None
    message.edns = Edns(payload, ttl & 0xFFFF, options, ttl >> 16 & 0xFF, ttl >> 24)
