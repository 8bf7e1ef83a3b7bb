"""`akashi explain` on the lab's mini-Internet: the chain, every server's own answer, the CD query, the running resolver.

Every fault of the catalogue is explained, and every document is of the published schema.
"""

import json
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.name
import jsonschema
import pytest

import lab.internet
import lab.server
from lab.faults import CATALOGUE
from lab.keys import KeyStore
from resolver.config import Config, load
from resolver.daemon.once import explain_once
from resolver.explain.html import page
from resolver.explain.svg import draw
from tests.conftest import ROOT
from tests.resolver.daemon.process import Daemon
from trust.vocabulary import Question
from wire.text import name_from_text, type_from_text

PREFIX = "127.71"
SECOND = f"{PREFIX}.2.2"
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "resolver/explain/schema.json").read_text()))
WAIT_S = 60
EXAMPLE = dns.name.from_text("example.jp.")


class World:
    """A served mini-Internet, in which one server of example.jp can be given an Internet of its own."""

    def __init__(self, directory: Path) -> None:
        self.keys = KeyStore()
        self.net = lab.internet.build(time.time(), prefix=PREFIX, keys=self.keys)
        self.hints, self.anchor = directory / "hints", directory / "anchor"
        self.hints.write_text(self.net.hints())
        self.anchor.write_text(self.net.anchor())
        self.port = 0

    def settings(self, *more: str) -> list[str]:
        return [
            f"upstream.root-hints={self.hints}",
            f"trust.anchors={self.anchor}",
            f"upstream.port={self.port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
            *more,
        ]

    def config(self, *more: str) -> Config:
        return load(None, self.settings(*more))

    def explain(self, name: str, rtype: str = "A", *settings: str, fresh: bool = True, server: str | None = None) -> Any:
        question = Question(name_from_text(name), type_from_text(rtype))
        document = explain_once(self.config(*settings), question, fresh=fresh, server=server)
        SCHEMA.validate(document)
        assert json.loads(json.dumps(document)) == document
        return document


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("lab"))
    with lab.server.running(world.net) as server:
        world.port = server.port
        yield world


def test_the_schema_is_sound_and_refuses_what_it_does_not_know():
    SCHEMA.check_schema(SCHEMA.schema)
    with pytest.raises(jsonschema.ValidationError):
        SCHEMA.validate({"schema": "akashi-explain/1"})


# --- one document for each fault -----------------------------------------------------------------------------------


def test_what_policy_makes_of_it(world, tmp_path):
    """Local zones and policy zones from files count without a daemon, too; in Japanese as well."""
    feed = tmp_path / "rpz"
    feed.write_text("@ 60 SOA . . 1 60 60 60 60\nwww.example.jp CNAME rpz-drop.\n")
    rules = f'policy.zones=[{{zone="rpz.test", file="{feed}"}}]'
    told = world.explain("www.example.jp", "A", rules)["policy"]
    assert (told["rules"][0]["zone"], told["handling"], told["changes"]) == ("rpz.test", "drop", True)
    told = world.explain("www.example.jp", "A", 'policy.local-zones={"example.jp"="nxdomain"}')["policy"]
    assert (told["rules"][0]["zone"], told["rcode"]) == ("local", "NXDOMAIN")
    assert world.explain("www.example.net", "A", rules)["policy"] is None


@pytest.mark.parametrize("fault", [f for f in CATALOGUE.values() if f.name != "silent"], ids=lambda fault: fault.name)
def test_every_fault_is_explained(world, fault):
    document = world.explain(fault.question)
    answer = document["answer"]
    assert answer["rcode"] == fault.expect.rcode
    assert (answer["security"] == "secure") is fault.expect.ad
    assert not fault.expect.ede or {error["code"] for error in answer["errors"]} & set(fault.expect.ede)
    assert (document["fault"] is not None) is (fault.expect.rcode == "SERVFAIL")
    if document["fault"] is not None:
        # The zone at fault is the one that was broken, and whoever can mend it is named.
        assert document["fault"]["zone"] == fault.zone.rstrip(".")
        assert document["fault"]["zone"] in answer["sentence"]
        assert "authority" in document["fault"]["parties"]
        assert answer["who"]
    # The drawing is XML, and the page holds it and every sentence.
    drawing = draw(document)
    ET.fromstring(drawing)
    assert drawing in page(document)


@pytest.mark.slow
def test_a_silent_server(world):
    document = world.explain("silent.faults.jp")
    assert document["fault"]["link"] == "servers"
    (row,) = document["authorities"][0]["servers"]
    assert (row["what"], row["rcode"], row["latency_ms"]) == ("timed out", None, None)
    # The chain is shown as far as it goes.
    assert [zone["zone"] for zone in document["chain"]] == [".", "jp", "faults.jp"]


