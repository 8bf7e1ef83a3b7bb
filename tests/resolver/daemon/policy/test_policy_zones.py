"""Policy zones off the query path: files, copies, the schedule, and the way into workers."""

import asyncio
import io
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.name
import dns.zone
import pytest
import structlog

from resolver.config import Config
from resolver.config.loading import parse
from resolver.daemon.channel import ChannelError
from resolver.daemon.metrics.table import policy_hits
from resolver.daemon.observer import LogObserver
from resolver.daemon.policy.desk import PolicyDesk, Tables
from resolver.daemon.policy.file import PolicyFileError, read_table, records
from resolver.daemon.policy.keeper import PolicyKeeper, Workers
from resolver.daemon.policy.service import policy_samples
from resolver.daemon.policy.store import PolicyStore
from resolver.daemon.policy.transfer import TransferFailedError
from resolver.policy import rpz
from resolver.policy.rule import Action, Trigger
from resolver.policy.rules import Decision, ResponsePolicy
from resolver.policy.table import ZoneTable
from resolver.policy.transfer import Record, Transfer
from resolver.resolution import Hit, Resolution
from trust.vocabulary import Question, Security
from wire import types as t
from wire.text import name_from_text as n

ZONE = n("rpz.test")
HEAD = "$TTL 60\n@ SOA localhost. root 1 60 30 600 10\n@ NS localhost.\n"
LOG = structlog.get_logger()


def all_of(text: str) -> list[Record]:
    return list(records(iter(text.splitlines(keepends=True)), ZONE))


# --- files -------------------------------------------------------------------------------------------------------------

WRITTEN = (
    HEAD
    + r"""
plain.example CNAME .          ; a comment
Upper.Example   300 IN CNAME *.
 CNAME rpz-drop.
below 1h IN A 192.0.2.1
        AAAA 2001:db8::1
escaped\.label.example CNAME .
quoted TXT "a ; b ( c" "second"
many IN 5m MX ( 10   ; a parenthesis
        mail.example. )
$ORIGIN sub.rpz.test.
inner A 192.0.2.2
$TTL 7
absolute.rpz.test. CNAME garden.example.
relative CNAME garden
* CNAME .
"""
)


def test_files_are_read_as_by_dnspython() -> None:
    """Everything but the two aliases at one name, which dnspython refuses."""
    text = WRITTEN.replace(" CNAME rpz-drop.\n", "")
    zone = dns.zone.from_text(text, "rpz.test.", relativize=False, check_origin=False)
    theirs = {
        (name.to_digestable(), int(rdataset.rdtype), rdataset.ttl, rdata.to_digestable(dns.name.root))
        for name, node in zone.nodes.items()
        for rdataset in node
        for rdata in rdataset
    }
    assert {tuple(record) for record in all_of(text)} == theirs


