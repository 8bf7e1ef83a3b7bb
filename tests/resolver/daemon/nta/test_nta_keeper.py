"""The keeper with a scripted zone, a scripted clock and a real database."""

import asyncio
from collections.abc import Iterable

import pytest
import structlog
from structlog.testing import CapturingLogger

from resolver.daemon.nta.keeper import NtaKeeper, parse_failing
from resolver.state.database import Database, StateError
from resolver.state.nta_store import NtaStore
from trust.nta import Event, Request, Round, ServerCheck, State
from trust.nta_rules import ROUNDS, Evidence, Obstacle, RefusedError, Rules, Seen
from trust.vocabulary import Now, Question
from wire import types as t
from wire.text import name_from_text, name_to_text

NAME = name_from_text("example.jp")
BROKEN = Evidence(Seen.BROKEN, "bogus", "", "{}")
SECURE = Evidence(Seen.VALIDATES, "secure", "", "{}")
REQUEST = Request(NAME, "hanako", "expired", lifetime_s=600.0)


class World:
    """Clock, zone and workers."""

    def __init__(self, directory) -> None:
        self.wall, self.mono = 1_800_000_000.0, 1000.0
        self.evidence = BROKEN
        self.rounds: list[tuple[bool, ...]] = []
        self.looks: list[Question] = []
        self.published: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.log = CapturingLogger()
        self.database = Database(directory, structlog.get_logger(), self.wall)
        self.store = NtaStore(self.database)

    def now(self) -> Now:
        return Now(self.wall, self.mono)

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.mono += seconds

    async def examine(self, name, failing) -> Evidence:
        self.looks.append(failing)
        await self.gate.wait()
        return self.evidence

    async def round(self, name, failing) -> Round:
        self.looks.append(failing)
        await self.gate.wait()
        servers = self.rounds.pop(0) if self.rounds else (False,)
        checks = [ServerCheck(f"192.0.2.{n}", "ns", ok, "" if ok else "expired") for n, ok in enumerate(servers)]
        return Round(self.wall, name, tuple(checks))

    async def publish(self, ntas) -> int:
        self.published.append([name_to_text(nta.name) for nta in ntas])
        return 1

    def keeper(self, rules: Rules | None = None, recheck_s: float = 60.0) -> NtaKeeper:
        rules = rules or Rules(require_approval=False)
        return NtaKeeper(self.store, rules, recheck_s, self, self.publish, self.log, self.now)

    def events(self) -> list[str]:
        return [call.args[0] for call in self.log.calls]


async def until(condition) -> None:
    """Let the loop run until the condition holds; a hang is ended by the caller's time-out."""
    while not condition():
        await asyncio.sleep(0)


def play(directory, story, **options) -> World:
    """Run a story with a started keeper."""

    async def main() -> World:
        world = World(directory)
        keeper = world.keeper(**options)
        await keeper.start()
        try:
            async with asyncio.timeout(30):
                await story(world, keeper)
        finally:
            await keeper.close()
            assert world.store.verify() == []
            world.database.close()
        return world

    return asyncio.run(main())


def wake(keeper: NtaKeeper) -> None:
    """What the sleeping task's timer does: the scripted clock has none."""
    keeper._wake.set()


def states(world: World) -> list[State]:
    return [record.state for record in world.store.records()]


def test_added_is_published_before_it_is_acknowledged(tmp_path):
    async def story(world, keeper):
        record = await keeper.begin(REQUEST, Event.ADD, "root")
        assert record.state is State.ACTIVE
        assert world.published == [[], ["example.jp"]]
        assert world.store.history()[0]["peer"] == "root"
        assert world.looks == [Question(NAME, t.A)]
        await keeper.remove(record.number, "taro", "mended")
        assert world.published[-1] == []
        assert not keeper.watches

    play(tmp_path, story)


