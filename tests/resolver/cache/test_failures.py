"""Resolution failures are remembered, longer each time (RFC 9520)."""

from resolver.cache.failures import Failure, Failures
from tests.resolver.play import question
from trust.reason import Reason
from wire.limits import FAILURE_TTL, FAILURE_TTL_MAX, FAILURE_TTL_MIN

NOW = 1000.0
WWW = question("www.example.jp")


def fail(failures: Failures, mono: float = NOW, name: str = "www.example.jp") -> Failure:
    return failures.put(question(name), Reason.NO_AUTHORITY, "text", [(22, "text")], [], mono)


def test_a_failure_is_of_one_question_and_for_a_time() -> None:
    failures = Failures()
    failure = fail(failures)
    assert failures.get(WWW, NOW) is failure
    assert failures.get(WWW, NOW + FAILURE_TTL - 0.1) is failure
    assert failures.get(WWW, NOW + FAILURE_TTL) is None
    assert failures.get(question("www.example.jp", "AAAA"), NOW) is None
    assert failures.get(question("example.jp"), NOW) is None


def test_what_was_said_is_said_again() -> None:
    failure = fail(Failures())
    assert (failure.reason, failure.text, failure.errors, failure.findings) == (
        Reason.NO_AUTHORITY,
        "text",
        [(22, "text")],
        [],
    )


def test_repetition_doubles_the_rest_up_to_a_bound() -> None:
    # RFC 9520 §3.2: exponential, 300 seconds at most
    failures = Failures()
    mono, rests = NOW, []
    for _ in range(12):
        failure = fail(failures, mono)
        rests.append(failure.until - mono)
        mono = failure.until
    assert rests[:4] == [FAILURE_TTL, 2 * FAILURE_TTL, 4 * FAILURE_TTL, 8 * FAILURE_TTL]
    assert rests[-1] == FAILURE_TTL_MAX == 300
    assert rests == sorted(rests)


def test_a_question_of_long_ago_starts_anew() -> None:
    failures = Failures()
    mono = NOW
    for _ in range(5):
        mono = fail(failures, mono).until
    assert fail(failures, mono + FAILURE_TTL_MAX + 1).count == 1


def test_the_count_does_not_run_over() -> None:
    failures = Failures()
    mono = NOW
    for _ in range(2000):
        failure = fail(failures, mono)
        assert failure.until - mono <= FAILURE_TTL_MAX
        mono = failure.until


def test_success_makes_it_history() -> None:
    failures = Failures()
    fail(failures)
    fail(failures)
    failures.forget(WWW)
    assert failures.get(WWW, NOW) is None
    assert fail(failures).count == 1


def test_clear() -> None:
    failures = Failures()
    fail(failures)
    failures.clear()
    assert (failures.get(WWW, NOW), len(failures)) == (None, 0)


def test_number_is_bounded_and_the_oldest_go() -> None:
    failures = Failures(limit=100)
    for number in range(500):
        fail(failures, NOW, f"n{number}")
        assert len(failures) <= 100
    assert failures.get(question("n499"), NOW) is not None
    assert failures.get(question("n0"), NOW) is None


def test_it_ends_with_the_remembered_failure_that_it_came_from() -> None:
    failures = Failures()
    put = (WWW, Reason.NO_AUTHORITY, "text", [(22, "text")], [])
    for _ in range(8):
        fail(failures)
    assert failures.put(*put, NOW, None, NOW + 40).until == NOW + 40
    # But a second at least (RFC 9520 §3.2).
    assert failures.put(*put, NOW, None, NOW + 0.1).until == NOW + FAILURE_TTL_MIN
