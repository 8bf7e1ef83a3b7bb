"""The kinds of value an option can have: how each is read from TOML, and written back.

Every kind is an `Annotated` type that carries a parser for pydantic and a `Kind` for people: what is expected, and how
the parsed value is written in a configuration file. Parsers take whatever TOML may hold and raise ValueError with a
sentence for the operator; they never raise anything else.

Limitations: zone names are read by dnspython (imported only when a configuration names a zone) and must be ASCII;
write an internationalised name in its A-label form.

RFC 4291 §2.2 (IPv6 text), RFC 3986 §3.2.2 (brackets around an IPv6 address with a port), RFC 1035 §5.1 (names).
"""

from __future__ import annotations

import datetime
import ipaddress
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import Field, PlainValidator, Strict

from wire.limits import ALL_LIMITS, SHADOWABLE

Prefix: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_PORT = 65535
MAX_NSID_OCTETS = 128
# sockaddr_un.sun_path holds 108 octets on Linux, one of them the closing NUL.
MAX_SOCKET_PATH_OCTETS = 107


@dataclass(frozen=True, slots=True)
class Kind:
    """What people need to know about a kind of value."""

    name: str
    """Short, for the table of options: `duration`."""
    expects: str
    """What an error message asks for: `a duration such as "1h" …`."""
    show: Callable[[Any], object] = lambda value: value
    """Parsed value to what an operator would write (bool, int, float, str, list or dict of these)."""


class Endpoint(NamedTuple):
    """An address and a port to listen on or to send to; usable as a socket address."""

    address: str
    port: int

    @property
    def ip(self) -> Address:
        return ipaddress.ip_address(self.address)

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class ServerAddress(NamedTuple):
    """A name server in a stub or forward table; without a port of its own it is asked on `[upstream] port`."""

    address: str
    port: int | None

    def at(self, default_port: int) -> Endpoint:
        return Endpoint(self.address, default_port if self.port is None else self.port)

    def __str__(self) -> str:
        return self.address if self.port is None else str(self.at(self.port))


# --- numbers and durations ---------------------------------------------------------------------------------------

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d{1,12}(?:\.\d{1,6})?(?:ms|[smhdw]))+", re.ASCII)
_DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|[smhdw])", re.ASCII)
_PLAIN_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,6})?", re.ASCII)


def parse_duration(value: object) -> float:
    """Seconds from "500ms", "90s", "1h30m", "7d" or a plain number of seconds."""
    if isinstance(value, str):
        text = value.strip().lower()
        if _PLAIN_SECONDS.fullmatch(text):
            return float(text)
        if _DURATION.fullmatch(text):
            return math.fsum(float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(text))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
        if math.isfinite(seconds):
            return seconds
    raise ValueError("not a duration")


def parse_seconds(value: object) -> int:
    """A duration in whole seconds, as TTLs are."""
    seconds = parse_duration(value)
    if not seconds.is_integer():
        raise ValueError("not a whole number of seconds")
    return int(seconds)


def show_duration(seconds: float) -> str:
    """The shortest exact way to write a duration: 3600 is "1h", 5400 is "90m", 0.5 is "500ms"."""
    if not seconds:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        count = seconds / _DURATION_UNITS[unit]
        if count.is_integer():
            return f"{int(count)}{unit}"
    milliseconds = round(seconds * 1000, 3)
    return f"{int(milliseconds)}ms" if milliseconds.is_integer() else f"{milliseconds}ms"


def parse_ratio(value: object) -> float:
    """A share, from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("not a number from 0 to 1")
    return float(value)


_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_SIZE = re.compile(r"(\d{1,15})\s*([kmgt]?)(?:i?b)?", re.ASCII)


def parse_size(value: object) -> int:
    """Octets from "256M", "1G", "512KiB" (multiples of 1024) or a plain number of octets."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip().lower())):
        return int(match[1]) * _SIZE_UNITS[match[2]]
    raise ValueError("not a size")


def show_size(octets: int) -> int | str:
    for suffix in ("T", "G", "M", "K"):
        if octets and octets % _SIZE_UNITS[suffix.lower()] == 0:
            return f"{octets // _SIZE_UNITS[suffix.lower()]}{suffix}"
    return octets


# --- addresses ---------------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"not text but {type_name(value)}")
    return value


def type_name(value: object) -> str:
    """What TOML calls the value's type, with its article."""
    if isinstance(value, bool):
        return "a boolean"
    for python, toml in ((str, "text"), (int, "a number"), (float, "a number"), (list, "a list"), (dict, "a table")):
        if isinstance(value, python):
            return toml
    return "a date or time"


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("not an IP address (names are not looked up here)") from None


def _port(text: str, lowest: int) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not lowest <= int(text) <= MAX_PORT:
        raise ValueError(f"port {text[:20]!r} is not a number from {lowest} to {MAX_PORT}")
    return int(text)