def test_an_owner_is_repeated() -> None:
    assert [r.owner for r in all_of("a CNAME .\n CNAME *.\n\tA 192.0.2.1\n")] == [n("a.rpz.test")] * 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a CNAME\n", "line 1"),
        (HEAD + "a A 192.0.2.300\n", "line 4"),
        ("a TXT (\n", "not closed"),
        ("$INCLUDE other\n", r"\$INCLUDE is not known"),
        ("$GENERATE 1-3 a$ A 192.0.2.1\n", r"\$GENERATE"),
        ("a..b CNAME .\n", "line 1"),
        (f"{'a' * 64} CNAME .\n", "line 1"),
        ("a NONSENSE b\n", "line 1"),
    ],
)
def test_what_is_no_zone_file(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        all_of(text)


def test_rubbish_never_raises_anything_else() -> None:
    dice = random.Random(7)
    for _ in range(2000):
        text = "".join(dice.choice('ab.*$ \t;()"\\\n129CNAMETX\x00\xff') for _ in range(dice.randint(1, 60)))
        try:
            all_of(text)
        except ValueError:
            continue


@pytest.mark.parametrize(("text", "problem"), [("a CNAME .\n", "no SOA"), (None, "cannot be read")])
def test_what_is_no_policy_zone(text: str | None, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "zone"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PolicyFileError, match=problem):
        list(read_table(path, ZONE))


# --- copies ------------------------------------------------------------------------------------------------------------


def table(*names: str, serial: int = 1) -> ZoneTable:
    out = ZoneTable()
    rpz.add(out, ZONE, *soa(serial))
    for name in names:
        rpz.add(out, ZONE, n(f"{name}.rpz.test"), t.CNAME, 60, b"\0")
    return out


def soa(serial: int, refresh: int = 60, retry: int = 30, expire: int = 600) -> Record:
    return Record(ZONE, t.SOA, 60, b"\0\0" + b"".join(v.to_bytes(4, "big") for v in (serial, refresh, retry, expire, 10)))


def test_a_copy_comes_back(tmp_path: Path) -> None:
    store = PolicyStore(tmp_path)
    assert store.read("rpz.test", "here") is None
    list(store.write("rpz.test", "here", 1000.0, table("a", "b")))
    found = store.read("rpz.test", "here")
    assert found is not None
    kept, checked, _ = found
    assert len(kept) == 2 and checked == 1000.0 and kept.soa is not None and kept.soa.serial == 1
    store.touch("rpz.test", 2000.0)
    again = store.read("rpz.test", "here")
    assert again is not None and again[1] == 2000.0
    assert store.read("rpz.test", "elsewhere") is None and store.read("other", "here") is None


@pytest.mark.parametrize("cut", [0, 1, 30, -1, -10])
def test_a_cut_copy_is_none(cut: int, tmp_path: Path) -> None:
    store = PolicyStore(tmp_path)
    list(store.write("rpz.test", "here", 1000.0, table("a", "b")))
    path = next((tmp_path / "policy").iterdir())
    path.write_bytes(path.read_bytes()[: cut if cut >= 0 else cut - 1])
    assert store.read("rpz.test", "here") is None


def test_without_a_directory_there_are_no_copies() -> None:
    store = PolicyStore(None)
    assert list(store.write("rpz.test", "here", 0.0, table("a"))) == [] and store.read("rpz.test", "here") is None


# --- a worker's side ---------------------------------------------------------------------------------------------------

CONFIG = parse('[[policy.zones]]\nzone = "rpz.test"\nprimaries = ["192.0.2.1"]\n')


class Worker:
    """A worker's desk, and the policies that it put in force."""

    def __init__(self, tables: Tables | None = None) -> None:
        self.policies: list[ResponsePolicy | None] = []
        self.asked: list[str] = []
        self.desk = PolicyDesk(CONFIG, tables or Tables(), self.policies.append)

    async def ask(self, _: object, what: str, **arguments: Any) -> dict[str, Any] | None:
        self.asked.append(what)
        await asyncio.sleep(0)
        try:
            return self.desk.tasks[what](arguments)
        except ChannelError:
            return None

    def says(self, name: str) -> Action | None:
        policy = self.policies[-1]
        assert policy is not None
        decision = policy.early(n(name), policy.scope("192.0.2.9", dnssec_ok=False, tcp=False), first=True)
        return decision.action if isinstance(decision, Decision) else None


def test_half_a_zone_is_never_in_force() -> None:
    worker = Worker()
    about = {"zone": "rpz.test", "version": 5, "ignored": 0, "soa": None, "ttl": 0}
    worker.desk.tasks["policy-slice"]({**about, "first": True, "rules": {"qname": {"\1a\0": 0}}})
    assert worker.says("a") is None
    worker.desk.tasks["policy-slice"]({**about, "first": False, "rules": {"qname": {"\1b\0": 0}}})
    worker.desk.tasks["policy"]({"generation": 2, "zones": {"rpz.test": 5}})
    assert worker.says("a") is Action.NXDOMAIN and worker.says("b") is Action.NXDOMAIN
    assert worker.desk.tasks["policy-status"]({}) == {"generation": 2, "zones": {"rpz.test": 5}}


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        ("policy", {"generation": 2, "zones": {"rpz.test": 9}}),
        (
            "policy-slice",
            {"zone": "rpz.test", "version": 5, "first": False, "rules": {}, "ignored": 0, "soa": None, "ttl": 0},
        ),
        ("policy-delta", {"zone": "rpz.test", "base": 1, "version": 2, "rules": {}, "ignored": 0, "soa": None, "ttl": 0}),
    ],
)
def test_what_does_not_fit_is_refused(what: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ChannelError):
        Worker().desk.tasks[what](arguments)


# --- the schedule ------------------------------------------------------------------------------------------------------


