"""All policy zones in their order, and what they say of a name, an answer, a client.

Theory of precedence (draft-vixie-dnsop-dns-rpz-00 §5): along an alias chain the first name for which there is a rule
decides; at one name the first zone in the configuration's order; within a zone the trigger in the order client address,
name, address in the answer, server's name, server's address. Local zones go before all.

A decision is *early* when it needs nothing but the name and the client. It can be taken before anything is asked of the
network only if no zone before it has rules that look at the true answer; `ResponsePolicy.early` says when.

A client is of a `Scope`: what of it bears on answers. Clients of one scope share resolutions; those that no rule singles
out are ordinary and share the packet cache, the others are *special* and do not use it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from resolver.policy.dns64 import Dns64
from resolver.policy.local import ORDERS, LocalKind, LocalZones
from resolver.policy.names import NameTable
from resolver.policy.prefixes import Prefix, number_of
from resolver.policy.rule import Action, Data, Override, Rule, Trigger
from resolver.policy.table import Key, ZoneTable
from wire import types as t
from wire.name import ROOT, Name
from wire.rrset import RRset
from wire.text import name_to_text

LOCAL_ZONES: Final = "local"
"""How the local zones are called among policy zones."""
FORGED: Final = 4
"""EDE for data that is not the zone's owner's (RFC 8914 §4.5)."""
_REMEMBERED: Final = 20_000
"""Client addresses remembered with whether they are special."""
DENIAL_TTL: Final = 60
"""Seconds that a denial by policy may be remembered when there is no SOA to say so."""


@dataclass(frozen=True, slots=True)
class ZoneOptions:
    """What the configuration says of a policy zone.

    Attributes:
        label: the name as text; `ede`: INFO-CODE of what is refused, None for none.
        max_ttl: seconds that an answer may be remembered. break_dnssec: whether signed answers are rewritten for clients
            that set DO.
    """

    name: Name
    label: str
    override: Override = Override.GIVEN
    ede: int | None = 15
    max_ttl: int = 60
    break_dnssec: bool = True


class PolicyZone:
    """A zone with its rules. `index`: its place in the order."""

    __slots__ = ("index", "options", "table")

    def __init__(self, index: int, options: ZoneOptions, table: ZoneTable) -> None:
        self.index = index
        self.options = options
        self.table = table

    def soa(self) -> RRset | None:
        """What goes with a denial, so that it is remembered (RFC 2308 §5), no longer than answers may be."""
        soa = self.table.soa
        if soa is None:
            return None
        return RRset(self.options.name, t.SOA, min(soa.ttl, soa.minimum, self.options.max_ttl), [soa.rdata])


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule makes of a name.

    Attributes:
        zone: as text; `rule`: the trigger as text. action, data: what is to be done.
        ede: INFO-CODE that tells so, or None. max_ttl: of the answer, seconds. soa: for a denial.
        logged: nothing is done (override "disabled"): what would have been is told.
    """

    zone: str
    trigger: Trigger
    rule: str
    action: Action
    data: Data | None = None
    ede: int | None = None
    max_ttl: int = 60
    soa: RRset | None = None
    logged: bool = False

    @property
    def text(self) -> str:
        """For the Extended DNS Error."""
        return f"policy zone {self.zone}: {self.rule}" if self.trigger is not Trigger.LOCAL else f"local zone {self.rule}"


class Facts(NamedTuple):
    """What is known of a name once it was resolved.

    Attributes:
        signed: whether the answer has signatures. addresses: in the answer, as numbers of 128 bits.
        server_names, server_addresses: of the zones on the way.
    """

    signed: bool
    addresses: Sequence[int] = ()
    server_names: Sequence[Name] = ()
    server_addresses: Sequence[int] = ()


class Scope:
    """What of a client bears on its answers.

    Attributes:
        clients: rules for its address, by the index of their zone. dns64: whether addresses are made for it.
        label: equal for clients whose answers are equal, under one policy.
    """

    __slots__ = ("clients", "dns64", "dnssec_ok", "label", "policy", "special", "tcp")

    def __init__(
        self,
        policy: "ResponsePolicy",
        clients: Mapping[int, tuple[Prefix, Rule]],
        *,
        dns64: bool,
        dnssec_ok: bool,
        tcp: bool,
        special: bool,
    ) -> None:
        self.policy = policy
        self.clients = clients
        self.dns64 = dns64
        self.dnssec_ok = dnssec_ok
        self.tcp = tcp
        self.special = special
        rules = ",".join(f"{index}:{prefix}" for index, (prefix, _) in clients.items())
        flags = ("d" if dnssec_ok else "") + ("t" if tcp else "") + ("6" if dns64 else "")
        self.label = f"+{policy.generation}{flags}{rules}"


