"""What is known of each server address: smoothed round-trip time, back-off, quirks, lameness, cookie; and of IPv4 and IPv6
each as a whole.

RTT smoothing and retransmission time as in RFC 6298 §2, with bounds fit for DNS. After repeated time-outs a server is left
alone for a while that doubles; when it is over, one query probes it.

Families: when servers of one address family stay silent in a row and none in it answers, the family itself is taken to be
broken here (no route, a firewall): its addresses are asked only where there are no others, with short time-outs, except for
one probe whenever its rest is over. One answer ends that. In the spirit of RFC 8305: a host with broken IPv6 pays a few
short waits, not one for every server.

Cookies (RFC 7873): each server gets a client cookie of its own, a keyed hash of its address and of the day since start;
with the first answer its server cookie is added, and what is sent is kept ready as one string of octets.

Limitations: a client cookie does not change with our own address (RFC 7873 §4.1 wants it to where that is known; here the
kernel chooses the address at sending), but with every day and every start.
"""

from hashlib import blake2s
from typing import Final

from resolver.cache.bounded import trim
from trust.vocabulary import Address
from wire.limits import CLIENT_COOKIE
from wire.name import Name

UNKNOWN_RTT: Final = 0.2
"""Seconds assumed for a server never asked: better than a slow one, worse than a near one, so that all get tried."""
FIRST_TIMEOUT: Final = 0.8
"""Seconds to wait for a server never heard of."""
MIN_TIMEOUT: Final = 0.25
"""Seconds to wait at least: a server that is near and busy for a moment is not silent."""
MAX_TIMEOUT: Final = 3.0
DEAD_AFTER: Final = 3
"""Time-outs in a row after which a server is left alone."""
TCP_DEAD_AFTER: Final = 2
"""Questions over TCP in a row without an answer after which a server is not asked over TCP (a slow one takes seconds)."""
TCP_REST: Final = 60.0
FIRST_REST: Final = 10.0
MAX_REST: Final = 300.0
LAME_SECONDS: Final = 300.0
"""Seconds for which a server found lame for a zone is not asked about it (RFC 9520 §3.2 caps at 300)."""
QUIRK_SECONDS: Final = 900.0
"""Seconds for which a quirk (no EDNS, no cookies, case not kept) is remembered before it is tried again."""
CASE_MISSES: Final = 3
"""Answers in a row without the question's case after which a server is taken to be unable to keep it: a single one could
be a forgery that was lucky with port and ID."""
COOKIE_SECONDS: Final = 86_400.0
"""Seconds for which a client cookie is used (RFC 7873 §7.1: at most 26 days or so, better less)."""
FAMILY_DOUBT: Final = 2
"""Silent servers of one family in a row from which on time-outs of its unknown servers are short."""
FAMILY_BROKEN: Final = 5
"""Silent servers of one family in a row after which it rests."""
DOUBT_TIMEOUT: Final = 0.3
"""Seconds for a server never heard of in a family in doubt (RFC 8305 §5: 250 ms between attempts)."""
PROBE_SECONDS: Final = 3.0
"""Seconds that one probe of a resting family has before another goes."""
MAX_SERVERS: Final = 100_000

EVENTS: Final = (
    "forgery-tcp",
    "mismatched",
    "oversize",
    "case",
    "cookie-learnt",
    "cookie-bad",
    "cookie-missing",
    "cookie-refused",
    "family-rests",
)
"""What is counted of defences: a zone went over to TCP; packets that were no answers; answers longer over UDP than asked
for; answers without the question's case; server cookies learnt, rejected by their giver (BADCOOKIE), missing in an answer,
options that a server could not bear; address families that began to rest.
"""


class Server:
    """One address. Times are monotonic seconds."""

    __slots__ = (
        "case_misses",
        "cookie",
        "cookie_until",
        "failures",
        "gives_cookies",
        "lame",
        "no_case_until",
        "no_edns_until",
        "no_tcp_until",
        "rest_until",
        "rttvar",
        "silent_at",
        "srtt",
        "tcp_failures",
    )

    def __init__(self) -> None:
        self.case_misses = 0
        self.cookie = b""
        self.cookie_until = 0.0
        self.gives_cookies = False
        self.tcp_failures = 0
        self.no_tcp_until = 0.0
        self.srtt = -1.0
        self.rttvar = 0.0
        self.failures = 0
        self.silent_at = 0.0
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

    def silent(self, mono: float, asked: float = float("inf")) -> None:
        """No answer came to what was asked at `asked`: back off (RFC 6298 §5.5), and after DEAD_AFTER in a row let it rest.

        Questions that were under way together when it fell silent tell of one silence, not of many.
        """
        if asked < self.silent_at:
            return
        self.silent_at = mono
        self.failures += 1
        if self.failures >= DEAD_AFTER:
            doublings = min(self.failures - DEAD_AFTER, 10)  # else the float overflows after days of silence
            self.rest_until = mono + min(FIRST_REST * (1 << doublings), MAX_REST)

    def case_missed(self, mono: float) -> None:
        """It answered without the question's case; after CASE_MISSES in a row it is no longer demanded for a while."""
        self.case_misses += 1
        if self.case_misses >= CASE_MISSES:
            self.case_misses = 0
            self.no_case_until = mono + QUIRK_SECONDS

    def tcp_silent(self, mono: float) -> None:
        """It did not answer over TCP, though it may over UDP; after TCP_DEAD_AFTER in a row it is not asked so."""
        self.tcp_failures += 1
        if self.tcp_failures >= TCP_DEAD_AFTER:
            self.tcp_failures = 0
            self.no_tcp_until = mono + TCP_REST

    def learn_cookie(self, cookie: bytes) -> None:
        """It sent this: our client cookie, and behind it its server cookie."""
        self.cookie = cookie
        self.gives_cookies = True

    def no_cookies(self, mono: float) -> None:
        """It cannot bear them, or gives none any longer: none are sent for a while."""
        self.cookie = b""
        self.cookie_until = mono + QUIRK_SECONDS
        self.gives_cookies = False

    def timeout(self) -> float:
        """Seconds to wait for an answer."""
        base = FIRST_TIMEOUT if self.srtt < 0 else self.srtt + max(4 * self.rttvar, 0.05)
        return min(max(base, MIN_TIMEOUT) * (1 << min(self.failures, 4)), MAX_TIMEOUT)

    def timeout_at_rest(self, tried: int) -> float:
        """The same when it rests and is tried all the same, after so many others that rest: clients wait for some 5 s, so
        the back-off does not count; the last has time for a server that is slow by now.
        """
        base = FIRST_TIMEOUT if self.srtt < 0 else max(self.srtt + 4 * self.rttvar, FIRST_TIMEOUT)
        return min(base * (3 if tried else 1), MAX_TIMEOUT)

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


