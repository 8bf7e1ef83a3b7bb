"""Upstream queries made, and what comes back judged: is it the answer to the question asked? Pure.

Address and port have been checked by then (the socket is connected). What remains (RFC 5452 §9.1): ID, question name in
the very case in which it was sent, type and class; over UDP no more octets than we said we can take; and in a COOKIE option
our own client cookie (RFC 7873 §5.3).

Limitations: an error without a question section is taken when ID, address and port match, because servers that do not know
EDNS answer so (RFC 6891 §7); NOERROR and NXDOMAIN are not.
"""

import struct
from enum import Enum
from functools import lru_cache
from typing import Final

from trust.vocabulary import Ask, Trouble
from wire import types as t
from wire.composer import compose_query
from wire.edns import COOKIE, NSID, Edns
from wire.limits import CLIENT_COOKIE, MAX_MESSAGE
from wire.message import Message
from wire.name import ROOT
from wire.reader import FormError, read

_QUESTION: Final = struct.Struct("!HH")
_IN: Final = t.IN.to_bytes(2, "big")
_WITHOUT_ANSWER: Final = frozenset((t.NOERROR, t.NXDOMAIN))
"""RCODEs that carry data or its denial."""


class Judgement(Enum):
    """What became of a packet that gave no message."""

    IGNORE = "not the answer: go on waiting"
    MALFORMED = Trouble.MALFORMED
    CASE = Trouble.CASE
    OVERSIZE = Trouble.OVERSIZE


class Sent:
    """A query as sent: its octets and what its answer must show.

    `echo`: the question section; `exact`: whether its case must come back; `cookie`: the client cookie, if one was sent;
    `room`: octets that the answer may have.
    """

    __slots__ = ("cookie", "echo", "exact", "ident", "room", "wire")

    def __init__(self, ask: Ask, ident: bytes, qname: bytes, payload: int, *, exact: bool, room: int = MAX_MESSAGE) -> None:
        flags = (t.RD if ask.recursion_desired else 0) | (t.CD if ask.checking_disabled else 0)
        cookie = ask.cookie if ask.edns else b""
        head, opt = _frame(flags, payload if ask.edns else 0, ask.nsid, len(cookie))
        self.cookie = cookie[:CLIENT_COOKIE]
        self.room = room
        self.ident = ident
        self.echo = qname + ask.qtype.to_bytes(2, "big") + _IN
        self.wire = ident + head + self.echo + opt + cookie
        self.exact = exact

    def rename(self, ident: bytes) -> None:
        """Take another ID."""
        self.ident = ident
        self.wire = ident + self.wire[2:]


@lru_cache(maxsize=256)
def _frame(flags: int, payload: int, nsid: bool, cookie: int) -> tuple[bytes, bytes]:
    """What is the same in many queries: the header behind the ID, and the OPT record up to the data of its last option, a
    COOKIE of so many octets (0: none). `payload` 0: without OPT.
    """
    options = [(NSID, b"")] if nsid else []
    if cookie:
        options.append((COOKIE, bytes(cookie)))
    edns = Edns(payload, t.DO, options) if payload else None
    whole = compose_query(0, ROOT, 0, flags=flags, edns=edns)
    return whole[2:12], whole[12 + len(ROOT) + _QUESTION.size : len(whole) - cookie]


def judge(sent: Sent, packet: bytes) -> Message | tuple[Judgement, str]:
    """The answer as a message, or what to do and why.

    A truncated answer is given back as far as it can be read: what matters of it is TC.
    """
    if packet[:2] != sent.ident or len(packet) < 12 or packet[2] & 0xF8 != 0x80:
        return Judgement.IGNORE, "another ID, or no response to a query"
    if len(packet) > sent.room:
        return Judgement.OVERSIZE, f"{len(packet)} octets"
    echo = sent.echo
    echoed = packet[12 : 12 + len(echo)]
    try:
        message = read(packet)
    except FormError as error:
        cut = error.message
        if cut is not None and cut.truncated and _same(echo, echoed, sent.exact):
            cut.answer, cut.authority, cut.additional = [], [], []
            return cut
        return Judgement.MALFORMED, str(error)
    if message.has_question:
        if echoed == echo:
            if sent.cookie and _foreign_cookie(sent, message):
                return Judgement.IGNORE, "another client cookie"
            return message
        # A name is as long in lower case: the octets of type and class follow at the same place.
        if not _same(echo, echoed, exact=False):
            return Judgement.IGNORE, "another question"
        if sent.exact:
            return Judgement.CASE, "question's case not echoed"
        return message
    if message.rcode in _WITHOUT_ANSWER:
        return Judgement.IGNORE, "no question"
    return message


def _foreign_cookie(sent: Sent, message: Message) -> bool:
    """Whether the answer has a cookie that is not for us: it was made for a question that we did not ask."""
    if message.edns is None or not message.edns.options:
        return False
    found = message.edns.option(COOKIE)
    return found is not None and found[:CLIENT_COOKIE] != sent.cookie


def _same(echo: bytes, echoed: bytes, exact: bool) -> bool:
    """Whether the question sections are the same; the last four octets are type and class, which have no case."""
    if exact or echo == echoed:
        return echo == echoed
    return echo[:-4].lower() == echoed[:-4].lower() and echo[-4:] == echoed[-4:]
