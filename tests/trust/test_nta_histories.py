"""Random histories of NTAs: whatever people try in whatever order, two of them were needed, and it ends."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trust import nta
from trust.nta import TABLE, Event, Record, Request, State, Transition
from trust.nta_rules import ROUNDS, Evidence, RefusedError, Rules, Seen, same_person
from wire.text import name_from_text

NAME = name_from_text("example.jp")
RULES = Rules(default_lifetime_s=600.0, max_lifetime_s=3600.0)
PEOPLE = st.sampled_from(["hanako", "Hanako", "taro", " taro", "jiro"])
LIFETIMES = st.one_of(st.none(), st.floats(-10, 8000), st.just(float("nan")))
SEEN = st.sampled_from(list(Seen))
EVENTS = st.sampled_from(list(Event))
STEPS = st.lists(
    st.tuples(EVENTS, PEOPLE, LIFETIMES, SEEN, st.booleans(), st.booleans(), st.floats(0, 2000)), min_size=1, max_size=40
)


def attempt(
    record: Record | None,
    number: int,
    event: Event,
    who: str,
    lifetime: float | None,
    look: Evidence,
    force: bool,
    wall: float,
) -> Transition:
    """What a keeper does for an event; refusals are raised."""
    if event in (Event.PROPOSE, Event.ADD):
        open_record = record if record is not None and record.state.open else None
        request = nta.check_request(Request(NAME, who, "why", lifetime_s=lifetime, force=force), open_record, event, RULES)
        return nta.begin(request, number, look, event, wall)
    if record is None:
        raise LookupError
    acts: dict[Event, Any] = {
        Event.APPROVE: lambda: nta.approve(record, who, look, RULES, wall, force=force),
        Event.REJECT: lambda: nta.reject(record, who, "no", wall),
        Event.EXTEND: lambda: nta.extend(record, who, lifetime, "more", look, RULES, wall),
        Event.REMOVE: lambda: nta.remove(record, who, "", wall),
        Event.RETIRE: lambda: nta.retire(record, ROUNDS, "secure", wall),
        Event.EXPIRE: lambda: nta.expire(record, wall),
    }
    transition: Transition = acts[event]()
    return transition


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_what_holds_in_every_history(steps) -> None:
    wall, number = 1_800_000_000.0, 0
    record: Record | None = None
    grants: list[str] = []
    for event, who, lifetime, seen, clock, force, pause in steps:
        wall += pause
        look = Evidence(seen, "as seen", "our clock?" if clock else "")
        try:
            transition = attempt(record, number + 1, event, who, lifetime, look, force, wall)
        except RefusedError as error:
            assert error.problem
            continue
        except LookupError:
            continue
        before = None if transition.before is None else transition.before.state
        after = transition.after
        assert TABLE[before, transition.event] is after.state
        if before is None:
            number, grants = after.number, []
        assert after.number == number
        # Nobody gets an NTA alone, nor for a name that validates.
        assert event is not Event.ADD
        if event in (Event.PROPOSE, Event.APPROVE, Event.EXTEND):
            assert seen is not Seen.VALIDATES
        if after.state is State.ACTIVE:
            assert not same_person(after.decided_by, after.proposed_by)
            assert after.expires_wall is not None and after.granted_wall == wall
            assert 0 < after.expires_wall - wall <= RULES.max_lifetime_s
            assert not grants or not same_person(grants[-1], after.granted_by)
            grants.append(after.granted_by)
            (item,) = nta.in_force([after])
            assert item.in_force(wall)
            assert not item.in_force(wall + RULES.max_lifetime_s)
        else:
            assert nta.in_force([after]) == []
        record = after
