"""The state database: what is found at open, what is not usable, transactions, migrations."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from resolver.state.database import APPLICATION_ID, FILE, Database, Opened, StateError

ROOT = Path(__file__).parents[3]
NOW = 1_800_000_000.0
TABLE = ("CREATE TABLE thing (number INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;\n",)


class Log:
    """Remembers events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, object]]] = []

    def info(self, event: str, **facts: object) -> None:
        self.events.append(("info", event, facts))

    def warning(self, event: str, **facts: object) -> None:
        self.events.append(("warning", event, facts))

    def error(self, event: str, **facts: object) -> None:
        self.events.append(("error", event, facts))

    @property
    def names(self) -> list[str]:
        return [event for _, event, _ in self.events]


@pytest.fixture
def log() -> Log:
    return Log()


def filled(directory: Path, rows: int = 400) -> Path:
    """A database with some pages in it, closed; its file."""
    database = Database(directory, Log(), NOW)
    database.migrate("things", TABLE)
    with database.transaction() as connection:
        connection.executemany("INSERT INTO thing (text) VALUES (?)", [("x" * 100,)] * rows)
    database.close()
    return directory / FILE


def count(database: Database) -> int:
    database.migrate("things", TABLE)
    return int(database.connection.execute("SELECT count(*) FROM thing").fetchone()[0])


# --- at open -------------------------------------------------------------------------------------------------------------


