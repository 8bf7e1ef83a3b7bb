"""The kinds of value of `[policy]`: policy zones, local zones and data, prefixes of DNS64.

Limitations: local data is read by dnspython, as zone files are, and only when there is some.

RFC 8945 (TSIG), RFC 6052 §2.2 (lengths of prefixes).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import PlainValidator

from resolver.config.values import (
    Kind,
    ServerAddress,
    parse_path,
    parse_seconds,
    parse_server_address,
    parse_zone,
    type_name,
)

OVERRIDES = ("given", "nxdomain", "nodata", "passthru", "drop", "tcp-only", "disabled")
EXTENDED_ERRORS: Mapping[str, int | None] = {"blocked": 15, "censored": 16, "filtered": 17, "forged": 4, "none": None}
"""RFC 8914 §4.5, §4.16 to §4.18."""
LOCAL_KINDS = ("static", "transparent", "redirect", "nxdomain", "nodata", "refuse", "deny", "passthru")
TSIG_ALGORITHMS = ("hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
DNS64_LENGTHS = (32, 40, 48, 56, 64, 96)
MAX_TTL = 86400


@dataclass(frozen=True, slots=True)
class Tsig:
    """A key that transfers are signed with. `secret`: base64."""

    name: str
    algorithm: str
    secret: str

    def __str__(self) -> str:
        return f"{self.name}:{self.algorithm}:{self.secret}"


@dataclass(frozen=True, slots=True)
class PolicyZoneSource:
    """One response policy zone: where it comes from, and what is made of it. Either `file` or `primaries`."""

    zone: str
    file: Path | None = None
    primaries: tuple[ServerAddress, ...] = ()
    tsig: Tsig | None = None
    action: str = "given"
    extended_error: str = "blocked"
    max_ttl: int = 60
    break_dnssec: bool = True

    @property
    def ede(self) -> int | None:
        """The INFO-CODE of what is refused."""
        return EXTENDED_ERRORS[self.extended_error]

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return str(self.file) if self.file is not None else ", ".join(map(str, self.primaries))


def parse_tsig(value: object) -> Tsig:
    """A key, "name:hmac-sha256:base64"."""
    if not isinstance(value, str):
        raise ValueError(f"tsig is {type_name(value)}, not text")
    parts = value.split(":")
    if len(parts) != 3:
        raise ValueError('tsig is not of the form "name:algorithm:base64"')
    name, algorithm, secret = parts
    if algorithm not in TSIG_ALGORITHMS:
        raise ValueError(f"tsig: the algorithm is one of {', '.join(TSIG_ALGORITHMS)}")
    try:
        if not base64.b64decode(secret, validate=True):
            raise ValueError("tsig: the secret is empty")
    except binascii.Error:
        raise ValueError("tsig: the secret is not base64") from None
    return Tsig(parse_zone(name), algorithm, secret)


def parse_policy_zone(value: object) -> PolicyZoneSource:
    """One table of `[[policy.zones]]`."""
    if isinstance(value, PolicyZoneSource):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"not a table but {type_name(value)}")
    known = ("zone", "file", "primaries", "tsig", "action", "extended-error", "max-ttl", "break-dnssec")
    for key in value:
        if key not in known:
            raise ValueError(f"there is no {key!r} in a policy zone; there is {', '.join(known)}")
    if "zone" not in value:
        raise ValueError("without a zone")
    if ("file" in value) == ("primaries" in value):
        raise ValueError("either file or primaries is needed")
    given: dict[str, Any] = {"zone": parse_zone(value["zone"])}
    if given["zone"] == ".":
        raise ValueError("the root is no policy zone")
    if "file" in value:
        given["file"] = parse_path(value["file"])
    else:
        servers = value["primaries"] if isinstance(value["primaries"], list) else [value["primaries"]]
        if not servers:
            raise ValueError("primaries is empty")
        given["primaries"] = tuple(parse_server_address(server) for server in servers)
    if "tsig" in value:
        if "file" in value:
            raise ValueError("tsig is for transfers, and this is a file")
        given["tsig"] = parse_tsig(value["tsig"])
    if "action" in value:
        given["action"] = _one_of(value["action"], "action", OVERRIDES)
    if "extended-error" in value:
        given["extended_error"] = _one_of(value["extended-error"], "extended-error", tuple(EXTENDED_ERRORS))
    if "max-ttl" in value:
        given["max_ttl"] = parse_seconds(value["max-ttl"])
        if not 1 <= given["max_ttl"] <= MAX_TTL:
            raise ValueError("max-ttl is 1s to 1d")
    if "break-dnssec" in value:
        if not isinstance(value["break-dnssec"], bool):
            raise ValueError("break-dnssec is true or false")
        given["break_dnssec"] = value["break-dnssec"]
    return PolicyZoneSource(**given)


def _one_of(value: object, key: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"{key} is one of {', '.join(choices)}")
    return str(value)


def _show_policy_zones(zones: tuple[PolicyZoneSource, ...]) -> list[dict[str, object]]:
    """As they would be written, but for the secret, which is for nobody's eyes."""
    shown: list[dict[str, object]] = []
    for zone in zones:
        table: dict[str, object] = {"zone": zone.zone}
        if zone.file is not None:
            table["file"] = str(zone.file)
        else:
            table["primaries"] = [str(server) for server in zone.primaries]
        if zone.tsig is not None:
            table["tsig"] = f"{zone.tsig.name}:{zone.tsig.algorithm}:…"
        table |= {"action": zone.action, "extended-error": zone.extended_error}
        table |= {"max-ttl": zone.max_ttl, "break-dnssec": zone.break_dnssec}
        shown.append(table)
    return shown


