"""What a drill looks at: the resolver's answers, the authority's records, the states of keys, the output of commands."""

import re
import time
from collections.abc import Callable
from typing import cast

import dns.dnssec
import dns.rdatatype
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG

from lab.drills.dig import Seen
from lab.drills.play import Check
from lab.drills.stage import Stage

SETTLE_S = 30.0
"""How long a change may take to be seen through caches; TTLs in drills are two seconds, the rest is for busy machines."""

# -- the resolver --------------------------------------------------------------------------------------------------------


def secure(name: str, rtype: str = "A", within_s: float = 0.0) -> Check:
    """The resolver has an answer and says that it is authentic."""
    return _answer(f"{name} {rtype}: NOERROR with AD", name, rtype, lambda s: s.rcode == "NOERROR" and s.ad, within_s)


def insecure(name: str, rtype: str = "A", within_s: float = 0.0, ede: int | None = None) -> Check:
    """The resolver has an answer and does not say that it is authentic; `ede`: why."""
    what = f"{name} {rtype}: NOERROR without AD{f', EDE {ede}' if ede is not None else ''}"

    def good(seen: Seen) -> bool:
        codes = {code for code, _ in seen.ede}
        return seen.rcode == "NOERROR" and seen.records > 0 and not seen.ad and (ede is None or ede in codes)

    return _answer(what, name, rtype, good, within_s)


def bogus(name: str, *ede: int, rtype: str = "A", within_s: float = 0.0) -> Check:
    """The resolver refuses to hand out what does not validate, and says why with one of these codes."""
    codes = " or ".join(str(code) for code in ede)

    def good(seen: Seen) -> bool:
        return seen.rcode == "SERVFAIL" and bool({code for code, _ in seen.ede} & set(ede))

    return _answer(f"{name} {rtype}: SERVFAIL, EDE {codes}", name, rtype, good, within_s)


def denied(name: str, rtype: str = "A") -> Check:
    """The resolver says, authentically, that there is no such name."""
    what = f"{name} {rtype}: NXDOMAIN with AD"
    return _answer(what, name, rtype, lambda s: s.rcode == "NXDOMAIN" and s.ad, 0.0)


def unchecked(name: str, rtype: str = "A") -> Check:
    """With CD set, the data comes, unvalidated: the trouble is DNSSEC and nothing else (guideline 2.6.3)."""

    def good(seen: Seen) -> bool:
        return seen.rcode == "NOERROR" and seen.records > 0 and not seen.ad

    return _answer(f"{name} {rtype} with CD: NOERROR without AD", name, rtype, good, 0.0, cd=True)


def _answer(what: str, name: str, rtype: str, good: Callable[[Seen], bool], within_s: float, *, cd: bool = False) -> Check:
    def test(stage: Stage) -> str | None:
        seen = stage.ask(name, rtype, cd=cd)
        return None if good(seen) else str(seen)

    return Check(what, test, f"{name} {rtype} +dnssec{' +cd' if cd else ''}", within_s)


def logged(pattern: str, what: str) -> Check:
    """The resolver's log has such a line."""

    def test(stage: Stage) -> str | None:
        return None if re.search(pattern, stage.log()) else "no such line"

    return Check(f"the log tells of {what}", test, "$AKASHI_LAB/resolver.log", SETTLE_S)


def passed(what: str, seconds: float) -> Check:
    """So much time has passed since the last command was typed."""

    def test(stage: Stage) -> str | None:
        left = seconds - stage.since_typed()
        return None if left <= 0 else f"{left:.1f} s are left"

    return Check(what, test, within_s=seconds + SETTLE_S)


# -- commands ------------------------------------------------------------------------------------------------------------


def says(pattern: str, what: str | None = None) -> Check:
    """The command just typed said something that this regular expression matches."""

    def test(stage: Stage) -> str | None:
        return None if re.search(pattern, stage.output) else f"it said: {stage.output.strip()[-300:]}"

    return Check(what or f"it says: {pattern}", test)


def anchors(zone: str = ".", within_s: float = 0.0, **wanted: str) -> Check:
    """The resolver has these keys (ksk, ksk_2, …) of a trust point in these states of RFC 5011."""
    labels = {label.replace("_", "-"): state for label, state in wanted.items()}

    def test(stage: Stage) -> str | None:
        now = _anchors(stage, zone)
        if now is None:
            return f"`{_TRUST_STATUS}` tells nothing: {stage.output.strip()[-200:]}"
        wrong = [f"{label} is {now.get(label, 'not there')}" for label, state in labels.items() if now.get(label) != state]
        return "; ".join(wrong) or None

    what = ", ".join(f"{label} {state}" for label, state in labels.items())
    return Check(f"trust anchors of {zone}: {what}", test, _TRUST_STATUS, within_s)


def not_anchored(label: str, zone: str = ".") -> Check:
    """The resolver knows nothing of that key, or has put it back to Start."""

    def test(stage: Stage) -> str | None:
        now = _anchors(stage, zone)
        if now is None:
            return f"`{_TRUST_STATUS}` tells nothing"
        return None if now.get(label, "Start") == "Start" else f"it is {now[label]}"

    return Check(f"trust anchors of {zone}: {label} is not among them", test, _TRUST_STATUS)


