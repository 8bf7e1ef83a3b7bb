"""One step of an answer: secure, insecure or bogus, and why.

Theory: the signatures say which zone claims the data. A claim counts if that zone is at or above the owner and not above
the zone whose server answered, nor above the trust point that governs the name; then the chain says whether there is such a
zone (`trust.chain`), and its keys say whether the claim holds. When nothing is signed by anybody who could have signed it,
the data is insecure if, and only if, a chain of proofs leads into an unsigned zone at or above it; else it is bogus.

SECURE is said in two places, in `_by_keys` after a set was verified and in `_by_denial` after a denial was proven: there it
is the verdict on the zone whose keys did it, which is secure.

Limitations: one step at a time; that the steps of a chain of aliases fit together is the caller's affair. Data that no
step carries (the NS set of the authority section, glue) is not looked at and must not be sent as authentic.

RFC 4035 §4.3, §5.3, §5.4; RFC 6840 §4, §5; RFC 5155 §8; RFC 6672 §5.3; RFC 7646 §5; RFC 9276 §3.2.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

from trust.anchors import Nta
from trust.chain import SIGNERS, Walker
from trust.denial import Denial, Proof, prove_name_error, prove_no_data, prove_wildcard
from trust.evidence import DENIAL_TYPES, VerifiedDenials, signers_of
from trust.policy import limit_text
from trust.reason import Reason
from trust.signature import SignatureResult, parse_signatures, verify_rrset
from trust.vocabulary import Kind, Note, Now, Security, Step, Steps, Verdict
from trust.zone import View, ZoneTrust, nta_text, untrusted
from wire import types as t
from wire.name import ROOT, Name, is_strict_subdomain, is_subdomain, parent, replace_suffix
from wire.rdata import Rrsig
from wire.rrset import RRset
from wire.text import name_to_text, type_to_text

__all__ = ["Validated", "validate"]

# A member of an enum takes the compiled core two look-ups, a constant none.
_NODATA: Final = Kind.NODATA
_NXDOMAIN: Final = Kind.NXDOMAIN
_ANSWER: Final = Kind.ANSWER
_CNAME: Final = Kind.CNAME
_SECURE: Final = Security.SECURE
_BOGUS: Final = Security.BOGUS
_INSECURE: Final = Security.INSECURE
_PROVEN: Final = Proof.PROVEN


class Validated:
    """The verdict on one step, with its evidence.

    Attributes:
        verdict: see Verdict.
        ttl_cap_s: seconds that the step may be kept at most (RFC 4035 §5.3.3; an NTA's end); None: no bound from here.
        zone: the state of the zone that decided; None when no zone was looked at.
        signatures: each set verified, with its result (`add`). denial: the proof that the step rests on, or its failure.
        authority: for a secure step the SOA, NSEC and NSEC3 RRsets that are verified: all that may be sent along with AD.
    """

    __slots__ = ("_others", "_result", "_rrset", "authority", "denial", "ttl_cap_s", "verdict", "zone")

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.ttl_cap_s: int | None = None
        self.zone: ZoneTrust | None = None
        # Most have one set, and a million of them are remembered: the first stands here without tuples around it.
        self._rrset: RRset | None = None
        self._result: SignatureResult | None = None
        self._others: tuple[tuple[RRset, SignatureResult], ...] = ()
        self.denial: Denial | None = None
        self.authority: Sequence[RRset] = ()

    @property
    def signatures(self) -> Sequence[tuple[RRset, SignatureResult]]:
        """Each set verified, with its result, in the order in which they were."""
        if self._rrset is None or self._result is None:
            return ()
        return ((self._rrset, self._result), *self._others)

    def add(self, rrset: RRset, result: SignatureResult) -> None:
        """One more set was verified."""
        if self._rrset is None:
            self._rrset, self._result = rrset, result
        else:
            self._others = (*self._others, (rrset, result))

    def __repr__(self) -> str:
        return f"Validated({self.verdict.security.value}, {self.verdict.reason.name}, {self.verdict.text!r})"


def validate(step: Step, view: View, now: Now) -> Steps[Validated]:
    """Judge one step of an answer. Yields Needs for DS and DNSKEY RRsets that are not known."""
    check = _Check(step, view, now)
    verdict = check.begin()
    if verdict is None:
        verdict = check.at_once()
    if verdict is None:
        verdict = yield from check.judge()
    check.out.verdict = verdict
    return check.out


class _Check:
    """The judging of one step.

    `floor`: the highest zone that can hold the data. `strict`: the data belongs to the parent of the name (DS).
    """

    __slots__ = ("floor", "out", "step", "strict", "view", "walker")

    def __init__(self, step: Step, view: View, now: Now) -> None:
        self.step = step
        self.view = view
        self.walker = Walker(view, now)
        self.out = Validated(_UNDECIDED)
        # RFC 4035 §2.4: the DS RRset at a cut, and its absence, are the parent's. The root has no parent.
        self.strict = step.rtype == t.DS and step.name != ROOT
        self.floor: Name = ROOT

    def begin(self) -> Verdict | None:
        """The verdict where there is no need to look at a signature; else None, and the floor is set."""
        step, walker = self.step, self.walker
        fault = _fault(step)
        if fault:
            return self._bogus(Reason.INVALID_DATA, f"{fault} in the answer for {_describe(step.name, step.rtype)}")
        subject = parent(step.name) if self.strict else step.name
        governing = walker.points.governing(subject, walker.now.wall)
        if governing is None:
            trust = untrusted(subject, walker.points.generation)
            return Verdict(_INSECURE, trust.reason, subject, trust.text)
        if isinstance(governing, Nta):
            return self._under_nta(governing)
        zone = step.zone
        if self.strict and zone == step.name:
            zone = self.view.closest_cut(subject).zone
        # Both are at or above the subject: the longer is the deeper.
        self.floor = zone if len(zone) >= len(governing.name) else governing.name
        return None

    def at_once(self) -> Verdict | None:
        """The verdict where all signatures name one zone, which is known and secure; else None, with nothing done.

        It is the one that `judge` comes to, without its ways of waiting for what is not known.
        """
        step = self.step
        denied = step.kind is _NODATA or step.kind is _NXDOMAIN
        if denied:
            signed: Sequence[RRset] = self._denial_records()
        else:
            signed = step.rrsets
            if len(signed) != 1 or step.rtype == t.ANY or step.rtype == t.RRSIG:
                return None
        signers = signers_of(signed, step.name, self.floor, strict=self.strict)
        if len(signers) != 1:
            return None
        trust = self.walker.known(signers[0])
        if trust is None or not trust.secure:
            return None
        self.out.zone = trust
        if denied:
            return self._prove(signed, signers[0], trust)
        return self._by_keys(signed[0], parse_signatures(signed[0]), signers[0], trust)

    def judge(self) -> Steps[Verdict]:
        """The verdict on the step."""
        if self.step.kind is _NODATA or self.step.kind is _NXDOMAIN:
            return (yield from self._denied())
        return (yield from self._positive())

    def _denial_records(self) -> list[RRset]:
        """What a denial rests on."""
        return [r for r in self.step.authority if r.rtype == t.SOA or r.rtype in DENIAL_TYPES]

    # --- data ---------------------------------------------------------------------------------------------------------

    def _positive(self) -> Steps[Verdict]:
        """Data or an alias: each set on its own; the least trusted decides."""
        if self.step.rtype == t.RRSIG and self.step.kind is _ANSWER:
            return _unsignable(self.step.name)
        least: Verdict | None = None
        for rrset in self.step.rrsets:
            if self.step.rtype == t.ANY and not rrset.rdatas:
                verdict = _unsignable(rrset.name)
            else:
                verdict = yield from self._rrset(rrset)
            if verdict.security is _BOGUS:
                return verdict
            if least is None or least.security is _SECURE:
                least = verdict
        assert least is not None  # _fault: there is a set
        return least

    def _rrset(self, rrset: RRset) -> Steps[Verdict]:
        """One set of data."""
        sigs = parse_signatures(rrset)
        problem: Verdict | None = None
        for signer in signers_of((rrset,), self.step.name, self.floor, strict=self.strict)[:SIGNERS]:
            trust = yield from self._zone(signer)
            if trust.security is _INSECURE:
                return trust.verdict
            verdict = self._by_keys(rrset, sigs, signer, trust) if trust.secure else trust.verdict
            if verdict.security is not _BOGUS:
                return verdict
            problem = problem or verdict
        if problem is not None:
            return problem
        target = parent(rrset.name) if self.strict else rrset.name
        base, trust = yield from self._unseen(target)
        if _decides(base, trust):
            return trust.verdict
        if base.zone != self.floor:
            # The cut whose server answered is none, says its parent: then the data may be the parent's.
            self.floor = base.zone
            return (yield from self._rrset(rrset))
        holder = trust if trust.secure else base
        result = self._verify(rrset, holder, sigs)
        self.out.add(rrset, result)
        # No signature can hold: none is by a zone that could be this one. What it says is only why.
        return self._bogus(
            Reason.RRSIG_MALFORMED if result.ok else result.reason, result.text or "signature by an impossible signer"
        )

    def _by_keys(self, rrset: RRset, sigs: list[Rrsig], signer: Name, trust: ZoneTrust) -> Verdict:
        """The set under the keys of the secure zone `trust`, which its signature claims to be of."""
        if trust.zone != signer:
            # RFC 4035 §5.3.1: the signer's name is the name of the zone that contains the set; no such zone exists.
            where = _describe(rrset.name, rrset.rtype)
            return self._bogus(Reason.RRSIG_MALFORMED, f"signer's name {name_to_text(signer)} is no zone for {where}")
        result = self._verify(rrset, trust, sigs)
        self.out.add(rrset, result)
        if not result.ok:
            return self._bogus(result.reason, result.text)
        self._cap(result)
        if result.closest_encloser is None:
            return trust.verdict
        return self._expanded(rrset, result.closest_encloser, trust)

    def _expanded(self, rrset: RRset, closest_encloser: Name, trust: ZoneTrust) -> Verdict:
        """The set came from a wildcard: that is right only if nothing nearer exists (RFC 4035 §5.3.4, RFC 5155 §8.8)."""
        if self.step.kind is Kind.DNAME:
            # RFC 6672 §3.3: a wildcard's DNAME is no redirection of what it matches.
            where = _describe(rrset.name, rrset.rtype)
            return self._bogus(Reason.RRSIG_MALFORMED, f"{where} is expanded from a wildcard")
        verified = self.walker.verify_denials(self.step.authority, trust)
        denial = prove_wildcard(
            rrset.name, closest_encloser, trust.zone, verified.records, self.view.policy, self.view.budget
        )
        return self._by_denial(denial, verified, trust)

    # --- denials ------------------------------------------------------------------------------------------------------

    def _denied(self) -> Steps[Verdict]:
        """No such name, or no such data at it."""
        step = self.step
        records = self._denial_records()
        problem: Verdict | None = None
        for signer in signers_of(records, step.name, self.floor, strict=self.strict)[:SIGNERS]:
            trust = yield from self._zone(signer)
            if trust.security is _INSECURE:
                return trust.verdict
            verdict = self._prove(records, signer, trust) if trust.secure else trust.verdict
            if verdict.security is not _BOGUS:
                return verdict
            problem = problem or verdict
        if problem is not None:
            return problem
        # A name that does not exist is no zone cut, so the cut would be above it; so it would be for a DS.
        above = self.strict or (step.kind is _NXDOMAIN and step.name != ROOT)
        target = parent(step.name) if above else step.name
        base, trust = yield from self._unseen(target, next((r.name for r in records if r.rtype == t.SOA), None))
        if _decides(base, trust):
            return trust.verdict
        if base.zone != self.floor:
            self.floor = base.zone
            return (yield from self._denied())
        what = _describe(step.name, step.rtype)
        if records:
            unsigned = ", ".join(dict.fromkeys(type_to_text(r.rtype) for r in records))
            text = f"no signature of the zone over the denial ({unsigned}) of {what}"
            note = Note(Reason.DENIAL_MISSING, f"no proof that there is no {what}")
            return self._bogus(Reason.RRSIG_MISSING, text, (note,))
        return self._bogus(Reason.DENIAL_MISSING, f"no proof that there is no {what}")

    def _prove(self, records: Sequence[RRset], signer: Name, trust: ZoneTrust) -> Verdict:
        """The denial under the keys of the secure zone `trust`, which its signatures claim to be of."""
        step, policy, budget = self.step, self.view.policy, self.view.budget
        if trust.zone != signer:
            text = f"signer's name {name_to_text(signer)} is no zone for the denial of {_describe(step.name, step.rtype)}"
            return self._bogus(Reason.RRSIG_MALFORMED, text)
        verified = self.walker.verify_denials(step.authority, trust)
        if step.kind is _NXDOMAIN:
            denial = prove_name_error(step.name, trust.zone, verified.records, policy, budget)
        else:
            denial = prove_no_data(step.name, step.rtype, trust.zone, verified.records, policy, budget)
        verdict = self._by_denial(denial, verified, trust)
        if verdict.security is not _SECURE:
            return verdict
        # RFC 4035 §3.2.3: AD says that the authority section is authentic, so the SOA must be.
        for soa in records:
            if soa.rtype != t.SOA or soa.name != trust.zone:
                continue
            result = self.walker.verify(soa, trust)
            self.out.add(soa, result)
            if not result.ok:
                return self._bogus(result.reason, result.text)
            self._cap(result)
            self.out.authority = [soa, *self.out.authority]
        return verdict

    def _by_denial(self, denial: Denial, verified: VerifiedDenials, trust: ZoneTrust) -> Verdict:
        """What a proof amounts to."""
        self.out.denial = denial
        for place, rrset in enumerate(verified.records):
            self.out.add(rrset, verified.results[place])
        if denial.proof is _PROVEN or denial.proof is Proof.NO_DELEGATION:
            for result in verified.of(denial.used):
                self._cap(result)
            self.out.authority = verified.records
            return trust.verdict
        if denial.proof is Proof.OPT_OUT or denial.proof is Proof.ITERATIONS:
            return Verdict(_INSECURE, denial.reason, trust.zone, denial.text)
        reason, text, notes = verified.failure(denial)
        what = _describe(self.step.name, self.step.rtype)
        if text == denial.text and reason is not Reason.LIMIT:
            text = f"{text} for {what}"
        return self._bogus(reason, text, notes)

    # --- common -------------------------------------------------------------------------------------------------------

    def _zone(self, zone: Name) -> Steps[ZoneTrust]:
        trust = yield from self.walker.zone_trust(zone)
        self.out.zone = trust
        return trust

    def _unseen(self, target: Name, hint: Name | None = None) -> Steps[tuple[ZoneTrust, ZoneTrust]]:
        """The trust of the floor, and that of the zone that holds `target`: when nothing is signed, it may lie in an
        unsigned zone whose cut nobody saw. `hint`: the name that such a zone is said to have.
        """
        base = yield from self._zone(self.floor)
        trust = base
        if base.secure and hint is not None and is_strict_subdomain(hint, base.zone) and is_subdomain(target, hint):
            trust = yield from self._zone(hint)
        if trust.secure:
            trust = yield from self.walker.containing(target, base)
            self.out.zone = trust
        return base, trust

    def _verify(self, rrset: RRset, trust: ZoneTrust, sigs: list[Rrsig]) -> SignatureResult:
        assert trust.keys is not None  # it is secure
        return verify_rrset(rrset, trust.keys, trust.zone, self.walker.now.wall, self.view.policy, self.view.budget, sigs)

    def _cap(self, result: SignatureResult) -> None:
        cap = self.out.ttl_cap_s
        self.out.ttl_cap_s = result.ttl_cap_s if cap is None else min(cap, result.ttl_cap_s)

    def _bogus(self, reason: Reason, text: str, notes: tuple[Note, ...] = ()) -> Verdict:
        """Something is wrong with the step's own records."""
        hit = self.view.budget.hit
        if hit is not None and reason is not Reason.LIMIT:
            reason, text, notes = Reason.LIMIT, limit_text(hit), ()
        if self.step.server is not None:
            text = f"{text} at {self.step.server.ip}"
        return Verdict(_BOGUS, reason, self.step.name, text, notes)

    def _under_nta(self, nta: Nta) -> Verdict:
        if nta.expires_wall is not None:
            self.out.ttl_cap_s = max(0, ceil(nta.expires_wall - self.walker.now.wall))
        return Verdict(_INSECURE, Reason.NTA, nta.name, nta_text(nta))


_UNDECIDED: Final = Verdict(_BOGUS, Reason.BOGUS, ROOT, "validation was not finished")
_UNKNOWN: Final = frozenset((Reason.LIMIT, Reason.CHAIN_UNREACHABLE, Reason.INDETERMINATE))


def _decides(base: ZoneTrust, trust: ZoneTrust) -> bool:
    """Whether the walk from `base` that ended at `trust` says all there is to say of unsigned data: it found an unsigned
    zone, or one that is broken itself, or it ended without knowing. Else the data is to blame.
    """
    if not base.secure or trust.security is _INSECURE:
        return True
    return not trust.secure and (trust.ds is not None or trust.reason in _UNKNOWN)


def _unsignable(name: Name) -> Verdict:
    return Verdict(_INSECURE, Reason.UNSIGNABLE, name, f"signatures at {name_to_text(name)} are not signed")


def _describe(name: Name, rtype: int) -> str:
    return f"{name_to_text(name)}/{type_to_text(rtype)}"


def _fault(step: Step) -> str:
    """What does not fit in the step itself, "" when all does: only what is verified may be believed of an alias."""
    if not is_subdomain(step.name, step.zone):
        return "a name outside the zone"
    if step.kind is _NODATA or step.kind is _NXDOMAIN:
        return ""
    if not step.rrsets:
        return "no data"
    for rrset in step.rrsets:
        if rrset.rclass != t.IN:
            return "no data"
    if step.kind is _ANSWER:
        wanted = step.rtype
        for rrset in step.rrsets:
            if rrset.name != step.name or (rrset.rtype != wanted and wanted not in (t.ANY, t.RRSIG)):
                return "other data"
        return ""
    alias = step.rrsets[0]
    if len(step.rrsets) != 1 or len(alias.rdatas) != 1:
        # RFC 2181 §10.1, RFC 6672 §2.4: one alias a name.
        return "more or less than one alias"
    if step.kind is _CNAME:
        sound = alias.rtype == t.CNAME and alias.name == step.name and alias.rdatas[0] == step.target
        return "" if sound else "an alias that does not fit"
    if alias.rtype != t.DNAME or not is_strict_subdomain(step.name, alias.name):
        return "a redirection that does not fit"
    # RFC 6672 §5.3.1: the CNAME made from a DNAME is not signed; it must follow from it. RFC 6672 §2.2: there is none when
    # the name would be too long.
    return "" if replace_suffix(step.name, alias.name, alias.rdatas[0]) == step.target else "a redirection to elsewhere"
