"""Answers as wide as a message can be: work in proportion to their octets, not to their square, counted as Python calls."""

import struct

import pytest

from resolver.settings import Minimise
from tests.hostile.attacks import ATTACKS, TCP, Asked, Said, _raw, read, respond, server, truncated
from tests.hostile.virtual import Net
from tests.hostile.work import calls
from trust.vocabulary import Security
from wire import types as t
from wire.limits import MAX_PROOF_SETS

POINTER = b"\xc0\x0c"


def label(number: int) -> bytes:
    """A name below the one asked for."""
    return b"\4" + f"{number:04x}".encode() + POINTER


def record(owner: bytes, rtype: int, rdata: bytes) -> bytes:
    return owner + struct.pack("!HHIH", rtype, 1, 60, len(rdata)) + rdata


def sections(asked: Asked, answer: list[bytes], authority: list[bytes], additional: list[bytes]) -> list[Said]:
    (said,) = _raw(asked, [])
    head = said.octets[:6] + struct.pack("!3H", len(answer), len(authority), len(additional)) + said.octets[12:]
    return [Said(head + b"".join([*answer, *authority, *additional]))]


ADDRESS = record(POINTER, t.A, b"\xc0\0\2\1")
WIDE = {
    "types at one name": ("ANY", lambda q: sections(q, [record(POINTER, 1000 + n, b"x") for n in range(4000)], [], [])),
    "names beside the answer": ("A", lambda q: sections(q, [ADDRESS, *_names(t.A, b"\1\2\3\4")], [], [])),
    "proofs beside the answer": ("A", lambda q: sections(q, [ADDRESS], _names(t.NSEC, b"\0\0\1\x40"), [])),
    "additional": ("A", lambda q: sections(q, [ADDRESS], [], _names(t.A, b"\1\2\3\4"))),
    "aliases": ("A", lambda q: sections(q, [record(label(n), t.CNAME, label(n + 1)) for n in range(2000)], [], [])),
    "signatures": (
        "A",
        lambda q: sections(q, [ADDRESS, *(record(POINTER, t.RRSIG, rrsig(n)) for n in range(1500))], [], []),
    ),
    "name servers": ("A", lambda q: sections(q, [], [record(POINTER, t.NS, label(n)) for n in range(2500)], [])),
}


def _names(rtype: int, rdata: bytes) -> list[bytes]:
    return [record(label(number), rtype, rdata) for number in range(2500)]


def rrsig(number: int) -> bytes:
    return struct.pack("!HBBIIIH", t.A, 13, 2, 60, 2**31 - 1, 0, number) + b"\0" + bytes(8)


@pytest.mark.parametrize(("rtype", "build"), WIDE.values(), ids=WIDE)
def test_a_wide_answer(rtype, build):
    def world(ip, transport, wire):
        if ip != server("huge"):
            return respond(ip, transport, wire)
        asked = read(ip, transport, wire)
        return build(asked) if transport == TCP else truncated(asked)

    net = Net(world, minimise=Minimise.OFF)
    assert calls(net, "x1.huge.", rtype) < 100_000, "some tens for each record"
    assert net.mesh.inflight == 0


def test_a_wide_denial_is_cut_to_what_a_proof_may_need():
    net = Net()
    assert calls(net, ATTACKS["wide-denial"].question(1), "A") < 150_000
    resolution = net.ask(ATTACKS["wide-denial"].question(2))
    assert (resolution.rcode, resolution.security) == (t.NXDOMAIN, Security.INSECURE)
    assert len(resolution.authority) == MAX_PROOF_SETS
