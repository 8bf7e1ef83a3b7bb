"""The walk from the closest cut to the answer, as plays."""

import pytest

from resolver.cache.memory import View
from resolver.cache.servers import FIRST_TIMEOUT
from resolver.iteration.addresses import AddressFilter
from resolver.iteration.exchange import TRIES_PER_ADDRESS
from resolver.iteration.iterate import iterate
from resolver.settings import Minimise
from tests.resolver.play import ROOT_SERVER, Play, message, question, referral, view
from trust.reason import Reason
from trust.vocabulary import Kind, Outcome, Transport, Trouble
from wire import types as t
from wire.text import name_from_text

JP = referral("jp. 3600 IN NS a.dns.jp.", "a.dns.jp. 3600 IN A 192.0.2.1")
EXAMPLE = referral("example.jp. 3600 IN NS ns.example.jp.", "ns.example.jp. 3600 IN A 192.0.2.2")
WWW = message("www.example.jp. 300 IN A 203.0.113.80")


def start(name: str, rtype: str = "A", seen: View | None = None) -> Play[Outcome]:
    seen = view() if seen is None else seen
    return Play(iterate(question(name, rtype), seen, AddressFilter(seen.memory.settings)), seen)


def test_follows_referrals_from_the_root() -> None:
    play = start("www.example.jp")
    play.asks(ROOT_SERVER, "www.example.jp").replies(JP)
    play.asks("192.0.2.1", "www.example.jp").replies(EXAMPLE)
    play.asks("192.0.2.2", "www.example.jp").replies(WWW)
    (step,) = play.returns().steps
    assert step.kind is Kind.ANSWER
    assert step.zone == name_from_text("example.jp")
    assert step.rrsets[0].rdatas == [bytes((203, 0, 113, 80))]


def test_minimised_questions_show_one_label_a_zone() -> None:
    play = start("www.example.jp", "MX", view(minimise=Minimise.RELAXED))
    play.asks(ROOT_SERVER, "jp", "A").replies(JP)
    play.asks("192.0.2.1", "example.jp", "A").replies(EXAMPLE)
    play.asks("192.0.2.2", "www.example.jp", "MX").replies(message("www.example.jp. 300 IN MX 10 mx.example.jp."))
    assert play.returns().steps[0].kind is Kind.ANSWER


def test_minimised_question_skips_empty_non_terminals() -> None:
    play = start("a.b.example.", "A", view(minimise=Minimise.RELAXED))
    soa = "example. 300 IN SOA ns.example. h.example. 1 2 3 4 300"
    play.asks(ROOT_SERVER, "example").replies(referral("example. 60 IN NS ns.example.", "ns.example. 60 IN A 192.0.2.3"))
    play.asks("192.0.2.3", "b.example").replies(message(authority=soa))
    play.asks("192.0.2.3", "a.b.example").replies(message("a.b.example. 60 IN A 192.0.2.9"))
    assert play.returns().steps[0].kind is Kind.ANSWER


@pytest.mark.parametrize(("mode", "asked_again"), [(Minimise.RELAXED, True), (Minimise.STRICT, False)])
def test_name_error_for_a_minimised_question(mode: Minimise, asked_again: bool) -> None:
    play = start("www.example.jp", "A", view(minimise=mode))
    soa = ". 300 IN SOA ns.root. h.root. 1 2 3 4 300"
    play.asks(ROOT_SERVER, "jp").replies(message(authority=soa, rcode=t.NXDOMAIN))
    if asked_again:  # broken servers deny empty non-terminals
        play.asks(ROOT_SERVER, "www.example.jp").replies(message(authority=soa, rcode=t.NXDOMAIN))
    (step,) = play.returns().steps
    assert (step.name, step.kind) == (name_from_text("www.example.jp"), Kind.NXDOMAIN)


