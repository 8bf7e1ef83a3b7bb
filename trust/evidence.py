"""What came back for a DS or DNSKEY question: who claims to have signed it, and what it means when nothing usable came.

RFC 4035 §5.2, RFC 6840 §4.4 (the parent's side of a cut), RFC 9520 §2 (kinds of failure).
"""

from collections.abc import Sequence
from typing import Final

from trust.delegation import Problem
from trust.denial import Denial
from trust.policy import limit_text
from trust.reason import Reason
from trust.signature import SignatureResult, most_telling
from trust.vocabulary import Address, Cut, Kind, Note, Outcome, Question, Reply, Step, Trouble
from wire import types as t
from wire.limits import RRSIGS_PER_RRSET, SIG_PER_SET
from wire.name import ROOT, Name, is_strict_subdomain, is_subdomain
from wire.rdata import name_end
from wire.rrset import RRset
from wire.text import name_to_text, type_to_text

DENIAL_TYPES: Final = frozenset((t.NSEC, t.NSEC3))
_FINDINGS_SHOWN: Final = 4
_OWN_TROUBLE: Final = frozenset((Trouble.LIMIT, Trouble.CYCLE, Trouble.CANCELLED))
_OWN_FAILURES: Final = frozenset((Reason.LIMIT, Reason.OVER_QUOTA, Reason.CYCLE, Reason.ALIAS_LOOP))


class Evidence:
    """What answers a DS question: the DS RRset, an alias in its place, or what the authority section denies.

    Attributes:
        server: who gave it; None for a referral's. `expires_mono`: when the referral that it came with ends.
    """

    __slots__ = ("alias", "authority", "ds", "expires_mono", "server")

    def __init__(
        self,
        ds: RRset | None,
        authority: list[RRset],
        server: Address | None,
        expires_mono: float = float("inf"),
        alias: RRset | None = None,
    ) -> None:
        self.ds = ds
        self.authority = authority
        self.server = server
        self.expires_mono = expires_mono
        self.alias = alias

    @property
    def rrsets(self) -> list[RRset]:
        """All of it that ought to be signed by the parent."""
        if self.ds is not None:
            return [self.ds]
        return [self.alias] if self.alias is not None else self.authority


def evidence_of_cut(cut: Cut | None) -> Evidence | None:
    """What the referral carried; None when it carried neither DS nor denial."""
    if cut is None:
        return None
    if cut.ds is not None and cut.ds.rtype == t.DS and cut.ds.name == cut.zone and cut.ds.rdatas:
        return Evidence(cut.ds, [], None, cut.expires_mono)
    return Evidence(None, cut.denial, None, cut.expires_mono) if cut.denial else None


def evidence_of_step(zone: Name, step: Step) -> Evidence:
    """What the answer to `zone`/DS carried."""
    rrset = step.rrset
    if rrset is not None and rrset.rdatas:
        if step.kind is Kind.ANSWER and rrset.rtype == t.DS and rrset.name == zone:
            return Evidence(rrset, [], step.server)
        if step.kind is Kind.CNAME and rrset.rtype == t.CNAME and rrset.name == zone:
            return Evidence(None, [], step.server, alias=rrset)
        if step.kind is Kind.DNAME and rrset.rtype == t.DNAME and is_strict_subdomain(zone, rrset.name):
            return Evidence(None, [], step.server, alias=rrset)
    return Evidence(None, step.authority, step.server)


def signers_of(rrsets: Sequence[RRset], name: Name, floor: Name, *, strict: bool = False) -> list[Name]:
    """The zones that the signatures of `rrsets` claim to be of and that can hold `name`, deepest first.

    Such a zone is at or above `name` and the set's owner, and not above `floor`, itself at or above `name`; with `strict`
    it is not `name` itself (a DS and its denial belong to the parent; the root has none). Whoever sent the answer chose
    these names: nothing is believed yet.
    """
    found: dict[Name, None] = {}
    for rrset in rrsets:
        owner = rrset.name
        for sig in rrset.sigs[: RRSIGS_PER_RRSET.value]:
            signer = sig[18 : name_end(sig, 18)]
            if signer in found or (strict and signer == name and name != ROOT):
                continue
            # Nearly always the signer is the floor, which needs no walk over the labels.
            if signer != floor and not (is_subdomain(name, signer) and is_subdomain(signer, floor)):
                continue
            if owner == name or is_subdomain(owner, signer):
                found[signer] = None
    return list(found) if len(found) < 2 else sorted(found, key=len, reverse=True)