def parse_endpoint(value: object) -> Endpoint:
    """An address to listen on, "127.0.0.1:53" or "[::1]:53"; port 0 lets the system choose."""
    text = _text(value)
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed):
        raise ValueError("no port")
    if host in ("", "*", "[]"):
        raise ValueError('no address; every address is "0.0.0.0" and "[::]"')
    address = _address(host[1:-1] if bracketed else host)
    if bracketed != (":" in address):
        raise ValueError("brackets belong around an IPv6 address only")
    return Endpoint(address, _port(port, 0))


def parse_endpoint_or_off(value: object) -> Endpoint | None:
    return None if value == "" else parse_endpoint(value)


def parse_server_address(value: object) -> ServerAddress:
    """A name server: an address, "address@port", "192.0.2.1:5353" or "[2001:db8::1]:5353"."""
    text = _text(value)
    if "@" in text:
        address, _, port = text.rpartition("@")
        return ServerAddress(_address(address.removeprefix("[").removesuffix("]")), _port(port, 1))
    if text.startswith("[") or text.count(":") == 1:
        if text.endswith("]"):
            return ServerAddress(_address(text[1:-1]), None)
        endpoint = parse_endpoint(text)
        return ServerAddress(endpoint.address, _port(str(endpoint.port), 1))
    return ServerAddress(_address(text), None)


def parse_prefix(value: object) -> Prefix:
    """An address prefix; an address alone is a prefix of its whole length."""
    text = _text(value)
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("not an address prefix") from None
    raise ValueError(f'bits beyond the prefix length are set; did you mean "{loose}"?')


def parse_limit(value: object) -> str:
    """The name of a limit that can do without being enforced."""
    text = _text(value)
    if text not in SHADOWABLE:
        problem = "always enforced" if any(limit.label == text for limit in ALL_LIMITS) else "not a limit"
        raise ValueError(f"{problem}; one of {', '.join(sorted(SHADOWABLE))}")
    return text


# --- names, texts and files --------------------------------------------------------------------------------------


def parse_zone(value: object) -> str:
    """A domain name, absolute and in lower case, in presentation format: "Example.JP" becomes "example.jp."."""
    text = _text(value)
    if not text.isascii():
        raise ValueError("not ASCII; write an internationalised name in its xn-- form")
    if text in ("", "@"):
        raise ValueError('empty; the root is "."')
    import dns.exception
    import dns.name

    try:
        return dns.name.from_text(text).canonicalize().to_text()
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"not a domain name ({error})") from None


class Attestation(NamedTuple):
    """What the operator states, and when."""

    date: datetime.date
    text: str

    def __str__(self) -> str:
        return f"{self.date.isoformat()} {self.text}"


_ITEM = re.compile(r"2-\d{1,2}", re.ASCII)
_ATTESTATION = re.compile(r"(\d{4}-\d{2}-\d{2})[:,]?\s+(\S.*)")
MAX_ATTESTATION = 500


def parse_item(value: object) -> str:
    """A number of the guideline: "2-22"."""
    text = _text(value)
    if not _ITEM.fullmatch(text):
        raise ValueError('not an item of the guideline, such as "2-22"')
    return text


def parse_attestation(value: object) -> Attestation:
    """ "2026-11-01 what is attested": a date and one line of text."""
    match = _ATTESTATION.fullmatch(_text(value).strip())
    if match is None or not match[2].isprintable() or len(match[2]) > MAX_ATTESTATION:
        raise ValueError(f"not a date and then one line of text of at most {MAX_ATTESTATION} characters")
    try:
        return Attestation(datetime.date.fromisoformat(match[1]), match[2])
    except ValueError:
        raise ValueError(f"{match[1]} is no date") from None


def _show_attestations(table: Mapping[str, Attestation]) -> dict[str, str]:
    return {item: str(attested) for item, attested in table.items()}


_NSID = re.compile(rf"[\x20-\x7e]{{0,{MAX_NSID_OCTETS}}}")


def parse_nsid(value: object) -> str:
    text = _text(value)
    if not _NSID.fullmatch(text):
        raise ValueError("too long or not printable ASCII")
    return text


_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}", re.ASCII)


def parse_user(value: object) -> str | None:
    text = _text(value)
    if text and not _USER.fullmatch(text):
        raise ValueError("not a user name")
    return text or None


def parse_path(value: object) -> Path:
    text = _text(value)
    if not text or not text.isprintable():
        raise ValueError("empty or not printable")
    return Path(text)


def parse_optional_file(value: object) -> Path | None:
    return None if value == "" else parse_path(value)


def parse_socket_path(value: object) -> Path | None:
    if value == "":
        return None
    path = parse_path(value)
    if len(str(path).encode("utf-8", "replace")) > MAX_SOCKET_PATH_OCTETS:
        raise ValueError(f"longer than the {MAX_SOCKET_PATH_OCTETS} octets a Unix socket's path may have")
    return path


def parse_file_or_builtin(value: object) -> Path | Literal["builtin"]:
    return "builtin" if value == "builtin" else parse_path(value)


