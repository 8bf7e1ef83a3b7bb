"""The answer cache: one entry for each owner name and type, positive or negative, with its rank and verdict.

Theory: an entry holds one `Step` as iteration found it, so the proof (RRSIG, NSEC, SOA) travels with what it proves. A
verdict belongs to a trust generation; under another generation the data is still good and is validated anew. A name error
is kept once for the name, under type 0. An alias is kept under CNAME or DNAME and found for every type.

What may replace what follows RFC 2181 §5.4.1 (`Rank`); beyond it, a live SECURE entry is not replaced by anything less, an
INSECURE one not by what is BOGUS, and a BOGUS one not by the same data unjudged.

Eviction is by size in octets: a ring in insertion order with a second chance for entries used since the hand last passed
(CLOCK), so that a hit costs one attribute write. It goes by batches (see `bounded.trim`).

Expired entries stay until somebody looks, or `stale_s` seconds longer, as far as there is room: `stale` finds them when no
authority can be reached (RFC 8767). They are found by nothing else.

RFC 1034 §3.6.2, RFC 2181 §5, RFC 2308 (negative), RFC 8020 (nothing below a name error), RFC 8767 §5.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from resolver.cache.selection import Selection
from trust.algorithms import Key as SigningKey
from trust.reason import Reason
from trust.signature import SignatureResult
from trust.validate import Validated
from trust.vocabulary import Kind, Security, Step
from wire import types as t
from wire.limits import PREFETCH_PART, PREFETCH_TTL
from wire.name import ROOT, Name
from wire.rrset import RRset

NAME_ERROR: Final = 0
"""The pseudo-type under which the non-existence of a whole name is kept."""

_TYPES: Final = 1 << 16
"""Numbers of RR types there are."""

_BESIDE_ALIAS: Final = frozenset((t.CNAME, t.NSEC, t.RRSIG, t.ANY))
"""Types that live beside a CNAME and are answered for themselves (RFC 4035 §2.5), and ANY (RFC 1034 §3.6.2)."""

_ENTRY_OCTETS: Final = 790
"""Octets an entry costs beside its RDATA: key, entry, step, RRset, verdict, lists (`python -m bench million`)."""
_RRSET_OCTETS: Final = 200
"""Octets an RRset costs beside its name and RDATA."""
_SINGLE_OCTETS: Final = 400
"""The same of a `Single`: key and entry."""
_RDATA_OCTETS: Final = 41
"""Octets a bytes object costs beside its data, with its place in a list."""
_NO_PROOFS: Final[list[RRset]] = []
"""One empty list for all; a step's lists are never changed."""
_BATCH: Final = 200
"""Eviction frees this part of the cache at once."""
_SPARED: Final = 10_000
"""Entries that the hand passes over before it evicts regardless: one insertion must not take long."""


class Rank(IntEnum):
    """RFC 2181 §5.4.1, least trusted first. Glue is not here: it lives and dies with its delegation."""

    REFERRED = 1
    """From an answer without AA (a forwarder's, a lame server's)."""
    AUTHORITATIVE = 2
    """The answer section of an authoritative answer."""


