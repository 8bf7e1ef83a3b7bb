"""One zone: what it holds, and writing it signed to a file.

RFC 4035 §2, RFC 5155 §7.1.
"""

import base64
import enum
from dataclasses import dataclass, field
from pathlib import Path

from bench.zones.signing import (
    ECDSAP256SHA256,
    FLAG_SEP,
    FLAG_ZONE,
    RSASHA256,
    Key,
    RRset,
    Validity,
    name_wire,
    nsec3_chain,
    nsec_chain,
    sign_rrset,
)

TTL = 86400
"""Above the longest run: nothing expires while it is measured."""
NEGATIVE_TTL = 3600

_PAST = Validity(inception=1_500_000_000, expiration=1_502_592_000)


class Algorithm(enum.Enum):
    """What a zone is signed with."""

    UNSIGNED = "unsigned"
    ECDSA = "ecdsa"
    """P-256, a KSK and a ZSK."""
    RSA = "rsa"
    """2048 bits, one key for both."""


class Denial(enum.Enum):
    """How a signed zone denies."""

    NSEC = "nsec"
    NSEC3 = "nsec3"


class Fault(enum.Enum):
    """What makes a zone bogus."""

    NONE = "none"
    EXPIRED = "expired"
    """The signatures of the hosts ended years ago."""
    FORGED = "forged"
    """The signatures of the hosts do not verify."""
    MISSING = "missing"
    """The hosts have no signatures."""
    WRONG_DS = "wrong-ds"
    """The parent's DS matches no key."""


@dataclass(frozen=True)
class Delegation:
    """A child zone as its parent publishes it. `ds` is RDATA text and bytes; None for an unsigned child."""

    child: str
    addresses: tuple[str, ...]
    ds: tuple[bytes, str] | None


@dataclass(frozen=True)
class ZoneSpec:
    """Everything about a zone. Hosts are `h000`, `h001`, … with one A record each."""

    origin: str
    server: str
    addresses: tuple[str, ...]
    algorithm: Algorithm = Algorithm.ECDSA
    denial: Denial = Denial.NSEC
    hosts: int = 0
    fault: Fault = Fault.NONE
    delegations: tuple[Delegation, ...] = field(default=(), repr=False)

    def host(self, number: int) -> str:
        """Absolute name of a host."""
        return self.below(f"h{number:03d}")

    def below(self, label: str) -> str:
        """`label` in this zone."""
        return f"{label}." if self.origin == "." else f"{label}.{self.origin}"

    def name_server(self, number: int) -> str:
        """Name of the zone's own name server; a label of its own so that the root has no empty non-terminal."""
        return self.below(f"ns{number + 1}" if self.origin != "." else f"ns{number + 1}-root")


def write_zone(spec: ZoneSpec, path: Path, validity: Validity) -> Delegation:
    """Sign the zone, write it to `path`, and return what its parent has to publish."""
    keys = _make_keys(spec.algorithm)
    plain = _plain_rrsets(spec)
    lines: list[str] = []
    if keys:
        signed = [*plain, _dnskey_rrset(spec.origin, keys)]
        signed += _denial_rrsets(spec, signed)
        _write_signed(spec, signed, keys, validity, lines)
    else:
        for rrset in plain:
            lines.extend(rrset.lines())
    lines.extend(_delegation_lines(spec))
    path.write_text("\n".join(lines) + "\n")
    return Delegation(spec.origin, spec.addresses, _ds(spec, keys[0]) if keys else None)


def _make_keys(algorithm: Algorithm) -> list[Key]:
    """The KSK first, the ZSK last; they may be one. Every zone has its own, as caches of keys must not gain by ours."""
    if algorithm is Algorithm.RSA:
        return [Key(RSASHA256, FLAG_ZONE | FLAG_SEP)]
    if algorithm is Algorithm.ECDSA:
        return [Key(ECDSAP256SHA256, FLAG_ZONE | FLAG_SEP), Key(ECDSAP256SHA256, FLAG_ZONE)]
    return []


