"""One step of an answer: data, wildcards, aliases, denials; what is unsigned; who may have signed; what goes with AD."""

import pytest

from tests.trust.playbook import World
from tests.trust.zones import DAY, NOW, KeyPair, SignedZone, corrupt, n, sign
from trust.anchors import Nta, TrustPoint, TrustPoints
from trust.denial import Proof
from trust.policy import Budget, Policy
from trust.reason import Reason
from trust.validate import Validated, validate
from trust.vocabulary import Address, Cut, Kind, Now, Security, Step, Trouble
from wire import types as t
from wire.limits import NSEC3_PER_RESOLUTION, SIG_PER_RESOLUTION, SIG_PER_SET
from wire.name import ROOT
from wire.rrset import RRset

SECURE, INSECURE, BOGUS = Security.SECURE, Security.INSECURE, Security.BOGUS
RECORDS = """www A 192.0.2.7
www TXT "x"
a.ent A 192.0.2.8
*.w A 192.0.2.9
*.w TXT "y"
*.c CNAME www
alias CNAME www.unsigned.jp.
dd DNAME target.jp.
*.d DNAME target.jp.
sub.w A 192.0.2.10
"""


def build(*, nsec3: bool = False, cuts: bool = True, policy: Policy | None = None, jp_opt_out: bool = False) -> World:
    root, jp = SignedZone("."), SignedZone("jp", nsec3=jp_opt_out, opt_out=jp_opt_out, server="192.0.2.2")
    example = SignedZone("example.jp", RECORDS, nsec3=nsec3, server="192.0.2.3")
    sub = SignedZone("sub.example.jp", "www A 192.0.2.7\n", server="192.0.2.3")
    plain = SignedZone("plain.example.jp", "www A 192.0.2.7\n", signed=False, server="192.0.2.3")
    unsigned = SignedZone("unsigned.jp", "www A 192.0.2.9\nalias CNAME www.example.jp.\n", signed=False, server="192.0.2.5")
    root.delegate(jp)
    jp.delegate(example)
    jp.delegate(unsigned)
    example.delegate(sub)
    example.delegate(plain)
    zones = (root, jp, example, sub, plain, unsigned)
    for zone in zones:
        zone.sign()
    return World(*zones, cuts=cuts, policy=policy)


def example(world: World) -> SignedZone:
    return world.by_name[n("example.jp")]


def judged(result: Validated, security: Security, reason: Reason | None = None) -> Validated:
    assert result.verdict.security is security, result
    assert reason is None or result.verdict.reason is reason, result
    return result


# --- what is true --------------------------------------------------------------------------------------------------

QUESTIONS = [
    ("www.example.jp", "A", Kind.ANSWER, SECURE),
    ("example.jp", "SOA", Kind.ANSWER, SECURE),
    ("example.jp", "DNSKEY", Kind.ANSWER, SECURE),
    ("example.jp", "DS", Kind.ANSWER, SECURE),
    ("sub.example.jp", "DS", Kind.ANSWER, SECURE),
    (".", "NS", Kind.ANSWER, SECURE),
    ("x.w.example.jp", "A", Kind.ANSWER, SECURE),
    ("x.y.w.example.jp", "A", Kind.ANSWER, SECURE),
    ("*.w.example.jp", "A", Kind.ANSWER, SECURE),
    ("x.c.example.jp", "A", Kind.CNAME, SECURE),
    ("alias.example.jp", "A", Kind.CNAME, SECURE),
    ("x.dd.example.jp", "A", Kind.DNAME, SECURE),
    ("www.example.jp", "AAAA", Kind.NODATA, SECURE),
    ("ent.example.jp", "A", Kind.NODATA, SECURE),
    ("x.w.example.jp", "AAAA", Kind.NODATA, SECURE),
    ("plain.example.jp", "DS", Kind.NODATA, SECURE),
    ("www.example.jp", "DS", Kind.NODATA, SECURE),
    (".", "DS", Kind.NODATA, SECURE),
    ("nx.example.jp", "A", Kind.NXDOMAIN, SECURE),
    ("x.www.example.jp", "A", Kind.NXDOMAIN, SECURE),
    ("nx.jp", "DS", Kind.NXDOMAIN, SECURE),
    ("nx", "A", Kind.NXDOMAIN, SECURE),
    ("www.sub.example.jp", "A", Kind.ANSWER, SECURE),
    ("www.unsigned.jp", "A", Kind.ANSWER, INSECURE),
    ("alias.unsigned.jp", "A", Kind.CNAME, INSECURE),
    ("nx.unsigned.jp", "A", Kind.NXDOMAIN, INSECURE),
    ("www.unsigned.jp", "AAAA", Kind.NODATA, INSECURE),
    ("unsigned.jp", "SOA", Kind.ANSWER, INSECURE),
    ("unsigned.jp", "DS", Kind.NODATA, SECURE),
    ("www.unsigned.jp", "DS", Kind.NODATA, INSECURE),
    ("www.plain.example.jp", "A", Kind.ANSWER, INSECURE),
]


