"""Judging our clock by what time servers and the kernel say."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.watch.clock import ClockState, Kernel, Sample, Standing, agreement, clock_note, describe_offset, judge

SYNCED, ADRIFT = Kernel(True, 0.1), Kernel(False, 16.0)
GOOD, WRONG, UNVERIFIED = ClockState.GOOD, ClockState.WRONG, ClockState.UNVERIFIED


def said(*offsets: float, error: float = 0.01) -> list[Sample]:
    return [Sample(f"192.0.2.{number}", offset, error, 2) for number, offset in enumerate(offsets)]


def silent(count: int) -> list[Sample]:
    return [Sample(f"192.0.2.{100 + number}", problem="no answer", silent=True) for number in range(count)]


@pytest.mark.parametrize(
    ("offsets", "state", "offset"),
    [
        ([0.002], GOOD, 0.002),
        ([3600.0], WRONG, 3600.0),
        ([-3600.0, -3600.005, -3599.995], WRONG, -3600.0),
        ([0.0, 0.001, 5.0], GOOD, 0.0005),
        ([5.0, 5.001, 0.0], WRONG, 5.0005),
        ([0.0, 5.0], UNVERIFIED, None),
        ([0.0, 5.0, 10.0], UNVERIFIED, None),
        ([0.0, 0.0, 5.0, 5.0], UNVERIFIED, None),
        ([0.999, 0.999], GOOD, 0.999),
        ([1.02, 1.02], WRONG, 1.02),
    ],
)
def test_the_majority_decides(offsets: Sequence[float], state: ClockState, offset: float | None) -> None:
    judgement = judge(said(*offsets), ADRIFT, 1.0)
    assert judgement.state is state
    assert judgement.offset_s == (None if offset is None else pytest.approx(offset))


def test_a_falseticker_is_told() -> None:
    judgement = judge([*said(0.0, 0.001, 40.0), *silent(1)], SYNCED, 1.0)
    assert [r.standing for r in judgement.readings] == [
        Standing.GOOD, Standing.GOOD, Standing.FALSETICKER, Standing.SILENT,
    ]  # fmt: skip


def test_silent_servers_are_no_part_of_the_majority() -> None:
    assert judge([*said(0.0), *silent(5)], ADRIFT, 1.0).state is GOOD


def test_uncertain_servers_do_not_condemn() -> None:
    judgement = judge(said(3.0, error=4.0), SYNCED, 1.0)
    assert judgement.state is UNVERIFIED
    assert "uncertain" in judgement.text


@pytest.mark.parametrize(("kernel", "state"), [(SYNCED, GOOD), (ADRIFT, UNVERIFIED), (None, UNVERIFIED)])
@pytest.mark.parametrize("samples", [[], silent(2), [Sample("192.0.2.1", problem="kiss-o'-death RATE", stratum=0)]])
def test_without_servers_the_kernel_is_asked(samples: list[Sample], kernel: Kernel | None, state: ClockState) -> None:
    judgement = judge(samples, kernel, 1.0)
    assert (judgement.state, judgement.offset_s) == (state, None)


def test_servers_that_disagree_are_not_outvoted_by_the_kernel() -> None:
    assert judge(said(0.0, 9.0), SYNCED, 1.0).state is UNVERIFIED


def test_intervals_that_touch_meet() -> None:
    assert agreement(said(0.0, 0.5, error=0.25)) == (0.25, 0.25)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=9), st.floats(0.001, 2))
def test_an_agreement_lies_in_more_than_half(offsets: list[float], error: float) -> None:
    samples = said(*offsets, error=error)
    found = agreement(samples)
    places = [edge for offset in offsets for edge in (offset - error, offset + error)]
    most = max(sum(offset - error <= place <= offset + error for offset in offsets) for place in places)
    if found is None:
        assert 2 * most <= len(offsets)
    else:
        middle = found[0]
        assert 2 * sum(offset - error <= middle <= offset + error for offset in offsets) > len(offsets)
        assert found[0] <= found[1]


@pytest.mark.parametrize(
    ("offset", "text"),
    [(3600.2, "3600 s ahead"), (-3600.2, "3600 s behind"), (2.55, "2.5 s ahead"), (-0.0042, "0.004 s behind")],
)
def test_texts(offset: float, text: str) -> None:
    assert describe_offset(offset) == text


def test_only_a_wrong_clock_has_a_note() -> None:
    assert clock_note(judge(said(3600.0), None, 1.0)) == " (our clock is 3600 s ahead)"
    assert clock_note(judge(said(0.0), None, 1.0)) == ""
    assert clock_note(judge(said(0.0, 99.0), None, 1.0)) == ""
