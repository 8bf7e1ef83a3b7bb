"""An NTA for a zone that a real authoritative server serves broken, from its setting to its own end."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from lab import background
from lab.client import command
from lab.daemons import FLAVOURS
from lab.directory import LabDirectory, Settings
from lab.server import free_port
from tests.conftest import require_binary
from tests.resolver.daemon.process import LIMIT_S, Daemon

PREFIX = {"nsd": "127.91", "knot": "127.92"}
BROKEN = "rrsig-exp-all.faults.jp"
SIBLING = "rrsig-no-all.faults.jp"
pytestmark = pytest.mark.slow


@pytest.fixture(params=PREFIX)
def internet(request, tmp_path) -> Iterator[LabDirectory]:
    backend: str = request.param
    require_binary(FLAVOURS[backend].program)
    settings = Settings(tmp_path / "lab", free_port(f"{PREFIX[backend]}.0.1"), backend, prefix=PREFIX[backend])
    background.start(settings)
    directory = LabDirectory(tmp_path / "lab")
    try:
        yield directory
    finally:
        assert background.stop(directory)


def ask(daemon: Daemon, name: str) -> tuple[str, bool, set[int]]:
    """RCODE, AD and EDE codes, over UDP."""
    query = dns.message.make_query(name, "A", want_dnssec=True)
    response = dns.query.udp(query, "127.0.0.1", port=daemon.port, timeout=LIMIT_S)
    codes = {int(o.code) for o in response.options if isinstance(o, dns.edns.EDEOption)}
    return dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AD), codes


def nta(socket: Path, *arguments: str) -> Any:
    line = [sys.executable, "-W", "error", "-m", "resolver", "nta", *arguments, "--json", "--socket", str(socket)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    return json.loads(done.stdout)


def test_from_its_setting_to_its_own_end(internet, tmp_path):
    socket = tmp_path / "control.sock"
    with Daemon(
        f"control.socket={socket}",
        "trust.nta.require-approval=false",
        "trust.nta.recheck-interval=1s",
        "trust.rfc5011=false",
        config=internet.config,
    ) as daemon:
        daemon.wait_for("ready")
        assert ask(daemon, BROKEN)[0] == "SERVFAIL"
        assert nta(socket, "add", BROKEN, "--reason", "expired")["state"] == "active"
        assert ask(daemon, BROKEN) == ("NOERROR", False, {33})
        rcode, _, codes = ask(daemon, SIBLING)
        assert rcode == "SERVFAIL" and 33 not in codes
        assert nta(socket, "remove", BROKEN)["state"] == "removed"
        rcode, _, codes = ask(daemon, BROKEN)
        assert rcode == "SERVFAIL" and 7 in codes and 33 not in codes
        nta(socket, "add", BROKEN, "--reason", "expired")
        assert ask(daemon, BROKEN) == ("NOERROR", False, {33})
        assert not daemon.wait_for("nta-round")["good"]
        command(internet.control_socket, "heal", zone=BROKEN)
        daemon.wait_for("nta-retire")
        daemon.wait_for("nta-published")
        assert ask(daemon, BROKEN) == ("NOERROR", True, set())
        history = nta(socket, "history", "--verify")
        assert history["verified"]
        assert [line["what"] for line in history["lines"]] == ["add", "remove", "add", "retire"]
        assert daemon.stop() == 0
        assert "internal-error" not in daemon.events()
