"""A real Prometheus on targets of a test, with the shipped rules made quick: waiting times and windows of seconds."""

import contextlib
import http.client
import json
import re
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from tests.conftest import ROOT, require_binary
from tests.resolver.daemon.process import LIMIT_S

T = TypeVar("T")
RULES = ROOT / "conf" / "prometheus" / "alerts.yml"
WINDOW = "4s"

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: akashi
    file_sd_configs: [{{files: [{targets}]}}]
"""


def quick(rules: str) -> str:
    """The same rules, for things that happen within seconds."""
    rules = re.sub(r"\bfor: \w+", "for: 1s", rules)
    rules = re.sub(r"changes\((\w+)\[15m\]", r"changes(\1[60s]", rules)  # the time of a restart is within
    rules = re.sub(r"\[\d+[mh]\]", f"[{WINDOW}]", rules)
    return re.sub(r"offset 1h", "offset 6s", rules)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(condition: Callable[[], T], limit_s: float = LIMIT_S) -> T:
    """Wait for something true; returns it."""
    deadline = time.monotonic() + limit_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.1)
    return found


class Prometheus:
    """Asks the running server."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.targets = directory / "targets.json"
        self.fired: set[tuple[str, str]] = set()
        (directory / "alerts.yml").write_text(quick(RULES.read_text(encoding="utf-8")))
        self.config = directory / "prometheus.yml"
        self.config.write_text(CONFIG.format(rules=directory / "alerts.yml", targets=self.targets))

    def scrape(self, *ports: int) -> None:
        """From now on these."""
        groups = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        fresh = self.targets.with_suffix(".new")
        fresh.write_text(json.dumps(groups if ports else []))
        fresh.rename(self.targets)

    def get(self, path: str, **parameters: Any) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request("GET", f"{path}?{urllib.parse.urlencode(parameters)}")
            document = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert document["status"] == "success", document
        return document["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Samples of an expression now."""
        found = self.get("/api/v1/query", query=expression)
        return found["result"] if found["resultType"] == "vector" else [found]

    def firing(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(alert, instance's port) → the alert."""
        alerts = {
            (alert["labels"]["alertname"], alert["labels"].get("instance", ":").rpartition(":")[2]): alert
            for alert in self.get("/api/v1/alerts")["alerts"]
            if alert["state"] == "firing"
        }
        self.fired |= set(alerts)
        return alerts

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return bool(self.get("/api/v1/rules")["groups"])
        return False


@contextlib.contextmanager
def running(directory: Path, *ports: int) -> Iterator[Prometheus]:
    """A server that scrapes these ports."""
    program = require_binary("prometheus")
    made = Prometheus(directory)
    made.scrape(*ports)
    command = [program, f"--config.file={made.config}", f"--storage.tsdb.path={directory / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{made.port}", "--log.level=warn"]
    with (directory / "prometheus.log").open("wb") as log, subprocess.Popen(command, stderr=log, stdout=log) as child:
        try:
            until(made.is_ready)
            yield made
        finally:
            child.terminate()
            child.wait(LIMIT_S)
