"""The mini-Internet: all zones built, signed and assigned to servers.

Theory of operation. `build` turns the specifications (lab/zones.py) and the faults (lab/faults.py) into an `Internet`.
Zones are built children first, because a parent publishes what its children's keys and name servers are. A fault is
applied while its zone is built, so that breaking and healing a zone at run time are the same thing as building it: change
the fault, build that zone and its parent again. Nothing here opens a socket or knows what time it is.

Limitations: IPv4 servers only, since loopback has a single IPv6 address.

RFC 1034 §4.2 (cuts, glue), RFC 4035 §2.4 (DS at the cut).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import dns.name
import dns.rrset
from dns.name import Name
from dns.rdtypes.ANY.SOA import SOA
from dns.rrset import RRset

from lab.errors import LabError as LabError
from lab.faults import CATALOGUE, Fault
from lab.keys import KSK_FLAGS, ZSK_FLAGS, Key, KeyStore, Validity
from lab.lifecycle import KeyRing, Role
from lab.records import Delegation, Zone, address_rrset, parse, rrset_from_text
from lab.signer import Nsec3, Plan, sign
from lab.steps import Behaviour
from lab.zones import FAULT_HOST_OCTET, HOSTS, SPECS, Spec

DEFAULT_PREFIX = "127.53"
BACKDATE_S = 3600
"""Signatures hold from an hour ago: clocks of other processes under test may lag."""
LIFETIME_S = 14 * 86400
RESIGN_AFTER_S = 86400
"""A running lab signs again when its signatures are older than this."""

FAULT_KEY_OWNER = "faults"
_FAULT_ALGORITHM = 8  # RSA/SHA-256
_FAULT_TEXT = """
@    A    192.0.2.{number}
@    AAAA 2001:db8:f::{number}
@    TXT  "{wrong}"
www  A    192.0.2.{number}
"""


@dataclass(frozen=True)
class Server:
    """One authoritative server: an address, the host name that stands for it, and the zones it serves."""

    address: str
    host: Name
    zones: tuple[Name, ...]


@dataclass(frozen=True)
class Former:
    """Where a zone was before it moved, and what is still served there: caches lead clients there for a TTL."""

    hosts: tuple[Name, ...]
    zone: Zone


@dataclass
class Internet:
    """Everything the lab serves. Made by `build`; `apply` and `resign` change it in place."""

    prefix: str
    keys: KeyStore
    specs: dict[Name, Spec]
    addresses: dict[Name, str]
    """Name-server host -> address."""
    now: int
    zones: dict[Name, Zone] = field(default_factory=dict)
    faults: dict[Name, Fault] = field(default_factory=dict)
    delegations: dict[Name, Delegation] = field(default_factory=dict)
    plans: dict[Name, Plan] = field(default_factory=dict)
    rings: dict[Name, KeyRing] = field(default_factory=dict)
    """Of zones whose keys somebody has touched."""
    moved: dict[Name, Former] = field(default_factory=dict)

    def behaviour(self, zone: Name) -> Behaviour:
        """How the servers of a zone treat it."""
        fault = self.faults.get(zone)
        return fault.behaviour if fault else Behaviour.NORMAL

    def servers(self) -> list[Server]:
        """All servers, by address. A server that has no zone (any more) still listens."""
        by_host: dict[Name, list[Name]] = {host: [] for host in self.addresses}
        for origin, spec in self.specs.items():
            for host in spec.hosts:
                if self.behaviour(origin) is not Behaviour.NOT_SERVED:
                    by_host[dns.name.from_text(host)].append(origin)
        for origin, former in self.moved.items():
            for name in former.hosts:
                by_host[name].append(origin)
        return [Server(self.addresses[host], host, tuple(sorted(zones))) for host, zones in by_host.items()]

    def served(self, host: Name, origin: Name) -> Zone:
        """The zone as this server has it."""
        former = self.moved.get(origin)
        return former.zone if former and host in former.hosts else self.zones[origin]

    def parent_of(self, origin: Name) -> Name | None:
        """The zone that delegates a zone; None for the root."""
        name = origin
        while name != dns.name.root:
            name = name.parent()
            if name in self.specs:
                return name
        return None

    def zone_of(self, name: Name) -> Name:
        """The deepest zone that encloses a name."""
        while name not in self.specs:
            name = name.parent()
        return name

    @property
    def signed_at(self) -> int:
        """When the oldest signatures were made, in seconds since 1970."""
        return min(plan.now for plan in self.plans.values())

    def needs_signing(self, now: float) -> bool:
        """Whether signatures are getting old, or the clock was set back so far that they may not hold yet."""
        return not -BACKDATE_S / 2 < now - self.signed_at < RESIGN_AFTER_S

    def hints(self) -> str:
        """Root hints: NS and address records of the root servers, as a zone file (RFC 9609 §2)."""
        lines = []
        for host in self.specs[dns.name.root].hosts:
            lines.append(f". 3600000 IN NS {host}")
            lines.append(f"{host} 3600000 IN A {self.addresses[dns.name.from_text(host)]}")
        return "\n".join(lines) + "\n"

    def anchor(self, origin: Name = dns.name.root) -> str:
        """Trust anchor of a zone: DS and DNSKEY of its KSK, one record per line."""
        plan = self.plans[origin]
        owner = origin.to_text()
        lines = [f"{owner} 3600 IN DS {ds.to_text()}" for ds in plan.ds()]
        lines.append(f"{owner} 3600 IN DNSKEY {plan.ksk.dnskey.to_text()}")
        return "\n".join(lines) + "\n"

    # -- changes ---------------------------------------------------------------------------------------------------

    def resign(self, now: int) -> None:
        """Build and sign every zone again, as of `now`."""
        self.now = now
        for origin in sorted(self.specs, key=lambda name: -len(name.labels)):
            self._build(origin)

    def apply(self, origin: Name, fault: Fault | None, now: int) -> list[Name]:
        """Break a zone (or heal it, with None) as of `now`; returns the zones that changed."""
        if origin not in self.specs:
            raise LabError(f"{origin} is not a zone of the lab")
        parent = self.parent_of(origin)
        if fault and parent is None and fault.parent:
            raise LabError(f"{fault.name} needs a parent zone to act on; the root has none")
        if fault:
            self.faults[origin] = fault
        else:
            self.faults.pop(origin, None)
        return self.rebuild(origin, now)

    def ring(self, origin: Name) -> KeyRing:
        """The keys of a zone and their states; a change of them takes effect with `rebuild`."""
        if origin not in self.specs:
            raise LabError(f"{origin} is not a zone of the lab")
        if origin not in self.rings:
            if not self.specs[origin].signed:
                raise LabError(f"{origin} is not signed")
            self.rings[origin] = self._new_ring(origin, self.specs[origin])
        return self.rings[origin]

    def _new_ring(self, origin: Name, spec: Spec) -> KeyRing:
        owner, parent = spec.key_owner or spec.origin, self.parent_of(origin)
        flags = {Role.KSK: KSK_FLAGS, Role.ZSK: ZSK_FLAGS}

        def make(role: Role) -> tuple[str, Key]:
            generation = self.keys.fresh_generation(owner, spec.algorithm, flags[role])
            return f"{role.value}-{generation}", self.keys.key(owner, spec.algorithm, flags[role], generation)

        ds_ttl = self.specs[parent].ttl if parent is not None else 0
        ring = KeyRing(origin, parent is not None, spec.ttl, ds_ttl, spec.ttl, make)
        for role in Role:
            ring.add_first(role, self.keys.key(owner, spec.algorithm, flags[role]), linked=spec.linked)
        return ring

    def move(self, origin: Name, hosts: Iterable[str], now: int, *, signed: bool) -> list[Name]:
        """Delegate a zone to other servers, whose operator signs it (with the same keys) or does not.

        The old servers go on with the zone as it is now until `leave`. Returns the zones that changed.
        """
        if self.parent_of(origin) is None or origin not in self.specs:
            raise LabError(f"{origin} is not a zone of the lab that can move")
        names = tuple(dns.name.from_text(host) for host in hosts)
        unknown = [name.to_text() for name in names if name not in self.addresses]
        if unknown:
            raise LabError(f"{', '.join(unknown)} is no server of the lab; `akashi lab status` lists them")
        spec = self.specs[origin]
        old = tuple(dns.name.from_text(host) for host in spec.hosts)
        if set(old) & set(names):
            raise LabError(f"{origin} is there already")
        if spec.signed:
            ring = self.ring(origin)  # From now on it is the ring that says which DS the parent has.
            if not signed:
                ring.abandon(now)
        self.moved[origin] = Former(old, self.zones[origin])
        self.specs[origin] = replace(spec, hosts=tuple(name.to_text() for name in names), signed=signed)
        return self.rebuild(origin, now)

    def leave(self, origin: Name) -> None:
        """The operator that a zone has left no longer serves it."""
        if self.moved.pop(origin, None) is None:
            raise LabError(f"{origin} has not moved")

    def rebuild(self, origin: Name, now: int) -> list[Name]:
        """Build and sign a zone and its parent again; returns both."""
        self.now = now
        parent = self.parent_of(origin)
        changed = [origin] if parent is None else [origin, parent]
        for name in changed:
            self._build(name)
        return changed

    # -- building ----------------------------------------------------------------------------------------------------

    def _build(self, origin: Name) -> None:
        fault = self.faults.get(origin)
        spec = _spoiled(self.specs[origin], fault)
        plan = self._plan(origin, spec)
        if fault and fault.plan:
            fault.plan(plan)
        zone = sign(plan)
        for edit in fault.edit if fault else ():
            edit(zone, plan)
        delegation = self._delegation(origin, spec, plan)
        if fault and fault.parent:
            fault.parent(delegation)
        self.plans[origin], self.zones[origin], self.delegations[origin] = plan, zone, delegation

    def _plan(self, origin: Name, spec: Spec) -> Plan:
        owner = spec.key_owner or spec.origin
        plan = Plan(
            origin,
            self._content(origin, spec),
            ksk=self.keys.key(owner, spec.algorithm, KSK_FLAGS),
            zsk=self.keys.key(owner, spec.algorithm, ZSK_FLAGS),
            denial=spec.denial,
            now=self.now,
            validity=Validity(self.now - BACKDATE_S, self.now + LIFETIME_S),
            signed=spec.signed,
            zsk_signs_keys=spec.zsk_signs_keys,
        )
        ring = self.rings.get(origin)
        if ring:
            ring.direct(plan)
        return plan

    def _content(self, origin: Name, spec: Spec) -> list[RRset]:
        """The zone's own records, the addresses of its hosts, its delegations and the glue they need."""
        mailbox = dns.name.from_text("hostmaster", origin).to_text()
        soa = f"{spec.hosts[0]} {mailbox} {self._serial(origin)} 3600 900 1209600 {min(spec.ttl, 900)}"
        content = [
            rrset_from_text(origin, spec.ttl, "SOA", soa),
            rrset_from_text(origin, spec.ttl, "NS", *spec.hosts),
            *parse(origin, spec.text, spec.ttl),
        ]
        for host, address in self.addresses.items():
            if self.zone_of(host) == origin:
                content.append(address_rrset(host, spec.ttl, address))
        for child, delegation in self.delegations.items():
            if self.parent_of(child) == origin:
                content.extend(delegation.rrsets(spec.ttl))
        # The zone's own servers may live below one of its cuts, as those of the root do.
        for text in spec.hosts:
            host = dns.name.from_text(text)
            if host.is_subdomain(origin) and self.zone_of(host) != origin:
                content.append(address_rrset(host, spec.ttl, self.addresses[host]))
        return content

    def _serial(self, origin: Name) -> int:
        """The time, unless the zone was built in this very second before."""
        known = self.zones.get(origin)
        return max(self.now, cast(SOA, known.soa[0]).serial + 1) if known else self.now

    def _delegation(self, origin: Name, spec: Spec, plan: Plan) -> Delegation:
        hosts = [dns.name.from_text(host) for host in spec.hosts]
        parent = self.parent_of(origin)
        # Glue is what the parent needs and is not authoritative for: addresses of hosts below any of its cuts.
        glue = {
            host: [self.addresses[host]]
            for host in hosts
            if parent is not None and host.is_subdomain(parent) and self.zone_of(host) != parent
        }
        linked = spec.linked and spec.signed if origin not in self.rings else True
        return Delegation(origin, hosts, glue, plan.ds() if linked else [])


