"""What is said about a configuration that is wrong: which key, in which line, and what would be right."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from resolver.config import Config, ConfigError, Finding, load, parse


@dataclass(frozen=True)
class Case:
    toml: str
    line: int | None
    key: str
    problem: str
    also: str = ""
    """In the message: the allowed range, the source or the hint."""


CASES = {
    # unknown keys
    "misspelt": Case("[cache]\nmax-tll = 3", 2, "cache.max-tll", "unknown option", 'did you mean "max-ttl"?'),
    "underscores": Case("[server]\nmax_udp_size = 512", 2, "server.max_udp_size", "unknown option", '"max-udp-size"'),
    "other section": Case("[server]\nmax-ttl = 3", 2, "server.max-ttl", "unknown option", "it belongs in [cache]"),
    "two homes": Case("listen = []", 1, "listen", "unknown option", "it belongs in [server] or [metrics]"),
    "misspelt section": Case("[chache]", 1, "chache", "unknown section", 'did you mean "cache"?'),
    "section misplaced": Case("[nta]", 1, "nta", "unknown section", "did you mean [trust.nta]?"),
    "no idea": Case("[cache]\nzzz = 3", 2, "cache.zzz", "unknown option"),
    "quoted dots": Case('"server.listen" = 3', 1, '"server.listen"', "unknown option"),
    "quoted section": Case('["trust.nta"]', 1, '"trust.nta"', "unknown section"),
    "empty key": Case('[server]\n"" = 3', 2, 'server.""', "unknown option"),
    # wrong types
    "section as value": Case("server = 3", 1, "server", "a section, but given as a number", "write [server]"),
    "array of tables": Case("[[server]]", 1, "server", "a section, but given as a list", "write [server]"),
    "text for boolean": Case('[log]\nqueries = "no"', 2, "log.queries", "is text", "true or false"),
    "number for boolean": Case("[log]\nqueries = 1", 2, "log.queries", "is a number", "true or false"),
    "boolean for number": Case("[server]\nworkers = true", 2, "server.workers", "is a boolean", "0 to 256"),
    "text for number": Case('[server]\nworkers = "4"', 2, "server.workers", "is text", "0 to 256"),
    "fraction for number": Case("[server]\nworkers = 1.0", 2, "server.workers", "is a number", "0 to 256"),
    "text for list": Case('[server]\nlisten = "127.0.0.1:53"', 2, "server.listen", "is text", "a list of address:port"),
    "table for list": Case("[access]\nallow = {}", 2, "access.allow", "is a table", "a list of address prefixes"),
    "list for table": Case("[upstream]\nstub = []", 2, "upstream.stub", "is a list", "a table of zone"),
    "date for text": Case("[server]\nnsid = 2026-01-01", 2, "server.nsid", "not text but a date or time"),
    "number for choice": Case("[log]\nlevel = 3", 2, "log.level", "is a number", '"debug", "info"'),
    # ranges
    "EDNS too large": Case(
        "[server]\nmax-udp-size = 4096", 2, "server.max-udp-size", "too large", "512 to 1232 (guideline 2-4"
    ),
    "EDNS just too large": Case("[server]\nmax-udp-size = 1233", 2, "server.max-udp-size", "too large", "guideline 2-4"),
    "EDNS too small": Case("[upstream]\nedns-buffer = 511", 2, "upstream.edns-buffer", "too small", "guideline 2-4"),
    "port": Case("[upstream]\nport = 0", 2, "upstream.port", "too small", "1 to 65535"),
    "negative TTL": Case("[cache]\nmin-ttl = -1", 2, "cache.min-ttl", "too small", "0 to 86400"),
    "TTL": Case('[cache]\nmax-ttl = "8d"', 2, "cache.max-ttl", "too large", "0 to 604800"),
    "size": Case('[cache]\nsize = "1K"', 2, "cache.size", "too small", "1M to 1T"),
    "duration": Case('[server]\ntcp-idle-timeout = "1h"', 2, "server.tcp-idle-timeout", "too large", "100ms to 10m"),
    "huge": Case("[server]\nworkers = 99999999999999999999999", 2, "server.workers", "too large", "0 to 256"),
    "nothing to listen on": Case("[server]\nlisten = []", 2, "server.listen", "too few", "at least 1"),
    "choice": Case(
        '[log]\nlevel = "loud"', 2, "log.level", "not one of the choices", '"debug", "info", "warning" or "error"'
    ),
    # items
    "item": Case(
        '[server]\nlisten = [\n  "127.0.0.1:53",\n  "::1",\n]',
        2,
        "server.listen[1]",
        "no port",
        '["127.0.0.1:53", "[::1]:53"]',
    ),
    "prefix": Case('[access]\nallow = ["192.0.2.1/24"]', 2, "access.allow[0]", 'did you mean "192.0.2.0/24"?'),
    "zone": Case('[upstream.stub]\n"a..b" = ["192.0.2.1"]', 2, 'upstream.stub."a..b"', "not a domain name"),
    "zone's server": Case(
        '[upstream]\nstub = { "example.jp" = ["192.0.2.1", "ns"] }', 2, 'upstream.stub."example.jp"[1]', "not an IP address"
    ),
    "zone without servers": Case('[upstream.forward]\n"." = []', 2, 'upstream.forward."."', "empty"),
    "zone's servers not a list": Case('[upstream.stub]\njp = "192.0.2.1"', 2, "upstream.stub.jp", "is text"),
    "zone twice": Case(
        '[upstream.stub]\n"example.jp" = ["192.0.2.1"]\n"Example.JP." = ["192.0.2.1"]',
        1,
        "upstream.stub",
        "names a zone twice",
    ),
    # contradictions
    "TTL bounds": Case("[cache]\nmin-ttl = 60\nmax-ttl = 30", 2, "cache.min-ttl", "above max-ttl, which is 30"),
    "no address family": Case("[upstream]\nipv6 = false\nipv4 = false", 3, "upstream.ipv4", "no server could be asked"),
    "NTA lifetime": Case(
        '[trust.nta]\nmax-lifetime = "30m"', 2, "trust.nta.default-lifetime", "above max-lifetime, which is 30m", "RFC 7646"
    ),
    "NTA for the root": Case(
        '[trust.nta]\nstatic = ["."]', 2, "trust.nta.static", "switch off validation", "guideline 2-1"
    ),
    "TCP caps": Case("[server]\ntcp-connections = 10", 2, "server.tcp-per-client", "above tcp-connections, which is 10"),
    "stub and forward": Case(
        '[upstream]\nstub.jp = ["192.0.2.1"]\nforward."JP." = ["192.0.2.2"]', 1, "upstream.stub", "in stub and in forward"
    ),
    "stub over the wrong family": Case(
        '[upstream]\nipv6 = false\nstub.jp = ["2001:db8::1"]', 1, "upstream.stub", "no usable server for jp.: ipv6 is off"
    ),
    "stub that is forbidden": Case(
        '[upstream]\ndo-not-query = ["192.0.2.0/24"]\nstub.jp = ["192.0.2.1"]', 1, "upstream.stub", "do-not-query forbids"
    ),
    "forward to itself": Case('[upstream]\nforward."." = ["127.0.0.1"]', 1, "upstream.forward", "round in circles"),
    "forward to itself by any address": Case(
        '[server]\nlisten = ["0.0.0.0:53"]\n[upstream]\nforward."." = ["127.0.0.9"]',
        3,
        "upstream.forward",
        "round in circles",
    ),
    "listen twice": Case('[server]\nlisten = ["[::1]:53", "[0::1]:53"]', 2, "server.listen", "listed twice"),
    "probe both": Case('[probe]\nsecure = ["a.jp"]\nbogus = ["A.jp."]', 3, "probe.bogus", "in secure and in bogus"),
    "metrics on the DNS port": Case('[metrics]\nlisten = "127.0.0.1:53"', 2, "metrics.listen", "taken by server.listen"),
    # the system
    "no such user": Case('[server]\nuser = "nobody-of-this-name"', 2, "server.user", "no such user"),
    "no such file": Case('[trust]\nanchors = ["/nowhere/root.ds"]', 2, "trust.anchors", "no such file"),
    "a directory": Case('[upstream]\nroot-hints = "/"', 2, "upstream.root-hints", "a directory, not a file"),
}


def findings(toml: str, *overrides: str) -> tuple[Finding, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(toml, file=Path("/etc/akashi.toml"), overrides=overrides)
    assert str(caught.value) == "\n".join(map(str, caught.value.findings))
    return caught.value.findings


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_mistake_is_named_with_its_place(case: Case) -> None:
    [finding] = findings(case.toml)
    assert (finding.key, finding.line, finding.file) == (case.key, case.line, "/etc/akashi.toml")
    assert case.problem in finding.problem
    assert str(finding).startswith(f"/etc/akashi.toml:{case.line}: {case.key}")
    assert case.also in str(finding)


# What a contradiction's neighbours look like when they are in order.
GOOD = {
    "TTLs": "[cache]\nmin-ttl = 30\nmax-ttl = 30",
    "one family": "[upstream]\nipv6 = false",
    "NTA": '[trust.nta]\nmax-lifetime = "1h"\nstatic = ["jp"]',
    "TCP": "[server]\ntcp-connections = 25",
    "stub and forward of two zones": '[upstream]\nstub.jp = ["192.0.2.1"]\nforward.com = ["192.0.2.1", "2001:db8::1"]',
    "stub with one server of the family": '[upstream]\nipv6 = false\nstub.jp = ["2001:db8::1", "192.0.2.1"]',
    "forward to a neighbour": '[upstream]\nforward."." = ["127.0.0.1@5353", "127.0.0.2"]',
    "free ports": '[server]\nlisten = ["127.0.0.1:0", "127.0.0.1:0"]\n[metrics]\nlisten = "127.0.0.1:0"',
    "metrics off": '[metrics]\nlisten = ""\n[control]\nsocket = ""',
    "the limits themselves": "[server]\nmax-udp-size = 512\n[upstream]\nedns-buffer = 1232",
    "a file that is there": f'[upstream]\nroot-hints = "{__file__}"',
}


@pytest.mark.parametrize("toml", GOOD.values(), ids=GOOD.keys())
def test_what_is_in_order_is_accepted(toml: str) -> None:
    assert parse(toml) != Config()


def test_everything_is_reported_at_once_in_the_order_of_the_file() -> None:
    toml = textwrap.dedent("""\
        [log]
        level = "loud"
        [cache]
        min-ttl = 20
        max-ttl = 10
        tll = 3
        [server]
        listen = ["x", "y"]
        """)
    found = findings(toml, "server.nsi=x", "server.workers=-1")
    assert [(finding.line, finding.key) for finding in found] == [
        (2, "log.level"),
        (4, "cache.min-ttl"),
        (6, "cache.tll"),
        (8, "server.listen[0]"),
        (8, "server.listen[1]"),
        (None, "server.nsi"),
        (None, "server.workers"),
    ]
    assert [finding.file for finding in found[-2:]] == ["--set server.nsi=x", "--set server.workers=-1"]


def test_a_contradiction_with_a_refused_value_is_not_told() -> None:
    [finding] = findings('[cache]\nmin-ttl = 999\nmax-ttl = "soon"')
    assert finding.key == "cache.max-ttl"


@pytest.mark.parametrize(
    ("toml", "line", "problem"),
    [
        ("[server\n", 1, "not TOML"),
        ("[server]\nworkers = 1\nworkers = 2\n", 3, "not TOML"),
        ("[server]\nlisten = [\n", None, "not TOML"),
        ("x = " + "[" * 5000, None, "not TOML: nested too deeply"),
        ("x = " + "9" * 5000, None, "not TOML"),
    ],
)
def test_a_file_that_is_no_toml(toml: str, line: int | None, problem: str) -> None:
    [finding] = findings(toml)
    assert problem in finding.problem
    assert finding.line == line


def test_a_broken_file_does_not_hide_a_broken_override() -> None:
    assert [finding.key for finding in findings("[", "server.workers=x")] == ["", "server.workers"]


class TestFiles:
    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
            load(tmp_path / "none.toml")

    def test_directory(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            load(tmp_path)

    def test_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "a.toml").write_bytes(b"# caf\xe9\n")
        with pytest.raises(ConfigError, match="not UTF-8 at octet 5"):
            load(tmp_path / "a.toml")

    def test_impossible_name(self) -> None:
        with pytest.raises(ConfigError, match="not a file name"):
            load(Path("a\0b"))

    def test_default_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import resolver.config.loading as module

        monkeypatch.setattr(module, "DEFAULT_FILE", tmp_path / "akashi.toml")
        assert load() == Config()
        (tmp_path / "akashi.toml").write_text("[server]\nworkers = 3\n")
        assert load().server.workers == 3

    def test_relative_paths_start_from_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "conf").mkdir()
        for name in ("conf/root.hints", "conf/a.ds", "b.ds"):
            (tmp_path / name).touch()
        (tmp_path / "conf" / "akashi.toml").write_text(
            '[upstream]\nroot-hints = "root.hints"\n[trust]\nanchors = ["a.ds", "../b.ds"]\nstate-dir = "state"\n'
        )
        config = load(tmp_path / "conf" / "akashi.toml")
        assert config.upstream.root_hints == tmp_path / "conf" / "root.hints"
        assert config.trust.anchors == (tmp_path / "conf" / "a.ds", tmp_path / "conf" / "../b.ds")
        assert config.trust.state_dir == tmp_path / "conf" / "state"
        monkeypatch.chdir(tmp_path)
        assert load(Path("conf/akashi.toml"), ["trust.anchors=b.ds"]).trust.anchors == (tmp_path / "b.ds",)

    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import resolver.config.environment as module

        (tmp_path / "a.ds").touch()
        monkeypatch.setattr(module.os, "access", lambda *_: False)  # root may read everything
        with pytest.raises(ConfigError, match="may not be read by this user"):
            parse("", overrides=[f"trust.anchors={tmp_path / 'a.ds'}"])


def test_long_and_strange_values_stay_on_one_short_line() -> None:
    [finding] = findings('[server]\nnsid = "' + "x" * 9000 + '"')
    assert len(str(finding)) < 400
    [finding] = findings('[cache]\n"\\u001b[31m\\n" = 3')
    assert "\x1b" not in str(finding) and "\n" not in str(finding)


def test_a_finding_as_json() -> None:
    [finding] = findings("[server]\nmax-udp-size = 4096")
    assert finding.as_json() == {
        "file": "/etc/akashi.toml",
        "line": 2,
        "key": "server.max-udp-size",
        "value": "4096",
        "problem": "too large",
        "allowed": "512 to 1232",
        "source": "guideline 2-4, guideline 2-5, RFC 9715",
        "hint": None,
    }