def _plain_rrsets(spec: ZoneSpec) -> list[RRset]:
    """SOA, NS and addresses. Delegations come apart, for only their DS is signed."""
    servers = [spec.name_server(i) for i in range(len(spec.addresses))]
    mailbox = spec.below("hostmaster")
    timers = (1, 7200, 3600, 1209600, NEGATIVE_TTL)
    soa = name_wire(servers[0]) + name_wire(mailbox) + b"".join(timer.to_bytes(4) for timer in timers)
    soa_text = f"{servers[0]} {mailbox} {' '.join(map(str, timers))}"
    rrsets = [
        RRset(spec.origin, "SOA", TTL, (soa,), (soa_text,)),
        RRset(spec.origin, "NS", TTL, tuple(sorted(map(name_wire, servers))), tuple(servers)),
    ]
    rrsets += [_address(server, address) for server, address in zip(servers, spec.addresses, strict=True)]
    rrsets += [_address(spec.host(i), f"192.0.2.{i % 254 + 1}") for i in range(spec.hosts)]
    for delegation in spec.delegations:
        if delegation.ds is not None:
            rdata, text = delegation.ds
            rrsets.append(RRset(delegation.child, "DS", TTL, (rdata,), (text,)))
    if spec.denial is Denial.NSEC3 and spec.algorithm is not Algorithm.UNSIGNED:
        rrsets.append(RRset(spec.origin, "NSEC3PARAM", TTL, (b"\1\0\0\0\0",), ("1 0 0 -",)))
    return rrsets


def _address(owner: str, address: str) -> RRset:
    return RRset(owner, "A", TTL, (bytes(map(int, address.split("."))),), (address,))


def _dnskey_rrset(origin: str, keys: list[Key]) -> RRset:
    ordered = sorted(keys, key=lambda key: key.dnskey)
    return RRset(origin, "DNSKEY", TTL, tuple(key.dnskey for key in ordered), tuple(key.dnskey_text for key in ordered))


def _denial_rrsets(spec: ZoneSpec, signed: list[RRset]) -> list[RRset]:
    types_at: dict[str, tuple[str, ...]] = {delegation.child: ("NS",) for delegation in spec.delegations}
    for rrset in signed:
        types_at[rrset.owner] = (*types_at.get(rrset.owner, ()), rrset.rtype)
    if spec.denial is Denial.NSEC3:
        return nsec3_chain(types_at, spec.origin, NEGATIVE_TTL)
    return nsec_chain(types_at, NEGATIVE_TTL)


def _write_signed(spec: ZoneSpec, rrsets: list[RRset], keys: list[Key], validity: Validity, lines: list[str]) -> None:
    hosts = {spec.host(i) for i in range(spec.hosts)} if spec.fault is not Fault.NONE else set()
    for rrset in rrsets:
        lines.extend(rrset.lines())
        key = keys[0] if rrset.rtype == "DNSKEY" else keys[-1]
        faulty = rrset.rtype == "A" and rrset.owner in hosts
        if faulty and spec.fault is Fault.MISSING:
            continue
        period = _PAST if faulty and spec.fault is Fault.EXPIRED else validity
        text, signature = sign_rrset(rrset, spec.origin, key, period)
        if faulty and spec.fault is Fault.FORGED:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        lines.append(text + base64.b64encode(signature).decode())


def _delegation_lines(spec: ZoneSpec) -> list[str]:
    lines = []
    for delegation in spec.delegations:
        for i, address in enumerate(delegation.addresses):
            server = f"ns{i + 1}.{delegation.child}"
            lines.append(f"{delegation.child} {TTL} IN NS {server}")
            lines.append(f"{server} {TTL} IN A {address}")
    return lines


def _ds(spec: ZoneSpec, key: Key) -> tuple[bytes, str]:
    digest = key.ds_digest(spec.origin)
    if spec.fault is Fault.WRONG_DS:
        digest = bytes(octet ^ 0xFF for octet in digest)
    rdata = key.tag.to_bytes(2) + bytes([key.algorithm, 2]) + digest
    return rdata, f"{key.tag} {key.algorithm} 2 {digest.hex()}"
