"""Which answers are right: from what zones and servers did, without a look into the resolver.

What its caches may hold, or must, follows from what it was sent and has told (`evidence`), and from TTLs. Within these,

* data must be what some server said within the data's TTL, and at some time then the zone was good (or an NTA covers it);
* it is SECURE, INSECURE as the delegations above it were within their TTLs; under an NTA it is INSECURE, and not a moment
  longer than the NTA is in force;
* a failure is in order only if no client was promised this data for longer, and the zone, one above it that is not behind
  keys and delegations that must be cached, or the one in which its servers' names lie is bogus or down, or was and has
  been asked within the time for which failures may be remembered; if none was down, it must be a bogus one;
* an answer is in order only if its data came within its TTL while it could be validated, or may come now: from servers that
  answer, under keys that may be cached.

So a question has to be answered, or has to fail, or (while caches may hold one thing or another) may do either. That is
left open where it depends on which server was asked when, on what was evicted, on whether a denial covers the name, on
verdicts made anew after an NTA came or went, and for a minute or five after a zone was mended (failures are remembered).

Limitations: that data is as fresh as it could be is not asked for; of expired data served (RFC 8767), that it is not older
than allowed and that it was good once.
"""

from dataclasses import dataclass, field
from enum import Enum
from itertools import pairwise

from resolver.resolution import Resolution
from tests.simulation.evidence import Evidence
from tests.simulation.internet import CUT_TTL, DATA_TTL, Domain, Internet, Status
from trust.reason import Reason
from trust.vocabulary import Ask, Kind, Question, Security
from wire import types as t
from wire.message import Message
from wire.name import Name, is_subdomain
from wire.text import name_to_text, type_to_text

FAILURE_S = 320.0
"""Failures may be remembered for 300 s (RFC 9520 §3.2), and it takes a resolution to find one out."""
BOGUS_S = 75.0
"""That a zone is bogus is remembered for 60 s, and it takes a resolution to find it out."""
BOTHERS = (Reason.STALE, Reason.STALE_NXDOMAIN)
_WEAKEST = (Security.SECURE, Security.INSECURE)


class Due(Enum):
    """What is due."""

    ANSWER = "must be answered"
    FAILURE = "must fail"
    EITHER = "may be answered or fail"


class WrongAnswerError(AssertionError):
    """The resolver said something that it may not say."""


