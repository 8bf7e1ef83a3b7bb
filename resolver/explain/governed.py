"""What response policy makes of the answer (docs/POLICY.md): which rules there are, and what a client gets in its place.

Limitations: told of is what a client gets that no rule singles out by its address, and for whom DNS64 is not a matter of
its address either.
"""

from typing import Final

from resolver.explain.evidence import Evidence
from resolver.explain.links import Document
from resolver.explain.terms import error_name
from resolver.explain.texts import Words
from resolver.resolution import Handling, Hit, Resolution
from wire.name import Name
from wire.text import rcode_to_text, rrset_to_text

_SPARING: Final = frozenset(("passthru", "disabled"))
"""Actions of rules that change nothing."""


def governed_of(evidence: Evidence, words: Words) -> Document | None:
    """The rules met and the client's answer; None when no policy bears on it."""
    governed = evidence.governed
    if governed is None:
        return None
    changes = not _same(governed, evidence.resolution)
    if not changes and not governed.policy:
        return None
    return {
        "changes": changes,
        "sentence": " ".join([*(_rule(hit, words) for hit in governed.policy), _outcome(governed, changes, words)]),
        "rules": [
            {"zone": hit.zone, "trigger": hit.trigger, "rule": hit.rule, "action": hit.action} for hit in governed.policy
        ],
        "handling": governed.handling.value,
        "rcode": rcode_to_text(governed.rcode),
        "records": _records(governed),
        "errors": [{"code": code, "name": error_name(code), "text": text} for code, text in governed.errors],
    }


def _same(governed: Resolution, truth: Resolution) -> bool:
    """Whether a client gets the truth."""
    if governed.handling is not Handling.ANSWER or governed.rcode != truth.rcode:
        return False
    return _data(governed) == _data(truth)


def _data(resolution: Resolution) -> list[tuple[Name, int, list[bytes]]]:
    """What it answers with, whatever the order and the TTLs."""
    return sorted((rrset.name, rrset.rtype, sorted(rrset.rdatas)) for rrset, _ in resolution.answer)


def _records(resolution: Resolution) -> list[str]:
    return [line for rrset, _ in resolution.answer for line in rrset_to_text(rrset, signatures=False)]


def _rule(hit: Hit, words: Words) -> str:
    key = "policy.local" if hit.zone == "local" else "policy.rule"
    if hit.action in _SPARING:
        key = f"policy.{hit.action}"
    return words(key, zone=hit.zone, rule=hit.rule, action=hit.action)


def _outcome(governed: Resolution, changes: bool, words: Words) -> str:
    if not changes:
        return words("policy.truth")
    if governed.handling is not Handling.ANSWER:
        return words(f"policy.{governed.handling.value}")
    made = "" if governed.policy else words("policy.dns64")
    count = len(_records(governed))
    rcode = rcode_to_text(governed.rcode)
    got = words("policy.records", rcode=rcode, count=count) if count else words("policy.rcode", rcode=rcode)
    return f"{made} {got}" if made else got
