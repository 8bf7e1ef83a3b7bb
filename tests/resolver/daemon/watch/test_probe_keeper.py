"""Probes: what each answer means, when they count against readiness, and that our own listener is really asked."""

import asyncio
import io
import json

import pytest

from resolver.config import Endpoint, load
from resolver.daemon import logs
from resolver.daemon.watch.probe_keeper import ProbeKeeper, ask_service, judge_message, judge_resolution
from resolver.resolution import Resolution
from tests.resolver.server.queries import resolution
from trust.reason import Reason
from trust.vocabulary import Question, Security
from wire import types as t
from wire.edns import Edns, ede
from wire.message import Message
from wire.text import name_from_text

SECURE, BOGUS = 'probe.secure=["good.example", "fine.example"]', 'probe.bogus=["bad.example"]'


def message(rcode: int = 0, *, ad: bool = False, errors: tuple[int, ...] = ()) -> Message:
    made = Message(1, t.QR | t.RA | (t.AD if ad else 0) | rcode)
    made.edns = Edns(1232, 0, [ede(code, "why") for code in errors])
    return made


def said(security: Security, rcode: int = 0, reason: Reason = Reason.VALID) -> Resolution:
    made = resolution("", question=("x.example", 1), rcode=rcode, security=security, errors=[])
    made.reason = reason
    return made


@pytest.mark.parametrize(
    ("kind", "answer", "ok"),
    [
        ("secure", message(ad=True), True),
        ("secure", message(3, ad=True), True),
        ("secure", message(), False),
        ("secure", message(2, errors=(7,)), False),
        ("secure", message(2, ad=True), False),
        ("secure", message(5, errors=(18,)), None),
        ("bogus", message(2, errors=(7,)), True),
        ("bogus", message(2, errors=(13, 9)), True),
        ("bogus", message(2, errors=(22, 23)), False),
        ("bogus", message(2), False),
        ("bogus", message(), False),
        ("bogus", message(ad=True), False),
        ("bogus", message(5), None),
    ],
)
def test_what_the_listener_s_answer_means(kind: str, answer: Message, ok: bool | None) -> None:
    outcome = judge_message(kind, answer)  # type: ignore[arg-type]
    assert outcome.ok is ok
    assert outcome.data == (kind == "bogus" and answer.rcode == 0)


@pytest.mark.parametrize(
    ("kind", "answer", "ok"),
    [
        ("secure", said(Security.SECURE), True),
        ("secure", said(Security.INSECURE), False),
        ("secure", said(Security.BOGUS, 2, Reason.SIGNATURE_EXPIRED), False),
        ("bogus", said(Security.BOGUS, 2, Reason.SIGNATURE_EXPIRED), True),
        ("bogus", said(Security.INDETERMINATE, 2, Reason.NO_AUTHORITY), False),
        ("bogus", said(Security.INSECURE), False),
    ],
)
def test_what_the_resolver_s_answer_means(kind: str, answer: Resolution, ok: bool) -> None:
    assert judge_resolution(kind, answer).ok is ok  # type: ignore[arg-type]


class World:
    """A resolver and a listener that say what a test says, by name."""

    def __init__(self, *settings: str, listeners: tuple[Endpoint, ...] = (Endpoint("0.0.0.0", 53),)) -> None:
        self.stream = io.StringIO()
        logs.configure("info", "json", self.stream)
        self.resolved: dict[str, Security] = {}
        self.answers: dict[str, Message | Exception] = {}
        self.asked: list[Endpoint] = []
        self.settings = settings
        self.keeper = ProbeKeeper(self.config(), self.resolve, lambda: listeners, logs.logger(), self.query)

    def config(self, *more: str):  # type: ignore[no-untyped-def]
        return load(None, (SECURE, BOGUS, *self.settings, *more))

    async def resolve(self, question: Question) -> Resolution:
        bad = question.name == name_from_text("bad.example")
        usual = Security.BOGUS if bad else Security.SECURE
        security = self.resolved.get(question.name[1:5].decode().strip("\x07"), usual)
        return said(security, 2 if security is Security.BOGUS else 0)

    async def query(self, listener: Endpoint, question: Question) -> Message:
        self.asked.append(listener)
        bad = question.name == name_from_text("bad.example")
        usual = message(2, errors=(7,)) if bad else message(ad=True)
        answer = self.answers.get(question.name[1:5].decode().strip("\x07"), usual)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def rounds(self, count: int = 1) -> str:
        for _ in range(count):
            asyncio.run(self.keeper.round())
        return self.keeper.finding

    def told(self) -> dict[tuple[str, str], object]:
        return {(p["name"], p["via"]): p["ok"] for p in self.keeper.document()["probes"]}


