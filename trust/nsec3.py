"""NSEC3: hashes, records and proofs.

Glossary (RFC 5155 §1.3; the words are never exchanged):

*match* — an NSEC3 matches a name when the hash in its owner is the name's hash: the name exists, the bit map is its own.
*cover* — an NSEC3 covers a name when the name's hash lies strictly between the hash in its owner and the next hash, the
    order being a ring: the name has no NSEC3. It does not exist, or it is left out by opt-out.
*chain* — the NSEC3 records of one zone with the same parameters (iterations and salt). A proof stays within one.
*closest encloser* — the longest existing ancestor of a name that does not exist. *Closest provable encloser*: the longest
    that an NSEC3 matches; it is shorter only where opt-out leaves out names.
*next closer* — the name one label longer than the closest (provable) encloser, on the way to the name.
*opt-out* — a flag of the covering record: unsigned delegations, and empty non-terminals that lead only to such, may exist
    in its span. Its cover proves the absence of everything signed, so what rests on it is insecure (§9.2).

Theory: each name is hashed once a proof, through the chain, which asks the budget; when the budget or the proof's own limit
refuses, there is no proof. Candidates for the closest encloser are tried from the apex down and not, as RFC 5155 §8.3
writes it, from the name up: the first that is covered is the next closer name and its parent must be matched. In a
chain that does not contradict itself, both ways find the same pair, because ancestors of an existing name exist. But from
the apex the work depends on the depth of the zone, from the name on the labels that an attacker asks for (CVE-2023-50868).

Limitations: hash algorithm 1 (SHA-1) is the only one there is. Contradictions between records of one chain (a zone caught
between two versions) are not looked for; the first pair from the apex is taken. Opt-out of the record that covers the
wildcard is not looked at (§9.2 does not ask for it), so a wildcard that is an empty non-terminal and left out by opt-out
counts as absent: name error instead of no data.

RFC 5155 §3, §5, §8, §9.2 and appendix B; RFC 6840 §4; RFC 9276 §3.2; RFC 9824; CVE-2023-50868.
"""

from collections.abc import Iterable
from hashlib import sha1
from typing import Final

from trust.policy import Budget, Policy, limit_text
from trust.proof import Denial, Proof, hides_subdomains, incomplete, is_nxname, is_of_zone, type_fault
from trust.reason import Reason
from wire import types as t
from wire.limits import NSEC3_PER_PROOF, NSEC3_PER_RESOLUTION, Limit
from wire.name import Name, count_labels, suffix, wildcard
from wire.rdata import Nsec3, bitmap_has
from wire.rrset import RRset

SHA1_HASH: Final = 1
"""The one hash algorithm (RFC 5155 §11)."""
_HASH_OCTETS: Final = 20
_LABEL_OCTETS: Final = 32
"""Octets of a SHA-1 hash in base32hex."""
_DEAR_ITERATIONS: Final = 50
"""NSEC3_PER_PROOF is reckoned in names hashed with this many iterations; cheaper hashes buy more names."""

# A member of an enum takes the compiled core two look-ups, a constant none.
_PROVEN: Final = Proof.PROVEN


def nsec3_hash(name: Name, salt: bytes, iterations: int) -> bytes:
    """The hash of a lower-cased name, 20 octets (RFC 5155 §5): iterations + 1 runs of SHA-1."""
    digest = sha1(name + salt, usedforsecurity=False).digest()
    for _ in range(iterations):
        digest = sha1(digest + salt, usedforsecurity=False).digest()
    return digest


def owner_hash(owner: Name, zone: Name) -> bytes | None:
    """The hash in an NSEC3's owner, 20 octets; None when the owner is not one base32hex label directly below the zone
    (RFC 5155 §3).
    """
    if owner[0] != _LABEL_OCTETS or owner[_LABEL_OCTETS + 1 :] != zone:
        return None
    label = owner[1 : _LABEL_OCTETS + 1]
    # base32hex (RFC 4648 §7) writes a number in base 32 with the digits of int(), which also takes signs and underscores.
    if not label.isalnum():
        return None
    try:
        return int(label, 32).to_bytes(_HASH_OCTETS, "big")
    except ValueError:
        return None


class Link:
    """One NSEC3 record of a chain."""

    __slots__ = ("bitmap", "hash", "next_hash", "opt_out", "rrset")

    def __init__(self, rrset: RRset, hashed: bytes, record: Nsec3) -> None:
        self.rrset = rrset
        self.hash = hashed
        self.next_hash = record.next_hash
        self.opt_out = record.opt_out
        self.bitmap = record.bitmap

    def covers(self, hashed: bytes) -> bool:
        """Whether a hash lies strictly between this record's and the next. The last record's span goes round; the span of
        a chain's only record is every hash but its own (RFC 5155 §3.1.7).
        """
        if self.hash < self.next_hash:
            return self.hash < hashed < self.next_hash
        return hashed > self.hash or hashed < self.next_hash