def test_ds_is_asked_of_the_parent() -> None:
    play = start("example.jp", "DS")
    play.asks(ROOT_SERVER, "example.jp", "DS").replies(JP)
    soa = "jp. 900 IN SOA a.dns.jp. h.jp. 1 2 3 4 900"
    play.asks("192.0.2.1", "example.jp", "DS").replies(message(authority=soa))
    (step,) = play.returns().steps
    assert (step.kind, step.zone) == (Kind.NODATA, name_from_text("jp"))


def test_ds_answered_by_the_child_is_not_taken() -> None:
    play = start("example.jp", "DS")
    soa = "example.jp. 900 IN SOA a.dns.jp. h.jp. 1 2 3 4 900"
    play.asks(ROOT_SERVER, "example.jp", "DS").replies(JP)
    play.asks("192.0.2.1", "example.jp", "DS").replies(message(authority=soa))
    outcome = play.returns()
    assert not outcome.steps
    assert "child side" in outcome.findings[-1].what


def test_truncated_answer_is_asked_again_over_tcp() -> None:
    play = start("www.example.jp")
    cut_short = message(flags=t.QR | t.AA | t.TC)
    play.asks(ROOT_SERVER, "www.example.jp").replies(cut_short)
    play.asks(ROOT_SERVER, "www.example.jp", over=Transport.TCP).replies(WWW)
    assert play.returns().steps


def test_case_not_echoed_is_asked_again_over_tcp() -> None:
    play = start("www.example.jp")
    play.asks(ROOT_SERVER, "www.example.jp").replies(Trouble.CASE)
    play.asks(ROOT_SERVER, "www.example.jp", over=Transport.TCP).replies(WWW)
    assert play.returns().steps


def test_server_without_edns_is_asked_plainly_in_an_unsigned_zone() -> None:
    play = start("www.example.jp")
    formerr = message(rcode=t.FORMERR)
    formerr.edns = None
    play.asks(ROOT_SERVER, "www.example.jp").replies(formerr)
    play.asks(ROOT_SERVER, "www.example.jp", edns=False).replies(WWW)
    assert play.returns().steps


def test_server_without_edns_is_of_no_use_below_a_signed_cut() -> None:
    signed = referral("jp. 3600 IN NS a.dns.jp.\njp. 3600 IN DS 1 8 2 " + "00" * 32, "a.dns.jp. 3600 IN A 192.0.2.1")
    formerr = message(rcode=t.FORMERR)
    formerr.edns = None
    play = start("www.example.jp")
    play.asks(ROOT_SERVER, "www.example.jp").replies(signed)
    play.asks("192.0.2.1", "www.example.jp").replies(formerr)
    # a second try is allowed for a lost packet, never one without EDNS
    while not play.over:
        play.asks("192.0.2.1", "www.example.jp").replies(formerr)
    assert play.returns().failure is Reason.NO_AUTHORITY


def test_lame_server_is_remembered_and_passed_over() -> None:
    two = referral("jp. 3600 IN NS a.jp.\njp. 3600 IN NS b.jp.", "a.jp. 3600 IN A 192.0.2.1\nb.jp. 3600 IN A 192.0.2.2")
    upward = referral(". 3600 IN NS ns.root.")
    seen = view()
    play = start("www.jp", seen=seen)
    play.asks(ROOT_SERVER, "www.jp").replies(two)
    lame = "192.0.2.2"  # the dice show the middle of two equals
    good = "192.0.2.1"
    play.asks(lame, "www.jp").replies(upward)
    play.asks(good, "www.jp").replies(message("www.jp. 300 IN A 203.0.113.1"))
    assert play.returns().steps
    again = start("ftp.jp", seen=seen)
    again.asks(good, "ftp.jp").replies(message("ftp.jp. 300 IN A 203.0.113.1"))
    assert again.returns().steps


