"""The chain, zone by zone: what is asked, kept, retried, inherited, and what an attacker may try."""

import pytest

from tests.trust.playbook import World, failed, nothing
from tests.trust.zones import DAY, NOW, KeyPair, SignedZone, corrupt, n, sign
from trust.anchors import Nta, TrustPoint, TrustPoints
from trust.chain import LEAST_S, MOST_S, RETRIES, Walker, zone_trust
from trust.policy import Policy, Sha1
from trust.reason import Reason
from trust.vocabulary import Address, Cut, Finding, Kind, Now, Question, Security, Step, Trouble
from wire import types as t
from wire.limits import BOGUS_TTL, CUT_WALK, DS_PER_ZONE, FAILURE_TTL, KEYS_PER_ZONE, SIG_PER_RESOLUTION
from wire.name import ROOT
from wire.rrset import RRset


def build(*, jp_nsec3: bool = False, cuts: bool = True, records: str = "", policy: Policy | None = None) -> World:
    """root → jp → example.jp → sub.example.jp (signed), unsigned.jp → sub.unsigned.jp (unsigned, signed below)."""
    root, jp = SignedZone("."), SignedZone("jp", nsec3=jp_nsec3, opt_out=jp_nsec3, server="192.0.2.2")
    example = SignedZone("example.jp", "www A 192.0.2.7\na.ent A 192.0.2.8\n" + records, server="192.0.2.3")
    sub = SignedZone("sub.example.jp", "www A 192.0.2.7\n", server="192.0.2.4")
    unsigned = SignedZone("unsigned.jp", "www A 192.0.2.9\n", signed=False, server="192.0.2.5")
    island = SignedZone("island.unsigned.jp", "www A 192.0.2.9\n", server="192.0.2.6")
    root.delegate(jp)
    jp.delegate(example)
    example.delegate(sub)
    jp.delegate(unsigned)
    unsigned.delegate(island, [])
    zones = (root, jp, example, sub, unsigned, island)
    for zone in zones:
        zone.sign()
    return World(*zones, cuts=cuts, policy=policy)


# --- good chains -------------------------------------------------------------------------------------------------------


def test_known_cuts_cost_one_dnskey_a_zone() -> None:
    world = build()
    trust = world.trust("sub.example.jp")
    assert trust.secure and trust.reason is Reason.VALID and trust.zone == n("sub.example.jp")
    assert world.asked == ["./DNSKEY", "jp/DNSKEY", "example.jp/DNSKEY", "sub.example.jp/DNSKEY"]
    links = []
    link = trust
    while link is not None:
        links.append(link.zone)
        link = link.parent  # type: ignore[assignment]
    assert links == [n("sub.example.jp"), n("example.jp"), n("jp"), ROOT]


def test_the_evidence_is_kept() -> None:
    world = build()
    trust = world.trust("example.jp")
    zone = world.by_name[n("example.jp")]
    assert trust.ds == world.by_name[n("jp")].get("example.jp", "DS")
    assert trust.ds_signature is not None and trust.ds_signature.ok
    assert trust.dnskey is zone.get("example.jp", "DNSKEY")
    assert trust.dnskey_signature is not None and trust.dnskey_signature.key is not None
    assert trust.dnskey_signature.key.tag == zone.ksk.tag
    assert trust.servers == (Address("192.0.2.3", 53),)
    root = world.zones[ROOT]
    assert root.point is world.points.points[ROOT] and root.parent is None


def test_unknown_cuts_are_asked_for() -> None:
    world = build(cuts=False)
    assert world.trust("sub.example.jp").secure
    assert set(world.asked) == {
        "./DNSKEY",
        "jp/DS",
        "jp/DNSKEY",
        "example.jp/DS",
        "example.jp/DNSKEY",
        "sub.example.jp/DS",
        "sub.example.jp/DNSKEY",
    }
    assert len(world.asked) == 7, "each once"


@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize("jp_nsec3", [True, False])
def test_an_insecure_delegation(cuts: bool, jp_nsec3: bool) -> None:
    world = build(cuts=cuts, jp_nsec3=jp_nsec3)
    trust = world.trust("unsigned.jp")
    assert trust.security is Security.INSECURE
    assert trust.reason is (Reason.OPT_OUT if jp_nsec3 else Reason.UNSIGNED_DELEGATION)
    assert trust.denial is not None and trust.denial.used
    below = world.trust("island.unsigned.jp")
    assert below.security is Security.INSECURE and below.reason is trust.reason
    assert below.at == n("unsigned.jp") and below.zone == n("island.unsigned.jp")


def test_nothing_is_asked_below_an_insecure_zone() -> None:
    world = build()
    world.trust("island.unsigned.jp")
    assert world.asked == ["./DNSKEY", "jp/DNSKEY"]


