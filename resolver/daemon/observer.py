"""What is told of client queries: failures, once each and then summed up, and counted by zone; queries when asked for.

A validation failure is known by reason and by the name it is about (the zone or record that broke, not the question: a
broken zone is one line, whatever is asked of it). It is logged at once when new, and then summed up every REPEAT seconds
(`sweep`): how often it was met since, and by how many distinct clients (`resolver.watch.sketch`). What was not met for so
long is forgotten, and would be logged as new. The memory of failures is bounded; the oldest are forgotten.

Every failure, of validation or not, is counted for its zone (`resolver.watch.impact`), if that is wanted.

Limitations: each worker logs what it meets itself (its lines carry its number). No line names a client.

Guideline 2-9: failures are logged, queries are not, unless the operator asks for it (RFC 9076). Guideline 2-16: impact.
"""

from collections.abc import Callable
from os import urandom
from typing import Final

from structlog.typing import FilteringBoundLogger

from resolver.resolution import Resolution
from resolver.server import clock
from resolver.server.failing import Again
from resolver.watch.impact import FailingZones
from resolver.watch.sketch import Pseudonyms, Sketch
from trust.reason import Reason
from trust.signature import SignatureResult
from trust.vocabulary import Security, Transport
from wire.message import Message
from wire.name import Name
from wire.rrset import RRset
from wire.text import name_to_text, rcode_to_text, type_to_text

REPEAT: Final = 600.0
"""Seconds in which a known failure is not logged again."""
REMEMBERED: Final = 1000
SWEEP_S: Final = 60.0
"""Seconds between two calls of `LogObserver.sweep`."""
_SMALL: Final = 8
"""Index bits of a known failure's sketch: 256 octets, a standard error of 6.5 %."""


class Known:
    """A failure met before: when it was logged (monotonic), and how often and by how many clients it was met since."""

    __slots__ = ("clients", "facts", "logged", "since")

    def __init__(self, logged: float, facts: dict[str, object]) -> None:
        self.logged = logged
        self.facts = facts
        self.since = 0
        self.clients: Sketch | None = None

    def met(self, hashed: int) -> None:
        """Once more, by this client."""
        if self.clients is None:
            self.clients = Sketch(_SMALL)
        self.since += 1
        self.clients.add(hashed)


class LogObserver:
    """Fulfils `resolver.server.service.Observer`.

    Args:
        validation_failures: whether they are logged at all; `policy_hits`: whether rules of response policy that are met
            are; `monotonic`, `wall`: give seconds.
        zones: where failures are counted by zone; None: they are not.
        closest: gives the zone that is known to hold a name.
        pseudonyms: clients' addresses to hashes.
    """

    def __init__(
        self,
        log: FilteringBoundLogger,
        *,
        validation_failures: bool,
        policy_hits: bool = False,
        zones: FailingZones | None = None,
        closest: Callable[[Name], Name] | None = None,
        pseudonyms: Pseudonyms | None = None,
        monotonic: Callable[[], float] = clock.monotonic,
        wall: Callable[[], float] = clock.time,
    ) -> None:
        self._log = log
        self._wanted = validation_failures
        self._policy_hits = policy_hits
        self._zones = zones
        self._closest = closest
        self._pseudonyms = pseudonyms or Pseudonyms(urandom(16))
        self._monotonic = monotonic
        self._wall = wall
        self._known: dict[tuple[Reason, str], Known] = {}

    def answered(
        self, query: Message, client: str, transport: Transport, rcode: int, resolution: Resolution | None, seconds: float
    ) -> None:
        """One line for a query."""
        facts: dict[str, object] = {}
        if resolution is not None:
            facts = {"security": resolution.security.value, "ede": [code for code, _ in resolution.errors]}
        if query.has_question:
            facts |= {"name": name_to_text(query.qname), "type": type_to_text(query.qtype)}
        self._log.info(
            "query",
            client=client,
            transport=transport.value,
            rcode=rcode_to_text(rcode),
            milliseconds=round(seconds * 1000, 1),
            **facts,
        )

    def rewrote(self, resolution: Resolution, client: str) -> None:
        """One line for each policy rule that was met, when that is wanted."""
        if not self._policy_hits:
            return
        for hit in resolution.policy:
            self._log.info(
                "policy-hit",
                zone=hit.zone,
                action=hit.action,
                rule=hit.rule,
                name=name_to_text(resolution.question.name),
                type=type_to_text(resolution.question.rtype),
                client=client,
            )

    def failed(self, resolution: Resolution, client: str) -> Again | None:
        """A client gets a failure: log it if it is new, count it. Returns whom to tell of repetitions."""
        known, new = None, False
        if self._wanted and resolution.security is Security.BOGUS:
            known, new = self._logged(resolution)
        if known is None and self._zones is None:
            return None  # repetitions are nobody's business: the packet cache may answer them
        failure = Failure(self, resolution, known, self._zone_of(resolution) if self._zones is not None else None)
        failure.met(client, logged=new)
        return failure.again

    def sweep(self) -> None:
        """Sum up what was met again since it was logged, and forget what was not. Called every now and then."""
        now = self._monotonic()
        for key, known in list(self._known.items()):
            if now - known.logged < REPEAT:
                continue
            if not known.since:
                del self._known[key]
                continue
            self._sum_up(known, now)

    def _sum_up(self, known: Known, now: float) -> None:
        self._log.warning(
            "validation-failure-repeated",
            **{key: known.facts[key] for key in ("at", "zone", "reason")},
            times=known.since,
            clients=known.clients.estimate() if known.clients is not None else 0,
            seconds=round(now - known.logged),
        )
        known.logged, known.since, known.clients = now, 0, None

    def _logged(self, resolution: Resolution) -> tuple[Known, bool]:
        """The failure, logged now if it is new; and whether it is."""
        facts = facts_of(resolution)
        key = resolution.reason, str(facts["at"])
        known = self._known.get(key)
        if known is not None:
            return known, False
        if len(self._known) >= REMEMBERED:
            self._forget_oldest()
        now = self._monotonic()
        known = self._known[key] = Known(now, facts)
        self._log.warning("validation-failure", **facts)
        return known, True

    def _forget_oldest(self) -> None:
        known = self._known.pop(next(iter(self._known)))
        if known.since:
            self._sum_up(known, self._monotonic())

    def _zone_of(self, resolution: Resolution) -> Name:
        """The zone that a failure is laid to: the broken one, else the deepest known at or above what was looked for."""
        for step, validated in resolution.steps:
            if validated is not None and validated.verdict.security is Security.BOGUS:
                broken = validated.zone
                return broken.at if broken is not None and broken.security is Security.BOGUS else step.zone
        target = resolution.steps[-1][0].target if resolution.steps else None
        name = resolution.question.name if target is None else target
        return name if self._closest is None else self._closest(name)


