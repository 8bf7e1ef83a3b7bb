"""All protection of a worker's clients, as plain parts: what is `None` is off."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from resolver.protect.cookies import Cookies
from resolver.protect.rates import ClientRates, Prefixes, Rate, ResponseRates
from wire.limits import QUERIES_PER_CLIENT, REFUSALS, Limit, Limits

COOKIE_HEAD: Final = b"\0\x0a\0\x18"
"""Code and length of the COOKIE option in our responses: a client's cookie and ours."""
COOKIE_ROOM: Final = 28
"""Octets of the whole option."""


def packed(text: str) -> bytes:
    """An address's octets. The slow way; the daemon hands in the system's."""
    return ip_address(text.partition("%")[0]).packed


@dataclass(slots=True)
class Protection:
    """What holds for clients.

    Attributes:
        limits: where what is reached is counted, and which limits are only counted.
        pack: address text to octets. `prefixes`: by which clients are counted.
        cookies: makes and verifies; `demanded`: who shows a COOKIE option over UDP must show a valid server cookie.
        clients: queries over UDP; `responses`: equal responses over UDP; `refusals`: to clients that are not served.
        per_client: queries of one prefix being worked on.
        slip: every so many-th of those that a rate refuses is answered shortly (TC, or BADCOOKIE); 0: none is.
    """

    limits: Limits = field(default_factory=Limits)
    pack: Callable[[str], bytes] = packed
    prefixes: Prefixes = field(default_factory=lambda: Prefixes(24, 56))
    cookies: Cookies | None = None
    demanded: bool = False
    clients: ClientRates | None = None
    responses: ResponseRates | None = None
    refusals: Rate = field(default_factory=lambda: Rate(REFUSALS.value, REFUSALS.value))
    per_client: Limit = QUERIES_PER_CLIENT
    slip: int = 2
    _refused: int = 0

    def counted(self, client: str) -> int | None:
        """The prefix under which a client's queries are counted; None when it is exempt."""
        octets = self.pack(client)
        return None if self.prefixes.is_exempt(octets) else self.prefixes.of(octets)

    def slips(self) -> bool:
        """Whether the next one refused by a rate is answered all the same, shortly."""
        if not self.slip:
            return False
        self._refused = (self._refused + 1) % self.slip
        return not self._refused

    def refuses(self, limit: Limit) -> bool:
        """Count that a limit was reached; whether it is enforced."""
        enforced = limit.label not in self.limits.shadow
        self.limits.count(limit, refused=enforced)
        return enforced


def subject(name: bytes, rtype: int, rcode: int, denied_by: Iterable[bytes]) -> int:
    """What a response is about, for counting equal ones: the question; for a denial the zone, since every other name in it
    would be denied alike; for an error the RCODE.
    """
    if rcode not in (0, 3):
        return hash(rcode)
    for zone in denied_by:
        return hash((zone, rcode))
    return hash((name, rtype))
