"""What the control API tells of the daemon's watching itself: clock, probes, baseline, impact (docs/CONTROL.md)."""

from aiohttp import web

from resolver.daemon.control import bad_request, body_of, query_of, reply
from resolver.daemon.watch.impact_keeper import MAX_TOLD, TOLD
from resolver.daemon.watch.watch import Watch


def routes(watch: Watch) -> list[web.RouteDef]:
    """The table."""
    desk = _Routes(watch)
    return [
        web.get("/v1/clock", desk.clock),
        web.post("/v1/clock/check", desk.check_clock),
        web.get("/v1/probes", desk.probes),
        web.post("/v1/probes/run", desk.run_probes),
        web.get("/v1/baseline", desk.baseline),
        web.post("/v1/baseline/reset", desk.reset_baseline),
        web.get("/v1/impact", desk.impact),
    ]


class _Routes:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    async def clock(self, request: web.Request) -> web.Response:
        query_of(request)
        return reply(self._watch.clock.document())

    async def check_clock(self, request: web.Request) -> web.Response:
        await body_of(request)
        await self._watch.clock.check()
        return reply(self._watch.clock.document())

    async def probes(self, request: web.Request) -> web.Response:
        query_of(request)
        return reply(self._watch.probes.document())

    async def run_probes(self, request: web.Request) -> web.Response:
        await body_of(request)
        await self._watch.probes.round()
        return reply(self._watch.probes.document())

    async def baseline(self, request: web.Request) -> web.Response:
        query_of(request)
        return reply(self._watch.baseline.document())

    async def reset_baseline(self, request: web.Request) -> web.Response:
        await body_of(request)
        self._watch.baseline.reset()
        return reply(self._watch.baseline.document())

    async def impact(self, request: web.Request) -> web.Response:
        text = query_of(request, limit=str).get("limit", str(TOLD))
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_TOLD:
            raise bad_request(f"limit is a number from 1 to {MAX_TOLD}", field="limit")
        return reply(await self._watch.impact.document(int(text)))
