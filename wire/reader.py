"""Bytes → Message, strictly and within bounds.

Theory: one pass over the packet. Owner names are remembered by offset, so a compression pointer is usually one
dictionary look-up; each octet of the packet is decoded as a name at most once, which bounds the work by the packet's size.
RRs are gathered into RRsets as they come; an RRSIG joins the set that it covers.

What is refused: a pointer that does not point backwards to a name (or into the header), a label type other than 00 and
11, a name over 255 octets, any length that leaves the packet or the RDATA, a pointer in the RDATA of a type that may not be
compressed (RFC 3597 §4), two OPT records or one outside the additional section or not owned by the root, more than one
question (RFC 9619), octets after the last record.

Limitations: RDATA of types without a layout in `wire.rdata` is not looked into (RFC 3597 §3). A record in a class other
than IN is kept under its own class.

RFC 1035 §4, RFC 2181 §5 and §8, RFC 3597, RFC 6891 §6.1, RFC 9619.
"""

import struct
from typing import Final

from wire import types as t
from wire.edns import Edns, parse_options
from wire.message import Message
from wire.name import ROOT, Name
from wire.rdata import CHARACTER_STRINGS, FIXED, LAYOUTS, MINIMUM, Layout, bitmap_is_sound
from wire.rrset import RRset

_HEADER: Final = struct.Struct("!6H")
_QUESTION: Final = struct.Struct("!HH")
_RR: Final = struct.Struct("!HHIH")

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
    message, pos, names, counts = _read_head(wire)
    try:
        for section, count in zip((message.answer, message.authority), counts, strict=False):
            if count:
                pos = _read_section(wire, pos, count, section, names, None)
        if counts[2]:
            pos = _read_section(wire, pos, counts[2], message.additional, names, message)
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
    ident, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    message = Message(ident, flags)
    names: Names = {}
    pos = 12
    if questions:
        if questions > 1:
            raise FormError("more than one question", message)  # RFC 9619 §4
        try:
            # A question stands first, so its name cannot be compressed: it is also its original case.
            message.qname, pos = _read_name(wire, 12, names)
            message.qname_raw = wire[12:pos]
            message.qtype, message.qclass = _QUESTION.unpack_from(wire, pos)
        except (IndexError, struct.error):
            raise FormError("question cut short", message) from None
        except FormError as error:
            error.message = message
            raise
        message.has_question = True
        pos += 4
    return message, pos, names, (answers, authorities, additionals)


def _read_section(wire: bytes, pos: int, count: int, section: list[RRset], names: Names, message: Message | None) -> int:
    """Read `count` records at `pos` into `section`; `message` is given for the additional section, where OPT may be."""
    sets: dict[tuple[Name, int, int], RRset] = {}
    size = len(wire)
    unpack = _RR.unpack_from
    known = names.get
    for _ in range(count):
        first = wire[pos]
        if first >= 0xC0:
            owner = known((first & 0x3F) << 8 | wire[pos + 1])
            if owner is None:
                owner, pos = _read_name(wire, pos, names)
            else:
                pos += 2
        elif first:
            owner, pos = _read_name(wire, pos, names)
        else:
            owner = ROOT
            pos += 1
        rtype, rclass, ttl, length = unpack(wire, pos)
        pos += 10
        end = pos + length
        if end > size:
            raise FormError("record longer than the message")
        if rtype == t.OPT:
            _read_opt(message, owner, rclass, ttl, wire[pos:end])
            pos = end
            continue
        rdata = _read_rdata(wire, pos, end, rtype, names)
        pos = end
        if ttl > 0x7FFFFFFF:
            ttl = 0  # RFC 2181 §8
        if rtype == t.RRSIG:
            covered = rdata[0] << 8 | rdata[1]
            rrset = sets.get((owner, covered, rclass))
            if rrset is None:
                rrset = RRset(owner, covered, ttl, [], [rdata], rclass)
                sets[owner, covered, rclass] = rrset
                section.append(rrset)
            else:
                rrset.sigs.append(rdata)
                if ttl < rrset.ttl:
                    rrset.ttl = ttl
        else:
            rrset = sets.get((owner, rtype, rclass))
            if rrset is None:
                rrset = RRset(owner, rtype, ttl, [rdata], None, rclass)
                sets[owner, rtype, rclass] = rrset
                section.append(rrset)
            else:
                rrset.rdatas.append(rdata)
                if ttl < rrset.ttl:
                    rrset.ttl = ttl  # RFC 2181 §5.2: differing TTLs, treat as the least
    for rrset in section:
        # RFC 2181 §5: a set has no duplicates.
        if len(rrset.rdatas) > 1:
            rrset.rdatas = list(dict.fromkeys(rrset.rdatas))
        if len(rrset.sigs) > 1:
            rrset.sigs = list(dict.fromkeys(rrset.sigs))
    return pos


