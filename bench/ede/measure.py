"""Asks one resolver after the other every published case, on the lab's mini-Internet.

Port 53 on loopback addresses is where the peers ask, so this runs in the benchmark's network namespace, which has no way
out: what a resolver sends to addresses that are none of the lab's ends there. Each resolver starts afresh and is asked each
question once, over UDP and if need be TCP, with DO.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode

import lab.internet
import lab.server
from bench.layout import RESOLVER_ADDRESS, Processors, resolver_port
from bench.peers import RESOLVERS, Setup
from bench.process import Program, await_answer
from bench.zones.build import Hierarchy
from lab.faults import CATALOGUE, Fault

PUBLISHED = [fault for fault in CATALOGUE.values() if fault.published]
NO_ANSWER = "no answer"
_PREFIX = "127.53"
_HEALTHY = "www.example.jp"
_START_S = 30.0
_ANSWER_S = 20.0

_SWITCHES = {
    "unbound": ("unbound.conf", "server:\n    ede: yes\n"),
    "powerdns": ("recursor.conf", "extended-resolution-errors=yes\n"),
}
"""Where Extended DNS Errors have to be asked for: (file, what is added). BIND and Knot Resolver have no switch."""


@dataclass(frozen=True)
class Said:
    """What a resolver answered: RCODE, AD, and its Extended DNS Errors in its own order."""

    rcode: str
    ad: bool = False
    codes: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join(
            [self.rcode, *(["AD"] if self.ad else []), *([",".join(map(str, self.codes))] if self.codes else [])]
        )


def ask(address: str, port: int, name: str, timeout_s: float = _ANSWER_S) -> Said:
    """What the resolver at this address says to `name`, type A."""
    query = dns.message.make_query(name, "A", want_dnssec=True, payload=1232)
    try:
        response, _ = dns.query.udp_with_fallback(query, address, timeout=timeout_s, port=port)
    except dns.exception.Timeout:
        return Said(NO_ANSWER)
    errors = [option for option in response.options if isinstance(option, dns.edns.EDEOption)]
    return Said(
        dns.rcode.to_text(response.rcode()),
        bool(response.flags & dns.flags.AD),
        tuple(int(error.code) for error in errors),
        tuple(error.text or "" for error in errors),
    )


def measure(names: Sequence[str], faults: Sequence[Fault], progress: Callable[[str], None]) -> dict[str, dict[str, Said]]:
    """Resolver → case → what it said."""
    folder = Path(tempfile.mkdtemp(prefix="akashi-ede-"))
    net = lab.internet.build(time.time(), prefix=_PREFIX)
    hierarchy = Hierarchy(folder, {})
    hierarchy.hints.write_text(net.hints())
    hierarchy.anchor.write_text(next(line for line in net.anchor().splitlines() if " DS " in line) + "\n")
    try:
        with lab.server.running(net, port=53):
            out: dict[str, dict[str, Said]] = {}
            for run, name in enumerate(names):
                progress(f"{RESOLVERS[name].title} {RESOLVERS[name].version()}")
                out[name] = _one(name, run, folder, hierarchy, faults)
            return out
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _one(name: str, run: int, folder: Path, hierarchy: Hierarchy, faults: Sequence[Fault]) -> dict[str, Said]:
    own = folder / name
    own.mkdir()
    setup = Setup(own, RESOLVER_ADDRESS, resolver_port(run), 1, hierarchy)
    command = RESOLVERS[name].prepare(setup)
    if name in _SWITCHES:
        file, text = _SWITCHES[name]
        with (own / file).open("a") as config:
            config.write(text)
    program = Program(name, command, own, Processors.detect().resolver)
    try:
        await_answer(program, setup.address, setup.port, _HEALTHY, within_s=_START_S)
        return {fault.name: ask(setup.address, setup.port, fault.question) for fault in faults}
    finally:
        program.stop()