_TRUST_STATUS = "akashi trust status --json -c $AKASHI_LAB/lab.toml"


def _anchors(stage: Stage, zone: str) -> dict[str, str] | None:
    """State of each key by label, as the running resolver tells."""
    # With --socket no configuration has to be read, which would take longer than the rest.
    document = stage.json(f"akashi trust status --json --socket {stage.directory.socket('control.sock')}")
    for point in document["trust_points"] if document else []:
        if point["zone"] == zone:
            return {stage.label(zone, key["tag"]): key["state"] for key in point["keys"]}
    return None


# -- the authority ---------------------------------------------------------------------------------------------------------


def states(zone: str, within_s: float = 0.0, **wanted: str) -> Check:
    """Keys (ksk, ksk_2, …) are in these states of RFC 7583; "Published|Ready" is either, where time decides which."""
    labels = {label.replace("_", "-"): state.split("|") for label, state in wanted.items()}

    def test(stage: Stage) -> str | None:
        now = {key["key"]: key["state"] for key in stage.keys(zone)}
        wrong = [
            f"{label} is {now.get(label, 'not there')}" for label, good in labels.items() if now.get(label) not in good
        ]
        return "; ".join(wrong) or None

    what = ", ".join(f"{label} {' or '.join(good)}" for label, good in labels.items())
    return Check(f"{zone} keys: {what}", test, f"akashi lab keys {zone}", within_s)


def dnskeys(zone: str, *labels: str) -> Check:
    """Every server of the zone publishes these keys and no others."""
    return _tags(
        f"every server of {zone} has the DNSKEYs {_list(labels)}",
        zone,
        labels,
        lambda stage: [(address, zone, "DNSKEY") for address in stage.servers(zone)],
        _dnskey_tags,
        f"{zone} DNSKEY +norec",
    )


def at_parent(zone: str, *labels: str) -> Check:
    """Every server of the parent publishes the DS of these keys and no others."""
    return _tags(
        f"every server of the parent of {zone} has the DS of {_list(labels)}",
        zone,
        labels,
        lambda stage: [(address, zone, "DS") for address in stage.parent_servers(zone)],
        _ds_tags,
        f"{zone} DS +norec",
    )


def signed_by(zone: str, name: str, rtype: str, *labels: str) -> Check:
    """Every server of the zone has signatures by these keys over an RRset, and by no others."""
    return _tags(
        f"every server of {zone} has {name} {rtype} signed by {_list(labels)}",
        zone,
        labels,
        lambda stage: [(address, name, rtype) for address in stage.servers(zone)],
        _rrsig_tags,
        f"{name} {rtype} +dnssec +norec",
    )


def in_time(zone: str, name: str, rtype: str) -> Check:
    """By the clock of whoever looks, the signatures that the zone's servers send hold now."""

    def test(stage: Stage) -> str | None:
        now = time.time() + stage.zones_offset_s
        for address in stage.servers(zone):
            answer = stage.at(address, name, rtype).answer
            rrsigs = [cast(RRSIG, r) for rrset in answer if rrset.rdtype == dns.rdatatype.RRSIG for r in rrset]
            if not rrsigs or any(not r.inception <= now <= r.expiration for r in rrsigs):
                return f"{address}: " + (", ".join(f"{r.inception} to {r.expiration}" for r in rrsigs) or "no signature")
        return None

    return Check(f"at its servers, {name} {rtype} has signatures that hold today", test, f"{name} {rtype} +dnssec +norec")


def _tags(
    what: str,
    zone: str,
    labels: tuple[str, ...],
    questions: Callable[[Stage], list[tuple[str, str, str]]],
    tags: Callable[[Seen], set[int]],
    look: str,
) -> Check:
    def test(stage: Stage) -> str | None:
        by_tag = {key["tag"]: key["key"] for key in stage.keys(zone)}
        asked = questions(stage)
        for address, name, rtype in asked:
            seen = stage.at(address, name, rtype)
            found = {by_tag.get(tag, str(tag)) for tag in tags(seen)}
            if found != set(labels) or seen.rcode != "NOERROR":
                return f"{address}: {seen.rcode}, {_list(sorted(found))}"
        return None if asked else "there is no such server"

    return Check(what, test, look)


def _list(labels: "tuple[str, ...] | list[str]") -> str:
    return ", ".join(labels) or "none"


def _dnskey_tags(seen: Seen) -> set[int]:
    return {
        dns.dnssec.key_id(cast(DNSKEY, record))
        for rrset in seen.answer
        if rrset.rdtype == dns.rdatatype.DNSKEY
        for record in rrset
    }


def _ds_tags(seen: Seen) -> set[int]:
    return {cast(DS, record).key_tag for rrset in seen.answer if rrset.rdtype == dns.rdatatype.DS for record in rrset}


def _rrsig_tags(seen: Seen) -> set[int]:
    return {cast(RRSIG, record).key_tag for rrset in seen.answer if rrset.rdtype == dns.rdatatype.RRSIG for record in rrset}
