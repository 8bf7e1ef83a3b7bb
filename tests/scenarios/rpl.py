"""Reading replay scenarios (`.rpl`): the format of Unbound's testbound, as Deckard's documentation describes it.

A file is a configuration head up to `CONFIG_END`, then between `SCENARIO_BEGIN` and `SCENARIO_END` ranges (what the
servers at some addresses answer while the step number is within a span) and steps (what the client does and expects).

    scenario = parse(text)            # or load(path)
    scenario.head                     # Head: addresses of the root, anchors, clock, switches
    scenario.ranges, scenario.steps   # Range, Step: both made of Entry

Keywords that are not known are errors with a line number; keys of the head that are not known are kept in
`Head.unknown`, because each resolver's own test program has some.

Limitations: a record must be one that dnspython can read; whatever cannot be written so belongs in `SECTION RAW`.
"""

import calendar
import ipaddress
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import dns.exception
import dns.flags
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype

SECTIONS = ("answer", "authority", "additional")
DEFAULT_TTL = 3600

MATCHES = frozenset(
    {
        "opcode", "qtype", "qname", "qcase", "subdomain", "flags", "rcode", "question", "answer", "authority",
        "additional", "all", "ttl", "do", "edns", "tcp", "udp",
    }
)  # fmt: skip
ADJUSTMENTS = frozenset({"copy_id", "copy_query", "raw_id", "do_not_answer"})
_FLAGS = {flag: int(getattr(dns.flags, flag)) for flag in ("QR", "AA", "TC", "RD", "RA", "AD", "CD")}


class ScenarioError(Exception):
    """The text is not a scenario; the message begins with the line number."""


@dataclass(frozen=True)
class Record:
    """One resource record as written; `ttl` is None where the text leaves it out."""

    owner: dns.name.Name
    rclass: int
    rtype: int
    ttl: int | None
    rdata: dns.rdata.Rdata

    def __str__(self) -> str:
        ttl = "" if self.ttl is None else f"{self.ttl} "
        rtype = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(self.rtype))
        return f"{self.owner} {ttl}{rtype} {self.rdata}"


@dataclass(frozen=True)
class Asked:
    """A line of a question section."""

    name: dns.name.Name
    rtype: int
    rclass: int

    def __str__(self) -> str:
        return f"{self.name} {dns.rdatatype.to_text(dns.rdatatype.RdataType.make(self.rtype))}"


@dataclass
class Entry:
    """A message: a query to send, an answer to give when `match` holds, or an answer to expect.

    `sections` holds only the sections that the text mentions, so that an empty one can be told from an absent one;
    `raw` is the whole message in place of all that.
    """

    line: int
    match: frozenset[str] = frozenset({"opcode", "qtype", "qname"})
    adjust: frozenset[str] = frozenset({"copy_id"})
    opcode: int = 0
    rcode: int = 0
    flags: int = 0
    do: bool = False
    mandatory: bool = False
    question: list[Asked] = field(default_factory=list)
    sections: dict[str, list[Record]] = field(default_factory=dict)
    raw: bytes | None = None


@dataclass
class Range:
    """What the servers at `addresses` answer while the step number is within `first` … `last`."""

    first: int
    last: int
    addresses: list[str]
    entries: list[Entry]
    line: int


class StepKind(Enum):
    """What a step does."""

    QUERY = "QUERY"
    """The client asks."""
    CHECK_ANSWER = "CHECK_ANSWER"
    """The last answer must match the entry."""
    CHECK_OUT_QUERY = "CHECK_OUT_QUERY"
    """A question that matches the entry must have gone out since the last query."""
    REPLY = "REPLY"
    """An answer to give once, to the first question that matches it and that no range answers."""
    TIMEOUT = "TIMEOUT"
    """Time goes on to the next time-out of a question that nobody answers."""
    TIME_PASSES = "TIME_PASSES"
    NOTHING = "NOTHING"


