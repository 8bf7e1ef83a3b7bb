"""Denial of existence: the four questions that a validator asks of NSEC and NSEC3 records.

The caller has verified the signatures of `records` with keys of `zone`, and hands over what the answer (its step, its
referral) carried. Each function first tries the NSEC records and then the NSEC3 records, chain by chain, and never mixes
them in one proof. What comes back is a Denial: proven, insecure for a stated reason, or no proof, with the records used and
a sentence.

Theory: `trust.nsec` and `trust.nsec3` hold the proofs, `trust.proof` what they share. Work is bounded: a proof looks at
DENIAL_RECORDS records and hashes no more names than NSEC3_PER_PROOF and the budget allow. A proof that fails for that has
the reason LIMIT; it never becomes proven or insecure.

Limitations: only the records of one answer are looked at. Synthesis from the cache (RFC 8198) is elsewhere; the predicates
of the two modules are for it.

RFC 4035 §5.4, RFC 5155 §8, RFC 6840 §4, RFC 9276 §3.2, RFC 9824; CVE-2023-50868, CVE-2026-11605, CVE-2026-13321.
"""

from collections.abc import Callable
from typing import Final

from trust import nsec, nsec3
from trust.policy import Budget, Policy, limit_text
from trust.proof import Denial, Proof
from trust.reason import Reason
from wire import types as t
from wire.limits import DENIAL_RECORDS
from wire.name import Name, is_strict_subdomain, is_subdomain
from wire.rrset import RRset

_PROVEN: Final = Proof.PROVEN

__all__ = ["Denial", "Proof", "prove_name_error", "prove_no_data", "prove_no_ds", "prove_wildcard"]


def prove_name_error(qname: Name, zone: Name, records: list[RRset], policy: Policy, budget: Budget) -> Denial:
    """Prove that `qname` does not exist in `zone` and no wildcard stands for it: PROVEN, OPT_OUT, ITERATIONS or no proof.

    RFC 4035 §5.4, RFC 5155 §8.4, RFC 9824.
    """
    if not is_subdomain(qname, zone):
        return _outside(qname, zone)
    return _prove(
        zone,
        records,
        policy,
        budget,
        lambda nsecs: nsec.name_error(qname, nsecs),
        lambda chain: nsec3.name_error(qname, chain),
    )


def prove_no_data(qname: Name, qtype: int, zone: Name, records: list[RRset], policy: Policy, budget: Budget) -> Denial:
    """Prove that `qname`, or the wildcard that stands for it, has no `qtype`: PROVEN, OPT_OUT, ITERATIONS or no proof.

    Whether a DS question deserves PROVEN is about the type only; see `prove_no_ds` for what it means for a zone cut.

    RFC 4035 §5.4, RFC 5155 §8.5 to §8.7, RFC 6840 §4.3 and §4.4, RFC 9824.
    """
    if not is_subdomain(qname, zone):
        return _outside(qname, zone)
    return _prove(
        zone,
        records,
        policy,
        budget,
        lambda nsecs: nsec.no_data(qname, qtype, nsecs),
        lambda chain: nsec3.no_data(qname, qtype, chain),
    )


def prove_no_ds(qname: Name, zone: Name, records: list[RRset], policy: Policy, budget: Budget) -> Denial:
    """Prove that the parent `zone` has no DS for `qname`: PROVEN (a delegation without DS), OPT_OUT, NO_DELEGATION,
    ITERATIONS or no proof.

    RFC 4035 §5.2, RFC 5155 §8.6 and §8.9, RFC 6840 §4.4.
    """
    # RFC 4035 §2.4: DS stands in the parent, so the zone itself cannot deny its own.
    if not is_strict_subdomain(qname, zone):
        return _outside(qname, zone)
    return _prove(
        zone,
        records,
        policy,
        budget,
        lambda nsecs: nsec.no_ds(qname, nsecs),
        lambda chain: nsec3.no_ds(qname, chain),
    )


def prove_wildcard(
    qname: Name, closest_encloser: Name, zone: Name, records: list[RRset], policy: Policy, budget: Budget
) -> Denial:
    """Prove that the wildcard below `closest_encloser` (as the RRSIG's labels field says) was rightly expanded to `qname`:
    PROVEN, OPT_OUT, ITERATIONS or no proof.

    RFC 4035 §5.3.4, RFC 5155 §8.8.
    """
    # RFC 4035 §5.3.1: the signer's zone contains the wildcard, and the expansion is below the wildcard's parent.
    if not is_subdomain(closest_encloser, zone) or not is_strict_subdomain(qname, closest_encloser):
        return _outside(qname, zone)
    return _prove(
        zone,
        records,
        policy,
        budget,
        lambda nsecs: nsec.wildcard_answer(qname, closest_encloser, nsecs),
        lambda chain: nsec3.wildcard_answer(qname, closest_encloser, chain),
    )


def _prove(
    zone: Name,
    records: list[RRset],
    policy: Policy,
    budget: Budget,
    by_nsec: Callable[[list[nsec.Nsec]], Denial],
    by_nsec3: Callable[[nsec3.Chain], Denial],
) -> Denial:
    # CVE-2026-11605: superfluous records must not multiply the work. An honest proof needs three.
    denials = [r for r in records if r.rtype == t.NSEC or r.rtype == t.NSEC3]
    most = budget.ceiling(DENIAL_RECORDS, len(denials))
    padded = len(denials) > most
    del denials[most:]

    failures: list[Denial] = []
    nsecs = nsec.usable(denials, zone)
    if nsecs:
        denial = by_nsec(nsecs)
        if denial.proof is _PROVEN or denial.proof.holds:
            return denial
        failures.append(denial)
    try:
        chains, dear = nsec3.chains(denials, zone, policy, budget)
        for chain in chains:
            denial = by_nsec3(chain)
            if denial.proof is _PROVEN or denial.proof.holds:
                return denial
            failures.append(denial)
    except nsec3.OverLimitError as error:
        return nsec3.over_limit(error)
    if padded:
        budget.hit = budget.hit or DENIAL_RECORDS
        return Denial(Proof.MISSING, limit_text(DENIAL_RECORDS), reason=Reason.LIMIT)
    # RFC 9276 §3.2: insecure, provided that there is nothing in the answer that we were willing to look at.
    if dear and not failures:
        text = f"NSEC3 of {{}} with {dear} iterations, over {policy.nsec3_max_iterations}"
        return Denial(Proof.ITERATIONS, text, (zone,))
    # What contradicts is worth more than what does not fit, and that more than a gap.
    failures.sort(key=lambda denial: (denial.reason is not Reason.DENIAL_WRONG, denial.proof is not Proof.WRONG))
    return failures[0] if failures else Denial(Proof.MISSING, "no usable NSEC or NSEC3 of {}", (zone,))


def _outside(name: Name, zone: Name) -> Denial:
    return Denial(Proof.MISSING, "{} is not for {} to deny", (name, zone))
