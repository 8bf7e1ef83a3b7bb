"""Resolution failures, remembered so that a broken zone is not asked at every client's retry (RFC 9520).

A failure rests FAILURE_TTL seconds at first, doubling with each repetition up to FAILURE_TTL_MAX; a success clears it.
Where stale data stands in, it rests as long as RFC 8767 §5 says, each time.
"""

from typing import Final

from resolver.cache.bounded import trim
from resolver.cache.selection import Selection
from trust.reason import Reason
from trust.vocabulary import Finding, Question
from wire.limits import FAILURE_TTL, FAILURE_TTL_MAX, FAILURE_TTL_MIN

MAX_FAILURES: Final = 50_000


class Failure:
    """Why a question failed. `until`: monotonic seconds; `count`: failures in a row."""

    __slots__ = ("count", "errors", "findings", "reason", "text", "until")

    def __init__(
        self, reason: Reason, text: str, errors: list[tuple[int, str]], findings: list[Finding], until: float, count: int
    ) -> None:
        self.reason = reason
        self.text = text
        self.errors = errors
        self.findings = findings
        self.until = until
        self.count = count


class Failures:
    """Failures by question, bounded in number."""

    def __init__(self, limit: int = MAX_FAILURES) -> None:
        self._failures: dict[Question, Failure] = {}
        self._limit = limit

    def __len__(self) -> int:
        return len(self._failures)

    def get(self, question: Question, mono: float) -> Failure | None:
        """The failure still in force for this question."""
        failure = self._failures.get(question)
        return failure if failure is not None and failure.until > mono else None

    def put(
        self,
        question: Question,
        reason: Reason,
        text: str,
        errors: list[tuple[int, str]],
        findings: list[Finding],
        mono: float,
        rest_s: float | None = None,
        latest: float = float("inf"),
    ) -> Failure:
        """Remember a failure; a repetition rests longer (RFC 9520 §3.2), unless `rest_s` says how long. `latest`: when it
        ends in any case (monotonic seconds).
        """
        before = self._failures.pop(question, None)
        count = 1 if before is None or before.until + FAILURE_TTL_MAX < mono else before.count + 1
        rest = rest_s if rest_s is not None else min(FAILURE_TTL * 2 ** min(count - 1, 10), FAILURE_TTL_MAX)
        failure = Failure(reason, text, errors, findings, min(mono + rest, max(latest, mono + FAILURE_TTL_MIN)), count)
        self._failures[question] = failure
        trim(self._failures, self._limit)
        return failure

    def forget(self, question: Question) -> None:
        """The question resolved: its failures are history."""
        if self._failures:
            self._failures.pop(question, None)

    def select(self, selection: Selection) -> list[tuple[Question, Failure]]:
        """Failures meant, in force or not."""
        return [
            (question, failure)
            for question, failure in self._failures.items()
            if selection.covers(question.name) and selection.covers_type(question.rtype)
        ]

    def forget_selected(self, selection: Selection) -> int:
        """Drop the failures meant; returns how many."""
        doomed = self.select(selection)
        for question, _ in doomed:
            del self._failures[question]
        return len(doomed)

    def clear(self) -> None:
        """Forget all."""
        self._failures.clear()
