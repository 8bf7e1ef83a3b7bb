"""The mesh in virtual time: a driver without sockets.

Theory: packets and time-outs are events in a heap, ordered by virtual time; the clock jumps from one to the next. Nothing
sleeps, nothing reads a clock, so a play of ten thousand seconds takes milliseconds and is the same on every run.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from resolver.mesh import Action, Finish, Forget, Mesh, Send
from resolver.resolution import Resolution
from tests.scenarios.world import Exchange, arrival, reply_to
from trust.vocabulary import Ask, Now, Question

PATIENCE_S = 60.0
"""A resolution that is not over after this many virtual seconds hangs."""


class Answering(Protocol):
    """Whoever answers Asks: the scripted world, or a test's own."""

    def ask(self, ask: Ask, at: float) -> Exchange:
        """Send one question at virtual time `at` (seconds since the start)."""


@dataclass
class Simulation:
    """A mesh, the world around it and the virtual clock. `elapsed`: virtual seconds since the start."""

    mesh: Mesh
    world: Answering
    start: Now
    elapsed: float = 0.0
    watch: Callable[[Exchange], None] = lambda exchange: None
    """Called when an answer or a time-out arrives."""
    _events: list[tuple[float, int, int, Exchange]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _finished: dict[object, Resolution] = field(default_factory=dict)
    _forgotten: set[int] = field(default_factory=set)

    @property
    def now(self) -> Now:
        """The virtual time, on both clocks."""
        return Now(self.start.wall + self.elapsed, self.start.mono + self.elapsed)

    def resolve(self, question: Question, *, checking_disabled: bool = False) -> Resolution:
        """Submit a question and let time run until it is answered.

        Raises:
            TimeoutError: it is not answered within PATIENCE_S, or nothing is left that could bring the answer.
        """
        token = object()
        limit = self.elapsed + PATIENCE_S
        self._perform(self.mesh.submit(token, question, self.now, checking_disabled=checking_disabled))
        while token not in self._finished:
            if not self._step(limit):
                raise TimeoutError(f"no answer to {question} after {self.elapsed:g} virtual seconds")
        return self._finished.pop(token)

    def settle(self) -> None:
        """Let everything that is under way come to its end: what the resolver does after the client has its answer."""
        limit = self.elapsed + PATIENCE_S
        while self._events and self._step(limit):
            pass

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        limit = self.elapsed + seconds
        while self._step(limit):
            pass
        self.elapsed = limit

    def _step(self, limit: float) -> bool:
        """Go to the next event, if it is not later than `limit`."""
        arrives = self._events[0][0] if self._events else float("inf")
        deadline = self.mesh.next_deadline()
        expires = float("inf") if deadline is None else deadline - self.start.mono
        at = min(arrives, expires)
        if at > limit:
            return False
        self.elapsed = max(self.elapsed, at)
        if arrives <= expires:
            _, _, ask_id, exchange = heapq.heappop(self._events)
            if ask_id not in self._forgotten:
                self.watch(exchange)
                self._perform(self.mesh.reply(ask_id, reply_to(exchange, self.now)))
        else:
            self._perform(self.mesh.expire(self.now))
            if self.mesh.next_deadline() == deadline:
                raise AssertionError(f"expire() leaves the deadline that it should have met, {deadline}")
        return True

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send():
                    exchange = self.world.ask(action.ask, self.elapsed)
                    heapq.heappush(self._events, (arrival(exchange), next(self._order), action.ask_id, exchange))
                case Forget():
                    self._forgotten.add(action.ask_id)
                case Finish():
                    self._finished[action.token] = action.resolution
