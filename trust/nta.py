"""The life cycle of a negative trust anchor, as pure transitions over immutable records.

    propose  → PROPOSED → approve → ACTIVE → remove (an operator), retire (repaired), expire (time is up)
                        → reject                 extend (stays ACTIVE)
    add      → ACTIVE   (one person, where the configuration allows that)

Each function takes what is, says what becomes of it as a `Transition`, and refuses what the rules forbid
(`trust.nta_rules`). Time comes in as a value. Whoever carries a Transition out writes it down first
(`resolver.state.nta_store`) and then puts the active ones in force (`in_force`).

Two persons: whoever proposed may not approve; and where approval is required, whoever set the present expiry may not
extend it, so that no one keeps an NTA alive alone.

Limitations: who somebody is, is the caller's affair. A proposal does not lapse; it is examined again when it is approved.

RFC 7646; DESIGN §6; guideline 2-21, 2-22.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from trust.anchors import Nta
from trust.nta_rules import (
    ROUNDS,
    Evidence,
    Obstacle,
    RefusedError,
    Rules,
    check_evidence,
    check_lifetime,
    check_name,
    check_text,
    same_person,
)
from trust.signature import time_text
from wire.name import Name
from wire.text import name_to_text

SYSTEM: Final = "akashi"
"""Who does what no person does: retire and expire."""


class State(Enum):
    """Where an NTA is in its life."""

    PROPOSED = "proposed"
    """Asked for, without effect."""
    ACTIVE = "active"
    """In force."""
    REJECTED = "rejected"
    RETIRED = "retired"
    """The zone validates again at every authority."""
    EXPIRED = "expired"
    REMOVED = "removed"

    @property
    def open(self) -> bool:
        """Whether something may still become of it."""
        return self is State.PROPOSED or self is State.ACTIVE


class Event(Enum):
    """What happens to an NTA."""

    PROPOSE = "propose"
    ADD = "add"
    APPROVE = "approve"
    REJECT = "reject"
    EXTEND = "extend"
    REMOVE = "remove"
    RETIRE = "retire"
    EXPIRE = "expire"


TABLE: Final[dict[tuple[State | None, Event], State]] = {
    (None, Event.PROPOSE): State.PROPOSED,
    (None, Event.ADD): State.ACTIVE,
    (State.PROPOSED, Event.APPROVE): State.ACTIVE,
    (State.PROPOSED, Event.REJECT): State.REJECTED,
    (State.ACTIVE, Event.EXTEND): State.ACTIVE,
    (State.ACTIVE, Event.REMOVE): State.REMOVED,
    (State.ACTIVE, Event.RETIRE): State.RETIRED,
    (State.ACTIVE, Event.EXPIRE): State.EXPIRED,
}
"""All transitions; what is not here is refused."""

_HINTS: Final = {
    (State.PROPOSED, Event.REMOVE): "reject the proposal instead",
    (State.PROPOSED, Event.EXTEND): "approve it first",
    (State.ACTIVE, Event.REJECT): "remove it instead",
    (State.ACTIVE, Event.APPROVE): "extend it, if it is to last longer",
}


@dataclass(frozen=True, slots=True)
class Record:
    """One NTA from proposal to end. Times are seconds since 1970, durations seconds.

    `number`: given in order of proposal; names come again, numbers do not. `failing`: the question that fails, NAME/TYPE.
    `decided_by`: who approved or rejected; `granted_by`: who set the present expiry, last.
    """

    number: int
    name: Name
    state: State
    reason: str
    ticket: str
    failing: str
    proposed_by: str
    proposed_wall: float
    lifetime_s: float
    summary: str
    """The evidence in a sentence."""
    forced: bool = False
    decided_by: str = ""
    decided_wall: float | None = None
    activated_wall: float | None = None
    granted_by: str = ""
    granted_wall: float | None = None
    expires_wall: float | None = None
    ended_by: str = ""
    ended_wall: float | None = None
    ended_why: str = ""

    def nta(self) -> Nta:
        """What goes into the trust points."""
        assert self.state is State.ACTIVE
        return Nta(self.name, self.reason, self.expires_wall)


@dataclass(frozen=True, slots=True)
class Transition:
    """What becomes of an NTA: to be written down as one line of the audit trail, then put in force.

    `before`: None when it begins. `evidence`: what was seen when it was proposed, added or approved. `details`: what else
    the audit trail tells.
    """

    before: Record | None
    after: Record
    event: Event
    who: str
    wall: float
    evidence: Evidence | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Request:
    """What a proposal says. `lifetime_s` None: the default; `failing`: NAME/TYPE."""

    name: Name
    who: str
    reason: str
    ticket: str = ""
    lifetime_s: float | None = None
    failing: str = ""
    force: bool = False


def check_request(request: Request, open_record: Record | None, event: Event, rules: Rules) -> Request:
    """The request in order, before anybody looks at the zone: cheap refusals come first.

    `open_record`: a proposal or active NTA of the same name, if there is one.
    """
    if event is Event.ADD and rules.require_approval:
        raise RefusedError(
            Obstacle.APPROVAL,
            "a second person must approve (trust.nta.require-approval)",
            "use `akashi nta propose`, and have somebody else run `akashi nta approve`",
        )
    check_name(request.name, rules)
    if open_record is not None:
        state = open_record.state
        raise RefusedError(
            Obstacle.EXISTS,
            f"NTA {open_record.number} for {name_to_text(request.name)} is {state.value}",
            "approve or reject it" if state is State.PROPOSED else "extend or remove it",
        )
    return replace(
        request,
        who=check_text("who asks", request.who, required=True),
        reason=check_text("the reason", request.reason, required=True),
        ticket=check_text("the ticket", request.ticket),
        lifetime_s=check_lifetime(request.lifetime_s, rules),
    )


def begin(request: Request, number: int, evidence: Evidence, event: Event, wall: float) -> Transition:
    """Propose, or add, what `check_request` let pass. `number`: of the new record."""
    state = TABLE[None, event]
    assert request.lifetime_s is not None  # check_request
    check_evidence(evidence, force=request.force)
    record = Record(
        number,
        request.name,
        state,
        request.reason,
        request.ticket,
        request.failing,
        request.who,
        wall,
        request.lifetime_s,
        evidence.sentence,
        forced=request.force,
    )
    if state is State.ACTIVE:
        record = _activated(record, request.who, wall)
    details: dict[str, Any] = {
        "reason": record.reason,
        "ticket": record.ticket,
        "failing": record.failing,
        "lifetime_s": record.lifetime_s,
        "evidence": evidence.sentence,
    }
    if state is State.ACTIVE:
        details["expires"] = _until(record)
    if request.force:
        details["forced"] = evidence.clock or evidence.seen.value
    return Transition(None, record, event, request.who, wall, evidence, details)


def check_approval(record: Record, who: str, rules: Rules) -> str:
    """The approver's name in order; refuses the wrong state and the wrong person, before anybody looks at the zone."""
    who = _check(record, Event.APPROVE, who)
    if rules.require_approval and same_person(who, record.proposed_by):
        raise RefusedError(
            Obstacle.SAME_PERSON,
            f"{record.proposed_by} proposed it; somebody else must approve",
            "guideline 2-22: proposer and approver are two persons",
        )
    return who