def test_proposed_is_not_published_until_somebody_else_approves(tmp_path):
    async def story(world, keeper):
        record = await keeper.begin(REQUEST, Event.PROPOSE)
        assert world.published == [[]]
        with pytest.raises(RefusedError) as caught:
            await keeper.approve(record.number, "hanako")
        assert caught.value.obstacle is Obstacle.SAME_PERSON
        assert len(world.looks) == 1  # it was not even looked at
        await keeper.approve(record.number, "taro")
        assert world.published[-1] == ["example.jp"]
        other = await keeper.begin(Request(name_from_text("other.jp"), "taro", "x"), Event.PROPOSE)
        await keeper.reject(other.number, "hanako", "attack")
        assert world.published[-1] == ["example.jp"]

    play(tmp_path, story, rules=Rules())


def test_refusals_leave_no_trace(tmp_path):
    async def story(world, keeper):
        world.evidence = SECURE
        for request, obstacle in (
            (REQUEST, Obstacle.VALIDATES),
            (Request(b"\0", "a", "b"), Obstacle.ROOT),
            (Request(NAME, "a", "b", lifetime_s=1e9), Obstacle.LIFETIME),
            (Request(NAME, "a", "b", failing="other.example"), Obstacle.TEXT),
            (Request(NAME, "a", "b", failing="x..y"), Obstacle.TEXT),
            (Request(NAME, "a", "b", failing="www.example.jp/NOTYPE"), Obstacle.TEXT),
        ):
            with pytest.raises(RefusedError) as caught:
                await keeper.begin(request, Event.ADD)
            assert caught.value.obstacle is obstacle
        with pytest.raises(RefusedError) as caught:
            await keeper.remove(77, "a", "")
        assert caught.value.obstacle is Obstacle.UNKNOWN
        assert world.store.history() == []
        assert world.published == [[]]

    play(tmp_path, story)


def test_two_at_once_for_one_name(tmp_path):
    async def story(world, keeper):
        world.gate.clear()
        both = [asyncio.ensure_future(keeper.begin(REQUEST, Event.ADD)) for _ in range(2)]
        await until(lambda: len(world.looks) == 2)
        world.gate.set()
        results = await asyncio.gather(*both, return_exceptions=True)
        refused = [result for result in results if isinstance(result, RefusedError)]
        assert [error.obstacle for error in refused] == [Obstacle.EXISTS]
        assert states(world) == [State.ACTIVE]

    play(tmp_path, story)


def test_removing_does_not_wait_for_a_look(tmp_path):
    async def story(world, keeper):
        record = await keeper.begin(REQUEST, Event.ADD)
        world.gate.clear()
        extension = asyncio.ensure_future(keeper.extend(record.number, "taro", 900.0, "more"))
        await until(lambda: len(world.looks) == 2)
        await keeper.remove(record.number, "taro", "")
        world.gate.set()
        with pytest.raises(RefusedError) as caught:
            await extension
        assert caught.value.obstacle is Obstacle.STATE

    play(tmp_path, story)


# --- expiry -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clocks", ["both", "wall jumps forward", "wall set back"])
def test_it_expires_by_either_clock(tmp_path, clocks):
    async def story(world, keeper):
        await keeper.begin(REQUEST, Event.ADD)
        world.pass_(599)
        wake(keeper)
        for _ in range(20):
            await asyncio.sleep(0)
        assert states(world) == [State.ACTIVE]
        if clocks != "wall set back":
            world.wall += 1
        else:
            world.wall -= 365 * 86400
        if clocks != "wall jumps forward":
            world.mono += 1
        wake(keeper)
        await until(lambda: states(world) == [State.EXPIRED])
        assert world.published[-1] == []
        assert world.store.history()[-1]["who"] == "akashi"

    play(tmp_path, story)


def test_extension_counts_for_both_clocks(tmp_path):
    async def story(world, keeper):
        record = await keeper.begin(REQUEST, Event.ADD)
        world.pass_(500)
        extended = await keeper.extend(record.number, "taro", 600.0, "still broken")
        assert extended.expires_wall == world.wall + 600
        world.pass_(599)
        wake(keeper)
        for _ in range(20):
            await asyncio.sleep(0)
        assert states(world) == [State.ACTIVE]
        world.pass_(1)
        wake(keeper)
        await until(lambda: states(world) == [State.EXPIRED])

    play(tmp_path, story)


