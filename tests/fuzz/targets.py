"""The doors: what reads what others wrote. Each says what must hold beyond "it does not crash"."""

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import dns.message
from aiohttp.test_utils import make_mocked_request

from resolver.cache.packets import PacketCache, cache_key
from resolver.config import ConfigError
from resolver.config.loading import parse
from resolver.daemon.control import ApiError, body_of, query_of
from resolver.daemon.policy.file import records as policy_records
from resolver.daemon.routes import selection_of
from resolver.policy import rpz
from resolver.policy.table import ZoneTable
from resolver.resolution import Resolution
from resolver.server.access import AccessList
from resolver.server.counters import Counters
from resolver.server.driver import Waiter
from resolver.server.matching import Judgement, Sent, judge
from resolver.server.respond import Identity
from resolver.server.service import Service
from resolver.state.anchors_store import AnchorsStore
from resolver.state.database import DamageError, Database, StateError
from resolver.state.nta_store import NtaStore
from tests.fuzz.engine import Target
from tests.resolver.house import House
from tests.resolver.play import question
from tests.trust.forgery import Games, Stage
from tests.trust.zones import NOW, SignedZone
from trust.anchor_file import read_anchors
from trust.vocabulary import Ask, Kind, Question, Security, Transport, Trouble
from wire import types as t
from wire.composer import compose, compose_query
from wire.edns import COOKIE, NSID, Edns
from wire.limits import MAX_UDP
from wire.message import Message
from wire.reader import FormError, read
from wire.text import name_from_text, rrsets_from_text

T = TypeVar("T")
ROOT_DIRECTORY: Final = Path(__file__).parents[2]


def messages() -> list[bytes]:
    """Messages of every shape that we meet: queries, answers, denials, referrals, odd types."""
    out = [
        compose_query(1, name_from_text("www.example.jp"), t.A, flags=t.RD, edns=Edns(1232, t.DO, [(NSID, b"")])),
        compose_query(2, name_from_text("a.b.c.example"), t.ANY, flags=t.RD | t.AD),
        compose_query(3, name_from_text("example"), t.DNSKEY, flags=t.RD, edns=Edns(512, 0, [(COOKIE, b"12345678")])),
        dns.message.make_query("id.server", "TXT", "CH").to_wire(),
    ]
    zones = _zones()
    for zone in zones:
        for name, rtype in [(name_from_text(x), y) for x in ("www", "nx", "", "w.x", "alias") for y in (t.A, t.DNSKEY)]:
            step = zone.step(name + zone.origin if name != b"\0" else zone.origin, rtype)  # a name relative to the zone
            out.append(
                compose(
                    4, t.QR | t.AA, (step.name, step.rtype, t.IN), [(r, 300) for r in step.rrsets],
                    [(r, 300) for r in step.authority], edns=Edns(1232, t.DO), max_size=4096,
                )
            )  # fmt: skip
    odd = rrsets_from_text(
        "x 1 NAPTR 1 2 a b c .\nx 1 SRV 1 2 3 y\nx 1 CAA 0 issue ca\nx 1 SVCB 1 . alpn=h2 port=53\nx 1 LOC 1 N 1 E 1m\n"
        "x 1 HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p rvs\n"
        "x 1 TYPE65400 \\# 3 010203\n",
        origin="example.",
    )
    out.append(compose(5, t.QR, (odd[0].name, t.ANY, t.IN), [(r, 1) for r in odd], (), max_size=4096))
    return out


def _zones() -> list[SignedZone]:
    records = "www A 192.0.2.7\nalias CNAME www\n*.w A 192.0.2.9\ndd DNAME other.\n"
    root = SignedZone(".")
    jp = SignedZone("jp", records, nsec3=True, server="192.0.2.2")
    example = SignedZone("example.jp", records, server="192.0.2.3")
    jp.delegate(example)
    root.delegate(jp)
    return [zone.sign() for zone in (root, jp, example)]


class Reader:
    """`wire.reader.read`: a message, or FormError and nothing else. What was read can be composed and read again."""

    name, text = "reader", False

    def __init__(self) -> None:
        self.seeds: Sequence[bytes] = messages()

    def take(self, data: bytes) -> str:
        """One packet."""
        try:
            message = read(data)
        except FormError as error:
            return str(error)[:24]
        asked = (message.qname_raw, message.qtype, message.qclass) if message.has_question else None
        again = compose(
            message.id, message.flags, asked,
            [(r, r.ttl) for r in message.answer], [(r, r.ttl) for r in message.authority], max_size=65535,
        )  # fmt: skip
        if not message.truncated and not again[2] & 2:
            second = read(again)
            assert second.answer == message.answer and second.authority == message.authority
        return f"read {message.rcode} {len(message.answer)} {len(message.authority)} {message.edns is not None}"


