"""`make endurance` in brief: load while a worker is killed, the configuration is reloaded, an NTA comes and goes."""

import pytest

from bench import endurance
from tests.conftest import require_binary


def test_nothing_is_lost_and_no_verdict_is_wrong() -> None:
    for program in ("dnsperf", "nsd"):
        require_binary(program)
    plan = endurance.Plan(seconds=10.0, rate=200, kill_every=3.0, reload_every=4.0, nta_every=2.0)
    outcome = endurance.run(plan)
    assert not outcome.faults, endurance.summary(outcome)
    assert outcome.kills >= 2
    assert outcome.reloads >= 1
    assert outcome.ntas >= 2
    assert outcome.suspended > 0, "answers under the NTA were seen"
    assert outcome.tcp_answers > 0


def made(**facts: object) -> endurance.Outcome:
    outcome = endurance.Outcome(endurance.Plan(seconds=60.0, rate=2000), sent=120_000, kills=11, allowed=11 * 128)
    for name, value in facts.items():
        setattr(outcome, name, value)
    return outcome


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (made(sent=90_000), "too busy"),
        (made(lost=11 * 128 + 1), "without an answer"),
        (made(wrong=["x"]), "wrong verdicts"),
        (made(unresolved=121), "no authority"),
        (made(tcp_closed=12), "TCP connections"),
        (made(memory=[(50 << 20, 50 << 20)] * 40 + [(60 << 20, 50 << 20)] * 20), "memory of the supervisor"),
        (made(memory=[(50 << 20, 50 << 20)] * 40 + [(50 << 20, 60 << 20)] * 20), "memory of the largest worker"),
    ],
)
def test_what_does_not_hold_is_said(outcome: endurance.Outcome, said: str) -> None:
    endurance.judge(outcome, [], 0)
    (fault,) = outcome.faults
    assert said in fault


def test_what_holds_is_not_a_fault() -> None:
    outcome = made(lost=11 * 128, unresolved=120, tcp_closed=11, memory=[(50 << 20, 50 << 20)] * 60)
    endurance.judge(outcome, [], 0)
    assert outcome.faults == []
    endurance.judge(outcome, [RuntimeError("reload")], 2)
    assert len(outcome.faults) == 2


def test_the_load_is_read() -> None:
    text = "> NOERROR n1.wild.example.jp A 0.000123\n" * 3 + "> T n2.wild.example.jp A\n"
    text += f"> NOERROR {endurance.SUSPENDED} A 0.1\n> SERVFAIL {endurance.BROKEN} A 0.1\n"
    text += "  Queries sent:         6\n  Queries completed:    5 (100.00%)\n"
    outcome = made()
    endurance.read_load(text, outcome)
    assert (outcome.sent, outcome.answered, outcome.lost, outcome.wrong) == (6, 5, 1, [])
    endurance.read_load(text + f"> NOERROR {endurance.BROKEN} A 0.1\n> SERVFAIL n1.wild.example.jp A 0.1\n", outcome)
    assert (len(outcome.wrong), outcome.unresolved) == (1, 1)
