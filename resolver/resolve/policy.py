"""A question under response policy: what the operator wants said, else the truth, else addresses made of it (DNS64).

Theory: the true resolution is `resolve`, which is told to halt where an alias leads to a name that a rule decides about for
certain. What a rule may look at only when the true answer is there is looked at afterwards, name by name along the alias
chain, and what comes after the first name with a rule is cut off. A rewritten answer is never secure, so AD is never set in
it. Where local data is an alias, its target is resolved without response policy zones, as often as it takes, but local
zones count for it: they are where a walled garden is described.

Bogus data is judged before anything is made of it: DNS64 makes nothing of an answer that did not validate (RFC 6147 §5.5).

Limitations: NSDNAME and NSIP look at the zones on the way that are known when the answer is there, from the answering zone
up to the last one below a top-level domain; addresses of servers that nobody needed so far are asked for.

draft-vixie-dnsop-dns-rpz-00, RFC 6147 §5, RFC 8880 §7.1.
"""

from collections.abc import Callable, Generator
from typing import Any, Final

from resolver.cache.memory import View
from resolver.iteration.addresses import AddressFilter
from resolver.policy.dns64 import TTL_WITHOUT_SOA, Dns64
from resolver.policy.prefixes import number_of, number_of_rdata
from resolver.policy.rpz import wildcard_target
from resolver.policy.rule import Action, Trigger
from resolver.policy.rules import DENIAL_TTL, Decision, Early, Facts, ResponsePolicy, Scope
from resolver.resolution import Handling, Hit, Resolution
from resolver.resolve.errors import merge
from resolver.resolve.resolve import answer_stale, resolve
from trust.reason import Reason
from trust.vocabulary import Need, Question, Reply, Security, Steps
from wire import types as t
from wire.limits import CHAIN, MAX_EDE_TEXT
from wire.name import ROOT, Name, count_labels, is_subdomain, parent
from wire.rdata import soa_minimum
from wire.rrset import RRset

Resolve = Callable[[Question, Callable[[Name], bool] | None], Steps[Resolution]]
"""The true resolution of a question, which halts at the names that the callable says."""

_ALIASES: Final = frozenset((t.CNAME, t.DNAME))


def resolve_under_policy(
    question: Question, view: View, address_filter: AddressFilter, scope: Scope, *, checking_disabled: bool = False
) -> Steps[Resolution]:
    """Answer a client's question as the policy wants it. Never raises."""

    def truly(question: Question, halts: Callable[[Name], bool] | None) -> Steps[Resolution]:
        return resolve(question, view, address_filter, checking_disabled=checking_disabled, halts=halts)

    asked = _Asked(question, view, scope, truly)
    resolution = yield from asked.answer()
    dns64 = scope.policy.dns64
    if dns64 is not None and scope.dns64 and not (checking_disabled and scope.dnssec_ok):
        # RFC 6147 §5.5, third case: with DO and CD set the client validates, and makes addresses itself.
        resolution = yield from _with_dns64(resolution, asked, dns64)
    return resolution


class _NothingError(Exception):
    """There is no expired data to serve."""


def stale_under_policy(question: Question, view: View, scope: Scope, *, checking_disabled: bool) -> Resolution | None:
    """What expired data there is, as the policy wants it; None when there is none, or a rule would have to ask first."""

    def truly(question: Question, _: Callable[[Name], bool] | None) -> Steps[Resolution]:
        yield from ()
        resolution = answer_stale(question, view, checking_disabled=checking_disabled)
        if resolution is None:
            raise _NothingError
        return resolution

    steps = _Asked(question, view, scope, truly).answer()
    try:
        next(steps)
    except StopIteration as stop:
        resolution: Resolution = stop.value
        return resolution
    except _NothingError:
        return None
    steps.close()
    return None


