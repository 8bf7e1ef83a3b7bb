"""What the control API can do with the daemon itself. A feature of its own (trust, NTAs) brings its own table."""

from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from resolver.cache.selection import Selection
from resolver.daemon import logs
from resolver.daemon.control import ApiError, Document, bad_request, body_of, query_of, reply
from resolver.daemon.manager import Manager, ReloadRefusedError
from resolver.explain.evidence import Daemon
from resolver.server import clock
from trust.anchors import Nta
from trust.vocabulary import Address, Question
from trust.zone import nta_text
from wire import types as t
from wire.name import ROOT, Name
from wire.text import name_from_text, name_to_text, type_from_text, type_to_text

_SIZES = (
    *("answers", "answer_octets", "answer_limit", "packets", "packet_octets", "packet_limit"),
    *("delegations", "zones", "denials", "failures", "servers"),
)
"""Gauges of the caches."""


def routes(manager: Manager) -> list[web.RouteDef]:
    """The table."""
    desk = _Routes(manager)
    return [
        web.get("/v1/status", desk.status),
        web.get("/v1/cache/stats", desk.cache_stats),
        web.get("/v1/cache/lookup", desk.cache_lookup),
        web.post("/v1/cache/flush", desk.cache_flush),
        web.post("/v1/reload", desk.reload),
        web.get("/v1/inflight", desk.inflight),
        web.get("/v1/log/level", desk.log_level),
        web.put("/v1/log/level", desk.set_log_level),
        web.get("/v1/explain", desk.explain),
    ]


class _Routes:
    def __init__(self, manager: Manager) -> None:
        self._manager = manager

    async def status(self, request: web.Request) -> web.Response:
        query_of(request)
        return reply(await self._manager.status())

    async def cache_stats(self, request: web.Request) -> web.Response:
        query_of(request)
        stats = await self._manager.stats()
        counters, gauges = stats["counters"], stats["gauges"]
        queries = counters.get("udp_queries", 0) + counters.get("tcp_queries", 0)
        hits = counters.get("packet_hits", 0)
        return reply(
            {
                "queries": queries,
                "packet_hits": hits,
                "packet_hit_ratio": round(hits / queries, 4) if queries else None,
                "sizes": {name: gauges.get(name, 0) for name in _SIZES},
                "evictions": {name: counters.get(f"{name}_evictions", 0) for name in ("answer", "packet")},
                "workers": [
                    {"worker": child.slot.index, "sizes": {name: child.stats["gauges"].get(name, 0) for name in _SIZES}}
                    for child in self._manager.supervisor.serving
                    if child.stats
                ],
            }
        )

    async def cache_lookup(self, request: web.Request) -> web.Response:
        asked = query_of(request, name=str, type=str)
        name, rtype = _name(asked), _type(asked)
        if name is None:
            raise bad_request("name is missing", field="name")
        return reply(
            {
                "name": name_to_text(name),
                "type": type_to_text(rtype) if rtype is not None else None,
                "workers": await self._manager.lookup(name, rtype),
            }
        )

    async def cache_flush(self, request: web.Request) -> web.Response:
        asked = await body_of(request, name=str, subtree=bool, type=str, bogus=bool, all=bool)
        return reply(await self._manager.flush(selection_of(asked)))

    async def reload(self, request: web.Request) -> web.Response:
        await body_of(request)
        try:
            return reply(await self._manager.reload())
        except ReloadRefusedError as refused:
            raise ApiError(
                HTTPStatus.CONFLICT, "reload-refused", "the old configuration stays in force", reasons=refused.reasons
            ) from None

    async def inflight(self, request: web.Request) -> web.Response:
        query_of(request)
        return reply({"workers": await self._manager.inflight()})

    async def log_level(self, request: web.Request) -> web.Response:
        query_of(request)
        return reply({"level": self._manager.log_level})

    async def set_log_level(self, request: web.Request) -> web.Response:
        level = (await body_of(request, level=str)).get("level")
        if level not in logs.LEVELS:
            raise bad_request(f"level is one of {', '.join(logs.LEVELS)}", field="level")
        return reply(await self._manager.set_log_level(level))

    async def explain(self, request: web.Request) -> web.Response:
        asked = query_of(request, name=str, type=str, fresh=bool, ignore_ntas=bool, server=str, lang=str)
        name, rtype = _name(asked), _type(asked)
        if name is None:
            raise bad_request("name is missing", field="name")
        options: dict[str, Any] = {key: asked[key] for key in ("fresh", "ignore_ntas") if key in asked}
        if (server := asked.get("server")) is not None:
            options["server"] = _server(server, self._manager.config.upstream.port)
        question = Question(name, t.A if rtype is None else rtype)
        return reply(
            await self._manager.prober.explain(
                question,
                language=asked.get("lang", "en"),
                daemon=await self._remembered(question),
                policy=self._manager.policy(),
                **options,
            )
        )

    async def _remembered(self, question: Question) -> Daemon:
        """What our own workers would tell a client from memory. Nobody is asked for it, so nothing changes by looking."""
        manager = self._manager
        workers = await manager.recall(question)
        governing = manager.points.governing(question.name, clock.now().wall)
        nta = nta_text(governing) if isinstance(governing, Nta) else ""
        return Daemon(workers=tuple(workers), nta=nta)


def selection_of(asked: Document) -> Selection:
    """What a request to flush means. To forget everything must be asked for in so many words."""
    name, rtype = _name(asked), _type(asked)
    bogus = asked.get("bogus", False)
    if asked.get("all", False):
        if name is not None or rtype is not None or bogus or "subtree" in asked:
            raise bad_request("all goes with nothing else", field="all")
        return Selection()
    if name is None:
        if not bogus:
            raise bad_request("name, bogus or all is needed")
        return Selection(ROOT, True, rtype, True)
    return Selection(name, asked.get("subtree", False), rtype, bogus)


def _name(asked: Document) -> Name | None:
    text = asked.get("name")
    if text is None:
        return None
    try:
        return name_from_text(text)
    except ValueError as error:
        raise bad_request(str(error), field="name") from None


def _type(asked: Document) -> int | None:
    text = asked.get("type")
    if text is None:
        return None
    try:
        return type_from_text(text)
    except ValueError as error:
        raise bad_request(str(error), field="type") from None


def _server(text: str, port: int) -> Address:
    try:
        return Address(str(ip_address(text)), port)
    except ValueError as error:
        raise bad_request(str(error), field="server") from None