def build(
    now: float,
    *,
    prefix: str = DEFAULT_PREFIX,
    specs: Iterable[Spec] = SPECS,
    hosts: Mapping[str, tuple[int, int]] = HOSTS,
    faults: Iterable[Fault] | None = None,
    keys: KeyStore | None = None,
    ttl: int | None = None,
) -> Internet:
    """Build and sign the mini-Internet.

    `now`: seconds since 1970, the signatures hold from an hour before to 14 days after. `prefix`: the first two octets of
    all server addresses. `specs` and `hosts`: the zones and where their servers are. `faults`: the faults that get a zone
    of their own below faults.jp (None: the whole catalogue, if the zone faults.jp is there). `keys`: where keys come
    from (None: made afresh). `ttl`: no TTL is above this.
    """
    chosen = {dns.name.from_text(spec.origin): spec for spec in specs}
    addresses = {dns.name.from_text(host): f"{prefix}.{x}.{y}" for host, (x, y) in hosts.items()}
    used = {dns.name.from_text(host) for spec in chosen.values() for host in spec.hosts}
    addresses = {host: address for host, address in addresses.items() if host in used}
    own_faults: dict[Name, Fault] = {}
    faults_zone = dns.name.from_text("faults.jp.")
    for fault in CATALOGUE.values() if faults is None else faults:
        if faults_zone not in chosen:
            break
        spec, octets = fault_spec(fault)
        origin = dns.name.from_text(spec.origin)
        chosen[origin] = spec
        addresses[dns.name.from_text(spec.hosts[0])] = f"{prefix}.{octets[0]}.{octets[1]}"
        own_faults[origin] = fault
    if ttl is not None:
        chosen = {origin: replace(spec, ttl=min(spec.ttl, ttl)) for origin, spec in chosen.items()}
    internet = Internet(prefix, keys or KeyStore(), chosen, addresses, int(now), faults=own_faults)
    internet.resign(int(now))
    return internet


def fault_spec(fault: Fault) -> tuple[Spec, tuple[int, int]]:
    """The healthy form of the zone that a fault of the catalogue has for itself, and where it is served."""
    number = list(CATALOGUE).index(fault.name) + 1
    spec = Spec(
        fault.zone,
        (f"ns1.{fault.zone}",),
        _FAULT_TEXT.format(number=number, wrong=fault.wrong),
        algorithm=_FAULT_ALGORITHM,
        denial=Nsec3(),
        zsk_signs_keys=True,
        key_owner=FAULT_KEY_OWNER,
    )
    return spec, (FAULT_HOST_OCTET, number)


def _spoiled(spec: Spec, fault: Fault | None) -> Spec:
    """The specification with what the fault says about algorithm, denial and signing."""
    if fault is None:
        return spec
    return replace(
        spec,
        algorithm=fault.algorithm or spec.algorithm,
        denial=fault.denial or spec.denial,
        signed=spec.signed and fault.signed,
        zsk_signs_keys=spec.zsk_signs_keys or fault.plan is not None or bool(fault.edit),
    )
