"""The life cycle of NTAs: every cell of the table, every refusal."""

import itertools
from dataclasses import replace

import pytest

from trust import nta
from trust.anchors import TrustPoint, TrustPoints
from trust.nta import TABLE, Event, Record, Request, Round, ServerCheck, State
from trust.nta_rules import (
    MAX_TEXT,
    ROUNDS,
    Evidence,
    Obstacle,
    RefusedError,
    Rules,
    Seen,
    Validity,
    clock_suspicion,
    same_person,
)
from trust.reason import Reason
from wire.name import ROOT
from wire.text import name_from_text

NOW = 1_800_000_000.0
NAME = name_from_text("example.jp")
BROKEN = Evidence(Seen.BROKEN, "bogus: signature expired", "", '{"a":1}')
TWO = Rules()
ONE = Rules(require_approval=False)
REQUEST = Request(NAME, "hanako", "signatures expired", "T-1", 600.0, "www.example.jp/A")


def refused(call, *args, **kwargs) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        call(*args, **kwargs)
    assert caught.value.problem
    return caught.value


def proposed(request: Request = REQUEST, rules: Rules = TWO) -> Record:
    request = nta.check_request(request, None, Event.PROPOSE, rules)
    return nta.begin(request, 1, BROKEN, Event.PROPOSE, NOW).after


def active() -> Record:
    return nta.approve(proposed(), "taro", BROKEN, TWO, NOW + 60).after


def in_state(state: State) -> Record:
    if state is State.PROPOSED:
        return proposed()
    return active() if state is State.ACTIVE else replace(active(), state=state)


def do(event: Event, record: Record) -> nta.Transition:
    """The event at the record, by somebody who may."""
    wall = NOW + 100
    calls = {
        Event.APPROVE: lambda: nta.approve(record, "taro", BROKEN, TWO, wall),
        Event.REJECT: lambda: nta.reject(record, "taro", "no", wall),
        Event.EXTEND: lambda: nta.extend(record, "hanako", 300.0, "still broken", BROKEN, TWO, wall),
        Event.REMOVE: lambda: nta.remove(record, "taro", "mended", wall),
        Event.RETIRE: lambda: nta.retire(record, ROUNDS, "secure", wall),
        Event.EXPIRE: lambda: nta.expire(record, wall),
    }
    return calls[event]()


LATER = [event for event in Event if event not in (Event.PROPOSE, Event.ADD)]


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, LATER)))
def test_every_cell(state, event):
    record = in_state(state)
    wanted = TABLE.get((state, event))
    if wanted is None:
        assert refused(do, event, record).obstacle is Obstacle.STATE
        return
    transition = do(event, record)
    assert transition.before == record
    assert transition.after.state is wanted
    assert transition.event is event
    assert transition.wall == NOW + 100
    if not wanted.open:
        assert transition.after.ended_by == transition.who
        assert transition.after.ended_wall == NOW + 100


def test_the_table_is_the_design():
    arrows = {(before, after) for (before, _), after in TABLE.items()}
    assert arrows == {
        (None, State.PROPOSED),
        (None, State.ACTIVE),
        (State.PROPOSED, State.ACTIVE),
        (State.PROPOSED, State.REJECTED),
        (State.ACTIVE, State.ACTIVE),
        (State.ACTIVE, State.REMOVED),
        (State.ACTIVE, State.RETIRED),
        (State.ACTIVE, State.EXPIRED),
    }


def test_a_proposal_has_no_effect_and_carries_everything():
    record = proposed()
    assert record.state is State.PROPOSED
    assert (record.proposed_by, record.reason, record.ticket, record.lifetime_s, record.failing) == (
        "hanako", "signatures expired", "T-1", 600.0, "www.example.jp/A",
    )  # fmt: skip
    assert record.summary == BROKEN.sentence
    assert record.expires_wall is None
    assert nta.in_force([record]) == []


def test_lifetime_counts_from_the_approval():
    record = active()
    assert record.activated_wall == NOW + 60
    assert record.expires_wall == NOW + 660
    assert record.decided_by == record.granted_by == "taro"
    (made,) = nta.in_force([record])
    assert (made.name, made.expires_wall, made.text) == (NAME, NOW + 660, "signatures expired")
    assert made.in_force(NOW + 659)
    assert not made.in_force(NOW + 660)


def test_add_is_both_in_one():
    request = nta.check_request(REQUEST, None, Event.ADD, ONE)
    transition = nta.begin(request, 4, BROKEN, Event.ADD, NOW)
    assert transition.after.state is State.ACTIVE
    assert transition.after.expires_wall == NOW + 600
    assert transition.evidence is BROKEN


def test_add_needs_leave():
    error = refused(nta.check_request, REQUEST, None, Event.ADD, TWO)
    assert error.obstacle is Obstacle.APPROVAL
    assert "propose" in error.advice


