"""Sampler inside the measured process: Python imports this module by its name at start, as the folder is on PYTHONPATH.

A timer of processor time (`ITIMER_PROF`) interrupts; the handler notes the stack. The kernel's tick bounds the rate. Time
spent in C counts for the Python line that called it, as the handler runs when the call returns. Samples carry the monotonic
clock, so that those of the measured part can be picked out. Pauses of the garbage collector are noted too.

Only the standard library, and nothing happens without AKASHI_BENCH_SAMPLES.
"""

import atexit
import gc
import json
import os
import signal
import time
from pathlib import Path
from types import FrameType

INTERVAL_S = 0.001
SAVE_EVERY = 200


class Sampler:
    """Stacks of one process, and its collector's pauses."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._saving = False
        self._clear()

    def start(self) -> None:
        """From now on; also in a child after a fork, which does not inherit the timer."""
        self._clear()
        signal.signal(signal.SIGPROF, self._on_signal)
        signal.siginterrupt(signal.SIGPROF, False)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def save(self) -> None:
        """Write everything so far. A signal may come in the middle: it must not save too, and its stack must be known."""
        if self._saving:
            return
        self._saving = True
        samples = list(self._samples)
        data = {"samples": samples, "stacks": list(self._stacks), "collections": list(self._collections)}
        path = self._folder / f"{os.getpid()}.json"
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(data))
        partial.replace(path)
        self._saving = False

    def on_collection(self, phase: str, info: dict[str, int]) -> None:
        """Callback of the garbage collector."""
        if phase == "start":
            self._collection_started = time.perf_counter()
        else:
            self._collections.append((time.monotonic(), info["generation"], time.perf_counter() - self._collection_started))

    def _clear(self) -> None:
        self._stacks: dict[tuple[tuple[str, str, int], ...], int] = {}
        self._samples: list[tuple[float, int]] = []
        self._collections: list[tuple[float, int, float]] = []
        self._collection_started = 0.0
        self._saving = False

    def _on_signal(self, _number: int, frame: FrameType | None) -> None:
        stack = []
        while frame is not None:
            code = frame.f_code
            stack.append((code.co_filename, code.co_qualname, frame.f_lineno))
            frame = frame.f_back
        key = tuple(stack)
        self._samples.append((time.monotonic(), self._stacks.setdefault(key, len(self._stacks))))
        if len(self._samples) % SAVE_EVERY == 0:
            self.save()


if _folder := os.environ.get("AKASHI_BENCH_SAMPLES"):
    _sampler = Sampler(_folder)
    gc.callbacks.append(_sampler.on_collection)
    os.register_at_fork(after_in_child=_sampler.start)
    atexit.register(_sampler.save)
    _sampler.start()
