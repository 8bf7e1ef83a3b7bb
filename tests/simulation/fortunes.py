"""What happens to zones and servers through the day: each misfortune, and each change done well, is a generator that yields
the seconds until it goes on.

Done well: roll-overs with their waiting times (RFC 6781 §4.1), re-delegations after which the old servers stay for a while,
zones that become unsigned and signed again in order. Resolvers must not notice. Done badly: the same without waiting,
zones that are not signed again in time, signatures that are wrong, a DS that was forgotten, old servers cut off at once.
"""

import random
from collections.abc import Callable, Iterator
from typing import TypeAlias

from tests.simulation.internet import CUT_TTL, DATA_TTL, Condition, Domain, Internet, Server
from wire.name import Name

Course: TypeAlias = Iterator[float]
WAIT = CUT_TTL + 60.0
"""Seconds after which no cache holds an old NS, DS or DNSKEY set."""
OUTAGES = (Condition.SILENT, Condition.SILENT, Condition.SILENT, Condition.REFUSES, Condition.FAILS, Condition.DAMAGES)


class Fortunes:
    """The events of a day.

    `now`: seconds since the start; `later`: calls something after so many seconds; `nta`: an NTA begins or ends.
    """

    def __init__(
        self,
        internet: Internet,
        dice: random.Random,
        now: Callable[[], float],
        later: Callable[[float, Callable[[], None]], None],
        nta: Callable[[Name, bool], None],
    ) -> None:
        self.internet, self.dice = internet, dice
        self.now, self.later, self.nta = now, later, nta
        self.told: list[tuple[float, str]] = []
        self.counts: dict[str, int] = {}

    def begin(self, every: float) -> None:
        """Publish everything, and let things happen, one about `every` seconds."""
        for domain in reversed(list(self.internet.domains.values())):
            self.publish(domain)
            self._run(self.signing(domain))
            for server in domain.servers:
                self._run(self.life(server))
        self._run(self.events(every))

    def _run(self, course: Course) -> None:
        wait = next(course, None)
        if wait is not None:
            self.later(wait, lambda: self._run(course))

    def publish(self, domain: Domain, *, lifetime: float | None = None) -> None:
        """A new version, now."""
        domain.publish(self.now(), lifetime=lifetime)
        domain.note(self.now())
        self.later(domain.versions[-1].expires - self.now(), lambda: domain.note(self.now()))

    # --- what always goes on -----------------------------------------------------------------------------------------

    def signing(self, domain: Domain) -> Course:
        """Sign anew in time, and change some data now and then."""
        while True:
            yield domain.lifetime * self.dice.uniform(0.3, 0.5)
            if not domain.busy:
                self.publish(domain)

    def life(self, server: Server) -> Course:
        """Up for hours, then out for minutes, as long as it serves."""
        yield self.dice.expovariate(1 / 9000)
        while self.internet.by_ip.get(server.ip) is server:
            server.condition = self.dice.choice(OUTAGES)
            server.domain.note(self.now())
            yield min(self.dice.expovariate(1 / 900), 7200.0)
            server.condition = Condition.UP
            server.domain.note(self.now())
            yield self.dice.expovariate(1 / 18000)

    def events(self, every: float) -> Course:
        """One thing after another, each to a domain that nothing else happens to."""
        kinds: list[Callable[[Domain], Course]] = [
            self.zsk_roll,
            self.ksk_roll,
            self.zsk_abrupt,
            self.ksk_abrupt,
            self.ds_forgotten,
            self.expires,
            self.badly_signed,
            self.moves,
            self.moves_hard,
            self.goes_insecure,
            self.lags,
            self.outage,
            self.suspended,
            self.edits,
        ]
        while True:
            yield self.dice.expovariate(1 / every)
            kind = self.dice.choice(kinds)
            idle = [domain for domain in self.internet.domains.values() if not domain.busy and domain.parent is not None]
            if idle:
                domain = self.dice.choice(idle)
                self._run(self._occupied(domain, kind))

    def _occupied(self, domain: Domain, kind: Callable[[Domain], Course]) -> Course:
        domain.busy = True
        self.told.append((self.now(), f"{kind.__name__} {domain.text_origin}"))
        self.counts[kind.__name__] = self.counts.get(kind.__name__, 0) + 1
        yield from kind(domain)
        domain.busy = False
        self.told.append((self.now(), f"end of {kind.__name__} {domain.text_origin}"))

    # --- done well ---------------------------------------------------------------------------------------------------

    def zsk_roll(self, domain: Domain) -> Course:
        """Pre-publication (RFC 6781 §4.1.1.1)."""
        if not domain.signed:
            return
        new, old = domain.new_zsk(), domain.zsk
        domain.published = [new]
        self.publish(domain)
        yield WAIT
        domain.zsk, domain.published = new, [old]
        self.publish(domain)
        yield WAIT
        domain.published = []
        self.publish(domain)

    def ksk_roll(self, domain: Domain) -> Course:
        """Double signature (RFC 6781 §4.1.2)."""
        if not domain.ds_keys:
            return
        new, old = domain.new_ksk(), domain.ksk
        domain.published = [new]
        self.publish(domain)
        yield WAIT
        domain.ksk, domain.published, domain.ds_keys = new, [old], [new]
        self._delegate(domain)
        yield WAIT
        domain.published = []
        self.publish(domain)

    def moves(self, domain: Domain) -> Course:
        """To new servers; the old ones serve on until no cache knows them."""
        old = self._move(domain)
        yield WAIT
        self._shut(domain, old)

    def goes_insecure(self, domain: Domain) -> Course:
        """Without DS, then without signatures; and back."""
        if not domain.ds_keys or domain.children:
            return
        domain.ds_keys = []
        self._delegate(domain)
        yield WAIT
        domain.signed = False
        self.publish(domain)
        yield WAIT
        domain.signed = True
        self.publish(domain)
        yield WAIT
        domain.ds_keys = [domain.ksk]
        self._delegate(domain)

    def edits(self, domain: Domain) -> Course:
        """New data several times."""
        for _ in range(5):
            self.publish(domain)
            yield self.dice.uniform(30, 900)

    # --- done badly --------------------------------------------------------------------------------------------------

    def zsk_abrupt(self, domain: Domain) -> Course:
        """The old ZSK and its signatures vanish in one step."""
        if not domain.signed:
            return
        domain.zsk = domain.new_zsk()
        self.publish(domain)
        domain.note(self.now(), resigned=True)
        yield WAIT

    def ksk_abrupt(self, domain: Domain) -> Course:
        """KSK and DS change in one step."""
        if not domain.ds_keys:
            return
        domain.ksk = domain.new_ksk()
        domain.ds_keys = [domain.ksk]
        self.publish(domain)
        self._delegate(domain, rekeyed=self.now())
        yield WAIT

    def ds_forgotten(self, domain: Domain) -> Course:
        """The KSK changes, the DS does not, until somebody complains."""
        if not domain.ds_keys:
            return
        domain.ksk = domain.new_ksk()
        self.publish(domain)
        rekeyed = self.now()
        yield self.dice.uniform(600, 12000)
        domain.ds_keys = [domain.ksk]
        self._delegate(domain, rekeyed=rekeyed)
        yield WAIT

    def expires(self, domain: Domain) -> Course:
        """Signatures expire before anybody looks."""
        self.publish(domain, lifetime=600.0)
        yield self.dice.uniform(1200, 7200)
        self.publish(domain)

    def badly_signed(self, domain: Domain) -> Course:
        """All signatures are wrong."""
        domain.sound = False
        self.publish(domain)
        yield self.dice.uniform(300, 5400)
        domain.sound = True
        self.publish(domain)

    def moves_hard(self, domain: Domain) -> Course:
        """To new servers; the old ones are cut off at once."""
        old = self._move(domain)
        self._shut(domain, old)
        yield WAIT

    def lags(self, domain: Domain) -> Course:
        """One server keeps what it has for hours, even past its signatures' end."""
        if domain.children or domain.hosts:
            return
        server = domain.servers[0]
        server.lags = domain.versions[-1]
        self.publish(domain)
        yield self.dice.uniform(3600, 14400)
        server.lags = None
        domain.note(self.now())

    def outage(self, domain: Domain) -> Course:
        """All servers are out at once."""
        conditions = [self.dice.choice(OUTAGES[:5]) for _ in domain.servers]
        for server, condition in zip(domain.servers, conditions, strict=True):
            server.condition = condition
        domain.note(self.now())
        yield self.dice.uniform(20, 3600)
        for server in domain.servers:
            server.condition = Condition.UP
        domain.note(self.now())

    def suspended(self, domain: Domain) -> Course:
        """An operator sets a negative trust anchor, for good reason or none, and lifts it again."""
        ill = self.dice.random() < 0.7
        if ill:
            domain.sound = False
            self.publish(domain)
            yield self.dice.uniform(60, 1800)
        self.nta(domain.origin, True)
        yield self.dice.uniform(300, 5400)
        if ill and self.dice.random() < 0.5:
            domain.sound = True
            self.publish(domain)
            yield self.dice.uniform(0, 600)
        self.nta(domain.origin, False)
        yield self.dice.uniform(0, 900)
        domain.sound = True
        self.publish(domain)

    # --- servers and delegations ---------------------------------------------------------------------------------------

    def _delegate(self, domain: Domain, *, rekeyed: float = 0.0) -> None:
        """The parent publishes what it now says of the domain; the domain itself may have a new version too."""
        assert domain.parent is not None
        if domain.published or domain.versions[-1].signers != frozenset(k.rdata for k in domain.ds_keys):
            self.publish(domain)
        self.publish(domain.parent)
        domain.note(self.now(), rekeyed=rekeyed)

    def _move(self, domain: Domain) -> list[Server]:
        old = domain.move(len(domain.servers), self.now())
        self.internet.register(domain)
        self.publish(domain)
        if domain.hoster is not None:
            self.publish(domain.hoster)
        assert domain.parent is not None
        self.publish(domain.parent)
        for server in domain.servers:
            self._run(self.life(server))
        return old

    def _shut(self, domain: Domain, old: list[Server]) -> None:
        for server in old:
            self.internet.by_ip.pop(server.ip, None)
            domain.retired.remove(server)
        domain.note(self.now())


__all__ = ["DATA_TTL", "Fortunes"]
