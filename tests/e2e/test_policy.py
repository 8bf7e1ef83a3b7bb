"""Response policy in the running daemon: zones from real primaries, changes at run time, what clients of each kind get."""

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import pytest

import lab.faults
import lab.internet
import lab.server
from resolver.cli.client import Client, RefusedError
from tests.e2e.policy_peers import write_zones
from tests.e2e.policy_primaries import SERVERS, TSIG, primary
from tests.e2e.resolvers import Resolver, akashi

PREFIX = "127.96"
PATIENCE_S = 15.0
ZONE = "feed.rpz"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("policy")
    net = lab.internet.build(time.time(), prefix=PREFIX, faults=[lab.faults.CATALOGUE["rrsig-exp-a"]])
    with lab.server.running(net) as server:
        (root / "hints").write_text(net.hints())
        (root / "anchor").write_text(net.anchor())
        path = root / "akashi.toml"
        path.write_text(
            f'[upstream]\nroot-hints = "hints"\nport = {server.port}\nallow-loopback = true\nipv6 = false\n'
            '[trust]\nanchors = "anchor"\nrfc5011 = false\nsignal = false\n[metrics]\nlisten = ""\n'
        )
        yield path


def until(condition: Callable[[], Any]) -> Any:
    """Wait for something to be true."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


def zones(*tables: str) -> str:
    return f"policy.zones=[{', '.join('{' + table + '}' for table in tables)}]"


def told(client: Client, zone: str = ZONE) -> dict[str, Any]:
    found: dict[str, Any] = next(item for item in client.get("/v1/policy")["zones"] if item["zone"] == zone)
    return found


def codes(resolver: Resolver, name: str, rtype: str = "A", **more: Any) -> tuple[str, tuple[int, ...]]:
    said = resolver.ask(name, rtype, **more)
    return said.rcode, said.ede


def command(control: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "resolver", "policy", *arguments, "--socket", str(control)],
        capture_output=True,
        text=True,
        timeout=30,
    )
    return done.returncode, done.stdout + done.stderr


# --- real primaries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SERVERS))
def test_a_feed(kind: str, config: Path, tmp_path: Path) -> None:
    """Transferred whole, then by difference; in force at once; kept over a restart without the primary."""
    program = shutil.which(SERVERS[kind][0])
    if program is None:
        pytest.skip(f"{kind} is not installed")
    control, state = tmp_path / "c.sock", tmp_path / "state"
    state.mkdir()
    client = Client(control)
    common = [f'control.socket="{control}"', f'trust.state-dir="{state}"']
    many = "".join(f"bad{number}.example CNAME .\n" for number in range(3000))
    with primary(kind, program, tmp_path / kind, ZONE, many + "www.unsigned.jp CNAME .\n") as server:
        feed = f'zone = "{ZONE}", primaries = ["127.0.0.1@{server.port}"], tsig = "{TSIG}"'
        with akashi(config, tmp_path, zones(feed), *common) as resolver:
            until(lambda: told(client)["serial"] == 1 or (client.post("/v1/policy/refresh") and False))
            until(lambda: codes(resolver, "www.unsigned.jp") == ("NXDOMAIN", (15,)))
            assert told(client)["rules"]["qname"] == 3001 and told(client)["results"]["full"] == 1
            assert codes(resolver, "www.unsigned.com") == ("NOERROR", ())
            server.publish(2, many + "www.unsigned.com CNAME *.\n")
            until(lambda: told(client)["serial"] == 2)
            assert told(client)["results"]["delta"] == 1 and told(client)["results"]["full"] == 1
            assert told(client)["rules"]["qname"] == 3001
            # No flush, although both were cached.
            until(lambda: codes(resolver, "www.unsigned.com") == ("NOERROR", (15,)))
            assert codes(resolver, "www.unsigned.jp") == ("NOERROR", ())
    again = tmp_path / "again"
    again.mkdir()
    with akashi(config, again, zones(feed), *common, probe="www.unsigned.com") as resolver:
        assert codes(resolver, "www.unsigned.com") == ("NOERROR", (15,))
        until(lambda: told(client)["problem"])
        assert told(client)["serial"] == 2 and told(client)["results"]["failed"] >= 1
        status, text = command(control, "list")
        assert status == 1 and ZONE in text
        assert client.get("/v1/status")["healthy"] is False


@pytest.mark.parametrize("key", ["", f'tsig = "other.key.:hmac-sha256:{TSIG.split(":")[2]}"'])
def test_without_the_right_key(key: str, config: Path, tmp_path: Path) -> None:
    program = shutil.which("knotd")
    if program is None:
        pytest.skip("knot is not installed")
    control = tmp_path / "c.sock"
    with primary("knot", program, tmp_path / "knot", ZONE, "www.unsigned.jp CNAME .\n") as server:
        feed = f'zone = "{ZONE}", primaries = ["127.0.0.1@{server.port}"]' + (f", {key}" if key else "")
        with akashi(config, tmp_path, zones(feed), f'control.socket="{control}"') as resolver:
            problem = until(lambda: told(Client(control))["problem"])
            assert "127.0.0.1" in problem and not told(Client(control))["loaded"]
            assert codes(resolver, "www.unsigned.jp") == ("NOERROR", ())


# --- files -------------------------------------------------------------------------------------------------------------


def test_files_and_their_changes(config: Path, tmp_path: Path) -> None:
    """Bad files leave what was there; the commands say so; a reload takes other zones over without a gap."""
    control = tmp_path / "c.sock"
    client = Client(control)
    files = write_zones({ZONE: "www.unsigned.jp CNAME .\n"}, tmp_path)
    source = tmp_path / "daemon.toml"
    text = (
        config.read_text().replace('"hints"', f'"{config.parent}/hints"').replace('"anchor"', f'"{config.parent}/anchor"')
    )
    text += f'[control]\nsocket = "{control}"\n'
    source.write_text(text + f'[[policy.zones]]\nzone = "{ZONE}"\nfile = "{files[ZONE]}"\n')
    with akashi(source, tmp_path) as resolver:
        assert codes(resolver, "www.unsigned.jp") == ("NXDOMAIN", (15,))
        assert command(control, "lookup", "www.unsigned.jp")[0] == 0
        assert command(control, "lookup", "www.example.jp")[0] == 1
        assert command(control, "lookup", "192.0.2.1", "--client")[0] == 1
        with pytest.raises(RefusedError):
            client.post("/v1/policy/refresh", zone="other.rpz")

        write_zones({ZONE: "www.unsigned.com CNAME .\n"}, tmp_path, serial=2)
        assert command(control, "refresh", ZONE)[0] == 0
        assert codes(resolver, "www.unsigned.com") == ("NXDOMAIN", (15,))
        assert codes(resolver, "www.unsigned.jp") == ("NOERROR", ())

        write_zones({ZONE: "www.unsigned.com ) CNAME\n"}, tmp_path, serial=3)
        status, said = command(control, "refresh")
        assert status == 1 and "line 4" in said
        assert codes(resolver, "www.unsigned.com") == ("NXDOMAIN", (15,)) and told(client)["serial"] == 2

        more = write_zones(
            {ZONE: "www.unsigned.com CNAME .\n", "more.rpz": "www.unsigned.jp CNAME *.\n"}, tmp_path, serial=4
        )
        source.write_text(
            text + "".join(f'[[policy.zones]]\nzone = "{zone}"\nfile = "{path}"\nextended-error = "censored"\n'
                           for zone, path in more.items())
        )  # fmt: skip
        assert client.post("/v1/reload")["changed"] == ["policy.zones"]
        assert codes(resolver, "www.unsigned.jp") == ("NOERROR", (16,))
        assert codes(resolver, "www.unsigned.com") == ("NXDOMAIN", (16,))
        assert client.get("/v1/policy")["zones"][1]["hits"] == {"nodata": 1}
        source.write_text(text)
        client.post("/v1/reload")
        assert codes(resolver, "www.unsigned.jp") == ("NOERROR", ())


def test_a_bad_file_keeps_nobody_from_starting(config: Path, tmp_path: Path) -> None:
    files = write_zones({ZONE: "www.unsigned.jp CNAME\n"}, tmp_path)
    control = tmp_path / "c.sock"
    with akashi(
        config, tmp_path, zones(f'zone = "{ZONE}", file = "{files[ZONE]}"'), f'control.socket="{control}"'
    ) as resolver:
        assert codes(resolver, "www.unsigned.jp") == ("NOERROR", ())
        assert "line 4" in told(Client(control))["problem"]


# --- what clients get --------------------------------------------------------------------------------------------------

RULES = """
www.unsigned.jp CNAME .
many.example.jp CNAME rpz-tcp-only.
drop.example.jp CNAME rpz-drop.
host.example.jp A 192.0.2.222
32.99.0.0.127.rpz-client-ip CNAME .
"""


@pytest.fixture(scope="module")
def resolver(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Resolver, Client]]:
    here = tmp_path_factory.mktemp("clients")
    tables = []
    for name, ede in (("blocked", "blocked"), ("censored", "censored"), ("filtered", "filtered"), ("silent", "none")):
        rules = RULES if name == "blocked" else f"{name}.example.jp CNAME .\n"
        path = write_zones({f"{name}.rpz": rules}, here)[f"{name}.rpz"]
        tables.append(f'zone = "{name}.rpz", file = "{path}", extended-error = "{ede}"')
    control = here / "c.sock"
    with akashi(
        config,
        here,
        zones(*tables),
        f'control.socket="{control}"',
        'policy.local-zones={"corp.test" = "static", "no.test" = "refuse"}',
        'policy.local-data=["host.corp.test 60 A 192.0.2.7"]',
        "policy.dns64.enabled=true",
        'policy.dns64.prefixes=["2001:db8:64::/96"]',
    ) as running:
        yield running, Client(control)


@pytest.mark.parametrize(
    ("name", "rcode", "ede"),
    [
        ("www.unsigned.jp", "NXDOMAIN", (15,)),
        ("censored.example.jp", "NXDOMAIN", (16,)),
        ("filtered.example.jp", "NXDOMAIN", (17,)),
        ("silent.example.jp", "NXDOMAIN", ()),
        ("host.example.jp", "NOERROR", (4,)),
        ("host.corp.test", "NOERROR", (4,)),
        ("other.corp.test", "NXDOMAIN", (4,)),
        ("www.no.test", "REFUSED", (15,)),
        ("a.rrsig-exp-a.faults.jp", "SERVFAIL", (7,)),
    ],
)
def test_extended_errors(name: str, rcode: str, ede: tuple[int, ...], resolver: tuple[Resolver, Client]) -> None:
    if "faults" in name:
        name = "rrsig-exp-a.faults.jp"
    for _ in range(2):  # from the packet cache, too
        said = resolver[0].ask(name, "A")
        assert (said.rcode, said.ad) == (rcode, False) and set(ede) <= set(said.ede)
        assert said.ede == ede or name.endswith("faults.jp")


def raw(port: int, name: str, rtype: str = "A", *, source: str = "127.0.0.1", flags: int = 0) -> dns.message.Message | None:
    query = dns.message.make_query(name, rtype, want_dnssec=True)
    query.flags |= flags
    try:
        return dns.query.udp(query, "127.0.0.1", port=port, source=source, timeout=1.0)
    except dns.exception.Timeout:
        return None


def test_dropped_and_truncated(resolver: tuple[Resolver, Client]) -> None:
    port = resolver[0].port
    assert raw(port, "drop.example.jp") is None
    for _ in range(2):
        short = raw(port, "many.example.jp")
        assert short is not None and short.flags & dns.flags.TC and not short.answer
    query = dns.message.make_query("many.example.jp", "A", want_dnssec=True)
    whole = dns.query.tcp(query, "127.0.0.1", port=port, timeout=5)
    assert whole.answer and whole.flags & dns.flags.AD
    # Over TCP the connection ends, so that nobody waits; others are served.
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        wire = dns.message.make_query("drop.example.jp", "A").to_wire()
        connection.sendall(len(wire).to_bytes(2, "big") + wire)
        assert connection.recv(100) == b""


def test_the_packet_cache_keeps_clients_apart(resolver: tuple[Resolver, Client]) -> None:
    """One address has a rule: whoever asks first, it gets its own answer, and others get theirs."""
    port = resolver[0].port
    for first, second in (("127.0.0.99", "127.0.0.1"), ("127.0.0.1", "127.0.0.99")):
        name = f"www.{'example' if first.endswith('1') else 'sub.example'}.jp"
        got = {}
        for source in (first, second, first, second):
            response = raw(port, name, source=source)
            assert response is not None
            got.setdefault(source, set()).add(response.rcode())
        assert got == {"127.0.0.99": {dns.rcode.NXDOMAIN}, "127.0.0.1": {dns.rcode.NOERROR}}


def test_dns64_for_clients(resolver: tuple[Resolver, Client]) -> None:
    port = resolver[0].port
    made = raw(port, "many.sub.example.jp", "AAAA")
    assert made is not None and made.rcode() == dns.rcode.NXDOMAIN
    made = raw(port, "www.sub.example.jp", "AAAA")
    assert made is not None and made.flags & dns.flags.AD  # RFC 6147 §5.5
    assert [str(rdata) for rrset in made.answer for rdata in rrset if rrset.rdtype == 28] == ["2001:db8:64::c000:26f"]
    own = raw(port, "www.sub.example.jp", "AAAA", flags=dns.flags.CD)
    assert own is not None and not [rrset for rrset in own.answer if rrset.rdtype == 28]
    true = raw(port, "www.example.jp", "AAAA")
    assert true is not None and "2001:db8:1::80" in str(true.answer[0])


def test_hits_are_counted(resolver: tuple[Resolver, Client]) -> None:
    running, client = resolver
    before = told(client, "blocked.rpz")["hits"].get("data", 0)
    for _ in range(3):
        running.ask("host.example.jp", "A")
    assert told(client, "blocked.rpz")["hits"]["data"] == before + 3
    assert told(client, "blocked.rpz")["hits"]["drop"] >= 1
    document = client.get("/v1/policy")
    assert document["local"]["records"] == 1 and document["dns64"] == ["2001:db8:64::/96"]
    found = client.get("/v1/policy/lookup", name="host.example.jp")["rules"]
    assert [(rule["zone"], rule["applied"]) for rule in found] == [("blocked.rpz", "data")]
    assert client.get("/v1/policy/lookup", client="127.0.0.99")["rules"][0]["trigger"] == "client-ip"
    assert json.dumps(document)
