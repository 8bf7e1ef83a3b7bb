"""When the clock is checked, what stands while nobody answers, and who is told."""

import asyncio
import io
import json
from collections.abc import Awaitable, Callable

import pytest

from resolver.config import load
from resolver.daemon import logs
from resolver.daemon.watch.clock_keeper import STANDS, ClockKeeper
from resolver.watch.clock import ClockState, Kernel, Sample
from trust.vocabulary import Now

SERVERS = 'clock.ntp-servers=["192.0.2.1", "192.0.2.2:1234", "2001:db8::1"]'


class World:
    """Time servers that are off by as much as a test says (None: silent), a kernel, a clock, and who is told."""

    def __init__(self, *settings: str) -> None:
        self.stream = io.StringIO()
        logs.configure("info", "json", self.stream)
        self.offsets: list[float | None] = [0.0, 0.0, 0.0]
        self.kernel: Kernel | None = Kernel(True, 0.1)
        self.now = Now(1_800_000_000.0, 100.0)
        self.told: list[tuple[str, bool]] = []
        self.asked = 0
        self.reacted: Callable[[], Awaitable[None]] | None = None
        self.keeper = ClockKeeper(
            load(None, (SERVERS, *settings)),
            self.publish,
            logs.logger(),
            ask=self.ask,
            kernel=lambda: self.kernel,
            now=lambda: self.now,
        )

    async def publish(self, note: str, verified: bool) -> None:
        self.told.append((note, verified))

    async def ask(self, servers: list[object]) -> list[Sample]:
        self.asked += 1
        return [
            Sample(str(server), silent=True, problem="no answer")
            if offset is None
            else Sample(str(server), offset, 0.001, 2)
            for server, offset in zip(servers, self.offsets, strict=True)
        ]

    def check(self, *offsets: float | None, after: float = 0.0) -> ClockState:
        if offsets:
            self.offsets = list(offsets)
        self.now = Now(self.now.wall + after, self.now.mono + after)
        return asyncio.run(self.keeper.check()).state

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]


def test_nothing_is_known_before_the_first_check() -> None:
    here = World()
    assert here.keeper.document()["state"] == "unverified"
    assert not here.keeper.verified
    assert not here.keeper.finding


def test_servers_and_ports() -> None:
    assert [str(server) for server in World().keeper.servers] == ["192.0.2.1:123", "192.0.2.2:1234", "[2001:db8::1]:123"]


def test_a_good_clock_is_told_once() -> None:
    here = World()
    assert here.check() is ClockState.GOOD
    assert here.check() is ClockState.GOOD
    assert here.told == [("", True)]
    assert not here.keeper.finding
    assert here.events() == ["clock"]


def test_a_wrong_clock_is_told_everywhere() -> None:
    here = World()
    here.check()
    assert here.check(3600.0, 3600.0, None) is ClockState.WRONG
    assert here.told[-1] == (" (our clock is 3600 s ahead)", False)
    assert "3600 s ahead" in here.keeper.finding
    samples = here.keeper.metrics()
    assert samples["clock_offset_seconds"] == [((), 3600.0)]
    assert {labels[0]: value for labels, value in samples["clock_state"]} == {
        "good": 0.0, "wrong": 1.0, "unverified": 0.0,
    }  # fmt: skip
    assert {labels[0]: value for labels, value in samples["clock_servers"]} == {
        "good": 2, "falseticker": 0, "unusable": 0, "silent": 1,
    }  # fmt: skip
    assert here.check(0.0, 0.0, 0.0) is ClockState.GOOD
    assert here.told[-1] == ("", True)
    assert not here.keeper.finding


def test_the_limit_is_configured() -> None:
    assert World("clock.max-offset=1h").check(3000.0, 3000.0, 3000.0) is ClockState.GOOD


def test_a_falseticker_is_logged_once() -> None:
    here = World()
    here.check(0.0, 0.0, 40.0)
    here.check()
    assert here.events().count("clock-falseticker") == 1
    standings = [server["standing"] for server in here.keeper.document()["servers"]]
    assert standings == ["good", "good", "falseticker"]


def test_when_nobody_answers_the_last_word_stands_for_a_while() -> None:
    here = World("clock.interval=100s")
    here.check(3600.0, 3600.0, 3600.0)
    here.kernel = Kernel(True, 0.1)
    assert here.check(None, None, None, after=100.0) is ClockState.WRONG
    assert here.check(after=100.0 * STANDS) is ClockState.GOOD, "then the kernel's counts"
    here.kernel = Kernel(False, 16.0)
    assert here.check(after=100.0) is ClockState.UNVERIFIED
    assert here.keeper.metrics()["clock_synchronised"] == [((), 0.0)]
    assert not here.keeper.finding, "that nobody can say is told, but is no reason not to serve"


def test_servers_that_disagree_leave_it_open() -> None:
    here = World()
    here.check()
    assert here.check(0.0, 50.0, 100.0) is ClockState.UNVERIFIED
    assert here.told[-1] == ("", False)


def test_without_servers_the_kernel_decides() -> None:
    here = World("clock.ntp-servers=[]")
    assert here.check() is ClockState.GOOD
    assert here.asked == 0
    here.kernel = None
    assert here.check() is ClockState.UNVERIFIED
    assert here.keeper.document()["kernel"] is None
    assert here.keeper.metrics()["clock_synchronised"] == []


@pytest.mark.parametrize("step", [30.0, -30.0])
def test_a_clock_that_is_set_is_checked_at_once(step: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resolver.daemon.watch.clock_keeper.TICK_S", 0.001)
    here = World("clock.interval=1h")

    async def main() -> None:
        task = asyncio.create_task(here.keeper.run())
        async with asyncio.timeout(10):
            while here.asked < 1:
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            assert here.asked == 1
            here.now = Now(here.now.wall + step, here.now.mono + 0.01)
            while here.asked < 2:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert "clock-stepped" in here.events()


def test_another_configuration_is_gone_by_at_once() -> None:
    here = World("clock.interval=1h")

    async def main() -> None:
        task = asyncio.create_task(here.keeper.run())
        async with asyncio.timeout(10):
            while here.asked < 1:
                await asyncio.sleep(0)
            here.offsets = [7200.0]
            here.keeper.configure(load(None, ('clock.ntp-servers=["192.0.2.9"]',)))
            while here.asked < 2:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert here.keeper.judgement.state is ClockState.WRONG
