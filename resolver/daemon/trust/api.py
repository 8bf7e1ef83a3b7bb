"""What the control API offers of trust anchors: a table of routes, and the documents that they give (docs/TRUST.md).

| route | does |
| --- | --- |
| GET /v1/trust | every trust point with its keys' states, hold-downs and times |
| GET /v1/trust/history?limit= | the last transitions, newest first |
| POST /v1/trust/refresh {zone} | looks at the keys of a trust point, or of all, now |
| POST /v1/trust/import {text, replace, signature, ca, signer, operator} | trusts the anchors in the text at once |
| GET /v1/trust/export?format=&zone= | the anchors as text: zone, bind or unbound |
| POST /v1/trust/forget {zone, operator} | forgets a zone's state and begins with the configuration |

Times are RFC 3339 text in UTC, durations whole seconds. `signature` is base64.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from resolver.daemon.control import ApiError, Document, bad_request, body_of, query_of, reply
from resolver.daemon.trust.anchor_book import AnchorBook, NoTrustPointError
from resolver.daemon.trust.anchor_keeper import AnchorKeeper, Outcome
from resolver.state.database import StateError
from trust.anchor_file import WRITERS, read_anchors
from trust.anchor_signature import IANA, check_signature
from trust.policy import Policy
from trust.rfc5011 import KeyState, PointState, Transition
from trust.signature import time_text
from wire.name import Name
from wire.text import name_from_text, name_to_text

MAX_HISTORY: Final = 2000
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(keeper: AnchorKeeper, policy: Callable[[], Policy]) -> list[web.RouteDef]:
    """The table. `policy`: gives the configuration's choice when it is called."""
    desk = _Routes(keeper, policy)
    return [
        web.get("/v1/trust", _guarded(desk.status)),
        web.get("/v1/trust/history", _guarded(desk.history)),
        web.get("/v1/trust/export", _guarded(desk.export)),
        web.post("/v1/trust/refresh", _guarded(desk.refresh)),
        web.post("/v1/trust/import", _guarded(desk.import_)),
        web.post("/v1/trust/forget", _guarded(desk.forget)),
    ]


