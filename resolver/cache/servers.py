"""What is known of each server address: smoothed round-trip time, back-off, quirks, lameness.

RTT smoothing and retransmission time as in RFC 6298 §2, with bounds fit for DNS. After repeated time-outs a server is left
alone for a while that doubles; when it is over, one query probes it.
"""

from typing import Final

from resolver.cache.bounded import trim
from trust.vocabulary import Address
from wire.name import Name

UNKNOWN_RTT: Final = 0.2
"""Seconds assumed for a server never asked: better than a slow one, worse than a near one, so that all get tried."""
FIRST_TIMEOUT: Final = 0.8
"""Seconds to wait for a server never heard of."""
MIN_TIMEOUT: Final = 0.15
MAX_TIMEOUT: Final = 3.0
DEAD_AFTER: Final = 3
"""Time-outs in a row after which a server is left alone."""
FIRST_REST: Final = 10.0
MAX_REST: Final = 300.0
LAME_SECONDS: Final = 300.0
"""Seconds for which a server found lame for a zone is not asked about it (RFC 9520 §3.2 caps at 300)."""
QUIRK_SECONDS: Final = 900.0
"""Seconds for which a quirk (no EDNS, case not kept) is remembered before it is tried again."""
MAX_SERVERS: Final = 100_000


class Server:
    """One address. Times are monotonic seconds."""

    __slots__ = ("failures", "lame", "no_case_until", "no_edns_until", "rest_until", "rttvar", "srtt")

    def __init__(self) -> None:
        self.srtt = -1.0
        self.rttvar = 0.0
        self.failures = 0
        self.rest_until = 0.0
        self.no_edns_until = 0.0
        self.no_case_until = 0.0
        self.lame: dict[Name, float] | None = None

    def heard(self, rtt_s: float) -> None:
        """An answer came: RFC 6298 §2.2-2.3."""
        if self.srtt < 0:
            self.srtt = rtt_s
            self.rttvar = rtt_s / 2
        else:
            self.rttvar += (abs(self.srtt - rtt_s) - self.rttvar) / 4
            self.srtt += (rtt_s - self.srtt) / 8
        self.failures = 0
        self.rest_until = 0.0

    def silent(self, mono: float) -> None:
        """No answer came: back off (RFC 6298 §5.5), and after DEAD_AFTER in a row let it rest."""
        self.failures += 1
        if self.failures >= DEAD_AFTER:
            doublings = min(self.failures - DEAD_AFTER, 10)  # else the float overflows after days of silence
            self.rest_until = mono + min(FIRST_REST * (1 << doublings), MAX_REST)

    def timeout(self) -> float:
        """Seconds to wait for an answer."""
        base = FIRST_TIMEOUT if self.srtt < 0 else self.srtt + max(4 * self.rttvar, 0.05)
        return min(max(base, MIN_TIMEOUT) * (1 << min(self.failures, 4)), MAX_TIMEOUT)

    def cost(self) -> float:
        """Seconds an exchange is expected to take: what servers are compared by."""
        return (UNKNOWN_RTT if self.srtt < 0 else self.srtt) * (1 << min(self.failures, 6))

    def is_lame(self, zone: Name, mono: float) -> bool:
        """Whether it lately turned out not to serve the zone."""
        return self.lame is not None and self.lame.get(zone, 0.0) > mono

    def set_lame(self, zone: Name, mono: float) -> None:
        """Remember that it does not serve the zone."""
        if self.lame is None or len(self.lame) > 100:
            self.lame = {}
        self.lame[zone] = mono + LAME_SECONDS


class Servers:
    """Servers by address, the least recently added forgotten first."""

    def __init__(self) -> None:
        self._servers: dict[Address, Server] = {}

    def __len__(self) -> int:
        return len(self._servers)

    def get(self, address: Address) -> Server:
        """What is known of the address; a fresh record for one never seen."""
        server = self._servers.get(address)
        if server is None:
            trim(self._servers, MAX_SERVERS - 1)
            server = self._servers[address] = Server()
        return server

    def clear(self) -> None:
        """Forget all."""
        self._servers.clear()