@pytest.mark.parametrize(
    "name", ["www.example.jp", "ent.example.jp", "a.ent.example.jp", "nx.example.jp", "x.y.nx.example.jp"]
)
@pytest.mark.parametrize("cuts", [True, False])
def test_a_name_that_is_no_cut(name: str, cuts: bool) -> None:
    """The enclosing zone's trust, for as long as the denial holds."""
    world = build(cuts=cuts)
    trust = world.trust(name)
    assert trust.zone == n("example.jp") and trust.secure and trust.keys is not None
    assert trust.denial is not None
    assert trust.expires_mono <= world.now.mono + 300, "the negative TTL, not that of the keys"
    assert world.zones[n("example.jp")].expires_mono > world.now.mono + 3000
    world.needs.clear()
    assert world.trust(name) is trust
    assert world.asked == []


def test_a_cname_in_place_of_a_ds() -> None:
    world = build(records="alias CNAME www.unsigned.jp.\n*.wild CNAME www.unsigned.jp.\nd DNAME e.unsigned.jp.\n")
    for name in ("alias.example.jp", "x.wild.example.jp", "x.d.example.jp"):
        trust = world.trust(name)
        assert trust.secure and trust.zone == n("example.jp"), name
    # Unsigned, it means nothing: not even that the name is no cut.
    world = build(records="alias CNAME www.unsigned.jp.\n")
    world.by_name[n("example.jp")].get("alias.example.jp", "CNAME").sigs = []
    trust = world.trust("alias.example.jp")
    assert trust.security is Security.BOGUS and trust.reason is Reason.RRSIG_MISSING


def test_a_ds_set_with_one_usable_path_suffices() -> None:
    """RFC 6840 §5.11: other algorithms and digests in the DS set need not work."""
    world = build()
    jp, example = world.by_name[n("jp")], world.by_name[n("example.jp")]
    good = example.ksk.ds(example.origin)
    extra = [
        good[:2] + b"\x0f" + good[3:],
        good[:3] + b"\x04" + bytes(48),
        good[:2] + b"\xc8" + good[3:],
        b"\0\1\x0d\2" + bytes(32),
    ]
    jp.data[example.origin, t.DS].rdatas = [*extra, good]
    jp.sign_set(jp.data[example.origin, t.DS])
    assert world.trust("example.jp").secure


def test_sha1_digests_are_ignored_beside_sha2() -> None:
    """RFC 4509 §3: with a wrong SHA-256 digest the right SHA-1 digest does not help."""
    world = build(policy=Policy(sha1=Sha1.VALIDATE))
    jp, example = world.by_name[n("jp")], world.by_name[n("example.jp")]
    sha1, sha2 = example.ksk.ds(example.origin, 1), example.ksk.ds(example.origin, 2)
    jp.data[example.origin, t.DS].rdatas = [sha1, sha2[:-1] + bytes((sha2[-1] ^ 1,))]
    jp.sign_set(jp.data[example.origin, t.DS])
    assert world.trust("example.jp").reason is Reason.NO_MATCHING_DNSKEY
    # A SHA-256 digest for an algorithm that we do not know is no better one.
    world = build(policy=Policy(sha1=Sha1.VALIDATE))
    jp = world.by_name[n("jp")]
    jp.data[example.origin, t.DS].rdatas = [sha1, sha2[:2] + b"\xc8" + sha2[3:]]
    jp.sign_set(jp.data[example.origin, t.DS])
    assert world.trust("example.jp").secure


# --- what is kept --------------------------------------------------------------------------------------------------------


def test_states_are_kept_until_they_expire() -> None:
    world = build()
    first = world.trust("example.jp")
    world.needs.clear()
    assert world.trust("example.jp") is first and world.asked == []
    world.now = Now(world.now.wall, first.expires_mono - 0.1)
    assert world.trust("example.jp") is first
    world.now = Now(world.now.wall, first.expires_mono)
    assert world.trust("example.jp") is not first
    assert "example.jp/DNSKEY" in world.asked


def test_the_least_ttl_and_the_signatures_bound_a_state() -> None:
    world = build()
    for name, ttl in (("jp", 1000), ("example.jp", 100)):
        zone = world.by_name[n(name)]
        zone.data[zone.origin, t.DNSKEY] = zone.data[zone.origin, t.DNSKEY].with_ttl(ttl)
    assert 99 < world.trust("example.jp").expires_mono - world.now.mono <= 100
    example = world.by_name[n("example.jp")]
    example.sign_set(example.data[example.origin, t.DNSKEY], expiration=NOW + 20)
    world.zones.clear()
    trust = world.trust("example.jp")
    assert trust.valid_until_wall <= NOW + 21
    assert trust.expires_mono - world.now.mono <= 20


