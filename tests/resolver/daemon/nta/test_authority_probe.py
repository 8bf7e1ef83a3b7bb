"""Looks at the lab's zones, at all of their authorities together and at each alone."""

import asyncio
import json
import time
from collections.abc import Iterator

import dns.name
import pytest

import lab.internet
import lab.server
from lab.faults import CATALOGUE
from lab.internet import Internet
from resolver.config import load
from resolver.daemon.nta.authority_probe import AuthorityProbe
from resolver.daemon.worker import make_plan
from resolver.server import clock
from trust.anchors import Nta
from trust.nta import Round
from trust.nta_rules import Evidence, Seen
from trust.vocabulary import Question
from wire import types as t
from wire.text import name_from_text, type_from_text

PREFIX = "127.69"


class Stage:
    """A mini-Internet whose servers can be given different zones."""

    def __init__(self, directory, net: Internet) -> None:
        self.directory = directory
        self.net = net
        (directory / "hints").write_text(self.net.hints())
        (directory / "anchor").write_text(self.net.anchor())
        self.crashes: list[object] = []

    def probe(self, port: int, *more: str, ntas: tuple[str, ...] = ()) -> AuthorityProbe:
        settings = (
            f"upstream.root-hints={self.directory / 'hints'}",
            f"trust.anchors={self.directory / 'anchor'}",
            f"upstream.port={port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
        )
        plan = make_plan(load(None, settings + more))
        points = plan.points.with_ntas([Nta(name_from_text(name), "test") for name in ntas])
        return AuthorityProbe(lambda: plan, lambda: points, lambda *what: self.crashes.append(what))

    def examine(self, port: int, name: str, failing: str = "", **how) -> Evidence:
        async def main() -> Evidence:
            return await self.probe(port, **how).examine(name_from_text(name), _question(failing or name))

        found = asyncio.run(main())
        assert not self.crashes
        return found

    def round(self, port: int, name: str, failing: str = "", *more: str, **how) -> Round:
        async def main() -> Round:
            return await self.probe(port, *more, **how).round(name_from_text(name), _question(failing or name))

        found = asyncio.run(main())
        assert not self.crashes
        return found


def _question(text: str) -> Question:
    name, _, rtype = text.partition("/")
    return Question(name_from_text(name), type_from_text(rtype) if rtype else t.A)


@pytest.fixture(scope="module")
def net() -> Internet:
    return lab.internet.build(time.time(), prefix=PREFIX)


@pytest.fixture
def stage(tmp_path, net) -> Stage:
    return Stage(tmp_path, net)


@pytest.fixture
def port(stage) -> Iterator[int]:
    with lab.server.running(stage.net) as server:
        yield server.port


def test_what_is_seen(stage, port):
    for name, failing, seen in (
        ("rrsig-exp-all.faults.jp", "", Seen.BROKEN),
        ("ds-bad-tag.faults.jp", "", Seen.BROKEN),
        ("bad-nsec3-hash.faults.jp", "nonexistent.bad-nsec3-hash.faults.jp", Seen.BROKEN),
        ("no-dnskey.faults.jp", "", Seen.BROKEN),
        ("example.jp", "www.example.jp", Seen.VALIDATES),
        ("www.example.jp", "www.example.jp/LOC", Seen.VALIDATES),
        ("nothing-here.example.jp", "", Seen.VALIDATES),
        ("www.unsigned.jp", "", Seen.UNVALIDATED),
        # Its servers refuse everybody.
        ("allow-query-none.faults.jp", "", Seen.UNREACHABLE),
    ):
        evidence = stage.examine(port, name, failing)
        assert evidence.seen is seen, (name, evidence.sentence)
        assert evidence.sentence
        assert not evidence.clock
        document = json.loads(evidence.document)
        assert document["servers"], name
        assert document["report"]["question"]["name"] == (failing or name).partition("/")[0]


def test_ntas_are_left_aside(stage, port):
    name = "rrsig-exp-all.faults.jp"
    for ntas in ((), (name,), ("faults.jp",), ("jp", name)):
        assert stage.examine(port, name, ntas=ntas).seen is Seen.BROKEN
        assert not stage.round(port, name, ntas=ntas).good
    assert stage.round(port, "example.jp", "www.example.jp", ntas=("jp",)).good


