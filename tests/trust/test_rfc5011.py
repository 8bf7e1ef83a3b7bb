"""RFC 5011, section by section: revocation (§2.1), add hold-down (§2.2), active refresh (§2.3), parameters (§2.4), trust
point deletion (§5); digests as anchors; what does not make a key trusted.
"""

from dataclasses import replace

import pytest

from tests.trust.rollover import TTL, ZONE, Follower, key, published, revoked
from tests.trust.zones import DAY, NOW, KeyPair, corrupt
from trust.algorithms import Key
from trust.policy import Policy, Sha1
from trust.reason import Reason
from trust.rfc5011 import Origin, State, Timers, observe, trust_point
from trust.rfc5011_state import plain_form, revoked_form
from wire import types as t
from wire.limits import REMOVED_KEYS, RRSIGS_PER_RRSET, TRUST_KEYS
from wire.name import ROOT
from wire.rrset import RRset

A, B, C, D = (key(index) for index in range(4))
ZSK = key(9, flags=256)
HOUR = 3600.0


def watch(follow: Follower, present: list[KeyPair], signers: list[KeyPair], start: float, end: float) -> None:
    """Look every five days from `start` to `end`, both included."""
    day = start
    while day < end:
        follow.look(present, signers, day)
        day += 5
    follow.look(present, signers, end)


# --- §2.1 Revocation ---------------------------------------------------------------------------------------------------


def test_revoked_at_once_by_its_own_signature() -> None:
    follow = Follower(A, B)
    seen = follow.look([revoked(A), B], [revoked(A), B], 0)
    assert seen.ok and follow.state(A) is State.REVOKED and follow.state(B) is State.VALID
    assert "signs" in seen.transitions[0].why and str(revoked(A).tag) in seen.transitions[0].why


def test_revoked_though_no_other_anchor_signs() -> None:
    """ "A self-signed RRSet" is all that it takes: nothing else of the RRset is believed."""
    follow = Follower(A, B)
    seen = follow.look([revoked(A), C], [revoked(A)], 0)
    assert not seen.ok and follow.state(A) is State.REVOKED
    assert follow.state(B) is State.VALID and follow.state(C) is State.START
    assert seen.point.failures == 1 and seen.point.last_success is None


@pytest.mark.parametrize("fault", ["expired", "not yet valid", "corrupt", "by another key"])
def test_revocation_needs_a_signature_that_holds(fault: str) -> None:
    follow = Follower(A, B)
    form = revoked(A)
    rrset = published([form, B], [B], NOW)
    own = {
        "expired": published([form, B], [form], NOW, valid_s=-60),
        "not yet valid": published([form, B], [form], NOW + 2 * DAY),
        "corrupt": published([form, B], [form], NOW),
        "by another key": published([form, B], [C], NOW),
    }[fault].sigs
    rrset.sigs += [corrupt(own[0])] if fault == "corrupt" else own
    follow.see(rrset, NOW)
    assert follow.state(A) is State.MISSING, "as if it were not there"


def test_revoked_key_validates_nothing_else() -> None:
    follow = Follower(A)
    seen = follow.look([revoked(A), C], [revoked(A)], 0)
    assert not seen.ok and follow.state(C) is State.START
    # The plain form is the same key: a replay of the time before.
    seen = follow.look([A, C], [A], 1)
    assert not seen.ok and seen.reason is Reason.ANCHOR_MISMATCH and follow.state(C) is State.START


def test_revocation_is_permanent() -> None:
    follow = Follower(A, B)
    follow.look([revoked(A), B], [revoked(A), B], 0)
    watch(follow, [A, B], [A, B], 1, 400)
    assert follow.state(A) is State.REVOKED


def test_revocation_of_a_pending_or_unknown_key_counts_for_nothing() -> None:
    follow = Follower(A)
    follow.look([A, B], [A], 0)
    seen = follow.look([A, revoked(B), revoked(C)], [A, revoked(B), revoked(C)], 1)
    assert seen.ok and follow.state(B) is State.START and follow.state(C) is State.START


# --- §2.2 Add hold-down ------------------------------------------------------------------------------------------------


def test_new_key_is_trusted_after_the_hold_down_and_not_before() -> None:
    follow = Follower(A)
    watch(follow, [A, B], [A], 0, 29.99)
    entry = follow.entry(B)
    assert entry is not None and entry.state is State.ADD_PEND and not entry.trusted
    assert entry.hold_left_s(NOW + 29 * DAY, follow.timers) == DAY
    point = trust_point(follow.point)
    assert point is not None and point.dnskeys == (A.rdata,)
    follow.look([A, B], [A], 30)
    assert follow.state(B) is State.VALID
    point = trust_point(follow.point)
    assert point is not None and point.dnskeys == (A.rdata, B.rdata)


