"""Our own scripts: the lab's mini-Internet on a virtual stage.

    stage = Stage()
    stage.client("www.example.jp").gets("NOERROR", ad=True)
    stage.breaks("example.jp", "rrsig-exp-all")
    stage.passes(400)
    stage.client("www.example.jp").gets("SERVFAIL", ede=7)

The zones, their faults and the servers' behaviour are the lab's (built on dnspython alone); the resolver is the real core,
the clock virtual, the network a function call. Sizes, truncation and TCP are as on a real network.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

import lab.internet
from lab.authority import Authority
from lab.faults import CATALOGUE
from lab.responder import Responder
from resolver.mesh import Mesh
from resolver.resolution import Resolution
from resolver.server.respond import Identity, respond
from resolver.settings import Settings
from tests.scenarios import compare
from tests.scenarios.simulation import Simulation
from tests.scenarios.world import Exchange, judge, query_wire
from trust.anchors import Nta, TrustPoint, TrustPoints, points_from_text
from trust.policy import Policy
from trust.vocabulary import Address, Ask, Now, Question, Transport, Trouble
from wire.reader import read
from wire.text import name_from_text, name_to_text, type_from_text, type_to_text

NOON = 1_800_000_000.0
"""When a play begins, in seconds since 1970; the zones are signed at that moment, for 14 days."""
IDENTITY = Identity(nsid=b"stage")

Change = Callable[[Ask, dns.message.Message], dns.message.Message]
"""What a server does to its own answers."""


class LabWorld:
    """The mini-Internet as a world: all its servers, of which some may be silent or altered."""

    def __init__(self, internet: lab.internet.Internet) -> None:
        self.internet = internet
        self.exchanges: list[Exchange] = []
        self.silent: set[str] = set()
        self.changes: dict[str, Change] = {}
        self.reload()

    def reload(self) -> None:
        """Let the servers serve the zones as they are now."""
        net = self.internet
        authorities = {origin: Authority(zone) for origin, zone in net.zones.items()}
        behaviours = {origin: net.behaviour(origin) for origin in net.zones}
        self._responders = {
            server.address: Responder(
                server.host.to_text(), server.address, {zone: authorities[zone] for zone in server.zones}, behaviours
            )
            for server in net.servers()
        }

    def ask(self, ask: Ask, at: float) -> Exchange:
        """Send one question at virtual time `at`."""
        ident = 0x3000 + len(self.exchanges) % 0x4000
        exchange = Exchange(0, at, ask, query_wire(ask, ident, ask.qtype))
        self.exchanges.append(exchange)
        responder = self._responders.get(ask.server.ip)
        answer = None
        if responder is not None and ask.server.ip not in self.silent:
            answer = responder.respond(exchange.query, "198.51.100.99", tcp=ask.transport is Transport.TCP)
        if answer is None:
            exchange.trouble, exchange.text = Trouble.TIMEOUT, ""
            return exchange
        change = self.changes.get(ask.server.ip)
        if change is not None:
            answer = change(ask, compare.read(answer)).to_wire(max_size=65535)
        exchange.answer = answer
        exchange.trouble, exchange.text = judge(answer, ask, ident)
        return exchange


@dataclass
class Reply:
    """What a client got, and what it took. All of `gets()` that is given must hold."""

    message: dns.message.Message
    resolution: Resolution
    asked: list[Ask]
    took_s: float

    def gets(
        self,
        rcode: str = "NOERROR",
        *,
        ad: bool | None = None,
        ede: int | None = None,
        ttl: int | None = None,
        answer: str | None = None,
    ) -> "Reply":
        """Assert: RCODE; AD; an EDE with this code (0: none at all); the first record's TTL; records `type rdata, …`."""
        assert dns.rcode.to_text(self.message.rcode()) == rcode, self.describe()
        if ad is not None:
            assert bool(self.message.flags & dns.flags.AD) == ad, self.describe()
        if ede is not None:
            assert (ede in self.ede) if ede else not self.ede, self.describe()
        if ttl is not None:
            assert self.message.answer[0].ttl == ttl, self.describe()
        if answer is not None:
            assert self.records == answer, self.describe()
        return self

    def asks(self, count: int | None = None, *, below: int | None = None) -> "Reply":
        """Assert how many questions went out for it."""
        if count is not None:
            assert len(self.asked) == count, self.questions
        if below is not None:
            assert len(self.asked) < below, self.questions
        return self

    @property
    def ede(self) -> list[int]:
        """The INFO-CODEs of the answer."""
        return [int(option.code) for option in self.message.options if isinstance(option, dns.edns.EDEOption)]

    @property
    def records(self) -> str:
        """The answer section without signatures, in order."""
        kept = [rrset for rrset in self.message.answer if rrset.rdtype != dns.rdatatype.RRSIG]
        return ", ".join(f"{dns.rdatatype.to_text(rrset.rdtype)} {rdata}" for rrset in kept for rdata in rrset)

    @property
    def questions(self) -> list[str]:
        """What was asked, as `name type @address`."""
        return [f"{name_to_text(ask.qname)} {type_to_text(ask.qtype)} @{ask.server.ip}" for ask in self.asked]

    def describe(self) -> str:
        """For assertions: the message, the errors, the questions."""
        return f"{self.message}\n{self.resolution.errors}\n" + "\n".join(self.questions)


