"""The published misconfiguration cases that concern signatures, DS, DNSKEY and denial: reason and EDE as in the table.

The zones are rebuilt as the table says: RSA/SHA-256, NSEC3 with 0 iterations and no salt, one KSK and one ZSK which both
sign DNSKEY. Each case is played with the cuts known from referrals and with every DS asked for.
"""

import re
from collections.abc import Callable

import pytest

from tests.conftest import require_corpora
from tests.trust.playbook import World
from tests.trust.zones import DAY, NOW, KeyPair, SignedZone, corrupt, n, sign
from trust.policy import Policy, Sha1
from trust.reason import Reason
from trust.validate import Validated
from trust.vocabulary import Security, Step
from wire import types as t
from wire.rrset import RRset

Fault = Callable[[SignedZone], object]
SECURE, INSECURE, BOGUS = Security.SECURE, Security.INSECURE, Security.BOGUS


def nothing(_zone: SignedZone) -> None:
    pass


def retime(inception: int, expiration: int, rtype: int | None = None) -> Fault:
    def fault(zone: SignedZone) -> None:
        for rrset in zone.data.values():
            if rtype is None or (rrset.rtype == rtype and rrset.name == zone.origin):
                zone.sign_set(rrset, inception, expiration)

    return fault


def unsign(*rtypes: int) -> Fault:
    def fault(zone: SignedZone) -> None:
        for rrset in zone.data.values():
            if not rtypes or rrset.rtype in rtypes:
                rrset.sigs = []

    return fault


def only_by(which: str, keep: bool) -> Fault:
    """Keep (or drop) the signatures over DNSKEY by one of the two keys."""

    def fault(zone: SignedZone) -> None:
        tag = getattr(zone, which).tag.to_bytes(2, "big")
        dnskey = zone.get("case.jp", "DNSKEY")
        dnskey.sigs = [sig for sig in dnskey.sigs if (sig[16:18] == tag) is keep]

    return fault


def corrupt_sigs(rtype: int, which: str = "") -> Fault:
    def fault(zone: SignedZone) -> None:
        tag = getattr(zone, which).tag.to_bytes(2, "big") if which else None
        for rrset in zone.data.values():
            if rrset.rtype == rtype:
                rrset.sigs = [corrupt(sig) if tag in (None, sig[16:18]) else sig for sig in rrset.sigs]

    return fault


def publish(ksk: Callable[[KeyPair], KeyPair | None], zsk: Callable[[KeyPair], KeyPair | None]) -> Fault:
    """Publish other keys than those that sign; the DNSKEY RRset itself is signed anew by what is left."""

    def fault(zone: SignedZone) -> None:
        keys = [key for key in (ksk(zone.ksk), zsk(zone.zsk)) if key is not None]
        old = zone.get("case.jp", "DNSKEY")
        zone.publish(*(key.rdata for key in keys))
        dnskey = zone.get("case.jp", "DNSKEY")
        dnskey.sigs = [sign(dnskey, key, zone.origin) for key in keys if key.algorithm == 8] or old.sigs

    return fault


def same(key: KeyPair) -> KeyPair:
    return key


def gone(_key: KeyPair) -> None:
    return None


def bent(key: KeyPair) -> KeyPair:
    copy = key.altered()
    copy.rdata = key.rdata[:-20] + bytes((key.rdata[-20] ^ 0x20,)) + key.rdata[-19:]
    return copy


def flags(value: int) -> Callable[[KeyPair], KeyPair]:
    return lambda key: key.altered(flags=value)


def algorithm(value: int) -> Callable[[KeyPair], KeyPair]:
    return lambda key: key.altered(algorithm=value)


def drop(*rtypes: int) -> Fault:
    def fault(zone: SignedZone) -> None:
        zone.data = {key: rrset for key, rrset in zone.data.items() if rrset.rtype not in rtypes}

    return fault


def bad_hashes(zone: SignedZone) -> None:
    """Owners of all NSEC3 altered: the server still sends what it takes for the right records."""
    for (owner, rtype), rrset in list(zone.data.items()):
        if rtype == t.NSEC3:
            del zone.data[owner, rtype]
            rrset.name = owner[:1] + bytes((ord("a") if owner[1] != ord("a") else ord("b"),)) + owner[2:]
            zone.data[rrset.name, rtype] = rrset


def bad_next(zone: SignedZone) -> None:
    for rrset in zone.data.values():
        if rrset.rtype == t.NSEC3:
            rdata = rrset.rdatas[0]
            rrset.rdatas = [rdata[:10] + bytes((rdata[10] ^ 1,)) + rdata[11:]]