def test_hold_down_alone_does_not_do_it() -> None:
    """ "until the hold-down time expires AND it has retrieved and validated a DNSKEY RRSet after the hold-down time"."""
    follow = Follower(A)
    watch(follow, [A, B], [A], 0, 25)
    follow.miss(31)
    follow.look([A, B], [B], 32)  # signed by none but itself
    assert follow.state(B) is State.ADD_PEND
    follow.look([A, B], [A], 33)
    assert follow.state(B) is State.VALID


def test_absence_starts_it_anew() -> None:
    follow = Follower(A)
    watch(follow, [A, B], [A], 0, 29)
    follow.look([A], [A], 29.5)
    assert follow.state(B) is State.START
    watch(follow, [A, B], [A], 30, 59)
    assert follow.state(B) is State.ADD_PEND
    follow.look([A, B], [A], 60)
    assert follow.state(B) is State.VALID


def test_absence_from_an_unvalidated_rrset_is_nothing() -> None:
    follow = Follower(A)
    watch(follow, [A, B], [A], 0, 25)
    assert not follow.look([A], [C], 26).ok
    follow.look([A, B], [A], 30)
    assert follow.state(B) is State.VALID


def test_revocation_of_all_its_validators_starts_it_anew() -> None:
    """A thief of A introduces a key of his own; A's owner revokes A."""
    follow = Follower(A, B)
    follow.look([A, B, D], [A], 0)
    watch(follow, [A, B, D], [A, B], 5, 25)
    seen = follow.look([revoked(A), B, D], [revoked(A), B], 26)
    assert next(move for move in seen.transitions if move.key_tag == D.tag).new is State.START
    entry = follow.entry(D)
    assert entry is not None and entry.state is State.ADD_PEND and entry.validators == (B.rdata,)
    assert entry.hold_left_s(NOW + 26 * DAY, follow.timers) == 30 * DAY
    watch(follow, [revoked(A), B, D], [B], 27, 55)
    assert follow.state(D) is State.ADD_PEND
    follow.look([revoked(A), B, D], [B], 56)
    assert follow.state(D) is State.VALID


def test_revocation_of_one_of_two_validators_does_not() -> None:
    follow = Follower(A, B)
    follow.look([A, B, D], [A, B], 0)
    watch(follow, [revoked(A), B, D], [revoked(A), B], 5, 30)
    assert follow.state(D) is State.VALID


def test_stays_valid_until_revoked() -> None:
    """ "the key MUST be considered a valid trust anchor by that resolver until explicitly revoked"."""
    follow = Follower(A)
    watch(follow, [A, B], [A], 0, 30)
    watch(follow, [A], [A], 31, 2000)
    assert follow.state(B) is State.MISSING
    assert follow.look([B, C], [B], 2001).ok
    assert follow.state(B) is State.VALID and follow.state(A) is State.MISSING and follow.state(C) is State.ADD_PEND


def test_only_sep_keys_are_followed() -> None:
    follow = Follower(A)
    watch(follow, [A, ZSK], [A, ZSK], 0, 60)
    assert follow.state(ZSK) is State.START and len(follow.point.keys) == 1


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (B.altered(protocol=4), "not a zone key"),
        (B.altered(flags=1), "not a zone key"),
        (B.altered(algorithm=253), "algorithm not supported"),
        (KeyPair(7, 257), "algorithm not supported"),
        (B.altered(algorithm=13), "malformed public key"),
    ],
    ids=["protocol", "no zone-key bit", "private algorithm", "SHA-1", "malformed"],
)
def test_keys_that_could_never_be_anchors_are_not_taken_up(made: KeyPair, why: str) -> None:
    follow = Follower(A)
    seen = follow.look([A, made], [A], 0)
    assert seen.ok and seen.ignored == (f"key {made.tag} (algorithm {made.algorithm}): {why}",)
    assert follow.state(made) is State.START


def test_sha1_key_is_followed_under_the_old_policy() -> None:
    made = KeyPair(7, 257)
    follow = Follower(A, policy=Policy(Sha1.VALIDATE))
    follow.look([A, made], [A], 0)
    assert follow.state(made) is State.ADD_PEND


