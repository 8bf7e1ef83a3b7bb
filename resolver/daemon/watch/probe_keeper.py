"""Looks up the configured names that must and must not validate, and says whether they did (guideline 2-12).

Theory: every `probe.interval`, each name of `probe.secure` and `probe.bogus` is asked for (type A) in two ways:

* via resolver: of the supervisor's own resolver with an empty cache and without NTAs: the chain of trust is walked anew
  from the trust anchor (guideline 2.4 (3): with a cleared cache, a signed name resolves).
* via service: over UDP of our own listener, like any client with DO: sockets, workers, access and caches are in it. Each
  query comes from another port, so that with time every worker is asked. It is mostly answered from the cache, and proves
  the service, not the chain. Where `access.allow` does not serve our own address, it is REFUSED, which is told and is no
  failure.

A secure name must come back with AD, a bogus one with SERVFAIL because of validation: a SERVFAIL because nobody answers
proves nothing, and counts as failed too.

Not ready (`probe.readiness`): when a bogus name was answered with data, or no secure name at all validates, FAILURES times
in a row; a single zone's failure is not ours.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from structlog.typing import FilteringBoundLogger

from resolver.config import Config, Endpoint
from resolver.resolution import Resolution
from resolver.server import clock
from trust.vocabulary import Question, Security
from wire import types as t
from wire.composer import compose_query
from wire.edns import EDE, Edns, read_ede
from wire.limits import MAX_UDP
from wire.message import Message
from wire.name import Name
from wire.reader import FormError, read
from wire.text import name_from_text, name_to_text, rcode_to_text

Kind: TypeAlias = Literal["secure", "bogus"]
Document: TypeAlias = dict[str, Any]
Resolve = Callable[[Question], Awaitable[Resolution]]
Query = Callable[[Endpoint, Question], Awaitable[Message]]

FAILURES: Final = 2
"""Failures in a row before a probe counts against readiness."""
TIMEOUT_S: Final = 11.0
"""A little more than a resolution may take."""
MAX_AT_ONCE: Final = 8
_VALIDATION: Final = frozenset((*range(5, 13), 25))
"""Extended DNS Errors of validation (RFC 8914 §4)."""
ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never bound


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a probe came out. `ok`: None when it says nothing (not served); `data`: whether a bogus name was answered."""

    ok: bool | None
    what: str
    data: bool = False


@dataclass(slots=True)
class Probe:
    """One name asked in one way. `failures`: in a row; `wall`: when it was last asked."""

    kind: Kind
    name: Name
    via: str
    outcome: Outcome | None = None
    failures: int = 0
    wall: float = 0.0
    seconds: float = 0.0


