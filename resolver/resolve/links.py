"""One owner name of an alias chain: from cache or authorities, judged, and stored with its verdict.

A bogus link is not taken as final while other servers may have better data: those that gave it are avoided and the
question is asked again, within RETRIES. A signature by a key that the cached DNSKEY RRset does not hold is first tried with
a fresh one, since a key may have been rolled meanwhile (RFC 6781 §4.1.1.1).

A hit on what is about to expire has it fetched anew (`Memory.due`), for which no client waits: then the entry counts as
absent (`View.renewing`), and what is fetched takes its place as if it had expired.

What is remembered of a link must be its own doing: that a limit was reached is remembered only for the first link of a
chain, for which the whole budget was there. Else whoever makes long chains could spoil the names to which they lead.
"""

from typing import Final

from resolver.cache.answers import Entry, Rank
from resolver.cache.memory import View
from resolver.iteration.addresses import AddressFilter
from resolver.iteration.iterate import iterate
from resolver.resolve.fetch import lookup, remember_failure
from resolver.resolve.link import Link
from resolver.resolve.synthesis import synthesise
from trust.reason import Reason
from trust.validate import Validated, validate
from trust.vocabulary import Address, Outcome, Question, Security, Step, Steps
from wire import types as t
from wire.limits import BOGUS_TTL, FAILURE_TTL, STALE_RECHECK

RETRIES: Final = 2
"""Times other servers are asked for data that turned out bogus."""

_PASSING: Final = frozenset((Reason.CHAIN_UNREACHABLE, Reason.INDETERMINATE))
"""Reasons that may be over in seconds: nobody gave a DS or a DNSKEY."""

_OWN_FAULT: Final = frozenset(
    (
        Reason.SIGNATURE_INVALID,
        Reason.SIGNATURE_EXPIRED,
        Reason.SIGNATURE_NOT_YET_VALID,
        Reason.SIGNATURE_EXPIRED_BEFORE_VALID,
        Reason.SIGNING_KEY_MISSING,
        Reason.RRSIG_MISSING,
        Reason.RRSIG_MALFORMED,
        Reason.DENIAL_MISSING,
        Reason.DENIAL_WRONG,
        Reason.DENIAL_UNFIT,
        Reason.BOGUS,
    )
)
"""Reasons that lie in the answer itself, so that another server's answer may be good."""


def find_links(
    question: Question, view: View, address_filter: AddressFilter, *, checking_disabled: bool, first: bool
) -> Steps[list[Link] | Outcome]:
    """The link for `question`, with those after it that came in the same answer; an Outcome without steps on failure.

    `first`: whether it is what the client asked for, not where an alias led.
    """
    known = lookup(question, view)
    if known is not None:
        step, entry = known
        if not (view.renewing and _renews(entry, question, view)):
            if view.memory.settings.prefetch and entry.used > 1 and _may_be_renewed(entry, question, view):
                view.memory.due.append(question)
            cached = yield from _from_cache(step, entry, view, address_filter, checking_disabled, first)
            if cached.validated is not None and _is_bogus(cached.validated):
                # A client with CD may have fetched it, past what is proven of the name; that is in force all the same.
                made = synthesise(question, view)
                return [cached if made is None else made]
            return [cached]
    elif not checking_disabled:
        made = synthesise(question, view)
        if made is not None:
            return [made]
    outcome = yield from iterate(question, view, address_filter)
    if not outcome.steps:
        if outcome.failure is not Reason.OVER_QUOTA and (first or outcome.failure is not Reason.LIMIT):
            remember_failure(outcome, view, STALE_RECHECK if _has_stale(question, view) else None)
        return outcome
    view.memory.failures.forget(question)
    links: list[Link] = []
    for step in outcome.steps:
        link = _known_secure(step, view) if links and not checking_disabled else None
        if link is None:
            link = yield from _judge_and_store(step, view, address_filter, checking_disabled, first and not links)
        links.append(link)
        if link.validated is not None and link.validated.verdict.security is Security.BOGUS:
            break
        if link.step.target != step.target or link.step.kind is not step.kind:
            break  # it is something else, from the cache or a retry: the links after it belonged to the old answer
    return links


def _known_secure(step: Step, view: View) -> Link | None:
    """What is cached and secure for the question of a step that came along with an alias: it needs no new judgement, and
    what the alias's server says of the target does not take its place.
    """
    known = lookup(Question(step.name, step.rtype), view)
    if known is None:
        return None
    cached, entry = known
    if view.renewing and entry.is_due(view.now.mono):
        return None
    validated = entry.verdict(view.points.generation, cached)
    if validated is None or validated.verdict.security is not Security.SECURE:
        return None
    return Link(cached, validated, entry.expires, from_cache=True)


def _renews(entry: Entry, question: Question, view: View) -> bool:
    """Whether the entry is to be fetched anew now; said once for each."""
    if not _may_be_renewed(entry, question, view):
        return False
    entry.renewed = True
    view.memory.prefetches += 1
    return True


