"""Answers from expired data when the authorities fail: what was last known, with the verdict that it had.

Served is the whole alias chain, each link live or expired, if every link is SECURE or INSECURE. What may not be served:

* data that was bogus, or indeterminate, when it was last judged;
* SECURE data one of whose signatures, up to the trust point, has lapsed since: judged now it would be bogus. Neither is it
  served without AD: who runs a validating resolver does not want signed data past its signatures;
* data whose verdict is of other anchors or NTAs than those in force, or is an NTA's: it is judged anew, and served if the
  keys that this takes are at hand or can be had.

`resolve` asks for it when a resolution failed, the mesh when one takes longer than a client may wait (`at_once`: nothing is
asked of anybody then).

Limitations: names that were only ever denied by synthesis (RFC 8198) have no data of their own. An answer whose signer's
keys could not be had counts as bogus, so nothing stale takes its place.

RFC 8767 §4, §5, §7; RFC 8914 §4.4, §4.20; RFC 4035 §5.3.1.
"""

from typing import Final

from resolver.cache.answers import Entry
from resolver.cache.memory import View
from resolver.resolution import Resolution
from resolver.resolve.fetch import fit, lookup
from resolver.resolve.link import Link
from resolver.resolve.local import local_answer
from trust.reason import Reason
from trust.signature import in_time
from trust.validate import Validated, validate
from trust.vocabulary import Question, Security, Step, Steps
from trust.zone import ZoneTrust
from wire import types as t
from wire.limits import CHAIN
from wire.name import Name
from wire.text import name_to_text, type_to_text

_MAY_BE_SERVED: Final = (Security.SECURE, Security.INSECURE)
_UNAVAILABLE: Final = frozenset(
    (
        Reason.NO_AUTHORITY,
        Reason.NETWORK,
        Reason.CYCLE,
        Reason.LIMIT,
        Reason.OVER_QUOTA,
        Reason.EXCESSIVE,
        Reason.INVALID_DATA,
        Reason.CHAIN_UNREACHABLE,
        Reason.INDETERMINATE,
    )
)
"""Reasons of a failure for which no authority has answered: any other is an answer, and what is stale gives way to it."""


class StaleChain:
    """Links to serve; `text`: which of them has expired, and since when."""

    __slots__ = ("links", "text")

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.text = ""


def may_be_stale(resolution: Resolution) -> bool:
    """Whether stale data may stand in for this answer: it is a failure, and not that of something bogus."""
    return (
        resolution.rcode == t.SERVFAIL and resolution.security is not Security.BOGUS and resolution.reason in _UNAVAILABLE
    )


def stale_chain(question: Question, view: View, *, checking_disabled: bool) -> Steps[StaleChain | None]:
    """The chain from memory, at least one link of it expired; None when there is none that may be served."""
    chain = StaleChain()
    visited: set[Name] = set()
    name, rtype = question
    while name not in visited and len(visited) <= CHAIN.value:
        visited.add(name)
        if local_answer(name, rtype, view.memory.settings) is not None:
            return None
        link = yield from _link(Question(name, rtype), view, chain, checking_disabled)
        if link is None:
            return None
        chain.links.append(link)
        if link.step.target is None:
            return chain if chain.text else None
        name = link.step.target
    return None


def _link(asked: Question, view: View, chain: StaleChain, checking_disabled: bool) -> Steps[Link | None]:
    """One link, live or stale."""
    mono = view.now.mono
    settings = view.memory.settings
    found = lookup(asked, view)
    if found is not None:
        step, entry = found
        expires = min(entry.expires, mono + settings.stale_answer_ttl)
    else:
        expired = view.memory.answers.stale(asked.name, asked.rtype, mono)
        if expired is None:
            return None
        entry = expired
        step = fit(entry.step, asked.name, asked.rtype)
        expires = mono + settings.stale_answer_ttl
        if not chain.text:
            about = f"{name_to_text(asked.name)}/{type_to_text(asked.rtype)}"
            chain.text = f"{about} expired {int(mono - entry.expires)} s ago"
    if checking_disabled:
        return None if entry.security is Security.BOGUS else Link(step, None, expires, from_cache=True)
    validated = yield from _judged(step, entry, view)
    if validated.verdict.security not in _MAY_BE_SERVED:
        return None
    if validated.verdict.security is Security.SECURE and not signed_still(validated, view.now.wall):
        return None
    return Link(step, validated, expires, from_cache=True)


def _judged(step: Step, entry: Entry, view: View) -> Steps[Validated]:
    """The verdict that it had, or that it has under the anchors and NTAs of now. An NTA may have ended since."""
    validated = entry.verdict(view.points.generation, step)
    if validated is not None and validated.verdict.reason is not Reason.NTA:
        return validated
    return (yield from validate(step, view, view.now))


def signed_still(validated: Validated, wall: float) -> bool:
    """Whether every signature that the verdict rests on is within its validity, from the data up to the trust point."""
    for _, result in validated.signatures:
        if result.rrsig is not None and not in_time(result.rrsig, wall):
            return False
    zone: ZoneTrust | None = validated.zone
    while zone is not None:
        if wall > zone.valid_until_wall:
            return False
        for signature in (zone.ds_signature, zone.dnskey_signature):
            if signature is not None and signature.rrsig is not None and not in_time(signature.rrsig, wall):
                return False
        zone = zone.parent
    return True
