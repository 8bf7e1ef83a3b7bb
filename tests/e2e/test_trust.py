"""Trust anchors in the running daemon, over UDP: what it starts with, what it learns, what it tells, and what it survives.

The whole rollover, with attackers, is `akashi lab drill root-rollover`.
"""

import functools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import pytest

import lab.internet
import lab.operations
import lab.server
from lab.internet import Internet
from resolver.cli.client import Client
from resolver.state.database import FILE
from tests.conftest import require_binary
from tests.resolver.daemon.process import LIMIT_S, Daemon

PREFIX = "127.95"
GOOD = "www.example.jp"
YEAR = 365 * 86400


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Every question that the lab's servers get, as (name, type)."""
    questions: list[tuple[str, str]] = []
    respond = lab.server.Responder.respond

    @functools.wraps(respond)
    def noted(self: Any, wire: bytes, peer: str, *, tcp: bool) -> bytes | None:
        (question,) = dns.message.from_wire(wire).question
        questions.append((question.name.to_text().lower(), question.rdtype.name))
        return respond(self, wire, peer, tcp=tcp)

    monkeypatch.setattr(lab.server.Responder, "respond", noted)
    return questions


class Stage:
    """A mini-Internet, a daemon on it that is started as often as a test likes, and the command line."""

    def __init__(self, directory: Path, net: Internet, server: lab.server.RunningServer) -> None:
        self.directory, self.net, self.server = directory, net, server
        self.state = directory / "state"
        self.state.mkdir()
        (directory / "hints").write_text(net.hints())
        self.anchor = directory / "anchor"
        self.anchor.write_text(net.anchor())
        self.socket = directory / "control.sock"
        self.daemon: Daemon | None = None

    def start(self, *more: str, clock: float | None = None) -> Daemon:
        """Start the daemon; `clock`: seconds that its wall clock is off."""
        environment = {} if clock is None else {"LD_PRELOAD": faketime(), "FAKETIME": f"{clock:+.0f}"}
        self.daemon = Daemon(
            f'upstream.root-hints="{self.directory / "hints"}"',
            f'trust.anchors="{self.anchor}"',
            f"upstream.port={self.server.port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
            f'trust.state-dir="{self.state}"',
            f'control.socket="{self.socket}"',
            *more,
            environment=environment,
        )
        self.daemon.wait_for("ready")
        return self.daemon

    def stop(self) -> Daemon:
        """Stop it; all that it logged can be read then."""
        daemon, self.daemon = self.daemon, None
        assert daemon is not None
        with daemon:
            assert daemon.stop() == 0
            assert "internal-error" not in daemon.events(), daemon.lines
            assert not daemon.other, daemon.other
        return daemon

    def close(self) -> None:
        if self.daemon is not None:
            self.daemon.__exit__()

    def ask(self, name: str, rtype: str = "A") -> tuple[str, bool, list[int]]:
        """RCODE, AD, EDE codes."""
        assert self.daemon is not None
        query = dns.message.make_query(name, rtype, want_dnssec=True)
        response = dns.query.udp(query, "127.0.0.1", port=self.daemon.port, timeout=LIMIT_S)
        codes = [int(o.code) for o in response.options if isinstance(o, dns.edns.EDEOption)]
        return dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AD), codes

    def trust(self, *arguments: str, status: int = 0) -> str:
        """`akashi trust …`"""
        command = [sys.executable, "-W", "error", "-m", "resolver", "trust", *arguments, "--socket", str(self.socket)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert done.returncode == status, (done.stdout, done.stderr)
        return done.stdout

    def keys(self) -> dict[int, str]:
        """The states of the root's keys."""
        (point,) = (p for p in Client(self.socket).get("/v1/trust")["trust_points"] if p["zone"] == ".")
        return {key["tag"]: key["state"] for key in point["keys"]}

    def until(self, wanted: dict[int, str]) -> None:
        """Wait for these states."""
        limit = time.monotonic() + LIMIT_S
        while (found := self.keys()) != wanted:
            assert time.monotonic() < limit, found
            time.sleep(0.05)

    def roll(self, do: str, key: str) -> None:
        """Change a key of the root."""
        now = time.time()
        lab.operations.run(self.net, do, {"zone": ".", "key": key, "force": True}, now, int(now))
        self.server.load(self.net)

    def tag(self, label: str = "ksk") -> int:
        return int(self.net.ring(dns.name.root).keys[label].key.tag)


def faketime() -> str:
    """libfaketime, which sets the clock of one process."""
    require_binary("faketime")
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        pytest.skip("libfaketime.so.1 is not where Debian puts it")
    return str(library)


@pytest.fixture
def stage(tmp_path: Path, seen: list[tuple[str, str]]) -> Iterator[Stage]:
    net = lab.internet.build(time.time(), prefix=PREFIX, ttl=1)
    with lab.server.running(net) as server:
        made = Stage(tmp_path, net, server)
        yield made
        made.close()


SHORT = ("trust.shortest-refresh=1s", "trust.add-hold-down=2s", "trust.remove-hold-down=2s")


def test_first_start_keeps_its_state_and_signals(stage: Stage, seen: list[tuple[str, str]]) -> None:
    tag = stage.tag()
    daemon = stage.start()
    stage.until({tag: "Valid"})
    assert stage.ask(GOOD) == ("NOERROR", True, [])
    if ("trust-signalled") not in daemon.events():
        daemon.wait_for("trust-signalled")
    assert (f"_ta-{tag:04x}.", "NULL") in seen
    assert (stage.state / FILE).exists()
    stage.stop()
    daemon = stage.start("trust.signal=false")
    (line,) = (line for line in daemon.lines if line["event"] == "trust-point")
    assert line["state"] == "intact" and line["keys"] == [f"{tag} Valid"]
    stage.stop()


def test_learns_a_key_and_knows_it_after_a_restart(stage: Stage) -> None:
    first = stage.tag()
    stage.start(*SHORT)
    stage.until({first: "Valid"})
    stage.roll("generate", "ksk")
    stage.roll("publish", "ksk-2")
    second = stage.tag("ksk-2")
    stage.until({first: "Valid", second: "AddPend"})
    stage.until({first: "Valid", second: "Valid"})
    stage.roll("activate", "ksk-2")
    stage.roll("revoke", "ksk")
    stage.until({first: "Revoked", second: "Valid"})
    assert stage.ask(GOOD)[:2] == ("NOERROR", True)
    stage.stop()
    # The configuration names only the key that is revoked by now.
    daemon = stage.start(*SHORT)
    assert stage.keys() == {first: "Revoked", second: "Valid"}
    assert "trust-anchor-revoked" in daemon.events()
    assert stage.ask(GOOD)[:2] == ("NOERROR", True)
    stage.stop()


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_state_file_cut(stage: Stage, share: float) -> None:
    tag = stage.tag()
    stage.start()
    stage.until({tag: "Valid"})
    stage.stop()
    file = stage.state / FILE
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    daemon = stage.start()
    assert stage.ask(GOOD) == ("NOERROR", True, []) and stage.ask("rrsig-exp-all.faults.jp")[0] == "SERVFAIL"
    stage.until({tag: "Valid"})
    stage.stop()
    assert ("state-file-damaged" if share else "state-file-empty") in daemon.events()
    assert len(list(stage.state.glob("*.damaged-*"))) == (1 if share else 0)


@pytest.mark.parametrize("years", [-10, 10])
def test_clock_years_off(stage: Stage, years: int) -> None:
    """SERVFAIL and its reason; never an answer that was not validated. With the clock right again all is as before."""
    tag = stage.tag()
    stage.start(clock=0)
    stage.until({tag: "Valid"})
    stage.stop()
    daemon = stage.start(clock=years * YEAR)
    rcode, ad, codes = stage.ask(GOOD)
    assert (rcode, ad) == ("SERVFAIL", False) and (8 if years < 0 else 7) in codes
    assert stage.ask("www.unsigned.jp")[0] == "SERVFAIL", "unsigned data cannot be told from stripped data"
    assert stage.keys() == {tag: "Valid"}
    assert "clock" in stage.trust("refresh", status=1) or "signature" in stage.trust("refresh", status=1)
    stage.stop()
    assert ("clock-behind-state" if years < 0 else "trust-state-stale") in daemon.events()
    refused = [line for line in daemon.lines if line["event"] == "trust-refresh-failed"]
    assert refused and all(line["advice"] == "is the clock right?" for line in refused)
    stage.start(clock=0)
    assert stage.ask(GOOD) == ("NOERROR", True, []) and stage.keys() == {tag: "Valid"}
    stage.trust("refresh")
    assert stage.trust("status")
    stage.stop()


def test_anchor_that_does_not_match_and_the_import_that_mends_it(stage: Stage) -> None:
    right = stage.anchor.read_text()
    stage.anchor.write_text(". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
    daemon = stage.start()
    rcode, ad, codes = stage.ask(GOOD)
    assert (rcode, ad) == ("SERVFAIL", False) and 9 in codes
    assert stage.ask("www.unsigned.jp")[0] == "SERVFAIL"
    if "trust-anchor-mismatch" not in daemon.events():
        daemon.wait_for("trust-anchor-mismatch")
    (line, *_) = (line for line in daemon.lines if line["event"] == "trust-anchor-mismatch")
    assert line["level"] == "error" and line["trusted"] == [20326] and stage.tag() in line["published"]
    document = json.loads(stage.trust("status", "--json", status=1))
    assert "matches a trust anchor" in document["finding"]
    findings = Client(stage.socket).get("/v1/status")["findings"]
    assert any(finding["check"] == "trust-anchors" for finding in findings)
    good = stage.directory / "right"
    good.write_text(right)
    assert "Valid" in stage.trust("import", str(good), "--replace")
    limit = time.monotonic() + LIMIT_S
    while stage.ask(GOOD) != ("NOERROR", True, []):  # no flush; the workers are told in the background
        assert time.monotonic() < limit
        time.sleep(0.02)
    stage.trust("refresh")
    stage.trust("status")
    stage.stop()
    # It is kept, although the configuration still names the other.
    stage.start()
    assert stage.ask(GOOD) == ("NOERROR", True, [])
    assert stage.keys()[stage.tag()] == "Valid"
    stage.stop()


def test_sentinel_over_udp(stage: Stage) -> None:
    """`wild.example.jp` has a wildcard."""
    tag = stage.tag()
    stage.start()
    for kind, number, rcode in (
        ("is", tag, "NOERROR"),
        ("is", 1, "SERVFAIL"),
        ("not", tag, "SERVFAIL"),
        ("not", 1, "NOERROR"),
    ):
        found = stage.ask(f"root-key-sentinel-{kind}-ta-{number:05d}.wild.example.jp")
        assert found[0] == rcode and found[1] == (rcode == "NOERROR"), (kind, number, found)
    stage.stop()
    stage.start("trust.sentinel=false")
    assert stage.ask("root-key-sentinel-is-ta-00001.wild.example.jp")[0] == "NOERROR"
    stage.stop()


def test_two_daemons_do_not_share_a_state_directory(stage: Stage) -> None:
    stage.start()
    with Daemon(f'trust.state-dir="{stage.state}"', f'upstream.root-hints="{stage.directory / "hints"}"') as second:
        assert second.wait() == 1
        (line,) = (line for line in second.lines if line["event"] == "cannot-start")
        assert "in use by another process" in line["problem"] and "trust.state-dir" in line["advice"]
    stage.stop()


def test_off_asks_nothing_of_the_network(stage: Stage, seen: list[tuple[str, str]]) -> None:
    daemon = stage.start("trust.rfc5011=false", "trust.signal=false")
    stage.trust("status")
    assert "off" in stage.trust("status") and "trust-point" not in daemon.events()
    assert not seen
    assert stage.ask(GOOD) == ("NOERROR", True, [])
    stage.stop()
