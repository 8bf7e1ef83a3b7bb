"""The state table of RFC 5011 §4: every cell, on its own and by way of the RRset that leads to it."""

from dataclasses import replace

import pytest

from tests.trust.rollover import ZONE, Follower, key, revoked
from tests.trust.zones import DAY, NOW, KeyPair
from trust.rfc5011 import Event, KeyState, Observation, Origin, State
from trust.rfc5011_table import TABLE, TRUSTED, next_state

A, B, K = key(0), key(1), key(2)

MOVES = {
    (State.START, Event.NEW_KEY): State.ADD_PEND,
    (State.ADD_PEND, Event.KEY_REM): State.START,
    (State.ADD_PEND, Event.ADD_TIME): State.VALID,
    (State.VALID, Event.KEY_REM): State.MISSING,
    (State.VALID, Event.REV_BIT): State.REVOKED,
    (State.MISSING, Event.KEY_PRES): State.VALID,
    (State.MISSING, Event.REV_BIT): State.REVOKED,
    (State.REVOKED, Event.REM_TIME): State.REMOVED,
}
"""The table as printed in §4."""

CELLS = [(state, event) for state in State for event in Event]


@pytest.mark.parametrize(("state", "event"), CELLS, ids=lambda item: item.value)
def test_cell(state: State, event: Event) -> None:
    assert next_state(state, event) is MOVES.get((state, event), state)


def test_table_is_complete_and_gives_reasons() -> None:
    assert set(TABLE) == set(CELLS)
    assert {cell for cell, (next_, _) in TABLE.items() if next_ is not None} == set(MOVES)
    for cell in TABLE.values():
        assert cell.rule.startswith("§") and cell.rule.endswith(".")


def test_trust_is_entered_by_hold_down_alone_and_left_for_good_by_revocation() -> None:
    into = {(state, event) for (state, event), new in MOVES.items() if new in TRUSTED and state not in TRUSTED}
    assert into == {(State.ADD_PEND, Event.ADD_TIME)}
    assert {new for (state, _), new in MOVES.items() if state in (State.REVOKED, State.REMOVED)} == {State.REMOVED}


# --- by way of RRsets ----------------------------------------------------------------------------------------------------

SITUATIONS = {
    "present": ([A, K], 1.0),
    "absent": ([A], 1.0),
    "present after the hold-down": ([A, K], 31.0),
    "absent after the hold-down": ([A], 31.0),
    "revoked, signed by itself": ([A, revoked(K)], 1.0),
    "revoked, not signed by itself": ([A, revoked(K)], 1.0),
}
S = State
OUTCOMES = {
    S.START: [S.ADD_PEND, S.START, S.ADD_PEND, S.START, S.START, S.START],
    S.ADD_PEND: [S.ADD_PEND, S.START, S.VALID, S.START, S.START, S.START],
    S.VALID: [S.VALID, S.MISSING, S.VALID, S.MISSING, S.REVOKED, S.MISSING],
    S.MISSING: [S.VALID, S.MISSING, S.VALID, S.MISSING, S.REVOKED, S.MISSING],
    S.REVOKED: [S.REVOKED, S.REVOKED, S.REVOKED, S.REMOVED, S.REVOKED, S.REVOKED],
    S.REMOVED: [S.REMOVED] * 6,
}


def look_at(state: State, situation: str) -> tuple[Follower, Observation]:
    """Zone key A is trusted; K is in `state` since day 0; then comes the situation."""
    follow = Follower(A)
    if state is not State.START:
        pending = {"hold_s": 30.0 * DAY, "validators": (A.rdata,)} if state is State.ADD_PEND else {}
        entry = KeyState(state, NOW, K.rdata, (), Origin.LEARNED, NOW, NOW)
        follow.point = replace(follow.point, keys=(*follow.point.keys, replace(entry, **pending)))  # type: ignore[arg-type]
    present, days = SITUATIONS[situation]
    signers = [A, revoked(K)] if situation == "revoked, signed by itself" else [A]
    if state is State.ADD_PEND and days > 30:
        follow.look([A, K], [A], 15)  # in between, as a running resolver does
    return follow, follow.look(present, signers, days)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
def test_situation(state: State, situation: str) -> None:
    follow, seen = look_at(state, situation)
    expected = OUTCOMES[state][list(SITUATIONS).index(situation)]
    assert follow.state(K) is expected
    assert seen.ok and follow.state(A) is State.VALID
    for move in seen.transitions:
        assert move.zone == ZONE and move.key_tag == K.tag and move.at == seen.point.last_attempt
        assert move.event is not None and TABLE[move.old, move.event].next is move.new
    assert bool(seen.transitions) == (expected is not state)


@pytest.mark.parametrize("state", State, ids=lambda state: state.value)
@pytest.mark.parametrize("present", [[A], [A, K], [A, K, B]], ids=["absent", "present", "present with another"])
def test_nothing_moves_without_a_trusted_signature(state: State, present: list[KeyPair]) -> None:
    """K's own signature, B's and none: not one of them is A's."""
    for signers in ([], [K], [K, B]):
        follow, _ = look_at(state, "present")
        before = follow.point.keys
        trusted = state in TRUSTED
        seen = follow.look(present, [s for s in signers if s in present], 40)
        if trusted and K in signers and K in present:
            assert seen.ok  # K is a trust anchor like A
            continue
        assert not seen.ok and not seen.transitions
        assert seen.point.keys == before