def test_a_wall_clock_put_forward_ends_expired_signatures() -> None:
    world = build()
    first = world.trust("example.jp")
    world.now = Now(NOW + DAY + 1, world.now.mono)
    again = world.trust("example.jp")
    assert again is not first and again.reason is Reason.SIGNATURE_EXPIRED


def test_a_ttl_of_zero_lasts_for_the_resolution() -> None:
    world = build()
    example = world.by_name[n("example.jp")]
    example.data[example.origin, t.DNSKEY] = example.data[example.origin, t.DNSKEY].with_ttl(0)
    trust = world.trust("example.jp")
    assert 0 < trust.expires_mono - world.now.mono <= LEAST_S
    huge = build()
    for zone in huge.by_name.values():
        for key, rrset in zone.data.items():
            zone.data[key] = RRset(rrset.name, rrset.rtype, 2**31 - 1, rrset.rdatas)
        zone.expiration = NOW + 10**9
        zone.sign()
    assert huge.trust("jp").expires_mono - huge.now.mono <= MOST_S


def test_a_referral_bounds_a_state() -> None:
    world = build()
    jp = world.by_name[n("jp")]
    world.cuts[n("example.jp")] = jp.cut(n("example.jp"), expires_mono=world.now.mono + 33)
    assert world.trust("example.jp").expires_mono <= world.now.mono + 33


def test_a_new_generation_ends_all_states() -> None:
    world = build()
    world.trust("example.jp")
    world.points = world.points.with_ntas([])
    world.needs.clear()
    trust = world.trust("example.jp")
    assert trust.generation == world.points.generation == 1
    assert world.asked == ["./DNSKEY", "jp/DNSKEY", "example.jp/DNSKEY"]


def test_points_that_change_during_the_walk() -> None:
    """What is concluded is of the generation that the walk began with."""
    world = build()
    steps = zone_trust(n("jp"), world, world.now)
    need = next(steps)
    world.points = TrustPoints([], [], 7)
    try:
        while True:
            need = steps.send(world.reply(need))  # type: ignore[arg-type]
    except StopIteration as stop:
        trust = stop.value
    assert trust.secure and trust.generation == 0
    assert all(kept.generation == 0 for kept in world.zones.values())
    assert world.trust("jp").reason is Reason.NO_TRUST_POINT


# --- failures, retries ---------------------------------------------------------------------------------------------------


def bad_dnskey(world: World, zone: str, server: str) -> Step:
    step = world.answer(n(zone), t.DNSKEY)
    rrset = step.rrsets[0]
    broken = RRset(rrset.name, rrset.rtype, rrset.ttl, rrset.rdatas, [corrupt(sig) for sig in rrset.sigs])
    return Step(step.name, step.rtype, step.kind, [broken], [], step.zone, Address(server, 53))


def test_bad_keys_are_asked_of_other_servers() -> None:
    world = build()
    good = world.answer(n("example.jp"), t.DNSKEY)
    good.server = Address("192.0.2.103", 53)
    world.script[n("example.jp"), t.DNSKEY] = [
        bad_dnskey(world, "example.jp", "192.0.2.101"),
        bad_dnskey(world, "example.jp", "192.0.2.102"),
        good,
    ]
    trust = world.trust("example.jp")
    assert trust.secure
    avoided = [{a.ip for a in need.avoid} for need in world.needs if need.question == (n("example.jp"), t.DNSKEY)]
    assert avoided == [set(), {"192.0.2.101"}, {"192.0.2.101", "192.0.2.102"}]
    assert [a.ip for a in trust.servers] == ["192.0.2.101", "192.0.2.102", "192.0.2.103"]


def test_bad_everywhere() -> None:
    world = build()
    world.script[n("example.jp"), t.DNSKEY] = [bad_dnskey(world, "example.jp", f"192.0.2.{i}") for i in range(101, 110)]
    trust = world.trust("example.jp")
    assert trust.security is Security.BOGUS and trust.reason is Reason.SIGNATURE_INVALID
    assert trust.text.endswith("at 192.0.2.101"), "the first failure is told"
    assert world.asked.count("example.jp/DNSKEY") == 1 + RETRIES
    assert trust.expires_mono == world.now.mono + BOGUS_TTL
    world.needs.clear()
    assert world.trust("example.jp") is trust and world.asked == []
    below = world.trust("sub.example.jp")
    assert below.security is Security.BOGUS and below.reason is Reason.SIGNATURE_INVALID and below.at == n("example.jp")


def test_one_server_only_is_asked_twice_at_most() -> None:
    """With nobody else to ask the resolver answers from the same one: then there is no third time."""
    world = build()
    world.script[n("example.jp"), t.DNSKEY] = [bad_dnskey(world, "example.jp", "192.0.2.101")]
    assert world.trust("example.jp").reason is Reason.SIGNATURE_INVALID
    assert world.asked.count("example.jp/DNSKEY") == 2