class Entry:
    """A cached step. Times are monotonic seconds. Made by an `AnswerCache`.

    `name`, `kind`, `step`: of the step. `used`: hits since the hand of the eviction last passed. `renewed`: whether it was
    fetched anew ahead of its end, or should have been. `generation`: of anchors and NTAs, under which it was judged.
    """

    __slots__ = ("expires", "generation", "kind", "name", "rank", "renewed", "size", "stored", "used")

    def __init__(
        self, name: Name, kind: Kind, rank: Rank, stored: float, expires: float, generation: int, size: int
    ) -> None:
        self.name = name
        self.kind = kind
        self.rank = rank
        self.stored = stored
        self.expires = expires
        self.generation = generation
        self.size = size
        self.used = 0
        self.renewed = False

    @property
    def step(self) -> Step:
        """What was found. It may be another object each time, with equal contents."""
        raise NotImplementedError

    @property
    def security(self) -> Security | None:
        """What the validator said last, under whatever generation; None while unchecked."""
        raise NotImplementedError

    def is_of(self, step: Step) -> bool:
        """Whether it was made from this very step."""
        raise NotImplementedError

    def judged(self, step: Step) -> Validated | None:
        """What the validator said last, about a step that came from `step`; None while unchecked."""
        raise NotImplementedError

    def verdict(self, generation: int, step: Step | None = None) -> Validated | None:
        """The validator's word, if it was given under this generation of anchors and NTAs.

        `step`: what `step` gave, if somebody has it: then the verdict is about the very sets that it holds.
        """
        if self.generation != generation:
            return None
        return self.judged(self.step if step is None else step)

    def is_due(self, mono: float) -> bool:
        """Whether it is time to fetch it anew: once, in the last part of a life that is not too short for it; a second
        more, since whole responses know of seconds only.
        """
        life = self.expires - self.stored
        return self.expires - mono <= life / PREFETCH_PART + 1.0 and life >= PREFETCH_TTL and not self.renewed


class Whole(Entry):
    """An entry that keeps step and verdict as they came: denials, what rests on proofs, what is bogus or unchecked."""

    __slots__ = ("_step", "_validated")

    def __init__(
        self, step: Step, validated: Validated | None, generation: int, rank: Rank, stored: float, expires: float
    ) -> None:
        super().__init__(step.name, step.kind, rank, stored, expires, generation, _octets(step))
        self._step = step
        self._validated = validated

    @property
    def step(self) -> Step:
        """As it came."""
        return self._step

    @property
    def security(self) -> Security | None:
        """See Entry."""
        return None if self._validated is None else self._validated.verdict.security

    def is_of(self, step: Step) -> bool:
        """See Entry."""
        return self._step is step

    def judged(self, step: Step) -> Validated | None:
        """See Entry."""
        return self._validated


class Single(Entry):
    """An entry whose step is one RRset and whose verdict is its zone's and rests on one signature at most: nearly all.

    A million of them are remembered, so the objects that would only hold others together (step, set, lists, verdict,
    result) are left out, and made anew for who asks. One RDATA or signature stands for itself, several as a tuple.
    """

    __slots__ = (
        "_cap",
        "_key",
        "_rdatas",
        "_rtype",
        "_server",
        "_signature",
        "_signed_cap",
        "_sigs",
        "_trust",
        "_ttl",
        "_valid",
        "_verdict",
        "_zone",
    )

    def __init__(
        self, step: Step, validated: Validated, generation: int, rank: Rank, stored: float, expires: float
    ) -> None:
        rrset = step.rrsets[0]
        super().__init__(step.name, step.kind, rank, stored, expires, generation, _octets_single(rrset))
        self._rtype = step.rtype
        self._ttl = rrset.ttl
        self._rdatas = _bare(rrset.rdatas)
        self._sigs = _bare(rrset.sigs)
        self._zone = step.zone
        self._server = step.server
        self._verdict = validated.verdict
        self._trust = validated.zone
        self._cap = validated.ttl_cap_s
        self._key: SigningKey | None = None
        self._signature = b""
        self._signed_cap = self._valid = 0
        for _, result in validated.signatures:
            self._key = result.key
            self._signature = result.rrsig_rdata
            self._signed_cap, self._valid = result.ttl_cap_s, result.valid_s

    @staticmethod
    def fits(step: Step, validated: Validated) -> bool:
        """Whether such an entry can hold all of it."""
        if len(step.rrsets) != 1 or step.authority or validated.denial is not None or validated.authority:
            return False
        rrset = step.rrsets[0]
        if rrset.name != step.name or rrset.rclass != t.IN or not rrset.rdatas:
            return False
        if step.kind is Kind.ANSWER:
            if rrset.rtype != step.rtype or step.target is not None:
                return False
        elif step.kind is not Kind.CNAME or rrset.rtype != t.CNAME or step.target != rrset.rdatas[0]:
            return False
        signatures = validated.signatures
        if not signatures:
            return validated.verdict.security is not Security.BOGUS
        signed, result = signatures[0]
        return (
            len(signatures) == 1
            and signed is rrset
            and result.ok
            and result.reason is Reason.VALID
            and not result.text
            and result.key is not None
            and result.closest_encloser is None
        )

    @property
    def step(self) -> Step:
        """Made anew."""
        rdatas = _listed(self._rdatas)
        if self.kind is Kind.CNAME:
            rrset = RRset(self.name, t.CNAME, self._ttl, rdatas, _listed(self._sigs))
            return Step(self.name, self._rtype, self.kind, [rrset], _NO_PROOFS, self._zone, self._server, rdatas[0])
        rrset = RRset(self.name, self._rtype, self._ttl, rdatas, _listed(self._sigs))
        return Step(self.name, self._rtype, self.kind, [rrset], _NO_PROOFS, self._zone, self._server)

    @property
    def security(self) -> Security | None:
        """See Entry."""
        return self._verdict.security

    def is_of(self, step: Step) -> bool:
        """See Entry. Each answer that is read has octets of its own."""
        kept = self._rdatas
        rdatas = step.rrsets[0].rdatas if step.rrsets else []
        return bool(rdatas) and rdatas[0] is (kept if isinstance(kept, bytes) else kept[0])

    def judged(self, step: Step) -> Validated | None:
        """Made anew."""
        out = Validated(self._verdict)
        out.ttl_cap_s = self._cap
        out.zone = self._trust
        if self._key is not None:
            result = SignatureResult(
                True, Reason.VALID, "", self._signature, self._key, None, self._signed_cap, self._valid
            )
            out.add(step.rrsets[0], result)
        return out