@pytest.mark.parametrize("nsec3", [False, True])
@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize(("name", "rtype", "kind", "security"), QUESTIONS)
def test_true_answers(name: str, rtype: str, kind: Kind, security: Security, cuts: bool, nsec3: bool) -> None:
    world = build(cuts=cuts, nsec3=nsec3)
    step = world.step(name, rtype)
    assert step.kind is kind
    result = judged(world.judge(step), security)
    if security is SECURE:
        assert result.verdict.text == "" and result.zone is not None and result.zone.secure
        assert result.ttl_cap_s is not None and 0 < result.ttl_cap_s <= 3600
        verified = {id(rrset) for rrset, signature in result.signatures if signature.ok}
        assert all(id(rrset) in verified for rrset in [*step.rrsets, *result.authority])
    world.needs.clear()
    judged(world.judge(step), security)
    assert world.asked == [], "nothing is asked twice"


@pytest.mark.parametrize(("name", "rtype", "kind", "security"), [q for q in QUESTIONS if "sub" in q[0] or "plain" in q[0]])
def test_child_zones_on_the_parents_server(name: str, rtype: str, kind: Kind, security: Security) -> None:
    """The server of example.jp also serves sub.example.jp and plain.example.jp, so iteration saw no cut there."""
    world = build()
    world.hidden = {n("sub.example.jp"), n("plain.example.jp")}
    step = world.step(name, rtype)
    assert step.zone in (n("example.jp"), n("jp"))
    judged(world.judge(step), security)


def test_opt_out() -> None:
    """RFC 5155 §9.2: what an opt-out span covers is insecure, never secure."""
    world = build(jp_opt_out=True)
    judged(world.judge("nx.jp", "A"), INSECURE, Reason.OPT_OUT)
    judged(world.judge("unsigned.jp", "DS"), INSECURE, Reason.OPT_OUT)
    judged(world.judge("www.unsigned.jp", "A"), INSECURE, Reason.OPT_OUT)
    judged(world.judge("example.jp", "DS"), SECURE)
    judged(world.judge("www.example.jp", "A"), SECURE)


def test_any() -> None:
    world = build()
    zone = example(world)
    sets = [zone.get("www.example.jp", "A"), zone.get("www.example.jp", "TXT")]
    step = Step(n("www.example.jp"), t.ANY, Kind.ANSWER, sets, [], zone.origin, zone.server)
    judged(world.judge(step), SECURE)
    step.rrsets = [sets[0], RRset(sets[1].name, t.TXT, 300, sets[1].rdatas)]
    judged(world.judge(step), BOGUS, Reason.RRSIG_MISSING)
    step.rrsets = [sets[0], RRset(sets[1].name, t.MX, 300, [], sets[1].sigs)]
    judged(world.judge(step), INSECURE, Reason.UNSIGNABLE)
    step.rrsets = [RRset(sets[1].name, t.MX, 300, [], sets[1].sigs), RRset(sets[1].name, t.TXT, 300, sets[1].rdatas)]
    judged(world.judge(step), BOGUS, Reason.RRSIG_MISSING)
    only = Step(
        n("www.example.jp"), t.RRSIG, Kind.ANSWER, [RRset(sets[0].name, t.A, 300, [], sets[0].sigs)], [], zone.origin, None
    )
    judged(world.judge(only), INSECURE, Reason.UNSIGNABLE)


# --- TTLs and what goes along --------------------------------------------------------------------------------------


