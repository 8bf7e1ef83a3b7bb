"""What a client gets: a Resolution and the client's query → response octets. Pure: no sockets, no clock.

The rules, in the order in which they are applied:

* RD and CD are copied, RA is set (RFC 1035 §4.1.1, RFC 4035 §3.2.2), AA only for locally served names; the question comes
  back in the client's own case.
* BOGUS: SERVFAIL without data; with CD=1 the authority's RCODE and data (RFC 4035 §3.2.2, §5.5).
* AD: only for SECURE, only if the client set AD or DO (RFC 6840 §5.8), never with CD=1.
* DO=0: no DNSSEC records unless asked for by type (RFC 4035 §3.2.1).
* A client that sent EDNS gets OPT with DO echoed (RFC 3225 §3), and in it: every Extended DNS Error, most specific first
  (RFC 8914 §2); NSID when asked (RFC 5001); the idle time-out of TCP when asked (RFC 7828 §3.3).
* UDP: no more octets than the client takes and max-udp-size allows, 512 without EDNS. What does not fit is left out at
  RRset boundaries and TC is set (RFC 2181 §9); the texts of EDEs give way to data (RFC 8914 §3, `wire.composer`).

* ANY over UDP: one RRset of those there are, at the end of the alias chain (RFC 8482 §4.1); all of them over TCP.
* Room is left for a COOKIE option, which is the client's own and so is added behind all this (`resolver.server.service`).

Limitations: no padding, which is for encrypted transports (RFC 8467); no additional section: clients of a resolver ask for
what they need.
"""

from dataclasses import dataclass
from typing import Final

from resolver.resolution import Resolution
from resolver.resolve.errors import remembered
from resolver.server.screen import ANCHORS, NTAS, Refusal
from trust.vocabulary import Security, Transport
from wire import types as t
from wire.composer import Section, compose
from wire.edns import KEEPALIVE, NSID, Edns, ede
from wire.limits import MAX_MESSAGE, MAX_UDP, MIN_UDP
from wire.message import Message
from wire.rrset import RRset

DNSSEC_TYPES: Final = frozenset(
    (t.RRSIG, t.NSEC, t.NSEC3, t.NSEC3PARAM, t.DNSKEY, t.DS, t.CDS, t.CDNSKEY, t.NXT, t.SIG, t.KEY)
)
"""Records that a client without DO sees only when it asks for their type (RFC 3225 §3, RFC 4035 §3.2.1)."""

_COPIED: Final = t.RD | t.CD | t.OPCODE_MASK

# A member of an enum takes the compiled core two look-ups, a constant none.
_SECURE: Final = Security.SECURE
_BOGUS: Final = Security.BOGUS
_UDP: Final = Transport.UDP
_TCP: Final = Transport.TCP


@dataclass(frozen=True, slots=True)
class Identity:
    """What responses say of this server.

    Attributes:
        nsid: which instance this is (RFC 5001), octets.
        max_udp_size: octets of a UDP response at most, whatever the client offers (RFC 9715 §3.1).
        idle_timeout_s: how long a TCP connection may be idle; None when clients are not told (RFC 7828).
        anchors, ntas: trust anchors and negative ones in force, a line for each (`screen.ANCHORS`, `screen.NTAS`).
    """

    nsid: bytes
    max_udp_size: int = MAX_UDP
    idle_timeout_s: float | None = None
    anchors: tuple[bytes, ...] = ()
    ntas: tuple[bytes, ...] = ()


def respond(
    query: Message,
    resolution: Resolution,
    mono: float,
    transport: Transport,
    identity: Identity,
    *,
    from_cache: bool = False,
    room: int = 0,
) -> bytes:
    """The response to `query`, TTLs as of monotonic time `mono`.

    Args:
        from_cache: it is for those who ask the same later: a SERVFAIL then says so (EDE 13).
        room: octets to leave free below the size that the client takes.
    """
    checking_disabled = query.flags & t.CD
    edns = query.edns
    dnssec_ok = edns is not None and edns.dnssec_ok
    security = resolution.security
    rcode = resolution.rcode
    if checking_disabled and security is _BOGUS:
        # RFC 4035 §5.5: a client that checks for itself gets what could not be validated here.
        rcode = resolution.bogus_rcode
    flags = t.QR | t.RA | (query.flags & _COPIED) | (rcode & t.RCODE_MASK)
    if resolution.authoritative:
        flags |= t.AA
    answer: list[tuple[RRset, int]] = []
    authority: list[tuple[RRset, int]] = []
    if rcode != t.SERVFAIL and rcode != t.REFUSED:
        # RFC 6840 §5.7, §5.8: AD=1 in a query is a request for AD in the response.
        if security is _SECURE and not checking_disabled and (dnssec_ok or query.flags & t.AD):
            flags |= t.AD
        answer = _shown(resolution.answer, mono, query.qtype, everything=dnssec_ok or query.qtype == t.ANY)
        authority = _shown(resolution.authority, mono, 0, everything=dnssec_ok)
        if query.qtype == t.ANY and transport is _UDP:
            answer = _one_of_any(answer)
    signatures = dnssec_ok or query.qtype == t.RRSIG
    errors = remembered(resolution.errors) if from_cache and rcode == t.SERVFAIL else resolution.errors
    return _compose(query, flags, rcode, answer, authority, errors, transport, identity, signatures, room)


