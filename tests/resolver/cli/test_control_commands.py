"""The commands that ask the daemon, against a socket that answers as told: what is sent, what is printed, how they end."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resolver.cli import akashi
from resolver.cli.client import Client, RefusedError
from resolver.cli.daemon_status import duration, size
from resolver.cli.status import DaemonUnreachable, Status

LIMIT_S = 20.0

WORKER = {"worker": 0, "pid": 42, "ready": True, "generation": 1, "uptime": 3700.0, "restarts": 0}
STATUS = {
    "version": "1.2.3",
    "core": "compiled",
    "pid": 41,
    "started": 1_700_000_000.0,
    "uptime": 90_061.0,
    "config": "/etc/akashi/akashi.toml",
    "generation": 1,
    "healthy": True,
    "findings": [],
    "listen": ["127.0.0.1:53"],
    "workers": [WORKER],
    "anchors": [{"zone": ".", "tags": [20326, 38696]}],
    "ntas": [],
    "queries_per_second": 12.5,
    "counters": {"udp_queries": 3000, "tcp_queries": 1000, "packet_hits": 1000},
    "gauges": {"answers": 1234.0, "answer_octets": 1 << 20, "packets": 5, "packet_octets": 1 << 20, "inflight": 7},
}

BASELINE = {
    "learning": False, "learned_minutes": 3000, "learning_minutes": 1440, "window_minutes": 5, "responses": 1000,
    "servfails": 100, "ratio": 0.1, "usual": 0.012, "threshold": 0.031, "configured_threshold": None,
    "suggested_threshold": 0.042, "anomaly": True, "anomaly_since": 1_700_000_000.0,
}  # fmt: skip
ZONE = {
    "zone": "broken.example", "clients": 1234, "responses": 5678, "bogus": 5678, "share": 0.0625, "since": 1_700_000_000.0,
    "last": 1_700_000_100.0, "reason": "signature-expired", "text": "signature expired yesterday", "probe": False,
}  # fmt: skip
IMPACT = {"enabled": True, "window_minutes": 60, "responses": 90848, "zones": 3, "top": [ZONE]}
STATUS |= {
    "clock": {"state": "wrong", "text": "3600 s ahead of the time servers, more than 1 s"},
    "probes": {"probes": [{"ok": True}, {"ok": False}, {"ok": None}]},
    "baseline": BASELINE,
    "impact": IMPACT,
}


class Fake:
    """What was asked, line and body."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[tuple[str, str]] = []


@contextmanager
def answering(
    directory: Path, document: object, status: int = 200, raw: bytes | None = None, name: str = "s"
) -> Iterator[Fake]:
    """A unix socket that answers every request with one document."""
    fake = Fake(directory / name)
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(fake.path))
        sock.listen()

        def serve() -> None:
            while True:
                connection, _ = sock.accept()
                with connection:
                    connection.settimeout(LIMIT_S)
                    data = _request(connection)
                    if not data:
                        return  # the test is over
                    line, _, rest = data.decode().partition("\r\n")
                    fake.asked.append((line.rpartition(" ")[0], rest.partition("\r\n\r\n")[2]))
                    connection.sendall(head + body if raw is None else raw)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(fake.path))
            thread.join(LIMIT_S)


def _request(connection: socket.socket) -> bytes:
    """A whole request: its head and as much of a body as that says."""
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
        head, end, body = data.partition(b"\r\n\r\n")
        lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0]) if lengths else 0
        if end and len(body) >= length:
            break
    return data


def invoke(fake: Fake, *arguments: str) -> Result:
    return CliRunner().invoke(akashi, [*arguments, "--socket", str(fake.path)], prog_name="akashi", env={"COLUMNS": "200"})


