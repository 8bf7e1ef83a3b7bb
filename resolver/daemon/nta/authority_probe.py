"""Looks at a zone as if there were no negative trust anchors, at each of its authorities alone: evidence, and rounds.

Theory: the production core does it all, with an empty memory and trust points without NTAs (a `Look`). To look at one
authority alone, its zone is made a stub zone with that one address: whatever the zone says then comes from there, and the
chain above it from wherever the rest of the world gets it.

The authorities of a zone are those that its parent delegates to and those that it names itself; where the configuration
has a stub or forward zone, those of the configuration.

Limitations: addresses that are not to be asked (`resolver.iteration.addresses`) are left out, so an authority that has
only such addresses is not seen. One question of the zone that fails is watched, besides SOA and DNSKEY; others may fail.

RFC 7646 §2 and §3; guideline 2-21.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from resolver.daemon.asking import Crashed, addresses, alone, make_driver, resolve
from resolver.daemon.worker import Plan
from resolver.explain.report import chain_of, report
from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.counters import Counters
from trust.anchors import TrustPoints
from trust.nta import Round, ServerCheck
from trust.nta_rules import Evidence, Seen, Validity, clock_suspicion
from trust.signature import SignatureResult
from trust.vocabulary import Address, Question, Security
from wire import types as t
from wire.name import ROOT, Name, is_subdomain
from wire.text import name_to_text, rcode_to_text, type_to_text

Document: TypeAlias = dict[str, Any]

MEMORY: Final = 1 << 20
EXAMINE_S: Final = 40.0
"""Seconds for looking at a name while an operator waits: less than the command's patience."""
ROUND_S: Final = 120.0
AT_ONCE: Final = 4
"""Authorities looked at together, lest a zone with many of them takes the supervisor's time."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """Who serves a zone. `servers`: each address once, with a server's name; `forward`: they are asked with RD."""

    zone: Name
    servers: dict[Address, Name]
    forward: bool = False


