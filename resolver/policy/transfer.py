"""A zone transfer as a state machine: records in the order in which they come → what to do with the zone.

Nothing is done before the transfer is whole: what is left half way leaves no trace.

RFC 5936 §2.2 (AXFR: SOA, everything, SOA), RFC 1995 §4 (IXFR: SOA, differences each from one SOA to the next, SOA; or a
whole zone; or one SOA, when there is nothing new), RFC 1982 (serial numbers).
"""

from enum import Enum
from typing import NamedTuple

from resolver.policy.table import Soa
from wire import types as t
from wire.limits import MAX_POLICY_RECORDS
from wire.name import Name


class Record(NamedTuple):
    """One record; names in wire form, lower-cased, RDATA uncompressed."""

    owner: Name
    rtype: int
    ttl: int
    rdata: bytes


class Change(NamedTuple):
    """A record to take in, or to take out."""

    record: Record
    added: bool


class Kind(Enum):
    """What a transfer turned out to be."""

    CURRENT = "current"
    """Nothing is newer than what we have."""
    FULL = "full"
    """The whole zone: the changes begin from nothing."""
    DELTA = "delta"
    """Differences to what we have."""


class TransferError(ValueError):
    """The records make no transfer; the message says why."""


class _State(Enum):
    FIRST = 0
    SECOND = 1
    FULL = 2
    REMOVING = 3
    ADDING = 4
    DONE = 5


class Transfer:
    """One transfer.

    Args:
        zone: its name; `have`: the serial that we have, None when AXFR was asked for.

    Attributes:
        changes: in order; only to be looked at when `done`.
    """

    def __init__(self, zone: Name, have: int | None) -> None:
        self._zone = zone
        self._have = have
        self._state = _State.FIRST
        self._latest = 0
        self._at = 0
        self._first: Record | None = None
        self.kind = Kind.FULL
        self.changes: list[Change] = []

    @property
    def done(self) -> bool:
        """Whether all of it has come."""
        return self._state is _State.DONE

    def feed(self, record: Record) -> None:
        """The next record.

        Raises:
            TransferError: it cannot come here.
        """
        serial = Soa.of(record.rdata, record.ttl).serial if record.rtype == t.SOA and record.owner == self._zone else None
        if self._state is _State.FIRST:
            self._begin(record, serial)
        elif self._state is _State.SECOND:
            self._tell_kind(record, serial)
        elif self._state is _State.FULL:
            if serial is None:
                self._note(record, added=True)
            else:
                self._end(serial)
        elif self._state is _State.REMOVING:
            if serial is None:
                self._note(record, added=False)
            else:
                self._at = serial
                self._state = _State.ADDING
                self._note(record, added=True)
        elif self._state is _State.ADDING:
            if serial is None:
                self._note(record, added=True)
            elif self._at == self._latest:
                self._end(serial)
            elif serial == self._at:
                self._state = _State.REMOVING
            else:
                raise TransferError(f"a difference from serial {serial} follows one to {self._at}")
        else:
            raise TransferError("records after the end")

    def over(self) -> None:
        """A message ended. One SOA alone is an answer to IXFR: nothing new."""
        if self._state is _State.SECOND and self._have is not None:
            if newer(self._latest, self._have):
                raise TransferError("the primary has a newer serial, and gives only that")
            self.kind = Kind.CURRENT
            self._state = _State.DONE

    def _begin(self, record: Record, serial: int | None) -> None:
        if serial is None:
            raise TransferError("the first record is not the zone's SOA")
        self._latest = serial
        self._first = record
        self._state = _State.SECOND
        if self._have is not None and not newer(serial, self._have):
            self.kind = Kind.CURRENT
            self._state = _State.DONE

    def _tell_kind(self, record: Record, serial: int | None) -> None:
        assert self._first is not None
        if serial is not None and self._have is not None and serial == self._have:
            self.kind = Kind.DELTA
            self._state = _State.REMOVING
            return
        self._note(self._first, added=True)
        self._state = _State.FULL
        if serial is None:
            self._note(record, added=True)
        else:
            self._end(serial)

    def _end(self, serial: int) -> None:
        if serial != self._latest:
            raise TransferError(f"began with serial {self._latest} and ended with {serial}")
        self._state = _State.DONE

    def _note(self, record: Record, *, added: bool) -> None:
        if len(self.changes) >= MAX_POLICY_RECORDS:
            raise TransferError(f"more than {MAX_POLICY_RECORDS} records")
        self.changes.append(Change(record, added))


def newer(one: int, other: int) -> bool:
    """Whether serial number `one` comes after `other` (RFC 1982 §3.2)."""
    return one != other and (one - other) & 0xFFFFFFFF < 1 << 31
