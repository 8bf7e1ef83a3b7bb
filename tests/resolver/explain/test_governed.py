"""What `explain` says of response policy: the rule, whether it changes anything, and what a client gets."""

import json
from typing import Any

import jsonschema
import pytest

from resolver.config import load
from resolver.daemon.policy.build import make_policy
from resolver.explain.evidence import Evidence
from resolver.explain.html import page
from resolver.explain.report import document
from resolver.policy import rpz
from resolver.policy.table import ZoneTable
from tests.conftest import ROOT
from tests.resolver.house import House
from tests.resolver.play import question
from tests.trust.zones import SignedZone
from trust.policy import Policy
from wire.text import name_from_text, rrsets_from_text

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "resolver/explain/schema.json").read_text()))
ZONE = 'policy.zones=[{zone="rpz.test", primaries=["192.0.2.250"]}]'


def house() -> House:
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", "www 300 A 192.0.2.80\nsix 300 AAAA 2001:db8::6\n", server="192.0.2.3")
    root.delegate(jp)
    jp.delegate(example)
    for zone in (root, jp, example):
        zone.sign()
    return House(root, jp, example)


def explained(*settings: str, rules: str = "", name: str = "www.example.jp", rtype: str = "A", language: str = "en") -> Any:
    """The document's part about policy. `rules`: of one policy zone, with names relative to it."""
    table = ZoneTable()
    for line in rules.splitlines():
        for rrset in rrsets_from_text(line):
            for rdata in rrset.rdatas:
                rpz.add(table, name_from_text("rpz.test"), rrset.name, rrset.rtype, rrset.ttl, rdata)
    policy = make_policy(load(None, [*settings, *([ZONE] if rules else [])]), 1, {"rpz.test": table})
    here = house()
    truth = here.ask(name, rtype)
    governed = None
    if policy is not None:
        here.packets()
        here._take(here.mesh.submit("client", question(name, rtype), here.now, scope=policy.ordinary))
        here.run()
        governed = here.finished.pop("client")
    made = document(Evidence(truth, here.now.wall, Policy(), governed=governed), language)
    SCHEMA.validate(made)
    if made["policy"] is not None:
        assert made["policy"]["sentence"].split()[0] in page(made)
    assert made["answer"]["security"] == "secure", "the truth is told beside it"
    return made["policy"]


def test_no_policy() -> None:
    assert explained() is None


def test_a_policy_that_has_nothing_to_say_of_it() -> None:
    assert explained(rules="bad.example.rpz.test. 60 IN CNAME .") is None


@pytest.mark.parametrize(
    ("rule", "action", "handling", "rcode", "records", "sentence"),
    [
        (
            "CNAME .",
            "nxdomain",
            "answer",
            "NXDOMAIN",
            0,
            "Instead of the answer above a client gets NXDOMAIN, without data.",
        ),
        ("CNAME *.", "nodata", "answer", "NOERROR", 0, "Instead of the answer above a client gets NOERROR, without data."),
        ("A 192.0.2.99", "data", "answer", "NOERROR", 1, "a client gets NOERROR with 1 record(s)."),
        ("CNAME rpz-drop.", "drop", "drop", "NOERROR", 0, "A client gets no answer at all."),
        ("CNAME rpz-tcp-only.", "tcp-only", "truncate", "NOERROR", 0, "over TCP it gets the answer above."),
    ],
)
def test_a_rule(rule: str, action: str, handling: str, rcode: str, records: int, sentence: str) -> None:
    told = explained(rules=f"www.example.jp.rpz.test. 60 IN {rule}")
    assert told["changes"]
    assert told["rules"] == [{"zone": "rpz.test", "trigger": "qname", "rule": "qname www.example.jp", "action": action}]
    assert told["handling"] == handling
    assert (told["rcode"], len(told["records"])) == (rcode, records)
    assert told["sentence"].startswith("Response policy zone rpz.test has a rule for it: ")
    assert told["sentence"].endswith(sentence)


def test_a_rule_that_spares_it() -> None:
    told = explained(rules="www.example.jp.rpz.test. 60 IN CNAME rpz-passthru.")
    assert not told["changes"]
    assert told["sentence"].startswith("Response policy zone rpz.test exempts it: ")
    assert told["sentence"].endswith("A client gets the answer above all the same.")


def test_a_local_zone_with_its_error() -> None:
    told = explained('policy.local-zones={"example.jp"="refuse"}')
    assert (told["changes"], told["rcode"]) == (True, "REFUSED")
    assert told["sentence"].startswith("The local zone example.jp refuse governs it (refused).")
    assert told["errors"]


def test_dns64_makes_addresses() -> None:
    own = 'policy.dns64.prefixes=["2001:db8:64::/96"]'
    told = explained("policy.dns64.enabled=true", own, rtype="AAAA")
    assert told["changes"] and told["rules"] == []
    assert told["records"] == ["www.example.jp. 300 IN AAAA 2001:db8:64::c000:250"]
    assert told["sentence"].startswith("DNS64 makes addresses for it")
    assert explained("policy.dns64.enabled=true", name="six.example.jp", rtype="AAAA") is None


def test_in_japanese() -> None:
    told = explained(rules="www.example.jp.rpz.test. 60 IN CNAME .", language="ja")
    assert "応答ポリシーゾーン rpz.test に該当する規則があります" in told["sentence"]
    assert "クライアントには、上の応答の代わりに NXDOMAIN (データなし) を返します。" in told["sentence"]