def test_flood_is_bounded_and_told() -> None:
    flood = [KeyPair(15, 257, index) for index in range(20, 20 + 30)]
    follow = Follower(A)
    seen = follow.look([A, *flood], [A], 0)
    assert len(seen.point.keys) == TRUST_KEYS.value
    assert len(seen.ignored) == 30 - (TRUST_KEYS.value - 1) and TRUST_KEYS.label in seen.ignored[0]
    assert follow.state(A) is State.VALID
    # Known keys keep their place, whatever the order in which the zone's servers give them.
    taken = {entry.dnskey for entry in seen.point.keys}
    again = follow.look([*reversed(flood), A], [A], 1)
    assert {entry.dnskey for entry in again.point.keys} == taken


def test_five_keys_at_least_can_be_followed() -> None:
    """§2.4.3."""
    assert TRUST_KEYS.value >= 5
    others = [KeyPair(15, 257, index) for index in range(20, 24)]
    follow = Follower(A)
    watch(follow, [A, *others], [A], 0, 30)
    assert {entry.state for entry in follow.point.keys} == {State.VALID} and len(follow.point.keys) == 5


# --- stricter than the RFC: gaps and clocks ----------------------------------------------------------------------------


def test_a_resolver_switched_off_for_months_has_not_seen_the_key_all_the_time() -> None:
    follow = Follower(A)
    follow.look([A, B], [A], 0)
    seen = follow.look([A, B], [A], 120)
    assert follow.state(B) is State.ADD_PEND
    assert [move.new for move in seen.transitions] == [State.START, State.ADD_PEND]
    assert "too long ago" in seen.transitions[0].why
    watch(follow, [A, B], [A], 125, 150)
    assert follow.state(B) is State.VALID


def test_a_clock_years_ahead_does_not_end_the_hold_down() -> None:
    follow = Follower(A)
    follow.look([A, B], [A], 0)
    follow.look([A, B], [A], 3650)
    assert follow.state(B) is State.ADD_PEND


def test_a_clock_set_back_starts_the_hold_down_anew() -> None:
    follow = Follower(A)
    watch(follow, [A, B], [A], 3650, 3670)
    seen = follow.look([A, B], [A], 0)
    assert follow.state(B) is State.ADD_PEND and "set back" in seen.transitions[0].why
    watch(follow, [A, B], [A], 1, 29)
    assert follow.state(B) is State.ADD_PEND
    follow.look([A, B], [A], 30)
    assert follow.state(B) is State.VALID


def test_a_small_correction_of_the_clock_is_none() -> None:
    follow = Follower(A)
    watch(follow, [A, B], [A], 0, 25)
    follow.look([A, B], [A], 25 - 0.01)
    follow.look([A, B], [A], 30)
    assert follow.state(B) is State.VALID


@pytest.mark.parametrize("days", [-3650.0, 3650.0])
def test_a_wrong_clock_makes_no_rrset_valid(days: float) -> None:
    """What the zone publishes in truth, seen under a clock years off: nothing moves."""
    follow = Follower(A, B)
    rrset = published([A, C], [A], NOW)
    seen = follow.see(rrset, NOW + days * DAY)
    assert not seen.ok and not seen.transitions
    assert seen.reason is (Reason.SIGNATURE_EXPIRED if days > 0 else Reason.SIGNATURE_NOT_YET_VALID)
    assert follow.state(B) is State.VALID and follow.state(C) is State.START


# --- §2.3 Active refresh -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("original_ttl", "expire_s", "refresh_s", "retry_s"),
    [
        (172800, 13 * DAY, 86400, 17280),  # the root
        (60, 14 * DAY, HOUR, HOUR),
        (3600, 14 * DAY, HOUR, HOUR),
        (100 * DAY, 100 * DAY, 15 * DAY, DAY),
        (100 * DAY, 4 * DAY, 2 * DAY, 0.4 * DAY),
        (10 * DAY, 100, HOUR, HOUR),
        (0, 0, HOUR, HOUR),
    ],
)
def test_intervals(original_ttl: int, expire_s: float, refresh_s: float, retry_s: float) -> None:
    assert Timers().refresh_s(original_ttl, expire_s) == refresh_s
    assert Timers().retry_s(original_ttl, expire_s) == pytest.approx(retry_s)


