"""Asking time servers, and the kernel, what they think of our clock. ntplib reads the packets and does the arithmetic.

ntplib's own client waits in the thread that calls it; the supervisor has one thread only (it forks). So the exchange is
made here, on the event loop, around ntplib's packets.

The transmit timestamp that we send is random (it tells the server nothing, and whoever does not see it cannot forge an
answer: RFC 5905 §8, draft-ietf-ntp-data-minimization); our real one is put back for the arithmetic.

RFC 5905 §7.3 (packet), §8 (offset and delay), §11.1 (what makes a server unfit), §7.4 (kiss-o'-death).
"""

import asyncio
import secrets
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

import ntplib

from resolver.config import Endpoint
from resolver.server import clock
from resolver.server.library import LIBRARY
from resolver.watch.clock import Kernel, Sample

TIMEOUT_S: Final = 1.5
TRIES: Final = 3
PORT: Final = 123
_PACKET: Final = 48
_ERA_S: Final = 1 << 32
"""Seconds of an NTP era; the next begins in 2036."""
_ORIGIN: Final = slice(24, 32)
_TRANSMIT: Final = slice(40, 48)
_MAX_STRATUM: Final = 15


async def ask_all(servers: Iterable[Endpoint]) -> list[Sample]:
    """One sample from each server, in order; all are asked at once."""
    return list(await asyncio.gather(*(ask(server) for server in servers)))


async def ask(server: Endpoint, timeout_s: float = TIMEOUT_S, tries: int = TRIES) -> Sample:
    """What one server says; silence and refusals are told in the sample."""
    problem = ""
    for _ in range(tries):
        try:
            async with asyncio.timeout(timeout_s):
                return await _exchange(server)
        except TimeoutError:
            problem = "no answer"
        except OSError as error:
            problem = error.strerror or str(error)
    return Sample(str(server), problem=problem, silent=True)


class _Exchange(asyncio.DatagramProtocol):
    """One query and its answer."""

    def __init__(self, done: "asyncio.Future[tuple[bytes, float]]", origin: bytes) -> None:
        self._done = done
        self._origin = origin

    def datagram_received(self, data: bytes, addr: object) -> None:
        """The answer, if it echoes what we sent; anything else is ignored."""
        received = clock.now().wall
        if len(data) >= _PACKET and data[_ORIGIN] == self._origin and not self._done.done():
            self._done.set_result((data, received))

    def error_received(self, exc: Exception) -> None:
        """The system says that it cannot be reached."""
        if not self._done.done():
            self._done.set_exception(exc)


async def _exchange(server: Endpoint) -> Sample:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[bytes, float]] = loop.create_future()
    # 52 random bits: as many as a float of this size holds.
    nonce = secrets.randbits(32) + secrets.randbits(20) / (1 << 20)
    query = ntplib.NTPPacket(version=4, mode=3, tx_timestamp=nonce).to_data()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Exchange(done, query[_TRANSMIT]), remote_addr=(server.address, server.port)
    )
    try:
        sent = clock.now().wall
        transport.sendto(query)
        data, received = await done
    finally:
        transport.close()
    return read(str(server), data, sent, received)


def read(server: str, data: bytes, sent_wall: float, received_wall: float) -> Sample:
    """The sample that an answer amounts to. Times by our clock, seconds since 1970."""
    stats = ntplib.NTPStats()
    try:
        stats.from_data(data)
    except ntplib.NTPException as error:
        return Sample(server, problem=str(error))
    problem = _unfit(stats)
    if problem:
        return Sample(server, stratum=stats.stratum, problem=problem)
    stats.orig_timestamp = ntplib.system_to_ntp_time(sent_wall)
    stats.dest_timestamp = ntplib.system_to_ntp_time(received_wall)
    stats.recv_timestamp = _near(stats.recv_timestamp, stats.dest_timestamp)
    stats.tx_timestamp = _near(stats.tx_timestamp, stats.dest_timestamp)
    # RFC 5905 §11.2: half the round trip, and the server's own distance from its source.
    distance = max(stats.delay, 0.0) / 2 + stats.root_delay / 2 + stats.root_dispersion
    return Sample(server, -stats.offset, distance, stats.stratum)


def _unfit(stats: ntplib.NTPStats) -> str:
    """Why the server's time must not be used; "" when it may."""
    if stats.mode != 4:
        return f"not a server's answer (mode {stats.mode})"
    if stats.stratum == 0:
        code = int(stats.ref_id).to_bytes(4, "big").decode("ascii", "replace").strip("\0")
        return f"kiss-o'-death {code if code.isprintable() else '?'}"
    if stats.leap == 3 or stats.stratum > _MAX_STRATUM:
        return "not synchronised itself"
    if not stats.tx_timestamp:
        return "it says no time"
    return ""


def _near(timestamp: float, ours: float) -> float:
    """A server's timestamp in the era that brings it nearest to ours."""
    return timestamp + round((ours - timestamp) / _ERA_S) * _ERA_S


# --- the kernel --------------------------------------------------------------------------------------------------------


_TIMEX: Final = struct.Struct("@I4li")
"""Beginning of struct timex (sys/timex.h): modes, offset, freq, maxerror (µs), esterror, status."""
_TIMEX_ROOM: Final = 512
"""Octets: more than the whole of it has anywhere."""
_STA_UNSYNC: Final = 0x0040
_TIME_ERROR: Final = 5
Adjtimex = Callable[[Any], int]
_adjtimex: Final[Adjtimex | None] = getattr(LIBRARY, "adjtimex", None)


def kernel_state(adjtimex: Adjtimex | None = _adjtimex) -> Kernel | None:
    """What the kernel says; None when it may not be asked (a container's seccomp filter) or has no such call."""
    if adjtimex is None:
        return None
    from ctypes import create_string_buffer

    timex = create_string_buffer(_TIMEX_ROOM)  # modes = 0: read only, which needs no privilege
    state = adjtimex(timex)
    if state < 0:
        return None
    _, _, _, max_error_us, _, status = _TIMEX.unpack_from(timex)
    return Kernel(state != _TIME_ERROR and not status & _STA_UNSYNC, max_error_us / 1e6)
