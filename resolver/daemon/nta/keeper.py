"""Keeps the negative trust anchors: carries out what operators ask, watches the zones, ends what is over.

Theory: what `trust.nta` decides is written down (`resolver.state.nta_store`), then published, then acknowledged. Publishing
hands the active NTAs to whoever makes trust points of them and sends these to the workers; when it returns, every worker
that is alive goes by them.

Looking at a zone takes seconds, so it is done before the lock is taken, and what was decided then is checked again under
it. One task sleeps until something is due: an expiry, by the wall clock or by the monotonic one, whichever comes first (a
wall clock that is set back does not prolong an NTA); a round of probes of an active NTA. Rounds run beside it. Good rounds
in a row are counted in memory only: after a restart they must be shown anew.

When an NTA's end cannot be written down (disk full), it ends all the same; the line is written as soon as it can be.

RFC 7646; DESIGN §6; guideline 2-21, 2-22.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from resolver.server import clock
from resolver.state.database import StateError
from resolver.state.nta_store import NtaStore
from trust import nta
from trust.anchors import Nta
from trust.nta import Event, Record, Request, Round, State, Transition
from trust.nta_rules import ROUNDS, Evidence, Obstacle, RefusedError, Rules
from trust.signature import time_text
from trust.vocabulary import Now, Question
from wire import types as t
from wire.name import Name, is_subdomain
from wire.text import name_from_text, name_to_text, type_from_text

LONGEST_SLEEP_S: Final = 30.0
"""A clock that jumps forward is noticed within this time."""
FIRST_ROUND_S: Final = 10.0
"""Seconds after a start until the first round, lest a restart hammers every broken zone at once."""

Publish = Callable[[Sequence[Nta]], Awaitable[int]]
"""Puts these NTAs in force, beside those of the configuration; returns how many workers confirmed."""


class Probe(Protocol):
    """Looks at zones: `resolver.daemon.nta.authority_probe.AuthorityProbe` fulfils it."""

    async def examine(self, name: Name, failing: Question) -> Evidence:
        """What is to be seen of a name."""

    async def round(self, name: Name, failing: Question) -> Round:
        """What every authority gives."""


@dataclass(slots=True)
class Watch:
    """What is known of an active NTA in this process. Times are monotonic.

    `good`: rounds in a row; `deadline`: of its lifetime; `next_round`: when the next is due; `task`: the one running.
    """

    deadline: float
    next_round: float
    good: int = 0
    last: Round | None = None
    task: asyncio.Task[None] | None = None


class NtaKeeper:
    """The NTAs of the daemon. Made and used within the supervisor's event loop.

    Args:
        store: where they are written down.
        rules, recheck_s: of the configuration; `configure` replaces them.
        now: the clock.

    Attributes:
        rules: in force; `watches`: of the active NTAs, by number.
    """

    def __init__(
        self,
        store: NtaStore,
        rules: Rules,
        recheck_s: float,
        probe: Probe,
        publish: Publish,
        log: FilteringBoundLogger,
        now: Callable[[], Now] = clock.now,
    ) -> None:
        self.store = store
        self.rules = rules
        self.recheck_s = recheck_s
        self._probe = probe
        self._publish = publish
        self._log = log
        self._now = now
        self._open: dict[int, Record] = {}
        self.watches: dict[int, Watch] = {}
        self._lapsed: dict[int, Transition] = {}
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    # --- life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Put what is stored in force, end what expired meanwhile, and begin to watch."""
        for fault in self.store.verify():
            self._log.error("nta-audit-broken", where=fault.where, problem=fault.what)
        records, faults = self.store.trusted()
        for fault in faults:
            self._log.error("nta-not-trusted", where=fault.where, problem=fault.what, advice="akashi nta history --verify")
        self._open = {record.number: record for record in records}
        for record in records:
            if record.state is State.ACTIVE:
                self._begin_watch(record, FIRST_ROUND_S)
        async with self._lock:
            self._expire_due()
            await self._put_in_force()
        self._runner = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop watching; what is in force stays in force in the workers."""
        tasks = [watch.task for watch in self.watches.values() if watch.task is not None]
        if self._runner is not None:
            tasks.append(self._runner)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def configure(self, rules: Rules, recheck_s: float) -> None:
        """Go by another configuration from now on; what is in force keeps its expiry."""
        self.rules = rules
        self.recheck_s = recheck_s
        mono = self._now().mono
        for watch in self.watches.values():
            watch.next_round = min(watch.next_round, mono + recheck_s)
        self._wake.set()

    # --- what operators ask -----------------------------------------------------------------------------------------

    async def begin(self, request: Request, event: Event, peer: str = "") -> Record:
        """Propose, or add. Raises RefusedError, StateError."""
        nta.check_request(request, self.open_record(request.name), event, self.rules)
        evidence = await self._probe.examine(request.name, _question(request))
        async with self._lock:
            checked = nta.check_request(request, self.open_record(request.name), event, self.rules)
            transition = nta.begin(checked, self.store.next_number(), evidence, event, self._now().wall)
            return await self._carry_out(transition, peer)

    async def approve(self, number: int, who: str, peer: str = "", *, force: bool = False) -> Record:
        """Put a proposal in force. Raises RefusedError, StateError."""
        record = self.find(number)
        nta.check_approval(record, who, self.rules)
        evidence = await self._probe.examine(record.name, failing_of(record))
        async with self._lock:
            record = self.find(number)
            transition = nta.approve(record, who, evidence, self.rules, self._now().wall, force=force)
            return await self._carry_out(transition, peer)

    async def extend(self, number: int, who: str, lifetime_s: float | None, why: str, peer: str = "") -> Record:
        """Set another expiry. Raises RefusedError, StateError."""
        record = self.find(number)
        nta.check_extension(record, who, self.rules)
        evidence = await self._probe.examine(record.name, failing_of(record))
        async with self._lock:
            record = self.find(number)
            transition = nta.extend(record, who, lifetime_s, why, evidence, self.rules, self._now().wall)
            return await self._carry_out(transition, peer)

    async def reject(self, number: int, who: str, why: str, peer: str = "") -> Record:
        """Turn a proposal down. Raises RefusedError, StateError."""
        async with self._lock:
            return await self._carry_out(nta.reject(self.find(number), who, why, self._now().wall), peer)

    async def remove(self, number: int, who: str, why: str, peer: str = "") -> Record:
        """End an active NTA. Raises RefusedError, StateError."""
        async with self._lock:
            return await self._carry_out(nta.remove(self.find(number), who, why, self._now().wall), peer)

    def find(self, number: int) -> Record:
        """The record of this number. Raises RefusedError when there is none."""
        record = self._open.get(number) or self.store.record(number)
        if record is None:
            raise RefusedError(Obstacle.UNKNOWN, f"there is no NTA {number}", "see `akashi nta list --all`")
        return record

    def open_record(self, name: Name) -> Record | None:
        """The proposal or active NTA of exactly this name."""
        return next((record for record in self._open.values() if record.name == name), None)

    @property
    def open_records(self) -> list[Record]:
        """Proposals and active NTAs, in order of number."""
        return [self._open[number] for number in sorted(self._open)]

    def metrics(self) -> Mapping[str, Iterable[tuple[tuple[str, ...], float]]]:
        """Samples for `metrics.table`. Labels are the names of active NTAs, which operators chose: few."""
        now = self._now()
        active = [(record, self.watches[record.number]) for record in self._open.values() if record.state is State.ACTIVE]
        names = {record.number: (name_to_text(record.name),) for record, _ in active}
        return {
            "nta_proposals": [((), len(self._open) - len(active))],
            "nta_expiry_seconds": [(names[r.number], max(0.0, (r.expires_wall or 0.0) - now.wall)) for r, _ in active],
            "nta_age_seconds": [(names[r.number], max(0.0, now.wall - (r.activated_wall or 0.0))) for r, _ in active],
            "nta_probe_good": [(names[r.number], float(w.last.good)) for r, w in active if w.last is not None],
            "nta_good_rounds": [(names[r.number], w.good) for r, w in active],
        }

    # --- carrying out -----------------------------------------------------------------------------------------------

    async def _carry_out(self, transition: Transition, peer: str = "") -> Record:
        """Write down, put in force, and only then tell."""
        self._write(transition, peer)
        before = transition.before
        if transition.after.state is State.ACTIVE or (before is not None and before.state is State.ACTIVE):
            await self._put_in_force()
        self._wake.set()
        return transition.after

    def _write(self, transition: Transition, peer: str = "") -> None:
        after = transition.after
        head = self.store.apply(transition, peer)
        self._lapsed.pop(after.number, None)
        if after.state.open:
            self._open[after.number] = after
        else:
            self._open.pop(after.number, None)
            self._end_watch(after.number)
        if transition.event in (Event.ADD, Event.APPROVE):
            self._begin_watch(after, self.recheck_s)
        elif transition.event is Event.EXTEND:
            self.watches[after.number].deadline = self._deadline(after)
        facts = {"expires": time_text(after.expires_wall)} if after.state is State.ACTIVE and after.expires_wall else {}
        # The head in the log is a witness outside the database: see `nta history --verify --head`.
        self._log.warning(
            f"nta-{transition.event.value}",
            name=name_to_text(after.name),
            nta=after.number,
            state=after.state.value,
            who=transition.who,
            peer=peer,
            reason=after.ended_why or after.reason,
            audit_head=str(head),
            **facts,
        )

    async def _put_in_force(self) -> None:
        active = nta.in_force(record for record in self._open.values() if record.number not in self._lapsed)
        confirmed = await self._publish(active)
        self._log.info("nta-published", active=[name_to_text(item.name) for item in active], workers=confirmed)

    # --- time -------------------------------------------------------------------------------------------------------

    def _deadline(self, record: Record) -> float:
        """When the lifetime is over, by the monotonic clock, as seen from now."""
        now = self._now()
        assert record.expires_wall is not None
        return now.mono + min(record.expires_wall - now.wall, record.lifetime_s)

    def _begin_watch(self, record: Record, first_s: float) -> None:
        mono = self._now().mono
        self.watches[record.number] = Watch(self._deadline(record), mono + min(first_s, self.recheck_s))

    def _end_watch(self, number: int) -> None:
        watch = self.watches.pop(number, None)
        if watch is not None and watch.task is not None and watch.task is not asyncio.current_task():
            watch.task.cancel()

    async def _run(self) -> None:
        """Do what is due, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_due()):
                    await self._wake.wait()
            self._wake.clear()
            try:
                async with self._lock:
                    if self._expire_due():
                        await self._put_in_force()
                self._start_rounds()
            except Exception as error:
                # Nothing may end the watch over what weakens validation.
                self._log.error("internal-error", where="nta", exc_info=error)

    def _until_due(self) -> float:
        """Seconds until something is due."""
        now = self._now()
        wait = LONGEST_SLEEP_S
        for number, watch in self.watches.items():
            record = self._open[number]
            assert record.expires_wall is not None
            if number not in self._lapsed:
                wait = min(wait, record.expires_wall - now.wall, watch.deadline - now.mono)
            if watch.task is None:
                wait = min(wait, watch.next_round - now.mono)
        return max(wait, 0.0)

    def _expire_due(self) -> bool:
        """End what is over; whether anything is."""
        now = self._now()
        changed = False
        for number, watch in list(self.watches.items()):
            record = self._open[number]
            assert record.expires_wall is not None
            if number not in self._lapsed and now.wall < record.expires_wall and now.mono < watch.deadline:
                continue
            transition = self._lapsed.get(number) or nta.expire(record, now.wall)
            changed = changed or number not in self._lapsed
            self._lapsed[number] = transition
            try:
                self._write(transition)
            except StateError as error:
                self._log.error("nta-not-written", nta=number, problem=error.problem, advice=error.advice)
        return changed

    # --- rounds -----------------------------------------------------------------------------------------------------

    def _start_rounds(self) -> None:
        now = self._now()
        for number, watch in self.watches.items():
            if watch.task is None and now.mono >= watch.next_round and number not in self._lapsed:
                record = self._open[number]
                watch.task = asyncio.get_running_loop().create_task(self._round(record, watch))

    async def _round(self, record: Record, watch: Watch) -> None:
        """One round of an active NTA; retires it when it was the last one needed."""
        try:
            found = await self._probe.round(record.name, failing_of(record))
        except Exception as error:
            self._log.error("internal-error", where=f"probe of NTA {record.number}", exc_info=error)
            found = Round(self._now().wall, record.name, (), "the probe failed")
        watch.task = None
        watch.next_round = self._now().mono + self.recheck_s
        watch.last = found
        watch.good = nta.count_rounds(watch.good, found)
        self._log.info(
            "nta-round",
            name=name_to_text(record.name),
            nta=record.number,
            good=found.good,
            in_a_row=watch.good,
            wanted=ROUNDS,
            found=found.sentence,
        )
        if watch.good >= ROUNDS:
            await self._retire(record.number, watch, found)
        self._wake.set()

    async def _retire(self, number: int, watch: Watch, found: Round) -> None:
        async with self._lock:
            record = self._open.get(number)
            if record is None or record.state is not State.ACTIVE or number in self._lapsed:
                return  # ended meanwhile
            why = f"{found.sentence}, {watch.good} rounds in a row"
            try:
                await self._carry_out(nta.retire(record, watch.good, why, self._now().wall))
            except StateError as error:
                self._log.error("nta-not-written", nta=number, problem=error.problem, advice=error.advice)


def failing_of(record: Record) -> Question:
    """The question that fails, as it was said."""
    return parse_failing(record.failing, record.name)


def _question(request: Request) -> Question:
    advice = "NAME or NAME/TYPE, at or below the name of the NTA"
    try:
        question = parse_failing(request.failing, request.name)
    except ValueError as error:
        raise RefusedError(Obstacle.TEXT, f"the failing question: {error}", advice) from None
    if not is_subdomain(question.name, request.name):
        problem = f"the failing question: {name_to_text(question.name)} is not below {name_to_text(request.name)}"
        raise RefusedError(Obstacle.TEXT, problem, advice)
    return question


def parse_failing(text: str, name: Name) -> Question:
    """NAME or NAME/TYPE; empty for the address of the NTA's own name.

    Raises:
        ValueError: it is not that.
    """
    owner, _, rtype = text.partition("/")
    return Question(name_from_text(owner) if owner else name, type_from_text(rtype) if rtype else t.A)
