"""Entries of the answer cache: what is kept without the objects around it comes back whole, and the rest as it came."""

import pytest

from resolver.cache.answers import AnswerCache, Entry, Rank, Single, Whole
from tests.resolver.cache.steps import SERVER, cname, data, denial, dname, validated
from trust.algorithms import Key
from trust.reason import Reason
from trust.signature import SignatureResult
from trust.validate import Validated
from trust.vocabulary import Kind, Security, Step
from trust.zone import ZoneTrust
from wire import types as t
from wire.name import ROOT
from wire.rdata import Rrsig
from wire.text import name_from_text

NOW = 1000.0
GENERATION = 3
KEY = Key(bytes((1, 1, 3, 13)) + bytes(64))
SIGNATURE = bytes((0, 1, 13, 2)) + bytes(14) + b"\x07example\0" + bytes(64)
ZONE = ZoneTrust(ROOT, Security.SECURE, Reason.VALID)

ONE = data("www.example. 300 IN A 192.0.2.1")
SEVERAL = data("www.example. 300 IN A 192.0.2.1\nwww.example. 300 IN A 192.0.2.2\nwww.example. 300 IN A 192.0.2.3")
ALIAS = cname("www.example", "a.example", "AAAA")
LONG = data('www.example. 0 IN TXT "' + "x" * 255 + '"')


def signed(step: Step, sigs: int = 1) -> Step:
    """The same step with signatures."""
    out = Step(step.name, step.rtype, step.kind, list(step.rrsets), [], step.zone, step.server, step.target)
    out.rrsets[0] = out.rrsets[0].with_ttl(out.rrsets[0].ttl)
    out.rrsets[0].sigs = [SIGNATURE + bytes((number,)) for number in range(sigs)]
    return out


def result(
    step: Step, which: int = 0, *, ok: bool = True, text: str = "", encloser: bytes | None = None
) -> SignatureResult:
    reason = Reason.VALID if ok else Reason.SIGNATURE_INVALID
    return SignatureResult(ok, reason, text, Rrsig(step.rrsets[0].sigs[which]), KEY, encloser, 250, 90_000)


def judged(
    step: Step, *results: SignatureResult, security: Security = Security.SECURE, cap_s: int | None = 250
) -> Validated:
    out = validated(security, cap_s=cap_s)
    out.zone = ZONE
    for one in results:
        out.add(step.rrsets[0], one)
    return out


def put(step: Step, verdict: Validated | None) -> Entry:
    return AnswerCache(1 << 20).put(step, Rank.AUTHORITATIVE, NOW, 300, verdict, GENERATION)


@pytest.mark.parametrize("step", [ONE, SEVERAL, ALIAS, LONG])
@pytest.mark.parametrize("sigs", [0, 1, 2, 5])
@pytest.mark.parametrize("cap_s", [None, 0, 250])
def test_a_set_with_its_verdict_comes_back_whole(step: Step, sigs: int, cap_s: int | None) -> None:
    step = signed(step, sigs)
    security = Security.SECURE if sigs else Security.INSECURE
    verdict = judged(step, *([result(step, sigs - 1)] if sigs else []), security=security, cap_s=cap_s)
    entry = put(step, verdict)
    assert isinstance(entry, Single)
    assert entry.is_of(step)
    assert entry.security is security
    back = entry.step
    assert (back.name, back.rtype, back.kind, back.target) == (step.name, step.rtype, step.kind, step.target)
    assert (back.zone, back.server, back.authority) == (step.zone, step.server, [])
    (rrset,), (kept,) = back.rrsets, step.rrsets
    assert (rrset.name, rrset.rtype, rrset.rclass, rrset.ttl) == (kept.name, kept.rtype, kept.rclass, kept.ttl)
    assert (rrset.rdatas, rrset.sigs) == (kept.rdatas, kept.sigs)
    again = entry.verdict(GENERATION, back)
    assert again is not None
    assert (again.verdict, again.zone, again.ttl_cap_s) == (verdict.verdict, ZONE, cap_s)
    assert (again.denial, again.authority) == (None, ())
    assert len(again.signatures) == min(sigs, 1)
    for signed_set, one in again.signatures:
        assert signed_set is rrset
        assert (one.ok, one.reason, one.text, one.key, one.closest_encloser) == (True, Reason.VALID, "", KEY, None)
        assert (one.ttl_cap_s, one.valid_s) == (250, 90_000)
        assert one.rrsig is not None
        assert one.rrsig.rdata == kept.sigs[-1]


def test_a_verdict_that_nobody_has_a_step_for_is_about_a_step_too() -> None:
    step = signed(ONE)
    verdict = put(step, judged(step, result(step))).verdict(GENERATION)
    assert verdict is not None
    assert verdict.signatures[0][0] == step.rrsets[0]


