"""Daemons that a real Prometheus watches (`prometheus`), traffic for them, and whether an alert fires."""

import contextlib
import re
import socket
import threading
from pathlib import Path
from typing import Any

import dns.message

from resolver.cli.client import Client
from tests.e2e.prometheus import Prometheus, free_port, until
from tests.resolver.daemon.process import Daemon


class Target:
    """A daemon with metrics on a fixed port, started as often as a test likes."""

    def __init__(self, directory: Path, hints: str, anchor: str, port: int) -> None:
        directory.mkdir()
        self.state = directory / "state"
        self.state.mkdir()
        self.socket = directory / "control.sock"
        self.file = directory / "akashi.toml"
        self.file.write_text("")
        self.metrics = free_port()
        (directory / "hints").write_text(hints)
        self.anchor = directory / "anchor"
        self.anchor.write_text(anchor)
        self.settings = [
            f'upstream.root-hints="{directory / "hints"}"',
            f'trust.anchors="{self.anchor}"',
            f"upstream.port={port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
            f'trust.state-dir="{self.state}"',
            f'control.socket="{self.socket}"',
            f"metrics.listen=127.0.0.1:{self.metrics}",
            "trust.shortest-refresh=1s",
        ]
        self.daemon: Daemon | None = None

    def start(self, *more: str, **options: Any) -> Daemon:
        """`options`: see Daemon."""
        self.stop()
        self.daemon = Daemon(*self.settings, *more, config=self.file, **options)
        self.daemon.__enter__()
        self.daemon.wait_for("ready")
        return self.daemon

    def stop(self) -> None:
        if self.daemon is not None:
            self.daemon.__exit__()
            self.daemon = None

    def control(self) -> Client:
        return Client(self.socket)


class Traffic(threading.Thread):
    """Steady questions to some daemons until the end of the block: a few a second of each kind."""

    def __init__(self, *, targets: list[Target], names: list[str], garbage: bool = False) -> None:
        super().__init__(daemon=True)
        self.addresses = [("127.0.0.1", target.daemon.port) for target in targets if target.daemon is not None]
        self.names, self.garbage = names, garbage
        self.over = threading.Event()

    def run(self) -> None:
        number = 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            while not self.over.wait(0.05):
                number += 1
                for address in self.addresses:
                    for name in self.names:
                        text = name.replace("*", f"n{number}")
                        query = dns.message.make_query(text, "A", want_dnssec=True, id=number & 0xFFFF)
                        sock.sendto(query.to_wire(), address)
                    if self.garbage:
                        sock.sendto(b"\0garbage", address)

    def __enter__(self) -> "Traffic":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def fires(prometheus: Prometheus, *alerts: str, at: Target | None = None) -> None:
    """Wait until each of them did, for this daemon; their texts must have come out."""
    wanted = {(alert, str(at.metrics) if at else "") for alert in alerts}
    found: dict[tuple[str, str], Any] = {}

    def complete() -> bool:
        found.update(prometheus.firing())
        return wanted <= found.keys()

    with contextlib.suppress(AssertionError):
        until(complete)
    assert wanted - found.keys() == set()
    for key in wanted:
        texts = found[key]["annotations"]
        assert "Next:" in texts["description"]
        for text in texts.values():
            assert text
            assert not re.search(r"\{\{|<no value>|error calling|%!", text), text


def is_quiet(prometheus: Prometheus, alert: str, at: Target) -> bool:
    """Whether it does not fire for this daemon."""
    return (alert, str(at.metrics)) not in prometheus.firing()
