"""The files of the corpus that are not played to the letter, each with its reason. docs/SCENARIOS.md lists the same.

The rule: what a client gets (answer, RCODE, AD) is never excused because it is wrong. It may differ where the file wants
something of one implementation that is not a matter of right and wrong, or that we deliberately do otherwise; then only
the sections named here are left out, and where the RCODE differs, ours is written down and checked. All the rest of such a
file is still played and compared.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.scenarios.play import Leniency


@dataclass(frozen=True)
class Exemption:
    """Why a file is not played to the letter, and what of it is not asked of us."""

    reason: str
    leniency: Leniency


def _ignoring(steps: Iterable[int], *sections: str) -> dict[int, frozenset[str]]:
    return dict.fromkeys(steps, frozenset(sections))


_DSA = Exemption(
    "The trust anchor is for DSA (algorithm 3), which must not be validated (RFC 9904): the zone is insecure, so NOERROR "
    "with EDE 1 instead of SERVFAIL",
    Leniency(_ignoring([10], "answer", "authority"), {10: "NOERROR"}),
)

EXCEPTIONS: dict[str, Exemption] = {
    "iter_cycle_noh.rpl": Exemption(
        "Two zones whose only servers lie in each other; the file sets `harden-glue: no` and wants an address from outside "
        "the bailiwick of the server that gave it. We drop such data always: SERVFAIL with EDE 22",
        Leniency(_ignoring([20], "answer"), {20: "SERVFAIL"}),
    ),
    "iter_dname_insec.rpl": Exemption(
        "Loops of DNAMEs: the file wants SERVFAIL with the chain in the answer section; our SERVFAIL carries no data",
        Leniency(_ignoring([220902, 221002], "answer")),
    ),
    "iter_domain_sale.rpl": Exemption(
        "NXDOMAIN with the zone's NS set beside the SOA; our authority section holds what proves the denial and no more",
        Leniency(_ignoring([60], "authority")),
    ),
    "iter_pcnamerec.rpl": Exemption(
        "A name server's own zone gives it a dead address, the parent's glue a live one; the file wants the glue to be "
        "used for another zone that this server serves. Glue serves only the delegation that carried it: SERVFAIL with "
        "EDE 22",
        Leniency(_ignoring([20, 40], "answer"), {20: "SERVFAIL", 40: "SERVFAIL"}),
    ),
    "val_anchor_nx_nosig.rpl": Exemption(
        "The parent, itself without a chain of trust, says NXDOMAIN about a zone that has a trust anchor; the file "
        "believes it. What lies under an anchor and cannot be proven is bogus (RFC 4035 section 4.3): SERVFAIL with EDE 9",
        Leniency(_ignoring([10], "authority"), {10: "SERVFAIL"}),
    ),
    "val_deleg_nons.rpl": _DSA,
    "val_positive_nosigs.rpl": _DSA,
}
