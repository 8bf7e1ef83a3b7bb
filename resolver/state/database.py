"""The state database: one SQLite file in the state directory.

Theory: what was acknowledged is never lost, and nothing is half applied: write-ahead log, every commit synced
(`synchronous = FULL`), several statements in one `transaction()`. Other processes are locked out as long as it is open,
since two daemons with one state would undo each other's changes.

Each store brings its own tables: a tuple of SQL scripts, one a version, which `migrate` runs where they have not run yet.

At open the file is examined. One of these comes of it, and is told in `opened` and in the log:

* NEW: there was none, or an empty one (which is told in the log).
* INTACT: it is as it was left.
* REBUILT: it is no database, cut, or damaged. It is moved aside (with its log) under a name that tells when, and a new one
  is begun. Whoever needs state then starts from the configuration, which never means "no validation".
* An error for the operator (`StateError`): the directory is missing or read-only, another process has the file, or a newer
  version of Akashi wrote it. Nothing is changed.

Limitations: a log file (`-wal`) cut by the file system loses its last transactions without a trace, as SQLite has it.
"""

import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Final, Protocol

FILE: Final = "akashi.db"
APPLICATION_ID: Final = 0x414B5348
"""`AKSH`: in the file's header, so that another program's database is not taken for ours."""

_COMPANIONS: Final = ("-wal", "-shm", "-journal")
_SCHEMA: Final = "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"


class StateError(Exception):
    """The state database cannot be used, and nothing was changed.

    Attributes:
        problem: what is wrong, naming the path; `advice`: what the operator may do.
    """

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice


class DamageError(Exception):
    """What is stored makes no sense: raised by a store that reads it, answered by `Database.rebuild`."""


class Opened(Enum):
    """What was found at open."""

    NEW = "new"
    """No file, or an empty one."""
    INTACT = "intact"
    """A sound file."""
    REBUILT = "rebuilt"
    """A damaged file, now moved aside."""


class Log(Protocol):
    """Where events are told: structlog's logger fulfils it."""

    def info(self, event: str, **facts: Any) -> Any:
        """Something worth knowing."""

    def warning(self, event: str, **facts: Any) -> Any:
        """Something that needs a look."""

    def error(self, event: str, **facts: Any) -> Any:
        """Something that needs a hand."""