def test_ttl_caps() -> None:
    """The least of everything that the verdict rests on."""
    world = build()
    zone = example(world)
    assert world.judge("www.example.jp").ttl_cap_s == 3600
    assert world.judge("nx.example.jp").ttl_cap_s == 300
    zone.sign_set(zone.get("example.jp", "NSEC"), expiration=NOW + 50)
    assert (world.judge("0.example.jp").ttl_cap_s or 0) <= 50
    zone.sign_set(zone.get("example.jp", "SOA"), expiration=NOW + 20)
    assert (world.judge("0.example.jp").ttl_cap_s or 0) <= 20
    proof = world.step("x.w.example.jp").authority
    for rrset in proof:
        zone.sign_set(rrset, expiration=NOW + 30)
    assert (world.judge("x.w.example.jp").ttl_cap_s or 0) <= 30
    world.points = TrustPoints(world.points.points.values(), [Nta(n("example.jp"), "", world.now.wall + 10.5)], 1)
    assert world.judge("www.example.jp").ttl_cap_s == 11


def test_only_what_is_verified_goes_along() -> None:
    """RFC 4035 §3.2.3: AD vouches for the authority section too."""
    world = build()
    zone = example(world)
    step = world.step("nx.example.jp")
    stray = RRset(n("evil.example.jp"), t.NSEC, 300, [n("zzz.example.jp") + b"\0\1\x40"])
    forged = RRset(n("m.example.jp"), t.NSEC, 300, stray.rdatas, zone.get("www.example.jp", "A").sigs)
    ns = RRset(zone.origin, t.NS, 300, [n("ns.evil")])
    step.authority = [stray, ns, *step.authority, forged]
    result = judged(world.judge(step), SECURE)
    assert stray not in result.authority and forged not in result.authority and ns not in result.authority
    assert result.authority[0].rtype == t.SOA
    assert result.denial is not None and result.denial.proof is Proof.PROVEN


def test_the_soa_must_hold() -> None:
    world = build()
    soa = example(world).get("example.jp", "SOA")
    good = soa.sigs
    for sigs, reason in (([], Reason.RRSIG_MISSING), ([corrupt(good[0])], Reason.SIGNATURE_INVALID)):
        soa.sigs = sigs
        judged(world.judge("nx.example.jp"), BOGUS, reason)
        judged(world.judge("www.example.jp", "AAAA"), BOGUS, reason)
    soa.sigs = good
    step = world.step("nx.example.jp")
    step.authority = [rrset for rrset in step.authority if rrset.rtype != t.SOA]
    judged(world.judge(step), SECURE)
    step.authority.append(world.by_name[n("jp")].get("jp", "SOA"))
    result = judged(world.judge(step), SECURE)
    assert all(rrset.rtype != t.SOA for rrset in result.authority), "another zone's SOA does not go along"


# --- data that is not what it says ---------------------------------------------------------------------------------


def replaced(world: World, name: str, rtype: str = "A", **changes: object) -> Step:
    """The true answer with its set changed: rdatas, sigs, name, rtype, ttl."""
    step = world.step(name, rtype)
    old = step.rrsets[0]
    values = {"name": old.name, "rtype": old.rtype, "ttl": old.ttl, "rdatas": old.rdatas, "sigs": old.sigs} | changes
    step.rrsets = [RRset(**values)]  # type: ignore[arg-type]
    return step


def test_unsigned_data_in_a_secure_zone() -> None:
    for cuts in (True, False):
        world = build(cuts=cuts)
        for name in ("www.example.jp", "a.ent.example.jp", "example.jp"):
            rtype = "SOA" if name == "example.jp" else "A"
            result = judged(world.judge(replaced(world, name, rtype, sigs=[])), BOGUS, Reason.RRSIG_MISSING)
            assert result.verdict.text == f"no signature over {name}/{rtype} at 192.0.2.3"


def test_forged_data() -> None:
    world = build()
    judged(world.judge(replaced(world, "www.example.jp", rdatas=[b"\xcb\0\x71\x42"])), BOGUS, Reason.SIGNATURE_INVALID)
    judged(world.judge(replaced(world, "www.example.jp", sigs=[], rdatas=[b"\xcb\0\x71\x42"])), BOGUS, Reason.RRSIG_MISSING)


def test_unsigned_data_at_a_name_that_a_cut_was_made_up_for() -> None:
    """A spoofed referral to www.example.jp, then unsigned data "from" there: the parent denies the cut."""
    world = build()
    for denial in ([], world.by_name[n("jp")].matching(n("unsigned.jp"))):
        world.cuts[n("www.example.jp")] = Cut(n("www.example.jp"), n("example.jp"), {}, world.now.mono + 60, None, denial)
        step = replaced(world, "www.example.jp", sigs=[], rdatas=[b"\xcb\0\x71\x42"])
        step.zone = n("www.example.jp")
        judged(world.judge(step), BOGUS, Reason.RRSIG_MISSING)


