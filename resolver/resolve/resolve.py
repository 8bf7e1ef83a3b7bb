"""One question → one Resolution.

The chain of aliases is followed link by link; each link is found (`links`), judged by the validator, and added. The answer
is as secure as its weakest link, and the first bogus link ends it (RFC 4035 §4.3, §5). With checking disabled the validator
is not asked at all, and nothing is ever called secure.

When no authority answers, expired data may be served (`stale`).

RFC 1034 §3.6.2 and §5.3, RFC 2308 §2, RFC 4035 §3.2, RFC 6672 §3.1 (synthesised CNAME), RFC 8914, RFC 9520.
"""

from collections.abc import Callable, Sequence
from typing import Final

from resolver.cache.failures import Failure
from resolver.cache.memory import View
from resolver.iteration.addresses import AddressFilter
from resolver.resolution import Resolution
from resolver.resolve.errors import (
    NO_REACHABLE_AUTHORITY,
    Error,
    errors_of_failure,
    errors_of_verdict,
    merge,
    remembered,
    with_clock,
)
from resolver.resolve.fetch import lookup
from resolver.resolve.link import Link
from resolver.resolve.links import find_links
from resolver.resolve.local import LocalAnswer, local_answer
from resolver.resolve.sentinel import apply_sentinel
from resolver.resolve.stale import may_be_stale, stale_chain
from resolver.resolve.untimely import excuse, is_excusable
from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Finding, Kind, Outcome, Question, Security, Step, Steps, question_of
from wire import types as t
from wire.limits import CHAIN, FAILURE_TTL, FEW_SETS, STALE_HOLD
from wire.name import Name
from wire.rrset import RRset

_DENIAL_TYPES = frozenset((t.NSEC, t.NSEC3))
# The class of reasons is not compiled: its members are looked up once.
_VALID: Final = Reason.VALID
_NO_AUTHORITY: Final = Reason.NO_AUTHORITY
_FOREVER: Final = float("inf")
_NOT_READY = "no server has given an answer since start or flush"


def resolve(
    question: Question,
    view: View,
    address_filter: AddressFilter,
    *,
    checking_disabled: bool = False,
    halts: Callable[[Name], bool] | None = None,
) -> Steps[Resolution]:
    """Answer a client's question. Never raises; failures are Resolutions with SERVFAIL.

    `halts`: whether an alias's target is not to be followed; the answer then ends with the alias.

    Should anchors or NTAs change meanwhile, it begins again, with what it found in the cache: the answer that a client
    gets, and that the packet cache keeps, is never one of the past.
    """
    while True:
        generation = view.points.generation
        resolution = yield from _resolve(question, view, address_filter, checking_disabled=checking_disabled, halts=halts)
        if view.memory.settings.serve_stale and not view.renewing and may_be_stale(resolution):
            stale = yield from _stale(question, view, resolution.errors, checking_disabled=checking_disabled)
            resolution = stale or resolution
        if resolution.reason is _NO_AUTHORITY and view.memory.settings.tells_readiness and view.memory.is_blank:
            resolution.errors = merge([*resolution.errors, (Reason.NOT_READY.ede or 0, _NOT_READY)])
        if checking_disabled or view.points.generation == generation:
            return apply_sentinel(resolution, view.points) if view.memory.settings.sentinel else resolution


def answer_stale(question: Question, view: View, *, checking_disabled: bool) -> Resolution | None:
    """What can be said at once, from expired data, while the resolution goes on (RFC 8767 §5: client response timer)."""
    text = f"not resolved within {view.memory.settings.stale_client_timeout:g} s"
    steps = _stale(question, view, [(NO_REACHABLE_AUTHORITY, text)], checking_disabled=checking_disabled)
    try:
        next(steps)
    except StopIteration as stop:
        found: Resolution | None = stop.value
        if found is None or checking_disabled or not view.memory.settings.sentinel:
            return found
        return apply_sentinel(found, view.points)
    steps.close()  # it would take somebody else's answer
    return None


