"""Keeps the policy zones: reads files, transfers from primaries by the SOA's times, remembers the last good copies, and
sees to it that every worker has what is in force.

Theory: one task does everything, one thing after the other, in steps that leave the event loop to others. A zone has a
`Source` with its table and a version, which changes whenever the rules do. Workers inherit the tables when they are forked;
after that, whatever differs is sent: a small difference as such, else the whole table in slices. Every few seconds each
worker is asked which generation it has, so that none is left behind.

What cannot be had leaves what was there: a file that is malformed, a primary that does not answer. Only when a primary has
not confirmed a zone for the time that its SOA gives (expire), its rules are no longer applied, as for any secondary
(RFC 1034 §4.3.5). Either is an error in the log, a finding of `akashi status` and a metric.

Limitations: NOTIFY is not listened to; `akashi policy refresh` does the same by hand.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from structlog.typing import FilteringBoundLogger

from resolver.config import Config
from resolver.config.policy_values import PolicyZoneSource, Tsig
from resolver.config.values import Endpoint
from resolver.daemon.policy.build import label_of
from resolver.daemon.policy.desk import Tables
from resolver.daemon.policy.file import PolicyFileError, read_table
from resolver.daemon.policy.store import PolicyStore
from resolver.daemon.policy.transfer import TransferFailedError, transfer
from resolver.policy import rpz
from resolver.policy.table import SLICE, Soa, ZoneTable, encode_key, encode_rule
from resolver.policy.transfer import Kind, Transfer
from wire.name import Name
from wire.text import name_from_text

TICK_S: Final = 5.0
"""Seconds between two looks at what the workers have."""
SHORTEST_S: Final = 1.0
"""Seconds between two questions to a primary at least, whatever the SOA says."""
FIRST_RETRY_S: Final = 30.0
"""Seconds until a primary that never answered is asked again."""
_PAUSE: Final = 500
"""Records after which others have their turn."""
DNS_PORT: Final = 53

Document: TypeAlias = dict[str, Any]
Fetch = Callable[[Name, Endpoint, Tsig | None, bytes | None], Awaitable[Transfer]]


@dataclass(slots=True)
class Delta:
    """What makes one version of a table from another."""

    base: int
    rules: Document


@dataclass(slots=True)
class Source:
    """One policy zone.

    Attributes:
        version: of the table. loaded: whether there are rules to be applied, be there none in the zone.
        loaded_wall, checked_wall: when the table came, and when it was last known to be current; 0 for never.
        problem: why it is not as it should be; "" when it is. due_mono: when its primary is to be asked.
        stamp: of the file that was read.
        results: how looks for news ended: "unchanged", "full", "delta", "failed".
    """

    config: PolicyZoneSource
    table: ZoneTable = field(default_factory=ZoneTable)
    version: int = 0
    loaded: bool = False
    loaded_wall: float = 0.0
    checked_wall: float = 0.0
    problem: str = ""
    stamp: str = ""
    due_mono: float = 0.0
    delta: Delta | None = None
    results: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("unchanged", "full", "delta", "failed"), 0))

    @property
    def label(self) -> str:
        return label_of(self.config)

    @property
    def name(self) -> Name:
        return name_from_text(self.config.zone)

    @property
    def soa(self) -> Soa | None:
        return self.table.soa


@dataclass(frozen=True, slots=True)
class Workers:
    """How workers are reached: `all` gives those that serve; `ask` gives a worker's answer, None when it gives none."""

    all: Callable[[], list[Any]]
    ask: Callable[..., Awaitable[Document | None]]