def _guarded(handler: Callable[[web.Request], Awaitable[Document]]) -> Handler:
    """A handler whose document becomes the response, and whose refusals become errors."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return reply(await handler(request))
        except NoTrustPointError as error:
            raise ApiError(HTTPStatus.NOT_FOUND, "no-trust-point", str(error)) from None
        except StateError as error:
            raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "not-written", error.problem, advice=error.advice) from None
        except ValueError as error:
            raise ApiError(HTTPStatus.CONFLICT, "refused", str(error)) from None

    return answer


class _Routes:
    def __init__(self, keeper: AnchorKeeper, policy: Callable[[], Policy]) -> None:
        self._keeper = keeper
        self._policy = policy

    async def status(self, request: web.Request) -> Document:
        """Everything known of the anchors."""
        query_of(request)
        return status(self._keeper.book)

    async def history(self, request: web.Request) -> Document:
        """`limit`: how many at most."""
        given = query_of(request, limit=str).get("limit", "100")
        if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= MAX_HISTORY:
            raise bad_request(f"limit is a number from 1 to {MAX_HISTORY}", field="limit")
        return {"transitions": [transition(move) for move in self._keeper.book.history(int(given))]}

    async def export(self, request: web.Request) -> Document:
        """`format`: zone, bind or unbound; `zone`: only this trust point."""
        asked = query_of(request, format=str, zone=str)
        form = asked.get("format", "zone")
        if form not in WRITERS:
            raise bad_request(f"format is one of {', '.join(WRITERS)}", field="format")
        book = self._keeper.book
        points = [book.known(_name(asked["zone"]))] if "zone" in asked else list(shown_points(book).values())
        return {"format": form, "text": WRITERS[form](points, book.now(), book.timers)}

    async def refresh(self, request: web.Request) -> Document:
        """`zone`: only this trust point."""
        asked = await body_of(request, zone=str)
        outcomes = await self._keeper.refresh([_name(asked["zone"])] if "zone" in asked else None)
        return {"refreshed": [_outcome(outcome) for outcome in outcomes]}

    async def import_(self, request: web.Request) -> Document:
        """`text`; `replace`: instead of what is trusted now; `signature`, `ca`, `signer`: of root-anchors.xml; `name`: the
        file's, for the records.
        """
        asked = await body_of(request, text=str, replace=bool, signature=str, ca=str, signer=str, name=str, operator=str)
        if "text" not in asked:
            raise bad_request("text is missing", field="text")
        data, now = asked["text"].encode(), self._keeper.book.now()
        signed_by = None
        if "signature" in asked or "ca" in asked:
            if "signature" not in asked or "ca" not in asked:
                raise bad_request("signature and ca go together", field="ca" if "signature" in asked else "signature")
            try:
                detached = base64.b64decode(asked["signature"], validate=True)
            except binascii.Error:
                raise bad_request("signature is not base64", field="signature") from None
            signed_by = check_signature(
                data, detached, asked["ca"].encode(), now, self._policy(), asked.get("signer", IANA)
            )
        found = read_anchors(data, now)
        why = "imported"
        why += f" from {asked['name']}" if "name" in asked else ""
        why += f" by {asked['operator']}" if "operator" in asked else ""
        moves = self._keeper.book.import_anchors(found.points, alone=asked.get("replace", False), why=why)
        self._keeper.changed()
        return {
            "zones": [name_to_text(point.name) for point in found.points],
            "signed_by": signed_by,
            "notes": list(found.notes),
            "transitions": [transition(move) for move in moves],
        }

    async def forget(self, request: web.Request) -> Document:
        """`zone`; `operator`."""
        asked = await body_of(request, zone=str, operator=str)
        if "zone" not in asked:
            raise bad_request("zone is missing", field="zone")
        why = f"forgotten by {asked['operator']}" if "operator" in asked else "forgotten"
        moves = self._keeper.book.forget(_name(asked["zone"]), why=why)
        self._keeper.changed()
        return {"transitions": [transition(move) for move in moves]}


def _name(text: str) -> Name:
    try:
        return name_from_text(text)
    except ValueError as error:
        raise bad_request(str(error), field="zone") from None


# --- documents ---------------------------------------------------------------------------------------------------


def status(book: AnchorBook) -> Document:
    """Everything known of the anchors, as GET /v1/trust gives it."""
    now_wall = book.now()
    points, deleted = book.in_force()
    return {
        "following": book.following,
        "finding": book.finding,
        "timers": {
            "add_hold_down": int(book.timers.add_hold_down_s),
            "remove_hold_down": int(book.timers.remove_hold_down_s),
        },
        "trust_points": [_point(book, point, now_wall) for point in shown_points(book).values()],
        "in_force": [name_to_text(point.name) for point in points],
        "deleted": [name_to_text(name) for name in deleted],
    }


def shown_points(book: AnchorBook) -> dict[Name, PointState]:
    """The state of each trust point; what the configuration says, when it is not followed."""
    return book.points if book.following else book.configured_states()


def _point(book: AnchorBook, point: PointState, now_wall: float) -> Document:
    return {
        "zone": name_to_text(point.name),
        "problem": book.problems.get(point.name, ""),
        "last_success": _time(point.last_success),
        "last_attempt": _time(point.last_attempt),
        "next_refresh": _time(point.next_refresh) if book.following and point.next_refresh else None,
        "failures": point.failures,
        "error": point.error,
        "original_ttl": point.original_ttl,
        "keys": [_key(key, now_wall, book) for key in point.keys],
    }


def _key(key: KeyState, now_wall: float, book: AnchorBook) -> Document:
    left = key.hold_left_s(now_wall, book.timers)
    return {
        "tag": key.tag,
        "algorithm": key.algorithm,
        "state": key.state.value,
        "trusted": key.trusted,
        "origin": key.origin.value,
        "since": _time(key.since),
        "first_seen": _time(key.first_seen),
        "last_seen": _time(key.last_seen),
        "hold_down_left": None if left is None else int(left),
        "known_by": "key" if key.dnskey else "digest",
    }


def transition(move: Transition) -> Document:
    """One step of one key."""
    return {
        "at": _time(move.at),
        "zone": name_to_text(move.zone),
        "tag": move.key_tag,
        "algorithm": move.algorithm,
        "from": move.old.value,
        "to": move.new.value,
        "event": move.event.value if move.event else None,
        "why": move.why,
    }


def _outcome(outcome: Outcome) -> Document:
    return {
        "zone": name_to_text(outcome.zone),
        "ok": outcome.ok,
        "problem": outcome.text,
        "transitions": [transition(move) for move in outcome.changes],
    }


def _time(wall: float | None) -> str | None:
    return None if wall is None else time_text(wall)