class _Pump:
    """A service's driver over a mesh of zones, without sockets: everything runs until the answer is there."""

    def __init__(self, house: House) -> None:
        self.house = house

    def submit(self, waiter: Waiter, question: Question, *, checking_disabled: bool = False) -> None:
        """As the driver's."""
        token = object()
        house = self.house
        house._take(house.mesh.submit(token, question, house.now, checking_disabled=checking_disabled))
        for _ in range(400):
            if token in house.finished:
                break
            if house.waiting:
                house.deliver_first()
            else:
                house.passes(1.0)
        waiter.finish(house.finished.pop(token), house.now)

    def renew(self, question: Question) -> None:
        """Prefetching: not here."""


class _Silent:
    """An observer who has nothing to say."""

    def answered(self, *_: Any) -> None:
        """A response."""

    def failed(self, *_: Any) -> None:
        """A failure."""


class Query:
    """What a client sends → what it gets: nothing, or a readable response to its ID, no longer than it may be."""

    name, text = "query", False

    def __init__(self) -> None:
        self.seeds: Sequence[bytes] = messages()
        self._zones = _zones()
        self._count = 0
        self._renew()

    def _renew(self) -> None:
        self._house = House(*self._zones, cache_size=1 << 20)
        self._service = Service(
            _Pump(self._house),
            AccessList(),
            Identity(b"fuzz", idle_timeout_s=10.0),
            Counters(),
            PacketCache(1 << 20),
            _Silent(),
        )

    def take(self, data: bytes) -> str:
        """One packet, over UDP or TCP by turns."""
        self._count += 1
        if self._count % 50_000 == 0:
            self._renew()
        got: list[bytes] = []
        transport = Transport.TCP if self._count & 1 else Transport.UDP
        taken = self._service.take(data, "127.0.0.1", transport, got.append, cache_key(data))
        assert len(got) <= 1 and taken == bool(got), "one answer, or none and said so"
        if not got:
            return "none"
        response = got[0]
        limit = MAX_UDP if transport is Transport.UDP else 65535
        assert len(response) <= limit and response[:2] == data[:2] and response[2] & 0x80
        said = read(response)
        return f"{said.rcode} {transport.value} {len(said.answer)} {said.flags & t.AD} {said.truncated}"


class Upstream:
    """What authorities send, octet by octet, through matching, reader, iteration, validation. Nothing false is SECURE."""

    name, text = "upstream", False

    def __init__(self) -> None:
        self.seeds: Sequence[bytes] = [bytes(random.Random(n).randbytes(64)) for n in range(8)]
        self._zones = _zones()
        by_origin = {zone.origin: zone for zone in self._zones}
        self._example = by_origin[name_from_text("example.jp")]
        names = ("www.example.jp", "alias.example.jp", "nx.example.jp", "x.w.example.jp", "www.jp", "nx.jp", "a.dd.jp")
        self._questions = [question(name, rtype) for name in names for rtype in ("A", "TXT")]
        self._house: House | None = None
        self._age = 0

    def take(self, data: bytes) -> str:
        """The input is the dice: which packets are made worse, and how."""
        dice = random.Random(data)
        house = self._house
        if house is None or self._age > 30:
            house = self._house = House(*self._zones)
            self._age = 0
        self._age += 1
        chance = dice.choice((0.2, 0.5, 1.0))
        house.changes = {zone.server.ip: _worse(dice, chance) for zone in self._zones}
        wanted = dice.choice(self._questions)
        token = object()
        house._take(house.mesh.submit(token, wanted, house.now))
        for _ in range(400):
            if token in house.finished:
                break
            if house.waiting:
                house.deliver_first()
            else:
                house.passes(1.0)
        resolution = house.finished.pop(token)
        if resolution.security is Security.SECURE:
            assert self._is_true(resolution), (wanted, resolution)
        if dice.random() < 0.05:
            house.passes(4000.0)
        return f"{resolution.security.value} {resolution.rcode} {resolution.reason.name}"

    def _is_true(self, resolution: Resolution) -> bool:
        """Whether every link is what its zone says."""
        for step, _ in resolution.steps:
            holder = max((z for z in self._zones if step.name.endswith(z.origin)), key=lambda z: len(z.origin))
            truth = holder.step(step.name, step.rtype)
            if truth.kind is not step.kind or (truth.rrsets != step.rrsets and step.kind is not Kind.DNAME):
                return False
            if step.kind is Kind.DNAME and (truth.rrsets[0] != step.rrsets[0] or truth.target != step.target):
                return False
        return True


