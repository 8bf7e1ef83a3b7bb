"""Failing responses that are remembered, apart from the packet cache, so that who asks again is counted (guideline 2-16).

A hit of the packet cache tells nobody; for failures it must be known for how many clients they are. So a SERVFAIL is kept
here, found in `Service.take` after access and cookies, and each repetition is told. The packet cache's short way stays as
it is; a repeated SERVFAIL costs reading the query, some 7 µs more than a hit there.

Bounded in number; failures live a minute at most (RFC 9520 §3.2), so the oldest go first.
"""

from collections.abc import Callable
from typing import Final

from resolver.cache.packets import Key

MAX_RESPONSES: Final = 8192
Again = Callable[[str], None]
"""Told the address of a client that gets a known failure."""


class FailingResponse:
    """One of them. `body`: after the ID; `cell`, `about`: as in `resolver.cache.packets.Packet`."""

    __slots__ = ("about", "again", "body", "cell", "expires")

    def __init__(self, body: bytes, cell: int, about: int, expires: float, again: Again) -> None:
        self.body = body
        self.cell = cell
        self.about = about
        self.expires = expires
        self.again = again


class FailingResponses:
    """By the packet cache's key, at most `limit` of them."""

    __slots__ = ("_table", "limit")

    def __init__(self, limit: int = MAX_RESPONSES) -> None:
        self.limit = limit
        self._table: dict[Key, FailingResponse] = {}

    def __len__(self) -> int:
        return len(self._table)

    def get(self, key: Key, mono: float) -> FailingResponse | None:
        """The response that still holds."""
        found = self._table.get(key)
        return found if found is not None and mono < found.expires else None

    def put(self, key: Key, response: bytes, cell: int, about: int, expires: float, again: Again) -> None:
        """Remember a whole response until `expires`."""
        table = self._table
        table.pop(key, None)
        if len(table) >= self.limit:
            del table[next(iter(table))]
        table[key] = FailingResponse(response[2:], cell, about, expires, again)

    def clear(self) -> None:
        """Drop everything."""
        self._table.clear()