def test_next_refresh_after_success_and_after_failures() -> None:
    follow = Follower(A)
    assert follow.point.next_refresh == 0
    follow.look([A], [A], 0, ttl=4 * DAY, valid_s=100 * DAY)
    assert follow.point.next_refresh == NOW + 2 * DAY and follow.point.last_success == NOW
    assert (follow.point.original_ttl, follow.point.expire_s) == (4 * DAY, 100 * DAY)
    follow.miss(2)
    assert follow.point.next_refresh == pytest.approx(NOW + 2.4 * DAY)
    follow.miss(2.4)
    assert follow.point.failures == 2 and follow.point.last_success == NOW and follow.point.error == "timed out"
    follow.look([A], [A], 3)
    assert (follow.point.failures, follow.point.error) == (0, "")


def test_interval_goes_by_the_original_ttl_not_by_what_a_cache_left_of_it() -> None:
    follow = Follower(A)
    rrset = published([A], [A], NOW, ttl=4 * DAY)
    rrset.ttl = 17
    follow.see(rrset, NOW)
    assert follow.point.original_ttl == 4 * DAY


def test_interval_goes_by_the_signature_that_expires_first() -> None:
    follow = Follower(A, B)
    rrset = published([A, B], [A], NOW, valid_s=9 * DAY)
    rrset.sigs += published([A, B], [B], NOW, valid_s=4 * DAY).sigs
    follow.see(rrset, NOW)
    assert follow.point.expire_s == 4 * DAY


# --- §2.4 Parameters ---------------------------------------------------------------------------------------------------


def test_a_longer_ttl_lengthens_the_hold_down() -> None:
    follow = Follower(A)
    follow.look([A, B], [A], 0, ttl=45 * DAY)
    follow.look([A, B], [A], 25, ttl=TTL)  # that of the first RRset counts
    follow.look([A, B], [A], 44.9, ttl=TTL)
    assert follow.state(B) is State.ADD_PEND
    follow.look([A, B], [A], 45, ttl=TTL)
    assert follow.state(B) is State.VALID


def test_lab_timers() -> None:
    follow = Follower(A, timers=Timers(add_hold_down_s=10, remove_hold_down_s=20, shortest_s=1))
    second = 1 / DAY
    follow.look([A, B], [A], 0, ttl=5)
    follow.look([A, B], [A], 9 * second, ttl=5)
    assert follow.state(B) is State.ADD_PEND and follow.point.next_refresh == NOW + 9 + 2.5
    follow.look([A, B], [A], 10 * second, ttl=5)
    assert follow.state(B) is State.VALID
    follow.look([revoked(A), B], [revoked(A), B], 11 * second, ttl=5)
    follow.look([B], [B], 30 * second, ttl=5)
    assert follow.state(A) is State.REVOKED
    follow.look([B], [B], 31 * second, ttl=5)
    assert follow.state(A) is State.REMOVED


def test_remove_hold_down_counts_from_the_last_sighting() -> None:
    follow = Follower(A, B)
    watch(follow, [revoked(A), B], [revoked(A), B], 0, 100)
    follow.look([B], [B], 129.9)
    assert follow.state(A) is State.REVOKED
    follow.look([B], [B], 130)
    assert follow.state(A) is State.REMOVED
    watch(follow, [A, B], [A, B], 131, 200)
    assert follow.state(A) is State.REMOVED


def test_remove_hold_down_survives_a_clock_that_was_ahead() -> None:
    follow = Follower(A, B)
    follow.look([revoked(A), B], [revoked(A), B], 3650)
    follow.look([B], [B], 0)
    follow.look([B], [B], 29)
    assert follow.state(A) is State.REVOKED
    follow.look([B], [B], 30)
    assert follow.state(A) is State.REMOVED


def test_removed_keys_are_forgotten_oldest_first_but_not_configured_ones() -> None:
    follow = Follower(A)
    entry = follow.entry(A)
    assert entry is not None
    old = [
        replace(entry, state=State.REMOVED, dnskey=A.rdata + bytes([i]), since=NOW + i, origin=Origin.LEARNED)
        for i in range(REMOVED_KEYS + 3)
    ]
    kept = replace(entry, state=State.REMOVED, dnskey=A.rdata + b"x", since=0, origin=Origin.CONFIGURED)
    follow.point = replace(follow.point, keys=(*follow.point.keys, *old, kept))
    follow.look([A], [A], 1)
    assert follow.point.keys[1:] == (*old[3:], kept)


# --- §5 Trust point deletion -------------------------------------------------------------------------------------------


def test_all_revoked_below_another_trust_point() -> None:
    follow = Follower(A)
    follow.look([revoked(A)], [revoked(A)], 0)
    assert trust_point(follow.point, superior=True) is None


