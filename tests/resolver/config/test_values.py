"""Each kind of value: what is read, what is refused, and that what is shown reads back as it was."""

import tomllib
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.config import Endpoint, ServerAddress
from resolver.config import values as v

GOOD: list[tuple[Callable[[object], Any], object, object]] = [
    (v.parse_duration, "500ms", 0.5),
    (v.parse_duration, "90s", 90.0),
    (v.parse_duration, "1h30m", 5400.0),
    (v.parse_duration, "7d", 604800.0),
    (v.parse_duration, "2W", 1209600.0),
    (v.parse_duration, "1.5h", 5400.0),
    (v.parse_duration, "15", 15.0),
    (v.parse_duration, 15, 15.0),
    (v.parse_duration, 0.25, 0.25),
    (v.parse_seconds, "1d", 86400),
    (v.parse_seconds, 0, 0),
    (v.parse_size, "256M", 256 * 1024**2),
    (v.parse_size, "1GiB", 1024**3),
    (v.parse_size, "64 kb", 65536),
    (v.parse_size, "4096", 4096),
    (v.parse_size, 4096, 4096),
    (v.parse_ratio, 0, 0.0),
    (v.parse_ratio, 0.025, 0.025),
    (v.parse_ratio, 1, 1.0),
    (v.parse_endpoint, "127.0.0.1:53", Endpoint("127.0.0.1", 53)),
    (v.parse_endpoint, "[::1]:53", Endpoint("::1", 53)),
    (v.parse_endpoint, "[2001:DB8:0::1]:0", Endpoint("2001:db8::1", 0)),
    (v.parse_endpoint_or_off, "", None),
    (v.parse_server_address, "192.0.2.1", ServerAddress("192.0.2.1", None)),
    (v.parse_server_address, "192.0.2.1:5353", ServerAddress("192.0.2.1", 5353)),
    (v.parse_server_address, "192.0.2.1@5353", ServerAddress("192.0.2.1", 5353)),
    (v.parse_server_address, "2001:db8::1", ServerAddress("2001:db8::1", None)),
    (v.parse_server_address, "2001:db8::1@5353", ServerAddress("2001:db8::1", 5353)),
    (v.parse_server_address, "[2001:db8::1]:5353", ServerAddress("2001:db8::1", 5353)),
    (v.parse_server_address, "[2001:db8::1]", ServerAddress("2001:db8::1", None)),
    (v.parse_prefix, "192.0.2.0/24", ip_network("192.0.2.0/24")),
    (v.parse_prefix, "192.0.2.1", ip_network("192.0.2.1/32")),
    (v.parse_prefix, "2001:db8::/32", ip_network("2001:db8::/32")),
    (v.parse_zone, "Example.JP", "example.jp."),
    (v.parse_zone, "example.jp.", "example.jp."),
    (v.parse_zone, ".", "."),
    (v.parse_zone, r"a\.b.example", r"a\.b.example."),
    (v.parse_zone, "xn--wgv71a119e.jp", "xn--wgv71a119e.jp."),
    (v.parse_nsid, "tokyo 1", "tokyo 1"),
    (v.parse_user, "", None),
    (v.parse_user, "_akashi", "_akashi"),
    (v.parse_path, "/var/lib/akashi", Path("/var/lib/akashi")),
    (v.parse_socket_path, "", None),
    (v.parse_socket_path, "/run/a.sock", Path("/run/a.sock")),
    (v.parse_file_or_builtin, "builtin", "builtin"),
    (v.parse_file_or_builtin, "root.hints", Path("root.hints")),
    (v.parse_files_or_builtin, "builtin", "builtin"),
    (v.parse_files_or_builtin, "a.xml", (Path("a.xml"),)),
    (v.parse_files_or_builtin, ["a.xml", "b.ds"], (Path("a.xml"), Path("b.ds"))),
]