def test_a_cut_that_is_none_any_more() -> None:
    """The zone was merged into its parent while we remembered the delegation: the parent's signatures count."""
    world = build()
    step = world.step("www.example.jp")
    step.zone = n("www.example.jp")
    judged(world.judge(step), SECURE)
    step = world.step("x.www.example.jp")
    step.zone = n("www.example.jp")
    judged(world.judge(step), SECURE)


def test_a_parents_signature_below_a_cut_does_not_count() -> None:
    """jp signs www.example.jp, which example.jp's servers answer for: RFC 4035 §5.3.1, the signer is the zone."""
    world = build()
    jp = world.by_name[n("jp")]
    step = world.step("www.example.jp")
    step.rrsets = [RRset(step.name, t.A, 300, [bytes(4)])]
    step.rrsets[0].sigs = [sign(step.rrsets[0], jp.zsk, jp.origin)]
    result = judged(world.judge(step), BOGUS, Reason.RRSIG_MALFORMED)
    assert "signer's name jp" in result.verdict.text


def test_a_signer_that_is_no_zone() -> None:
    world = build()
    evil = KeyPair(13, 256, 9)
    for signer in ("www.example.jp", "com", "www.jp"):
        step = world.step("www.example.jp")
        step.rrsets = [RRset(step.name, t.A, 300, [bytes(4)])]
        step.rrsets[0].sigs = [sign(step.rrsets[0], evil, n(signer))]
        judged(world.judge(step), BOGUS, Reason.RRSIG_MALFORMED)


def test_a_signer_that_is_an_unsigned_zone_elsewhere() -> None:
    """The signer's name is the sender's choice; an insecure zone that cannot hold the name is no excuse."""
    world = build()
    evil = KeyPair(13, 256, 9)
    for signer in ("unsigned.jp", "plain.example.jp"):
        step = world.step("www.example.jp")
        step.rrsets = [RRset(step.name, t.A, 300, [bytes(4)])]
        step.rrsets[0].sigs = [sign(step.rrsets[0], evil, n(signer))]
        judged(world.judge(step), BOGUS, Reason.RRSIG_MALFORMED)


def test_made_up_signers_beside_the_true_one() -> None:
    world = build()
    step = world.step("www.example.jp")
    true = step.rrsets[0].sigs[0]
    step.rrsets = [
        RRset(step.name, t.A, 3600, step.rrsets[0].rdatas, [sign(step.rrsets[0], KeyPair(13, 256, 9), step.name), true])
    ]
    judged(world.judge(step), SECURE)


def test_a_child_cannot_sign_its_own_ds() -> None:
    world = build()
    zone = example(world)
    step = world.step("example.jp", "DS")
    step.rrsets = [RRset(zone.origin, t.DS, 300, [KeyPair(13, 257, 9).ds(zone.origin)])]
    step.rrsets[0].sigs = [sign(step.rrsets[0], zone.zsk, zone.origin)]
    for server_zone in ("jp", "example.jp"):
        step.zone = n(server_zone)
        assert world.judge(step).verdict.security is BOGUS


def test_a_child_cannot_deny_its_own_ds() -> None:
    world = build()
    zone = example(world)
    proof = [zone.get("example.jp", "SOA"), *zone.matching(zone.origin)]
    for server_zone in ("jp", "example.jp"):
        step = Step(zone.origin, t.DS, Kind.NODATA, [], proof, n(server_zone), zone.server)
        assert world.judge(step).verdict.security is BOGUS


def test_the_parents_nsec_denies_nothing_in_the_child() -> None:
    """jp's record at the cut example.jp has NS and DS: it is no proof for A there, nor for names below."""
    world = build()
    jp = world.by_name[n("jp")]
    proof = [jp.get("jp", "SOA"), *jp.matching(n("example.jp"))]
    for name, kind in (("example.jp", Kind.NODATA), ("www.example.jp", Kind.NXDOMAIN), ("www.example.jp", Kind.NODATA)):
        for server_zone in ("jp", "example.jp"):
            step = Step(n(name), t.A, kind, [], proof, n(server_zone), jp.server)
            assert world.judge(step).verdict.security is BOGUS


