"""The NTA life cycle over UDP: daemon, workers, control socket and command line, on the lab's broken zones."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
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
import lab.server
from lab.faults import CATALOGUE
from lab.internet import Internet
from resolver.cli.client import Client
from tests.resolver.daemon.process import LIMIT_S, Daemon, children_of

PREFIX = "127.68"
BROKEN = "rrsig-exp-all.faults.jp"
SIBLING = "rrsig-no-all.faults.jp"


class Stage:
    """A mini-Internet of its own, a daemon on it, and the command line."""

    def __init__(self, directory: Path, net: Internet, *settings: str) -> None:
        self.net = net
        (directory / "hints").write_text(self.net.hints())
        (directory / "anchor").write_text(self.net.anchor())
        (directory / "state").mkdir()
        self.socket = directory / "control.sock"
        self.directory = directory
        self.settings = settings
        self._running = lab.server.running(self.net)
        self.server = self._running.__enter__()
        self.daemon: Daemon | None = None

    def start(self, *more: str) -> Daemon:
        self.daemon = Daemon(
            f"upstream.root-hints={self.directory / 'hints'}",
            f"trust.anchors={self.directory / 'anchor'}",
            f"upstream.port={self.server.port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
            f"trust.state-dir={self.directory / 'state'}",
            f"control.socket={self.socket}",
            "trust.rfc5011=false",
            *self.settings,
            *more,
        )
        self.daemon.wait_for("ready")
        return self.daemon

    def stop(self) -> None:
        assert self.daemon is not None
        assert self.daemon.stop() == 0
        assert "internal-error" not in self.daemon.events(), self.daemon.lines
        assert not self.daemon.other
        self.close_daemon()

    def close_daemon(self) -> None:
        if self.daemon is not None:
            self.daemon.__exit__()
            self.daemon = None

    def close(self) -> None:
        self.close_daemon()
        self._running.__exit__(None, None, None)

    def ask(self, name: str, rtype: str = "A") -> tuple[str, bool, dict[int, str]]:
        """RCODE, AD, and EDE codes with their texts, over UDP."""
        assert self.daemon is not None
        query = dns.message.make_query(name, rtype, want_dnssec=True)
        response = dns.query.udp(query, "127.0.0.1", port=self.daemon.port, timeout=LIMIT_S)
        errors = {int(o.code): o.text or "" for o in response.options if isinstance(o, dns.edns.EDEOption)}
        return dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AD), errors

    def run(self, *arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "resolver", "nta", *arguments, "--socket", str(self.socket)],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", status=status))

    def heal(self, zone: str) -> None:
        self.net.apply(dns.name.from_text(zone), None, int(time.time()))
        self.server.load(self.net)

    def break_(self, zone: str, fault: str) -> None:
        self.net.apply(dns.name.from_text(zone), CATALOGUE[fault], int(time.time()))
        self.server.load(self.net)


@pytest.fixture(scope="module")
def net() -> Internet:
    return lab.internet.build(time.time(), prefix=PREFIX)


@pytest.fixture
def stage(tmp_path, net) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(*settings: str) -> Stage:
        made.append(Stage(tmp_path, net, *settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def wait_until(condition: Callable[[], bool], limit_s: float = LIMIT_S) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


ALONE = "trust.nta.require-approval=false"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_in_force_with_the_next_query_and_out_of_force_likewise(stage, workers):
    s = stage(ALONE, f"server.workers={workers}")
    s.start()
    for _ in range(3):
        rcode, _, errors = s.ask(BROKEN)
        assert rcode == "SERVFAIL"
        assert 7 in errors
    assert s.ask(SIBLING)[0] == "SERVFAIL"
    added = s.json("add", BROKEN, "--reason", "signatures expired", "--ticket", "T-1", "--lifetime", "1h")
    assert (added["state"], added["name"], added["lifetime_s"]) == ("active", BROKEN, 3600)
    for _ in range(8):
        # Whatever worker answers.
        rcode, ad, errors = s.ask(BROKEN)
        assert (rcode, ad) == ("NOERROR", False)
        assert set(errors) == {33}
        assert errors[33] == f"NTA for {BROKEN} until {added['expires']}"
    assert s.ask("nothing-here." + BROKEN)[0] == "NXDOMAIN"
    for _ in range(4):
        rcode, _, errors = s.ask(SIBLING)
        assert rcode == "SERVFAIL"
        assert 33 not in errors
    assert s.ask("www.example.jp") == ("NOERROR", True, {})
    assert s.json("remove", BROKEN, "--reason", "rehearsal over")["state"] == "removed"
    for _ in range(8):
        rcode, ad, errors = s.ask(BROKEN)
        assert (rcode, ad) == ("SERVFAIL", False)
        assert 7 in errors
        assert 33 not in errors
    s.stop()


def test_two_persons(stage):
    s = stage()
    s.start()
    assert "second person" in s.run("add", BROKEN, "--reason", "x", status=1)
    proposed = s.json("propose", BROKEN, "--reason", "expired", "--operator", "hanako")
    number = str(proposed["number"])
    assert proposed["state"] == "proposed"
    assert s.ask(BROKEN)[0] == "SERVFAIL"
    assert "somebody else must approve" in s.run("approve", number, "--operator", "Hanako ", status=1)
    assert s.json("approve", number, "--operator", "taro")["state"] == "active"
    assert s.ask(BROKEN)[0] == "NOERROR"
    assert "somebody else must extend" in s.run("extend", number, "--reason", "more", "--operator", "taro", status=1)
    longer = s.json("extend", BROKEN, "--reason", "more", "--lifetime", "2h", "--operator", "hanako")
    assert s.ask(BROKEN)[2][33].endswith(longer["expires"])
    shown = s.json("show", number)
    servers = shown["evidence"][0]["document"]["servers"]
    assert [server["security"] for server in servers] == ["bogus"]
    assert servers[0]["report"]["answer"]["security"] == "bogus"
    assert [line["what"] for line in shown["history"]] == ["propose", "approve", "extend"]
    other = s.json("propose", SIBLING, "--reason", "attack?", "--operator", "hanako")
    assert s.json("reject", str(other["number"]), "--reason", "attack", "--operator", "taro")["state"] == "rejected"
    assert s.ask(SIBLING)[0] == "SERVFAIL"
    assert s.json("history", "--verify")["verified"]
    s.stop()


def test_one_person_by_system_user(stage):
    s = stage("trust.nta.identity=peer")
    s.start()
    proposed = s.json("propose", BROKEN, "--reason", "expired", "--operator", "hanako")
    assert proposed["proposed_by"] != "hanako"
    assert "somebody else must approve" in s.run("approve", BROKEN, "--operator", "taro", status=1)
    s.stop()


def test_refusals(stage):
    s = stage(ALONE, "trust.nta.static=rrsig-no-a.faults.jp", "trust.nta.max-lifetime=1d")
    s.start()
    for name, why, *options in (
        ("www.example.jp", "validates now"),
        ("faults.jp", "validates now"),
        (".", "root"),
        (BROKEN, "lifetime", "--lifetime", "2d"),
        ("www.unsigned.jp", "not validated anyhow"),
        ("rrsig-no-a.faults.jp", "configuration"),
        (BROKEN, "not below", "--failing", "example.jp"),
    ):
        assert why in s.run("add", name, "--reason", "x", *options, status=1), name
    assert s.json("history")["lines"] == []
    assert "configuration" in s.run("remove", "rrsig-no-a.faults.jp", status=1)
    assert s.ask("rrsig-no-a.faults.jp")[0] == "NOERROR"
    assert s.json("add", "www.unsigned.jp", "--reason", "to see", "--force")["forced"]
    assert "there is no open NTA" in s.run("remove", "nothing.example", status=1)
    (static, forced) = s.json("list")["ntas"]
    assert (static["source"], static["expires"], static["name"]) == ("configuration", None, "rrsig-no-a.faults.jp")
    assert forced["name"] == "www.unsigned.jp"
    s.stop()


def test_an_anchor_below_is_not_weakened(stage, tmp_path):
    """Longest match wins: an NTA above a configured trust point leaves that alone, and a nearer NTA goes before it."""
    s = stage(ALONE, "trust.nta.static=jp")
    anchors = [str(tmp_path / "anchor")]
    for zone in ("example.jp", SIBLING):
        (tmp_path / zone).write_text(s.net.anchor(dns.name.from_text(zone)))
        anchors.append(str(tmp_path / zone))
    s.start(f"trust.anchors={json.dumps(anchors)}")
    assert s.ask("www.example.jp") == ("NOERROR", True, {})
    rcode, ad, errors = s.ask(BROKEN)
    assert (rcode, ad) == ("NOERROR", False)
    assert errors[33].startswith("NTA for jp,")
    assert s.ask(SIBLING)[0] == "SERVFAIL"
    assert s.ask("www.example.com") == ("NOERROR", True, {})
    s.json("add", SIBLING, "--reason", "broken")
    rcode, _, errors = s.ask(SIBLING)
    assert rcode == "NOERROR"
    assert errors[33].startswith(f"NTA for {SIBLING} until")
    s.stop()


def test_it_retires_itself_when_the_zone_is_mended(stage):
    s = stage(ALONE, "trust.nta.recheck-interval=1s")
    s.start()
    s.json("add", BROKEN, "--reason", "expired")
    assert s.ask(BROKEN)[0] == "NOERROR"
    bad = s.daemon.wait_for("nta-round")
    assert not bad["good"]
    s.heal(BROKEN)
    retired = s.daemon.wait_for("nta-retire")
    assert retired["name"] == BROKEN
    s.daemon.wait_for("nta-published")
    # Answered from what other servers say now, not from what was remembered under the NTA.
    assert s.json("show", "1")["state"] == "retired"
    assert s.ask(BROKEN) == ("NOERROR", True, {})
    rounds = [line for line in s.daemon.lines if line["event"] == "nta-round"]
    assert [line["good"] for line in rounds[-3:]] == [True, True, True]
    assert s.json("list")["ntas"] == []
    history = s.json("history", "--verify", "--head", retired["audit_head"])
    assert history["verified"]
    assert history["lines"][-1]["what"] == "retire"
    # Broken anew, it is bogus anew.
    s.break_(BROKEN, "rrsig-exp-all")
    s.stop()
    s.start()
    assert s.ask(BROKEN)[0] == "SERVFAIL"
    s.stop()


def test_it_expires(stage):
    s = stage(ALONE)
    s.start()
    added = s.json("add", BROKEN, "--reason", "expired", "--lifetime", "2s")
    assert s.ask(BROKEN)[0] == "NOERROR"
    s.daemon.wait_for("nta-expire")
    wait_until(lambda: s.ask(BROKEN)[0] == "SERVFAIL")
    assert 33 not in s.ask(BROKEN)[2]
    assert s.json("show", str(added["number"]))["state"] == "expired"
    s.stop()


def test_killed_and_started_again(stage):
    """kill -9 of the whole daemon while NTAs change: what was acknowledged is there, and in force from the first query."""
    s = stage(ALONE)
    daemon = s.start()
    s.json("add", BROKEN, "--reason", "expired")
    s.json("add", SIBLING, "--reason", "unsigned")
    s.json("remove", SIBLING, "--reason", "enough")
    third = subprocess.Popen(
        [sys.executable, "-m", "resolver", "nta", "add", "no-ksk.faults.jp", "--reason", "x", "--socket", str(s.socket)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    daemon.wait_for("nta-remove")
    s.close_daemon()
    third.wait(LIMIT_S)
    s.start()
    assert s.ask(BROKEN)[0] == "NOERROR"
    assert s.ask(SIBLING)[0] == "SERVFAIL"
    history = s.json("history", "--verify")
    assert history["verified"], history["faults"]
    assert [line["what"] for line in history["lines"]][:3] == ["add", "add", "remove"]
    listed = [entry["name"] for entry in s.json("list")["ntas"]]
    assert listed == [BROKEN] + ["no-ksk.faults.jp"] * (len(history["lines"]) - 3)
    s.stop()


def test_new_workers_go_by_it(stage):
    """A worker that died is followed by one that knows; so are all of them at a reload."""
    s = stage(ALONE)
    daemon = s.start()
    s.json("add", BROKEN, "--reason", "expired")
    (worker,) = children_of(daemon.process.pid)
    os.kill(worker, signal.SIGKILL)
    daemon.wait_for("worker-exited")
    # The socket stays; what is asked meanwhile is answered by the next worker.
    assert s.ask(BROKEN)[0] == "NOERROR"
    assert Client(s.socket).post("/v1/reload", 60.0)["generation"] == 1
    assert s.ask(BROKEN)[0] == "NOERROR"
    s.json("remove", BROKEN)
    assert s.ask(BROKEN)[0] == "SERVFAIL"
    s.stop()


def test_tampering_is_shown(stage, tmp_path):
    import sqlite3

    s = stage(ALONE)
    s.start()
    s.json("add", BROKEN, "--reason", "expired")
    s.stop()
    connection = sqlite3.connect(tmp_path / "state" / "akashi.db")
    connection.execute("UPDATE nta SET record = replace(record, 'rrsig-exp-all.faults.jp', 'example.jp')")
    connection.execute("UPDATE nta SET name = 'example.jp'")
    connection.commit()
    connection.close()
    s.start()
    assert s.ask("www.example.jp") == ("NOERROR", True, {})
    assert s.ask(BROKEN)[0] == "SERVFAIL"
    output = s.run("history", "--verify", status=1)
    assert "NTA 1: its record was changed after line 1" in output
    assert not s.json("history", "--verify", status=1)["verified"]
    assert "nta-not-trusted" in s.daemon.events()
    s.stop()


def test_people_read_it_too(stage):
    s = stage(ALONE)
    s.start()
    assert "everything is validated" in s.run("list")
    out = s.run("add", BROKEN, "--reason", "expired [again]", "--operator", "taro")
    assert f"NTA 1 for {BROKEN} is in force until" in out
    table = s.run("list")
    assert BROKEN in table and "taro" in table and "expired [again]" in table
    shown = s.run("show", BROKEN)
    assert "evidence of line 1" in shown and "bogus: signature expired" in shown
    assert "is removed: over" in s.run("remove", "1", "--reason", "over")
    trail = s.run("history", "--verify")
    assert "The trail is whole. Head: 2:" in trail
    assert "removed" in s.run("list", "--all")
    s.stop()


def test_metrics(stage):
    s = stage(ALONE, "metrics.listen=127.0.0.1:0", "server.workers=2")
    s.start()
    s.json("add", BROKEN, "--reason", "expired", "--lifetime", "1h")
    for _ in range(5):
        s.ask(BROKEN)
    s.ask("www.example.jp")
    listen = Client(s.socket).get("/v1/status")["metrics"]
    with urllib.request.urlopen(f"http://{listen}/metrics", timeout=LIMIT_S) as response:
        lines = dict(line.rsplit(" ", 1) for line in response.read().decode().splitlines() if not line.startswith("#"))
    label = f'{{nta="{BROKEN}"}}'
    assert lines[f"akashi_nta_answers_total{label}"] == "5.0"
    assert 3590 < float(lines[f"akashi_nta_expiry_seconds{label}"]) <= 3600
    assert 0 <= float(lines[f"akashi_nta_age_seconds{label}"]) < 60
    assert lines[f"akashi_nta_good_rounds{label}"] == "0.0"
    assert lines["akashi_ntas"] == "1.0"
    assert lines["akashi_nta_proposals"] == "0.0"
    s.stop()


def test_without_a_state_directory(stage, tmp_path):
    s = stage(ALONE)
    s.start(f"trust.state-dir={tmp_path / 'absent'}")
    assert "state directory" in s.run("add", BROKEN, "--reason", "x", status=1)
    assert s.ask("www.example.jp")[0] == "NOERROR"
    s.stop()


def test_no_daemon(tmp_path):
    command = [sys.executable, "-m", "resolver", "nta", "list", "--socket", str(tmp_path / "none")]
    assert subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False).returncode == 3