class _Asked:
    """One question on its way through the rules."""

    def __init__(self, question: Question, view: View, scope: Scope, truly: Resolve) -> None:
        self.question = question
        self.view = view
        self.scope = scope
        self.policy: ResponsePolicy = scope.policy
        self.truly = truly
        self.exempt = False
        self._first = True
        self._logged: list[Decision] = []

    def answer(self, question: Question | None = None) -> Steps[Resolution]:
        """The answer to the question, or to another in its place."""
        question = question or self.question
        self.exempt, self._first = False, True
        decision = self.policy.early(question.name, self.scope, first=True)
        if isinstance(decision, Decision) and decision.action is not Action.PASSTHRU:
            return (yield from self._rewritten(decision, question, question.name, None))
        self.exempt = isinstance(decision, Decision)
        resolution = yield from self.truly(question, self._halts)
        if isinstance(decision, Decision):
            return self._noted(resolution, decision)
        answer = resolution.answer
        is_alias = len(answer) > 1 or (bool(answer) and answer[0][0].rtype == t.CNAME)
        if decision is Early.NONE and not is_alias and resolution.halted_at is None:
            return resolution  # one name without a rule, and no rule that looks at more
        found = yield from self._afterwards(question, resolution)
        if found is None:
            return self._noted(resolution, None)
        name, decision = found
        if decision.action is Action.PASSTHRU:
            if resolution.halted_at is not None:
                resolution = yield from self.truly(question, None)
            return self._noted(resolution, decision)
        return (yield from self._rewritten(decision, question, name, resolution))

    def _halts(self, name: Name) -> bool:
        """Whether the true resolution need not go on with a name."""
        if self.exempt:
            return False
        decision = self.policy.early(name, self.scope, first=False)
        if not isinstance(decision, Decision):
            return False
        if decision.action is Action.PASSTHRU:
            self.exempt = True
            return False
        return True

    # --- rules that look at the answer ---------------------------------------------------------------------------

    def _afterwards(self, question: Question, resolution: Resolution) -> Steps[tuple[Name, Decision] | None]:
        """The first name of the chain with a rule."""
        policy, scope = self.policy, self.scope
        if not policy.zones and policy.local is None:
            return None
        names = _chain(question, resolution)
        signed = any(rrset.sigs for rrset, _ in (*resolution.answer, *resolution.authority))
        for place, name in enumerate(names):
            addresses: list[int] = []
            if place == len(names) - 1:
                addresses = [
                    number_of_rdata(rdata)
                    for rrset, _ in resolution.answer
                    if rrset.rtype in (t.A, t.AAAA)
                    for rdata in rrset.rdatas
                ]
            facts = Facts(signed, addresses)
            if policy.looks_at_servers and name != resolution.halted_at:
                server_names, server_addresses = yield from _servers(name, resolution, self.view)
                facts = Facts(signed, addresses, server_names, server_addresses)
            decision = policy.decide(name, scope, facts, first=place == 0, logged=self._logged)
            if decision is not None:
                return name, decision
        return None

    # --- what becomes of the answer ------------------------------------------------------------------------------

    def _rewritten(self, decision: Decision, question: Question, name: Name, truth: Resolution | None) -> Steps[Resolution]:
        """The answer that a rule gives for a name, after what led to the name."""
        mono = self.view.now.mono
        action = decision.action
        out = Resolution(
            question, t.NOERROR, [], [], Security.INSECURE, _errors(decision), float("inf"), reason=Reason.POLICY
        )
        if truth is not None:
            out.answer = _leading_to(question, name, truth)
            out.steps = truth.steps
        if action is Action.DROP:
            out.handling = Handling.DROP
            out.expires_mono = mono
        elif action is Action.TCP_ONLY:
            if self.scope.tcp:
                resolution = truth
                if resolution is None or resolution.halted_at is not None:
                    resolution = yield from self.truly(question, None)
                return self._noted(resolution, decision)
            out.handling = Handling.TRUNCATE
            out.expires_mono = mono + decision.max_ttl
        elif action is Action.REFUSED:
            out.rcode = t.REFUSED
            out.expires_mono = mono + DENIAL_TTL
        elif action is Action.DATA:
            yield from self._give_data(out, decision, Question(name, question.rtype))
        else:
            out.rcode = t.NXDOMAIN if action is Action.NXDOMAIN else t.NOERROR
            _deny(out, decision, mono)
        return self._noted(out, decision)

    def _give_data(self, out: Resolution, decision: Decision, question: Question, hops: int = 0) -> Steps[None]:
        """Local data for a name, and where it leads if it is an alias."""
        assert decision.data is not None
        mono = self.view.now.mono
        name, rtype = question
        sets = decision.data.sets
        wanted = [rtype] if rtype in sets else sorted(sets) if rtype == t.ANY else []
        if not wanted and t.CNAME in sets:
            ttl, rdatas = sets[t.CNAME]
            ttl = min(ttl, decision.max_ttl)
            target = _target(name, rdatas[0])
            out.expires_mono = min(out.expires_mono, mono + ttl)
            if target is None:
                out.rcode = t.YXDOMAIN
                return
            out.answer.append((RRset(name, t.CNAME, ttl, [target]), mono + ttl))
            yield from self._follow(out, Question(target, rtype), hops + 1)
            return
        for wanted_type in wanted:
            ttl, rdatas = sets[wanted_type]
            ttl = min(ttl, decision.max_ttl)
            out.answer.append((RRset(name, wanted_type, ttl, rdatas), mono + ttl))
            out.expires_mono = min(out.expires_mono, mono + ttl)
        if not wanted:
            _deny(out, decision, mono)

    def _follow(self, out: Resolution, question: Question, hops: int) -> Steps[None]:
        """Go on where local data led to: by local zones, else as the world has it."""
        local = self.policy.at_local(question.name)
        if local is not None and local.action is Action.DATA and hops <= CHAIN.value:
            yield from self._give_data(out, local, question, hops)
            return
        truth = yield from self.truly(question, None)
        out.rcode = truth.rcode
        if truth.security is Security.BOGUS:
            out.rcode = t.SERVFAIL
        out.answer += truth.answer
        out.authority += truth.authority
        out.errors = merge([*truth.errors, *out.errors])
        out.expires_mono = min(out.expires_mono, truth.expires_mono)

    def _noted(self, resolution: Resolution, decision: Decision | None) -> Resolution:
        """The answer with what rules were met. It may be shared with nobody else: `resolve` makes a new one each time."""
        decisions = [*self._logged, decision] if decision is not None else self._logged
        if decisions:
            resolution.policy = tuple(
                Hit(met.zone, met.trigger.value, "disabled" if met.logged else met.action.value, met.rule)
                for met in decisions
            )
        return resolution


