"""The daemon watches itself on the lab's mini-Internet: a real time server (chrony), a wrong clock (libfaketime), probes,
impact.

What is asked for (guideline 2-3, 2-12, 2-16): a wrong clock shows in readiness, metrics, status and in the Extended DNS
Errors of failures that have to do with time; the names of time servers are found all the same; clients are counted, not
kept.
"""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from resolver.cli.client import Client
from tests.conftest import require_binary
from tests.e2e.resolvers import mini_internet
from tests.resolver.daemon.process import LIMIT_S, Daemon

PREFIX = "127.71"
GOOD, OTHER = "www.example.jp", "www.example.com"
EXPIRED, SPOILT = "rrsig-exp-all.faults.jp", "rrsig-no-all.faults.jp"
MONTH = 30 * 86400


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What makes a daemon use the mini-Internet."""
    with mini_internet(tmp_path_factory.mktemp("lab"), PREFIX) as basic:
        yield [*basic, "trust.rfc5011=false", "trust.signal=false"]


@pytest.fixture(scope="module")
def chrony(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real time server on loopback that knows the system's time; it sets nothing. Gives address:port."""
    program = require_binary("chronyd")
    directory = tmp_path_factory.mktemp("chrony")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    config = directory / "chrony.conf"
    config.write_text(
        f"local stratum 5\nport {port}\nbindaddress 127.0.0.1\nallow 127.0.0.1\ncmdport 0\nbindcmdaddress /\n"
        f"pidfile {directory / 'pid'}\n"
    )
    user = subprocess.run(["id", "-un"], check=True, capture_output=True, text=True).stdout.strip()
    # -x: the clock is left alone; -U: any user may.
    process = subprocess.Popen(
        [program, "-x", "-U", "-d", "-u", user, "-f", str(config)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        wait_for_time(port, process)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def wait_for_time(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Until the server answers, as seen by ntplib's own client."""
    import ntplib

    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        assert process.poll() is None, "chronyd ended"
        with contextlib.suppress(ntplib.NTPException, OSError):
            if ntplib.NTPClient().request("127.0.0.1", version=4, port=port, timeout=0.2).stratum:
                return
    raise AssertionError("chronyd does not answer")


def faked(offset: str) -> dict[str, str]:
    """Environment of a daemon whose wall clock is off."""
    library = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
    if library is None:
        pytest.skip("libfaketime.so.1 is not where Debian puts it (package faketime)")
    return {"LD_PRELOAD": str(library), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


class Running:
    """A daemon with metrics and control."""

    def __init__(self, directory: Path, settings: list[str], *more: str, **options: Any) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.metrics_port = sock.getsockname()[1]
        self.socket = directory / "c"
        self.daemon = Daemon(
            *settings, f"control.socket={self.socket}", f"metrics.listen=127.0.0.1:{self.metrics_port}", *more, **options
        )
        self.client = Client(self.socket)

    def __enter__(self) -> "Running":
        self.daemon.wait_for("ready")
        return self

    def __exit__(self, *_: object) -> None:
        self.daemon.__exit__()

    def ask(self, name: str, rtype: str = "A", source: str = "127.0.0.1") -> dns.message.Message:
        query = dns.message.make_query(name, rtype, want_dnssec=True)
        query.flags |= dns.flags.AD
        return dns.query.udp(query, "127.0.0.1", port=self.daemon.port, timeout=LIMIT_S, source=source)

    def http(self, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=LIMIT_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        (line,) = (line for line in self.http("/metrics")[1].splitlines() if line.startswith(f"{name} "))
        return float(line.rpartition(" ")[2])

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "resolver", *arguments, "--socket", str(self.socket)],
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip


def codes(response: dns.message.Message) -> dict[int, str]:
    return {int(o.code): o.text or "" for o in response.options if isinstance(o, dns.edns.EDEOption)}


def test_a_good_clock(tmp_path: Path, settings: list[str], chrony: str) -> None:
    with Running(tmp_path, settings, f'clock.ntp-servers=["{chrony}"]') as here:
        document = here.client.post("/v1/clock/check")
        assert document["state"] == "good"
        assert [(s["standing"], s["stratum"]) for s in document["servers"]] == [("good", 5)]
        assert here.http("/readyz") == (200, "ready\n")
        assert abs(here.metric("akashi_clock_offset_seconds")) < 1.0
        assert here.metric('akashi_clock_state{state="good"}') == 1
        assert here.metric("akashi_clock_last_check_timestamp_seconds") == pytest.approx(time.time(), abs=600)
        assert "our clock" not in codes(here.ask(EXPIRED))[7]


@pytest.mark.parametrize(("offset", "code", "word"), [("+30d", 7, "ahead"), ("-30d", 8, "behind")])
def test_a_wrong_clock_shows_everywhere_and_time_servers_are_found(
    tmp_path: Path, settings: list[str], chrony: str, offset: str, code: int, word: str
) -> None:
    more = (f'clock.ntp-servers=["{chrony}"]', f'clock.ntp-names=["{GOOD}"]', "server.workers=2")
    with Running(tmp_path, settings, *more, environment=faked(offset)) as here:
        document = here.client.post("/v1/clock/check")
        assert document["state"] == "wrong"
        assert abs(abs(document["offset"]) - MONTH) < 60

        status, text = here.http("/readyz")
        assert status == 503
        assert word in text
        assert text.startswith("clock: our clock is ")
        assert here.metric('akashi_clock_state{state="wrong"}') == 1
        assert here.metric('akashi_check_failed{check="clock"}') == 1
        shown = here.command("status")
        assert shown.returncode == 1
        assert word in shown.stdout

        # What is signed fails, and the error says whose fault it is: of every worker.
        for _ in range(8):
            response = here.ask(OTHER)
            assert response.rcode() == dns.rcode.SERVFAIL
            assert re.search(rf"\(our clock is 2[56]\d{{5}} s {word}\)", codes(response)[code])
        # The time server's name is found, without AD; no other type of it.
        response = here.ask(GOOD)
        assert response.rcode() == dns.rcode.NOERROR
        assert response.answer
        assert not response.flags & dns.flags.AD
        assert "clock.ntp-names" in codes(response)[code]
        assert here.ask(GOOD, "TXT").rcode() == dns.rcode.SERVFAIL
        # Workers that are started later know it from the start.
        here.client.post("/v1/reload", LIMIT_S)
        assert f"s {word})" in codes(here.ask("a." + OTHER))[code]
        assert here.ask(GOOD).rcode() == dns.rcode.NOERROR
        assert here.daemon.stop() == 0
        assert any(line["event"] == "clock" and line["state"] == "wrong" for line in here.daemon.lines)


def test_a_silent_time_server_is_told_and_no_reason_not_to_serve(tmp_path: Path, settings: list[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))  # nobody answers here, and nobody else comes in between
        server = f"127.0.0.1:{taken.getsockname()[1]}"
        with Running(tmp_path, settings, f'clock.ntp-servers=["{server}"]') as here:
            document = here.client.post("/v1/clock/check")
            assert [s["standing"] for s in document["servers"]] == ["silent"]
            assert document["offset"] is None
            assert here.http("/readyz")[0] == 200
            assert here.ask(GOOD).flags & dns.flags.AD


def test_probes(tmp_path: Path, settings: list[str]) -> None:
    names = (f'probe.secure=["{GOOD}"]', f'probe.bogus=["{EXPIRED}", "{SPOILT}"]')
    with Running(tmp_path, settings, *names, "server.workers=2") as here:
        document = here.client.post("/v1/probes/run")
        assert {(p["name"], p["via"]): p["ok"] for p in document["probes"]} == {
            (name, via): True for name in (GOOD, EXPIRED, SPOILT) for via in ("resolver", "service")
        }
        assert here.http("/readyz") == (200, "ready\n")
        assert here.metric(f'akashi_probe_success{{kind="secure",name="{GOOD}",via="service"}}') == 1
        # They are no failures of anybody else's.
        assert here.metric('akashi_impact_clients{rank="1"}') == 0


def test_a_bogus_name_that_is_answered_makes_us_unready(tmp_path: Path, settings: list[str]) -> None:
    names = (f'probe.secure=["{GOOD}"]', f'probe.bogus=["{OTHER}"]')  # which is as good as any
    with Running(tmp_path, settings, *names) as here:
        for _ in range(2):
            here.client.post("/v1/probes/run")
        status, text = here.http("/readyz")
        assert status == 503
        assert f"probes: {OTHER} must not validate" in text


def test_impact_counts_clients_and_keeps_none(tmp_path: Path, settings: list[str]) -> None:
    with Running(tmp_path, settings, "server.workers=2", 'access.allow=["127.0.0.0/8"]') as here:
        for number in range(1, 13):
            for _ in range(3):
                here.ask(f"a.{EXPIRED}", source=f"127.9.9.{number}")
        for number in range(1, 4):
            here.ask(SPOILT, source=f"127.9.9.{number}")
        document = here.client.get("/v1/impact")
        found = {zone["zone"]: zone for zone in document["top"]}
        assert list(found) == [EXPIRED, SPOILT]
        assert found[EXPIRED]["responses"] == found[EXPIRED]["bogus"] == 36
        assert found[EXPIRED]["clients"] == pytest.approx(12, abs=1)
        assert found[SPOILT]["clients"] == 3
        assert found[EXPIRED]["reason"] == "signature-expired"
        assert "127.9.9." not in json.dumps(document)
        assert "127.9.9." not in here.http("/metrics")[1]
        shown = here.command("impact")
        assert shown.returncode == 0
        assert EXPIRED in shown.stdout
        assert document["responses"] >= 39
        assert json.loads(here.command("impact", "--json").stdout)["zones"] == 2
        assert here.command("baseline").returncode == 0
        status = here.client.get("/v1/status")
        assert {"clock", "probes", "baseline", "impact"} <= status.keys()
        assert here.daemon.stop() == 0
        # One line a worker for each failure, and no line names a client.
        failures = [line for line in here.daemon.lines if line["event"] == "validation-failure"]
        assert {line["zone"] for line in failures} == {EXPIRED, SPOILT}
        assert len(failures) == len({(line["worker"], line["at"], line["reason"]) for line in failures})
        assert "127.9.9." not in json.dumps(here.daemon.lines)