def test_new(tmp_path: Path, log: Log) -> None:
    database = Database(tmp_path, log, NOW)
    assert database.opened is Opened.NEW and not log.events
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    read = database.connection.execute
    assert read("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert read("PRAGMA journal_mode").fetchone()[0] == "wal" and read("PRAGMA synchronous").fetchone()[0] == 2
    database.close()


def test_intact(tmp_path: Path, log: Log) -> None:
    filled(tmp_path)
    database = Database(tmp_path, log, NOW)
    assert database.opened is Opened.INTACT and count(database) == 400 and not log.events
    database.close()


def test_intact_with_its_log_not_written_back(tmp_path: Path, log: Log) -> None:
    """As after kill -9: the file alone is behind, file and log together are not."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    database = Database(tmp_path / "a", log, NOW)
    database.migrate("things", TABLE)
    with database.transaction() as connection:
        connection.execute("INSERT INTO thing (text) VALUES ('kept')")
    for file in (tmp_path / "a").iterdir():
        shutil.copy(file, tmp_path / "b" / file.name)
    database.close()
    copy = Database(tmp_path / "b", log, NOW)
    assert copy.opened is Opened.INTACT and count(copy) == 1
    copy.close()


@pytest.mark.parametrize("share", [0.01, 0.25, 0.5, 0.75, 0.99])
def test_cut(tmp_path: Path, log: Log, share: float) -> None:
    file = filled(tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    database = Database(tmp_path, log, NOW)
    assert database.opened is Opened.REBUILT and count(database) == 0
    assert database.aside == tmp_path / f"{FILE}.damaged-20270115T080000Z"
    assert database.aside.read_bytes() == data[: int(len(data) * share)]
    ((level, event, facts),) = log.events
    assert (level, event) == ("error", "state-file-damaged")
    assert facts["moved_to"] == str(database.aside) and facts["problem"] and "configuration" in str(facts["advice"])
    database.close()


def test_cut_to_nothing(tmp_path: Path, log: Log) -> None:
    filled(tmp_path).write_bytes(b"")
    database = Database(tmp_path, log, NOW)
    assert database.opened is Opened.NEW and log.names == ["state-file-empty"]
    database.close()


@pytest.mark.parametrize("what", ["text", "zeros", "noise", "overwritten"])
def test_not_a_database(tmp_path: Path, log: Log, what: str) -> None:
    file = filled(tmp_path)
    data = bytearray(file.read_bytes())
    if what == "overwritten":
        data[8192:12288] = os.urandom(4096)
    file.write_bytes({"text": b"hello\n" * 1000, "zeros": bytes(8192), "noise": os.urandom(9000)}.get(what, bytes(data)))
    database = Database(tmp_path, log, NOW)
    assert database.opened is Opened.REBUILT and log.names == ["state-file-damaged"]
    database.close()


def test_a_database_of_another_program(tmp_path: Path, log: Log) -> None:
    other = sqlite3.connect(tmp_path / FILE)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.commit()
    other.close()
    database = Database(tmp_path, log, NOW)
    assert database.opened is Opened.REBUILT and "Akashi" in str(log.events[0][2]["problem"])
    database.close()


def test_damaged_twice_in_a_second(tmp_path: Path, log: Log) -> None:
    for _ in range(3):
        (tmp_path / FILE).write_bytes(b"x" * 5000)
        Database(tmp_path, log, NOW).close()
    names = sorted(path.name for path in tmp_path.iterdir() if "damaged" in path.name)
    stem = f"{FILE}.damaged-20270115T080000Z"
    assert names == [stem, f"{stem}-1", f"{stem}-2"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"number INTEGER PRIMARY KEY, text", b"number INTEGER PRIMARY KEY, tixt"),  # SQLite finds nothing wrong with it
        (b"number INTEGER PRIMARY KEY, text", b"number INTEGER PRIMARY KEY, te\xff\xfe"),
        (b"CREATE TABLE component (name", b"CREATE TABLE component (n\xffme"),
        (b"CREATE TABLE component", b"CREATE TABLE c\xffmponent"),
    ],
)
def test_tables_that_are_not_ours(tmp_path: Path, log: Log, before: bytes, after: bytes) -> None:
    file = filled(tmp_path)
    data = file.read_bytes()
    assert data.count(before) == 1
    file.write_bytes(data.replace(before, after))
    database = Database(tmp_path, log, NOW)
    assert count(database) == 0
    assert database.opened is Opened.REBUILT
    assert log.names == ["state-file-damaged"]
    assert database.aside is not None and database.aside.read_bytes()[:6] == b"SQLite"
    database.close()


def test_text_that_is_none_is_read_all_the_same(tmp_path: Path, log: Log) -> None:
    file = filled(tmp_path, 1)
    file.write_bytes(file.read_bytes().replace(b"x" * 100, b"\xff" * 100))
    database = Database(tmp_path, log, NOW)
    assert count(database) == 1
    assert database.connection.execute("SELECT text FROM thing").fetchone()[0] == "\ufffd" * 100
    database.close()


def test_what_lies_beside_a_damaged_file_goes_with_it(tmp_path: Path, log: Log) -> None:
    """Nothing of the old file may be taken for the new one's. (SQLite itself drops a log that fits no file.)"""
    (tmp_path / FILE).write_bytes(b"x" * 5000)
    (tmp_path / f"{FILE}-wal").write_bytes(b"y" * 5000)
    (tmp_path / f"{FILE}-shm").write_bytes(b"z" * 5000)
    database = Database(tmp_path, log, NOW)
    assert database.aside is not None and Path(f"{database.aside}-shm").read_bytes() == b"z" * 5000
    assert count(database) == 0
    assert {path.name for path in tmp_path.iterdir()} >= {FILE, database.aside.name}
    database.close()
    assert not (tmp_path / f"{FILE}-shm").exists()


# --- what is not usable --------------------------------------------------------------------------------------------------


def test_missing_directory(tmp_path: Path, log: Log) -> None:
    with pytest.raises(StateError, match="is missing") as caught:
        Database(tmp_path / "absent", log, NOW)
    assert "trust.state-dir" in caught.value.advice


def test_read_only_directory(tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    # Tests may run as root, whom no mode keeps out: so the system's answer is played.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(StateError, match="is not writable"):
        Database(tmp_path, log, NOW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_directory_in_truth(tmp_path: Path, log: Log) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StateError, match="is not writable"):
            Database(tmp_path, log, NOW)
    finally:
        tmp_path.chmod(0o700)


def test_in_use(tmp_path: Path, log: Log) -> None:
    first = Database(tmp_path, log, NOW)
    with pytest.raises(StateError, match="in use by another process"):
        Database(tmp_path, log, NOW)
    first.migrate("things", TABLE)
    first.close()
    second = Database(tmp_path, log, NOW)
    assert second.opened is Opened.INTACT
    second.close()


HOLDER = """
import sys
from pathlib import Path
import structlog
from resolver.state.database import Database
Database(Path(sys.argv[1]), structlog.get_logger(), 0.0)
print("open", flush=True)
sys.stdin.read()
"""


def test_in_use_by_another_process(tmp_path: Path, log: Log) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        try:
            assert holder.stdout.readline() == "open\n"
            with pytest.raises(StateError, match="in use by another process"):
                Database(tmp_path, log, NOW)
        finally:
            holder.stdin.close()
            holder.wait(30)
    Database(tmp_path, log, NOW).close()


def test_of_a_newer_version(tmp_path: Path, log: Log) -> None:
    database = Database(tmp_path, log, NOW)
    database.migrate("things", (*TABLE, "CREATE TABLE more (x TEXT) STRICT;"))
    database.close()
    database = Database(tmp_path, log, NOW)
    with pytest.raises(StateError, match="newer version of Akashi") as caught:
        database.migrate("things", TABLE)
    assert "install that version" in caught.value.advice and (tmp_path / FILE).exists()
    database.close()


# --- transactions and migrations -----------------------------------------------------------------------------------------


def test_all_or_nothing(tmp_path: Path, log: Log) -> None:
    database = Database(tmp_path, log, NOW)
    database.migrate("things", TABLE)
    with pytest.raises(KeyError), database.transaction() as connection:
        connection.execute("INSERT INTO thing (text) VALUES ('a')")
        raise KeyError
    assert count(database) == 0
    with database.transaction() as connection:
        connection.execute("INSERT INTO thing (text) VALUES ('a')")
    assert count(database) == 1
    database.close()


def test_a_mistake_of_ours_is_no_matter_of_the_disk(tmp_path: Path, log: Log) -> None:
    database = Database(tmp_path, log, NOW)
    database.migrate("things", TABLE)
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
        connection.execute("INSERT INTO thing (text) VALUES (NULL)")
    database.close()


def test_disk_full(tmp_path: Path, log: Log) -> None:
    database = Database(tmp_path, log, NOW)
    database.migrate("things", TABLE)
    pages = database.connection.execute("PRAGMA page_count").fetchone()[0]
    database.connection.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StateError, match="cannot be written") as caught, database.transaction() as connection:
        connection.executemany("INSERT INTO thing (text) VALUES (?)", [("x" * 1000,)] * 50)
    assert "full" in caught.value.advice
    assert count(database) == 0
    database.close()


def test_migrations_run_once_and_in_order(tmp_path: Path, log: Log) -> None:
    two = (*TABLE, "INSERT INTO thing (text) VALUES ('; two');\nINSERT INTO thing (text) VALUES ('three');")
    database = Database(tmp_path, log, NOW)
    database.migrate("things", TABLE)
    assert count(database) == 0
    for _ in range(3):
        database.migrate("things", two)
    database.migrate("others", ("CREATE TABLE other (x TEXT) STRICT;",))
    assert database.connection.execute("SELECT text FROM thing ORDER BY number").fetchall() == [("; two",), ("three",)]
    database.close()


def test_a_failing_migration_leaves_all_as_it_was(tmp_path: Path, log: Log) -> None:
    database = Database(tmp_path, log, NOW)
    database.migrate("things", TABLE)
    with pytest.raises(StateError):
        database.migrate("things", (*TABLE, "CREATE TABLE more (x TEXT) STRICT;\nCREATE TABLE thing (x TEXT) STRICT;"))
    tables = {row[0] for row in database.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables == {"component", "thing"}
    database.close()


def test_rebuild_keeps_the_file_and_makes_the_tables_anew(tmp_path: Path, log: Log) -> None:
    database = Database(tmp_path, log, NOW)
    database.migrate("things", TABLE)
    database.migrate("others", ("CREATE TABLE other (x TEXT) STRICT;",))
    with database.transaction() as connection:
        connection.execute("INSERT INTO thing (text) VALUES ('a')")
    database.rebuild("it makes no sense")
    assert database.opened is Opened.REBUILT and log.names == ["state-file-damaged"]
    assert database.connection.execute("SELECT count(*) FROM thing").fetchone()[0] == 0
    assert database.connection.execute("SELECT count(*) FROM other").fetchone()[0] == 0
    assert database.aside is not None
    kept = sqlite3.connect(database.aside)
    assert kept.execute("SELECT text FROM thing").fetchall() == [("a",)]
    kept.close()
    database.close()