# --- a healthy name ------------------------------------------------------------------------------------------------


def test_a_healthy_name(world):
    document = world.explain("www.example.jp")
    assert document["fault"] is None
    assert document["answer"]["who"] == ""
    assert document["answer"]["next"] == "Nothing needs to be done."
    assert [zone["zone"] for zone in document["chain"]] == [".", "jp", "example.jp"]
    for zone in document["chain"]:
        assert zone["dnskey"]["signature"]["holds"]
        assert 0 < zone["dnskey"]["signature"]["seconds_left"] < 15 * 86400
        assert {key["role"] for key in zone["dnskey"]["keys"]} == {"KSK", "ZSK"}
        assert {key["algorithm_name"] for key in zone["dnskey"]["keys"]} == {"ECDSAP256SHA256"}
    for zone in document["chain"][1:]:
        assert all(ds["matches"] and ds["text"] == f"matches key {ds['tag']}" for ds in zone["ds"]["records"])
    assert document["chain"][0]["anchors"][0]["matches"]
    (step,) = document["steps"]
    (signature,) = step["signatures"]
    assert signature["used"] and signature["holds"] and "left" in signature["left"]
    first = document["validity"]
    held = [zone["dnskey"]["signature"]["seconds_left"] for zone in document["chain"]]
    assert first["seconds_left"] <= min(held)
    assert document["contacts"] == [
        {"zone": "example.jp", "role": "authority", "rname": "hostmaster.example.jp", "mail": "hostmaster@example.jp"}
    ]
    assert document["unchecked"]["rcode"] == "NOERROR"
    assert "resolves either way" in document["procedure"][0]["means"]


def test_every_server_says_its_own(world):
    (survey,) = world.explain("www.example.jp")["authorities"]
    assert survey["agree"]
    assert survey["sentence"] == "All 2 servers that answered say the same."
    rows = {row["address"]: row for row in survey["servers"]}
    assert set(rows) == {f"{PREFIX}.2.1", SECOND}
    for address, name in ((f"{PREFIX}.2.1", "ns1.example.jp"), (SECOND, "ns2.example.jp")):
        row = rows[address]
        assert (row["name"], row["nsid"], row["rcode"], row["security"]) == (name, name, "NOERROR", "secure")
        assert row["records"] == ["www.example.jp. 300 IN A 192.0.2.80"]
        assert row["latency_ms"] > 0
        assert len(row["keys"]) == 2
    assert len({(row["digest"], row["serial"]) for row in rows.values()}) == 1


def test_denials_are_read_out(world):
    document = world.explain("nonexistent.example.jp")
    assert (document["answer"]["rcode"], document["answer"]["security"]) == ("NXDOMAIN", "secure")
    said = " ".join(document["steps"][0]["denial"]["words"])
    assert "there is no nonexistent.example.jp" in said
    assert "no wildcard *.example.jp" in said
    unsigned = world.explain("www.unsigned.jp")
    assert unsigned["answer"]["security"] == "insecure"
    assert unsigned["chain"][-1]["no_ds"]["words"]
    hashed = world.explain("nonexistent.nsec3-iter-1.faults.jp")["steps"][0]["denial"]["words"]
    assert any("nearest existing name" in sentence for sentence in hashed)
    assert any("falls into a gap, so there is no such name" in sentence for sentence in hashed)
    assert any("wildcard" in sentence for sentence in hashed)


# --- faults in detail ----------------------------------------------------------------------------------------------


def test_a_ds_that_does_not_match(world):
    document = world.explain("ds-bogus-digest-value.faults.jp")
    fault = document["fault"]
    assert (fault["link"], fault["zone"], fault["parent"]) == ("keys", "ds-bogus-digest-value.faults.jp", "faults.jp")
    assert fault["parties"] == ["authority", "parent"]
    (ds,) = document["chain"][-1]["ds"]["records"]
    assert not ds["matches"]
    assert ds["text"] == f"digest differs from that of key {ds['tag']}"
    assert [contact["role"] for contact in document["contacts"]] == ["authority", "parent"]
    assert "the fault lies in DNSSEC" in document["procedure"][0]["means"]
    assert "on the authoritative side" in document["procedure"][1]["means"]
    assert "hostmaster@ds-bogus-digest-value.faults.jp" in document["answer"]["next"]
    # Everything else holds.
    assert [zone["security"] for zone in document["chain"]] == ["secure"] * 3 + ["bogus"]


def test_an_expired_signature(world):
    document = world.explain("rrsig-exp-a.faults.jp")
    assert document["fault"]["link"] == "answer"
    (signature,) = document["steps"][0]["signatures"]
    assert signature["used"] and signature["holds"] is False and not signature["timely"]
    assert signature["left"].startswith("expired ")
    assert document["unchecked"]["records"] == ["rrsig-exp-a.faults.jp. 300 IN A 192.0.2.14"]


