"""Which queries are not resolved, and what their senders are told. Pure.

| query | response |
| --- | --- |
| QR=1, or shorter than a header | none: it may be a response to a forged query of ours, and answers to answers make loops |
| opcode other than QUERY | NOTIMP, EDE 21 |
| cannot be read, no question | FORMERR |
| EDNS version above 0 | BADVERS (RFC 6891 §6.1.3) |
| class CH | TXT of `id.server`, `hostname.bind` and of what we trust are answered; everything else REFUSED |
| other classes | REFUSED |
| type AXFR, IXFR | REFUSED, EDE 30 |
| type MAILA, MAILB | NOTIMP, EDE 21 (RFC 1035 §3.2.3: obsolete) |
| other meta types: OPT, TSIG, NXNAME … | FORMERR, EDE 30 (RFC 9824 §3.4 for NXNAME, RFC 6895 §3.1) |
| RD=0 | REFUSED, EDE 20: we are no authority, and show nobody what is in the cache |

Limitations: a query without a question is FORMERR even when it carries a COOKIE option (RFC 7873 §5.4).
"""

from dataclasses import dataclass
from typing import Final

from trust.reason import Reason
from wire import types as t
from wire.message import Message
from wire.reader import FormError, read_head

_NO_ERRORS: Final[tuple[tuple[int, str], ...]] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a query is not resolved: RCODE and Extended DNS Errors (INFO-CODE, text)."""

    rcode: int
    errors: tuple[tuple[int, str], ...] = _NO_ERRORS


def _refusal(rcode: int, reason: Reason, text: str) -> Refusal:
    assert reason.ede is not None
    return Refusal(rcode, ((reason.ede, text),))


NOT_READY: Final = _refusal(t.SERVFAIL, Reason.NOT_READY, "waiting to be told which trust anchors are in force")
CLIENT: Final = _refusal(t.REFUSED, Reason.PROHIBITED, "")
FORM: Final = Refusal(t.FORMERR)
_OPCODE: Final = _refusal(t.NOTIMP, Reason.NOT_SUPPORTED, "only QUERY is supported")
_VERSION: Final = Refusal(t.BADVERS)
_CLASS: Final = Refusal(t.REFUSED)
_TRANSFER: Final = _refusal(t.REFUSED, Reason.INVALID_QUERY_TYPE, "zone transfers are not served")
_OBSOLETE: Final = _refusal(t.NOTIMP, Reason.NOT_SUPPORTED, "query type not supported")
_META: Final = _refusal(t.FORMERR, Reason.INVALID_QUERY_TYPE, "no such data type")
_NO_RECURSION: Final = _refusal(t.REFUSED, Reason.NOT_AUTHORITATIVE, "recursion not desired")

WHO: Final = frozenset((b"\x02id\x06server\x00", b"\x08hostname\x04bind\x00"))
"""Names whose TXT in class CH is the NSID (RFC 4892 §2.1)."""
ANCHORS: Final = b"\x0dtrust-anchors\x06akashi\x00"
"""The name whose TXT in class CH tells each trust point and the key tags of its anchors: `. 20326 38696`."""
NTAS: Final = b"\x16negative-trust-anchors\x06akashi\x00"
"""The name whose TXT in class CH tells the negative trust anchors in force, and until when."""
_ABOUT: Final = WHO | {ANCHORS, NTAS}


def screen(query: Message) -> Refusal | None:
    """Why a query that could be read is refused; None when it is to be resolved (or answered by `asks_who`)."""
    if query.flags & t.OPCODE_MASK:
        return _OPCODE
    if query.edns is not None and query.edns.version:
        return _VERSION
    if not query.has_question:
        return FORM
    if query.qclass != t.IN:
        return None if asks_who(query) else _CLASS
    qtype = query.qtype
    if qtype != t.ANY and t.is_meta(qtype):
        if qtype == t.AXFR or qtype == t.IXFR:
            return _TRANSFER
        return _OBSOLETE if qtype in (t.MAILA, t.MAILB) else _META
    if not query.flags & t.RD:
        return _NO_RECURSION
    return None


def asks_who(query: Message) -> bool:
    """Whether the question is which instance this is, or what it trusts."""
    return query.qclass == t.CH and query.qtype in (t.TXT, t.ANY) and query.qname in _ABOUT


def is_query(packet: bytes) -> bool:
    """Whether the packet has a header and QR=0. What is not is dropped without a word."""
    return len(packet) >= 12 and not packet[2] & 0x80


def unreadable(packet: bytes, error: FormError) -> tuple[Message, Refusal]:
    """What can be said to the sender of a query that cannot be read; EDNS is not, since OPT may be what is malformed."""
    query = error.message
    if query is None:
        try:
            query = read_head(packet)
        except FormError as head_error:
            query = head_error.message or Message(int.from_bytes(packet[:2], "big"), int.from_bytes(packet[2:4], "big"))
    # RFC 1035 §4.1.1: an opcode we do not know may have a format we do not know.
    opcode_known = not query.flags & t.OPCODE_MASK
    query.edns = None
    return query, FORM if opcode_known else _OPCODE
