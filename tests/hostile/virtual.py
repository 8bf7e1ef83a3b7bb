"""The mesh before hostile authorities, in virtual time: many clients at once, packets that travel, clocks that do not wait.

What a server says goes through the same matching as a real packet (`resolver.server.matching`), and takes the time it says.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

from resolver.mesh import Action, Finish, Forget, Mesh, Quota, Send
from resolver.resolution import Resolution
from resolver.server.entropy import Entropy
from resolver.server.matching import Judgement, Sent, judge
from resolver.settings import Minimise, Settings
from tests.hostile.attacks import ROOT, Said, respond
from tests.resolver.play import question
from trust.anchors import TrustPoints, points_from_text
from trust.policy import Policy
from trust.vocabulary import Address, Ask, Now, Reply, Transport, Trouble
from wire.limits import MAX_UDP, MIN_UDP, MISMATCHED
from wire.message import Message
from wire.text import name_from_text

RTT_S = 0.01
World = Callable[[str, str, bytes], list[Said]]


class Net:
    """A mesh, its clients and the world.

    Attributes:
        asked: every packet sent, in order; `finished`: resolutions by token; `took`: seconds each took.
        now: virtual time. quotas: what each client query has spent, by token. `anchor`: trust anchors as a zone file.
    """

    def __init__(
        self, world: World = respond, *, rtt_s: float = RTT_S, seed: int = 1, anchor: str = "", **changes: Any
    ) -> None:
        plain: dict[str, Any] = {
            "root": {name_from_text("a.root."): [Address(ROOT, 53)]},
            "prime": False,
            "minimise": Minimise.RELAXED,
            "allow_loopback": True,
            "private_servers": True,
            "cookie_secret": b"secret",
        }
        points = TrustPoints(points_from_text(anchor)) if anchor else TrustPoints()
        self.mesh = Mesh(Settings(**(plain | changes)), points, Policy(), random.Random(seed))
        self.world = world
        self.rtt_s = rtt_s
        self.now = Now(1_700_000_000.0, 1000.0)
        self.asked: list[Ask] = []
        self.finished: dict[object, Resolution] = {}
        self.took: dict[object, float] = {}
        self.quotas: dict[object, list[Quota]] = {}
        self._begun: dict[object, float] = {}
        self._entropy = Entropy()
        self._events: list[tuple[float, int, int, Reply]] = []
        self._serial = itertools.count()
        self._forgotten: set[int] = set()

    def ask(self, name: str, rtype: str = "A") -> Resolution:
        """One client asks, and time passes until it has its answer."""
        token = object()
        self.begin(token, name, rtype)
        self.run(lambda: token in self.finished)
        return self.finished[token]

    def begin(self, token: object, name: str, rtype: str = "A") -> None:
        """A client asks."""
        self._begun[token] = self.now.mono
        before = set(map(id, self.mesh.tasks()))
        actions = self.mesh.submit(token, question(name, rtype), self.now)
        self.quotas[token] = [task.quota for task in self.mesh.tasks() if id(task) not in before]
        self._take(actions)

    def passes(self, seconds: float) -> None:
        """Time passes, and with it what is on its way."""
        until = self.now.mono + seconds
        while (due := self._due()) is not None and due <= until:
            self._step(due)
        self._set(until)

    def run(self, done: Callable[[], bool] = lambda: False) -> None:
        """Until nothing is under way, or `done`."""
        while not done():
            due = self._due()
            if due is None:
                assert self.mesh.inflight == 0, "somebody waits for nothing"
                return
            self._step(due)

    # --- time ------------------------------------------------------------------------------------------------------

    def _set(self, mono: float) -> None:
        self.now = Now(self.now.wall + max(mono - self.now.mono, 0.0), max(mono, self.now.mono))

    def _due(self) -> float | None:
        deadline = self.mesh.next_deadline()
        times = [time for time in (deadline, self._events[0][0] if self._events else None) if time is not None]
        return min(times, default=None)

    def _step(self, due: float) -> None:
        self._set(due)
        if self._events and self._events[0][0] <= due:
            _, _, ask_id, reply = heapq.heappop(self._events)
            if ask_id not in self._forgotten:
                reply.now = self.now
                self._take(self.mesh.reply(ask_id, reply))
        else:
            self._take(self.mesh.expire(self.now))

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.asked.append(action.ask)
                after, reply = self._exchange(action.ask)
                heapq.heappush(self._events, (self.now.mono + after, next(self._serial), action.ask_id, reply))
            elif isinstance(action, Forget):
                self._forgotten.add(action.ask_id)
            elif isinstance(action, Finish):
                self.finished[action.token] = action.resolution
                self.took[action.token] = self.now.mono - self._begun[action.token]

    # --- one packet and what comes back ------------------------------------------------------------------------------

    def _exchange(self, ask: Ask) -> tuple[float, Reply]:
        """Seconds until something comes of it, and what."""
        udp = ask.transport is Transport.UDP
        exact = ask.randomise_case and udp
        qname = self._entropy.mixed_case(ask.qname) if exact else ask.qname
        room = (MAX_UDP if ask.edns else MIN_UDP) if udp else 65535
        sent = Sent(ask, self._entropy.ident(), qname, MAX_UDP, exact=exact, room=room)
        said = sorted(self.world(ask.server.ip, ask.transport.value, sent.wire), key=lambda one: one.after_s)
        return self._over_udp(ask, sent, said) if udp else self._over_tcp(ask, sent, said)

    def _over_udp(self, ask: Ask, sent: Sent, said: list[Said]) -> tuple[float, Reply]:
        mismatched = 0
        for one in said:
            after = self.rtt_s + one.after_s
            if one.elsewhere:
                continue  # the kernel drops it
            if after > ask.timeout_s:
                break
            found = judge(sent, one.octets)
            if isinstance(found, Message):
                return after, Reply(self.now, found, rtt_s=after, mismatched=mismatched)
            if found[0] is not Judgement.IGNORE:
                return after, Reply(self.now, trouble=found[0].value, text=found[1], rtt_s=after, mismatched=mismatched)
            mismatched += 1
            if mismatched == MISMATCHED:
                return after, Reply(self.now, trouble=Trouble.SPOOFED, mismatched=mismatched)
        return ask.timeout_s, Reply(self.now, trouble=Trouble.TIMEOUT, mismatched=mismatched)

    def _over_tcp(self, ask: Ask, sent: Sent, said: list[Said]) -> tuple[float, Reply]:
        after = 2 * self.rtt_s
        for one in said:
            after += one.after_s + one.slowly_s * (len(one.octets) + 2)
            if after > ask.timeout_s:
                break
            if one.close:
                return after, Reply(self.now, trouble=Trouble.UNREACHABLE)
            if one.endless:
                return after, Reply(self.now, trouble=Trouble.MALFORMED)
            found = judge(sent, one.octets)
            if isinstance(found, Message):
                return after, Reply(self.now, found, rtt_s=after)
            return after, Reply(self.now, trouble=Trouble.MALFORMED, text=found[1])
        return ask.timeout_s, Reply(self.now, trouble=Trouble.TIMEOUT)