def test_no_other_server_leaves_the_first_reason() -> None:
    world = build()
    world.script[n("example.jp"), t.DNSKEY] = [bad_dnskey(world, "example.jp", "192.0.2.101"), Trouble.TIMEOUT]
    trust = world.trust("example.jp")
    assert trust.reason is Reason.SIGNATURE_INVALID and trust.security is Security.BOGUS


@pytest.mark.parametrize("what", ["DS", "DNSKEY"])
@pytest.mark.parametrize("trouble", [Trouble.TIMEOUT, Trouble.UNREACHABLE, Trouble.MALFORMED])
def test_unreachable_is_bogus_and_short_lived(what: str, trouble: Trouble) -> None:
    world = build(cuts=False)
    world.script[n("example.jp"), getattr(t, what)] = [trouble]
    trust = world.trust("example.jp")
    assert trust.security is Security.BOGUS and trust.reason is Reason.CHAIN_UNREACHABLE
    assert f"example.jp/{what}" in trust.text
    assert trust.expires_mono == world.now.mono + FAILURE_TTL
    noted = [note.reason for note in trust.notes]
    assert noted == ([] if trouble is Trouble.MALFORMED else [Reason.NETWORK])


@pytest.mark.parametrize("trouble", [Trouble.LIMIT, Trouble.CYCLE, Trouble.CANCELLED])
def test_our_own_limits_and_cycles_are_not_kept(trouble: Trouble) -> None:
    """Else one hostile name could spoil another's zone for everybody."""
    world = build()
    world.script[n("example.jp"), t.DNSKEY] = [trouble]
    trust = world.trust("example.jp")
    assert trust.security is Security.BOGUS
    assert trust.reason is (Reason.LIMIT if trouble is Trouble.LIMIT else Reason.CHAIN_UNREACHABLE)
    assert n("example.jp") not in world.zones
    del world.script[n("example.jp"), t.DNSKEY]
    assert world.trust("example.jp").secure


def test_failed_outcomes() -> None:
    findings = [Finding(Address("192.0.2.3", 53), None, Question(n("example.jp"), t.DNSKEY), "REFUSED")]
    world = build()
    world.script[n("example.jp"), t.DNSKEY] = [
        failed("example.jp", "DNSKEY", failure=Reason.NO_AUTHORITY, findings=findings)
    ]
    trust = world.trust("example.jp")
    assert trust.reason is Reason.CHAIN_UNREACHABLE and trust.reason.ede == 22
    assert trust.text == "example.jp/DNSKEY: 192.0.2.3 REFUSED" and trust.notes == ()
    late = [Finding(Address("192.0.2.3", 53), None, Question(n("example.jp"), t.DNSKEY), "timed out", network=True)]
    world = build()
    world.script[n("example.jp"), t.DNSKEY] = [failed("example.jp", "DNSKEY", failure=Reason.NO_AUTHORITY, findings=late)]
    assert [note.reason.ede for note in world.trust("example.jp").notes] == [23]
    for failure, kept in ((Reason.LIMIT, False), (Reason.CYCLE, False), (Reason.INVALID_DATA, True), (None, True)):
        world = build()
        world.script[n("example.jp"), t.DNSKEY] = [failed("example.jp", "DNSKEY", failure=failure)]
        assert world.trust("example.jp").security is Security.BOGUS
        assert (n("example.jp") in world.zones) is kept


def test_an_answer_to_another_question() -> None:
    world = build()
    world.script[n("example.jp"), t.DNSKEY] = [world.answer(n("jp"), t.DNSKEY)]
    assert world.trust("example.jp").security is Security.BOGUS
    world = build()
    step = world.answer(n("jp"), t.DNSKEY)
    step.name = n("example.jp")
    world.script[n("example.jp"), t.DNSKEY] = [step]
    assert world.trust("example.jp").security is Security.BOGUS


# --- trust points ------------------------------------------------------------------------------------------------------


def test_no_trust_point() -> None:
    world = build()
    world.points = TrustPoints()
    trust = world.trust("example.jp")
    assert trust.security is Security.INSECURE and trust.reason is Reason.NO_TRUST_POINT
    assert world.asked == []


def test_anchors_that_match_no_key() -> None:
    world = build()
    good = world.by_name[ROOT].ksk.ds(ROOT)
    for bad in (good[:-1] + bytes((good[-1] ^ 1,)), bytes((good[0] ^ 1,)) + good[1:]):
        world.zones.clear()
        world.points = TrustPoints([TrustPoint(ROOT, [bad])])
        trust = world.trust("example.jp")
        assert trust.security is Security.BOGUS and trust.reason is Reason.ANCHOR_MISMATCH and trust.at == ROOT
        assert trust.reason.ede == 9