class VerifiedDenials:
    """The NSEC and NSEC3 RRsets of an authority section, sorted by whether a key of one zone signs them.

    Attributes:
        records: those that hold; `results`: the result of each, in the same order. `failed`: results of the others.
        over: whether there were more than are looked at.
    """

    __slots__ = ("failed", "over", "records", "results")

    def __init__(self) -> None:
        self.records: list[RRset] = []
        self.results: list[SignatureResult] = []
        self.failed: list[SignatureResult] = []
        self.over = False

    def of(self, used: list[RRset]) -> list[SignatureResult]:
        """The results of the records a proof rests on; of all when it names none."""
        found: list[SignatureResult] = []
        for rrset in used:
            for place, record in enumerate(self.records):
                if record is rrset:
                    found.append(self.results[place])
                    break
        return found or self.results

    def failure(self, denial: Denial) -> tuple[Reason, str, tuple[Note, ...]]:
        """Why there is no proof: what is wrong with the records' signatures tells more than what is then missing.

        Records without a signature are as good as none: then that the proof is missing goes along as a note.
        """
        if denial.reason is Reason.LIMIT:
            return denial.reason, denial.text, ()
        if self.over:
            return Reason.LIMIT, limit_text(SIG_PER_SET), ()
        worst = most_telling(self.failed)
        if worst is None:
            return denial.reason, denial.text, ()
        notes = (Note(Reason.DENIAL_MISSING, denial.text),) if worst.reason is Reason.RRSIG_MISSING else ()
        return worst.reason, worst.text, notes


def not_signed(zone: Name, evidence: Evidence) -> Problem:
    """Nothing in the evidence can be signed by a parent of `zone`."""
    where = name_to_text(zone)
    if evidence.ds is not None:
        reason, text = Reason.RRSIG_MISSING, f"no signature of the parent over {where}/DS"
    elif evidence.alias is not None:
        reason, text = Reason.RRSIG_MISSING, f"no signature over the alias at {where}"
    elif any(rrset.rtype == t.SOA or rrset.rtype in DENIAL_TYPES for rrset in evidence.authority):
        reason, text = Reason.RRSIG_MISSING, f"no signature of the parent over the denial of {where}/DS"
    else:
        reason, text = Reason.DENIAL_MISSING, f"no proof that {where} has no DS"
    return Problem(reason, text, evidence.server, unsigned=True)


def unreachable(question: Question, reply: Reply) -> Problem:
    """Why a Need was not met, as a problem of the chain: never a reason to call anything insecure."""
    what = f"{name_to_text(question.name)}/{type_to_text(question.rtype)}"
    outcome = reply.outcome
    notes: tuple[Note, ...] = ()
    if outcome is None:
        trouble = reply.trouble or Trouble.CANCELLED
        text = f"{what}: {reply.text or trouble.value}"
        reason = Reason.LIMIT if trouble is Trouble.LIMIT else Reason.CHAIN_UNREACHABLE
        if trouble in (Trouble.TIMEOUT, Trouble.UNREACHABLE):
            notes = (Note(Reason.NETWORK, text),)
        return Problem(reason, text, notes=notes, lasting=trouble not in _OWN_TROUBLE, unreachable=True)
    failure = outcome.failure or Reason.NO_AUTHORITY
    text = f"{what}: {outcome.text or _findings_text(outcome) or failure.label}"
    if failure is Reason.NETWORK or (outcome.findings and all(finding.network for finding in outcome.findings)):
        notes = (Note(Reason.NETWORK, text),)
    elif failure in (Reason.INVALID_DATA, Reason.CACHED_FAILURE):
        notes = (Note(failure, text),)
    reason = Reason.LIMIT if failure is Reason.LIMIT else Reason.CHAIN_UNREACHABLE
    return Problem(reason, text, notes=notes, lasting=failure not in _OWN_FAILURES, unreachable=True)


def _findings_text(outcome: Outcome) -> str:
    """What the first servers asked did."""
    shown = outcome.findings[:_FINDINGS_SHOWN]
    return "; ".join(f.what if f.server is None else f"{f.server.ip} {f.what}" for f in shown)