def _errors(decision: Decision) -> list[tuple[int, str]]:
    return [] if decision.ede is None else [(decision.ede, decision.text[:MAX_EDE_TEXT])]


def _deny(out: Resolution, decision: Decision, mono: float) -> None:
    """End with an SOA, so that the denial is remembered for a while."""
    ttl = DENIAL_TTL
    if decision.soa is not None:
        ttl = decision.soa.ttl
        out.authority.append((decision.soa, mono + ttl))
    out.expires_mono = min(out.expires_mono, mono + min(ttl, decision.max_ttl))


def _target(name: Name, rdata: bytes) -> Name | None:
    """Where a CNAME of local data leads: a wildcard target takes the name in front (§3.6); None when it grows too long."""
    tail = wildcard_target(rdata)
    if tail is None:
        return rdata
    made = name[:-1] + tail
    return made if len(made) <= 255 else None


# --- the true answer, taken apart ----------------------------------------------------------------------------------------


def _chain(question: Question, resolution: Resolution) -> list[Name]:
    """The names along the alias chain, from the one asked for to the last."""
    names = [question.name]
    if question.rtype in (t.CNAME, t.ANY):
        return names
    targets = {rrset.name: rrset.rdatas[0] for rrset, _ in resolution.answer if rrset.rtype == t.CNAME}
    while (target := targets.pop(names[-1], None)) is not None:
        names.append(target)
    return names


