"""Somebody who asks the resolver all the time, so that a drill notices an answer that fails between two looks.

Each question is for a fresh name below a wildcard, which no cache can answer: the records are fetched and validated with
whatever keys and DS the resolver holds at that moment. That is how a roll-over that is too quick hurts.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum

from lab.drills.dig import Seen

PAUSE_S = 0.1
SHOWN_FAILURES = 3


class Mood(Enum):
    """What the watcher takes for a good answer."""

    SECURE = "NOERROR with AD"
    ANSWERED = "NOERROR, validated or not"
    AWAY = "not asked"


class Watcher:
    """Asks in a thread of its own; a context manager. `ask`: one question to the resolver; `below`: None: asks nothing."""

    def __init__(self, ask: Callable[[str], Seen], below: str | None) -> None:
        self.asked = 0
        self.mood = Mood.AWAY
        self._ask = ask
        self._below = below
        self._failures: list[str] = []
        self._failed = 0
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drill-watcher", daemon=True)

    def __enter__(self) -> "Watcher":
        if self._below is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Nothing is asked during the block: the resolver is not there, and that is no failure."""
        with self._asking:
            yield

    def verdict(self) -> str | None:
        """What went wrong since this was asked last; None if nothing did."""
        with self._lock:
            failures, count = self._failures, self._failed
            self._failures, self._failed = [], 0
        if not count:
            return None
        return f"{count} answers were not: {'; '.join(failures)}"

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_S):
            before = self.mood
            if before is Mood.AWAY:
                continue
            self.asked += 1
            with self._asking:
                seen = self._ask(f"w{self.asked}-{time.monotonic_ns() % 10**6}.{self._below}")
            # An answer that was under way when the mood changed is judged by neither.
            if self.mood is before and not _good(seen, before):
                with self._lock:
                    self._failed += 1
                    if len(self._failures) < SHOWN_FAILURES:
                        self._failures.append(f"{time.strftime('%H:%M:%S')} {seen}")


def _good(seen: Seen, mood: Mood) -> bool:
    return seen.rcode == "NOERROR" and seen.records > 0 and (seen.ad or mood is Mood.ANSWERED)