def approve(record: Record, who: str, evidence: Evidence, rules: Rules, wall: float, *, force: bool = False) -> Transition:
    """Put a proposal in force. `evidence`: of now, since the zone may have been repaired meanwhile."""
    who = check_approval(record, who, rules)
    check_lifetime(record.lifetime_s, rules)  # the configuration may have changed
    check_name(record.name, rules)
    check_evidence(evidence, force=force or record.forced)
    after = _activated(replace(record, decided_by=who, decided_wall=wall, state=State.ACTIVE), who, wall)
    details: dict[str, Any] = {"expires": _until(after), "evidence": evidence.sentence}
    if force:
        details["forced"] = evidence.clock or evidence.seen.value
    return Transition(record, after, Event.APPROVE, who, wall, evidence, details)


def reject(record: Record, who: str, why: str, wall: float) -> Transition:
    """Turn a proposal down; the proposer may take it back so."""
    who = _check(record, Event.REJECT, who)
    why = check_text("the reason", why)
    after = replace(
        record, state=State.REJECTED, decided_by=who, decided_wall=wall, ended_by=who, ended_wall=wall, ended_why=why
    )
    return Transition(record, after, Event.REJECT, who, wall, details={"reason": why})


def extend(
    record: Record, who: str, lifetime_s: float | None, why: str, evidence: Evidence, rules: Rules, wall: float
) -> Transition:
    """Let an active NTA end `lifetime_s` from now, refused when the name validates by now."""
    who = check_extension(record, who, rules)
    lifetime_s = check_lifetime(lifetime_s, rules)
    why = check_text("the reason", why, required=True)
    check_evidence(evidence, force=True)  # what can be forced was decided when it was put in force
    after = replace(record, lifetime_s=lifetime_s, granted_by=who, granted_wall=wall, expires_wall=wall + lifetime_s)
    details = {"reason": why, "expires": _until(after), "before": _until(record)}
    return Transition(record, after, Event.EXTEND, who, wall, evidence, details)