@pytest.mark.parametrize("approver", ["hanako", " Hanako ", "HANAKO"])
def test_another_person_must_approve(approver):
    assert refused(nta.approve, proposed(), approver, BROKEN, TWO, NOW).obstacle is Obstacle.SAME_PERSON
    assert nta.approve(proposed(), approver, BROKEN, ONE, NOW).after.state is State.ACTIVE


def test_no_one_extends_alone():
    record = active()  # taro set the expiry
    assert refused(nta.extend, record, "taro", 600.0, "more", BROKEN, TWO, NOW).obstacle is Obstacle.SAME_PERSON
    record = nta.extend(record, "hanako", 600.0, "more", BROKEN, TWO, NOW + 500).after
    assert record.expires_wall == NOW + 1100
    assert refused(nta.extend, record, "hanako", 600.0, "more", BROKEN, TWO, NOW).obstacle is Obstacle.SAME_PERSON
    assert nta.extend(record, "hanako", 600.0, "more", BROKEN, ONE, NOW).after.state is State.ACTIVE


def test_anybody_may_remove_and_reject():
    assert nta.remove(active(), "taro", "", NOW).after.state is State.REMOVED
    assert nta.remove(active(), "hanako", "", NOW).after.state is State.REMOVED
    assert nta.reject(proposed(), "hanako", "mistake", NOW).after.state is State.REJECTED


