"""What validation makes of the trust points that RFC 5011 leaves: never insecure where there was an anchor."""

import pytest

from tests.trust.playbook import World
from tests.trust.rollover import Follower, key, revoked
from tests.trust.zones import SignedZone
from trust.anchors import TrustPoint, TrustPoints
from trust.reason import Reason
from trust.rfc5011 import State, trust_point
from trust.vocabulary import Security
from wire.name import ROOT

A, B = key(0), key(1)


def world() -> World:
    return World(SignedZone(".").sign())


def test_a_trust_point_without_any_anchor_is_bogus() -> None:
    stage = world()
    stage.points = TrustPoints([TrustPoint(ROOT)])
    trust = stage.trust(".")
    assert trust.security is Security.BOGUS and trust.reason is Reason.ANCHOR_MISMATCH and trust.reason.ede == 9


@pytest.mark.parametrize("published", ["plain", "revoked", "neither"])
def test_a_trust_point_of_revoked_keys_is_bogus(published: str) -> None:
    """Whatever the zone publishes: the revoked key as it was before, as it is now, or neither."""
    follow = Follower(A)
    follow.look([revoked(A)], [revoked(A)], 0)
    assert follow.state(A) is State.REVOKED
    point = trust_point(follow.point)
    assert point is not None
    ksk = {"plain": A, "revoked": revoked(A), "neither": B}[published]
    stage = World(SignedZone(".", keys=(ksk, key(9, flags=256))).sign())
    stage.points = TrustPoints([TrustPoint(ROOT, point.ds, point.dnskeys)])
    trust = stage.trust(".")
    assert trust.security is Security.BOGUS and trust.reason is Reason.ANCHOR_MISMATCH


def test_after_a_rollover_the_new_key_validates_and_the_old_one_does_not() -> None:
    follow = Follower(A)
    for day in range(0, 31, 5):
        follow.look([A, B], [A], day)
    follow.look([revoked(A), B], [revoked(A), B], 31)
    point = trust_point(follow.point)
    assert point is not None and point.dnskeys == (B.rdata,)
    for ksk, secure in ((A, False), (B, True)):
        stage = World(SignedZone(".", keys=(ksk, key(9, flags=256))).sign())
        stage.points = TrustPoints([TrustPoint(ROOT, point.ds, point.dnskeys)])
        assert stage.trust(".").secure == secure
