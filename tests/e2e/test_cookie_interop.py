"""DNS cookies among servers of different make with the same secret, as in an anycast set (RFC 9018 §5).

BIND and Knot DNS are the other makes: what they gave a client we accept, what we gave they accept, and a secret is rolled
over with all of them running.
"""

import contextlib
import secrets
import stat
import textwrap
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.conftest import require_binary
from tests.e2e.resolvers import free_port, process
from tests.resolver.daemon.process import Daemon

LIMIT_S = 10.0
CLIENT = bytes.fromhex("2464c4abcf10c957")
OLD, NEW = secrets.token_hex(16), secrets.token_hex(16)


def ask(port: int, cookie: bytes, name: str = "id.server", rdclass: str = "CH") -> dns.message.Message:
    """A server's answer to somebody at 127.0.0.1 who shows this cookie."""
    query = dns.message.make_query(name, "TXT", rdclass, use_edns=0, options=[dns.edns.GenericOption(10, cookie)])
    return dns.query.udp(query, "127.0.0.1", timeout=LIMIT_S, port=port)


def cookie_in(answer: dns.message.Message) -> bytes:
    (cookie,) = [option.to_wire() for option in answer.options if int(option.otype) == 10]
    return cookie


def good(answer: dns.message.Message) -> bool:
    """Whether the cookie shown was taken for valid."""
    return answer.rcode() != dns.rcode.BADCOOKIE


def await_answers(port: int, log: Path) -> None:
    query = dns.message.make_query("version.bind", "TXT", "CH")
    for _ in range(100):
        with contextlib.suppress(OSError, dns.exception.Timeout):
            dns.query.udp(query, "127.0.0.1", timeout=0.2, port=port)
            return
    raise AssertionError(log.read_text())


@contextlib.contextmanager
def bind(directory: Path, *hexes: str) -> Iterator[int]:
    """BIND, which demands valid server cookies."""
    port = free_port()
    lines = "\n".join(f'cookie-secret "{digits}";' for digits in hexes)
    config, log = directory / f"named-{port}.conf", directory / f"named-{port}.log"
    config.write_text(
        textwrap.dedent(f"""
        options {{
            directory "{directory}"; pid-file none; session-keyfile none; recursion no; minimal-responses yes;
            listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
            cookie-algorithm siphash24; require-server-cookie yes; answer-cookie yes; dnssec-validation no;
            {lines}
        }};
        controls {{ }};
        """)
    )
    with process([require_binary("named"), "-g", "-4", "-n", "1", "-c", str(config)], log):
        await_answers(port, log)
        yield port


@contextlib.contextmanager
def knot(directory: Path, digits: str) -> Iterator[int]:
    """Knot DNS, which answers every wrong cookie with BADCOOKIE."""
    port = free_port()
    config, log = directory / f"knot-{port}.conf", directory / f"knot-{port}.log"
    config.write_text(
        textwrap.dedent(f"""
        server:
            listen: 127.0.0.1@{port}
            rundir: "{directory}"
            udp-workers: 1
            tcp-workers: 1
            background-workers: 1
        database:
            storage: "{directory / f"knot-{port}"}"
        mod-cookies:
          - id: shared
            secret: 0x{digits}
            badcookie-slip: 1
        template:
          - id: default
            global-module: mod-cookies/shared
        """)
    )
    with process([require_binary("knotd"), "-c", str(config)], log):
        await_answers(port, log)
        yield port


@contextlib.contextmanager
def ours(directory: Path, *hexes: str) -> Iterator[tuple[Daemon, Path]]:
    """Our daemon, which demands valid server cookies, and its file of secrets."""
    file = directory / "cookies"
    file.write_text("".join(f"{digits}\n" for digits in hexes))
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    with Daemon(f"server.cookie-secret={file}", "server.require-cookie=true", f"control.socket={directory}/c") as daemon:
        daemon.wait_for("ready")
        yield daemon, file
        assert daemon.stop() == 0
        everything = "".join(map(str, daemon.lines + daemon.other))
        assert not any(digits in everything for digits in hexes), "a secret is never logged"


def ours_is_good(daemon: Daemon, cookie: bytes) -> bool:
    return good(ask(daemon.port, cookie))


@pytest.mark.parametrize("other", [bind, knot], ids=["bind", "knot"])
def test_each_takes_the_others_cookies(other, tmp_path: Path) -> None:
    with other(tmp_path, NEW) as port, ours(tmp_path, NEW) as (daemon, _):
        for giver, taker in ((port, daemon.port), (daemon.port, port), (port, port), (daemon.port, daemon.port)):
            first = ask(giver, CLIENT)
            cookie = cookie_in(first)
            assert (first.rcode(), len(cookie)) == (dns.rcode.BADCOOKIE, 24)
            assert good(ask(taker, cookie))
            assert not good(ask(taker, cookie[:-1] + bytes((cookie[-1] ^ 1,)))), "an altered one is nobody's"
            assert not good(ask(taker, bytes(8) + cookie[8:])), "nor another client's"


def test_another_secret_is_another_set(tmp_path: Path) -> None:
    with bind(tmp_path, OLD) as port, ours(tmp_path, NEW) as (daemon, _):
        assert not good(ask(daemon.port, cookie_in(ask(port, CLIENT))))
        assert not good(ask(port, cookie_in(ask(daemon.port, CLIENT))))


def test_a_secret_is_rolled_over_while_all_run(tmp_path: Path) -> None:
    """RFC 9018 §5: the new one first verifies everywhere, then makes, then the old one goes. BIND stays behind."""
    with bind(tmp_path, OLD, NEW) as port, ours(tmp_path, OLD) as (daemon, file):
        cookie = cookie_in(ask(port, CLIENT))
        for stage in ((OLD, NEW), (NEW, OLD)):
            file.write_text("\n".join(stage))
            daemon.process.send_signal(1)
            daemon.wait_for("reloaded")
            assert good(ask(daemon.port, cookie)), "made with the old secret"
            cookie = cookie_in(ask(daemon.port, cookie))
            assert good(ask(port, cookie))
        file.write_text(NEW)
        daemon.process.send_signal(1)
        daemon.wait_for("reloaded")
        assert good(ask(daemon.port, cookie))
        assert not good(ask(daemon.port, cookie_in(ask(port, CLIENT)))), "what only the old secret covers is over"


def test_a_file_that_everybody_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cookies"
    file.write_text(NEW)
    file.chmod(0o644)
    with Daemon(f"server.cookie-secret={file}") as daemon:
        assert daemon.wait() == 1
        (line,) = [line for line in daemon.lines if line["event"] == "cannot-start"]
        assert "everybody" in line["problem"]
        assert line["advice"] == f"chmod o= {file}"
    file.chmod(0o600)
    file.write_text("hush, hush")
    with Daemon(f"server.cookie-secret={file}") as daemon:
        assert daemon.wait() == 1
        said = str(daemon.lines + daemon.other)
        assert "line 1 is not a secret" in said
        assert "hush" not in said


def test_without_a_file_cookies_outlive_a_reload(tmp_path: Path) -> None:
    with Daemon("server.require-cookie=true", "server.workers=2") as daemon:
        daemon.wait_for("ready")
        cookie = cookie_in(ask(daemon.port, CLIENT))
        daemon.process.send_signal(1)
        daemon.wait_for("reloaded")
        assert all(good(ask(daemon.port, cookie)) for _ in range(8)), "whichever worker is asked"
