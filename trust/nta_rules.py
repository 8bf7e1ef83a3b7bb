"""What an operator may do with a negative trust anchor, and what speaks against it: refusals and their texts.

`trust.nta` is the life cycle; this is the material of its decisions: what a look at the name showed (`Evidence`), whether
it could be our own clock, and the rules of the configuration.

RFC 7646 §2 (is it a failure of the zone, not an attack, not of ours?), §4; guideline 2-21, 2-22.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from trust.reason import Reason
from trust.signature import time_text
from wire.name import ROOT, Name

ROUNDS: Final = 3
"""Rounds in a row in which every authority gave a secure answer, before an NTA retires itself. One could be luck: signers
run by the hour, and secondaries catch up one by one."""
SHORTEST_S: Final = 1.0
MAX_TEXT: Final = 1000
"""Characters of a reason, ticket or operator's name: enough for a paragraph, too little to fill a disk."""


class Obstacle(Enum):
    """Why a request is refused. Members are (label, whether `force` overcomes it)."""

    ROOT = ("root", False)
    """An NTA for the root would switch validation off (RFC 7646 §2)."""
    LIFETIME = ("lifetime", False)
    TEXT = ("text", False)
    """The reason, or who asks, is missing; or a text has no business in a log."""
    EXISTS = ("exists", False)
    """There is an open proposal or an active NTA of this name."""
    STATIC = ("static", False)
    """It stands in the configuration: no command changes that."""
    UNKNOWN = ("unknown", False)
    """There is no such NTA."""
    STATE = ("state", False)
    """What is asked does not follow on the state it is in."""
    SAME_PERSON = ("same-person", False)
    """Guideline 2-22: somebody else must decide."""
    APPROVAL = ("approval-required", False)
    VALIDATES = ("validates", False)
    """The name validates now."""
    UNVALIDATED = ("unvalidated", True)
    """The name is not validated anyhow: an NTA would change nothing."""
    UNREACHABLE = ("unreachable", True)
    """There is no answer to be had, which no NTA mends."""
    OWN_CLOCK = ("own-clock", True)
    """It may be our own clock that is wrong."""

    def __init__(self, label: str, forcible: bool) -> None:
        self.label = label
        self.forcible = forcible


class RefusedError(Exception):
    """A request that is not carried out.

    Attributes:
        obstacle: why; `problem`: the same in a sentence; `advice`: what the operator may do.
    """

    def __init__(self, obstacle: Obstacle, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.obstacle = obstacle
        self.problem = problem
        if obstacle.forcible:
            advice = f"{advice}; force it if you know better" if advice else "force it if you know better"
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Rules:
    """`[trust.nta]` of the configuration, and the names that it lists as static."""

    default_lifetime_s: float = 3600.0
    max_lifetime_s: float = 7 * 86400.0
    require_approval: bool = True
    static: frozenset[Name] = frozenset()


class Seen(Enum):
    """What a look at the name showed."""

    BROKEN = "broken"
    """It does not validate: what NTAs are for."""
    VALIDATES = "validates"
    UNVALIDATED = "unvalidated"
    """Insecure without any NTA: no chain of trust leads there."""
    UNREACHABLE = "unreachable"
    """No authority gives an answer."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A look at a name with NTAs left aside.

    `sentence`: the outcome; `clock`: why it may be our own clock, empty when it is not; `document`: the whole, as JSON text
    (the explain report, and one for each server).
    """

    seen: Seen
    sentence: str
    clock: str = ""
    document: str = "{}"


@dataclass(frozen=True, slots=True)
class Validity:
    """The times of a signature, seconds since 1970."""

    inception: float
    expiration: float


def clock_suspicion(reason: Reason, failed: Validity, held: Sequence[Validity], now_wall: float) -> str:
    """Why the failure may be our own clock's; empty when the chain above shows that it is not.

    The signatures that hold above were made by others, who had their own clocks: the true time is not before the latest of
    their inceptions, nor after the earliest of their expirations. If the failed signature is out of its validity at every
    time in between, no setting of our clock would mend it.
    """
    if reason is Reason.SIGNATURE_EXPIRED:
        earliest = max((validity.inception for validity in held), default=float("-inf"))
        if earliest > failed.expiration:
            return ""
        what = f"the signature expired {time_text(failed.expiration)}"
    elif reason is Reason.SIGNATURE_NOT_YET_VALID:
        latest = min((validity.expiration for validity in held), default=float("inf"))
        if latest < failed.inception:
            return ""
        what = f"the signature is valid from {time_text(failed.inception)}"
    else:
        return ""
    return f"{what}, our clock says {time_text(now_wall)}, and no signature above it tells which is right"


# --- checks ------------------------------------------------------------------------------------------------------------


def check_name(name: Name, rules: Rules) -> None:
    """Raises RefusedError for the root and for a name that the configuration lists."""
    if name == ROOT:
        raise RefusedError(
            Obstacle.ROOT,
            "an NTA for the root would switch off validation for everything",
            "name the zone that is broken; if the root's own keys are at fault, see `akashi trust status`",
        )
    if name in rules.static:
        raise RefusedError(
            Obstacle.STATIC,
            "the name has an NTA in the configuration, which never expires",
            "change trust.nta.static and reload",
        )


def check_text(what: str, text: str, *, required: bool = False) -> str:
    """The text without blanks around it.

    Raises:
        RefusedError: it is empty although it is required, too long, or not one line of printable characters.
    """
    text = text.strip()
    if required and not text:
        raise RefusedError(Obstacle.TEXT, f"{what} is missing")
    if len(text) > MAX_TEXT:
        raise RefusedError(Obstacle.TEXT, f"{what} has {len(text)} characters; at most {MAX_TEXT} are taken")
    if not text.isprintable():
        raise RefusedError(Obstacle.TEXT, f"{what} must be one line of printable characters")
    return text


def check_lifetime(lifetime_s: float | None, rules: Rules) -> float:
    """The lifetime asked for, or the default one."""
    if lifetime_s is None:
        return rules.default_lifetime_s
    if not SHORTEST_S <= lifetime_s <= rules.max_lifetime_s:  # NaN fails too
        raise RefusedError(
            Obstacle.LIFETIME,
            f"a lifetime of {lifetime_s:g} s; {SHORTEST_S:g} s to {rules.max_lifetime_s:g} s are allowed",
            "the upper bound is trust.nta.max-lifetime (RFC 7646: no longer than a week)",
        )
    return lifetime_s


def check_evidence(evidence: Evidence, *, force: bool) -> None:
    """Refuse what an NTA would not mend."""
    found: tuple[Obstacle, str, str] | None = None
    if evidence.seen is Seen.VALIDATES:
        found = (
            Obstacle.VALIDATES,
            f"the name validates now: {evidence.sentence}",
            "if something below it fails, say what: --failing NAME[/TYPE]",
        )
    elif evidence.seen is Seen.UNVALIDATED:
        found = (Obstacle.UNVALIDATED, f"the name is not validated anyhow: {evidence.sentence}", "look for another cause")
    elif evidence.seen is Seen.UNREACHABLE:
        found = (
            Obstacle.UNREACHABLE,
            f"there is no answer to validate: {evidence.sentence}",
            "an NTA does not make servers answer",
        )
    elif evidence.clock:
        found = (
            Obstacle.OWN_CLOCK,
            f"check this resolver's own clock first: {evidence.clock}",
            "compare with a time server (`chronyc tracking`, `timedatectl`)",
        )
    if found is not None and not (force and found[0].forcible):
        raise RefusedError(*found)


def same_person(one: str, other: str) -> bool:
    """Whether two operator names are one person's: blanks and case do not make a second person."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
