"""The control API: HTTP and JSON over the unix socket `control.socket`; docs/CONTROL.md describes what can be asked.

Theory: an aiohttp application in the supervisor's event loop, made from tables of routes (`web.RouteDef`), so that a
feature brings its own: `routes` has those of the daemon itself. Around every handler stands one guard: it checks who asks
(root or the daemon's own user), bounds the request's body, and turns errors into

    {"error": {"code": "bad-request", "message": "…", …}}

Limitations: no authorisation beyond that: whoever may connect may do everything.
"""

import json
import socket
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeAlias

from aiohttp import web
from structlog.typing import FilteringBoundLogger

from resolver.daemon.control_socket import peer_is_allowed

MAX_BODY: Final = 64 * 1024
"""Octets of a request's body."""
SHUTDOWN_S: Final = 1.0

Document: TypeAlias = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiError(Exception):
    """A request is answered with an error.

    Attributes:
        status: of HTTP; `code`: a word for programs; `facts`: more fields for the error object.
    """

    def __init__(self, status: int, code: str, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.facts = facts


def bad_request(message: str, **facts: Any) -> ApiError:
    """The request makes no sense."""
    return ApiError(HTTPStatus.BAD_REQUEST, "bad-request", message, **facts)


def reply(document: Any, status: int = HTTPStatus.OK) -> web.Response:
    """A JSON response."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n"
    return web.Response(text=text, status=status, content_type="application/json")


class Control:
    """The API on a listening socket, from `start` to `close`. `allowed`: whether the peer may ask; for tests."""

    def __init__(
        self,
        sock: socket.socket,
        tables: Iterable[Iterable[web.RouteDef]],
        log: FilteringBoundLogger,
        allowed: Callable[[socket.socket], bool] = peer_is_allowed,
    ) -> None:
        self._socket = sock
        self._path = sock.getsockname()
        self._log = log
        self._allowed = allowed

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guard(request, handler)

        app = web.Application(client_max_size=MAX_BODY, middlewares=[guard])
        for table in tables:
            app.add_routes(table)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S)

    async def start(self) -> None:
        """Answer from now on."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def close(self) -> None:
        """Answer no more; the socket's file goes."""
        await self._runner.cleanup()
        self._socket.close()
        if self._path:
            try:
                Path(self._path).unlink(missing_ok=True)
            except OSError:
                return  # its directory is not ours to change: the next start replaces it

    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.transport is None or not self._allowed(request.transport.get_extra_info("socket")):
                raise ApiError(HTTPStatus.FORBIDDEN, "forbidden", "only root and the daemon's own user may ask")
            return await handler(request)
        except ApiError as error:
            return _error(error.status, error.code, str(error), error.facts)
        except web.HTTPRequestEntityTooLarge:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"a body has at most {MAX_BODY} octets", {})
        except web.HTTPException as error:
            what = HTTPStatus(error.status)
            return _error(error.status, what.phrase.lower().replace(" ", "-"), f"{request.method} {request.path}", {})
        except Exception as error:
            self._log.error("internal-error", where=f"control: {request.method} {request.path}", exc_info=error)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "internal-error", "a bug; the daemon's log has it", {})


def _error(status: int, code: str, message: str, facts: Document) -> web.Response:
    return reply({"error": {"code": code, "message": message} | facts}, status)


# --- reading requests --------------------------------------------------------------------------------------------------


async def body_of(request: web.Request, **kinds: type) -> Document:
    """The JSON object of a request's body: the fields named, each of its type; what is left out or null is missing.

    Raises:
        ApiError: no JSON object, or another field, or another type.
    """
    data = await request.read()
    try:
        document = json.loads(data) if data else {}
    except (ValueError, RecursionError):
        raise bad_request("the body is no JSON") from None
    if not isinstance(document, dict):
        raise bad_request("the body is no JSON object")
    return _checked(document, kinds)


def query_of(request: web.Request, **kinds: type) -> Document:
    """The parameters of a request's URL, likewise; a bool is written true or false."""
    document: Document = {}
    for key, value in request.query.items():
        if key in document:
            raise bad_request(f"{key} is given twice", field=key)
        if kinds.get(key) is bool:
            if value not in ("true", "false", "1", "0", ""):
                raise bad_request(f"{key} is true or false", field=key)
            document[key] = value not in ("false", "0")
        else:
            document[key] = value
    return _checked(document, kinds)


def _checked(document: Document, kinds: dict[str, type]) -> Document:
    for key, value in document.items():
        kind = kinds.get(key)
        if kind is None:
            raise bad_request(f"there is no field {key!r}; there is: {', '.join(kinds) or 'none'}", field=key)
        if value is not None and (not isinstance(value, kind) or (kind is not bool and isinstance(value, bool))):
            raise bad_request(f"{key} is a {_NAMES.get(kind, kind.__name__)}", field=key)
    return {key: value for key, value in document.items() if value is not None}


_NAMES: Final = {str: "string", bool: "boolean", int: "number", list: "list", dict: "object"}