def _stale(question: Question, view: View, errors: list[Error], *, checking_disabled: bool) -> Steps[Resolution | None]:
    """An answer from expired data; `errors`: why there is no better one."""
    chain = yield from stale_chain(question, view, checking_disabled=checking_disabled)
    if chain is None:
        return None
    answer = _Answer(question)
    for link in chain.links:
        answer.add(link, view)
    resolution = answer.done()
    resolution.reason = Reason.STALE_NXDOMAIN if resolution.rcode == t.NXDOMAIN else Reason.STALE
    resolution.errors = merge([(resolution.reason.ede or 0, chain.text), *answer.errors, *errors])
    resolution.expires_mono = view.now.mono + STALE_HOLD
    return resolution


def _resolve(
    question: Question,
    view: View,
    address_filter: AddressFilter,
    *,
    checking_disabled: bool,
    halts: Callable[[Name], bool] | None,
) -> Steps[Resolution]:
    """Answer a question under one generation of anchors and NTAs."""
    answer = _Answer(question)
    name, rtype = question
    visited: set[Name] = set()
    excusable = not checking_disabled and is_excusable(question, view.memory)
    while name not in visited:
        if len(visited) > view.budget.ceiling(CHAIN, len(visited)):
            return answer.failed(Reason.LIMIT, f"limit {view.budget.limits.text(CHAIN)} reached", view)
        if halts is not None and visited and halts(name):
            return answer.halted(name)
        visited.add(name)
        local = local_answer(name, rtype, view.memory.settings)
        if local is not None:
            return answer.add_local(local, view)
        asked = question if len(visited) == 1 else question_of(name, rtype)
        failure = view.memory.failures.get(asked, view.now.mono)
        if failure is not None and lookup(asked, view) is None:
            return answer.failed_before(failure)
        found = yield from find_links(
            asked, view, address_filter, checking_disabled=checking_disabled, first=not answer.steps
        )
        if isinstance(found, Outcome):
            return answer.failed(found.failure or Reason.NO_AUTHORITY, found.text, view, found)
        target: Name | None = None
        for link in found:
            if halts is not None and link.step.name not in visited and halts(link.step.name):
                return answer.halted(link.step.name)
            visited.add(link.step.name)
            judged = (yield from excuse(link, view)) if excusable else link
            target = answer.add(judged, view)
            if answer.is_bogus:
                return answer.bogus(judged)
        if target is None:
            return answer.done()
        name = target
    return answer.failed(Reason.ALIAS_LOOP, "alias chain leads back to itself", view)


def _authority_of(link: Link) -> Sequence[RRset]:
    """What goes into the authority section with a link: a denial's SOA and proof, a wildcard's proof (RFC 4035 §3.1.3).

    With a secure link goes only what is verified, since AD speaks of the authority section too (RFC 4035 §3.2.3).
    """
    step, validated = link.step, link.validated
    if validated is not None and validated.verdict.security is Security.SECURE:
        return validated.authority
    if step.kind is Kind.NXDOMAIN or step.kind is Kind.NODATA:
        return step.authority
    return [rrset for rrset in step.authority if rrset.rtype in _DENIAL_TYPES]


def _extend(section: list[tuple[RRset, float]], rrsets: Sequence[RRset], expires: float) -> None:
    """Add sets to a section, none twice: a chain may pass the same DNAME, or rest on the same proof, more than once."""
    if len(section) + len(rrsets) > FEW_SETS:
        # What a server sends by the thousand must not be compared each with each.
        seen = {rrset for rrset, _ in section}
        for rrset in rrsets:
            if rrset not in seen:
                seen.add(rrset)
                section.append((rrset, expires))
        return
    for rrset in rrsets:
        if not any(rrset == present for present, _ in section):
            section.append((rrset, expires))


