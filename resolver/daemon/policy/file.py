"""Policy zones from files in zone-file format (RFC 1035 §5), a record at a time.

Theory: feeds have a hundred thousand lines, nearly all of the same few forms: `name CNAME .`, `name A 192.0.2.1`. Those are
read by a pattern; everything else (quotes, escapes, parentheses, other types, TTLs with units) goes entry by entry through
dnspython. The reader is a generator, so whoever has other things to do reads on in slices.

Limitations: $INCLUDE and $GENERATE are refused.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import dns.exception
import dns.ttl

from resolver.policy import rpz
from resolver.policy.table import ZoneTable
from resolver.policy.transfer import Record
from wire import types as t
from wire.limits import MAX_POLICY_RECORDS
from wire.name import ROOT, Name
from wire.text import name_from_text, name_to_text, rrsets_from_text

_PLAIN: Final = r"[A-Za-z0-9_*/-][A-Za-z0-9_*/.-]*"
_SIMPLE: Final = re.compile(
    rf"({_PLAIN})?[ \t]+(?:(\d{{1,9}})[ \t]+)?(?:(?:IN|in)[ \t]+)?"
    rf"(?:(?:CNAME|cname)[ \t]+(\.|{_PLAIN})|[Aa][ \t]+(\d{{1,3}})\.(\d{{1,3}})\.(\d{{1,3}})\.(\d{{1,3}}))[ \t\r]*(?:;.*)?"
)
_BLANK: Final = re.compile(r"[ \t\r]*(?:;.*)?")
_DIRECTIVE: Final = re.compile(r"\$([A-Za-z]+)(?:[ \t]+(\S+))?[ \t\r]*(?:;.*)?")
_DEFAULT_TTL: Final = 3600


class PolicyFileError(ValueError):
    """The file is no policy zone; the message says where and why."""


def read_table(path: Path, zone: Name) -> Iterator[ZoneTable | None]:
    """Read a policy zone: None after every record, the table at the end.

    Raises:
        PolicyFileError: the file cannot be read, is malformed, or has no SOA.
    """
    table = ZoneTable()
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            for count, record in enumerate(records(lines, zone)):
                if count >= MAX_POLICY_RECORDS:
                    raise PolicyFileError(f"{path}: more than {MAX_POLICY_RECORDS} records")
                rpz.add(table, zone, *record)
                yield None
    except OSError as error:
        raise PolicyFileError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise PolicyFileError(f"{path}: {error}") from None
    if table.soa is None:
        raise PolicyFileError(f"{path}: no SOA record of {name_to_text(zone)}")
    yield table


def records(lines: Iterator[str], zone: Name) -> Iterator[Record]:
    """The records of a zone file whose origin is the zone.

    Raises:
        ValueError: a line makes no sense; the message has its number.
    """
    origin, ttl, owner, number = zone, _DEFAULT_TTL, zone, 0
    for line in lines:
        number += 1
        line = line.rstrip("\n")
        simple = _SIMPLE.fullmatch(line)
        try:
            if simple is not None:
                text, own_ttl, target, *octets = simple.groups()
                if text is not None:
                    owner = _plain_name(text, origin)
                given = ttl if own_ttl is None else int(own_ttl)
                if target is not None:
                    yield Record(owner, t.CNAME, given, _plain_name(target, origin))
                else:
                    yield Record(owner, t.A, given, bytes(map(int, octets)))
                continue
            if _BLANK.fullmatch(line):
                continue
            if line.startswith("$"):
                origin, ttl = _directive(line, origin, ttl)
                continue
            while _is_open(line):
                more = next(lines, None)
                if more is None:
                    raise ValueError("a parenthesis or quotation mark is not closed")
                number += 1
                line += "\n" + more.rstrip("\n")
            for record in _entry(line, origin, ttl, owner):
                owner = record.owner
                yield record
        except (ValueError, dns.exception.DNSException) as error:
            raise ValueError(f"line {number}: {error}") from None


def _plain_name(text: str, origin: Name) -> Name:
    """A name without escapes."""
    if text == ".":
        return ROOT
    absolute = text.endswith(".")
    wire = b""
    for label in (text[:-1] if absolute else text).lower().encode("ascii").split(b"."):
        if not 0 < len(label) < 64:
            raise ValueError(f"{text!r} is not a domain name")
        wire += bytes((len(label),)) + label
    wire += ROOT if absolute else origin
    if len(wire) > 255:
        raise ValueError(f"{text!r} is too long a name")
    return wire


def _directive(line: str, origin: Name, ttl: int) -> tuple[Name, int]:
    found = _DIRECTIVE.fullmatch(line)
    what = found[1].upper() if found is not None else ""
    if found is not None and found[2] is not None:
        if what == "TTL":
            return origin, dns.ttl.from_text(found[2])
        if what == "ORIGIN":
            name = name_from_text(found[2])
            return (name if found[2].endswith(".") else name[:-1] + origin), ttl
    raise ValueError(f"{line.split()[0]} is not known here")


def _is_open(text: str) -> bool:
    """Whether an entry goes on in the next line: parentheses and quotation marks outside of comments."""
    depth, quoted, escaped, comment = 0, False, False, False
    for character in text:
        if comment:
            comment = character != "\n"
        elif escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif character == ";":
            comment = True
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
    return depth > 0 or quoted


def _entry(text: str, origin: Name, ttl: int, owner: Name) -> Iterator[Record]:
    """One entry, by dnspython."""
    if text[0] in " \t":
        text = f"{name_to_text(owner).rstrip('.')}. {text}"
    origin_text = "." if origin == ROOT else name_to_text(origin) + "."
    for rrset in rrsets_from_text(text, origin=origin_text, default_ttl=ttl):
        if not rrset.rdatas:
            yield Record(rrset.name, t.RRSIG, rrset.ttl, b"")
        for rdata in rrset.rdatas:
            yield Record(rrset.name, rrset.rtype, rrset.ttl, rdata)
