"""What a denial proof comes to, and the rules for type bit maps that NSEC and NSEC3 share.

`trust.nsec` and `trust.nsec3` build the proofs, `trust.denial` chooses between them and is what everybody else imports.

RFC 4035 §5.4, RFC 6840 §4 (clarifications on denial), RFC 9824 §3.1 and §4 (NXNAME); CVE-2026-10723, CVE-2026-11721.
"""

from enum import Enum
from typing import Final

from trust.reason import Reason
from wire import types as t
from wire.name import ROOT, Name
from wire.rdata import bitmap_has, bitmap_types
from wire.rrset import RRset
from wire.text import name_to_text, type_to_text


class Proof(Enum):
    """What the records amount to."""

    PROVEN = "proven"
    """The denial holds: what was to be denied is not there."""
    OPT_OUT = "opt-out"
    """Proven only as far as an opt-out span: an unsigned delegation may hide in it, so the answer is insecure."""
    NO_DELEGATION = "no-delegation"
    """For DS questions: the name provably is no zone cut (it has no NS, is an empty non-terminal or does not exist)."""
    ITERATIONS = "iterations"
    """The NSEC3 records use more iterations than the policy allows, so the answer is insecure (RFC 9276 §3.2)."""
    MISSING = "missing"
    """There are no usable records, or a part of the proof is lacking."""
    WRONG = "wrong"
    """The records are there and contradict the denial or do not fit the question."""

    @property
    def holds(self) -> bool:
        """Whether nothing more need be looked for."""
        return self in _HOLDS


_HOLDS: Final = frozenset((Proof.PROVEN, Proof.OPT_OUT, Proof.NO_DELEGATION))

# A member of an enum takes the compiled core two look-ups, and its hash a call of a Python function; a constant none.
_PROVEN: Final = Proof.PROVEN
_VALID: Final = Reason.VALID
_REASONS: Final = {
    Proof.PROVEN: Reason.VALID,
    Proof.OPT_OUT: Reason.OPT_OUT,
    Proof.NO_DELEGATION: Reason.VALID,
    Proof.ITERATIONS: Reason.NSEC3_ITERATIONS,
    Proof.MISSING: Reason.DENIAL_MISSING,
    Proof.WRONG: Reason.DENIAL_WRONG,
}


class Denial:
    """The outcome of one attempt at a proof.

    Attributes:
        proof, reason: see `Proof`; the reason is VALID for what is proven, UNSIGNED_DELEGATION for a proven absence of DS.
        used: the RRsets that the proof rests on, none twice; empty when there is no proof.
        closest_encloser: the longest existing (NSEC3: provable) ancestor, when the proof went by one.
        name_error: the records deny the name and not only the type (RFC 9824 §3.1: NXNAME; RFC 4035 §5.4: name error).
    """

    __slots__ = ("_names", "_text", "closest_encloser", "name_error", "proof", "reason", "used")

    def __init__(
        self,
        proof: Proof,
        text: str,
        names: tuple[Name | int, ...] = (),
        used: tuple[RRset, ...] = (),
        closest_encloser: Name | None = None,
        *,
        reason: Reason | None = None,
        name_error: bool = False,
    ) -> None:
        self.proof = proof
        if reason is None:
            reason = _VALID if proof is _PROVEN else _REASONS[proof]
        self.reason = reason
        self.used = _distinct(used) if len(used) > 1 else list(used)
        self.closest_encloser = closest_encloser
        self.name_error = name_error
        self._text = text
        self._names = names

    @property
    def text(self) -> str:
        """One ASCII sentence. Made only when asked for: it is not wanted while all is well."""
        words = (type_to_text(n) if isinstance(n, int) else name_to_text(n) for n in self._names)
        return self._text.format(*words)

    def __repr__(self) -> str:
        return f"Denial({self.proof.value}, {self.text!r})"


def _distinct(rrsets: tuple[RRset, ...]) -> list[RRset]:
    """The sets, none twice: a record may serve for more than one name."""
    out: list[RRset] = []
    for rrset in rrsets:
        for present in out:
            if present is rrset:
                break
        else:
            out.append(rrset)
    return out


def incomplete(text: str, names: tuple[Name | int, ...], *, idle: bool) -> Denial:
    """No proof for want of a record. `idle`: whether records came that serve for nothing, so that they do not fit.

    DESIGN §4: 12 is for what is missing or incomplete, 6 for what contradicts. Records that deny something else do neither:
    both codes are true of them.
    """
    if idle:
        return Denial(Proof.WRONG, text, names, reason=Reason.DENIAL_UNFIT)
    return Denial(Proof.MISSING, text, names)


