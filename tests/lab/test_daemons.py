"""NSD, Knot DNS, BIND and PowerDNS serving the lab's zones: the same answers, the same faults, nothing left behind."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.name
import dns.rcode
import dns.rdatatype
import pytest
from dns.rdatatype import RdataType

import lab.internet
from lab import background
from lab.client import command
from lab.daemons import FLAVOURS
from lab.daemons.flavour import find_program
from lab.directory import LabDirectory, Settings
from lab.faults import CATALOGUE
from lab.internet import Internet, LabError
from lab.keys import KeyStore
from lab.server import free_port
from lab.steps import Behaviour
from tests.conftest import require_binary
from tests.lab.conftest import Asker
from tests.lab.diagnose import symptoms
from tests.lab.messages import shown, verify_all
from tests.lab.test_faults import SYMPTOMS

PREFIX = {"nsd": "127.81", "knot": "127.82", "bind": "127.83", "pdns": "127.84"}


def _processes_in(root: Path) -> list[int]:
    """Processes, leaders of a session each, whose command line names a path below the directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            session = (entry / "stat").read_text().rpartition(")")[2].split()[3]
        except OSError:
            continue
        if str(root) in line and session == entry.name:
            found.append(int(entry.name))
    return found


@dataclass
class Running:
    """A lab with a real server."""

    backend: str
    directory: LabDirectory
    report: dict[str, object]
    ask: Asker

    @property
    def net(self) -> Internet:
        return self.ask.net


@pytest.fixture(scope="module", params=FLAVOURS)
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    backend: str = request.param
    require_binary(FLAVOURS[backend].program)
    root = tmp_path_factory.mktemp(backend)
    settings = Settings(root, free_port(f"{PREFIX[backend]}.0.1"), backend, prefix=PREFIX[backend])
    report = background.start(settings)
    directory = LabDirectory(root)
    try:
        # The same keys from the same directory, so that signatures can be checked without asking for keys.
        net = lab.internet.build(time.time(), prefix=settings.prefix, keys=KeyStore(directory.keys))
        yield Running(backend, directory, report, Asker(net, settings.port))
    finally:
        assert background.stop(directory)
        assert _processes_in(root) == []


# zone asked, name, type -> RCODE, types in the answer, types of proof in the authority section
QUESTIONS = [
    ("example.jp.", "www.example.jp.", "A", "NOERROR", {"A"}, set()),
    ("example.jp.", "example.jp.", "DNSKEY", "NOERROR", {"DNSKEY"}, set()),
    ("example.jp.", "long.example.jp.", "TXT", "NOERROR", {"TXT"}, set()),
    ("example.jp.", "short.example.jp.", "A", "NOERROR", {"CNAME", "A"}, set()),
    ("example.jp.", "nonexistent.example.jp.", "A", "NXDOMAIN", set(), {"SOA", "NSEC"}),
    ("example.com.", "a.nonexistent.example.com.", "A", "NXDOMAIN", set(), {"SOA", "NSEC3"}),
    ("example.jp.", "www.example.jp.", "MX", "NOERROR", set(), {"SOA", "NSEC"}),
    ("example.com.", "www.example.com.", "MX", "NOERROR", set(), {"SOA", "NSEC3"}),
    ("example.jp.", "deep.ent.example.jp.", "A", "NOERROR", set(), {"SOA", "NSEC"}),
    ("example.com.", "deep.ent.example.com.", "A", "NOERROR", set(), {"SOA", "NSEC3"}),
    ("example.jp.", "any.wild.example.jp.", "A", "NOERROR", {"A"}, {"NSEC"}),
    ("example.com.", "any.wild.example.com.", "A", "NOERROR", {"A"}, {"NSEC3"}),
    ("example.jp.", "any.wild.example.jp.", "MX", "NOERROR", set(), {"SOA", "NSEC"}),
    ("example.com.", "any.wild.example.com.", "MX", "NOERROR", set(), {"SOA", "NSEC3"}),
    ("example.jp.", "www.old.example.jp.", "A", "NOERROR", {"DNAME", "CNAME", "A"}, set()),
    ("example.com.", "www.old.example.com.", "A", "NOERROR", {"DNAME", "CNAME", "A"}, set()),
    ("jp.", "example.jp.", "DS", "NOERROR", {"DS"}, set()),
    ("jp.", "unsigned.jp.", "DS", "NOERROR", set(), {"SOA", "NSEC"}),
    ("com.", "unsigned.com.", "DS", "NOERROR", set(), {"SOA", "NSEC3"}),
    (".", "www.example.jp.", "A", "NOERROR", set(), {"NS", "DS"}),
    ("jp.", "www.unsigned.jp.", "A", "NOERROR", set(), {"NS", "NSEC"}),
    ("com.", "www.unsigned.com.", "A", "NOERROR", set(), {"NS", "NSEC3"}),
]


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
def test_answers(real: Running, tcp: bool) -> None:
    for zone, name, rdtype, rcode, answer, authority in QUESTIONS:
        response = real.ask.at(real.ask.address_of(zone), name, rdtype, tcp=tcp)
        what = f"{real.backend}: {name} {rdtype} at {zone}\n{response}"
        assert dns.rcode.to_text(response.rcode()) == rcode, what
        assert {entry.split()[1] for entry in shown(response.answer)} == answer, what
        found = {entry.split()[1] for entry in shown(response.authority)}
        # Servers may add the zone's own NS RRset to an answer.
        assert found - {"NS"} == authority - {"NS"}, what
        assert ("NS" in authority) <= ("NS" in found), what
        assert bool(response.flags & dns.flags.AA) == ("NS" not in authority), what
        signed = verify_all(real.net, response)
        synthesised = "CNAME" in answer and "DNAME" in answer
        wanted = len(shown(response.answer)) + len(shown(response.authority)) - synthesised - ("NS" in authority)
        assert signed >= wanted, what


