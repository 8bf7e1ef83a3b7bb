"""The command line: what it prints, how it ends, and that it starts quickly."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner, Result

import resolver
from resolver.cli import COMMANDS, akashi
from resolver.cli.lazy import LazyCommand, LazyGroup
from resolver.cli.status import DaemonUnreachable, Status
from resolver.config import Config
from tests.conftest import ROOT


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(akashi, list(arguments), prog_name="akashi")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.toml"
    file.write_text("[server]\nmax-udp-size = 4096\nworkrs = 2\n")
    return file


class TestGroup:
    def test_help_lists_the_commands(self) -> None:
        result = invoke("--help")
        assert result.exit_code == 0
        assert "Run the resolver in the foreground." in result.output and "check-config" in result.output

    def test_version_is_the_projects(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        assert resolver.__version__ == project["version"]
        assert invoke("--version").output == f"akashi, version {resolver.__version__}, core: {resolver.core()}\n"

    def test_usage_errors(self) -> None:
        assert invoke("no-such-command").exit_code == Status.USAGE
        assert invoke("serve", "--no-such-option").exit_code == Status.USAGE

    @pytest.mark.parametrize("name", COMMANDS)
    def test_what_is_listed_can_be_called(self, name: str) -> None:
        if not COMMANDS[name].exists():
            pytest.skip(f"{COMMANDS[name].module} is not there yet")
        result = invoke(name, "--help")
        assert result.exit_code == 0
        assert result.output.startswith(f"Usage: akashi {name}")

    def test_a_command_whose_module_is_absent_is_no_command(self) -> None:
        lazy = {"here": COMMANDS["serve"], "gone": LazyCommand("resolver.cli.nowhere:gone", "Not there.")}
        group = LazyGroup("group", lazy=lazy)
        shown = CliRunner().invoke(group, ["--help"])
        assert "here" in shown.output and "gone" not in shown.output
        assert CliRunner().invoke(group, ["gone"]).exit_code == Status.USAGE

    def test_a_broken_command_says_so(self) -> None:
        with pytest.raises(TypeError, match="not a click command"):
            LazyCommand("resolver.cli.status:Status", "Not a command.").load()

    def test_an_unreachable_daemon_has_its_own_status(self) -> None:
        @click.command()
        def status() -> None:
            raise DaemonUnreachable("no daemon at /run/akashi/control.sock")

        result = CliRunner().invoke(status)
        assert result.exit_code == Status.UNREACHABLE == 3
        assert "Error: no daemon" in result.output


class TestCheckConfig:
    def test_defaults(self) -> None:
        result = invoke("check-config", "-c", str(ROOT / "conf" / "akashi.toml"))
        assert result.exit_code == 0
        assert result.output.strip() == f"{ROOT / 'conf' / 'akashi.toml'}: ok"

    def test_notable_settings(self) -> None:
        result = invoke("check-config", "--set", "upstream.allow-loopback=true", "--set", "cache.size=1G")
        assert result.exit_code == 0
        assert [line.split() for line in result.output.splitlines()[1:4]] == [
            ["option", "value", "default"],
            ["upstream.allow-loopback", "true", "false"],
            ["cache.size", '"1G"', '"256M"'],
        ]
        assert "note: upstream.allow-loopback: for labs only" in result.output

    def test_findings(self, bad: Path) -> None:
        result = invoke("check-config", "-c", str(bad))
        assert result.exit_code == Status.FINDING
        assert result.output.splitlines() == [
            f"{bad}:2: server.max-udp-size = 4096: too large; allowed: 512 to 1232"
            " (guideline 2-4, guideline 2-5, RFC 9715)",
            f'{bad}:3: server.workrs: unknown option; did you mean "workers"?',
            f"2 errors in {bad}",
        ]

    def test_brackets_are_no_markup(self, tmp_path: Path) -> None:
        file = tmp_path / "a.toml"
        file.write_text("[server]\nmax-ttl = 1\n")
        assert "it belongs in [cache]" in invoke("check-config", "-c", str(file)).output

    def test_json_of_findings(self, bad: Path) -> None:
        result = invoke("check-config", "--json", "-c", str(bad))
        assert result.exit_code == Status.FINDING
        report = json.loads(result.output)
        assert (report["ok"], report["file"]) == (False, str(bad))
        assert [finding["key"] for finding in report["findings"]] == ["server.max-udp-size", "server.workrs"]

    def test_json_of_a_good_one(self) -> None:
        result = invoke("check-config", "--json", "--set", "log.queries=true", "--set", "trust.nta.static=jp")
        report = json.loads(result.output)
        assert result.exit_code == 0 and report["ok"]
        assert report["changed"] == [
            {"key": "trust.nta.static", "value": ["jp."], "default": []},
            {"key": "log.queries", "value": True, "default": False},
        ]
        assert {notice["key"] for notice in report["notices"]} == {"trust.nta.static", "log.queries"}

    def test_absent_file(self, tmp_path: Path) -> None:
        result = invoke("check-config", "-c", str(tmp_path / "none.toml"))
        assert result.exit_code == Status.FINDING
        assert "No such file" in result.output


class TestServe:
    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Config, object]]]:
        """Stands in for the daemon and notes what it is asked to run, and from where; its exit status is 7."""
        configs: list[tuple[Config, object]] = []

        def run(config: Config, source: object) -> int:
            configs.append((config, source))
            return 7

        daemon = ModuleType("resolver.daemon")
        daemon.run = run  # type: ignore[attr-defined]
        daemon.Source = lambda file, overrides: (file, overrides)  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "resolver.daemon", daemon)
        yield configs

    def test_runs_the_daemon_with_the_configuration(
        self, served: list[tuple[Config, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / "a.toml"
        file.write_text("[server]\nworkers = 2\n")
        monkeypatch.chdir(tmp_path)
        result = invoke("serve", "-c", "a.toml", "--set", "log.level=debug")
        assert result.exit_code == 7
        [(config, source)] = served
        assert (config.server.workers, config.log.level) == (2, "debug")
        # What is read again at reload must be found wherever the daemon is by then.
        assert source == (file, ("log.level=debug",))

    def test_does_not_start_with_a_bad_configuration(self, served: list[tuple[Config, object]], bad: Path) -> None:
        result = invoke("serve", "-c", str(bad))
        assert result.exit_code == Status.FINDING
        assert served == []
        assert result.stdout == ""
        assert f"akashi: {bad}:2: server.max-udp-size = 4096: too large" in result.stderr


class TestProcess:
    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
        )

    def test_python_m_resolver_is_the_command(self, bad: Path) -> None:
        done = self.run("-m", "resolver", "check-config", "-c", str(bad))
        assert done.returncode == 1
        assert "did you mean" in done.stdout and "\x1b" not in done.stdout
        assert done.stderr == ""

    def test_help_imports_nothing_heavy(self) -> None:
        heavy = {"pydantic", "rich", "dns", "cryptography", "aiohttp", "asyncio", "uvloop", "structlog"}
        code = (
            "import sys, resolver.cli\n"
            "try: resolver.cli.akashi(['--help'])\n"
            "except SystemExit: pass\n"
            f"print({heavy!r} & set(sys.modules))"
        )
        assert self.run("-c", code).stdout.splitlines()[-1] == "set()"

    def test_the_generator_is_a_command(self) -> None:
        done = self.run("-m", "resolver.config.generate", "--check")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
