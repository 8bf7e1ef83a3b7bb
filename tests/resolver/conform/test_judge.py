"""Facts → findings → level. Each way to fall from a level, with its sentence."""

import re
from dataclasses import replace
from string import Formatter

import pytest

from resolver.conform.facts import Attestation, Clock, Explained, Facts, Learning, Probe, RootKeys, Settings
from resolver.conform.fleet import Answer, Observed, report
from resolver.conform.items import ITEMS
from resolver.conform.judge import Met, judge, level
from resolver.conform.words import LANGUAGES, SENTENCES, document

AD = Answer("NOERROR", authentic=True, udp_size=1232, nsid="tokyo-1")
FAILED = Answer("SERVFAIL", ede=(7,), udp_size=1232, nsid="tokyo-1")
PLAIN = Answer("NOERROR", udp_size=1232, nsid="tokyo-1")
ATTESTED = {item: Attestation(f"agreed, see chapter {item}", "2026-11-01", False) for item in ("2-16", "2-20", "2-22")}
GOOD_FLEET = (Observed("192.0.2.53", {"good.example.": AD}, {"bad.example.": (FAILED, PLAIN)}, {".": (20326, 38696)}, {}),)


def facts(**changes):
    """A daemon that has reached level 3, but for `changes`."""
    good = Facts(
        settings=Settings(
            version="1.0",
            edns_buffer=1232,
            max_udp_size=1232,
            log_failures=True,
            log_level="info",
            metrics="127.0.0.1:9153",
            require_approval=True,
            max_lifetime="7d",
            resolvers=("192.0.2.53",),
            attested=ATTESTED,
        ),
        fleet=report(GOOD_FLEET),
        clock=Clock(0.002, 1.0, 2, 2, True, 12.0),
        probes=(Probe("secure", "good.example.", "service", True, ""), Probe("bogus", "bad.example.", "service", True, "")),
        root=RootKeys((20326, 38696), (), (20326, 38696), True, "", True, True, "2026-11-22T00:00:00Z"),
        learning=Learning(0.01, 0.04, 0.03, False, 3000, 1440),
        explained=Explained("good.example.", 4, "", 3),
        responses={"NOERROR": 10, "SERVFAIL": 1},
        validations={"secure": 8, "bogus": 1},
        scraped=12.0,
        failing_zones=1,
        ntas=0,
    )
    return replace(good, **changes)


def settings(**changes):
    return replace(facts().settings, **changes)


def found(given):
    """Level, and the items that are missed with their English evidence."""
    findings = judge(given)
    told = document(findings, "en")
    missed = {item["item"]: " | ".join(item["evidence"]) for item in told["items"] if item["met"] == "missed"}
    assert told["level"] == level(findings)
    return told["level"], missed


def test_all_is_well():
    assert found(facts()) == (3, {})


def test_every_item_is_judged_in_order():
    assert [finding.item for finding in judge(facts())] == list(ITEMS)
    assert [item.number for item in ITEMS] == [f"2-{n}" for n in range(1, 23)]


def test_levels_are_made_of_what_the_guideline_says():
    musts = {item.number for item in ITEMS if item.strength.startswith("MUST")}
    assert musts == {"2-1", "2-2", "2-3", "2-4", "2-7", "2-12"}
    assert {item.number for item in ITEMS if item.level == 1} == musts
    assert not [item.number for item in ITEMS if item.strength == "MAY" and item.level is not None]


def fleet(*more, secure=AD, broken=(FAILED, PLAIN)):
    return report([Observed("192.0.2.53", {"good.example.": secure}, {"bad.example.": broken}), *more])


DEAD = Observed("192.0.2.54", {"good.example.": Answer(problem="no answer within 3 s, 2 times")})
LAX = Observed("192.0.2.54", {"good.example.": PLAIN}, {"bad.example.": (PLAIN, PLAIN)})
ROOT = facts().root


