"""Forward and stub zones: the same verdicts through another resolver, or with a zone's servers given by hand."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab.faults
import lab.internet
import lab.server
from tests.e2e.resolvers import Resolver, akashi

PREFIX = "127.121"
QUESTIONS = [
    ("www.example.jp", "A", "NOERROR", True),
    ("www.example.com", "A", "NOERROR", True),
    ("www.unsigned.jp", "A", "NOERROR", False),
    ("www.unsigned.com", "A", "NOERROR", False),
    ("nonexistent.example.jp", "A", "NXDOMAIN", True),
    ("any.wild.example.com", "A", "NOERROR", True),
    ("unsigned.jp", "DS", "NOERROR", True),
    ("www.old.example.jp", "A", "NOERROR", True),
    ("to-unsigned.example.jp", "A", "NOERROR", False),
    ("rrsig-exp-a.faults.jp", "A", "SERVFAIL", False),
    ("www.island.unsigned.jp", "A", "NOERROR", False),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("forward")
    net = lab.internet.build(time.time(), prefix=PREFIX, faults=[lab.faults.CATALOGUE["rrsig-exp-a"]])
    with lab.server.running(net) as server:
        (root / "hints").write_text(net.hints())
        (root / "anchor").write_text(net.anchor())
        path = root / "akashi.toml"
        path.write_text(
            f'[upstream]\nroot-hints = "hints"\nport = {server.port}\nallow-loopback = true\nipv6 = false\n'
            f'[trust]\nanchors = "anchor"\nstate-dir = "{root}"\n[metrics]\nlisten = ""\n[control]\nsocket = ""\n'
        )
        yield path


def verdicts(resolver: Resolver) -> list[tuple[str, str, str, bool]]:
    out = []
    for name, rtype, _, _ in QUESTIONS:
        said = resolver.ask(name, rtype)
        out.append((name, rtype, said.rcode, said.ad))
    return out


def test_everything_forwarded_is_validated_here(config: Path, tmp_path: Path) -> None:
    with akashi(config, tmp_path) as full:
        assert verdicts(full) == QUESTIONS
        forward = f'upstream.forward={{"." = ["127.0.0.1:{full.port}"]}}'
        second = tmp_path / "second"
        second.mkdir()
        with akashi(config, second, forward) as forwarding:
            assert verdicts(forwarding) == QUESTIONS


def test_a_stub_zone_is_asked_where_it_is_said_to_be(config: Path, tmp_path: Path) -> None:
    stub = f'upstream.stub={{"example.jp" = ["{PREFIX}.2.1"]}}'
    with akashi(config, tmp_path, stub) as resolver:
        assert verdicts(resolver) == QUESTIONS


def test_a_forward_zone_that_is_silent_is_named(config: Path, tmp_path: Path) -> None:
    forward = 'upstream.forward={"example.com" = ["127.0.0.1:9"]}'
    with akashi(config, tmp_path, forward) as resolver:
        said = resolver.ask("www.example.com", "A")
        assert said.rcode == "SERVFAIL"
        assert 22 in said.ede
        assert resolver.ask("www.example.jp", "A").ad