class ProbeKeeper:
    """Probes for ever.

    Args:
        resolve: with an empty cache; query: of our listener; listeners: its addresses.

    Attributes:
        asked, servfails: responses of our own listener to probes so far, and SERVFAILs among them.
    """

    def __init__(
        self,
        config: Config,
        resolve: Resolve,
        listeners: Callable[[], Sequence[Endpoint]],
        log: FilteringBoundLogger,
        query: Query | None = None,
    ) -> None:
        self._resolve = resolve
        self._query = query or ask_service
        self._listeners = listeners
        self._log = log
        self._changed = asyncio.Event()
        self._turn = asyncio.Semaphore(MAX_AT_ONCE)
        self.probes: list[Probe] = []
        self.finished_wall: float | None = None
        self.asked = 0
        self.servfails = 0
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Go by this configuration from now on; what is known of names that stay is kept."""
        self.interval_s = config.probe.interval
        self.readiness = config.probe.readiness
        known = {(probe.kind, probe.name, probe.via): probe for probe in self.probes}
        ways = ["resolver", *("service" for _ in self._listeners()[:1])]
        wanted: list[tuple[Kind, str]] = [("secure", name) for name in config.probe.secure]
        wanted += [("bogus", name) for name in config.probe.bogus]
        self.probes = []
        for kind, text in wanted:
            name = name_from_text(text)
            self.probes += [known.get((kind, name, via)) or Probe(kind, name, via) for via in ways]
        self._changed.set()

    async def run(self) -> None:
        """Probe, for ever."""
        while True:
            self._changed.clear()
            await self.round()
            try:
                async with asyncio.timeout(self.interval_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def round(self) -> None:
        """Probe all names once."""
        await asyncio.gather(*(self._probe(probe) for probe in list(self.probes)))
        if self.probes:
            self.finished_wall = clock.now().wall

    async def _probe(self, probe: Probe) -> None:
        question = Question(probe.name, t.A)
        async with self._turn:
            start = clock.monotonic()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    outcome = await self._ask(probe, question)
            except TimeoutError:
                outcome = Outcome(False, "no answer")
            except (OSError, FormError) as error:
                outcome = Outcome(False, f"{getattr(error, 'strerror', None) or error}")
            except Exception as error:
                self._log.error("internal-error", where="probe", exc_info=error)
                outcome = Outcome(False, "internal error")
            probe.seconds = clock.monotonic() - start
        before, probe.outcome = probe.outcome, outcome
        probe.wall = clock.now().wall
        probe.failures = probe.failures + 1 if outcome.ok is False else 0
        if before is None or before.ok is not outcome.ok:
            tell = self._log.warning if outcome.ok is False else self._log.info
            tell("probe", name=name_to_text(probe.name), kind=probe.kind, via=probe.via, ok=outcome.ok, what=outcome.what)

    async def _ask(self, probe: Probe, question: Question) -> Outcome:
        if probe.via == "resolver":
            return judge_resolution(probe.kind, await self._resolve(question))
        listener = self._listeners()[0]
        message = await self._query(Endpoint(ANYWHERE.get(listener.address, listener.address), listener.port), question)
        self.asked += 1
        self.servfails += message.rcode == t.SERVFAIL
        return judge_message(probe.kind, message)

    def bogus_names(self) -> list[Name]:
        """The names that are to fail."""
        return [probe.name for probe in self.probes if probe.kind == "bogus" and probe.via == "service"]

    # --- telling ---------------------------------------------------------------------------------------------------

    @property
    def finding(self) -> str:
        """Why the daemon is not ready, as far as probes tell; "" when there is no reason."""
        if not self.readiness:
            return ""
        lasting = [probe for probe in self.probes if probe.failures >= FAILURES and probe.outcome is not None]
        for probe in lasting:
            if probe.kind == "bogus" and probe.outcome is not None and probe.outcome.data:
                return f"{name_to_text(probe.name)} must not validate, and is answered: {probe.outcome.what} ({probe.via})"
        for via in dict.fromkeys(probe.via for probe in self.probes):
            secure = [probe for probe in self.probes if probe.kind == "secure" and probe.via == via]
            if secure and all(probe.failures >= FAILURES for probe in secure):
                one = secure[0]
                what = one.outcome.what if one.outcome is not None else "not asked yet"
                return f"no signed name resolves via {via}: {name_to_text(one.name)}: {what}"
        return ""

    def document(self) -> Document:
        """All probes, for commands."""
        return {
            "interval": self.interval_s,
            "readiness": self.readiness,
            "finished": self.finished_wall,
            "probes": [
                {
                    "kind": probe.kind,
                    "name": name_to_text(probe.name),
                    "via": probe.via,
                    "ok": probe.outcome.ok if probe.outcome is not None else None,
                    "what": probe.outcome.what if probe.outcome is not None else "not asked yet",
                    "failures": probe.failures,
                    "at": probe.wall or None,
                    "seconds": round(probe.seconds, 4),
                }
                for probe in self.probes
            ],
        }

    def metrics(self) -> Mapping[str, Iterable[tuple[tuple[str, ...], float]]]:
        """Samples by metric."""
        told = [probe for probe in self.probes if probe.outcome is not None and probe.outcome.ok is not None]
        return {
            "probe_success": [
                ((probe.kind, probe.via, name_to_text(probe.name)), float(bool(probe.outcome and probe.outcome.ok)))
                for probe in told
            ],
            "probe_last_timestamp_seconds": [((), self.finished_wall)] if self.finished_wall is not None else [],
        }


def judge_resolution(kind: Kind, resolution: Resolution) -> Outcome:
    """What the resolver's answer amounts to."""
    text = next((text for _, text in resolution.errors if text), "")
    said = f"{resolution.security.value} ({resolution.reason.label})"
    if kind == "secure":
        return Outcome(resolution.security is Security.SECURE, said if not text else f"{said}: {text}")
    if resolution.security is Security.BOGUS:
        return Outcome(True, said)
    if resolution.rcode == t.SERVFAIL:
        return Outcome(False, f"no answer to validate: {text or resolution.reason.label}")
    return Outcome(False, said, data=True)


def judge_message(kind: Kind, message: Message) -> Outcome:
    """What our listener's response amounts to."""
    rcode = message.rcode
    options = message.edns.options if message.edns is not None else []
    errors = [error for number, data in options if number == EDE and (error := read_ede(data)) is not None]
    text = "; ".join(f"EDE {code} {why}".rstrip() for code, why in errors)
    said = f"{rcode_to_text(rcode)}{' with AD' if message.flags & t.AD else ''}{f' ({text})' if text else ''}"
    if rcode == t.REFUSED:
        return Outcome(None, f"{said}: our own address is not in access.allow")
    if kind == "secure":
        return Outcome(rcode in (t.NOERROR, t.NXDOMAIN) and bool(message.flags & t.AD), said)
    if rcode != t.SERVFAIL:
        return Outcome(False, said, data=rcode in (t.NOERROR, t.NXDOMAIN))
    by_validation = any(code in _VALIDATION for code, _ in errors)
    return Outcome(by_validation, said if by_validation else f"{said}: not because of validation")


class _Exchange(asyncio.DatagramProtocol):
    """One query and its response."""

    def __init__(self, done: "asyncio.Future[Message]", ident: int) -> None:
        self._done = done
        self._ident = ident

    def datagram_received(self, data: bytes, addr: object) -> None:
        """The response, or something else on its port."""
        try:
            message = read(data)
        except FormError:
            return
        if message.id == self._ident and message.flags & t.QR and not self._done.done():
            self._done.set_result(message)

    def error_received(self, exc: Exception) -> None:
        """The system says that nobody listens."""
        if not self._done.done():
            self._done.set_exception(exc)


async def ask_service(listener: Endpoint, question: Question) -> Message:
    """Ask our own listener over UDP, as a client with EDNS and DO."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Message] = loop.create_future()
    ident = secrets.randbits(16)
    query = compose_query(ident, question.name, question.rtype, flags=t.RD | t.AD, edns=Edns(MAX_UDP, t.DO))
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Exchange(done, ident), remote_addr=(listener.address, listener.port)
    )
    try:
        transport.sendto(query)
        return await done
    finally:
        transport.close()
