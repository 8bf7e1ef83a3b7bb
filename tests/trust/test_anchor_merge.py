"""What is configured against what is stored: each rule of `trust.anchor_merge`; no merge ends without validation."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trust.rollover import ZONE, Follower, key, revoked
from tests.trust.zones import DAY, NOW, KeyPair
from trust.anchor_merge import Merged, merge_configured, merge_imported
from trust.anchors import TrustPoint
from trust.rfc5011 import Origin, PointState, State, trust_point

A, B, C, D = (key(index) for index in range(4))


def learnt(*, revoke: bool = False, remove: bool = False) -> Follower:
    """A is configured, B was learnt from it, C is pending; A is revoked, or even removed."""
    follow = Follower(A)
    for day in range(0, 35, 5):
        follow.look([A, B], [A], day)
    present = [revoked(A), B] if revoke or remove else [A, B]
    follow.look([*present, C], [*present], 36)
    if remove:
        for day in range(40, 75, 5):
            follow.look([B], [B], day)
        follow.look([B, C], [B], 77)
    return follow


def configured(*keys: KeyPair, ds: tuple[bytes, ...] = ()) -> TrustPoint:
    return TrustPoint(ZONE, ds, [pair.rdata for pair in keys])


def merge(follow: Follower, point: TrustPoint | None) -> Merged:
    return merge_configured(follow.point, point, ZONE, NOW + 100 * DAY)


def states(point: PointState | None) -> dict[int, State]:
    assert point is not None
    return {entry.tag: entry.state for entry in point.keys}


# --- rule 2: what is named is trusted ------------------------------------------------------------------------------------


def test_first_start() -> None:
    merged = merge_configured(None, configured(A, ds=(B.ds(ZONE),)), ZONE, NOW)
    assert merged.point is not None and states(merged.point) == {A.tag: State.VALID, B.tag: State.VALID}
    assert {entry.origin for entry in merged.point.keys} == {Origin.CONFIGURED}
    assert merged.point.next_refresh == 0 and len(merged.transitions) == 2 and not merged.warnings


def test_same_configuration_changes_nothing() -> None:
    follow = learnt()
    merged = merge(follow, configured(A))
    assert merged == Merged(follow.point, (), ())


def test_same_digests_of_keys_never_seen_change_nothing() -> None:
    """Also an unknown kind of digest, which can only be compared."""
    strange = A.ds(ZONE)[:3] + b"\x63" + A.ds(ZONE)[4:]
    follow = Follower(A.ds(ZONE), strange)
    merged = merge(follow, configured(ds=(A.ds(ZONE), strange)))
    assert merged == Merged(follow.point, (), ())


def test_a_digest_replaced_by_its_key_is_the_same_key() -> None:
    merged = merge(Follower(A.ds(ZONE)), configured(A))
    assert not merged.transitions and merged.point is not None
    (entry,) = merged.point.keys
    assert entry.dnskey == A.rdata and entry.ds == (A.ds(ZONE),)


@pytest.mark.parametrize("form", ["key", "digest"])
def test_newly_named_key_is_trusted_at_once(form: str) -> None:
    follow = learnt()
    point = configured(A, D) if form == "key" else configured(A, ds=(D.ds(ZONE),))
    merged = merge(follow, point)
    assert states(merged.point) == {A.tag: State.VALID, B.tag: State.VALID, C.tag: State.ADD_PEND, D.tag: State.VALID}
    assert merged.point is not None and merged.point.next_refresh == 0


@pytest.mark.parametrize("form", ["key", "digest"])
def test_naming_a_pending_key_ends_its_hold_down(form: str) -> None:
    follow = learnt()
    point = configured(A, C) if form == "key" else configured(A, ds=(C.ds(ZONE),))
    merged = merge(follow, point)
    assert states(merged.point)[C.tag] is State.VALID and len(merged.point.keys) == 3  # type: ignore[union-attr]
    (move,) = merged.transitions
    assert (move.old, move.new, move.event) == (State.ADD_PEND, State.VALID, None)
    entry = next(entry for entry in merged.point.keys if entry.tag == C.tag)  # type: ignore[union-attr]
    assert (entry.validators, entry.hold_s, entry.origin) == ((), 0.0, Origin.CONFIGURED)


def test_another_digest_of_a_known_key_is_the_same_key() -> None:
    follow = learnt()
    merged = merge(follow, configured(ds=(A.ds(ZONE, 2), A.ds(ZONE, 4))))
    assert not merged.transitions and states(merged.point) == states(follow.point)
    entry = next(entry for entry in merged.point.keys if entry.dnskey == A.rdata)  # type: ignore[union-attr]
    assert entry.ds == (A.ds(ZONE, 2), A.ds(ZONE, 4))


# --- rule 1: revoked stays revoked ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["key", "digest"])
@pytest.mark.parametrize("removed", [False, True])
def test_a_revoked_key_that_is_still_named(form: str, removed: bool) -> None:
    follow = learnt(revoke=True, remove=removed)
    point = configured(A) if form == "key" else configured(ds=(A.ds(ZONE),))
    merged = merge(follow, point)
    wanted = State.REMOVED if removed else State.REVOKED
    assert states(merged.point)[A.tag] is wanted and states(merged.point)[B.tag] is State.VALID
    (warning,) = merged.warnings
    assert str(A.tag) in warning and wanted.value in warning and not merged.transitions


def test_all_that_is_named_is_revoked_and_nothing_was_learnt() -> None:
    follow = Follower(A)
    follow.look([revoked(A)], [revoked(A)], 0)
    merged = merge(follow, configured(A))
    assert merged.point is not None and not merged.point.trusted
    assert any("nothing below validates" in warning for warning in merged.warnings)
    point = trust_point(merged.point)
    assert point is not None and point.dnskeys == (revoked(A).rdata,)


# --- rule 3: what is no longer named -------------------------------------------------------------------------------------


def test_withdrawn_key_is_not_trusted_any_more() -> None:
    follow = Follower(A, D)
    merged = merge(follow, configured(D))
    assert states(merged.point) == {D.tag: State.VALID}
    assert merged.transitions[0].new is State.START and "no longer" in merged.transitions[0].why


def test_withdrawn_digest_likewise() -> None:
    merged = merge(Follower(A.ds(ZONE), D.ds(ZONE)), configured(ds=(D.ds(ZONE),)))
    assert states(merged.point) == {D.tag: State.VALID}


def test_withdrawn_and_revoked_key_is_remembered() -> None:
    follow = learnt(revoke=True)
    merged = merge(follow, configured(B))
    assert states(merged.point) == {A.tag: State.REVOKED, B.tag: State.VALID, C.tag: State.ADD_PEND}
    assert merged.point is not None and merged.point.keys[0].origin is Origin.LEARNED
    again = merge_configured(merged.point, configured(A, B), ZONE, NOW + 101 * DAY)
    assert states(again.point)[A.tag] is State.REVOKED
    # What the configuration names is never forgotten for want of room.
    assert again.point is not None and again.point.keys[0].origin is Origin.CONFIGURED


# --- rule 4: what was learnt ---------------------------------------------------------------------------------------------


def test_learnt_keys_outlive_the_key_they_were_learnt_from() -> None:
    follow = learnt(remove=True)
    merged = merge(follow, configured(A))
    assert states(merged.point) == {A.tag: State.REMOVED, B.tag: State.VALID, C.tag: State.ADD_PEND}


def test_other_anchors_altogether_begin_anew() -> None:
    """Another root (a lab, a company's own): what the former one said is not believed there."""
    merged = merge(learnt(), configured(D))
    assert states(merged.point) == {D.tag: State.VALID}
    assert {move.key_tag for move in merged.transitions} == {A.tag, B.tag, C.tag, D.tag}


def test_naming_one_learnt_key_keeps_the_others() -> None:
    merged = merge(learnt(), configured(B))
    assert states(merged.point) == {B.tag: State.VALID, C.tag: State.ADD_PEND}


# --- rule 5: imports -----------------------------------------------------------------------------------------------------


def test_imported_key_is_trusted_and_independent_of_the_configuration() -> None:
    follow = learnt()
    imported = merge_imported(follow.point, configured(D), NOW, "imported")
    assert states(imported.point)[D.tag] is State.VALID
    merged = merge_configured(imported.point, configured(A), ZONE, NOW)
    assert states(merged.point)[D.tag] is State.VALID and not merged.transitions
    alone = merge_configured(imported.point, None, ZONE, NOW)
    assert states(alone.point) == {B.tag: State.VALID, C.tag: State.ADD_PEND, D.tag: State.VALID}


def test_import_instead_of_all_others() -> None:
    follow = learnt(revoke=True)
    merged = merge_imported(follow.point, configured(D), NOW, "imported from x", alone=True)
    assert states(merged.point) == {A.tag: State.REVOKED, D.tag: State.VALID}
    assert {move.why for move in merged.transitions} == {"replaced: imported from x", "imported from x"}


def test_import_of_a_revoked_key_is_refused_in_so_many_words() -> None:
    merged = merge_imported(learnt(revoke=True).point, configured(A), NOW, "imported")
    assert states(merged.point)[A.tag] is State.REVOKED and len(merged.warnings) == 1


def test_import_where_nothing_was() -> None:
    merged = merge_imported(None, configured(D), NOW, "imported")
    assert states(merged.point) == {D.tag: State.VALID}


# --- ends ----------------------------------------------------------------------------------------------------------------


def test_zone_that_is_not_configured_any_more_is_gone() -> None:
    assert merge(learnt(), None).point is None
    assert merge(learnt(revoke=True), None).point is None
    assert merge_configured(None, None, ZONE, NOW).point is None


keys = st.lists(st.sampled_from([A, B, C, D]), min_size=1, max_size=4, unique_by=id)
forms = st.lists(st.booleans(), min_size=4, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["fresh", "learnt", "revoked", "removed"]), keys, forms, st.lists(keys, max_size=3))
def test_a_configured_zone_always_keeps_a_trust_point(
    begin: str, named: list[KeyPair], as_key: list[bool], later: list[list[KeyPair]]
) -> None:
    """Whatever was stored and whatever is configured in turn: what is named and not revoked is trusted; what is revoked is
    not; and there is a trust point, so nothing becomes insecure.
    """
    follow = learnt(revoke=begin == "revoked", remove=begin == "removed") if begin != "fresh" else Follower(A)
    gone = {A.rdata} if begin in ("revoked", "removed") else set()
    point: PointState | None = follow.point
    for names in [named, *later]:
        chosen = [pair.rdata for pair, flag in zip(names, as_key, strict=False) if flag]
        digests = [pair.ds(ZONE) for pair, flag in zip(names, as_key, strict=False) if not flag]
        point = merge_configured(point, TrustPoint(ZONE, digests, chosen), ZONE, NOW).point
        assert point is not None
        made = trust_point(point)
        assert made is not None and (made.ds or made.dnskeys)
        trusted = {entry.dnskey or entry.ds[0] for entry in point.trusted}
        for pair in names:
            is_trusted = pair.rdata in trusted or pair.ds(ZONE) in trusted
            assert is_trusted == (pair.rdata not in gone)
