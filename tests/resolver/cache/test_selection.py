"""What an operator flushes goes, and nothing else; nothing that is left can stand in for it."""

import pytest

from resolver.cache.memory import Memory
from resolver.cache.selection import Selection
from resolver.explain.cached import cached
from tests.resolver.play import START, Half, question, settings
from trust.anchors import TrustPoints
from trust.policy import Policy
from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Address, Cut, Kind, Now, Security, Step, Verdict
from trust.zone import ZoneTrust
from wire import types as t
from wire.name import ROOT
from wire.text import name_from_text, rrsets_from_text

MONO = START.mono
SERVER = Address("192.0.2.53", 53)


def n(text):
    return name_from_text(text)


def step(text, kind=Kind.ANSWER):
    (rrset,) = rrsets_from_text(text)
    return Step(rrset.name, rrset.rtype, kind, [rrset], [], n("example.jp"), SERVER)


def verdict(security, reason=Reason.VALID, at="example.jp", text=""):
    return Validated(Verdict(security, reason, n(at), text))


def denial(name, zone):
    """A name error with its SOA, and the NSEC that proves it."""
    records = rrsets_from_text(
        f"{zone}. 300 SOA ns.{zone}. root.{zone}. 1 2 3 4 300\n{zone}. 300 NSEC zz.{zone}. SOA NS NSEC RRSIG"
    )
    return Step(n(name), t.A, Kind.NXDOMAIN, [], records, n(zone), SERVER), records


@pytest.fixture
def memory():
    memory = Memory(settings(), TrustPoints(), Policy(), Half())
    secure, bogus = verdict(Security.SECURE), verdict(Security.BOGUS, Reason.SIGNATURE_EXPIRED, text="expired")
    memory.store(step("www.example.jp. 300 A 192.0.2.1"), MONO, secure)
    memory.store(step("www.example.jp. 300 AAAA 2001:db8::1"), MONO, secure)
    memory.store(step("a.www.example.jp. 300 A 192.0.2.2"), MONO, bogus)
    memory.store(step("wwwexample.jp. 300 A 192.0.2.3"), MONO, None)
    gone, records = denial("gone.example.jp", "example.jp")
    memory.store(gone, MONO, secure)
    memory.denials.learn(n("example.jp"), records, MONO + 300)
    memory.denials.learn(n("example.com"), denial("x.example.com", "example.com")[1], MONO + 300)
    memory.zones[n("jp")] = ZoneTrust(n("jp"), Security.SECURE, Reason.VALID, expires_mono=MONO + 300)
    memory.zones[n("example.jp")] = ZoneTrust(
        n("example.jp"), Security.BOGUS, Reason.NO_MATCHING_DNSKEY, "no key", expires_mono=MONO + 60
    )
    for zone in ("jp", "example.jp", "example.com"):
        memory.delegations.put(Cut(n(zone), ROOT, {n(f"ns.{zone}"): [SERVER]}, MONO + 300))
    memory.failures.put(question("www.example.jp", "MX"), Reason.NO_AUTHORITY, "nobody", [(22, "nobody")], [], MONO)
    memory.failures.put(question("www.example.com"), Reason.NO_AUTHORITY, "nobody", [], [], MONO)
    return memory


def entries(memory):
    everything = memory.answers.select(Selection())
    return {f"{entry.step.name.decode('latin1')}/{key[1]}" for key, entry in everything}


def names(memory, name):
    found = cached(memory, n(name), None, START)
    return [entry["type"] for entry in found["entries"]]


