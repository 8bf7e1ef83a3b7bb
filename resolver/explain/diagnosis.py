"""The failing link, who can mend it, and the next step (guideline 2.6.3: tell the cause apart before acting).

The chain is read from the trust anchor down; the first link that does not hold is the fault. Below it everything is bogus
by inheritance, and says nothing.

Guideline 2.6.3, 2.6.4, 2.7.3.2 and items 2-3, 2-7, 2-19, 2-21.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from resolver.explain.texts import Words
from resolver.resolution import Resolution
from trust.reason import Reason
from trust.vocabulary import Kind, Security
from trust.zone import ZoneTrust
from wire import types as t
from wire.name import ROOT, Name
from wire.text import name_to_text


class Link(Enum):
    """Which kind of link does not hold."""

    ANCHOR = "anchor"
    """The trust point's own keys."""
    DS = "ds"
    """The parent's DS RRset, or its proof that there is none."""
    KEYS = "keys"
    """From the DS to the zone's DNSKEY RRset."""
    ANSWER = "answer"
    """The signature over the data."""
    DENIAL = "denial"
    """The proof that there is no such data."""
    SERVERS = "servers"
    """No server gave anything to judge."""
    ALIAS = "alias"
    """Aliases that lead in a circle."""
    RESOLVER = "resolver"
    """A limit of ours."""


class Party(Enum):
    """Who can act."""

    AUTHORITY = "authority"
    PARENT = "parent"
    US = "us"


@dataclass(frozen=True, slots=True)
class Fault:
    """The failing link.

    Attributes:
        zone: the zone at fault; parent: the zone above it on the chain, None when there is none or it is not known.
        text: the validator's own sentence. parties: who can mend it, the likeliest first.
        who, next: keys of `texts`.
    """

    link: Link
    zone: Name
    parent: Name | None
    reason: Reason
    text: str
    parties: tuple[Party, ...]
    who: str
    next: str


_TIMES: Final = frozenset((Reason.SIGNATURE_EXPIRED, Reason.SIGNATURE_NOT_YET_VALID, Reason.SIGNATURE_EXPIRED_BEFORE_VALID))
_CLOCK: Final = frozenset((Reason.SIGNATURE_EXPIRED, Reason.SIGNATURE_NOT_YET_VALID))
_AGREE: Final = frozenset((Reason.NO_MATCHING_DNSKEY, Reason.DNSKEY_MISSING, Reason.NO_ZONE_KEY_BIT))
_OURS: Final = frozenset((Reason.LIMIT, Reason.OVER_QUOTA, Reason.NOT_READY, Reason.PROHIBITED))
_UNREACHED: Final = frozenset((Reason.CHAIN_UNREACHABLE, Reason.INDETERMINATE))
_OLD: Final = frozenset((Reason.UNSUPPORTED_ALGORITHM, Reason.UNSUPPORTED_DIGEST, Reason.NSEC3_ITERATIONS))


def find_fault(resolution: Resolution) -> Fault | None:
    """The first link from the top that does not hold; None when all hold, or end where they may."""
    for step, validated in resolution.steps:
        if validated is None or validated.verdict.security is not Security.BOGUS:
            continue
        verdict = validated.verdict
        broken = first_broken(validated.zone)
        if broken is not None:
            return _in_chain(broken)
        zone = validated.zone.zone if validated.zone is not None else step.zone
        above = validated.zone.parent if validated.zone is not None else None
        link = Link.DENIAL if step.kind in (Kind.NODATA, Kind.NXDOMAIN) else Link.ANSWER
        if verdict.reason in (Reason.DENIAL_MISSING, Reason.DENIAL_WRONG, Reason.DENIAL_UNFIT):
            link = Link.DENIAL
        return _fault(link, zone, above.zone if above else None, verdict.reason, verdict.text)
    if resolution.security is Security.INDETERMINATE and resolution.reason is not Reason.VALID:
        zone = _unanswering(resolution)
        text = next((text for _, text in resolution.errors if text), resolution.reason.label)
        if resolution.reason is Reason.ALIAS_LOOP:
            return _fault(Link.ALIAS, resolution.question.name, None, resolution.reason, text)
        fault = _fault(Link.SERVERS, zone, None, resolution.reason, text)
        if resolution.findings and all(finding.what.startswith("not queried") for finding in resolution.findings):
            return replace(fault, parties=(Party.AUTHORITY, Party.PARENT), who="who.unusable", next="next.unusable")
        return fault
    return None


def first_broken(zone: ZoneTrust | None) -> ZoneTrust | None:
    """The highest zone of a chain that is bogus: where it breaks."""
    found = None
    while zone is not None:
        if zone.security is Security.BOGUS:
            found = zone
        zone = zone.parent
    return found


