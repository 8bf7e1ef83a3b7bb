"""Local zones and local data of the configuration: what is answered here instead of by the world.

| kind | names with local data | other names of the zone |
| --- | --- | --- |
| static | the data; no data for other types | NXDOMAIN |
| transparent | the data; no data for other types | resolved as ever |
| redirect | the data of the zone's own name, for every name in it | the same |
| nxdomain, nodata, refuse, deny | that, whatever data there is | the same; deny is no answer at all |
| passthru | resolved as ever, and no response policy zone is looked at | the same |

A record whose name lies in no local zone makes one of its own, transparent. The kinds are Unbound's (nxdomain, nodata and
passthru being its always_nxdomain, always_nodata and always_transparent).

Limitations: no wildcards; redirect does what they are wanted for.
"""

from collections.abc import Iterable, Mapping
from enum import Enum

from resolver.policy.rule import Action, Data, Rule
from wire.name import ROOT, Name, is_subdomain, parent
from wire.rrset import RRset


class LocalKind(Enum):
    """See the table above."""

    STATIC = "static"
    TRANSPARENT = "transparent"
    REDIRECT = "redirect"
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    REFUSE = "refuse"
    DENY = "deny"
    PASSTHRU = "passthru"


_ALWAYS = {
    LocalKind.NXDOMAIN: Action.NXDOMAIN,
    LocalKind.NODATA: Action.NODATA,
    LocalKind.REFUSE: Action.REFUSED,
    LocalKind.DENY: Action.DROP,
    LocalKind.PASSTHRU: Action.PASSTHRU,
}
ORDERS = frozenset((Action.NXDOMAIN, Action.NODATA, Action.REFUSED, Action.DROP))


class LocalZones:
    """Zones by name, data by name."""

    def __init__(self, zones: Mapping[Name, LocalKind], records: Iterable[RRset] = ()) -> None:
        self.zones = dict(zones)
        self.data: dict[Name, Data] = {}
        for rrset in records:
            self.data.setdefault(rrset.name, Data()).sets[rrset.rtype] = (rrset.ttl, list(rrset.rdatas))
        for name in self.data:
            if not any(is_subdomain(name, zone) for zone in self.zones):
                self.zones[name] = LocalKind.TRANSPARENT
        # Names that exist: with data, above data, and the zones themselves.
        self._exist: set[Name] = set(self.zones)
        for name in self.data:
            while name != ROOT and name not in self._exist:
                self._exist.add(name)
                name = parent(name)

    def find(self, name: Name) -> tuple[Name, LocalKind, Rule] | None:
        """The zone that decides about a name, its kind, and what it says."""
        zone = name
        while zone not in self.zones:
            if zone == ROOT:
                return None
            zone = parent(zone)
        kind = self.zones[zone]
        action = _ALWAYS.get(kind)
        if action is not None:
            return zone, kind, action
        data = self.data.get(zone if kind is LocalKind.REDIRECT else name)
        if data is not None:
            return zone, kind, data
        if kind is LocalKind.TRANSPARENT:
            return None
        exists = kind is LocalKind.REDIRECT or name in self._exist
        return zone, kind, Action.NODATA if exists else Action.NXDOMAIN
