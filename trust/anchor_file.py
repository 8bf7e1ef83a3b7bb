"""Trust anchors as text: reading what operators have, writing what they recognise. Pure: octets and text in, text out.

Read:

* root-anchors.xml (RFC 9718), with validFrom and validUntil heeded as of the time given;
* DS and DNSKEY records in zone-file format;
* Unbound's `auto-trust-anchor-file`, which is such a list with a state in a comment after each key: only keys that are
  VALID or MISSING there are anchors. The state matters: a pending key taken for an anchor would skip its hold-down;
* BIND's `trust-anchors`, `managed-keys` and `trusted-keys` statements.

Written, each with the keys' states: `zone`, `unbound` (one trust point a file, as there), `bind`. Only what is trusted now
stands there as an anchor; the other keys are in comments, or marked by their state where the format has states.

Limitations: validUntil is looked at when the file is read and not afterwards. BIND's own `managed-keys.bind` (a journalled
zone of KEYDATA) is not read.

RFC 5011 §4.2, RFC 9718 §2; BIND and Unbound by their documentation.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from trust.algorithms import rsa_numbers
from trust.anchors import MAX_FILE, TrustPoint, points_from_text, points_from_xml
from trust.rfc5011_state import KeyState, PointState, Timers, revoked_form
from trust.rfc5011_table import State
from trust.signature import time_text
from wire import types as t
from wire.name import ROOT, Name
from wire.text import name_to_text, rdata_to_text


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """What was read. `notes`: what was left out, and why."""

    points: tuple[TrustPoint, ...]
    notes: tuple[str, ...] = ()


def read_anchors(data: bytes, now_wall: float) -> AnchorFile:
    """The trust anchors in a file's contents, whichever of the formats it has.

    Raises:
        ValueError: none of them; or nothing in it can be used.
    """
    if len(data) > MAX_FILE:
        raise ValueError(f"{len(data)} octets of trust anchors; at most {MAX_FILE} are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"trust anchors are not text: {error}") from None
    if text.lstrip().startswith("<"):
        return AnchorFile(tuple(points_from_xml(text, now_wall)))
    if _STATEMENT.search(_without_comments(text)):
        return AnchorFile(tuple(points_from_text(_records_of_statements(text))))
    kept, notes = _by_state(text)
    try:
        return AnchorFile(tuple(points_from_text(kept)), tuple(notes))
    except ValueError:
        if notes:
            raise ValueError(f"no trust anchor: {'; '.join(notes)}") from None
        raise


# --- Unbound: records with states --------------------------------------------------------------------------------------

_STATE: Final = re.compile(r";;\s*state=(\d+)")
_UNBOUND: Final = {
    State.START: (0, "  START  "),
    State.ADD_PEND: (1, " ADDPEND "),
    State.VALID: (2, "  VALID  "),
    State.MISSING: (3, " MISSING "),
    State.REVOKED: (4, " REVOKED "),
    State.REMOVED: (5, " REMOVED "),
}
"""Number and caption of each state in Unbound's file."""
_TRUSTED: Final = {_UNBOUND[state][0] for state in (State.VALID, State.MISSING)}


def _by_state(text: str) -> tuple[str, list[str]]:
    """The text without the records whose state says that they are no anchors; and what was left out."""
    kept: list[str] = []
    notes: list[str] = []
    for line in text.splitlines():
        found = None if line.lstrip().startswith(";") else _STATE.search(line)
        if found is None or int(found[1]) in _TRUSTED:
            kept.append(line)
            continue
        caption = next((caption.strip() for number, caption in _UNBOUND.values() if number == int(found[1])), "unknown")
        tag = re.search(r"id = (\d+)", line)
        notes.append(f"key {tag[1] if tag else '?'} is {caption} in the file and was left out")
    return "\n".join(kept) + "\n", notes


# --- BIND: statements --------------------------------------------------------------------------------------------------

_COMMENT: Final = re.compile(r'"[^"]*"|/\*.*?\*/|//[^\n]*|#[^\n]*', re.DOTALL)
_STATEMENT: Final = re.compile(r"\b(trust-anchors|managed-keys|trusted-keys)\s*\{")
_ENTRY: Final = re.compile(
    r'\s*(?P<name>"[^"]*"|[^\s;{}"]+)\s+(?:(?P<kind>static-key|initial-key|static-ds|initial-ds)\s+)?'
    r'(?P<one>\d+)\s+(?P<two>\d+)\s+(?P<three>\d+)\s+"(?P<data>[^"]*)"\s*;'
)
_END: Final = re.compile(r"\s*\}\s*;?")


def _without_comments(text: str) -> str:
    return _COMMENT.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)


def _records_of_statements(text: str) -> str:
    """The anchors of BIND's statements as records."""
    text = _without_comments(text)
    records: list[str] = []
    for statement in _STATEMENT.finditer(text):
        position = statement.end()
        while not _END.match(text, position):
            entry = _ENTRY.match(text, position)
            if entry is None:
                rest = " ".join(text[position : position + 60].split())
                raise ValueError(f"{statement[1]}: neither an anchor nor the end of the statement: {rest}")
            records.append(_record(entry))
            position = entry.end()
    return "".join(records)


def _record(entry: "re.Match[str]") -> str:
    name = entry["name"].strip('"')
    owner = name if name.endswith(".") else f"{name}."
    kind = "DS" if (entry["kind"] or "").endswith("-ds") else "DNSKEY"
    return f"{owner} IN {kind} {entry['one']} {entry['two']} {entry['three']} {''.join(entry['data'].split())}\n"


# --- writing -----------------------------------------------------------------------------------------------------------


