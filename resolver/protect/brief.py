"""The shortest reply, made of a query's octets without reading it: header and question back, an OPT if there was one.

For what floods: it costs a walk over the labels of the name. No reply is longer than its query by more than an OPT with
one option (40 octets), so that nothing is gained by asking in another's name.

RFC 1035 §4.1, RFC 6891 §6.1.1 (OPT in the response to a query with OPT), §6.1.3 (extended RCODE).
"""

from typing import Final

from wire import types as t

_ONE_QUESTION: Final = b"\0\1\0\0\0\0"
"""QDCOUNT, ANCOUNT, NSCOUNT."""
_OPT_NAME_AND_TYPE: Final = b"\0\0\x29"
_COPIED: Final = (t.OPCODE_MASK | t.RD) >> 8
"""Flags of a query's third octet that come back."""


def brief(query: bytes, rcode: int, payload: int, option: bytes = b"", *, truncated: bool = False) -> bytes | None:
    """The reply; None when this is no query with one question, which deserves none.

    Args:
        rcode: may be an extended one, when the query has OPT.
        payload: for OPT, in octets; `option`: for OPT, with its head.
        truncated: whether TC is set: come again over TCP.
    """
    if len(query) < 17 or query[2] & 0x80 or query[4:10] != _ONE_QUESTION:
        return None
    size = len(query)
    pos = 12
    while length := query[pos]:
        pos += length + 1
        if length > 63 or pos >= size:
            return None
    pos += 5
    if pos > size or pos > 12 + 255 + 4:
        return None
    opt = b""
    if query[10:12] != b"\0\0" and query[pos : pos + 3] == _OPT_NAME_AND_TYPE and pos + 11 <= size:
        # The extended RCODE, version 0, and DO as it came (RFC 3225 §3).
        opt = (
            _OPT_NAME_AND_TYPE
            + payload.to_bytes(2, "big")
            + bytes((rcode >> 4, 0, query[pos + 7] & 0x80, 0))
            + len(option).to_bytes(2, "big")
            + option
        )
    flags = 0x80 | query[2] & _COPIED | (t.TC >> 8 if truncated else 0)
    recursion = 0 if query[2] & (t.OPCODE_MASK >> 8) else t.RA
    low = bytes((flags, recursion | query[3] & t.CD | rcode & t.RCODE_MASK))
    return query[:2] + low + _ONE_QUESTION + (b"\0\1" if opt else b"\0\0") + query[12:pos] + opt
