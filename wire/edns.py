"""EDNS(0): the OPT pseudo-record and the options we read or write.

OPT (RFC 6891 §6.1.2): owner root, TYPE 41, CLASS = UDP payload size, TTL = extended RCODE (8 bits), version (8 bits),
DO and reserved flags (16 bits); RDATA = {code (16 bits), length (16 bits), data}*.

RFC 6891; 5001 (NSID), 7873 (COOKIE), 7828 (keepalive), 7830 (padding), 8914 (EDE), 3225 (DO).
"""

import struct
from typing import Final

from wire.limits import MAX_EDE_TEXT
from wire.types import DO, OPT

NSID: Final = 3
COOKIE: Final = 10
KEEPALIVE: Final = 11
PADDING: Final = 12
KEY_TAG: Final = 14
EDE: Final = 15
REPORT_CHANNEL: Final = 18

_OPT_HEAD: Final = struct.Struct("!BHHBBHH")
_OPTION_HEAD: Final = struct.Struct("!HH")


class Edns:
    """What an OPT record says. `options` keeps order and repetitions; `payload` is in octets."""

    __slots__ = ("extended_rcode", "flags", "options", "payload", "version")

    def __init__(
        self,
        payload: int,
        flags: int = 0,
        options: list[tuple[int, bytes]] | None = None,
        version: int = 0,
        extended_rcode: int = 0,
    ) -> None:
        self.payload = payload
        self.flags = flags
        self.options = [] if options is None else options
        self.version = version
        self.extended_rcode = extended_rcode

    @property
    def dnssec_ok(self) -> bool:
        """The DO bit (RFC 3225 §3)."""
        return bool(self.flags & DO)

    def option(self, code: int) -> bytes | None:
        """Data of the first option with this code."""
        for number, data in self.options:
            if number == code:
                return data
        return None

    def to_wire(self) -> bytes:
        """The whole OPT record."""
        return self._pack(self.options)

    def to_wire_within(self, size: int) -> bytes:
        """The OPT record in at most `size` octets: texts of EDEs are dropped first, from the last one on, then options
        from the last one on. The record's eleven octets are written whatever `size` is.
        """
        options = list(self.options)
        excess = _OPT_HEAD.size + sum(_OPTION_HEAD.size + len(data) for _, data in options) - size
        for index in range(len(options) - 1, -1, -1):
            code, data = options[index]
            if excess > 0 and code == EDE and len(data) > 2:
                options[index] = code, data[:2]
                excess -= len(data) - 2
        while excess > 0 and options:
            excess -= _OPTION_HEAD.size + len(options.pop()[1])
        return self._pack(options)

    def _pack(self, options: list[tuple[int, bytes]]) -> bytes:
        rdata = b"".join([_OPTION_HEAD.pack(code, len(data)) + data for code, data in options]) if options else b""
        head = _OPT_HEAD.pack(0, OPT, self.payload, self.extended_rcode, self.version, self.flags, len(rdata))
        return head + rdata

    @property
    def text_size(self) -> int:
        """Octets of the texts of EDEs: what an answer may do without (RFC 8914 §3)."""
        return sum([len(data) - 2 for code, data in self.options if code == EDE and len(data) > 2])


def parse_options(rdata: bytes) -> list[tuple[int, bytes]]:
    """The options in an OPT record's RDATA.

    Raises:
        ValueError: an option is longer than what is left of the RDATA.
    """
    out: list[tuple[int, bytes]] = []
    pos, end = 0, len(rdata)
    while pos < end:
        if pos + 4 > end:
            raise ValueError("EDNS option header cut short")
        code, length = _OPTION_HEAD.unpack_from(rdata, pos)
        pos += 4
        if pos + length > end:
            raise ValueError("EDNS option longer than the OPT record")
        out.append((code, rdata[pos : pos + length]))
        pos += length
    return out


def ede(code: int, text: str = "") -> tuple[int, bytes]:
    """An Extended DNS Error option (RFC 8914 §2): INFO-CODE (16 bits) and EXTRA-TEXT, cut at MAX_EDE_TEXT octets."""
    extra = text.encode("utf-8", "replace")[:MAX_EDE_TEXT].decode("utf-8", "ignore").encode()
    return EDE, code.to_bytes(2, "big") + extra


def read_ede(data: bytes) -> tuple[int, str] | None:
    """INFO-CODE and EXTRA-TEXT of an EDE option's data; None when it is shorter than two octets."""
    if len(data) < 2:
        return None
    return int.from_bytes(data[:2], "big"), data[2:].decode("utf-8", "replace").rstrip("\0")


def padding(used: int, block: int = 468) -> tuple[int, bytes]:
    """A padding option that brings a message of `used` octets (this option's head not counted) to a multiple of
    `block` (RFC 8467 §4.1: 468 for responses).
    """
    return PADDING, bytes(-(used + 4) % block)
