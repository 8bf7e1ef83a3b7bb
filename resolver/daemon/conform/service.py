"""Finds out what conformance is judged by, from the running daemon, and serves it: GET /v1/conform?lang=.

Theory: nothing is taken from the configuration's word that can be seen. The advertised addresses are asked over the network
like any client would; the root's keys are fetched past every cache and compared with ours; a chain of trust is examined.
That takes a second or so, and longer when addresses do not answer; only one such look is under way at a time.

Guideline 2-1 … 2-22; RFC 4034 §2.1.1 (SEP), RFC 5011 §7 (REVOKE).
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

import resolver
from resolver.config import Config
from resolver.config.values import show_duration
from resolver.conform.facts import Attestation, Clock, Explained, Facts, Learning, Probe, RootKeys, Settings
from resolver.conform.fleet import Report
from resolver.conform.judge import judge
from resolver.conform.words import LANGUAGES, document
from resolver.daemon.conform.fleet_probe import check_fleet
from resolver.daemon.control import Document, bad_request, query_of, reply
from resolver.daemon.manager import Manager
from resolver.daemon.trust.anchor_book import AnchorBook
from resolver.daemon.watch.watch import Watch
from resolver.server import clock
from trust.rfc5011_table import State
from trust.signature import time_text
from trust.vocabulary import Question, Security
from wire import types as t
from wire.name import ROOT
from wire.rdata import key_tag
from wire.text import name_from_text, name_to_text, rcode_to_text

SEP: Final = 0x0001
REVOKED: Final = 0x0080


class Conformance:
    """Collects the facts. `book`: the trust anchors' states."""

    def __init__(self, manager: Manager, book: AnchorBook, watch: Watch) -> None:
        self._manager = manager
        self._book = book
        self._watch = watch
        self._turn = asyncio.Lock()

    def routes(self) -> list[web.RouteDef]:
        """The table for the control API."""
        return [web.get("/v1/conform", self._conform), web.get("/v1/fleet", self._fleet_check)]

    async def _conform(self, request: web.Request) -> web.Response:
        language = query_of(request, lang=str).get("lang", "en")
        if language not in LANGUAGES:
            raise bad_request(f"lang is one of {', '.join(LANGUAGES)}", field="lang")
        async with self._turn:
            return reply(document(judge(await self.facts()), language))

    async def _fleet_check(self, request: web.Request) -> web.Response:
        query_of(request)
        async with self._turn:
            return reply((await self._fleet()).as_json())

    async def facts(self) -> Facts:
        """All that is judged."""
        manager, config, watch = self._manager, self._manager.config, self._watch
        stats = await manager.stats()
        # One after the other: they take turns in the supervisor's loop anyway, and the latencies that they show are true.
        fleet = await self._fleet()
        root = await self._root()
        explained = await self._explained()
        now = clock.now()
        return Facts(
            settings=settings(config, now.wall),
            fleet=fleet,
            clock=await self._clock(),
            probes=await self._probes(),
            root=root,
            learning=self._learning(),
            explained=explained,
            responses=_sums(stats, 2, lambda text: rcode_to_text(int(text))),
            validations=_sums(stats, 3, str),
            scraped=None if manager.scraped_mono is None else now.mono - manager.scraped_mono,
            failing_zones=len(watch.impact.book),
            ntas=sum(nta.in_force(now.wall) for nta in manager.points.ntas.values()),
        )

    async def _fleet(self) -> Report:
        config = self._manager.config
        asked = [server.at(53) for server in config.conform.resolvers]
        return await check_fleet([(one.address, one.port) for one in asked], config.probe.secure, config.probe.bogus)

    async def _clock(self) -> Clock:
        """What time servers and kernel say now."""
        keeper = self._watch.clock
        await keeper.check()
        judgement, document = keeper.judgement, keeper.document()
        answered = [reading for reading in judgement.readings if reading.sample.offset_s is not None]
        agreed = document["agreed"]
        return Clock(
            offset=judgement.offset_s,
            max_offset=keeper.max_offset_s,
            servers=len(keeper.servers),
            reached=len(answered),
            kernel=None if keeper.kernel is None else keeper.kernel.synchronised,
            age=None if agreed is None else max(clock.now().wall - agreed, 0.0),
        )

    async def _probes(self) -> tuple[Probe, ...]:
        """What the probes find now."""
        keeper = self._watch.probes
        await keeper.round()
        return tuple(
            Probe(
                probe.kind,
                name_to_text(probe.name),
                probe.via,
                None if probe.outcome is None else probe.outcome.ok,
                "" if probe.outcome is None else probe.outcome.what,
            )
            for probe in keeper.probes
        )

    def _learning(self) -> Learning:
        known = self._watch.baseline.document()
        return Learning(
            ratio=known["ratio"],
            threshold=known["threshold"],
            suggested=known["suggested_threshold"],
            anomaly=known["anomaly"],
            learnt=known["learned_minutes"],
            wanted=known["learning_minutes"],
        )

    async def _root(self) -> RootKeys:
        """The root's keys as its servers have them now, beside ours."""
        config, book = self._manager.config, self._book
        resolution = await self._manager.prober.resolve(Question(ROOT, t.DNSKEY), fresh=True, ignore_ntas=True)
        live: set[int] = set()
        for rrset, _ in resolution.answer:
            if rrset.name == ROOT and rrset.rtype == t.DNSKEY:
                live |= {key_tag(key) for key in rrset.rdatas if key[1] & SEP and not key[1] & REVOKED}
        text = next((text for _, text in resolution.errors if text), "")
        point = self._manager.points.points.get(ROOT)
        trusted = set() if point is None else {int.from_bytes(ds[:2], "big") for ds in point.ds}
        trusted |= set() if point is None else {key_tag(key) for key in point.dnskeys}
        states = {} if ROOT not in book.points else {key.tag: key.state for key in book.points[ROOT].keys}
        followed = book.points.get(ROOT)
        last = None if followed is None else followed.last_success
        return RootKeys(
            trusted=tuple(sorted(trusted)),
            pending=tuple(sorted(tag for tag, state in states.items() if state is State.ADD_PEND)),
            live=tuple(sorted(live)) or None,
            validates=resolution.security is Security.SECURE,
            problem=text or ("no DNSKEY in the answer" if not live else ""),
            builtin=config.trust.anchors == "builtin",
            following=book.following,
            last_success="" if last is None else time_text(last),
        )

    async def _explained(self) -> Explained | None:
        """The chain of the first name that is probed."""
        names = self._manager.config.probe.secure
        if not names:
            return None
        found: dict[str, Any] = await self._manager.prober.explain(Question(name_from_text(names[0]), t.A), fresh=True)
        servers = [server for surveyed in found["authorities"] for server in surveyed["servers"]]
        secure = found["answer"]["security"] == "secure"
        return Explained(
            names[0],
            len(found["chain"]) + len(found["steps"]),
            "" if secure else str(found["answer"]["sentence"]),
            sum(1 for server in servers if server.get("nsid")),
        )


