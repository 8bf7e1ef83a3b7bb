"""What a worker remembers of a name, as a document for operators. Pure.

The document is plain data; docs/CONTROL.md lists its fields. TTLs are whole seconds left.
"""

from typing import Any, Final, TypeAlias

from resolver.cache.answers import NAME_ERROR, Entry
from resolver.cache.memory import Memory
from resolver.cache.selection import Selection
from resolver.resolve.errors import Error, errors_of_verdict, merge, remembered
from resolver.resolve.fetch import fit
from trust.vocabulary import Cut, Kind, Now, Question, Security
from trust.zone import ZoneTrust
from wire import types as t
from wire.limits import CHAIN
from wire.name import ROOT, Name
from wire.text import name_to_text, rcode_to_text, rrset_to_text, type_to_text

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


def recalled(memory: Memory, question: Question, now: Now) -> Document:
    """What a client would be told from memory alone, without asking anybody and without leaving a trace.

    `state`: "answer", "bogus", "failure" (RFC 9520), or "nothing" when (the end of) the chain is not remembered.
    """
    generation, mono = memory.points.generation, now.mono
    steps: list[Document] = []
    errors: list[Error] = []
    securities: list[Security] = []
    rcode, state, name = t.NOERROR, "nothing", question.name
    ends = begun = float("inf")
    for _ in range(CHAIN.value):
        entry = memory.answers.peek(name, question.rtype, mono) or memory.answers.above(name, mono, generation)
        if entry is None:
            failure = memory.failures.get(Question(name, question.rtype), mono)
            if failure is not None:
                state, rcode, ends = "failure", t.SERVFAIL, failure.until
                errors += remembered(failure.errors)
            break
        step = fit(entry.step, name, question.rtype)
        ends, begun = min(ends, entry.expires), min(begun, entry.stored)
        validated = entry.verdict(generation, step)
        steps.append(_entry(step.rtype if step.kind is not Kind.NXDOMAIN else NAME_ERROR, entry, generation, mono))
        securities.append(validated.verdict.security if validated is not None else Security.INDETERMINATE)
        if validated is not None:
            errors += errors_of_verdict(validated.verdict, nta=memory.settings.nta_extended_error)
        if securities[-1] is Security.BOGUS:
            state, rcode, errors = "bogus", t.SERVFAIL, remembered(errors)
            break
        if step.target is None:
            state, rcode = "answer", t.NXDOMAIN if step.kind is Kind.NXDOMAIN else t.NOERROR
            break
        name = step.target
    return {
        "state": state,
        "rcode": rcode_to_text(rcode) if state != "nothing" else None,
        "security": _weakest(securities) if state in ("answer", "bogus") else None,
        "age": int(mono - begun) if steps else None,
        "ttl": int(ends - mono) if state != "nothing" else None,
        "steps": steps,
        "errors": [{"code": code, "text": text} for code, text in merge(errors)],
    }


def _weakest(securities: list[Security]) -> str:
    """Of a chain's verdicts the one that counts; "unchecked" where one was not asked for."""
    if Security.BOGUS in securities:
        return Security.BOGUS.value
    if Security.INDETERMINATE in securities:
        return "unchecked"
    weakest = Security.INSECURE if Security.INSECURE in securities else Security.SECURE
    return str(weakest.value)


def _entry(kept: int, entry: Entry, generation: int, mono: float) -> Document:
    step = entry.step
    verdict = entry.verdict(generation, step)
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
