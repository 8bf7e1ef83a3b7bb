"""The trust points in force, put together from who has a say in them.

Configured anchors come from the files of the configuration; for a zone that RFC 5011 follows, its state takes their place.
NTAs are those of the configuration and those of the NTA life cycle. Every change makes a `TrustPoints` of the next
generation, for the workers and for the supervisor's own resolver.
"""

from collections.abc import Iterable

from trust.anchors import Nta, TrustPoint, TrustPoints
from wire.name import Name


class TrustHub:
    """What is in force: `current`."""

    def __init__(self, configured: TrustPoints) -> None:
        self._configured = configured
        self._followed: dict[Name, TrustPoint] = {}
        self._deleted: frozenset[Name] = frozenset()
        self._ntas: list[Nta] = []
        self.current = configured

    @property
    def configured(self) -> TrustPoints:
        """What the configuration says, whatever was learnt since."""
        return self._configured

    def with_configured(self, configured: TrustPoints) -> TrustPoints:
        """What would be in force with another configuration."""
        points = dict(configured.points) | self._followed
        for name in self._deleted:
            points.pop(name, None)
        ntas = {nta.name: nta for nta in (*self._ntas, *configured.ntas.values())}
        return TrustPoints(points.values(), ntas.values(), self.current.generation + 1)

    def configure(self, configured: TrustPoints) -> TrustPoints:
        """Another configuration is in force; returns what is now."""
        self.current = self.with_configured(configured)
        self._configured = configured
        return self.current

    def follow(self, points: Iterable[TrustPoint], deleted: Iterable[Name] = ()) -> TrustPoints:
        """RFC 5011 says that these are the anchors of their zones, configured or not; `deleted`: trust points all of whose
        keys are revoked, while another is above, which decides in their place. Returns what is in force now.
        """
        self._followed = {point.name: point for point in points}
        self._deleted = frozenset(deleted)
        return self.configure(self._configured)

    def suspend(self, ntas: Iterable[Nta]) -> TrustPoints:
        """These NTAs are active, besides the configured ones; returns what is in force now."""
        self._ntas = list(ntas)
        return self.configure(self._configured)
