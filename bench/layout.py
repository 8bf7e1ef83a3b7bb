"""Where things are and how big a run is: folders, addresses, processors, scales.

Everything lives on 127.0.0.0/8 in a network namespace of the benchmark's own, so fixed addresses cannot clash.
"""

import os
from dataclasses import dataclass
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PROJECT = BENCH.parent
BUILD = BENCH / "build"

ROOT_ADDRESS = "127.10.0.1"
TLD_ADDRESS = "127.10.0.2"
LEAF_ADDRESSES = tuple(f"127.10.1.{host}" for host in range(1, 101))
"""Second-level zones are spread over these, two each: a resolver remembers much per server address."""

RESOLVER_ADDRESS = "127.0.0.1"
"""BIND only listens on addresses that an interface has; the other addresses of 127.0.0.0/8 are not listed there."""
_FIRST_PORT = 5300
_PORTS = 4000


def deep_addresses(level: int) -> tuple[str, str]:
    """The two servers of all zones at `level` (3 or more labels below the root)."""
    return f"127.10.{10 + level}.1", f"127.10.{10 + level}.2"


def resolver_port(run: int) -> int:
    """A fresh port for each run: no socket of an earlier one can be in the way."""
    return _FIRST_PORT + run % _PORTS


@dataclass(frozen=True)
class Processors:
    """Which processor carries what. With one processor all share it, and the figures are of little worth."""

    resolver: tuple[int, ...]
    load: tuple[int, ...]

    @classmethod
    def detect(cls) -> "Processors":
        """The resolver gets the first processor we may use; load generator and authority the second."""
        usable = sorted(os.sched_getaffinity(0))
        return cls(resolver=(usable[0],), load=(usable[1] if len(usable) > 1 else usable[0],))


@dataclass(frozen=True)
class Scale:
    """How big a run is. The zones depend on the first group only, so it names the build."""

    name: str
    zones: int
    names_per_ecdsa_zone: int
    names_per_rsa_zone: int
    unsigned_zones: int
    bogus_zones: int
    depths: tuple[int, ...]
    chains_per_depth: int

    repetitions: int
    hot_seconds: float
    paced_seconds: float
    warm_names: int
    zipf_universe: int
    zipf_exponent: float
    zipf_queries: int
    storm_queries: int
    cache_sizes: tuple[int, ...]

    @property
    def names(self) -> int:
        """Host names in the second-level signed zones."""
        rsa = self.zones // 4
        return (self.zones - rsa) * self.names_per_ecdsa_zone + rsa * self.names_per_rsa_zone


QUICK = Scale(
    name="quick",
    zones=2_000,
    names_per_ecdsa_zone=67,
    names_per_rsa_zone=20,
    unsigned_zones=2_000,
    bogus_zones=100,
    depths=(2, 4, 6),
    chains_per_depth=300,
    repetitions=3,
    hot_seconds=2.0,
    paced_seconds=5.0,
    warm_names=10_000,
    zipf_universe=100_000,
    zipf_exponent=1.2,
    zipf_queries=30_000,
    storm_queries=10_000,
    cache_sizes=(1_000, 10_000, 100_000),
)

FULL = Scale(
    name="full",
    zones=4_000,
    names_per_ecdsa_zone=334,
    names_per_rsa_zone=20,
    unsigned_zones=2_000,
    bogus_zones=200,
    depths=(2, 3, 4, 6, 8),
    chains_per_depth=300,
    repetitions=5,
    hot_seconds=5.0,
    paced_seconds=5.0,
    warm_names=30_000,
    zipf_universe=1_000_000,
    zipf_exponent=1.1,
    zipf_queries=100_000,
    storm_queries=50_000,
    cache_sizes=(10_000, 100_000, 1_000_000),
)

TINY = Scale(
    name="tiny",
    zones=40,
    names_per_ecdsa_zone=20,
    names_per_rsa_zone=20,
    unsigned_zones=8,
    bogus_zones=8,
    depths=(2, 3),
    chains_per_depth=4,
    repetitions=1,
    hot_seconds=0.5,
    paced_seconds=0.5,
    warm_names=300,
    zipf_universe=500,
    zipf_exponent=1.0,
    zipf_queries=1_000,
    storm_queries=300,
    cache_sizes=(100, 500),
)
"""For working on the benchmark itself: everything runs, no figure means anything."""

SCALES = {scale.name: scale for scale in (TINY, QUICK, FULL)}

CACHE_MEGABYTES = 2048
"""Cache of every resolver: more than a million signed RRsets take in any of them, so nothing is evicted."""
CACHE_ENTRIES = 4_000_000
"""The same for PowerDNS, which counts entries."""