def test_an_nsec_expanded_from_a_wildcard() -> None:
    """CVE-2017-15105: the NSEC at `*.w` signed with fewer labels, replayed under another owner."""
    world = build()
    zone = example(world)
    source = zone.get("*.w.example.jp", "NSEC")
    replayed = RRset(n("a.w.example.jp"), t.NSEC, 300, source.rdatas, source.sigs)
    for kind in (Kind.NODATA, Kind.NXDOMAIN):
        for name in ("a.w.example.jp", "b.w.example.jp"):
            step = Step(n(name), t.MX, kind, [], [zone.get("example.jp", "SOA"), replayed], zone.origin, zone.server)
            judged(world.judge(step), BOGUS)


def test_a_wildcard_for_a_name_that_exists() -> None:
    """sub.w.example.jp has its own A: the wildcard's, genuine, must not replace it."""
    for nsec3 in (False, True):
        world = build(nsec3=nsec3)
        zone = example(world)
        source = zone.get("*.w.example.jp", "A")
        for proof in (
            [],
            zone.covering(n("x.w.example.jp")),
            [r for r in zone.data.values() if r.rtype in (t.NSEC, t.NSEC3)],
        ):
            copy = RRset(n("sub.w.example.jp"), t.A, 300, source.rdatas, source.sigs)
            step = Step(copy.name, t.A, Kind.ANSWER, [copy], proof, zone.origin, zone.server)
            assert world.judge(step).verdict.security is BOGUS


def test_a_wildcard_without_its_proof() -> None:
    for nsec3 in (False, True):
        world = build(nsec3=nsec3)
        for name in ("x.w.example.jp", "x.c.example.jp"):
            step = world.step(name)
            proof, step.authority = step.authority, []
            judged(world.judge(step), BOGUS, Reason.DENIAL_MISSING)
            step.authority = [RRset(r.name, r.rtype, r.ttl, r.rdatas) for r in proof]
            judged(world.judge(step), BOGUS, Reason.RRSIG_MISSING)
            step.authority = proof
            judged(world.judge(step), SECURE)


def test_a_wildcard_dname() -> None:
    """RFC 6672 §3.3: `*.d DNAME`, genuine, is no redirection of x.d."""
    world = build()
    zone = example(world)
    source = zone.get("*.d.example.jp", "DNAME")
    copy = RRset(n("x.d.example.jp"), t.DNAME, 300, source.rdatas, source.sigs)
    step = Step(
        n("y.x.d.example.jp"), t.A, Kind.DNAME, [copy], zone.covering(copy.name), zone.origin, zone.server, n("y.target.jp")
    )
    judged(world.judge(step), BOGUS, Reason.RRSIG_MALFORMED)


@pytest.mark.parametrize(
    "change",
    [
        {"zone": n("example.com")},
        {"zone": n("sub.example.jp")},
        {"target": n("www.evil")},
        {"target": None},
        {"rrsets": []},
        {"name": n("other.example.jp")},
        {"kind": Kind.DNAME},
        {"kind": Kind.ANSWER},
    ],
)
@pytest.mark.parametrize(("name", "rtype"), [("alias.example.jp", "A"), ("x.c.example.jp", "A"), ("x.dd.example.jp", "A")])
def test_steps_that_do_not_fit(name: str, rtype: str, change: dict[str, object]) -> None:
    """Only what is verified may be believed of an alias: its target must follow from it."""
    world = build()
    step = world.step(name, rtype)
    if change.get("kind") is step.kind:
        step.target = n("www.evil")
    for key, value in change.items():
        setattr(step, key, value)
    judged(world.judge(step), BOGUS, Reason.INVALID_DATA)


def test_two_aliases() -> None:
    world = build()
    zone = example(world)
    two = RRset(n("two.example.jp"), t.CNAME, 300, [n("a.example.jp"), n("b.example.jp")])
    zone.sign_set(two)
    step = Step(two.name, t.A, Kind.CNAME, [two], [], zone.origin, zone.server, n("a.example.jp"))
    judged(world.judge(step), BOGUS, Reason.INVALID_DATA)


def test_data_of_another_type_or_name() -> None:
    world = build()
    zone = example(world)
    txt = zone.get("www.example.jp", "TXT")
    judged(world.judge(Step(txt.name, t.A, Kind.ANSWER, [txt], [], zone.origin, None)), BOGUS, Reason.INVALID_DATA)
    judged(
        world.judge(Step(n("x.example.jp"), t.TXT, Kind.ANSWER, [txt], [], zone.origin, None)), BOGUS, Reason.INVALID_DATA
    )


