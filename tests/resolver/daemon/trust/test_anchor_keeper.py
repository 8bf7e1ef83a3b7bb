"""The schedule of the trust anchors: what is due when, in which order things happen, and what is told to whom."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.daemon.trust.anchor_book import NoTrustPointError
from resolver.daemon.trust.anchor_keeper import Fetched
from tests.resolver.daemon.anchors import World, point, run, states, trusted
from tests.trust.rollover import ZONE, key, revoked
from tests.trust.zones import DAY
from trust.rfc5011 import State, Timers
from wire.name import ROOT
from wire.text import name_to_text

A, B = key(0), key(1)
HOUR = 3600.0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def test_first_refresh_is_due_at_once_and_then_by_the_rfc(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    assert keeper.next_due() <= world.wall
    world.zone([A], [A])
    run(keeper.refresh())
    assert keeper.next_due() == world.wall + HOUR  # half of a TTL of two hours
    world.answers.clear()
    world.wall += HOUR
    run(keeper.refresh())
    assert keeper.next_due() == world.wall + HOUR and keeper.book.points[ZONE].error == "timed out"
    (line,) = world.log.of("trust-refresh-failed")
    assert line["problem"] == "timed out" and line["failures"] == 1


def test_a_schedule_in_the_far_future_is_a_clock_set_back(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    world.wall += 400 * DAY
    world.zone([A], [A])
    run(keeper.refresh())
    world.wall -= 400 * DAY
    assert keeper.next_due() <= world.wall


def test_written_before_published_published_before_told(world: World) -> None:
    keeper = world.keeper(point(A, B))
    keeper.open()
    store = keeper.book._store
    assert store is not None
    save = store.save

    def noted(*arguments: object, **more: object) -> None:
        save(*arguments, **more)  # type: ignore[arg-type]
        world.order.append(("saved", None))

    store.save = noted  # type: ignore[method-assign]
    world.zone([revoked(A), B], [revoked(A), B])
    world.order.clear()
    run(keeper.refresh())
    steps = [what for what, _ in world.order if what != "log"]
    assert steps == ["fetch", "saved", "publish"]
    assert trusted(world.published[-1][0]) == {B.rdata}


def test_nothing_is_published_when_nothing_changed(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    world.zone([A, B], [A])  # pending: not trusted
    run(keeper.refresh())
    run(keeper.refresh())
    assert states(keeper)[B.tag] is State.ADD_PEND and not world.published


def test_a_digest_that_becomes_its_key_is_published(world: World) -> None:
    keeper = world.keeper(point(A.ds(ZONE)))
    points, _ = keeper.open()
    assert trusted(points) == {A.ds(ZONE)}
    world.zone([A], [A])
    run(keeper.refresh())
    assert trusted(world.published[-1][0]) == {A.rdata}


def test_one_zone_or_all(world: World) -> None:
    keeper = world.keeper(point(A), point(B, name=ROOT))
    keeper.open()
    world.zone([A], [A])
    world.zone([B], [B], ROOT)
    assert [outcome.zone for outcome in run(keeper.refresh([ROOT]))] == [ROOT] and world.fetched == [ROOT]
    assert all(outcome.ok for outcome in run(keeper.refresh())) and len(world.fetched) == 3
    with pytest.raises(NoTrustPointError):
        run(keeper.refresh([b"\x02jp\0"]))


def test_a_bug_in_fetching_does_not_end_the_schedule(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()

    async def broken(name: bytes) -> Fetched:
        raise KeyError(name)

    keeper._fetch = broken
    (outcome,) = run(keeper.refresh())
    assert not outcome.ok and world.log.of("internal-error") and keeper.book.points[ZONE].failures == 1


def test_a_zone_forgotten_while_it_is_asked_for(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    keeper.book.import_anchors([point(B, name=ROOT)])
    world.zone([B], [B], ROOT)
    fetch = keeper._fetch

    async def forgetful(name: bytes) -> Fetched:
        keeper.book.forget(name)
        return await fetch(name)

    keeper._fetch = forgetful
    (outcome,) = run(keeper.refresh([ROOT]))
    assert not outcome.ok and outcome.text == "no trust point any more" and ROOT not in keeper.book.points


# --- RFC 8145 ------------------------------------------------------------------------------------------------------------


def test_signals_go_with_refreshes(world: World) -> None:
    keeper = world.keeper(point(A), point(B.ds(ROOT), name=ROOT), signal=True)
    keeper.open()
    world.zone([A], [A])
    run(keeper.refresh([ZONE]))
    assert [name_to_text(name) for name in world.signalled] == [f"_ta-{A.tag:04x}.example.jp"]
    run(keeper.refresh([ROOT]))  # in vain: then nothing is told either
    assert len(world.signalled) == 1 and keeper.book.counts.signalled == 1


def test_what_is_signalled_is_what_is_trusted_afterwards(world: World) -> None:
    keeper = world.keeper(point(A, B), signal=True)
    keeper.open()
    world.zone([revoked(A), B], [revoked(A), B])
    run(keeper.refresh())
    assert [name_to_text(name) for name in world.signalled] == [f"_ta-{B.tag:04x}.example.jp"]


def test_off(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    world.zone([A], [A])
    run(keeper.refresh())
    assert not world.signalled


def test_a_bug_in_signalling_is_told(world: World) -> None:
    keeper = world.keeper(point(A), signal=True)
    keeper.open()

    async def broken(name: bytes) -> None:
        raise OSError

    keeper.signal = broken
    world.zone([A], [A])
    assert run(keeper.refresh())[0].ok
    assert world.log.of("internal-error") and keeper.book.counts.signalled == 0


# --- run -----------------------------------------------------------------------------------------------------------------


async def until(condition, limit_s: float = 10.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)


def test_runs_what_is_due_and_wakes_for_changes(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    world.zone([A], [A])

    async def scenario() -> None:
        task = asyncio.get_running_loop().create_task(keeper.run())
        try:
            await until(lambda: len(world.fetched) == 1)
            assert keeper.next_due() == world.wall + HOUR
            # An import is looked at at once, although nothing else is due.
            keeper.book.import_anchors([point(B, name=ROOT)])
            keeper.changed()
            await until(lambda: world.fetched[1:] == [ROOT])
            world.wall += HOUR
            keeper._wake.set()
            await until(lambda: len(world.fetched) >= 4)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert sorted(world.fetched[2:4]) == [ROOT, ZONE]


def test_refreshes_again_and_again_with_short_timers(world: World) -> None:
    keeper = world.keeper(point(A), timers=Timers(shortest_s=0.01, longest_refresh_s=0.01))
    keeper.open()
    world.zone([A], [A])
    ticks = iter(range(10_000))
    start = world.wall
    keeper.book.now = lambda: start + next(ticks) * 0.004

    async def scenario() -> None:
        task = asyncio.get_running_loop().create_task(keeper.run())
        await until(lambda: len(world.fetched) >= 5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_signals_daily_where_nothing_is_followed(world: World) -> None:
    keeper = world.keeper(point(A), follow=False, signal=True)
    keeper.open()

    async def scenario() -> None:
        task = asyncio.get_running_loop().create_task(keeper.run())
        try:
            await until(lambda: len(world.signalled) == 1)
            assert keeper.next_due() == world.wall + DAY
            world.wall += DAY
            keeper._wake.set()
            await until(lambda: len(world.signalled) == 2)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert not world.fetched


def test_nothing_is_ever_due_when_all_is_off(world: World) -> None:
    keeper = world.keeper(point(A), follow=False)
    keeper.open()
    assert keeper.next_due() == float("inf")