class TestClient:
    def test_parameters_and_fields_that_are_none_are_left_out(self, tmp_path: Path) -> None:
        with answering(tmp_path, {"ok": 1}) as fake:
            client = Client(fake.path)
            assert client.get("/v1/x", name="a b&c", type=None, fresh=True) == {"ok": 1}
            client.post("/v1/y", name="jp", subtree=None, bogus=False)
            client.put("/v1/z", level="info")
            assert fake.asked[0] == ("GET /v1/x?name=a+b%26c&fresh=true", "")
            assert fake.asked[1] == ("POST /v1/y", '{"name": "jp", "bogus": false}')
            assert fake.asked[2] == ("PUT /v1/z", '{"level": "info"}')

    def test_a_refusal_is_told_with_its_reasons(self, tmp_path: Path) -> None:
        error = {"code": "reload-refused", "message": "no", "reasons": [{"problem": "one"}, {"problem": "two"}]}
        with answering(tmp_path, {"error": error}, 409) as fake:
            with pytest.raises(RefusedError) as caught:
                Client(fake.path).post("/v1/reload")
            assert caught.value.error == error
            result = invoke(fake, "reload")
            assert result.exit_code == Status.FINDING
            assert result.stderr == "Error: no\n  one\n  two\n"

    @pytest.mark.parametrize("raw", [b"", b"junk\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope"])
    def test_what_is_no_akashi_is_no_daemon(self, tmp_path: Path, raw: bytes) -> None:
        with answering(tmp_path, {}, raw=raw) as fake:
            assert invoke(fake, "status").exit_code == Status.UNREACHABLE
        (tmp_path / "s").unlink()
        with answering(tmp_path, [1, 2]) as fake:
            assert invoke(fake, "status").exit_code == Status.UNREACHABLE

    def test_one_that_hangs_is_not_waited_for(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(tmp_path / "s"))
            sock.listen()
            with pytest.raises(DaemonUnreachable, match="did not answer within"):
                Client(tmp_path / "s").get("/v1/status", 0.05)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
    def test_no_permission(self, tmp_path: Path) -> None:
        with answering(tmp_path, {}) as fake:
            fake.path.chmod(0)
            try:
                with pytest.raises(DaemonUnreachable, match="permission denied"):
                    Client(fake.path).get("/v1/status")
            finally:
                fake.path.chmod(0o600)


class TestImpact:
    def test_zones(self, tmp_path: Path) -> None:
        with answering(tmp_path, IMPACT) as fake:
            result = invoke(fake, "impact", "--limit", "7")
        assert result.exit_code == Status.GOOD
        assert fake.asked[0][0] == "GET /v1/impact?limit=7"
        for text in (
            "1,234",
            "5,678",
            "6.25%",
            "2023-11-14T22:13:20Z",
            "broken.example",
            "signature expired",
            "90,848",
            "2 more",
        ):
            assert text in result.output

    @pytest.mark.parametrize(
        ("document", "text"),
        [
            (IMPACT | {"top": [], "zones": 0}, "nothing failed"),
            (IMPACT | {"enabled": False}, "watch.impact is off"),
            (IMPACT | {"top": [ZONE | {"probe": True, "share": None}]}, "(probe)"),
        ],
    )
    def test_words(self, tmp_path: Path, document: dict[str, object], text: str) -> None:
        with answering(tmp_path, document) as fake:
            assert text in invoke(fake, "impact").output

    def test_json(self, tmp_path: Path) -> None:
        with answering(tmp_path, IMPACT) as fake:
            assert json.loads(invoke(fake, "impact", "--json").output) == IMPACT

    def test_limits(self, tmp_path: Path) -> None:
        with answering(tmp_path, IMPACT) as fake:
            assert invoke(fake, "impact", "--limit", "0").exit_code == Status.USAGE
            assert invoke(fake, "impact", "--limit", "257").exit_code == Status.USAGE


class TestBaseline:
    def test_an_anomaly_is_a_finding(self, tmp_path: Path) -> None:
        with answering(tmp_path, BASELINE) as fake:
            result = invoke(fake, "baseline")
        assert result.exit_code == Status.FINDING
        for text in ("10.00%", "1.20%", "3.10%", "4.20%", "100 of 1,000", "since 2023-11-14T22:13:20Z", "3,000 minutes"):
            assert text in result.output

    def test_learning(self, tmp_path: Path) -> None:
        unknown = {"ratio": None, "threshold": None, "suggested_threshold": None, "responses": None, "servfails": None}
        with answering(tmp_path, BASELINE | unknown | {"anomaly": False, "learning": True}) as fake:
            result = invoke(fake, "baseline")
        assert result.exit_code == Status.GOOD
        assert "3,000 of 1,440 minutes" in result.output

    def test_a_configured_threshold_is_named(self, tmp_path: Path) -> None:
        with answering(tmp_path, BASELINE | {"configured_threshold": 0.031}) as fake:
            assert "3.10% (watch.servfail-threshold)" in invoke(fake, "baseline").output

    def test_reset(self, tmp_path: Path) -> None:
        with answering(tmp_path, BASELINE) as fake:
            assert json.loads(invoke(fake, "baseline", "--reset", "--json").output) == BASELINE
        assert fake.asked[0][0] == "POST /v1/baseline/reset"


