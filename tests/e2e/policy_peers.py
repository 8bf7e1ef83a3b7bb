"""Peers that apply response policy zones, as processes: BIND and Unbound, each asking another resolver for the truth."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.e2e.resolvers import UNBOUND_ALONE, Resolver, _wait, free_port, process

HEAD = "$TTL 60\n@ IN SOA localhost. root.localhost. {serial} 1 1 432000 60\n@ IN NS localhost.\n"

BIND = """
options {{
  directory "{directory}"; pid-file none; session-keyfile "{directory}/session.key";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion yes; allow-query {{ any; }}; {truth}
  dnssec-validation no; empty-zones-enable no; minimal-responses yes;
  response-policy {{ {zones} }} break-dnssec yes qname-wait-recurse no nsip-wait-recurse yes nsdname-wait-recurse yes;
}};
controls {{ }};
{declarations}
"""

UNBOUND = (
    UNBOUND_ALONE
    + """\
  module-config: "respip iterator"
  qname-minimisation: no
  unblock-lan-zones: yes
{rpz}
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@{forwarder}
"""
)


def write_zones(zones: Mapping[str, str], directory: Path, serial: int = 1) -> dict[str, Path]:
    """Zone files of the rules, by zone."""
    files = {}
    for zone, rules in zones.items():
        files[zone] = directory / f"{zone}.zone"
        files[zone].write_text(HEAD.format(serial=serial) + rules)
    return files


@contextlib.contextmanager
def bind(
    program: str, directory: Path, files: Mapping[str, Path], forwarder: int | None, hints: str = ""
) -> Iterator[Resolver]:
    """BIND with these policy zones in this order; without a forwarder it resolves by itself from the hints, on port 53."""
    port = free_port()
    declarations = "\n".join(
        f'zone "{zone}" {{ type primary; file "{path}"; allow-query {{ any; }}; }};' for zone, path in files.items()
    )
    truth = f"forwarders {{ 127.0.0.1 port {forwarder}; }}; forward only;"
    if forwarder is None:
        truth = ""
        declarations += f'\nzone "." {{ type hint; file "{hints}"; }};'
    config = directory / "named.conf"
    zones = " ".join(f'zone "{zone}";' for zone in files)
    config.write_text(BIND.format(port=port, directory=directory, truth=truth, zones=zones, declarations=declarations))
    resolver = Resolver("bind", port)
    log = directory / "named.log"
    with process([program, "-g", "-n", "1", "-c", str(config)], log) as child:
        _wait(resolver, child, log, "localhost")
        yield resolver


@contextlib.contextmanager
def unbound(program: str, directory: Path, files: Mapping[str, Path], forwarder: int) -> Iterator[Resolver]:
    """Unbound with these policy zones in this order."""
    port = free_port()
    rpz = "\n".join(f'rpz:\n  name: "{zone}"\n  zonefile: "{path}"' for zone, path in files.items())
    config = directory / "unbound.conf"
    config.write_text(UNBOUND.format(port=port, directory=directory, forwarder=forwarder, rpz=rpz))
    resolver = Resolver("unbound", port)
    log = directory / "unbound-stderr.log"
    with process([program, "-d", "-c", str(config)], log) as child:
        _wait(resolver, child, log, "localhost")
        yield resolver
