"""`akashi conform` on the lab: level 3 with what the lab writes, and the right level and sentence when something breaks.

The lab is the real one (`akashi lab up`, in the background) with the configuration that it writes; only ports differ.
"""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.message
import dns.query
import pytest
from click.testing import CliRunner

from lab import background, timeserver
from lab.client import command as lab_command
from lab.directory import LabDirectory, Settings
from resolver.cli import akashi as command
from resolver.cli.status import Status
from tests.e2e.resolvers import Resolver, akashi, free_port

PREFIX = "127.72"
GOOD = "www.example.jp"


@dataclass
class Stage:
    """A lab and its directory."""

    directory: LabDirectory
    root: Path

    @contextlib.contextmanager
    def daemon(self, name: str, *settings: str) -> Iterator["Running"]:
        """Our daemon with the lab's configuration."""
        folder = self.root / name
        folder.mkdir()
        control = folder / "c.sock"
        port = free_port()
        overrides = [
            f'control.socket="{control}"',
            f'metrics.listen="127.0.0.1:{free_port()}"',
            f'server.listen=["127.0.0.1:{port}"]',
            f'conform.resolvers=["127.0.0.1:{port}"]',
            *settings,
        ]
        with akashi(self.directory.config, folder, *overrides, port=port) as resolver:
            yield Running(resolver, control)

    def tell(self, do: str, **facts: object) -> None:
        """Have the lab do something."""
        lab_command(self.directory.control_socket, do, **facts)