class TestStatus:
    def test_what_it_says_of_itself(self, tmp_path: Path) -> None:
        with answering(tmp_path, STATUS) as fake:
            output = invoke(fake, "status").output
        for text in (
            "wrong: 3600 s ahead",
            "1 of 3 well",
            "10.00% over 5 minutes, usually 1.20%",
            "too much from 3.10%",
            "4.20%",
        ):
            assert text in output
        assert "broken.example: 1,234 clients, signature-expired" in output
        quiet = STATUS | {
            "probes": {"probes": []},
            "impact": IMPACT | {"top": []},
            "baseline": BASELINE | {"learning": True, "ratio": None},
        }
        with answering(tmp_path, quiet, name="t") as fake:
            output = invoke(fake, "status").output
        assert "none (probe.secure, probe.bogus)" in output
        assert "learning (3000 of 1440 minutes)" in output

    def test_healthy(self, tmp_path: Path) -> None:
        with answering(tmp_path, STATUS) as fake:
            result = invoke(fake, "status")
            assert result.exit_code == Status.GOOD
            for text in ("1.2.3", "1 d 1 h", "2023-11-14T22:13:20Z", "20326 38696", "4,000", "12.5/s", "25.0%", "2.0 MiB"):
                assert text in result.output

    def test_the_copy_of_the_root_zone(self, tmp_path: Path) -> None:
        copy = {"serial": 2026112200, "checked": 1_700_086_000.0, "verified": "ZONEMD", "expires": 1_700_604_800.0}
        there = STATUS | {"local_root": copy | {"workers": 1, "answers": 1234}}
        with answering(tmp_path, there) as fake:
            output = " ".join(invoke(fake, "status").output.split())
        assert (
            "local root serial 2026112200, ZONEMD verified, current 1 h 7 min ago, good until 2023-11-21T22:13:20Z;"
            in output
        )
        assert "in 1 of 1 workers, 1,234 answers" in output
        gone = dict.fromkeys(copy, None) | {"workers": 0, "answers": 0}
        with answering(tmp_path, STATUS | {"local_root": gone}, name="t") as fake:
            assert "none: root servers are asked" in invoke(fake, "status").output
        with answering(tmp_path, STATUS, name="u") as fake:
            assert "local root" not in invoke(fake, "status").output

    def test_unhealthy(self, tmp_path: Path) -> None:
        findings = [{"check": "workers", "problem": "1 of 1 workers not ready"}]
        worker = WORKER | {"pid": None, "ready": False, "uptime": None}
        with answering(tmp_path, STATUS | {"healthy": False, "findings": findings, "workers": [worker]}) as fake:
            for arguments in (["status"], ["status", "--health"]):
                result = invoke(fake, *arguments)
                assert result.exit_code == Status.FINDING
                assert "workers: 1 of 1 workers not ready" in result.output
            result = invoke(fake, "status", "--health", "--json")
            assert (result.exit_code, json.loads(result.output)) == (
                Status.FINDING,
                {"healthy": False, "findings": findings},
            )

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (86400, "1 d"), (90061, "1 d 1 h")],
    )
    def test_durations(self, seconds: float, text: str) -> None:
        assert duration(seconds) == text

    @pytest.mark.parametrize(
        ("octets", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 20, "1.0 MiB"), (3 << 30, "3.0 GiB")]
    )
    def test_sizes(self, octets: int, text: str) -> None:
        assert size(octets) == text


class TestOthers:
    def test_workers_that_were_not_replaced_are_a_finding(self, tmp_path: Path) -> None:
        with answering(tmp_path, {"changed": [], "generation": 2, "not_replaced": [1]}) as fake:
            result = invoke(fake, "reload")
            assert result.exit_code == Status.FINDING and "worker 1 still runs" in result.output

    def test_flush_sends_what_was_said(self, tmp_path: Path) -> None:
        with answering(tmp_path, {"workers": 2, "dropped": {"answers": 1200, "zones": 0}}) as fake:
            assert invoke(fake, "cache", "flush", "jp", "DS", "--subtree").output == (
                "forgotten in 2 workers: 1,200 answers\n"
            )
            invoke(fake, "cache", "flush", "--all")
            assert [json.loads(body) for _, body in fake.asked] == [
                {"name": "jp", "type": "DS", "subtree": True},
                {"all": True},
            ]

    def test_flush_of_nothing(self, tmp_path: Path) -> None:
        with answering(tmp_path, {"workers": 1, "dropped": {"answers": 0}}) as fake:
            assert "nothing was there" in invoke(fake, "cache", "flush", "jp").output

    def test_completion_lists_the_commands(self) -> None:
        environment = {"_AKASHI_COMPLETE": "bash_complete", "COMP_WORDS": "akashi cache f", "COMP_CWORD": "2"}
        result = CliRunner().invoke(akashi, [], prog_name="akashi", env=environment, complete_var="_AKASHI_COMPLETE")
        assert "flush" in result.output