def _worse(dice: random.Random, chance: float) -> Callable[[Ask, Message], Message | Trouble]:
    """A server whose packets arrive damaged: the octets, as the driver would judge them."""
    from tests.fuzz.engine import mutated

    def change(ask: Ask, out: Message) -> Message | Trouble:
        sent = Sent(ask, b"\x12\x34", ask.qname, 1232, exact=False)
        packet = compose(
            0x1234, out.flags, (ask.qname, ask.qtype, t.IN), [(r, r.ttl) for r in out.answer],
            [(r, r.ttl) for r in out.authority], [(r, r.ttl) for r in out.additional], edns=Edns(1232, t.DO),
        )  # fmt: skip
        if dice.random() < chance:
            body = mutated(dice, packet[12:], packet[12:])
            packet = packet[:12] + body if dice.random() < 0.7 else packet[:4] + mutated(dice, packet[4:], packet)
        judged = judge(sent, packet)
        if isinstance(judged, Message):
            return judged
        return Trouble.MALFORMED if judged[0] is Judgement.MALFORMED else Trouble.TIMEOUT

    return change


class Configuration:
    """A configuration's text → a configuration, or findings that each say something."""

    name, text = "config", True

    def __init__(self) -> None:
        whole = (ROOT_DIRECTORY / "conf" / "akashi.toml").read_bytes()
        sections = [b"[" + part for part in whole.split(b"\n[")[1:]]
        self.seeds: Sequence[bytes] = [
            *sections,
            (ROOT_DIRECTORY / "conf" / "lab.toml").read_bytes(),
            b'[upstream.stub]\n"example.jp" = ["192.0.2.1", "192.0.2.2@53"]\n[trust.nta]\nstatic = ["a.example"]\n',
        ]

    def take(self, data: bytes) -> str:
        """One file."""
        try:
            parse(data.decode("utf-8", "replace"))
        except ConfigError as error:
            assert error.findings and all(str(finding).strip() for finding in error.findings)
            return error.findings[0].problem[:24]
        return "good"


class Anchors:
    """A trust anchor file → anchors, or ValueError."""

    name, text = "anchors", True

    def __init__(self) -> None:
        zone = SignedZone(".")
        key = dns.message.from_wire(
            compose(1, t.QR, (b"\0", t.DNSKEY, t.IN), [(zone.data[b"\0", t.DNSKEY], 1)], (), max_size=4096)
        ).answer[0]
        ds = ". 3600 IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
        xml = (
            '<?xml version="1.0"?><TrustAnchor id="x" source="y"><Zone>.</Zone><KeyDigest id="k" '
            'validFrom="2017-02-02T00:00:00+00:00"><KeyTag>20326</KeyTag><Algorithm>8</Algorithm><DigestType>2</DigestType>'
            "<Digest>E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D</Digest></KeyDigest></TrustAnchor>"
        )
        bind = (
            'trust-anchors { . static-ds 20326 8 2 "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"; };\n'
        )
        self.seeds: Sequence[bytes] = [ds.encode(), key.to_text().encode(), xml.encode(), bind.encode()]

    def take(self, data: bytes) -> str:
        """One file."""
        try:
            found = read_anchors(data, float(NOW))
        except ValueError as error:
            assert str(error)
            return str(error)[:20]
        return f"{len(found.points)} points"


class State:
    """A state database → opened, moved aside and begun anew, or StateError. Whatever it is, the daemon can go on."""

    name, text = "state", False

    def __init__(self) -> None:
        self._log = _NoLog()
        directory = Path(tempfile.mkdtemp(prefix="akashi-fuzz-"))
        database = Database(directory, self._log, float(NOW))
        AnchorsStore(database).load()
        NtaStore(database).records()
        database.close()
        self._file = next(path.name for path in directory.iterdir() if path.suffix not in (".db-wal", ".lock"))
        self._files = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
        names = [name for name, data in self._files.items() if data[:6] == b"SQLite"]
        self._file = names[0]
        self.seeds: Sequence[bytes] = [self._files[self._file]]
        shutil.rmtree(directory)

    def take(self, data: bytes) -> str:
        """One file."""
        with tempfile.TemporaryDirectory(prefix="akashi-fuzz-", dir=_memory()) as folder:
            (Path(folder) / self._file).write_bytes(data)
            try:
                database = Database(Path(folder), self._log, float(NOW))
            except StateError as error:
                assert error.problem
                return error.problem[:20]
            try:
                AnchorsStore(database).load()
                store = NtaStore(database)
                store.trusted()
                store.verify()
            except (StateError, DamageError) as error:  # the latter makes the daemon begin anew
                return f"later {str(error)[:20]}"
            finally:
                database.close()
            return f"opened {len(list(Path(folder).iterdir()))}"


class _NoLog:
    """A log that nobody reads."""

    def info(self, event: str, **facts: Any) -> None:
        """As structlog's."""

    warning = error = info