BAD: list[tuple[Callable[[object], Any], object, str]] = [
    (v.parse_duration, "1 hour", "not a duration"),
    (v.parse_duration, "-1s", "not a duration"),
    (v.parse_duration, "", "not a duration"),
    (v.parse_duration, "١h", "not a duration"),
    (v.parse_duration, True, "not a duration"),
    (v.parse_duration, float("nan"), "not a duration"),
    (v.parse_duration, 10**400, "not a duration"),
    (v.parse_duration, [1], "not a duration"),
    (v.parse_seconds, "500ms", "whole"),
    (v.parse_size, "256X", "not a size"),
    (v.parse_size, 1.5, "not a size"),
    (v.parse_size, True, "not a size"),
    (v.parse_ratio, 1.01, "not a number from 0 to 1"),
    (v.parse_ratio, -0.1, "not a number from 0 to 1"),
    (v.parse_ratio, True, "not a number from 0 to 1"),
    (v.parse_ratio, "2%", "not a number from 0 to 1"),
    (v.parse_ratio, float("nan"), "not a number from 0 to 1"),
    (v.parse_endpoint, "127.0.0.1", "no port"),
    (v.parse_endpoint, "::1", "no port"),
    (v.parse_endpoint, "::1:53", "no port"),
    (v.parse_endpoint, "[::1]", "no port"),
    (v.parse_endpoint, "*:53", "0.0.0.0"),
    (v.parse_endpoint, ":53", "0.0.0.0"),
    (v.parse_endpoint, "localhost:53", "not an IP address"),
    (v.parse_endpoint, "[127.0.0.1]:53", "brackets"),
    (v.parse_endpoint, "127.0.0.1:65536", "0 to 65535"),
    (v.parse_endpoint, "127.0.0.1:", "0 to 65535"),
    (v.parse_endpoint, "127.0.0.1:٥٣", "0 to 65535"),
    (v.parse_endpoint, "127.0.0.1:-1", "0 to 65535"),
    (v.parse_endpoint, 53, "not text but a number"),
    (v.parse_server_address, "192.0.2.1:0", "1 to 65535"),
    (v.parse_server_address, "192.0.2.1@", "1 to 65535"),
    (v.parse_server_address, "ns.example.jp", "not an IP address"),
    (v.parse_server_address, "[2001:db8::1", "not an IP address|no port"),
    (v.parse_prefix, "192.0.2.1/24", 'did you mean "192.0.2.0/24"'),
    (v.parse_prefix, "192.0.2.0/33", "not an address prefix"),
    (v.parse_prefix, 4, "not text but a number"),
    (v.parse_zone, "", "root"),
    (v.parse_zone, "@", "root"),
    (v.parse_zone, "a..b", "not a domain name"),
    (v.parse_zone, "a" * 64, "not a domain name"),
    (v.parse_zone, ".".join(["a" * 63] * 4), "not a domain name"),
    (v.parse_zone, "日本.jp", "xn--"),
    (v.parse_zone, r"\9", "not a domain name"),
    (v.parse_nsid, "x" * 129, "too long"),
    (v.parse_nsid, "東京", "printable ASCII"),
    (v.parse_user, "Root User", "not a user name"),
    (v.parse_path, "", "empty"),
    (v.parse_path, "a\0b", "not printable"),
    (v.parse_socket_path, "/run/" + "a" * 103, "107"),
    (v.parse_files_or_builtin, [], "empty"),
    (v.parse_files_or_builtin, [3], "not text but a number"),
    (v.parse_files_or_builtin, {}, "not text but a table"),
]


@pytest.mark.parametrize(("parse", "written", "meant"), GOOD)
def test_reads(parse: Callable[[object], object], written: object, meant: object) -> None:
    value = parse(written)
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize(("parse", "written", "why"), BAD)
def test_refuses(parse: Callable[[object], object], written: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(written)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (90, "90s"), (5400, "90m"), (3600, "1h"), (604800, "7d"), (0.0005, "0.5ms")],
)
def test_shows_a_duration_in_its_shortest_form(seconds: float, text: str) -> None:
    assert v.show_duration(seconds) == text
    assert v.parse_duration(text) == seconds


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_a_shown_duration_reads_back(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert v.parse_duration(v.show_duration(seconds)) == pytest.approx(seconds, abs=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**50))
def test_a_shown_size_reads_back(octets: int) -> None:
    assert v.parse_size(v.show_size(octets)) == octets


@settings(deadline=None)
@given(st.ip_addresses(), st.integers(0, 65535))
def test_a_shown_endpoint_reads_back(address: object, port: int) -> None:
    endpoint = Endpoint(str(address), port)
    assert v.parse_endpoint(str(endpoint)) == endpoint


@settings(deadline=None)
@given(st.ip_addresses(), st.none() | st.integers(1, 65535))
def test_a_shown_server_reads_back(address: object, port: int | None) -> None:
    server = ServerAddress(str(address), port)
    assert v.parse_server_address(str(server)) == server


# What TOML can hold.
anything: st.SearchStrategy[object] = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.times() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("parse", sorted({parse for parse, *_ in GOOD}, key=lambda parse: parse.__name__))
@settings(deadline=None)
@given(value=anything)
def test_a_parser_raises_nothing_but_value_error(parse: Callable[[object], object], value: object) -> None:
    try:
        parse(value)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize("toml", ["true", "1", "1.5", '"x"', "[1]", "{}", "2026-01-01", "12:00:00"])
def test_every_toml_type_has_a_name(toml: str) -> None:
    name = v.type_name(tomllib.loads(f"x = {toml}")["x"])
    expected = {"true": "a boolean", "1": "a number", "1.5": "a number", '"x"': "text", "[1]": "a list", "{}": "a table"}
    assert name == expected.get(toml, "a date or time")
