"""Expired data while authorities fail (RFC 8767): when it is served, with which verdict, and what takes its place."""

import re
from typing import Any

import pytest

from resolver.daemon.metrics.table import METRICS, Snapshot
from resolver.resolution import Resolution
from tests.resolver.house import Change, House, broken, silent
from tests.trust.zones import NOW, SignedZone, n
from trust.reason import Reason
from trust.vocabulary import Ask, Security, Trouble
from wire import types as t
from wire.limits import STALE_HOLD, STALE_RECHECK
from wire.message import Message

SECURE, INSECURE, BOGUS = Security.SECURE, Security.INSECURE, Security.BOGUS
EXAMPLE_AT, PLAIN_AT, OTHER_AT = "192.0.2.3", "192.0.2.4", "192.0.2.5"
TTL = 300
RECORDS = f"""www {TTL} A 192.0.2.80
alias {TTL} CNAME www
far {TTL} CNAME www.other.jp.
"""


def house(*, expiration: int | None = None, **changes: Any) -> House:
    """root → jp → example.jp, other.jp (signed) and plain.jp (not). `expiration`: of www.example.jp/A's signature."""
    root = SignedZone(".", server="192.0.2.1")
    jp = SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", RECORDS, server=EXAMPLE_AT)
    other = SignedZone("other.jp", f"www {TTL} A 192.0.2.90\n", server=OTHER_AT)
    plain = SignedZone("plain.jp", f"www {TTL} A 192.0.2.81\n", server=PLAIN_AT)
    root.delegate(jp)
    jp.delegate(example)
    jp.delegate(other)
    jp.delegate(plain, ds=[])
    for zone in (root, jp, example, other):
        zone.sign()
    if expiration is not None:
        example.sign_set(example.get("www.example.jp", "A"), expiration=expiration)
    return House(root, jp, example, other, plain, **({"serve_stale": True} | changes))


def fails(here: House, *addresses: str, how: Change = silent) -> None:
    here.changes = dict.fromkeys(addresses or (EXAMPLE_AT, PLAIN_AT, OTHER_AT), how)


def refused(ask: Ask, out: Message) -> Message:
    failed = Message(0, t.QR | t.SERVFAIL)
    failed.edns = out.edns
    return failed


def codes(resolution: Resolution) -> list[int]:
    return [code for code, _ in resolution.errors]


def ttls(here: House, resolution: Resolution) -> list[int]:
    return [round(expires - here.now.mono) for _, expires in resolution.answer]


# --- when it is served -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "security"), [("www.example.jp", SECURE), ("www.plain.jp", INSECURE)])
@pytest.mark.parametrize("how", [silent, refused], ids=["silent", "SERVFAIL"])
def test_what_was_known_is_served_with_its_verdict(name: str, security: Security, how: Change) -> None:
    here = house()
    assert here.ask(name).security is security
    here.passes(TTL + 5)
    fails(here, how=how)
    got = here.ask(name)
    assert (got.rcode, got.security, got.reason) == (t.NOERROR, security, Reason.STALE)
    assert codes(got)[0] == 3
    assert 22 in codes(got)
    assert re.fullmatch(rf"{re.escape(name)}/A expired \d s ago", got.errors[0][1])
    assert 25 <= ttls(here, got)[0] <= 30  # the client had it before the last server had its second chance
    assert got.expires_mono <= here.now.mono + STALE_HOLD


def test_off_by_default() -> None:
    here = house(serve_stale=False)
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here)
    assert here.ask("www.example.jp").rcode == t.SERVFAIL


def test_live_data_needs_nobody() -> None:
    here = house()
    here.ask("www.example.jp")
    fails(here)
    assert codes(here.ask("www.example.jp")) == []


def test_a_denial_is_served_as_code_19() -> None:
    here = house(aggressive_nsec=False)
    assert here.ask("none.example.jp").rcode == t.NXDOMAIN
    here.passes(3700)
    fails(here)
    got = here.ask("none.example.jp")
    assert (got.rcode, got.security, codes(got)[0]) == (t.NXDOMAIN, SECURE, 19)


def test_not_beyond_its_age() -> None:
    here = house(stale_max_age=600.0)
    here.ask("www.example.jp")
    here.passes(TTL + 590)
    fails(here)
    assert here.ask("www.example.jp").rcode == t.NOERROR
    here.passes(20)
    assert here.ask("www.example.jp").rcode == t.SERVFAIL


