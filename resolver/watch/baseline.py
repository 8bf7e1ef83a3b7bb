"""Is there more SERVFAIL than usual? The usual share is learned for each hour of the day, and a threshold above it minds
how few the responses are (guideline 2-13, 2-15; method and figures: docs/BASELINE.md).

Theory: each minute brings two counts, responses and SERVFAIL among them. Three things are learned, all with forgetting
(half-life HALF_LIFE): the share over all hours, the share by hour of the day, which counts the more the longer its hour was
seen, and the dispersion: real counts scatter more than independent ones would, because one client's retries of one broken
name are many SERVFAILs. With share p and dispersion r, of n responses k = np fail on average, with the variance of a
beta-binomial distribution, np(1-p)(1+(n-1)r).

The threshold for the last SPAN minutes is the value that a gamma distribution with that mean and variance exceeds with
probability TAIL (Wilson and Hilferty's approximation), and never less than LEAST_FACTOR times and LEAST_EXCESS over the
usual share, nor LEAST_COUNT failures. An anomaly begins after RISE minutes above it and ends after FALL minutes below.

Robustness: what is learned of a minute is cut off at CUT standard deviations above the usual, so that an incident teaches
little, and a lasting change is believed after days; during an anomaly the dispersion does not grow. A minute weighs by its
responses, so a quiet night does not spoil the day's share; and with few responses the threshold is far off by itself.

Limitations: hours are UTC; weekends are not told from weekdays (their difference becomes dispersion); an incident in the
very first hour is taken for usual (`akashi baseline --reset`).
"""

from collections import deque
from dataclasses import asdict, dataclass, field
from math import sqrt
from statistics import NormalDist
from typing import Any, Final

WINDOW_S: Final = 60.0
SPAN: Final = 5
"""Minutes that are looked at together."""
HALF_LIFE: Final = 2 * 1440
"""Minutes after which what was learned weighs half."""
TAIL: Final = 1e-5
LEAST_FACTOR: Final = 1.5
LEAST_EXCESS: Final = 0.002
LEAST_COUNT: Final = 10
RISE: Final = 2
FALL: Final = 5
CUT: Final = 3.0
TRUSTING: Final = 60
"""First minutes that are learned as they are."""

_Z: Final = NormalDist().inv_cdf(1 - TAIL)
_KEEP: Final = 0.5 ** (1 / HALF_LIFE)
_PRIOR_SHARE: Final = 0.02
_PRIOR_COUNT: Final = 200.0
_PRIOR_DISPERSION: Final = 0.001
_PRIOR_SPANS: Final = 12.0
_HOUR_MINUTES: Final = 60.0
"""An hour that was seen on one day counts half as much as all hours together."""
_HOURS: Final = 24


@dataclass(slots=True)
class Learned:
    """What is known of some hours: responses, SERVFAILs, minutes, and the dispersion of spans; all forgotten slowly."""

    responses: float = 0.0
    failures: float = 0.0
    minutes: float = 0.0
    dispersion: float = 0.0
    spans: float = 0.0

    def fade(self) -> None:
        """A minute has passed."""
        self.responses *= _KEEP
        self.failures *= _KEEP
        self.minutes *= _KEEP
        self.dispersion *= _KEEP
        self.spans *= _KEEP


@dataclass(frozen=True, slots=True)
class Outlook:
    """How it is.

    Attributes:
        responses, failures: of the last SPAN minutes; `ratio`: their share, None without responses.
        usual: the learned share; `threshold`: the share from which on it is too much, None without responses.
    """

    responses: int
    failures: int
    ratio: float | None
    usual: float
    threshold: float | None
    above: bool
    anomaly: bool


