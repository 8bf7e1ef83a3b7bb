"""What a worker remembers of a name, as a document for operators. Pure.

The document is plain data; docs/CONTROL.md lists its fields. TTLs are whole seconds left.
"""

from typing import Any, Final, TypeAlias

from resolver.cache.answers import NAME_ERROR, Entry
from resolver.cache.memory import Memory
from resolver.cache.selection import Selection
from trust.vocabulary import Cut, Now
from trust.zone import ZoneTrust
from wire.name import ROOT, Name
from wire.text import name_to_text, rrset_to_text, type_to_text

Document: TypeAlias = dict[str, Any]

MAX_SHOWN: Final = 100
"""Entries shown for one look-up at most; a name has a handful."""


def cached(memory: Memory, name: Name, rtype: int | None, now: Now) -> Document:
    """What is known of a name: its answers, the failures, the delegation it is below and that zone's trust."""
    selection = Selection(name, subtree=False, rtype=rtype)
    entries = [(key[1], entry) for key, entry in memory.answers.select(selection) if entry.expires > now.mono]
    failures = [(q, failure) for q, failure in memory.failures.select(selection) if failure.until > now.mono]
    cut = memory.delegations.closest(name, now.mono)
    return {
        "entries": [_entry(kept, entry, memory.points.generation, now.mono) for kept, entry in entries[:MAX_SHOWN]],
        "failures": [
            {
                "type": type_to_text(question.rtype),
                "reason": failure.reason.label,
                "text": failure.text,
                "ttl": int(failure.until - now.mono),
                "count": failure.count,
                "errors": [{"code": code, "text": text} for code, text in failure.errors],
            }
            for question, failure in failures[:MAX_SHOWN]
        ],
        "delegation": _cut(cut, now.mono),
        "zone_trust": _trust(memory, name, now),
    }


def _entry(kept: int, entry: Entry, generation: int, mono: float) -> Document:
    step = entry.step
    verdict = entry.verdict(generation)
    return {
        "name": name_to_text(step.name),
        "type": "any" if kept == NAME_ERROR else type_to_text(kept),
        "kind": step.kind.value,
        "records": [line for rrset in step.rrsets for line in rrset_to_text(rrset, signatures=False)],
        "ttl": int(entry.expires - mono),
        "age": int(mono - entry.stored),
        "rank": entry.rank.name.lower(),
        "zone": name_to_text(step.zone),
        "server": step.server.ip if step.server is not None else None,
        "security": verdict.verdict.security.value if verdict is not None else "unchecked",
        "reason": verdict.verdict.reason.label if verdict is not None else "",
        "text": verdict.verdict.text if verdict is not None else "",
    }


def _cut(cut: Cut, mono: float) -> Document:
    return {
        "zone": name_to_text(cut.zone),
        "parent": name_to_text(cut.parent) if cut.parent is not None else None,
        "configured": cut.parent is None and cut.expires_mono == float("inf"),
        "forward": cut.forward,
        "ttl": int(cut.expires_mono - mono) if cut.expires_mono != float("inf") else None,
        "servers": {name_to_text(server): [a.ip for a in addresses] for server, addresses in cut.servers.items()},
    }


def _trust(memory: Memory, name: Name, now: Now) -> Document | None:
    """The trust of the deepest zone at or above the name of which anything is known."""
    while True:
        trust = memory.zones.get(name)
        if trust is not None and trust.is_fresh(now, memory.points.generation):
            return _zone(trust, now.mono)
        if name == ROOT:
            return None
        name = name[name[0] + 1 :]


def _zone(trust: ZoneTrust, mono: float) -> Document:
    return {
        "zone": name_to_text(trust.zone),
        "security": trust.security.value,
        "reason": trust.reason.label,
        "text": trust.text,
        "trust_point": trust.point is not None,
        "ttl": int(trust.expires_mono - mono) if trust.expires_mono != float("inf") else None,
    }
