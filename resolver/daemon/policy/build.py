"""From the configuration's policy section and the tables of its zones to a `ResponsePolicy`."""

from collections.abc import Mapping

from resolver.config import Config
from resolver.config.model import PolicySection
from resolver.config.policy_values import EXTENDED_ERRORS, PolicyZoneSource
from resolver.policy.dns64 import Dns64
from resolver.policy.local import LocalKind, LocalZones
from resolver.policy.rule import Override
from resolver.policy.rules import PolicyZone, ResponsePolicy, ZoneOptions
from resolver.policy.table import ZoneTable
from wire.rrset import RRset
from wire.text import name_from_text, rrsets_from_text


def label_of(source: PolicyZoneSource) -> str:
    """How a policy zone is called: its name without the final dot."""
    return source.zone.rstrip(".")


def zone_options(source: PolicyZoneSource) -> ZoneOptions:
    """What rules of a zone are applied with."""
    return ZoneOptions(
        name=name_from_text(source.zone),
        label=label_of(source),
        override=Override(source.action),
        ede=source.ede,
        max_ttl=source.max_ttl,
        break_dnssec=source.break_dnssec,
    )


def make_policy(config: Config, generation: int, tables: Mapping[str, ZoneTable]) -> ResponsePolicy | None:
    """The policy with these tables; None when the configuration asks for none. A zone without a table has no rules."""
    section = config.policy
    local, dns64 = build_local(section), build_dns64(section)
    if not section.zones and local is None and dns64 is None:
        return None
    zones = [
        PolicyZone(index, zone_options(source), tables.get(label_of(source)) or ZoneTable())
        for index, source in enumerate(section.zones)
    ]
    return ResponsePolicy(generation, zones, local, dns64, local_ede=EXTENDED_ERRORS[section.local_extended_error])


def build_local(section: PolicySection) -> LocalZones | None:
    """Local zones and data; None when there are none."""
    if not section.local_zones and not section.local_data:
        return None
    records: dict[tuple[bytes, int], RRset] = {}
    for text in section.local_data:
        for rrset in rrsets_from_text(text):
            known = records.setdefault((rrset.name, rrset.rtype), rrset)
            if known is not rrset:
                known.rdatas += [rdata for rdata in rrset.rdatas if rdata not in known.rdatas]
    kinds = {name_from_text(zone): LocalKind(kind) for zone, kind in section.local_zones.items()}
    return LocalZones(kinds, records.values())


def build_dns64(section: PolicySection) -> Dns64 | None:
    """DNS64; None when it is off."""
    dns64 = section.dns64
    if not dns64.enabled:
        return None
    return Dns64(dns64.prefixes, dns64.exclude, dns64.exclude_ipv4, dns64.clients or None)
