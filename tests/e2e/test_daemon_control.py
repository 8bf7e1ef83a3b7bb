"""The control API of a running daemon and the commands that speak it, on the lab's mini-Internet.

Reload, restart and the supervisor's death are tried with clients asking all the while.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from click.testing import CliRunner

import resolver
from resolver.cli import akashi
from resolver.cli.client import Client, RefusedError
from resolver.cli.status import DaemonUnreachable, Status
from tests.e2e.resolvers import mini_internet
from tests.resolver.daemon.process import LIMIT_S, Daemon, children_of, is_alive

PREFIX = "127.67"
GOOD, ALIAS, BROKEN = "www.example.jp", "short.example.jp", "rrsig-exp-all.faults.jp"


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Iterator[list[str]]:
    """What makes a daemon use the mini-Internet."""
    with mini_internet(tmp_path_factory.mktemp("lab"), PREFIX) as basic:
        yield basic


class Running:
    """A daemon with a configuration file that a test may change, and a client for it."""

    def __init__(self, directory: Path, settings: list[str], *more: str) -> None:
        self.file = directory / "akashi.toml"
        self.file.write_text("")
        self.socket = directory / "control" / "c.sock"
        self.daemon = Daemon(*settings, f"control.socket={self.socket}", *more, config=self.file)
        self.client = Client(self.socket)

    @property
    def port(self):
        return self.daemon.port

    def ask(self, name, rtype="A", *, tcp=False, timeout=LIMIT_S):
        query = dns.message.make_query(name, rtype, want_dnssec=True)
        return (dns.query.tcp if tcp else dns.query.udp)(query, "127.0.0.1", port=self.port, timeout=timeout)

    def cli(self, *arguments, socket=None):
        return CliRunner().invoke(akashi, [*arguments, "--socket", str(socket or self.socket)], prog_name="akashi")

    def worker_pids(self):
        return {worker["pid"] for worker in self.client.get("/v1/status")["workers"]}


@contextlib.contextmanager
def running(directory, settings, *more):
    made = Running(directory, settings, *more)
    with made.daemon as daemon:
        daemon.wait_for("ready")
        yield made
        assert not [line for line in daemon.lines if line["event"] == "internal-error"]
        assert not daemon.other


@pytest.fixture(scope="module")
def one(settings, tmp_path_factory) -> Iterator[Running]:
    """A daemon with one worker, whose cache is thus known."""
    with running(tmp_path_factory.mktemp("one"), settings) as made:
        yield made
        assert made.daemon.stop() == 0
        assert not made.socket.exists(), "the socket goes with the daemon"


def ede(response):
    return {int(option.code) for option in response.options if isinstance(option, dns.edns.EDEOption)}


def until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.02)
    return found


# --- the socket ------------------------------------------------------------------------------------------------------


class TestSocket:
    def test_it_is_its_owners_alone(self, one):
        assert one.socket.stat().st_mode & 0o777 == 0o600
        assert one.socket.parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
    def test_somebody_else_is_turned_away_even_if_the_file_lets_him_in(self, settings, tmp_path):
        with running(tmp_path, settings) as made:
            for directory in (made.socket.parent, *made.socket.parent.parents):
                if directory == Path("/tmp"):
                    break
                directory.chmod(0o755)
            made.socket.chmod(0o666)
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    os.setgid(65534)
                    os.setuid(65534)
                    with socket.socket(socket.AF_UNIX) as sock:
                        sock.settimeout(LIMIT_S)
                        sock.connect(str(made.socket))
                        sock.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        status = 0 if b" 403 " in sock.recv(200) else 2
                finally:
                    os._exit(status)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
            assert made.client.get("/v1/status")["healthy"]

    def test_what_a_killed_daemon_left_is_replaced(self, settings, tmp_path):
        path = tmp_path / "control" / "c.sock"
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
        with running(tmp_path, settings) as made:
            assert made.client.get("/v1/status")["healthy"]
            assert made.daemon.stop() == 0

    def test_another_daemons_socket_is_not_taken(self, one):
        with Daemon(f"control.socket={one.socket}") as second:
            line = second.wait_for("cannot-start")
            assert f"another daemon answers at {one.socket}" in line["problem"]
            assert second.wait() == 1
        assert one.client.get("/v1/status")["healthy"]

    def test_a_file_in_the_way_is_left_alone(self, tmp_path):
        path = tmp_path / "file"
        path.write_text("precious")
        with Daemon(f"control.socket={path}") as daemon:
            assert "no socket is in the way" in daemon.wait_for("cannot-start")["problem"]
            assert daemon.wait() == 1
        assert path.read_text() == "precious"

    def test_a_directory_that_cannot_be_made(self):
        with Daemon("control.socket=/proc/nowhere/c.sock") as daemon:
            line = daemon.wait_for("cannot-start")
            assert line["problem"].startswith("control.socket: /proc/nowhere/c.sock: ") and line["advice"]
            assert daemon.wait() == 1


# --- the protocol ----------------------------------------------------------------------------------------------------


class TestProtocol:
    def raw(self, one, method, route, body=None, headers=None):
        connection = http.client.HTTPConnection("localhost", timeout=LIMIT_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(LIMIT_S)
        connection.sock.connect(str(one.socket))
        try:
            connection.request(method, route, body, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())["error"]
        finally:
            connection.close()

    @pytest.mark.parametrize(
        ("method", "route", "body", "status", "code", "field"),
        [
            ("GET", "/v1/nope", None, 404, "not-found", None),
            ("GET", "/v2/status", None, 404, "not-found", None),
            ("POST", "/v1/status", "{}", 405, "method-not-allowed", None),
            ("GET", "/v1/status?x=1", None, 400, "bad-request", "x"),
            ("GET", "/v1/cache/lookup", None, 400, "bad-request", "name"),
            ("GET", "/v1/cache/lookup?name=a&name=b", None, 400, "bad-request", "name"),
            ("GET", "/v1/cache/lookup?name=a..b", None, 400, "bad-request", "name"),
            ("GET", "/v1/cache/lookup?name=a&type=FOO", None, 400, "bad-request", "type"),
            ("GET", "/v1/explain?name=a&fresh=perhaps", None, 400, "bad-request", "fresh"),
            ("GET", "/v1/explain?name=a&server=here", None, 400, "bad-request", "server"),
            ("POST", "/v1/cache/flush", "nonsense", 400, "bad-request", None),
            ("POST", "/v1/cache/flush", "[" * 60000, 400, "bad-request", None),
            ("POST", "/v1/cache/flush", "[]", 400, "bad-request", None),
            ("POST", "/v1/cache/flush", "{}", 400, "bad-request", None),
            ("POST", "/v1/cache/flush", '{"al": true}', 400, "bad-request", "al"),
            ("POST", "/v1/cache/flush", '{"name": 1}', 400, "bad-request", "name"),
            ("POST", "/v1/cache/flush", '{"all": 1}', 400, "bad-request", "all"),
            ("POST", "/v1/cache/flush", '{"all": true, "name": "jp"}', 400, "bad-request", "all"),
            ("POST", "/v1/cache/flush", '"' + "x" * 70_000 + '"', 413, "too-large", None),
            ("PUT", "/v1/log/level", '{"level": "loud"}', 400, "bad-request", "level"),
        ],
    )
    def test_mistakes_are_told_as_json(self, one, method, route, body, status, code, field):
        got, error = self.raw(one, method, route, body)
        assert (got, error["code"], error.get("field")) == (status, code, field)
        assert error["message"]

    def test_what_is_no_http_changes_nothing(self, one):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(LIMIT_S)
            sock.connect(str(one.socket))
            sock.sendall(b"\0" * 100 + b"\r\n\r\n")
            sock.recv(1000)
        assert one.client.get("/v1/status")["healthy"]


# --- commands --------------------------------------------------------------------------------------------------------


class TestStatus:
    def test_json(self, one):
        one.ask(GOOD)
        result = one.cli("status", "--json")
        assert result.exit_code == Status.GOOD
        document = json.loads(result.output)
        assert document["version"] == resolver.__version__
        assert document["pid"] == one.daemon.process.pid
        assert document["config"] == str(one.file)
        assert document["listen"] == [f"127.0.0.1:{one.port}"]
        (worker,) = document["workers"]
        assert worker["ready"] and worker["restarts"] == 0
        assert worker["pid"] in children_of(one.daemon.process.pid)
        (anchor,) = document["anchors"]
        assert anchor["zone"] == "." and anchor["tags"]
        assert document["counters"]["udp_queries"] >= 1
        assert document["gauges"]["answers"] >= 1
        assert document["healthy"] is True

    def test_for_people(self, one):
        output = one.cli("status").output
        for text in (resolver.__version__, f"127.0.0.1:{one.port}", "healthy", "ready", str(one.file)):
            assert text in output

    def test_health(self, one):
        result = one.cli("status", "--health")
        assert (result.exit_code, result.output) == (Status.GOOD, "healthy\n")
        assert json.loads(one.cli("status", "--health", "--json").output) == {"healthy": True, "findings": []}

    def test_the_configuration_names_the_socket(self, one, tmp_path):
        file = tmp_path / "named.toml"
        file.write_text(f'[control]\nsocket = "{one.socket}"\n')
        result = CliRunner().invoke(akashi, ["status", "-c", str(file), "--health"], prog_name="akashi")
        assert result.exit_code == Status.GOOD

    def test_without_a_daemon(self, one, tmp_path):
        for command in (["status"], ["cache", "stats"], ["reload"], ["inflight"], ["log", "level"]):
            result = one.cli(*command, socket=tmp_path / "nobody")
            assert result.exit_code == Status.UNREACHABLE
            assert "no daemon answers" in result.output
        off = tmp_path / "off.toml"
        off.write_text('[control]\nsocket = ""\n')
        assert CliRunner().invoke(akashi, ["status", "-c", str(off)]).exit_code == Status.USAGE

    def test_somebody_else_at_the_socket(self, one, tmp_path):
        path = tmp_path / "other"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
            sock.listen()

            def hang_up():
                connection, _ = sock.accept()
                connection.recv(1000)
                connection.sendall(b"220 mail.example.jp ESMTP\r\n")
                connection.close()

            thread = threading.Thread(target=hang_up)
            thread.start()
            with pytest.raises(DaemonUnreachable):
                Client(path).get("/v1/status")
            thread.join(LIMIT_S)


class TestCache:
    def test_lookup_shows_what_was_learnt(self, one):
        one.ask(GOOD)
        result = one.cli("cache", "lookup", GOOD, "A", "--json")
        assert result.exit_code == Status.GOOD
        document = json.loads(result.output)
        (entry,) = document["workers"][0]["entries"]
        assert (entry["type"], entry["kind"], entry["security"]) == ("A", "answer", "secure")
        assert document["workers"][0]["delegation"]["zone"] == "example.jp"
        assert document["workers"][0]["zone_trust"]["security"] == "secure"
        output = one.cli("cache", "lookup", GOOD).output
        assert "secure" in output and "delegation: example.jp" in output

    def test_lookup_shows_why_a_name_fails(self, one):
        assert one.ask(BROKEN).rcode() == dns.rcode.SERVFAIL
        (worker,) = one.client.get("/v1/cache/lookup", name=BROKEN)["workers"]
        kinds = {entry["security"] for entry in worker["entries"]} | {f["reason"] for f in worker["failures"]}
        assert kinds & {"bogus", "signature-expired"}
        assert "expired" in one.cli("cache", "lookup", BROKEN).output

    def test_lookup_of_what_nobody_asked(self, one):
        result = one.cli("cache", "lookup", "nobody-asked.example.com")
        assert result.exit_code == Status.FINDING and "nothing" in result.output

    def test_stats(self, one):
        for _ in range(3):
            one.ask(GOOD)
        document = json.loads(one.cli("cache", "stats", "--json").output)
        assert document["packet_hits"] >= 1 and document["sizes"]["answers"] >= 1
        assert 0 < document["packet_hit_ratio"] < 1
        assert "answers" in one.cli("cache", "stats").output

    def known(self, one, name):
        return bool(one.client.get("/v1/cache/lookup", name=name)["workers"][0]["entries"])

    def test_flush_a_name(self, one):
        one.ask(GOOD)
        one.ask(ALIAS)
        result = one.cli("cache", "flush", GOOD)
        assert result.exit_code == 0 and "1 answers" in result.output
        assert not self.known(one, GOOD)
        assert self.known(one, ALIAS)
        hits = one.client.get("/v1/cache/stats")["packet_hits"]
        assert one.ask(GOOD).flags & dns.flags.AD
        assert one.client.get("/v1/cache/stats")["packet_hits"] == hits, "its whole response was forgotten, too"
        assert self.known(one, GOOD)

    def test_flush_a_type_a_subtree_and_all(self, one):
        one.ask(GOOD)
        assert one.client.post("/v1/cache/flush", name=GOOD, type="AAAA")["dropped"]["answers"] == 0
        assert self.known(one, GOOD)
        assert json.loads(one.cli("cache", "flush", "example.jp", "--subtree", "--json").output)["dropped"]["answers"] >= 1
        assert not self.known(one, GOOD)
        one.ask(GOOD)
        assert one.cli("cache", "flush", "--all").exit_code == 0
        sizes = one.client.get("/v1/cache/stats")["sizes"]
        assert sizes["answers"] == sizes["packets"] == sizes["zones"] == 0

    def test_flush_what_is_bogus(self, one):
        one.ask(GOOD)
        one.ask(BROKEN)
        assert one.cli("cache", "flush", "--bogus").exit_code == 0
        assert self.known(one, GOOD)
        (worker,) = one.client.get("/v1/cache/lookup", name=BROKEN)["workers"]
        assert not worker["failures"] and "bogus" not in {entry["security"] for entry in worker["entries"]}
        assert one.ask(BROKEN).rcode() == dns.rcode.SERVFAIL

    def test_flush_of_nothing_in_particular(self, one):
        assert one.cli("cache", "flush").exit_code == Status.USAGE
        assert one.cli("cache", "flush", "--subtree", "--bogus").exit_code == Status.USAGE
        with pytest.raises(RefusedError, match="not a domain name"):
            one.client.post("/v1/cache/flush", name="a..b")


class TestInflightAndLog:
    def test_what_waits_is_listed(self, settings, tmp_path):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            stub = f'upstream.stub={{"silent.example" = ["127.0.0.1@{silent.getsockname()[1]}"]}}'
            with running(tmp_path, settings, stub) as made:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                    query = dns.message.make_query("x.silent.example", "A").to_wire()
                    client.sendto(query, ("127.0.0.1", made.port))
                    tasks = until(lambda: made.client.get("/v1/inflight")["workers"][0]["tasks"])
                    of_client = next(task for task in tasks if task["clients"])
                    assert (of_client["name"], of_client["type"]) == ("x.silent.example", "A")
                    assert of_client["waits_for"] and 0 <= of_client["seconds"] < LIMIT_S
                    assert "x.silent.example/A" in made.cli("inflight").output
                assert json.loads(made.cli("inflight", "--json").output)["workers"]
                assert made.daemon.stop() == 0

    def test_nothing_waits(self, one):
        until(lambda: one.cli("inflight").output.endswith("0 being resolved\n"))

    def test_the_log_level_changes_in_all_processes(self, settings, tmp_path):
        with running(tmp_path, settings, "log.queries=true") as made:
            assert made.cli("log", "level").output == "info\n"
            made.ask("localhost")
            made.daemon.wait_for("query")
            assert made.cli("log", "level", "warning").output == "warning (was info)\n"
            made.ask("localhost")
            assert json.loads(made.cli("log", "level", "info", "--json").output) == {"before": "warning", "level": "info"}
            made.ask("localhost", "AAAA")
            assert made.daemon.wait_for("query")["type"] == "AAAA", "the one in between was not written"
            assert made.cli("log", "level", "loud").exit_code == Status.USAGE
            assert made.daemon.stop() == 0

    def test_a_restarted_worker_keeps_the_level(self, settings, tmp_path):
        with running(tmp_path, settings, "log.queries=true") as made:
            made.client.put("/v1/log/level", level="warning")
            (pid,) = made.worker_pids()
            os.kill(pid, signal.SIGKILL)
            made.daemon.wait_for("worker-exited")
            until(lambda: made.client.get("/v1/status")["healthy"])
            made.ask("localhost")
            assert made.daemon.stop() == 0
            assert "query" not in made.daemon.events()


class TestExplain:
    def test_through_the_daemons_own_resolver(self, one):
        document = one.client.get("/v1/explain", 60, name=GOOD)
        assert document["answer"]["security"] == "secure"
        assert [zone["zone"] for zone in document["chain"]][:2] == [".", "jp"]
        again = one.client.get("/v1/explain", 60, name=BROKEN, type="A", fresh=True)
        assert again["answer"]["security"] == "bogus" and again["answer"]["rcode"] == "SERVFAIL"

    def test_the_workers_memory_stands_beside_it_and_is_left_alone(self, one):
        one.client.post("/v1/cache/flush", all=True)
        nothing = one.client.get("/v1/explain", 60, name=GOOD)["daemon"]
        assert (nothing["source"], {worker["state"] for worker in nothing["workers"]}) == ("memory", {"nothing"})
        assert one.client.get("/v1/explain", 60, name=GOOD)["daemon"]["workers"] == nothing["workers"]
        one.ask(GOOD)
        one.ask(BROKEN)
        known = one.client.get("/v1/explain", 60, name=GOOD)["daemon"]
        assert [worker["security"] for worker in known["workers"] if worker["state"] == "answer"] == ["secure"]
        assert known["agrees"] and "s old" in known["sentence"]
        broken = one.client.get("/v1/explain", 60, name=BROKEN)["daemon"]
        assert [worker["state"] for worker in broken["workers"] if worker["state"] != "nothing"] == ["bogus"]
        assert "both fail" in broken["sentence"]

    def test_the_command_asks_the_daemon_that_has_the_anchors(self, one, tmp_path):
        """The configuration that names the socket says nothing of the mini-Internet: only the daemon can know."""
        file = tmp_path / "only-socket.toml"
        file.write_text(f'[control]\nsocket = "{one.socket}"\n')
        result = CliRunner().invoke(akashi, ["explain", GOOD, "A", "-c", str(file), "--json"], prog_name="akashi")
        assert result.exit_code == Status.GOOD, result.output
        assert json.loads(result.output)["answer"]["security"] == "secure"
        result = CliRunner().invoke(akashi, ["explain", BROKEN, "-c", str(file)], prog_name="akashi")
        assert result.exit_code == Status.FINDING and "expired" in result.output


# --- reload ----------------------------------------------------------------------------------------------------------


class Asker(threading.Thread):
    """Asks all the while; counts what came and what did not."""

    def __init__(self, port, *, tcp=False):
        super().__init__(daemon=True)
        self.port = port
        self.tcp = tcp
        self.answers = 0
        self.lost = []
        self.over = threading.Event()

    def run(self):
        send = dns.query.tcp if self.tcp else dns.query.udp
        number = 0
        while not self.over.is_set():
            number += 1
            # Names that are in no cache, names that are, and names that need no Internet.
            name = (f"n{number}.wild.example.jp", GOOD, "localhost")[number % 3]
            query = dns.message.make_query(name, "A", want_dnssec=True)
            try:
                response = send(query, "127.0.0.1", port=self.port, timeout=12)
            except Exception as error:
                self.lost.append((name, repr(error)))
            else:
                if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    self.lost.append((name, dns.rcode.to_text(response.rcode())))
                self.answers += 1

    def __enter__(self):
        self.start()
        until(lambda: self.answers > 5)
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join(LIMIT_S)


class TestReload:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_every_worker_is_replaced_and_no_query_is_lost(self, settings, tmp_path, workers):
        with running(tmp_path, settings, f"server.workers={workers}") as made:
            before = made.worker_pids()
            with Asker(made.port) as udp, Asker(made.port, tcp=True) as tcp:
                for round_ in range(3):
                    answered = udp.answers
                    result = made.cli("reload", "--json")
                    assert result.exit_code == 0, result.output
                    assert json.loads(result.output)["generation"] == round_ + 1
                    until(lambda count=answered: udp.answers > count + 5)
            assert udp.lost == []
            assert tcp.lost == []
            after = made.worker_pids()
            assert not before & after and len(after) == workers
            until(lambda: set(children_of(made.daemon.process.pid)) == after)
            assert made.daemon.stop() == 0

    def test_a_changed_option_is_in_force(self, settings, tmp_path):
        with running(tmp_path, settings) as made:
            made.file.write_text('[access]\nallow = ["192.0.2.0/24"]\n')
            result = made.cli("reload")
            assert result.exit_code == 0 and "access.allow" in result.output
            made.daemon.wait_for("reloaded")
            assert made.ask(GOOD).rcode() == dns.rcode.REFUSED
            made.file.write_text('[access]\nallow = ["127.0.0.0/8"]\n[trust.nta]\nstatic = ["faults.jp"]\n')
            made.daemon.process.send_signal(signal.SIGHUP)
            made.daemon.wait_for("reloaded")
            response = made.ask(BROKEN)
            assert response.rcode() == dns.rcode.NOERROR and 33 in ede(response)
            assert [nta["name"] for nta in made.client.get("/v1/status")["ntas"]] == ["faults.jp"]
            assert made.client.get("/v1/explain", 60, name=BROKEN)["answer"]["reason"] == "nta"
            made.file.write_text("")
            made.cli("reload")
            assert made.ask(BROKEN).rcode() == dns.rcode.SERVFAIL
            assert made.daemon.stop() == 0

    def test_a_wrong_configuration_is_refused(self, settings, tmp_path):
        with running(tmp_path, settings) as made:
            before = made.worker_pids()
            made.file.write_text("[server]\nmax-udp-size = 4096\nworkrs = 1\n")
            result = made.cli("reload")
            assert result.exit_code == Status.FINDING
            assert "max-udp-size" in result.output and "workrs" in result.output and str(made.file) in result.output
            reasons = json.loads(made.cli("reload", "--json").output)["error"]["reasons"]
            assert [reason["key"] for reason in reasons] == ["server.max-udp-size", "server.workrs"]
            assert made.worker_pids() == before
            made.daemon.process.send_signal(signal.SIGHUP)
            made.daemon.wait_for("reload-refused")
            assert made.ask(GOOD).flags & dns.flags.AD
            assert made.daemon.stop() == 0

    def test_what_needs_a_restart_is_refused(self, settings, tmp_path):
        with running(tmp_path, settings) as made:
            made.file.write_text('[cache]\nsize = "64M"\n')
            result = made.cli("reload")
            assert result.exit_code == Status.FINDING
            assert "cache.size cannot change while the daemon runs" in result.output
            assert made.daemon.stop() == 0

    def test_a_file_that_makes_no_sense_is_refused(self, settings, tmp_path):
        hints = tmp_path / "hints"
        mine = [setting for setting in settings if not setting.startswith("upstream.root-hints")]
        source = next(setting for setting in settings if setting.startswith("upstream.root-hints"))
        good = Path(source.partition("=")[2].strip('"')).read_text()
        hints.write_text(good)
        with running(tmp_path, mine, f'upstream.root-hints="{hints}"') as made:
            hints.write_text("jp. NS a.dns.jp.\n")
            result = made.cli("reload")
            assert result.exit_code == Status.FINDING and "no NS record of the root" in result.output
            hints.write_text(good)
            assert made.cli("reload").exit_code == 0
            assert made.ask(GOOD).flags & dns.flags.AD
            assert made.daemon.stop() == 0

    def test_two_at_once_go_one_after_the_other(self, settings, tmp_path):
        with running(tmp_path, settings) as made:
            results = []
            threads = [
                threading.Thread(target=lambda: results.append(made.client.post("/v1/reload", 60))) for _ in range(3)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert sorted(result["generation"] for result in results) == [1, 2, 3]
            until(lambda: len(children_of(made.daemon.process.pid)) == 1)
            assert made.daemon.stop() == 0

    def test_counts_do_not_go_back(self, settings, tmp_path):
        with running(tmp_path, settings) as made:
            for _ in range(10):
                made.ask("localhost")
            assert made.client.get("/v1/status")["counters"]["udp_queries"] == 10
            made.client.post("/v1/reload", 60)
            (pid,) = made.worker_pids()
            until(lambda: children_of(made.daemon.process.pid) == [pid])
            made.ask("localhost")
            assert made.client.get("/v1/status")["counters"]["udp_queries"] == 11
            os.kill(pid, signal.SIGKILL)
            made.daemon.wait_for("worker-exited")
            until(lambda: made.client.get("/v1/status")["healthy"])
            made.ask("localhost")
            status = made.client.get("/v1/status")
            assert status["counters"]["udp_queries"] == 12
            assert status["workers"][0]["restarts"] == 1
            assert made.daemon.stop() == 0

    def test_stopping_while_reloading(self, settings, tmp_path):
        with running(tmp_path, settings, "server.workers=2") as made:
            made.daemon.process.send_signal(signal.SIGHUP)
            made.daemon.wait_for("reloading")
            assert made.daemon.stop() == 0
            assert not is_alive(made.daemon.process.pid)


# --- processes -------------------------------------------------------------------------------------------------------


class TestProcesses:
    @pytest.mark.parametrize("workers", [1, 2])
    def test_workers_serve_without_a_supervisor(self, settings, tmp_path, workers):
        with running(tmp_path, settings, f"server.workers={workers}") as made:
            pids = made.worker_pids()
            made.daemon.process.kill()
            made.daemon.process.wait(LIMIT_S)
            for number in range(5):
                assert made.ask(f"o{number}.wild.example.jp").flags & dns.flags.AD
                assert made.ask(GOOD, tcp=True).flags & dns.flags.AD
            with pytest.raises(DaemonUnreachable):
                made.client.get("/v1/status")
            for pid in pids:
                os.kill(pid, signal.SIGTERM)
            until(lambda: not any(is_alive(pid) for pid in pids))

    def test_a_missing_worker_is_a_finding(self, settings, tmp_path):
        with running(tmp_path, settings) as made:
            (pid,) = made.worker_pids()
            os.kill(pid, signal.SIGSTOP)
            try:
                # One that hangs is left out of what is asked of all.
                assert made.client.get("/v1/cache/lookup", 60, name=GOOD)["workers"] == []
            finally:
                os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
            made.daemon.wait_for("worker-exited")
            results = []

            def seen():
                results.append(made.cli("status", "--health"))
                return results[-1].exit_code == Status.GOOD

            until(seen)
            for result in results[:-1]:
                assert result.exit_code == Status.FINDING and "1 of 1 workers not ready" in result.output
            assert made.daemon.stop() == 0

    def test_the_delay_between_restarts_grows(self, settings, tmp_path):
        with running(tmp_path, settings) as made:
            delays = []
            for _ in range(4):
                (pid,) = until(lambda: [w["pid"] for w in made.client.get("/v1/status")["workers"] if w["ready"]])
                os.kill(pid, signal.SIGKILL)
                delays.append(made.daemon.wait_for("worker-exited")["restart_in_s"])
            assert delays == [0.1, 0.2, 0.4, 0.8]
            until(lambda: made.client.get("/v1/status")["healthy"])
            assert made.daemon.stop() == 0

    def test_a_worker_holds_nothing_of_the_supervisors(self, settings, tmp_path):
        with running(tmp_path, settings, "server.workers=2") as made:
            with socket.socket(socket.AF_UNIX) as held:
                held.connect(str(made.socket))  # a connection that is open while workers are forked
                made.client.post("/v1/reload", 60)
                sockets = _files(made.daemon.process.pid)
                for pid in made.worker_pids():
                    shared = _files(pid) & sockets
                    # Standard streams, its own two client sockets, which the supervisor keeps, and the pair by which TCP
                    # connections are handed to its successor.
                    assert len([name for name in shared if name.startswith("socket:")]) == 4
            assert made.daemon.stop() == 0


def _files(pid):
    """What the descriptors of a process stand for."""
    found = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(str(fd.readlink()))
    return found
