"""The authorities as processes: `tests.hostile` on port 53, counted by who asks."""

import ipaddress
import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from tests.hostile import signed
from tests.hostile.attacks import CALM, ROOT
from tests.hostile.signed import HONEST, World
from tests.hostile.sockets import Hostile

PORT = 53
HONEST_HOSTS = 1500
_FORK = multiprocessing.get_context("fork")


@dataclass
class Authorities:
    """Both processes."""

    world: World
    _pipes: Sequence[Connection]

    def queries(self) -> dict[str, int]:
        """Queries so far, by the asking address; those of other clients' names included."""
        total: dict[str, int] = {}
        for pipe in self._pipes:
            pipe.send("count")
        for pipe in self._pipes:
            for client, count in pipe.recv().items():
                total[client] = total.get(client, 0) + count
        return total


@contextmanager
def serving() -> Iterator[Authorities]:
    """The world, as long as the block lasts."""
    world = World(hosts=HONEST_HOSTS)
    good = [ROOT, CALM, HONEST]
    bad = [ip for ip in signed.addresses() if ip not in good]
    pipes, processes = [], []
    for places in (good, bad):
        ours, theirs = _FORK.Pipe()
        process = _FORK.Process(target=_serve, args=(world, places, theirs), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    for pipe in pipes:
        assert pipe.recv() == "ready"
    try:
        yield Authorities(world, pipes)
    finally:
        for pipe in pipes:
            pipe.send("end")
        for process in processes:
            process.join(10)


def _serve(world: World, places: list[str], pipe: Connection) -> None:
    with Hostile(world.respond, places, PORT) as hostile:
        pipe.send("ready")
        while pipe.recv() == "count":
            pipe.send(dict(hostile.clients))


def place(number: int) -> str:
    """The address of the n-th resolver: it listens there, and asks from there."""
    return str(ipaddress.ip_address("127.0.0.1") + number)
