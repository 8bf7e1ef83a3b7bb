"""The start of the trust anchors, case by case; what cannot be written; the operator's commands.

Each case has one outcome, one line in the log, and never less validation than before.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from resolver.daemon.metrics.table import METRICS
from resolver.daemon.trust.anchor_book import NoTrustPointError
from resolver.daemon.trust.anchor_keeper import AnchorKeeper
from resolver.daemon.trust.metrics import trust_samples
from resolver.state.database import FILE, Opened, StateError
from tests.resolver.daemon.anchors import World, point, run, states, trusted
from tests.trust.rollover import ZONE, key, revoked
from tests.trust.zones import DAY, NOW
from trust.policy import Policy
from trust.rfc5011 import State, Timers
from wire.name import ROOT

A, B, C, D = (key(index) for index in range(4))
V, P, M, R = State.VALID, State.ADD_PEND, State.MISSING, State.REVOKED


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


async def follow(world: World, keeper: AnchorKeeper, days: int, step: int = 5) -> None:
    """Refresh every few days; the zone signs anew each time."""
    rrset = world.answers[ZONE].rrset
    assert rrset is not None
    present = [pair for pair in (A, B, C, D) if pair.rdata in rrset.rdatas]
    for _ in range(0, days, step):
        world.days(step)
        world.zone(present, [present[0]])
        await keeper.refresh()


# --- the start -----------------------------------------------------------------------------------------------------------


class TestStart:
    async def run_in(self, world: World, directory: Path) -> AnchorKeeper:
        """A keeper that learnt B and has C pending, closed."""
        keeper = world.keeper(point(A))
        keeper.open()
        world.zone([A, B], [A])
        await keeper.refresh()
        await follow(world, keeper, 30)
        world.zone([A, B, C], [A])
        await keeper.refresh()
        assert states(keeper) == {A.tag: V, B.tag: V, C.tag: P}
        return keeper

    def test_first(self, world: World) -> None:
        points, gone = world.keeper(point(A, B.ds(ZONE))).open()
        assert trusted(points) == {A.rdata, B.ds(ZONE)} and not gone
        assert world.log.of("trust-point") == [
            {"zone": "example.jp", "keys": [f"{A.tag} Valid", f"{B.tag} Valid"], "state": "new"}
        ]
        assert not world.log.of("trust-anchor"), "the configuration's anchors are no news"

    def test_again(self, world: World, tmp_path: Path) -> None:
        run(self.run_in(world, tmp_path))
        world.reopen(tmp_path)
        world.log.clear()
        keeper = world.keeper(point(A))
        points, _ = keeper.open()
        assert trusted(points) == {A.rdata, B.rdata} and states(keeper)[C.tag] is P
        assert [event for _, event, _ in world.log.lines] == ["trust-point"]
        assert world.log.of("trust-point")[0]["state"] == "intact"

    def test_stale_state(self, world: World, tmp_path: Path) -> None:
        """Switched off for half a year: what is trusted stays so, what is pending begins anew."""
        run(self.run_in(world, tmp_path))
        world.reopen(tmp_path)
        world.days(180)
        world.log.clear()
        keeper = world.keeper(point(A))
        points, _ = keeper.open()
        assert trusted(points) == {A.rdata, B.rdata}
        (line,) = world.log.of("trust-state-stale")
        assert world.log.level("trust-state-stale") == "warning" and "anew" in str(line["outcome"])
        assert keeper.due(ZONE) <= world.wall, "it is looked at at once"
        world.zone([A, B, C], [A])
        run(keeper.refresh())
        assert states(keeper) == {A.tag: V, B.tag: V, C.tag: P}
        run(follow(world, keeper, 30))
        assert states(keeper)[C.tag] is V

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_state_cut(self, world: World, tmp_path: Path, share: float) -> None:
        run(self.run_in(world, tmp_path))
        world.close()
        file = tmp_path / FILE
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * share)])
        world.log.clear()
        world.reopen(tmp_path)
        assert world.database is not None and world.database.opened is Opened.REBUILT
        keeper = world.keeper(point(A))
        points, _ = keeper.open()
        assert trusted(points) == {A.rdata}, "the configuration's anchors: neither nothing, nor what cannot be relied on"
        assert world.log.level("state-file-damaged") == "error"
        assert world.log.of("trust-point")[0]["state"] == "rebuilt"
        # What was learnt is learnt again.
        world.zone([A, B], [A])
        run(keeper.refresh())
        assert states(keeper) == {A.tag: V, B.tag: P}

    def test_state_that_makes_no_sense(self, world: World, tmp_path: Path) -> None:
        run(self.run_in(world, tmp_path))
        world.close()
        edited = sqlite3.connect(tmp_path / FILE)
        edited.execute("UPDATE trust_key SET state = 'Trusted' WHERE state = 'AddPend'")
        edited.commit()
        edited.close()
        world.log.clear()
        world.reopen(tmp_path)
        keeper = world.keeper(point(A))
        points, _ = keeper.open()
        assert trusted(points) == {A.rdata}
        (line,) = world.log.of("state-file-damaged")
        assert "makes no sense" in str(line["problem"]) and Path(str(line["moved_to"])).exists()
        assert world.database is not None and world.database.opened is Opened.REBUILT

    @pytest.mark.parametrize("years", [-10, 10])
    def test_clock_years_off(self, world: World, tmp_path: Path, years: int) -> None:
        """Nothing is lost, nothing is gained, nothing is forgotten; when the clock is right again, all goes on."""
        run(self.run_in(world, tmp_path))
        right = world.wall
        world.reopen(tmp_path)
        world.wall = right + years * 365 * DAY
        world.log.clear()
        keeper = world.keeper(point(A))
        points, _ = keeper.open()
        assert trusted(points) == {A.rdata, B.rdata}
        if years < 0:
            (line,) = world.log.of("clock-behind-state")
            assert world.log.level("clock-behind-state") == "error" and "clock" in str(line["advice"])
        else:
            assert len(world.log.of("trust-state-stale")) == 1
        assert keeper.due(ZONE) <= world.wall
        world.zone([A, B, C], [A], at=right)  # the zone's clock is right
        (outcome,) = run(keeper.refresh())
        assert not outcome.ok and not outcome.changes
        (line,) = world.log.of("trust-refresh-failed")
        assert line["advice"] == "is the clock right?" and ("expired" if years > 0 else "not valid before") in str(
            line["problem"]
        )
        assert keeper.book.finding
        world.wall = right + 60
        world.zone([A, B, C], [A])
        (outcome,) = run(keeper.refresh())
        assert outcome.ok and states(keeper) == {A.tag: V, B.tag: V, C.tag: P} and not keeper.book.finding

    def test_anchor_that_no_longer_matches(self, world: World) -> None:
        keeper = world.keeper(point(A, B.ds(ZONE)))
        keeper.open()
        world.zone([C], [C])
        (outcome,) = run(keeper.refresh())
        assert not outcome.ok
        (line,) = world.log.of("trust-anchor-mismatch")
        assert world.log.level("trust-anchor-mismatch") == "error"
        assert line["trusted"] == sorted([A.tag, B.tag]) and line["published"] == [C.tag]
        assert line["server"] == "192.0.2.1" and "akashi trust import" in str(line["advice"])
        assert keeper.book.counts.mismatched == 1 and "matches a trust anchor" in keeper.book.finding
        # It is not given up: validation goes by it, and ends bogus (test_rfc5011_validation, tests/e2e/test_trust).
        assert trusted(keeper.book.in_force()[0]) == {A.rdata, B.ds(ZONE)} and not world.published

    def test_configured_anchors_changed(self, world: World, tmp_path: Path) -> None:
        run(self.run_in(world, tmp_path))
        world.reopen(tmp_path)
        world.log.clear()
        keeper = world.keeper(point(B, D))
        points, _ = keeper.open()
        assert trusted(points) == {B.rdata, D.rdata} and states(keeper)[C.tag] is P
        said = {(line["key"], line["before"], line["now"], line["by"]) for line in world.log.of("trust-anchor")}
        assert said == {(A.tag, "Valid", "Start", "operator"), (D.tag, "Start", "Valid", "operator")}

    def test_configuration_still_names_a_revoked_key(self, world: World, tmp_path: Path) -> None:
        run(self.run_in(world, tmp_path))
        keeper = world.keeper(point(A))
        keeper.open()
        world.zone([revoked(A), B], [revoked(A), B])
        run(keeper.refresh())
        world.reopen(tmp_path)
        world.log.clear()
        points, _ = world.keeper(point(A)).open()
        assert trusted(points) == {B.rdata}
        (line,) = world.log.of("trust-anchor-revoked")
        assert str(A.tag) in str(line["problem"])

    def test_no_directory(self) -> None:
        world = World(None)
        keeper = world.keeper(point(A))
        points, _ = keeper.open()
        assert trusted(points) == {A.rdata} and "no state directory" in keeper.book.finding
        world.zone([A, B], [A])
        run(keeper.refresh())
        run(follow(world, keeper, 30))
        assert states(keeper) == {A.tag: V, B.tag: V}, "followed in memory"

    @pytest.mark.parametrize("follow_it", [True, False])
    def test_unsupported_anchors_alone_are_told(self, world: World, follow_it: bool) -> None:
        """RFC 4035 §5.2: such a zone counts as unsigned. Not silently."""
        sha1 = A.ds(ZONE, 1)
        keeper = world.keeper(point(sha1), point(B, name=ROOT), follow=follow_it)
        points, _ = keeper.open()
        assert trusted(points) == {sha1}
        (line,) = world.log.of("trust-anchor-unsupported")
        assert line["zone"] == "example.jp" and world.log.level("trust-anchor-unsupported") == "error"
        assert "counts as unsigned" in keeper.book.finding and keeper.book.unsupported() == [ZONE]
        keeper.configure([point(sha1, A)], Policy(), follow=follow_it)
        assert not keeper.book.unsupported() and len(world.log.of("trust-anchor-unsupported")) == 1

    def test_not_followed(self, world: World) -> None:
        keeper = world.keeper(point(A), follow=False)
        points, _ = keeper.open()
        assert trusted(points) == {A.rdata} and not keeper.book.points and not keeper.book.finding
        assert [p.name for p in keeper.book.configured_states().values()] == [ZONE]


# --- what cannot be written ----------------------------------------------------------------------------------------------


class TestUnwritten:
    @pytest.fixture
    def keeper(self, world: World) -> AnchorKeeper:
        """A trusted, B due to become Valid at the next look."""
        keeper = world.keeper(point(A))
        keeper.open()
        world.zone([A, B], [A])
        run(keeper.refresh())
        run(follow(world, keeper, 25))
        world.days(6)
        return keeper

    def disk_full(self, world: World, full: bool = True) -> None:
        assert world.database is not None
        world.database.connection.execute(f"PRAGMA query_only = {int(full)}")

    def test_a_new_anchor_is_not_believed(self, world: World, keeper: AnchorKeeper) -> None:
        self.disk_full(world)
        world.zone([A, B], [A])
        (outcome,) = run(keeper.refresh())
        assert outcome.ok and not outcome.changes and states(keeper) == {A.tag: V, B.tag: P}
        assert not world.published and keeper.book.counts.unwritten == 1
        assert world.log.level("state-not-written") == "error" and "cannot be written" in keeper.book.finding
        assert keeper.due(ZONE) <= world.wall + 3600
        self.disk_full(world, full=False)
        (outcome,) = run(keeper.refresh())
        assert [move.new for move in outcome.changes] == [V] and not keeper.book.finding
        assert trusted(world.published[-1][0]) == {A.rdata, B.rdata}

    def test_a_revocation_counts_all_the_same(self, world: World, keeper: AnchorKeeper) -> None:
        world.zone([A, B], [A])
        run(keeper.refresh())
        self.disk_full(world)
        world.zone([revoked(A), B, C], [revoked(A), B])
        (outcome,) = run(keeper.refresh())
        assert [(move.key_tag, move.new) for move in outcome.changes] == [(A.tag, R)]
        assert states(keeper) == {B.tag: V, A.tag: R}
        assert trusted(world.published[-1][0]) == {B.rdata}
        self.disk_full(world, full=False)
        world.days(0.1)
        world.zone([revoked(A), B, C], [revoked(A), B])
        run(keeper.refresh())
        assert states(keeper) == {B.tag: V, A.tag: R, C.tag: P}

    def test_a_revocation_of_a_key_known_by_its_digest(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        world = World(tmp_path / "other")
        keeper = world.keeper(point(A.ds(ZONE), B.ds(ZONE)))
        keeper.open()
        self.disk_full(world)
        world.zone([revoked(A), B], [revoked(A), B])
        run(keeper.refresh())
        assert states(keeper) == {B.tag: V, A.tag: R}
        assert trusted(world.published[-1][0]) == {B.ds(ZONE)}
        world.close()

    def test_commands_change_nothing(self, world: World, keeper: AnchorKeeper) -> None:
        self.disk_full(world)
        before = dict(keeper.book.points)
        for command in (lambda: keeper.book.import_anchors([point(D)]), lambda: keeper.book.forget(ZONE)):
            with pytest.raises(StateError, match="cannot be written"):
                command()
        assert keeper.book.points == before

    def test_a_failed_refresh_is_counted_in_memory(self, world: World, keeper: AnchorKeeper) -> None:
        self.disk_full(world)
        world.answers.clear()
        run(keeper.refresh())
        assert keeper.book.points[ZONE].failures == 1 and keeper.book.points[ZONE].next_refresh > world.wall


# --- trust points above one another, deletion ----------------------------------------------------------------------------


def test_an_island_whose_keys_are_all_revoked_falls_to_the_trust_point_above(world: World) -> None:
    keeper = world.keeper(point(A), point(B, name=ROOT))
    keeper.open()
    world.zone([revoked(A)], [revoked(A)])
    run(keeper.refresh([ZONE]))
    points, gone = world.published[-1]
    assert [p.name for p in points] == [ROOT] and gone == [ZONE]


def test_the_last_trust_point_stays_and_matches_nothing(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    world.zone([revoked(A)], [revoked(A)])
    run(keeper.refresh())
    points, gone = world.published[-1]
    assert trusted(points) == {revoked(A).rdata} and not gone
    (line,) = world.log.of("trust-point-without-anchor")
    assert world.log.level("trust-point-without-anchor") == "error" and "import" in str(line["advice"])
    assert keeper.book.finding
    # The way out.
    keeper.book.import_anchors([point(B)])
    keeper.changed()
    assert trusted(world.published[-1][0]) == {B.rdata}
    world.zone([B], [B])
    run(keeper.refresh())
    assert not keeper.book.finding


# --- commands ------------------------------------------------------------------------------------------------------------


def test_import_and_forget(world: World, tmp_path: Path) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    moves = keeper.book.import_anchors([point(B), point(C, name=ROOT)], why="imported from file by hanako")
    assert {(move.zone, move.key_tag, move.why) for move in moves} == {
        (ZONE, B.tag, "imported from file by hanako"),
        (ROOT, C.tag, "imported from file by hanako"),
    }
    assert trusted(keeper.book.in_force()[0]) == {A.rdata, B.rdata} and keeper.book.history(1)[0].why.endswith("hanako")
    world.reopen(tmp_path)
    keeper = world.keeper(point(A))
    points, _ = keeper.open()
    assert trusted(points) == {A.rdata, B.rdata} and trusted(points, ROOT) == {C.rdata}, "imports outlive a restart"
    keeper.book.forget(ZONE)
    keeper.book.forget(ROOT)
    points, gone = keeper.book.in_force()
    assert [p.name for p in points] == [ZONE] and trusted(points) == {A.rdata} and not gone
    with pytest.raises(NoTrustPointError, match="is no trust point"):
        keeper.book.forget(ROOT)


def test_forget_also_forgets_revocations(world: World) -> None:
    keeper = world.keeper(point(A, B))
    keeper.open()
    world.zone([revoked(A), B], [revoked(A), B])
    run(keeper.refresh())
    assert states(keeper)[A.tag] is R
    keeper.book.forget(ZONE)
    assert states(keeper) == {A.tag: V, B.tag: V}


def test_commands_need_rfc5011(world: World) -> None:
    keeper = world.keeper(point(A), follow=False)
    keeper.open()
    for command in (lambda: keeper.book.import_anchors([point(B)]), lambda: keeper.book.forget(ZONE)):
        with pytest.raises(ValueError, match=r"trust\.rfc5011 is off"):
            command()
    with pytest.raises(ValueError, match=r"trust\.rfc5011 is off"):
        run(keeper.refresh())


# --- reload --------------------------------------------------------------------------------------------------------------


def test_reload_with_other_anchors_publishes_them(world: World) -> None:
    keeper = world.keeper(point(A), point(B, name=ROOT))
    keeper.open()
    keeper.configure([point(C, name=ROOT)], Policy(), timers=Timers(add_hold_down_s=1))
    points, gone = world.published[-1]
    assert [p.name for p in points] == [ROOT] and trusted(points, ROOT) == {C.rdata} and not gone
    assert keeper.book.timers.add_hold_down_s == 1
    keeper.configure([point(C, name=ROOT)], Policy())
    assert len(world.published) == 1, "nothing new, nothing published"


def test_reload_that_switches_rfc5011(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    world.zone([A, B], [A])
    run(keeper.refresh())
    run(follow(world, keeper, 30))
    assert trusted(keeper.book.in_force()[0]) == {A.rdata, B.rdata}
    keeper.configure([point(A)], Policy(), follow=False)
    assert trusted(world.published[-1][0]) == {A.rdata}
    keeper.configure([point(A)], Policy(), follow=True)
    assert trusted(world.published[-1][0]) == {A.rdata, B.rdata}, "what was learnt is not forgotten"


# --- log -----------------------------------------------------------------------------------------------------------------


def test_each_transition_is_a_line(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    world.zone([A, B], [A])
    run(keeper.refresh())
    world.zone([A], [A])
    run(keeper.refresh())
    lines = world.log.of("trust-anchor")
    assert [(line["key"], line["before"], line["now"], line["by"]) for line in lines] == [
        (B.tag, "Start", "AddPend", "NewKey"),
        (B.tag, "AddPend", "Start", "KeyRem"),
    ]
    assert keeper.book.counts.transitions[P] == 1
    assert [move.new for move in keeper.book.history()] == [State.START, P, V]


def test_ignored_keys_are_told_once(world: World) -> None:
    keeper = world.keeper(point(A))
    keeper.open()
    world.zone([A, B.altered(algorithm=253)], [A])
    for _ in range(3):
        run(keeper.refresh())
    assert len(world.log.of("trust-key-ignored")) == 1


def test_metrics(world: World) -> None:
    keeper = world.keeper(point(A, C.ds(ZONE)))
    keeper.open()
    world.zone([A, B], [A])
    run(keeper.refresh())
    world.days(10)
    world.answers.clear()
    run(keeper.refresh())
    world.zone([D], [D])
    run(keeper.refresh())
    samples = trust_samples(keeper.book)
    assert set(samples["trust_anchor_state"]) == {
        (("example.jp", str(A.tag), "Valid"), 1),
        (("example.jp", str(B.tag), "AddPend"), 1),
        (("example.jp", str(C.tag), "Missing"), 1),
    }
    assert samples["trust_anchor_hold_down_seconds"] == [(("example.jp", str(B.tag)), 20.0 * DAY)]
    assert samples["trust_anchor_last_success_timestamp_seconds"] == [(("example.jp",), float(NOW))]
    assert dict(samples["trust_anchor_refreshes"]) == {("ok",): 1, ("failed",): 1, ("mismatch",): 1}
    assert dict(samples["trust_anchor_transitions"])[("AddPend",)] == 1
    declared = {metric.name for metric in METRICS}
    assert set(samples) <= declared, "a sample without a metric would be lost"
