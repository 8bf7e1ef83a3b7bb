"""The mesh: every resolution in flight, and what waits for what. Pure: packets, timers and clients are the driver's.

Theory: a task runs one generator (`resolve` for clients, `fetch` for sub-resolutions). It waits for at most one thing: a
packet (`Ask`) or another task (`Need`). Equal questions share one task, so a crowd of clients costs one resolution. Since a
task waits for at most one other, "who waits for whom" is a chain: following it tells whether a new wait would close a
circle, in which case the wait is refused with Trouble.CYCLE instead.

Budgets belong to the client query that started the work and are handed down to the sub-resolutions it starts: packets,
sub-resolutions, signature verifications, NSEC3 hashes, and one deadline. A refused Ask or Need is answered at once with
Trouble.LIMIT and the limit's name, so the generators end by themselves, in order, with what they know. Who merely joined
a sub-resolution does not suffer from the budget of whoever started it: when that is used up, it starts anew on its own.

With serve-stale on, clients wait no longer than their patience: then, or when they join what is past it, they get expired
data if there is any, and the resolution goes on without them and refreshes the cache (RFC 8767 §5). What is asked for and
about to expire is fetched anew by tasks of mode "renew", which no client waits for.

An exception in a generator is a mistake of ours. It ends its task and no other: clients get SERVFAIL, tasks that waited go
on without what they waited for.

DESIGN §1 and §4; CVE-2020-8616 (NXNSAttack), TsuNAME, iDNS.
"""

import heapq
from collections import deque
from collections.abc import Callable, Generator
from typing import TypeAlias

from resolver.cache.load import FetchLoad
from resolver.cache.memory import Memory, View
from resolver.cache.selection import Selection
from resolver.iteration.addresses import AddressFilter
from resolver.policy.rules import Scope
from resolver.resolution import Resolution
from resolver.resolve.fetch import fetch, recall
from resolver.resolve.policy import resolve_under_policy, stale_under_policy
from resolver.resolve.reports import Reports
from resolver.resolve.resolve import answer_stale, resolve
from resolver.settings import Dice, Settings
from trust.anchors import TrustPoints
from trust.policy import Budget, Policy
from trust.reason import Reason
from trust.vocabulary import Address, Ask, Effect, Need, Now, Outcome, Question, Reply, Security, Trouble
from wire import types as t
from wire.limits import DEPTH, FETCHES_PER_ZONE, PACKETS, PREFETCHES, RESOLUTION_SECONDS, SUBQUERIES, Limit, Limits


class Send:
    """Put this packet on the wire, and call `Mesh.reply(ask_id, …)` once with what became of it."""

    __slots__ = ("ask", "ask_id")

    def __init__(self, ask_id: int, ask: Ask) -> None:
        self.ask_id = ask_id
        self.ask = ask


class Forget:
    """Nobody waits for this packet's answer any more."""

    __slots__ = ("ask_id",)

    def __init__(self, ask_id: int) -> None:
        self.ask_id = ask_id


class Finish:
    """The question submitted under `token` is answered."""

    __slots__ = ("resolution", "token")

    def __init__(self, token: object, resolution: Resolution) -> None:
        self.token = token
        self.resolution = resolution


Action: TypeAlias = Send | Forget | Finish


class Done:
    """What a task's generator yields last: its result. To return it would raise StopIteration through the mesh, which costs
    the compiled core as much as ten packets' worth of look-ups.
    """

    __slots__ = ("result",)

    def __init__(self, result: Resolution | Outcome) -> None:
        self.result = result


Course: TypeAlias = Generator[Effect | Done, Reply, None]
"""What a task runs."""


class Quota:
    """What one client query may still cause. Shared by all the work it starts."""

    __slots__ = ("budget", "deadline", "packets", "subqueries")

    def __init__(self, deadline: float, limits: Limits) -> None:
        self.packets = limits.value(PACKETS)  # left; below 0 what was had over the limit, in shadow mode
        self.subqueries = limits.value(SUBQUERIES)
        self.deadline = deadline
        self.budget = Budget(limits)