class Early(Enum):
    """What is known of a name before it is resolved, besides a decision."""

    NONE = 0
    """No rule that looks at names or clients says anything."""
    WAIT = 1
    """A rule may be outranked, or undone, by what the true answer is."""


class ResponsePolicy:
    """Everything in force at one time."""

    def __init__(
        self,
        generation: int,
        zones: Iterable[PolicyZone] = (),
        local: LocalZones | None = None,
        dns64: Dns64 | None = None,
        *,
        local_ede: int | None = 15,
    ) -> None:
        self.generation = generation
        self.zones = tuple(zones)
        self.local = local
        self.dns64 = dns64
        self._local_ede = local_ede
        self._waits = any(zone.table.waits for zone in self.zones)
        self.looks_at_servers = any(len(zone.table.nsdname) or len(zone.table.nsip) for zone in self.zones)
        self._by_client = [zone for zone in self.zones if len(zone.table.client_ip)]
        self._dns64_by_client = dns64 is not None and dns64.clients is not None
        self.by_client = bool(self._by_client) or self._dns64_by_client
        self._special: dict[str, bool] = {}
        self._by_dnssec = dns64 is not None or any(not zone.options.break_dnssec for zone in self.zones)
        self._ordinary = {
            (dnssec_ok, tcp): Scope(
                self,
                {},
                dns64=dns64 is not None and dns64.clients is None,
                dnssec_ok=dnssec_ok,
                tcp=tcp,
                special=False,
            )
            for dnssec_ok in (False, True)
            for tcp in (False, True)
        }

    def scope(self, client: str, *, dnssec_ok: bool, tcp: bool) -> Scope:
        """Of what scope a client's query is."""
        dnssec_ok = dnssec_ok and self._by_dnssec
        tcp = tcp and bool(self.zones)
        if self.by_client:
            number = number_of(client)
            rules = self._client_rules(number)
            dns64 = self._dns64_by_client and self.dns64 is not None and self.dns64.serves(number)
            if rules or dns64:
                dns64 = dns64 or (self.dns64 is not None and not self._dns64_by_client)
                return Scope(self, rules, dns64=dns64, dnssec_ok=dnssec_ok, tcp=tcp, special=True)
        return self._ordinary[dnssec_ok, tcp]

    @property
    def ordinary(self) -> Scope:
        """Of a client that no rule singles out, over UDP, without DO."""
        return self._ordinary[False, False]

    def is_special(self, client: str) -> bool:
        """Whether some rule singles this client out."""
        if not self.by_client:
            return False
        special = self._special.get(client)
        if special is None:
            if len(self._special) >= _REMEMBERED:
                self._special.clear()
            special = self._special[client] = self._singled_out(number_of(client))
        return special

    def _singled_out(self, number: int) -> bool:
        if self._dns64_by_client and self.dns64 is not None and self.dns64.serves(number):
            return True
        return any(zone.table.client_ip.find(number) is not None for zone in self._by_client)

    def _client_rules(self, number: int) -> dict[int, tuple[Prefix, Rule]]:
        rules = {}
        for zone in self._by_client:
            found = zone.table.client_ip.find(number)
            if found is not None:
                rules[zone.index] = found
        return rules

    # --- decisions -----------------------------------------------------------------------------------------------

    def early(self, name: Name, scope: Scope, *, first: bool) -> Decision | Early:
        """What can be said of a name before it is resolved. `first`: it is what was asked for."""
        if self.local is not None:
            local = self.at_local(name)
            if local is not None:
                return local
        for zone in self.zones:
            found = _by_name(zone, name, scope, first)
            if found is not None:
                decision = self._decision(zone, *found)
                if not zone.options.break_dnssec and scope.dnssec_ok:
                    return Early.WAIT
                if not decision.logged:
                    return decision
                return Early.WAIT  # to be told of when it is certain
            if zone.table.waits:
                return Early.WAIT
        return Early.NONE

    def decide(self, name: Name, scope: Scope, facts: Facts, *, first: bool, logged: list[Decision]) -> Decision | None:
        """The rule for a name that was resolved. `logged`: takes those that only say what would have been."""
        if self.local is not None:
            local = self.at_local(name)
            if local is not None:
                return local
        for zone in self.zones:
            if facts.signed and scope.dnssec_ok and not zone.options.break_dnssec:
                continue
            found = _by_name(zone, name, scope, first) or _by_facts(zone, facts)
            if found is None:
                continue
            decision = self._decision(zone, *found)
            if not decision.logged:
                return decision
            if decision not in logged:
                logged.append(decision)
        return None

    def at_local(self, name: Name) -> Decision | None:
        """What the local zones say of a name."""
        found = self.local.find(name) if self.local is not None else None
        if found is None:
            return None
        zone, kind, rule = found
        label = name_to_text(zone)
        text = f"{label} {kind.value}"
        if isinstance(rule, Data):
            return Decision(LOCAL_ZONES, Trigger.LOCAL, text, Action.DATA, rule, FORGED, max_ttl=_NO_BOUND)
        ede = self._local_ede if kind is not LocalKind.STATIC and rule in ORDERS else FORGED
        return Decision(LOCAL_ZONES, Trigger.LOCAL, text, rule, None, ede, max_ttl=_NO_BOUND, soa=_local_soa(zone))

    def _decision(self, zone: PolicyZone, trigger: Trigger, key: Key, rule: Rule) -> Decision:
        options = zone.options
        text = f"{trigger.value} {key if isinstance(key, Prefix) else name_to_text(key)}"
        action = options.override.action
        data = None
        if action is None:
            action = Action.DATA if isinstance(rule, Data) else rule
            data = rule if isinstance(rule, Data) else None
        ede = options.ede
        if action is Action.DATA and ede is not None:
            ede = FORGED
        return Decision(
            options.label,
            trigger,
            text,
            action,
            data,
            ede,
            options.max_ttl,
            zone.soa() if action is not Action.PASSTHRU else None,
            options.override is Override.DISABLED,
        )


