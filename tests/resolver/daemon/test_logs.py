"""What is logged, and how often: new validation failures at once, known ones summed up (guideline 2-9)."""

import io
import json

import pytest

from resolver.daemon import logs, observer
from resolver.daemon.observer import REPEAT, LogObserver, facts_of
from resolver.watch.impact import FailingZones
from tests.resolver.house import House
from tests.resolver.server.queries import as_read, make_query, resolution
from tests.trust.zones import SignedZone, corrupt
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
    validated = Validated(verdict)
    found.steps = [(step, validated)]
    return found


CLIENT = "192.0.2.1"


def test_a_new_failure_is_one_line_with_all_that_matters(log):
    observer = LogObserver(logs.logger(), validation_failures=True)
    observer.failed(failure(), CLIENT)
    (line,) = log()
    assert list(line)[:3] == ["time", "level", "event"]
    assert {key: line[key] for key in line if key != "time"} == {
        "event": "validation-failure",
        "level": "warning",
        "name": "www.example.jp",
        "type": "A",
        "at": "www.example.jp",
        "zone": "example.jp",
        "reason": "signature-expired",
        "servers": ["192.0.2.53"],
        "ede": [7],
        "text": "signature of www.example.jp by key 1 expired",
    }


def test_record_and_key_are_named_of_data_and_of_keys():
    house = House(*signed_zones())
    facts = facts_of(house.ask("www.example.jp"))
    assert (facts["record"], facts["servers"], facts["zone"]) == ("www.example.jp/A", ["192.0.2.3"], "example.jp")
    assert facts["key_tag"] == house.zones[name_from_text("example.jp")].zsk.tag
    facts = facts_of(house.ask("www.broken.jp"))
    assert (facts["record"], facts["zone"], facts["at"]) == ("broken.jp/DNSKEY", "broken.jp", "broken.jp")
    assert facts["servers"] == ["192.0.2.4"]
    assert facts["key_tag"] == house.zones[name_from_text("broken.jp")].ksk.tag


def signed_zones():
    """root → jp → example.jp (a spoilt signature), broken.jp (spoilt signatures of its keys)."""
    root, jp = SignedZone(".", server="192.0.2.1"), SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", "www 300 A 192.0.2.80\n", server="192.0.2.3")
    broken = SignedZone("broken.jp", "www 300 A 192.0.2.80\n", server="192.0.2.4")
    root.delegate(jp)
    jp.delegate(example)
    jp.delegate(broken)
    for zone in (root, jp, example, broken):
        zone.sign()
    for rrset in (example.get("www.example.jp", "A"), broken.get("broken.jp", "DNSKEY")):
        rrset.sigs = [corrupt(sig) for sig in rrset.sigs]
    return root, jp, example, broken


def test_repeats_are_summed_up_with_their_clients(log):
    clock = Clock()
    observer = LogObserver(logs.logger(), validation_failures=True, monotonic=clock)
    again = observer.failed(failure(), CLIENT)
    assert len(log()) == 1
    for number in range(50):
        clock.now += REPEAT / 100
        observer.failed(failure(name="other.example.jp"), f"192.0.2.{number % 5}")
        again(f"192.0.2.{number % 5}")  # the response was remembered
        observer.sweep()
    assert not log(), "the same record is broken, whatever was asked"
    observer.failed(failure(reason=Reason.RRSIG_MISSING), CLIENT)
    observer.failed(failure(at="mail.example.jp"), CLIENT)
    assert len(log()) == 2, "another reason, another record"
    clock.now += REPEAT / 2
    observer.sweep()
    (line,) = log()
    assert {key: line[key] for key in line if key not in ("time", "level")} == {
        "event": "validation-failure-repeated",
        "at": "www.example.jp",
        "zone": "example.jp",
        "reason": "signature-expired",
        "times": 100,
        "clients": 5,
        "seconds": REPEAT,
    }


