"""NSEC: records and proofs.

An NSEC *matches* the name that is its owner and tells the types there. It *covers* the names that sort strictly between its
owner and its next name: none of them owns records in this zone. A covered name may still exist as an empty
non-terminal, which shows by the next name being below it. The last NSEC's next name is the apex (RFC 4034 §4.1.1).

`nsec_matches`, `nsec_covers` and `Nsec` are pure predicates for whoever else needs them (RFC 8198). Functions named after a
proof take the usable records of one zone and return a Denial.

Limitations: a record is taken for what its zone says. A zone that signs nonsense (two records that contradict each
other) can deny its own names.

RFC 4034 §4 and §6.1, RFC 4035 §3.1.3 and §5.4, RFC 4592 §2.2 and §4, RFC 6840 §4, RFC 9824; CVE-2026-13321.
"""

from collections.abc import Iterable
from typing import Final

from trust.proof import Denial, Proof, hides_subdomains, incomplete, is_nxname, is_of_zone, type_fault
from trust.reason import Reason
from wire import types as t
from wire.name import (
    Name,
    canonical_key,
    common_ancestor,
    count_labels,
    is_strict_subdomain,
    is_subdomain,
    suffix,
    wildcard,
)
from wire.rdata import bitmap_has, nsec_parts
from wire.rrset import RRset

# A member of an enum takes the compiled core two look-ups, a constant none.
_PROVEN: Final = Proof.PROVEN


class Nsec:
    """One NSEC record. `next` is lower-cased; `key` is the owner's place in the canonical order."""

    __slots__ = ("_high", "bitmap", "key", "next", "owner", "rrset")

    def __init__(self, rrset: RRset) -> None:
        self.rrset = rrset
        self.owner = rrset.name
        self.next, self.bitmap = nsec_parts(rrset.rdatas[0])
        self.key = canonical_key(self.owner)
        self._high = canonical_key(self.next)

    @property
    def is_last(self) -> bool:
        """Whether the next name does not sort after the owner: the ring closes here."""
        return self.key >= self._high

    def matches(self, name: Name) -> bool:
        """Whether this is the NSEC at `name`."""
        return self.owner == name

    def covers(self, name: Name) -> bool:
        """Whether `name` sorts strictly between owner and next name. Names of other zones are the caller's affair."""
        return self.covers_key(canonical_key(name))

    def covers_key(self, key: tuple[bytes, ...]) -> bool:
        """The same for the name with this canonical key."""
        if self.key < self._high:
            return self.key < key < self._high
        return key > self.key or key < self._high

    def speaks_of(self, name: Name, key: tuple[bytes, ...] | None = None) -> bool:
        """Whether `name` is covered and not out of this record's sight, below a delegation or a DNAME at its owner.

        `key`: the name's canonical key, when it is known already.
        """
        if not self.covers_key(canonical_key(name) if key is None else key):
            return False
        # RFC 6840 §4.1: a record with NS and no SOA, or with DNAME, must not deny names below its owner.
        if is_strict_subdomain(name, self.owner) and hides_subdomains(self.bitmap):
            return False
        # RFC 9824 §3.1: the owner does not exist, so neither need its ancestors; nothing follows for other names.
        return not is_nxname(self.bitmap)

    def shows_empty_non_terminal(self, name: Name) -> bool:
        """Whether the covered `name` exists nevertheless: the next name is below it (RFC 4592 §2.2.2)."""
        return is_strict_subdomain(self.next, name)

    def closest_encloser(self, name: Name) -> Name:
        """The longest existing ancestor of the covered `name`: owner and next name are its nearest neighbours, so it
        shares the more with one of them (RFC 4592 §3.3.1).
        """
        left, right = common_ancestor(name, self.owner), common_ancestor(name, self.next)
        return left if len(left) >= len(right) else right


def nsec_matches(rrset: RRset, name: Name) -> bool:
    """Whether the NSEC RRset is the one at `name`."""
    return rrset.name == name


