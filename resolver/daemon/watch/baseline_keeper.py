"""Feeds the learned baseline of SERVFAIL (`resolver.watch.baseline`) minute by minute, keeps it, and tells what it says.

Counts are those of all workers, less what our own probes caused: bogus probes are SERVFAIL by intention, and at night they
might be most of the traffic. What was learned is saved every SAVE_MINUTES and at the end, if there is a state directory.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from structlog.typing import FilteringBoundLogger

from resolver.config import Config
from resolver.server import clock
from resolver.state.database import StateError
from resolver.state.watch_store import WatchStore
from resolver.watch.baseline import SPAN, WINDOW_S, Baseline, Outlook
from trust.vocabulary import Now

Document: TypeAlias = dict[str, Any]
Counts = Callable[[], Awaitable[tuple[int, int]]]
"""All responses so far, and SERVFAILs among them, without our own probes."""

SAVE_MINUTES: Final = 10
SUBJECT: Final = "servfail-baseline"
HOUR_MINUTES: Final = 60


class BaselineKeeper:
    """Knows how much SERVFAIL is usual.

    Args:
        counts: see Counts. store: None when nothing can be kept.
    """

    def __init__(
        self,
        config: Config,
        counts: Counts,
        store: WatchStore | None,
        log: FilteringBoundLogger,
        *,
        now: Callable[[], Now] = clock.now,
    ) -> None:
        self._counts = counts
        self._store = store
        self._log = log
        self._now = now
        self._before: tuple[int, int] | None = None
        self._begun = 0
        self._unsaved = 0
        self._hour: deque[int] = deque(maxlen=HOUR_MINUTES)
        self._anomaly_since: float | None = None
        self.baseline = self._restored()
        self.outlook: Outlook | None = None
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Go by this configuration from now on."""
        self.learning_s = config.watch.learning
        self.fixed = config.watch.servfail_threshold

    def _restored(self) -> Baseline:
        document = self._store.load(SUBJECT) if self._store is not None else None
        if document is None:
            return Baseline()
        try:
            return Baseline.restored(document)
        except ValueError as error:
            self._log.warning("baseline-lost", problem=str(error), advice="it is learned anew")
            return Baseline()

    @property
    def learning(self) -> bool:
        """Whether the learned threshold may not raise an anomaly yet."""
        return self.baseline.minutes * WINDOW_S < self.learning_s

    @property
    def responses_last_hour(self) -> int:
        """Responses of the last hour, or since the start, as of the last look."""
        return sum(self._hour) + self._begun

    async def look(self) -> None:
        """See how many responses there were since the last full minute."""
        if self._before is not None:
            self._begun = max((await self._counts())[0] - self._before[0], 0)

    async def minute(self) -> None:
        """A minute has passed: take in what was counted."""
        responses, failures = await self._counts()
        before, self._before, self._begun = self._before, (responses, failures), 0
        if before is None:
            return
        n, k = max(responses - before[0], 0), max(failures - before[1], 0)
        self._hour.append(n)
        wall = self._now().wall
        was = self.outlook.anomaly if self.outlook is not None else False
        self.outlook = self.baseline.add(wall, n, min(n, k), learning=self.learning, fixed=self.fixed)
        if self.outlook.anomaly != was:
            self._tell(self.outlook, wall)
        self._unsaved += 1
        if self._unsaved >= SAVE_MINUTES:
            self.save()

    def _tell(self, outlook: Outlook, wall: float) -> None:
        self._anomaly_since = wall if outlook.anomaly else None
        tell = self._log.warning if outlook.anomaly else self._log.info
        tell(
            "servfail-anomaly" if outlook.anomaly else "servfail-usual",
            ratio=_share(outlook.ratio),
            usual=_share(outlook.usual),
            threshold=_share(outlook.threshold),
            advice="akashi impact" if outlook.anomaly else None,
        )

    def save(self) -> None:
        """Keep what was learned."""
        self._unsaved = 0
        if self._store is None or not self.baseline.minutes:
            return
        try:
            self._store.save(SUBJECT, self.baseline.document(), self._now().wall)
        except StateError as error:
            self._log.error("state-not-written", problem=error.problem, advice=error.advice)

    def reset(self) -> None:
        """Forget what was learned, and begin to learn."""
        self.baseline = Baseline()
        self.outlook = None
        self._anomaly_since = None
        self._log.info("baseline-reset")
        if self._store is not None:
            try:
                self._store.save(SUBJECT, self.baseline.document(), self._now().wall)
            except StateError as error:
                self._log.error("state-not-written", problem=error.problem, advice=error.advice)

    # --- telling ---------------------------------------------------------------------------------------------------

    def document(self) -> Document:
        """What is known, for commands."""
        outlook, wall = self.outlook, self._now().wall
        return {
            "learning": self.learning,
            "learned_minutes": self.baseline.minutes,
            "learning_minutes": round(self.learning_s / WINDOW_S),
            "window_minutes": SPAN,
            "responses": outlook.responses if outlook is not None else None,
            "servfails": outlook.failures if outlook is not None else None,
            "ratio": _share(outlook.ratio) if outlook is not None else None,
            "usual": _share(self.baseline.usual(wall)),
            "threshold": _share(outlook.threshold) if outlook is not None else self.fixed or None,
            "configured_threshold": self.fixed or None,
            "suggested_threshold": _share(self.baseline.suggestion()),
            "anomaly": bool(outlook is not None and outlook.anomaly),
            "anomaly_since": self._anomaly_since,
        }

    def metrics(self) -> Mapping[str, Iterable[tuple[tuple[str, ...], float]]]:
        """Samples by metric."""
        outlook = self.outlook
        samples: dict[str, list[tuple[tuple[str, ...], float]]] = {
            "servfail_baseline_ratio": [((), self.baseline.usual(self._now().wall))],
            "servfail_anomaly": [((), float(bool(outlook is not None and outlook.anomaly)))],
            "servfail_learning": [((), float(self.learning))],
        }
        if outlook is not None and outlook.ratio is not None:
            samples["servfail_ratio"] = [((), outlook.ratio)]
        if outlook is not None and outlook.threshold is not None:
            samples["servfail_threshold_ratio"] = [((), min(outlook.threshold, 1.0))]
        return samples


def _share(value: float | None) -> float | None:
    return None if value is None else round(min(value, 1.0), 6)