def test_anchors_as_keys() -> None:
    world = build()
    ksk = world.by_name[ROOT].ksk
    world.points = TrustPoints([TrustPoint(ROOT, [], [ksk.rdata])])
    assert world.trust("example.jp").secure
    other = KeyPair(13, 257, 5)
    world.points = TrustPoints([TrustPoint(ROOT, [other.ds(ROOT)], [ksk.rdata])], generation=1)
    assert world.trust("example.jp").secure, "either kind will do"
    world.points = TrustPoints([TrustPoint(ROOT, [], [other.rdata])], generation=2)
    assert world.trust("example.jp").reason is Reason.ANCHOR_MISMATCH


def test_the_anchors_key_must_sign() -> None:
    """It is not enough that the key is in the set."""
    world = build()
    root = world.by_name[ROOT]
    dnskey = root.get(".", "DNSKEY")
    dnskey.sigs = [sign(dnskey, root.zsk, ROOT)]
    trust = world.trust("jp")
    assert trust.reason is Reason.RRSIG_MISSING and f"key {root.ksk.tag}" in trust.text


def test_an_unreachable_trust_point() -> None:
    world = build()
    world.script[ROOT, t.DNSKEY] = [Trouble.TIMEOUT]
    trust = world.trust("example.jp")
    assert trust.security is Security.BOGUS and trust.reason is Reason.INDETERMINATE and trust.reason.ede == 5
    assert [note.reason.ede for note in trust.notes] == [22, 23]
    assert world.zones[ROOT].expires_mono <= world.now.mono + FAILURE_TTL


def test_unsupported_anchors() -> None:
    world = build()
    world.points = TrustPoints([TrustPoint(ROOT, [b"\0\1\xc8\2" + bytes(32)])])
    trust = world.trust("example.jp")
    assert trust.security is Security.INSECURE and trust.reason is Reason.UNSUPPORTED_ALGORITHM
    world.points = TrustPoints([TrustPoint(ROOT, [b"\0\1\x0d\xc8" + bytes(32)])], generation=1)
    assert world.trust("example.jp").reason is Reason.UNSUPPORTED_DIGEST
    world.points = TrustPoints([TrustPoint(ROOT, [], [b"\1\1\3\xc8" + bytes(32)])], generation=2)
    assert world.trust("example.jp").reason is Reason.UNSUPPORTED_ALGORITHM
    world.points = TrustPoints(
        [TrustPoint(ROOT, [b"\0\1\xc8\2" + bytes(32)], [world.by_name[ROOT].ksk.rdata])], generation=3
    )
    assert world.trust("example.jp").secure


def test_an_island() -> None:
    """A trust point below an unsigned zone; nothing above it is asked for."""
    world = build()
    island = world.by_name[n("island.unsigned.jp")]
    world.points = TrustPoints(
        [TrustPoint(ROOT, [world.by_name[ROOT].ksk.ds(ROOT)]), TrustPoint(island.origin, [island.ksk.ds(island.origin)])]
    )
    assert world.trust("island.unsigned.jp").secure
    assert world.asked == ["island.unsigned.jp/DNSKEY"]
    assert world.trust("unsigned.jp").security is Security.INSECURE


def test_an_island_alone() -> None:
    world = build()
    example = world.by_name[n("example.jp")]
    world.points = TrustPoints([TrustPoint(example.origin, [example.ksk.ds(example.origin)])])
    assert world.trust("sub.example.jp").secure
    assert world.trust("jp").reason is Reason.NO_TRUST_POINT
    assert world.asked == ["example.jp/DNSKEY", "sub.example.jp/DNSKEY"]


def test_an_island_whose_cuts_are_unknown() -> None:
    """The closest known cut is the root's, above the trust point: the chain still begins at the trust point."""
    world = build(cuts=False)
    example = world.by_name[n("example.jp")]
    world.points = TrustPoints([TrustPoint(example.origin, [example.ksk.ds(example.origin)])])
    assert world.trust("sub.example.jp").secure
    assert world.asked == ["example.jp/DNSKEY", "sub.example.jp/DS", "sub.example.jp/DNSKEY"]


def test_a_ds_signed_from_above_the_trust_point_is_no_ds() -> None:
    world = build()
    example, jp = world.by_name[n("example.jp")], world.by_name[n("jp")]
    world.points = TrustPoints(
        [TrustPoint(ROOT, [world.by_name[ROOT].ksk.ds(ROOT)]), TrustPoint(example.origin, [example.ksk.ds(example.origin)])]
    )
    ds = example.get("sub.example.jp", "DS")
    ds.sigs = [sign(ds, jp.zsk, jp.origin)]
    assert world.trust("sub.example.jp").security is Security.BOGUS


