"""Names of time servers under a wrong clock: found, but never called secure; everything else stays bogus."""

from collections.abc import Callable
from typing import Any

import pytest

from resolver.resolve.untimely import EXCUSE
from tests.resolver.house import House
from tests.trust.zones import NOW, SignedZone, corrupt, n
from trust.reason import Reason
from trust.vocabulary import Now, Security
from wire import types as t
from wire.limits import BOGUS_TTL

YEAR = 365 * 86400
AHEAD, BEHIND = NOW + YEAR, NOW - YEAR
RECORDS = """a.pool 300 A 192.0.2.123
a.pool 300 TXT "x"
alias.pool 300 CNAME time.other.jp.
www 300 A 192.0.2.80
"""
NOTE = " (our clock is 31536000 s ahead)"


def house(change: Callable[[SignedZone], object] | None = None, wall: float = AHEAD, **settings: Any) -> House:
    """root → jp → ntp.jp, other.jp, all signed, at a wrong time. `change`: to ntp.jp once it is signed."""
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", server="192.0.2.2")
    ntp = SignedZone("ntp.jp", RECORDS, server="192.0.2.3")
    other = SignedZone("other.jp", "time 300 A 192.0.2.99\n", server="192.0.2.4")
    root.delegate(jp)
    jp.delegate(ntp)
    jp.delegate(other)
    for zone in (root, jp, ntp, other):
        zone.sign()
    if change is not None:
        change(ntp)
    here = House(root, jp, ntp, other, **({"ntp_names": (n("pool.ntp.jp"),)} | settings))
    here.now = Now(float(wall), 1000.0)
    return here


@pytest.mark.parametrize(("wall", "code"), [(AHEAD, 7), (BEHIND, 8)])
def test_an_address_is_found_and_insecure(wall: float, code: int) -> None:
    here = house(wall=wall)
    got = here.ask("a.pool.ntp.jp")
    assert (got.rcode, got.security) == (t.NOERROR, Security.INSECURE)
    assert [rrset.rdatas for rrset, _ in got.answer] == [[bytes((192, 0, 2, 123))]]
    assert got.errors[0][0] == code
    assert got.errors[0][1].endswith(EXCUSE)
    assert got.expires_mono <= here.now.mono + BOGUS_TTL


def test_it_is_not_remembered_as_anything_else() -> None:
    here = house()
    assert here.ask("a.pool.ntp.jp").security is Security.INSECURE
    assert here.ask("www.ntp.jp").security is Security.BOGUS
    here.mesh.set_clock("", verified=True)
    assert here.ask("a.pool.ntp.jp").security is Security.BOGUS


def test_an_alias_is_followed_out_of_the_zone() -> None:
    got = house().ask("alias.pool.ntp.jp")
    assert (got.rcode, got.security) == (t.NOERROR, Security.INSECURE)
    assert got.answer[-1][0].rdatas == [bytes((192, 0, 2, 99))]


def test_a_denial_is_believed_likewise() -> None:
    got = house().ask("a.pool.ntp.jp", "AAAA")
    assert (got.rcode, got.security, got.answer) == (t.NOERROR, Security.INSECURE, [])
    assert house().ask("none.pool.ntp.jp").rcode == t.NXDOMAIN


@pytest.mark.parametrize(
    ("name", "rtype"), [("www.ntp.jp", "A"), ("a.pool.ntp.jp", "TXT"), ("time.other.jp", "A"), ("ntp.jp", "DNSKEY")]
)
def test_other_names_and_types_stay_bogus(name: str, rtype: str) -> None:
    got = house().ask(name, rtype)
    assert (got.rcode, got.security, got.reason) == (t.SERVFAIL, Security.BOGUS, Reason.SIGNATURE_EXPIRED)


def test_no_name_is_excused_unless_configured() -> None:
    assert house(ntp_names=()).ask("a.pool.ntp.jp").security is Security.BOGUS


def test_none_once_the_clock_is_verified() -> None:
    here = house()
    here.mesh.set_clock("", verified=True)
    assert here.ask("a.pool.ntp.jp").security is Security.BOGUS
    here.mesh.set_clock(NOTE, verified=False)
    here.passes(BOGUS_TTL + 1)
    assert here.ask("a.pool.ntp.jp").security is Security.INSECURE


def forge(zone: SignedZone) -> None:
    """Another address under the old, expired signature."""
    zone.get("a.pool.ntp.jp", "A").rdatas = [bytes((203, 0, 113, 66))]


def spoil(zone: SignedZone) -> None:
    rrset = zone.get("a.pool.ntp.jp", "A")
    rrset.sigs = [corrupt(sig) for sig in rrset.sigs]


def strip(zone: SignedZone) -> None:
    zone.get("a.pool.ntp.jp", "A").sigs = []


def spoil_key(zone: SignedZone) -> None:
    """The zone's keys are signed by nobody: all below an expired chain could be anybody's."""
    rrset = zone.get("ntp.jp", "DNSKEY")
    rrset.sigs = [corrupt(sig) for sig in rrset.sigs]


def backwards(zone: SignedZone) -> None:
    """It expires before it begins, whatever the time (EDE 25)."""
    zone.sign_set(zone.get("a.pool.ntp.jp", "A"), inception=NOW + 2000, expiration=NOW + 1000)


@pytest.mark.parametrize("change", [forge, spoil, strip, spoil_key, backwards])
def test_only_reasons_of_time_are_excused(change: Callable[[SignedZone], object]) -> None:
    got = house(change).ask("a.pool.ntp.jp")
    assert (got.rcode, got.security) == (t.SERVFAIL, Security.BOGUS)


def test_a_right_clock_changes_nothing() -> None:
    here = house(wall=NOW)
    got = here.ask("a.pool.ntp.jp")
    assert (got.security, got.errors) == (Security.SECURE, [])


def test_checking_disabled_is_left_alone() -> None:
    assert house().ask("a.pool.ntp.jp", cd=True).security is Security.INDETERMINATE


def test_errors_about_times_tell_a_wrong_clock() -> None:
    here = house()
    here.mesh.set_clock(NOTE, verified=False)
    texts = [text for code, text in here.ask("www.ntp.jp").errors if code == 7]
    assert texts
    assert texts[0].endswith(NOTE)
    texts = [text for code, text in here.ask("a.pool.ntp.jp").errors if code == 7]
    assert texts[0].endswith(EXCUSE + NOTE)
    here.mesh.set_clock("", verified=False)
    assert not any(NOTE in text for _, text in here.ask("www.ntp.jp").errors)


def test_errors_about_other_things_do_not() -> None:
    here = house(spoil, wall=NOW)
    here.mesh.set_clock(NOTE, verified=False)
    got = here.ask("a.pool.ntp.jp")
    assert got.reason is Reason.SIGNATURE_INVALID
    assert not any(NOTE in text for _, text in got.errors)


def test_when_the_clock_comes_right_what_was_refused_is_looked_at_again() -> None:
    here = house()
    assert here.ask("www.ntp.jp").security is Security.BOGUS
    epoch = here.mesh.epoch
    here.now = Now(float(NOW), here.now.mono)
    here.mesh.set_clock("", verified=True)
    assert here.mesh.epoch > epoch, "whole responses are dropped"
    assert here.ask("www.ntp.jp").security is Security.SECURE