def test_all_well() -> None:
    here = World()
    assert here.told() == {
        (n, v): None for n in ("good.example", "fine.example", "bad.example") for v in ("resolver", "service")
    }
    assert here.rounds(3) == ""
    assert all(here.told().values())
    assert len(here.told()) == 6
    assert set(here.asked) == {Endpoint("127.0.0.1", 53)}
    assert (here.keeper.asked, here.keeper.servfails) == (9, 3)
    samples = here.keeper.metrics()["probe_success"]
    assert len(list(samples)) == 6
    assert all(value == 1.0 for _, value in samples)
    assert [json.loads(line)["event"] for line in here.stream.getvalue().splitlines()] == ["probe"] * 6, "changes only"


def test_one_zone_s_failure_is_not_ours() -> None:
    here = World()
    here.resolved["good"] = Security.BOGUS
    here.answers["good"] = message(2, errors=(9,))
    assert here.rounds(5) == ""
    assert here.told()["good.example", "service"] is False


def test_no_signed_name_at_all() -> None:
    here = World()
    here.answers |= {"good": message(2, errors=(22,)), "fine": message()}
    assert here.rounds() == "", "once is chance"
    finding = here.rounds()
    assert "no signed name resolves via service" in finding
    here.answers.clear()
    assert here.rounds() == ""


def test_a_bogus_name_that_is_answered_means_that_nobody_validates() -> None:
    here = World()
    here.answers["bad"] = message()
    assert "bad.example must not validate, and is answered" in here.rounds(2)
    assert World("probe.readiness=false").rounds(2) == ""
    off = World("probe.readiness=false")
    off.answers["bad"] = message()
    assert off.rounds(2) == ""
    assert off.told()["bad.example", "service"] is False


def test_a_bogus_name_that_nobody_answers_proves_nothing_but_does_not_stop_us() -> None:
    here = World()
    here.answers["bad"] = message(2, errors=(22,))
    assert here.rounds(3) == ""
    assert here.told()["bad.example", "service"] is False


def test_our_own_address_is_not_served() -> None:
    here = World()
    here.answers = {name: message(5, errors=(18,)) for name in ("good", "fine", "bad")}
    assert here.rounds(3) == ""
    assert here.told()["good.example", "service"] is None
    assert len(list(here.keeper.metrics()["probe_success"])) == 3
    assert any("access.allow" in p["what"] for p in here.keeper.document()["probes"])


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionRefusedError(111, "refused"), RuntimeError("a bug")])
def test_errors_are_failures(error: Exception) -> None:
    here = World()
    here.answers = {"good": error, "fine": error}
    assert "no signed name resolves via service" in here.rounds(2)


def test_reload_keeps_what_is_known_of_names_that_stay() -> None:
    here = World()
    here.rounds()
    here.keeper.configure(load(None, ('probe.secure=["good.example", "new.example"]',)))
    assert here.told() == {
        ("good.example", "resolver"): True,
        ("good.example", "service"): True,
        ("new.example", "resolver"): None,
        ("new.example", "service"): None,
    }
    here.keeper.configure(load(None, ()))
    assert here.rounds(3) == ""
    assert here.keeper.document()["probes"] == []


def test_without_a_listener_only_the_resolver_is_asked() -> None:
    here = World(listeners=())
    here.rounds()
    assert {via for _, via in here.told()} == {"resolver"}
    assert not here.asked


def test_a_listener_is_asked_as_a_client_would() -> None:
    async def main() -> tuple[Message, bytes]:
        seen: list[bytes] = []

        class Listener(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                seen.append(data)
                self.transport.sendto(b"junk", addr)  # type: ignore[attr-defined]
                self.transport.sendto(bytes((data[0] ^ 1,)) + data[1:2] + b"\x80\0" + data[4:], addr)  # type: ignore[attr-defined]
                self.transport.sendto(data[:2] + b"\x81\xa0" + data[4:], addr)  # type: ignore[attr-defined]

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Listener, local_addr=("127.0.0.1", 0))
        try:
            endpoint = Endpoint("127.0.0.1", transport.get_extra_info("sockname")[1])
            return await ask_service(endpoint, Question(name_from_text("good.example"), t.A)), seen[0]
        finally:
            transport.close()

    answer, query = asyncio.run(main())
    assert answer.flags & t.AD
    assert query[2] & 1, "RD"
    assert query[-4:-2] == b"\x80\0" or b"\0\0)\x04\xd0\0\0\x80\0" in query, "DO"
