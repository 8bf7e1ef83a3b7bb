"""The chain of trust, zone by zone, from the trust point down through the cuts.

Theory: `zone_trust` climbs from a zone over the cuts that iteration knows to the nearest state that is known (kept, or at
a trust point), and comes down again link by link. A link is: the parent's DS RRset or its denial, verified with the
parent's keys; then the DNSKEY RRset, verified under the DS. The DS or its denial usually came with the referral (`Cut`);
else it is asked for. Whose DS it is says its signature's signer, since a server may serve several zones in a row and refer
over their cuts; that signer is believed to be a zone only by a chain of its own.

What is bad is asked for again from other servers, RETRIES times, before the zone is called bogus. What is unsigned below
a secure zone is bogus unless a cut that nobody saw leads into an unsigned zone: `Walker.containing` looks for it.

Limits that were hit, and cycles, are no statement about the zone: such states are not kept, lest one hostile name spoil
another's zone.

Limitations: a CNAME or DNAME in place of a DS is believed to mean "no cut" once its signature holds, without proof of its
wildcard; it only ever makes the parent's keys answerable for what is below.

RFC 4035 §5; RFC 6840 §4.4, §5.11; RFC 5155 §8.9; RFC 7646; RFC 9520 §3.2 (how long failures are kept).
"""

from typing import Final

from trust.anchors import Nta, TrustPoint
from trust.delegation import KeyCheck, Problem, keys_by_anchor, keys_by_ds, unsupported_text, usable_ds
from trust.denial import Denial, Proof, prove_no_ds
from trust.evidence import (
    DENIAL_TYPES,
    Evidence,
    VerifiedDenials,
    evidence_of_cut,
    evidence_of_step,
    not_signed,
    signers_of,
    unreachable,
)
from trust.policy import limit_text
from trust.reason import Reason
from trust.signature import KeySet, SignatureResult, verify_exact, verify_rrset
from trust.vocabulary import Address, Kind, Need, Note, Now, Question, Security, Step, Steps
from trust.zone import FOREVER, View, ZoneStore, ZoneTrust, nta_trust, untrusted
from wire import types as t
from wire.limits import BOGUS_TTL, CUT_WALK, FAILURE_TTL, SIG_PER_SET, Limit
from wire.name import Name, ancestors, is_strict_subdomain, is_subdomain, parent
from wire.rrset import RRset
from wire.text import name_to_text

__all__ = ["View", "Walker", "ZoneStore", "ZoneTrust", "zone_trust"]

RETRIES: Final = 2
"""How often bad data is asked for again, each time of another server."""
LEAST_S: Final = 5
"""Seconds a secure or insecure state is kept at least, as long as its signatures are valid: a TTL of 0 must not make
every step of one resolution fetch it anew.
"""
MOST_S: Final = 86400
"""Seconds a state is kept at most."""

SIGNERS: Final = 2
"""Zones looked at when signatures of one answer name several signers; an honest answer names one."""


def zone_trust(zone: Name, view: View, now: Now) -> Steps[ZoneTrust]:
    """The trust of `zone`; of the zone it lies in, when it turns out to be no zone cut."""
    return (yield from Walker(view, now).zone_trust(zone))


