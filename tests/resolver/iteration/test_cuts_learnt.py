"""What the walk keeps of the cuts that it meets, and what it does not."""

from typing import Any

import pytest

from resolver.cache.memory import View
from resolver.iteration.addresses import AddressFilter
from resolver.iteration.iterate import iterate
from resolver.settings import Minimise
from tests.resolver.play import ROOT_SERVER, START, Play, message, question, referral, view
from trust.reason import Reason
from trust.vocabulary import Address, Ask, Kind, Now, Outcome, Trouble
from wire import types as t
from wire.message import Message
from wire.name import ROOT
from wire.text import name_from_text

JP = referral("jp. 3600 IN NS a.dns.jp.", "a.dns.jp. 3600 IN A 192.0.2.1")
ROOT_NS = message(". 518400 IN NS a.servers.", "", "a.servers. 518400 IN A 192.0.2.99")


def start(name: str, rtype: str, seen: View, avoid: frozenset[Address] = frozenset()) -> Play[Outcome]:
    return Play(iterate(question(name, rtype), seen, AddressFilter(seen.memory.settings), avoid), seen)


def root_servers(seen: View) -> set[str]:
    return {address.ip for addresses in seen.closest_cut(ROOT).servers.values() for address in addresses}


@pytest.mark.parametrize(("ttl", "max_ttl", "life"), [(3600, 86400, 3600), (172800, 86400, 86400), (2**31 - 1, 60, 60)])
def test_a_cut_lives_as_long_as_its_parent_says_within_bounds(ttl: int, max_ttl: int, life: int) -> None:
    seen = view(max_ttl=max_ttl)
    play = start("www.jp", "A", seen)
    play.asks(ROOT_SERVER, "www.jp").replies(
        referral(f"jp. {ttl} IN NS a.dns.jp.", "a.dns.jp. 60 IN A 192.0.2.1"), after_s=0
    )
    assert seen.closest_cut(name_from_text("www.jp")).expires_mono == START.mono + life


def test_a_cut_without_life_serves_the_walk_that_met_it() -> None:
    seen = view()
    play = start("www.jp", "A", seen)
    play.asks(ROOT_SERVER, "www.jp").replies(referral("jp. 0 IN NS a.dns.jp.", "a.dns.jp. 0 IN A 192.0.2.1"))
    play.asks("192.0.2.1", "www.jp").replies(message("www.jp. 60 IN A 203.0.113.1"))
    assert play.returns().steps[0].kind is Kind.ANSWER
    assert seen.closest_cut(name_from_text("www.jp")).zone == ROOT


@pytest.mark.parametrize(("prime", "known"), [(True, {"192.0.2.99"}), (False, {ROOT_SERVER})])
def test_what_the_root_says_of_its_servers_counts_when_priming_is_on(prime: bool, known: set[str]) -> None:
    # Off, the hints are used as they are, whatever clients ask for (RFC 9609 is what `prime` is about).
    seen = view(prime=prime)
    start(".", "NS", seen).asks(ROOT_SERVER, ".", "NS").replies(ROOT_NS).returns()
    assert root_servers(seen) == known


def test_servers_configured_for_the_root_itself_are_not_replaced() -> None:
    seen = view(prime=True, stub={ROOT: [Address("192.0.2.111", 53)]})
    play = start("www.jp", "A", seen)
    play.asks("192.0.2.111", "www.jp")  # no priming first
    start(".", "NS", seen).asks("192.0.2.111", ".", "NS").replies(ROOT_NS).returns()
    assert root_servers(seen) == {"192.0.2.111"}


def test_priming_lasts_as_long_as_allowed() -> None:
    seen = view(prime=True, max_ttl=3600)
    start(".", "NS", seen).asks(ROOT_SERVER, ".", "NS").replies(ROOT_NS, after_s=0).returns()
    assert seen.closest_cut(ROOT).expires_mono == START.mono + 3600


def test_servers_to_be_avoided_are_not_asked_anywhere_on_the_way() -> None:
    seen = view()
    both = "jp. 60 IN NS a.jp.\njp. 60 IN NS b.jp."
    glue = "a.jp. 60 IN A 192.0.2.1\nb.jp. 60 IN A 192.0.2.2"
    for avoided, other in (("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1")):
        seen.memory.flush()
        play = start("www.jp", "A", seen, frozenset((Address(avoided, 53),)))
        play.asks(ROOT_SERVER, "www.jp").replies(referral(both, glue))
        play.asks(other, "www.jp").replies(message("www.jp. 60 IN A 203.0.113.1"))
        assert play.returns().steps
    play = start("ftp.jp", "A", seen, frozenset((Address("192.0.2.1", 53), Address("192.0.2.2", 53))))
    assert not play.returns().steps


def test_names_that_minimised_questions_showed_are_not_shown_again() -> None:
    seen = view(minimise=Minimise.RELAXED)
    soa = "jp. 300 IN SOA ns.jp. h.jp. 1 2 3 4 300"
    play = start("a.b.jp", "TXT", seen)
    play.asks(ROOT_SERVER, "jp").replies(JP)
    play.asks("192.0.2.1", "b.jp").replies(message(authority=soa))
    play.asks("192.0.2.1", "a.b.jp", "TXT").replies(message('a.b.jp. 60 IN TXT "x"'))
    again = start("c.b.jp", "TXT", seen)
    again.asks("192.0.2.1", "c.b.jp", "TXT")


