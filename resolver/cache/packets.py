"""The packet cache: whole UDP responses, found by the raw octets of the query.

Theory: two queries that differ in nothing but the ID (and the client's COOKIE option) get the same response, save the ID
and the age of its TTLs. So the key is the query after its ID without COOKIE options, and the value the response after its
ID. Nothing is parsed on a hit, and nothing that bears on the answer can be forgotten in the key: flags, case, EDNS version,
buffer size, DO and every other option are in it by themselves.

A response is aged at most once a second: TTLs go down by the ticks of a clock of whole seconds, so they are off by less
than a second, and what has expired is not given out. Where many names are asked, nearly every hit is the first within its
second, and often the first at all, so ageing must be cheap: where the only TTL stands is found out when the response is put
here. Of several nothing is remembered.

The cache is bounded in octets. Its ring is in order of insertion, with a second chance for packets used since the hand
last passed (CLOCK), so that a hit costs one attribute. When anchors, NTAs or local data change, `clear` starts a new epoch.

What depends on something else as well (the transport: no truncation over TCP; who may have it) stands under a key of
another type, made by `apart`: no query, whatever its octets, finds it in the receive loop.

Limitations: the caller must not put what depends on anything but the query and what `apart` was told: client address,
listening address.
"""

import struct
from collections import deque
from collections.abc import Sequence
from typing import Final, TypeAlias

from wire.edns import COOKIE
from wire.limits import PREFETCH_PART, PREFETCH_TTL
from wire.types import OPT

_ZERO: Final = bytes(4)
_OPT_OWNER: Final = b"\0" + OPT.to_bytes(2, "big")
"""How an OPT record begins: owner and type."""
_OPTION: Final = struct.Struct("!HH")

Key: TypeAlias = bytes | str
"""Octets of a query (`key_and_cookie`), or what `apart` made of them."""

_PACKET_OCTETS: Final = 320
"""Octets a packet costs beside key and body: objects and their places in dictionary and ring (measured by tracemalloc)."""
LONGEST: Final = 86_400.0
"""Seconds a packet is kept at most, whatever its TTLs."""
_NEVER: Final = float("inf")
_HAND_STEPS: Final = 64
"""Packets that one insertion passes over at most before it evicts regardless: no insertion takes long."""


class Packet:
    """A response as it can be sent, after its ID.

    Attributes:
        body: the response after its ID, TTLs as of `second`.
        second: the whole monotonic second of which the TTLs are.
        expires: monotonic time from which on it may not be used.
        cell: under which the caller counts it.
        subject: what it is about, as the caller sees it: equal responses have the same.
        used: whether it was used since the hand last passed.
        renew: the monotonic second from which on a hit has its data fetched anew; infinite when none has. `due`: that time
            has come, and it was not the first hit; whoever sees it calls `Service.renew`.
    """

    __slots__ = ("_opt", "_ttl_at", "body", "cell", "due", "expires", "renew", "second", "subject", "used")

    def __init__(self, body: bytes, second: int, expires: float, cell: int, subject: int) -> None:
        self.body = body
        self.second = second
        self.expires = expires
        self.cell = cell
        self.subject = subject
        self.used = False
        self.due = False
        self.renew: float = _NEVER
        self._opt = -1
        offsets = ttl_offsets(body)
        self._ttl_at = offsets[0] if len(offsets) == 1 else -1

    def age(self, second: int) -> None:
        """Let the TTLs be those of monotonic second `second`."""
        elapsed = second - self.second
        self.second = second
        if second >= self.renew and self.used:
            self.due = True
            self.renew = _NEVER
        if elapsed <= 0:
            return
        at, body = self._ttl_at, self.body
        if at < 0:
            self.body = aged(body, ttl_offsets(body), elapsed)
            return
        ttl = (body[at] << 24 | body[at + 1] << 16 | body[at + 2] << 8 | body[at + 3]) - elapsed
        self.body = body[:at] + (ttl.to_bytes(4, "big") if ttl > 0 else _ZERO) + body[at + 4 :]

    def with_option(self, option: bytes) -> bytes:
        """The body with one more EDNS option, given with its head."""
        if self._opt < 0:
            self._opt = opt_length_at(self.body)
        return add_option(self.body, self._opt, option)


