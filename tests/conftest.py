"""What every test may use: the corpora, and programs of Debian packages; both skip with a clear message when absent.

`corpora` is a fixture; `require_binary` is a plain function, to be called from fixtures, tests or at module level:

    from tests.conftest import require_binary
    NSD = require_binary("nsd")
"""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Servers live in /usr/sbin, which an ordinary user's PATH lacks.
# Where tools/install-debian-packages.sh puts what must not be installed here.
_ASIDE = Path(__file__).resolve().parent.parent / ".debian" / "chrony" / "usr" / "sbin"
_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin", str(_ASIDE)])

# Program -> the Debian package that brings it; tools/install-debian-packages.sh installs these.
DEBIAN_PACKAGE = {
    "dig": "bind9-dnsutils",
    "delv": "bind9-dnsutils",
    "named": "bind9",
    "rndc": "bind9-utils",
    "named-checkconf": "bind9-utils",
    "named-checkzone": "bind9-utils",
    "dnssec-keygen": "bind9-utils",
    "dnssec-signzone": "bind9-utils",
    "nsd": "nsd",
    "nsd-control": "nsd",
    "nsd-checkconf": "nsd",
    "nsd-checkzone": "nsd",
    "knotd": "knot",
    "knotc": "knot",
    "keymgr": "knot",
    "pdns_server": "pdns-server",
    "pdnsutil": "pdns-server",
    "pdns_control": "pdns-server",
    "unbound": "unbound",
    "unbound-control": "unbound",
    "unbound-checkconf": "unbound",
    "ldns-signzone": "ldnsutils",
    "ldns-verify-zone": "ldnsutils",
    "ldns-keygen": "ldnsutils",
    "faketime": "faketime",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "dnsdist": "dnsdist",
    "dnsperf": "dnsperf",
    "chronyd": "chrony",
    "systemd-analyze": "systemd",
}


def require_binary(name: str) -> str:
    """Path of an installed program; skips the test (or the whole module) and names the Debian package when absent."""
    path = shutil.which(name, path=_SEARCH_PATH)
    if path is None:
        package = DEBIAN_PACKAGE[name]
        pytest.skip(f"{name} is not installed (Debian package {package})", allow_module_level=True)
    return path


def corpora_dir() -> Path:
    """Where the corpora are read in place: $AKASHI_CORPORA, or ../shared/corpora beside the checkout. May not exist."""
    return Path(os.environ.get("AKASHI_CORPORA") or ROOT.parent / "shared" / "corpora")


def require_corpora(*relative: str) -> Path:
    """Path below the corpora; skips the test (or the whole module) when absent."""
    path = corpora_dir().joinpath(*relative)
    if not path.exists():
        pytest.skip(f"corpus {path} is absent (set AKASHI_CORPORA)", allow_module_level=True)
    return path


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The corpora's directory."""
    return require_corpora()