def test_what_is_read_anew_is_another_step() -> None:
    step = signed(ONE)
    entry = put(step, judged(step, result(step)))
    assert not entry.is_of(signed(data("www.example. 300 IN A 192.0.2.1")))
    assert not entry.is_of(denial(Kind.NODATA, "www.example"))


def unlike() -> list[tuple[str, Step, Validated | None]]:
    """Steps and verdicts of which something would be lost."""
    step = signed(ONE)
    proven = signed(ONE)
    proven.authority = denial(Kind.NODATA, "www.example").authority
    elsewhere = signed(ONE)
    elsewhere.name = name_from_text("other.example")
    two = signed(ONE)
    two.rrsets.append(data('www.example. 300 IN TXT "x"').rrsets[0])
    other_class = signed(ONE)
    other_class.rrsets[0].rclass = 3
    any_type = signed(ONE)
    any_type.rtype = t.ANY
    untold = signed(ALIAS)
    untold.target = None
    authority = judged(step, result(step))
    authority.authority = [step.rrsets[0]]
    others = signed(ONE, 2)
    return [
        ("unchecked", step, None),
        ("bogus", step, judged(step, security=Security.BOGUS)),
        ("a failed signature", step, judged(step, result(step, ok=False), security=Security.INSECURE)),
        ("a sentence", step, judged(step, result(step, text="why"))),
        ("from a wildcard", step, judged(step, result(step, encloser=ROOT))),
        ("two results", others, judged(others, result(others), result(others, 1))),
        ("about another object", step, judged(signed(ONE), result(step))),
        ("proofs to send", step, authority),
        ("a proof", proven, judged(proven, result(proven))),
        ("another owner", elsewhere, judged(elsewhere, result(elsewhere))),
        ("two sets", two, judged(two, result(two))),
        ("another class", other_class, judged(other_class, result(other_class))),
        ("a question for ANY", any_type, judged(any_type, result(any_type))),
        ("an alias without target", untold, judged(untold, result(untold))),
        ("a redirection", dname("example", "other", "www.example"), judged(step)),
        ("a denial", denial(Kind.NXDOMAIN, "www.example"), validated(Security.SECURE)),
    ]


@pytest.mark.parametrize(("what", "step", "verdict"), [pytest.param(*case, id=case[0]) for case in unlike()])
def test_what_would_lose_something_is_kept_as_it_came(what: str, step: Step, verdict: Validated | None) -> None:
    entry = put(step, verdict)
    assert isinstance(entry, Whole), what
    assert entry.step is step
    assert entry.verdict(GENERATION) is verdict
    assert entry.is_of(step)


def test_judging_what_was_unchecked_keeps_its_age_and_uses() -> None:
    cache = AnswerCache(1 << 20)
    step = signed(ONE)
    entry = cache.put(step, Rank.REFERRED, NOW, 300, None, GENERATION)
    assert cache.get(step.name, t.A, NOW) is entry
    verdict = judged(step, result(step))
    made = cache.judge(entry, entry.step, verdict, GENERATION, NOW + 100)
    assert isinstance(made, Single)
    assert cache.get(step.name, t.A, NOW + 100) is made
    assert (made.rank, made.stored, made.expires, made.used) == (Rank.REFERRED, NOW, NOW + 300, 2)
    assert made.security is Security.SECURE
    made = cache.judge(made, made.step, judged(step, result(step), cap_s=10), GENERATION + 1, NOW + 100)
    assert made.expires == NOW + 110
    assert (made.verdict(GENERATION), made.generation) == (None, GENERATION + 1)
    octets = cache.octets
    assert octets == made.size
    cache.forget(step.name, t.A)
    assert cache.octets == 0


def test_judging_an_alias_for_another_type_leaves_it_an_alias() -> None:
    cache = AnswerCache(1 << 20)
    step = signed(ALIAS)
    first = cache.put(step, Rank.AUTHORITATIVE, NOW, 300, judged(step, result(step)), GENERATION)
    own = first.step
    asked = Step(own.name, t.CNAME, Kind.ANSWER, own.rrsets, own.authority, own.zone, own.server)
    verdict = judged(asked, result(asked))
    made = cache.judge(first, asked, verdict, GENERATION + 1, NOW)
    assert (made.kind, made.step.kind, made.step.target) == (Kind.CNAME, Kind.CNAME, step.target)
    assert cache.get(step.name, t.MX, NOW) is made


def test_judging_what_is_gone_brings_nothing_back() -> None:
    cache = AnswerCache(1 << 20)
    step = signed(ONE)
    entry = cache.put(step, Rank.AUTHORITATIVE, NOW, 300, None, GENERATION)
    cache.clear()
    made = cache.judge(entry, step, judged(step, result(step), cap_s=None), GENERATION, NOW)
    assert made.expires == NOW + 300
    assert (len(cache), cache.octets) == (0, 0)


def test_a_server_is_kept() -> None:
    step = signed(ONE)
    assert put(step, judged(step, result(step))).step.server is SERVER