# --- servers that are of no use any more -------------------------------------------------------------------------------

REFUSED = message(rcode=t.REFUSED, flags=t.QR)
MOVED = referral("jp. 3600 IN NS a.dns.jp.", "a.dns.jp. 3600 IN A 192.0.2.9")


def knowing_jp(**settings: Any) -> View:
    """A view that has met jp. at 192.0.2.1."""
    seen = view(**settings)
    play = start("www.jp", "A", seen)
    play.asks(ROOT_SERVER, "www.jp").replies(JP)
    play.asks("192.0.2.1", "www.jp").replies(message("www.jp. 60 IN A 203.0.113.1"))
    assert play.returns().steps
    return seen


def of_no_use(play: Play[Outcome], name: str, reply: Message | Trouble) -> None:
    """The server that is known is asked as often as it takes."""
    while isinstance(play.effect, Ask) and play.effect.server.ip == "192.0.2.1":
        play.asks("192.0.2.1", name).replies(reply)


@pytest.mark.parametrize("reply", [REFUSED, referral(". 60 IN NS ns.root."), Trouble.TIMEOUT])
def test_a_zone_that_has_moved_is_found_again(reply: Message | Trouble) -> None:
    seen = knowing_jp()
    play = start("ftp.jp", "A", seen)
    of_no_use(play, "ftp.jp", reply)
    play.asks(ROOT_SERVER, "ftp.jp").replies(MOVED)
    play.asks("192.0.2.9", "ftp.jp").replies(message("ftp.jp. 60 IN A 203.0.113.1"))
    assert play.returns().steps
    start("mail.jp", "A", seen).asks("192.0.2.9", "mail.jp")


def test_a_zone_that_is_no_more_is_denied() -> None:
    play = start("ftp.jp", "A", knowing_jp())
    of_no_use(play, "ftp.jp", REFUSED)
    soa = ". 300 IN SOA ns.root. h.root. 1 2 3 4 300"
    play.asks(ROOT_SERVER, "ftp.jp").replies(message(authority=soa, rcode=t.NXDOMAIN))
    assert play.returns().steps[0].kind is Kind.NXDOMAIN


def test_the_same_servers_are_not_asked_twice() -> None:
    play = start("ftp.jp", "A", knowing_jp())
    of_no_use(play, "ftp.jp", REFUSED)
    play.asks(ROOT_SERVER, "ftp.jp").replies(JP)
    assert play.returns().failure is Reason.NO_AUTHORITY


def test_when_the_parent_does_not_answer_either_the_delegation_stays() -> None:
    seen = knowing_jp()
    play = start("ftp.jp", "A", seen)
    of_no_use(play, "ftp.jp", REFUSED)
    while not play.over:
        play.asks(ROOT_SERVER, "ftp.jp").replies(Trouble.TIMEOUT)
    assert play.returns().failure is Reason.NO_AUTHORITY
    assert seen.closest_cut(name_from_text("ftp.jp")).zone == name_from_text("jp")


def test_a_parent_is_asked_anew_once_a_minute_at_most() -> None:
    seen = knowing_jp()
    asked = []
    for number in range(6):
        name = f"n{number}.jp"
        play = start(name, "A", seen)
        play.now = seen.now
        of_no_use(play, name, REFUSED)
        asked.append(not play.over)
        if not play.over:
            play.asks(ROOT_SERVER, name).replies(JP)
        play.returns()
        seen.now = Now(seen.now.wall + 25, seen.now.mono + 25)
    assert asked == [True, False, False, True, False, False]


def test_a_cut_met_on_the_way_is_not_asked_about_again() -> None:
    play = start("ftp.jp", "A", view())
    play.asks(ROOT_SERVER, "ftp.jp").replies(JP)
    of_no_use(play, "ftp.jp", REFUSED)
    assert play.returns().failure is Reason.NO_AUTHORITY


def test_configured_servers_are_not_asked_about_and_neither_is_the_root() -> None:
    seen = view(stub={name_from_text("jp"): [Address("192.0.2.1", 53)]})
    play = start("ftp.jp", "A", seen)
    of_no_use(play, "ftp.jp", REFUSED)
    assert not play.returns().steps
    play = start("ftp.com", "A", seen).asks(ROOT_SERVER, "ftp.com").replies(REFUSED)
    assert not play.returns().steps


def test_a_retry_elsewhere_does_not_ask_the_parent() -> None:
    play = start("ftp.jp", "A", knowing_jp(), frozenset((Address("192.0.2.1", 53),)))
    assert not play.returns().steps


def test_a_minimised_question_finds_what_has_moved() -> None:
    seen = view(minimise=Minimise.RELAXED)
    play = start("www.jp", "A", seen)
    play.asks(ROOT_SERVER, "jp").replies(JP)
    play.asks("192.0.2.1", "www.jp").replies(message("www.jp. 60 IN A 203.0.113.1"))
    play = start("a.b.jp", "TXT", seen)
    play.asks("192.0.2.1", "b.jp").replies(REFUSED)  # perhaps it minds the short name
    play.asks("192.0.2.1", "a.b.jp", "TXT").replies(REFUSED)
    play.asks(ROOT_SERVER, "a.b.jp", "TXT").replies(MOVED)
    play.asks("192.0.2.9", "a.b.jp", "TXT").replies(message('a.b.jp. 60 IN TXT "x"'))
    assert play.returns().steps