def test_every_authority_is_asked_by_itself(stage):
    """A zone mended at one of its two servers: clients are well by now, and the round is not good."""
    zone = dns.name.from_text("example.jp")
    server_1, server_2 = (s.address for s in stage.net.servers() if zone in s.zones)
    healthy = lab.server.AuthorityServer()
    healthy.load(stage.net)
    good = dict(healthy._responders)
    stage.net.apply(zone, CATALOGUE["rrsig-exp-all"], int(time.time()))
    with lab.server.running(stage.net) as server:
        found = stage.round(server.port, "example.jp", "www.example.jp")
        assert {check.server: check.secure for check in found.checks} == {server_1: False, server_2: False}
        server._server._responders[server_1] = good[server_1]
        found = stage.round(server.port, "example.jp", "www.example.jp")
        assert {check.server: check.secure for check in found.checks} == {server_1: True, server_2: False}
        assert not found.good
        assert server_2 in found.sentence and "expired" in found.sentence
        # A client is served, since the resolver asks the other server when one gives it what is bogus.
        evidence = stage.examine(server.port, "example.jp", "www.example.jp")
        assert evidence.seen is Seen.VALIDATES
        told = json.loads(evidence.document)["servers"]
        assert {entry["server"]: entry["security"] for entry in told} == {server_1: "secure", server_2: "bogus"}
        server._server._responders[server_2] = good[server_2]
        found = stage.round(server.port, "example.jp", "www.example.jp")
        assert found.good
        assert [check.server for check in found.checks] == [server_1, server_2]
    stage.net.apply(zone, None, int(time.time()))


@pytest.mark.parametrize("silent", ["SILENT", "SERVFAIL", "REFUSE"])
def test_an_authority_that_does_not_answer_is_not_good(stage, silent):
    zone = dns.name.from_text("example.jp")
    server_1, server_2 = (s.address for s in stage.net.servers() if zone in s.zones)
    with lab.server.running(stage.net) as server:

        class Other:
            def respond(self, wire, peer, *, tcp):
                if silent == "SILENT":
                    return None
                return wire[:2] + bytes((0x84, 2 if silent == "SERVFAIL" else 5)) + wire[4:12] + wire[12:]

        server._server._responders[server_2] = Other()
        found = stage.round(server.port, "example.jp", "www.example.jp")
        assert {check.server: check.secure for check in found.checks} == {server_1: True, server_2: False}
        assert not found.good
        assert found.checks[1].text


def test_the_failing_question_counts(stage, port):
    """SOA and DNSKEY are in order; the address is not."""
    name = "rrsig-exp-a.faults.jp"
    found = stage.round(port, name)
    assert not found.good
    assert f"{name}/A" in found.sentence
    assert stage.round(port, name, f"{name}/TXT").good
    assert stage.examine(port, name, f"{name}/TXT").seen is Seen.VALIDATES


def test_a_name_within_a_zone_is_looked_at_in_its_zone(stage, port):
    found = stage.round(port, "www.example.jp")
    assert found.good
    assert found.zone == name_from_text("example.jp")
    assert len(found.checks) == 2


def test_a_failing_name_in_a_zone_below_adds_that_zone(stage, port):
    found = stage.round(port, "faults.jp", "rrsig-exp-a.faults.jp")
    assert not found.good
    servers = {check.name_server for check in found.checks}
    assert any(name.endswith("rrsig-exp-a.faults.jp") for name in servers)
    assert any(name in ("ns1.faults.jp", "ns2.faults.jp") for name in servers)


def test_authorities_of_the_configuration(stage, port):
    zone = dns.name.from_text("example.jp")
    server_1, _ = (s.address for s in stage.net.servers() if zone in s.zones)
    found = stage.round(port, "example.jp", "www.example.jp", f"upstream.stub.example.jp={server_1}")
    assert [check.server for check in found.checks] == [server_1]
    assert found.good


def test_no_authority_is_no_good_round(stage, port):
    found = stage.round(port, "example.jp", "www.example.jp", "upstream.do-not-query=127.69.2.0/24")
    assert not found.good
    assert found.checks == ()
    assert "no authority" in found.sentence


@pytest.mark.parametrize(("days", "name"), [(400, "www.example.jp"), (-400, "www.example.jp")])
def test_a_clock_years_off_is_suspected(stage, port, monkeypatch, days, name):
    """Everything has expired, or is not valid yet, the root too: it is our clock that is wrong."""
    monkeypatch.setattr(clock, "time", lambda: time.time() + days * 86400)
    evidence = stage.examine(port, name)
    assert evidence.seen is Seen.BROKEN
    assert ("expired" if days > 0 else "valid from") in evidence.clock
    assert "our clock says" in evidence.clock


def test_a_clock_that_is_right_is_not_suspected(stage, port):
    for name in ("rrsig-exp-all.faults.jp", "rrsig-exp-a.faults.jp", "rrsig-not-yet-all.faults.jp"):
        assert not stage.examine(port, name).clock


def test_looking_takes_no_longer_than_an_operator_waits(stage, port):
    """Out of time is an answer too: the name is not to be reached, and a round is not good."""

    async def main() -> tuple[Evidence, Round]:
        probe = stage.probe(port)
        probe.examine_s = probe.round_s = 0.0
        name = name_from_text("www.example.jp")
        return await probe.examine(name, _question("www.example.jp")), await probe.round(name, _question("www.example.jp"))

    evidence, found = asyncio.run(main())
    assert evidence.seen is Seen.UNREACHABLE
    assert json.loads(evidence.document)["report"]["answer"]["sentence"] == evidence.sentence
    assert not found.good
    assert "within" in found.sentence
    assert not stage.crashes
