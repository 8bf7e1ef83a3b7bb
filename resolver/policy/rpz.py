"""Records of a response policy zone → rules, one at a time, and rules → text.

A record that is no rule (DNSSEC, NS, an unknown `rpz-` label, a malformed prefix) is counted and otherwise ignored, as the
zone's author may use what came after this was written.

draft-vixie-dnsop-dns-rpz-00 §3 (actions as CNAME targets), §4 (triggers as owner names).
"""

from typing import Final

from resolver.policy.prefixes import Prefix, prefix_from_labels
from resolver.policy.rule import Action, Data, Trigger
from resolver.policy.table import Key, Soa, ZoneTable
from wire import types as t
from wire.name import ROOT, Name, is_subdomain, is_wildcard


def _name(text: str) -> Name:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


_TARGETS: Final = {
    ROOT: Action.NXDOMAIN,
    b"\x01*\0": Action.NODATA,
    _name("rpz-passthru"): Action.PASSTHRU,
    _name("rpz-drop"): Action.DROP,
    _name("rpz-tcp-only"): Action.TCP_ONLY,
}
_SUBZONES: Final = {
    b"\x06rpz-ip": Trigger.RESPONSE_IP,
    b"\x0drpz-client-ip": Trigger.CLIENT_IP,
    b"\x0brpz-nsdname": Trigger.NSDNAME,
    b"\x08rpz-nsip": Trigger.NSIP,
}
_NOT_DATA: Final = frozenset(
    (t.SOA, t.NS, t.DNAME, t.RRSIG, t.NSEC, t.NSEC3, t.NSEC3PARAM, t.DNSKEY, t.DS, t.CDS, t.CDNSKEY)
)
"""Types that make no rule: of the zone itself, of DNSSEC, and DNAME (§3.6)."""
_ADDRESS_TRIGGERS: Final = frozenset((Trigger.RESPONSE_IP, Trigger.CLIENT_IP, Trigger.NSIP))


def key_of(owner: Name, zone: Name) -> tuple[Trigger, Key] | None:
    """What an owner name triggers on; None when it is no trigger."""
    if owner == zone or not is_subdomain(owner, zone):
        return None
    inner = owner[: len(owner) - len(zone)]
    last, pos = 0, 0
    while pos < len(inner):
        last = pos
        pos += inner[pos] + 1
    trigger = _SUBZONES.get(inner[last:])
    if trigger is None:
        if inner[last + 1 :].startswith(b"rpz-"):
            return None  # reserved for triggers to come (§4)
        return Trigger.QNAME, inner + b"\0"
    if last == 0:
        return None
    name = inner[:last] + b"\0"
    if trigger not in _ADDRESS_TRIGGERS:
        return trigger, name
    prefix = prefix_from_labels(name)
    return None if prefix is None else (trigger, prefix)


def add(table: ZoneTable, zone: Name, owner: Name, rtype: int, ttl: int, rdata: bytes) -> tuple[Trigger, Key] | None:
    """Take a record into the table; returns where it changed a rule."""
    if rtype == t.SOA and owner == zone:
        table.soa = Soa.of(rdata, ttl)
        return None
    place = None if rtype in _NOT_DATA else key_of(owner, zone)
    if place is None:
        if owner != zone:
            table.ignored += 1
        return None
    trigger, key = place
    action = _action(key, rtype, rdata)
    if action is not None:
        table.put(trigger, key, action)
        return place
    known = table.get(trigger, key)
    if known is None:
        table.put(trigger, key, Data({rtype: (ttl, [rdata])}))
    elif isinstance(known, Data):
        # Tables that workers were forked with share nothing with this one; what is under way does: a new object.
        sets = dict(known.sets)
        old_ttl, rdatas = sets.get(rtype, (ttl, []))
        if rdata not in rdatas:
            sets[rtype] = (min(old_ttl, ttl) if rdatas else ttl, [*rdatas, rdata])
        table.put(trigger, key, Data(sets))
    return place


def remove(table: ZoneTable, zone: Name, owner: Name, rtype: int, rdata: bytes) -> tuple[Trigger, Key] | None:
    """Take a record out of the table (RFC 1995); returns where it changed a rule."""
    place = None if rtype in _NOT_DATA else key_of(owner, zone)
    if place is None:
        if owner != zone:
            table.ignored = max(table.ignored - 1, 0)
        return None
    trigger, key = place
    known = table.get(trigger, key)
    if isinstance(known, Data):
        sets = dict(known.sets)
        if rtype in sets:
            ttl, rdatas = sets[rtype]
            left = [other for other in rdatas if other != rdata]
            if left:
                sets[rtype] = (ttl, left)
            else:
                del sets[rtype]
        if sets:
            table.put(trigger, key, Data(sets))
        else:
            table.drop(trigger, key)
        return place
    if known is not None and _action(key, rtype, rdata) is known:
        table.drop(trigger, key)
    return place


def _action(key: Key, rtype: int, rdata: bytes) -> Action | None:
    """The action that a record stands for; None when it is local data."""
    if rtype != t.CNAME:
        return None
    action = _TARGETS.get(rdata)
    if action is None and not isinstance(key, Prefix) and rdata == key and not is_wildcard(key):
        return Action.PASSTHRU  # the way to write it before there was rpz-passthru (§3.3)
    return action


def wildcard_target(rdata: bytes) -> Name | None:
    """The tail of a wildcard CNAME's target, `example.net` of `*.example.net`; None when it is none (§3.6)."""
    return rdata[2:] if is_wildcard(rdata) and len(rdata) > 3 else None
