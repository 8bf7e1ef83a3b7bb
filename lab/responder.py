"""From query octets to response octets, for one server address.

Theory of operation. `Responder.respond` reads the query by hand (header, one question, at most one OPT: there is nothing
else in a query that an authoritative server of the lab has to understand), lets the deepest zone it serves answer, and
keeps the encoded answer by (name in lower case, type, DO). A kept answer is made into a response by copying the ID, the RD
bit and the question as the client spelled it; owner names equal to the question are compression pointers to it, so they
follow its spelling too. The OPT record comes last, hence can be appended or left out without encoding anything again.

Limitations: no TSIG, no cookies, no zone transfers (REFUSED); class IN only.

RFC 1035 §4.1; RFC 6891 §6; RFC 5001 (NSID); RFC 2181 §9 and RFC 9471 (truncation); RFC 9619 (one question); RFC 8906.
"""

import struct
from dataclasses import dataclass

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rrset
from dns.name import Name
from dns.opcode import Opcode
from dns.rcode import Rcode
from dns.rdatatype import RdataType

from lab.authority import Answer, Authority
from lab.steps import Behaviour

MAX_UDP_SIZE = 1232
PLAIN_UDP_SIZE = 512
CACHE_ENTRIES = 50_000

_HEADER = struct.Struct("!HHHHHH")
_QUESTION = struct.Struct("!HH")
_OPT = struct.Struct("!BHHBBHH")
_QR, _AA, _TC, _RD = 0x8000, 0x0400, 0x0200, 0x0100
_OPT_DO = 0x8000
_NSID = 3
_BADVERS = 16
_TRANSFERS = (RdataType.AXFR, RdataType.IXFR)


@dataclass(frozen=True)
class Edns:
    """What the OPT record of a query says."""

    udp_size: int
    version: int
    dnssec_ok: bool
    wants_nsid: bool


@dataclass(frozen=True)
class Query:
    """A query as far as it concerns an authoritative server. `name_wire` is spelled as received."""

    id: int
    flags: int
    opcode: int
    name_wire: bytes
    rdtype: int
    rdclass: int
    edns: Edns | None

    @property
    def question(self) -> bytes:
        """The question section."""
        return self.name_wire + _QUESTION.pack(self.rdtype, self.rdclass)


@dataclass(frozen=True)
class _Kept:
    """An encoded answer: flags, section counts, and what follows the question; with and without optional glue."""

    flags: int
    counts: tuple[int, int, int]
    rest: bytes
    lean_counts: tuple[int, int, int]
    lean: bytes


class MalformedError(Exception):
    """The query cannot be read; the header can."""