def parse_local_kind(value: object) -> str:
    """What is done with a local zone."""
    if value not in LOCAL_KINDS:
        raise ValueError(f"not one of {', '.join(LOCAL_KINDS)}")
    return str(value)


def parse_record(value: object) -> str:
    """A record in zone-file format: "printer.example.jp 300 A 192.0.2.7"."""
    if not isinstance(value, str):
        raise ValueError(f"not text but {type_name(value)}")
    from wire.text import rrsets_from_text

    try:
        rrsets = rrsets_from_text(value)
    except ValueError as error:
        raise ValueError(f"not a record ({error})") from None
    if len(rrsets) != 1 or len(rrsets[0].rdatas) != 1:
        raise ValueError("not one record")
    return value


def parse_dns64_prefix(value: object) -> ipaddress.IPv6Network:
    """A prefix under which addresses are made."""
    try:
        network = ipaddress.IPv6Network(value)
    except (ValueError, TypeError):
        raise ValueError("not an IPv6 prefix") from None
    if network.prefixlen not in DNS64_LENGTHS:
        raise ValueError(f"a prefix of DNS64 has {', '.join(map(str, DNS64_LENGTHS))} bits (RFC 6052 §2.2)")
    if network.prefixlen == 96 and network.network_address.packed[8]:
        raise ValueError("bits 64 to 71 of a prefix of DNS64 are zero (RFC 6052 §2.2)")
    return network


def parse_v6_prefix(value: object) -> ipaddress.IPv6Network:
    try:
        return ipaddress.IPv6Network(value)
    except (ValueError, TypeError):
        raise ValueError("not an IPv6 prefix") from None


def parse_v4_prefix(value: object) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(value)
    except (ValueError, TypeError):
        raise ValueError("not an IPv4 prefix") from None


def _show_list(items: tuple[object, ...]) -> list[str]:
    return [str(item) for item in items]


_ZoneText = Annotated[str, PlainValidator(parse_zone)]

PolicyZones = Annotated[
    tuple[Annotated[PolicyZoneSource, PlainValidator(parse_policy_zone)], ...],
    Kind(
        "list of policy zones",
        'tables such as [[policy.zones]] with zone = "rpz.example" and file = "rpz.zone" or primaries = ["192.0.2.1"]',
        _show_policy_zones,
    ),
]
LocalZoneTable = Annotated[
    Mapping[_ZoneText, Annotated[str, PlainValidator(parse_local_kind)]],
    Kind("table of zone = kind", 'a table of zone = kind such as { "corp.example" = "static" }', dict),
]
Records = Annotated[
    tuple[Annotated[str, PlainValidator(parse_record)], ...],
    Kind("list of records", 'a list of records such as ["printer.corp.example 300 A 192.0.2.7"]', _show_list),
]
Dns64Prefixes = Annotated[
    tuple[Annotated[ipaddress.IPv6Network, PlainValidator(parse_dns64_prefix)], ...],
    Kind(
        "list of prefixes", 'a list of IPv6 prefixes of 32, 40, 48, 56, 64 or 96 bits, such as ["64:ff9b::/96"]', _show_list
    ),
]
V6Prefixes = Annotated[
    tuple[Annotated[ipaddress.IPv6Network, PlainValidator(parse_v6_prefix)], ...],
    Kind("list of prefixes", 'a list of IPv6 prefixes such as ["2001:db8::/32"]', _show_list),
]
V4Prefixes = Annotated[
    tuple[Annotated[ipaddress.IPv4Network, PlainValidator(parse_v4_prefix)], ...],
    Kind("list of prefixes", 'a list of IPv4 prefixes such as ["10.0.0.0/8"]', _show_list),
]