class Keeping:
    """A keeper with one transferred zone, a clock moved by hand, and a primary that says what it is told to say."""

    def __init__(self, tmp_path: Path, *workers: Worker, late: float = 0.0, config: Config = CONFIG) -> None:
        self.time = 1_000_000.0 + late
        self.answers: list[list[Record] | str] = []
        self.asked: list[int | None] = []
        self.workers = list(workers)
        self.keeper = PolicyKeeper(
            PolicyStore(tmp_path),
            Workers(lambda: self.workers, lambda worker, what, **more: worker.ask(worker, what, **more)),
            LOG,
            wall=lambda: self.time,
            mono=lambda: self.time,
            fetch=self.fetch,
        )
        self.keeper.open(config)

    async def fetch(self, zone: bytes, primary: object, tsig: object, have: bytes | None) -> Transfer:
        serial = None if have is None else int.from_bytes(have[-20:-16], "big")
        self.asked.append(serial)
        said = self.answers.pop(0)
        if isinstance(said, str):
            raise TransferFailedError(said)
        machine = Transfer(zone, serial)
        for record in said:
            machine.feed(record)
        return machine

    @property
    def source(self) -> Any:
        return self.keeper.sources[0]

    def look(self, *answers: list[Record] | str) -> None:
        self.answers = list(answers)
        asyncio.run(self._look())

    async def _look(self) -> None:
        self.keeper._lock = asyncio.Lock()
        await self.keeper.refresh(None)


def rule(name: str) -> Record:
    return Record(n(f"{name}.rpz.test"), t.CNAME, 60, b"\0")


def test_from_whole_to_difference_in_every_worker(tmp_path: Path) -> None:
    one, two = Worker(), Worker()
    keeping = Keeping(tmp_path, one, two)
    keeping.look([soa(1), rule("a"), rule("b"), soa(1)])
    assert keeping.asked == [None] and keeping.source.due_mono == keeping.time + 60
    assert [w.says("a") for w in (one, two)] == [Action.NXDOMAIN] * 2
    for worker in (one, two):
        worker.asked.clear()
    keeping.look([soa(2), soa(1), rule("a"), soa(2), rule("c"), soa(2)])
    assert keeping.asked[-1] == 1
    assert one.asked == ["policy-status", "policy-delta", "policy"]
    assert [w.says("a") for w in (one, two)] == [None] * 2 and two.says("c") is Action.NXDOMAIN
    # One that was born in between has the table by then, or is sent the whole.
    late = Worker()
    keeping.workers.append(late)
    one.asked.clear()
    keeping.look([soa(2)])
    assert late.says("c") is Action.NXDOMAIN and "policy-slice" in late.asked and one.asked == ["policy-status"]
    born = Worker(keeping.keeper.tables(CONFIG))
    assert born.says("c") is Action.NXDOMAIN
    assert keeping.source.results == {"unchanged": 1, "full": 1, "delta": 1, "failed": 0}


def test_a_primary_that_fails_changes_nothing_until_it_expires(tmp_path: Path) -> None:
    worker = Worker()
    keeping = Keeping(tmp_path, worker)
    keeping.look([soa(1), rule("a"), soa(1)])
    keeping.look("no answer")
    assert keeping.source.due_mono == keeping.time + 30  # retry
    assert keeping.keeper.finding == "rpz.test: no answer" and worker.says("a") is Action.NXDOMAIN
    keeping.look([soa(1)])
    assert keeping.keeper.finding == ""
    keeping.time += 601
    keeping.keeper._expire(keeping.source)
    keeping.look("no answer")
    assert worker.says("a") is None and not keeping.source.loaded
    keeping.look([soa(1), rule("a"), soa(1)])
    assert keeping.asked[-1] is None and worker.says("a") is Action.NXDOMAIN


def test_a_start_without_the_primary(tmp_path: Path) -> None:
    Keeping(tmp_path).look([soa(7), rule("a"), soa(7)])
    again = Keeping(tmp_path)
    assert again.source.loaded and again.source.soa.serial == 7
    again.look([soa(7)])
    assert again.asked == [7]  # only what is newer is asked for


def test_a_copy_that_has_expired_is_not_used(tmp_path: Path) -> None:
    Keeping(tmp_path).look([soa(7, expire=1), rule("a"), soa(7)])
    assert Keeping(tmp_path, late=1).source.loaded
    assert not Keeping(tmp_path, late=2).source.loaded