def test_the_clock_is_suspected_when_even_the_root_has_expired(world, tmp_path):
    old = World(tmp_path)
    old.net = lab.internet.build(time.time() - 30 * 86400, prefix="127.72", faults=[])
    old.hints.write_text(old.net.hints())
    old.anchor.write_text(old.net.anchor())
    with lab.server.running(old.net) as server:
        old.port = server.port
        document = old.explain("www.example.jp")
    assert (document["fault"]["link"], document["fault"]["zone"], document["fault"]["parties"]) == ("anchor", ".", ["us"])
    assert "clock" in document["answer"]["who"]


def test_an_anchor_that_does_not_match(world, tmp_path):
    other = tmp_path / "anchor"
    of_jp = world.net.anchor(dns.name.from_text("jp."))
    other.write_text("".join(f".{line.removeprefix('jp.')}\n" for line in of_jp.splitlines()))
    document = world.explain("www.example.jp", "A", f"trust.anchors={other}")
    assert (document["fault"]["link"], document["fault"]["parties"]) == ("anchor", ["us"])
    assert "akashi trust status" in document["answer"]["next"]


def test_an_nta_is_our_own_doing(world):
    document = world.explain("rrsig-exp-a.faults.jp", "A", 'trust.nta.static=["rrsig-exp-a.faults.jp"]')
    assert document["fault"] is None
    assert document["answer"]["security"] == "insecure"
    assert "negative trust anchor" in document["answer"]["who"]


# --- aliases -------------------------------------------------------------------------------------------------------


def test_an_alias_into_another_branch(world):
    document = world.explain("alias.example.jp")
    assert document["answer"]["security"] == "secure"
    assert [step["kind"] for step in document["steps"]] == ["cname", "answer"]
    assert [step["chain_zone"] for step in document["steps"]] == ["example.jp", "example.com"]
    parents = {zone["zone"]: zone["parent"] for zone in document["chain"]}
    assert parents == {".": None, "jp": ".", "example.jp": "jp", "com": ".", "example.com": "com"}
    # The drawing does not lead from example.jp to com: it takes up the root again.
    assert draw(document).count('class="again"') == 1
    assert "the root (as above)" in draw(document)


def test_an_alias_into_a_broken_zone(world):
    document = world.explain("to-bogus.example.jp")
    assert (document["fault"]["zone"], document["fault"]["link"]) == ("rrsig-exp-all.faults.jp", "keys")
    assert document["authorities"][0]["question"]["name"] == "rrsig-exp-all.faults.jp"


def test_aliases_in_a_circle(world):
    document = world.explain("loop1.example.jp")
    assert (document["fault"]["link"], document["fault"]["parties"]) == ("alias", ["authority"])
    assert "lead nowhere" in document["answer"]["sentence"]


# --- servers that disagree -----------------------------------------------------------------------------------------


@pytest.fixture
def one_server_behind(tmp_path) -> Iterator[World]:
    """The second server of example.jp has an expired signature over its A record."""
    world = World(tmp_path)
    broken = lab.internet.build(time.time(), prefix=PREFIX, keys=world.keys)
    broken.apply(EXAMPLE, CATALOGUE["rrsig-exp-a"], int(time.time()))
    others = [server.address for server in world.net.servers() if server.address != SECOND]
    with (
        lab.server.running(world.net, addresses=others) as first,
        lab.server.running(broken, port=first.port, addresses=[SECOND]),
    ):
        world.port = first.port
        yield world


def test_servers_that_disagree(one_server_behind):
    document = one_server_behind.explain("example.jp")
    # The good server's answer is found and is secure …
    assert document["answer"]["security"] == "secure"
    (survey,) = document["authorities"]
    # … and still it is told that the other one's is not.
    assert not survey["agree"]
    assert f"1 give an answer that validates, 1 do not ({SECOND})" in survey["sentence"]
    assert {row["address"]: row["security"] for row in survey["servers"]} == {f"{PREFIX}.2.1": "secure", SECOND: "bogus"}


def test_only_one_server(one_server_behind):
    bad = one_server_behind.explain("example.jp", server=SECOND)
    assert (bad["answer"]["security"], bad["answer"]["reason"]) == ("bogus", "signature-expired")
    assert bad["asked"]["server"] == SECOND
    (row,) = bad["authorities"][0]["servers"]
    assert row["address"] == SECOND
    good = one_server_behind.explain("example.jp", server=f"{PREFIX}.2.1")
    assert good["answer"]["security"] == "secure"
    stranger = one_server_behind.explain("example.jp", server=f"{PREFIX}.1.1")
    assert "not among the name servers" in stranger["authorities"][0]["sentence"]


