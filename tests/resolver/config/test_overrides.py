"""`--set section.key=value`: TOML where it is TOML, text where it is not."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from resolver.config import Config, ConfigError, Endpoint, ServerAddress, parse


@pytest.mark.parametrize(
    ("override", "section", "attribute", "value"),
    [
        ("server.workers=4", "server", "workers", 4),
        ("server.workers = 4 ", "server", "workers", 4),
        ("log.queries=true", "log", "queries", True),
        ("log.level=debug", "log", "level", "debug"),
        ('log.level="debug"', "log", "level", "debug"),
        ("server.tcp-idle-timeout=2500ms", "server", "tcp_idle_timeout", 2.5),
        ("server.tcp-idle-timeout=2.5", "server", "tcp_idle_timeout", 2.5),
        ("cache.size=64M", "cache", "size", 64 * 1024**2),
        ("server.nsid=tokyo-1", "server", "nsid", "tokyo-1"),
        ("server.nsid=1", "server", "nsid", "1"),
        ("server.nsid=true", "server", "nsid", "true"),
        ("server.nsid=a=b", "server", "nsid", "a=b"),
        ('server.nsid=""', "server", "nsid", ""),
        ("server.nsid=", "server", "nsid", ""),
        ("server.listen=127.0.0.1:5300", "server", "listen", (Endpoint("127.0.0.1", 5300),)),
        ("server.listen=127.0.0.1:1,[::1]:2", "server", "listen", (Endpoint("127.0.0.1", 1), Endpoint("::1", 2))),
        ('server.listen=["127.0.0.1:1"]', "server", "listen", (Endpoint("127.0.0.1", 1),)),
        ("access.allow=", "access", "allow", ()),
        ("access.allow=192.0.2.0/24, ::/0", "access", "allow", (ip_network("192.0.2.0/24"), ip_network("::/0"))),
        ("metrics.listen=", "metrics", "listen", None),
        ("metrics.listen=127.0.0.1:1", "metrics", "listen", Endpoint("127.0.0.1", 1)),
        ("upstream.stub.example.jp=192.0.2.1", "upstream", "stub", {"example.jp.": (ServerAddress("192.0.2.1", None),)}),
        (
            "upstream.stub.'example.jp'=[\"192.0.2.1\"]",
            "upstream",
            "stub",
            {"example.jp.": (ServerAddress("192.0.2.1", None),)},
        ),
        ("upstream.forward..=192.0.2.1@5353", "upstream", "forward", {".": (ServerAddress("192.0.2.1", 5353),)}),
        ('upstream.stub={jp=["192.0.2.1"]}', "upstream", "stub", {"jp.": (ServerAddress("192.0.2.1", None),)}),
        ("upstream.root-hints=builtin", "upstream", "root_hints", "builtin"),
        ("trust.state-dir=state", "trust", "state_dir", Path.cwd() / "state"),
    ],
)
def test_an_override_sets_its_option(override: str, section: str, attribute: str, value: object) -> None:
    assert getattr(getattr(parse("", overrides=[override]), section), attribute) == value


def test_nested_section() -> None:
    assert parse("", overrides=["trust.nta.max-lifetime=2h"]).trust.nta.max_lifetime == 7200


def test_an_override_goes_before_the_file_and_the_last_before_the_first() -> None:
    toml = "[server]\nworkers = 1\nnsid = 'a'\n"
    config = parse(toml, overrides=["server.workers=2", "server.workers=3"])
    assert (config.server.workers, config.server.nsid) == (3, "a")


def test_an_override_mends_a_mistake_in_the_file() -> None:
    assert parse("[server]\nworkers = -1\n", overrides=["server.workers=1"]).server.workers == 1


def test_a_table_entry_is_added_to_the_file() -> None:
    config = parse('[upstream.stub]\ncom = ["192.0.2.1"]', overrides=["upstream.stub.jp=192.0.2.2"])
    assert set(config.upstream.stub) == {"com.", "jp."}


@pytest.mark.parametrize(
    ("override", "key", "problem"),
    [
        ("server", "", "not of the form section.key=value"),
        ("=3", "", "not of the form"),
        ("", "", "not of the form"),
        ("server=3", "server", "names a section"),
        ("trust.nta={}", "trust.nta", "names a section"),
        ("workers=3", "workers", "unknown option"),
        ("server.worker=3", "server.worker", "unknown option"),
        ("server.workers.x=3", "server.workers", "is a table"),
        ("server.workers=many", "server.workers", "is text"),
        ("server.workers=", "server.workers", "is text"),
        ("server.workers=1\nuser = 'root'", "server.workers", "is text"),
        ("upstream.stub.=192.0.2.1", 'upstream.stub.""', "empty"),
        ("upstream.stub.jp=ns", "upstream.stub.jp[0]", "not an IP address"),
        ("cache.min-ttl=2d", "cache.min-ttl", "too large"),
    ],
)
def test_a_wrong_override_is_named(override: str, key: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("", overrides=[override])
    [finding] = caught.value.findings
    assert finding.key == key
    assert problem in finding.problem
    assert finding.file == f"--set {override}"


def test_an_override_does_not_hide_that_the_file_has_no_such_section() -> None:
    with pytest.raises(ConfigError, match="a section, but given as a number"):
        parse("server = 3", overrides=["server.workers=1"])


def test_no_override_no_change() -> None:
    assert parse("", overrides=[]) == Config()