def test_records_that_make_no_sense_leave_the_zone(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.look([soa(1), rule("a"), soa(1)])
    before = keeping.source.version
    broken = Record(ZONE, t.SOA, 60, b"\0\0" + b"\0\0\0\2" + b"\0" * 16)
    keeping.look([broken, Record(n("x.rpz.test"), t.CNAME, 60, b"\0"), broken])
    assert keeping.source.version > before and keeping.source.soa.serial == 2


def test_a_configuration_with_other_zones(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.look([soa(1), rule("a"), soa(1)])
    path = tmp_path / "more.zone"
    path.write_text(HEAD + "b CNAME .\n")
    both = parse(
        '[[policy.zones]]\nzone = "rpz.test"\nprimaries = ["192.0.2.1"]\naction = "nodata"\n'
        f'[[policy.zones]]\nzone = "more.test"\nfile = "{path}"\n'
    )

    async def prepare() -> None:
        keeping.keeper._lock = asyncio.Lock()
        await keeping.keeper.prepare(both)

    asyncio.run(prepare())
    assert len(keeping.keeper.sources) == 1  # until workers of it are there
    assert set(keeping.keeper.tables(both).zones) == {"rpz.test", "more.test"}
    assert set(keeping.keeper.tables(CONFIG).zones) == {"rpz.test"}
    keeping.keeper.adopt()
    assert [source.label for source in keeping.keeper.sources] == ["rpz.test", "more.test"]
    assert keeping.source.loaded and keeping.source.table.get(Trigger.QNAME, n("a")) is Action.NXDOMAIN


def test_a_file_that_is_the_same_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.zone"
    path.write_text(HEAD + "a CNAME .\n")
    config = parse(f'[[policy.zones]]\nzone = "rpz.test"\nfile = "{path}"\n')
    first = Keeping(tmp_path, config=config)
    assert first.source.results["full"] == 1
    second = Keeping(tmp_path, config=config)
    assert second.source.loaded and second.source.results["full"] == 0 and second.keeper.finding == ""
    path.write_text(HEAD + "b CNAME .\nc CNAME .\n")
    third = Keeping(tmp_path, config=config)
    assert third.source.results["full"] == 1 and len(third.source.table) == 2
    path.write_text("b CNAME\n")
    fourth = Keeping(tmp_path, config=config)
    assert fourth.source.loaded and len(fourth.source.table) == 2 and "line 1" in fourth.keeper.finding


# --- counting and telling ----------------------------------------------------------------------------------------------


def test_hits_are_summed_by_zone_and_action() -> None:
    hit = b"rpz.test".hex()
    stats = {
        "responses": {
            f"udp|1|3|insecure|policy|15||{hit}:nxdomain": 3,
            f"tcp|1|3|insecure|policy|15||{hit}:disabled,{hit}:nxdomain": 2,
            "udp|1|0|secure|valid|||": 9,
            "udp|0|0|||": 0,
        },
        "policy_drops": {f"{hit}:drop": 4},
    }
    assert policy_hits(stats) == {
        ("rpz.test", "nxdomain"): 5,
        ("rpz.test", "disabled"): 2,
        ("rpz.test", "drop"): 4,
    }


def test_metrics_of_zones(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.look([soa(7), rule("a"), rule("b"), soa(7)])
    samples = {name: dict(given) for name, given in policy_samples(keeping.keeper).items()}
    assert samples["policy_rules"][("rpz.test", "qname")] == 2 and samples["policy_serial"] == {("rpz.test",): 7}
    assert samples["policy_refreshes"][("rpz.test", "full")] == 1 and samples["policy_failing"] == {("rpz.test",): 0.0}
    assert ("rpz.test",) in samples["policy_age_seconds"]
    keeping.look("no answer")
    assert dict(policy_samples(keeping.keeper)["policy_failing"]) == {("rpz.test",): 1.0}


@pytest.mark.parametrize("wanted", [True, False])
def test_hits_are_logged_only_when_that_is_wanted(wanted: bool) -> None:
    resolution = Resolution(Question(n("bad.test"), t.A), t.NXDOMAIN, [], [], Security.INSECURE, [], 0.0)
    resolution.policy = (Hit("rpz.test", "qname", "nxdomain", "qname bad.test"),)
    with structlog.testing.capture_logs() as lines:
        observer = LogObserver(structlog.get_logger(), validation_failures=True, policy_hits=wanted)
        observer.rewrote(resolution, "192.0.2.1")
    assert [line["rule"] for line in lines] == (["qname bad.test"] if wanted else [])


def test_the_reader_is_a_generator() -> None:
    """So that others have their turn: nothing is read ahead."""
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        for line in io.StringIO("".join(f"a{number} CNAME .\n" for number in range(100))):
            taken += 1
            yield line

    reading = records(lines(), ZONE)
    next(reading)
    assert taken == 1