# --- denials that are not what they say ----------------------------------------------------------------------------


@pytest.mark.parametrize("nsec3", [False, True])
def test_a_denial_of_what_exists(nsec3: bool) -> None:
    """All genuine records of the zone together deny nothing that is there."""
    world = build(nsec3=nsec3)
    zone = example(world)
    every = [rrset for rrset in zone.data.values() if rrset.rtype in (t.SOA, t.NSEC, t.NSEC3)]
    for name, rtype in (("www.example.jp", t.A), ("x.w.example.jp", t.A), ("alias.example.jp", t.A), ("example.jp", t.SOA)):
        for kind in (Kind.NXDOMAIN, Kind.NODATA):
            world.budget.verifications = 0
            step = Step(n(name), rtype, kind, [], every[:14], zone.origin, zone.server)
            assert world.judge(step).verdict.security is BOGUS, (name, kind)


@pytest.mark.parametrize("nsec3", [False, True])
def test_an_incomplete_denial(nsec3: bool) -> None:
    """Each record of a proof is needed, and each needs its signature."""
    world = build(nsec3=nsec3)
    for name, rtype in (("nx.example.jp", "A"), ("x.w.example.jp", "AAAA"), ("www.example.jp", "AAAA")):
        whole = world.step(name, rtype)
        records = [rrset for rrset in whole.authority if rrset.rtype in (t.NSEC, t.NSEC3)]
        for missing in records:
            step = world.step(name, rtype)
            step.authority = [rrset for rrset in whole.authority if rrset is not missing]
            result = judged(world.judge(step), BOGUS)
            assert result.verdict.reason in (Reason.DENIAL_MISSING, Reason.DENIAL_UNFIT)
            bad = RRset(missing.name, missing.rtype, missing.ttl, missing.rdatas, [corrupt(sig) for sig in missing.sigs])
            step.authority = [bad if rrset is missing else rrset for rrset in whole.authority]
            judged(world.judge(step), BOGUS, Reason.SIGNATURE_INVALID)
            bad = RRset(missing.name, missing.rtype, missing.ttl, missing.rdatas, [])
            step.authority = [bad if rrset is missing else rrset for rrset in whole.authority]
            judged(world.judge(step), BOGUS, Reason.RRSIG_MISSING)


def test_denials_without_anything() -> None:
    for cuts in (True, False):
        world = build(cuts=cuts)
        for kind in (Kind.NODATA, Kind.NXDOMAIN):
            for name in ("www.example.jp", "nx.example.jp", "example.jp", "."):
                step = world.step(name, "MX")
                step.kind, step.authority = kind, []
                judged(world.judge(step), BOGUS, Reason.DENIAL_MISSING)
                step.authority = [RRset(n("example.jp"), t.SOA, 300, [bytes(22)])]
                if name != ".":
                    judged(world.judge(step), BOGUS, Reason.RRSIG_MISSING)


def test_an_unsigned_denial_with_the_soa_of_an_unsigned_zone() -> None:
    """The SOA's owner is the sender's choice: only where there is such an unsigned zone above the name does it help."""
    world = build()
    for soa in ("www.example.jp", "example.jp", "unsigned.jp", "plain.example.jp", "jp"):
        records = [RRset(n(soa), t.SOA, 300, [bytes(22)])]
        step = Step(n("x.www.example.jp"), t.A, Kind.NXDOMAIN, [], records, n("example.jp"), None)
        judged(world.judge(step), BOGUS, Reason.RRSIG_MISSING)
    world.hidden = {n("plain.example.jp")}
    records = [RRset(n("plain.example.jp"), t.SOA, 300, [bytes(22)])]
    step = Step(n("x.y.plain.example.jp"), t.A, Kind.NXDOMAIN, [], records, n("example.jp"), None)
    world.needs.clear()
    judged(world.judge(step), INSECURE, Reason.UNSIGNED_DELEGATION)
    assert world.asked == ["plain.example.jp/DS"], "the hint saves a walk"


