"""The outcome in one sentence, and who can mend it (guideline 2.6.3: tell the cause apart before acting)."""

from resolver.resolution import Resolution
from trust.reason import Reason
from trust.vocabulary import Security
from wire.text import name_to_text

_PARENT = frozenset((Reason.NO_MATCHING_DNSKEY, Reason.DNSKEY_MISSING))
_OURS = frozenset((Reason.LIMIT, Reason.NOT_READY, Reason.PROHIBITED))
_CLOCK = frozenset((Reason.SIGNATURE_EXPIRED, Reason.SIGNATURE_NOT_YET_VALID))


def sentence_of(resolution: Resolution) -> str:
    """What happened, in one sentence."""
    name = name_to_text(resolution.question.name)
    bad = _bad_text(resolution)
    if resolution.security is Security.SECURE:
        return f"The answer for {name} is secure: every link from the trust anchor holds."
    if resolution.security is Security.BOGUS:
        return f"The answer for {name} is bogus: {bad}."
    if resolution.security is Security.INSECURE:
        return f"The answer for {name} is insecure: {bad or 'nothing vouches for it'}."
    return f"There is no answer for {name}: {bad or resolution.reason.label}."


def who_can_mend(resolution: Resolution) -> str:
    """Who is to act, and how; empty when all is well."""
    reason = resolution.reason
    if resolution.security is Security.SECURE or reason in (Reason.UNSIGNED_DELEGATION, Reason.OPT_OUT):
        return ""
    if reason in _OURS:
        return "this resolver's operator: a limit of the resolver was reached"
    if reason is Reason.NTA:
        return "this resolver's operator: a negative trust anchor is in force"
    if reason is Reason.NO_TRUST_POINT:
        return "nobody: no trust anchor is configured above this name"
    if reason is Reason.ANCHOR_MISMATCH:
        return "this resolver's operator: the configured trust anchors do not match the zone's keys"
    if reason in _PARENT:
        return "the zone's operator together with its parent: the DS at the parent and the zone's keys must agree"
    if reason in _CLOCK:
        return "the zone's operator must sign anew; check this resolver's own clock first"
    return "the operator of the zone's authoritative servers"


def _bad_text(resolution: Resolution) -> str:
    """The text of the link that decided."""
    for _, validated in resolution.steps:
        if validated is not None and validated.verdict.security is resolution.security:
            return validated.verdict.text or validated.verdict.reason.label
    for _, text in resolution.errors:
        if text:
            return text
    return ""