def _bare(octets: list[bytes]) -> bytes | tuple[bytes, ...]:
    return octets[0] if len(octets) == 1 else tuple(octets)


def _listed(bare: bytes | tuple[bytes, ...]) -> list[bytes]:
    return [bare] if isinstance(bare, bytes) else list(bare)


Key = tuple[Name, int]


class AnswerCache:
    """Entries by (name, type), bounded in octets.

    Attributes:
        stale_s: seconds that they stay beyond their end.
        scan_limit: entries up to which `select` looks at all of them for one name.
    """

    def __init__(self, limit_octets: int, stale_s: float = 0.0) -> None:
        self.limit = limit_octets
        self.stale_s = stale_s
        self.scan_limit = _TYPES
        self.octets = 0
        self.evictions = 0
        self._entries: dict[Key, Entry] = {}
        self._dnames = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, name: Name, rtype: int, mono: float) -> Entry | None:
        """The live entry that answers this question: its type, an alias of the name, or the name's non-existence."""
        entry = self.peek(name, rtype, mono)
        if entry is not None:
            entry.used += 1
        return entry

    def peek(self, name: Name, rtype: int, mono: float) -> Entry | None:
        """The same, without counting as a use."""
        entry = self.exact(name, rtype, mono)
        if entry is None and rtype not in _BESIDE_ALIAS:
            entry = self.exact(name, t.CNAME, mono)
            if entry is not None and entry.kind is not Kind.CNAME:
                entry = None  # a cached "no CNAME here" says nothing of other types
        if entry is None:
            entry = self.exact(name, NAME_ERROR, mono)
        return entry

    def above(self, name: Name, mono: float, generation: int) -> Entry | None:
        """A live entry at an ancestor that settles this name: a DNAME, or a proven name error (RFC 8020 §2).

        Deviation: a name error settles what is below it only when it is SECURE, because unsigned servers exist that
        deny empty non-terminals.
        """
        entries = self._entries
        while name != ROOT:
            name = name[name[0] + 1 :]
            entry = entries.get((name, NAME_ERROR))
            if (
                entry is not None
                and entry.expires > mono
                and entry.generation == generation
                and entry.security is Security.SECURE
            ):
                entry.used += 1
                return entry
            if self._dnames:
                # Only one that was seen to redirect: an answer to a question for DNAME may come from a wildcard, and that
                # redirects nothing (RFC 6672 §3.3).
                entry = entries.get((name, t.DNAME))
                if entry is not None and entry.expires > mono and entry.kind is Kind.DNAME:
                    entry.used += 1
                    return entry
        return None

    def exact(self, name: Name, rtype: int, mono: float) -> Entry | None:
        """The live entry under exactly this key."""
        entry = self._entries.get((name, rtype))
        if entry is None or entry.expires > mono:
            return entry
        if entry.expires + self.stale_s <= mono:
            self._drop((name, rtype), entry)
        return None

    def stale(self, name: Name, rtype: int, mono: float) -> Entry | None:
        """What was last known of the question, when it has expired, and not for too long.

        Whatever kind of answer came last counts, alone: a name that was denied since has no older data (RFC 8767 §5: an
        authoritative answer replaces what is stale), and data that was bogus when it was last fetched hides what was good.
        """
        entries = self._entries
        keys: list[Key] = [(name, rtype), (name, NAME_ERROR)]
        if rtype not in _BESIDE_ALIAS:
            keys.append((name, t.CNAME))
        above = name
        while self._dnames and above != ROOT:
            above = above[above[0] + 1 :]
            keys.append((above, t.DNAME))
        found: Entry | None = None
        for key in keys:
            entry = entries.get(key)
            if entry is None or (found is not None and found.stored >= entry.stored):
                continue
            if key[1] != rtype and key[1] != NAME_ERROR and entry.kind not in (Kind.CNAME, Kind.DNAME):
                continue  # "no CNAME here" says nothing of other types, nor does a DNAME that redirects nothing
            found = entry
        if found is None or found.expires > mono or found.expires + self.stale_s <= mono:
            return None
        return found

    def put(self, step: Step, rank: Rank, mono: float, ttl_s: float, validated: Validated | None, generation: int) -> Entry:
        """Remember a step for `ttl_s` seconds; returns the entry that counts: the new one or a better old one.

        `validated`: what the validator said under trust generation `generation`; None when it was not asked.
        """
        key = _key(step)
        old = self._entries.get(key)
        if old is not None:
            if old.expires > mono and _is_better(old, step, rank, validated, generation):
                return old
            self._drop(key, old)
        entry = _entry(step, validated, generation, rank, mono, mono + ttl_s)
        if ttl_s <= 0:
            return entry  # RFC 1035 §3.2.1: good for this transaction only
        self._entries[key] = entry
        self.octets += entry.size
        if key[1] == t.DNAME:
            self._dnames += 1
        if self.octets > self.limit:
            self._evict()
        return entry

    def judge(self, entry: Entry, step: Step, validated: Validated, generation: int, mono: float) -> Entry:
        """What was remembered is judged (anew); returns the entry that takes the place of `entry`, if that is still there.

        `step`: what is judged: the entry's own, be it for a question of another type.
        """
        own = entry.step
        own.rrsets = step.rrsets  # the verdict is about these very sets
        expires = entry.expires
        if validated.ttl_cap_s is not None:
            expires = min(expires, mono + validated.ttl_cap_s)
        made = _entry(own, validated, generation, entry.rank, entry.stored, expires)
        made.used, made.renewed = entry.used, entry.renewed
        key = _key(own)
        if self._entries.get(key) is entry:
            self._entries[key] = made
            self.octets += made.size - entry.size
        return made

    def forget(self, name: Name, rtype: int) -> None:
        """Drop what is known under exactly this key."""
        entry = self._entries.get((name, rtype))
        if entry is not None:
            self._drop((name, rtype), entry)

    def entries(self) -> list[Entry]:
        """All entries, live or not, in the order in which eviction looks at them."""
        return list(self._entries.values())

    def select(self, selection: Selection) -> Iterator[tuple[Key, Entry]]:
        """Entries meant, live or not, with their keys, for operators: one look at every entry or at every type."""
        entries = self._entries
        found: list[tuple[Key, Entry]]
        if selection.subtree or len(entries) <= self.scan_limit:
            found = [(key, entry) for key, entry in entries.items() if selection.covers(key[0])]
        else:
            name = selection.name
            found = [((name, rtype), entries[name, rtype]) for rtype in range(_TYPES) if (name, rtype) in entries]
        for key, entry in found:
            if key[1] == NAME_ERROR or selection.covers_type(key[1]):
                yield key, entry

    def forget_selected(self, selection: Selection) -> int:
        """Drop what is meant; returns how many entries. Verdicts of any generation tell what is bogus."""
        dropped = 0
        for key, entry in self.select(selection):
            if selection.covers_security(entry.security):
                self._drop(key, entry)
                dropped += 1
        return dropped

    def clear(self) -> None:
        """Drop everything."""
        self._entries.clear()
        self.octets = 0
        self._dnames = 0

    def _drop(self, key: Key, entry: Entry) -> None:
        del self._entries[key]
        self.octets -= entry.size
        if key[1] == t.DNAME:
            self._dnames -= 1

    def _evict(self) -> None:
        """Go round the ring until there is room again; an entry used since the last round is passed over once."""
        entries = self._entries
        target = self.limit - self.limit // _BATCH
        while self.octets > target and entries:
            spared: list[Key] = []
            victims: list[Key] = []
            octets = self.octets
            for key, entry in entries.items():
                if octets <= target:
                    break
                if entry.used and len(spared) < _SPARED:
                    entry.used = 0
                    spared.append(key)
                else:
                    victims.append(key)
                    octets -= entry.size
            for key in spared:
                entries[key] = entries.pop(key)
            for key in victims:
                self._drop(key, entries[key])
            self.evictions += len(victims)


