"""Which zones there are, on which server, and the names of hosts in them. Nothing is signed here.

.                         root
  bench.                  one TLD, NSEC3
    z00000.bench. …       signed, three quarters ECDSA, a quarter RSA; NSEC and NSEC3 by turns
    u00000.bench. …       unsigned
    b00000.bench. …       bogus, each fault by turns
    d4c000.bench. …       tops of chains: four zone cuts below the root in all, `l3` and `l4` below
"""

from collections.abc import Iterator

from bench.layout import LEAF_ADDRESSES, ROOT_ADDRESS, TLD_ADDRESS, Scale, deep_addresses
from bench.zones.zone import Algorithm, Denial, Fault, ZoneSpec

ROOT = "."
TLD = "bench."
BOGUS_HOSTS = 5

_FAULTS = (Fault.EXPIRED, Fault.FORGED, Fault.MISSING, Fault.WRONG_DS)


def server_of_level(level: int) -> str:
    """Name of the authoritative server for zones with so many labels."""
    return {0: "root", 1: "tld", 2: "leaf"}.get(level, f"deep{level}")


def signed_zone(scale: Scale, number: int) -> ZoneSpec:
    """A signed second-level zone: of eight, six ECDSA and two RSA."""
    rsa = number % 4 == 3
    return ZoneSpec(
        origin=f"z{number:05d}.{TLD}",
        server=server_of_level(2),
        addresses=_leaf_addresses(number),
        algorithm=Algorithm.RSA if rsa else Algorithm.ECDSA,
        denial=Denial.NSEC3 if number // 4 % 2 else Denial.NSEC,
        hosts=scale.names_per_rsa_zone if rsa else scale.names_per_ecdsa_zone,
    )


def unsigned_zone(number: int) -> ZoneSpec:
    """An unsigned second-level zone."""
    return ZoneSpec(
        f"u{number:05d}.{TLD}", server_of_level(2), _leaf_addresses(number), algorithm=Algorithm.UNSIGNED, hosts=1
    )


def bogus_zone(number: int) -> ZoneSpec:
    """A second-level zone whose hosts cannot be validated."""
    return ZoneSpec(
        f"b{number:05d}.{TLD}",
        server_of_level(2),
        _leaf_addresses(number),
        hosts=BOGUS_HOSTS,
        fault=_FAULTS[number % len(_FAULTS)],
    )


def chain(depth: int, number: int) -> list[ZoneSpec]:
    """The zones of one chain from the second level down; the last one has a host."""
    specs = []
    origin = TLD
    for level in range(2, depth + 1):
        origin = f"d{depth}c{number:03d}.{TLD}" if level == 2 else f"l{level}.{origin}"
        addresses = _leaf_addresses(number) if level == 2 else deep_addresses(level)
        specs.append(ZoneSpec(origin, server_of_level(level), addresses, hosts=1 if level == depth else 0))
    return specs


def second_level(scale: Scale) -> Iterator[ZoneSpec]:
    """All zones directly below the TLD that have no child."""
    for number in range(scale.zones):
        yield signed_zone(scale, number)
    for number in range(scale.unsigned_zones):
        yield unsigned_zone(number)
    for number in range(scale.bogus_zones):
        yield bogus_zone(number)


def chains(scale: Scale) -> Iterator[list[ZoneSpec]]:
    """All chains."""
    for depth in scale.depths:
        for number in range(scale.chains_per_depth):
            yield chain(depth, number)


def tld() -> ZoneSpec:
    """The TLD without its delegations."""
    return ZoneSpec(TLD, server_of_level(1), (TLD_ADDRESS,), denial=Denial.NSEC3)


def root() -> ZoneSpec:
    """The root without its delegation."""
    return ZoneSpec(ROOT, server_of_level(0), (ROOT_ADDRESS,))


def _leaf_addresses(number: int) -> tuple[str, str]:
    count = len(LEAF_ADDRESSES)
    return LEAF_ADDRESSES[number % count], LEAF_ADDRESSES[(number + count // 2) % count]
