"""Connections that go from one worker to the next: through real sockets, two sets of listeners in one loop."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

import dns.message
import pytest

from resolver.server.handover import Handover, make_pair
from resolver.server.listen_tcp import TcpBounds, TcpListeners
from tests.resolver.server.queries import make_query
from tests.resolver.server.world import FakeDriver, bound, make_service, run, until


def framed(message: dns.message.Message) -> bytes:
    wire = message.to_wire()
    return struct.pack("!H", len(wire)) + wire


class Change:
    """An old and a new worker's listeners, the pair between them, and a client of the old one."""

    def __init__(self, driver: FakeDriver | None = None, **bounds: int) -> None:
        self.old = TcpListeners(make_service(driver), TcpBounds())
        self.new = TcpListeners(make_service(), TcpBounds(**bounds))
        self.ends = make_pair()
        self.giving, self.taking = Handover(*self.ends), Handover(*self.ends)
        self.sock = bound(socket.SOCK_STREAM)

    async def open(self) -> None:
        await self.old.start([self.sock])
        await self.new.start([])
        self.reader, self.writer = await asyncio.open_connection(*self.sock.getsockname()[:2])

    async def receive(self) -> int:
        """The ID of the next answer."""
        (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        return dns.message.from_wire(await self.reader.readexactly(length)).id

    def serve(self) -> None:
        self.taking.start(asyncio.get_running_loop(), self.new.take_over)

    async def hand_over(self) -> None:
        """As a retiring worker does."""
        self.old.leave()

        def over() -> bool:
            self.old.hand_over(self.giving)
            return not self.old.connections

        await until(over)

    async def close(self) -> None:
        self.taking.stop()
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
        for listeners in (self.old, self.new):
            await until(lambda listeners=listeners: not listeners.connections)
            assert not listeners._by_client
            listeners.close()
        for end in self.ends:
            end.close()


def play(story: Callable[[Change], Awaitable[None]], driver: FakeDriver | None = None, **bounds: int) -> None:
    async def main() -> None:
        change = Change(driver, **bounds)
        await change.open()
        await story(change)
        await change.close()

    run(main())


def test_an_idle_connection_goes_and_stays_open() -> None:
    async def story(change: Change) -> None:
        first, second = make_query("a.jp"), make_query("b.jp")
        change.writer.write(framed(first))
        assert await change.receive() == first.id
        change.serve()
        await change.hand_over()
        change.writer.write(framed(second))
        assert await change.receive() == second.id
        assert change.new.service.counters.tcp_queries == 1
        assert change.new.service.counters.tcp_accepted == 0, "it was accepted once, by the old one"

    play(story)


@pytest.mark.parametrize("cut", [1, 2, 3, 20])
def test_half_a_query_goes_with_it(cut: int) -> None:
    async def story(change: Change) -> None:
        first, second = make_query("a.jp"), make_query("b.jp")
        change.writer.write(framed(first) + framed(second)[:cut])
        assert await change.receive() == first.id
        change.serve()
        await change.hand_over()
        change.writer.write(framed(second)[cut:])
        assert await change.receive() == second.id

    play(story)


def test_what_was_read_is_answered_before_and_what_was_not_after() -> None:
    driver = FakeDriver(hold=True)

    async def story(change: Change) -> None:
        queries = [make_query(f"{number}.jp") for number in range(6)]
        for query in queries[:3]:
            change.writer.write(framed(query))
        await until(lambda: len(driver.waiting) == 3)
        change.serve()
        change.old.leave()
        for query in queries[3:]:
            change.writer.write(framed(query))  # stays in the system's buffer
        await asyncio.sleep(0)
        change.old.hand_over(change.giving)
        assert len(change.old.connections) == 1, "not while it is worked on"
        for _ in range(3):
            driver.release()
        await change.hand_over()
        heard = [await change.receive() for _ in queries]
        assert heard == [query.id for query in queries]
        assert (change.old.service.counters.tcp_queries, change.new.service.counters.tcp_queries) == (3, 3)

    play(story, driver)


def test_it_waits_for_somebody_who_serves() -> None:
    async def story(change: Change) -> None:
        await until(lambda: change.old.connections)
        await change.hand_over()
        query = make_query("a.jp")
        change.writer.write(framed(query))
        change.serve()  # only now
        assert await change.receive() == query.id

    play(story)


def test_a_ceiling_closes_nobody_who_was_admitted() -> None:
    async def story(change: Change) -> None:
        await until(lambda: change.old.connections)
        change.serve()
        await change.hand_over()
        query = make_query("a.jp")
        change.writer.write(framed(query))
        assert await change.receive() == query.id

    play(story, connections=1, per_client=0)


def test_a_pair_that_is_full_leaves_the_connection_where_it_is() -> None:
    async def story(change: Change) -> None:
        with socket.socket() as spare:
            while change.giving.give(spare.fileno(), bytes(60_000)):
                pass
        await until(lambda: change.old.connections)
        change.old.leave()
        change.old.hand_over(change.giving)
        assert len(change.old.connections) == 1
        change.old.close()

    play(story)
