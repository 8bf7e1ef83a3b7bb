"""Metrics and health of a running daemon on the lab's mini-Internet, read by prometheus-client and by a real Prometheus."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator

import dns.message
import dns.query
import dns.rcode
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from resolver.daemon.metrics.document import name_of
from resolver.daemon.metrics.table import METRICS
from tests.conftest import require_binary
from tests.e2e.resolvers import mini_internet
from tests.resolver.daemon.process import LIMIT_S, Daemon, children_of

PREFIX = "127.68"
GOOD, BROKEN = "www.example.jp", "rrsig-exp-all.faults.jp"


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Iterator[list[str]]:
    """What makes a daemon use the mini-Internet."""
    with mini_internet(tmp_path_factory.mktemp("lab"), PREFIX) as basic:
        yield [*basic, "trust.rfc5011=false", "trust.signal=false"]


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def fetch(port, path, accept=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        connection.request("GET", path, headers={"Accept": accept} if accept else {})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.getheader("Content-Type")
    finally:
        connection.close()


class Running:
    """A daemon with metrics."""

    def __init__(self, settings, *more):
        self.metrics = free_port()
        self.daemon = Daemon(*settings, f"metrics.listen=127.0.0.1:{self.metrics}", *more)

    def ask(self, name, rtype="A", *, tcp=False, edns=True):
        query = dns.message.make_query(name, rtype, want_dnssec=edns)
        return (dns.query.tcp if tcp else dns.query.udp)(query, "127.0.0.1", port=self.daemon.port, timeout=LIMIT_S)

    def samples(self):
        """Values by name and labels."""
        status, text, _ = fetch(self.metrics, "/metrics")
        assert status == 200
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name, **labels):
        return self.samples().get((name, *sorted(labels.items())), 0.0)


@contextlib.contextmanager
def running(settings, *more):
    made = Running(settings, *more)
    with made.daemon as daemon:
        daemon.wait_for("ready")
        yield made
        assert daemon.stop() == 0
        assert not [line for line in daemon.lines if line["event"] == "internal-error"]
        assert not daemon.other


def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.05)
    return found


def test_what_clients_and_servers_did_is_counted(settings):
    with running(settings) as made:
        for _ in range(4):
            made.ask(GOOD)  # the first is resolved, three come from the packet cache
        made.ask(GOOD, tcp=True)
        made.ask(GOOD, "TYPE4711")
        for _ in range(2):
            assert made.ask(BROKEN).rcode() == dns.rcode.SERVFAIL
        got = made.samples()
        assert got["akashi_queries_total", ("transport", "udp")] == 7
        assert got["akashi_queries_total", ("transport", "tcp")] == 1
        assert got["akashi_cache_hits_total", ("layer", "packet")] >= 3
        assert got["akashi_cache_hits_total", ("layer", "answer")] >= 1
        assert got["akashi_responses_total", ("rcode", "NOERROR"), ("transport", "udp")] == 5
        assert got["akashi_responses_total", ("rcode", "NOERROR"), ("transport", "tcp")] == 1
        assert got["akashi_responses_total", ("rcode", "SERVFAIL"), ("transport", "udp")] == 2
        assert got["akashi_query_types_total", ("transport", "udp"), ("type", "A")] == 6
        assert got["akashi_query_types_total", ("transport", "udp"), ("type", "other")] == 1
        assert got["akashi_validations_total", ("reason", "valid"), ("verdict", "secure")] == 6
        assert got["akashi_validations_total", ("reason", "signature-expired"), ("verdict", "bogus")] >= 1
        assert got["akashi_ede_total", ("code", "7")] == 2, "also that from the cache"
        assert got["akashi_upstream_exchanges_total", ("family", "ipv4"), ("result", "answer"), ("transport", "udp")] > 3
        assert got[("akashi_upstream_seconds_count",)] > 3
        assert got[("akashi_client_seconds_count",)] == 8
        assert got["akashi_cache_entries", ("cache", "answers")] >= 2
        assert sum(value for key, value in got.items() if key[0] == "akashi_trust_anchor") >= 1
        assert got[("akashi_workers_ready",)] == got[("akashi_workers",)] == 1


def test_every_metric_of_the_table_is_told_in_both_formats(settings):
    with running(settings) as made:
        _, text, kind = fetch(made.metrics, "/metrics")
        assert kind.startswith("text/plain")
        names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
        assert names == {name_of(metric) for metric in METRICS}
        _, text, kind = fetch(made.metrics, "/metrics", "application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text")
        assert len(list(openmetrics_families(text))) == len(METRICS)


def test_series_do_not_grow_with_what_is_asked(settings):
    with running(settings) as made:
        for rtype in ("A", "AAAA", "TYPE999"):
            made.ask("start.nx.example.jp", rtype)
        before = set(made.samples())
        for number in range(60):
            made.ask(f"n{number}.nx.example.jp", ("A", "AAAA", f"TYPE{1000 + number}")[number % 3])
        after = set(made.samples())
        assert after - before == set()


def test_health(settings):
    with running(settings) as made:
        assert fetch(made.metrics, "/healthz")[:2] == (200, "ok\n")
        assert fetch(made.metrics, "/readyz")[:2] == (200, "ready\n")
        assert fetch(made.metrics, "/nope")[0] == 404
        (worker,) = children_of(made.daemon.process.pid)
        seen = []

        def noticed():
            seen.append(fetch(made.metrics, "/readyz")[:2])
            return seen[-1][0] == 503

        for _ in range(3):  # the third restart comes after 0.4 s
            os.kill(until(lambda: children_of(made.daemon.process.pid))[0], signal.SIGKILL)
            made.daemon.wait_for("worker-exited")
        until(noticed)
        assert "workers: 1 of 1 workers not ready" in seen[-1][1]
        assert worker not in children_of(made.daemon.process.pid)
        until(lambda: fetch(made.metrics, "/readyz")[0] == 200)
        assert made.value("akashi_worker_restarts_total", worker="0") == 3


def test_totals_survive_the_workers(settings, tmp_path):
    with running(settings, "server.workers=2") as made:
        for number in range(20):
            made.ask(f"n{number}.wild.example.jp")
        assert made.value("akashi_queries_total", transport="udp") == 20
        before = made.samples()
        made.daemon.process.send_signal(signal.SIGHUP)
        made.daemon.wait_for("reloaded")
        os.kill(children_of(made.daemon.process.pid)[-1], signal.SIGKILL)
        after = made.samples()
        for key, value in before.items():
            if key[0].endswith(("_total", "_count", "_bucket", "_sum")):
                assert after[key] >= value, key
        assert after["akashi_queries_total", ("transport", "udp")] == 20
        until(lambda: fetch(made.metrics, "/readyz")[0] == 200)


def test_a_busy_address(settings):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        with Daemon(f"metrics.listen=127.0.0.1:{sock.getsockname()[1]}") as daemon:
            assert daemon.wait_for("cannot-start")["problem"].startswith("metrics.listen: 127.0.0.1:")
            assert daemon.wait() == 1


PROMETHEUS = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: akashi
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def test_a_real_prometheus_scrapes_it(settings, tmp_path):
    program = require_binary("prometheus")
    promtool = require_binary("promtool")
    with running(settings) as made:
        made.ask(GOOD)
        checked = subprocess.run(
            [promtool, "check", "metrics"],
            input=fetch(made.metrics, "/metrics")[1],
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert checked.returncode == 0, checked.stderr + checked.stdout
        config = tmp_path / "prometheus.yml"
        config.write_text(PROMETHEUS.format(port=made.metrics))
        port = free_port()
        command = [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as child:
            try:

                def query(expression):
                    with contextlib.suppress(OSError, ValueError):
                        _, body, _ = fetch(port, f"/api/v1/query?query={urllib.parse.quote(expression)}")
                        return json.loads(body)["data"]["result"]
                    return []

                (up,) = until(lambda: [r for r in query("up") if r["value"][1] == "1"])
                assert up["metric"]["job"] == "akashi"
                (queries,) = until(lambda: query('akashi_queries_total{transport="udp"}'))
                assert queries["value"][1] == "1"
                (quantile,) = query("histogram_quantile(0.9, sum by (le) (akashi_client_seconds_bucket))")
                assert 0 < float(quantile["value"][1]) <= 10
            finally:
                child.terminate()
                child.wait(LIMIT_S)