def nsec3_matches(rrset: RRset, zone: Name, hashed: bytes) -> bool:
    """Whether the NSEC3 RRset of `zone` is the one at a hash."""
    return owner_hash(rrset.name, zone) == hashed


def nsec3_covers(rrset: RRset, zone: Name, hashed: bytes) -> bool:
    """Whether a hash lies strictly between owner and next hash of the NSEC3 RRset of `zone`."""
    owner = owner_hash(rrset.name, zone)
    return owner is not None and Link(rrset, owner, Nsec3(rrset.rdatas[0])).covers(hashed)


def read_nsec3(rrset: RRset, zone: Name) -> tuple[bytes, Nsec3] | None:
    """Owner hash and record of a verified RRset, None when it must not be used for proofs about `zone`."""
    hashed = owner_hash(rrset.name, zone)
    if hashed is None or not is_of_zone(rrset, zone):
        return None
    record = Nsec3(rrset.rdatas[0])
    # RFC 5155 §8.1: records with an unknown hash algorithm are ignored.
    # RFC 5155 §8.2: records with other flags than Opt-Out are ignored.
    if record.algorithm != SHA1_HASH or record.flags > 1 or len(record.next_hash) != _HASH_OCTETS:
        return None
    return hashed, record


class OverLimitError(Exception):
    """A name may not be hashed: a limit is reached."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit.label)
        self.limit = limit


class Meter:
    """Counts the names hashed for one proof and asks the budget for each."""

    __slots__ = ("_budget", "_spent")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._spent = 0  # runs of SHA-1

    def take(self, iterations: int) -> None:
        """Pay for one name.

        Raises:
            OverLimitError: it may not be hashed.
        """
        # Deviation: the limit counts names at 50 iterations. At 0 iterations, where RFC 9276 §3.1 wants every zone to be, a
        # hash costs a fiftieth, and a deep tree (ip6.arpa: 32 labels) needs more than eight candidates.
        self._spent += min(iterations, _DEAR_ITERATIONS) + 1
        names = -(-self._spent // (_DEAR_ITERATIONS + 1))
        if names > self._budget.ceiling(NSEC3_PER_PROOF, names):
            self._budget.hit = self._budget.hit or NSEC3_PER_PROOF
            raise OverLimitError(NSEC3_PER_PROOF)
        if not self._budget.take_nsec3():
            raise OverLimitError(NSEC3_PER_RESOLUTION)


class Chain:
    """The usable NSEC3 records of one zone that share salt and iterations.

    `hashes`: of names that were hashed, and paid for, already.
    """

    __slots__ = ("_hashes", "_iterations", "_meter", "_salt", "links", "zone")

    def __init__(
        self, zone: Name, salt: bytes, iterations: int, meter: Meter, hashes: dict[Name, bytes] | None = None
    ) -> None:
        self.zone = zone
        self.links: dict[bytes, Link] = {}
        self._salt = salt
        self._iterations = iterations
        self._meter = meter
        self._hashes: dict[Name, bytes] = {} if hashes is None else hashes.copy()

    def hash(self, name: Name) -> bytes:
        """The name's hash, reckoned once.

        Raises:
            OverLimitError: a limit is reached.
        """
        hashed = self._hashes.get(name)
        if hashed is None:
            self._meter.take(self._iterations)
            hashed = self._hashes[name] = nsec3_hash(name, self._salt, self._iterations)
        return hashed

    def matching(self, name: Name) -> Link | None:
        """The record that matches `name`."""
        return self.links.get(self.hash(name))

    def covering(self, name: Name) -> Link | None:
        """A record that covers `name`."""
        hashed = self.hash(name)
        for link in self.links.values():
            if link.covers(hashed):
                return link
        return None


def chains(records: Iterable[RRset], zone: Name, policy: Policy, budget: Budget) -> tuple[list[Chain], int]:
    """The chains that the NSEC3 records belong to, in the order of first appearance (commonly one), and the most iterations
    of those that were left out for theirs (0: none was).
    """
    meter = Meter(budget)
    found: dict[tuple[bytes, int], Chain] = {}
    dear = 0
    for rrset in records:
        if rrset.rtype != t.NSEC3:
            continue
        read = read_nsec3(rrset, zone)
        if read is None:
            continue
        hashed, record = read
        # RFC 9276 §3.2: more iterations than we are willing to run make the answer insecure.
        if record.iterations > policy.nsec3_max_iterations:
            dear = max(dear, record.iterations)
            continue
        # RFC 5155 §8.2: the records of a proof share algorithm, iterations and salt.
        key = (record.salt, record.iterations)
        chain = found.get(key)
        if chain is None:
            chain = found[key] = Chain(zone, record.salt, record.iterations, meter)
        chain.links.setdefault(hashed, Link(rrset, hashed, record))
    return list(found.values()), dear


# --- proofs ----------------------------------------------------------------------------------------------------------


class Encloser:
    """The closest encloser proof: `name` is matched by `match`, its `next_closer` name is covered by `cover`."""

    __slots__ = ("cover", "match", "name", "next_closer")

    def __init__(self, name: Name, match: Link, next_closer: Name, cover: Link) -> None:
        self.name = name
        self.match = match
        self.next_closer = next_closer
        self.cover = cover

    @property
    def proof(self) -> Proof:
        """PROVEN, or OPT_OUT when the next closer name may be an unsigned delegation (RFC 5155 §9.2)."""
        return Proof.OPT_OUT if self.cover.opt_out else _PROVEN


def closest_encloser(qname: Name, chain: Chain) -> Encloser | Denial:
    """RFC 5155 §8.3; from the apex down, see the module's text.

    Raises:
        OverLimitError: a limit is reached.
    """
    above: Link | None = None
    above_name = chain.zone
    for labels in range(count_labels(chain.zone), count_labels(qname) + 1):
        candidate = suffix(qname, labels)
        match = chain.matching(candidate)
        # The apex exists: it is by its keys that the records are verified.
        cover = chain.covering(candidate) if match is None and candidate != chain.zone else None
        if cover is None:
            above, above_name = match, candidate
            continue
        if above is None:
            text = "no NSEC3 matches {}, the closest encloser of {}"
            at_source = chain.covering(wildcard(above_name))
            of_use = len({link.hash for link in (cover, at_source) if link is not None})
            return incomplete(text, (above_name, qname), idle=len(chain.links) > of_use)
        # RFC 5155 §8.3, RFC 6840 §4.1: the closest encloser is neither a delegation nor the owner of a DNAME; what is
        # below it would not be this zone's to deny.
        if hides_subdomains(above.bitmap):
            text = "the NSEC3 of {} is at a delegation or DNAME and says nothing about {}"
            return Denial(Proof.MISSING, text, (above_name, qname))
        return Encloser(above_name, above, candidate, cover)
    if above is not None:
        return Denial(Proof.WRONG, "an NSEC3 shows that {} exists", (qname,))
    return incomplete("no NSEC3 covers {} or an ancestor of it", (qname,), idle=True)


def name_error(qname: Name, chain: Chain) -> Denial:
    """RFC 5155 §8.4.

    Raises:
        OverLimitError: a limit is reached.
    """
    match = chain.matching(qname)
    if match is not None:
        # RFC 9824 §4, §5.1: the record made for this very name says that there is none.
        if is_nxname(match.bitmap):
            return Denial(_PROVEN, "NXNAME at {}", (qname,), (match.rrset,), name_error=True)
        return Denial(Proof.WRONG, "an NSEC3 shows that {} exists", (qname,))
    encloser = closest_encloser(qname, chain)
    if isinstance(encloser, Denial):
        return encloser
    source = wildcard(encloser.name)
    if chain.matching(source) is not None:
        return Denial(Proof.WRONG, "an NSEC3 shows that the wildcard {} exists", (source,))
    # RFC 5155 §8.4: the wildcard at the closest encloser is covered, too.
    source_cover = chain.covering(source)
    if source_cover is None:
        return _incomplete(chain, source, encloser)
    used = (encloser.match.rrset, encloser.cover.rrset, source_cover.rrset)
    return Denial(encloser.proof, "{} does not exist", (qname,), used, encloser.name, name_error=True)


def no_data(qname: Name, qtype: int, chain: Chain) -> Denial:
    """RFC 5155 §8.5, §8.6 and §8.7.

    Raises:
        OverLimitError: a limit is reached.
    """
    match = chain.matching(qname)
    if match is not None:
        # RFC 5155 §8.5, §8.6: neither the type's bit nor CNAME is set at the name itself.
        fault = type_fault(qname, match.bitmap, qtype)
        if fault is not None:
            return fault.denial(qname, qtype)
        compact = is_nxname(match.bitmap)
        return Denial(_PROVEN, "{} has no {}", (qname, qtype), (match.rrset,), name_error=compact)
    encloser = closest_encloser(qname, chain)
    if isinstance(encloser, Denial):
        return encloser
    used = (encloser.match.rrset, encloser.cover.rrset)
    source = wildcard(encloser.name)
    at_source = chain.matching(source)
    if at_source is not None:
        # RFC 5155 §8.7: wildcard no data. The same rules hold for the bit map at the wildcard.
        fault = type_fault(source, at_source.bitmap, qtype)
        if fault is not None:
            return fault.denial(source, qtype)
        text = "the wildcard for {} has no {}"
        return Denial(encloser.proof, text, (qname, qtype), (*used, at_source.rrset), encloser.name)
    # RFC 5155 §8.6 for DS; erratum 3441 for other types: an unsigned delegation, or an empty non-terminal above one, may be
    # left out of the chain.
    if encloser.cover.opt_out:
        return Denial(Proof.OPT_OUT, "opt-out covers {}", (encloser.next_closer,), used, encloser.name)
    if chain.covering(source) is not None:
        return Denial(Proof.WRONG, "the NSEC3s show that {} does not exist, nor a wildcard for it", (qname,))
    return _incomplete(chain, source, encloser)


def no_ds(qname: Name, chain: Chain) -> Denial:
    """RFC 5155 §8.6 and §8.9: the delegation at `qname` has no DS, or there is no delegation at all.

    Raises:
        OverLimitError: a limit is reached.
    """
    match = chain.matching(qname)
    if match is None:
        encloser = closest_encloser(qname, chain)
        if isinstance(encloser, Denial):
            return encloser
        used = (encloser.match.rrset, encloser.cover.rrset)
        # RFC 5155 §8.6, §8.9: without a match the cover of the next closer name has Opt-Out set.
        if encloser.cover.opt_out:
            return Denial(Proof.OPT_OUT, "opt-out covers {}", (encloser.next_closer,), used, encloser.name)
        # Without Opt-Out the name does not exist, and a wildcard makes no zone cut (RFC 4592 §4.2).
        return Denial(Proof.NO_DELEGATION, "{} does not exist", (qname,), used, encloser.name, name_error=True)
    if bitmap_has(match.bitmap, t.DS):
        return Denial(Proof.WRONG, "an NSEC3 shows that {} has a DS", (qname,))
    # RFC 6840 §4.4: the SOA bit is clear; the child's own NSEC3 does not deny DS.
    if bitmap_has(match.bitmap, t.SOA):
        return Denial(Proof.MISSING, "the NSEC3 of {} is the child zone's and does not deny DS", (qname,))
    # RFC 5155 §8.9: the NS bit is set, else there is no delegation.
    if not bitmap_has(match.bitmap, t.NS):
        compact = is_nxname(match.bitmap)
        return Denial(Proof.NO_DELEGATION, "{} is no delegation", (qname,), (match.rrset,), name_error=compact)
    text = "the delegation of {} has no DS"
    return Denial(_PROVEN, text, (qname,), (match.rrset,), reason=Reason.UNSIGNED_DELEGATION)


def wildcard_answer(qname: Name, encloser: Name, chain: Chain) -> Denial:
    """RFC 5155 §8.8: the wildcard's parent is the closest encloser, so the next closer name must be covered. The encloser
    needs no record of its own: the wildcard's verified signature shows that the zone holds it.

    Raises:
        OverLimitError: a limit is reached.
    """
    next_closer = suffix(qname, count_labels(encloser) + 1)
    if chain.matching(next_closer) is not None:
        return Denial(Proof.WRONG, "an NSEC3 shows that {} exists; no wildcard above applies", (next_closer,))
    cover = chain.covering(next_closer)
    if cover is None:
        return incomplete("no NSEC3 covers {}", (next_closer,), idle=True)
    # RFC 5155 §9.2: an unsigned delegation may be there instead.
    proof = Proof.OPT_OUT if cover.opt_out else _PROVEN
    return Denial(proof, "{} does not exist", (next_closer,), (cover.rrset,), encloser, name_error=True)


def over_limit(error: OverLimitError) -> Denial:
    """No proof, because a limit is reached."""
    return Denial(Proof.MISSING, limit_text(error.limit), reason=Reason.LIMIT)


def _incomplete(chain: Chain, name: Name, encloser: Encloser) -> Denial:
    """No proof for want of a record for `name`, when there is a closest encloser."""
    of_use = len({encloser.match.hash, encloser.cover.hash})
    return incomplete("no NSEC3 covers {}", (name,), idle=len(chain.links) > of_use)