@pytest.mark.parametrize("kind", [Kind.NXDOMAIN, Kind.NODATA])
@pytest.mark.parametrize("floor", ["example.jp", "jp", "."])
def test_denials_with_records_of_unsigned_zones_elsewhere(kind: Kind, floor: str) -> None:
    """Records that say they are signed by an unsigned zone which does not hold the name excuse nothing."""
    world = build(cuts=False)
    evil = KeyPair(13, 256, 9)
    for owner, signer in (
        ("x.unsigned.jp", "unsigned.jp"),
        ("unsigned.jp", "unsigned.jp"),
        ("a.plain.example.jp", "plain.example.jp"),
    ):
        nsec = RRset(n(owner), t.NSEC, 300, [n("zzz." + signer) + b"\0\1\x40"])
        nsec.sigs = [sign(nsec, evil, n(signer))]
        soa = RRset(n(signer), t.SOA, 300, [bytes(22)])
        soa.sigs = [sign(soa, evil, n(signer))]
        for name in ("www.example.jp", "example.jp", "nx.example.jp"):
            step = Step(n(name), t.MX, kind, [], [soa, nsec], n(floor), Address("203.0.113.1", 53))
            judged(world.judge(step), BOGUS)


def test_expired_denials() -> None:
    world = build()
    zone = example(world)
    for rrset in zone.data.values():
        if rrset.rtype == t.NSEC:
            zone.sign_set(rrset, NOW - 3 * DAY, NOW - DAY)
    result = judged(world.judge("nx.example.jp"), BOGUS, Reason.SIGNATURE_EXPIRED)
    assert "NSEC" in result.verdict.text and result.verdict.text.endswith("at 192.0.2.3")


# --- NTAs, islands, no anchors -------------------------------------------------------------------------------------


def test_nta() -> None:
    world = build()
    world.points = TrustPoints(world.points.points.values(), [Nta(n("www.example.jp"), "", NOW + 100)], 1)
    result = judged(world.judge(replaced(world, "www.example.jp", sigs=[])), INSECURE, Reason.NTA)
    assert result.verdict.at == n("www.example.jp")
    assert result.verdict.text == "NTA for www.example.jp until 2027-01-15T08:01:40Z"
    assert world.asked == [], "nothing is asked"
    judged(world.judge(replaced(world, "a.ent.example.jp", sigs=[])), BOGUS)
    judged(world.judge("x.www.example.jp"), INSECURE, Reason.NTA)
    world.now = Now(NOW + 100, world.now.mono)
    judged(world.judge(replaced(world, "www.example.jp", sigs=[])), BOGUS)


def test_the_ds_of_a_zone_under_an_nta_is_the_parents() -> None:
    world = build()
    world.points = TrustPoints(world.points.points.values(), [Nta(n("example.jp"), "", None)], 1)
    judged(world.judge("example.jp", "DS"), SECURE)
    judged(world.judge("example.jp", "DNSKEY"), INSECURE, Reason.NTA)
    judged(world.judge("sub.example.jp", "DS"), INSECURE, Reason.NTA)
    judged(world.judge("unsigned.jp", "DS"), SECURE)


def test_an_anchor_below_an_nta() -> None:
    world = build()
    zone = example(world)
    anchors = [*world.points.points.values(), TrustPoint(zone.origin, [zone.ksk.ds(zone.origin)])]
    world.points = TrustPoints(anchors, [Nta(n("jp"), "", None)], 1)
    judged(world.judge("www.example.jp"), SECURE)
    judged(world.judge("nx.example.jp"), SECURE)
    judged(world.judge("www.unsigned.jp"), INSECURE, Reason.NTA)
    judged(world.judge("example.jp", "DS"), INSECURE, Reason.NTA)


def test_an_island_below_an_unsigned_zone() -> None:
    """Data at and below the trust point must be signed, although all above is unsigned."""
    world = build()
    root, unsigned = world.by_name[ROOT], world.by_name[n("unsigned.jp")]
    island = SignedZone("island.unsigned.jp", "www A 192.0.2.1\n", server="192.0.2.6").sign()
    unsigned.delegate(island, [])
    world.by_name[island.origin] = island
    judged(world.judge("www.island.unsigned.jp"), INSECURE)
    points = [TrustPoint(ROOT, [root.ksk.ds(ROOT)]), TrustPoint(island.origin, [island.ksk.ds(island.origin)])]
    world.points = TrustPoints(points, generation=1)
    judged(world.judge("www.island.unsigned.jp"), SECURE)
    judged(world.judge("nx.island.unsigned.jp"), SECURE)
    step = replaced(world, "www.island.unsigned.jp", sigs=[])
    judged(world.judge(step), BOGUS)
    for zone in ("unsigned.jp", "jp", "."):
        step.zone = n(zone)
        judged(world.judge(step), BOGUS)
        # A signer above the trust point that is insecure is no excuse either.
        step.rrsets[0].sigs = [sign(step.rrsets[0], KeyPair(13, 256, 9), n("unsigned.jp"))]
        judged(world.judge(step), BOGUS)
        step.rrsets[0].sigs = []