@pytest.mark.parametrize(
    ("change", "reached", "items", "sentence"),
    [
        # Level 1: each MUST.
        ({"settings": settings(resolvers=())}, 0, {"2-1", "2-2"}, "conform.resolvers"),
        ({"fleet": fleet(LAX)}, 0, {"2-1", "2-2"}, "192.0.2.54 does not validate"),
        ({"fleet": fleet(DEAD)}, 0, {"2-1", "2-2", "2-17"} - {"2-17"}, "192.0.2.54 does not answer"),
        ({"clock": Clock(3600.0, 1.0, 2, 2, True, 1.0)}, 0, {"2-3"}, "our clock is +3600.000 s off, 1 s are allowed"),
        ({"clock": Clock(-2.5, 1.0, 2, 2, True, 1.0)}, 0, {"2-3"}, "our clock is -2.500 s off"),
        ({"clock": Clock(None, 1.0, 2, 0, True, None)}, 0, {"2-3"}, "none of 2 time servers answers"),
        ({"clock": Clock(None, 1.0, 2, 2, True, None)}, 0, {"2-3"}, "they disagree"),
        ({"clock": Clock(None, 1.0, 0, 0, False, None)}, 0, {"2-3"}, "nobody says whether the clock is right"),
        ({"clock": Clock(None, 1.0, 0, 0, None, None)}, 0, {"2-3", "2-12"}, "the clock is not monitored"),
        ({"fleet": fleet(secure=replace(AD, udp_size=4096))}, 0, {"2-4"}, "4096 octets, above common MTUs"),
        ({"fleet": fleet(secure=replace(AD, udp_size=None))}, 0, {"2-4"}, "answers without EDNS"),
        ({"root": replace(ROOT, trusted=())}, 0, {"2-7"}, "no usable trust anchor"),
        ({"root": replace(ROOT, live=None, problem="no server")}, 0, {"2-7"}, "could not be had to compare: no server"),
        ({"root": replace(ROOT, trusted=(20326,))}, 0, {"2-7"}, "38696 is missing"),
        ({"root": replace(ROOT, trusted=(19036,), validates=False)}, 0, {"2-7"}, "we trust 19036, but the root signs with"),
        ({"probes": ()}, 0, {"2-12"}, "set probe.secure"),
        ({"probes": (Probe("secure", "good.example.", "service", None, ""),)}, 0, {"2-12"}, "not been probed yet"),
        ({"probes": (Probe("secure", "x.example.", "service", False, "REFUSED"),)}, 0, {"2-12"}, "x.example. fails"),
        # Level 2.
        ({"settings": settings(log_failures=False)}, 1, {"2-9"}, "log.validation-failures is off"),
        ({"settings": settings(log_level="error")}, 1, {"2-9"}, "log.level error leaves them out"),
        ({"settings": settings(metrics="")}, 1, {"2-10", "2-11", "2-13"}, "metrics.listen is off"),
        ({"learning": None}, 1, {"2-13", "2-15"}, "the SERVFAIL ratio is not watched"),
        ({"explained": None}, 1, {"2-18"}, "no name to try it with"),
        ({"explained": Explained("x.", 2, "expired", 0)}, 1, {"2-18"}, "akashi explain x. fails: expired"),
        ({"fleet": fleet(secure=replace(AD, nsid=""), broken=(replace(FAILED, nsid=""), replace(PLAIN, nsid="")))},
         1, {"2-17"}, "tells no NSID"),
        ({"settings": settings(attested={})}, 1, {"2-16", "2-20", "2-22"}, "conform.attest.2-16"),
        # Level 3.
        ({"settings": settings(attested={k: v for k, v in ATTESTED.items() if k != "2-22"})}, 2, {"2-22"},
         "conform.attest.2-22"),
        ({"settings": settings(attested=ATTESTED | {"2-20": Attestation("read", "2024-01-01", True)})}, 2, {"2-20"},
         "attested on 2024-01-01, too long ago"),
    ],
)  # fmt: skip
def test_a_fall(change, reached, items, sentence):
    got, missed = found(facts(**change))
    assert got == reached
    assert set(missed) == items
    assert any(sentence in evidence for evidence in missed.values()), missed


@pytest.mark.parametrize(
    ("change", "item", "sentence"),
    [
        ({"root": replace(ROOT, trusted=(20326,), pending=(38696,))}, "2-7", "38696 is in its hold-down"),
        ({"root": replace(ROOT, builtin=False, following=False)}, "2-8", "nothing keeps it current"),
        ({"settings": settings(edns_buffer=900)}, "2-5", "900, 1232 instead of the default 1232"),
        ({"learning": Learning(None, None, None, False, 12, 1440)}, "2-15", "12 of 1440 minutes"),
        ({"scraped": None}, "2-10", "nobody has collected it"),
        ({"settings": settings(require_approval=False)}, "2-22", "nobody has to approve"),
        ({"clock": Clock(None, 1.0, 0, 0, True, None)}, "2-3", "the kernel says"),
    ],
)
def test_what_is_told_and_keeps_nobody_from_a_level(change, item, sentence):
    told = document(judge(facts(**change)), "en")
    assert told["level"] == 3
    evidence = next(one["evidence"] for one in told["items"] if one["item"] == item)
    assert any(sentence in line for line in evidence), evidence


def test_what_is_lacking_for_the_next_level_is_named():
    told = document(judge(facts(settings=settings(log_failures=False))), "en")
    assert told["summary"] == "level 1 is reached"
    assert told["next"] == {"level": 2, "items": ["2-9"], "text": "for level 2: 2-9"}


def test_attested_is_told_apart_from_seen():
    states = {finding.item.number: finding.met for finding in judge(facts())}
    assert {number for number, met in states.items() if met is Met.ATTESTED} == {"2-16", "2-20", "2-22"}


@pytest.mark.parametrize("key", SENTENCES)
def test_both_languages_say_the_same(key):
    english, japanese = SENTENCES[key]
    fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (english, japanese)]
    assert fields[0] == fields[1]
    assert re.search("[ぁ-んァ-ヶ一-龠]", japanese)


def test_japanese():
    told = document(judge(facts(clock=Clock(3600.0, 1.0, 2, 2, True, 1.0))), "ja")
    assert told["summary"] == "レベル1に達していません"
    clock = next(item for item in told["items"] if item["item"] == "2-3")
    assert clock["state"] == "不適合"
    assert clock["evidence"] == ["時刻が+3600.000秒ずれています(許容1秒)。署名の有効期間を正しく判定できません"]
    assert LANGUAGES == ("en", "ja")