def ds(change: Callable[[bytes], bytes]) -> Callable[[SignedZone], list[bytes]]:
    return lambda zone: [change(zone.ksk.ds(zone.origin))]


def ds_octet(at: int, value: int) -> Callable[[SignedZone], list[bytes]]:
    return ds(lambda record: record[:at] + bytes((value,)) + record[at + 1 :])


def good_ds(zone: SignedZone) -> list[bytes]:
    return [zone.ksk.ds(zone.origin)]


BACK, LATER = NOW - 30 * DAY, NOW + 30 * DAY

# case: (fault, security, EDE codes allowed, words of the text)
ZONE_FAULTS: dict[str, tuple[Fault, Security, tuple[int | None, ...], str]] = {
    "valid": (nothing, SECURE, (None,), ""),
    "rrsig-exp-all": (retime(BACK, NOW - DAY), BOGUS, (7,), "expired"),
    "rrsig-exp-a": (retime(BACK, NOW - DAY, t.A), BOGUS, (7,), "case.jp/A"),
    "rrsig-not-yet-all": (retime(NOW + DAY, LATER), BOGUS, (8,), "not valid before"),
    "rrsig-not-yet-a": (retime(NOW + DAY, LATER, t.A), BOGUS, (8,), "case.jp/A"),
    "rrsig-exp-before-all": (retime(NOW + DAY, NOW - DAY), BOGUS, (25,), "inception"),
    "rrsig-exp-before-a": (retime(NOW + DAY, NOW - DAY, t.A), BOGUS, (25,), "case.jp/A"),
    "rrsig-no-all": (unsign(), BOGUS, (10,), "case.jp/DNSKEY"),
    "rrsig-no-a": (unsign(t.A), BOGUS, (10,), "case.jp/A"),
    "no-rrsig-ksk": (only_by("zsk", True), BOGUS, (10,), "by key {ksk}, which the DS points at"),
    "no-rrsig-dnskey": (unsign(t.DNSKEY), BOGUS, (10,), "case.jp/DNSKEY"),
    "bad-rrsig-ksk": (corrupt_sigs(t.DNSKEY, "ksk"), BOGUS, (6,), "by key {ksk}"),
    "bad-rrsig-dnskey": (corrupt_sigs(t.DNSKEY), BOGUS, (6,), "case.jp/DNSKEY"),
    "no-zsk": (publish(same, gone), BOGUS, (6, 9), "tag {zsk}"),
    "bad-zsk": (publish(same, bent), BOGUS, (6, 9), "tag {zsk}"),
    "no-ksk": (publish(gone, same), BOGUS, (9,), "key {ksk}"),
    "bad-ksk": (publish(bent, same), BOGUS, (9,), "key {ksk}"),
    "no-dnskey-256": (publish(same, flags(0)), BOGUS, (11,), "zone-key bit"),
    "no-dnskey-257": (publish(flags(1), same), BOGUS, (9, 11), "zone-key bit"),
    "no-dnskey-256-257": (publish(flags(1), flags(0)), BOGUS, (11,), "zone-key bit"),
    "bad-zsk-algo": (publish(same, algorithm(7)), BOGUS, (6, 9), "tag {zsk}"),
    "unassigned-zsk-algo": (publish(same, algorithm(100)), BOGUS, (6, 9), "tag {zsk}"),
    "reserved-zsk-algo": (publish(same, algorithm(200)), BOGUS, (6, 9), "tag {zsk}"),
    "no-dnskey": (drop(t.DNSKEY), BOGUS, (9,), "no DNSKEY at case.jp"),
    "bad-ksk-algo": (publish(algorithm(7), same), BOGUS, (9,), "key {ksk}"),
    "unassigned-ksk-algo": (publish(algorithm(100), same), BOGUS, (9,), "key {ksk}"),
    "reserved-ksk-algo": (publish(algorithm(200), same), BOGUS, (9,), "key {ksk}"),
}
DENIAL_FAULTS: dict[str, tuple[Fault, Security, tuple[int | None, ...], str]] = {
    "bad-nsec3-hash": (bad_hashes, BOGUS, (6, 12), ""),
    "bad-nsec3-next": (bad_next, BOGUS, (6,), "/NSEC3"),
    "bad-nsec3-rrsig": (corrupt_sigs(t.NSEC3), BOGUS, (6,), "/NSEC3"),
    "nsec3-missing": (drop(t.NSEC3), BOGUS, (12,), ""),
    "nsec3-rrsig-missing": (unsign(t.NSEC3), BOGUS, (10, 12), "/NSEC3"),
    "bad-nsec3param-salt": (drop(t.NSEC3), BOGUS, (12,), ""),
    "nsec3param-missing": (drop(t.NSEC3PARAM, t.NSEC3), BOGUS, (12, 10), ""),
    "no-nsec3param-nsec3": (drop(t.NSEC3PARAM, t.NSEC3), BOGUS, (12, 10), ""),
}
DS_FAULTS: dict[str, tuple[Callable[[SignedZone], list[bytes]], Security, tuple[int | None, ...]]] = {
    "no-ds": (lambda zone: [], INSECURE, (None,)),
    "ds-bad-tag": (ds(lambda record: bytes((record[0], record[1] ^ 1)) + record[2:]), BOGUS, (9,)),
    "ds-bad-key-algo": (ds_octet(2, 7), INSECURE, (1,)),
    "ds-unassigned-key-algo": (ds_octet(2, 100), INSECURE, (1,)),
    "ds-reserved-key-algo": (ds_octet(2, 200), INSECURE, (1,)),
    "ds-unassigned-digest-algo": (ds_octet(3, 100), INSECURE, (2,)),
    "ds-bogus-digest-value": (ds(lambda record: record[:-1] + bytes((record[-1] ^ 1,))), BOGUS, (9,)),
}
ITERATIONS = {"nsec3-iter-1": (1, SECURE, None)} | {f"nsec3-iter-{i}": (i, INSECURE, 27) for i in (51, 101, 151, 200)}
ALGORITHMS = {
    "rsasha1": (5, INSECURE, 1),
    "rsasha1-nsec3-sha1": (7, INSECURE, 1),
    "rsasha256": (8, SECURE, None),
    "rsasha512": (10, SECURE, None),
    "ecdsap256sha256": (13, SECURE, None),
    "ecdsap384sha384": (14, SECURE, None),
    "ed25519": (15, SECURE, None),
    "ed448": (16, SECURE, None),
}
# We sign with none of these: a DS and a DNSKEY of the number are all that the validator looks at.
UNKNOWN_ALGORITHMS = {"rsamd5": 1, "dsa": 3, "dsa-nsec3-sha1": 6}