class Walker:
    """Walks the chain for one resolution.

    Attributes:
        now: the time of the last reply. points: the trust points that it began with: should they change meanwhile, what is
            concluded is of the old generation.
    """

    __slots__ = ("_depth", "_ends", "_unkept", "now", "points", "view")

    def __init__(self, view: View, now: Now) -> None:
        self.view = view
        self.now = now
        self.points = view.points
        self._ends = FOREVER  # monotonic seconds: when the answer that `_ask` gave last ends in the cache that it came from
        self._depth = 0  # zones that wait for another in a row
        self._unkept: dict[Name, ZoneTrust] = {}  # states for this walk alone, lest it find the same out again

    def known(self, zone: Name) -> ZoneTrust | None:
        """What `zone_trust` would give at once: a state that is kept, where no NTA can interfere."""
        points = self.points
        if points.ntas:
            return None
        known = self.view.zones.get(zone)
        return known if known is not None and known.is_fresh(self.now, points.generation) else None

    def zone_trust(self, zone: Name) -> Steps[ZoneTrust]:
        """As the module's function."""
        points, zones = self.points, self.view.zones
        path: list[Name] = []
        current = zone
        while True:
            governing = points.governing(current, self.now.wall)
            if governing is None:
                trust = untrusted(current, points.generation)
                break
            if isinstance(governing, Nta):
                trust = nta_trust(current, governing, points.generation)
                break
            known = zones.get(current)
            if known is None or not known.is_fresh(self.now, points.generation):
                known = self._unkept.get(current)
            if known is not None:
                trust = known
                break
            if governing.name == current:
                trust = yield from self._trust_point(governing)
                break
            path.append(current)
            current = self._above(current, governing.name)
        if path and self._depth >= self.view.budget.ceiling(CUT_WALK, self._depth + 1):
            # Signers' names are the sender's choice; each could need another zone above it.
            return self._over(CUT_WALK, zone, trust)
        self._depth += 1
        for name in reversed(path):
            trust = trust.inherited_by(name) if not trust.secure else (yield from self._delegated(name, trust))
        self._depth -= 1
        return trust

    def containing(self, name: Name, top: ZoneTrust) -> Steps[ZoneTrust]:
        """The trust of the zone that holds `name`, looking for cuts between secure `top` and `name` that nobody saw.

        Ends at the first zone that is not secure.
        """
        below = ancestors(name)[: -len(ancestors(top.zone))]
        if len(below) > self.view.budget.ceiling(CUT_WALK, len(below)):
            return self._over(CUT_WALK, name, top)
        trust = top
        for candidate in reversed(below):
            trust = yield from self.zone_trust(candidate)
            if not trust.secure:
                break
        return trust

    # --- a trust point ------------------------------------------------------------------------------------------------

    def _trust_point(self, point: TrustPoint) -> Steps[ZoneTrust]:
        """The zone of a trust point: its anchors must match a key that signs the DNSKEY RRset (RFC 4035 §5)."""
        policy = self.view.policy
        ds, why = usable_ds(point.ds, policy)
        supported = ds or any(key[3] in policy.algorithms for key in point.dnskeys)
        # A trust point without any anchor is no unsupported one: nothing matches it, so it is bogus.
        if not supported and (point.ds or point.dnskeys):
            # DESIGN §4: what is signed with nothing that we support is insecure, a trust point too.
            text = f"unsupported trust anchors of {name_to_text(point.name)}"
            trust = self._state(point.name, Security.INSECURE, why, text)
            trust.point = point
            return self._kept(point.name, trust)
        trust = self._state(point.name, Security.SECURE, Reason.VALID)
        trust.point = point
        return (yield from self._with_keys(trust, ds))

    # --- a delegation -------------------------------------------------------------------------------------------------

    def _above(self, zone: Name, point: Name) -> Name:
        """The nearest known cut strictly above `zone`, not above the trust point `point`."""
        cut = self.view.cut(zone)
        above = None if cut is None else cut.parent
        if above is None:
            above = self.view.closest_cut(parent(zone)).zone
        if not is_strict_subdomain(zone, above):
            above = parent(zone)
        return above if is_subdomain(above, point) else point

    def _delegated(self, zone: Name, above: ZoneTrust) -> Steps[ZoneTrust]:
        """The zone at a cut below the secure zone `above`."""
        evidence = evidence_of_cut(self.view.cut(zone))
        if evidence is not None:
            result = yield from self._judge(zone, above, evidence)
            # A referral need not carry everything, and whoever sent it may have made it up: then ask for the DS itself.
            if isinstance(result, ZoneTrust):
                return result
        first: Problem | None = None
        avoid: frozenset[Address] = frozenset()
        while True:
            found = yield from self._ask(Question(zone, t.DS), avoid)
            if isinstance(found, Problem):
                return self._broken(zone, above, found.after(first))
            asked = evidence_of_step(zone, found)
            asked.expires_mono = min(asked.expires_mono, self._ends)
            result = yield from self._judge(zone, above, asked)
            if isinstance(result, ZoneTrust):
                return result
            if first is None and result.unsigned:
                # Perhaps the server is also that of a zone between, unsigned and unseen (RFC 4035 §5.2).
                enclosing = yield from self.containing(parent(zone), above)
                if not enclosing.secure:
                    return enclosing.inherited_by(zone)
            first = first or result
            if not self._may_retry(found, avoid, result):
                return self._broken(zone, above, first)
            avoid = _with(avoid, found)

    def _judge(self, zone: Name, above: ZoneTrust, evidence: Evidence) -> Steps[ZoneTrust | Problem]:
        """What the evidence says of the cut at `zone`."""
        problem: Problem | None = None
        for signer in signers_of(evidence.rrsets, zone, above.zone, strict=True)[:SIGNERS]:
            giver = above
            if signer != above.zone:
                giver = yield from self.zone_trust(signer)
                if giver.security is Security.INSECURE:
                    return giver.inherited_by(zone)
                if not giver.secure:
                    lasting = giver.reason not in (Reason.LIMIT, Reason.CHAIN_UNREACHABLE)
                    problem = problem or Problem(giver.reason, giver.text, notes=giver.notes, lasting=lasting)
                    continue
                if giver.zone != signer:
                    text = f"signer's name {name_to_text(signer)} of the DS of {name_to_text(zone)} is no zone"
                    problem = problem or Problem(Reason.RRSIG_MALFORMED, text, evidence.server)
                    continue
            if evidence.ds is not None:
                result = yield from self._by_ds(zone, giver, evidence.ds, evidence)
            elif evidence.alias is not None:
                result = self._by_alias(zone, giver, evidence.alias, evidence)
            else:
                result = self._by_denial(zone, giver, evidence)
            if isinstance(result, ZoneTrust):
                return result
            problem = problem or result
        return problem or not_signed(zone, evidence)

    def _by_ds(self, zone: Name, giver: ZoneTrust, ds: RRset, evidence: Evidence) -> Steps[ZoneTrust | Problem]:
        """A DS RRset: verify it with the parent's keys, then find the zone's."""
        result = self.verify(ds, giver)
        if not result.ok:
            return self._failed(result, evidence.server)
        usable, why = usable_ds(ds.rdatas, self.view.policy)
        security, reason, text = Security.SECURE, Reason.VALID, ""
        if not usable:
            security, reason, text = Security.INSECURE, why, unsupported_text(zone, ds.rdatas, why)
        trust = self._state(zone, security, reason, text, parent=giver)
        trust.ds, trust.ds_signature = ds, result
        trust.servers = () if evidence.server is None else (evidence.server,)
        self._bound(trust, result.ttl_cap_s, result.valid_s, evidence.expires_mono)
        if not usable:
            return self._kept(zone, trust)
        return (yield from self._with_keys(trust, usable))

    def _by_alias(self, zone: Name, giver: ZoneTrust, alias: RRset, evidence: Evidence) -> ZoneTrust | Problem:
        """A CNAME or DNAME where the DS was asked for: the name is no zone cut (RFC 1034 §3.6.2, RFC 6672 §2.4)."""
        view = self.view
        result = verify_rrset(alias, _keys(giver), giver.zone, self.now.wall, view.policy, view.budget)
        if not result.ok:
            return self._failed(result, evidence.server)
        expires = min(evidence.expires_mono, self.now.mono + max(result.ttl_cap_s, LEAST_S))
        return self._kept(zone, giver.without_cut(None, expires, self.now.wall + result.valid_s))

    def _by_denial(self, zone: Name, giver: ZoneTrust, evidence: Evidence) -> ZoneTrust | Problem:
        """NSEC or NSEC3 instead of a DS: an insecure delegation, or no zone cut."""
        view = self.view
        verified = self.verify_denials(evidence.authority, giver)
        denial = prove_no_ds(zone, giver.zone, verified.records, view.policy, view.budget)
        used = verified.of(denial.used)
        ttl_s = min((result.ttl_cap_s for result in used), default=0)
        valid_s = min((result.valid_s for result in used), default=0)
        if denial.proof is Proof.NO_DELEGATION:
            expires = min(evidence.expires_mono, self.now.mono + min(max(ttl_s, LEAST_S), MOST_S))
            return self._kept(zone, giver.without_cut(denial, expires, self.now.wall + valid_s))
        if denial.proof in _INSECURE:
            text = _insecure_text(zone, giver.zone, denial)
            trust = self._state(zone, Security.INSECURE, _INSECURE[denial.proof], text, parent=giver)
            trust.denial = denial
            trust.servers = () if evidence.server is None else (evidence.server,)
            self._bound(trust, ttl_s, valid_s, evidence.expires_mono)
            return self._kept(zone, trust)
        reason, text, notes = verified.failure(denial)
        return Problem(reason, text, evidence.server, notes=notes, lasting=view.budget.hit is None)

    def verify_denials(self, authority: list[RRset], giver: ZoneTrust) -> VerifiedDenials:
        """Which NSEC and NSEC3 RRsets of an authority section are the secure zone `giver`'s."""
        out = VerifiedDenials()
        for rrset in authority:
            if rrset.rtype not in DENIAL_TYPES:
                continue
            looked_at = len(out.results) + len(out.failed)
            if looked_at >= self.view.budget.ceiling(SIG_PER_SET, looked_at + 1):
                out.over = True
                break
            result = self.verify(rrset, giver)
            if result.ok:
                out.records.append(rrset)
                out.results.append(result)
            else:
                out.failed.append(result)
        return out

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _with_keys(self, trust: ZoneTrust, ds: list[bytes]) -> Steps[ZoneTrust]:
        """Fetch and verify the DNSKEY RRset of a zone whose DS or anchors are known, and complete its state."""
        zone, point = trust.zone, trust.point
        first: Problem | None = None
        asked = list(trust.servers)
        avoid: frozenset[Address] = frozenset()
        while True:
            found = yield from self._ask(Question(zone, t.DNSKEY), avoid)
            ends = self._ends
            if isinstance(found, Problem):
                return self._keyless(trust, found.after(first))
            if found.server is not None:
                asked.append(found.server)
                trust.servers = tuple(dict.fromkeys(asked))
            check = self._check_keys(zone, point, ds, found)
            if isinstance(check, KeyCheck):
                trust.keys, trust.dnskey, trust.dnskey_signature = check.keys, found.rrset, check.signature
                self._bound(trust, check.signature.ttl_cap_s, check.signature.valid_s, ends)
                return self._kept(zone, trust)
            first = first or check
            if not self._may_retry(found, avoid, check):
                return self._keyless(trust, first)
            avoid = _with(avoid, found)

    def _check_keys(self, zone: Name, point: TrustPoint | None, ds: list[bytes], found: Step) -> KeyCheck | Problem:
        """Judge one answer to the DNSKEY question."""
        dnskey, view = found.rrset, self.view
        if found.kind is not Kind.ANSWER or dnskey is None or not dnskey.rdatas:
            # The DS or the anchor says that there are keys.
            return Problem(Reason.DNSKEY_MISSING, f"no DNSKEY at {name_to_text(zone)}", found.server)
        if dnskey.name != zone or dnskey.rtype != t.DNSKEY or dnskey.rclass != t.IN:
            return Problem(Reason.DNSKEY_MISSING, f"no DNSKEY of {name_to_text(zone)} in the answer", found.server)
        if point is not None:
            return keys_by_anchor(dnskey, point, ds, self.now.wall, view.policy, view.budget, found.server)
        return keys_by_ds(dnskey, ds, self.now.wall, view.policy, view.budget, found.server)

    # --- questions ----------------------------------------------------------------------------------------------------

    def _ask(self, question: Question, avoid: frozenset[Address]) -> Steps[Step | Problem]:
        """Have a question resolved: the first step of its answer, or why there is none."""
        reply = yield Need(question, avoid)
        self.now = reply.now
        if reply.outcome is None or not reply.outcome.steps or reply.outcome.failure is not None:
            return unreachable(question, reply)
        step = reply.outcome.steps[0]
        self._ends = reply.outcome.expires_mono
        if step.name != question.name or step.rtype != question.rtype:
            return Problem(Reason.INVALID_DATA, "the answer is not to the question", step.server, lasting=False)
        return step

    def _may_retry(self, found: Step, avoid: frozenset[Address], problem: Problem) -> bool:
        """Whether another server may do better than the one of `found`."""
        if problem.reason is Reason.LIMIT or self.view.budget.hit is not None:
            return False
        return found.server is not None and found.server not in avoid and len(avoid) < RETRIES

    # --- states -------------------------------------------------------------------------------------------------------

    def verify(self, rrset: RRset, giver: ZoneTrust) -> SignatureResult:
        """Whether a set that no wildcard makes holds under the keys of the secure zone `giver`."""
        view = self.view
        return verify_exact(rrset, _keys(giver), giver.zone, self.now.wall, view.policy, view.budget)

    def _over(self, limit: Limit, zone: Name, above: ZoneTrust) -> ZoneTrust:
        """The state for this resolution alone when a limit ends the walk. Not kept."""
        trust = self._state(
            zone, Security.BOGUS, Reason.LIMIT, f"{limit_text(limit)} at {name_to_text(zone)}", parent=above
        )
        self._unkept[zone] = trust
        return trust

    def _failed(self, result: SignatureResult, server: Address | None) -> Problem:
        """A set that does not hold, as a problem of the link."""
        return Problem(result.reason, result.text, server, signature=result, lasting=self.view.budget.hit is None)

    def _state(
        self,
        zone: Name,
        security: Security,
        reason: Reason,
        text: str = "",
        parent: ZoneTrust | None = None,
        keep_s: float = MOST_S,
    ) -> ZoneTrust:
        return ZoneTrust(
            zone,
            security,
            reason,
            text,
            parent=parent,
            expires_mono=self.now.mono + keep_s,
            generation=self.points.generation,
        )

    def _bound(self, trust: ZoneTrust, ttl_s: int, valid_s: int, expires_mono: float) -> None:
        """Let the state end with this evidence: its TTL, its signature's validity, the referral that it came with."""
        trust.expires_mono = min(trust.expires_mono, expires_mono, self.now.mono + max(ttl_s, LEAST_S))
        trust.valid_until_wall = min(trust.valid_until_wall, self.now.wall + valid_s)

    def _keyless(self, trust: ZoneTrust, problem: Problem) -> ZoneTrust:
        """The state of a zone whose DS or anchors are known and whose keys could not be had."""
        broken = self._broken(trust.zone, trust.parent, problem, point=trust.point)
        broken.ds, broken.ds_signature, broken.servers = trust.ds, trust.ds_signature, trust.servers
        return broken

    def _broken(self, zone: Name, above: ZoneTrust | None, problem: Problem, point: TrustPoint | None = None) -> ZoneTrust:
        """The state of a zone whose link does not hold: SERVFAIL, kept briefly, and only if it is the zone's fault."""
        reason, notes = problem.reason, problem.notes
        if point is not None and reason is Reason.CHAIN_UNREACHABLE:
            # DESIGN §4, EDE 5: without the trust point's keys nothing could be validated at all.
            reason, notes = Reason.INDETERMINATE, (Note(problem.reason, problem.text), *notes)
        keep_s = FAILURE_TTL if problem.unreachable else BOGUS_TTL
        trust = self._state(zone, Security.BOGUS, reason, problem.text, parent=above, keep_s=keep_s)
        trust.notes = notes
        trust.point = point
        trust.dnskey, trust.dnskey_signature = problem.dnskey, problem.signature
        if problem.server is not None:
            trust.servers = (problem.server,)
        if problem.lasting and self.view.budget.hit is None:
            return self._kept(zone, trust)
        self._unkept[zone] = trust
        return trust

    def _kept(self, zone: Name, trust: ZoneTrust) -> ZoneTrust:
        self.view.zones[zone] = trust
        return trust


_INSECURE: Final = {
    Proof.PROVEN: Reason.UNSIGNED_DELEGATION,
    Proof.OPT_OUT: Reason.OPT_OUT,
    Proof.ITERATIONS: Reason.NSEC3_ITERATIONS,
}


def _insecure_text(zone: Name, giver: Name, denial: Denial) -> str:
    if denial.proof is Proof.PROVEN:
        return f"{name_to_text(giver)} proves that {name_to_text(zone)} has no DS"
    return denial.text


def _with(avoid: frozenset[Address], found: Step) -> frozenset[Address]:
    return avoid if found.server is None else avoid | {found.server}


def _keys(giver: ZoneTrust) -> KeySet:
    assert giver.keys is not None  # it is secure
    return giver.keys