def test_what_is_not_met_again_is_forgotten_without_a_word(log):
    clock = Clock()
    observer = LogObserver(logs.logger(), validation_failures=True, monotonic=clock)
    observer.failed(failure(), CLIENT)
    log()
    clock.now += REPEAT
    observer.sweep()
    assert not log()
    observer.failed(failure(), CLIENT)
    assert [line["event"] for line in log()] == ["validation-failure"], "it is new again"


def test_memory_of_failures_is_bounded(log, monkeypatch):
    monkeypatch.setattr(observer, "REMEMBERED", 10)
    watcher = LogObserver(logs.logger(), validation_failures=True)
    for number in range(100):
        watcher.failed(failure(at=f"{number}.example.jp"), CLIENT)
        assert len(watcher._known) <= 10
    assert len(log()) == 100


def test_what_gives_way_is_summed_up_first(log, monkeypatch):
    monkeypatch.setattr(observer, "REMEMBERED", 1)
    watcher = LogObserver(logs.logger(), validation_failures=True)
    for _ in range(3):
        watcher.failed(failure(), CLIENT)
    watcher.failed(failure(at="mail.example.jp"), CLIENT)
    first, summary, second = log()
    assert (first["at"], summary["times"], summary["clients"], second["at"]) == ("www.example.jp", 2, 1, "mail.example.jp")


def test_no_line_names_a_client(log):
    watcher = LogObserver(logs.logger(), validation_failures=True, zones=FailingZones())
    for number in range(20):
        watcher.failed(failure(at=f"{number % 3}.example.jp"), "203.0.113.99")
    watcher.sweep()
    assert "203.0.113.99" not in json.dumps(log())


def test_switched_off(log):
    watcher = LogObserver(logs.logger(), validation_failures=False)
    assert watcher.failed(failure(), CLIENT) is None, "the packet cache may have it"
    assert not log()
    assert LogObserver(logs.logger(), validation_failures=False, zones=FailingZones()).failed(failure(), CLIENT) is not None


def test_a_failure_without_steps_is_about_the_question(log):
    found = failure()
    found.steps = []
    LogObserver(logs.logger(), validation_failures=True).failed(found, CLIENT)
    (line,) = log()
    assert line["at"] == "www.example.jp"
    assert "servers" not in line


def test_servfail_for_other_reasons_is_counted_and_not_logged(log):
    zones = FailingZones()
    watcher = LogObserver(
        logs.logger(), validation_failures=True, zones=zones, closest=lambda name: name_from_text("example.jp")
    )
    found = resolution("", question=("www.example.jp", 1), rcode=2, security=Security.INDETERMINATE, errors=[(22, "x")])
    found.reason = Reason.NO_AUTHORITY
    again = watcher.failed(found, CLIENT)
    again("192.0.2.2")
    assert not log()
    counted = zones.drain()[name_from_text("example.jp").hex()]
    assert counted[:2] == [2, 0]
    assert counted[4:6] == [Reason.NO_AUTHORITY.label, "x"]


def test_validation_failures_are_laid_to_the_broken_zone(log):
    zones = FailingZones()
    watcher = LogObserver(logs.logger(), validation_failures=True, zones=zones)
    house = House(*signed_zones())
    watcher.failed(house.ask("www.broken.jp"), CLIENT)
    watcher.failed(house.ask("www.example.jp"), CLIENT)
    assert {bytes.fromhex(zone): counts[1] for zone, counts in zones.drain().items()} == {
        name_from_text("broken.jp"): 1,
        name_from_text("example.jp"): 1,
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_both_forms_have_one_line_a_failure(form):
    stream = io.StringIO()
    logs.configure("info", form, stream)
    LogObserver(logs.logger(), validation_failures=True).failed(failure(), CLIENT)
    (line,) = stream.getvalue().splitlines()
    assert "validation-failure" in line
    assert "www.example.jp" in line
    assert "192.0.2.53" in line


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
