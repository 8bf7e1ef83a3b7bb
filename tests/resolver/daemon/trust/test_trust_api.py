"""The trust routes of the control API and the commands that use them, over a unix socket; the keeper's zone is scripted."""

import asyncio
import base64
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from click.testing import CliRunner, Result

from resolver.cli import akashi
from resolver.cli.client import Client, RefusedError
from resolver.daemon.control import Control
from resolver.daemon.trust.anchor_keeper import AnchorKeeper
from resolver.daemon.trust.api import routes
from tests.conftest import require_corpora
from tests.resolver.daemon.anchors import World, point
from tests.trust.rollover import ZONE, key
from trust.algorithms import Key
from trust.anchor_file import read_anchors
from trust.policy import Policy, Sha1
from wire.name import ROOT
from wire.text import rdata_to_text

T = TypeVar("T")
A, B, C = key(0), key(1), key(2)


class Stage:
    """A keeper behind a control socket."""

    def __init__(self, world: World, directory: Path, policy: Policy, *, follow: bool = True) -> None:
        self.world = world
        self.path = directory / "control.sock"
        self.policy = policy
        self.keeper: AnchorKeeper = world.keeper(point(A), follow=follow)
        self.keeper.open()

    def do(self, work: Callable[[], T]) -> T:
        """Run something that asks the socket, while the API answers."""

        async def serve() -> T:
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(str(self.path))
            sock.listen()
            table = routes(self.keeper, lambda: self.policy)
            control = Control(sock, [table], structlog.get_logger(), allowed=lambda _: True)
            await control.start()
            try:
                return await asyncio.to_thread(work)
            finally:
                await control.close()

        return asyncio.run(serve())

    def get(self, route: str, **parameters: str) -> dict[str, Any]:
        return self.do(lambda: Client(self.path).get(route, **parameters))

    def post(self, route: str, **fields: Any) -> dict[str, Any]:
        return self.do(lambda: Client(self.path).post(route, **fields))

    def refused(self, route: str, **fields: Any) -> dict[str, Any]:
        with pytest.raises(RefusedError) as caught:
            self.post(route, **fields)
        return caught.value.error

    def run(self, *arguments: str, status: int = 0, stdin: str = "") -> str:
        command = ["trust", *arguments, "--socket", str(self.path)]
        result: Result = self.do(lambda: CliRunner().invoke(akashi, command, input=stdin, env={"COLUMNS": "100"}))
        assert result.exit_code == status, (result.exit_code, result.output, result.exception)
        return result.output


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / "state").mkdir()
    made = World(tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Stage:
    return Stage(world, tmp_path, Policy())


def pending(stage: Stage) -> None:
    stage.world.zone([A, B], [A])
    stage.post("/v1/trust/refresh")


def text_of(*pairs: Any, owner: str = "example.jp.") -> str:
    return "".join(f"{owner} IN DNSKEY {rdata_to_text(48, pair.rdata)}\n" for pair in pairs)


# --- routes ----------------------------------------------------------------------------------------------------------


def test_status(stage: Stage) -> None:
    pending(stage)
    document = stage.get("/v1/trust")
    assert document["following"] is True and document["finding"] == "" and document["deleted"] == []
    assert document["timers"] == {"add_hold_down": 2592000, "remove_hold_down": 2592000}
    (zone,) = document["trust_points"]
    assert zone["zone"] == "example.jp" and zone["last_success"] == "2027-01-15T08:00:00Z" and zone["failures"] == 0
    assert zone["next_refresh"] == "2027-01-15T09:00:00Z"
    first, second = zone["keys"]
    assert first == {
        "tag": A.tag,
        "algorithm": 15,
        "state": "Valid",
        "trusted": True,
        "origin": "configured",
        "since": "2027-01-15T08:00:00Z",
        "first_seen": "2027-01-15T08:00:00Z",
        "last_seen": "2027-01-15T08:00:00Z",
        "hold_down_left": None,
        "known_by": "key",
    }
    assert (second["state"], second["trusted"], second["origin"]) == ("AddPend", False, "learned")
    assert second["hold_down_left"] == 2592000


def test_status_where_nothing_is_followed(world: World, tmp_path: Path) -> None:
    stage = Stage(world, tmp_path, Policy(), follow=False)
    document = stage.get("/v1/trust")
    assert document["following"] is False and [zone["zone"] for zone in document["trust_points"]] == ["example.jp"]
    assert stage.refused("/v1/trust/refresh")["code"] == "refused"
    assert "is off" in stage.refused("/v1/trust/import", text=text_of(B))["message"]
    assert tags(stage.get("/v1/trust/export")["text"]) == {A.tag}


def tags(text: str) -> set[int]:
    (found,) = read_anchors(text.encode(), 1_800_000_000).points
    return {Key(rdata).tag for rdata in found.dnskeys} | {int.from_bytes(ds[:2], "big") for ds in found.ds}


def test_history(stage: Stage) -> None:
    pending(stage)
    moves = stage.get("/v1/trust/history", limit="1")["transitions"]
    assert moves == [
        {
            "at": "2027-01-15T08:00:00Z",
            "zone": "example.jp",
            "tag": B.tag,
            "algorithm": 15,
            "from": "Start",
            "to": "AddPend",
            "event": "NewKey",
            "why": "hold-down until 2027-02-14T08:00:00Z",
        }
    ]
    assert len(stage.get("/v1/trust/history")["transitions"]) == 2
    for limit in ("0", "x", "99999", "-1"):
        with pytest.raises(RefusedError, match="limit is a number"):
            stage.get("/v1/trust/history", limit=limit)


def test_refresh(stage: Stage) -> None:
    stage.world.zone([A, B], [A])
    (outcome,) = stage.post("/v1/trust/refresh", zone="example.jp.")["refreshed"]
    assert outcome["ok"] and [move["to"] for move in outcome["transitions"]] == ["AddPend"]
    stage.world.zone([B], [B])
    (outcome,) = stage.post("/v1/trust/refresh")["refreshed"]
    assert not outcome["ok"] and "matches a trust anchor" in outcome["problem"]
    assert "matches a trust anchor" in stage.get("/v1/trust")["finding"]


@pytest.mark.parametrize(
    ("route", "fields", "code"),
    [
        ("refresh", {"zone": "jp"}, "no-trust-point"),
        ("refresh", {"zone": "a..b"}, "bad-request"),
        ("refresh", {"zones": []}, "bad-request"),
        ("forget", {}, "bad-request"),
        ("forget", {"zone": "jp"}, "no-trust-point"),
        ("import", {}, "bad-request"),
        ("import", {"text": "nonsense"}, "refused"),
        ("import", {"text": ""}, "refused"),
        ("import", {"text": ". IN DS 1 8 2 00"}, "refused"),
        ("import", {"text": ".", "signature": "AA=="}, "bad-request"),
        ("import", {"text": ".", "ca": "x"}, "bad-request"),
        ("import", {"text": ".", "ca": "x", "signature": "*"}, "bad-request"),
        ("import", {"text": ".", "ca": "x", "signature": "AA=="}, "refused"),
    ],
)
def test_refusals(stage: Stage, route: str, fields: dict[str, Any], code: str) -> None:
    before = dict(stage.keeper.book.points)
    assert stage.refused(f"/v1/trust/{route}", **fields)["code"] == code
    assert stage.keeper.book.points == before


def test_import(stage: Stage) -> None:
    answer = stage.post("/v1/trust/import", text=text_of(B), name="new.key", operator="hanako")
    assert answer["zones"] == ["example.jp"] and answer["signed_by"] is None and answer["notes"] == []
    assert answer["transitions"][0]["why"] == "imported from new.key by hanako"
    assert {p.name for p in stage.world.published[-1][0]} == {ZONE}
    answer = stage.post("/v1/trust/import", text=text_of(C), replace=True)
    assert {(move["tag"], move["to"]) for move in answer["transitions"]} == {
        (A.tag, "Start"),
        (B.tag, "Start"),
        (C.tag, "Valid"),
    }


def test_import_of_signed_root_anchors(world: World, tmp_path: Path) -> None:
    content, signature, ca = (
        require_corpora("anchors", name).read_bytes()
        for name in ("root-anchors-2010.xml", "root-anchors-2010.p7s", "icannbundle.pem")
    )
    given = {"text": content.decode(), "signature": base64.b64encode(signature).decode(), "ca": ca.decode()}
    world.wall = 1_340_000_000.0  # 2012-06-18
    stage = Stage(world, tmp_path, Policy(Sha1.VALIDATE))
    altered = given | {"text": given["text"].replace("19036", "19037")}
    assert "digest differs" in stage.refused("/v1/trust/import", **altered)["message"]
    assert "not by somebody@example" in stage.refused("/v1/trust/import", **given, signer="somebody@example")["message"]
    assert ROOT not in stage.keeper.book.points
    answer = stage.post("/v1/trust/import", **given)
    assert "dnssec@iana.org" in answer["signed_by"] and answer["zones"] == ["."]
    assert {entry.tag for entry in stage.keeper.book.points[ROOT].keys} == {19036}


@pytest.mark.parametrize("form", ["zone", "bind", "unbound"])
def test_export(stage: Stage, form: str) -> None:
    pending(stage)
    answer = stage.get("/v1/trust/export", format=form)
    assert answer["format"] == form and tags(answer["text"]) == {A.tag}


def test_export_of_one_zone(stage: Stage) -> None:
    stage.post("/v1/trust/import", text=text_of(B, owner="."))
    with pytest.raises(RefusedError, match="choose a zone"):
        stage.get("/v1/trust/export", format="unbound")
    assert tags(stage.get("/v1/trust/export", format="unbound", zone=".")["text"]) == {B.tag}
    with pytest.raises(RefusedError, match="format is one of"):
        stage.get("/v1/trust/export", format="pem")
    with pytest.raises(RefusedError, match="is no trust point"):
        stage.get("/v1/trust/export", zone="jp")


def test_forget(stage: Stage) -> None:
    stage.post("/v1/trust/import", text=text_of(B))
    answer = stage.post("/v1/trust/forget", zone="example.jp", operator="hanako")
    assert {(move["tag"], move["to"]) for move in answer["transitions"]} == {
        (A.tag, "Start"),
        (B.tag, "Start"),
        (A.tag, "Valid"),
    }
    assert "forgotten by hanako" in {move["why"] for move in answer["transitions"]}
    assert [entry.tag for entry in stage.keeper.book.points[ZONE].keys] == [A.tag]


def test_unwritten(stage: Stage) -> None:
    assert stage.world.database is not None
    stage.world.database.connection.execute("PRAGMA query_only = 1")
    error = stage.refused("/v1/trust/import", text=text_of(B))
    assert error["code"] == "not-written" and error["advice"] == "nothing was changed"


# --- commands --------------------------------------------------------------------------------------------------------


def test_command_status(stage: Stage) -> None:
    pending(stage)
    shown = stage.run("status", "--history", "5")
    assert "example.jp  validated 2027-01-15T08:00:00Z" in shown
    line = next(line for line in shown.splitlines() if line.startswith(str(B.tag)))
    assert "AddPend" in line and "2027-01-15 08:00" in line and "learned" in line
    assert f"key {B.tag}: Start → AddPend (NewKey" in shown
    document = json.loads(stage.run("status", "--history", "1", "--json"))
    assert len(document["transitions"]) == 1 and document["trust_points"][0]["zone"] == "example.jp"


def test_command_status_tells_what_is_wrong(stage: Stage) -> None:
    stage.world.zone([B], [B])
    out = stage.run("refresh", status=1)
    assert "matches a trust anchor" in out
    assert "finding: " in stage.run("status", status=1)
    assert json.loads(stage.run("status", "--json", status=1))["finding"]


def test_command_refresh(stage: Stage) -> None:
    stage.world.zone([A, B], [A])
    out = stage.run("refresh", "example.jp")
    assert "example.jp: ok" in out and "AddPend" in out
    assert json.loads(stage.run("refresh", "--json"))["refreshed"][0]["ok"]
    assert "is no trust point" in stage.run("refresh", "jp", status=1)


def test_command_import_and_export(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "new.key"
    file.write_text(text_of(B))
    assert f"key {B.tag}: Start → Valid (operator: imported from {file} by taro)" in " ".join(
        stage.run("import", str(file), "--operator", "taro").split()
    )
    assert "nothing new" in stage.run("import", str(file))
    assert "Valid" in stage.run("import", "-", "--replace", stdin=text_of(C))
    exported = stage.run("export", "example.jp", "--format", "bind")
    assert exported.startswith("// trust anchors") and tags(exported) == {C.tag}
    assert "trust anchors" in json.loads(stage.run("export", "--json"))["text"]
    assert "forgotten" in stage.run("forget", "example.jp")


def test_command_import_says_what_it_left_out(stage: Stage, tmp_path: Path) -> None:
    pending(stage)
    file = tmp_path / "unbound.key"
    file.write_text(stage.run("export", "--format", "unbound"))
    assert f"key {B.tag} is ADDPEND in the file and was left out" in stage.run("import", str(file))


def test_command_import_needs_both_signature_and_ca(stage: Stage, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("x")
    assert "go together" in stage.run("import", str(file), "--signature", str(file), status=2)
    assert "Error" in stage.run("import", str(tmp_path / "absent"), status=1)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "not text" in stage.run("import", str(tmp_path / "binary"), status=1)


def test_command_without_a_daemon(tmp_path: Path) -> None:
    result = CliRunner().invoke(akashi, ["trust", "status", "--socket", str(tmp_path / "absent")])
    assert result.exit_code == 3
