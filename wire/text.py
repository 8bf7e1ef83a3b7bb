"""Presentation format, through dnspython: off the query path only (logs of failures, EDE texts, explain, tests).

This is the only file of the resolver's core that imports dnspython.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.tokenizer
import dns.ttl

from wire import types as t
from wire.name import ROOT, Name, labels
from wire.reader import FormError, read
from wire.rrset import RRset

__all__ = [
    "name_from_text",
    "name_to_text",
    "rcode_to_text",
    "rdata_to_text",
    "rrset_to_text",
    "rrsets_from_text",
    "type_from_text",
    "type_to_text",
]


_PLAIN: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
"""Octets that stand for themselves, and the dot between labels."""


def name_from_text(text: str) -> Name:
    """A name in presentation format, relative names being taken as absolute.

    Raises:
        ValueError: not a domain name; the message says why.
    """
    try:
        return dns.name.from_text(text, dns.name.root).to_digestable()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{text!r} is not a domain name: {error}") from None


def name_to_text(name: bytes) -> str:
    """Presentation format without the final dot (RFC 1035 §5.1 escapes); the root is "."."""
    if name == ROOT:
        return "."
    parts = labels(name)
    plain = b".".join(parts)
    if not plain.translate(None, _PLAIN) and plain.count(b".") == len(parts) - 1:
        return plain.decode("ascii")
    return dns.name.from_wire(name, 0)[0].to_text(omit_final_dot=True)


def type_to_text(rtype: int) -> str:
    """Mnemonic of an RR type, TYPEnnn when it has none (RFC 3597 §5)."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rtype))


def type_from_text(text: str) -> int:
    """Number of an RR type.

    Raises:
        ValueError: no such type.
    """
    try:
        return int(dns.rdatatype.from_text(text))
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{text!r} is not a record type: {error}") from None


def rcode_to_text(rcode: int) -> str:
    """Mnemonic of a response code."""
    return dns.rcode.to_text(dns.rcode.Rcode.make(rcode))


def rdata_to_text(rtype: int, rdata: bytes) -> str:
    """Presentation format of RDATA; the generic form of RFC 3597 §5 when dnspython cannot read it."""
    try:
        parsed = dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rtype), rdata, 0, len(rdata))
        return parsed.to_text()
    except (dns.exception.DNSException, ValueError, IndexError):
        return f"\\# {len(rdata)} {rdata.hex()}"


def rrset_to_text(rrset: RRset, *, signatures: bool = True) -> list[str]:
    """One line a record: owner, TTL, class, type, RDATA."""
    rclass = dns.rdataclass.to_text(dns.rdataclass.RdataClass.make(rrset.rclass))
    owner = "." if rrset.name == ROOT else name_to_text(rrset.name) + "."
    head = f"{owner} {rrset.ttl} {rclass}"
    lines = [f"{head} {type_to_text(rrset.rtype)} {rdata_to_text(rrset.rtype, rdata)}" for rdata in rrset.rdatas]
    if signatures:
        lines += [f"{head} RRSIG {rdata_to_text(t.RRSIG, rdata)}" for rdata in rrset.sigs]
    return lines


def rrsets_from_text(text: str, *, origin: str = ".", default_ttl: int = 3600) -> list[RRset]:
    """Records in zone-file format, gathered into RRsets exactly as the reader gathers a message's.

    Raises:
        ValueError: the text or a record in it is malformed.
    """
    try:
        return gather(_records(text, origin, default_ttl))
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise ValueError(f"not a list of records: {error}") from None


def _records(text: str, origin: str, ttl: int) -> Iterator[tuple[bytes, int, int, int, bytes]]:
    """The records of a zone-file text (RFC 1035 §5.1). They need not be of one zone, so dnspython's zone reader, which
    wants an SOA at its origin only, will not do.
    """
    tokens = dns.tokenizer.Tokenizer(text)
    base = dns.name.from_text(origin)
    owner = base
    while not (token := tokens.get(want_leading=True)).is_eof():
        if token.is_eol():
            continue
        if token.is_identifier() and token.value.upper() in ("$TTL", "$ORIGIN"):
            if token.value.upper() == "$TTL":
                ttl = tokens.get_ttl()
            else:
                base = tokens.get_name()
            tokens.get_eol()
            continue
        if not token.is_whitespace():
            owner = tokens.as_name(token, base)
        elif (following := tokens.get()).is_eol_or_eof():
            continue
        else:
            tokens.unget(following)
        own_ttl, rclass, rtype = _head(tokens, ttl)
        rdata = dns.rdata.from_text(rclass, rtype, tokens, base, relativize=False)
        yield owner.to_digestable(), int(rtype), int(rclass), own_ttl, rdata.to_wire() or b""


def _head(tokens: dns.tokenizer.Tokenizer, ttl: int) -> tuple[int, dns.rdataclass.RdataClass, dns.rdatatype.RdataType]:
    """TTL and class, each optional and in either order, and the type."""
    rclass = dns.rdataclass.IN
    for _ in range(3):
        word = tokens.get_identifier()
        if word[:1].isdigit():
            ttl = dns.ttl.from_text(word)
            continue
        try:
            rclass = dns.rdataclass.from_text(word)
        except dns.rdataclass.UnknownRdataclass:
            return ttl, rclass, dns.rdatatype.from_text(word)
    raise ValueError("TTL, class and type are wanted")


def gather(records: Iterable[tuple[bytes, int, int, int, bytes]]) -> list[RRset]:
    """Records (owner, type, class, TTL, RDATA; uncompressed wire) as the reader would see them.

    Raises:
        ValueError: a record is malformed.
    """
    out: list[RRset] = []
    index: dict[tuple[bytes, int, int], RRset] = {}
    for owner, rtype, rclass, ttl, rdata in records:
        body = owner + rtype.to_bytes(2, "big") + rclass.to_bytes(2, "big") + ttl.to_bytes(4, "big")
        packet = bytes(6) + b"\0\1" + bytes(4) + body + len(rdata).to_bytes(2, "big") + rdata
        try:
            single = read(packet).answer[0]
        except FormError as error:
            raise ValueError(f"malformed {type_to_text(rtype)} record: {error}") from None
        known = index.get((single.name, single.rtype, rclass))
        if known is None:
            index[single.name, single.rtype, rclass] = single
            out.append(single)
            continue
        known.ttl = min(known.ttl, single.ttl)
        known.rdatas += [r for r in single.rdatas if r not in known.rdatas]
        known.sigs += [r for r in single.sigs if r not in known.sigs]
    return out
