"""Message parts → bytes, with name compression and truncation at RRset boundaries.

Names of owners and of RDATA in the RFC 1035 types are compressed against every name written before (RFC 1035 §4.1.4,
RFC 3597 §4). An owner equal to the question's name becomes a pointer to the question, so the client's own case comes back.

Truncation (RFC 2181 §9): when an RRset of the answer or authority section does not fit, it and all that follows is left
out and TC is set; additional RRsets that do not fit are left out silently. The OPT record is always there. The texts of
its EDEs give way to the answer and authority sections, which is no truncation; options themselves are dropped only when
not even the bare question fits beside them, and then TC is set (RFC 8914 §3). So no message is longer than asked for,
unless that is less than header, question and the eleven octets of an OPT without options.
"""

import struct
from collections.abc import Iterable
from typing import Final

from wire import types as t
from wire.edns import Edns
from wire.name import Name
from wire.rdata import LAYOUTS, Layout, name_end
from wire.rrset import RRset

_HEADER: Final = struct.Struct("!6H")
_RR_HEAD: Final = struct.Struct("!HHIH")
_POINTED_RR_HEAD: Final = struct.Struct("!HHHIH")
_POINTER: Final = struct.Struct("!H")
_QUESTION: Final = struct.Struct("!HH")

_NAME: Final = LAYOUTS[t.NS]
Section = Iterable[tuple[RRset, int]]
"""RRsets with the TTL in seconds to write (a cache entry's TTL has aged)."""


def compose(
    ident: int,
    flags: int,
    question: tuple[bytes, int, int] | None,
    answer: Section = (),
    authority: Section = (),
    additional: Section = (),
    edns: Edns | None = None,
    *,
    max_size: int = 65535,
    signatures: bool = True,
) -> bytes:
    """A whole message.

    Args:
        ident, flags: the first two header words; the low four bits of the RCODE are in `flags`, the rest in `edns`.
        question: name as it is to appear (case kept), type, class; None for none.
        max_size: octets the message may have; TC is set when answer or authority had to be cut.
        signatures: whether the RRSIGs of the sets are written too.
    """
    # A list of pieces and their size so far: joined at the end, once.
    out: list[bytes] = [b""]  # in the place of the header, which comes last
    size = 12
    offsets: dict[Name, int] = {}
    if question is not None:
        qname, qtype, qclass = question
        _remember(offsets, qname.lower(), 12)
        out.append(qname)
        out.append(_QUESTION.pack(qtype, qclass))
        size += len(qname) + 4
    opt = b"" if edns is None else edns.to_wire()
    room = max_size - len(opt)
    if edns is not None and edns.options:
        room += edns.text_size
    counts = [0, 0, 0]
    truncated = False
    for index, section in enumerate((answer, authority, additional)):
        limit = room if index < 2 else max_size - len(opt)
        for rrset, ttl in section:
            pieces = len(out)
            grown = _write_rrset(out, size, offsets, rrset, ttl, signatures)
            if grown > limit:
                del out[pieces:]
                _forget(offsets, size)
                if index < 2:
                    truncated = True
                    break
                continue
            size = grown
            counts[index] += len(rrset.rdatas) + (len(rrset.sigs) if signatures else 0)
        if truncated:
            flags |= t.TC
            break
    if edns is not None and size + len(opt) > max_size:
        if size > room:
            flags |= t.TC
        opt = edns.to_wire_within(max_size - size)
    out.append(opt)
    additionals = counts[2] + (1 if opt else 0)
    out[0] = _HEADER.pack(ident, flags, 0 if question is None else 1, counts[0], counts[1], additionals)
    return b"".join(out)


def compose_query(
    ident: int, qname: bytes, qtype: int, *, flags: int = 0, edns: Edns | None = None, qclass: int = t.IN
) -> bytes:
    """A query: header, question, OPT."""
    opt = b"" if edns is None else edns.to_wire()
    head = _HEADER.pack(ident, flags, 1, 0, 0, 1 if opt else 0)
    return head + qname + _QUESTION.pack(qtype, qclass) + opt


def _write_rrset(out: list[bytes], at: int, offsets: dict[Name, int], rrset: RRset, ttl: int, signatures: bool) -> int:
    """Append the set's records and RRSIGs at offset `at`; returns the offset after them."""
    name, rtype, rclass = rrset.name, rrset.rtype, rrset.rclass
    layout = LAYOUTS.get(rtype)
    if layout is not None and layout.compress:
        for rdata in rrset.rdatas:
            at = _write_name(out, at, offsets, name)
            head = len(out)
            out.append(b"")  # in the place of the record's head, which tells the length of what follows
            start = at + 10
            at = _write_compressed(out, start, offsets, rdata, layout)
            out[head] = _RR_HEAD.pack(rtype, rclass, ttl, at - start)
    else:
        for rdata in rrset.rdatas:
            at = _write_record(out, at, offsets, name, rtype, rclass, ttl, rdata)
    if signatures:
        for rdata in rrset.sigs:
            at = _write_record(out, at, offsets, name, t.RRSIG, rclass, ttl, rdata)
    return at


def _write_record(
    out: list[bytes], at: int, offsets: dict[Name, int], name: Name, rtype: int, rclass: int, ttl: int, rdata: bytes
) -> int:
    """Append a record whose RDATA is written as it is; returns the offset after it."""
    known = offsets.get(name)
    if known is None:
        at = _write_name(out, at, offsets, name)
        out.append(_RR_HEAD.pack(rtype, rclass, ttl, len(rdata)))
        at += 10
    else:
        out.append(_POINTED_RR_HEAD.pack(0xC000 | known, rtype, rclass, ttl, len(rdata)))
        at += 12
    out.append(rdata)
    return at + len(rdata)


def _write_compressed(out: list[bytes], at: int, offsets: dict[Name, int], rdata: bytes, layout: Layout) -> int:
    """Append RDATA of a type whose names may be compressed; returns the offset after it."""
    if layout is _NAME:
        return _write_name(out, at, offsets, rdata)
    pos = layout.prefix
    if pos:
        out.append(rdata[:pos])
        at += pos
    for _ in range(layout.names):
        end = name_end(rdata, pos)
        at = _write_name(out, at, offsets, rdata[pos:end])
        pos = end
    if pos < len(rdata):
        out.append(rdata[pos:])
    return at + len(rdata) - pos


def _write_name(out: list[bytes], at: int, offsets: dict[Name, int], name: Name) -> int:
    """Append a name, its longest known tail as a pointer; remembers the tails it writes. Returns the offset after it."""
    known = offsets.get(name)
    if known is not None:
        out.append(_POINTER.pack(0xC000 | known))
        return at + 2
    pos = 0
    tail = name
    while length := tail[0]:
        if at + pos < 0x4000:  # a pointer has 14 bits
            offsets[tail] = at + pos
        pos += length + 1
        tail = name[pos:]
        known = offsets.get(tail)
        if known is not None:
            out.append(name[:pos])
            out.append(_POINTER.pack(0xC000 | known))
            return at + pos + 2
    out.append(name)
    return at + len(name)


def _remember(offsets: dict[Name, int], name: Name, at: int) -> None:
    """Remember a name already written at `at`, and its tails."""
    pos = 0
    while length := name[0]:
        offsets[name] = at + pos
        pos += length + 1
        name = name[length + 1 :]


def _forget(offsets: dict[Name, int], mark: int) -> None:
    """Forget the names written at `mark` and after; they were remembered in the order of their offsets."""
    while offsets:
        name, offset = offsets.popitem()
        if offset < mark:
            offsets[name] = offset
            return
