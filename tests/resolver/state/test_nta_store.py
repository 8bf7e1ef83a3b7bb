"""NTAs on disk: what is written stays, and nothing can be changed behind the trail's back unnoticed."""

import itertools
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from resolver.state.database import Database
from resolver.state.nta_store import ZERO, Head, NtaStore
from trust import nta
from trust.nta import Event, Request, State
from trust.nta_rules import Evidence, Rules, Seen
from wire.text import name_from_text

NOW = 1_800_000_000.0
RULES = Rules()
EVIDENCE = Evidence(Seen.BROKEN, "bogus: expired", "", json.dumps({"chain": ["日本"]}, ensure_ascii=False))


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    opened = Database(tmp_path, structlog.get_logger(), NOW)
    yield opened
    opened.close()


@pytest.fixture
def store(database) -> NtaStore:
    return NtaStore(database)


def propose(store: NtaStore, name: str, wall: float = NOW) -> nta.Record:
    request = Request(name_from_text(name), "花子", "署名期限切れ", "T-1", 600.0, f"{name}/A")
    transition = nta.begin(request, store.next_number(), EVIDENCE, Event.PROPOSE, wall)
    store.apply(transition, "uid 0")
    return transition.after


def approve(store: NtaStore, record: nta.Record) -> nta.Record:
    transition = nta.approve(record, "太郎", EVIDENCE, RULES, NOW + 1)
    store.apply(transition)
    return transition.after


def a_life(store: NtaStore) -> None:
    """Seven lines, of three NTAs in all sorts of states."""
    first = approve(store, propose(store, "example.jp"))
    second = propose(store, "example.com")
    store.apply(nta.reject(second, "太郎", "attack", NOW + 2))
    extended = nta.extend(first, "花子", 900.0, "still", EVIDENCE, RULES, NOW + 3)
    store.apply(extended)
    third = propose(store, "example.net")
    store.apply(nta.remove(extended.after, "太郎", "mended", NOW + 4))
    assert third.state is State.PROPOSED


def test_an_empty_trail_verifies(store):
    assert store.verify() == []
    assert store.head() == Head(0, ZERO)
    assert store.next_number() == 1


def test_everything_comes_back(database, tmp_path, store):
    a_life(store)
    before = store.records(), store.history(), store.head()
    database.close()
    again = Database(tmp_path, structlog.get_logger(), NOW)
    other = NtaStore(again)
    assert (other.records(), other.history(), other.head()) == before
    assert other.verify() == []
    assert [record.state for record in other.records()] == [State.REMOVED, State.REJECTED, State.PROPOSED]
    again.close()


def test_the_trail_tells_it_all(store):
    a_life(store)
    lines = store.history()
    assert [line["what"] for line in lines] == ["propose", "approve", "propose", "reject", "extend", "propose", "remove"]
    assert [line["number"] for line in lines] == [1, 2, 3, 4, 5, 6, 7]
    assert lines[0]["previous"] == ZERO
    assert all(line["previous"] == before["hash"] for before, line in itertools.pairwise(lines))
    first = lines[0]
    assert (first["who"], first["peer"], first["name"], first["before"], first["after"]) == (
        "花子", "uid 0", "example.jp", None, "proposed",
    )  # fmt: skip
    assert first["time"] == "2027-01-15T08:00:00.000Z"
    assert first["details"]["reason"] == "署名期限切れ"
    assert [line["number"] for line in store.history("example.jp")] == [1, 2, 5, 7]
    assert store.evidence(1) == [{"line": number, "document": {"chain": ["日本"]}} for number in (1, 2, 5)]
    assert str(store.head()) == f"7:{lines[-1]['hash']}"


def test_what_is_not_the_present_state_is_not_applied(store):
    record = propose(store, "example.jp")
    approve(store, record)
    with pytest.raises(ValueError, match="no longer"):
        store.apply(nta.reject(record, "太郎", "", NOW))
    assert store.verify() == []
    assert store.head().number == 2


def test_one_open_nta_a_name_in_the_database_too(store):
    propose(store, "example.jp")
    with pytest.raises(Exception, match="UNIQUE"):
        propose(store, "example.jp")
    assert store.verify() == []
    assert store.head().number == 1


# --- tampering -------------------------------------------------------------------------------------------------------


def unlock(database: Database) -> None:
    """What somebody with access to the file would do first."""
    database.connection.execute("DROP TRIGGER IF EXISTS nta_audit_update")
    database.connection.execute("DROP TRIGGER IF EXISTS nta_audit_delete")


def test_the_trail_is_append_only(database, store):
    a_life(store)
    for statement in ("UPDATE nta_audit SET line = '{}' WHERE number = 1", "DELETE FROM nta_audit"):
        with pytest.raises(Exception, match="append-only"):
            database.connection.execute(statement)


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("key", ["time", "who", "peer", "what", "name", "details", "record", "after", "previous"])
def test_a_changed_line_is_found(database, store, number, key):
    a_life(store)
    unlock(database)
    (text,) = database.connection.execute("SELECT line FROM nta_audit WHERE number = ?", (number,)).fetchone()
    line = json.loads(text)
    line[key] = {"reason": "x"} if key == "details" else "forged"
    database.connection.execute("UPDATE nta_audit SET line = ? WHERE number = ?", (json.dumps(line), number))
    faults = store.verify()
    wheres = {fault.where for fault in faults}
    assert wheres & {f"line {number}", f"line {number + 1}", "head"}, faults


