"""Every authoritative server of a zone asked by itself, over packets of its own, and judged as if it were the only one.

Theory: the usual resolution takes the first good answer, which hides a server that is behind, broken or under attack. Here
each address of the cut gets the question (with NSID requested, RFC 5001) and the SOA question; the answer is read as the
iterator reads it (`read_response`) and validated as the resolver validates it (`trust.validate`), on a View of its own: the
zones above count as known from the main look, while what the zone itself has to say, its DNSKEY RRset and the DS RRsets it
gives, is asked of that very server. So "secure" means: with this server alone, the answer would have been secure.

Used by `explain`. NTA retirement asks the authorities with the whole production core: `nta.authority_probe`.

Limitations: at most MOST_SERVERS addresses; a name server whose address must be looked up gets the first of its addresses
that come. Questions for anything outside the zone go the usual way.
"""

import asyncio
from typing import Final

from resolver.daemon.asking import addresses, resolve
from resolver.explain.evidence import ServerSaid, Survey
from resolver.iteration.response import Reading, Shape, read_response
from resolver.mesh import Mesh
from resolver.server import clock
from resolver.server.driver import Driver
from trust.anchors import TrustPoints
from trust.policy import Budget, Policy
from trust.reason import Reason
from trust.validate import Validated, validate
from trust.vocabulary import (
    Address,
    Ask,
    Cut,
    Kind,
    Need,
    Outcome,
    Question,
    Reply,
    Security,
    Step,
    Transport,
    Trouble,
)
from trust.zone import ZoneTrust
from wire import types as t
from wire.edns import NSID
from wire.name import ROOT, Name, ancestors, is_subdomain, parent
from wire.rdata import key_tag, soa_serial

MOST_SERVERS: Final = 26
"""Addresses asked: the root has as many."""
TIMEOUT_S: Final = 1.5
TRIES: Final = 2
"""Packets to a server that stays silent over UDP."""

_WEIGHT: Final = {Security.BOGUS: 0, Security.INDETERMINATE: 1, Security.INSECURE: 2, Security.SECURE: 3}


async def exchange(driver: Driver, ask: Ask) -> Reply:
    """Send one packet, again when nothing comes, over TCP when UDP will not do; what came of it."""
    for _ in range(TRIES):
        reply = await _once(driver, ask)
        if reply.trouble is not Trouble.TIMEOUT:
            break
    truncated = reply.message is not None and reply.message.truncated
    if truncated or reply.trouble in (Trouble.CASE, Trouble.SPOOFED, Trouble.OVERSIZE):
        ask.transport = Transport.TCP
        reply = await _once(driver, ask)
    return reply


async def _once(driver: Driver, ask: Ask) -> Reply:
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def done(reply: Reply) -> None:
        if not future.done():
            future.set_result(reply)

    driver.ask(ask, done)
    return await future


async def survey(driver: Driver, cut: Cut, question: Question, only: Address | None = None) -> Survey:
    """Ask every server of `cut` about `question`; `only` one, when given, be it of the zone or not."""
    servers = await addresses_of(driver, cut)
    if only is not None:
        servers = [(name, address) for name, address in servers if address == only] or [(None, only)]
    asked = [Authority(driver, cut, address, name).say(question) for name, address in servers[:MOST_SERVERS]]
    said = await asyncio.gather(*asked)
    return Survey(cut.zone, question, tuple(said), max(0, len(servers) - MOST_SERVERS))


async def addresses_of(driver: Driver, cut: Cut) -> list[tuple[Name | None, Address]]:
    """Every address of the cut's servers, each once; those that its referral did not give are looked up."""
    found: dict[Address, Name | None] = {}
    for ns_name, glue in cut.servers.items():
        for address in glue or ([] if cut.forward else await addresses(driver, ns_name)):
            found.setdefault(address, ns_name)
    return [(name, address) for address, name in found.items()]


class _Apart:
    """The validator's view of the world when one server is all there is of a zone. Fulfils `trust.zone.View`."""

    def __init__(self, mesh: Mesh, cut: Cut) -> None:
        self.memory = mesh.memory
        self._cut = cut
        self.budget = Budget()
        self.zones: dict[Name, ZoneTrust] = {}
        for name in ancestors(cut.zone)[1:]:
            known = mesh.memory.zones.get(name)
            if known is not None:
                self.zones[name] = known

    @property
    def points(self) -> TrustPoints:
        """Trust points and NTAs in force."""
        return self.memory.points

    @property
    def policy(self) -> Policy:
        """What counts."""
        return self.memory.policy

    def cut(self, zone: Name) -> Cut | None:
        """The live cut at exactly this zone. That of the zone surveyed counts, even if it was forgotten with a bad DS."""
        return self.memory.delegations.get(zone, clock.monotonic()) or (self._cut if zone == self._cut.zone else None)

    def closest_cut(self, name: Name) -> Cut:
        """The deepest live cut at or above the name; that of the zone surveyed likewise."""
        found = self.memory.delegations.closest(name, clock.monotonic())
        ours = self._cut
        return ours if len(ours.zone) > len(found.zone) and is_subdomain(name, ours.zone) else found


