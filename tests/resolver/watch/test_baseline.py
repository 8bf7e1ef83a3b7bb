"""The learned share of SERVFAIL: what alarms, what does not, and what is remembered."""

import json
import random

import pytest

from resolver.watch.baseline import FALL, LEAST_COUNT, RISE, SPAN, Baseline, Outlook, threshold, variance
from tools.simulate_baseline import DAY, KINDS, Traffic, delays, false_alarms


def learned(n: int = 6000, share: float = 0.01, minutes: int = 3 * DAY, seed: int = 1) -> tuple[Baseline, float]:
    """A baseline that saw steady traffic, and the time after it."""
    baseline, dice = Baseline(), random.Random(seed)
    for minute in range(minutes):
        k = max(0, round(dice.gauss(n * share, (n * share) ** 0.5)))
        baseline.add(minute * 60.0, n, k)
    return baseline, minutes * 60.0


def feed(baseline: Baseline, wall: float, n: int, k: int, minutes: int = 1, **options: float) -> Outlook:
    for minute in range(minutes):
        outlook = baseline.add(wall + minute * 60, n, k, **options)  # type: ignore[arg-type]
    return outlook


def test_the_usual_share_is_learned() -> None:
    baseline, wall = learned(share=0.03)
    assert baseline.usual(wall) == pytest.approx(0.03, rel=0.05)


def test_hours_have_their_own_share() -> None:
    baseline = Baseline()
    for minute in range(6 * DAY):
        night = minute % DAY < DAY // 2
        baseline.add(minute * 60.0, 6000, 180 if night else 60)
    assert baseline.usual(6 * 3600.0) > 2 * baseline.usual(18 * 3600.0)


def test_an_incident_is_an_anomaly_after_minutes_and_ends_after_minutes() -> None:
    baseline, wall = learned()
    assert not feed(baseline, wall, 6000, 60, SPAN).anomaly
    outlooks = [baseline.add(wall + 60 * m, 6000, 600) for m in range(10)]
    assert [o.anomaly for o in outlooks].index(True) <= RISE
    assert outlooks[-1].ratio == pytest.approx(0.1)
    assert outlooks[-1].threshold is not None
    assert outlooks[-1].usual < outlooks[-1].threshold < 0.03
    assert feed(baseline, wall, 6000, 60, SPAN - 1).anomaly
    assert not feed(baseline, wall, 6000, 60, SPAN + FALL).anomaly


def test_a_single_bad_minute_is_none() -> None:
    baseline, wall = learned()
    feed(baseline, wall, 6000, 60, SPAN)
    outlook = feed(baseline, wall, 6000, 150)
    assert not outlook.anomaly


@pytest.mark.parametrize(("n", "k"), [(0, 0), (1, 1), (5, 2), (20, 1)])
def test_a_quiet_night_is_no_anomaly(n: int, k: int) -> None:
    baseline, wall = learned()
    for minute in range(8 * 60):
        outlook = baseline.add(wall + minute * 60, n, k)
        if k * SPAN < LEAST_COUNT or n == 20:
            assert not outlook.anomaly
    assert outlook.ratio is None or outlook.ratio == k / n
    # It does not spoil what is usual by day.
    assert not feed(baseline, wall + 9 * 3600, 6000, 60, 30).anomaly


def test_all_failing_in_a_quiet_night_is_one() -> None:
    baseline, wall = learned()
    feed(baseline, wall, 40, 1, 60)
    assert feed(baseline, wall, 40, 40, 4).anomaly


def test_nothing_is_flagged_while_learning_except_by_a_fixed_threshold() -> None:
    baseline, wall = learned(minutes=60)
    assert not feed(baseline, wall, 6000, 3000, 10, learning=True).anomaly
    assert feed(baseline, wall, 6000, 3000, 10, learning=True, fixed=0.2).anomaly


def test_a_fixed_threshold_takes_the_learned_one_s_place() -> None:
    baseline, wall = learned()
    outlook = feed(baseline, wall, 6000, 600, 10, fixed=0.2)
    assert (outlook.anomaly, outlook.threshold) == (False, 0.2)
    assert feed(baseline, wall, 6000, 1500, 10, fixed=0.2).anomaly


def test_an_incident_teaches_little() -> None:
    baseline, wall = learned()
    before = baseline.usual(wall)
    assert feed(baseline, wall, 6000, 3000, 180).anomaly, "three hours of half of all"
    assert baseline.usual(wall) < 1.3 * before


def test_a_lasting_change_is_believed_in_the_end() -> None:
    baseline, wall = learned()
    days = 0
    while feed(baseline, wall, 6000, 120, DAY).anomaly:
        days += 1
        assert days < 30
    assert days >= 1


def test_it_survives_as_json() -> None:
    baseline, wall = learned(minutes=300)
    again = Baseline.restored(json.loads(json.dumps(baseline.document())))
    assert again.usual(wall) == baseline.usual(wall)
    assert again.dispersion(wall) == baseline.dispersion(wall)
    assert again.minutes == baseline.minutes == 300


@pytest.mark.parametrize(
    "document",
    [{}, {"minutes": 1}, {"minutes": "x", "overall": {}, "hours": []}, {"hours": 3, "overall": {}, "minutes": 1}],
)
def test_what_makes_no_sense_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"no baseline|invalid literal"):
        Baseline.restored(document)


def test_a_suggestion_comes_with_traffic() -> None:
    assert Baseline().suggestion() is None
    baseline, _ = learned()
    suggestion = baseline.suggestion()
    assert suggestion is not None
    assert 0.012 <= suggestion < 0.03


def test_thresholds_mind_small_numbers() -> None:
    assert threshold(20, 0.01, 0.0) * 20 >= LEAST_COUNT
    assert threshold(1000, 0.01, 0.0) > threshold(100_000, 0.01, 0.0) >= 0.015
    assert threshold(100_000, 0.01, 0.01) > threshold(100_000, 0.01, 0.0)
    assert variance(1, 0.5, 0.9) == 0.25


def test_the_tail_is_as_small_as_it_should_be() -> None:
    """Of independent counts, none of 20,000 is above (the design is one in 100,000)."""
    dice = random.Random(7)
    limit = threshold(5000, 0.02, 0.0) * 5000
    counts = [max(0.0, dice.gauss(100, (100 * 0.98) ** 0.5)) for _ in range(20_000)]
    assert max(counts) <= limit


@pytest.mark.parametrize("kind", ["200 queries/s", "drift: share +5 % each day", "nothing at all by night"])
def test_simulated_weeks_without_cause_for_alarm(kind: str) -> None:
    """The tables of docs/BASELINE.md are made by longer runs."""
    assert false_alarms(KINDS[kind], 8, 1)[0] == 0


def test_simulated_incidents_are_found() -> None:
    found = delays(Traffic(rate=200), 0.05, 0, 2, days=3)
    assert all(delay is not None and delay <= 5 for delay in found)
