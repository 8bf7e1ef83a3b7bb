"""The state table of RFC 5011 §4, cell by cell. Nothing here knows of keys, signatures or time.

The RFC's table names six transitions. The other thirty cells are filled in too: `None` leaves the key where it is, and the
sentence says why; so no event is ever without a defined outcome.

RFC 5011 §4, §4.1, §4.2.
"""

from enum import Enum
from typing import Final, NamedTuple


class State(Enum):
    """§4.2: a key of a trust point as the resolver sees it."""

    START = "Start"
    """Not known: not seen yet, or absent from the last DNSKEY RRset before it was accepted."""
    ADD_PEND = "AddPend"
    """Seen in a validated RRset; in its hold-down. Not trusted."""
    VALID = "Valid"
    """A trust anchor."""
    MISSING = "Missing"
    """A trust anchor that was not in the last validated RRset: abnormal, it should have been revoked first."""
    REVOKED = "Revoked"
    """Revoked by its own signature: never to be trusted again."""
    REMOVED = "Removed"
    """Revoked and long gone."""


TRUSTED: Final = frozenset((State.VALID, State.MISSING))
"""States in which a key is a trust anchor."""


class Event(Enum):
    """§4.1: what a look at the trust point's DNSKEY RRset says of a key."""

    NEW_KEY = "NewKey"
    """A validated RRset has a SEP key that was not known."""
    KEY_PRES = "KeyPres"
    """The key is in the validated RRset again."""
    KEY_REM = "KeyRem"
    """A validated RRset does not have the key; or its acceptance is stopped (§2.2)."""
    ADD_TIME = "AddTime"
    """The key was in every validated RRset for the whole add hold-down."""
    REM_TIME = "RemTime"
    """The revoked key was missing for the whole remove hold-down."""
    REV_BIT = "RevBit"
    """The key is in the RRset with its REVOKE bit set, and signs it."""


class Cell(NamedTuple):
    """The next state, None for "stays"; and the sentence behind it."""

    next: State | None
    rule: str


_S, _E = State, Event

TABLE: Final[dict[tuple[State, Event], Cell]] = {
    (_S.START, _E.NEW_KEY): Cell(
        _S.ADD_PEND,
        "§4.1: That key will become a new trust anchor for the named trust point after it's been present in the RRSet for"
        " at least 'add time'.",
    ),
    (_S.START, _E.KEY_PRES): Cell(None, "§4.1: only a key that was known can have returned."),
    (_S.START, _E.KEY_REM): Cell(None, "§4.2: it was not known, or is absent already."),
    (_S.START, _E.ADD_TIME): Cell(None, "§2.2: no hold-down runs for a key that has not been seen."),
    (_S.START, _E.REM_TIME): Cell(None, "§2.4.2: only a revoked key is removed."),
    (_S.START, _E.REV_BIT): Cell(None, "§2.1: a key that is no trust anchor has nothing to revoke."),
    (_S.ADD_PEND, _E.NEW_KEY): Cell(None, "§4.2: it is known and in its hold-down."),
    (_S.ADD_PEND, _E.KEY_PRES): Cell(None, "§4.2: included in all validated RRsets is what is expected of it."),
    (_S.ADD_PEND, _E.KEY_REM): Cell(
        _S.START,
        "§2.2: If the resolver ever sees the DNSKEY RRSet without the new key but validly signed, it stops the acceptance"
        " process for that key and resets the acceptance timer.",
    ),
    (_S.ADD_PEND, _E.ADD_TIME): Cell(
        _S.VALID,
        "§2.2: Once the timer expires, the new key will be added as a trust anchor the next time the validated RRSet with"
        " the new key is seen at the resolver.",
    ),
    (_S.ADD_PEND, _E.REM_TIME): Cell(None, "§2.4.2: only a revoked key is removed."),
    (_S.ADD_PEND, _E.REV_BIT): Cell(
        None, "§4: the table has no such step; a revoked form in place of the key is a KeyRem, which ends its acceptance."
    ),
    (_S.VALID, _E.NEW_KEY): Cell(None, "§4.2: it is known."),
    (_S.VALID, _E.KEY_PRES): Cell(None, "§4.2: included in all validated RRsets is what is expected of it."),
    (_S.VALID, _E.KEY_REM): Cell(
        _S.MISSING,
        "§4.2: The key remains a valid trust-point key, but was not seen at the resolver in the last validated DNSKEY"
        " RRSet.",
    ),
    (_S.VALID, _E.ADD_TIME): Cell(None, "§2.2: its hold-down is over."),
    (_S.VALID, _E.REM_TIME): Cell(None, "§2.2: it MUST be considered a valid trust anchor until explicitly revoked."),
    (_S.VALID, _E.REV_BIT): Cell(
        _S.REVOKED, "§2.1: Unlike the 'Add' operation below, revocation is immediate and permanent."
    ),
    (_S.MISSING, _E.NEW_KEY): Cell(None, "§4.2: it is known; a key that comes back is a KeyPres."),
    (_S.MISSING, _E.KEY_PRES): Cell(_S.VALID, "§4.1: The key has returned to the valid DNSKEY RRSet."),
    (_S.MISSING, _E.KEY_REM): Cell(None, "§4.2: it is missing already."),
    (_S.MISSING, _E.ADD_TIME): Cell(None, "§2.2: its hold-down is over."),
    (_S.MISSING, _E.REM_TIME): Cell(None, "§2.2: it MUST be considered a valid trust anchor until explicitly revoked."),
    (_S.MISSING, _E.REV_BIT): Cell(
        _S.REVOKED, "§2.1: Unlike the 'Add' operation below, revocation is immediate and permanent."
    ),
    (_S.REVOKED, _E.NEW_KEY): Cell(None, "§4.2: Once in this state, this key MUST permanently be considered invalid."),
    (_S.REVOKED, _E.KEY_PRES): Cell(None, "§4.2: Once in this state, this key MUST permanently be considered invalid."),
    (_S.REVOKED, _E.KEY_REM): Cell(None, "§2.4.2: it is remembered until the remove hold-down is over."),
    (_S.REVOKED, _E.ADD_TIME): Cell(None, "§4.2: Once in this state, this key MUST permanently be considered invalid."),
    (_S.REVOKED, _E.REM_TIME): Cell(
        _S.REMOVED,
        "§4.1: A revoked key has been missing from the trust-point DNSKEY RRSet for sufficient time to be removed from the"
        " trust set.",
    ),
    (_S.REVOKED, _E.REV_BIT): Cell(None, "§4.2: it is revoked already."),
    (_S.REMOVED, _E.NEW_KEY): Cell(None, "§4.2: A key in the removed state MUST NOT be considered a valid trust anchor."),
    (_S.REMOVED, _E.KEY_PRES): Cell(None, "§4.2: A key in the removed state MUST NOT be considered a valid trust anchor."),
    (_S.REMOVED, _E.KEY_REM): Cell(None, "§4.2: it is gone already."),
    (_S.REMOVED, _E.ADD_TIME): Cell(None, "§4.2: A key in the removed state MUST NOT be considered a valid trust anchor."),
    (_S.REMOVED, _E.REM_TIME): Cell(None, "§4.2: it is removed already."),
    (_S.REMOVED, _E.REV_BIT): Cell(None, "§4.2: it was revoked before it was removed."),
}


def next_state(state: State, event: Event) -> State:
    """Where an event takes a key."""
    return TABLE[state, event].next or state