@dataclass
class Step:
    """One step of the play; `elapse_s` for TIME_PASSES."""

    number: int
    kind: StepKind
    line: int
    entry: Entry | None = None
    elapse_s: float = 0.0


@dataclass
class Head:
    """The configuration head. `anchors`: DS and DNSKEY records; `wall`: the clock's start, in seconds since 1970."""

    stub_addresses: list[str] = field(default_factory=list)
    stub_names: list[dns.name.Name] = field(default_factory=list)
    forward_addresses: list[str] = field(default_factory=list)
    anchors: list[Record] = field(default_factory=list)
    insecure: list[dns.name.Name] = field(default_factory=list)
    wall: float | None = None
    minimise: bool | None = None
    ipv4: bool = True
    ipv6: bool = True
    features: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


@dataclass
class Scenario:
    """A whole file."""

    title: str
    head: Head
    ranges: list[Range]
    steps: list[Step]


def load(path: Path) -> Scenario:
    """Read a file.

    Raises:
        ScenarioError: as parse().
    """
    return parse(path.read_text("utf-8"))


def parse(text: str) -> Scenario:
    """Read a scenario's text.

    Raises:
        ScenarioError: it is not one; the message names the line.
    """
    lines = _Lines(text)
    head = _parse_head(lines)
    title = lines.expect("SCENARIO_BEGIN")
    ranges: list[Range] = []
    steps: list[Step] = []
    for word, rest in lines:
        if word == "RANGE_BEGIN":
            ranges.append(_parse_range(lines, rest))
        elif word == "STEP":
            steps.append(_parse_step(lines, rest))
        elif word.startswith("SCENARIO_END"):  # what follows on the line is not ours
            break
        else:
            raise lines.error(f"{word!r} where RANGE_BEGIN, STEP or SCENARIO_END should be")
    else:
        raise lines.error("no SCENARIO_END")
    if not steps:
        raise lines.error("a scenario without steps")
    if any(late.number <= early.number for early, late in itertools.pairwise(steps)):
        raise lines.error("step numbers do not rise")
    return Scenario(title, head, ranges, steps)