def _read_name(wire: bytes, pos: int, names: Names) -> tuple[Name, int]:
    """The name at `pos` and the offset after it. Remembers every label's offset it decoded."""
    starts: list[tuple[int, int]] = []  # (offset in the packet, offset in the name)
    out = b""
    after = 0
    limit = pos  # a pointer must lead to before the piece of name that it ends
    while True:
        length = wire[pos]
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | wire[pos + 1]
            if not after:
                after = pos + 2
            if target >= limit or target < 12:
                raise FormError("compression pointer does not point backwards")
            known = names.get(target)
            if known is not None:
                out += known
                break
            pos = limit = target
        elif length >= 0x40:
            raise FormError("unknown label type")
        elif length:
            starts.append((pos, len(out)))
            nxt = pos + length + 1
            out += wire[pos:nxt]
            pos = nxt
            if len(out) > 254:
                raise FormError("name over 255 octets")
        else:
            out += b"\0"
            pos += 1
            break
    if len(out) > 255:
        raise FormError("name over 255 octets")
    out = out.lower()
    # A label that runs over the packet's end is caught by the next read of an octet there, which always follows.
    for at, offset in starts:
        names[at] = out[offset:]
    return out, after or pos


def _plain_name_end(wire: bytes, pos: int, end: int) -> int:
    """The offset after the uncompressed name at `pos`, which must end by `end`."""
    start = pos
    while True:
        if pos >= end:
            raise FormError("name leaves its RDATA")
        length = wire[pos]
        pos += length + 1
        if not length:
            break
        if length > 63:
            raise FormError("compressed name where none may be")
    if pos - start > 255:
        raise FormError("name over 255 octets")
    if pos > end:
        raise FormError("name leaves its RDATA")
    return pos


def _read_rdata(wire: bytes, pos: int, end: int, rtype: int, names: Names) -> bytes:
    """The canonical RDATA of one record (RFC 4034 §6.2) whose octets are wire[pos:end]."""
    if rtype == t.A or rtype == t.AAAA:
        if end - pos != FIXED[rtype]:
            raise FormError("address of a wrong length")
        return wire[pos:end]
    layout = LAYOUTS.get(rtype)
    if layout is None:
        rdata = wire[pos:end]
        if rtype in MINIMUM or rtype in CHARACTER_STRINGS or rtype == t.NAPTR:
            return _checked(rdata, rtype, wire, pos, end, names)
        return rdata
    if not layout.compressed:
        after = _plain_name_end(wire, pos + layout.prefix, end)
        if layout.tail is not None and end - after != layout.tail:
            raise FormError("RDATA of a wrong length")
        rdata = wire[pos:end]
        if rtype == t.NSEC:
            if not bitmap_is_sound(wire[after:end]):
                raise FormError("malformed type bit maps")
            return rdata
        name = wire[pos + layout.prefix : after]
        lowered = name.lower()
        return rdata if lowered == name else rdata[: layout.prefix] + lowered + wire[after:end]
    return _decompressed(wire, pos, end, layout, names)


def _decompressed(wire: bytes, pos: int, end: int, layout: Layout, names: Names) -> bytes:
    """RDATA of a type whose names may be compressed."""
    start = pos
    pos += layout.prefix
    out = wire[start:pos]
    for _ in range(layout.names):
        if pos >= end:
            raise FormError("name leaves its RDATA")
        name, pos = _read_name(wire, pos, names)
        out += name
    if pos > end or (layout.tail is not None and end - pos != layout.tail):
        raise FormError("RDATA of a wrong length")
    return out + wire[pos:end] if pos < end else out


def _checked(rdata: bytes, rtype: int, wire: bytes, pos: int, end: int, names: Names) -> bytes:
    """RDATA without a layout whose inner lengths are known."""
    if rtype in CHARACTER_STRINGS:
        at, count = 0, 0
        while at < len(rdata):
            at += rdata[at] + 1
            count += 1
        if at != len(rdata) or not count or (rtype == t.HINFO and count != 2):
            raise FormError("malformed character-strings")
        return rdata
    if rtype == t.NAPTR:
        # order (2), preference (2), flags, services, regexp: three character-strings, then a name
        at = pos + 4
        for _ in range(3):
            if at >= end:
                raise FormError("RDATA of a wrong length")
            at += wire[at] + 1
        return _decompressed(wire, pos, end, Layout(at - pos, 1, 0, True, False), names)
    if len(rdata) < MINIMUM[rtype]:
        raise FormError("RDATA of a wrong length")
    if rtype == t.NSEC3 or rtype == t.NSEC3PARAM:
        after_salt = 5 + rdata[4]
        if rtype == t.NSEC3PARAM:
            if after_salt != len(rdata):
                raise FormError("RDATA of a wrong length")
            return rdata
        if after_salt >= len(rdata):
            raise FormError("RDATA of a wrong length")
        after_hash = after_salt + 1 + rdata[after_salt]
        if after_hash > len(rdata) or not rdata[after_salt] or not bitmap_is_sound(rdata[after_hash:]):
            raise FormError("malformed NSEC3")
    return rdata


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
