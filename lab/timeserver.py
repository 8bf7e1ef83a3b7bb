"""The mini-Internet's time servers: they tell the time by which its zones are signed.

Three, so that a majority can be told from one that is wrong. They answer an NTP client (mode 3) as a server of stratum 2
does (mode 4), over UDP, on the lab's own port, since port 123 would take root.

    LI,VN,mode(1) stratum(1) poll(1) precision(1) root delay(4) root dispersion(4) reference(4)
    reference, origin, receive and transmit time stamps (8 each: seconds since 1900, fraction)

RFC 5905 §7.3 (header), §9.2; RFC 4330 §5 (what a simple server does).
"""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import cast

HOSTS = (1, 2, 3)
"""The last octets of their addresses: 127.53.123.1 …"""

_PACKET = struct.Struct("!BBbb II4s QQQQ")
_SINCE_1900_S = 2_208_988_800
_CLIENT, _SERVER = 3, 4
_STRATUM = 2
_PRECISION = -20
"""Two to this power of a second: about a microsecond."""
_DISPERSION = 0x41
"""Root dispersion of a millisecond, in units of 2^-16 s."""


def addresses(prefix: str) -> list[str]:
    """Where the time servers of a lab with this prefix (127.53) are."""
    return [f"{prefix}.123.{host}" for host in HOSTS]


def stamp(seconds: float) -> int:
    """An NTP time stamp; `seconds` since 1970. Era 1 begins in 2036, where the number starts again at 0 (§6)."""
    return int((seconds + _SINCE_1900_S) * (1 << 32)) & 0xFFFF_FFFF_FFFF_FFFF


def answer(query: bytes, now: float) -> bytes | None:
    """What a time server whose clock says `now` answers; None when that is no client's packet."""
    if len(query) < _PACKET.size or query[0] & 7 != _CLIENT:
        return None
    version = query[0] & 0x38
    head = version | _SERVER
    moment = stamp(now)
    return _PACKET.pack(
        head,
        _STRATUM,
        query[2] & 0x7F,
        _PRECISION,
        0,
        _DISPERSION,
        b"LAB\0",
        moment,
        int.from_bytes(query[40:48]),
        moment,
        moment,
    )


class TimeServers:
    """All of them. `offset_s` gives how far their time is ahead of this machine's."""

    def __init__(self, offset_s: Callable[[], float]) -> None:
        self._offset_s = offset_s
        self._transports: list[asyncio.DatagramTransport] = []

    async def open(self, prefix: str, port: int) -> None:
        """Answer on each address. Raises OSError when one cannot be bound."""
        loop = asyncio.get_running_loop()
        for address in addresses(prefix):
            transport, _ = await loop.create_datagram_endpoint(lambda: _Server(self._now), local_addr=(address, port))
            self._transports.append(transport)

    def close(self) -> None:
        """Answer no more."""
        for transport in self._transports:
            transport.close()
        self._transports.clear()

    def _now(self) -> float:
        return time.time() + self._offset_s()


class _Server(asyncio.DatagramProtocol):
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio's."""
        self._transport = cast(asyncio.DatagramTransport, transport)  # uvloop's is none by class

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """As asyncio's."""
        said = answer(data, self._now())
        if said is not None and self._transport is not None:
            self._transport.sendto(said, addr)