@dataclass
class Running:
    """A daemon, and where it takes commands."""

    resolver: Resolver
    control: Path

    def conform(self, *options: str) -> tuple[int, dict[str, object]]:
        """Exit status and report."""
        arguments = ["conform", "--socket", str(self.control), "--json", *options]
        result = CliRunner().invoke(command, arguments, prog_name="akashi")
        return result.exit_code, json.loads(result.output)

    def missed(self) -> tuple[int, dict[str, str]]:
        """The level, and what is missed, with its evidence."""
        _, found = self.conform("--lang", "en")
        items = found["items"]
        assert isinstance(items, list)
        return int(str(found["level"])), {i["item"]: " | ".join(i["evidence"]) for i in items if i["met"] == "missed"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("conform")
    # Few faults' zones are needed, and signing them all takes time; but they come together.
    settings = Settings(root / "lab", free_port(), metrics_listen="", prefix=PREFIX)
    background.start(settings)
    try:
        yield Stage(LabDirectory(settings.directory), root)
    finally:
        background.stop(LabDirectory(settings.directory))


@pytest.fixture(scope="module")
def daemon(stage) -> Iterator[Running]:
    with stage.daemon("plain") as running:
        yield running


def test_the_lab_reaches_level_three(daemon):
    status, found = daemon.conform("--level", "3", "--lang", "en")
    assert (status, found["level"], found["next"]) == (Status.GOOD, 3, None), found
    assert [item["item"] for item in found["items"]] == [f"2-{number}" for number in range(1, 23)]
    evidence = {item["item"]: " | ".join(item["evidence"]) for item in found["items"]}
    assert "www.example.jp. NOERROR with AD" in evidence["2-1"]
    assert "rrsig-exp-all.faults.jp. SERVFAIL" in evidence["2-1"]
    assert "3 of 3 time servers" in evidence["2-3"]


def test_for_people_in_japanese(daemon):
    arguments = ["conform", "--socket", str(daemon.control), "--lang", "ja"]
    result = CliRunner().invoke(command, arguments, prog_name="akashi")
    assert result.exit_code == Status.GOOD
    assert "レベル3に達しています" in result.output
    assert "不適合" not in result.output


def test_a_clock_that_is_wrong(stage, daemon):
    stage.tell("clock", offset_s=-1800)
    try:
        level, missed = daemon.missed()
        assert level == 0
        assert set(missed) == {"2-3"}
        assert missed["2-3"].startswith("our clock is +1800."), missed
    finally:
        stage.tell("clock", offset_s=0)
    assert daemon.missed() == (3, {})


def test_time_servers_that_are_silent(stage):
    nobody = free_port()
    servers = ", ".join(f'"{address}:{nobody}"' for address in timeserver.addresses(PREFIX))
    with stage.daemon("silent", f"clock.ntp-servers=[{servers}]") as running:
        level, missed = running.missed()
    assert (level, set(missed)) == (0, {"2-3"})
    assert missed["2-3"].startswith("none of 3 time servers answers")


def test_a_probe_that_breaks(stage, daemon):
    stage.tell("break", zone="example.com", fault="rrsig-exp-all")
    try:
        level, missed = daemon.missed()
        assert level == 0
        assert "the probe of www.example.com fails" in missed["2-12"]
        assert "2-3" not in missed
    finally:
        stage.tell("heal", zone="example.com")
        flush = ["cache", "flush", "--all", "--socket", str(daemon.control)]
        assert CliRunner().invoke(command, flush, prog_name="akashi").exit_code == Status.GOOD
    assert daemon.missed() == (3, {})


def test_an_anchor_that_is_missing(stage):
    with stage.daemon("anchors", "trust.rfc5011=false") as running:
        assert running.missed() == (3, {})
        new = _second_ksk(stage)
        level, missed = running.missed()
        assert (level, set(missed)) == (0, {"2-7"})
        assert missed["2-7"].endswith(f"{new} is missing")
    # Where RFC 5011 is on, the same key is on its way.
    with stage.daemon("follows") as running:
        _, found = running.conform("--lang", "en")
        anchors = next(item for item in found["items"] if item["item"] == "2-7")
        assert anchors["met"] == "met"
        assert any(line.startswith(f"{new} is in its hold-down") for line in anchors["evidence"]), anchors


def _second_ksk(stage: Stage) -> int:
    """The root publishes another key-signing key; returns its tag."""
    base = ["lab", "key"]
    where = ["--dir", str(stage.directory.root)]
    runner = CliRunner()
    made = runner.invoke(command, [*base, "generate", ".", "ksk", *where, "--json"], prog_name="akashi")
    assert made.exit_code == 0, made.output
    shown = runner.invoke(command, [*base, "publish", ".", "ksk-2", *where, "--json"], prog_name="akashi")
    assert shown.exit_code == 0, shown.output
    keys = runner.invoke(command, ["lab", "keys", ".", *where, "--json"], prog_name="akashi")
    return int(next(key["tag"] for key in json.loads(keys.output)["keys"] if "ksk-2" in key.values()))


class Meddler:
    """Something between clients and resolver that changes answers."""

    def __init__(self, port: int, *, payload: int | None) -> None:
        self._upstream = ("127.0.0.1", port)
        self._payload = payload
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port: int = self._socket.getsockname()[1]
        self._over = False
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Meddler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        end = time.monotonic() + 60
        while not self._over and time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                packet, client = self._socket.recvfrom(4096)
                query = dns.message.from_wire(packet)
                with contextlib.suppress(dns.exception.DNSException):
                    answer = dns.query.udp(query, self._upstream[0], 5, self._upstream[1])
                    options = answer.options
                    if self._payload is None:
                        answer.use_edns(False)
                    else:
                        answer.use_edns(0, answer.ednsflags, self._payload, options=options)
                    self._socket.sendto(answer.to_wire(), client)


@pytest.mark.parametrize(
    ("payload", "sentence"), [(None, "answers without EDNS"), (4096, "an EDNS buffer of 4096 octets, above common MTUs")]
)
def test_edns_that_is_tampered_with(stage, daemon, payload, sentence):
    with Meddler(daemon.resolver.port, payload=payload) as meddler:
        name = f"meddled-{payload}"
        with stage.daemon(name, f'conform.resolvers=["127.0.0.1:{meddler.port}"]') as running:
            level, missed = running.missed()
    assert level == 0
    assert sentence in missed["2-4"], missed
    assert set(missed) <= {"2-4", "2-17"}, "NSID travels in EDNS"


def test_organisational_items(stage):
    with stage.daemon("silent-people", "conform.attest={}") as running:
        level, missed = running.missed()
    assert (level, set(missed)) == (1, {"2-16", "2-20", "2-22"})