def _leading_to(question: Question, name: Name, truth: Resolution) -> list[tuple[RRset, float]]:
    """The aliases of the true answer up to a name."""
    names = _chain(question, truth)
    before = names[: names.index(name)] if name in names else names
    kept = []
    for rrset, expires in truth.answer:
        is_alias = rrset.rtype == t.CNAME and rrset.name in before
        if is_alias or (rrset.rtype == t.DNAME and any(is_subdomain(alias, rrset.name) for alias in before)):
            kept.append((rrset, expires))
    return kept


def _servers(name: Name, resolution: Resolution, view: View) -> Generator[Any, Reply, tuple[list[Name], list[int]]]:
    """Names and addresses of the servers of the zones above a name, as far as they are below a top-level domain."""
    names: list[Name] = []
    addresses: list[int] = []
    zone = next((step.zone for step, _ in resolution.steps if step.name == name), name)
    if count_labels(zone) >= 2 and view.cut(zone) is None:
        reply = yield Need(Question(zone, t.NS))
        names += _names_of(reply)
    while count_labels(zone) >= 2:
        cut = view.cut(zone)
        if cut is not None:
            names += [server for server in cut.servers if server != zone]
            addresses += [number_of(address.ip) for known in cut.servers.values() for address in known]
        zone = parent(zone)
    for server in dict.fromkeys(names):
        if not view.memory.settings.ipv4 and not view.memory.settings.ipv6:
            break
        for rtype in (t.A, t.AAAA):
            reply = yield Need(Question(server, rtype))
            addresses += _addresses_of(reply)
    return list(dict.fromkeys(names)), addresses


def _names_of(reply: Reply) -> list[Name]:
    outcome = reply.outcome
    if outcome is None:
        return []
    return [rdata for step in outcome.steps for rrset in step.rrsets if rrset.rtype == t.NS for rdata in rrset.rdatas]


def _addresses_of(reply: Reply) -> list[int]:
    outcome = reply.outcome
    if outcome is None:
        return []
    return [
        number_of_rdata(rdata)
        for step in outcome.steps
        for rrset in step.rrsets
        if rrset.rtype in (t.A, t.AAAA)
        for rdata in rrset.rdatas
    ]


# --- DNS64 ---------------------------------------------------------------------------------------------------------------


def _with_dns64(resolution: Resolution, asked: _Asked, dns64: Dns64) -> Steps[Resolution]:
    """The answer with addresses made where there are none (RFC 6147 §5)."""
    name, rtype = resolution.question
    if asked.policy.at_local(name) is None:
        given = dns64.ipv4only(name, rtype)
        if given is not None:
            return _ipv4only(resolution.question, given, asked.view.now.mono)
    if rtype == t.PTR and resolution.reason is not Reason.POLICY:
        alias = dns64.alias_of_reverse(name)
        return resolution if alias is None else (yield from _reverse(resolution.question, alias, asked))
    if rtype != t.AAAA or resolution.handling is not Handling.ANSWER or resolution.security is Security.BOGUS:
        return resolution
    # §5.1.2: NXDOMAIN stays; any other error counts as an answer without addresses.
    if resolution.rcode not in (t.NOERROR, t.SERVFAIL, t.NOTIMP, t.FORMERR) or resolution.halted_at is not None:
        return resolution
    present = [rrset for rrset, _ in resolution.answer if rrset.rtype == t.AAAA]
    kept = [rrset for rrset in map(dns64.usable, present) if rrset is not None]
    if kept:
        return resolution if kept == present else _without_excluded(resolution, dns64)
    a = yield from asked.answer(Question(name, t.A))
    if a.rcode == t.SERVFAIL or a.security is Security.BOGUS:
        # §5.1.6: what went wrong with the addresses is the answer; §5.5: if they are bogus, it must be.
        a.question, a.answer, a.authority, a.rcode = resolution.question, [], [], t.SERVFAIL
        return a
    if a.rcode != t.NOERROR or a.handling is not Handling.ANSWER:
        return resolution
    return _made(resolution, a, dns64, asked.view.now.mono) or resolution