def nsec_covers(rrset: RRset, name: Name) -> bool:
    """Whether `name` sorts strictly between owner and next name of the NSEC RRset."""
    return Nsec(rrset).covers(name)


def read_nsec(rrset: RRset, zone: Name) -> Nsec | None:
    """The NSEC in a verified RRset, None when it must not be used for proofs about `zone`."""
    if not is_subdomain(rrset.name, zone) or not is_of_zone(rrset, zone):
        return None
    nsec = Nsec(rrset)
    # CVE-2026-13321, RFC 4034 §4.1.1: the next name is in the zone; otherwise the span reaches over other zones' names.
    if not is_subdomain(nsec.next, zone):
        return None
    # RFC 4034 §4.1.1: only the last NSEC goes back, and it goes back to the apex.
    if nsec.is_last and nsec.next != zone:
        return None
    return nsec


def usable(records: Iterable[RRset], zone: Name) -> list[Nsec]:
    """The NSEC records that may be used for proofs about `zone`."""
    return [nsec for r in records if r.rtype == t.NSEC and (nsec := read_nsec(r, zone)) is not None]


# --- proofs ----------------------------------------------------------------------------------------------------------


def name_error(qname: Name, nsecs: list[Nsec]) -> Denial:
    """RFC 4035 §5.4 second bullet, §3.1.3.2: neither the name nor a wildcard that would stand for it exists."""
    match = _matching(nsecs, qname)
    if match is not None:
        # RFC 9824 §3.1, §5.1: the record made for this very name says that there is none.
        if is_nxname(match.bitmap):
            return Denial(_PROVEN, "NXNAME at {}", (qname,), (match.rrset,), name_error=True)
        return Denial(Proof.WRONG, "an NSEC shows that {} exists", (qname,))
    cover = _covering(nsecs, qname)
    if cover is None:
        return _not_covered(nsecs, qname)
    if cover.shows_empty_non_terminal(qname):
        return Denial(Proof.WRONG, "an NSEC shows that {} exists as an empty non-terminal", (qname,))
    encloser = cover.closest_encloser(qname)
    source = wildcard(encloser)
    if _matching(nsecs, source) is not None:
        return Denial(Proof.WRONG, "an NSEC shows that the wildcard {} exists", (source,))
    source_cover = _covering(nsecs, source)
    if source_cover is None:
        return _not_covered(nsecs, source, cover)
    # RFC 4592 §2.2.2, §4.9: a wildcard that is an empty non-terminal is a source of synthesis: of NODATA.
    if source_cover.shows_empty_non_terminal(source):
        return Denial(Proof.WRONG, "an NSEC shows that the wildcard {} exists", (source,))
    used = (cover.rrset, source_cover.rrset)
    return Denial(_PROVEN, "{} does not exist", (qname,), used, encloser, name_error=True)


def no_data(qname: Name, qtype: int, nsecs: list[Nsec]) -> Denial:
    """RFC 4035 §5.4 first bullet, §3.1.3.1 and §3.1.3.4: the name, or the wildcard in its stead, has no such type."""
    match = _matching(nsecs, qname)
    if match is not None:
        fault = type_fault(qname, match.bitmap, qtype)
        if fault is not None:
            return fault.denial(qname, qtype)
        compact = is_nxname(match.bitmap)
        return Denial(_PROVEN, "{} has no {}", (qname, qtype), (match.rrset,), name_error=compact)
    cover = _covering(nsecs, qname)
    if cover is None:
        return _not_covered(nsecs, qname)
    # RFC 4035 §5.4 with RFC 4592 §2.2.2: an empty non-terminal has no NSEC and no types.
    if cover.shows_empty_non_terminal(qname):
        return Denial(_PROVEN, "{} is an empty non-terminal", (qname,), (cover.rrset,))
    encloser = cover.closest_encloser(qname)
    source = wildcard(encloser)
    at_source = _matching(nsecs, source)
    if at_source is not None:
        # RFC 4035 §3.1.3.4: wildcard no data. The same rules hold for the bit map at the wildcard.
        fault = type_fault(source, at_source.bitmap, qtype)
        if fault is not None:
            return fault.denial(source, qtype)
    else:
        at_source = _covering(nsecs, source)
        if at_source is None:
            return _not_covered(nsecs, source, cover)
        if not at_source.shows_empty_non_terminal(source):
            return Denial(Proof.WRONG, "the NSECs show that {} does not exist, nor a wildcard for it", (qname,))
    used = (cover.rrset, at_source.rrset)
    return Denial(_PROVEN, "the wildcard for {} has no {}", (qname, qtype), used, encloser)