def test_ntas() -> None:
    world = build()
    world.points = TrustPoints(world.points.points.values(), [Nta(n("example.jp"), "broken", NOW + 100)], 1)
    for name in ("example.jp", "sub.example.jp", "www.sub.example.jp"):
        trust = world.trust(name)
        assert trust.security is Security.INSECURE and trust.reason is Reason.NTA and trust.reason.ede == 33
        assert trust.at == n("example.jp") and trust.text == "NTA for example.jp until 2027-01-15T08:01:40Z"
    assert world.asked == [] and not world.zones, "nothing is asked, nothing is kept"
    assert world.trust("jp").secure
    world.now = Now(NOW + 100, world.now.mono)
    assert world.trust("sub.example.jp").secure, "it ends by itself, without a new generation"


def test_an_anchor_below_an_nta_starts_anew() -> None:
    """RFC 7646 §5."""
    world = build()
    example = world.by_name[n("example.jp")]
    anchors = [*world.points.points.values(), TrustPoint(example.origin, [example.ksk.ds(example.origin)])]
    world.points = TrustPoints(anchors, [Nta(n("jp"), "", None)])
    assert world.trust("sub.example.jp").secure
    assert world.trust("unsigned.jp").reason is Reason.NTA
    world.points = TrustPoints(anchors, [Nta(n("example.jp"), "", None)], 1)
    trust = world.trust("sub.example.jp")
    assert trust.reason is Reason.NTA and trust.text == "NTA for example.jp, configured without expiry"


# --- cuts that nobody saw ------------------------------------------------------------------------------------------------


def test_parent_and_child_on_one_server() -> None:
    """The referral leads over a cut: jp's server refers straight to sub.example.jp, the DS is signed by example.jp."""
    world = build()
    world.hidden = {n("example.jp")}
    example = world.by_name[n("example.jp")]
    cut = example.cut(n("sub.example.jp"), world.now.mono + 3600)
    cut.parent = n("jp")
    world.cuts[n("sub.example.jp")] = cut
    assert world.trust("sub.example.jp").secure
    assert "example.jp/DS" in world.asked
    assert world.zones[n("sub.example.jp")].parent is world.zones[n("example.jp")]


def test_a_hidden_insecure_zone() -> None:
    """jp's server also serves unsigned.jp and refers to what is below: unsigned, and rightly so."""
    world = build()
    world.hidden = {n("unsigned.jp")}
    world.cuts[n("island.unsigned.jp")] = Cut(n("island.unsigned.jp"), n("jp"), {}, world.now.mono + 3600)
    trust = world.trust("island.unsigned.jp")
    assert trust.security is Security.INSECURE and trust.at == n("unsigned.jp")


def test_a_hidden_secure_zone_gives_no_excuse() -> None:
    """Unsigned data below a zone that turns out secure is bogus."""
    world = build()
    world.hidden = {n("example.jp")}
    world.cuts[n("sub.example.jp")] = Cut(n("sub.example.jp"), n("jp"), {}, world.now.mono + 3600)
    world.script[n("sub.example.jp"), t.DS] = [nothing("sub.example.jp", "DS", world.by_name[n("example.jp")])]
    trust = world.trust("sub.example.jp")
    assert trust.security is Security.BOGUS and trust.reason is Reason.DENIAL_MISSING


# --- attacks ------------------------------------------------------------------------------------------------------------


def test_a_referral_without_ds_or_proof() -> None:
    """The DS is asked for, and it is there."""
    world = build()
    world.cuts[n("example.jp")] = Cut(n("example.jp"), n("jp"), {}, world.now.mono + 3600)
    assert world.trust("example.jp").secure
    assert "example.jp/DS" in world.asked


def test_a_referral_with_a_forged_ds() -> None:
    evil = KeyPair(13, 257, 9)
    world = build()
    ds = RRset(n("example.jp"), t.DS, 300, [evil.ds(n("example.jp"))])
    for sigs in (
        [],
        [sign(ds, evil, n("jp"))],
        [sign(ds, evil, n("example.jp"))],
        [corrupt(sign(ds, world.by_name[n("jp")].zsk, n("jp")))],
    ):
        world.zones.clear()
        ds.sigs = sigs
        world.cuts[n("example.jp")] = Cut(n("example.jp"), n("jp"), {}, world.now.mono + 3600, ds)
        trust = world.trust("example.jp")
        assert trust.secure and trust.ds != ds


def test_forged_everywhere() -> None:
    """Whoever controls all answers about example.jp gets nothing but SERVFAIL."""
    evil = SignedZone("example.jp", "www A 203.0.113.66\n", keys=(KeyPair(13, 257, 9), KeyPair(13, 256, 9)))
    evil.sign()
    ds = RRset(n("example.jp"), t.DS, 300, [evil.ksk.ds(n("example.jp"))])
    for sigs in ([], [sign(ds, evil.zsk, n("jp"))], [sign(ds, evil.ksk, n("example.jp"))]):
        world = build()
        ds.sigs = sigs
        world.cuts[n("example.jp")] = Cut(n("example.jp"), n("jp"), {}, world.now.mono + 3600, ds)
        world.script[n("example.jp"), t.DS] = [Step(n("example.jp"), t.DS, Kind.ANSWER, [ds], [], n("jp"), evil.server)]
        world.script[n("example.jp"), t.DNSKEY] = [evil.step(n("example.jp"), t.DNSKEY)]
        assert world.trust("example.jp").security is Security.BOGUS
        assert world.trust("sub.example.jp").security is Security.BOGUS


