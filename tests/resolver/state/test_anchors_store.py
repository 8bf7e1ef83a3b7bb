"""Trust points on disk: what is saved is loaded, whole; what makes no sense is not believed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolver.state.anchors_store import LOG_KEPT, AnchorsStore
from resolver.state.database import DamageError, Database
from tests.trust.rollover import ZONE, Follower, key, revoked
from trust.rfc5011 import Event, KeyState, Origin, PointState, State, Transition
from wire.name import ROOT

NOW = 1_800_000_000.0
A, B, C = key(0), key(1), key(2)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path, structlog.get_logger(), NOW)
    yield opened
    opened.close()


def rolled() -> Follower:
    """A was configured and is revoked, B learnt, C pending, another known by a digest."""
    follow = Follower(A, key(5).ds(ZONE))
    for day in range(0, 35, 5):
        follow.look([A, B], [A], day)
    follow.look([revoked(A), B, C], [revoked(A), B], 36)
    return follow


def test_saved_and_loaded(database: Database) -> None:
    follow = rolled()
    root = PointState(ROOT, (KeyState(State.VALID, NOW, ds=(A.ds(ROOT), A.ds(ROOT, 4)), origin=Origin.IMPORTED),))
    store = AnchorsStore(database)
    store.save([follow.point, root], follow.transitions)
    assert store.load() == {ZONE: follow.point, ROOT: root}
    assert AnchorsStore(database).load() == store.load()
    assert store.history(1000) == list(reversed(follow.transitions))
    assert store.history(2) == list(reversed(follow.transitions))[:2]


def test_saved_anew_and_gone(database: Database) -> None:
    follow = rolled()
    store = AnchorsStore(database)
    store.save([follow.point])
    follow.look([B], [B], 37)
    store.save([follow.point])
    assert store.load() == {ZONE: follow.point}
    store.save([], gone=[ZONE])
    assert store.load() == {}
    assert database.connection.execute("SELECT count(*) FROM trust_key").fetchone()[0] == 0


def test_nothing_of_a_save_that_fails(database: Database) -> None:
    follow = rolled()
    store = AnchorsStore(database)
    store.save([follow.point])
    broken = Transition(ZONE, 1, 15, State.START, State.VALID, None, NOW, None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        store.save([PointState(ROOT, follow.point.keys)], [broken])
    assert store.load() == {ZONE: follow.point} and store.history() == []


def test_the_log_is_bounded(database: Database) -> None:
    store = AnchorsStore(database)
    for block in range(3):
        moves = [
            Transition(ZONE, i, 15, State.START, State.ADD_PEND, Event.NEW_KEY, NOW + block * 1000 + i, "x")
            for i in range(1000)
        ]
        store.save([], moves)
    assert len(store.history(10_000)) == LOG_KEPT
    assert store.history(1)[0].at == NOW + 2999


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE trust_key SET state = 'Trusted'",
        "UPDATE trust_key SET state = 'Start'",
        "UPDATE trust_key SET origin = 'thin air'",
        "UPDATE trust_key SET ds = '{}'",
        "UPDATE trust_key SET ds = '[1]'",
        "UPDATE trust_key SET ds = '[\"xyz\"]'",
        "UPDATE trust_key SET ds = '[\"00\"]'",
        "UPDATE trust_key SET ds = 'nonsense'",
        "UPDATE trust_key SET dnskey = x'', ds = '[]'",
        "UPDATE trust_key SET dnskey = x'0101'",
        "UPDATE trust_key SET dnskey = x'0181030f00' WHERE position = 0",
        "UPDATE trust_key SET dnskey = x'0101030f00'",
        "UPDATE trust_key SET validators = '[]' WHERE state = 'AddPend'",
        "UPDATE trust_key SET first_seen = NULL WHERE state = 'AddPend'",
        "UPDATE trust_key SET last_seen = NULL WHERE state = 'AddPend'",
        "UPDATE trust_point SET zone = 'a..b'",
        "UPDATE trust_point SET failures = -1",
        "DELETE FROM trust_key",
    ],
)
def test_what_makes_no_sense(database: Database, damage: str) -> None:
    follow = rolled()
    store = AnchorsStore(database)
    store.save([follow.point])
    database.connection.execute("PRAGMA foreign_keys = OFF")
    database.connection.execute(damage)
    with pytest.raises(DamageError):
        store.load()


def test_a_transition_that_makes_no_sense(database: Database) -> None:
    store = AnchorsStore(database)
    store.save([], rolled().transitions)
    database.connection.execute("UPDATE trust_transition SET event = 'Magic'")
    with pytest.raises(DamageError):
        store.history()


times = st.one_of(st.none(), st.floats(0, 4e9))
digests = st.lists(st.binary(min_size=4, max_size=40), max_size=3).map(tuple)
keys = st.builds(
    KeyState,
    state=st.sampled_from([State.VALID, State.MISSING, State.REVOKED, State.REMOVED]),
    since=st.floats(0, 4e9),
    dnskey=st.binary(min_size=4, max_size=80).map(lambda data: data[:1] + bytes((data[1] & 0x7F,)) + data[2:]),
    ds=digests,
    origin=st.sampled_from(Origin),
    first_seen=times,
    last_seen=times,
    hold_s=st.floats(0, 1e7),
    validators=digests,
)
points = st.builds(
    PointState,
    name=st.sampled_from([ROOT, ZONE, b"\x04a.b\\\x02jp\0", b"\x03\x00\xff \x00"]),
    keys=st.lists(keys, min_size=1, max_size=5, unique_by=lambda entry: entry.dnskey).map(tuple),
    last_success=times,
    last_attempt=times,
    next_refresh=st.floats(0, 4e9),
    original_ttl=st.integers(0, 2**31),
    expire_s=st.integers(0, 2**31),
    failures=st.integers(0, 1000),
    error=st.text(max_size=50).filter(lambda text: "\0" not in text and text.isprintable()),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(points, max_size=3, unique_by=lambda point: point.name))
def test_any_state_comes_back_as_it_was(database: Database, given_points: list[PointState]) -> None:
    store = AnchorsStore(database)
    store.save([], gone=list(store.load()))
    store.save(given_points)
    assert store.load() == {point.name: point for point in given_points}