def parse_files_or_builtin(value: object) -> tuple[Path, ...] | Literal["builtin"]:
    if value == "builtin":
        return "builtin"
    if isinstance(value, list):
        if not value:
            raise ValueError("empty")
        return tuple(parse_path(item) for item in value)
    return (parse_path(value),)


def _show_list(items: tuple[object, ...]) -> list[str]:
    return [str(item) for item in items]


def _show_servers(table: Mapping[str, tuple[ServerAddress, ...]]) -> dict[str, list[str]]:
    return {zone: _show_list(servers) for zone, servers in table.items()}


def _show_or_empty(value: object) -> str:
    return "" if value is None else str(value)


def _show_files(value: tuple[Path, ...] | str) -> str | list[str]:
    return value if isinstance(value, str) else _show_list(value)


_ZoneText = Annotated[str, PlainValidator(parse_zone)]
_Server = Annotated[ServerAddress, PlainValidator(parse_server_address)]

Flag = Annotated[bool, Strict(), Kind("boolean", "true or false")]
Count = Annotated[int, Strict(), Kind("number", "a whole number")]
Ratio = Annotated[float, PlainValidator(parse_ratio), Kind("share", "a share such as 0.02 (or 0 for none)")]
Duration = Annotated[
    float, PlainValidator(parse_duration), Kind("duration", 'a duration such as "500ms", "90s", "1h"', show_duration)
]
"""Seconds."""
Seconds = Annotated[
    int,
    PlainValidator(parse_seconds),
    Kind("seconds", 'whole seconds, as a number or such as "1h"', lambda value: value),
]
"""Whole seconds: a TTL."""
Size = Annotated[int, PlainValidator(parse_size), Kind("size", 'a size such as "256M" or "1G"', show_size)]
"""Octets."""
Endpoints = Annotated[
    tuple[Annotated[Endpoint, PlainValidator(parse_endpoint)], ...],
    Kind("list of address:port", 'a list of address:port such as ["127.0.0.1:53", "[::1]:53"]', _show_list),
]
OptionalEndpoint = Annotated[
    Endpoint | None,
    PlainValidator(parse_endpoint_or_off),
    Kind("address:port", 'address:port such as "127.0.0.1:9153" or "[::1]:9153", or "" for off', _show_or_empty),
]
Prefixes = Annotated[
    tuple[Annotated[Prefix, PlainValidator(parse_prefix)], ...],
    Kind("list of prefixes", 'a list of address prefixes such as ["192.0.2.0/24", "2001:db8::/32"]', _show_list),
]
Addresses = Annotated[
    tuple[_Server, ...],
    Kind("list of addresses", 'a list of IP addresses such as ["192.0.2.1", "[2001:db8::1]:123"]', _show_list),
]
LimitNames = Annotated[
    tuple[Annotated[str, PlainValidator(parse_limit)], ...],
    Kind("list of limits", 'a list of limits\' names such as ["packets-per-query"]', _show_list),
]
Zones = Annotated[tuple[_ZoneText, ...], Kind("list of names", 'a list of domain names such as ["example.jp"]', _show_list)]
ServerTable = Annotated[
    Mapping[_ZoneText, Annotated[tuple[_Server, ...], Field(min_length=1)]],
    Kind(
        "table of zone = [addresses]",
        'a table of zone = [addresses] such as { "example.jp" = ["192.0.2.1", "192.0.2.2@5353"] }',
        _show_servers,
    ),
]
Attestations = Annotated[
    Mapping[Annotated[str, PlainValidator(parse_item)], Annotated[Attestation, PlainValidator(parse_attestation)]],
    Kind(
        "table of item = text",
        'a table of item = "date text" such as { "2-20" = "2026-11-01 on-call reads the operators\' list" }',
        _show_attestations,
    ),
]
Nsid = Annotated[str, PlainValidator(parse_nsid), Kind("text", f"at most {MAX_NSID_OCTETS} printable ASCII characters")]
User = Annotated[str | None, PlainValidator(parse_user), Kind("text", 'a user name, or ""', _show_or_empty)]
Directory = Annotated[Path, PlainValidator(parse_path), Kind("directory", "a directory's path", str)]
SocketPath = Annotated[
    Path | None,
    PlainValidator(parse_socket_path),
    Kind("path", 'a path of at most 107 octets, or "" for off', _show_or_empty),
]
OptionalFile = Annotated[
    Path | None, PlainValidator(parse_optional_file), Kind("file", 'a file\'s path, or ""', _show_or_empty)
]
BuiltinOrFile = Annotated[
    Path | Literal["builtin"], PlainValidator(parse_file_or_builtin), Kind("file", '"builtin" or a file\'s path', str)
]
BuiltinOrFiles = Annotated[
    tuple[Path, ...] | Literal["builtin"],
    PlainValidator(parse_files_or_builtin),
    Kind("file or list of files", '"builtin", a file\'s path or a list of paths', _show_files),
]