@pytest.mark.parametrize("number", range(1, 8))
def test_a_removed_line_is_found(database, store, number):
    a_life(store)
    unlock(database)
    database.connection.execute("DELETE FROM nta_audit WHERE number = ?", (number,))
    wheres = {fault.where for fault in store.verify()}
    assert wheres & {f"line {number + 1}", "head"}


@pytest.mark.parametrize("left", range(7))
def test_a_trail_cut_short_is_found(database, store, left):
    a_life(store)
    unlock(database)
    database.connection.execute("DELETE FROM nta_audit WHERE number > ?", (left,))
    assert "head" in {fault.where for fault in store.verify()}


def test_swapped_lines_are_found(database, store):
    a_life(store)
    unlock(database)
    execute = database.connection.execute
    execute("UPDATE nta_audit SET number = 100 WHERE number = 3")
    execute("UPDATE nta_audit SET number = 3 WHERE number = 4")
    execute("UPDATE nta_audit SET number = 4 WHERE number = 100")
    assert {"line 3", "line 4"} <= {fault.where for fault in store.verify()}


def test_a_changed_record_is_found_and_not_trusted(database, store):
    a_life(store)
    record = approve(store, propose(store, "example.org"))
    assert [r.number for r in store.trusted()[0]] == [3, 4]
    (text,) = database.connection.execute("SELECT record FROM nta WHERE number = 4").fetchone()
    document = json.loads(text) | {"expires_wall": NOW + 1e9}
    database.connection.execute("UPDATE nta SET record = ? WHERE number = 4", (json.dumps(document),))
    assert record.expires_wall < NOW + 1e9
    faults = store.verify()
    assert [fault.where for fault in faults] == ["NTA 4"]
    good, bad = store.trusted()
    assert [r.number for r in good] == [3]
    assert bad == faults


def test_an_nta_put_in_past_the_trail_is_found_and_not_trusted(database, store):
    record = approve(store, propose(store, "example.org"))
    (text,) = database.connection.execute("SELECT record FROM nta WHERE number = 1").fetchone()
    forged = json.dumps(json.loads(text) | {"number": 2, "name": "victim.example"})
    database.connection.execute("INSERT INTO nta VALUES (2, 'victim.example', 'active', ?)", (forged,))
    assert [fault.where for fault in store.verify()] == ["NTA 2"]
    assert store.trusted()[0] == [record]


def test_a_revived_nta_is_found_and_not_trusted(database, store):
    a_life(store)
    database.connection.execute("UPDATE nta SET state = 'active' WHERE number = 1")
    assert [fault.where for fault in store.verify()] == ["NTA 1"]
    assert [r.number for r in store.trusted()[0]] == [3]


def test_a_missing_record_and_changed_evidence_are_found(database, store):
    a_life(store)
    database.connection.execute("DELETE FROM nta WHERE number = 2")
    database.connection.execute("UPDATE nta_evidence SET document = '{}' WHERE line = 2")
    assert {fault.where for fault in store.verify()} == {"NTA 2", "line 2"}
    assert [piece["line"] for piece in store.evidence(1)] == [1, 5]


@pytest.mark.parametrize("rubbish", ["", "{", "[]", "null", '{"number": 1}', "\x00"])
def test_rubbish_is_found_and_breaks_nothing(database, store, rubbish):
    a_life(store)
    unlock(database)
    database.connection.execute("UPDATE nta_audit SET line = ? WHERE number = 2", (rubbish,))
    database.connection.execute("UPDATE nta SET record = ? WHERE number = 3", (rubbish,))
    wheres = {fault.where for fault in store.verify()}
    assert {"line 2", "NTA 3"} <= wheres
    assert [record.number for record in store.records()] == [1, 2]
    assert store.record(3) is None
    assert store.trusted()[0] == []
    assert "unreadable" in store.history()[1]


def test_a_trail_written_anew_is_found_with_a_head_noted_elsewhere(tmp_path):
    """Whoever can write the file can make a whole new trail; the daemon's log has the heads of the old one."""
    heads = []
    for directory, name in (("one", "example.jp"), ("two", "example.com")):
        (tmp_path / directory).mkdir()
        database = Database(Path(tmp_path / directory), structlog.get_logger(), NOW)
        store = NtaStore(database)
        propose(store, name)
        heads.append(store.head())
        propose(store, "later.example")
        assert store.verify() == []
        assert store.verify(heads[-1]) == []
        assert store.verify(Head(0, ZERO)) == []
        if len(heads) == 2:
            assert [fault.where for fault in store.verify(heads[0])] == ["line 1"]
        database.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_log_cut_anywhere_leaves_a_whole_past(tmp_path, database, store, seed):
    """What a power cut may leave of a disk that lied: never half a transition, and a trail that verifies."""
    database.connection.execute("PRAGMA wal_autocheckpoint = 0")
    a_life(store)
    lines = [line["hash"] for line in store.history()]
    dice = random.Random(seed)
    wal = (tmp_path / "akashi.db-wal").read_bytes()
    found = set()
    for number in range(12):
        copy = tmp_path / f"copy-{number}"
        copy.mkdir()
        shutil.copy(tmp_path / "akashi.db", copy)
        (copy / "akashi.db-wal").write_bytes(wal[: dice.randrange(len(wal) + 1)])
        again = Database(copy, structlog.get_logger(), NOW)
        other = NtaStore(again)
        assert other.verify() == []
        assert [line["hash"] for line in other.history()] == lines[: other.head().number]
        found.add(other.head().number)
        again.close()
    assert len(found) > 2