def test_all_revoked_and_none_above_matches_nothing_and_is_not_nothing() -> None:
    follow = Follower(A, B)
    follow.look([revoked(A), revoked(B), C], [revoked(A), revoked(B)], 0)
    point = trust_point(follow.point)
    assert point is not None and point.dnskeys == (revoked(A).rdata, revoked(B).rdata) and not point.ds
    assert all(not Key(rdata).usable for rdata in point.dnskeys)


# --- digests as anchors ------------------------------------------------------------------------------------------------


def test_a_digest_becomes_its_key_at_first_sight() -> None:
    follow = Follower(A.ds(ZONE), B.ds(ZONE))
    before = trust_point(follow.point)
    assert before is not None and before.ds == (A.ds(ZONE), B.ds(ZONE)) and not before.dnskeys
    seen = follow.look([A, ZSK], [A, ZSK], 0)
    assert seen.ok and follow.state(A) is State.VALID
    after = trust_point(follow.point)
    assert after is not None and after.dnskeys == (A.rdata,) and after.ds == (B.ds(ZONE),)
    assert follow.story[-1] == f"{B.tag}: Valid -> Missing (KeyRem)"
    follow.look([A, B], [A], 10)
    assert follow.state(B) is State.VALID, "no hold-down: the configuration names it"


def test_several_digests_of_one_key_are_one_key() -> None:
    follow = Follower(A.ds(ZONE, 2), A.ds(ZONE, 4), A)
    follow.look([A], [A], 0)
    (entry,) = follow.point.keys
    assert entry.dnskey == A.rdata and set(entry.ds) == {A.ds(ZONE, 2), A.ds(ZONE, 4)} and entry.trusted


def test_a_digest_whose_key_is_seen_revoked_first() -> None:
    """A new resolver, with a package that still names a key which is just being revoked."""
    follow = Follower(A.ds(ZONE), B.ds(ZONE))
    seen = follow.look([revoked(A), B], [revoked(A), B], 0)
    assert seen.ok and follow.state(A) is State.REVOKED and follow.state(B) is State.VALID
    assert not follow.look([A, B], [A], 1).ok


def test_a_digest_that_matches_nothing() -> None:
    follow = Follower(A.ds(ZONE))
    seen = follow.look([B], [B], 0)
    assert not seen.ok and seen.reason is Reason.ANCHOR_MISMATCH and str(A.tag) in seen.text
    assert follow.state(B) is State.START and follow.point.trusted


def test_a_sha1_digest_beside_a_better_one_counts_for_nothing() -> None:
    made = A.ds(ZONE, 1)
    follow = Follower(made)
    assert not follow.look([A], [A], 0).ok
    follow = Follower(made, policy=Policy(Sha1.VALIDATE))
    assert follow.look([A], [A], 0).ok


# --- what is no DNSKEY RRset of the zone -------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["empty", "owner", "type", "class"])
def test_another_rrset(what: str) -> None:
    follow = Follower(A)
    good = published([A], [A], NOW)
    rrset = {
        "empty": RRset(ZONE, t.DNSKEY, TTL, [], good.sigs),
        "owner": published([A], [A], NOW, zone=ROOT),
        "type": RRset(ZONE, t.CDNSKEY, TTL, good.rdatas, good.sigs),
        "class": RRset(ZONE, t.DNSKEY, TTL, good.rdatas, good.sigs, rclass=t.CH),
    }[what]
    seen = follow.see(rrset, NOW)
    assert not seen.ok and seen.reason is Reason.DNSKEY_MISSING and follow.state(A) is State.VALID
    assert seen.point.next_refresh == NOW + HOUR


def test_signatures_in_excess_are_not_tried_without_end() -> None:
    follow = Follower(A)
    rrset = published([A, B], [A], NOW)
    rrset.sigs = [corrupt(rrset.sigs[0])] * (2 * RRSIGS_PER_RRSET.value) + rrset.sigs
    seen = follow.see(rrset, NOW)
    assert not seen.ok and seen.reason is Reason.LIMIT


def test_forms_of_a_key() -> None:
    assert revoked_form(A.rdata) == revoked(A).rdata and plain_form(revoked(A).rdata) == A.rdata
    assert plain_form(A.rdata) == A.rdata


def test_observe_changes_nothing_in_place() -> None:
    follow = Follower(A)
    before = follow.point
    keys = before.keys
    observe(before, published([A, B], [A], NOW), NOW, Policy())
    assert before.keys is keys and len(keys) == 1
