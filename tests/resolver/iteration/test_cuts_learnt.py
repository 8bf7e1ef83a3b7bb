"""What the walk keeps of the cuts that it meets, and what it does not."""

import pytest

from resolver.cache.memory import View
from resolver.iteration.addresses import AddressFilter
from resolver.iteration.iterate import iterate
from resolver.settings import Minimise
from tests.resolver.play import ROOT_SERVER, START, Play, message, question, referral, view
from trust.vocabulary import Address, Kind, Outcome
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