def settings(config: Config, now_wall: float) -> Settings:
    """What the configuration says."""
    today = datetime.fromtimestamp(now_wall, UTC).date()
    allowed = config.conform.attest_max_age
    return Settings(
        version=resolver.__version__,
        edns_buffer=config.upstream.edns_buffer,
        max_udp_size=config.server.max_udp_size,
        log_failures=config.log.validation_failures,
        log_level=config.log.level,
        metrics="" if config.metrics.listen is None else str(config.metrics.listen),
        require_approval=config.trust.nta.require_approval,
        max_lifetime=show_duration(config.trust.nta.max_lifetime),
        resolvers=tuple(str(server) for server in config.conform.resolvers),
        attested={
            item: Attestation(said.text, said.date.isoformat(), (today - said.date).total_seconds() > allowed)
            for item, said in config.conform.attest.items()
        },
    )


def _sums(stats: Document, position: int, name: Callable[[str], str]) -> dict[str, int]:
    """Responses by one part of their cells' keys: transport|type|RCODE|verdict|reason|errors|NTA."""
    sums: dict[str, int] = {}
    for key, count in stats.get("responses", {}).items():
        part = key.split("|")[position]
        if part and count:
            sums[name(part)] = sums.get(name(part), 0) + int(count)
    return sums
