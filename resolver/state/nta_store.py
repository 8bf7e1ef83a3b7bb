"""NTAs and their audit trail in the state database.

Theory: a transition (`trust.nta`) is one transaction: the record as it is now, and one more line of the trail. A line is
JSON text. It names the hash (SHA-256) of the line before it, and of the record that it leaves behind; so

* a line that was changed, taken out or put in no longer fits the line after it;
* a record that was changed past the trail no longer fits its last line;
* lines missing at the end do not fit the count and hash kept beside them.

`verify` finds these and says where. A record that does not fit its last line is not handed out as active: whatever put it
there was not a decision that is written down, and validation is the safe side.

A line: {"number", "time", "who", "peer", "what", "nta", "name", "before", "after", "details", "record", "evidence",
"previous"}; `previous` of the first is 64 zeros.

Limitations: who can write the file can write a whole new trail that fits. Against that, keep the head (number and hash),
which is in the daemon's log for every line, elsewhere: `verify` can be given it. The evidence of what ended long ago is
kept for ever; an NTA is rare.

RFC 7646 §4 (records of NTAs); DESIGN §6; guideline 2-22.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from resolver.state.database import Database
from trust.nta import Record, State, Transition
from wire.text import name_from_text, name_to_text

COMPONENT: Final = "nta"
ZERO: Final = "0" * 64
"""What the first line says of the line before it."""

_VERSIONS: Final = (
    """
    CREATE TABLE nta (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        state TEXT NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX nta_open ON nta (name) WHERE state IN ('proposed', 'active');
    CREATE TABLE nta_evidence (
        line INTEGER PRIMARY KEY,
        document TEXT NOT NULL
    ) STRICT;
    CREATE TABLE nta_audit (
        number INTEGER PRIMARY KEY,
        line TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER nta_audit_update BEFORE UPDATE ON nta_audit BEGIN
        SELECT RAISE(ABORT, 'the audit trail is append-only');
    END;
    CREATE TRIGGER nta_audit_delete BEFORE DELETE ON nta_audit BEGIN
        SELECT RAISE(ABORT, 'the audit trail is append-only');
    END;
    CREATE TABLE nta_head (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        number INTEGER NOT NULL,
        hash TEXT NOT NULL
    ) STRICT;
    INSERT INTO nta_head VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
    """,
)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the trail: how many lines, and the hash of the last."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not fit. `where`: "line 7", "NTA 3", "head"; `what`: a sentence."""

    where: str
    what: str


class NtaStore:
    """Records and trail. One writer: the supervisor."""

    def __init__(self, database: Database) -> None:
        """Raises StateError when a newer version of Akashi made the tables."""
        self._database = database
        database.migrate(COMPONENT, _VERSIONS)

    # --- reading --------------------------------------------------------------------------------------------------

    def record(self, number: int) -> Record | None:
        """The record of this number, if it is there and can be read."""
        row = self._database.connection.execute("SELECT record FROM nta WHERE number = ?", (number,)).fetchone()
        return None if row is None else _read_record(row[0])

    def records(self) -> list[Record]:
        """All that can be read, in order of number."""
        rows = self._database.connection.execute("SELECT record FROM nta ORDER BY number")
        return [record for (text,) in rows if (record := _read_record(text)) is not None]

    def trusted(self) -> tuple[list[Record], list[Fault]]:
        """Open records (proposed, active) that fit their last line, and what is wrong with the others."""
        last = {entry["nta"]: entry for _, entry in self._lines() if entry is not None}
        good: list[Record] = []
        faults: list[Fault] = []
        rows = self._database.connection.execute(
            "SELECT number, name, state, record FROM nta WHERE state IN ('proposed', 'active') ORDER BY number"
        )
        for number, name, state, text in rows:
            what = _misfit(number, name, state, text, last.get(number))
            record = _read_record(text)
            if what or record is None:
                faults.append(Fault(f"NTA {number}", what))
            else:
                good.append(record)
        return good, faults

    def next_number(self) -> int:
        """The number of the next record."""
        (number,) = self._database.connection.execute("SELECT coalesce(max(number), 0) + 1 FROM nta").fetchone()
        return int(number)

    def head(self) -> Head:
        """The end of the trail as it is kept beside it."""
        row = self._database.connection.execute("SELECT number, hash FROM nta_head").fetchone()
        return Head(0, ZERO) if row is None else Head(int(row[0]), str(row[1]))

    def history(self, name: str | None = None) -> list[dict[str, Any]]:
        """The lines of the trail, oldest first, each with its hash; of one name, if given."""
        out: list[dict[str, Any]] = []
        for text, entry in self._lines():
            if entry is None:
                entry = {"unreadable": text}
            if name is None or entry.get("name") == name:
                out.append(entry | {"hash": _hash(text)})
        return out

    def evidence(self, number: int) -> list[dict[str, Any]]:
        """What was seen of an NTA, each time that it was looked at for a decision: {line, document}."""
        out: list[dict[str, Any]] = []
        for _, entry in self._lines():
            if entry is None or entry.get("nta") != number or not entry.get("evidence"):
                continue
            row = self._database.connection.execute(
                "SELECT document FROM nta_evidence WHERE line = ?", (entry["number"],)
            ).fetchone()
            if row is not None and _hash(row[0]) == entry["evidence"]:
                out.append({"line": entry["number"], "document": json.loads(row[0])})
        return out

    def _lines(self) -> Iterator[tuple[str, dict[str, Any] | None]]:
        for _, text in self._database.connection.execute("SELECT number, line FROM nta_audit ORDER BY number"):
            yield text, _read_line(text)

    # --- writing --------------------------------------------------------------------------------------------------

    def apply(self, transition: Transition, peer: str = "") -> Head:
        """Write a transition down, on the disk when this returns. `peer`: the system user at the other end of the socket.

        Raises:
            StateError: it could not be written; nothing of it was.
        """
        after = transition.after
        record = _record_text(after)
        evidence = transition.evidence
        with self._database.transaction() as connection:
            known = connection.execute("SELECT record FROM nta WHERE number = ?", (after.number,)).fetchone()
            expected = None if transition.before is None else _record_text(transition.before)
            if (None if known is None else known[0]) != expected:
                raise ValueError(f"NTA {after.number} is no longer what the transition starts from")
            head = self.head()
            number = head.number + 1
            line = _canonical(
                {
                    "number": number,
                    "time": _time(transition.wall),
                    "who": transition.who,
                    "peer": peer,
                    "what": transition.event.value,
                    "nta": after.number,
                    "name": name_to_text(after.name),
                    "before": None if transition.before is None else transition.before.state.value,
                    "after": after.state.value,
                    "details": transition.details,
                    "record": _hash(record),
                    "evidence": "" if evidence is None else _hash(evidence.document),
                    "previous": head.hash,
                }
            )
            connection.execute("INSERT INTO nta_audit VALUES (?, ?)", (number, line))
            if evidence is not None:
                connection.execute("INSERT INTO nta_evidence VALUES (?, ?)", (number, evidence.document))
            row = (after.number, name_to_text(after.name), after.state.value, record)
            # Not "OR REPLACE": that would take away another open NTA of the name.
            connection.execute(
                "INSERT INTO nta VALUES (?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET"
                " name = excluded.name, state = excluded.state, record = excluded.record",
                row,
            )
            new = Head(number, _hash(line))
            connection.execute("INSERT OR REPLACE INTO nta_head VALUES (1, ?, ?)", (new.number, new.hash))
        return new

    # --- verifying ------------------------------------------------------------------------------------------------

    def verify(self, expected: Head | None = None) -> list[Fault]:
        """Everything that does not fit, in order; nothing when all does. `expected`: a head noted earlier, elsewhere."""
        faults: list[Fault] = []
        previous, count = ZERO, 0
        states: dict[int, str | None] = {}
        last: dict[int, dict[str, Any]] = {}
        hashes: list[str] = []
        rows = self._database.connection.execute("SELECT number, line FROM nta_audit ORDER BY number").fetchall()
        for number, text in rows:
            where = f"line {number}"
            if number != count + 1:
                faults.append(Fault(where, f"line {count + 1} is missing"))
            count = number
            entry = _read_line(text)
            if entry is None:
                faults.append(Fault(where, "it cannot be read"))
            else:
                faults += [Fault(where, what) for what in self._misfits(number, entry, previous, states)]
                states[entry["nta"]] = entry["after"]
                last[entry["nta"]] = entry
            previous = _hash(text)
            hashes.append(f"{number}:{previous}")
        head = self.head()
        if (head.number, head.hash) != (count, previous):
            faults.append(
                Fault("head", f"the trail ends with line {count}; noted was line {head.number}, hash {head.hash}")
            )
        if expected is not None and str(expected) not in hashes and (expected.number or expected.hash != ZERO):
            faults.append(Fault(f"line {expected.number}", f"it is not the one that was noted elsewhere: {expected.hash}"))
        return faults + self._record_faults(last)

    def _misfits(self, number: int, entry: dict[str, Any], previous: str, states: dict[int, str | None]) -> Iterator[str]:
        """What is wrong with one line, as seen from those before it."""
        if entry["number"] != number:
            yield f"it says that it is line {entry['number']}"
        if entry["previous"] != previous:
            yield f"it does not follow on line {number - 1}: one of the two was changed, or a line between was taken out"
        if entry["before"] != states.get(entry["nta"]):
            yield f"it says that NTA {entry['nta']} was {entry['before']}; it was {states.get(entry['nta'])}"
        if entry["evidence"]:
            row = self._database.connection.execute(
                "SELECT document FROM nta_evidence WHERE line = ?", (number,)
            ).fetchone()
            if row is None or _hash(row[0]) != entry["evidence"]:
                yield "its evidence was changed or is missing"

    def _record_faults(self, last: dict[int, dict[str, Any]]) -> list[Fault]:
        faults: list[Fault] = []
        present: set[int] = set()
        rows = self._database.connection.execute("SELECT number, name, state, record FROM nta ORDER BY number")
        for number, name, state, text in rows:
            present.add(number)
            what = _misfit(number, name, state, text, last.get(number))
            if what:
                faults.append(Fault(f"NTA {number}", what))
        return faults + [Fault(f"NTA {number}", "its record is missing") for number in sorted(last.keys() - present)]


def _misfit(number: int, name: str, state: str, text: str, entry: dict[str, Any] | None) -> str:
    """What is wrong with a record, given its last line; empty when it fits."""
    if entry is None:
        return "no line of the audit trail tells of it"
    if _hash(text) != entry["record"]:
        return f"its record was changed after line {entry['number']}"
    record = _read_record(text)
    if record is None:
        return "its record cannot be read"
    if (record.number, name_to_text(record.name), record.state.value) != (number, name, state):
        return f"it is listed as {name}, {state}; its record says otherwise"
    if entry["name"] != name or entry["after"] != state:
        return f"line {entry['number']} says {entry['name']}, {entry['after']}"
    return ""


# --- text -------------------------------------------------------------------------------------------------------------

_LINE_FIELDS: Final = {
    "number": int,
    "time": str,
    "who": str,
    "peer": str,
    "what": str,
    "nta": int,
    "name": str,
    "after": str,
    "details": dict,
    "record": str,
    "evidence": str,
    "previous": str,
}


def _canonical(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _time(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record_text(record: Record) -> str:
    return _canonical(asdict(record) | {"name": name_to_text(record.name), "state": record.state.value})


_RECORD_FIELDS: Final = frozenset(field.name for field in fields(Record))


def _read_record(text: str) -> Record | None:
    """A record from its text; None when it is not one."""
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or document.keys() != _RECORD_FIELDS:
            return None
        return Record(**document | {"name": name_from_text(document["name"]), "state": State(document["state"])})
    except (ValueError, TypeError, AttributeError):
        return None


def _read_line(text: str) -> dict[str, Any] | None:
    """A line of the trail; None when it is not one."""
    try:
        entry = json.loads(text)
    except ValueError:
        return None
    if not isinstance(entry, dict) or not all(isinstance(entry.get(key), kind) for key, kind in _LINE_FIELDS.items()):
        return None
    return entry if "before" in entry else None