def test_no_trust_anchor() -> None:
    world = build()
    world.points = TrustPoints()
    result = judged(world.judge("www.example.jp"), INSECURE, Reason.NO_TRUST_POINT)
    assert result.verdict.text == "no trust anchor at or above www.example.jp" and world.asked == []


# --- what could not be found out -----------------------------------------------------------------------------------


def test_unreachable_keys() -> None:
    world = build()
    world.script[n("example.jp"), t.DNSKEY] = [Trouble.TIMEOUT]
    result = judged(world.judge("www.example.jp"), BOGUS, Reason.CHAIN_UNREACHABLE)
    assert [note.reason for note in result.verdict.notes] == [Reason.NETWORK]
    judged(world.judge(replaced(world, "www.example.jp", sigs=[])), BOGUS, Reason.CHAIN_UNREACHABLE)


def test_unreachable_ds_while_looking_for_a_cut() -> None:
    """Unsigned data, and whether there is a cut cannot be found out: never insecure."""
    world = build()
    world.script[n("www.example.jp"), t.DS] = [Trouble.TIMEOUT]
    judged(world.judge(replaced(world, "www.example.jp", sigs=[])), BOGUS, Reason.CHAIN_UNREACHABLE)


def test_limits_lead_to_servfail() -> None:
    for name, rtype in (("www.example.jp", "A"), ("nx.example.jp", "A"), ("www.unsigned.jp", "A"), ("x.w.example.jp", "A")):
        world = build(nsec3=True, jp_opt_out=True)
        for spent in range(SIG_PER_RESOLUTION.value - 16, SIG_PER_RESOLUTION.value + 1):
            world.zones.clear()
            world.budget.hit = None
            step = world.step(name, rtype)
            world.budget = Budget()
            world.budget.verifications = spent
            verdict = world.play(validate(step, world, world.now)).verdict
            if world.budget.hit is not None:
                assert verdict.security is BOGUS and verdict.reason is Reason.LIMIT
                assert SIG_PER_RESOLUTION.label in verdict.text
            else:
                assert verdict.security is not BOGUS


def test_nsec3_hashes_are_bounded() -> None:
    world = build(nsec3=True)
    world.judge("www.example.jp")
    world.budget = Budget()
    world.budget.nsec3_hashes = NSEC3_PER_RESOLUTION.value
    verdict = world.play(validate(world.step("nx.example.jp"), world, world.now)).verdict
    assert verdict.security is BOGUS and verdict.reason is Reason.LIMIT and NSEC3_PER_RESOLUTION.label in verdict.text


def test_padded_denials() -> None:
    """CVE-2026-11605: a proof behind very many genuine records costs SIG_PER_SET verifications and says so."""
    world = build()
    zone = example(world)
    for i in range(40):
        extra = RRset(n(f"p{i}.example.jp"), t.NSEC, 300, [n(f"p{i}x.example.jp") + b"\0\1\x40"])
        zone.sign_set(extra)
        zone.data[extra.name, t.NSEC] = extra
    world.judge("www.example.jp")
    step = world.step("nx.example.jp")
    padding = [rrset for rrset in zone.data.values() if rrset.rtype == t.NSEC and rrset.name.startswith((b"\2p", b"\3p"))]
    step.authority = padding + step.authority
    result = judged(world.judge(step), BOGUS, Reason.LIMIT)
    assert SIG_PER_SET.label in result.verdict.text
    assert world.budget.verifications <= SIG_PER_SET.value + 1


def test_a_verdict_names_its_server_only_when_there_is_one() -> None:
    world = build()
    step = replaced(world, "www.example.jp", sigs=[])
    step.server = None
    assert world.judge(step).verdict.text == "no signature over www.example.jp/A"
    step.server = Address("2001:db8::1", 53)
    assert world.judge(step).verdict.text.endswith(" at 2001:db8::1")