def test_a_denial_of_ds_from_elsewhere() -> None:
    """NSEC records that are genuine and prove nothing about this delegation."""
    world = build()
    jp, example, root = (world.by_name[n(name)] for name in ("jp", "example.jp", "."))
    soa = jp.data[jp.origin, t.SOA]
    for records in (
        [],
        [soa],
        jp.matching(n("unsigned.jp")),
        jp.matching(n("jp")),
        [soa, *jp.matching(n("unsigned.jp")), *jp.matching(n("jp"))],
        root.matching(n("jp")),
        example.matching(n("example.jp")),
        [example.data[example.origin, t.SOA], *example.matching(n("example.jp"))],
        jp.matching(n("example.jp")),
        [
            RRset(
                n("example.jp"), t.NSEC, 300, jp.matching(n("unsigned.jp"))[0].rdatas, jp.matching(n("unsigned.jp"))[0].sigs
            )
        ],
    ):
        world.zones.clear()
        world.cuts[n("example.jp")] = Cut(n("example.jp"), n("jp"), {}, world.now.mono + 3600, None, records)
        for kind in (Kind.NODATA, Kind.NXDOMAIN):
            world.script[n("example.jp"), t.DS] = [Step(n("example.jp"), t.DS, kind, [], records, n("jp"), jp.server)]
            assert world.trust("example.jp").security is Security.BOGUS


def test_an_opt_out_span_hides_no_signed_delegation() -> None:
    world = build(jp_nsec3=True)
    jp = world.by_name[n("jp")]
    every = [rrset for rrset in jp.data.values() if rrset.rtype == t.NSEC3]
    matching = jp.matching(n("example.jp"))
    for records in (every, [r for r in every if r is not matching[0]], matching):
        world.zones.clear()
        world.cuts[n("example.jp")] = Cut(n("example.jp"), n("jp"), {}, world.now.mono + 3600, None, records)
        world.script[n("example.jp"), t.DS] = [Step(n("example.jp"), t.DS, Kind.NODATA, [], records, n("jp"), jp.server)]
        assert world.trust("example.jp").security is Security.BOGUS


def test_a_ds_expanded_from_a_wildcard() -> None:
    """`*.jp DS`, genuine, replayed as the DS of a name that has another or none."""
    world = build()
    jp = world.by_name[n("jp")]
    source = RRset(n("*.jp"), t.DS, 300, [KeyPair(13, 257, 9).ds(n("x.jp"))])
    replayed = RRset(n("unsigned.jp"), t.DS, 300, source.rdatas, [sign(source, jp.zsk, jp.origin)])
    world.cuts[n("unsigned.jp")] = Cut(n("unsigned.jp"), n("jp"), {}, world.now.mono + 3600, replayed)
    assert world.trust("unsigned.jp").security is Security.INSECURE, "it is not taken, the true denial is asked for"


def test_a_dnskey_set_expanded_from_a_wildcard() -> None:
    world = build()
    example = world.by_name[n("example.jp")]
    source = RRset(n("*.jp"), t.DNSKEY, 300, [example.ksk.rdata])
    replayed = RRset(example.origin, t.DNSKEY, 300, source.rdatas, [sign(source, example.ksk, example.origin)])
    world.script[example.origin, t.DNSKEY] = [Step(example.origin, t.DNSKEY, Kind.ANSWER, [replayed], [], n("jp"), None)]
    assert world.trust("example.jp").reason is Reason.RRSIG_MALFORMED


@pytest.mark.parametrize(("flags", "protocol", "words"), [(0x181, 3, "is revoked"), (0x101, 2, "has protocol 2")])
def test_a_ds_of_a_key_that_may_not_be_used(flags: int, protocol: int, words: str) -> None:
    """RFC 5011 §2.1, RFC 4034 §2.1.2: the DS points at it and it signs, yet it validates nothing."""
    world = build()
    jp, example = world.by_name[n("jp")], world.by_name[n("example.jp")]
    bad = example.ksk.altered(flags=flags, protocol=protocol)
    example.publish(bad.rdata, example.zsk.rdata)
    dnskey = example.data[example.origin, t.DNSKEY]
    dnskey.sigs = [sign(dnskey, bad, example.origin), sign(dnskey, example.zsk, example.origin)]
    jp.data[example.origin, t.DS].rdatas = [bad.ds(example.origin)]
    jp.sign_set(jp.data[example.origin, t.DS])
    trust = world.trust("example.jp")
    assert trust.security is Security.BOGUS and trust.reason is Reason.NO_MATCHING_DNSKEY and words in trust.text


