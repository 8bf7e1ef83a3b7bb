"""What the log says of client queries: validation failures, once each and then summarised; queries when asked for.

A failure is known by reason and by the name it is about (the zone or record that broke, not the question: a broken zone is
one line, whatever is asked of it). It is logged at once when new, and then at most every REPEAT seconds with the number of
times it was met since. The memory of failures is bounded; the oldest are forgotten, and would be logged as new.

Guideline 2-9: failures are logged, queries are not, unless the operator asks for it (RFC 9076).
"""

from collections.abc import Callable
from typing import Final

from structlog.typing import FilteringBoundLogger

from resolver.resolution import Resolution
from resolver.server import clock
from trust.reason import Reason
from trust.vocabulary import Address, Security, Transport
from wire.message import Message
from wire.name import Name
from wire.text import name_to_text, rcode_to_text, type_to_text

REPEAT: Final = 600.0
"""Seconds in which a known failure is not logged again."""
REMEMBERED: Final = 1000


class Known:
    """A failure met before: when it was logged (monotonic), and how often it was met since."""

    __slots__ = ("logged", "since")

    def __init__(self, logged: float) -> None:
        self.logged = logged
        self.since = 0


class LogObserver:
    """Fulfils `resolver.server.service.Observer`.

    Args:
        validation_failures: whether they are logged at all; `policy_hits`: whether rules of response policy that are met
            are; `monotonic`: gives monotonic seconds.
    """

    def __init__(
        self,
        log: FilteringBoundLogger,
        *,
        validation_failures: bool,
        policy_hits: bool = False,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._log = log
        self._wanted = validation_failures
        self._policy_hits = policy_hits
        self._monotonic = monotonic
        self._known: dict[tuple[Reason, Name], Known] = {}

    def answered(
        self, query: Message, client: str, transport: Transport, rcode: int, resolution: Resolution | None, seconds: float
    ) -> None:
        """One line for a query."""
        facts: dict[str, object] = {}
        if resolution is not None:
            facts = {"security": resolution.security.value, "ede": [code for code, _ in resolution.errors]}
        if query.has_question:
            facts |= {"name": name_to_text(query.qname), "type": type_to_text(query.qtype)}
        self._log.info(
            "query",
            client=client,
            transport=transport.value,
            rcode=rcode_to_text(rcode),
            milliseconds=round(seconds * 1000, 1),
            **facts,
        )

    def rewrote(self, resolution: Resolution, client: str) -> None:
        """One line for each policy rule that was met, when that is wanted."""
        if not self._policy_hits:
            return
        for hit in resolution.policy:
            self._log.info(
                "policy-hit",
                zone=hit.zone,
                action=hit.action,
                rule=hit.rule,
                name=name_to_text(resolution.question.name),
                type=type_to_text(resolution.question.rtype),
                client=client,
            )

    def failed(self, resolution: Resolution) -> None:
        """One line for a validation failure, when it is new or its time has come again."""
        if not self._wanted:
            return
        at, zone, server = _culprit(resolution)
        key = resolution.reason, at
        now = self._monotonic()
        known = self._known.get(key)
        if known is not None and now - known.logged < REPEAT:
            known.since += 1
            return
        if known is None:
            if len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            known = self._known[key] = Known(now)
        facts: dict[str, object] = {"repeated": known.since} if known.since else {}
        known.logged, known.since = now, 0
        if server is not None:
            facts["server"] = server.ip
        self._log.warning(
            "validation-failure",
            name=name_to_text(resolution.question.name),
            type=type_to_text(resolution.question.rtype),
            at=name_to_text(at),
            zone=name_to_text(zone),
            reason=resolution.reason.label,
            ede=[code for code, _ in resolution.errors],
            text=next((text for _, text in resolution.errors if text), ""),
            **facts,
        )


def _culprit(resolution: Resolution) -> tuple[Name, Name, Address | None]:
    """The name the failure is about, the zone it was met in, and the server that gave the data."""
    for step, validated in resolution.steps:
        if validated is not None and validated.verdict.security is Security.BOGUS:
            return validated.verdict.at, step.zone, step.server
    name = resolution.question.name
    return name, name, None