# --- type bit maps ---------------------------------------------------------------------------------------------------

_COMPACT: Final = frozenset((t.RRSIG, t.NSEC, t.NXNAME))


def is_ancestor_delegation(bitmap: bytes) -> bool:
    """Whether the bit map is the parent's view of a zone cut: NS without SOA (RFC 6840 §4.1)."""
    return bitmap_has(bitmap, t.NS) and not bitmap_has(bitmap, t.SOA)


def hides_subdomains(bitmap: bytes) -> bool:
    """Whether the record says nothing about names below its owner: a delegation or a DNAME is there (RFC 6840 §4.1)."""
    return is_ancestor_delegation(bitmap) or bitmap_has(bitmap, t.DNAME)


def is_nxname(bitmap: bytes) -> bool:
    """Whether the bit map stands for "no such name": NXNAME beside nothing but RRSIG and NSEC (RFC 9824 §3.1)."""
    return bitmap_has(bitmap, t.NXNAME) and _COMPACT.issuperset(bitmap_types(bitmap))


class TypeFault(Enum):
    """Why the bit map at a name does not deny a type there. Members are (proof, sentence about name and type)."""

    HAS_TYPE = (Proof.WRONG, "the denial record at {} lists {}")
    HAS_CNAME = (Proof.WRONG, "the denial record at {} lists CNAME, so {} must be an alias")
    PARENT_SIDE = (Proof.MISSING, "the denial record at {} is the delegating zone's and says nothing about {}")
    CHILD_SIDE = (Proof.MISSING, "the denial record at {} is the child zone's and says nothing about {}")

    def denial(self, owner: Name, rtype: int) -> Denial:
        """This fault as an outcome."""
        proof, sentence = self.value
        return Denial(proof, sentence, (owner, rtype))


def type_fault(owner: Name, bitmap: bytes, rtype: int) -> TypeFault | None:
    """None when the bit map of a record that matches `owner` denies `rtype` there."""
    if rtype == t.ANY:
        # RFC 9824 §3.1: an empty non-terminal or absent name in compact form lists RRSIG, NSEC and perhaps NXNAME.
        return None if _COMPACT.issuperset(bitmap_types(bitmap)) else TypeFault.HAS_TYPE
    # RFC 4035 §5.4 first bullet, RFC 5155 §8.5: the type's bit is clear.
    if bitmap_has(bitmap, rtype):
        return TypeFault.HAS_TYPE
    # RFC 6840 §4.3, RFC 5155 §8.5: so is the CNAME bit; else a positive answer could be turned into NODATA.
    if bitmap_has(bitmap, t.CNAME):
        return TypeFault.HAS_CNAME
    if rtype == t.DS:
        # RFC 6840 §4.4, RFC 4035 §5.2: DS belongs to the parent; the record at the child's apex does not deny it. The
        # root has no parent.
        if bitmap_has(bitmap, t.SOA) and owner != ROOT:
            return TypeFault.CHILD_SIDE
    # RFC 6840 §4.1: at a cut the parent's record denies DS and nothing else.
    elif is_ancestor_delegation(bitmap):
        return TypeFault.PARENT_SIDE
    return None


# --- records ---------------------------------------------------------------------------------------------------------


def is_of_zone(rrset: RRset, zone: Name) -> bool:
    """Whether a denial RRset, whose signature has been verified, can be a record that `zone` itself holds.

    Records without signatures (of a test, or from a cache that checked before) pass.
    """
    # RFC 4034 §4, RFC 5155 §7.1: an owner has one NSEC or NSEC3 record.
    if len(rrset.rdatas) != 1:
        return False
    owner = rrset.name
    labels = 0
    pos = 2 if owner.startswith(b"\x01*") else 0  # RFC 4034 §3.1.3: a leading asterisk label is not counted
    while length := owner[pos]:
        labels += 1
        pos += length + 1
    signed_here = not rrset.sigs
    for sig in rrset.sigs:
        # RFC 4035 §5.4 with §5.3.4, CVE-2026-11721: fewer labels than the owner has mean wildcard expansion. Owner and
        # next name of an expanded record are no neighbours, and its bit map is the wildcard's.
        if sig[3] < labels:
            return False
        signed_here = signed_here or sig.startswith(zone, 18)
    # RFC 6840 §4.1, CVE-2026-10723: the record of another zone (the parent's at the apex, a child's whose own name looks
    # like a hash) says nothing about this one.
    return signed_here
