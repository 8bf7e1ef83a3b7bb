"""Asking time servers: one that answers as it should, and all that may come instead; what the kernel says."""

import asyncio
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager

import ntplib
import pytest

from resolver.config import Endpoint
from resolver.daemon.watch import clock_ntp
from resolver.daemon.watch.clock_ntp import ask, ask_all, kernel_state, read
from resolver.server import clock

Reply = Callable[[bytes], bytes | None]


def reply(query: bytes, ahead: float = 0.0, **changes: float) -> bytes:
    """A stratum 2 server's answer; its clock is `ahead` of ours."""
    packet = ntplib.NTPPacket(version=4, mode=4, tx_timestamp=ntplib.system_to_ntp_time(clock.now().wall + ahead))
    packet.stratum, packet.recv_timestamp, packet.root_dispersion, packet.ref_id = 2, packet.tx_timestamp, 0.01, 0x7F000001
    for name, value in changes.items():
        setattr(packet, name, value)
    data = packet.to_data()
    return data[:24] + query[40:48] + data[32:]


class Server(asyncio.DatagramProtocol):
    """A time server that answers with what a function makes of the query."""

    def __init__(self, make: Reply) -> None:
        self.make = make
        self.queries: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.queries.append(data)
        if (answer := self.make(data)) is not None:
            self.transport.sendto(answer, addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def serving(make: Reply):  # type: ignore[no-untyped-def]
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Server(make), local_addr=("127.0.0.1", 0))
    try:
        yield Endpoint("127.0.0.1", transport.get_extra_info("sockname")[1]), server
    finally:
        transport.close()


def run(make: Reply, timeout_s: float = 5.0, tries: int = 1):  # type: ignore[no-untyped-def]
    async def main():  # type: ignore[no-untyped-def]
        async with serving(make) as (endpoint, server):
            return await ask(endpoint, timeout_s, tries), server.queries

    return asyncio.run(main())


@pytest.mark.parametrize("ahead", [0.0, 3600.0, -86400.0, 0.25])
def test_the_offset(ahead: float) -> None:
    sample, _ = run(lambda query: reply(query, ahead))
    assert sample.offset_s == pytest.approx(-ahead, abs=0.5)
    assert sample.stratum == 2
    assert 0.01 <= sample.error_s < 0.5
    assert not sample.problem


def test_what_is_sent_tells_nothing_and_is_never_the_same() -> None:
    sent = {run(reply)[1][0] for _ in range(3)}
    assert len({query[40:48] for query in sent}) == 3
    for query in sent:
        assert len(query) == 48
        assert query[0] == 4 << 3 | 3
        assert query[1:40] == bytes(39)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"stratum": 0, "ref_id": int.from_bytes(b"RATE", "big")}, "kiss-o'-death RATE"),
        ({"leap": 3}, "not synchronised itself"),
        ({"stratum": 16}, "not synchronised itself"),
        ({"mode": 3}, "not a server's answer"),
        ({"tx_timestamp": 0}, "it says no time"),
    ],
)
def test_unfit_answers(changes: dict[str, float], problem: str) -> None:
    sample, _ = run(lambda query: reply(query, **changes))
    assert sample.offset_s is None
    assert not sample.silent
    assert problem in sample.problem


@pytest.mark.parametrize(
    "make",
    [
        lambda query: None,
        lambda query: b"",
        lambda query: reply(query)[:40],
        lambda query: reply(bytes(48)),  # does not echo what was sent: forged, or to another query
        lambda query: query,
    ],
)
def test_what_is_no_answer_is_ignored(make: Reply) -> None:
    sample, queries = run(make, timeout_s=0.05, tries=2)
    assert sample.silent
    assert sample.problem == "no answer"
    assert len(queries) == 2


def test_a_forged_answer_does_not_stop_the_real_one() -> None:
    async def main() -> None:
        server: Server

        def both(query: bytes) -> bytes:
            server.transport.sendto(reply(bytes(48), 99.0), peer)  # type: ignore[attr-defined]
            return reply(query)

        peer: tuple[str, int] = ("", 0)

        class Knowing(Server):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                nonlocal peer
                peer = addr
                super().datagram_received(data, addr)

        transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Knowing(both), local_addr=("127.0.0.1", 0)
        )
        try:
            sample = await ask(Endpoint("127.0.0.1", transport.get_extra_info("sockname")[1]), 5.0, 1)
        finally:
            transport.close()
        assert sample.offset_s == pytest.approx(0.0, abs=0.5)

    asyncio.run(main())


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with serving(lambda query: None) as (endpoint, _):
            pass
        (sample,) = await ask_all([endpoint])
        assert sample.silent

    monkeypatch.setattr(clock_ntp, "TIMEOUT_S", 0.2)
    asyncio.run(main())


def test_all_are_asked_and_stay_in_order() -> None:
    async def main() -> None:
        async with serving(lambda query: reply(query, 5.0)) as (one, _), serving(reply) as (two, _):
            first, second = await ask_all([one, two])
        assert (first.server, second.server) == (str(one), str(two))
        assert first.offset_s == pytest.approx(-5.0, abs=0.5)
        assert second.offset_s == pytest.approx(0.0, abs=0.5)

    asyncio.run(main())


def test_the_next_era() -> None:
    """From 2036 on, servers' timestamps begin at zero again."""
    wall = (1 << 32) - ntplib.NTP.NTP_DELTA + 1000.0  # a quarter of an hour into era 1
    data = struct.pack("!BBBbIIIQQII", 0x24, 2, 0, -20, 0, 0, 0, 0, 0, 1002, 0) + struct.pack("!II", 1002, 0)
    sample = read("s", data, wall, wall)
    assert sample.offset_s == pytest.approx(-2.0, abs=1e-3)


def test_the_kernel_is_asked() -> None:
    kernel = kernel_state()
    if kernel is None:
        pytest.skip("the kernel may not be asked here")
    assert kernel.max_error_s >= 0


@pytest.mark.parametrize(
    ("state", "status", "synchronised"), [(0, 0, True), (0, 0x40, False), (5, 0, False), (1, 0x2001, True)]
)
def test_what_the_kernel_says(state: int, status: int, synchronised: bool) -> None:
    def adjtimex(timex: bytearray) -> int:
        beginning = struct.Struct("@Illlli")
        assert beginning.unpack_from(timex)[0] == 0, "it is only read"
        beginning.pack_into(timex, 0, 0, 1, 2, 250_000, 4, status)
        return state

    kernel = kernel_state(adjtimex)
    assert kernel is not None
    assert (kernel.synchronised, kernel.max_error_s) == (synchronised, 0.25)


def test_a_kernel_that_may_not_be_asked() -> None:
    assert kernel_state(lambda _: -1) is None
    assert kernel_state(None) is None
