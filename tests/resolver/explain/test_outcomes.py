"""The document of a secure, an insecure, a bogus and an unreachable answer, from real resolutions among signed zones."""

import json
from typing import Any

import pytest

from resolver.explain.report import report
from tests.resolver.house import House, broken, silent
from tests.trust.zones import DAY, NOW, SignedZone
from wire import types as t

EXAMPLE = "192.0.2.3"
RECORDS = "www 300 A 192.0.2.80\nalias 300 CNAME www\n"


@pytest.fixture
def house() -> House:
    """root → jp → example.jp and, unsigned, plain.jp."""
    root, jp = SignedZone(".", server="192.0.2.1"), SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", RECORDS, server=EXAMPLE)
    plain = SignedZone("plain.jp", RECORDS, server="192.0.2.4", signed=False)
    root.delegate(jp)
    for zone in (example, plain):
        jp.delegate(zone)
    for zone in (root, jp, example, plain):
        zone.sign()
    return House(root, jp, example, plain)


def explain(house: House, name: str, rtype: str = "A", **more: bool) -> dict[str, Any]:
    """The document, as it arrives at whoever reads it: through JSON."""
    made: dict[str, Any] = json.loads(json.dumps(report(house.ask(name, rtype, **more), house.now.wall)))
    for part, kind in (("question", dict), ("answer", dict), ("chain", list), ("steps", list), ("servers", list)):
        assert isinstance(made[part], kind)
    for above, below in zip(made["chain"], made["chain"][1:], strict=False):
        assert below["parent"] == above["zone"]
    return made


def test_secure(house: House) -> None:
    made = explain(house, "www.example.jp")
    assert made["question"] == {"name": "www.example.jp", "type": "A"}
    assert (made["answer"]["rcode"], made["answer"]["security"], made["answer"]["errors"]) == ("NOERROR", "secure", [])
    assert [(zone["zone"], zone["security"]) for zone in made["chain"]] == [
        (".", "secure"),
        ("jp", "secure"),
        ("example.jp", "secure"),
    ]
    assert [zone["trust_point"] for zone in made["chain"]] == [True, False, False]
    assert made["servers"] == []


def test_each_link_shows_what_holds_it(house: House) -> None:
    chain = explain(house, "www.example.jp")["chain"]
    for zone, origin in zip(chain, house.zones.values(), strict=False):
        keys = {key["tag"]: key for key in zone["dnskey"]["keys"]}
        assert set(keys) == {origin.ksk.tag, origin.zsk.tag}
        assert [tag for tag, key in keys.items() if key["used"]] == [origin.ksk.tag]
        assert zone["dnskey"]["signature"]["holds"]
        assert zone["dnskey"]["signature"]["tag"] == origin.ksk.tag
        if zone["zone"] != ".":
            assert [ds["tag"] for ds in zone["ds"]["records"]] == [origin.ksk.tag]
            assert zone["ds"]["signature"]["signer"] == zone["parent"]


def test_the_answer_shows_its_signature(house: House) -> None:
    (step,) = explain(house, "www.example.jp")["steps"]
    assert (step["name"], step["type"], step["kind"], step["security"]) == ("www.example.jp", "A", "answer", "secure")
    assert step["records"] == ["www.example.jp. 300 IN A 192.0.2.80"]
    (signature,) = step["signatures"]
    assert (signature["covers"], signature["signer"]) == ("www.example.jp/A", "example.jp")
    assert signature["tag"] == house.zones[b"\x07example\x02jp\0"].zsk.tag
    assert signature["seconds_left"] == pytest.approx(DAY, abs=60)


def test_every_link_of_an_alias_is_a_step(house: House) -> None:
    steps = explain(house, "alias.example.jp")["steps"]
    assert [(step["name"], step["kind"], step["target"]) for step in steps] == [
        ("alias.example.jp", "cname", "www.example.jp"),
        ("www.example.jp", "answer", None),
    ]


def test_a_denial_shows_its_proof(house: House) -> None:
    made = explain(house, "nx.example.jp")
    assert made["answer"]["rcode"] == "NXDOMAIN"
    (step,) = made["steps"]
    assert (step["kind"], step["security"]) == ("nxdomain", "secure")
    assert any(" NSEC " in record for record in step["denial"]["records"])


def test_insecure(house: House) -> None:
    made = explain(house, "www.plain.jp")
    assert (made["answer"]["rcode"], made["answer"]["security"]) == ("NOERROR", "insecure")
    assert made["answer"]["reason"] == "unsigned-delegation"
    last = made["chain"][-1]
    assert (last["zone"], last["security"], last["ds"], last["dnskey"]) == ("plain.jp", "insecure", None, None)
    assert any(" NSEC " in record for record in last["no_ds"]["records"])


def test_bogus(house: House) -> None:
    house.changes[EXAMPLE] = broken(t.A)
    made = explain(house, "www.example.jp")
    answer = made["answer"]
    assert (answer["rcode"], answer["security"], answer["reason"]) == ("SERVFAIL", "bogus", "signature-invalid")
    assert [error["code"] for error in answer["errors"]] == [6]
    assert "www.example.jp/A" in answer["sentence"]
    assert answer["who"]
    assert [zone["security"] for zone in made["chain"]] == ["secure"] * 3
    assert made["steps"][-1]["security"] == "bogus"


def test_bogus_keys(house: House) -> None:
    house.changes[EXAMPLE] = broken(t.DNSKEY)
    made = explain(house, "www.example.jp")
    assert [zone["security"] for zone in made["chain"]] == ["secure", "secure", "bogus"]
    assert made["chain"][-1]["dnskey"]["signature"]["holds"] is False
    assert "example.jp/DNSKEY" in made["answer"]["sentence"]


def test_expired(house: House) -> None:
    zone = house.zones[b"\x07example\x02jp\0"]
    zone.sign_set(zone.get("www.example.jp", "A"), NOW - 3 * DAY, NOW - DAY)
    made = explain(house, "www.example.jp")
    assert made["answer"]["reason"] == "signature-expired"
    assert made["steps"][0]["signatures"][0]["seconds_left"] == pytest.approx(-DAY, abs=60)


def test_unreachable(house: House) -> None:
    house.changes[EXAMPLE] = silent
    made = explain(house, "www.example.jp")
    answer = made["answer"]
    assert (answer["rcode"], answer["security"], answer["reason"]) == (
        "SERVFAIL",
        "indeterminate",
        "no-reachable-authority",
    )
    assert [error["code"] for error in answer["errors"]] == [22, 23]
    assert (made["steps"], {finding["server"] for finding in made["servers"]}) == ([], {EXAMPLE})
    assert EXAMPLE in answer["sentence"]


def test_unchecked(house: House) -> None:
    house.changes[EXAMPLE] = broken(t.A)
    made = explain(house, "www.example.jp", cd=True)
    assert (made["answer"]["rcode"], made["answer"]["security"]) == ("NOERROR", "indeterminate")
    assert [step["security"] for step in made["steps"]] == ["unchecked"]
    assert made["chain"] == []


def test_under_an_nta(house: House) -> None:
    house.changes[EXAMPLE] = broken()
    house.suspends("example.jp")
    answer = explain(house, "www.example.jp")["answer"]
    assert (answer["rcode"], answer["security"], answer["reason"]) == ("NOERROR", "insecure", "nta")
    assert [error["code"] for error in answer["errors"]] == [33]
