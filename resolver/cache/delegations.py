"""Zone cuts: for each delegated zone, the servers its parent named, their glue, and its DS or the proof that it has none.

Parent-centric: only referrals, hints and the configuration make cuts, so a delegation lives no longer than its parent says
(no "ghost domains"). The one exception is priming: the root's own NS set (RFC 9609).

The number of cuts is bounded; the oldest go first.
"""

from typing import Final

from resolver.cache.bounded import trim
from resolver.cache.selection import Selection
from trust.vocabulary import Cut
from wire.name import ROOT, Name

MAX_CUTS: Final = 200_000
"""Cuts remembered: some 150 MB at the worst; a busy resolver knows fewer."""
LOOK_AGAIN_SECONDS: Final = 60.0
"""How often at most a parent is asked anew about a cut whose servers are of no use."""


class Delegations:
    """Cuts by zone. Configured cuts (hints, stub, forward) never expire and are not replaced by referrals."""

    def __init__(self, configured: list[Cut], limit: int = MAX_CUTS) -> None:
        self._limit = limit
        self._configured = {cut.zone: cut for cut in configured}
        self._learnt: dict[Name, Cut] = {}
        self._looked_again: dict[Name, float] = {}

    def __len__(self) -> int:
        return len(self._learnt)

    def get(self, zone: Name, mono: float) -> Cut | None:
        """The live cut at exactly this zone."""
        cut = self._learnt.get(zone)
        if cut is not None:
            if cut.expires_mono > mono:
                return cut
            del self._learnt[zone]
        return self._configured.get(zone)

    def closest(self, name: Name, mono: float) -> Cut:
        """The deepest live cut at or above the name. The root's is always known."""
        while True:
            cut = self.get(name, mono)
            if cut is not None or name == ROOT:
                break
            name = name[name[0] + 1 :]
        assert cut is not None, "the root hints are a configured cut"
        return cut

    def put(self, cut: Cut) -> None:
        """Remember a cut that a referral (or priming) showed."""
        configured = self._configured.get(cut.zone)
        if configured is not None and (configured.forward or cut.zone != ROOT):
            return
        self._learnt.pop(cut.zone, None)
        self._learnt[cut.zone] = cut
        trim(self._learnt, self._limit)

    def look_again(self, cut: Cut, mono: float) -> bool:
        """Whether the parent may be asked about a learnt cut before its time, since its servers are of no use; counts it
        as asked.
        """
        if not self.may_look_again(cut, mono):
            return False
        zone = cut.zone
        self._looked_again.pop(zone, None)
        self._looked_again[zone] = mono
        trim(self._looked_again, self._limit)
        return True

    def may_look_again(self, cut: Cut, mono: float) -> bool:
        """The same, without counting."""
        zone = cut.zone
        if self._learnt.get(zone) is not cut or zone == ROOT:
            return False
        last = self._looked_again.get(zone)
        return last is None or mono - last >= LOOK_AGAIN_SECONDS

    def forget(self, zone: Name) -> None:
        """Drop a learnt cut: an operator flushed it."""
        self._learnt.pop(zone, None)

    def forget_selected(self, selection: Selection) -> int:
        """Drop the learnt cuts meant; returns how many."""
        doomed = [zone for zone in self._learnt if selection.covers(zone)]
        for zone in doomed:
            del self._learnt[zone]
        return len(doomed)

    def is_primed(self, mono: float) -> bool:
        """Whether the root's servers came from the root itself (RFC 9609), not from the hints."""
        cut = self._learnt.get(ROOT)
        return cut is not None and cut.expires_mono > mono

    def clear(self) -> None:
        """Drop everything learnt."""
        self._learnt.clear()
