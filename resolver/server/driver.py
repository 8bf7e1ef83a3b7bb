"""Runs the mesh: its actions become packets and finished queries, what comes back becomes replies. Knows when, not how.

Theory: every event (a client's query, a packet, a time-out) ends in `_perform`, which works off the mesh's actions in
order; an action that gives a reply at once (no route, no descriptor) puts the mesh's next actions behind the others, so
that nothing recurses. No task is made for a query.

Deadlines of all exchanges are filed by ticks of TICK seconds and served by one timer of the loop, which fires at most once
a tick: a time-out is up to two of them late, and thousands of queries a second cost fifty timers a second. Entries of
exchanges that ended in time stay until then.

An exception that escapes from the mesh or from a finishing query is a bug; it is told to the observer and counted, and the
other queries go on.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Final, Protocol

from resolver.cache.selection import Selection
from resolver.mesh import Action, Finish, Forget, Mesh, Send
from resolver.policy.rules import Scope
from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.counters import Counters
from resolver.server.entropy import Entropy
from resolver.server.poller import Poller
from resolver.server.upstream_tcp import TcpExchange, UpstreamTcp
from resolver.server.upstream_udp import UdpExchange, UpstreamUdp
from trust.anchors import TrustPoints
from trust.vocabulary import Ask, Now, Question, Reply, Transport, Trouble
from wire.limits import MAX_UDP, UPSTREAM_TCP, UPSTREAM_UDP

TICK: Final = 0.02
"""Seconds between two rounds of the timer at least."""
_NEVER: Final = float("inf")


class Waiter(Protocol):
    """Who submitted a question: the token given to the mesh."""

    def finish(self, resolution: Resolution, now: Now) -> None:
        """Here is the answer; called once."""

    def abandon(self) -> None:
        """There will be none, because of a bug of ours; called at most once, possibly after `finish` raised."""


class Resolutions(Protocol):
    """What the driver needs of the mesh."""

    crashed: Callable[[Exception], None] | None

    @property
    def epoch(self) -> int:
        """Changes whenever whole responses kept outside must be dropped."""

    @property
    def inflight(self) -> int:
        """Resolutions in progress."""

    def submit(
        self,
        token: object,
        question: Question,
        now: Now,
        *,
        checking_disabled: bool = False,
        scope: Scope | None = None,
    ) -> list[Action]:
        """Resolve for a client."""

    def renew(self, question: Question, now: Now) -> list[Action]:
        """Resolve for nobody."""

    def reply(self, ask_id: int, reply: Reply) -> list[Action]:
        """Hand in what became of a packet."""

    def expire(self, now: Now) -> list[Action]:
        """End what is over its deadline."""

    def next_deadline(self) -> float | None:
        """When `expire` is to be called next."""

    def set_trust(self, points: TrustPoints) -> None:
        """Put new trust anchors and NTAs in force."""

    def set_clock(self, note: str, *, verified: bool) -> None:
        """What is known of our clock."""

    def flush(self) -> None:
        """Forget everything learnt."""

    def flush_selected(self, selection: Selection) -> dict[str, int]:
        """Forget what an operator means."""


class Driver:
    """One mesh and its sockets to servers.

    Args:
        payload: EDNS buffer size told to servers; at most 1232 whatever is asked for (guideline 2-4).
        udp_limit, tcp_limit: exchanges at once over each transport.
        crashed: told of an exception that should not have been: where, and which.
        new_epoch: called when whole responses kept outside the mesh must be dropped.
    """

    def __init__(
        self,
        mesh: Resolutions,
        loop: asyncio.AbstractEventLoop,
        counters: Counters,
        *,
        payload: int = MAX_UDP,
        udp_limit: int = UPSTREAM_UDP,
        tcp_limit: int = UPSTREAM_TCP,
        crashed: Callable[[str, Exception], None],
        new_epoch: Callable[[], None],
    ) -> None:
        self._mesh = mesh
        self._loop = loop
        self._counters = counters
        self._crashed = crashed
        self._new_epoch = new_epoch
        mesh.crashed = partial(self._tell, "mesh")
        self._epoch = mesh.epoch
        self._poller = Poller(loop)
        entropy = Entropy()
        payload = min(payload, MAX_UDP)
        self._udp = UpstreamUdp(self._poller, entropy, counters, self._deliver, payload, udp_limit)
        self._tcp = UpstreamTcp(self._poller, entropy, counters, self._deliver, payload, tcp_limit)
        self._exchanges: dict[int, UdpExchange | TcpExchange] = {}
        self._apart: dict[int, Callable[[Reply], None]] = {}
        self._work: deque[Action] = deque()
        self._working = False
        self._serial = 0
        self._ending: dict[int, list[int]] = {}  # exchanges by the tick after their deadline
        self._ticks: list[int] = []  # a heap of those ticks
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = _NEVER

    @property
    def mesh(self) -> Mesh:
        """The mesh itself, for administration."""
        assert isinstance(self._mesh, Mesh)
        return self._mesh

    @property
    def inflight(self) -> int:
        """Resolutions in progress."""
        return self._mesh.inflight

    def submit(
        self, waiter: Waiter, question: Question, *, checking_disabled: bool = False, scope: Scope | None = None
    ) -> None:
        """Resolve for a client; `waiter.finish` is called, possibly before this returns. `scope`: of its policy, if any."""
        now = clock.now()
        try:
            actions = self._mesh.submit(waiter, question, now, checking_disabled=checking_disabled, scope=scope)
        except Exception as error:
            self._tell("submit", error)
            waiter.abandon()
            return
        self._perform(actions)

    def renew(self, question: Question) -> None:
        """Fetch anew what of an answer is about to expire; nobody waits for it."""
        try:
            actions = self._mesh.renew(question, clock.now())
        except Exception as error:
            self._tell("renew", error)
            return
        self._perform(actions)

    def ask(self, ask: Ask, done: Callable[[Reply], None]) -> None:
        """Send one packet apart from every resolution; `done` is told what became of it, possibly before this returns.

        Its ask_id is negative, so that it is none of the mesh's.
        """
        self._serial -= 1
        ask_id = self._serial
        upstream = self._udp if ask.transport is Transport.UDP else self._tcp
        started = upstream.start(ask_id, ask)
        if isinstance(started, Reply):
            self._counters.upstream_unreachable += 1
            self._counters.exchanged(_label(ask), _result(started))
            done(started)
            return
        started.label = _label(ask)
        self._apart[ask_id] = done
        self._exchanges[ask_id] = started
        self._file(ask_id, clock.monotonic() + ask.timeout_s)
        self._arm()

    def set_trust(self, points: TrustPoints) -> None:
        """Put other trust anchors and NTAs in force."""
        self._mesh.set_trust(points)
        self._perform([])

    def set_clock(self, note: str, *, verified: bool) -> None:
        """What is known of our clock: see `Memory.set_clock`."""
        self._mesh.set_clock(note, verified=verified)
        self._perform([])

    def flush(self) -> None:
        """Forget everything learnt."""
        self._mesh.flush()
        self._perform([])

    def flush_selected(self, selection: Selection) -> dict[str, int]:
        """Forget what an operator means; returns how much of each kind."""
        dropped = self._mesh.flush_selected(selection)
        self._perform([])
        return dropped

    def close(self) -> None:
        """Close every socket and the timer. Queries in flight stay unanswered."""
        if self._timer is not None:
            self._timer.cancel()
        for exchange in list(self._exchanges.values()):
            exchange.close()
        self._exchanges.clear()
        self._apart.clear()
        self._udp.close()
        self._tcp.close()
        self._poller.close()

    # --- actions -------------------------------------------------------------------------------------------------

    def _perform(self, actions: list[Action]) -> None:
        work = self._work
        work.extend(actions)
        if self._working:
            return
        self._working = True
        try:
            while work:
                action = work.popleft()
                try:
                    if isinstance(action, Send):
                        self._send(action)
                    elif isinstance(action, Finish):
                        self._finish(action)
                    else:
                        self._forget(action)
                except Exception as error:
                    self._tell(type(action).__name__, error)
        finally:
            self._working = False
        if self._mesh.epoch != self._epoch:
            self._epoch = self._mesh.epoch
            self._new_epoch()
        self._arm()

    def _finish(self, finish: Finish) -> None:
        waiter: Waiter = finish.token  # type: ignore[assignment]
        try:
            waiter.finish(finish.resolution, clock.now())
        except Exception:
            waiter.abandon()
            raise

    def _send(self, send: Send) -> None:
        ask = send.ask
        upstream = self._udp if ask.transport is Transport.UDP else self._tcp
        started = upstream.start(send.ask_id, ask)
        if isinstance(started, Reply):
            self._counters.upstream_unreachable += 1
            self._counters.exchanged(_label(ask), _result(started))
            self._work.extend(self._mesh.reply(send.ask_id, started))
            return
        started.label = _label(ask)
        self._exchanges[send.ask_id] = started
        self._file(send.ask_id, clock.monotonic() + ask.timeout_s)

    def _forget(self, forget: Forget) -> None:
        exchange = self._exchanges.pop(forget.ask_id, None)
        if exchange is not None:
            exchange.close()
            self._counters.exchanged(exchange.label, "abandoned")

    def _deliver(self, ask_id: int, reply: Reply) -> None:
        """An exchange ended (and is closed)."""
        exchange = self._exchanges.pop(ask_id, None)
        if exchange is None:
            return
        self._counters.exchanged(exchange.label, _result(reply))
        if reply.message is not None:
            self._counters.upstream_seconds.add(reply.rtt_s)
        done = self._apart.pop(ask_id, None) if ask_id < 0 else None
        try:
            if done is not None:
                done(reply)
            actions = [] if done is not None else self._mesh.reply(ask_id, reply)
        except Exception as error:
            self._tell("reply", error)
            return
        self._perform(actions)

    def _tell(self, where: str, error: Exception) -> None:
        self._counters.internal_errors += 1
        self._crashed(where, error)

    # --- time ----------------------------------------------------------------------------------------------------

    def _file(self, ask_id: int, deadline: float) -> None:
        """Remember when an exchange ends."""
        tick = int(deadline / TICK) + 1
        ending = self._ending.get(tick)
        if ending is None:
            self._ending[tick] = [ask_id]
            heappush(self._ticks, tick)
        else:
            ending.append(ask_id)

    def _arm(self) -> None:
        """See to it that the timer fires for the earliest deadline."""
        ticks = self._ticks
        if ticks and not self._exchanges:
            ticks.clear()
            self._ending.clear()
        due = ticks[0] * TICK if ticks else _NEVER
        of_mesh = self._mesh.next_deadline()
        if of_mesh is not None and of_mesh < due:
            due = of_mesh
        if due < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_due = due
            self._timer = self._loop.call_later(max(due - clock.monotonic(), TICK), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._timer_due = _NEVER
        now = clock.now()
        while self._ticks and self._ticks[0] * TICK <= now.mono:
            for ask_id in self._ending.pop(heappop(self._ticks)):
                exchange = self._exchanges.get(ask_id)
                if exchange is not None:
                    exchange.close()
                    self._counters.upstream_timeouts += 1
                    self._deliver(ask_id, Reply(now, trouble=Trouble.TIMEOUT, mismatched=exchange.mismatched))
        of_mesh = self._mesh.next_deadline()
        actions: list[Action] = []
        if of_mesh is not None and of_mesh <= now.mono:
            try:
                actions = self._mesh.expire(now)
            except Exception as error:
                self._tell("expire", error)
        self._perform(actions)


def _label(ask: Ask) -> str:
    """Family and transport, for counting."""
    if ask.transport is Transport.UDP:
        return "ipv6|udp" if ":" in ask.server.ip else "ipv4|udp"
    return "ipv6|tcp" if ":" in ask.server.ip else "ipv4|tcp"


def _result(reply: Reply) -> str:
    """What came of an exchange, for counting."""
    if reply.message is not None:
        return "truncated" if reply.message.truncated else "answer"
    return reply.trouble.name.lower() if reply.trouble is not None else "none"