def _may_be_renewed(entry: Entry, question: Question, view: View) -> bool:
    if not entry.is_due(view.now.mono) or entry.name != question.name:
        return False  # what was said of a name above is not learnt by asking for this one
    return entry.security is not Security.BOGUS


def _has_stale(question: Question, view: View) -> bool:
    """Whether expired data can stand in while the authorities fail (RFC 8767)."""
    memory = view.memory
    return memory.settings.serve_stale and memory.answers.stale(*question, view.now.mono) is not None


def _from_cache(
    step: Step, entry: Entry, view: View, address_filter: AddressFilter, checking_disabled: bool, first: bool
) -> Steps[Link]:
    if checking_disabled:
        return Link(step, None, entry.expires, from_cache=True)
    validated = entry.verdict(view.points.generation, step)
    if validated is not None:
        return Link(step, validated, entry.expires, from_cache=True)
    # Cached while nobody had asked for a verdict, or under other anchors.
    if entry.name == step.name:
        return (yield from _judge_and_store(step, view, address_filter, checking_disabled, first, entry))
    validated = yield from validate(step, view, view.now)
    return Link(step, validated, entry.expires)


def _judge_and_store(
    step: Step,
    view: View,
    address_filter: AddressFilter,
    checking_disabled: bool,
    first: bool,
    entry: Entry | None = None,
) -> Steps[Link]:
    """Validate a step, with retries, and remember it with its verdict. `entry`: where it came from, when from the cache."""
    if checking_disabled:
        stored = view.memory.store(step, view.now.mono, None)
        return Link(step, None, _expiry(stored, step, view))
    # Anchors and NTAs may change while we wait for keys: then the verdict is of those that were in force before.
    generation = view.points.generation
    validated = yield from validate(step, view, view.now)
    if _is_bogus(validated) and validated.verdict.reason in _OWN_FAULT:
        step, validated = yield from _retry(step, validated, view, address_filter, cached=entry is not None)
        entry = None
    if _is_bogus(validated):
        return _store_bogus(step, validated, view, generation, first, entry)
    if entry is not None:
        expires = view.memory.answers.judge(entry, step, validated, generation, view.now.mono).expires
    else:
        expires = _expiry(view.memory.store(step, view.now.mono, validated, generation=generation), step, view)
    if validated.verdict.security is Security.SECURE and view.points.generation == generation:
        view.memory.learn_denials(step, validated, expires)
    return Link(step, validated, expires)


def _retry(
    step: Step, validated: Validated, view: View, address_filter: AddressFilter, *, cached: bool
) -> Steps[tuple[Step, Validated]]:
    """Ask other servers for what proved bogus; gives back the best there is."""
    if validated.verdict.reason is Reason.SIGNING_KEY_MISSING and validated.zone is not None:
        zone = validated.zone.zone
        view.zones.forget(zone)
        view.memory.answers.forget(zone, t.DNSKEY)
        validated = yield from validate(step, view, view.now)
        if not _is_bogus(validated):
            return step, validated
    if step.server is None and not cached:
        return step, validated
    # What was cached may be older than the zone's keys: the server that gave it is asked like any other.
    avoid: set[Address] = set() if cached or step.server is None else {step.server}
    for _ in range(RETRIES + cached):
        outcome = yield from iterate(Question(step.name, step.rtype), view, address_filter, frozenset(avoid))
        if not outcome.steps:
            break
        again = outcome.steps[0]
        verdict = yield from validate(again, view, view.now)
        if not _is_bogus(verdict):
            return again, verdict
        if again.server is None or again.server in avoid:
            break
        avoid.add(again.server)
    return step, validated


def _store_bogus(step: Step, validated: Validated, view: View, generation: int, first: bool, entry: Entry | None) -> Link:
    """RFC 4035 §4.7, RFC 9520 §2.4: remember for a short while that it is bogus; clients with CD get the data."""
    mono = view.now.mono
    reason = validated.verdict.reason
    if entry is not None and reason in _PASSING:
        # Nothing is known against the data: it stays for its TTL, for clients with CD and for when its keys are back.
        return Link(step, validated, min(entry.expires, mono + FAILURE_TTL))
    if not first and (reason is Reason.LIMIT or view.budget.hit is not None):
        view.memory.store(step, mono, None)
        return Link(step, validated, mono)
    life = min(max(view.memory.ttl_of(step), FAILURE_TTL), FAILURE_TTL if reason in _PASSING else BOGUS_TTL)
    if validated.zone is not None and validated.zone.security is Security.BOGUS:
        # It is the zone that is broken: as soon as that is looked at again, so is this.
        life = min(life, max(validated.zone.expires_mono - mono, 1.0))
    view.memory.answers.put(step, Rank.AUTHORITATIVE, mono, life, validated, generation)
    return Link(step, validated, mono + life)


def _expiry(entry: Entry, step: Step, view: View) -> float:
    """When this very data runs out: an older, better entry may have stayed in its place."""
    return entry.expires if entry.is_of(step) else view.now.mono + view.memory.ttl_of(step)


def _is_bogus(validated: Validated) -> bool:
    return validated.verdict.security is Security.BOGUS