class Failure:
    """One failing response, and those that repeat it."""

    __slots__ = ("_bogus", "_known", "_observer", "_reason", "_text", "_zone")

    def __init__(self, observer: LogObserver, resolution: Resolution, known: Known | None, zone: Name | None) -> None:
        self._observer = observer
        self._known = known
        self._zone = zone
        self._bogus = resolution.security is Security.BOGUS
        self._reason = resolution.reason.label
        self._text = next((text for _, text in resolution.errors if text), "")

    def again(self, client: str) -> None:
        """A client got it once more."""
        self.met(client, logged=False)

    def met(self, client: str, *, logged: bool) -> None:
        """A client got it; `logged`: and that was just told in a line of its own."""
        observer = self._observer
        hashed = observer._pseudonyms.hashed(client)
        if self._known is not None and not logged:
            self._known.met(hashed)
        if self._zone is not None and observer._zones is not None:
            wall = observer._wall()
            failing = observer._zones.zone(self._zone, wall)
            failing.reason, failing.text = self._reason, self._text
            failing.add(hashed, wall, bogus=self._bogus)


def facts_of(resolution: Resolution) -> dict[str, object]:
    """What a line says of a validation failure: what was asked, what broke, where, by which key, at which servers."""
    question = resolution.question
    facts: dict[str, object] = {"name": name_to_text(question.name), "type": type_to_text(question.rtype)}
    at, zone = question.name, question.name
    servers: list[str] = []
    broken: tuple[RRset, SignatureResult] | None = None
    for step, validated in resolution.steps:
        if validated is None or validated.verdict.security is not Security.BOGUS:
            continue
        at, zone, trust = validated.verdict.at, step.zone, validated.zone
        broken = next((pair for pair in validated.signatures if not pair[1].ok), None)
        if trust is not None and trust.security is Security.BOGUS:
            # The zone itself is broken: its keys, not the record.
            zone = trust.at
            servers = [server.ip for server in trust.servers]
            if trust.dnskey is not None and trust.dnskey_signature is not None and not trust.dnskey_signature.ok:
                broken = trust.dnskey, trust.dnskey_signature
        elif step.server is not None:
            servers = [step.server.ip]
        break
    facts |= {"at": name_to_text(at), "zone": name_to_text(zone), "reason": resolution.reason.label}
    if broken is not None:
        rrset, result = broken
        facts["record"] = f"{name_to_text(rrset.name)}/{type_to_text(rrset.rtype)}"
        if result.rrsig is not None:
            facts["key_tag"] = result.rrsig.key_tag
    if servers:
        facts["servers"] = list(dict.fromkeys(servers))
    facts["ede"] = [code for code, _ in resolution.errors]
    facts["text"] = next((text for _, text in resolution.errors if text), "")
    return facts
