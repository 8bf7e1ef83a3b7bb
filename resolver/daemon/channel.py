"""Messages between the supervisor and a worker: JSON objects, one a line, over a socket pair made before the fork.

    {"id": 7, "do": "flush", "with": {…}}       a request
    {"re": 7, "ok": {…}}                        its answer, or
    {"re": 7, "error": "…"}                     why there is none
    {"tell": "ready", "with": {…}}              news that nobody answers

Either side may send any of them. Lines arrive in the order in which they were sent, so whoever tells news and then asks is
answered in the light of the news. Requests have a time-out: a worker that hangs or died answers nothing and is left out.

A line is bounded (MAX_LINE) and so is what may wait unsent (MAX_UNSENT): a side that does not read cannot fill the other
side's memory. A line that makes no sense ends the channel; both ends are our own code, so it would be a bug.

Limitations: a handler answers at once; work that waits is not for a worker to do on request.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

Document: TypeAlias = dict[str, Any]

Handle = Callable[[str, Document], Document]
"""Carries out a request: what to do, with what → the answer. A ChannelError becomes an error answer."""
Told = Callable[[str, Document], None]
"""Takes news."""

TIMEOUT_S: Final = 3.0
MAX_LINE: Final = 8 << 20
"""Octets of a line; the longest are those of a look-up."""
MAX_UNSENT: Final = 32 << 20


class ChannelError(Exception):
    """A request was not answered as it should: what stands in the message."""


def make_pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end and the worker's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


class Channel(asyncio.Protocol):
    """One end of a channel.

    Args:
        handle: carries out the other side's requests; `told`: takes its news.
        lost: called once when the other side is gone.
    """

    def __init__(self, handle: Handle, told: Told, lost: Callable[[], None]) -> None:
        self._handle = handle
        self._told = told
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._searched = 0
        self._waiting: dict[int, asyncio.Future[Document]] = {}
        self._serial = 0
        self._closed = asyncio.Event()

    @classmethod
    async def open(cls, sock: socket.socket, handle: Handle, told: Told, lost: Callable[[], None]) -> "Channel":
        """A channel over our end of the pair."""
        channel = cls(handle, told, lost)
        await asyncio.get_running_loop().create_unix_connection(lambda: channel, sock=sock)
        return channel

    @property
    def is_open(self) -> bool:
        """Whether the other side is there."""
        return self._transport is not None

    async def request(self, what: str, timeout_s: float = TIMEOUT_S, **arguments: Any) -> Document:
        """Ask the other side.

        Raises:
            ChannelError: it is gone, said no, or did not answer in time.
        """
        self._serial += 1
        ident = self._serial
        future: asyncio.Future[Document] = asyncio.get_running_loop().create_future()
        self._waiting[ident] = future
        try:
            self._send({"id": ident, "do": what, "with": arguments})
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise ChannelError(f"no answer to {what} within {timeout_s:g} s") from None
        finally:
            self._waiting.pop(ident, None)

    def tell(self, what: str, **facts: Any) -> None:
        """Send news; nothing happens when nobody is there to take them."""
        try:
            self._send({"tell": what, "with": facts})
        except ChannelError:
            return

    def close(self) -> None:
        """Send what is unsent, and close our end."""
        if self._transport is not None:
            self._transport.close()

    async def finish(self, timeout_s: float) -> None:
        """Close, and wait until what is unsent is sent, as long as the time-out allows."""
        self.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._closed.wait()

    def _send(self, document: Document) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ChannelError("the other side is gone")
        if transport.get_write_buffer_size() > MAX_UNSENT:
            raise ChannelError("the other side does not read")
        line = json.dumps(document, separators=(",", ":")).encode()
        if len(line) >= MAX_LINE:
            raise ChannelError(f"a message of {len(line)} octets is too long")
        transport.write(line + b"\n")

    # --- asyncio.Protocol ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The channel is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Some octets: any number of lines, or part of one."""
        buffer = self._buffer
        buffer += data
        while (end := buffer.find(b"\n", self._searched)) >= 0:
            line = bytes(buffer[:end])
            del buffer[: end + 1]
            self._searched = 0
            if not self._take(line):
                self._abort()
                return
        self._searched = len(buffer)
        if len(buffer) > MAX_LINE:
            self._abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side closed or died."""
        self._transport = None
        self._closed.set()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ChannelError("the other side is gone"))
        self._lost()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- lines ---------------------------------------------------------------------------------------------------

    def _take(self, line: bytes) -> bool:
        """Act on one line; False when it makes no sense."""
        try:
            document = json.loads(line)
        except ValueError:
            return False
        if not isinstance(document, dict):
            return False
        if "re" in document:
            future = self._waiting.get(document["re"])
            if future is not None and not future.done():
                if "error" in document:
                    future.set_exception(ChannelError(str(document["error"])))
                else:
                    future.set_result(document["ok"])
            return True
        if "do" in document:
            self._answer(document["id"], document["do"], document["with"])
            return True
        if "tell" in document:
            self._told(document["tell"], document["with"])
            return True
        return False

    def _answer(self, ident: int, what: str, arguments: Document) -> None:
        try:
            answer = {"re": ident, "ok": self._handle(what, arguments)}
        except ChannelError as error:
            answer = {"re": ident, "error": str(error)}
        except Exception as error:
            # A bug; the asker is told, and this side goes on.
            answer = {"re": ident, "error": f"{type(error).__name__}: {error}"}
        try:
            self._send(answer)
        except ChannelError as error:
            # Too long, most likely; when nobody is there, nobody needs to know.
            with contextlib.suppress(ChannelError):
                self._send({"re": ident, "error": str(error)})