def _is_better(old: Entry, step: Step, rank: Rank, validated: Validated | None, generation: int) -> bool:
    """Whether what is known stays, and new data of this rank and verdict does not take its place."""
    known = old.security
    if known is not None and old.generation == generation:
        if known is Security.SECURE:
            return validated is None or validated.verdict.security is not Security.SECURE
        if known is Security.INSECURE and validated is not None and validated.verdict.security is Security.BOGUS:
            return True  # what was fetched ahead of its end while the zone above is broken: clients were promised the old
        if validated is None and known is Security.BOGUS and _is_same(old.step, step):
            return True  # the same once more, for a client that set CD, is no less bogus
    return old.rank > rank


def _is_same(left: Step, right: Step) -> bool:
    """Whether two steps hold the same records, signatures included."""
    if left.kind is not right.kind or left.rrsets != right.rrsets or left.authority != right.authority:
        return False
    pairs = (*zip(left.rrsets, right.rrsets, strict=True), *zip(left.authority, right.authority, strict=True))
    return all(set(one.sigs) == set(other.sigs) for one, other in pairs)


def _key(step: Step) -> Key:
    if step.kind is Kind.NXDOMAIN:
        return step.name, NAME_ERROR
    if step.kind is Kind.CNAME:
        return step.name, t.CNAME
    if step.kind is Kind.DNAME:
        return step.rrsets[0].name, t.DNAME
    return step.name, step.rtype


def _entry(step: Step, validated: Validated | None, generation: int, rank: Rank, stored: float, expires: float) -> Entry:
    """The leanest entry that holds it."""
    if validated is None:
        return Whole(step, None, -1, rank, stored, expires)
    if Single.fits(step, validated):
        return Single(step, validated, generation, rank, stored, expires)
    return Whole(step, validated, generation, rank, stored, expires)


def _octets_single(rrset: RRset) -> int:
    return _SINGLE_OCTETS - _RRSET_OCTETS + rrset_octets(rrset)


def _octets(step: Step) -> int:
    total = _ENTRY_OCTETS + len(step.name)
    for rrset in step.rrsets:
        total += rrset_octets(rrset)
    for rrset in step.authority:
        total += rrset_octets(rrset)
    return total


def rrset_octets(rrset: RRset) -> int:
    """Octets the data of an RRset takes in memory, signatures included."""
    total = _RRSET_OCTETS + len(rrset.name)
    for rdata in rrset.rdatas:
        total += _RDATA_OCTETS + len(rdata)
    for rdata in rrset.sigs:
        total += _RDATA_OCTETS + len(rdata)
    return total