_NO_BOUND: Final = 1 << 31

Found = tuple[Trigger, Key, Rule]


def _by_name(zone: PolicyZone, name: Name, scope: Scope, first: bool) -> Found | None:
    """The rule of a zone for a client or a name."""
    if first:
        client = scope.clients.get(zone.index)
        if client is not None:
            return Trigger.CLIENT_IP, *client
    found = zone.table.qname.find(name)
    return None if found is None else (Trigger.QNAME, *found)


def _by_facts(zone: PolicyZone, facts: Facts) -> Found | None:
    """The rule of a zone for an answer or the servers it came from."""
    table = zone.table
    if len(table.response_ip) and facts.addresses:
        by_address = table.response_ip.find_best(facts.addresses)
        if by_address is not None:
            return Trigger.RESPONSE_IP, *by_address
    if len(table.nsdname):
        by_server = _find_server(table.nsdname, facts.server_names)
        if by_server is not None:
            return Trigger.NSDNAME, *by_server
    if len(table.nsip) and facts.server_addresses:
        by_address = table.nsip.find_best(facts.server_addresses)
        if by_address is not None:
            return Trigger.NSIP, *by_address
    return None


def _find_server(table: NameTable, names: Sequence[Name]) -> tuple[Name, Rule] | None:
    """The best rule for any of the names: exact before wildcard, then the longest, then the first in order (§5.3, §5.5)."""
    found = [match for match in map(table.find, names) if match is not None]
    return min(found, key=lambda match: (match[0].startswith(b"\x01*"), -len(match[0]), match[0])) if found else None


def _local_soa(zone: Name) -> RRset:
    """For denials of a local zone: as RFC 6303 §3 suggests, but short-lived: what is configured may change."""
    numbers = b"".join(value.to_bytes(4, "big") for value in (1, 3600, 1200, 604800, DENIAL_TTL))
    server = zone if zone != ROOT else b"\x09localhost\0"
    return RRset(zone, t.SOA, DENIAL_TTL, [server + b"\x06nobody\x07invalid\0" + numbers])
