"""Is our clock right? What time servers and the kernel say → one judgement.

Theory: a sample says that the true offset of our clock lies within `offset ± error`, the error being half the round trip
plus what the server knows of its own distance from its source (RFC 5905 §11.2: root distance). Of n servers, the offset is
taken to lie where the intervals of more than half of them meet (Marzullo's algorithm, RFC 5905 §11.2.1); servers whose
interval does not reach there are falsetickers. The offset given is the median of the others'.

When no server can be compared with, the kernel's own word counts: whatever sets the clock (chronyd, ntpd, timesyncd) tells
it whether the clock is synchronised.

Limitations: two servers that disagree leave it undecided; configure three or more. Servers are not authenticated (NTP
without NTS): whoever can alter packets on the way to most of them can have a right clock called wrong, which is told but
changes no validation, except for the names in `clock.ntp-names` (resolver/resolve/untimely.py).

RFC 5905 §11.2; guideline 2-3, 2-12.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median


class ClockState(Enum):
    """What is known of our clock."""

    GOOD = "good"
    """Within the allowed offset of the time servers; or, where none can be asked, synchronised as the kernel says."""
    WRONG = "wrong"
    """Off by more than allowed, as the majority of the time servers say."""
    UNVERIFIED = "unverified"
    """Nobody could say, or time servers disagree."""


class Standing(Enum):
    """What one time server's answer was worth."""

    GOOD = "good"
    FALSETICKER = "falseticker"
    """Its time differs from that of the majority."""
    UNUSABLE = "unusable"
    """It answered, but knows no time itself (unsynchronised, kiss-o'-death, malformed)."""
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one time server said. `offset_s`: our clock minus its; None, with `problem`, when it said nothing of use.

    `error_s`: how far from the truth the offset may be; `silent`: whether there was no answer at all.
    """

    server: str
    offset_s: float | None = None
    error_s: float = 0.0
    stratum: int = 0
    problem: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel says of its clock: whether it is synchronised, and how wrong it is at most."""

    synchronised: bool
    max_error_s: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A sample with its standing."""

    sample: Sample
    standing: Standing


@dataclass(frozen=True, slots=True)
class Judgement:
    """What comes of a check.

    Attributes:
        offset_s: our clock minus the time servers', None when they gave none; `error_s`: its uncertainty.
        text: the judgement in a sentence; `readings`: one for each time server.
    """

    state: ClockState
    text: str
    offset_s: float | None = None
    error_s: float = 0.0
    readings: tuple[Reading, ...] = ()


def agreement(samples: Sequence[Sample]) -> tuple[float, float] | None:
    """The interval in which the intervals of more than half of the samples meet; None when there is none.

    Of several such intervals the one with the most samples is taken (RFC 5905 §11.2.1).
    """
    edges: list[tuple[float, int]] = []
    for sample in samples:
        assert sample.offset_s is not None
        edges.append((sample.offset_s - sample.error_s, -1))
        edges.append((sample.offset_s + sample.error_s, 1))
    edges.sort()  # at equal places beginnings come first: intervals that touch meet
    most, depth = 0, 0
    best: tuple[float, float] | None = None
    for place, (where, kind) in enumerate(edges):
        depth -= kind
        if kind < 0 and depth > most:
            # From a beginning to the next edge, nowhere lie more intervals than here.
            most, best = depth, (where, edges[place + 1][0])
    return best if 2 * most > len(samples) else None


def judge(samples: Sequence[Sample], kernel: Kernel | None, max_offset_s: float) -> Judgement:
    """What the samples of one check amount to."""
    told = [sample for sample in samples if sample.offset_s is not None]
    meeting = agreement(told) if told else None
    readings = tuple(Reading(sample, _standing(sample, meeting)) for sample in samples)
    if meeting is not None:
        good = [r.sample for r in readings if r.standing is Standing.GOOD]
        offset = median(sample.offset_s for sample in good if sample.offset_s is not None)
        error = max((meeting[1] - meeting[0]) / 2, 0.0)
        return _measured(offset, error, max_offset_s, readings)
    if told:
        text = f"{len(told)} time servers disagree, none has a majority"
        return Judgement(ClockState.UNVERIFIED, text, readings=readings)
    why = f"none of {len(samples)} time servers gave the time" if samples else "no time server is configured"
    if kernel is None:
        return Judgement(ClockState.UNVERIFIED, f"{why}, and the kernel does not tell", readings=readings)
    if kernel.synchronised:
        return Judgement(ClockState.GOOD, f"{why}; synchronised, as the kernel says", readings=readings)
    return Judgement(ClockState.UNVERIFIED, f"{why}; not synchronised, as the kernel says", readings=readings)


def _standing(sample: Sample, meeting: tuple[float, float] | None) -> Standing:
    if sample.offset_s is None:
        return Standing.SILENT if sample.silent else Standing.UNUSABLE
    if meeting is None:
        return Standing.FALSETICKER
    low, high = meeting
    reaches = sample.offset_s - sample.error_s <= high and sample.offset_s + sample.error_s >= low
    return Standing.GOOD if reaches else Standing.FALSETICKER


def _measured(offset: float, error: float, max_offset_s: float, readings: tuple[Reading, ...]) -> Judgement:
    if abs(offset) <= max_offset_s:
        return Judgement(ClockState.GOOD, f"{describe_offset(offset)} of the time servers", offset, error, readings)
    if abs(offset) <= error:
        text = f"{describe_offset(offset)}, but the time servers are uncertain by {error:.3g} s"
        return Judgement(ClockState.UNVERIFIED, text, offset, error, readings)
    text = f"{describe_offset(offset)} of the time servers, more than {max_offset_s:g} s"
    return Judgement(ClockState.WRONG, text, offset, error, readings)


def describe_offset(offset_s: float) -> str:
    """`3600 s ahead`, `0.004 s behind`."""
    size = abs(offset_s)
    number = f"{size:.0f}" if size >= 10 else f"{size:.1f}" if size >= 1 else f"{size:.3f}"
    return f"{number} s {'ahead' if offset_s >= 0 else 'behind'}"


def clock_note(judgement: Judgement) -> str:
    """What Extended DNS Errors about times say of a wrong clock; "" for any other."""
    if judgement.state is not ClockState.WRONG or judgement.offset_s is None:
        return ""
    return f" (our clock is {describe_offset(judgement.offset_s)})"
