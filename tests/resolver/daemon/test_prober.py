"""The supervisor's own resolver: kept memory or none, NTAs or none, one server only, a new configuration, no leftovers."""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab.internet
import lab.server
from resolver.config import Config, load
from resolver.daemon.prober import Prober
from resolver.daemon.worker import Plan, make_plan
from trust.anchors import Nta
from trust.reason import Reason
from trust.vocabulary import Address, Ask, Question, Security, Trouble
from wire import types as t
from wire.name import ROOT
from wire.text import name_from_text

PREFIX = "127.70"
LIMIT_S = 30.0
GOOD = Question(name_from_text("www.example.jp"), t.A)
BROKEN = Question(name_from_text("rrsig-exp-all.faults.jp"), t.A)


@pytest.fixture(scope="module")
def net() -> Iterator[tuple[lab.server.AuthorityServer, Config]]:
    """The mini-Internet, and a configuration for it."""
    made = lab.internet.build(time.time(), prefix=PREFIX)
    with tempfile.TemporaryDirectory() as folder, lab.server.running(made) as server:
        (Path(folder) / "hints").write_text(made.hints())
        (Path(folder) / "anchor").write_text(made.anchor())
        yield (
            server,
            load(
                None,
                (
                    f'upstream.root-hints="{folder}/hints"',
                    f'trust.anchors="{folder}/anchor"',
                    f"upstream.port={server.port}",
                    "upstream.ipv6=false",
                    "upstream.allow-loopback=true",
                    "upstream.prime=false",
                ),
            ),
        )


@pytest.fixture
def plan(net) -> Plan:
    return make_plan(net[1])


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def play(plan, main):
    """Run `main(prober)`; no bug was met and no descriptor stays open."""
    crashes = []

    async def bounded():
        prober = Prober(plan, plan.points, lambda where, error: crashes.append((where, error)))
        before = descriptors()
        try:
            async with asyncio.timeout(LIMIT_S):
                await main(prober)
        finally:
            prober.close()
        assert descriptors() <= before

    asyncio.run(bounded())
    assert not crashes


def test_the_memory_is_kept_unless_told_otherwise(net, plan):
    server, _ = net

    async def main(prober):
        first = await prober.resolve(GOOD)
        assert first.security is Security.SECURE
        asked = server.queries
        again = await prober.resolve(GOOD)
        assert again.answer[0][0].rdatas == first.answer[0][0].rdatas
        assert server.queries == asked, "from memory"
        fresh = await prober.resolve(GOOD, fresh=True)
        assert fresh.security is Security.SECURE
        assert server.queries > asked + 2, "everything anew"

    play(plan, main)


def test_what_is_bogus_is_told_with_its_reason(plan):
    async def main(prober):
        found = await prober.resolve(BROKEN)
        assert (found.security, found.reason) == (Security.BOGUS, Reason.SIGNATURE_EXPIRED)
        unchecked = await prober.resolve(BROKEN, checking_disabled=True)
        assert unchecked.security is not Security.SECURE and unchecked.answer

    play(plan, main)


def test_ntas_are_in_force_and_can_be_left_out(plan):
    async def main(prober):
        assert (await prober.resolve(BROKEN)).security is Security.BOGUS
        prober.set_trust(plan.points.with_ntas([Nta(name_from_text("faults.jp"), "ticket 1")]))
        under = await prober.resolve(BROKEN)
        assert (under.security, under.reason) == (Security.INSECURE, Reason.NTA)
        without = await prober.resolve(BROKEN, ignore_ntas=True)
        assert without.security is Security.BOGUS
        assert (await prober.resolve(BROKEN)).reason is Reason.NTA

    play(plan, main)


def test_one_server_only(net, plan):
    """A server that nobody runs is asked, and no other one helps out."""
    server, _ = net

    async def main(prober):
        zone = name_from_text("example.jp")
        nobody = Address(f"{PREFIX}.250.250", server.port)
        found = await prober.resolve(GOOD, server=(zone, nobody))
        assert not found.answer and found.rcode == t.SERVFAIL
        assert {finding.server for finding in found.findings if finding.server is not None} == {nobody}
        assert (await prober.resolve(GOOD)).security is Security.SECURE

    play(plan, main)


def test_a_packet_apart_from_every_resolution(net, plan):
    server, _ = net
    root = next(iter(plan.settings.root.values()))[0]

    async def main(prober):
        reply = await prober.exchange(Ask(root, ROOT, t.SOA, ROOT, timeout_s=5.0))
        assert reply.message is not None and reply.message.answer[0].rtype == t.SOA
        reply = await prober.exchange(Ask(Address(f"{PREFIX}.250.250", server.port), ROOT, t.SOA, ROOT, timeout_s=0.3))
        assert reply.trouble in (Trouble.TIMEOUT, Trouble.UNREACHABLE)

    play(plan, main)


def test_another_configuration(plan):
    async def main(prober):
        waiting = asyncio.ensure_future(prober.resolve(GOOD))
        await asyncio.sleep(0)
        prober.configure(plan, plan.points.with_ntas([Nta(name_from_text("jp"))]))
        assert (await waiting).security is Security.SECURE, "as it was asked"
        assert (await prober.resolve(GOOD)).reason is Reason.NTA

    play(plan, main)


def test_many_at_once(plan):
    async def main(prober):
        names = [Question(name_from_text(f"n{number}.wild.example.jp"), t.A) for number in range(150)]
        found = await asyncio.gather(*(prober.resolve(question) for question in names))
        assert all(resolution.security is Security.SECURE for resolution in found)

    play(plan, main)
