"""The copy of the root zone: read, transferred, verified, kept, recalled, refused, expired, and handed to workers."""

import asyncio
import functools
import os
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

import pytest
import structlog

from resolver.cache.local_root import LocalRoot
from resolver.config.values import Endpoint
from resolver.daemon.local_root.keeper import FILE, LocalRootDesk, LocalRootKeeper, Origin
from resolver.daemon.policy.transfer import TransferFailedError
from resolver.policy.transfer import Record, Transfer
from tests.trust.rootcopy import root_with_zonemd
from tests.trust.zones import NOW, SignedZone
from trust.anchors import TrustPoint
from trust.policy import Policy
from wire import types as t
from wire.name import ROOT, Name
from wire.text import rrset_to_text

SERVER = Endpoint("192.0.2.1", 53)
P = ParamSpec("P")


def runs(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test in an event loop of its own."""

    @functools.wraps(test)
    def wrapped(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return wrapped


class Stage:
    """A keeper, a clock, and what workers were told."""

    def __init__(self, directory: Path, *, file: Path | None = None) -> None:
        self.root = root_with_zonemd(SignedZone("jp"))
        self.now = float(NOW)
        self.told: list[dict[str, Any]] = []
        self.failing = False
        self.asked_with: list[bytes | None] = []
        self.keeper = LocalRootKeeper(
            Origin(file, (SERVER,)),
            directory,
            self.tell,
            lambda: TrustPoint(ROOT, [self.root.ksk.ds(ROOT)]),
            Policy,
            structlog.get_logger(),
            wall=lambda: self.now,
            mono=lambda: self.now,
            fetch=self.fetch,
        )

    async def tell(self, what: str, **arguments: Any) -> list[tuple[Any, dict[str, Any]]]:
        assert what == "local-root"
        self.told.append(arguments)
        return [(None, {"serial": arguments["serial"], "answers": 3}), (None, {"serial": None, "answers": 0})]

    async def fetch(self, zone: Name, server: Endpoint, tsig: object, soa: bytes | None) -> Transfer:
        self.asked_with.append(soa)
        if self.failing:
            raise TransferFailedError("no answer in time")
        machine = Transfer(zone, None if soa is None else int.from_bytes(soa[-20:-16], "big"))
        apex = self.root.data[ROOT, t.SOA]
        machine.feed(Record(ROOT, t.SOA, apex.ttl, apex.rdatas[0]))
        if not machine.done:
            for rrset in self.root.data.values():
                for rdata in rrset.rdatas if rrset.rtype != t.SOA else []:
                    machine.feed(Record(rrset.name, rrset.rtype, rrset.ttl, rdata))
                for sig in rrset.sigs:
                    machine.feed(Record(rrset.name, t.RRSIG, rrset.ttl, sig))
            machine.feed(Record(ROOT, t.SOA, apex.ttl, apex.rdatas[0]))
        return machine

    def text(self) -> str:
        return "\n".join(line for rrset in self.root.data.values() for line in rrset_to_text(rrset)) + "\n"


async def loaded(directory: Path) -> Stage:
    stage = Stage(directory)
    await stage.keeper.refresh()
    assert stage.keeper.serial == 1
    return stage


@runs
async def test_a_transfer_is_verified_kept_and_told(tmp_path: Path) -> None:
    stage = await loaded(tmp_path)
    await stage.keeper.tell_workers()
    assert stage.told == [{"path": str(tmp_path / FILE), "serial": 1, "expires": NOW + 1_209_600.0}]
    assert (stage.keeper.workers, stage.keeper.answers) == (1, 3)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    stage.now += 7200
    await stage.keeper.refresh()
    assert stage.asked_with[1] is not None
    assert stage.keeper.results == {"unchanged": 1, "full": 1, "failed": 0}
    assert stage.keeper.expires_wall == stage.now + 1_209_600


@runs
async def test_a_forged_zone_is_refused_and_what_was_there_stays(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.root.data[b"\x03ns1\x02jp\0", t.A].rdatas = [b"\xc0\0\2\x66"]
    await stage.keeper.refresh()
    assert (stage.keeper.serial, stage.keeper.results["failed"]) == (None, 1)
    assert "digest" in stage.keeper.problem
    assert not (tmp_path / FILE).exists()


@runs
async def test_a_silent_server_changes_nothing_until_the_copy_expires(tmp_path: Path) -> None:
    stage = await loaded(tmp_path)
    stage.failing = True
    stage.now += 3600
    await stage.keeper.refresh()
    assert stage.keeper.serial == 1
    assert "no answer" in stage.keeper.problem
    stage.now += 1_209_600
    task = asyncio.create_task(stage.keeper.run())
    while not stage.told:
        await asyncio.sleep(0)
    task.cancel()
    assert stage.told[-1]["path"] is None


@runs
async def test_the_copy_of_last_time_is_verified_again(tmp_path: Path) -> None:
    first = await loaded(tmp_path)
    again = Stage(tmp_path)
    again.root = first.root
    await again.keeper.recall()
    assert again.keeper.serial == 1
    late = Stage(tmp_path)
    late.root = first.root
    late.now += 1_300_000
    await late.keeper.recall()
    assert late.keeper.serial is None


@pytest.mark.parametrize(
    "spoil", [lambda b: b[:-10], lambda b: b[:200], lambda b: b"", lambda b: b[:-1] + bytes((b[-1] ^ 1,))]
)
@runs
async def test_a_damaged_copy_is_ignored(tmp_path: Path, spoil: Any) -> None:
    first = await loaded(tmp_path)
    path = tmp_path / FILE
    path.write_bytes(spoil(path.read_bytes()))
    again = Stage(tmp_path)
    again.root = first.root
    await again.keeper.recall()
    assert again.keeper.serial is None


@runs
async def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "root.zone"
    stage = Stage(tmp_path, file=file)
    await stage.keeper.refresh()
    assert "No such file" in stage.keeper.problem
    file.write_text(stage.text())
    os.utime(file, (stage.now, stage.now))
    await stage.keeper.refresh()
    assert (stage.keeper.serial, stage.keeper.problem) == (1, "")
    await stage.keeper.refresh()
    assert stage.keeper.results == {"unchanged": 1, "full": 1, "failed": 1}


@runs
async def test_a_worker_loads_what_it_is_told_of(tmp_path: Path) -> None:
    await loaded(tmp_path)
    got: list[LocalRoot | None] = []
    desk = LocalRootDesk(got.append, structlog.get_logger())
    told = {"path": str(tmp_path / FILE), "serial": 1, "expires": NOW + 10.0}
    assert desk.handle(told) == {"serial": None, "answers": 0}
    while not got:
        await asyncio.sleep(0.001)
    copy = got[0]
    assert copy is not None
    assert (copy.serial, copy.expires_wall, len(copy)) == (1, NOW + 10.0, 1)
    assert desk.handle(told | {"expires": NOW + 20.0})["serial"] == 1
    assert copy.expires_wall == NOW + 20.0
    desk.handle({"path": None, "serial": None, "expires": 0.0})
    assert got == [copy, None]
