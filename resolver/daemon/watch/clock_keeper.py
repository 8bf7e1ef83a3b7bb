"""Compares our clock with time servers now and then, and tells everybody who goes by it. The clock is never set.

Theory: a check asks all of `clock.ntp-servers` once (`clock_ntp`) and judges what they say (`resolver.watch.clock`). It is
repeated every `clock.interval`, every CONFIRM_S while the clock is not known to be good, and at once when the wall clock
was stepped, which shows in its distance from the monotonic one. When no server answers, what the last check found stands
for STANDS intervals; then the kernel's word counts.

The workers are told two things: the note for Extended DNS Errors while the clock is wrong, and whether it is verified,
which names in `clock.ntp-names` depend on.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from structlog.typing import FilteringBoundLogger

from resolver.config import Config, Endpoint
from resolver.daemon.watch.clock_ntp import PORT, ask_all, kernel_state
from resolver.server import clock
from resolver.watch.clock import ClockState, Judgement, Kernel, Sample, Standing, clock_note, judge
from trust.vocabulary import Now

Document: TypeAlias = dict[str, Any]
Publish = Callable[[str, bool], Awaitable[None]]
"""Told the note for errors about times, and whether the clock is verified."""

TICK_S: Final = 5.0
CONFIRM_S: Final = 60.0
STANDS: Final = 3
STEP_S: Final = 0.5
"""A wall clock that went this much farther than the monotonic one within a tick was set."""


class ClockKeeper:
    """Knows what is known of our clock.

    Args:
        publish: see Publish. ask, kernel, now: the world, replaceable in tests.
    """

    def __init__(
        self,
        config: Config,
        publish: Publish,
        log: FilteringBoundLogger,
        *,
        ask: Callable[[list[Endpoint]], Awaitable[list[Sample]]] = ask_all,
        kernel: Callable[[], Kernel | None] = kernel_state,
        now: Callable[[], Now] = clock.now,
    ) -> None:
        self._publish = publish
        self._log = log
        self._ask = ask
        self._kernel = kernel
        self._now = now
        self._due = asyncio.Event()
        self._agreed: tuple[Now, Judgement] | None = None
        self.kernel: Kernel | None = None
        self.judgement = Judgement(ClockState.UNVERIFIED, "not checked yet")
        self.checked: Now | None = None
        self._take(config)

    def _take(self, config: Config) -> None:
        self.servers = [server.at(PORT) for server in config.clock.ntp_servers]
        self.interval_s = config.clock.interval
        self.max_offset_s = config.clock.max_offset
        self.ntp_names = list(config.clock.ntp_names)

    def configure(self, config: Config) -> None:
        """Another configuration is in force: check by it at once."""
        self._take(config)
        self._agreed = None
        self._due.set()

    @property
    def note(self) -> str:
        """What errors about times say of our clock."""
        return clock_note(self.judgement)

    @property
    def verified(self) -> bool:
        """Whether the clock is known to be good."""
        return self.judgement.state is ClockState.GOOD

    @property
    def finding(self) -> str:
        """What is wrong with the clock, "" when nothing is known to be."""
        judgement = self.judgement
        return f"our clock is {judgement.text}" if judgement.state is ClockState.WRONG else ""

    async def run(self) -> None:
        """Check, for ever."""
        while True:
            self._due.clear()
            await self.check()
            await self._pause(self.interval_s if self.verified else min(self.interval_s, CONFIRM_S))

    async def _pause(self, seconds: float) -> None:
        """Wait, unless there is a reason not to: another configuration, a clock that was set."""
        before = self._now()
        end = before.mono + seconds
        while before.mono < end and not self._due.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(TICK_S, max(end - before.mono, 0.01))):
                    await self._due.wait()
            now = self._now()
            step = (now.wall - before.wall) - (now.mono - before.mono)
            if abs(step) > STEP_S:
                self._log.warning("clock-stepped", seconds=round(step, 3))
                self._agreed = None
                return
            before = now

    async def check(self) -> Judgement:
        """Ask everybody now."""
        samples = await self._ask(self.servers) if self.servers else []
        self.kernel = self._kernel()
        now = self._now()
        judgement = judge(samples, self.kernel, self.max_offset_s)
        self.checked = now
        if judgement.offset_s is not None:
            self._agreed = now, judgement
        elif self._agreed is not None and not any(sample.offset_s is not None for sample in samples):
            then, last = self._agreed
            if now.mono - then.mono < STANDS * self.interval_s:
                # Nobody answered: the clock has hardly changed since somebody did.
                judgement = replace(last, readings=judgement.readings)
        await self._settle(judgement)
        return judgement

    async def _settle(self, judgement: Judgement) -> None:
        before, note, verified = self.judgement, self.note, self.verified
        self.judgement = judgement
        if before.state is not judgement.state:
            tell = self._log.error if judgement.state is ClockState.WRONG else self._log.info
            facts: Document = {} if judgement.offset_s is None else {"offset_s": round(judgement.offset_s, 6)}
            tell("clock", state=judgement.state.value, text=judgement.text, **facts)
        false = {r.sample.server for r in judgement.readings if r.standing is Standing.FALSETICKER}
        if false - {r.sample.server for r in before.readings if r.standing is Standing.FALSETICKER}:
            self._log.warning("clock-falseticker", servers=sorted(false), text=judgement.text)
        if (self.note, self.verified) != (note, verified):
            await self._publish(self.note, self.verified)

    # --- telling ---------------------------------------------------------------------------------------------------

    def document(self) -> Document:
        """What is known, for commands."""
        judgement, agreed = self.judgement, self._agreed
        return {
            "state": judgement.state.value,
            "text": judgement.text,
            "offset": _rounded(judgement.offset_s),
            "uncertainty": _rounded(judgement.error_s if judgement.offset_s is not None else None),
            "max_offset": self.max_offset_s,
            "checked": self.checked.wall if self.checked is not None else None,
            "agreed": agreed[0].wall if agreed is not None else None,
            "kernel": None
            if self.kernel is None
            else {"synchronised": self.kernel.synchronised, "max_error": self.kernel.max_error_s},
            "servers": [
                {
                    "server": reading.sample.server,
                    "standing": reading.standing.value,
                    "offset": _rounded(reading.sample.offset_s),
                    "uncertainty": _rounded(reading.sample.error_s if reading.sample.offset_s is not None else None),
                    "stratum": reading.sample.stratum or None,
                    "problem": reading.sample.problem or None,
                }
                for reading in judgement.readings
            ],
            "ntp_names": self.ntp_names,
        }

    def metrics(self) -> Mapping[str, Iterable[tuple[tuple[str, ...], float]]]:
        """Samples by metric."""
        judgement, kernel, agreed = self.judgement, self.kernel, self._agreed
        standings = [reading.standing for reading in judgement.readings]
        return {
            "clock_offset_seconds": [((), judgement.offset_s)] if judgement.offset_s is not None else [],
            "clock_max_offset_seconds": [((), self.max_offset_s)],
            "clock_state": [((state.value,), float(state is judgement.state)) for state in ClockState],
            "clock_last_check_timestamp_seconds": [((), agreed[0].wall)] if agreed is not None else [],
            "clock_servers": [((standing.value,), standings.count(standing)) for standing in Standing],
            "clock_synchronised": [((), float(kernel.synchronised))] if kernel is not None else [],
            "clock_max_error_seconds": [((), kernel.max_error_s)] if kernel is not None else [],
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
