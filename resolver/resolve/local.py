"""Names that never leave the house: special-use names and locally served reverse zones.

Asking the root about them leaks what is private and loads AS 112. A name at or below a configured stub or forward zone is
not local: the operator has a server for it.

RFC 6761 (localhost, invalid, test), RFC 7686 (onion), RFC 6762 §22.1.2 (local), RFC 8375 (home.arpa), RFC 6303 and 7793
(reverse zones), RFC 9462 §6.4 (resolver.arpa), RFC 9665 (service.arpa).
"""

from typing import Final

from resolver.settings import Settings
from wire import types as t
from wire.name import Name, is_subdomain, labels
from wire.rrset import RRset

TTL: Final = 10800
"""Seconds: RFC 6303 §3 suggests three hours for the SOA and its MINIMUM."""


def _name(text: str) -> Name:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


_LOCALHOST: Final = _name("localhost")
_REVERSE_4: Final = (
    ["0", "10", "127"]
    + ["254.169", "168.192", "2.0.192", "100.51.198", "113.0.203", "255.255.255.255"]
    + [f"{i}.172" for i in range(16, 32)]
    + [f"{i}.100" for i in range(64, 128)]
)
_IP6: Final = "ip6.arpa"
_REVERSE_6: Final = [
    "1." + "0." * 31,
    "0." * 32,
    "d.f.",
    "8.e.f.",
    "9.e.f.",
    "a.e.f.",
    "b.e.f.",
    "8.b.d.0.1.0.0.2.",
]
_SPECIAL: Final = ["localhost", "invalid", "test", "onion", "local", "home.arpa", "resolver.arpa", "service.arpa"]

ZONES: Final = frozenset(
    [_name(zone) for zone in _SPECIAL]
    + [_name(f"{zone}.in-addr.arpa") for zone in _REVERSE_4]
    + [_name(f"{zone}{_IP6}") for zone in _REVERSE_6]
)
"""The apexes of all locally served zones."""


class LocalAnswer:
    """`rcode`, and the data (answer) or the SOA (authority) that goes with it."""

    __slots__ = ("answer", "authority", "rcode")

    def __init__(self, rcode: int, answer: list[RRset], authority: list[RRset]) -> None:
        self.rcode = rcode
        self.answer = answer
        self.authority = authority


def local_answer(name: Name, rtype: int, settings: Settings) -> LocalAnswer | None:
    """The local answer to a question, None when the name is not ours."""
    if not settings.local_zones:
        return None
    zone = _zone_of(name)
    if zone is None:
        return None
    if any(is_subdomain(name, configured) for configured in (*settings.stub, *settings.forward) if len(configured) > 1):
        return None
    if zone == name and rtype == t.DS:
        return None  # the parent's to answer: the public tree knows whether there is a delegation
    data = _data(name, rtype, zone)
    if data is not None:
        return LocalAnswer(t.NOERROR, [data], [])
    exists = name == zone or zone == _LOCALHOST
    return LocalAnswer(t.NOERROR if exists else t.NXDOMAIN, [], [_soa(zone)])


def _zone_of(name: Name) -> Name | None:
    """The local zone at or above the name."""
    while len(name) > 1:
        if name in ZONES:
            return name
        name = name[name[0] + 1 :]
    return None


def _data(name: Name, rtype: int, zone: Name) -> RRset | None:
    if rtype == t.SOA and name == zone:
        return _soa(zone)
    if rtype == t.NS and name == zone:
        return RRset(zone, t.NS, TTL, [_LOCALHOST])
    if zone == _LOCALHOST and rtype == t.A:
        return RRset(name, t.A, TTL, [b"\x7f\0\0\x01"])
    if zone == _LOCALHOST and rtype == t.AAAA:
        return RRset(name, t.AAAA, TTL, [b"\0" * 15 + b"\x01"])
    if rtype == t.PTR and (labels(name)[:4] == [b"1", b"0", b"0", b"127"] or name == _name(_REVERSE_6[0] + _IP6)):
        return RRset(name, t.PTR, TTL, [_LOCALHOST])
    return None


def _soa(zone: Name) -> RRset:
    """RFC 6303 §3: `@ SOA @ nobody.invalid. 1 3600 1200 604800 10800`, with localhost as the server."""
    numbers = b"".join(value.to_bytes(4, "big") for value in (1, 3600, 1200, 604800, TTL))
    return RRset(zone, t.SOA, TTL, [_LOCALHOST + _name("nobody.invalid") + numbers])