def no_ds(qname: Name, nsecs: list[Nsec]) -> Denial:
    """RFC 4035 §5.2, RFC 6840 §4.4: the delegation at `qname` has no DS, or there is no delegation at all."""
    match = _matching(nsecs, qname)
    if match is None:
        cover = _covering(nsecs, qname)
        if cover is None:
            return _not_covered(nsecs, qname)
        # A wildcard makes no zone cut (RFC 4592 §4.2), so whether there is one does not matter here.
        exists = cover.shows_empty_non_terminal(qname)
        text = "{} is an empty non-terminal" if exists else "{} does not exist"
        return Denial(Proof.NO_DELEGATION, text, (qname,), (cover.rrset,), name_error=not exists)
    if bitmap_has(match.bitmap, t.DS):
        return Denial(Proof.WRONG, "an NSEC shows that {} has a DS", (qname,))
    # RFC 6840 §4.4: the SOA bit is clear; the child's own NSEC does not deny DS.
    if bitmap_has(match.bitmap, t.SOA):
        return Denial(Proof.MISSING, "the NSEC at {} is the child zone's and does not deny DS", (qname,))
    # RFC 6840 §4.4: the NS bit is set, else there is no delegation.
    if not bitmap_has(match.bitmap, t.NS):
        compact = is_nxname(match.bitmap)
        return Denial(Proof.NO_DELEGATION, "{} is no delegation", (qname,), (match.rrset,), name_error=compact)
    text = "the delegation of {} has no DS"
    return Denial(_PROVEN, text, (qname,), (match.rrset,), reason=Reason.UNSIGNED_DELEGATION)


def wildcard_answer(qname: Name, encloser: Name, nsecs: list[Nsec]) -> Denial:
    """RFC 4035 §5.3.4, §3.1.3.3: no name nearer to `qname` than the wildcard below `encloser` exists.

    That is so when the next closer name does not exist. Then the encloser is what the covering NSEC, too, gives.
    """
    next_closer = suffix(qname, count_labels(encloser) + 1)
    cover = _covering(nsecs, next_closer)
    if cover is None:
        if _matching(nsecs, next_closer) is not None or _matching(nsecs, qname) is not None:
            return Denial(Proof.WRONG, "an NSEC shows that {} exists; no wildcard applies", (qname,))
        return _not_covered(nsecs, next_closer)
    if cover.shows_empty_non_terminal(next_closer):
        return Denial(Proof.WRONG, "an NSEC shows that {} exists; no wildcard above applies", (next_closer,))
    return Denial(_PROVEN, "{} does not exist", (next_closer,), (cover.rrset,), encloser, name_error=True)


def _matching(nsecs: list[Nsec], name: Name) -> Nsec | None:
    for nsec in nsecs:
        if nsec.owner == name:
            return nsec
    return None


def _covering(nsecs: list[Nsec], name: Name) -> Nsec | None:
    key = canonical_key(name)
    for nsec in nsecs:
        if nsec.speaks_of(name, key):
            return nsec
    return None


def _not_covered(nsecs: list[Nsec], name: Name, *of_use: Nsec) -> Denial:
    """No proof for want of a record for `name`; `of_use`: what the rest of the proof rests on."""
    return incomplete("no NSEC covers {}", (name,), idle=len(nsecs) > len(of_use))
