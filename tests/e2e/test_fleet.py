"""`akashi fleet check` against our daemon, Unbound with and without validation, and a dead address (guideline 2-1, 2-2).

Unbound asks on port 53 only, so the authorities listen there, on 127.71.x.y: that takes root or a low
net.ipv4.ip_unprivileged_port_start.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

import lab.internet
import lab.server
from lab.errors import LabError
from resolver.cli import akashi as command
from resolver.cli.status import Status
from tests.e2e.resolvers import Resolver, akashi, free_port, unbound

GOOD, BROKEN, OTHER = "www.example.jp", "rrsig-exp-all.faults.jp", "ds-bad-tag.faults.jp"

UNBOUND = shutil.which("unbound") or "/usr/sbin/unbound"

pytestmark = pytest.mark.skipif(not Path(UNBOUND).exists(), reason="Unbound is not installed (Debian: unbound)")


@dataclass
class Fleet:
    """Resolvers on one mini-Internet."""

    ours: Resolver
    lax: Resolver
    strict: Resolver
    other: Resolver
    """Ours, with an NTA."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory) -> Iterator[Fleet]:
    net = lab.internet.build(time.time(), prefix="127.71")
    directory = tmp_path_factory.mktemp("fleet")
    hints, anchor, config = directory / "hints", directory / "anchor", directory / "lab.toml"
    hints.write_text(net.hints())
    anchor.write_text(net.anchor())
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lab.server.running(net, port=53))
        except (OSError, LabError) as error:
            pytest.skip(f"port 53 cannot be used: {error}")
        config.write_text(
            f'[upstream]\nroot-hints = "{hints}"\nipv6 = false\nallow-loopback = true\n[trust]\nanchors = "{anchor}"\n'
        )
        other = directory / "other.toml"
        other.write_text(config.read_text() + f'[trust.nta]\nstatic = ["{BROKEN}"]\n')
        with (
            akashi(config, directory) as ours,
            akashi(other, directory) as with_nta,
            unbound(UNBOUND, _folder(directory, "lax"), hints, anchor, validating=False) as lax,
            unbound(UNBOUND, _folder(directory, "strict"), hints, anchor) as strict,
        ):
            yield Fleet(ours, lax, strict, with_nta)


def _folder(directory: Path, name: str) -> Path:
    (directory / name).mkdir()
    return directory / name


def check(*resolvers: Resolver | int, bogus=(BROKEN,), as_json=True):
    ports = [one.port if isinstance(one, Resolver) else one for one in resolvers]
    arguments = ["fleet", "check", *(f"127.0.0.1:{port}" for port in ports), "--secure", GOOD, "--timeout", "5"]
    arguments += [part for name in bogus for part in ("--bogus", name)]
    result = CliRunner().invoke(command, [*arguments, *(["--json"] if as_json else [])], prog_name="akashi")
    return result.exit_code, json.loads(result.output) if as_json else result.output


def test_they_are_told_apart(fleet):
    dead = free_port()
    status, found = check(fleet.ours, fleet.lax, dead)
    assert status == Status.FINDING
    assert [one["validates"] for one in found["resolvers"]] == ["yes", "no", "dead"]
    assert len(found["findings"]) == 2
    assert f"127.0.0.1:{fleet.lax.port} does not validate" in found["findings"][0]
    assert f"127.0.0.1:{dead} does not answer" in found["findings"][1]
    ours = found["resolvers"][0]
    assert ours["edns_buffer"] == 1232
    assert ours["extended_errors"] is True


def test_two_brands_that_validate_agree(fleet):
    status, found = check(fleet.ours, fleet.strict)
    assert (status, found["findings"]) == (Status.GOOD, [])
    ours, theirs = found["resolvers"]
    assert list(ours["anchors"]) == ["."]
    assert ours["anchors"] == theirs["anchors"], "Unbound tells its anchors too"
    assert (ours["ntas"], theirs["ntas"]) == ([], None)


def test_an_nta_at_one_of_them_only(fleet):
    status, found = check(fleet.ours, fleet.strict, fleet.other, bogus=(OTHER,))
    assert status == Status.FINDING
    there, without = f"127.0.0.1:{fleet.other.port}", f"127.0.0.1:{fleet.ours.port}, 127.0.0.1:{fleet.strict.port}"
    assert found["findings"] == [f"the NTA for {BROKEN} is in force at {there} but not at {without}"]


def test_for_people(fleet):
    status, text = check(fleet.ours, fleet.lax, as_json=False)
    assert status == Status.FINDING
    assert "does not validate" in text
    status, text = check(fleet.ours, bogus=(), as_json=False)
    assert status == Status.GOOD
    assert "no broken name was tried" in text


def test_nobody_to_ask():
    result = CliRunner().invoke(command, ["fleet", "check"], prog_name="akashi")
    assert result.exit_code == Status.USAGE
    assert "conform.resolvers is empty" in result.output
    result = CliRunner().invoke(command, ["fleet", "check", "example.jp"], prog_name="akashi")
    assert result.exit_code == Status.USAGE


def test_the_addresses_of_the_configuration(fleet, tmp_path: Path):
    config = tmp_path / "akashi.toml"
    config.write_text(
        f'[conform]\nresolvers = ["127.0.0.1:{fleet.ours.port}"]\n[probe]\nsecure = ["{GOOD}"]\nbogus = ["{BROKEN}"]\n'
    )
    result = CliRunner().invoke(command, ["fleet", "check", "-c", str(config), "--json"], prog_name="akashi")
    assert result.exit_code == Status.GOOD, result.output
    assert [one["address"] for one in json.loads(result.output)["resolvers"]] == [f"127.0.0.1:{fleet.ours.port}"]