def check_extension(record: Record, who: str, rules: Rules) -> str:
    """The name of who extends, in order."""
    who = _check(record, Event.EXTEND, who)
    if rules.require_approval and same_person(who, record.granted_by):
        raise RefusedError(
            Obstacle.SAME_PERSON,
            f"{record.granted_by} set the present expiry; somebody else must extend it",
            "guideline 2-22: no one keeps an NTA alive alone",
        )
    return who


def remove(record: Record, who: str, why: str, wall: float) -> Transition:
    """End an active NTA by hand; anybody may, since validation is the safe side."""
    who = _check(record, Event.REMOVE, who)
    return _ended(record, Event.REMOVE, who, check_text("the reason", why), wall)


def retire(record: Record, rounds: int, why: str, wall: float) -> Transition:
    """End an active NTA because the zone was secure at every authority, `rounds` times in a row."""
    assert rounds >= ROUNDS
    _check(record, Event.RETIRE, SYSTEM)
    return _ended(record, Event.RETIRE, SYSTEM, why, wall)


def expire(record: Record, wall: float) -> Transition:
    """End an active NTA whose time is up."""
    _check(record, Event.EXPIRE, SYSTEM)
    return _ended(record, Event.EXPIRE, SYSTEM, f"lifetime of {record.lifetime_s:g} s is over", wall)


def in_force(records: Iterable[Record]) -> list[Nta]:
    """What goes into the trust points, beside the NTAs of the configuration."""
    return [record.nta() for record in records if record.state is State.ACTIVE]


def _check(record: Record, event: Event, who: str) -> str:
    """The operator's name, if the event may follow on the record's state."""
    if (record.state, event) not in TABLE:
        raise RefusedError(
            Obstacle.STATE,
            f"NTA {record.number} for {name_to_text(record.name)} is {record.state.value}: cannot {event.value} it",
            _HINTS.get((record.state, event), ""),
        )
    return check_text("who asks", who, required=True)


def _activated(record: Record, who: str, wall: float) -> Record:
    """The lifetime counts from now: a proposal that waited does not get less."""
    return replace(record, activated_wall=wall, granted_by=who, granted_wall=wall, expires_wall=wall + record.lifetime_s)


def _until(record: Record) -> str:
    assert record.expires_wall is not None
    return time_text(record.expires_wall)


def _ended(record: Record, event: Event, who: str, why: str, wall: float) -> Transition:
    after = replace(record, state=TABLE[record.state, event], ended_by=who, ended_wall=wall, ended_why=why)
    return Transition(record, after, event, who, wall, details={"reason": why})


# --- rounds of probes ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServerCheck:
    """What one authority gave for the questions of a round. `secure`: every answer was; `text`: what was wrong."""

    server: str
    name_server: str
    secure: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """One round over all authorities of a zone. `text`: why there were none to ask."""

    wall: float
    zone: Name
    checks: tuple[ServerCheck, ...]
    text: str = ""

    @property
    def good(self) -> bool:
        """Whether every authority, and there is one, gave a secure answer."""
        return bool(self.checks) and all(check.secure for check in self.checks)

    @property
    def sentence(self) -> str:
        """The outcome in a sentence."""
        if not self.checks:
            return self.text or "no authority could be asked"
        bad = [check for check in self.checks if not check.secure]
        if not bad:
            return f"secure at all {len(self.checks)} authorities of {name_to_text(self.zone)}"
        return f"not secure at {len(bad)} of {len(self.checks)} authorities: {bad[0].server}: {bad[0].text}"


def count_rounds(before: int, found: Round) -> int:
    """Good rounds in a row after this one."""
    return before + 1 if found.good else 0
