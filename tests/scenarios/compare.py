"""Whether a message matches an entry: for questions that reach the scripted world and for answers that reach the client.

Messages are read by dnspython here, never by our own reader: the replay is also a second opinion on what we compose.
"""

from collections import Counter
from collections.abc import Collection

import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.scenarios.rpl import SECTIONS, Entry, Record

_HEADER_FLAGS = (
    dns.flags.QR | dns.flags.AA | dns.flags.TC | dns.flags.RD | dns.flags.RA | dns.flags.AD | dns.flags.CD
)  # fmt: skip


def read(wire: bytes) -> dns.message.Message:
    """A message, each record standing alone, as a section's comparison wants it."""
    return dns.message.from_wire(wire, one_rr_per_rrset=True)


def mismatches(
    entry: Entry, message: dns.message.Message, *, tcp: bool = False, ignored: Collection[str] = ()
) -> list[str]:
    """What of the entry's MATCH does not hold, one sentence each; empty when all of it holds.

    `all` stands for flags, rcode, question and every section that the entry mentions; what is `ignored` is not looked at.
    """
    match = set(entry.match)
    if "all" in match:
        match |= {"flags", "rcode", "question"} | set(entry.sections)
    match -= set(ignored)
    out: list[str] = []
    if "tcp" in match and not tcp:
        out.append("not over TCP")
    if "udp" in match and tcp:
        out.append("not over UDP")
    if "opcode" in match and int(message.opcode()) != entry.opcode:
        out.append(f"opcode {dns.opcode.to_text(message.opcode())}")
    if "rcode" in match and int(message.rcode()) != entry.rcode:
        wanted = dns.rcode.to_text(dns.rcode.Rcode(entry.rcode))
        out.append(f"rcode {dns.rcode.to_text(message.rcode())} instead of {wanted}")
    if "flags" in match:
        out += _flag_mismatches(entry, message)
    out += _question_mismatches(entry, message, match)
    for section in SECTIONS:
        if section in match:
            out += _section_mismatches(section, entry.sections.get(section, []), getattr(message, section), "ttl" in match)
    return out


def _flag_mismatches(entry: Entry, message: dns.message.Message) -> list[str]:
    out = []
    got = message.flags & _HEADER_FLAGS
    if got != entry.flags:
        got_text, wanted_text = (dns.flags.to_text(flags) or "none" for flags in (got, entry.flags))
        out.append(f"flags {got_text} instead of {wanted_text}")
    if entry.do and not message.ednsflags & dns.flags.DO:
        out.append("DO not set")
    return out


def _question_mismatches(entry: Entry, message: dns.message.Message, match: set[str]) -> list[str]:
    """qname, qcase, qtype, subdomain and question. An entry without a question asks for nothing."""
    if not entry.question:
        return []
    wanted = entry.question[0]
    if not message.question:
        return ["no question"] if match & {"qname", "qcase", "qtype", "subdomain", "question"} else []
    got = message.question[0]
    out = []
    if match & {"qname", "qcase", "question"} and got.name != wanted.name:
        out.append(f"name {got.name} instead of {wanted.name}")
    if "qcase" in match and got.name.labels != wanted.name.labels:
        out.append(f"name {got.name} not spelt {wanted.name}")
    if match & {"qtype", "question"} and int(got.rdtype) != wanted.rtype:
        wanted_type = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(wanted.rtype))
        out.append(f"type {dns.rdatatype.to_text(got.rdtype)} instead of {wanted_type}")
    if "question" in match and int(got.rdclass) != wanted.rclass:
        out.append(f"class {int(got.rdclass)} instead of {wanted.rclass}")
    if "subdomain" in match and not got.name.is_subdomain(wanted.name):
        out.append(f"name {got.name} not below {wanted.name}")
    return out


def _section_mismatches(section: str, wanted: list[Record], got: list[dns.rrset.RRset], ttl: bool) -> list[str]:
    """Records in any order, names in any case; TTLs only when asked for."""
    wanted_keys = {_key(r.owner, r.rclass, r.rtype, r.rdata.to_digestable(), r.ttl or 0, ttl): str(r) for r in wanted}
    got_keys: Counter[tuple[object, ...]] = Counter()
    texts: dict[tuple[object, ...], str] = {}
    for rrset in got:
        for rdata in rrset:
            key = _key(rrset.name, rrset.rdclass, rrset.rdtype, rdata.to_digestable(), rrset.ttl, ttl)
            got_keys[key] += 1
            texts[key] = f"{rrset.name} {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}"
    out = [f"{section} lacks {text[:160]}" for key, text in wanted_keys.items() if key not in got_keys]
    out += [f"{section} has besides {text[:160]}" for key, text in texts.items() if key not in wanted_keys]
    out += [f"{section} has {count} times {texts[key][:160]}" for key, count in got_keys.items() if count > 1]
    return out


def _key(owner: dns.name.Name, rclass: int, rtype: int, rdata: bytes, ttl: int, with_ttl: bool) -> tuple[object, ...]:
    return (owner.canonicalize(), int(rclass), int(rtype), rdata, ttl if with_ttl else None)
