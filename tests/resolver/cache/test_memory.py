"""The memory as a whole: how long things are kept, and what a change of trust or a flush does."""

from typing import Any

import pytest

from resolver.cache.answers import AnswerCache, Rank
from resolver.cache.delegations import Delegations
from resolver.cache.memory import Memory, ZoneTrusts
from tests.resolver.cache.steps import SOA, cname, cut, data, denial, validated
from tests.resolver.play import Half, question, settings
from trust.anchors import TrustPoints
from trust.policy import Policy
from trust.reason import Reason
from trust.vocabulary import Address, Kind, Security, Step
from trust.zone import ZoneTrust
from wire import types as t
from wire.name import ROOT
from wire.text import name_from_text

NOW = 1000.0


def memory(**changes: Any) -> Memory:
    return Memory(settings(**changes), TrustPoints(), Policy(), Half())


# --- how long ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "bounds", "ttl"),
    [
        (data("www.example. 300 IN A 192.0.2.1"), {}, 300),
        (data("www.example. 300 IN A 192.0.2.1"), {"min_ttl": 600}, 600),
        (data("www.example. 300000 IN A 192.0.2.1"), {}, 86400),
        (data("www.example. 300 IN A 192.0.2.1"), {"max_ttl": 60}, 60),
        (data("www.example. 0 IN A 192.0.2.1"), {}, 0),
        (cname("www.example", "a.example", ttl=120), {}, 120),
    ],
)
def test_data_is_kept_for_its_ttl_within_bounds(step: Step, bounds: dict[str, int], ttl: int) -> None:
    assert memory(**bounds).ttl_of(step) == ttl


@pytest.mark.parametrize("kind", [Kind.NODATA, Kind.NXDOMAIN])
@pytest.mark.parametrize(
    ("soa", "bounds", "ttl"),
    [
        # RFC 2308 §5: the lesser of the SOA's TTL and its MINIMUM
        ("example. 900 IN SOA ns.example. host.example. 1 2 3 4 300", {}, 300),
        ("example. 60 IN SOA ns.example. host.example. 1 2 3 4 300", {}, 60),
        ("example. 90000 IN SOA ns.example. host.example. 1 2 3 4 90000", {}, 3600),
        ("example. 900 IN SOA ns.example. host.example. 1 2 3 4 300", {"max_negative_ttl": 10}, 10),
        ("example. 900 IN SOA ns.example. host.example. 1 2 3 4 300", {"min_ttl": 500}, 500),
        # without SOA it is not kept
        ("", {}, 0),
        ("", {"min_ttl": 500}, 0),
    ],
)
def test_a_denial_is_kept_as_its_soa_says(kind: Kind, soa: str, bounds: dict[str, int], ttl: int) -> None:
    assert memory(**bounds).ttl_of(denial(kind, "www.example", soa=soa)) == ttl


def test_the_validators_cap_counts_even_below_the_least_ttl() -> None:
    # RFC 4035 §5.3.3: never longer than the signature holds
    known = memory(min_ttl=600)
    entry = known.store(data("www.example. 300 IN A 192.0.2.1"), NOW, validated(Security.SECURE, cap_s=20))
    assert entry.expires == NOW + 20


def test_what_is_unchecked_is_kept_without_verdict() -> None:
    entry = memory().store(data("www.example. 300 IN A 192.0.2.1"), NOW, None, Rank.REFERRED)
    assert entry.verdict(0) is None
    assert entry.rank is Rank.REFERRED


def test_a_verdict_may_be_of_the_generation_before() -> None:
    known = memory()
    before = known.points.generation
    known.set_trust(known.points.with_points([]))
    entry = known.store(data("www.example. 300 IN A 192.0.2.1"), NOW, validated(Security.SECURE), generation=before)
    assert entry.verdict(known.points.generation) is None


# --- trust and flush ---------------------------------------------------------------------------------------------------


@pytest.fixture
def full() -> Memory:
    """A memory with one of each."""
    known = memory()
    known.store(data("www.example. 300 IN A 192.0.2.1"), NOW, validated(Security.SECURE))
    known.delegations.put(cut("example", NOW + 60))
    known.failures.put(question("bad.example"), Reason.NO_AUTHORITY, "", [], [], NOW)
    known.zones[ROOT] = ZoneTrust(ROOT, Security.SECURE, Reason.VALID)
    known.servers.get(Address("192.0.2.53", 53)).heard(0.1)
    return known


def test_new_trust_leaves_data_and_no_verdict(full: Memory) -> None:
    epoch = full.epoch
    full.set_trust(full.points.with_points([]))
    entry = full.answers.get(name_from_text("www.example"), t.A, NOW)
    assert entry is not None
    assert entry.verdict(full.points.generation) is None
    assert full.zones.get(ROOT) is None
    assert full.failures.get(question("bad.example"), NOW) is None
    assert full.delegations.get(name_from_text("example"), NOW) is not None
    assert full.epoch != epoch


def test_a_flush_leaves_what_is_known_of_servers(full: Memory) -> None:
    epoch = full.epoch
    full.flush()
    assert len(full.answers) == len(full.delegations) == len(full.failures) == len(full.zones) == 0
    assert full.servers.get(Address("192.0.2.53", 53)).srtt == 0.1
    assert full.epoch != epoch


@pytest.mark.parametrize(
    ("security", "kept"), [(Security.SECURE, True), (Security.INSECURE, True), (Security.BOGUS, False)]
)
def test_what_made_a_zone_broken_is_not_looked_at_again(security: Security, kept: bool) -> None:
    known = memory()
    name = name_from_text("example")
    for records in (f"example. 86400 IN DS 1 13 2 {'00' * 32}", "example. 86400 IN DNSKEY 257 3 13 AAAA", SOA):
        known.store(data(records), NOW, None)
    known.zones[name] = ZoneTrust(name, security, Reason.VALID)
    left = {rtype for rtype in (t.DS, t.DNSKEY, t.SOA) if known.answers.exact(name, rtype, NOW) is not None}
    assert left == ({t.DS, t.DNSKEY, t.SOA} if kept else {t.SOA})


def test_zones_are_bounded_in_number() -> None:
    zones = ZoneTrusts(AnswerCache(1 << 20), Delegations([]), limit=50)
    for number in range(200):
        name = name_from_text(f"z{number}")
        zones[name] = ZoneTrust(name, Security.SECURE, Reason.VALID)
        assert zones.get(name) is not None
        assert len(zones) <= 50
    zones.forget(name_from_text("z199"))
    assert zones.get(name_from_text("z199")) is None
