"""The clock that runs it all: packets, clients, and what happens, in one order.

Nothing sleeps and nothing reads a clock: the same seed gives the same day.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from resolver.mesh import Action, Finish, Forget, Mesh, Send
from resolver.resolution import Resolution
from resolver.settings import Minimise
from tests.resolver.play import settings
from tests.simulation.fortunes import Fortunes
from tests.simulation.internet import DATA_TTL, Domain, Internet
from tests.simulation.oracle import Due, Oracle, WrongAnswerError
from tests.simulation.sizes import octets_of
from tests.trust.zones import NOW
from trust.anchors import Nta, TrustPoint, TrustPoints
from trust.policy import Policy
from trust.vocabulary import Address, Ask, Now, Question, Reply, Trouble
from wire import types as t
from wire.name import ROOT, Name
from wire.reader import read

DATA = f"""www {DATA_TTL} A VERSION
mail 120 A VERSION
mail 300 MX 10 www
text 60 TXT "x"
*.w 300 A VERSION
a.ent 300 A 10.250.0.1
"""
START_MONO = 1000.0
OVERHEAD = 1.25
"""What memory may take beside what the cache's own account of octets says, as a factor of cache.size."""
CONSTANT = 8 << 20
"""Octets that all other tables take at most among as few zones as these."""


@dataclass
class Report:
    """What came of a day."""

    seconds: float
    queries: int
    packets: int
    judged: dict[str, int]
    happened: dict[str, int]
    most_octets: int
    most_accounted: int
    evictions: int
    prefetches: int
    wrong: list[str]

    @property
    def ambiguous(self) -> float:
        """The share of questions that the oracle may not foretell."""
        return sum(count for kind, count in self.judged.items() if kind.startswith(Due.EITHER.value)) / self.queries

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.seconds / 86400:g} days, {self.queries} questions, {self.packets} packets to servers"
        yield from (f"  {kind}: {count}" for kind, count in sorted(self.judged.items()))
        yield f"  not foretold: {self.ambiguous:.2%}"
        yield "happened: " + ", ".join(f"{name} {count}" for name, count in sorted(self.happened.items()))
        yield (
            f"memory: at most {self.most_octets / 1e6:.2f} MB, of it the answer cache by its own account "
            f"{self.most_accounted / 1e6:.2f} MB; {self.evictions} evictions, {self.prefetches} prefetches"
        )
        yield from (f"WRONG {text}" for text in self.wrong)


def internet(dice: random.Random, zones: int) -> Internet:
    """The root, four TLDs, and so many zones in and below them."""
    net = Internet()
    root = net.add(Domain(ROOT, "", None, 0), 3)
    tlds = []
    for place, label in enumerate(("jp", "com", "net", "org")):
        name = bytes((len(label),)) + label.encode() + ROOT
        nsec3 = place % 2 == 1
        tlds.append(net.add(Domain(name, "", root, 1 + place, nsec3=nsec3, opt_out=place == 3), 3))
    below: list[Domain] = []
    hosters: list[Domain] = []
    for place in range(zones):
        index = 5 + place
        parent = dice.choice(below) if place > zones // 2 and place % 4 == 0 else dice.choice(tlds)
        hoster = dice.choice(hosters) if hosters and place % 5 == 4 and parent in tlds else None
        domain = Domain(
            parent.below(f"zone{place}"),
            DATA,
            parent,
            index,
            nsec3=place % 3 == 1,
            signed=place % 6 != 5,
            hoster=hoster,
            hosts=place < 2,
        )
        if below and place % 2:
            other = dice.choice(below)
            domain.aliases[domain.below("alias")] = other.below("www")
            domain.text += f"alias 300 CNAME www.{other.text_origin}.\n"
        net.add(domain, 2 + place % 2)
        (hosters if place < 2 else below).append(domain)
    return net


