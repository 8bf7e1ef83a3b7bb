"""RFC 5011 state in the state database: one row a trust point, one a key, and a log of the transitions.

Theory: a trust point is written as a whole, together with the transitions that led to it, in one transaction. What is read
back is checked field by field: nothing that a state could not be gets past, lest damage that SQLite cannot see (an edited
file) make a key trusted. A row that makes no sense makes the file damaged (`DamageError`).

Names are in presentation format and RDATA is a blob, so that an operator can read the tables. Times are seconds since 1970.

RFC 5011 §4.2 (states); DESIGN §1 (what must survive).
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from resolver.state.database import DamageError, Database
from trust.algorithms import REVOKED
from trust.rfc5011 import Event, KeyState, Origin, PointState, State, Transition
from wire.name import Name
from wire.text import name_from_text, name_to_text

COMPONENT: Final = "anchors"
LOG_KEPT: Final = 2000
"""Transitions kept; older ones go."""

_VERSIONS: Final = (
    """
    CREATE TABLE trust_point (
        zone TEXT PRIMARY KEY,
        last_success REAL,
        last_attempt REAL,
        next_refresh REAL NOT NULL,
        original_ttl INTEGER NOT NULL,
        expire_s INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        error TEXT NOT NULL
    ) STRICT;
    CREATE TABLE trust_key (
        zone TEXT NOT NULL REFERENCES trust_point (zone) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        state TEXT NOT NULL,
        since REAL NOT NULL,
        dnskey BLOB NOT NULL,
        ds TEXT NOT NULL,
        origin TEXT NOT NULL,
        first_seen REAL,
        last_seen REAL,
        hold_s REAL NOT NULL,
        validators TEXT NOT NULL,
        PRIMARY KEY (zone, position)
    ) STRICT;
    CREATE TABLE trust_transition (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at REAL NOT NULL,
        zone TEXT NOT NULL,
        key_tag INTEGER NOT NULL,
        algorithm INTEGER NOT NULL,
        old TEXT NOT NULL,
        new TEXT NOT NULL,
        event TEXT,
        why TEXT NOT NULL
    ) STRICT;
    """,
)


class AnchorsStore:
    """The trust points of a `Database`.

    Raises:
        DamageError: (all that reads) what is stored makes no sense.
        StateError: (all that writes) it could not be written; nothing of it was applied.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        database.migrate(COMPONENT, _VERSIONS)

    def load(self) -> dict[Name, PointState]:
        """Every trust point stored, by name."""
        read = self._database.connection.execute
        out: dict[Name, PointState] = {}
        for zone, success, attempt, refresh, ttl, expire_s, failures, error in read(
            "SELECT zone, last_success, last_attempt, next_refresh, original_ttl, expire_s, failures, error"
            " FROM trust_point ORDER BY zone"
        ):
            name = _name(zone)
            keys = tuple(
                _key(zone, *row)
                for row in read(
                    "SELECT state, since, dnskey, ds, origin, first_seen, last_seen, hold_s, validators"
                    " FROM trust_key WHERE zone = ? ORDER BY position",
                    (zone,),
                )
            )
            known = [key.dnskey for key in keys if key.dnskey]
            if not keys or len(set(known)) != len(known) or min(ttl, expire_s, failures) < 0:
                raise DamageError(f"the stored state of {zone} makes no sense")
            out[name] = PointState(name, keys, success, attempt, refresh, ttl, expire_s, failures, error)
        return out

    def save(self, points: Iterable[PointState], transitions: Iterable[Transition] = (), gone: Iterable[Name] = ()) -> None:
        """Write trust points as they are now, with what led there; `gone`: trust points that are no more."""
        with self._database.transaction() as connection:
            for name in gone:
                connection.execute("DELETE FROM trust_point WHERE zone = ?", (name_to_text(name),))
            for point in points:
                zone = name_to_text(point.name)
                connection.execute("DELETE FROM trust_point WHERE zone = ?", (zone,))
                connection.execute("INSERT INTO trust_point VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _point_row(zone, point))
                connection.executemany(
                    "INSERT INTO trust_key VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [_key_row(zone, position, key) for position, key in enumerate(point.keys)],
                )
            connection.executemany(
                "INSERT INTO trust_transition (at, zone, key_tag, algorithm, old, new, event, why)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [_transition_row(move) for move in transitions],
            )
            connection.execute(
                "DELETE FROM trust_transition WHERE number <= (SELECT max(number) FROM trust_transition) - ?", (LOG_KEPT,)
            )

    def history(self, limit: int = 100) -> list[Transition]:
        """The last transitions, newest first."""
        rows = self._database.connection.execute(
            "SELECT at, zone, key_tag, algorithm, old, new, event, why FROM trust_transition ORDER BY number DESC LIMIT ?",
            (limit,),
        )
        return list(_transitions(rows))


def _point_row(zone: str, point: PointState) -> tuple[object, ...]:
    return (
        zone,
        point.last_success,
        point.last_attempt,
        float(point.next_refresh),
        point.original_ttl,
        point.expire_s,
        point.failures,
        point.error,
    )


def _key_row(zone: str, position: int, key: KeyState) -> tuple[object, ...]:
    return (
        zone,
        position,
        key.state.value,
        float(key.since),
        key.dnskey,
        _hex(key.ds),
        key.origin.value,
        key.first_seen,
        key.last_seen,
        float(key.hold_s),
        _hex(key.validators),
    )


def _key(zone: str, *row: Any) -> KeyState:
    """A row as a key, if it can be one."""
    try:
        state, since, dnskey, ds, origin, first_seen, last_seen, hold_s, validators = row
        key = KeyState(
            State(state), since, dnskey, _unhex(ds), Origin(origin), first_seen, last_seen, hold_s, _unhex(validators)
        )
    except ValueError as error:
        raise DamageError(f"a stored key of {zone} makes no sense: {error}") from None
    pending_well = key.first_seen is not None and key.last_seen is not None and key.validators and key.dnskey
    if (
        key.state is State.START
        or not (key.dnskey or key.ds)
        or (key.dnskey and (len(key.dnskey) < 4 or key.dnskey[1] & REVOKED))
        or any(len(ds) < 4 for ds in key.ds)
        or (key.state is State.ADD_PEND and not pending_well)
    ):
        raise DamageError(f"a stored key of {zone} makes no sense")
    return key


def _transition_row(move: Transition) -> tuple[object, ...]:
    event = move.event.value if move.event else None
    zone = name_to_text(move.zone)
    return (float(move.at), zone, move.key_tag, move.algorithm, move.old.value, move.new.value, event, move.why)


def _transitions(rows: Iterable[Any]) -> Iterator[Transition]:
    for at, zone, tag, algorithm, old, new, event, why in rows:
        try:
            yield Transition(_name(zone), tag, algorithm, State(old), State(new), Event(event) if event else None, at, why)
        except ValueError as error:
            raise DamageError(f"a stored transition of {zone} makes no sense: {error}") from None


def _name(zone: str) -> Name:
    try:
        return name_from_text(zone)
    except ValueError as error:
        raise DamageError(f"a stored name makes no sense: {error}") from None


def _hex(items: Iterable[bytes]) -> str:
    return json.dumps([item.hex() for item in items])


def _unhex(text: str) -> tuple[bytes, ...]:
    items = json.loads(text)
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{text[:40]!r} is no list of octets")
    return tuple(bytes.fromhex(item) for item in items)
