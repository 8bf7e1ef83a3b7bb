"""A worker before its supervisor has told it what is in force."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.rcode
import pytest

from resolver.config import load
from resolver.daemon import logs
from resolver.daemon.channel import Channel, make_pair
from resolver.daemon.errors import StartError
from resolver.daemon.local_root.keeper import REQUEST
from resolver.daemon.sockets import WorkerSockets
from resolver.daemon.trust.message import encode_trust
from resolver.daemon.worker import Worker, make_plan
from tests.resolver.daemon.local_root.test_local_root_keeper import loaded
from tests.resolver.server.world import bound, run, until

PATIENCE_S = 3.0
KNOWN = {"note": "", "verified": False}


@pytest.fixture(autouse=True)
def _garbage() -> Iterator[None]:
    """A worker tames the collector of its process."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


async def ask(address: tuple[str, int]) -> dns.message.Message:
    query = dns.message.make_query("localhost", "A", use_edns=0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        sock.connect(address)
        sock.send(query.to_wire())
        return dns.message.from_wire(await loop.sock_recv(sock, 4096))


def errors(message: dns.message.Message) -> list[int]:
    return [int(option.code) for option in message.options if isinstance(option, dns.edns.EDEOption)]


@pytest.mark.parametrize("shared", [False, True])
def test_until_it_is_told_clients_hear_that_it_is_not_ready(shared: bool) -> None:
    """Unless another worker takes their queries from the same sockets: then it stays out of its way."""

    async def main() -> None:
        udp, tcp = bound(socket.SOCK_DGRAM), bound(socket.SOCK_STREAM)
        address = udp.getsockname()
        plan = make_plan(load(None, ["server.workers=1", "control.socket=", "metrics.listen="]))
        worker = Worker(plan, WorkerSockets([udp], [tcp], shared), 512, logs.logger())
        ours, theirs = make_pair()
        told: list[str] = []
        channel = await Channel.open(ours, lambda what, facts: {}, lambda what, facts: told.append(what), lambda: None)
        running = asyncio.get_running_loop().create_task(worker.run(theirs))
        if shared:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(PATIENCE_S / 2):
                    await ask(address)
        else:
            # The query waits in the socket for a second, in which the supervisor mostly speaks.
            async with asyncio.timeout(PATIENCE_S):
                early = await ask(address)
            assert (early.rcode(), errors(early)) == (dns.rcode.SERVFAIL, [14])
        assert not told
        channel.tell("go", trust=encode_trust(plan.points), clock=KNOWN, requests={})
        await until(lambda: "ready" in told)
        later = await ask(address)
        assert (later.rcode(), errors(later)) == (dns.rcode.NOERROR, [])
        worker._end(0.0)
        await running
        await channel.finish(0.1)

    run(main())


def test_it_is_told_of_the_copy_of_the_root_with_the_first_word(tmp_path: Path) -> None:
    async def main() -> None:
        stage = await loaded(tmp_path)
        plan = make_plan(load(None, ["server.workers=1", "control.socket=", "metrics.listen="]))
        worker = Worker(plan, WorkerSockets([], [], False), 512, logs.logger())
        facts = {"trust": encode_trust(plan.points), "clock": KNOWN, "requests": {REQUEST: stage.keeper.request()}}
        worker._told("go", facts)
        await until(lambda: worker.mesh.memory.local_root is not None)

    run(main())


def test_a_plan_needs_anchors_that_can_be_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """No worker is made from anchors that make no sense: there is no such state as "up, and trusts nothing"."""
    spoiled = tmp_path / "anchor"
    spoiled.write_text("this is no anchor\n")
    config = load(None, [f"trust.anchors={spoiled}"])
    with pytest.raises(StartError, match=r"trust\.anchors"):
        make_plan(config)