class PacketCache:
    """Packets by key, bounded in octets.

    `table` is open to the receive loop, which looks up, checks `expires`, ages and sets `used` without a call. A key is
    made by `cache_key`.
    """

    __slots__ = ("_ring", "epoch", "evictions", "limit", "octets", "table")

    def __init__(self, limit_octets: int) -> None:
        self.table: dict[Key, Packet] = {}
        self.limit = limit_octets
        self.octets = 0
        self.evictions = 0
        self.epoch = 0
        self._ring: deque[Key] = deque()

    def __len__(self) -> int:
        return len(self.table)

    def get(self, key: Key, mono: float) -> bytes | None:
        """The response after its ID, aged, if there is one that still holds."""
        packet = self.find(key, mono)
        return packet.body if packet is not None else None

    def find(self, key: Key, mono: float) -> Packet | None:
        """The packet, aged, if there is one that still holds."""
        packet = self.table.get(key)
        if packet is None or packet.expires <= mono:
            return None
        second = int(mono)
        if packet.second != second:
            packet.age(second)
        packet.used = True
        return packet

    def put(self, key: Key, response: bytes, mono: float, expires: float, cell: int = 0, subject: int = 0) -> None:
        """Remember a whole response (its ID is left out) made at `mono` until `expires`, at most for LONGEST seconds.

        `cell`, `subject`: see Packet.
        """
        expires = min(expires, mono + LONGEST)
        if expires - mono < 1:
            return
        size = _PACKET_OCTETS + len(key) + len(response)
        if size > self.limit // 8:
            return
        old = self.table.get(key)
        if old is None:
            self._ring.append(key)
        else:
            self.octets -= _PACKET_OCTETS + len(key) + len(old.body) + 2
        self.table[key] = Packet(response[2:], int(mono), expires, cell, subject)
        self.octets += size
        if self.octets > self.limit:
            self._evict(mono)

    def renew(self, key: Key, mono: float) -> None:
        """Have a hit near the end of this packet's life tell that its data is wanted; said of one that was just put."""
        packet = self.table.get(key)
        if packet is not None and packet.expires - mono > PREFETCH_TTL / 2:  # what is fetched has a life of its own
            packet.renew = float(int(packet.expires - (packet.expires - mono) / PREFETCH_PART))

    def clear(self) -> None:
        """Drop everything: a new epoch."""
        self.table.clear()
        self._ring.clear()
        self.octets = 0
        self.epoch += 1

    def _evict(self, mono: float) -> None:
        table, ring = self.table, self._ring
        spared = 0
        while self.octets > self.limit:
            key = ring.popleft()
            packet = table[key]
            if packet.used and packet.expires > mono and spared < _HAND_STEPS:
                packet.used = False
                ring.append(key)
                spared += 1
                continue
            del table[key]
            self.octets -= _PACKET_OCTETS + len(key) + len(packet.body) + 2
            self.evictions += 1


def cache_key(query: bytes) -> bytes:
    """The key alone, of `key_and_cookie`."""
    return key_and_cookie(query)[0]


def apart(of: str, key: bytes) -> str:
    """A key for what not everybody who asks with these octets gets; `of`: one letter that says who does."""
    return of + key.decode("latin-1")


def key_and_cookie(query: bytes) -> tuple[bytes, bytes]:
    """The query without its ID and without COOKIE options of a lawful length (RFC 7873 §4: 8 or 16 to 40 octets), and the
    data of the first of these; b"" when there is none.

    A query that is not one question and at most an OPT record is its own key: it is never answered from the cache, since
    nothing is put under such a key.
    """
    # QDCOUNT 1, ANCOUNT 0, NSCOUNT 0, ARCOUNT 1: anything else has no options.
    if query[4:12] != b"\0\1\0\0\0\0\0\1":
        return query[2:], b""
    end = len(query)
    try:
        pos = 12
        while length := query[pos]:
            if length > 63:
                return query[2:], b""
            pos += length + 1
        pos += 5  # root label, type, class
        # OPT (RFC 6891 §6.1.2): root, type, class, TTL, RDLENGTH
        if query[pos] or query[pos + 1] or query[pos + 2] != OPT:
            return query[2:], b""
        pos += 9
        if pos + 2 + (query[pos] << 8 | query[pos + 1]) != end:
            return query[2:], b""
        return _without_cookies(query, pos)
    except (IndexError, struct.error):
        return query[2:], b""


