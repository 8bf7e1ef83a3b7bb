"""What is configured or imported against what is stored: the rules by which the two become one state.

The configuration is the operator's word, the stored state is what the zone said since. Neither simply wins:

1. A key that was revoked stays so, whoever still names it (RFC 5011 §2.1: permanent). That is told.
2. What the configuration names and the state does not know is trusted at once.
3. What the configuration named once and names no more is not trusted any more.
4. What was learnt from the zone stays, as long as the configuration names at least one key that the state knows. When it
   names none, the operator has changed sides (another root, a new start): then what was learnt before is dropped too.
5. Imported anchors do not depend on the configuration. They stay until they are revoked, replaced or forgotten.

So whatever the state was, a trust point that is configured has trust anchors, or, when all that is named is revoked, has
none and nothing below it validates. It never becomes insecure by a merge.

Pure. RFC 5011 §2.1, §2.2, §5; guideline 2-7.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from trust.algorithms import Key
from trust.anchors import TrustPoint
from trust.rfc5011_state import KeyState, Origin, PointState, Transition
from trust.rfc5011_table import State
from wire.name import Name
from wire.text import name_to_text


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge. `point`: None when nothing is left of the trust point; `warnings`: for the operator."""

    point: PointState | None
    transitions: tuple[Transition, ...]
    warnings: tuple[str, ...]


def merge_configured(stored: PointState | None, configured: TrustPoint | None, name: Name, now_wall: float) -> Merged:
    """The state of a trust point at start or after a reload. `configured`: None when the configuration has none there."""
    anchors = list(_anchors(configured)) if configured is not None else []
    keys = list(stored.keys) if stored is not None else []
    merge = _Merge(name, now_wall, keys)
    goes_on = any(_names(anchor, key, name) for anchor in anchors for key in keys)
    for key in keys:
        if key.origin is Origin.CONFIGURED and not any(_names(anchor, key, name) for anchor in anchors):
            merge.drop(key, "the configuration no longer names it")
        elif key.origin is Origin.LEARNED and not goes_on and not merge.has_imported:
            merge.drop(key, "it was learnt from trust anchors that the configuration no longer names")
    for anchor in anchors:
        merge.add(anchor, Origin.CONFIGURED, "the configuration names it")
    if not merge.has_live and not merge.keys:
        return Merged(None, tuple(merge.transitions), tuple(merge.warnings))
    if configured is None and not any(key.trusted for key in merge.keys):
        return Merged(None, tuple(merge.transitions), tuple(merge.warnings))
    return merge.result(stored)


def merge_imported(
    stored: PointState | None, imported: TrustPoint, now_wall: float, why: str, *, alone: bool = False
) -> Merged:
    """The state after the operator imported anchors. `alone`: they replace all others; revoked keys stay revoked."""
    name = imported.name
    merge = _Merge(name, now_wall, list(stored.keys) if stored is not None else [])
    anchors = list(_anchors(imported))
    if alone:
        for key in list(merge.keys):
            if not any(_names(anchor, key, name) for anchor in anchors):
                merge.drop(key, f"replaced: {why}")
    for anchor in anchors:
        merge.add(anchor, Origin.IMPORTED, why)
    return merge.result(stored)


def _anchors(point: TrustPoint) -> Iterator[KeyState]:
    """The anchors of a trust point as keys that nothing is known of yet."""
    for dnskey in point.dnskeys:
        yield KeyState(State.START, 0.0, dnskey)
    for ds in point.ds:
        yield KeyState(State.START, 0.0, ds=(ds,))


def _names(anchor: KeyState, key: KeyState, name: Name) -> bool:
    """Whether an anchor (a DNSKEY or one DS) means this key."""
    if anchor.dnskey:
        return anchor.dnskey == key.dnskey or _is_of(anchor.dnskey, key.ds, name)
    return anchor.ds[0] in key.ds or (key.dnskey != b"" and _is_of(key.dnskey, anchor.ds, name))


def _is_of(dnskey: bytes, digests: Iterable[bytes], name: Name) -> bool:
    key = Key(dnskey)
    return any(key.matches_ds(name, ds) for ds in digests)


class _Merge:
    """A merge in the making."""

    def __init__(self, name: Name, now: float, keys: list[KeyState]) -> None:
        self.name = name
        self.now = now
        self.keys = keys[:]
        self.transitions: list[Transition] = []
        self.warnings: list[str] = []

    @property
    def has_live(self) -> bool:
        return any(key.trusted for key in self.keys)

    @property
    def has_imported(self) -> bool:
        return any(key.trusted and key.origin is Origin.IMPORTED for key in self.keys)

    def drop(self, key: KeyState, why: str) -> None:
        """Take a key out. What is revoked or removed stays: it must not come back."""
        if key.state in (State.REVOKED, State.REMOVED):
            self.keys[self.keys.index(key)] = replace(key, origin=Origin.LEARNED)
            return
        self.keys.remove(key)
        self._tell(key, State.START, why)

    def add(self, anchor: KeyState, origin: Origin, why: str) -> None:
        """Trust what an anchor names."""
        for index, key in enumerate(self.keys):
            if not _names(anchor, key, self.name):
                continue
            known = replace(key, dnskey=key.dnskey or anchor.dnskey, ds=tuple(dict.fromkeys(key.ds + anchor.ds)))
            if key.state in (State.REVOKED, State.REMOVED):
                where = name_to_text(self.name)
                text = f"key {key.tag} of {where} is {key.state.value} and stays so, though {why}"
                self.warnings.append(text)
                known = replace(known, origin=origin)
            elif not key.trusted:
                self._tell(key, State.VALID, why)
                known = replace(known, state=State.VALID, since=self.now, origin=origin, hold_s=0.0, validators=())
            self.keys[index] = known
            return
        new = replace(anchor, state=State.VALID, since=self.now, origin=origin)
        self.keys.append(new)
        self._tell(anchor, State.VALID, why)

    def result(self, stored: PointState | None) -> Merged:
        before = stored if stored is not None else PointState(self.name, ())
        after = replace(before, keys=tuple(self.keys))
        if self.transitions:
            after = replace(after, next_refresh=0.0)  # look at once what the zone says of the new anchors
        if not after.trusted:
            self.warnings.append(f"every trust anchor of {name_to_text(self.name)} is revoked: nothing below validates")
        return Merged(after, tuple(self.transitions), tuple(self.warnings))

    def _tell(self, key: KeyState, new: State, why: str) -> None:
        self.transitions.append(Transition(self.name, key.tag, key.algorithm, key.state, new, None, self.now, why))
