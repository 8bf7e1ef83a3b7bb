"""Builds the hierarchy into `bench/build/zones-SCALE/`, or finds it there.

Children are signed before their parent, which publishes their DS. Two processes share the work. A manifest says what was
built and until when the signatures hold; another scale, another format or signatures that end within a day mean building
again.
"""

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench.layout import BUILD, Scale
from bench.zones import hierarchy
from bench.zones.signing import Validity
from bench.zones.zone import Delegation, ZoneSpec, write_zone

_FORMAT = 2
_PROCESSES = 2
_DAY = 86400
_YEAR = 365 * _DAY
_MANIFEST = "manifest.json"
_BUILD_FIELDS = (
    "zones",
    "names_per_ecdsa_zone",
    "names_per_rsa_zone",
    "unsigned_zones",
    "bogus_zones",
    "depths",
    "chains_per_depth",
)

Report = Callable[[str], None]


@dataclass(frozen=True)
class Hierarchy:
    """A built hierarchy: zone files by server, and what resolvers are told about the root."""

    folder: Path
    servers: dict[str, "ServerZones"]

    @property
    def hints(self) -> Path:
        """Root hints, in zone file format."""
        return self.folder / "root.hints"

    @property
    def anchor(self) -> Path:
        """The root's trust anchor: one DS record in zone file format."""
        return self.folder / "root.ds"

    @property
    def anchor_ds(self) -> str:
        """RDATA of the trust anchor, as text."""
        return self.anchor.read_text().split(" DS ", 1)[1].strip()

    @property
    def identity(self) -> str:
        """Changes whenever the zones do."""
        return hashlib.sha256(self.anchor.read_bytes()).hexdigest()[:12]


@dataclass
class ServerZones:
    """What one authoritative server serves."""

    addresses: list[str]
    zones: list[str]


def zone_file(folder: Path, origin: str) -> Path:
    """Where a zone's file is. Zones are spread over folders by hash, as there may be many."""
    spread = hashlib.sha256(origin.encode()).hexdigest()[:2]
    return folder / "zones" / spread / (origin.rstrip(".") + ".zone" if origin != "." else "root.zone")


def build(scale: Scale, report: Report) -> Hierarchy:
    """The hierarchy of this scale, built if there is none that can be used."""
    folder = BUILD / f"zones-{scale.name}"
    wanted = {name: getattr(scale, name) for name in _BUILD_FIELDS} | {"format": _FORMAT}
    found = _read_manifest(folder)
    if found is not None and found["built"] == json.loads(json.dumps(wanted)):
        servers = {name: ServerZones(**value) for name, value in found["servers"].items()}
        return Hierarchy(folder, servers)
    shutil.rmtree(folder, ignore_errors=True)
    for spread in range(256):
        (folder / "zones" / f"{spread:02x}").mkdir(parents=True)
    now = int(time.time())
    validity = Validity(now - _DAY, now + _YEAR)
    started = time.monotonic()
    servers = _sign_all(scale, folder, validity, report)
    manifest = {
        "built": wanted,
        "expiration": validity.expiration,
        "servers": {name: dataclasses.asdict(server) for name, server in servers.items()},
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest))
    report(f"signed {sum(len(s.zones) for s in servers.values())} zones in {time.monotonic() - started:.0f} s")
    return Hierarchy(folder, servers)


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    """What was built here; None when nothing was, or when its signatures end soon."""
    try:
        manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    return manifest if manifest["expiration"] > time.time() + _DAY else None


def _sign_all(scale: Scale, folder: Path, validity: Validity, report: Report) -> dict[str, ServerZones]:
    servers: dict[str, ServerZones] = {}
    with ProcessPoolExecutor(_PROCESSES) as pool:

        def sign(specs: Iterable[ZoneSpec]) -> list[Delegation]:
            listed = list(specs)
            for spec in listed:
                server = servers.setdefault(spec.server, ServerZones([], []))
                server.zones.append(spec.origin)
                server.addresses.extend(a for a in spec.addresses if a not in server.addresses)
            return list(pool.map(partial(_sign_one, folder, validity), listed, chunksize=8))

        report(f"signing {scale.zones} zones with {scale.names} names …")
        delegations = sign(hierarchy.second_level(scale))
        delegations += _sign_chains(scale, sign)
        top = dataclasses.replace(hierarchy.tld(), delegations=tuple(delegations))
        (tld,) = sign([top])
        (root,) = sign([dataclasses.replace(hierarchy.root(), delegations=(tld,))])
    server = hierarchy.root()
    hint = server.name_server(0)
    (folder / "root.hints").write_text(f". 3600000 IN NS {hint}\n" + f"{hint} 3600000 IN A {server.addresses[0]}\n")
    assert root.ds is not None
    (folder / "root.ds").write_text(f". 86400 IN DS {root.ds[1]}\n")
    return servers


def _sign_chains(scale: Scale, sign: Callable[[Iterable[ZoneSpec]], list[Delegation]]) -> list[Delegation]:
    """Sign all chains, deepest level first; the delegations of their tops."""
    chains = list(hierarchy.chains(scale))
    below: list[Delegation | None] = [None] * len(chains)
    for level in range(max(scale.depths), 1, -1):
        here = [i for i, specs in enumerate(chains) if len(specs) >= level - 1]
        specs = []
        for i in here:
            child = below[i]
            specs.append(dataclasses.replace(chains[i][level - 2], delegations=() if child is None else (child,)))
        for i, delegation in zip(here, sign(specs), strict=True):
            below[i] = delegation
    return [delegation for delegation in below if delegation is not None]


def _sign_one(folder: Path, validity: Validity, spec: ZoneSpec) -> Delegation:
    return write_zone(spec, zone_file(folder, spec.origin), validity)