def build(
    fault: Fault = nothing,
    ds_of: Callable[[SignedZone], list[bytes]] = good_ds,
    policy: Policy | None = None,
    **how: object,
) -> tuple[World, SignedZone]:
    """root → jp → case.jp; the fault is applied after signing."""
    root, jp = SignedZone("."), SignedZone("jp")
    how = {"algorithm": 8, "nsec3": True} | how
    case = SignedZone("case.jp", "@ A 192.0.2.1\nwww A 192.0.2.2\n", server="192.0.2.77", **how)  # type: ignore[arg-type]
    root.delegate(jp)
    jp.delegate(case, ds_of(case) if case.signed else [])
    for zone in (root, jp, case):
        zone.sign()
    fault(case)
    return World(root, jp, case, policy=policy), case


def assert_judged(result: Validated, security: Security, codes: tuple[int | None, ...]) -> None:
    assert result.verdict.security is security, result
    assert result.verdict.reason.ede in codes, result
    assert result.verdict.text.isascii() and len(result.verdict.text) <= 200


@pytest.fixture(params=[True, False], ids=["cuts known", "cuts unknown"])
def cuts(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.mark.parametrize("case", ZONE_FAULTS)
def test_faults_of_the_zone(case: str, cuts: bool) -> None:
    fault, security, codes, words = ZONE_FAULTS[case]
    world, zone = build(fault)
    world.know_cuts = cuts
    result = world.judge("case.jp", "A")
    assert_judged(result, security, codes)
    assert words.format(ksk=zone.ksk.tag, zsk=zone.zsk.tag) in result.verdict.text
    if security is BOGUS:
        assert result.verdict.text.endswith("at 192.0.2.77"), "the text names the server"


@pytest.mark.parametrize("case", DENIAL_FAULTS)
def test_faults_of_the_denial(case: str, cuts: bool) -> None:
    fault, security, codes, words = DENIAL_FAULTS[case]
    world, _ = build(nothing)
    assert_judged(world.judge("nx.case.jp", "A"), SECURE, (None,))
    world, _ = build(fault)
    world.know_cuts = cuts
    step = world.step("nx.case.jp") if case != "bad-nsec3-hash" else faulty_step()
    result = world.judge(step)
    assert_judged(result, security, codes)
    assert words in result.verdict.text


def faulty_step() -> Step:
    """What a server sends that finds its records under altered owner names: right in place, wrong in name."""
    good, zone = build(nothing)
    step = good.step("nx.case.jp")
    bad_hashes(zone)
    return step


@pytest.mark.parametrize("case", DS_FAULTS)
def test_faults_of_the_ds(case: str, cuts: bool) -> None:
    ds_of, security, codes = DS_FAULTS[case]
    world, _ = build(ds_of=ds_of)
    world.know_cuts = cuts
    assert_judged(world.judge("case.jp", "A"), security, codes)


def test_ds_of_algorithm_7_under_validate() -> None:
    world, _ = build(ds_of=ds_octet(2, 7), policy=Policy(sha1=Sha1.VALIDATE))
    assert_judged(world.judge("case.jp", "A"), BOGUS, (9,))


def test_unsigned(cuts: bool) -> None:
    world, _ = build(signed=False)
    world.know_cuts = cuts
    assert_judged(world.judge("case.jp", "A"), INSECURE, (None,))
    assert_judged(world.judge("nx.case.jp", "A"), INSECURE, (None,))


@pytest.mark.parametrize("case", ITERATIONS)
def test_iterations(case: str) -> None:
    iterations, security, code = ITERATIONS[case]
    world, _ = build(iterations=iterations)
    assert_judged(world.judge("nx.case.jp", "A"), security, (code,))
    assert_judged(world.judge("case.jp", "A"), SECURE, (None,))


@pytest.mark.parametrize("case", ALGORITHMS)
def test_algorithms(case: str) -> None:
    number, security, code = ALGORITHMS[case]
    world, _ = build(algorithm=number)
    assert_judged(world.judge("case.jp", "A"), security, (code,))
    assert_judged(world.judge("nx.case.jp", "A"), security, (code,))
    validating, _ = build(algorithm=number, policy=Policy(sha1=Sha1.VALIDATE))
    assert_judged(validating.judge("case.jp", "A"), SECURE, (None,))


@pytest.mark.parametrize("case", UNKNOWN_ALGORITHMS)
def test_algorithms_that_nobody_should_use(case: str) -> None:
    number = UNKNOWN_ALGORITHMS[case]
    world, _ = build(
        publish(algorithm(number), algorithm(number)), lambda zone: [zone.ksk.altered(algorithm=number).ds(zone.origin)]
    )
    assert_judged(world.judge("case.jp", "A"), INSECURE, (1,))
    assert world.asked == ["./DNSKEY", "jp/DNSKEY"], "such a zone's keys are not even asked for"


def test_sha1_digest_only() -> None:
    world, _ = build(ds_of=lambda zone: [zone.ksk.ds(zone.origin, 1)])
    assert_judged(world.judge("case.jp", "A"), INSECURE, (2,))
    world, _ = build(ds_of=lambda zone: [zone.ksk.ds(zone.origin, 1)], policy=Policy(sha1=Sha1.VALIDATE))
    assert_judged(world.judge("case.jp", "A"), SECURE, (None,))


def test_the_table_is_covered() -> None:
    """Every case of the table that is the validator's is one of ours (the others are about servers and addresses)."""
    table = require_corpora("ede-cases.md").read_text()
    rows = {line.split("|")[1].strip(): line for line in table.splitlines() if re.match(r"\| [a-z0-9]+[a-z0-9-]* \|", line)}
    ours = {"unsigned", *ZONE_FAULTS, *DENIAL_FAULTS, *DS_FAULTS, *ITERATIONS, *ALGORITHMS, *UNKNOWN_ALGORITHMS}
    others = {case for case in rows if re.match(r"v[46]-|allow-query|not-auth|case$", case)}
    assert set(rows) - others == ours
    for case, line in rows.items():
        if case not in ours:
            continue
        wanted = line.split("|")[3]
        faults = {**ZONE_FAULTS, **DENIAL_FAULTS}
        security = faults[case][1] if case in faults else DS_FAULTS[case][1] if case in DS_FAULTS else None
        if security is not None:
            assert ("SERVFAIL" in wanted.split(",")[0]) is (security is BOGUS), case
        codes = faults[case][2] if case in faults else DS_FAULTS[case][2] if case in DS_FAULTS else ()
        listed = {int(code) for code in re.findall(r"\d+", line.split("|")[4])}
        assert {code for code in codes if code is not None} <= listed, case


def test_reasons_of_texts() -> None:
    """The zone's verdict names the zone; a record's names the record."""
    world, _ = build(retime(BACK, NOW - DAY))
    assert world.judge("case.jp").verdict.at == n("case.jp")
    assert world.judge("www.case.jp").verdict.reason is Reason.SIGNATURE_EXPIRED
    world, zone = build(unsign(t.A))
    verdict = world.judge("www.case.jp").verdict
    assert verdict.at == n("www.case.jp")
    assert isinstance(zone.get("www.case.jp", "A"), RRset)
