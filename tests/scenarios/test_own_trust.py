"""Time and trust: signatures that run out, clocks that are wrong, anchors and NTAs that come and go."""

import dns.message
import pytest

from tests.scenarios.stage import Stage
from trust.vocabulary import Ask, Now

DAY = 86400


def test_zones_that_are_not_signed_again_become_bogus_and_heal_by_themselves() -> None:
    stage = Stage()
    stage.client("www.example.jp").gets(ad=True)
    stage.passes(14 * DAY + 1)
    stage.client("www.example.jp").gets("SERVFAIL", ad=False, ede=7)
    stage.resigns()
    stage.passes(300)
    stage.client("www.example.jp").gets(ad=True, ede=0)


def test_nothing_is_kept_longer_than_its_signature_holds() -> None:
    stage = Stage()
    stage.passes(14 * DAY - 100)
    # RFC 4035 §5.3.3: the TTL is cut to what is left of the signature's validity.
    stage.client("www.example.jp").gets(ad=True, ttl=100)
    stage.passes(101)
    stage.client("www.example.jp").gets("SERVFAIL", ede=7)


def test_a_fault_is_remembered_for_a_while_and_no_longer() -> None:
    stage = Stage()
    stage.breaks("example.jp", "rrsig-exp-all")
    stage.client("www.example.jp").gets("SERVFAIL", ede=7)
    stage.client("www.example.jp").gets("SERVFAIL", ede=13).gets("SERVFAIL", ede=7).asks(0)
    stage.heals("example.jp")
    stage.passes(61)
    stage.client("www.example.jp").gets(ad=True, ede=0)


def test_with_cd_the_data_comes_without_ad() -> None:
    stage = Stage()
    stage.breaks("example.jp", "rrsig-exp-all")
    stage.client("www.example.jp", cd=True).gets(ad=False, answer="A 192.0.2.80")
    stage.client("www.example.jp").gets("SERVFAIL", ede=7)
    stage.client("www.example.jp", cd=True).gets(ad=False, answer="A 192.0.2.80")


def test_what_a_client_with_cd_fetched_is_not_taken_for_secure() -> None:
    stage = Stage()
    stage.client("www.example.jp", cd=True).gets(ad=False)
    stage.client("www.example.jp").gets(ad=True)
    stage.client("www.example.jp", cd=True).gets(ad=False).asks(0)


def test_one_bad_server_is_passed_over() -> None:
    stage = Stage()

    def strip(ask: Ask, message: dns.message.Message) -> dns.message.Message:
        """Lose all signatures."""
        for section in (message.answer, message.authority):
            section[:] = [rrset for rrset in section if rrset.rdtype.name != "RRSIG"]
        return message

    stage.alters("ns1.example.jp.", strip)
    for name in ("www", "mail", "short", "exact.wild", "nx"):
        stage.client(f"{name}.example.jp").gets("NXDOMAIN" if name == "nx" else "NOERROR", ad=True)
    stage.alters("ns2.example.jp.", strip)
    stage.client("many.example.jp").gets("SERVFAIL", ede=10)


def test_an_nta_suspends_and_ends_at_its_time() -> None:
    stage = Stage()
    stage.breaks("example.jp", "ds-bogus-digest-value")
    stage.client("www.example.jp").gets("SERVFAIL", ede=9)
    stage.suspends("example.jp", for_s=1000)
    # At once: nobody has to flush anything.
    stage.client("www.example.jp").gets(ad=False, ede=33, answer="A 192.0.2.80")
    stage.client("www.example.com").gets(ad=True, ede=0)
    stage.passes(999)
    stage.client("www.example.jp").gets(ad=False, ede=33)
    stage.passes(2)
    stage.client("www.example.jp").gets("SERVFAIL", ede=9)


def test_what_was_fetched_under_an_nta_is_judged_when_it_is_withdrawn() -> None:
    stage = Stage()
    stage.suspends("example.jp")
    stage.client("www.example.jp").gets(ad=False, ede=33)
    stage.suspends()
    stage.client("www.example.jp").gets(ad=True, ede=0)


def test_an_nta_reaches_down_and_no_further() -> None:
    stage = Stage()
    stage.suspends("sub.example.jp")
    stage.client("www.sub.example.jp").gets(ad=False, ede=33)
    stage.client("www.example.jp").gets(ad=True, ede=0)
    stage.suspends("jp")
    for name in ("www.sub.example.jp", "www.example.jp", "jp"):
        stage.client(name).gets(ad=False, ede=33)
    stage.client("www.example.com").gets(ad=True, ede=0)


def test_an_island_becomes_secure_with_its_anchor() -> None:
    stage = Stage()
    stage.client("www.island.unsigned.jp").gets(ad=False, ede=0)
    stage.trusts(*stage.points, stage.anchor("island.unsigned.jp."))
    stage.client("www.island.unsigned.jp").gets(ad=True)
    stage.client("www.unsigned.jp").gets(ad=False, ede=0)
    stage.trusts(*stage.points)
    stage.client("www.island.unsigned.jp").gets(ad=False)


def test_without_an_anchor_nothing_is_secure() -> None:
    stage = Stage()
    stage.trusts()
    stage.client("www.example.jp").gets(ad=False, ede=0)
    stage.trusts(*stage.points)
    stage.client("www.example.jp").gets(ad=True)


def test_the_wrong_anchor_makes_all_bogus() -> None:
    stage = Stage()
    wrong = stage.anchor("jp.")
    wrong.name = b"\0"
    stage.trusts(wrong)
    stage.client("www.example.jp").gets("SERVFAIL", ede=9)


@pytest.mark.parametrize(("off", "code"), [(-2 * DAY, 8), (20 * DAY, 7)])
def test_a_clock_that_is_wrong(off: int, code: int) -> None:
    stage = Stage()
    right = stage.simulation.start
    stage.simulation.start = Now(right.wall + off, right.mono)
    stage.client("www.example.jp").gets("SERVFAIL", ede=code)
    stage.simulation.start = right
    stage.passes(61)
    stage.client("www.example.jp").gets(ad=True, ede=0)


def test_monotonic_time_rules_the_cache_whatever_the_wall_clock_does() -> None:
    stage = Stage()
    stage.client("www.unsigned.jp").gets(ttl=300)
    start = stage.simulation.start
    stage.simulation.start = Now(start.wall + 10 * DAY, start.mono)
    stage.passes(100)
    stage.client("www.unsigned.jp").gets(ttl=200).asks(0)


def test_a_delegation_becomes_secure_when_its_ds_is_published() -> None:
    stage = Stage()
    stage.breaks("example.jp", "no-ds")
    stage.client("www.example.jp").gets(ad=False, ede=0)
    stage.heals("example.jp")
    stage.passes(3601)
    stage.client("www.example.jp").gets(ad=True)


def test_a_zone_moves_to_a_server_without_dnssec() -> None:
    # The guideline's chapter 4: the new operator does not sign, the DS is still there.
    stage = Stage()
    stage.client("www.example.jp").gets(ad=True)
    stage.breaks("example.jp", "unsigned-transfer")
    stage.client("www.example.jp").gets(ad=True).asks(0)
    stage.passes(301)
    stage.client("www.example.jp").gets("SERVFAIL")
    stage.suspends("example.jp")
    stage.client("www.example.jp").gets(ad=False, ede=33)