class Day:
    """One resolver among them. `wrong`: what the oracle objected to; the first ends the day unless `go_on`."""

    def __init__(
        self,
        seed: int,
        *,
        zones: int = 40,
        rate: float = 1.0,
        every: float = 600.0,
        go_on: bool = False,
        **changes: Any,
    ) -> None:
        self.dice = random.Random(seed)
        self.elapsed = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._forgotten: set[int] = set()
        self.rate, self.go_on = rate, go_on
        self.net = internet(self.dice, zones)
        root = self.net.domains[ROOT]
        hints = {server.name: [Address(server.ip, 53)] for server in root.servers}
        made = settings(
            **({"root": hints, "minimise": Minimise.RELAXED, "cookie_secret": b"day", "stale_max_age": 3600.0} | changes)
        )
        self.points = TrustPoints([TrustPoint(ROOT, [root.ksk.ds(ROOT)])])
        self.mesh = Mesh(made, self.points, Policy(), random.Random(seed + 1))
        self.oracle = Oracle(self.net, stale_s=made.stale_max_age if made.serve_stale else 0.0)
        self.fortunes = Fortunes(self.net, self.dice, lambda: self.elapsed, self.later, self._nta)
        self.asked: dict[object, tuple[Question, float, bool]] = {}
        self.packets = self.queries = self.most_octets = self.most_accounted = 0
        self.wrong: list[str] = []
        self.fortunes.begin(every)
        self._popular = [d for d in self.net.domains.values() if d.text and not d.hosts]
        self.dice.shuffle(self._popular)
        self._weights = [1 / (rank + 1) for rank in range(len(self._popular))]

    def run(self, seconds: float) -> Report:
        """Let so much time pass."""
        self.later(self.dice.expovariate(self.rate), self._client)
        self.later(600.0, self._weigh)
        end = self.elapsed + seconds
        while True:
            deadline = self.mesh.next_deadline()
            expires = float("inf") if deadline is None else deadline - START_MONO
            at = self._events[0][0]
            if min(at, expires) > end or (self.wrong and not self.go_on):
                break
            if at <= expires:
                self.elapsed = at
                heapq.heappop(self._events)[2]()
            else:
                self.elapsed = max(self.elapsed, expires)
                self._take(self.mesh.expire(self.now))
        self._weigh()
        answers = self.mesh.memory.answers
        return Report(
            seconds,
            self.queries,
            self.packets,
            self.oracle.judged,
            self.fortunes.counts,
            self.most_octets,
            self.most_accounted,
            answers.evictions,
            self.mesh.memory.prefetches,
            self.wrong,
        )

    @property
    def now(self) -> Now:
        return Now(NOW + self.elapsed, START_MONO + self.elapsed)

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something after so many seconds."""
        heapq.heappush(self._events, (self.elapsed + max(seconds, 0.0), next(self._serial), what))

    # --- clients -----------------------------------------------------------------------------------------------------

    def _client(self) -> None:
        domain = self.dice.choices(self._popular, self._weights)[0]
        dice = self.dice.random()
        labels = (
            "www",
            "www",
            "www",
            "mail",
            "text",
            f"x{self.dice.randrange(50)}.w",
            f"nx{self.dice.randrange(500)}",
            "ent",
        )
        label = self.dice.choice(labels)
        rtype = {"mail": self.dice.choice((t.A, t.MX)), "text": self.dice.choice((t.TXT, t.AAAA))}.get(label, t.A)
        name = domain.origin
        for part in reversed(label.split(".")):
            name = bytes((len(part),)) + part.encode() + name
        if domain.aliases and dice < 0.2:
            name, rtype = next(iter(domain.aliases)), t.A
        elif dice > 0.97:
            name, rtype = domain.origin, self.dice.choice((t.NS, t.SOA))
        self.queries += 1
        token = object()
        question, checking = Question(name, rtype), self.dice.random() > 0.03
        self.asked[token] = question, self.elapsed, checking
        self._take(self.mesh.submit(token, question, self.now, checking_disabled=not checking))
        self.later(self.dice.expovariate(self.rate), self._client)

    def _answered(self, token: object, resolution: Resolution) -> None:
        question, asked, checking = self.asked.pop(token)
        self.oracle.seen.evictions = self.mesh.memory.answers.evictions
        try:
            self.oracle.judge(question, asked, self.elapsed, resolution, START_MONO, checking=checking)
        except WrongAnswerError as error:
            self.wrong.append(f"at {self.elapsed:.0f} s (asked {asked:.0f}): {error}")

    # --- packets -------------------------------------------------------------------------------------------------------

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Send):
                self.packets += 1
                self._send(action.ask_id, action.ask)
            elif isinstance(action, Forget):
                self._forgotten.add(action.ask_id)
            elif isinstance(action, Finish):
                self._answered(action.token, action.resolution)

    def _send(self, ask_id: int, ask: Ask) -> None:
        self.oracle.seen.sent(ask, self.elapsed)
        said = self.net.say(ask)
        rtt = 0.005 + 0.06 * self.dice.random()
        if said is None or rtt > ask.timeout_s:
            self.later(ask.timeout_s, lambda: self._deliver(ask_id, Reply(self.now, trouble=Trouble.TIMEOUT)))
        else:
            sent, server = self.elapsed, self.net.by_ip[ask.server.ip]
            said_of = ask, server.version.expires, sent
            self.later(rtt, lambda: self._deliver(ask_id, Reply(self.now, read(said), rtt_s=rtt), said_of))

    def _deliver(self, ask_id: int, reply: Reply, said_of: tuple[Ask, float, float] | None = None) -> None:
        if ask_id in self._forgotten:
            self._forgotten.remove(ask_id)
        else:
            if said_of is not None and reply.message is not None:
                ask, expires, sent = said_of
                self.oracle.heard(ask, reply.message, expires, sent, self.elapsed)
            self._take(self.mesh.reply(ask_id, reply))

    # --- trust and memory ----------------------------------------------------------------------------------------------

    def _nta(self, name: Name, begins: bool) -> None:
        if begins:
            self.oracle.ntas.append((name, self.elapsed, float("inf")))
        else:
            self.oracle.ntas = [
                (held, first, self.elapsed if held == name and last == float("inf") else last)
                for held, first, last in self.oracle.ntas
                if last > self.elapsed - 86400
            ]
        self.oracle.seen.trust_changes(self.elapsed)
        now_held = [Nta(held, "test") for held, _, last in self.oracle.ntas if last == float("inf")]
        self.points = self.points.with_ntas(now_held)
        self.mesh.set_trust(self.points)

    def _weigh(self) -> None:
        """Memory is bounded: the cache by its account, everything by that and a constant."""
        memory = self.mesh.memory
        accounted = memory.answers.octets
        real = octets_of(memory, beside=(memory.settings, memory.points, memory.policy, memory.dice))
        self.most_accounted = max(self.most_accounted, accounted)
        self.most_octets = max(self.most_octets, real)
        limit = memory.settings.cache_size
        if accounted > limit:
            self.wrong.append(f"at {self.elapsed:.0f} s: the cache accounts for {accounted} octets of {limit}")
        if real > OVERHEAD * limit + CONSTANT:
            self.wrong.append(f"at {self.elapsed:.0f} s: memory takes {real} octets with a cache of {limit}")
        self.later(3600.0, self._weigh)


__all__ = ["Day", "Report"]
