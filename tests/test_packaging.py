"""What is shipped and how it is installed: the wheel, the pins, the container's configuration, the package script."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

PACKAGES = ("wire", "trust", "resolver", "lab")


def shipped_files() -> set[str]:
    """Files of the import packages in this tree, relative to the root."""
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}


def test_wheel_holds_every_file_of_the_packages_and_the_command(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    expected = shipped_files()
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path]
    subprocess.run([*build, source], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = [name for name in names if name.endswith("/entry_points.txt")]
        assert "akashi = resolver.cli:main" in archive.read(entry_points).decode()
    assert {name for name in names if ".dist-info/" not in name} == expected


def test_every_requirement_is_pinned_to_a_version_it_allows() -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().splitlines()
        if not line.startswith("#")
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["build-system"]["requires"], *project["project"]["dependencies"], *(r for e in extras for r in e)]
    for requirement in map(Requirement, wanted):
        pin = pins.get(requirement.name.lower()) or pins[requirement.name.lower().replace("-", "_")]
        assert requirement.specifier.contains(pin), requirement


FAKE_DPKG_QUERY = """#!/bin/sh
# Nothing is installed until apt-get has run.
[ -e "$STATE/installed" ] || exit 1
while [ $# -gt 0 ]; do case $1 in -*) ;; *) printf 'installed=%s ' "$1" ;; esac; shift; done
"""
FAKE_APT_GET = """#!/bin/sh
echo "$*" >>"$STATE/calls"
case "$*" in *install*)
    "$AKASHI_POLICY_RC_D"; echo "policy says $?" >>"$STATE/calls"
    [ -z "$FAIL" ] && : >"$STATE/installed"
esac
[ -z "$FAIL" ]
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the script installs only as root")
@pytest.mark.parametrize("fail", ["", "1"], ids=["installs", "apt-get fails"])
@pytest.mark.parametrize("earlier", [None, "#!/bin/sh\nexit 104\n"], ids=["no policy before", "a policy before"])
def test_package_script_forbids_daemons_and_puts_the_policy_back(tmp_path: Path, earlier: str | None, fail: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"dpkg-query": FAKE_DPKG_QUERY, "apt-get": FAKE_APT_GET, "systemctl": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    policy = tmp_path / "policy-rc.d"
    if earlier is not None:
        policy.write_text(earlier)
        policy.chmod(0o755)
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "STATE": str(tmp_path),
        "FAIL": fail,
        "AKASHI_POLICY_RC_D": str(policy),
    }
    script = [ROOT / "tools" / "install-debian-packages.sh"]
    first = subprocess.run(script, env=env, capture_output=True, text=True, check=True)

    def called() -> list[str]:
        # Where this tree has no chrony yet it is fetched each time, and not installed.
        return [call for call in (tmp_path / "calls").read_text().splitlines() if call != "-qq download chrony"]

    calls = called()
    assert calls[0] == "-qq update"
    assert calls[1].endswith(
        " nsd knot pdns-server pdns-backend-bind pdns-backend-sqlite3 unbound ldnsutils faketime gcc libc6-dev"
    )
    assert "--no-remove" in calls[1]
    assert {call for call in calls if call.startswith("policy")} == {"policy says 101"}
    assert (policy.read_text() if policy.exists() else None) == earlier
    assert ("still missing" in first.stderr) == bool(fail)
    if not fail:  # a second run finds everything there and does not call apt-get
        (tmp_path / "calls").write_text("")
        subprocess.run(script, env=env, check=True)
        assert {call for call in called() if not call.startswith("policy")} == set()


def test_container_configuration_is_accepted(tmp_path: Path) -> None:
    heredoc = re.search(
        r"<<TOML (?P<path>\S+)\n(?P<text>.*?)\nTOML\n", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.S
    )
    assert heredoc is not None
    assert f'"{heredoc["path"]}"]' in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()[-1]
    file = tmp_path / "akashi.toml"
    file.write_text(heredoc["text"])
    run = [sys.executable, "-m", "resolver", "check-config", "-c", file]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
