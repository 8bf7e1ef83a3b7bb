"""Collects from the workers which zones fail for how many clients (guideline 2-16; `resolver.watch.impact`).

The workers' counts are taken away once a minute, and whenever somebody asks. What is told is bounded: TOLD zones; as
metrics the first RANKS, without their names, which clients choose.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from resolver.server import clock
from resolver.watch.impact import Impact, ImpactBook
from trust.vocabulary import Now
from wire.name import Name, is_subdomain
from wire.text import name_to_text

Document: TypeAlias = dict[str, Any]
Drain = Callable[[], Awaitable[list[Document]]]
"""Takes away the workers' counts."""

RANKS: Final = 5
TOLD: Final = 20
MAX_TOLD: Final = 256


class ImpactKeeper:
    """The failing zones of the last hour.

    Args:
        responses: gives all responses of the last hour; probed: the names that we ask for ourselves, and that are to fail.
    """

    def __init__(
        self,
        drain: Drain,
        responses: Callable[[], int],
        probed: Callable[[], Iterable[Name]] = tuple,
        *,
        enabled: bool,
        now: Callable[[], Now] = clock.now,
    ) -> None:
        self._drain = drain
        self._responses = responses
        self._probed = probed
        self._now = now
        self.enabled = enabled
        self.book = ImpactBook()

    async def collect(self) -> None:
        """Take over what the workers counted."""
        drained = await self._drain()
        mono = self._now().mono
        for counts in drained:
            self.book.add(counts, mono)
        self.book.forget(mono)

    async def document(self, limit: int = TOLD) -> Document:
        """The zones that fail for the most clients, as of now."""
        await self.collect()
        return self.known(limit)

    def known(self, limit: int = TOLD) -> Document:
        """The same, as of the last minute."""
        responses = self._responses()
        return {
            "enabled": self.enabled,
            "window_minutes": 60,
            "responses": responses,
            "zones": len(self.book),
            "top": [
                _document(impact) | {"probe": self._is_probe(impact)}
                for impact in self.book.top(min(limit, MAX_TOLD), responses)
            ],
        }

    def _is_probe(self, impact: Impact) -> bool:
        """Whether it may well be our own probes that failed, and nobody else's queries."""
        return impact.clients <= 1 and any(is_subdomain(name, impact.zone) for name in self._probed())

    def metrics(self) -> Mapping[str, Iterable[tuple[tuple[str, ...], float]]]:
        """Samples by metric."""
        top = [impact for impact in self.book.top(MAX_TOLD, self._responses()) if not self._is_probe(impact)][:RANKS]
        places = [(str(rank + 1),) for rank in range(RANKS)]
        clients = [impact.clients for impact in top] + [0] * (RANKS - len(top))
        shares = [impact.share or 0.0 for impact in top] + [0.0] * (RANKS - len(top))
        return {
            "impact_zones": [((), len(self.book))],
            "impact_clients": list(zip(places, map(float, clients), strict=True)),
            "impact_share_ratio": list(zip(places, shares, strict=True)),
        }


def _document(impact: Impact) -> Document:
    return {
        "zone": name_to_text(impact.zone),
        "clients": impact.clients,
        "responses": impact.count,
        "bogus": impact.bogus,
        "share": None if impact.share is None else round(impact.share, 6),
        "since": round(impact.since_wall, 3),
        "last": round(impact.last_wall, 3),
        "reason": impact.reason,
        "text": impact.text,
    }