@dataclass(slots=True)
class Baseline:
    """The learned state and the last minutes. `minutes`: how many were learned."""

    minutes: int = 0
    overall: Learned = field(default_factory=Learned)
    hours: list[Learned] = field(default_factory=lambda: [Learned() for _ in range(_HOURS)])
    _recent: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=SPAN))
    _since: int = 0
    _above: int = 0
    _below: int = 0
    _anomaly: bool = False

    def add(self, wall: float, responses: int, failures: int, *, learning: bool = False, fixed: float = 0.0) -> Outlook:
        """Take in the minute that ended at `wall` (seconds since 1970).

        Args:
            learning: whether the learned threshold may not raise an anomaly yet.
            fixed: a threshold set by the operator, in place of the learned one; 0 when there is none.
        """
        usual, dispersion = self.usual(wall), self.dispersion(wall)
        self._recent.append((responses, failures))
        n = sum(minute[0] for minute in self._recent)
        k = sum(minute[1] for minute in self._recent)
        limit = fixed or (threshold(n, usual, dispersion) if n else 0.0)
        above = n > 0 and k >= LEAST_COUNT and k > limit * n
        self._judge(above and bool(fixed or not learning))
        self._learn(wall, responses, failures, n, k, usual, dispersion)
        return Outlook(n, k, k / n if n else None, usual, limit if n or fixed else None, above, self._anomaly)

    def _judge(self, above: bool) -> None:
        self._above = self._above + 1 if above else 0
        self._below = 0 if above else self._below + 1
        if self._above >= RISE:
            self._anomaly = True
        elif self._below >= FALL:
            self._anomaly = False

    def _learn(self, wall: float, n: int, k: int, span_n: int, span_k: int, usual: float, dispersion: float) -> None:
        self.minutes += 1
        trusting = self.minutes <= TRUSTING
        for part in (self.overall, *self.hours):
            part.fade()
        parts = (self.overall, self.hours[_hour(wall)])
        if n:
            most = n * usual + CUT * sqrt(variance(n, usual, dispersion))
            learned = float(k) if trusting else min(float(k), max(most, 1.0))
            for part in parts:
                part.responses += n
                part.failures += learned
                part.minutes += 1
        self._since += 1
        if self._since < SPAN:
            return
        self._since = 0
        expected = span_n * usual * (1 - usual)
        if expected < 1 or span_n < 2:
            return
        excess = (span_k - span_n * usual) ** 2
        if not trusting:
            # An incident must not make the counts look restless, and raise its own threshold.
            cut = 1.0 if self._anomaly else CUT
            excess = min(excess, cut**2 * variance(span_n, usual, dispersion))
        for part in parts:
            part.dispersion += (excess / expected - 1) / (span_n - 1)
            part.spans += 1

    # --- what is known ---------------------------------------------------------------------------------------------

    def usual(self, wall: float) -> float:
        """The share that is usual at this time of the day: between the middles of two hours, something between theirs."""
        place = (wall / 3600 - 0.5) % _HOURS
        first, part = int(place) % _HOURS, place % 1
        return self._share(first) * (1 - part) + self._share((first + 1) % _HOURS) * part

    def _share(self, hour: int) -> float:
        known, overall = self.hours[hour], self.overall
        share = (overall.failures + _PRIOR_SHARE * _PRIOR_COUNT) / (overall.responses + _PRIOR_COUNT)
        weight = known.minutes / (known.minutes + _HOUR_MINUTES) * known.responses / (known.responses + _PRIOR_COUNT)
        own = known.failures / known.responses if known.responses else share
        return min(max(weight * own + (1 - weight) * share, 1e-6), 1 - 1e-6)

    def dispersion(self, wall: float) -> float:
        """By how much counts scatter at this hour, beyond what chance alone would do."""
        known, overall = self.hours[_hour(wall)], self.overall
        general = (overall.dispersion + _PRIOR_DISPERSION * _PRIOR_SPANS) / (overall.spans + _PRIOR_SPANS)
        weight = known.spans / (known.spans + _HOUR_MINUTES / SPAN)
        own = known.dispersion / known.spans if known.spans else general
        return max(weight * own + (1 - weight) * general, 0.0)

    def suggestion(self) -> float | None:
        """A threshold for the whole day: the highest of the hours' at their usual number of responses; None if unknown."""
        thresholds = [
            threshold(n, self._share(hour), self.dispersion(hour * 3600.0))
            for hour, known in enumerate(self.hours)
            if known.minutes >= 1 and (n := round(SPAN * known.responses / known.minutes)) * self._share(hour) >= 1
        ]
        return max(thresholds, default=None)

    # --- storing ---------------------------------------------------------------------------------------------------

    def document(self) -> dict[str, Any]:
        """What was learned, as plain data; the last minutes are not in it."""
        hours = [asdict(hour) for hour in self.hours]
        return {"minutes": self.minutes, "overall": asdict(self.overall), "hours": hours}

    @classmethod
    def restored(cls, document: dict[str, Any]) -> "Baseline":
        """The reverse of `document`.

        Raises:
            ValueError: it makes no sense.
        """
        try:
            hours = [Learned(**hour) for hour in document["hours"]]
            made = cls(int(document["minutes"]), Learned(**document["overall"]), hours)
            numbers = [float(value) for part in (made.overall, *hours) for value in asdict(part).values()]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no baseline: {error}") from None
        if len(hours) != _HOURS or not all(abs(number) < 1e15 for number in numbers):
            raise ValueError("no baseline: numbers out of range")
        return made


def variance(n: float, share: float, dispersion: float) -> float:
    """Of a beta-binomial distribution."""
    return n * share * (1 - share) * (1 + max(n - 1, 0) * dispersion)


def threshold(n: int, share: float, dispersion: float) -> float:
    """The share of `n` responses from which on SERVFAIL is more than usual; above 1 when `n` is too small to say."""
    mean = n * share
    shape = mean * mean / max(variance(n, share, dispersion), 1e-12)
    # Wilson-Hilferty: the cube root of a gamma variable is nearly normal. With few expected it is off, but there
    # LEAST_COUNT decides.
    third = 1 / (9 * max(shape, 1e-3))
    most = mean * max(1 - third + _Z * sqrt(third), 0.0) ** 3
    return max(most / n, LEAST_FACTOR * share, share + LEAST_EXCESS, LEAST_COUNT / n)


def _hour(wall: float) -> int:
    return int(wall // 3600) % _HOURS
