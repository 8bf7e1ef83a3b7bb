"""Sub-resolutions: what the iterator and the validator need (an address, a DNSKEY, a DS), unjudged.

Whoever needs it judges it: the validator verifies DNSKEY and DS itself, and a wrong server address can do no harm that
validation does not catch.
"""

from resolver.cache.answers import Entry
from resolver.cache.memory import View
from resolver.iteration.addresses import AddressFilter
from resolver.iteration.exchange import WAITS_FOR_ITSELF
from resolver.iteration.iterate import iterate
from resolver.resolve.errors import errors_of_failure
from trust.reason import Reason
from trust.vocabulary import Address, Kind, Outcome, Question, Step, Steps
from wire.name import Name, replace_suffix


def fetch(
    question: Question, view: View, address_filter: AddressFilter, avoid: frozenset[Address] = frozenset()
) -> Steps[Outcome]:
    """Resolve without validation, from the cache unless servers are to be avoided."""
    if not avoid:
        known = recall(question, view)
        if known is not None:
            return known
    outcome = yield from iterate(question, view, address_filter, avoid)
    if not outcome.steps:
        # Remembered is what any other asker would meet with too: not that no *other* server has anything better, nor that
        # the asker's budget was used up, nor that the asker itself is waited for.
        if (
            not avoid
            and outcome.failure not in (Reason.LIMIT, Reason.OVER_QUOTA)
            and not any(f.what == WAITS_FOR_ITSELF for f in outcome.findings)
        ):
            remember_failure(outcome, view)
        return outcome
    for step in outcome.steps:
        view.memory.store(step, view.now.mono, None)
    return outcome


def recall(question: Question, view: View) -> Outcome | None:
    """What the cache says of a question at once: data unjudged, or a failure in force."""
    memory = view.memory
    found = lookup(question, view)
    if found is not None:
        outcome = Outcome(question, [found[0]])
        outcome.expires_mono = found[1].expires
        return outcome
    failure = memory.failures.get(question, view.now.mono)
    if failure is not None:
        outcome = Outcome(question, [], failure.reason, failure.findings, failure.text)
        outcome.expires_mono = failure.until
        return outcome
    return None


def lookup(question: Question, view: View) -> tuple[Step, Entry] | None:
    """The cached step that answers the question, fitted to its name, with the entry it comes from."""
    memory = view.memory
    name, rtype = question
    mono = view.now.mono
    entry = memory.answers.get(name, rtype, mono)
    if entry is not None:
        return _fit(entry.step, name, rtype), entry
    entry = memory.answers.above(name, mono, memory.points.generation)
    if entry is not None:
        return _fit_below(entry.step, name, rtype), entry
    return None


def fit(step: Step, name: Name, rtype: int) -> Step:
    """A cached step, of the name itself or of a DNAME above it, as the answer to a question."""
    if step.kind is Kind.DNAME and step.rrsets[0].name != name:
        return _fit_below(step, name, rtype)
    return _fit(step, name, rtype)


def _fit(step: Step, name: Name, rtype: int) -> Step:
    """A cached step under its own name, for a question of another type than it was found for."""
    if step.rtype == rtype:
        return step
    if step.kind is Kind.CNAME and step.rrsets[0].rtype == rtype:
        return Step(name, rtype, Kind.ANSWER, step.rrsets, step.authority, step.zone, step.server)
    if step.kind is Kind.DNAME and step.rrsets[0].name == name and step.rrsets[0].rtype == rtype:
        return Step(name, rtype, Kind.ANSWER, step.rrsets, step.authority, step.zone, step.server)
    return Step(name, rtype, step.kind, step.rrsets, step.authority, step.zone, step.server, step.target)


def _fit_below(step: Step, name: Name, rtype: int) -> Step:
    """A cached step of an ancestor that settles `name`: a name error (RFC 8020) or a DNAME (RFC 6672)."""
    if step.kind is Kind.NXDOMAIN:
        return Step(name, rtype, Kind.NXDOMAIN, [], step.authority, step.zone, step.server)
    dname = step.rrsets[0]
    target = replace_suffix(name, dname.name, dname.rdatas[0])
    return Step(name, rtype, Kind.DNAME, [dname], step.authority, step.zone, step.server, target)


def remember_failure(outcome: Outcome, view: View, rest_s: float | None = None) -> list[tuple[int, str]]:
    """Put a failed resolution into the failure cache (RFC 9520), for `rest_s` if given; returns its Extended DNS Errors.

    What failed by a failure that was itself remembered is not remembered beyond that: five minutes of one and five of the
    other would be ten.
    """
    reason = outcome.failure or Reason.NO_AUTHORITY
    latest = float("inf")
    for finding in outcome.findings:
        latest = min(latest, finding.until)
    errors = errors_of_failure(reason, outcome.text, outcome.findings)
    failures = view.memory.failures
    failures.put(outcome.question, reason, outcome.text, errors, outcome.findings, view.now.mono, rest_s, latest)
    return errors