Key: TypeAlias = tuple[Question, str]
"""What a task is about: question and mode ("check", "nocheck" for clients, with the label of their policy scope if there is
one, "renew" for nobody, "fetch" for sub-resolutions).
"""


def _mode(checking_disabled: bool, scope: Scope | None) -> str:
    mode = "nocheck" if checking_disabled else "check"
    return mode if scope is None else mode + scope.label


class Task:
    """One resolution in flight. `patience`: monotonic time until which its clients wait for nothing but fresh data."""

    __slots__ = (
        "ask",
        "ask_id",
        "clients",
        "depth",
        "done",
        "generator",
        "key",
        "parents",
        "patience",
        "quota",
        "scope",
        "view",
        "waits_for",
    )

    def __init__(self, key: Key | None, generator: Course, view: View, quota: Quota, depth: int) -> None:
        self.key = key
        self.generator = generator
        self.view = view
        self.quota = quota
        self.depth = depth
        self.clients: list[object] = []
        self.parents: list[Task] = []
        self.waits_for: Task | None = None
        self.ask: Ask | None = None
        self.ask_id = 0
        self.patience = 0.0
        self.scope: Scope | None = None
        self.done = False


class Mesh:
    """All resolutions of one worker. Every method returns what the driver is to do, in order.

    Attributes:
        limits: the limits in force, and how often each was reached.
        prefetches_left_out: prefetches not begun because there were too many at once.
        reports: which failures are reported to the operators of zones, and how many were.
        crashed: told of an exception that should not have been; while it is None, the exception goes on to the caller.
    """

    def __init__(self, settings: Settings, points: TrustPoints, policy: Policy, dice: Dice) -> None:
        self.memory = Memory(settings, points, policy, dice)
        self.filter = AddressFilter(settings)
        self.limits = Limits(settings.shadow)
        self.crashed: Callable[[Exception], None] | None = None
        self.reports = Reports()
        self._tasks: dict[Key, Task] = {}
        self._asks: dict[int, Task] = {}
        self._deadlines: list[tuple[float, int, Task]] = []
        self._patience: list[tuple[float, int, Task]] = []
        self._renewing = 0
        self.prefetches_left_out = 0
        self._serial = 0
        self._ready: deque[tuple[Task, Reply | None]] = deque()
        self._actions: list[Action] = []
        self._load = FetchLoad(self.limits, self.memory.servers)

    # --- the driver's side ---------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Changes whenever whole responses kept outside must be dropped."""
        return self.memory.epoch

    @property
    def limit_hits(self) -> dict[str, int]:
        """How often each limit refused something, by its label."""
        return self.limits.hits

    @property
    def inflight(self) -> int:
        """Resolutions in progress."""
        return len(self._tasks)

    def submit(
        self,
        token: object,
        question: Question,
        now: Now,
        *,
        checking_disabled: bool = False,
        scope: Scope | None = None,
    ) -> list[Action]:
        """Resolve for a client; Finish(token, …) comes now or with a later call. `scope`: under which response policy."""
        key = (question, _mode(checking_disabled, scope))
        task = self._tasks.get(key)
        if task is None:
            task = self._resolve(question, now, checking_disabled=checking_disabled, scope=scope)
            self._ready.append((task, None))
        task.clients.append(token)
        if not self.memory.settings.serve_stale:
            return self._run()
        actions = self._run()
        if not task.done:
            self._mind_patience(task, now)
            actions += self._actions
            self._actions = []
        return actions

    def renew(self, question: Question, now: Now) -> list[Action]:
        """Fetch anew what of an answer is about to expire."""
        self._renew(question, now)
        return self._run()

    def reply(self, ask_id: int, reply: Reply) -> list[Action]:
        """Hand in what became of a packet; late or repeated calls are ignored."""
        task = self._asks.pop(ask_id, None)
        if task is not None:
            assert task.ask is not None
            self._load.release(task.ask)
            task.ask = None
            task.ask_id = 0
            self._ready.append((task, reply))
        return self._run()

    def expire(self, now: Now) -> list[Action]:
        """End what is over its deadline, and answer clients whose patience is over from expired data."""
        while self._patience and self._patience[0][0] <= now.mono:
            self._answer_stale(heapq.heappop(self._patience)[2], now)
        while self._deadlines and self._deadlines[0][0] <= now.mono:
            _, _, task = heapq.heappop(self._deadlines)
            if not task.done:
                self._stop_waiting(task)
                task.quota.budget.reach(RESOLUTION_SECONDS)
                text = self.limits.text(RESOLUTION_SECONDS)
                self._ready.append((task, Reply(now, trouble=Trouble.LIMIT, text=text)))
        return self._run()

    def next_deadline(self) -> float | None:
        """When `expire` is to be called next, in monotonic seconds."""
        while self._deadlines and self._deadlines[0][2].done:
            heapq.heappop(self._deadlines)
        due = self._deadlines[0][0] if self._deadlines else None
        while self._patience and self._patience[0][2].done:
            heapq.heappop(self._patience)
        if self._patience and (due is None or self._patience[0][0] < due):
            return self._patience[0][0]
        return due

    def set_trust(self, points: TrustPoints) -> None:
        """Put new trust anchors and NTAs in force: verdicts of the old generation count no more."""
        self.memory.set_trust(points)

    def set_clock(self, note: str, *, verified: bool) -> None:
        """What is known of our clock: see `Memory.set_clock`."""
        self.memory.set_clock(note, verified=verified)

    def flush(self) -> None:
        """Forget everything learnt."""
        self.memory.flush()

    def flush_selected(self, selection: Selection) -> dict[str, int]:
        """Forget what an operator means; returns how much of each kind."""
        return self.memory.flush_selected(selection)

    def tasks(self) -> list[Task]:
        """Resolutions in flight, oldest first, for operators."""
        return list(self._tasks.values())

    def _resolve(self, question: Question, now: Now, *, checking_disabled: bool, scope: Scope | None = None) -> Task:
        """A resolution of its own, not yet begun."""
        quota = Quota(now.mono + RESOLUTION_SECONDS.value, self.limits)
        view = View(self.memory, quota.budget, now)
        if scope is None:
            generator = _resolve(question, view, self.filter, checking_disabled)
        else:
            generator = _resolve_under_policy(question, view, self.filter, scope, checking_disabled)
        task = self._start((question, _mode(checking_disabled, scope)), generator, view, quota, 0)
        task.scope = scope
        return task

    def _mind_patience(self, task: Task, now: Now) -> None:
        """A client waits: see to it that it is not for long, as far as there is expired data."""
        if not task.patience:
            task.patience = now.mono + self.memory.settings.stale_client_timeout
            self._serial += 1
            heapq.heappush(self._patience, (task.patience, self._serial, task))
        elif task.patience <= now.mono:
            self._answer_stale(task, now)

    def _answer_stale(self, task: Task, now: Now) -> None:
        """Give the clients of a task expired data; without any, they go on waiting."""
        if task.done or not task.clients or task.key is None:
            return
        question, mode = task.key
        # A budget of its own: what it verifies anew is not the resolution's affair.
        view = View(self.memory, Budget(self.limits), now)
        checking_disabled = mode.startswith("nocheck")
        try:
            if task.scope is None:
                resolution = answer_stale(question, view, checking_disabled=checking_disabled)
            else:
                resolution = stale_under_policy(question, view, task.scope, checking_disabled=checking_disabled)
        except Exception as error:
            if self.crashed is None:
                raise
            self.crashed(error)
            return  # the resolution itself goes on
        if resolution is None:
            return
        self._actions += [Finish(token, resolution) for token in task.clients]
        task.clients.clear()

    def _renew(self, question: Question, now: Now) -> None:
        if (question, "renew") in self._tasks or (question, "check") in self._tasks:
            return
        if self._renewing >= PREFETCHES:
            self.prefetches_left_out += 1
            return
        self._renewing += 1
        quota = Quota(now.mono + RESOLUTION_SECONDS.value, self.limits)
        view = View(self.memory, quota.budget, now, renewing=True)
        task = self._start((question, "renew"), _resolve(question, view, self.filter, False), view, quota, 0)
        self._ready.append((task, None))

    # --- running tasks -------------------------------------------------------------------------------------------

    def _start(self, key: Key | None, generator: Course, view: View, quota: Quota, depth: int) -> Task:
        task = Task(key, generator, view, quota, depth)
        if key is not None:
            self._tasks[key] = task
        if depth == 0:
            self._serial += 1
            heapq.heappush(self._deadlines, (quota.deadline, self._serial, task))
        return task

    def _run(self) -> list[Action]:
        """Advance every task that has a reply, until all wait; returns the actions that came up."""
        ready = self._ready
        while ready:
            task, reply = ready.popleft()
            if task.done:
                continue
            try:
                if reply is None:
                    effect = next(task.generator)
                else:
                    task.view.now = reply.now
                    effect = task.generator.send(reply)
            except Exception as error:
                if self.crashed is None:
                    raise
                self.crashed(error)
                self._crash(task)
                continue
            if isinstance(effect, Ask):
                self._ask(task, effect)
            elif isinstance(effect, Need):
                self._need(task, effect)
            else:
                self._finish(task, effect.result)
        actions, self._actions = self._actions, []
        return actions

    def _ask(self, task: Task, ask: Ask) -> None:
        quota = task.quota
        now = task.view.now
        if quota.packets <= 0 and self._over(quota, PACKETS, self.limits.value(PACKETS) - quota.packets + 1):
            self._refuse(task, PACKETS)
            return
        left = quota.deadline - now.mono
        if left <= 0:
            self._refuse(task, RESOLUTION_SECONDS)
            return
        over = self._load.take(ask, now.mono)
        if over is not None:
            trouble = Trouble.QUOTA if over is FETCHES_PER_ZONE else Trouble.BUSY
            self._ready.append((task, Reply(now, trouble=trouble, text=self.limits.text(over))))
            return
        quota.packets -= 1
        ask.timeout_s = min(ask.timeout_s, left)
        task.ask = ask
        self._serial += 1
        self._asks[self._serial] = task
        task.ask_id = self._serial
        self._actions.append(Send(self._serial, ask))

    def _need(self, task: Task, need: Need) -> None:
        if not need.avoid:
            known = recall(need.question, task.view)
            if known is not None:
                self._ready.append((task, Reply(task.view.now, outcome=known)))
                return
        if task.quota.deadline <= task.view.now.mono:
            self._refuse(task, RESOLUTION_SECONDS)
            return
        if not need.avoid:
            other = self._tasks.get((need.question, "fetch"))
            if other is not None:
                self._join(task, other)
                return
        quota = task.quota
        if quota.subqueries <= 0 and self._over(quota, SUBQUERIES, self.limits.value(SUBQUERIES) - quota.subqueries + 1):
            self._refuse(task, SUBQUERIES)
        elif task.depth >= DEPTH.value and self._over(quota, DEPTH, task.depth + 1):
            self._refuse(task, DEPTH)
        else:
            quota.subqueries -= 1
            self._spawn(task, need.question, need.avoid)

    def _spawn(self, task: Task, question: Question, avoid: frozenset[Address]) -> None:
        """Start a sub-resolution on the account of `task`."""
        view = View(self.memory, task.quota.budget, task.view.now)
        generator = _fetch(question, view, self.filter, avoid)
        key = None if avoid else (question, "fetch")
        child = self._start(key, generator, view, task.quota, task.depth + 1)
        child.parents.append(task)
        task.waits_for = child
        self._ready.append((child, None))

    def _join(self, task: Task, other: Task) -> None:
        """Wait for a sub-resolution already in flight, unless it waits, directly or not, for `task`."""
        step: Task | None = other
        while step is not None:
            if step is task:
                self._ready.append((task, Reply(task.view.now, trouble=Trouble.CYCLE)))
                return
            step = step.waits_for
        other.parents.append(task)
        task.waits_for = other

    def _over(self, quota: Quota, limit: Limit, wanted: int) -> bool:
        """Whether a used-up budget refuses: in shadow mode it does so at the hard ceiling only."""
        return wanted > quota.budget.ceiling(limit, wanted)

    def _refuse(self, task: Task, limit: Limit) -> None:
        task.quota.budget.reach(limit)
        self._ready.append((task, Reply(task.view.now, trouble=Trouble.LIMIT, text=self.limits.text(limit))))

    def _finish(self, task: Task, result: Resolution | Outcome) -> None:
        """A task is through: tell its clients and wake the tasks that waited for it."""
        self._end(task)
        for token in task.clients:
            assert isinstance(result, Resolution)
            self._actions.append(Finish(token, result))
        if task.clients and self.memory.settings.error_reports:
            assert isinstance(result, Resolution)
            self._report(result, task.view)
        if self.memory.due:
            due, self.memory.due = self.memory.due, []
            for question in due:
                self._renew(question, task.view.now)
        for parent in task.parents:
            if parent.waits_for is not task:
                continue
            parent.waits_for = None
            assert isinstance(result, Outcome)
            if result.failure is Reason.LIMIT and parent.quota is not task.quota:
                parent.view.now = task.view.now
                self._need(parent, Need(result.question))
            else:
                self._ready.append((parent, Reply(task.view.now, outcome=result)))

    def _report(self, resolution: Resolution, view: View) -> None:
        """Tell a zone's operator of a failure, if he wants to know and has not been told (RFC 9567)."""
        question = self.reports.due(
            resolution, self.memory.channels, lambda name: view.closest_cut(name).zone, view.now.mono
        )
        if question is not None and (question, "check") not in self._tasks:
            self._ready.append((self._resolve(question, view.now, checking_disabled=False), None))

    def _crash(self, task: Task) -> None:
        """A task's generator failed: nobody may wait for it any longer."""
        self._end(task)
        now = task.view.now
        for token in task.clients:
            assert task.key is not None  # as every task that a client started
            servfail = Resolution(
                task.key[0],
                t.SERVFAIL,
                [],
                [],
                Security.INDETERMINATE,
                [(0, "internal error")],
                now.mono,
                reason=Reason.INDETERMINATE,
            )
            self._actions.append(Finish(token, servfail))
        for parent in task.parents:
            if parent.waits_for is task:
                parent.waits_for = None
                self._ready.append((parent, Reply(now, trouble=Trouble.CANCELLED)))

    def _end(self, task: Task) -> None:
        task.done = True
        if task.key is not None and self._tasks.get(task.key) is task:
            del self._tasks[task.key]
            if task.key[1] == "renew":
                self._renewing -= 1

    def _stop_waiting(self, task: Task) -> None:
        """Detach a task from what it waits for; work that nobody else waits for is dropped with it."""
        if task.ask_id:
            self._asks.pop(task.ask_id, None)
            assert task.ask is not None
            self._load.release(task.ask)
            task.ask = None
            self._actions.append(Forget(task.ask_id))
            task.ask_id = 0
        other = task.waits_for
        if other is None:
            return
        task.waits_for = None
        other.parents.remove(task)
        if not other.parents and not other.clients:
            self._stop_waiting(other)
            self._end(other)
            other.generator.close()


def _resolve(question: Question, view: View, address_filter: AddressFilter, checking_disabled: bool) -> Course:
    yield Done((yield from resolve(question, view, address_filter, checking_disabled=checking_disabled)))


def _resolve_under_policy(
    question: Question, view: View, address_filter: AddressFilter, scope: Scope, checking_disabled: bool
) -> Course:
    steps = resolve_under_policy(question, view, address_filter, scope, checking_disabled=checking_disabled)
    yield Done((yield from steps))


def _fetch(question: Question, view: View, address_filter: AddressFilter, avoid: frozenset[Address]) -> Course:
    yield Done((yield from fetch(question, view, address_filter, avoid)))
