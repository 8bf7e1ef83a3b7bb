"""RFC 5011 over random histories: a key becomes trusted by nothing but its hold-down, and never again once revoked.

The histories have honest and stolen keys, revocations, absences, gaps, clocks that jump, signatures expired or by keys that
are not trusted. What must hold is judged from the history alone, without the state machine's own book-keeping.
"""

from dataclasses import dataclass

from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.trust.rollover import Follower, key, published, revoked
from tests.trust.zones import DAY, NOW, KeyPair
from trust.rfc5011 import State, trust_point
from trust.rfc5011_table import TABLE

KEYS = [key(index) for index in range(5)]
HOLD = 30 * DAY
GAP = 30 * DAY


@dataclass(frozen=True)
class Moment:
    """What the zone publishes: by index of the key."""

    wait_s: float
    plain: frozenset[int]
    revoked: frozenset[int]
    signers: frozenset[int]
    """By the plain form, or by the revoked one when only that is in the RRset."""
    expired: bool


indices = st.frozensets(st.integers(0, len(KEYS) - 1), max_size=len(KEYS))
waits = st.one_of(
    st.floats(60, 10 * DAY), st.floats(60, 10 * DAY), st.floats(10 * DAY, 45 * DAY), st.floats(-5 * DAY, 0), st.just(0.0)
)
moments = st.builds(
    Moment,
    wait_s=waits,
    plain=st.one_of(indices, st.just(frozenset(range(len(KEYS))))),
    revoked=st.one_of(st.just(frozenset[int]()), st.just(frozenset[int]()), indices),
    signers=st.one_of(indices, st.just(frozenset({0})), st.just(frozenset({0, 1}))),
    expired=st.sampled_from([False] * 9 + [True]),
)

patient = st.builds(
    Moment,
    wait_s=st.floats(DAY, 15 * DAY),
    plain=st.just(frozenset({0, 1, 2})),
    revoked=st.just(frozenset[int]()),
    signers=st.just(frozenset({0})),
    expired=st.just(False),
)
"""What a zone without events looks like: it takes several in a row for a key to be trusted."""
histories = st.lists(st.one_of(moments, patient, patient, patient), min_size=1, max_size=25)


@dataclass
class Seen:
    """One moment as the judge sees it."""

    at: float
    holders: frozenset[int]
    """Trusted keys that sign."""
    plain: frozenset[int]


class Judge:
    """Holds the history and says what may be trusted."""

    def __init__(self) -> None:
        self.history: list[Seen] = []
        self.trusted = {0}
        self.revoked: set[int] = set()

    def saw(self, at: float, moment: Moment) -> None:
        signs_plain = moment.signers & moment.plain
        signs_revoked = moment.signers & (moment.revoked - moment.plain)
        if moment.expired:
            signs_plain = signs_revoked = frozenset()
        self.revoked |= self.trusted & signs_revoked
        self.trusted -= self.revoked
        self.history.append(Seen(at, frozenset(self.trusted & signs_plain), moment.plain))

    def may_become_trusted(self, index: int) -> bool:
        """In every validated RRset for the hold-down up to now, with no long gap, the clock never going back by much; and
        not all the keys that signed when it began are revoked by now.
        """
        run: list[Seen] = []
        for seen in reversed(self.history):
            if not seen.holders:
                continue
            if index not in seen.plain:
                break
            if run and not -3600 <= run[-1].at - seen.at <= GAP:
                break
            run.append(seen)
        now = self.history[-1]
        return bool(now.holders) and any(now.at - s.at >= HOLD and s.holders - self.revoked for s in run)


def rrset_at(moment: Moment, at: float) -> object:
    present: list[KeyPair] = [KEYS[i] for i in sorted(moment.plain)] + [revoked(KEYS[i]) for i in sorted(moment.revoked)]
    signers = [KEYS[i] if i in moment.plain else revoked(KEYS[i]) for i in sorted(moment.signers)]
    return published(present, signers, at, valid_s=-60 if moment.expired else 14 * DAY)


@settings(max_examples=300, deadline=None)
@given(histories)
def test_random_histories(history: list[Moment]) -> None:
    follow, judge = Follower(KEYS[0]), Judge()
    at = float(NOW)
    for moment in history:
        at += moment.wait_s
        before = {i for i, pair in enumerate(KEYS) if follow.state(pair) in (State.VALID, State.MISSING)}
        assert before == judge.trusted
        judge.saw(at, moment)
        seen = follow.see(rrset_at(moment, at), at)  # type: ignore[arg-type]
        after = {i for i, pair in enumerate(KEYS) if follow.state(pair) in (State.VALID, State.MISSING)}
        for index in after - before:
            event("a key became trusted")
            assert judge.may_become_trusted(index), f"key {index} after {judge.history}"
        assert before - after <= judge.revoked, "only revocation ends trust"
        assert not after & judge.revoked, "revoked is for ever"
        if judge.revoked:
            event("a key was revoked")
        if judge.history[-1].plain or moment.revoked:
            assert seen.ok == bool(judge.history[-1].holders)
        for move in seen.transitions:
            assert move.event is not None and TABLE[move.old, move.event].next is move.new
        point = trust_point(follow.point)
        assert point is not None
        assert {i for i, pair in enumerate(KEYS) if pair.rdata in point.dnskeys} == after
        judge.trusted = after


@settings(max_examples=60, deadline=None)
@given(st.lists(patient, min_size=3, max_size=40))
def test_a_steady_zone_does_get_its_keys_trusted(history: list[Moment]) -> None:
    """The other side: seen steadily for the hold-down, a key is trusted at the next look, not later."""
    follow = Follower(KEYS[0])
    at, first = float(NOW), 0.0
    for moment in history:
        at += moment.wait_s
        first = first or at
        follow.see(rrset_at(moment, at), at)  # type: ignore[arg-type]
        assert (follow.state(KEYS[1]) is State.VALID) == (at - first >= HOLD)
