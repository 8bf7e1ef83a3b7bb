"""RFC 9567 end to end: a zone whose servers name an agent is told of its failure, once; no other is, and only if wanted."""

import contextlib
import time
from collections.abc import Iterator

import dns.edns
import dns.message
import dns.name
import dns.query
import dns.rcode
import pytest

import lab.internet
import lab.server
from lab.faults import CATALOGUE, Expectation, Fault
from tests.e2e.odd_server import PASS, odd_server, serve_at
from tests.resolver.daemon.process import LIMIT_S, Daemon

PREFIX = "127.89"
FAILING, AGENT = "rrsig-exp-a.faults.jp.", "unsigned.faults.jp."
ADDRESS = {FAILING: f"{PREFIX}.250.1", AGENT: f"{PREFIX}.250.2"}
WANTED = f"_er.1.{FAILING}7._er.{AGENT}"


class Operator:
    """The failing zone's server, which names the agent; the agent, which remembers what it was asked."""

    def __init__(self) -> None:
        self.net = lab.internet.build(time.time(), prefix=PREFIX, faults=[CATALOGUE[z.split(".")[0]] for z in ADDRESS])
        self.real = {zone: self.net.addresses[dns.name.from_text(f"ns1.{zone}")] for zone in ADDRESS}
        for zone, address in ADDRESS.items():
            was = CATALOGUE[zone.split(".")[0]]
            fault = Fault(
                "odd", was.wrong, Expectation(""), signed=was.signed, edit=was.edit, parent=_both(was, serve_at(address))
            )
            self.net.apply(dns.name.from_text(zone), fault, int(time.time()))
        self.port = 0
        self.reports: list[str] = []

    def names_its_agent(self, query: dns.message.Message, tcp: bool) -> dns.message.Message:
        send = dns.query.tcp if tcp else dns.query.udp
        response = send(query, self.real[FAILING], port=self.port, timeout=LIMIT_S)
        channel = dns.edns.GenericOption(18, dns.name.from_text(AGENT).to_wire())
        response.use_edns(0, response.ednsflags, 1232, options=[channel])
        return response

    def remembers(self, query: dns.message.Message, _tcp: bool) -> bytes:
        name = query.question[0].name.to_text().lower()
        if name.startswith("_er."):
            self.reports.append(name)
        return PASS


def _both(fault, second):
    def step(delegation) -> None:
        if fault.parent:
            fault.parent(delegation)
        second(delegation)

    return step


@pytest.fixture
def operator() -> Iterator[Operator]:
    operator = Operator()
    with contextlib.ExitStack() as stack:
        operator.port = stack.enter_context(lab.server.running(operator.net)).port
        rules = {FAILING: operator.names_its_agent, AGENT: operator.remembers}
        for zone, rule in rules.items():
            stack.enter_context(odd_server(ADDRESS[zone], operator.port, operator.real[zone], rule))
        yield operator


@contextlib.contextmanager
def daemon_of(operator: Operator, directory, *settings: str) -> Iterator[Daemon]:
    (directory / "hints").write_text(operator.net.hints())
    (directory / "anchor").write_text(operator.net.anchor())
    with Daemon(
        f"upstream.root-hints={directory / 'hints'}",
        f"trust.anchors={directory / 'anchor'}",
        f"upstream.port={operator.port}",
        "upstream.ipv6=false",
        "upstream.allow-loopback=true",
        *settings,
    ) as daemon:
        daemon.wait_for("ready")
        yield daemon
        assert daemon.stop() == 0
        assert "internal-error" not in daemon.events()


def rcode(daemon: Daemon, name: str, rtype: str = "A") -> str:
    query = dns.message.make_query(name, rtype, want_dnssec=True)
    return dns.rcode.to_text(dns.query.udp(query, "127.0.0.1", port=daemon.port, timeout=LIMIT_S).rcode())


def until(condition) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_failure_is_reported_once(operator: Operator, tmp_path) -> None:
    with daemon_of(operator, tmp_path, "trust.error-reports=true") as daemon:
        assert rcode(daemon, FAILING) == "SERVFAIL"
        until(lambda: WANTED in operator.reports)
        assert rcode(daemon, FAILING) == "SERVFAIL"
        # A good name of the zone is no failure, and a failure of what was asked below _er is not reported.
        assert rcode(daemon, f"www.{FAILING}") == "NOERROR"
        rcode(daemon, f"_er.1.{FAILING}7._er.{FAILING}")
        until(lambda: rcode(daemon, f"other.{AGENT}") == "NXDOMAIN")
    assert set(operator.reports) <= {WANTED, *_minimised(WANTED)}
    assert operator.reports.count(WANTED) == 1


def test_nothing_is_reported_unless_wanted(operator: Operator, tmp_path) -> None:
    with daemon_of(operator, tmp_path) as daemon:
        assert rcode(daemon, FAILING) == "SERVFAIL"
        assert rcode(daemon, f"other.{AGENT}") == "NXDOMAIN"
    assert operator.reports == []


def _minimised(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(1, len(labels))]