class Responder:
    """The server behind one address: its name (for NSID), its own address, and the zones it serves."""

    def __init__(
        self, name: str, address: str, authorities: dict[Name, Authority], behaviours: dict[Name, Behaviour]
    ) -> None:
        self._nsid = name.rstrip(".").encode()
        self._address = address
        self._authorities = authorities
        self._behaviours = behaviours
        self._routes: dict[tuple[bytes, int], tuple[Name, Name | None]] = {}
        self._kept: dict[tuple[bytes, int, bool], _Kept] = {}

    def respond(self, wire: bytes, peer: str, *, tcp: bool) -> bytes | None:
        """The response to a query from the address `peer`; None for silence."""
        if len(wire) < _HEADER.size or wire[2] & 0x80:
            return None  # No header, or a response: answering could go round in circles.
        identity, flags, *_ = _HEADER.unpack_from(wire)
        opcode = flags >> 11 & 0xF
        if opcode != Opcode.QUERY:
            return _header_only(identity, flags, Rcode.NOTIMP)
        try:
            query = read_query(wire)
        except MalformedError:
            return _header_only(identity, flags, Rcode.FORMERR)
        if query.edns and query.edns.version > 0:
            return self._error(query, _BADVERS)
        name, origin = self._route(query)
        if origin is None or query.rdclass != dns.rdataclass.IN or query.rdtype in _TRANSFERS:
            return self._error(query, Rcode.REFUSED)
        return self._behave(query, name, origin, peer, tcp=tcp)

    def _behave(self, query: Query, name: Name, origin: Name, peer: str, *, tcp: bool) -> bytes | None:
        """Answer as the servers of this zone do."""
        behaviour = self._behaviours.get(origin, Behaviour.NORMAL)
        dnssec = query.edns is not None and query.edns.dnssec_ok
        match behaviour:
            case Behaviour.SILENT:
                return None
            case Behaviour.REFUSE:
                return self._error(query, Rcode.REFUSED)
            case Behaviour.REFUSE_OTHERS if peer != self._address:
                return self._error(query, Rcode.REFUSED)
            case Behaviour.SERVFAIL:
                return self._error(query, Rcode.SERVFAIL)
            case Behaviour.NO_EDNS if query.edns:
                return _header_only(query.id, query.flags, Rcode.FORMERR)
            case Behaviour.NO_DNSSEC:
                dnssec = False
        kept = self._answer(query, name, origin, dnssec=dnssec)
        return self._encode(query, kept, tcp=tcp, truncate=behaviour is Behaviour.TRUNCATE and not tcp)

    def _route(self, query: Query) -> tuple[Name, Name | None]:
        """The question's name in lower case, and the zone that answers it."""
        key = (query.name_wire.lower(), query.rdtype)
        route = self._routes.get(key)
        if route is None:
            name = dns.name.from_wire(key[0], 0)[0]
            route = name, self._zone_for(name, query.rdtype)
            if len(self._routes) >= CACHE_ENTRIES:
                self._routes.clear()
            self._routes[key] = route
        return route

    def _zone_for(self, name: Name, rdtype: int) -> Name | None:
        """The deepest zone that encloses a name; for DS the parent's, if the parent is served too (RFC 4035 §3.1.4.1)."""
        best = None
        labels = name.labels
        for depth in range(1, len(labels) + 1):
            origin = Name(labels[-depth:])
            if origin in self._authorities and not (rdtype == RdataType.DS and depth == len(labels) and best):
                best = origin
        return best

    def _answer(self, query: Query, name: Name, origin: Name, *, dnssec: bool) -> _Kept:
        key = (query.name_wire.lower(), query.rdtype, dnssec)
        kept = self._kept.get(key)
        if kept is None:
            answer = self._authorities[origin].answer(name, RdataType.make(query.rdtype), dnssec=dnssec)
            kept = _keep(name, query.rdtype, answer)
            if len(self._kept) >= CACHE_ENTRIES:
                self._kept.clear()
            self._kept[key] = kept
        return kept

    def _encode(self, query: Query, kept: _Kept, *, tcp: bool, truncate: bool) -> bytes:
        opt = self._opt(query.edns)
        limit = 65535 if tcp else _udp_limit(query.edns)
        overhead = _HEADER.size + len(query.question) + len(opt)
        flags = _QR | kept.flags | query.flags & _RD
        counts, rest = kept.counts, kept.rest
        if overhead + len(rest) > limit:
            counts, rest = kept.lean_counts, kept.lean
        if truncate or overhead + len(rest) > limit:
            flags |= _TC
            counts, rest = (0, 0, 0), b""
        answers, authorities, additionals = counts
        header = _HEADER.pack(query.id, flags, 1, answers, authorities, additionals + bool(opt))
        return header + query.question + rest + opt

    def _error(self, query: Query, rcode: int) -> bytes:
        """A response without records; extended RCODEs need the OPT that the query then has."""
        opt = self._opt(query.edns, rcode >> 4)
        flags = _QR | query.flags & _RD | rcode & 0xF
        return _HEADER.pack(query.id, flags, 1, 0, 0, bool(opt)) + query.question + opt

    def _opt(self, edns: Edns | None, extended_rcode: int = 0) -> bytes:
        if edns is None:
            return b""
        options = _QUESTION.pack(_NSID, len(self._nsid)) + self._nsid if edns.wants_nsid else b""
        flags = _OPT_DO if edns.dnssec_ok else 0
        return _OPT.pack(0, RdataType.OPT, MAX_UDP_SIZE, extended_rcode, 0, flags, len(options)) + options


