"""Failing responses are remembered apart from the packet cache, and every repetition is told (guideline 2-16)."""

import dns.edns
import dns.message
import dns.rcode

from resolver.server import clock
from resolver.server.access import AccessList
from resolver.server.failing import FailingResponses
from resolver.server.service import Service
from tests.resolver.server.queries import make_query, resolution
from tests.resolver.server.world import FakeDriver, Silent, make_service
from trust.reason import Reason
from trust.vocabulary import Question, Security, Transport
from wire import types as t
from wire.text import name_to_text


class Telling(Silent):
    """Wants to be told of repetitions."""

    def __init__(self) -> None:
        super().__init__()
        self.clients: list[str] = []

    def failed(self, found, client):  # type: ignore[no-untyped-def]
        """A failure was told to a client."""
        super().failed(found, client)
        self.clients.append(client)
        return self.clients.append


def servfail(question: Question):  # type: ignore[no-untyped-def]
    made = resolution(
        "", question=(name_to_text(question.name), question.rtype), rcode=t.SERVFAIL, security=Security.BOGUS,
        errors=[(7, "expired")],
    )  # fmt: skip
    made.reason = Reason.SIGNATURE_EXPIRED
    made.expires_mono = clock.monotonic() + 60
    return made


class Stage:
    """A service whose every answer fails, asked as the UDP listener asks."""

    def __init__(self, **options) -> None:  # type: ignore[no-untyped-def]
        self.observer = Telling()
        self.driver = FakeDriver(servfail)
        self.service: Service = make_service(self.driver, observer=self.observer, **options)

    def ask(self, query: dns.message.Message, client: str = "127.0.0.1", **options) -> dns.message.Message:  # type: ignore[no-untyped-def]
        wire = query.to_wire()
        got: list[bytes] = []
        self.service.take(wire, client, Transport.UDP, got.append, **({"key": wire[2:]} | options))
        return dns.message.from_wire(got[0])


def test_who_asks_again_gets_the_same_and_is_told() -> None:
    here = Stage()
    for number in range(1, 5):
        query = make_query(edns=True)
        response = here.ask(query, f"127.0.0.{number}")
        assert (response.id, response.rcode()) == (query.id, dns.rcode.SERVFAIL)
        codes = [int(option.code) for option in response.options]
        assert codes == ([7] if number == 1 else [7, 13])
    assert len(here.driver.asked) == 1
    assert here.observer.clients == [f"127.0.0.{number}" for number in range(1, 5)]
    assert here.service.counters.packet_hits == 3
    assert here.service.counters.responses[t.SERVFAIL] == 4
    assert len(here.service.packets or ()) == 0
    assert here.service.unanswered == 0


def test_other_questions_and_other_forms_are_apart() -> None:
    here = Stage()
    here.ask(make_query(edns=True))
    here.ask(make_query(edns=False))
    here.ask(make_query("other.example.jp", edns=True))
    assert len(here.driver.asked) == 3


def test_strangers_get_nothing_of_it() -> None:
    here = Stage(allow=AccessList(()))
    assert here.ask(make_query(edns=True)).rcode() == dns.rcode.REFUSED
    assert here.observer.clients == []


def test_what_is_forgotten_is_resolved_anew() -> None:
    here = Stage()
    here.ask(make_query())
    here.service.failing.clear()
    here.ask(make_query())
    assert len(here.driver.asked) == 2


def test_queries_without_a_key_are_resolved_each_time() -> None:
    here = Stage()
    for _ in range(2):
        here.ask(make_query(), key=None)
    assert len(here.driver.asked) == 2
    assert len(here.observer.clients) == 2


def test_the_table_holds_as_long_and_as_much_as_it_may() -> None:
    table = FailingResponses(3)
    for number in range(5):
        table.put(bytes([number]), b"IDbody", 1, 2, 10.0, lambda client: None)
    assert len(table) == 3
    assert table.get(b"\0", 0.0) is None
    found = table.get(b"\4", 9.9)
    assert found is not None
    assert (found.body, found.cell, found.about) == (b"body", 1, 2)
    assert table.get(b"\4", 10.0) is None
    table.put(b"\2", b"IDnew", 1, 2, 20.0, lambda client: None)
    assert len(table) == 3