# --- the running resolver ------------------------------------------------------------------------------------------


def test_beside_the_running_resolver(tmp_path):
    world = World(tmp_path)
    listen = f"127.0.0.1:{lab.server.free_port('127.0.0.1')}"
    with lab.server.running(world.net) as server:
        world.port = server.port
        with Daemon(*world.settings(), "server.nsid=worker-7", listen=listen) as daemon:
            daemon.wait_for("ready")
            here = f'server.listen=["{listen}"]'
            same = world.explain("example.jp", "A", here, fresh=False)["daemon"]
            assert same["asked"] and same["answered"] and same["agrees"]
            assert (same["checked"]["authentic"], same["checked"]["nsid"]) == (True, "worker-7")
            # The zone breaks: the resolver lives on what it remembers.
            world.net.apply(EXAMPLE, CATALOGUE["rrsig-exp-a"], int(time.time()))
            server.load(world.net)
            broken = world.explain("example.jp", "A", here, fresh=False)
            assert broken["answer"]["security"] == "bogus"
            assert "lives on what it remembers" in broken["daemon"]["sentence"]
            # A name that the resolver first saw while the zone was broken stays broken there for a while after it healed.
            assert world.explain("www.example.jp", "TXT", here, fresh=False)["daemon"]["answered"]
            world.net.apply(EXAMPLE, CATALOGUE["rrsig-no-all"], int(time.time()))
            server.load(world.net)
            for attempt in range(5):
                gone = f"nothere{attempt}.example.jp"
                missing = world.explain(gone, "A", here, fresh=False)["daemon"]["checked"]
                assert missing["rcode"] == "SERVFAIL"
                # On a busy machine its servers may be silent for too long: such a failure is forgotten within seconds.
                if not {error["code"] for error in missing["errors"]} & {22, 23}:
                    break
            world.net.apply(EXAMPLE, None, int(time.time()))
            server.load(world.net)
            healed = world.explain(gone, "A", here, fresh=False)
            assert (healed["answer"]["rcode"], healed["answer"]["security"]) == ("NXDOMAIN", "secure")
            # What was judged bogus is remembered for BOGUS_TTL, whatever the query with CD beside it has brought.
            assert "fails where the fresh look succeeds" in healed["daemon"]["sentence"]
            assert f"akashi cache flush {gone}" in healed["answer"]["next"]


def test_no_running_resolver(world):
    listen = f"127.0.0.1:{lab.server.free_port('127.0.0.1')}"
    document = world.explain("www.example.jp", "A", f'server.listen=["{listen}"]', fresh=False)
    assert "No running resolver answered" in document["daemon"]["sentence"]
    assert world.explain("www.example.jp")["daemon"]["sentence"] == "No running resolver was asked."


# --- the command ---------------------------------------------------------------------------------------------------


def command(world: World, *arguments: str) -> "subprocess.CompletedProcess[str]":
    options = [part for setting in world.settings() for part in ("--set", setting)]
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "resolver", "explain", *options, *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_the_command_writes_files(world, tmp_path):
    svg, html = tmp_path / "chain.svg", tmp_path / "evidence.html"
    result = command(world, "www.example.jp", "--fresh", "--json", "--svg", str(svg), "--html", str(html))
    assert (result.returncode, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    SCHEMA.validate(document)
    assert svg.read_text() == draw(document)
    assert html.read_text() == page(document)


def test_the_command_for_people(world):
    result = command(world, "ds-bogus-digest-value.faults.jp", "--fresh")
    assert (result.returncode, result.stderr) == (1, "")
    for part in ("NSID ns1.ds-bogus-digest-value.faults.jp", "digest differs", "With CD set: NOERROR", "Next step: "):
        assert part in result.stdout


def test_the_command_in_japanese(world, tmp_path):
    html = tmp_path / "evidence.html"
    result = command(world, "rrsig-exp-a.faults.jp", "--fresh", "--lang", "ja", "--html", str(html))
    assert (result.returncode, result.stderr) == (1, "")
    for part in ("署名の有効期間が過ぎています (signature expired", "対応できる人: ", "次の手順: ", "akashi nta propose"):
        assert part in result.stdout
    written = html.read_text()
    assert '<html lang="ja">' in written
    assert "原因の切り分け" in written
    SCHEMA.validate(json.loads(command(world, "rrsig-exp-a.faults.jp", "--fresh", "--lang", "ja", "--json").stdout))


def test_the_command_refuses_what_it_cannot_do(world, tmp_path):
    assert command(world, "www.example.jp", "--server", "ns1.example.jp").returncode == 2
    assert command(world, "www.example.jp", "--fresh", "--svg", str(tmp_path / "no" / "such")).returncode == 1
