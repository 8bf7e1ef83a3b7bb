"""The core that runs is the one that was meant, compiled or not, and it leaks nothing.

`make test-accelerated` runs all tests with the compiled core, `make test` those of CORE_TESTS (Makefile);
tools/accelerate.py tells by AKASHI_EXPECT_CORE which core to expect.
"""

import gc
import importlib
import os
import subprocess
import sys

import pytest

import resolver
from tests.conftest import ROOT
from tests.resolver.house import House
from tests.trust.zones import SignedZone
from trust.vocabulary import Security
from wire.composer import compose
from wire.reader import FormError, read
from wire.text import name_from_text, rrsets_from_text

EXPECTED = os.environ.get("AKASHI_EXPECT_CORE", "python")
ON_THE_PATH = (
    "wire.composer",
    "wire.reader",
    "trust.chain",
    "trust.nsec3",
    "trust.signature",
    "trust.validate",
    "resolver.cache.answers",
    "resolver.cache.packets",
    "resolver.iteration.exchange",
    "resolver.mesh",
    "resolver.resolve.resolve",
    "resolver.server.batch",
    "resolver.server.driver",
    "resolver.server.listen_udp",
    "resolver.server.service",
)


@pytest.mark.parametrize("name", ON_THE_PATH)
def test_the_core_is_the_one_that_was_asked_for(name: str) -> None:
    file = importlib.import_module(name).__file__
    assert file is not None
    assert file.endswith(".py") == (EXPECTED == "python"), file


def test_so_does_whoever_is_started(tmp_path: os.PathLike[str]) -> None:
    for folder in (ROOT, tmp_path):
        command = [sys.executable, "-m", "resolver", "--version"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert done.stdout == f"akashi, version {resolver.__version__}, core: {EXPECTED}\n"


def blocks_kept(act: object, rounds: int) -> int:
    """Memory blocks that so many repetitions leave behind, after as many to warm up."""
    assert callable(act)
    before = 0
    for count in range(2 * rounds):
        if count == rounds:
            gc.collect()
            before = sys.getallocatedblocks()
        act()
    gc.collect()
    return sys.getallocatedblocks() - before


def test_reading_and_writing_leave_nothing_behind() -> None:
    (rrset,) = rrsets_from_text("www.example.jp. 60 IN A 192.0.2.1\nwww.example.jp. 60 IN A 192.0.2.2")
    packet = compose(1, 0x8000, (name_from_text("www.example.jp"), 1, 1), [(rrset, 60)])

    def act() -> None:
        read(packet)
        for end in (5, 20, len(packet) - 1):
            with pytest.raises(FormError):
                read(packet[:end])

    assert blocks_kept(act, 200) < 100


def test_resolving_leaves_nothing_behind() -> None:
    """Every generator of the core from root to answer, the validator included, and what ends early by a deadline."""
    root, jp = SignedZone(".", server="192.0.2.1"), SignedZone("jp", "www A 192.0.2.80\n", server="192.0.2.2")
    root.delegate(jp)
    for zone in (root, jp):
        zone.sign()
    here = House(root, jp)

    def act() -> None:
        here.mesh.flush()
        here.mesh.set_trust(here.points)
        assert here.ask("www.jp").security is Security.SECURE
        assert here.ask("nothing.jp").security is Security.SECURE
        here.mesh.flush()
        here.begin("late", "www.jp")
        here.passes(11)
        assert here.finished.pop("late").rcode == 2
        here.waiting.clear()
        here.asked.clear()

    assert blocks_kept(act, 25) < 250