def test_every_zone_of_every_real_server_is_its_file(real: Running) -> None:
    served = [s for s in real.report["servers"] if s["served_by"] == real.backend]
    assert served
    for server in served:
        for text in server["zones"]:
            line = real.directory.zone_file(dns.name.from_text(text)).read_text().splitlines()[0]
            assert real.ask.serial(server["address"], text) == int(line.split()[6])


def test_parents_refer_instead_of_answering_for_children(real: Running) -> None:
    response = real.ask.zone(".", "www.example.com.")
    assert not response.flags & dns.flags.AA
    assert shown(response.answer) == set()


def test_faults(real: Running) -> None:
    """Every fault zone shows its fault, whoever serves it."""
    differing = {}
    for fault in CATALOGUE.values():
        if fault.behaviour is not Behaviour.SILENT:
            found = symptoms(real.ask, "faults.jp.", fault.zone, fault.question)
            if found != SYMPTOMS[fault.name]:
                differing[fault.name] = found
    assert differing == {}


def test_status_names_what_the_embedded_server_does_instead(real: Running) -> None:
    flavour = FLAVOURS[real.backend]
    unfit = [fault.name for fault in CATALOGUE.values() if flavour.unfit(fault)]
    assert {"silent", "allow-query-none"} < set(unfit)
    assert all(name in str(real.report["backend_note"]) for name in unfit)
    by_address = {s["address"]: s["served_by"] for s in real.report["servers"]}
    for fault in CATALOGUE.values():
        expected = "embedded" if fault.name in unfit else real.backend
        assert by_address[real.ask.address_of(fault.zone)] == expected


def test_break_and_heal(real: Running) -> None:
    def seen() -> set[str]:
        found = symptoms(real.ask, "com.", "example.com.", "www.example.com.")
        return {symptom for symptom in found if "algorithm 13" not in symptom}

    socket = real.directory.control_socket
    assert seen() == set()
    command(socket, "break", zone="example.com", fault="bad-zsk")
    assert seen() == SYMPTOMS["bad-zsk"]
    with pytest.raises(LabError, match="needs a server that misbehaves"):
        command(socket, "break", zone="example.com", fault="silent")
    command(socket, "heal", zone="example.com")
    assert seen() == set()


def test_signing_again_reaches_the_server(real: Running) -> None:
    address = real.ask.address_of("jp.")
    before = real.ask.serial(address, "jp.")
    command(real.directory.control_socket, "resign")
    assert real.ask.serial(address, "jp.") > before
    response = real.ask.zone("jp.", "example.jp.", "DS")
    assert verify_all(real.net, response) == 1
    assert RdataType.DS in {r.rdtype for r in response.answer}


@pytest.mark.parametrize("backend", FLAVOURS)
def test_a_server_that_dies_ends_the_lab_and_is_named(backend: str, tmp_path: Path) -> None:
    require_binary(FLAVOURS[backend].program)
    prefix = f"127.{int(PREFIX[backend].split('.')[1]) + 10}"
    background.start(Settings(tmp_path, free_port(f"{prefix}.0.1"), backend, prefix=prefix))
    assert len(_processes_in(tmp_path)) > len(FLAVOURS)
    (pid,) = _processes_in(tmp_path / FLAVOURS[backend].program / "a.dns.jp")
    os.kill(pid, signal.SIGKILL)
    directory = LabDirectory(tmp_path)
    deadline = time.monotonic() + 30
    while _processes_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _processes_in(tmp_path) == []
    assert directory.running() is None
    assert f"{FLAVOURS[backend].title} for a.dns.jp ended (killed by SIGKILL)" in directory.log.read_text()


def test_a_server_that_is_not_installed_is_named_with_its_package() -> None:
    with pytest.raises(LabError, match=r"no-such-server is not installed .*apt-get install its-package"):
        find_program("no-such-server", "its-package")
