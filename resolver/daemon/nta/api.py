"""What the control API offers of NTAs: a table of routes, and the documents that they give (docs/NTA.md).

Who acts: with `trust.nta.identity = "operator"` the name that the caller gives, else the system user at the other end of
the socket; with "peer" that system user only. Both are written down.

Times are RFC 3339 text in UTC; `seconds_left` and the like are whole seconds. A request that the rules forbid is answered
with status 409, code "refused", and `obstacle`, `advice` and `forcible` beside the message.
"""

import pwd
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Literal, TypeAlias

from aiohttp import web

from resolver.config.values import parse_duration
from resolver.daemon.control import ApiError, Document, bad_request, body_of, query_of, reply
from resolver.daemon.nta.keeper import NtaKeeper, Watch
from resolver.server import clock
from resolver.state.database import StateError
from resolver.state.nta_store import Fault, Head
from trust.nta import Event, Record, Request, Round, State
from trust.nta_rules import ROUNDS, Obstacle, RefusedError
from trust.signature import time_text
from wire.name import Name
from wire.text import name_from_text, name_to_text

Identity: TypeAlias = Literal["operator", "peer"]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_HISTORY: Final = 10_000
"""Lines of the audit trail told at once, the latest."""
_CREDENTIALS: Final = struct.Struct("=iII")
"""struct ucred: pid, uid, gid."""


def routes(keeper: NtaKeeper, identity: Callable[[], Identity]) -> list[web.RouteDef]:
    """The table. `identity`: gives the configuration's choice when it is called."""
    desk = _Routes(keeper, identity)
    return [
        web.get("/v1/nta", _guarded(desk.list)),
        web.get("/v1/nta/show", _guarded(desk.show)),
        web.get("/v1/nta/history", _guarded(desk.history)),
        web.post("/v1/nta/propose", _guarded(desk.propose)),
        web.post("/v1/nta/add", _guarded(desk.add)),
        web.post("/v1/nta/approve", _guarded(desk.approve)),
        web.post("/v1/nta/reject", _guarded(desk.reject)),
        web.post("/v1/nta/extend", _guarded(desk.extend)),
        web.post("/v1/nta/remove", _guarded(desk.remove)),
    ]


def unavailable(problem: str) -> list[web.RouteDef]:
    """The table of a daemon without a state database: every request is answered with why."""

    async def answer(request: web.Request) -> web.StreamResponse:
        raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "no-state", problem)

    return [web.route("*", "/v1/nta", answer), web.route("*", "/v1/nta/{what}", answer)]


