"""Queries made by dnspython, resolutions made by hand, responses read back by dnspython."""

import dns.flags
import dns.message
import dns.rdatatype

from resolver.resolution import Resolution
from trust.vocabulary import Question, Security
from wire.message import Message
from wire.reader import read
from wire.text import name_from_text, rrsets_from_text

NOW = 1000.0
"""Monotonic time of every resolution made here."""

ZONE = """
www.example.jp. 300 A 192.0.2.1
www.example.jp. 300 A 192.0.2.2
www.example.jp. 300 RRSIG A 13 3 300 20300101000000 20200101000000 12345 example.jp. c2lnbmF0dXJl
"""

DENIAL = """
example.jp. 900 SOA ns.example.jp. root.example.jp. 1 2 3 4 600
example.jp. 900 RRSIG SOA 13 2 900 20300101000000 20200101000000 12345 example.jp. c2lnbmF0dXJl
a.example.jp. 600 NSEC z.example.jp. A RRSIG NSEC
a.example.jp. 600 RRSIG NSEC 13 3 600 20300101000000 20200101000000 12345 example.jp. c2lnbmF0dXJl
"""


def make_query(
    name: str = "www.example.jp",
    rtype: str = "A",
    *,
    rclass: str = "IN",
    edns: bool = False,
    do: bool = False,
    ad: bool = False,
    cd: bool = False,
    rd: bool = True,
    payload: int = 1232,
    options: list[dns.edns.Option] | None = None,
    ident: int | None = None,
) -> dns.message.QueryMessage:
    """A client's query, by dnspython."""
    flags = (dns.flags.RD if rd else 0) | (dns.flags.AD if ad else 0) | (dns.flags.CD if cd else 0)
    query = dns.message.make_query(name, rtype, rclass, flags=flags, id=ident)
    if edns or do or options:
        query.use_edns(0, dns.flags.DO if do else 0, payload, options=options)
    return query


def as_read(query: dns.message.Message) -> Message:
    """The query as our reader gives it."""
    return read(query.to_wire())


def resolution(
    answer: str = ZONE,
    authority: str = "",
    *,
    question: tuple[str, int] = ("www.example.jp", 1),
    rcode: int = 0,
    bogus_rcode: int = 0,
    security: Security = Security.SECURE,
    errors: list[tuple[int, str]] | None = None,
    authoritative: bool = False,
    lifetime_s: float = 300.0,
) -> Resolution:
    """A resolution made at NOW; every RRset expires after its own TTL."""
    return Resolution(
        Question(name_from_text(question[0]), question[1]),
        rcode,
        [(rrset, NOW + rrset.ttl) for rrset in rrsets_from_text(answer, origin="example.jp.")],
        [(rrset, NOW + rrset.ttl) for rrset in rrsets_from_text(authority, origin="example.jp.")],
        security,
        errors or [],
        NOW + lifetime_s,
        bogus_rcode=bogus_rcode,
        authoritative=authoritative,
    )


def types_in(section: list) -> set[str]:  # type: ignore[type-arg]
    """Record types in a section of dnspython's."""
    return {dns.rdatatype.to_text(rrset.rdtype) for rrset in section}


def ede_codes(response: dns.message.Message) -> list[int]:
    """INFO-CODEs of a response, in order."""
    return [int(option.code) for option in response.options if isinstance(option, dns.edns.EDEOption)]
