"""How many questions are under way to each zone's servers and to each server, and when there are too many.

Theory: a flood of random names below one zone makes every one of them a resolution that waits for that zone's servers. A
healthy server answers within milliseconds, so even thousands of questions a second are few at any one time; only where
servers are slow or silent do they pile up. So the ceilings are fixed and far above what health needs, and a server that
rests after time-outs has a ceiling so low that it hardly more than gets probed: what the quota takes from dead servers, all
other names keep. Over its ceiling a zone's new questions fail at once; over a server's, another server is tried first.

Limitations: one worker counts its own questions only.
"""

from resolver.cache.servers import Servers
from trust.vocabulary import Address, Ask
from wire.limits import FETCHES_PER_SERVER, FETCHES_PER_ZONE, FETCHES_WHEN_SILENT, Limit, Limits
from wire.name import Name


class FetchLoad:
    """Questions under way by zone and by server; entries live only as long as there are some."""

    __slots__ = ("_limits", "_servers", "by_server", "by_zone")

    def __init__(self, limits: Limits, servers: Servers) -> None:
        self._limits = limits
        self._servers = servers
        self.by_zone: dict[Name, int] = {}
        self.by_server: dict[Address, int] = {}

    def take(self, ask: Ask, mono: float) -> Limit | None:
        """Count one more question, unless that is over a limit: then which."""
        in_zone = self.by_zone.get(ask.zone, 0) + 1
        if in_zone > FETCHES_PER_ZONE.value and not self._limits.allows(FETCHES_PER_ZONE, in_zone):
            return FETCHES_PER_ZONE
        at_server = self.by_server.get(ask.server, 0) + 1
        if at_server > FETCHES_WHEN_SILENT.value:
            silent = self._servers.get(ask.server).rest_until > mono
            limit = FETCHES_WHEN_SILENT if silent else FETCHES_PER_SERVER
            if not self._limits.allows(limit, at_server):
                return limit
        self.by_zone[ask.zone] = in_zone
        self.by_server[ask.server] = at_server
        return None

    def release(self, ask: Ask) -> None:
        """A question that was counted is no longer under way."""
        left = self.by_zone[ask.zone] - 1
        if left:
            self.by_zone[ask.zone] = left
        else:
            del self.by_zone[ask.zone]
        left = self.by_server[ask.server] - 1
        if left:
            self.by_server[ask.server] = left
        else:
            del self.by_server[ask.server]