class PolicyKeeper:
    """All policy zones of the daemon.

    Args:
        wall, mono: give the time.
    """

    def __init__(
        self,
        store: PolicyStore,
        workers: Workers,
        log: FilteringBoundLogger,
        *,
        wall: Callable[[], float],
        mono: Callable[[], float],
        fetch: Fetch = transfer,
    ) -> None:
        self.sources: list[Source] = []
        self.generation = 1
        self._coming: list[Source] | None = None
        self._store = store
        self._workers = workers
        self._log = log
        self._wall = wall
        self._mono = mono
        self._fetch = fetch
        self._versions = 0
        self._lock = asyncio.Lock()
        self._woken = asyncio.Event()

    # --- the configuration ---------------------------------------------------------------------------------------

    def open(self, config: Config) -> None:
        """Before there are workers: have what can be had without a network."""
        for step in self._prepare(config):
            del step
        self.adopt()

    async def prepare(self, config: Config) -> None:
        """Before workers of another configuration are forked: read what it names. What is in force stays."""
        async with self._lock:
            await _slowly(self._prepare(config))

    def adopt(self) -> None:
        """The configuration prepared last is in force."""
        if self._coming is not None:
            self.sources, self._coming = self._coming, None
            self.generation += 1
            self._woken.set()

    def tables(self, config: Config) -> Tables:
        """What a worker of a configuration is born with."""
        wanted = {label_of(zone): zone for zone in config.policy.zones}
        zones: dict[str, tuple[int, ZoneTable]] = {}
        for source in (*self.sources, *(self._coming or ())):
            if source.loaded and wanted.get(source.label) == source.config:
                zones[source.label] = (source.version, source.table)
        return Tables(self.generation, zones)

    def _prepare(self, config: Config) -> Iterator[None]:
        """Make the sources of a configuration; a step now and then."""
        known = {source.label: source for source in (*self.sources,)}
        coming: list[Source] = []
        for zone in config.policy.zones:
            old = known.get(label_of(zone))
            source = Source(zone)
            if old is not None and (old.config.file, old.config.primaries) == (zone.file, zone.primaries):
                source.table, source.version, source.loaded = old.table, old.version, old.loaded
                source.loaded_wall, source.checked_wall = old.loaded_wall, old.checked_wall
                source.problem, source.due_mono, source.results = old.problem, old.due_mono, old.results
                source.stamp = old.stamp
            if not source.loaded:
                self._recall(source)
            if zone.file is not None and (not source.stamp or source.stamp != _stamp(zone.file) or source.problem):
                yield from self._read(source)
            coming.append(source)
        self._coming = coming

    # --- files and copies ----------------------------------------------------------------------------------------

    def _recall(self, source: Source) -> None:
        """Begin with the last good copy."""
        copy = self._store.read(source.label, source.config.source)
        if copy is None:
            return
        table, checked, stamp = copy
        soa = table.soa
        if soa is None or (source.config.file is None and self._wall() - checked > soa.expire):
            return
        self._replace(source, table)
        source.checked_wall, source.stamp = checked, stamp
        self._log.info("policy-zone-recalled", zone=source.label, serial=soa.serial, rules=len(table))

    def _read(self, source: Source) -> Iterator[None]:
        """Read a file; a bad one leaves what was there."""
        assert source.config.file is not None
        table = None
        stamp = _stamp(source.config.file)  # of before: what changes while it is read is read again
        try:
            for table in read_table(source.config.file, source.name):  # noqa: B007 - the last one is wanted
                yield
        except PolicyFileError as error:
            self._failed(source, str(error))
            return
        assert table is not None
        source.stamp = stamp
        self._took(source, table, "full")
        yield from self._keep_copy(source)

    def _keep_copy(self, source: Source) -> Iterator[None]:
        try:
            yield from self._store.write(
                source.label, source.config.source, source.checked_wall, source.table, source.stamp
            )
        except OSError as error:
            self._log.warning("policy-copy-not-written", zone=source.label, problem=error.strerror)

    def _replace(self, source: Source, table: ZoneTable) -> None:
        self._versions += 1
        source.table, source.version, source.delta, source.loaded = table, self._versions, None, True
        source.loaded_wall = self._wall()

    def _took(self, source: Source, table: ZoneTable, result: str) -> None:
        self._replace(source, table)
        self._confirmed(source, result)
        soa = table.soa
        self._log.info(
            "policy-zone-loaded",
            zone=source.label,
            serial=soa.serial if soa is not None else None,
            rules=len(table),
            ignored=table.ignored,
            how=result,
        )

    def _confirmed(self, source: Source, result: str) -> None:
        source.results[result] += 1
        source.checked_wall = self._wall()
        source.problem = ""

    def _failed(self, source: Source, problem: str) -> None:
        source.results["failed"] += 1
        source.problem = problem
        kept = f"the rules of serial {source.soa.serial} stay" if source.loaded and source.soa is not None else "no rules"
        self._log.error("policy-zone-failed", zone=source.label, problem=problem, kept=kept)

    # --- primaries -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """For ever: ask primaries when it is time, and keep the workers up to date."""
        while True:
            async with self._lock:
                for source in list(self.sources):
                    if source.config.file is None and source.due_mono <= self._mono():
                        await self._ask_primaries(source)
                    self._expire(source)
                await self._update_workers()
            due = min((source.due_mono for source in self.sources if source.config.file is None), default=float("inf"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(max(due - self._mono(), 0.05), TICK_S)):
                    await self._woken.wait()
            self._woken.clear()

    async def refresh(self, label: str | None) -> list[Source]:
        """Look for news of one zone, or of all, now; returns the zones looked at, when every worker has the outcome."""
        async with self._lock:
            chosen = [source for source in self.sources if label is None or source.label == label]
            for source in chosen:
                if source.config.file is None:
                    await self._ask_primaries(source)
                else:
                    before = source.version
                    await _slowly(self._read(source))
                    if source.version != before:
                        self.generation += 1
            await self._update_workers()
            return chosen

    async def _ask_primaries(self, source: Source) -> None:
        """One round over the primaries until one answers; sets when the next is due."""
        soa = source.soa if source.loaded else None
        problem = ""
        for server in source.config.primaries:
            try:
                machine = await self._fetch(
                    source.name, server.at(DNS_PORT), source.config.tsig, None if soa is None else soa.rdata
                )
            except TransferFailedError as error:
                problem = str(error)
                continue
            try:
                await self._apply(source, machine)
            except ValueError as error:
                problem = f"{server}: {error}"
                continue
            problem = ""
            break
        if problem:
            self._failed(source, problem)
        wait: float = FIRST_RETRY_S
        if source.soa is not None:
            wait = source.soa.retry if problem else source.soa.refresh
        source.due_mono = self._mono() + max(wait, SHORTEST_S)

    async def _apply(self, source: Source, machine: Transfer) -> None:
        """Put a transfer's outcome into the table.

        Raises:
            ValueError: a record makes no sense.
        """
        if machine.kind is Kind.CURRENT:
            self._confirmed(source, "unchanged")
            self._store.touch(source.label, source.checked_wall)
            return
        if machine.kind is Kind.FULL:
            table = ZoneTable()

            def fill() -> Iterator[None]:
                for change in machine.changes:
                    rpz.add(table, source.name, *change.record)
                    yield

            await _slowly(fill())
            self._took(source, table, "full")
        else:
            self._apply_delta(source, machine)
        self.generation += 1
        await _slowly(self._keep_copy(source))

    def _apply_delta(self, source: Source, machine: Transfer) -> None:
        """In one go: a worker that is forked meanwhile must not inherit half of it."""
        table, name = source.table, source.name
        places = set()
        for change in machine.changes:
            record = change.record
            if change.added:
                place = rpz.add(table, name, *record)
            else:
                place = rpz.remove(table, name, record.owner, record.rtype, record.rdata)
            if place is not None:
                places.add(place)
        base = source.version
        self._took(source, table, "delta")
        if len(places) <= SLICE:
            rules: Document = {}
            for trigger, key in places:
                rules.setdefault(trigger.value, {})[encode_key(key)] = encode_rule(table.get(trigger, key))
            source.delta = Delta(base, rules)

    def _expire(self, source: Source) -> None:
        """RFC 1034 §4.3.5: what has not been confirmed for so long is no longer used."""
        soa = source.soa
        if source.config.file is not None or not source.loaded or soa is None:
            return
        if self._wall() - source.checked_wall <= soa.expire:
            return
        self._log.error("policy-zone-expired", zone=source.label, serial=soa.serial, rules=len(source.table))
        self._replace(source, ZoneTable())
        source.loaded = False
        source.problem = f"expired: no primary confirmed it for {soa.expire} s; its rules are not applied"
        self.generation += 1

    # --- workers -------------------------------------------------------------------------------------------------

    async def _update_workers(self) -> None:
        """Bring every worker to what is in force."""
        if not self.sources:
            return
        await asyncio.gather(*(self._update(worker) for worker in self._workers.all()))

    async def _update(self, worker: Any) -> None:
        ask = self._workers.ask
        status = await ask(worker, "policy-status")
        if status is None or status["generation"] == self.generation:
            return
        here = status["zones"]
        for source in self.sources:
            if source.loaded and here.get(source.label) != source.version and not await self._send(worker, source, here):
                return
        versions = {source.label: source.version for source in self.sources if source.loaded}
        await ask(worker, "policy", generation=self.generation, zones=versions)

    async def _send(self, worker: Any, source: Source, here: dict[str, int]) -> bool:
        """A table to one worker; False when it does not take it."""
        soa = source.soa
        about: Document = {"zone": source.label, "version": source.version, "ignored": source.table.ignored}
        about |= {"soa": soa.rdata.hex() if soa is not None else None, "ttl": soa.ttl if soa is not None else 0}
        delta = source.delta
        if delta is not None and here.get(source.label) == delta.base:
            return await self._workers.ask(worker, "policy-delta", base=delta.base, rules=delta.rules, **about) is not None
        first = True
        for slice_ in source.table.slices():
            if await self._workers.ask(worker, "policy-slice", rules=slice_, first=first, **about) is None:
                return False
            first = False
        return True

    # --- how it is -----------------------------------------------------------------------------------------------

    @property
    def finding(self) -> str:
        """What is wrong; "" when nothing is."""
        return "; ".join(f"{source.label}: {source.problem}" for source in self.sources if source.problem)


def _stamp(file: Path) -> str:
    """By which a file is known to be the same as before; "" when it cannot be looked at."""
    try:
        found = file.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"


async def _slowly(steps: Iterator[Any]) -> None:
    """Take all steps, with pauses in which others have their turn."""
    for count, _ in enumerate(steps, 1):
        if count % _PAUSE == 0:
            await asyncio.sleep(0)
