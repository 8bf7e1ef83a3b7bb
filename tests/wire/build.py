"""Wire format by hand, for tests: nothing of ours and nothing of dnspython is used to write these octets."""

import struct

HEADER_ID = 0x1234
RESPONSE = 0x8400
"""QR and AA."""


def name(text: str) -> bytes:
    """An uncompressed name from plain labels (`"www.example.jp"`; "" or "." is the root). Case is kept."""
    out = b""
    for label in text.strip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def pointer(offset: int) -> bytes:
    """A compression pointer (RFC 1035 §4.1.4)."""
    return (0xC000 | offset).to_bytes(2, "big")


def question(qname: bytes, qtype: int = 1, qclass: int = 1) -> bytes:
    """An entry of the question section."""
    return qname + struct.pack("!HH", qtype, qclass)


def record(owner: bytes, rtype: int, rdata: bytes, ttl: int = 300, rclass: int = 1, length: int | None = None) -> bytes:
    """A resource record; `length` overrules RDLENGTH."""
    return owner + struct.pack("!HHIH", rtype, rclass, ttl, len(rdata) if length is None else length) + rdata


def opt(rdata: bytes = b"", payload: int = 1232, ttl: int = 0, owner: bytes = b"\0") -> bytes:
    """An OPT record."""
    return record(owner, 41, rdata, ttl, payload)


def option(code: int, data: bytes) -> bytes:
    """An EDNS option."""
    return struct.pack("!HH", code, len(data)) + data


def message(
    questions: list[bytes],
    answers: list[bytes] | None = None,
    authorities: list[bytes] | None = None,
    additionals: list[bytes] | None = None,
    *,
    flags: int = RESPONSE,
    ident: int = HEADER_ID,
    trailing: bytes = b"",
) -> bytes:
    """A whole message of entries already written."""
    sections = [questions, answers or [], authorities or [], additionals or []]
    head = struct.pack("!6H", ident, flags, *(len(section) for section in sections))
    return head + b"".join(b"".join(section) for section in sections) + trailing


WWW = name("www.example.jp")
"""At offset 12 of a message that asks for it: labels begin at 12 (www), 16 (example), 24 (jp); the root is at 27."""


def answering(*answers: bytes, qname: bytes = WWW) -> bytes:
    """A response to `qname`/A/IN with these answer records, which begin at offset 32 when `qname` is WWW."""
    return message([question(qname)], list(answers))
