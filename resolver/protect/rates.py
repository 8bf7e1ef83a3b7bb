"""Rates: how many queries a client prefix may ask, how many equal responses it may be sent, how many refusals there are.

Theory: a token bucket needs one number, the time at which it would be full again (the generic cell rate algorithm: each
event puts it `interval` later; it may not be more than `tolerance` ahead of now). So a bucket of a client that was quiet
for long equals none, and forgetting it forgets nothing.

Clients are counted by prefix, since whoever has one address of it has all, and forged sources are spread over it. Buckets
are found by the address as it was given, text or octets: one dictionary look-up for a known client. Both tables are
bounded: when full, what is quiet is forgotten, and if that is not enough everything.

Responses are counted in a table of fixed size under a hash of prefix and subject (`ResponseRates`). Two that fall on the
same place share it: with 2**17 places and a keyed hash that costs a slip now and then to those who are near their rate.
"""

from array import array
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Final

Network = IPv4Network | IPv6Network

MOST_CLIENTS: Final = 50_000
"""Addresses, and prefixes, remembered at once: some 20 MB when all are different."""
PLACES: Final = 1 << 17
"""Places in the table of responses: a mebioctet."""
EXEMPT: Final = -1
"""The prefix of clients for which no rate holds."""
_V6: Final = 1 << 128
"""Sets IPv6 prefixes apart from IPv4 ones."""


class Prefixes:
    """The prefix by which a client is counted, and the clients that are not."""

    __slots__ = ("_exempt", "_shift4", "_shift6")

    def __init__(self, length4: int, length6: int, exempt: Iterable[Network] = ()) -> None:
        self._shift4 = 32 - length4
        self._shift6 = 128 - length6
        self._exempt = [(n.max_prefixlen // 8, n.max_prefixlen - n.prefixlen, int(n.network_address)) for n in exempt]

    def of(self, client: bytes) -> int:
        """The prefix of an address of 4 or 16 octets, as a number."""
        number = int.from_bytes(client, "big")
        return number >> self._shift4 if len(client) == 4 else (number >> self._shift6) + _V6

    def is_exempt(self, client: bytes) -> bool:
        """Whether no limit holds for this address."""
        if not self._exempt:
            return False
        number = int.from_bytes(client, "big")
        return any(size == len(client) and number >> bits == base >> bits for size, bits, base in self._exempt)


class Bucket:
    """What a prefix has used up.

    Attributes:
        full: monotonic time from which on it has used nothing; the receive loop moves it by `interval` for each query.
        interval: seconds that a query costs; 0 for the exempt.
        prefix: as `Prefixes.of`; EXEMPT for those.
    """

    __slots__ = ("full", "interval", "prefix")

    def __init__(self, interval: float, prefix: int) -> None:
        self.full = 0.0
        self.interval = interval
        self.prefix = prefix


class ClientRates:
    """Buckets by client.

    Attributes:
        known: buckets by address, open to the receive loop; served clients only.
        tolerance: seconds that a bucket's `full` may be ahead of now.
    """

    __slots__ = ("_interval", "_pack", "_prefixes", "_shared", "_size", "known", "tolerance")

    def __init__(
        self,
        rate: float,
        burst: float,
        prefixes: Prefixes,
        pack: Callable[[str], bytes],
        size: int = MOST_CLIENTS,
    ) -> None:
        """`rate`: queries a second for each prefix, 0 for any number; `burst`: queries at once. `pack`: text to octets."""
        self._interval = 1 / rate if rate else 0.0
        self.tolerance = _tolerance(rate, burst)
        self._prefixes = prefixes
        self._pack = pack
        self._size = size
        self.known: dict[str | bytes, Bucket] = {}
        self._shared: dict[int, Bucket] = {}

    def bucket(self, client: str | bytes, now: float) -> Bucket:
        """The bucket of a client that is served, by its address: text, or 4 or 16 octets."""
        bucket = self.known.get(client)
        if bucket is not None:
            return bucket
        packed = self._pack(client) if isinstance(client, str) else client
        if len(self.known) >= self._size or len(self._shared) >= self._size:
            self._forget(now)
        if self._prefixes.is_exempt(packed):
            bucket = Bucket(0.0, EXEMPT)
        else:
            prefix = self._prefixes.of(packed)
            bucket = self._shared.get(prefix)
            if bucket is None:
                bucket = self._shared[prefix] = Bucket(self._interval, prefix)
        self.known[client] = bucket
        return bucket

    def allows(self, bucket: Bucket, now: float) -> bool:
        """Take one query's worth out of a bucket; False, and nothing taken, when it is empty."""
        full = bucket.full
        if full < now:
            full = now
        if full - now > self.tolerance:
            return False
        bucket.full = full + bucket.interval
        return True

    def _forget(self, now: float) -> None:
        """Make room. What has used up more than half is kept, unless that is too much too."""
        half = now + self.tolerance / 2
        self.known.clear()
        self._shared = {prefix: bucket for prefix, bucket in self._shared.items() if bucket.full > half}
        if len(self._shared) > self._size // 2:
            self._shared.clear()


class ResponseRates:
    """How often a prefix was sent the same response."""

    __slots__ = ("_full", "_interval", "_mask", "_tolerance")

    def __init__(self, rate: float, burst: float, places: int = PLACES) -> None:
        """`rate`: equal responses a second for each prefix; `burst`: at once. `places`: a power of two."""
        self._interval = 1 / rate
        self._tolerance = _tolerance(rate, burst)
        self._mask = places - 1
        self._full = array("d", bytes(8 * places))

    def allows(self, prefix: int, subject: int, now: float) -> bool:
        """Whether a prefix may be sent a response with this subject; counts it if so."""
        place = hash((prefix, subject)) & self._mask
        full = self._full[place]
        if full < now:
            full = now
        elif full - now > self._tolerance:
            return False
        self._full[place] = full + self._interval
        return True


def _tolerance(rate: float, burst: float) -> float:
    """How far ahead of now a bucket may be, that `burst` events at once are allowed: half an event more, for rounding."""
    return (max(burst, 1) - 0.5) / rate if rate else 0.0


class Rate:
    """One bucket for all."""

    __slots__ = ("_full", "_interval", "_tolerance")

    def __init__(self, rate: float, burst: float) -> None:
        """`rate`: events a second; `burst`: at once."""
        self._interval = 1 / rate if rate else float("inf")
        self._tolerance = _tolerance(rate, burst) if rate else -1.0
        self._full = 0.0

    def allows(self, now: float) -> bool:
        """Whether there may be one more; counts it if so."""
        full = self._full
        if full < now:
            full = now
        if full - now > self._tolerance:
            return False
        self._full = full + self._interval
        return True