@dataclass
class Oracle:
    """Judges answers. `ntas`: (name, from, to) of NTAs; `stale_s`: how long expired data may be served."""

    internet: Internet
    ntas: list[tuple[Name, float, float]] = field(default_factory=list)
    stale_s: float = 0.0
    judged: dict[str, int] = field(default_factory=dict)
    seen: Evidence = field(default_factory=Evidence)

    def judge(
        self, question: Question, asked: float, answered: float, resolution: Resolution, mono: float, *, checking: bool
    ) -> None:
        """Look at one answer to a question that was asked and answered at these times. `mono`: its clock at their 0.

        Raises:
            WrongAnswerError: it is not one of those allowed.
        """
        links = self._links(question)
        life = CUT_TTL if question.rtype in (t.NS, t.SOA) else DATA_TTL
        may_fail = any(
            not self.seen.promised(name, question.rtype, answered, checking=checking)
            and self._may_fail(domain, name, asked, answered, checking)
            for domain, name in links
        )
        may_answer = all(
            self._may_answer(domain, name, asked, answered, checking, life)
            and (
                self._may_have(domain, name, question.rtype, asked, answered, checking)
                or self._may_fetch(domain, name, asked, answered, checking)
            )
            for domain, name in links
        )
        due = Due.ANSWER if not may_fail else Due.EITHER if may_answer else Due.FAILURE
        stale = resolution.reason in BOTHERS
        kind = f"{due.value}: " + ("failed" if resolution.rcode == t.SERVFAIL else "stale" if stale else "answered")
        self.judged[kind] = self.judged.get(kind, 0) + 1
        if resolution.rcode == t.SERVFAIL:
            if due is Due.ANSWER:
                raise self._wrong(question, "fails, and everything was well", resolution)
            self._check_failure(question, links, asked, answered, resolution, checking)
            return
        if due is Due.FAILURE and not stale:
            raise self._wrong(question, "is answered, and nothing was good within its TTL", resolution)
        older = self.stale_s if stale else 0.0
        self._check_data(question, links, asked - older - life, answered, resolution)
        if checking:
            self._check_security(question, links, asked, answered, resolution, older + life)
        if not stale:
            self.seen.told(question, [name for _, name in links], resolution, mono, checking=checking)

    # --- what is due -----------------------------------------------------------------------------------------------

    def _links(self, question: Question) -> list[tuple[Domain, Name]]:
        """Where the question leads, alias after alias: aliases never change."""
        name = question.name
        links = [(self.internet.holder(name), name)]
        while question.rtype != t.CNAME and (target := links[-1][0].aliases.get(name)) is not None:
            name = target
            links.append((self.internet.holder(name), name))
        return links

    def _may_fail(self, domain: Domain, name: Name, asked: float, answered: float, checking: bool) -> bool:
        """Whether something that it depends on, and that need not be cached, was bad, or was found bad of late."""
        trusting = not checking or self._covered(name, asked, answered) is True
        behind = behind_long = False  # keys and delegations that are kept now, and were when what was bad then was met with
        for dependency in self._chain(domain):
            present = dependency.during(asked, answered)
            recent = dependency.during(asked - BOGUS_S, answered)
            kept = self._is_kept(dependency, asked, answered, trusting)
            # Below a zone that has long been unsigned nobody looks at signatures: they may be as wrong as they like.
            heedless = trusting or self._is_below_unsigned(dependency, asked, answered)
            for moment in dependency.during(asked - FAILURE_S, answered):
                now = moment in present
                if behind if now else behind_long:
                    continue
                if not now and self.seen.asked.get(dependency.origin, 0.0) < moment.at:
                    continue  # nobody has noticed
                if moment.status is Status.DOWN:
                    return True
                if moment.status is Status.BOGUS and not heedless and moment in recent and not kept:
                    return True
            if not heedless and not behind and self._is_mixed(dependency, asked, answered):
                return True
            behind = behind or kept
            behind_long = behind_long or (kept and self._is_kept(dependency, asked - FAILURE_S, answered, trusting))
        return any(self._may_fail(host, host.origin, asked, answered, False) for host in self._hosters(domain))

    def _is_mixed(self, domain: Domain, asked: float, answered: float) -> bool:
        """Whether old and new of a change that was made without waiting may meet in the caches."""
        seen = self.seen
        for moment in domain.during(asked - CUT_TTL - BOGUS_S, answered):
            if moment.rekeyed and seen.lag(domain.origin, moment.rekeyed, moment.at, asked - BOGUS_S, answered):
                return True
            if moment.astray and seen.has_old_delegation(domain.origin, domain.moved, asked - BOGUS_S):
                return True
        for above in self._chain(domain)[1:]:
            for moment in above.during(asked - CUT_TTL - BOGUS_S, answered):
                # A delegation by a key that the cached keys of the zone above do not have.
                if moment.resigned and seen.mixes(domain.origin, moment.at, above.origin, asked - BOGUS_S, answered):
                    return True
        return False

    def _is_kept(self, domain: Domain, asked: float, answered: float, trusting: bool) -> bool:
        """Whether the zone's delegation and trust are in the caches for certain."""
        if trusting:
            signed = all(moment.secured for moment in domain.during(asked - CUT_TTL, answered))
            # The delegation of a zone that was found bogus is forgotten with its DS.
            forgotten = any(moment.status is Status.BOGUS for moment in domain.during(asked - CUT_TTL, answered))
            return not forgotten and self.seen.keeps_delegation(domain.origin, asked, answered, signed=signed)
        since = self.seen.kept_since(domain.origin, asked)
        if since is None or not self.seen.keeps(domain.origin, asked, answered):
            return False
        return all(m.sound for m in domain.during(since - 10.0, answered)) and all(
            m.status is Status.GOOD for one in self._chain(domain) for m in one.during(since - 10.0, since)
        )

    def heard(self, ask: Ask, message: Message, expires: float, sent: float, now: float) -> None:
        """A packet has reached the resolver. `expires`: its signatures; `sent`: when the server was asked."""
        domain = self.internet.domains[ask.zone]
        right = domain.during(sent, sent)[-1].status is Status.GOOD
        valid = self._may_fetch(domain, ask.qname, sent, now, True)
        self.seen.heard(ask, message, now, right=right, valid=valid, expires=expires)

    def _may_have(self, domain: Domain, name: Name, rtype: int, asked: float, answered: float, checking: bool) -> bool:
        """Whether what answers the question may be cached, and have been found good, or be found so now."""
        if self.seen.has_data(domain, name, rtype, asked, valid=True):
            return True
        if not self.seen.has_data(domain, name, rtype, asked, valid=False):
            return False
        if not checking or self._covered(name, asked, answered) is not False:
            return True
        return self._is_unsigned(domain, asked, answered) and self._may_fetch(domain, name, asked, answered, True)

    def _is_unsigned(self, domain: Domain, asked: float, answered: float) -> bool:
        """Whether signatures may not matter, since there is an unsigned delegation above."""
        return any(not m.secured for d in self._chain(domain) for m in d.during(asked - 3 * CUT_TTL, answered))

    def _is_below_unsigned(self, domain: Domain, asked: float, answered: float) -> bool:
        """Whether signatures cannot matter: a delegation above was unsigned for as long as anything is kept."""
        return any(
            not any(moment.secured for moment in above.during(asked - 3 * CUT_TTL, answered))
            for above in self._chain(domain)[1:]
        )

    def _may_fetch(self, domain: Domain, name: Name, asked: float, answered: float, checking: bool) -> bool:
        """Whether what is not cached may be had now: from its servers, under keys and by delegations that may be cached."""
        trusting = not checking or self._covered(name, asked, answered) is not False
        unsigned = self._is_unsigned(domain, asked, answered)
        moments = domain.during(asked, answered)
        known = self.seen.has_keys(domain.origin, asked)
        if trusting or unsigned:
            answers = any(moment.said for moment in moments)
        else:
            answers = any(moment.status is Status.GOOD or (moment.sound and known) for moment in moments)
        if not answers or not self._may_reach(domain, asked, answered):
            return False
        return trusting or self._may_trust(domain, asked, answered)

    def _may_reach(self, domain: Domain, asked: float, answered: float) -> bool:
        """Whether the way to the zone's servers may be known or found."""
        chain = self._chain(domain)
        for dependency, above in pairwise(chain):
            signed = any(moment.secured for moment in dependency.during(asked - CUT_TTL, answered))
            if self.seen.has_delegation(dependency.origin, asked, proven=not signed):
                return True
            if not any(moment.said for moment in above.during(asked, answered)):
                return False
        return True

    def _may_trust(self, domain: Domain, asked: float, answered: float) -> bool:
        """Whether its keys, or the proof that there are none, may be known or found."""
        chain = self._chain(domain)
        for dependency, above in pairwise(chain):
            if any(not moment.secured for moment in dependency.during(asked - 3 * CUT_TTL, answered)):
                heard = any(moment.said for moment in above.during(asked, answered))
                if heard or self.seen.has_delegation(dependency.origin, asked, proven=True):
                    return True
        for dependency in chain:
            if self.seen.has_keys(dependency.origin, asked):
                return True
            if not any(moment.status is Status.GOOD for moment in dependency.during(asked, answered)):
                return False
        return True

    def _may_answer(self, domain: Domain, name: Name, asked: float, answered: float, checking: bool, life: float) -> bool:
        """Whether there was something good at some time within the TTLs."""
        since = asked - life
        trusting = not checking or self._covered(name, asked, answered) is not False
        above = [m for d in self._chain(domain)[1:] for m in d.during(since - 3 * CUT_TTL, answered)]
        # Below an unsigned zone nobody looks at signatures.
        trusting = trusting or any(not moment.secured for moment in above)
        good = (Status.GOOD, Status.BOGUS) if trusting else (Status.GOOD,)
        for level, dependency in enumerate(self._chain(domain), 1):
            # Keys once validated are good for their TTL, and what they sign then; so at each level.
            if not any(moment.status in good for moment in dependency.during(since - level * CUT_TTL, answered)):
                return False
        recent = domain.during(since, answered)
        return any(
            moment.status is not Status.DOWN if trusting else moment.sound or not moment.secured for moment in recent
        )

    def _chain(self, domain: Domain) -> list[Domain]:
        chain = [domain]
        while chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        return chain

    def _hosters(self, domain: Domain) -> list[Domain]:
        return [d.hoster for d in self._chain(domain) if d.hoster is not None]

    def _all_above(self, domain: Domain) -> list[Domain]:
        """The zone, those above it, those in which its servers' names lie, and those above these."""
        return [*self._chain(domain), *(above for host in self._hosters(domain) for above in self._all_above(host))]

    def _covered(self, name: Name, first: float, last: float) -> bool | None:
        """Whether an NTA covers the name: all that time, never, or (None) part of it."""
        part = False
        for nta, begins, ends in self.ntas:
            if is_subdomain(name, nta) and begins <= last and ends >= first:
                if begins < first and ends > last:
                    return True
                part = True
        return None if part else False

    # --- what is said ------------------------------------------------------------------------------------------------

    def _check_failure(
        self,
        question: Question,
        links: list[tuple[Domain, Name]],
        asked: float,
        answered: float,
        resolution: Resolution,
        checking: bool,
    ) -> None:
        """That of bogus zones whose servers are all there is a bogus failure."""
        chain = {d.origin: d for link, _ in links for d in self._all_above(link)}.values()
        moments = [m for d in chain for m in d.during(asked - CUT_TTL - FAILURE_S, answered)]
        bogus_only = checking and not any(m.status is Status.DOWN or m.rekeyed for m in moments)
        if bogus_only and resolution.security is not Security.BOGUS:
            raise self._wrong(question, "fails, and is not bogus though all servers are there", resolution)

    def _check_data(
        self, question: Question, links: list[tuple[Domain, Name]], since: float, answered: float, resolution: Resolution
    ) -> None:
        said = [(rrset.name, rrset.rtype, tuple(sorted(rrset.rdatas))) for rrset, _ in resolution.answer]
        for place, (domain, name) in enumerate(links):
            wanted = t.CNAME if place < len(links) - 1 else question.rtype
            numbers = {v for moment in domain.during(since, answered) for v in moment.said}
            found = [rdatas for owner, rtype, rdatas in said if owner == name and rtype == wanted]
            true = [domain.versions[v].says(name, wanted) for v in numbers]
            if found:
                if found[0] not in (rdatas for kind, rdatas in true if kind in (Kind.ANSWER, Kind.CNAME)):
                    raise self._wrong(question, f"says of {name_to_text(name)} what nobody said", resolution)
            else:
                denied = Kind.NXDOMAIN if resolution.rcode == t.NXDOMAIN else Kind.NODATA
                if place != len(links) - 1 or denied not in (kind for kind, _ in true):
                    raise self._wrong(question, f"denies {name_to_text(name)}, which nobody did", resolution)

    def _check_security(
        self,
        question: Question,
        links: list[tuple[Domain, Name]],
        asked: float,
        answered: float,
        resolution: Resolution,
        older: float,
    ) -> None:
        allowed = {Security.SECURE}
        for domain, name in links:
            one = self._securities(domain, name, asked, answered, older)
            allowed = {max(a, b, key=_WEAKEST.index) for a in allowed for b in one}
        if resolution.security not in allowed:
            text = "/".join(sorted(security.value for security in allowed))
            raise self._wrong(question, f"is {resolution.security.value}, not {text}", resolution)

    def _securities(self, domain: Domain, name: Name, asked: float, answered: float, older: float) -> set[Security]:
        covered = self._covered(name, asked, answered)
        if covered is True:
            return {Security.INSECURE}
        out = {Security.INSECURE} if covered is None else set[Security]()
        every = True
        for level, dependency in enumerate(self._chain(domain), 1):
            moments = dependency.during(asked - older - level * CUT_TTL, answered)
            if any(not moment.secured for moment in moments):
                out.add(Security.INSECURE)
            every = every and any(moment.secured for moment in moments)
        if every:
            out.add(Security.SECURE)
        return out

    def _wrong(self, question: Question, what: str, resolution: Resolution) -> WrongAnswerError:
        asked = f"{name_to_text(question.name)}/{type_to_text(question.rtype)}"
        findings = "; ".join(f"{f.server.ip if f.server else '-'} {f.what}" for f in resolution.findings[:8])
        verdicts = [validated.verdict.text for _, validated in resolution.steps if validated is not None]
        detail = f"{resolution.reason.name}, {resolution.errors}, {verdicts}, {findings}"
        return WrongAnswerError(f"{asked} {what}: {detail}")