def _memory() -> str | None:
    """Where files cost no disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class ControlApi:
    """Bodies and query strings of the control API → documents, or ApiError with a status of 4xx."""

    name, text = "control", True

    def __init__(self) -> None:
        self.seeds: Sequence[bytes] = [
            b'{"name": "example.jp", "subtree": true, "type": "A", "bogus": false}',
            b'{"all": true}',
            b"?name=example.jp&type=TYPE65280&subtree=true",
            b"?bogus=true",
        ]

    def take(self, data: bytes) -> str:
        """One request."""
        kinds: dict[str, type] = {"name": str, "subtree": bool, "type": str, "bogus": bool, "all": bool}
        try:
            if data[:1] == b"?":
                path = "/v1/x" + data.decode("latin-1").replace(" ", "+").replace("\r", "").replace("\n", "")
                asked = query_of(make_mocked_request("GET", path), **kinds)
            else:
                asked = _at_once(body_of(_Request(data), **kinds))  # type: ignore[arg-type]
            selection_of(asked)
        except ApiError as error:
            assert 400 <= error.status < 500
            return str(error)[:24]
        return "good"


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")


class _Request:
    """As much of aiohttp's request as `body_of` looks at."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self) -> bytes:
        """The body."""
        return self._data


class PolicyZone:
    """A policy zone's text → rules, or ValueError; and every rule that was read can be sent to a worker and back."""

    name, text = "policy", True

    def __init__(self) -> None:
        head = b"$TTL 60\n@ IN SOA ns. host. 1 3600 600 86400 60\n@ IN NS ns.\n"
        rules = (
            b"bad.example CNAME .\n*.bad.example CNAME *.\nok.bad.example CNAME rpz-passthru.\n"
            b"drop.example CNAME rpz-drop.\n"
            b"local.example 30 IN A 192.0.2.1\nlocal.example AAAA 2001:db8::1\nw.example CNAME *.garden.example.\n",
            b"32.1.2.0.192.rpz-ip CNAME .\n24.0.2.0.192.rpz-client-ip CNAME rpz-tcp-only.\nns.example.rpz-nsdname CNAME .\n"
            b"128.1.zz.db8.2001.rpz-nsip CNAME *.\n48.zz.1.db8.2001.rpz-ip CNAME rpz-passthru.\n",
            b'txt.example TXT ( "two" ; comment\n "lines" )\n\\065\\.x CNAME .\nMiXed.Example cname .\n'
            b"$ORIGIN sub.rpz.example.\nx CNAME .\n",
        )
        self.seeds: Sequence[bytes] = [head + part for part in rules]
        self._zone = name_from_text("rpz.example")

    def take(self, data: bytes) -> str:
        """One file."""
        table = ZoneTable()
        lines = iter(data.decode("utf-8", "surrogateescape").splitlines(keepends=True))
        try:
            for record in policy_records(lines, self._zone):
                rpz.add(table, self._zone, *record)
        except ValueError as error:
            assert str(error)
            return str(error)[:16]
        copy = ZoneTable()
        for piece in table.slices():
            copy.take(json.loads(json.dumps(piece)))
        assert copy.counts() == table.counts()
        return f"{sorted(table.counts().items())}"


class Forgery:
    """A zone, a true answer, changes by an attacker: (zone, mutation, question) triples. Nothing false is SECURE."""

    name, text = "forgery", False
    _LINES: Final = (
        "www A 192.0.2.7", "www TXT x", "a.ent A 192.0.2.8", "*.w A 192.0.2.9", "sub.w A 192.0.2.10", "alias CNAME www",
        "dd DNAME target.jp.", "*.ent TXT y", "b.ent A 192.0.2.11", "* TXT wild", "w TXT z", "x.www A 192.0.2.12",
        "nx CNAME alias", "*.sub.w CNAME www", "mx MX 10 www", "a.a.a.a TXT deep",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seeds: Sequence[bytes] = [n.to_bytes(8, "big") for n in range(8)]
        self._games: Games | None = None
        self._played = 0

    def take(self, data: bytes) -> str:
        """One game; a new set of zones every few thousand."""
        dice = random.Random(data)
        if self._games is None or self._played % 3000 == 0:
            records = "\n".join(dice.sample(self._LINES, dice.randint(4, len(self._LINES)))) + "\n"
            stage = Stage(opt_out=dice.random() < 0.5, records=records, iterations=dice.choice((0, 0, 1, 5)))
            self._games = Games(stage, dice)
        self._played += 1
        self._games.dice = dice
        verdict, changes = self._games.play()
        return f"{verdict.security.value} {verdict.reason.name} {changes}"


ALL: Final[tuple[type[Target], ...]] = (
    Reader,
    Query,
    Upstream,
    Configuration,
    Anchors,
    State,
    ControlApi,
    PolicyZone,
    Forgery,
)  # type: ignore[assignment]
"""Every target, by class: making one costs, for its seeds."""