def _one_of_any(answer: list[tuple[RRset, int]]) -> list[tuple[RRset, int]]:
    """The alias chain and one RRset at its end: the smallest, signatures included, so that nothing is amplified."""
    aliases = [pair for pair in answer if pair[0].rtype in (t.CNAME, t.DNAME)]
    others = [pair for pair in answer if pair[0].rtype not in (t.CNAME, t.DNAME)]
    return [*aliases, *sorted(others, key=_octets)[:1]]


def _octets(pair: tuple[RRset, int]) -> int:
    rrset, _ = pair
    return sum(len(rdata) for rdata in (*rrset.rdatas, *rrset.sigs))


def refuse(query: Message, refusal: Refusal, transport: Transport, identity: Identity, room: int = 0) -> bytes:
    """The response to a query that is not resolved: an RCODE and why."""
    flags = t.QR | (query.flags & _COPIED) | (refusal.rcode & t.RCODE_MASK)
    if query.opcode == t.QUERY:
        flags |= t.RA
    return _compose(query, flags, refusal.rcode, (), (), list(refusal.errors), transport, identity, False, room)


def say_who(query: Message, transport: Transport, identity: Identity, room: int = 0) -> bytes:
    """The response to what is asked about ourselves (class CH, TXT): the NSID (RFC 4892 §2), or what we trust."""
    lines: tuple[bytes, ...] = (identity.nsid,)
    if query.qname == ANCHORS:
        lines = identity.anchors
    elif query.qname == NTAS:
        lines = identity.ntas
    records = [bytes((len(line),)) + line for line in [line[:255] for line in lines]]
    answer: Section = [(RRset(query.qname, t.TXT, 0, records, rclass=t.CH), 0)] if records else ()
    flags = t.QR | t.AA | (query.flags & _COPIED)
    return _compose(query, flags, t.NOERROR, answer, (), [], transport, identity, False, room)


def truncated(response: bytes) -> bytes:
    """The same response without its records and with TC: what is sent when the system finds the whole too long.

    The response is one that we composed: its question's name is not compressed.
    """
    pos = 12
    if response[5]:
        while length := response[pos]:
            pos += length + 1
        pos += 5
    return response[:2] + bytes((response[2] | t.TC >> 8,)) + response[3:6] + bytes(6) + response[12:pos]


def _shown(pairs: list[tuple[RRset, float]], mono: float, qtype: int, *, everything: bool) -> list[tuple[RRset, int]]:
    """What the client is to see, with the TTL left, to the nearest second: what has just been fetched has its whole TTL.

    Unless it sees everything, DNSSEC's records only when they are of the type asked for.
    """
    shown: list[tuple[RRset, int]] = []
    for rrset, expires in pairs:
        if everything or rrset.rtype not in DNSSEC_TYPES or rrset.rtype == qtype:
            shown.append((rrset, max(int(expires - mono + 0.5), 0)))
    return shown


def _compose(
    query: Message,
    flags: int,
    rcode: int,
    answer: Section,
    authority: Section,
    errors: list[tuple[int, str]],
    transport: Transport,
    identity: Identity,
    signatures: bool,
    room: int,
) -> bytes:
    asked = query.edns
    question = (query.qname_raw, query.qtype, query.qclass) if query.has_question else None
    if asked is None:
        size = MAX_MESSAGE if transport is _TCP else MIN_UDP
        return compose(query.id, flags, question, answer, authority, max_size=size, signatures=signatures)
    if transport is _TCP:
        size = MAX_MESSAGE
    else:
        # RFC 6891 §6.2.3: values below 512 are 512.
        size = min(max(asked.payload, MIN_UDP), identity.max_udp_size)
    size -= room
    options = _options(asked, transport, identity)
    options += [ede(code, text) for code, text in errors]
    edns = Edns(identity.max_udp_size, asked.flags & t.DO, options, extended_rcode=rcode >> 4)
    return compose(query.id, flags, question, answer, authority, edns=edns, max_size=size, signatures=signatures)


def _options(asked: Edns, transport: Transport, identity: Identity) -> list[tuple[int, bytes]]:
    """Options besides EDE, each only on demand."""
    if not asked.options:
        return []
    options: list[tuple[int, bytes]] = []
    codes = {code for code, _ in asked.options}
    if NSID in codes:
        options.append((NSID, identity.nsid))
    if KEEPALIVE in codes and transport is _TCP and identity.idle_timeout_s is not None:
        # RFC 7828 §3.1: units of 100 milliseconds, 16 bits. Over UDP the option is ignored (§3.2.1).
        options.append((KEEPALIVE, min(int(identity.idle_timeout_s * 10), 0xFFFF).to_bytes(2, "big")))
    return options