class _Answer:
    """The answer as it grows."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.answer: list[tuple[RRset, float]] = []
        self.authority: list[tuple[RRset, float]] = []
        self.steps: list[tuple[Step, Validated | None]] = []
        self.security = Security.SECURE
        self.reason = _VALID
        self.errors: list[Error] = []
        self.expires = _FOREVER
        self.rcode = t.NOERROR

    @property
    def is_bogus(self) -> bool:
        return self.security is Security.BOGUS

    def add(self, link: Link, view: View) -> Name | None:
        """Add a link; returns the target to go on with, None at the end of the chain."""
        step, expires = link.step, link.expires
        self.steps.append((step, link.validated))
        self.expires = min(self.expires, expires)
        self._weigh(link, view)
        _extend(self.answer, step.rrsets, expires)
        _extend(self.authority, _authority_of(link), expires)
        if step.kind is Kind.NXDOMAIN:
            self.rcode = t.NXDOMAIN
        if step.kind is Kind.DNAME:
            if step.target is None:
                self.rcode = t.YXDOMAIN  # RFC 6672 §2.2: the substitution grew over 255 octets
                return None
            self.answer.append((RRset(step.name, t.CNAME, step.rrsets[0].ttl, [step.target]), expires))
            if self.question.rtype in (t.CNAME, t.ANY):
                return None  # RFC 1034 §4.3.2 step 3a: the CNAME, even if made from a DNAME, is what was asked for
        return step.target

    def _weigh(self, link: Link, view: View) -> None:
        """The whole is as secure as its weakest link."""
        if link.validated is None:
            self.security = Security.INDETERMINATE
            return
        verdict = link.validated.verdict
        if verdict.security is Security.BOGUS:
            self.security, self.reason = Security.BOGUS, verdict.reason
            self.errors = merge(errors_of_verdict(verdict, nta=view.memory.settings.nta_extended_error))
            if view.memory.clock_note:
                self.errors = with_clock(self.errors, view.memory.clock_note)
            if link.from_cache:
                self.errors = remembered(self.errors)
            return
        if verdict.security is not Security.SECURE and self.security is Security.SECURE:
            self.security, self.reason = verdict.security, verdict.reason
        if verdict.security is not Security.SECURE or verdict.notes:
            errors = errors_of_verdict(verdict, nta=view.memory.settings.nta_extended_error)
            if view.memory.clock_note:
                errors = with_clock(errors, view.memory.clock_note)
            self.errors = merge(self.errors + errors) if self.errors else errors

    def add_local(self, local: LocalAnswer, view: View) -> Resolution:
        """End the chain with a locally served name: never secure."""
        mono = view.now.mono
        self.answer += [(rrset, mono + rrset.ttl) for rrset in local.answer]
        self.authority += [(rrset, mono + rrset.ttl) for rrset in local.authority]
        self.expires = min(self.expires, *(mono + r.ttl for r in (*local.answer, *local.authority)))
        self.rcode = local.rcode
        self.security, self.reason = Security.INSECURE, Reason.NO_TRUST_POINT
        return self.done(authoritative=not self.steps)

    def done(self, *, authoritative: bool = False) -> Resolution:
        """The answer is complete."""
        return Resolution(
            self.question,
            self.rcode,
            self.answer,
            self.authority,
            self.security,
            self.errors,
            self.expires,
            reason=self.reason,
            authoritative=authoritative,
            steps=self.steps,
        )

    def halted(self, name: Name) -> Resolution:
        """The caller wants to go on with this name by itself."""
        resolution = self.done()
        resolution.halted_at = name
        return resolution

    def bogus(self, link: Link) -> Resolution:
        """A link does not validate: SERVFAIL, with the data beside it for clients that check themselves."""
        resolution = self.done()
        resolution.bogus_rcode = t.NXDOMAIN if link.step.kind is Kind.NXDOMAIN else t.NOERROR
        resolution.rcode = t.SERVFAIL
        resolution.expires_mono = min(resolution.expires_mono, link.expires)
        return resolution

    def failed(self, reason: Reason, text: str, view: View, outcome: Outcome | None = None) -> Resolution:
        """No answer: SERVFAIL with what the servers did."""
        findings = outcome.findings if outcome is not None else []
        errors = errors_of_failure(reason, text, findings)
        life = FAILURE_TTL if reason is not Reason.OVER_QUOTA else 0  # the next client may have better luck
        return self._servfail(reason, errors, view.now.mono + life, findings)

    def failed_before(self, failure: Failure) -> Resolution:
        """RFC 9520: the failure is remembered; its own errors stand, and 13 says that they are not fresh."""
        return self._servfail(failure.reason, remembered(failure.errors), failure.until, failure.findings)

    def _servfail(self, reason: Reason, errors: list[Error], expires: float, findings: list[Finding]) -> Resolution:
        return Resolution(
            self.question,
            t.SERVFAIL,
            [],
            [],
            Security.INDETERMINATE,
            errors,
            expires,
            reason=reason,
            steps=self.steps,
            findings=findings,
        )
