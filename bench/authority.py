"""The authoritative side: one NSD per level of the hierarchy, so that each only knows its own zones and refers downwards.

Upstream questions are counted where they arrive, by NSD's own statistics: the same for every resolver, whatever it counts
itself.
"""

import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.process import Program, RunError, ask
from bench.zones.build import Hierarchy, ServerZones, zone_file
from bench.zones.hierarchy import ROOT

_LOAD_S = 300.0

_SERVER = """\
server:
    server-count: 1
    username: ""
    zonesdir: "{folder}"
    database: ""
    pidfile: ""
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    tcp-count: 1000
    hide-version: yes
    verbosity: 0
remote-control:
    control-enable: yes
    control-interface: "{folder}/control"
"""


@dataclass(frozen=True)
class Counters:
    """Questions that arrived at the authoritative servers."""

    by_server: dict[str, int]
    by_type: dict[str, int]
    udp: int
    tcp: int

    def __sub__(self, earlier: "Counters") -> "Counters":
        def difference(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
            return {key: now[key] - before.get(key, 0) for key in now if now[key] > before.get(key, 0)}

        return Counters(
            difference(self.by_server, earlier.by_server),
            difference(self.by_type, earlier.by_type),
            self.udp - earlier.udp,
            self.tcp - earlier.tcp,
        )


class Authority:
    """All NSDs of a hierarchy."""

    def __init__(self, hierarchy: Hierarchy, folder: Path, processors: Sequence[int]) -> None:
        self._hierarchy = hierarchy
        self._programs: dict[str, Program] = {}
        self._configs: dict[str, Path] = {}
        for name, server in hierarchy.servers.items():
            own = folder / name
            own.mkdir(parents=True)
            config = own / "nsd.conf"
            config.write_text(_configuration(hierarchy.folder, own, server))
            self._configs[name] = config
            self._programs[name] = Program(name, ["nsd", "-d", "-c", config], own, processors)

    def await_ready(self) -> None:
        """Return when every server answers for its last zone."""
        deadline = time.monotonic() + _LOAD_S
        for name, server in self._hierarchy.servers.items():
            program = self._programs[name]
            while (
                reply := ask(server.addresses[-1], 53, server.zones[-1], "SOA", timeout_s=0.5)
            ) is None or not reply.answer:
                program.check_running()
                if time.monotonic() > deadline:
                    raise RunError(f"NSD {name} has not loaded its zones:\n{program.log_end()}")
                time.sleep(0.05)

    def counters(self) -> Counters:
        """Questions so far."""
        by_server: dict[str, int] = {}
        by_type: Counter[str] = Counter()
        udp = tcp = 0
        for name, config in self._configs.items():
            for key, value in _statistics(config).items():
                if key == "num.queries":
                    by_server[name] = value
                elif key.startswith("num.type."):
                    by_type[key.removeprefix("num.type.")] += value
                elif key in ("num.udp", "num.udp6"):
                    udp += value
                elif key in ("num.tcp", "num.tcp6"):
                    tcp += value
        return Counters(by_server, dict(by_type), udp, tcp)

    def stop(self) -> None:
        """End all servers."""
        for program in self._programs.values():
            program.stop()


def _configuration(hierarchy: Path, own: Path, server: ServerZones) -> str:
    parts = [_SERVER.format(folder=own)]
    addresses = "".join(f"    ip-address: {address}\n" for address in server.addresses)
    parts[0] = parts[0].replace("server:\n", f"server:\n{addresses}", 1)
    for origin in server.zones:
        name = origin if origin == ROOT else origin.rstrip(".")
        parts.append(f'zone:\n    name: "{name}"\n    zonefile: "{zone_file(hierarchy, origin)}"\n')
    return "".join(parts)


def _statistics(config: Path) -> dict[str, int]:
    done = subprocess.run(
        ["nsd-control", "-c", config, "stats_noreset"], capture_output=True, text=True, check=False, timeout=30
    )
    if done.returncode != 0:
        raise RunError(f"nsd-control: {done.stderr.strip() or done.stdout.strip()}")
    figures = {}
    for line in done.stdout.splitlines():
        key, _, value = line.partition("=")
        if value.isdigit():
            figures[key] = int(value)
    return figures