@pytest.mark.parametrize("name", ["alias.example.jp", "far.example.jp"])
def test_a_chain_is_served_whole(name: str) -> None:
    here = house()
    assert len(here.ask(name).answer) == 2
    here.passes(TTL + 5)
    fails(here)
    got = here.ask(name)
    assert (got.rcode, got.security, len(got.answer)) == (t.NOERROR, SECURE, 2)


def test_one_end_of_a_chain_may_be_fresh() -> None:
    here = house()
    here.ask("far.example.jp")
    here.passes(TTL + 5)
    fails(here, OTHER_AT)
    got = here.ask("far.example.jp")
    assert (codes(got)[0], got.security) == (3, SECURE)
    assert 25 <= max(ttls(here, got)) <= 30


def test_half_a_chain_is_none() -> None:
    here = house()
    here.ask("www.example.jp")
    here.ask("far.example.jp", "CNAME")
    here.passes(TTL + 5)
    fails(here)
    assert here.ask("far.example.jp").rcode == t.SERVFAIL


def test_clients_that_check_themselves_get_it_without_a_verdict() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here)
    got = here.ask("www.example.jp", cd=True)
    assert (got.rcode, codes(got)[0]) == (t.NOERROR, 3)
    assert got.security is not SECURE


# --- never bogus -------------------------------------------------------------------------------------------------------


def test_fresh_and_bogus_beats_stale_and_good() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here, EXAMPLE_AT, how=broken(t.A))
    got = here.ask("www.example.jp")
    assert (got.rcode, got.security) == (t.SERVFAIL, BOGUS)
    assert 3 not in codes(got)
    # Nor is the good data of before back when the zone, just seen bogus, then falls silent.
    here.passes(200)
    fails(here)
    assert here.ask("www.example.jp").rcode == t.SERVFAIL


def test_what_was_bogus_is_never_served() -> None:
    here = house()
    fails(here, EXAMPLE_AT, how=broken(t.A))
    assert here.ask("www.example.jp").security is BOGUS
    here.passes(400)
    fails(here)
    assert here.ask("www.example.jp").rcode == t.SERVFAIL
    assert here.ask("www.example.jp", cd=True).rcode == t.SERVFAIL


def test_past_its_signature_it_is_not_served() -> None:
    here = house(expiration=NOW + TTL + 60)
    here.ask("www.example.jp")
    here.passes(TTL + 30)
    fails(here)
    assert here.ask("www.example.jp").security is SECURE
    here.passes(60)
    got = here.ask("www.example.jp")
    assert (got.rcode, 3 in codes(got)) == (t.SERVFAIL, False)
    # Who checks himself may have it.
    assert here.ask("www.example.jp", cd=True).rcode == t.NOERROR


def test_past_the_signature_of_its_keys_it_is_not_served() -> None:
    here = house()
    zone = here.zones[n("example.jp")]
    zone.sign_set(zone.get("example.jp", "DNSKEY"), expiration=NOW + TTL + 60)
    here.ask("www.example.jp")
    here.passes(TTL + 30)
    fails(here)
    assert here.ask("www.example.jp").security is SECURE
    here.passes(60)
    assert here.ask("www.example.jp").rcode == t.SERVFAIL


# --- what takes its place ----------------------------------------------------------------------------------------------


def test_a_denial_takes_the_place_of_data() -> None:
    here = house(aggressive_nsec=False)
    here.ask("www.example.jp")
    here.passes(TTL + 5)

    def gone(ask: Ask, out: Message) -> Message:
        if ask.qname == n("www.plain.jp"):
            out.flags |= t.NXDOMAIN
            out.answer, out.authority = [], here.zones[n("plain.jp")].step(n("none.plain.jp"), t.A).authority
        return out

    here.ask("www.plain.jp")
    here.passes(TTL + 5)
    fails(here, PLAIN_AT, how=gone)
    assert here.ask("www.plain.jp").rcode == t.NXDOMAIN
    here.passes(4000)
    fails(here)
    assert codes(here.ask("www.plain.jp"))[0] == 19


def test_back_at_the_authorities() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here)
    here.ask("www.example.jp")
    here.changes = {}
    here.passes(STALE_RECHECK + 1)
    got = here.ask("www.example.jp")
    assert (codes(got), ttls(here, got)) == ([], [TTL])