class AuthorityProbe:
    """Looks at zones for the NTA life cycle.

    Args:
        plan, points: give what is in force when they are called; `crashed`: told of a bug.

    Attributes:
        examine_s, round_s: seconds that one of these may take.
    """

    def __init__(self, plan: Callable[[], Plan], points: Callable[[], TrustPoints], crashed: Crashed) -> None:
        self._plan = plan
        self._points = points
        self._crashed = crashed
        self.counters = Counters()
        self.examine_s, self.round_s = EXAMINE_S, ROUND_S
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def examine(self, name: Name, failing: Question) -> Evidence:
        """What is to be seen of a name for which somebody wants an NTA; `failing`: the question that fails."""
        try:
            async with asyncio.timeout(self.examine_s):
                return await self._examine(name, failing)
        except TimeoutError:
            sentence = f"its servers could not all be asked within {self.examine_s:g} s"
            document = {"examined": [], "report": {"answer": {"sentence": sentence}}, "zone": "", "servers": []}
            return Evidence(Seen.UNREACHABLE, sentence, "", json.dumps(document))

    async def _examine(self, name: Name, failing: Question) -> Evidence:
        look = self._look()
        try:
            found: list[Resolution] = []
            for question in dict.fromkeys((failing, Question(name, t.SOA), Question(name, t.DNSKEY))):
                found.append(await look.ask(question))
                if found[-1].security is Security.BOGUS:
                    break
            seen, telling = _decide(found)
            authorities = await _authorities(look, telling.question.name)
        finally:
            look.close()
        asked = await self._ask_each(authorities, [telling.question])
        now = clock.now().wall
        explained = report(telling, now)
        document = {
            "examined": [_brief(resolution) for resolution in found],
            "report": explained,
            "zone": name_to_text(authorities.zone),
            "servers": [
                _brief(resolutions[0])
                | {
                    "server": str(address.ip),
                    "name_server": name_to_text(authorities.servers[address]),
                    "report": report(resolutions[0], now),
                }
                for address, resolutions in asked.items()
            ],
        }
        suspicion = _suspicion(telling, now) if seen is Seen.BROKEN else ""
        return Evidence(seen, explained["answer"]["sentence"], suspicion, json.dumps(document, ensure_ascii=False))

    async def round(self, name: Name, failing: Question) -> Round:
        """Ask every authority of the zone of `name`, and of that of the failing question if it is another."""
        try:
            async with asyncio.timeout(self.round_s):
                return await self._round(name, failing)
        except TimeoutError:
            return Round(clock.now().wall, name, (), f"not all authorities could be asked within {self.round_s:g} s")

    async def _round(self, name: Name, failing: Question) -> Round:
        look = self._look()
        try:
            groups = [await _authorities(look, name)]
            if not is_subdomain(failing.name, name):
                failing = Question(name, t.A)
            below = await _authorities(look, failing.name)
            if below.zone != groups[0].zone:
                groups.append(below)
        finally:
            look.close()
        checks: list[ServerCheck] = []
        for group in groups:
            questions = [Question(group.zone, t.SOA), Question(group.zone, t.DNSKEY)]
            if group is groups[-1]:
                questions.append(failing)
            asked = await self._ask_each(group, questions)
            if not asked:
                text = f"{name_to_text(group.zone)} has no authority that can be asked"
                return Round(clock.now().wall, group.zone, (), text)
            checks += [_check(address, group.servers[address], found) for address, found in asked.items()]
        return Round(clock.now().wall, groups[-1].zone, tuple(checks))

    async def _ask_each(self, authorities: Authorities, questions: list[Question]) -> dict[Address, list[Resolution]]:
        """What each authority alone gives for the questions, up to the first answer that is not secure."""

        async def one(address: Address) -> list[Resolution]:
            async with self._turn:
                look = self._look(authorities, address)
                found: list[Resolution] = []
                try:
                    for question in questions:
                        found.append(await look.ask(question))
                        if found[-1].security is not Security.SECURE:
                            break
                finally:
                    look.close()
                return found

        addresses = sorted(authorities.servers)
        return dict(zip(addresses, await asyncio.gather(*map(one, addresses)), strict=True))

    def _look(self, authorities: Authorities | None = None, alone: Address | None = None) -> "Look":
        return Look(self._plan(), self._points().with_ntas(()), self.counters, self._crashed, authorities, alone)


class Look:
    """A resolver with an empty memory, for a few questions. `alone_at`: the one of the authorities that is to be asked."""

    def __init__(
        self,
        plan: Plan,
        points: TrustPoints,
        counters: Counters,
        crashed: Crashed,
        authorities: Authorities | None,
        alone_at: Address | None,
    ) -> None:
        settings = plan.settings.apart(MEMORY)
        if authorities is not None and alone_at is not None:
            settings = alone(settings, authorities.zone, alone_at, forward=authorities.forward)
        self.driver = make_driver(plan, settings, points, counters, crashed)
        self.mesh = self.driver.mesh

    async def ask(self, question: Question) -> Resolution:
        """The answer.

        Raises:
            ProberError: a bug.
        """
        return await resolve(self.driver, question)

    def close(self) -> None:
        """Close the sockets."""
        self.driver.close()


# --- authorities --------------------------------------------------------------------------------------------------------


async def _authorities(look: Look, name: Name) -> Authorities:
    """The authorities of the zone that holds `name`."""
    soa = await look.ask(Question(name, t.SOA))
    delegations, mono = look.mesh.memory.delegations, clock.monotonic()
    cut = delegations.closest(name, mono)
    if cut.expires_mono == float("inf") and cut.zone != ROOT:
        # A stub or forward zone of the configuration: its servers are what we go by, whatever the world delegates to.
        servers = {address: ns_name for ns_name, addresses in cut.servers.items() for address in addresses}
        return Authorities(cut.zone, servers, cut.forward)
    # A server of the parent may serve the zone too, and then no referral shows the cut.
    zone = max(cut.zone, _owner_of_soa(soa, name), key=len)
    found: dict[Address, Name] = {}
    own = await look.ask(Question(zone, t.NS))
    names: dict[Name, list[Address]] = {ns: [] for rrset, _ in own.answer if rrset.rtype == t.NS for ns in rrset.rdatas}
    delegated = delegations.get(zone, mono)
    if delegated is not None:
        names |= delegated.servers
    for ns_name, glue in names.items():
        for address in glue or await addresses(look.driver, ns_name):
            if not look.mesh.filter.why_not(address.ip):
                found.setdefault(address, ns_name)
    return Authorities(zone, found)