class TestFlush:
    def test_a_name_goes_with_all_its_types_and_nothing_else(self, memory):
        epoch = memory.epoch
        dropped = memory.flush_selected(Selection(n("www.example.jp"), subtree=False))
        assert dropped["answers"] == 2 and dropped["failures"] == 1
        assert names(memory, "www.example.jp") == []
        assert names(memory, "a.www.example.jp") == ["A"]
        assert names(memory, "wwwexample.jp") == ["A"]
        assert len(memory.failures) == 1
        assert memory.epoch > epoch, "whole responses must go"

    def test_what_could_deny_the_name_again_goes_too(self, memory):
        assert memory.flush_selected(Selection(n("gone.example.jp"), subtree=False))["denials"] == 1
        assert memory.denials.get(n("example.jp")) is None
        assert memory.denials.get(n("example.com")) is not None
        assert len(memory.denials) == 1

    def test_a_type(self, memory):
        dropped = memory.flush_selected(Selection(n("www.example.jp"), subtree=False, rtype=t.A))
        assert dropped["answers"] == 1
        assert dropped["delegations"] == dropped["zones"] == dropped["failures"] == 0
        assert names(memory, "www.example.jp") == ["AAAA"]

    def test_a_name_error_is_of_every_type(self, memory):
        assert memory.flush_selected(Selection(n("gone.example.jp"), subtree=False, rtype=t.A))["answers"] == 1

    def test_a_subtree(self, memory):
        dropped = memory.flush_selected(Selection(n("example.jp")))
        assert dropped == {"answers": 4, "delegations": 1, "zones": 1, "failures": 1, "denials": 1}
        assert names(memory, "wwwexample.jp") == ["A"], "the labels end elsewhere"
        assert memory.delegations.get(n("jp"), MONO) is not None
        assert memory.zones.get(n("jp")) is not None

    def test_a_key_takes_the_trust_in_the_zone_along(self, memory):
        dropped = memory.flush_selected(Selection(n("example.jp"), subtree=False, rtype=t.DNSKEY))
        assert dropped["zones"] == 1

    def test_only_what_is_bogus(self, memory):
        dropped = memory.flush_selected(Selection(bogus=True))
        assert dropped == {"answers": 1, "delegations": 0, "zones": 1, "failures": 2, "denials": 0}
        assert names(memory, "www.example.jp") == ["A", "AAAA"]
        assert names(memory, "a.www.example.jp") == []
        assert memory.zones.get(n("jp")) is not None

    def test_everything(self, memory):
        dropped = memory.flush_selected(Selection())
        assert dropped == {"answers": 5, "delegations": 3, "zones": 2, "failures": 2, "denials": 2}
        assert len(memory.answers) == len(memory.zones) == len(memory.failures) == len(memory.denials) == 0
        assert memory.answers.octets == 0
        assert memory.delegations.get(ROOT, MONO) is not None, "the configuration is not learnt"

    def test_octets_are_given_back(self, memory):
        for name in ("www.example.jp", "a.www.example.jp", "wwwexample.jp", "gone.example.jp"):
            memory.flush_selected(Selection(n(name), subtree=False))
        assert memory.answers.octets == 0

    def test_a_large_cache_is_searched_by_type(self, memory):
        memory.answers.scan_limit = 64
        for number in range(100):
            memory.store(step(f"n{number}.example.com. 300 A 192.0.2.1"), MONO, None)
        assert memory.flush_selected(Selection(n("www.example.jp"), subtree=False))["answers"] == 2


class TestLookup:
    def test_answers_with_their_verdicts(self, memory):
        found = cached(memory, n("a.www.example.jp"), None, START)
        (entry,) = found["entries"]
        assert entry["records"] == ["a.www.example.jp 300 IN A 192.0.2.2"] or "192.0.2.2" in entry["records"][0]
        assert (entry["security"], entry["reason"], entry["text"]) == ("bogus", "signature-expired", "expired")
        assert entry["ttl"] <= 300 and entry["age"] == 0
        assert entry["server"] == SERVER.ip and entry["rank"] == "authoritative"

    def test_a_name_error_is_of_any_type(self, memory):
        (entry,) = cached(memory, n("gone.example.jp"), None, START)["entries"]
        assert (entry["type"], entry["kind"]) == ("any", "nxdomain")

    def test_what_stands_around_it(self, memory):
        found = cached(memory, n("www.example.jp"), t.A, START)
        assert found["delegation"]["zone"] == "example.jp"
        assert found["delegation"]["servers"] == {"ns.example.jp": [SERVER.ip]}
        assert found["zone_trust"]["zone"] == "example.jp"
        assert found["zone_trust"]["security"] == "bogus"
        assert found["failures"] == []
        assert [entry["type"] for entry in found["entries"]] == ["A"]

    def test_failures(self, memory):
        (failure,) = cached(memory, n("www.example.jp"), None, START)["failures"]
        assert failure["type"] == "MX" and failure["reason"] == "no-reachable-authority" and failure["ttl"] > 0

    def test_what_has_expired_is_not_shown(self, memory):
        later = Now(START.wall, MONO + 301)
        found = cached(memory, n("www.example.jp"), None, later)
        assert found["entries"] == found["failures"] == []
        assert found["delegation"]["zone"] == "." and found["delegation"]["ttl"] is None
        assert found["zone_trust"] is None