def _made(aaaa: Resolution, a: Resolution, dns64: Dns64, mono: float) -> Resolution | None:
    """The answer for A turned into one for AAAA (§5.1.5, §5.1.7): aliases stay, addresses are embedded."""
    left = TTL_WITHOUT_SOA
    for rrset, expires in aaaa.authority:
        if rrset.rtype == t.SOA and rrset.rdatas:
            left = min(max(int(expires - mono + 0.5), 0), soa_minimum(rrset.rdatas[0]))
    answer: list[tuple[RRset, float]] = []
    anything = False
    for rrset, expires in a.answer:
        if rrset.rtype in _ALIASES:
            answer.append((rrset, expires))
        elif rrset.rtype == t.A:
            ttl = min(left, max(int(expires - mono + 0.5), 0))
            made = dns64.make(rrset, ttl)
            if made is not None:
                anything = True
                answer.append((made, mono + ttl))
    if not anything:
        return None
    # §5.5: validated were the denial of AAAA and the addresses of IPv4: the weaker of the two is what the whole is.
    weaker = aaaa if aaaa.security is not Security.SECURE else a
    if aaaa.rcode != t.NOERROR:
        weaker = a if a.security is not Security.SECURE else aaaa
    out = Resolution(
        aaaa.question,
        t.NOERROR,
        answer,
        [],
        Security.INSECURE if weaker.rcode != t.NOERROR else weaker.security,
        [*a.errors],
        min((expires for _, expires in answer), default=mono),
        reason=weaker.reason,
        steps=[*aaaa.steps, *a.steps],
    )
    out.expires_mono = min(out.expires_mono, a.expires_mono)
    out.policy = tuple(dict.fromkeys((*aaaa.policy, *a.policy)))
    return out


def _without_excluded(resolution: Resolution, dns64: Dns64) -> Resolution:
    """§5.1.4: addresses that count as none are not given; what is left is no longer what was signed."""
    answer = []
    for rrset, expires in resolution.answer:
        kept = dns64.usable(rrset) if rrset.rtype == t.AAAA else rrset
        if kept is not None:
            answer.append((kept, expires))
    resolution.answer = answer
    if resolution.security is Security.SECURE:
        resolution.security, resolution.reason = Security.INSECURE, Reason.POLICY
    return resolution


def _ipv4only(question: Question, given: list[RRset], mono: float) -> Resolution:
    """RFC 8880 §7.1: ipv4only.arpa is answered here, whatever the world says."""
    answer = [(rrset, mono + rrset.ttl) for rrset in given]
    expires = mono + (given[0].ttl if given else DENIAL_TTL)
    return Resolution(question, t.NOERROR, answer, [], Security.INSECURE, [], expires, reason=Reason.POLICY)


def _reverse(question: Question, alias: Name, asked: _Asked) -> Steps[Resolution]:
    """§5.3.1, second way: a made address's reverse name is an alias of the IPv4 address's."""
    truth = yield from asked.answer(Question(alias, t.PTR))
    mono = asked.view.now.mono
    ttl = TTL_WITHOUT_SOA
    cname = (RRset(question.name, t.CNAME, ttl, [alias]), mono + ttl)
    out = Resolution(
        question,
        truth.rcode,
        [cname, *truth.answer] if truth.rcode != t.SERVFAIL else [],
        truth.authority,
        Security.INSECURE if truth.security is Security.SECURE else truth.security,
        truth.errors,
        min(truth.expires_mono, mono + ttl),
        reason=Reason.POLICY if truth.security is Security.SECURE else truth.reason,
        bogus_rcode=truth.bogus_rcode,
        steps=truth.steps,
    )
    out.policy = truth.policy
    out.handling = truth.handling
    return out


__all__ = ["ROOT", "Trigger", "resolve_under_policy"]