def read_query(wire: bytes) -> Query:
    """Read a query; raises `MalformedError` unless it is one question, and at most one OPT, exactly."""
    identity, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(wire)
    if questions != 1 or answers or authorities or additionals > 1:
        raise MalformedError
    end = _name_end(wire, _HEADER.size)
    name_wire = wire[_HEADER.size : end]
    try:
        rdtype, rdclass = _QUESTION.unpack_from(wire, end)
    except struct.error:
        raise MalformedError from None
    end += _QUESTION.size
    edns = None
    if additionals:
        edns, end = _read_opt(wire, end)
    if end != len(wire):
        raise MalformedError
    return Query(identity, flags, flags >> 11 & 0xF, name_wire, rdtype, rdclass, edns)


def _name_end(wire: bytes, start: int) -> int:
    """Offset after an uncompressed name."""
    position = start
    while position < len(wire):
        length = wire[position]
        position += 1 + length
        if length == 0:
            if position - start > 255:
                break
            return position
        if length > 63:
            break  # A question has nothing before it that it could point to.
    raise MalformedError


def _read_opt(wire: bytes, start: int) -> tuple[Edns, int]:
    try:
        root, rdtype, size, _, version, flags, length = _OPT.unpack_from(wire, start)
    except struct.error:
        raise MalformedError from None
    position = start + _OPT.size
    end = position + length
    if root != 0 or rdtype != RdataType.OPT or end > len(wire):
        raise MalformedError
    wants_nsid = False
    while position < end:
        if position + 4 > end:
            raise MalformedError
        code, option_length = _QUESTION.unpack_from(wire, position)
        position += 4 + option_length
        wants_nsid |= code == _NSID
    if position != end:
        raise MalformedError
    return Edns(size, version, bool(flags & _OPT_DO), wants_nsid), end


def _udp_limit(edns: Edns | None) -> int:
    # RFC 6891 §6.2.3: sizes below 512 count as 512.
    return min(max(edns.udp_size, PLAIN_UDP_SIZE), MAX_UDP_SIZE) if edns else PLAIN_UDP_SIZE


def _header_only(identity: int, flags: int, rcode: int) -> bytes:
    return _HEADER.pack(identity, _QR | flags & 0x7900 | rcode, 0, 0, 0, 0)


def _keep(name: Name, rdtype: int, answer: Answer) -> _Kept:
    """Encode an answer once, with a lower-case question."""
    counts, rest = _sections(name, rdtype, answer, additional=True)
    lean_counts, lean = counts, rest
    if answer.additional and not answer.glue_required:
        lean_counts, lean = _sections(name, rdtype, answer, additional=False)
    flags = answer.rcode | (_AA if answer.authoritative else 0)
    return _Kept(flags, counts, rest, lean_counts, lean)


def _sections(name: Name, rdtype: int, answer: Answer, *, additional: bool) -> tuple[tuple[int, int, int], bytes]:
    message = dns.message.QueryMessage(id=0)
    message.question = [dns.rrset.RRset(name, dns.rdataclass.IN, RdataType.make(rdtype))]
    message.answer = answer.answer
    message.authority = answer.authority
    message.additional = answer.additional if additional else []
    wire = message.to_wire(max_size=65535)
    counts = _HEADER.unpack_from(wire)[3:]
    question_end = _HEADER.size + len(name.to_wire() or b"") + _QUESTION.size
    return (counts[0], counts[1], counts[2]), wire[question_end:]