def test_it_expires_even_if_that_cannot_be_written(tmp_path, monkeypatch):
    async def story(world, keeper):
        await keeper.begin(REQUEST, Event.ADD)
        with monkeypatch.context() as patch:

            def full(*_):
                raise StateError("disk full", "make room")

            patch.setattr(world.store, "apply", full)
            world.pass_(600)
            wake(keeper)
            await until(lambda: world.published[-1] == [])
            assert "nta-not-written" in world.events()
            assert states(world) == [State.ACTIVE]
        wake(keeper)
        await until(lambda: states(world) == [State.EXPIRED])

    play(tmp_path, story)


def test_what_cannot_be_written_is_not_put_in_force(tmp_path, monkeypatch):
    async def story(world, keeper):
        def full(*_):
            raise StateError("disk full", "make room")

        with monkeypatch.context() as patch:
            patch.setattr(world.store, "apply", full)
            with pytest.raises(StateError):
                await keeper.begin(REQUEST, Event.ADD)
        assert world.published == [[]]
        assert keeper.open_records == []
        await keeper.begin(REQUEST, Event.ADD)

    play(tmp_path, story)


# --- rounds -------------------------------------------------------------------------------------------------------------


async def run_rounds(world: World, keeper: NtaKeeper, rounds: Iterable[tuple[bool, ...]]) -> None:
    """One round after the other, each when it is due."""
    for servers in rounds:
        world.rounds.append(servers)
        seen = len(world.looks)
        world.pass_(60)
        wake(keeper)
        await until(lambda seen=seen: len(world.looks) > seen)
        await until(lambda: all(watch.task is None for watch in keeper.watches.values()))


def test_it_retires_itself_after_good_rounds_in_a_row(tmp_path):
    async def story(world, keeper):
        await keeper.begin(REQUEST, Event.ADD)
        await run_rounds(world, keeper, [(True, True), (True, True), (True, False), (), (True,), (True, True)])
        assert states(world) == [State.ACTIVE]
        (watch,) = keeper.watches.values()
        assert watch.good == 2
        await run_rounds(world, keeper, [(True, True)])
        await until(lambda: states(world) == [State.RETIRED])
        await until(lambda: world.published[-1] == [])
        last = world.store.history()[-1]
        assert (last["what"], last["who"], last["before"], last["after"]) == ("retire", "akashi", "active", "retired")
        assert f"{ROUNDS} rounds in a row" in last["details"]["reason"]

    play(tmp_path, story)


def test_no_round_before_its_time_and_one_at_a_time(tmp_path):
    async def story(world, keeper):
        await keeper.begin(REQUEST, Event.ADD)
        looks = len(world.looks)
        world.pass_(59)
        wake(keeper)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(world.looks) == looks
        world.gate.clear()
        world.pass_(1)
        wake(keeper)
        await until(lambda: len(world.looks) == looks + 1)
        world.pass_(120)
        wake(keeper)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(world.looks) == looks + 1
        world.gate.set()

    play(tmp_path, story)


def test_a_probe_that_fails_is_no_good_round_and_the_watch_goes_on(tmp_path, monkeypatch):
    async def story(world, keeper):
        await keeper.begin(REQUEST, Event.ADD)
        await run_rounds(world, keeper, [(True,), (True,)])

        async def broken(*_):
            world.looks.append(None)
            raise OSError("no descriptors")

        with monkeypatch.context() as patch:
            patch.setattr(world, "round", broken)
            await run_rounds(world, keeper, [()])
        (watch,) = keeper.watches.values()
        assert watch.good == 0
        assert "internal-error" in world.events()
        world.rounds.clear()
        await run_rounds(world, keeper, [(True,)] * 3)
        await until(lambda: states(world) == [State.RETIRED])

    play(tmp_path, story)