class Family:
    """IPv4 or IPv6 as a whole, seen from here.

    Attributes:
        silent: servers that stayed silent since the last answer over it.
        rest_until: when it is to be probed; 0 while it is not taken to be broken. `rests`: rests in a row.
    """

    __slots__ = ("rest_until", "rests", "silent")

    def __init__(self) -> None:
        self.silent = 0
        self.rest_until = 0.0
        self.rests = 0

    def heard(self) -> None:
        """A server answered over it."""
        self.silent = 0
        self.rest_until = 0.0
        self.rests = 0

    def missed(self, mono: float) -> bool:
        """A server did not answer over it; whether the family begins a first rest."""
        self.silent += 1
        if self.silent < FAMILY_BROKEN or (self.rests and mono < self.rest_until - PROBE_SECONDS):
            return False
        self.rest_until = mono + min(FIRST_REST * (1 << min(self.rests, 10)), MAX_REST)
        self.rests += 1
        return self.rests == 1


class Servers:
    """Servers by address, the least recently added forgotten first.

    Attributes:
        ipv4, ipv6: the families. `doubt`: whether one of them is in doubt: while it is False nobody need look at them.
        events: how often each thing of EVENTS happened.

    Args:
        secret: the key of the client cookies; without one there are none.
    """

    def __init__(self, secret: bytes = b"", limit: int = MAX_SERVERS) -> None:
        self._servers: dict[Address, Server] = {}
        self._limit = limit
        self._secret = secret
        self.ipv4 = Family()
        self.ipv6 = Family()
        self.doubt = False
        self.events: dict[str, int] = dict.fromkeys(EVENTS, 0)

    def __len__(self) -> int:
        return len(self._servers)

    def get(self, address: Address) -> Server:
        """What is known of the address; a fresh record for one never seen."""
        server = self._servers.get(address)
        if server is None:
            trim(self._servers, self._limit - 1)
            server = self._servers[address] = Server()
        return server

    def clear(self) -> None:
        """Forget all."""
        self._servers.clear()

    # --- families ------------------------------------------------------------------------------------------------

    def family(self, address: Address) -> Family:
        """The family of an address."""
        return self.ipv6 if ":" in address.ip else self.ipv4

    def rests(self, address: Address, mono: float) -> bool:
        """Whether the address's family is taken to be broken, and no probe is due."""
        return self.family(address).rest_until > mono

    def answered(self, address: Address) -> None:
        """A server answered, which settles doubts about its family. Called only while there are some."""
        self.family(address).heard()
        self.doubt = bool(self.ipv4.silent or self.ipv6.silent)

    def unanswered(self, address: Address, server: Server, mono: float) -> None:
        """A server did not answer; call before `Server.silent`."""
        family = self.family(address)
        if server.failures and not family.rests:
            return  # counted before; it may be the server, not the way to it
        self.doubt = True
        if family.missed(mono):
            self.events["family-rests"] += 1

    def probes(self, address: Address, mono: float) -> None:
        """A packet goes to a family whose rest is over: nobody else's does until it is known what came of it."""
        family = self.family(address)
        if family.rests and family.rest_until <= mono:
            family.rest_until = mono + PROBE_SECONDS

    def patience(self, address: Address, server: Server) -> float:
        """Seconds to wait for an answer of a server while a family is in doubt."""
        if server.srtt < 0 and self.family(address).silent >= FAMILY_DOUBT:
            return min(server.timeout(), DOUBT_TIMEOUT * (1 << min(server.failures, 3)))
        return server.timeout()

    # --- cookies -------------------------------------------------------------------------------------------------

    def cookie(self, address: Address, server: Server, mono: float) -> bytes:
        """What goes into the COOKIE option of a question to the server; b"" for no option."""
        if server.cookie_until > mono or not self._secret:
            return server.cookie
        server.gives_cookies = False
        server.cookie_until = mono + COOKIE_SECONDS
        about = f"{address.ip} {address.port} {int(mono // COOKIE_SECONDS)}".encode()
        server.cookie = blake2s(about, digest_size=CLIENT_COOKIE, key=self._secret).digest()
        return server.cookie