def to_zone(points: Iterable[PointState], now_wall: float, timers: Timers) -> str:
    """DS and DNSKEY records. What is no anchor is a comment."""
    out = [f"; trust anchors, written {time_text(now_wall)}", "; this format has no states: what is no anchor is a comment"]
    for point in points:
        out += ["", f"; {_zone(point.name)}: {_freshness(point)}"]
        for key in point.keys:
            out.append(f"; {_story(key, now_wall, timers)}")
            out += [line if key.trusted else f"; {line}" for line in _records(point, key)]
    return "\n".join(out) + "\n"


def to_bind(points: Iterable[PointState], now_wall: float, timers: Timers) -> str:
    """A `trust-anchors` statement, for named.conf; BIND 9.16 or later follows such keys by RFC 5011 itself."""
    out = [f"// trust anchors, written {time_text(now_wall)}", "trust-anchors {"]
    for point in points:
        out.append(f"    // {_zone(point.name)}: {_freshness(point)}")
        for key in point.keys:
            out.append(f"    // {_story(key, now_wall, timers)}")
            for kind, fields in _fields(key):
                *numbers, data = fields.split(" ", 3)
                line = f'{_owner(point.name)} initial-{kind} {" ".join(numbers)} "{data}";'
                out.append(f"    {line}" if key.trusted else f"    // {line}")
    return "\n".join([*out, "};"]) + "\n"


def to_unbound(point: PointState, now_wall: float, timers: Timers) -> str:
    """Unbound's `auto-trust-anchor-file` for one trust point: it goes on from there."""
    queried, success = point.last_attempt or now_wall, point.last_success or 0.0
    out = [
        "; autotrust trust anchor file",
        f";;id: {_owner(point.name)} 1",
        f";;last_queried: {_stamp(queried)}",
        f";;last_success: {_stamp(success)}",
        f";;next_probe_time: {_stamp(point.next_refresh or now_wall)}",
        f";;query_failed: {point.failures}",
        f";;query_interval: {int(timers.refresh_s(point.original_ttl, point.expire_s))}",
        f";;retry_time: {int(timers.retry_s(point.original_ttl, point.expire_s))}",
    ]
    for key in point.keys:
        number, caption = _UNBOUND[key.state]
        # What Unbound dates a state by: a pending key by its first sighting.
        since = key.first_seen if key.state is State.ADD_PEND and key.first_seen is not None else key.since
        comment = f" ;{{{_identity(key)}}} ;;state={number} [{caption}] ;;count=0 ;;lastchange={_stamp(since)}"
        out += [line + comment for line in _records(point, key, separator="\t")]
    return "\n".join(out) + "\n"


WRITERS: Final[dict[str, Callable[[Sequence[PointState], float, Timers], str]]] = {
    "zone": to_zone,
    "bind": to_bind,
    "unbound": lambda points, now_wall, timers: to_unbound(_only(points), now_wall, timers),
}
"""By the name of the format. Each raises ValueError for what the format cannot hold."""


def _only(points: Sequence[PointState]) -> PointState:
    if len(points) != 1:
        raise ValueError(f"Unbound keeps one trust point in a file, and there are {len(points)}: choose a zone")
    return points[0]


def _fields(key: KeyState) -> Iterator[tuple[str, str]]:
    """("key" or "ds", the record's fields); a revoked key in its revoked form, in which it can be no anchor."""
    if key.dnskey:
        gone = key.state in (State.REVOKED, State.REMOVED)
        flags, protocol, algorithm, *data = rdata_to_text(
            t.DNSKEY, revoked_form(key.dnskey) if gone else key.dnskey
        ).split()
        yield "key", f"{flags} {protocol} {algorithm} {''.join(data)}"
        return
    for ds in key.ds:
        tag, algorithm, kind, *data = rdata_to_text(t.DS, ds).split()
        yield "ds", f"{tag} {algorithm} {kind} {''.join(data).upper()}"


def _records(point: PointState, key: KeyState, separator: str = " ") -> Iterator[str]:
    ttl = point.original_ttl or 86400
    for kind, fields in _fields(key):
        yield separator.join((_owner(point.name), str(ttl), "IN", "DNSKEY" if kind == "key" else "DS", fields))


def _story(key: KeyState, now_wall: float, timers: Timers) -> str:
    """A key's state in a line: `key 38696 (algorithm 8): AddPend since 2025-01-11T…, 12 days of hold-down left`."""
    text = f"{key}: {key.state.value} since {time_text(key.since)}, {key.origin.value}"
    left = key.hold_left_s(now_wall, timers)
    if left is not None:
        text += f", hold-down until {time_text(now_wall + left)}"
    if key.last_seen is not None:
        text += f", last seen {time_text(key.last_seen)}"
    return text


def _freshness(point: PointState) -> str:
    return f"last validated {time_text(point.last_success)}" if point.last_success else "not validated yet"


def _identity(key: KeyState) -> str:
    """As Unbound has it: `id = 20326 (ksk), size = 2048b`."""
    if not key.dnskey:
        return f"id = {key.tag} (ds)"
    numbers = rsa_numbers(key.dnskey[4:]) if key.algorithm in (5, 7, 8, 10) else None
    size = numbers[1].bit_length() if numbers else _SIZES.get(key.algorithm, 0)
    return f"id = {key.tag} (ksk), size = {size}b"


_SIZES: Final = {13: 256, 14: 384, 15: 256, 16: 456}


def _stamp(seconds: float) -> str:
    moment = datetime.fromtimestamp(int(seconds), UTC)
    return f"{int(seconds)} ;;{moment.strftime('%a %b')} {moment.day:2} {moment.strftime('%H:%M:%S %Y')}"


def _zone(name: Name) -> str:
    return "the root" if name == ROOT else name_to_text(name)


def _owner(name: Name) -> str:
    return "." if name == ROOT else f"{name_to_text(name)}."