@pytest.mark.parametrize(
    ("request_", "obstacle"),
    [
        (replace(REQUEST, name=ROOT), Obstacle.ROOT),
        (replace(REQUEST, lifetime_s=7 * 86400 + 1.0), Obstacle.LIFETIME),
        (replace(REQUEST, lifetime_s=0.0), Obstacle.LIFETIME),
        (replace(REQUEST, lifetime_s=-5.0), Obstacle.LIFETIME),
        (replace(REQUEST, lifetime_s=float("nan")), Obstacle.LIFETIME),
        (replace(REQUEST, lifetime_s=float("inf")), Obstacle.LIFETIME),
        (replace(REQUEST, reason=" "), Obstacle.TEXT),
        (replace(REQUEST, who=""), Obstacle.TEXT),
        (replace(REQUEST, who="a\nb"), Obstacle.TEXT),
        (replace(REQUEST, ticket="\x1b[2J"), Obstacle.TEXT),
        (replace(REQUEST, reason="x" * (MAX_TEXT + 1)), Obstacle.TEXT),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_refused_before_anybody_looks(request_, obstacle, force):
    request_ = replace(request_, force=force)
    assert refused(nta.check_request, request_, None, Event.PROPOSE, TWO).obstacle is obstacle


def test_the_longest_lifetime_is_taken_and_the_default_too():
    longest = nta.check_request(replace(REQUEST, lifetime_s=7 * 86400.0), None, Event.PROPOSE, TWO)
    assert longest.lifetime_s == 7 * 86400
    default = nta.check_request(replace(REQUEST, lifetime_s=None), None, Event.PROPOSE, Rules(default_lifetime_s=42))
    assert default.lifetime_s == 42


def test_static_names_are_the_configurations():
    rules = Rules(static=frozenset([NAME]))
    assert refused(nta.check_request, REQUEST, None, Event.PROPOSE, rules).obstacle is Obstacle.STATIC
    assert refused(nta.approve, proposed(), "taro", BROKEN, rules, NOW).obstacle is Obstacle.STATIC


@pytest.mark.parametrize("state", [State.PROPOSED, State.ACTIVE])
def test_one_open_nta_a_name(state):
    error = refused(nta.check_request, REQUEST, in_state(state), Event.PROPOSE, TWO)
    assert error.obstacle is Obstacle.EXISTS
    assert state.value in error.problem


SUSPECT = replace(BROKEN, clock="the signature expired an hour ago")


@pytest.mark.parametrize(
    ("evidence", "obstacle", "forcible"),
    [
        (Evidence(Seen.VALIDATES, "secure"), Obstacle.VALIDATES, False),
        (Evidence(Seen.UNVALIDATED, "no DS"), Obstacle.UNVALIDATED, True),
        (Evidence(Seen.UNREACHABLE, "timed out"), Obstacle.UNREACHABLE, True),
        (SUSPECT, Obstacle.OWN_CLOCK, True),
    ],
)
@pytest.mark.parametrize("event", [Event.PROPOSE, Event.ADD])
def test_what_the_evidence_forbids(evidence, obstacle, forcible, event):
    error = refused(nta.begin, REQUEST, 1, evidence, event, NOW)
    assert error.obstacle is obstacle
    assert error.obstacle.forcible is forcible
    assert ("force" in error.advice) is forcible
    forced = replace(REQUEST, force=True)
    if forcible:
        transition = nta.begin(forced, 1, evidence, event, NOW)
        assert transition.after.forced
        assert transition.details["forced"]
    else:
        assert refused(nta.begin, forced, 1, evidence, event, NOW).obstacle is obstacle
    # It is looked at again when somebody approves.
    assert refused(nta.approve, proposed(), "taro", evidence, TWO, NOW).obstacle is obstacle


def test_the_refusal_says_check_the_clock_first():
    assert "clock first" in refused(nta.begin, REQUEST, 1, SUSPECT, Event.PROPOSE, NOW).problem


def test_extension_of_what_validates_is_refused():
    good = Evidence(Seen.VALIDATES, "secure")
    assert refused(nta.extend, active(), "hanako", 60.0, "more", good, TWO, NOW).obstacle is Obstacle.VALIDATES
    assert refused(nta.extend, active(), "hanako", 8 * 86400.0, "more", BROKEN, TWO, NOW).obstacle is Obstacle.LIFETIME
    assert refused(nta.extend, active(), "hanako", 60.0, "", BROKEN, TWO, NOW).obstacle is Obstacle.TEXT


def test_a_shortened_maximum_counts_at_approval():
    strict = replace(TWO, max_lifetime_s=300.0, default_lifetime_s=60.0)
    assert refused(nta.approve, proposed(), "taro", BROKEN, strict, NOW).obstacle is Obstacle.LIFETIME


# --- the clock -------------------------------------------------------------------------------------------------------

HOUR = 3600.0
DAY = 24 * HOUR
ABOVE = [Validity(NOW - 10 * DAY, NOW + 5 * DAY), Validity(NOW - 2 * HOUR, NOW + 7 * DAY)]


@pytest.mark.parametrize(
    ("reason", "failed", "suspected"),
    [
        # The parent signed an hour later than this ended: it did end.
        (Reason.SIGNATURE_EXPIRED, Validity(NOW - 30 * DAY, NOW - 3 * HOUR), False),
        # Ended an hour ago by our clock: nothing shows that an hour has passed since the parent signed.
        (Reason.SIGNATURE_EXPIRED, Validity(NOW - 30 * DAY, NOW - HOUR), True),
        (Reason.SIGNATURE_NOT_YET_VALID, Validity(NOW + 6 * DAY, NOW + 30 * DAY), False),
        (Reason.SIGNATURE_NOT_YET_VALID, Validity(NOW + HOUR, NOW + 30 * DAY), True),
        (Reason.SIGNATURE_INVALID, Validity(NOW - DAY, NOW + DAY), False),
        (Reason.SIGNATURE_EXPIRED_BEFORE_VALID, Validity(NOW + DAY, NOW - DAY), False),
    ],
)
def test_is_it_our_clock(reason, failed, suspected):
    text = clock_suspicion(reason, failed, ABOVE, NOW)
    assert bool(text) is suspected


def test_with_nothing_above_every_wrong_time_may_be_ours():
    assert clock_suspicion(Reason.SIGNATURE_EXPIRED, Validity(0, 1), [], NOW)
    assert clock_suspicion(Reason.SIGNATURE_NOT_YET_VALID, Validity(2 * NOW, 3 * NOW), [], NOW)


# --- rounds -----------------------------------------------------------------------------------------------------------


def round_of(*secure: bool) -> Round:
    checks = [ServerCheck(f"192.0.2.{n}", "ns", ok, "" if ok else "expired") for n, ok in enumerate(secure, 1)]
    return Round(NOW, NAME, tuple(checks))


@pytest.mark.parametrize(
    ("found", "good"), [(round_of(True), True), (round_of(True, True), True), (round_of(True, False), False),
                        (round_of(False), False), (round_of(), False)],
)  # fmt: skip
def test_a_round_is_good_when_every_authority_is(found, good):
    assert found.good is good
    assert nta.count_rounds(2, found) == (3 if good else 0)
    assert found.sentence


def test_rounds_must_be_in_a_row():
    count = 0
    for good in (True, True, False, True, True, True):
        count = nta.count_rounds(count, round_of(good))
    assert count == 3 == ROUNDS


def test_people():
    assert same_person("Taro  Yamada", "taro yamada ")
    assert not same_person("taro", "hanako")


# --- in the trust points -------------------------------------------------------------------------------------------------


def test_longest_match_wins_and_nothing_outside_is_weakened():
    below = name_from_text("keys.sub.example.jp")
    outer, inner = active(), replace(active(), number=2, name=name_from_text("sub.example.jp"))
    points = TrustPoints([TrustPoint(ROOT, [b"x" * 36]), TrustPoint(below, [b"y" * 36])], nta.in_force([outer, inner]))
    governed = {
        "example.jp": NAME,
        "www.example.jp": NAME,
        "a.sub.example.jp": inner.name,
        "keys.sub.example.jp": below,
        "x.keys.sub.example.jp": below,
        "jp": ROOT,
        "example.com": ROOT,
        "notexample.jp": ROOT,
    }
    for name, wanted in governed.items():
        found = points.governing(name_from_text(name), NOW + 61)
        assert found is not None
        assert found.name == wanted, name
    assert points.nta(name_from_text("www.example.jp"), NOW + 660) is None
