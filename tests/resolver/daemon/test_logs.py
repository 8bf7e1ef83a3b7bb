"""What is logged, and how often: new validation failures at once, known ones summed up (guideline 2-9)."""

import io
import json

import pytest

from resolver.daemon import logs, observer
from resolver.daemon.observer import REPEAT, LogObserver
from tests.resolver.server.queries import as_read, make_query, resolution
from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Address, Kind, Security, Step, Transport, Verdict
from wire.text import name_from_text


@pytest.fixture
def log():
    """A function that returns the lines logged since it was last called."""
    stream = io.StringIO()
    logs.configure("info", "json", stream)

    def lines():
        found = [json.loads(line) for line in stream.getvalue().splitlines()]
        stream.seek(0)
        stream.truncate()
        return found

    return lines


class Clock:
    def __init__(self):
        self.now = 5000.0

    def __call__(self):
        return self.now


def failure(name="www.example.jp", at="www.example.jp", reason=Reason.SIGNATURE_EXPIRED):
    """A resolution whose one step is bogus."""
    found = resolution(
        "", question=(name, 1), rcode=2, security=Security.BOGUS, errors=[(7, f"signature of {at} by key 1 expired")]
    )
    found.reason = reason
    zone, owner = name_from_text("example.jp"), name_from_text(at)
    step = Step(owner, 1, Kind.ANSWER, [], [], zone, Address("192.0.2.53", 53))
    verdict = Verdict(Security.BOGUS, reason, owner, "expired")
    validated = Validated.__new__(Validated)
    object.__setattr__(validated, "verdict", verdict)
    found.steps = [(step, validated)]
    return found


def test_a_new_failure_is_one_line_with_all_that_matters(log):
    observer = LogObserver(logs.logger(), validation_failures=True)
    observer.failed(failure())
    (line,) = log()
    assert list(line)[:3] == ["time", "level", "event"]
    assert {
        key: line[key] for key in ("event", "level", "name", "type", "at", "zone", "reason", "ede", "server", "text")
    } == {
        "event": "validation-failure",
        "level": "warning",
        "name": "www.example.jp",
        "type": "A",
        "at": "www.example.jp",
        "zone": "example.jp",
        "reason": "signature-expired",
        "ede": [7],
        "server": "192.0.2.53",
        "text": "signature of www.example.jp by key 1 expired",
    }


def test_repeats_are_summed_up(log):
    clock = Clock()
    observer = LogObserver(logs.logger(), validation_failures=True, monotonic=clock)
    observer.failed(failure())
    assert len(log()) == 1
    for _ in range(50):
        clock.now += REPEAT / 100
        observer.failed(failure(name="other.example.jp"))
    assert not log(), "the same record is broken, whatever was asked"
    observer.failed(failure(reason=Reason.RRSIG_MISSING))
    observer.failed(failure(at="mail.example.jp"))
    assert len(log()) == 2, "another reason, another record"
    clock.now += REPEAT
    observer.failed(failure())
    (line,) = log()
    assert line["repeated"] == 50


def test_memory_of_failures_is_bounded(log, monkeypatch):
    monkeypatch.setattr(observer, "REMEMBERED", 10)
    watcher = LogObserver(logs.logger(), validation_failures=True)
    for number in range(100):
        watcher.failed(failure(at=f"{number}.example.jp"))
        assert len(watcher._known) <= 10
    assert len(log()) == 100


def test_switched_off(log):
    LogObserver(logs.logger(), validation_failures=False).failed(failure())
    assert not log()


def test_a_failure_without_steps_is_about_the_question(log):
    found = failure()
    found.steps = []
    LogObserver(logs.logger(), validation_failures=True).failed(found)
    (line,) = log()
    assert line["at"] == "www.example.jp"
    assert "server" not in line


def test_queries(log):
    watcher = LogObserver(logs.logger(), validation_failures=True)
    watcher.answered(as_read(make_query()), "192.0.2.1", Transport.TCP, 0, resolution(errors=[(3, "stale")]), 0.0123)
    (line,) = log()
    assert {key: line[key] for key in line if key not in ("time", "level")} == {
        "event": "query",
        "client": "192.0.2.1",
        "transport": "tcp",
        "name": "www.example.jp",
        "type": "A",
        "rcode": "NOERROR",
        "security": "secure",
        "ede": [3],
        "milliseconds": 12.3,
    }


def test_levels(log):
    logs.logger().debug("hidden")
    logs.logger(worker=3).error("seen", why="because")
    (line,) = log()
    assert (line["event"], line["worker"], line["why"]) == ("seen", 3, "because")


@pytest.mark.parametrize("form", ["text", "json"])
def test_exceptions_keep_their_traceback(form):
    stream = io.StringIO()
    logs.configure("info", form, stream)
    try:
        raise RuntimeError("a bug")
    except RuntimeError as error:
        logs.logger().error("internal-error", where="here", exc_info=error)
    text = stream.getvalue()
    assert "RuntimeError: a bug" in text
    assert "Traceback" in text
    assert "\x1b[" not in text, "no colour outside a terminal"