class _Lines:
    """The lines that say something, as (first word, rest), with the number of the present one for messages."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self.number = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        while (raw := self.next_raw()) is not None:
            word, _, rest = raw.partition(" ")
            yield word, rest.strip()

    def next_raw(self) -> str | None:
        """The next line that is neither empty nor a comment, white space made single, its comment kept."""
        while self.number < len(self._lines):
            line = self._lines[self.number].strip().replace("\t", " ")
            self.number += 1
            if line and not line.startswith(";"):
                return line
        return None

    def peek(self) -> str:
        """The first word of the next line that says something; empty at the end."""
        mark = self.number
        line = self.next_raw()
        self.number = mark
        return "" if line is None else line.split()[0]

    def expect(self, keyword: str) -> str:
        for word, rest in self:
            if word != keyword:
                raise self.error(f"{word!r} where {keyword} should be")
            return rest
        raise self.error(f"no {keyword}")

    def error(self, why: str, line: int = 0) -> ScenarioError:
        return ScenarioError(f"line {line or self.number}: {why}")


# The head


def _parse_head(lines: _Lines) -> Head:
    head = Head()
    while (line := lines.next_raw()) is not None:
        if line == "CONFIG_END":
            return head
        key, colon, value = line.partition(":")
        if not colon:
            raise lines.error(f"{line!r} is not 'key: value'")
        try:
            _set(head, key.strip(), _value(value))
        except (ValueError, dns.exception.DNSException) as error:
            raise lines.error(f"{key.strip()}: {error}") from None
    raise lines.error("no CONFIG_END")


def _value(text: str) -> str:
    """A value without its quotes and the comment behind it (`;` or `#`, which occurs within no value)."""
    text = text.strip()
    if text.startswith('"'):
        return text[1:].partition('"')[0].strip()
    return re.split(r"[;#]", text, maxsplit=1)[0].strip()


def _switch(text: str) -> bool:
    known = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    if text.lower() not in known:
        raise ValueError(f"{text!r} is neither yes nor no")
    return known[text.lower()]


def _set(head: Head, key: str, value: str) -> None:
    match key:
        case "stub-addr":
            head.stub_addresses.append(str(ipaddress.ip_address(value)))
        case "forward-addr":
            head.forward_addresses.append(str(ipaddress.ip_address(value)))
        case "stub-name":
            head.stub_names.append(dns.name.from_text(value))
        case "domain-insecure":
            head.insecure.append(dns.name.from_text(value))
        case "trust-anchor":
            anchor = parse_record(value)
            if anchor.rtype not in (dns.rdatatype.DS, dns.rdatatype.DNSKEY):
                raise ValueError("neither DS nor DNSKEY")
            head.anchors.append(anchor)
        case "val-override-date":
            # A date; some files have a POSIX timestamp here.
            when = calendar.timegm(time.strptime(value, "%Y%m%d%H%M%S")) if len(value) == 14 else int(value)
            head.wall = float(when)
        case "val-override-timestamp":
            head.wall = float(value)
        case "query-minimization":
            head.minimise = _switch(value)
        case "do-ip4":
            head.ipv4 = _switch(value)
        case "do-ip6":
            head.ipv6 = _switch(value)
        case "features":
            name, _, setting = value.partition("=")
            head.features[name.strip()] = setting.strip()
        case _:
            head.unknown[key] = value


# Ranges, steps and entries


def _parse_range(lines: _Lines, rest: str) -> Range:
    start = lines.number
    span = rest.partition(";")[0].split()
    if len(span) != 2 or not all(word.isdigit() for word in span):
        raise lines.error(f"RANGE_BEGIN wants two numbers, not {rest!r}")
    out = Range(int(span[0]), int(span[1]), [], [], start)
    for word, value in lines:
        if word == "ADDRESS":
            try:
                out.addresses.append(str(ipaddress.ip_address(value.partition(";")[0].strip())))
            except ValueError as error:
                raise lines.error(str(error)) from None
        elif word == "ENTRY_BEGIN":
            out.entries.append(_parse_entry(lines))
        elif word == "RANGE_END":
            return out
        else:
            raise lines.error(f"{word!r} within a range")
    raise lines.error("range without RANGE_END", start)


def _parse_step(lines: _Lines, rest: str) -> Step:
    words = rest.partition(";")[0].split()
    if len(words) < 2 or not words[0].isdigit() or words[1] not in StepKind.__members__:
        raise lines.error(f"not a step: {rest!r}")
    step = Step(int(words[0]), StepKind[words[1]], lines.number)
    if step.kind is StepKind.TIME_PASSES:
        if len(words) != 4 or words[2] != "ELAPSE":
            raise lines.error("TIME_PASSES wants: ELAPSE seconds")
        try:
            step.elapse_s = float(words[3])
        except ValueError as error:
            raise lines.error(str(error)) from None
    if lines.peek() == "ENTRY_BEGIN":
        lines.expect("ENTRY_BEGIN")
        step.entry = _parse_entry(lines)
    wants = step.kind in (StepKind.QUERY, StepKind.CHECK_ANSWER, StepKind.CHECK_OUT_QUERY, StepKind.REPLY)
    if wants != (step.entry is not None):
        raise lines.error(f"{step.kind.name} {'without' if wants else 'with'} an entry", step.line)
    return step


def _parse_entry(lines: _Lines) -> Entry:
    entry = Entry(lines.number)
    section = ""
    for word, rest in lines:
        if word == "ENTRY_END":
            return entry
        words = rest.partition(";")[0].split()
        if word == "MATCH":
            entry.match = _subset(lines, words, MATCHES)
        elif word == "ADJUST":
            entry.adjust = _subset(lines, words, ADJUSTMENTS)
        elif word == "REPLY":
            _parse_reply(lines, entry, words)
        elif word == "MANDATORY":
            entry.mandatory = True
        elif word in ("SECTION", "RAW"):
            section = (words or [""])[0].lower() if word == "SECTION" else "raw"
            if section in SECTIONS:
                entry.sections.setdefault(section, [])
            elif section not in ("question", "raw"):
                raise lines.error(f"no section is called {rest!r}")
        elif not section:
            raise lines.error(f"{word!r} within an entry, before any section")
        else:
            _parse_content(lines, entry, section, f"{word} {rest}")
    raise lines.error("entry without ENTRY_END", entry.line)


def _subset(lines: _Lines, words: list[str], known: frozenset[str]) -> frozenset[str]:
    out = frozenset(word.lower() for word in words)
    if out - known:
        raise lines.error(f"unknown: {' '.join(sorted(out - known))}")
    return out


def _parse_reply(lines: _Lines, entry: Entry, words: list[str]) -> None:
    for word in words:
        name = word.upper()
        if name in _FLAGS:
            entry.flags |= _FLAGS[name]
        elif name == "DO":
            entry.do = True
        elif name in dns.opcode.Opcode.__members__:
            entry.opcode = int(dns.opcode.from_text(name))
        else:
            try:
                entry.rcode = int(dns.rcode.from_text(name))
            except dns.rcode.UnknownRcode:
                raise lines.error(f"{word!r} is neither a flag nor an opcode nor a response code") from None


def _parse_content(lines: _Lines, entry: Entry, section: str, line: str) -> None:
    """One line of a section, or several when parentheses are open."""
    start = lines.number
    try:
        if section == "raw":
            entry.raw = (entry.raw or b"") + bytes.fromhex(line.partition(";")[0])
        elif section == "question":
            entry.question.append(_parse_question(line))
        else:
            while _open_parentheses(line):
                more = lines.next_raw()
                if more is None:
                    raise ValueError("parenthesis is not closed")
                line += "\n" + more
            entry.sections[section].append(parse_record(line))
    except (ValueError, dns.exception.DNSException) as error:
        raise lines.error(f"{line.partition(' ')[0]}: {error}", start) from None


def _open_parentheses(text: str) -> bool:
    bare = re.sub(r'"[^"\n]*"|;[^\n]*|\\.', "", text)
    return bare.count("(") > bare.count(")")


def _parse_question(line: str) -> Asked:
    words = line.partition(";")[0].split()
    rclass = int(dns.rdataclass.IN)
    for word in words[1:-1]:
        rclass = int(dns.rdataclass.from_text(word))
    if len(words) not in (2, 3):
        raise ValueError("a question is: name [class] type")
    return Asked(dns.name.from_text(words[0]), int(dns.rdatatype.from_text(words[-1])), rclass)


def parse_record(text: str) -> Record:
    """One record in zone-file format, its name taken as absolute; class IN and no TTL unless they are written.

    Raises:
        ValueError, dns.exception.DNSException: it is not one.
    """
    owner, _, rest = text.replace("\t", " ").partition(" ")
    ttl: int | None = None
    rclass = dns.rdataclass.IN
    while True:
        word, _, rest = rest.strip().partition(" ")
        if word.isdigit():
            ttl = int(word)
        elif word.upper() in ("IN", "CH", "HS"):
            rclass = dns.rdataclass.from_text(word)
        else:
            break
    rtype = dns.rdatatype.from_text(word)
    try:
        rdata = dns.rdata.from_text(rclass, rtype, rest, origin=dns.name.root, relativize=False)
    except dns.exception.DNSException:
        if rtype != dns.rdatatype.DS:
            raise
        rdata = _odd_ds(rest)
    return Record(dns.name.from_text(owner), int(rclass), int(rtype), ttl, rdata)


def _odd_ds(text: str) -> dns.rdata.Rdata:
    """A DS whose digest has not the length of its type, which dnspython will not read."""
    tag, algorithm, digest_type, *digest = text.partition(";")[0].split()
    wire = int(tag).to_bytes(2, "big") + bytes([int(algorithm), int(digest_type)]) + bytes.fromhex("".join(digest))
    return dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.DS, wire)