def _without_cookies(query: bytes, rdlength_at: int) -> tuple[bytes, bytes]:
    """Key and cookie, given where the OPT record's RDLENGTH stands and that the record ends the query."""
    start = rdlength_at + 2
    pos, end = start, len(query)
    kept = cookie = b""
    while pos < end:
        code, length = _OPTION.unpack_from(query, pos)
        after = pos + 4 + length
        if after > end:
            return query[2:], b""
        if code == COOKIE and (length == 8 or 16 <= length <= 40):
            # RFC 7873 §5.2: of several the first counts.
            cookie = cookie or query[pos + 4 : after]
            kept += query[start:pos]
            start = after
        pos = after
    if not cookie:
        return query[2:], b""
    kept += query[start:]
    return query[2:rdlength_at] + len(kept).to_bytes(2, "big") + kept, cookie


def ttl_offsets(body: bytes) -> list[int]:
    """Where the TTL fields stand in a response after its ID. That of OPT is none (RFC 6891 §6.1.3).

    The response is one that we composed: names are sound, there is at most one question, and OPT is the last record.
    """
    pos = 10
    if body[3]:
        while length := body[pos]:
            pos += length + 1
        pos += 5
    offsets: list[int] = []
    for left in range((body[4] + body[6] + body[8] << 8) + body[5] + body[7] + body[9], 0, -1):
        if body[pos] >= 0xC0:
            pos += 6
        elif left == 1 and body[pos : pos + 3] == _OPT_OWNER:
            break
        else:
            while length := body[pos]:
                if length >= 0xC0:
                    pos += 1
                    break
                pos += length + 1
            pos += 5
        offsets.append(pos)
        if left > 1:
            pos += 6 + (body[pos + 4] << 8 | body[pos + 5])
    return offsets


def aged(body: bytes, offsets: Sequence[int], elapsed: int) -> bytes:
    """A response after its ID with every TTL less by `elapsed` seconds, zero at least."""
    parts: list[bytes] = []
    done = 0
    for at in offsets:
        ttl = (body[at] << 24 | body[at + 1] << 16 | body[at + 2] << 8 | body[at + 3]) - elapsed
        parts += (body[done:at], ttl.to_bytes(4, "big") if ttl > 0 else _ZERO)
        done = at + 4
    parts.append(body[done:])
    return b"".join(parts)


def opt_length_at(body: bytes) -> int:
    """Where the RDLENGTH of the OPT record stands in a response after its ID; 0 without OPT. It is the last record."""
    questions, *counts = struct.unpack_from("!4H", body, 2)
    pos = 10
    for _ in range(questions):
        pos = _skip_name(body, pos) + 4
    at = 0
    for _ in range(sum(counts)):
        pos = _skip_name(body, pos)
        at = pos + 8 if body[pos] << 8 | body[pos + 1] == OPT else 0
        pos += 10 + (body[pos + 8] << 8 | body[pos + 9])
    return at


def add_option(body: bytes, at: int, option: bytes) -> bytes:
    """A response after its ID with one more option at its end; `at` as `opt_length_at`: without OPT nothing is added."""
    if not at:
        return body
    length = (body[at] << 8 | body[at + 1]) + len(option)
    return body[:at] + length.to_bytes(2, "big") + body[at + 2 :] + option


def _skip_name(body: bytes, pos: int) -> int:
    while length := body[pos]:
        if length >= 0xC0:
            return pos + 2
        pos += length + 1
    return pos + 1
