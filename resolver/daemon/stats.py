"""Counts of all workers, also of those that are gone: totals never go down.

A worker tells its counts when asked, and once more when it ends in order. Of one that was killed the last told are kept,
so what it counted since then is lost.

Limitations: workers bound the kinds of responses they tell apart (resolver/server/tally.py); many workers, one after the
other, could still add up to more. Beyond the same bound the totals leave out type, reason and errors, too.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from resolver.server.tally import MAX_CELLS

Document: TypeAlias = dict[str, Any]

_GROWING = (
    "counters",
    "limits",
    "limits_shadow",
    "defences",
    "error_reports",
    "policy_drops",
    "responses",
    "exchanges",
    "client_seconds",
    "upstream_seconds",
)
"""Parts of a worker's stats that only grow; `gauges` are of the living only."""


class Totals:
    """What dead workers had counted."""

    def __init__(self) -> None:
        self._dead: dict[str, dict[str, float]] = {part: {} for part in _GROWING}

    def bury(self, stats: Mapping[str, Any]) -> None:
        """Add the last word of a worker that is gone."""
        for part in _GROWING:
            counts = stats.get(part, {})
            _add(self._dead[part], counts if part != "responses" else _bounded(counts, self._dead[part]))

    def with_living(self, living: Iterable[Mapping[str, Any]]) -> Document:
        """Counts of all that are and were; gauges of those that are."""
        out: Document = {part: dict(self._dead[part]) for part in _GROWING} | {"gauges": {}}
        for stats in living:
            for part in (*_GROWING, "gauges"):
                _add(out[part], stats.get(part, {}))
        return out


def _bounded(counts: Mapping[str, float], known: Mapping[str, float]) -> Mapping[str, float]:
    """Responses by their kind (`Counters.said`), without more kinds than one worker tells apart."""
    if len(known) + len(counts) <= MAX_CELLS:
        return counts
    kept: dict[str, float] = {}
    room = MAX_CELLS - len(known)
    for key, count in counts.items():
        if key not in known:
            if room <= 0:
                transport, _, rcode, verdict, *others = key.split("|")
                key = "|".join((transport, "0", rcode, verdict, *("" for _ in others)))
            room -= 1
        kept[key] = kept.get(key, 0) + count
    return kept


def _add(into: dict[str, float], counts: Mapping[str, float]) -> None:
    for name, count in counts.items():
        into[name] = into.get(name, 0) + count