def _guarded(handler: Callable[[web.Request], Awaitable[Document]]) -> Handler:
    """A handler whose document becomes the response, and whose refusals become errors."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return reply(await handler(request))
        except RefusedError as error:
            obstacle = error.obstacle
            status = HTTPStatus.NOT_FOUND if obstacle is Obstacle.UNKNOWN else HTTPStatus.CONFLICT
            facts = {"obstacle": obstacle.label, "advice": error.advice, "forcible": obstacle.forcible}
            raise ApiError(status, "refused", error.problem, **facts) from None
        except StateError as error:
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "not-written", error.problem, advice=error.advice) from None

    return answer


class _Routes:
    def __init__(self, keeper: NtaKeeper, identity: Callable[[], Identity]) -> None:
        self._keeper = keeper
        self._identity = identity

    # --- reading ----------------------------------------------------------------------------------------------------

    async def list(self, request: web.Request) -> Document:
        """`all`: ended ones too."""
        asked = query_of(request, all=bool)
        records = self._keeper.store.records() if asked.get("all") else self._keeper.open_records
        static = sorted(name_to_text(name) for name in self._keeper.rules.static)
        return {"ntas": [_static(name) for name in static] + [self._document(record) for record in records]}

    async def show(self, request: web.Request) -> Document:
        """`nta`: a number, or the name of an open one."""
        given = _needed(query_of(request, nta=str), "nta")
        if not _is_number(given) and (name := _name(given, "nta")) in self._keeper.rules.static:
            return _static(name_to_text(name))
        record = self._find(given)
        history = [line for line in self._keeper.store.history() if line.get("nta") == record.number]
        return self._document(record) | {"evidence": self._keeper.store.evidence(record.number), "history": history}

    async def history(self, request: web.Request) -> Document:
        """`name`: of this name only; `verify`: look for tampering; `head`: NUMBER:HASH noted elsewhere."""
        asked = query_of(request, name=str, verify=bool, head=str)
        name = name_to_text(_name(asked["name"], "name")) if "name" in asked else None
        lines = self._keeper.store.history(name)
        document: Document = {"lines": lines[-MAX_HISTORY:], "head": str(self._keeper.store.head())}
        if asked.get("verify"):
            faults = self._keeper.store.verify(_head(asked.get("head", "")))
            document["verified"] = not faults
            document["faults"] = [_fault(fault) for fault in faults]
        return document

    # --- changing ---------------------------------------------------------------------------------------------------

    async def propose(self, request: web.Request) -> Document:
        """`name`, `reason`; `ticket`, `lifetime`, `failing`, `force`, `operator`."""
        return await self._begin(request, Event.PROPOSE)

    async def add(self, request: web.Request) -> Document:
        """As `propose`."""
        return await self._begin(request, Event.ADD)

    async def approve(self, request: web.Request) -> Document:
        """`nta`; `force`, `operator`."""
        asked = await body_of(request, nta=str, force=bool, operator=str)
        who, peer = self._caller(request, asked)
        number = self._find(_needed(asked, "nta")).number
        return self._document(await self._keeper.approve(number, who, peer, force=asked.get("force", False)))

    async def reject(self, request: web.Request) -> Document:
        """`nta`; `reason`, `operator`."""
        asked = await body_of(request, nta=str, reason=str, operator=str)
        who, peer = self._caller(request, asked)
        number = self._find(_needed(asked, "nta")).number
        return self._document(await self._keeper.reject(number, who, asked.get("reason", ""), peer))

    async def extend(self, request: web.Request) -> Document:
        """`nta`, `reason`; `lifetime` (from now), `operator`."""
        asked = await body_of(request, nta=str, reason=str, lifetime=str, operator=str)
        who, peer = self._caller(request, asked)
        number = self._find(_needed(asked, "nta")).number
        lifetime_s = _duration(asked, "lifetime")
        return self._document(await self._keeper.extend(number, who, lifetime_s, asked.get("reason", ""), peer))

    async def remove(self, request: web.Request) -> Document:
        """`nta`; `reason`, `operator`."""
        asked = await body_of(request, nta=str, reason=str, operator=str)
        who, peer = self._caller(request, asked)
        number = self._find(_needed(asked, "nta")).number
        return self._document(await self._keeper.remove(number, who, asked.get("reason", ""), peer))

    async def _begin(self, request: web.Request, event: Event) -> Document:
        asked = await body_of(
            request, name=str, reason=str, ticket=str, lifetime=str, failing=str, force=bool, operator=str
        )
        who, peer = self._caller(request, asked)
        wanted = Request(
            _name(_needed(asked, "name"), "name"),
            who,
            asked.get("reason", ""),
            asked.get("ticket", ""),
            _duration(asked, "lifetime"),
            asked.get("failing", ""),
            asked.get("force", False),
        )
        return self._document(await self._keeper.begin(wanted, event, peer))

    def _find(self, given: str) -> Record:
        """The record meant by a number, or by the name of an open one."""
        if _is_number(given):
            return self._keeper.find(int(given))
        name = _name(given, "nta")
        record = self._keeper.open_record(name)
        if record is None and name in self._keeper.rules.static:
            problem = f"the NTA for {name_to_text(name)} stands in the configuration"
            raise RefusedError(Obstacle.STATIC, problem, "change trust.nta.static and reload")
        if record is None:
            problem = f"there is no open NTA for {name_to_text(name)}"
            raise RefusedError(Obstacle.UNKNOWN, problem, "see `akashi nta list --all`")
        return record

    def _caller(self, request: web.Request, asked: Document) -> tuple[str, str]:
        """Who acts, and the system user at the other end."""
        uid = None if request.transport is None else _uid_of(request.transport.get_extra_info("socket"))
        peer = "" if uid is None else user_of(uid)
        if self._identity() == "peer":
            return peer, peer
        return asked.get("operator") or peer, peer

    # --- documents --------------------------------------------------------------------------------------------------

    def _document(self, record: Record) -> Document:
        now = clock.now()
        watch = self._keeper.watches.get(record.number)
        return {
            "number": record.number,
            "name": name_to_text(record.name),
            "state": record.state.value,
            "source": "command",
            "reason": record.reason,
            "ticket": record.ticket,
            "failing": record.failing,
            "seen": record.summary,
            "forced": record.forced,
            "proposed_by": record.proposed_by,
            "proposed": _time(record.proposed_wall),
            "lifetime_s": record.lifetime_s,
            "decided_by": record.decided_by,
            "decided": _time(record.decided_wall),
            "activated": _time(record.activated_wall),
            "granted_by": record.granted_by,
            "expires": _time(record.expires_wall),
            "seconds_left": _left(record, now.wall),
            "ended_by": record.ended_by,
            "ended": _time(record.ended_wall),
            "ended_why": record.ended_why,
            "probes": None if watch is None else _watch(watch, now.mono),
        }


def user_of(uid: int) -> str:
    """The name of a system user, or `uid N` for one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _uid_of(sock: socket.socket) -> int | None:
    """The user at the other end of a unix socket."""
    try:
        data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    uid: int = _CREDENTIALS.unpack(data)[1]
    return uid


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _needed(asked: Document, field: str) -> str:
    text: str = asked.get(field, "")
    if not text:
        raise bad_request(f"{field} is missing", field=field)
    return text