class Authority:
    """One server of one cut."""

    def __init__(self, driver: Driver, cut: Cut, address: Address, ns_name: Name | None) -> None:
        self._driver = driver
        self._cut = cut
        self._address = address
        self._ns_name = ns_name
        self._view = _Apart(driver.mesh, cut)
        self._keys: tuple[int, ...] | None = None

    async def say(self, question: Question) -> ServerSaid:
        """Its own answer, judged."""
        why_not = "" if self._ns_name is None else self._driver.mesh.filter.why_not(self._address.ip)
        if why_not and self._cut.expires_mono != float("inf"):
            return ServerSaid(self._address, self._ns_name, f"not asked: {why_not}")
        ask, reply, reading = await self._put(question, nsid=True)
        message = reply.message
        if message is None:
            assert reply.trouble is not None  # Reply: one of them is set
            what = f"{reply.trouble.value}: {reply.text}" if reply.text else reply.trouble.value
            return ServerSaid(self._address, self._ns_name, what, transport=ask.transport.value)
        steps: list[tuple[Step, Validated]] = []
        if reading is not None and reading.shape is Shape.STEPS:
            for step in reading.steps:
                validated = await self._judge(step)
                steps.append((step, validated))
                if validated.verdict.security is Security.BOGUS:
                    break
        worst = min(steps, key=lambda each: _WEIGHT[each[1].verdict.security], default=None)
        return ServerSaid(
            self._address,
            self._ns_name,
            _useless(reading) if not steps else "",
            message.rcode,
            tuple(steps),
            worst[1].verdict.security if worst is not None else None,
            worst[1].verdict.text if worst is not None else "",
            message.edns.option(NSID) if message.edns is not None else None,
            reply.rtt_s,
            ask.transport.value,
            await self._serial(),
            self._keys,
        )

    async def _serial(self) -> int | None:
        """Serial of the SOA of the zone, as this server has it."""
        _, _, reading = await self._put(Question(self._cut.zone, t.SOA))
        step = reading.steps[0] if reading is not None and reading.steps else None
        if step is None or step.kind is not Kind.ANSWER or not step.rrsets[0].rdatas:
            return None
        return soa_serial(step.rrsets[0].rdatas[0])

    async def _put(self, question: Question, *, nsid: bool = False) -> tuple[Ask, Reply, Reading | None]:
        cut = self._cut
        ask = Ask(
            self._address,
            question.name,
            question.rtype,
            cut.zone,
            self._ns_name,
            recursion_desired=cut.forward,
            randomise_case=self._driver.mesh.memory.settings.randomise_case,
            nsid=nsid,
            timeout_s=TIMEOUT_S,
        )
        reply = await exchange(self._driver, ask)
        if reply.message is None:
            return ask, reply, None
        port = self._driver.mesh.memory.settings.port
        reading = read_response(reply.message, *question, cut, self._address, reply.now.mono, port)
        return ask, reply, reading

    async def _judge(self, step: Step) -> Validated:
        steps = validate(step, self._view, clock.now())
        try:
            effect = next(steps)
            while True:
                assert isinstance(effect, Need)  # the validator sends no packets of its own
                effect = steps.send(await self._provide(effect))
        except StopIteration as stop:
            found: Validated = stop.value
            return found

    async def _provide(self, need: Need) -> Reply:
        """What the validator needs: of this very server when it is the zone's to say, else the usual way."""
        question = need.question
        owner = parent(question.name) if question.rtype == t.DS and question.name != ROOT else question.name
        if self._view.closest_cut(owner).zone != self._cut.zone:
            resolution = await resolve(self._driver, question, checking_disabled=True)
            steps = [step for step, _ in resolution.steps]
            failure = None if steps else resolution.reason
            return Reply(clock.now(), outcome=Outcome(question, steps, failure, resolution.findings))
        if need.avoid:
            # There is no other server here.
            return Reply(clock.now(), outcome=Outcome(question, [], Reason.NO_AUTHORITY))
        _, _, reading = await self._put(question)
        own = reading.steps if reading is not None else []
        if own and question == Question(self._cut.zone, t.DNSKEY) and own[0].kind is Kind.ANSWER:
            self._keys = tuple(key_tag(rdata) for rdata in own[0].rrsets[0].rdatas)
        return Reply(clock.now(), outcome=Outcome(question, own, None if own else Reason.NO_AUTHORITY))


def _useless(reading: Reading | None) -> str:
    """Why a message that came is no answer."""
    if reading is None:
        return ""
    if reading.shape is Shape.REFERRAL:
        return "refers to the servers of a zone below"
    if reading.shape is Shape.EXCESSIVE:
        return f"limit {reading.text} reached"
    return f"lame: {reading.text}" if reading.shape is Shape.LAME else reading.text
