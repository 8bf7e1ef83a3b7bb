"""RFC 9567: the name of a report, who gets one, how often; and that what an option says is checked."""

import pytest

from resolver.cache.channels import MAX_CHANNELS, ReportChannels, agent_domain
from resolver.resolution import Resolution
from resolver.resolve.reports import BURST, MAX_TOLD, REPEAT_S, Reports, report_name
from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Kind, Question, Security, Step, Verdict
from wire import types as t
from wire.name import Name
from wire.text import name_from_text as n
from wire.text import name_to_text

AGENT = n("a01.agent-domain.example")
ZONE = n("broken.test")


def failure(
    name: str = "broken.test",
    *,
    errors: tuple[int, ...] = (7,),
    at: Name | None = None,
    zone: Name = ZONE,
    rcode: int = t.SERVFAIL,
    reason: Reason = Reason.SIGNATURE_EXPIRED,
) -> Resolution:
    """What the client is told of a bogus A RRset."""
    question = Question(n(name), t.A)
    step = Step(n(name), t.A, Kind.ANSWER, [], [], zone, None)
    validated = Validated(Verdict(Security.BOGUS, reason, at or n(name)))
    codes = [(code, "") for code in errors]
    return Resolution(question, rcode, [], [], Security.BOGUS, codes, 0.0, reason=reason, steps=[(step, validated)])


def unreachable(name: str = "www.broken.test", *, steps: list[tuple[Step, Validated | None]] | None = None) -> Resolution:
    question = Question(n(name), t.AAAA)
    return Resolution(
        question, t.SERVFAIL, [], [], Security.INDETERMINATE, [(22, "")], 0.0, reason=Reason.NO_AUTHORITY, steps=steps
    )


@pytest.fixture
def channels() -> ReportChannels:
    channels = ReportChannels()
    channels.learn(ZONE, AGENT)
    return channels


def due(reports: Reports, resolution: Resolution, channels: ReportChannels, mono: float = 0.0) -> str | None:
    question = reports.due(resolution, channels, lambda _name: ZONE, mono)
    assert question is None or question.rtype == t.TXT
    return None if question is None else name_to_text(question.name)


# --- names -----------------------------------------------------------------------------------------------------------


def test_the_example_of_the_rfc() -> None:
    """RFC 9567 §4.1."""
    name = report_name(n("broken.test"), t.A, 7, AGENT)
    assert name == n("_er.1.broken.test.7._er.a01.agent-domain.example")


def test_a_name_that_would_be_too_long() -> None:
    agent = n("agent.example")
    label = "x" * 49
    qname = n(".".join([label] * 4))
    longest = next(length for length in range(1, 64) if report_name(n(f"{'y' * length}.") + b"", t.A, 7, qname) is None)
    assert report_name(n("y" * (longest - 1)), t.A, 7, qname) is not None
    assert len(report_name(n("y" * (longest - 1)), t.A, 7, qname) or b"") == 255
    assert report_name(n(".".join(["x" * 60] * 4)), t.A, 7, agent) is None


# --- the option ------------------------------------------------------------------------------------------------------


def test_agent_domains() -> None:
    assert agent_domain(n("Agent.Example").upper()) == n("agent.example")
    for bad in (b"", b"\0", b"\x05agent", b"\x05agent\0\0", b"\x40" + bytes(64) + b"\0", b"\xc0\x0c", b"\x05age"):
        assert agent_domain(bad) is None
    assert agent_domain((b"\x3f" + b"x" * 63) * 4 + b"\0") is None


def test_channels_follow_what_servers_say_and_are_bounded() -> None:
    channels = ReportChannels()
    channels.learn(ZONE, AGENT)
    assert channels.get(ZONE) == AGENT
    channels.learn(ZONE, None)
    assert channels.get(ZONE) is None
    for number in range(MAX_CHANNELS + 10):
        channels.learn(n(f"z{number}.test"), AGENT)
    assert len(channels) <= MAX_CHANNELS
    assert channels.get(n(f"z{MAX_CHANNELS + 9}.test")) == AGENT


# --- what is reported ------------------------------------------------------------------------------------------------


def test_a_bogus_answer_is_reported_with_its_most_specific_code(channels: ReportChannels) -> None:
    reports = Reports()
    assert due(reports, failure(errors=(25, 6)), channels) == "_er.1.broken.test.25._er.a01.agent-domain.example"
    assert reports.counts["sent"] == 1


def test_a_broken_chain_is_told_to_the_zone_that_it_leads_to(channels: ReportChannels) -> None:
    channels.learn(n("child.broken.test"), n("other.example"))
    resolution = failure("www.child.broken.test", at=n("child.broken.test"), zone=n("child.broken.test"))
    assert due(Reports(), resolution, channels) == "_er.1.www.child.broken.test.7._er.other.example"


def test_what_nobody_answered_is_told_to_the_closest_zone(channels: ReportChannels) -> None:
    assert due(Reports(), unreachable(), channels) == "_er.28.www.broken.test.22._er.a01.agent-domain.example"


def test_an_alias_that_leads_into_a_failure_is_reported_under_the_target(channels: ReportChannels) -> None:
    alias = Step(n("a.fine.test"), t.AAAA, Kind.CNAME, [], [], n("fine.test"), None, n("www.broken.test"))
    fine = Validated(Verdict(Security.SECURE, Reason.VALID, n("fine.test")))
    resolution = unreachable("a.fine.test", steps=[(alias, fine)])
    assert due(Reports(), resolution, channels) == "_er.28.www.broken.test.22._er.a01.agent-domain.example"


@pytest.mark.parametrize(
    "resolution",
    [
        failure("www.other.test", zone=n("other.test")),
        failure("_er.1.broken.test.7._er.broken.test"),
        failure(errors=()),
        failure(errors=(7, 13)),
        failure(errors=(0,), reason=Reason.LIMIT),
        failure(rcode=t.NOERROR),
    ],
    ids=["a zone without a channel", "a report", "no code", "from a cache", "our own limit", "no failure"],
)
def test_what_is_not_reported(channels: ReportChannels, resolution: Resolution) -> None:
    reports = Reports()
    assert due(reports, resolution, channels) is None
    assert reports.counts["sent"] == 0


# --- how often -------------------------------------------------------------------------------------------------------


def test_once_a_failure_and_hour(channels: ReportChannels) -> None:
    reports = Reports()
    assert due(reports, failure(), channels, 0.0)
    assert due(reports, failure(), channels, REPEAT_S - 1) is None
    assert due(reports, failure(errors=(8,)), channels, REPEAT_S - 1)
    assert due(reports, failure(), channels, REPEAT_S)
    assert reports.counts == {"sent": 3, "repeated": 1, "over-rate": 0, "too-long": 0}


def test_the_rate_is_bounded(channels: ReportChannels) -> None:
    reports = Reports()
    sent = [due(reports, failure(f"n{number}.broken.test"), channels, 5.0) for number in range(100)]
    assert sum(name is not None for name in sent) == BURST
    assert reports.counts["over-rate"] == 100 - BURST
    # What was left out is not taken for told.
    assert due(reports, failure("n99.broken.test"), channels, 6.0)
    assert due(reports, failure("n98.broken.test"), channels, 6.0) is None


def test_what_is_remembered_is_bounded(channels: ReportChannels) -> None:
    reports = Reports()
    for number in range(MAX_TOLD + 100):
        assert due(reports, failure(f"n{number}.broken.test"), channels, float(number))
    assert len(reports._told) <= MAX_TOLD