class Database:
    """The open database.

    Attributes:
        path: of the file; `opened`: what was found there; `aside`: where a damaged one went, else None.
        connection: for reading; writing goes through `transaction`.
    """

    def __init__(self, directory: Path, log: Log, now_wall: float) -> None:
        """Open or create `akashi.db` in `directory`. `now_wall`: seconds since 1970, for the name of a damaged file.

        Raises:
            StateError: it cannot be used; the operator is told why.
        """
        self.path = directory / FILE
        self._log = log
        self._now_wall = now_wall
        self._pid = os.getpid()
        self._migrated: dict[str, Sequence[str]] = {}
        self.aside: Path | None = None
        _check_directory(directory)
        present = _size(self.path) > 0
        if not present and self.path.exists():
            log.warning("state-file-empty", file=str(self.path), advice="state is rebuilt from the configuration")
        try:
            self.connection = _connect(self.path)
            self.opened = Opened.INTACT if present else Opened.NEW
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            # SQLite quotes what it cannot make sense of, and that need not be text.
            if isinstance(error, sqlite3.DatabaseError):
                self._raise_if_not_damage(error)
            self._move_aside(str(error))
            self.connection = self._connect_anew()
            self.opened = Opened.REBUILT

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of it or nothing; on the disk when the block is left.

        Raises:
            StateError: it could not be written (disk full, read-only by now); nothing of it was applied.
        """
        assert os.getpid() == self._pid, "a worker must not touch the state database"
        connection = self.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except (sqlite3.OperationalError, sqlite3.DatabaseError) as error:
            if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError):
                raise  # a mistake of ours, not of the disk
            raise StateError(f"{self.path} cannot be written: {error}", "is the disk full, or read-only?") from error

    def migrate(self, component: str, versions: Sequence[str]) -> None:
        """Bring the tables of a store up to date: run the scripts that have not run yet, all in one transaction.

        A file whose tables are not those that the scripts make is damaged, however sound it looks to SQLite.

        Raises:
            StateError: a newer version of Akashi made them.
        """
        self._migrated[component] = versions
        try:
            known = self._known(component, versions)
        except (sqlite3.DatabaseError, DamageError) as error:
            self.rebuild(str(error))
            return
        if known > len(versions):
            raise StateError(
                f"{self.path} was written by a newer version of Akashi ({component} {known}, known here: {len(versions)})",
                "install that version again, or move the file away to start from the configuration",
            )
        if known == len(versions):
            return
        with self.transaction() as connection:
            for script in versions[known:]:
                for statement in _statements(script):
                    connection.execute(statement)
            connection.execute("INSERT OR REPLACE INTO component VALUES (?, ?)", (component, len(versions)))

    def _known(self, component: str, versions: Sequence[str]) -> int:
        """How many of the scripts have run.

        Raises:
            DamageError, sqlite3.DatabaseError: the tables are not what they made.
        """
        row = self.connection.execute("SELECT version FROM component WHERE name = ?", (component,)).fetchone()
        known = 0 if row is None else row[0]
        if not isinstance(known, int) or known < 0:
            raise DamageError(f"{component} is of version {known!r}")
        if known <= len(versions):
            with closing(sqlite3.connect(":memory:")) as model:
                for script in versions[:known]:
                    model.executescript(script)
                wanted = set(model.execute(_SCHEMA))
            missing = wanted - set(self.connection.execute(_SCHEMA))
            if missing:
                raise DamageError(f"{', '.join(sorted(name for _, name, _ in missing))}: not the tables of {component}")
        return known

    def rebuild(self, why: str) -> None:
        """Move the file aside, as damaged, and begin a new one, with the (empty) tables of the stores known so far.

        Raises:
            StateError: it could not be done.
        """
        self.connection.close()
        self._move_aside(why)
        self.connection = self._connect_anew()
        self.opened = Opened.REBUILT
        for component, versions in list(self._migrated.items()):
            self.migrate(component, versions)

    def close(self) -> None:
        """Write the log back into the file and let go of it."""
        self.connection.close()

    # --- damage ---------------------------------------------------------------------------------------------------

    def _raise_if_not_damage(self, error: sqlite3.DatabaseError) -> None:
        """Tell "in use" and "not permitted" from "damaged"."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StateError(
                f"{self.path} is in use by another process",
                "stop the other daemon, or give each its own trust.state-dir",
            ) from None
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_FULL):
            raise StateError(f"{self.path} cannot be opened for writing: {error}", "check owner and mode") from None

    def _move_aside(self, why: str) -> None:
        stamp = datetime.fromtimestamp(self._now_wall, UTC).strftime("%Y%m%dT%H%M%SZ")
        for number in range(100):
            aside = self.path.with_name(f"{FILE}.damaged-{stamp}{f'-{number}' if number else ''}")
            if not aside.exists():
                break
        try:
            self.path.replace(aside)
            for suffix in _COMPANIONS:
                companion = self.path.with_name(FILE + suffix)
                if companion.exists():
                    companion.replace(aside.with_name(aside.name + suffix))
        except OSError as error:
            raise StateError(
                f"{self.path} is damaged ({why}) and cannot be moved aside: {error.strerror}", "move it away by hand"
            ) from None
        self.aside = aside
        self._log.error(
            "state-file-damaged",
            file=str(self.path),
            problem=why,
            moved_to=str(aside),
            advice="state is rebuilt from the configuration; restore a backup if there is one",
        )

    def _connect_anew(self) -> sqlite3.Connection:
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError as error:
            raise StateError(f"{self.path} cannot be created: {error}", "check the disk and the directory") from None


def _check_directory(directory: Path) -> None:
    advice = "create it, owned by the user that the daemon runs as, or set trust.state-dir to another one"
    if not directory.is_dir():
        raise StateError(f"state directory {directory} is missing", advice)
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise StateError(f"state directory {directory} is not writable", advice)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        if error.errno == errno.ENOENT:
            return 0
        raise StateError(f"{path} cannot be read: {error.strerror}", "check owner and mode") from None


def _connect(path: Path) -> sqlite3.Connection:
    """A connection to a sound database of ours, made when there is none.

    Raises:
        sqlite3.DatabaseError: it is locked, not permitted, or damaged.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    # What is no UTF-8 is damage, found by whoever reads it; it must not be an exception of its own in every place.
    connection.text_factory = _text
    try:
        # The lock is taken with the first access and kept; with it, no shared memory is needed beside the file.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # A half-written or altered schema must not run anything (defensive use of a file that may be damaged).
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("BEGIN EXCLUSIVE")
        _found(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _found(connection: sqlite3.Connection) -> None:
    """Check what is in the file; put the frame of an empty one in place."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application == 0 and tables == 0:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("CREATE TABLE component (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT")
        return
    if application != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is not a state database of Akashi")
    problems = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    if problems != ["ok"]:
        raise sqlite3.DatabaseError("; ".join(problems))


def _statements(script: str) -> Iterator[str]:
    """The statements of a script (`executescript` would commit the transaction that it runs in)."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), f"unfinished SQL: {statement}"