@dataclass
class Stage:
    """A play. `settings`: changes to the core's settings; `seed`: the resolver's dice."""

    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 1
    faults: tuple[str, ...] = ()
    """Cases of the catalogue that have a zone of their own, `<case>.faults.jp`."""

    def __post_init__(self) -> None:
        internet = lab.internet.build(NOON, faults=[CATALOGUE[name] for name in self.faults])
        self.world = LabWorld(internet)
        self.points = points_from_text(internet.anchor())
        root = {
            name_from_text(host): [Address(internet.addresses[dns.name.from_text(host)], 53)]
            for host in internet.specs[dns.name.root].hosts
        }
        plain: dict[str, Any] = {"prime": False, "randomise_case": False, "allow_loopback": True}
        self._trust = TrustPoints(self.points)
        mesh = Mesh(Settings(root=root, **(plain | self.settings)), self._trust, Policy(), random.Random(self.seed))
        self.simulation = Simulation(mesh, self.world, Now(NOON, 5000.0))

    # What happens on the stage

    def client(self, name: str, rtype: str = "A", *, do: bool = True, cd: bool = False) -> Reply:
        """A client asks; time runs until it has its answer and all that this caused has come to its end."""
        query = dns.message.make_query(name, rtype, want_dnssec=do, use_edns=0)
        query.flags |= dns.flags.CD if cd else 0
        packet = query.to_wire()
        question = Question(name_from_text(name), type_from_text(rtype))
        first, start = len(self.world.exchanges), self.simulation.elapsed
        resolution = self.simulation.resolve(question, checking_disabled=cd)
        took = self.simulation.elapsed - start
        wire = respond(read(packet), resolution, self.simulation.now.mono, Transport.TCP, IDENTITY)
        self.simulation.settle()
        asked = [exchange.ask for exchange in self.world.exchanges[first:]]
        return Reply(compare.read(wire), resolution, asked, took)

    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.simulation.pass_time(seconds)

    def breaks(self, zone: str, fault: str) -> None:
        """A zone gets a fault of the lab's catalogue."""
        self.world.internet.apply(dns.name.from_text(zone), CATALOGUE[fault], int(self.simulation.now.wall))
        self.world.reload()

    def heals(self, zone: str) -> None:
        """A zone loses its fault."""
        self.world.internet.apply(dns.name.from_text(zone), None, int(self.simulation.now.wall))
        self.world.reload()

    def resigns(self) -> None:
        """All zones are signed anew, as of now."""
        self.world.internet.resign(int(self.simulation.now.wall))
        self.world.reload()

    def falls_silent(self, *hosts: str) -> None:
        """Servers stop answering."""
        self.world.silent |= {self.address(host) for host in hosts}

    def wakes(self, *hosts: str) -> None:
        """Servers answer again."""
        self.world.silent -= {self.address(host) for host in hosts}

    def alters(self, host: str, change: Change | None) -> None:
        """A server changes its answers before it sends them; None: it stops doing so."""
        if change is None:
            self.world.changes.pop(self.address(host), None)
        else:
            self.world.changes[self.address(host)] = change

    def trusts(self, *points: TrustPoint) -> None:
        """Other trust anchors come into force."""
        self._trust = self._trust.with_points(points)
        self.simulation.mesh.set_trust(self._trust)

    def suspends(self, *names: str, for_s: float | None = None) -> None:
        """These negative trust anchors, and no others, come into force."""
        expires = None if for_s is None else self.simulation.now.wall + for_s
        self._trust = self._trust.with_ntas([Nta(name_from_text(name), "test", expires) for name in names])
        self.simulation.mesh.set_trust(self._trust)

    def address(self, host: str) -> str:
        """A server's address."""
        return self.world.internet.addresses[dns.name.from_text(host)]

    def anchor(self, zone: str) -> TrustPoint:
        """A zone's own trust anchor."""
        [point] = points_from_text(self.world.internet.anchor(dns.name.from_text(zone)))
        return point