def test_silent_server_is_tried_again_and_named() -> None:
    play = start("www.example.jp")
    for _ in range(TRIES_PER_ADDRESS):
        play.asks(ROOT_SERVER, "www.example.jp").replies(Trouble.TIMEOUT, after_s=1.0)
    outcome = play.returns()
    assert outcome.failure is Reason.NO_AUTHORITY
    assert [(f.server.ip if f.server else "", f.what, f.network) for f in outcome.findings] == [
        (ROOT_SERVER, "timed out", True)
    ] * TRIES_PER_ADDRESS


def test_time_outs_grow() -> None:
    play = start("www.example.jp")
    waits = []
    while not play.over:
        waits.append(play.effect.timeout_s)  # type: ignore[union-attr]
        play.replies(Trouble.TIMEOUT)
    # The third in a row lets it rest: once more, and no longer than clients wait.
    assert waits[:3] == sorted(waits[:3])
    assert waits[2] > 2 * waits[0]
    assert waits[3:] == [FIRST_TIMEOUT]


def test_limit_ends_the_walk_with_what_is_known() -> None:
    play = start("www.example.jp")
    play.asks(ROOT_SERVER, "www.example.jp").replies(Trouble.LIMIT, text="packets-per-query of 100")
    outcome = play.returns()
    assert outcome.failure is Reason.LIMIT
    assert "packets-per-query" in outcome.text
    assert outcome.findings


def test_glue_outside_the_referring_zone_is_not_used() -> None:
    play = start("www.example.jp")
    play.asks(ROOT_SERVER, "www.example.jp").replies(JP)
    play.asks("192.0.2.1", "www.example.jp").replies(
        referral("example.jp. 60 IN NS ns.example.com.", "ns.example.com. 60 IN A 192.0.2.66")
    )
    play.needs("ns.example.com", "A")


def test_private_glue_is_not_asked_and_said_so() -> None:
    play = start("www.example.jp", seen=view(private_servers=False))
    play.asks(ROOT_SERVER, "www.example.jp").replies(referral("jp. 3600 IN NS a.dns.jp.", "a.dns.jp. 3600 IN A 10.0.0.1"))
    outcome = play.returns()
    assert outcome.failure is Reason.NO_AUTHORITY
    assert [f.what for f in outcome.findings] == ["not queried: private address"]


def test_alias_chain_within_the_zone_comes_back_whole() -> None:
    play = start("a.example.jp")
    play.asks(ROOT_SERVER, "a.example.jp").replies(JP)
    play.asks("192.0.2.1", "a.example.jp").replies(EXAMPLE)
    play.asks("192.0.2.2", "a.example.jp").replies(
        message(
            "a.example.jp. 60 IN CNAME b.example.jp.\nb.example.jp. 60 IN CNAME c.example.com.\n"
            "c.example.com. 60 IN A 192.0.2.66"
        )
    )
    steps = play.returns().steps
    assert [(s.kind, s.target) for s in steps] == [
        (Kind.CNAME, name_from_text("b.example.jp")),
        (Kind.CNAME, name_from_text("c.example.com")),
    ]


def test_referral_that_does_not_lead_down_is_lame() -> None:
    play = start("www.example.jp")
    play.asks(ROOT_SERVER, "www.example.jp").replies(JP)
    play.asks("192.0.2.1", "www.example.jp").replies(referral("jp. 3600 IN NS a.dns.jp."))
    outcome = play.returns()
    assert not outcome.steps
    assert outcome.findings[-1].what.startswith("lame")


def test_root_is_primed_first() -> None:
    seen = view(prime=True)
    play = start("jp", "NS", seen)
    play.needs(".", "NS")
    prime = start(".", "NS", seen)
    prime.asks(ROOT_SERVER, ".", "NS").replies(
        message(". 518400 IN NS ns.root.\n. 518400 IN NS ns2.root.", "", "ns2.root. 518400 IN A 198.51.100.2")
    )
    cut = seen.closest_cut(name_from_text("jp"))
    assert {a.ip for addresses in cut.servers.values() for a in addresses} == {ROOT_SERVER, "198.51.100.2"}
    play.replies(prime.returns())
    assert play.effect is not None