def test_signers_that_are_no_zones() -> None:
    """A DS that claims to be signed by a made-up zone in between: no walk without end, no belief."""
    world = build(cuts=False)
    name = "a.b.c.d.e.example.jp"
    ds = RRset(n(name), t.DS, 300, [KeyPair(13, 257).ds(n(name))])
    ds.sigs = [sign(ds, KeyPair(13, 256), n(above)) for above in ("b.c.d.e.example.jp", "c.d.e.example.jp", "e.example.jp")]
    world.script[n(name), t.DS] = [Step(n(name), t.DS, Kind.ANSWER, [ds], [], ROOT, Address("203.0.113.1", 53))]
    assert world.trust(name).security is Security.BOGUS
    assert len(world.needs) < 20


def test_signers_that_name_one_another() -> None:
    """Each made-up signer's DS names the next one up. It ends, bogus."""
    world = build(cuts=False)
    labels = [f"x{i}" for i in range(40)]
    names = [n(".".join([*labels[i:], "example.jp"])) for i in range(40)]
    for name, above in zip(names, [*names[1:], n("example.jp")], strict=True):
        ds = RRset(name, t.DS, 300, [KeyPair(13, 257).ds(name)])
        ds.sigs = [sign(ds, KeyPair(13, 256, 3), above)]
        world.script[name, t.DS] = [Step(name, t.DS, Kind.ANSWER, [ds], [], ROOT, Address("203.0.113.1", 53))]
    trust = world.trust(".".join([*labels, "example.jp"]))
    assert trust.security is Security.BOGUS
    assert len(world.needs) < 200


# --- bounds -------------------------------------------------------------------------------------------------------------


def test_many_ds_records() -> None:
    """DS_PER_ZONE are hashed; the right one behind that many others is not found, and the limit says so."""
    for position, wanted in ((0, Reason.VALID), (DS_PER_ZONE.value - 1, Reason.VALID), (DS_PER_ZONE.value, Reason.LIMIT)):
        world = build()
        jp, example = world.by_name[n("jp")], world.by_name[n("example.jp")]
        good = example.ksk.ds(example.origin)
        others = [i.to_bytes(2, "big") + good[2:] for i in range(1, DS_PER_ZONE.value + 2)]
        jp.data[example.origin, t.DS].rdatas = [*others[:position], good, *others[position:]]
        jp.sign_set(jp.data[example.origin, t.DS])
        trust = world.trust("example.jp")
        assert trust.reason is wanted
        if wanted is Reason.LIMIT:
            assert trust.security is Security.BOGUS and DS_PER_ZONE.label in trust.text


def test_many_keys() -> None:
    for position, wanted in ((KEYS_PER_ZONE.value - 1, Reason.VALID), (KEYS_PER_ZONE.value, Reason.LIMIT)):
        world = build()
        example = world.by_name[n("example.jp")]
        others = [b"\1\0\3\x0d" + bytes((i,)) * 64 for i in range(KEYS_PER_ZONE.value + 1)]
        example.publish(*others[:position], example.ksk.rdata, *others[position:], example.zsk.rdata)
        example.sign_set(example.data[example.origin, t.DNSKEY])
        trust = world.trust("example.jp")
        assert trust.reason is wanted, position


def test_a_spent_budget_is_told_and_not_kept() -> None:
    world = build()
    world.trust("jp")
    world.budget.verifications = SIG_PER_RESOLUTION.value
    trust = world.trust("example.jp")
    assert trust.security is Security.BOGUS and trust.reason is Reason.LIMIT
    assert SIG_PER_RESOLUTION.label in trust.text
    assert n("example.jp") not in world.zones
    world = build()
    world.trust("jp")
    world.budget.verifications = SIG_PER_RESOLUTION.value
    assert world.trust("unsigned.jp").security is Security.BOGUS, "a limit never makes anything insecure"


def test_a_long_walk_ends() -> None:
    world = build(cuts=False)
    deep = ".".join(["a"] * (CUT_WALK.value + 1)) + ".unsigned.jp"
    steps = world.play(_containing(world, deep))
    assert steps.security is Security.BOGUS and steps.reason is Reason.LIMIT and CUT_WALK.label in steps.text
    near = ".".join(["a"] * 3) + ".unsigned.jp"
    assert world.play(_containing(world, near)).security is Security.INSECURE


def _containing(world: World, name: str):  # type: ignore[no-untyped-def]
    walker = Walker(world, world.now)
    top = yield from walker.zone_trust(ROOT)
    return (yield from walker.containing(n(name), top))