def _name(text: str, field: str) -> Name:
    try:
        return name_from_text(text)
    except ValueError as error:
        raise bad_request(str(error), field=field) from None


def _duration(asked: Document, field: str) -> float | None:
    text = asked.get(field)
    if not text:
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        raise bad_request(f"{field}: {text!r} is {error}", field=field) from None


def _static(name: str) -> Document:
    return {
        "number": None,
        "name": name,
        "state": State.ACTIVE.value,
        "source": "configuration",
        "reason": "trust.nta.static",
        "expires": None,
        "seconds_left": None,
        "probes": None,
    }


def _left(record: Record, wall: float) -> int | None:
    if record.state is not State.ACTIVE or record.expires_wall is None:
        return None
    return max(0, int(record.expires_wall - wall))


def _watch(watch: Watch, mono: float) -> Document:
    return {
        "good_in_a_row": watch.good,
        "wanted": ROUNDS,
        "next_in_s": max(0, int(watch.next_round - mono)),
        "last": None if watch.last is None else _round(watch.last),
    }


def _round(found: Round) -> Document:
    return {
        "at": _time(found.wall),
        "zone": name_to_text(found.zone),
        "good": found.good,
        "sentence": found.sentence,
        "servers": [
            {"server": check.server, "name_server": check.name_server, "secure": check.secure, "text": check.text}
            for check in found.checks
        ],
    }


def _fault(fault: Fault) -> Document:
    return {"where": fault.where, "what": fault.what}


def _head(text: str) -> Head | None:
    if not text:
        return None
    number, _, digest = text.partition(":")
    if not (number.isascii() and number.isdigit() and len(digest) == 64):
        raise bad_request("head is NUMBER:HASH, as the log has it (audit_head)", field="head")
    return Head(int(number), digest.lower())


def _time(wall: float | None) -> str | None:
    return None if wall is None else time_text(wall)
