"""What the running resolver remembers, as a worker tells it and as it stands beside the fresh look."""

import json
from typing import Any

import jsonschema
import pytest

from resolver.explain.cached import recalled
from resolver.explain.evidence import Daemon, Evidence
from resolver.explain.html import page
from resolver.explain.report import document
from tests.conftest import ROOT
from tests.resolver.house import House, broken, silent
from tests.resolver.play import question
from tests.trust.zones import SignedZone
from trust.policy import Policy
from wire import types as t

EXAMPLE_AT = "192.0.2.3"
WWW = "www.example.jp"
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "resolver/explain/schema.json").read_text()))


def house(**settings: Any) -> House:
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", "www 300 A 192.0.2.80\nalias 300 CNAME www\n", server=EXAMPLE_AT)
    root.delegate(jp)
    jp.delegate(example)
    for zone in (root, jp, example):
        zone.sign()
    return House(root, jp, example, **settings)


def told(here: House, name: str = WWW, rtype: str = "A") -> dict[str, Any]:
    return recalled(here.mesh.memory, question(name, rtype), here.now)


def beside(fresh: House, *workers: House, nta: str = "", name: str = WWW) -> dict[str, Any]:
    """The document with a fresh look in one house and workers that are others."""
    remembered = tuple({"worker": place} | told(worker, name) for place, worker in enumerate(workers))
    made = document(Evidence(fresh.ask(name), fresh.now.wall, Policy(), daemon=Daemon(workers=remembered, nta=nta)))
    SCHEMA.validate(made)
    assert "worker 0, from memory" in page(made) or not workers
    return made


# --- a worker ----------------------------------------------------------------------------------------------------------


def test_nothing() -> None:
    assert told(house()) == {
        "state": "nothing",
        "rcode": None,
        "security": None,
        "age": None,
        "ttl": None,
        "steps": [],
        "errors": [],
    }


def test_an_answer_with_verdict_and_age() -> None:
    here = house()
    here.ask("alias.example.jp")
    here.passes(100)
    got = told(here, "alias.example.jp")
    assert (got["state"], got["rcode"], got["security"], got["age"], got["ttl"]) == (
        "answer",
        "NOERROR",
        "secure",
        100,
        200,
    )
    assert [step["kind"] for step in got["steps"]] == ["cname", "answer"]
    assert got["steps"][1]["records"] == ["www.example.jp. 300 IN A 192.0.2.80"]


def test_half_a_chain_is_nothing_to_tell_a_client() -> None:
    here = house()
    here.ask("alias.example.jp", "CNAME")
    assert told(here, "alias.example.jp")["state"] == "nothing"


def test_what_is_bogus() -> None:
    here = house()
    here.changes = {EXAMPLE_AT: broken(t.A)}
    here.ask(WWW)
    got = told(here)
    assert (got["state"], got["rcode"], got["security"]) == ("bogus", "SERVFAIL", "bogus")
    assert [error["code"] for error in got["errors"]] == [6, 13]


def test_a_failure() -> None:
    here = house()
    here.changes = {EXAMPLE_AT: silent}
    here.ask(WWW)
    got = told(here)
    assert (got["state"], got["rcode"], got["security"], got["age"]) == ("failure", "SERVFAIL", None, None)
    assert 0 < got["ttl"] <= 5
    assert {error["code"] for error in got["errors"]} == {13, 22, 23}


def test_what_nobody_judged() -> None:
    here = house()
    here.ask(WWW, cd=True)
    assert (told(here)["state"], told(here)["security"]) == ("answer", "unchecked")


def test_a_denial() -> None:
    here = house()
    here.ask("none.example.jp")
    got = told(here, "none.example.jp")
    assert (got["state"], got["rcode"], got["steps"][0]["type"]) == ("answer", "NXDOMAIN", "any")


def test_looking_leaves_no_trace() -> None:
    here = house(prefetch=True)
    for _ in range(2):
        here.ask(WWW)
    here.passes(290)
    here.packets()
    for _ in range(5):
        told(here)
    entry = here.mesh.memory.answers.peek(*question(WWW), here.now.mono)
    assert entry is not None
    assert entry.used == 1
    assert here.packets() == 0


# --- beside the fresh look ---------------------------------------------------------------------------------------------


def test_the_same() -> None:
    here = house()
    here.ask(WWW)
    daemon = beside(house(), here)["daemon"]
    assert (daemon["source"], daemon["agrees"], daemon["answered"]) == ("memory", True, True)
    assert "answers the same as the fresh look" in daemon["sentence"]
    assert "0 s old and lasts 300 s more" in daemon["sentence"]
    assert (daemon["checked"]["authentic"], daemon["checked"]["latency_ms"]) == (True, None)


def test_nothing_remembered() -> None:
    daemon = beside(house(), house())["daemon"]
    assert (daemon["answered"], daemon["checked"]) == (False, None)
    assert "remembers nothing of it" in daemon["sentence"]


@pytest.mark.parametrize(("fault", "part"), [(broken(t.A), "lasts 60 s more"), (silent, "remembers a failure")])
def test_it_still_fails(fault: Any, part: str) -> None:
    here = house()
    here.changes = {EXAMPLE_AT: fault}
    here.ask(WWW)
    # One worker that fails is told of before one that does not.
    fine = house()
    fine.ask(WWW)
    made = beside(house(), fine, here)
    assert "fails where the fresh look succeeds" in made["daemon"]["sentence"]
    assert part in made["daemon"]["sentence"]
    assert "1 of its 2 workers" in made["daemon"]["sentence"]
    assert f"akashi cache flush {WWW}" in made["answer"]["next"]


def test_it_lives_on_what_it_remembers() -> None:
    here, now_broken = house(), house()
    here.ask(WWW)
    now_broken.changes = {EXAMPLE_AT: broken(t.A)}
    assert "lives on what it remembers" in beside(now_broken, here)["daemon"]["sentence"]


def test_under_an_nta() -> None:
    here, now_broken = house(), house()
    now_broken.changes = here.changes = {EXAMPLE_AT: broken(t.A)}
    here.suspends("example.jp")
    here.ask(WWW)
    daemon = beside(now_broken, here, nta="NTA for example.jp until tomorrow")["daemon"]
    assert "a negative trust anchor is in force there" in daemon["sentence"]
    assert daemon["sentence"].endswith("In force there: NTA for example.jp until tomorrow.")
    assert daemon["nta"] == "NTA for example.jp until tomorrow"


def test_unjudged_data_is_compared_as_data() -> None:
    here = house()
    here.ask(WWW, cd=True)
    assert "answers the same" in beside(house(), here)["daemon"]["sentence"]