def test_failing_servers_are_asked_again_after_30_s_and_no_sooner() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here)
    here.ask("www.example.jp")
    for _ in range(3):
        here.packets()
        got = here.ask("www.example.jp")
        assert here.packets() == 0
        assert codes(got)[:1] == [3]
        assert {13, 22} <= set(codes(got))
        here.passes(STALE_RECHECK + 1)
        assert codes(here.ask("www.example.jp"))[0] == 3
        assert here.packets() > 0


def test_a_new_nta_judges_anew() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here)
    here.suspends("example.jp")
    got = here.ask("www.example.jp")
    assert (got.rcode, got.security) == (t.NOERROR, INSECURE)
    assert set(codes(got)) >= {3, 33}


def test_an_ended_nta_leaves_nothing_behind() -> None:
    here = house()
    here.suspends("example.jp")
    assert here.ask("www.example.jp").security is INSECURE
    here.passes(TTL + 5)
    fails(here)
    here.suspends()
    assert here.ask("www.example.jp").rcode == t.SERVFAIL


def test_another_generation_judges_anew_and_needs_the_keys() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here)
    here.suspends("other.jp")  # another generation; the keys of example.jp are remembered, unjudged
    assert here.ask("www.example.jp").security is SECURE
    here.passes(4000)
    here.suspends()
    assert here.ask("www.example.jp").rcode == t.SERVFAIL


# --- patience ----------------------------------------------------------------------------------------------------------


def test_a_client_waits_no_longer_than_its_patience() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    here.begin("one", "www.example.jp")
    assert not here.finished
    here.passes(1.0)
    here.begin("two", "www.example.jp")
    assert not here.finished
    here.passes(0.9)
    assert [codes(here.finished[token]) for token in ("one", "two")] == [[3, 22], [3, 22]]
    assert "not resolved within 1.8 s" in here.finished["one"].errors[1][1]
    # Who comes later does not wait at all: the answer is late already.
    here.begin("three", "www.example.jp")
    assert here.finished["three"].reason is Reason.STALE
    # The resolution goes on, and refreshes the cache.
    assert here.mesh.inflight
    here.run()
    assert not here.mesh.inflight
    here.packets()
    assert codes(here.ask("www.example.jp")) == []
    assert here.packets() == 0


def test_without_expired_data_clients_go_on_waiting() -> None:
    here = house()
    here.begin("one", "www.example.jp")
    here.passes(5.0)
    assert not here.finished
    here.run()
    assert here.finished["one"].security is SECURE


def test_patience_is_not_a_deadline_of_ours_when_it_is_off() -> None:
    here = house(serve_stale=False)
    here.begin("one", "www.example.jp")
    due = here.mesh.next_deadline()
    assert due is not None
    assert due - here.now.mono > 5


def test_what_turns_out_bogus_behind_the_clients_back_is_bogus_from_then_on() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here, EXAMPLE_AT, how=broken(t.A))
    here.begin("one", "www.example.jp")
    here.passes(2.0)
    assert here.finished["one"].reason is Reason.STALE
    here.run()
    assert here.ask("www.example.jp").security is BOGUS


def test_silence_is_told_as_such() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    fails(here, how=lambda ask, out: Trouble.UNREACHABLE)
    assert set(codes(here.ask("www.example.jp"))) >= {3, 22, 23}


def test_a_bug_of_ours_in_expired_data_does_not_end_the_resolution() -> None:
    here = house()
    here.ask("www.example.jp")
    here.passes(TTL + 5)
    entry = here.mesh.memory.answers.stale(n("www.example.jp"), t.A, here.now.mono)
    assert entry is not None
    entry.expires = float("nan")  # its age is no number
    told: list[Exception] = []
    here.mesh.crashed = told.append
    here.begin("one", "www.example.jp")
    here.passes(2.0)
    assert (len(told), here.finished) == (1, {})
    here.run()
    assert here.finished["one"].security is SECURE


def test_the_metric_counts_hits_of_the_packet_cache_and_clients_without_edns() -> None:
    cells = {
        "udp|1|0|secure|stale|3,22|": 5,
        "udp|1|0|insecure|stale||0765": 2,
        "tcp|1|3|secure|stale-nxdomain||": 1,
        "udp|1|0|secure|valid||": 70,
    }
    (metric,) = (metric for metric in METRICS if metric.name == "stale_answers")
    assert dict(metric.read(Snapshot({"responses": cells}))) == {("data",): 7, ("nxdomain",): 1}
    assert dict(metric.read(Snapshot({}))) == {("data",): 0, ("nxdomain",): 0}
