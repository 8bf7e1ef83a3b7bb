"""Whether servers agree, in words; the running resolver beside the fresh look."""

import pytest

from resolver.explain.evidence import Daemon, Evidence, Look, ServerSaid, Survey
from resolver.explain.servers import daemon_fails, daemon_of, digest_of, survey_of
from resolver.explain.texts import Words
from resolver.resolution import Resolution
from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Address, Kind, Question, Security, Step, Verdict
from wire import types as t
from wire.rrset import RRset
from wire.text import name_from_text, rrsets_from_text

ZONE = name_from_text("example.jp.")
NAME = name_from_text("www.example.jp.")
QUESTION = Question(NAME, t.A)
WORDS = Words()


def a(address: str = "192.0.2.1") -> RRset:
    return rrsets_from_text(f"www.example.jp. 300 IN A {address}")[0]


def said(
    ip: str, data: str = "192.0.2.1", security: Security = Security.SECURE, serial: int = 7, what: str = ""
) -> ServerSaid:
    if what:
        return ServerSaid(Address(ip, 53), ZONE, what)
    step = Step(NAME, t.A, Kind.ANSWER, [a(data)], [], ZONE, Address(ip, 53))
    reason = Reason.SIGNATURE_EXPIRED if security is Security.BOGUS else Reason.VALID
    validated = Validated(Verdict(security, reason, NAME, ""))
    return ServerSaid(Address(ip, 53), ZONE, "", t.NOERROR, ((step, validated),), security, "", None, 0.01, "udp", serial)


def told(*servers: ServerSaid, left_out: int = 0) -> tuple[bool, str]:
    made = survey_of(Survey(ZONE, QUESTION, servers, left_out), None, WORDS)
    return made["agree"], made["sentence"]


def test_all_the_same():
    assert told(said("192.0.2.53"), said("192.0.2.54")) == (True, "All 2 servers that answered say the same.")
    assert told(said("192.0.2.53")) == (True, "The one server of the zone answered.")


def test_they_disagree():
    agree, sentence = told(said("192.0.2.53"), said("192.0.2.54", security=Security.BOGUS))
    assert not agree and "1 do not (192.0.2.54)" in sentence
    agree, sentence = told(said("192.0.2.53"), said("192.0.2.54", data="192.0.2.2"))
    assert not agree and "2 different answers" in sentence
    agree, sentence = told(said("192.0.2.53"), said("192.0.2.54", serial=8))
    assert not agree and "serials 7, 8" in sentence


def test_silence():
    agree, sentence = told(said("192.0.2.53"), said("192.0.2.54", what="timed out"))
    assert not agree and "1 of 2 gave no usable answer (192.0.2.54)" in sentence
    assert told(said("192.0.2.54", what="timed out")) == (False, "None of the servers gave a usable answer.")


def test_agreeing_on_what_does_not_validate():
    agree, sentence = told(*(said(f"192.0.2.{n}", security=Security.BOGUS) for n in (53, 54)))
    assert agree and sentence.endswith("None of their answers validates.")


def test_those_left_out_are_counted():
    assert told(said("192.0.2.53"), left_out=3)[1].endswith("3 more were not asked.")


def test_a_digest_is_of_the_data_alone():
    def step(rrset: RRset, kind: Kind = Kind.ANSWER) -> Step:
        return Step(NAME, t.A, kind, [rrset], [], ZONE, None)

    two = RRset(NAME, t.A, 300, [b"\1\2\3\4", b"\4\3\2\1"])
    turned = RRset(NAME, t.A, 60, [b"\4\3\2\1", b"\1\2\3\4"], sigs=[b"x"])
    assert digest_of([step(two)]) == digest_of([step(turned)])
    assert digest_of([step(two)]) != digest_of([step(a())])
    nothing = Step(NAME, t.A, Kind.NODATA, [], [], ZONE, None)
    assert digest_of([nothing]) != digest_of([Step(NAME, t.A, Kind.NXDOMAIN, [], [], ZONE, None)])


# --- the running resolver ------------------------------------------------------------------------------------------


def evidence(look: Look | None, rcode: int = t.NOERROR, security: Security = Security.SECURE) -> Evidence:
    resolution = Resolution(QUESTION, rcode, [(a(), 1.0)], [], security, [], 1.0)
    address = None if look is None else Address("127.0.0.1", 53)
    return Evidence(resolution, 0.0, daemon=Daemon(address, look))


@pytest.mark.parametrize(
    "look, rcode, security, part",
    [
        (None, t.NOERROR, Security.SECURE, "No running resolver was asked"),
        (Look("timed out"), t.NOERROR, Security.SECURE, "No running resolver answered at 127.0.0.1 port 53 (timed out)"),
        (Look("", t.NOERROR, True, answer=(a(),)), t.NOERROR, Security.SECURE, "answers the same"),
        (Look("", t.SERVFAIL), t.NOERROR, Security.SECURE, "fails where the fresh look succeeds"),
        (Look("", t.NOERROR, True, answer=(a(),)), t.SERVFAIL, Security.BOGUS, "still answers"),
        (Look("", t.NOERROR, False, ((33, ""),), (a(),)), t.SERVFAIL, Security.BOGUS, "negative trust anchor"),
        (Look("", t.SERVFAIL), t.SERVFAIL, Security.BOGUS, "both fail"),
        (Look("", t.NOERROR, False, answer=(a(),)), t.NOERROR, Security.SECURE, "whether the answer is secure"),
        (Look("", t.NOERROR, True, answer=(a("192.0.2.9"),)), t.NOERROR, Security.SECURE, "other data"),
        (Look("", t.NXDOMAIN, True), t.NOERROR, Security.SECURE, "answers NXDOMAIN, the fresh look NOERROR"),
    ],
)
def test_the_running_resolver(look, rcode, security, part):
    made = evidence(look, rcode, security)
    document = daemon_of(made, WORDS)
    assert part in document["sentence"]
    assert document["agrees"] is ("the same" in part or part == "both fail")
    assert daemon_fails(made) is ("fails where" in part)