def _in_chain(zone: ZoneTrust) -> Fault:
    above = zone.parent.zone if zone.parent is not None else None
    if zone.point is not None:
        link = Link.ANCHOR
    else:
        link = Link.KEYS if zone.ds is not None else Link.DS
    return _fault(link, zone.zone, above, zone.reason, zone.text or zone.reason.label)


def _fault(link: Link, zone: Name, above: Name | None, reason: Reason, text: str) -> Fault:
    parties, who, after = _act(link, reason)
    if reason in _OURS:
        link = Link.RESOLVER
    return Fault(link, zone, above, reason, text, parties, who, after)


def _act(link: Link, reason: Reason) -> tuple[tuple[Party, ...], str, str]:
    """Who can mend it, and the keys of the texts that say so."""
    if reason in _OURS:
        return (Party.US,), "who.limit", "next.limit"
    if link is Link.ANCHOR:
        # Should all the world's signatures be out of time, it is not the world's fault.
        if reason in _CLOCK:
            return (Party.US,), "who.clock", "next.clock"
        if reason in _UNREACHED:
            return (Party.US,), "who.network", "next.unreached"
        return (Party.US,), "who.anchor", "next.anchor"
    if reason in _UNREACHED and link is not Link.SERVERS:
        return (Party.AUTHORITY, Party.US), "who.reach", "next.unreached"
    if link is Link.SERVERS:
        return (Party.AUTHORITY, Party.US), "who.reach", "next.reach"
    if link is Link.ALIAS:
        return (Party.AUTHORITY,), "who.authority", "next.alias"
    if link is Link.DS:
        return (Party.PARENT,), "who.parent", "next.authority"
    if link is Link.KEYS and reason in _AGREE:
        return (Party.AUTHORITY, Party.PARENT), "who.keys", "next.authority"
    if reason in _TIMES:
        return (Party.AUTHORITY,), "who.sign", "next.authority"
    return (Party.AUTHORITY,), "who.authority", "next.authority"


def _unanswering(resolution: Resolution) -> Name:
    """The zone whose servers failed, as well as it can be told: the name they were last asked for."""
    for finding in reversed(resolution.findings):
        if finding.server is not None:
            return finding.question.name
    return resolution.question.name


def sentence_of(resolution: Resolution, fault: Fault | None, words: Words) -> str:
    """What happened, in one sentence that names the failing link."""
    name = name_to_text(resolution.question.name)
    if fault is not None:
        where = {"zone": name_to_text(fault.zone), "parent": _parent_text(fault)}
        where["text"] = words.because(fault.reason.label, fault.text)
        return words(f"link.{fault.link.value}", **where)
    if resolution.security is Security.SECURE:
        return words("sentence.secure", name=name)
    if resolution.security is Security.INSECURE:
        text = words.because(resolution.reason.label, _deciding_text(resolution))
        return words("sentence.insecure", name=name, text=text or words("sentence.insecure.plain"))
    return words("sentence.unchecked", name=name)


def who_can_mend(resolution: Resolution, fault: Fault | None, words: Words) -> str:
    """Who is to act; empty when all is well."""
    if fault is not None:
        return words(fault.who, zone=name_to_text(fault.zone), parent=_parent_text(fault))
    if resolution.reason is Reason.NTA:
        return words("who.nta")
    if resolution.reason is Reason.NO_TRUST_POINT:
        return words("who.no-anchor")
    if resolution.reason in _OLD:
        return words("who.old", zone=name_to_text(_last_zone(resolution)))
    return ""


def next_step(resolution: Resolution, fault: Fault | None, contact: str, daemon_fails: bool, words: Words) -> str:
    """What to do next. `daemon_fails`: the running resolver fails although the fresh look does not."""
    zone = name_to_text(fault.zone if fault is not None else _last_zone(resolution))
    if fault is not None:
        return words(fault.next, zone=zone, contact=contact or words("next.nobody"))
    if daemon_fails:
        return words("next.daemon", name=name_to_text(resolution.question.name))
    if resolution.reason is Reason.NTA:
        return words("next.nta", zone=zone)
    return words("next.none")


def _parent_text(fault: Fault) -> str:
    above = fault.parent if fault.parent is not None else ROOT
    return name_to_text(above)


def _deciding_text(resolution: Resolution) -> str:
    """The text of the link that decided."""
    for _, validated in resolution.steps:
        if validated is not None and validated.verdict.security is resolution.security:
            return validated.verdict.text or validated.verdict.reason.label
    return next((text for _, text in resolution.errors if text), "")


def _last_zone(resolution: Resolution) -> Name:
    for step, validated in reversed(resolution.steps):
        if validated is not None and validated.verdict.reason is Reason.NTA:
            return validated.verdict.at
        return validated.zone.zone if validated is not None and validated.zone is not None else step.zone
    return resolution.question.name


def answers(rcode: int) -> bool:
    """Whether an RCODE tells the client something of the name."""
    return rcode in (t.NOERROR, t.NXDOMAIN)