def _owner_of_soa(resolution: Resolution, name: Name) -> Name:
    """The apex of the zone that holds `name`, as its server says; the root when it says nothing."""
    rrsets = [rrset for rrset, _ in (*resolution.answer, *resolution.authority)]
    for step, _ in resolution.steps:
        rrsets += step.authority
    owners = [rrset.name for rrset in rrsets if rrset.rtype == t.SOA and is_subdomain(name, rrset.name)]
    return max(owners, key=len, default=ROOT)


# --- judging ------------------------------------------------------------------------------------------------------------


def _decide(found: list[Resolution]) -> tuple[Seen, Resolution]:
    """What was seen, and the resolution that shows it best. The failing question comes first."""
    for resolution in found:
        if resolution.security is Security.BOGUS:
            return Seen.BROKEN, resolution
    for resolution in found:
        if resolution.security is Security.INDETERMINATE:
            return Seen.UNREACHABLE, resolution
    if found[0].security is Security.INSECURE:
        return Seen.UNVALIDATED, found[0]
    return Seen.VALIDATES, found[0]


def _check(address: Address, ns_name: Name, found: list[Resolution]) -> ServerCheck:
    bad = next((resolution for resolution in found if resolution.security is not Security.SECURE), None)
    if bad is None:
        return ServerCheck(address.ip, name_to_text(ns_name), True)
    return ServerCheck(address.ip, name_to_text(ns_name), False, f"{_question(bad)}: {_what(bad)}")


def _what(resolution: Resolution) -> str:
    """Why it is not secure, in a few words."""
    for _, validated in resolution.steps:
        if validated is not None and validated.verdict.security is resolution.security and validated.verdict.text:
            return f"{resolution.security.value}: {validated.verdict.text}"
    text = next((text for _, text in resolution.errors if text), "") or resolution.reason.label
    return f"{resolution.security.value}: {text}"


def _brief(resolution: Resolution) -> Document:
    return {
        "question": _question(resolution),
        "rcode": rcode_to_text(resolution.rcode),
        "security": resolution.security.value,
        "reason": resolution.reason.label,
        "text": "" if resolution.security is Security.SECURE else _what(resolution),
    }


def _question(resolution: Resolution) -> str:
    name, rtype = resolution.question
    return f"{name_to_text(name)}/{type_to_text(rtype)}"


def _suspicion(resolution: Resolution, wall: float) -> str:
    """Why the failure may be that of our own clock; empty when it is not."""
    held: list[Validity] = []
    failed: SignatureResult | None = None
    results: list[SignatureResult | None] = []
    for zone in chain_of(resolution):
        results += [zone.ds_signature, zone.dnskey_signature]
    for _, validated in resolution.steps:
        if validated is not None:
            results += [result for _, result in validated.signatures]
    for result in results:
        if result is None or result.rrsig is None:
            continue
        if result.ok:
            held.append(_validity(result, wall))
        elif result.reason is resolution.reason:
            failed = failed or result
    if failed is None:
        return ""
    return clock_suspicion(failed.reason, _validity(failed, wall), held, wall)


def _validity(result: SignatureResult, wall: float) -> Validity:
    assert result.rrsig is not None
    return Validity(_instant(result.rrsig.inception, wall), _instant(result.rrsig.expiration, wall))


def _instant(serial: int, wall: float) -> float:
    """The instant nearest to `wall` that a 32-bit time may mean (RFC 4034 §3.1.5)."""
    now = int(wall)
    return float(now + ((serial - now + (1 << 31)) & 0xFFFFFFFF) - (1 << 31))
