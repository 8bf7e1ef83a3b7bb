"""What the control API offers of response policy: a table of routes, and the documents that they give (docs/POLICY.md).

| route | does |
| --- | --- |
| GET /v1/policy | every policy zone: source, serial, rules, age, hits; local zones; DNS64 |
| GET /v1/policy/lookup?name=&client= | rules for a name, or for an address, in the order in which they count |
| POST /v1/policy/refresh {zone} | looks for news of a zone, or of all, now |
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from resolver.config import Config
from resolver.daemon.control import ApiError, Document, bad_request, body_of, query_of, reply
from resolver.daemon.metrics.table import policy_hits
from resolver.daemon.policy.build import label_of, make_policy
from resolver.daemon.policy.keeper import PolicyKeeper, Source
from resolver.policy.prefixes import Prefix, number_of
from resolver.policy.rule import Data, Rule, Trigger
from resolver.policy.rules import LOCAL_ZONES
from resolver.policy.table import RPZ_TRIGGERS, Key
from resolver.server import clock
from wire.name import Name
from wire.rrset import RRset
from wire.text import name_from_text, name_to_text, rrset_to_text

Stats = Callable[[], Awaitable[Document]]


def routes(keeper: PolicyKeeper, config: Callable[[], Config], stats: Stats) -> list[web.RouteDef]:
    """The table."""
    desk = _Routes(keeper, config, stats)
    return [
        web.get("/v1/policy", desk.show),
        web.get("/v1/policy/lookup", desk.lookup),
        web.post("/v1/policy/refresh", desk.refresh),
    ]


class _Routes:
    def __init__(self, keeper: PolicyKeeper, config: Callable[[], Config], stats: Stats) -> None:
        self._keeper = keeper
        self._config = config
        self._stats = stats

    async def show(self, request: web.Request) -> web.Response:
        query_of(request)
        hits: dict[str, dict[str, float]] = {}
        for (zone, action), count in policy_hits(await self._stats()).items():
            hits.setdefault(zone, {})[action] = count
        section = self._config().policy
        return reply(
            {
                "generation": self._keeper.generation,
                "zones": [_zone(source) | {"hits": hits.get(source.label, {})} for source in self._keeper.sources],
                "local": {
                    "zones": {zone.rstrip(".") or ".": kind for zone, kind in section.local_zones.items()},
                    "records": len(section.local_data),
                    "hits": hits.get(LOCAL_ZONES, {}),
                },
                "dns64": [str(prefix) for prefix in section.dns64.prefixes] if section.dns64.enabled else None,
            }
        )

    async def lookup(self, request: web.Request) -> web.Response:
        asked = query_of(request, name=str, client=str)
        if ("name" in asked) == ("client" in asked):
            raise bad_request("name or client is needed, one of them")
        text = asked.get("name") or asked["client"]
        try:
            number: int | None = number_of(text)
        except ValueError:
            number = None
        if "client" in asked and number is None:
            raise bad_request("client is an address", field="client")
        if number is not None:
            found = self._by_address(number, (Trigger.CLIENT_IP,) if "client" in asked else _ADDRESS_TRIGGERS)
        else:
            try:
                found = self._by_name(name_from_text(text))
            except ValueError as error:
                raise bad_request(str(error), field="name") from None
        return reply({"asked": text, "rules": found})

    async def refresh(self, request: web.Request) -> web.Response:
        asked = await body_of(request, zone=str)
        label = asked.get("zone")
        if label is not None:
            label = label.rstrip(".").lower()
            if all(source.label != label for source in self._keeper.sources):
                raise ApiError(HTTPStatus.NOT_FOUND, "no-such-zone", f"{label} is no policy zone of this daemon")
        return reply({"refreshed": [_zone(source) for source in await self._keeper.refresh(label)]})

    # --- looking up ----------------------------------------------------------------------------------------------

    def _by_name(self, name: Name) -> list[Document]:
        found: list[Document] = []
        policy = make_policy(self._config(), 0, {})
        local = policy.at_local(name) if policy is not None else None
        if local is not None:
            found.append(
                {
                    "zone": LOCAL_ZONES,
                    "trigger": Trigger.LOCAL.value,
                    "rule": local.rule,
                    "action": local.action.value,
                    "applied": local.action.value,
                    "data": _data(name, local.data) if local.data is not None else [],
                }
            )
        for source in self._keeper.sources:
            for trigger in (Trigger.QNAME, Trigger.NSDNAME):
                match = source.table.names(trigger).find(name)
                if match is not None:
                    found.append(_rule(source, trigger, match[0], match[1], name))
        return found

    def _by_address(self, number: int, triggers: tuple[Trigger, ...]) -> list[Document]:
        found: list[Document] = []
        for source in self._keeper.sources:
            for trigger in triggers:
                match = source.table.prefixes(trigger).find(number)
                if match is not None:
                    found.append(_rule(source, trigger, match[0], match[1], b"\0"))
        return found


_ADDRESS_TRIGGERS = tuple(
    trigger for trigger in RPZ_TRIGGERS if trigger in (Trigger.CLIENT_IP, Trigger.RESPONSE_IP, Trigger.NSIP)
)


def _zone(source: Source) -> Document:
    soa = source.soa
    now = clock.now()
    transferred = source.config.file is None
    return {
        "zone": source.label,
        "source": source.config.source,
        "kind": "transfer" if transferred else "file",
        "action": source.config.action,
        "extended_error": source.config.extended_error,
        "break_dnssec": source.config.break_dnssec,
        "loaded": source.loaded,
        "serial": soa.serial if soa is not None and source.loaded else None,
        "rules": source.table.counts(),
        "ignored": source.table.ignored,
        "loaded_at": source.loaded_wall or None,
        "checked_at": source.checked_wall or None,
        "next_check": max(round(source.due_mono - now.mono, 1), 0.0) if transferred else None,
        "expires": round(source.checked_wall + soa.expire - now.wall) if transferred and soa and source.loaded else None,
        "results": source.results,
        "problem": source.problem,
    }


def _rule(source: Source, trigger: Trigger, key: Key, rule: Rule, name: Name) -> Document:
    own = "data" if isinstance(rule, Data) else rule.value
    override = source.config.action
    return {
        "zone": label_of(source.config),
        "trigger": trigger.value,
        "rule": str(key) if isinstance(key, Prefix) else name_to_text(key),
        "action": own,
        "applied": own if override == "given" else override,
        "data": _data(name, rule) if isinstance(rule, Data) else [],
    }


def _data(name: Name, data: Data) -> list[Any]:
    return [line for rtype, (ttl, rdatas) in data.sets.items() for line in rrset_to_text(RRset(name, rtype, ttl, rdatas))]