def test_removed_while_a_round_runs(tmp_path):
    async def story(world, keeper):
        record = await keeper.begin(REQUEST, Event.ADD)
        world.gate.clear()
        looks = len(world.looks)
        world.pass_(60)
        wake(keeper)
        await until(lambda: len(world.looks) > looks)
        await keeper.remove(record.number, "taro", "")
        world.gate.set()
        for _ in range(20):
            await asyncio.sleep(0)
        assert states(world) == [State.REMOVED]

    play(tmp_path, story)


# --- restart ------------------------------------------------------------------------------------------------------------


def test_after_a_restart(tmp_path):
    """Active ones are in force again, what expired meanwhile is not, good rounds count from the beginning."""

    async def before() -> World:
        world = World(tmp_path)
        keeper = world.keeper()
        await keeper.start()
        for name, lifetime in (("short.jp", 60.0), ("long.jp", 6000.0)):
            await keeper.begin(Request(name_from_text(name), "a", "b", lifetime_s=lifetime), Event.ADD)
        await keeper.begin(Request(name_from_text("maybe.jp"), "a", "b"), Event.PROPOSE)
        await keeper.close()
        world.database.close()
        return world

    async def after(old: World) -> None:
        world = World(tmp_path)
        world.wall, world.mono = old.wall + 100, 5.0
        keeper = world.keeper()
        await keeper.start()
        try:
            assert world.published == [["long.jp"]]
            assert states(world) == [State.EXPIRED, State.ACTIVE, State.PROPOSED]
            (watch,) = keeper.watches.values()
            assert watch.good == 0
            assert watch.deadline == 5.0 + 5900
            assert world.store.verify() == []
        finally:
            await keeper.close()
            world.database.close()

    async def years_back(old: World) -> None:
        """A clock set back cannot give an NTA more than its lifetime."""
        world = World(tmp_path)
        world.wall, world.mono = old.wall - 1e8, 5.0
        keeper = world.keeper()
        await keeper.start()
        (watch,) = keeper.watches.values()
        assert watch.deadline == 5.0 + 6000
        await keeper.close()
        world.database.close()

    old = asyncio.run(before())
    asyncio.run(after(old))
    asyncio.run(years_back(old))


def test_what_was_put_into_the_database_by_hand_is_not_in_force(tmp_path):
    async def story(world, keeper):
        await keeper.begin(REQUEST, Event.ADD)

    async def again() -> None:
        world = World(tmp_path)
        execute = world.database.connection.execute
        (text,) = execute("SELECT record FROM nta").fetchone()
        execute("INSERT INTO nta VALUES (2, 'victim.jp', 'active', ?)", (text.replace("example.jp", "victim.jp"),))
        keeper = world.keeper()
        await keeper.start()
        assert world.published == [["example.jp"]]
        assert "nta-not-trusted" in world.events()
        assert "nta-audit-broken" in world.events()
        await keeper.close()
        world.database.close()

    play(tmp_path, story)
    asyncio.run(again())


def test_the_head_of_the_trail_is_in_the_log(tmp_path):
    async def story(world, keeper):
        await keeper.begin(REQUEST, Event.ADD)
        heads = [call.kwargs["audit_head"] for call in world.log.calls if call.args[0] == "nta-add"]
        assert heads == [str(world.store.head())]

    play(tmp_path, story)


def test_a_reload_brings_rounds_forward(tmp_path):
    async def story(world, keeper):
        await keeper.begin(REQUEST, Event.ADD)
        keeper.configure(Rules(max_lifetime_s=60, default_lifetime_s=60), 10.0)
        (watch,) = keeper.watches.values()
        assert watch.next_round == world.mono + 10
        with pytest.raises(RefusedError) as caught:
            await keeper.extend(1, "taro", 100.0, "more")
        assert caught.value.obstacle is Obstacle.LIFETIME

    play(tmp_path, story)


def test_failing_questions():
    assert parse_failing("", NAME) == Question(NAME, t.A)
    assert parse_failing("www.Example.jp", NAME) == Question(name_from_text("www.example.jp"), t.A)
    assert parse_failing("www.example.jp/mx", NAME) == Question(name_from_text("www.example.jp"), t.MX)
    assert parse_failing("/TXT", NAME) == Question(NAME, t.TXT)
