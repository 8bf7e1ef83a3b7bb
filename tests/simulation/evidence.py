"""What the resolver was told and what it told its clients, as an observer of its wires sees it: with that, what its caches
may hold, and what they must, is known without a look into it.

Of every packet that reached it: when which zone gave which data, keys, delegation or denial. Of every answer to a client:
until when it has promised the same again.
"""

from collections.abc import Iterable
from typing import TypeVar

from resolver.resolution import Resolution
from tests.simulation.internet import CUT_TTL, Domain
from trust.reason import Reason
from trust.vocabulary import Ask, Kind, Question
from wire import types as t
from wire.message import Message
from wire.name import Name, is_strict_subdomain

DENIAL_TTL = 300
"""Seconds that SOA, NSEC and NSEC3 sets live, and what is made of them."""
_DENIALS = (t.NSEC, t.NSEC3)
_K = TypeVar("_K")


class Evidence:
    """Times are seconds since the start.

    Attributes:
        data: until when an answer to a name and type lives. denials: the last denial or wildcard that a zone gave. Both
            also for those alone that could be validated (True).
        keys: when a zone's DNSKEY set came, and until when its signatures hold, of those that were right; all_keys: any.
        delegations: when a referral to a zone, or its DS, came; referrals: without the latter; proofs: with their expiry.
        asked: when the last packet was sent for a zone.
        promises: until when a name and type, with or without CD, were promised to be answered, and under which trust.
        trusts: how often trust (NTAs) has changed; changed: when it did last. evictions: they may break promises.
    """

    def __init__(self) -> None:
        self.data: dict[tuple[Name, int, bool], float] = {}
        self.denials: dict[tuple[Name, bool], float] = {}
        self.keys: dict[Name, list[tuple[float, float]]] = {}
        self.all_keys: dict[Name, list[float]] = {}
        self.delegations: dict[Name, list[float]] = {}
        self.proofs: dict[Name, list[tuple[float, float]]] = {}
        self.referrals: dict[Name, list[float]] = {}
        self.asked: dict[Name, float] = {}
        self.promises: dict[tuple[Name, int, bool], tuple[float, int, int]] = {}
        self.trusts = self.evictions = 0
        self.changed = 0.0

    def trust_changes(self, now: float) -> None:
        """An NTA begins or ends: verdicts are made anew."""
        self.trusts += 1
        self.changed = now

    # --- what comes in -------------------------------------------------------------------------------------------------

    def sent(self, ask: Ask, now: float) -> None:
        """The resolver asks a zone's server."""
        self.asked[ask.zone] = now

    def heard(self, ask: Ask, message: Message, now: float, *, right: bool, valid: bool, expires: float) -> None:
        """A server's answer has reached the resolver. `right`: whether its zone's keys were; `valid`: whether it may
        validate; `expires`: when its signatures do.
        """
        if message.rcode not in (t.NOERROR, t.NXDOMAIN):
            return
        denied = [rrset.ttl for rrset in message.authority if rrset.rtype in _DENIALS or rrset.rtype == t.SOA]
        for good in {False, valid}:
            latest = expires if good else float("inf")
            for rrset in message.answer:
                self._lives(self.data, (rrset.name, rrset.rtype, good), min(now + rrset.ttl, latest))
            if denied:
                self._lives(self.data, (ask.qname, ask.qtype, good), min(now + DENIAL_TTL, latest))
                self._lives(self.denials, (ask.zone, good), min(now + DENIAL_TTL, latest))
        if ask.qtype == t.DNSKEY and message.answer:
            self.all_keys.setdefault(ask.qname, []).append(now)
            if right:
                self.keys.setdefault(ask.qname, []).append((now, expires))
        if ask.qtype == t.DS:
            self.delegations.setdefault(ask.qname, []).append(now)
            self.proofs.setdefault(ask.qname, []).append((now, expires))
        for rrset in message.authority:
            if rrset.rtype == t.NS and is_strict_subdomain(rrset.name, ask.zone):
                self.delegations.setdefault(rrset.name, []).append(now)
                self.proofs.setdefault(rrset.name, []).append((now, expires))
                self.referrals.setdefault(rrset.name, []).append(now)

    def told(
        self, question: Question, names: Iterable[Name], resolution: Resolution, mono: float, *, checking: bool
    ) -> None:
        """A client has its answer. `mono`: the resolver's clock at the start.

        What was made of cached denials (EDE 29) is promised to none that sets CD: who checks himself is not given what no
        server said (RFC 8198 is for those that validate), and a promise that he had before stays as it was.
        """
        made = {
            step.name
            for step, validated in resolution.steps
            if validated is not None and any(note.reason is Reason.SYNTHESISED for note in validated.verdict.notes)
        }
        for name in names:
            ends = [expires for rrset, expires in resolution.answer if rrset.name == name]
            until = min(ends, default=resolution.expires_mono) - mono
            for checked in (True, False) if checking else (False,):
                if name in made and not checked:
                    continue
                self.promises[name, question.rtype, checked] = until, self.trusts, self.evictions

    @staticmethod
    def _lives(table: dict[_K, float], key: _K, until: float) -> None:
        table[key] = max(table.get(key, 0.0), until)

    # --- what follows --------------------------------------------------------------------------------------------------

    def promised(self, name: Name, rtype: int, until: float, *, checking: bool) -> bool:
        """Whether a client was told this and may rely on it until then."""
        ends, trusts, evictions = self.promises.get((name, rtype, checking), (0.0, 0, 0))
        return ends > until and evictions == self.evictions and (not checking or trusts == self.trusts)

    def has_data(self, domain: Domain, name: Name, rtype: int, since: float, *, valid: bool) -> bool:
        """Whether what answers the question may be cached: itself, an alias, a denial or wildcard that covers it."""
        if any(self.data.get((name, one, valid), 0.0) >= since for one in (rtype, t.CNAME)):
            return True
        kind, _ = domain.versions[-1].says(name, rtype)
        made = kind is not Kind.ANSWER or is_strict_subdomain(name, domain.below("w"))
        return made and self.denials.get((domain.origin, valid), 0.0) >= since

    def has_keys(self, zone: Name, since: float) -> bool:
        """Whether the zone's keys may be cached."""
        return any(at >= since - CUT_TTL and expires >= since for at, expires in self.keys.get(zone, ()))

    def has_delegation(self, zone: Name, since: float, *, proven: bool) -> bool:
        """Whether a delegation of the zone may be cached; `proven`: with the proof that it is unsigned."""
        life = DENIAL_TTL if proven else CUT_TTL
        return any(since - life <= at for at in self.delegations.get(zone, ()))

    def keeps(self, zone: Name, since: float, until: float) -> bool:
        """Whether the zone's trust was built before `since`, of sets all of which are live until then, and not again."""
        kept = max((each for each in self.keys.get(zone, ()) if each[0] <= since), default=None)
        if kept is None or kept[0] < max(until - CUT_TTL, self.changed) or kept[1] < until:
            return False
        before = [each for each in self.proofs.get(zone, ()) if each[0] <= kept[0]]
        return bool(before) and before[-1][0] >= until - CUT_TTL and before[-1][1] >= until

    def kept_since(self, zone: Name, before: float) -> float | None:
        """When the last right keys came before a time."""
        return max((at for at, _ in self.keys.get(zone, ()) if at <= before), default=None)

    def keeps_delegation(self, zone: Name, since: float, until: float, *, signed: bool) -> bool:
        """Whether a delegation of the zone is cached until then. One without DS lives no longer than the proof of it."""
        life = CUT_TTL if signed else DENIAL_TTL
        return any(until - life <= at <= since for at in self.referrals.get(zone, ()))

    def has_old_delegation(self, zone: Name, changed: float, since: float) -> bool:
        """Whether a delegation of before a change may still be cached."""
        return since <= changed + CUT_TTL and _next(self.referrals, zone, changed) >= since

    def lag(self, zone: Name, rekeyed: float, delegated: float, since: float, until: float) -> bool:
        """Whether between two times keys of after a change met a delegation of before it."""
        return _next(self.all_keys, zone, rekeyed) <= until and _next(self.delegations, zone, delegated) >= since

    def mixes(self, zone: Name, changed: float, above: Name, since: float, until: float) -> bool:
        """Whether between two times a delegation of after a change met keys of the zone above of before it."""
        return _next(self.delegations, zone, changed) <= until and _next(self.all_keys, above, changed) >= since


def _next(times: dict[Name, list[float]], zone: Name, after: float) -> float:
    return next((at for at in times.get(zone, ()) if at > after), float("inf"))
