"""One RRset and its signatures: RFC 4035 §5.3.1 bullet by bullet, serial-number time, wildcards, KeyTrap bounds."""

import contextlib
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.trust.zones import DAY, NOW, KeyPair, corrupt, n, sign
from trust.algorithms import Key
from trust.policy import Budget, Policy, Sha1
from trust.reason import Reason
from trust.signature import (
    KeySet,
    SignatureResult,
    most_telling,
    self_signed,
    signed_data,
    verify_exact,
    verify_rrset,
)
from wire import types as t
from wire.limits import KEYS_PER_TAG, RRSIGS_PER_RRSET, SIG_FAILURES, SIG_PER_RESOLUTION, Limits
from wire.name import Name
from wire.rdata import Rrsig, key_tag
from wire.rrset import RRset

ZONE = n("example.jp")
PAIR = KeyPair(13, 256)
KEYS = KeySet(ZONE, [Key(PAIR.rdata)])
POLICY = Policy()


def a_set(name: str = "www.example.jp", rtype: int = t.A, ttl: int = 300, rdatas: list[bytes] | None = None) -> RRset:
    return RRset(n(name), rtype, ttl, rdatas or [b"\xc0\0\2\1", b"\xc0\0\2\2"])


def signed(rrset: RRset | None = None, **how: object) -> RRset:
    rrset = rrset or a_set()
    rrset.sigs = [sign(rrset, PAIR, ZONE, **how)]  # type: ignore[arg-type]
    return rrset


def check(
    rrset: RRset, keys: KeySet = KEYS, zone: Name = ZONE, now: float = NOW, budget: Budget | None = None
) -> SignatureResult:
    return verify_rrset(rrset, keys, zone, now, POLICY, budget or Budget())


def patch(rrset: RRset, at: int, value: bytes) -> RRset:
    """Overwrite octets of the RRSIG: type covered 0, algorithm 2, labels 3, TTL 4, expiration 8, inception 12, tag 16."""
    sig = rrset.sigs[0]
    rrset.sigs = [sig[:at] + value + sig[at + len(value) :]]
    return rrset


def test_a_good_signature() -> None:
    result = check(signed())
    assert result.ok and result.reason is Reason.VALID and result.text == ""
    assert result.closest_encloser is None
    assert result.key is KEYS.keys[0]
    assert result.rrsig is not None and result.rrsig.key_tag == PAIR.tag


def test_canonical_order_and_duplicates() -> None:
    """RFC 4034 §6.3: the order received does not matter, a duplicate does not count."""
    rrset = signed(a_set(rdatas=[bytes((192, 0, 2, i)) for i in range(9)]))
    for rdatas in (rrset.rdatas[::-1], rrset.rdatas[3:] + rrset.rdatas[:3], rrset.rdatas + rrset.rdatas[:2]):
        assert check(RRset(rrset.name, rrset.rtype, rrset.ttl, rdatas, rrset.sigs)).ok


def test_rdata_of_unequal_lengths_sort_as_octets() -> None:
    rdatas = [b"\1a", b"\2a\0", b"\1b", b"\1a\1a", b"\1a\0"]
    rrset = signed(a_set(rtype=t.TXT, rdatas=rdatas))
    assert check(rrset).ok
    sig = Rrsig(rrset.sigs[0])
    data = signed_data(rrset, sig, rrset.name)
    places = [
        data.index(len(r).to_bytes(2, "big") + r + (rrset.name if i < 4 else b"")) for i, r in enumerate(sorted(rdatas))
    ]
    assert places == sorted(places)


def test_ttl_counts_not_but_original_ttl_does() -> None:
    """RFC 4035 §5.3.2: the signed TTL is the RRSIG's original TTL."""
    rrset = signed(a_set(ttl=300))
    assert check(rrset.with_ttl(17)).ok
    assert check(rrset.with_ttl(100000)).ok
    assert check(patch(rrset, 4, (301).to_bytes(4, "big"))).reason is Reason.SIGNATURE_INVALID


# --- the bullets -------------------------------------------------------------------------------------------------------


def test_bullet_same_class() -> None:
    rrset = signed()
    rrset.rclass = t.CH
    result = check(rrset)
    assert result.reason is Reason.RRSIG_MALFORMED and "class" in result.text


def test_bullet_same_owner() -> None:
    """The reader files signatures by owner; under another one of as many labels the data is not what was signed."""
    rrset = signed()
    rrset.name = n("xxx.example.jp")
    assert check(rrset).reason is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("zone", ["jp", ".", "www.example.jp", "xexample.jp", "example.com"])
def test_bullet_signer_is_the_zone(zone: str) -> None:
    """A signature that says it is another zone's, verified with the keys of this one and the other way round."""
    rrset = a_set()
    rrset.sigs = [sign(rrset, PAIR, n(zone))]
    assert check(rrset).reason is Reason.RRSIG_MALFORMED
    keys = KeySet(n(zone), KEYS.keys)
    assert check(signed(), keys, n(zone)).reason is Reason.RRSIG_MALFORMED


def test_owner_outside_the_zone() -> None:
    for name in ("www.example.com", "jp", "wwwexample.jp", "."):
        result = check(signed(a_set(name)))
        assert not result.ok and result.reason is Reason.RRSIG_MALFORMED


def test_string_suffix_is_no_ancestor() -> None:
    """ "victim.jp" ends with "tim.jp" as a string, and with the same octets but not at a label's border on the wire."""
    zone = b"\1b\0"
    rrset = RRset(b"\3a\1b\0", t.A, 300, [bytes(4)])
    rrset.sigs = [sign(rrset, PAIR, zone)]
    assert check(rrset, KeySet(zone, KEYS.keys), zone).reason is Reason.RRSIG_MALFORMED


def test_bullet_type_covered() -> None:
    rrset = signed()
    result = check(patch(rrset, 0, t.AAAA.to_bytes(2, "big")))
    assert result.reason is Reason.RRSIG_MALFORMED and "AAAA" in result.text
    other = RRset(rrset.name, t.TXT, 300, rrset.rdatas, signed().sigs)
    assert check(other).reason is Reason.RRSIG_MALFORMED


@pytest.mark.parametrize("labels", range(256))
def test_bullet_labels(labels: int) -> None:
    """Owner of 3 labels in a zone of 2: only the true value verifies; 2 would be a wildcard; less than the signer's is
    malformed (CVE-2026-11721), and so is more than the owner's.
    """
    result = check(patch(signed(), 3, bytes((labels,))))
    wanted = {3: Reason.VALID, 2: Reason.SIGNATURE_INVALID}.get(labels, Reason.RRSIG_MALFORMED)
    assert result.reason is wanted
    assert result.ok is (labels == 3)


def test_labels_smaller_than_the_signers_even_if_signed_so() -> None:
    """The attack of CVE-2026-11721: the zone's owner signs `*.jp` with the keys of example.jp."""
    source = RRset(n("*.jp"), t.A, 300, [bytes(4)])
    sig = sign(source, PAIR, ZONE)
    assert sig[3] == 1
    replayed = RRset(n("www.example.jp"), t.A, 300, [bytes(4)], [sig])
    assert check(replayed).reason is Reason.RRSIG_MALFORMED
    root = sign(RRset(n("*"), t.A, 300, [bytes(4)]), PAIR, ZONE)
    assert root[3] == 0
    assert check(RRset(n("www.example.jp"), t.A, 300, [bytes(4)], [root])).reason is Reason.RRSIG_MALFORMED


def test_bullet_key_tag_and_algorithm() -> None:
    wrong = check(patch(signed(), 16, ((PAIR.tag + 1) & 0xFFFF).to_bytes(2, "big")))
    assert wrong.reason is Reason.SIGNING_KEY_MISSING and str((PAIR.tag + 1) & 0xFFFF) in wrong.text
    assert check(patch(signed(), 2, b"\x0e")).reason is Reason.SIGNING_KEY_MISSING
    assert check(signed(), KeySet(ZONE, [])).reason is Reason.SIGNING_KEY_MISSING
    other = KeyPair(13, 257)
    assert check(signed(), KeySet(ZONE, [Key(other.rdata)])).reason is Reason.SIGNING_KEY_MISSING


def test_a_key_of_the_same_tag_that_did_not_sign() -> None:
    assert check(signed(), KeySet(ZONE, [next(twins())])).reason is Reason.SIGNATURE_INVALID


@pytest.mark.parametrize("flags", [0, 1, 0x8000, 0xFEFF & ~0x80])
def test_bullet_zone_key_bit(flags: int) -> None:
    """The key's own tag, and the one it had with the bit: both are told as the missing bit."""
    cleared = PAIR.altered(flags=flags & ~0x100)
    rrset = a_set()
    rrset.sigs = [sign(rrset, cleared, ZONE)]
    result = check(rrset, KeySet(ZONE, [Key(cleared.rdata)]))
    assert result.reason is Reason.NO_ZONE_KEY_BIT
    zsk = KeySet(ZONE, [Key(PAIR.altered(flags=0).rdata)])
    assert check(signed(), zsk).reason is Reason.NO_ZONE_KEY_BIT


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 255])
def test_protocol_must_be_3(protocol: int) -> None:
    pair = PAIR.altered(protocol=protocol)
    rrset = a_set()
    rrset.sigs = [sign(rrset, pair, ZONE)]
    assert not check(rrset, KeySet(ZONE, [Key(pair.rdata)])).ok


def test_a_revoked_key_verifies_only_its_own_revocation() -> None:
    """RFC 5011 §2.1."""
    revoked = PAIR.altered(flags=0x0181)
    keys = KeySet(ZONE, [Key(revoked.rdata)])
    rrset = a_set()
    rrset.sigs = [sign(rrset, revoked, ZONE)]
    result = check(rrset, keys)
    assert result.reason is Reason.SIGNING_KEY_MISSING and "revoked" in result.text
    dnskey = RRset(ZONE, t.DNSKEY, 3600, [revoked.rdata])
    dnskey.sigs = [sign(dnskey, revoked, ZONE)]
    assert not check(dnskey, keys).ok
    key = Key(revoked.rdata)
    assert self_signed(dnskey, key, NOW, POLICY, Budget()).ok
    assert not self_signed(rrset, key, NOW, POLICY, Budget()).ok, "not a DNSKEY set"
    alien = RRset(ZONE, t.DNSKEY, 3600, [PAIR.rdata])
    alien.sigs = [sign(alien, revoked, ZONE)]
    assert not self_signed(alien, key, NOW, POLICY, Budget()).ok, "the key is not in the set"
    plain = PAIR.altered(flags=0x0080)
    dnskey = RRset(ZONE, t.DNSKEY, 3600, [plain.rdata])
    dnskey.sigs = [sign(dnskey, plain, ZONE)]
    assert not self_signed(dnskey, Key(plain.rdata), NOW, POLICY, Budget()).ok, "revoked and no zone key"


def test_a_ds_signed_by_its_own_zone() -> None:
    """RFC 4035 §2.4: at the apex the DS is the parent's."""
    ds = RRset(ZONE, t.DS, 300, [PAIR.ds(ZONE)])
    ds.sigs = [sign(ds, PAIR, ZONE)]
    result = check(ds)
    assert result.reason is Reason.RRSIG_MALFORMED and "DS" in result.text
    below = RRset(n("sub.example.jp"), t.DS, 300, [PAIR.ds(ZONE)])
    below.sigs = [sign(below, PAIR, ZONE)]
    assert check(below).ok


def test_a_set_of_which_only_signatures_came() -> None:
    rrset = signed()
    empty = RRset(rrset.name, t.A, 300, [], rrset.sigs)
    assert check(empty).reason is Reason.RRSIG_MALFORMED
    signed_nothing = RRset(rrset.name, t.A, 300, [], [sign_nothing(rrset)])
    assert not check(signed_nothing).ok


def sign_nothing(rrset: RRset) -> bytes:
    """A true signature over the head alone."""
    head = Rrsig(rrset.sigs[0]).head
    assert isinstance(PAIR.private, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(PAIR.private.sign(head, ec.ECDSA(hashes.SHA256())))
    return head + r.to_bytes(32, "big") + s.to_bytes(32, "big")


def test_unsigned() -> None:
    result = check(a_set())
    assert result.reason is Reason.RRSIG_MISSING and result.text == "no signature over www.example.jp/A"


# --- time (RFC 4034 §3.1.5, RFC 1982) ---------------------------------------------------------------------------------

HALF = 1 << 31
WRAP = 1 << 32


@pytest.mark.parametrize(
    ("inception", "expiration", "now", "wanted"),
    [
        (NOW, NOW + 10, NOW, Reason.VALID),
        (NOW, NOW + 10, NOW + 10, Reason.VALID),
        (NOW, NOW + 10, NOW + 10.9, Reason.VALID),  # whole seconds count
        (NOW, NOW + 10, NOW + 11, Reason.SIGNATURE_EXPIRED),
        (NOW, NOW + 10, NOW - 1, Reason.SIGNATURE_NOT_YET_VALID),
        (NOW, NOW, NOW, Reason.VALID),
        (NOW, NOW, NOW + 1, Reason.SIGNATURE_EXPIRED),
        (NOW + 10, NOW, NOW + 5, Reason.SIGNATURE_EXPIRED_BEFORE_VALID),
        (NOW + 1, NOW, NOW, Reason.SIGNATURE_EXPIRED_BEFORE_VALID),
        # across the 32-bit wrap of 2106
        (WRAP - 100, 100, WRAP - 50, Reason.VALID),
        (WRAP - 100, 100, WRAP + 50, Reason.VALID),
        (WRAP - 100, 100, WRAP + 100, Reason.VALID),
        (WRAP - 100, 100, WRAP + 101, Reason.SIGNATURE_EXPIRED),
        (WRAP - 100, 100, WRAP - 101, Reason.SIGNATURE_NOT_YET_VALID),
        (100, WRAP - 100, WRAP, Reason.SIGNATURE_EXPIRED_BEFORE_VALID),
        # far away: nearer by one side or the other
        (NOW, NOW + HALF - 1, NOW + 5, Reason.VALID),
        (NOW, NOW + HALF, NOW + 5, Reason.SIGNATURE_EXPIRED_BEFORE_VALID),  # undefined in RFC 1982: not in its favour
        (NOW, NOW + HALF + 1, NOW + 5, Reason.SIGNATURE_EXPIRED_BEFORE_VALID),
        (0, 0, HALF, Reason.SIGNATURE_EXPIRED),  # the undefined distance again
        (0, 10, HALF - 1, Reason.SIGNATURE_EXPIRED),
        (0, 10, HALF + 20, Reason.SIGNATURE_NOT_YET_VALID),
        (HALF - 20, HALF - 10, 1, Reason.SIGNATURE_NOT_YET_VALID),
        (0, 0, 0, Reason.VALID),
        (WRAP - 1, WRAP - 1, WRAP - 1, Reason.VALID),
    ],
)
def test_serial_time(inception: int, expiration: int, now: float, wanted: Reason) -> None:
    rrset = resigned_times(a_set(), inception % WRAP, expiration % WRAP)
    result = check(rrset, now=now)
    assert result.reason is wanted, result


def resigned_times(rrset: RRset, inception: int, expiration: int) -> RRset:
    """Sign with times that dnspython does not take, over our own signed data (other tests check that against dnspython)."""
    sig = sign(rrset, PAIR, ZONE)
    sig = sig[:8] + expiration.to_bytes(4, "big") + inception.to_bytes(4, "big") + sig[16:]
    assert isinstance(PAIR.private, ec.EllipticCurvePrivateKey)
    r, s = decode_dss_signature(PAIR.private.sign(signed_data(rrset, Rrsig(sig), rrset.name), ec.ECDSA(hashes.SHA256())))
    rrset.sigs = [Rrsig(sig).head + r.to_bytes(32, "big") + s.to_bytes(32, "big")]
    return rrset


def test_ttl_cap() -> None:
    """RFC 4035 §5.3.3: the least of TTL, original TTL and what is left of the validity."""
    assert check(signed(a_set(ttl=300))).ttl_cap_s == 300
    assert check(signed(a_set(ttl=300)).with_ttl(200)).ttl_cap_s == 200
    assert check(signed(a_set(ttl=300)).with_ttl(400)).ttl_cap_s == 300
    short = check(signed(a_set(ttl=300), expiration=NOW + 7))
    assert (short.ttl_cap_s, short.valid_s) == (7, 7)
    assert check(signed(a_set(ttl=300), expiration=NOW + 7), now=NOW + 7).ttl_cap_s == 0


def test_texts() -> None:
    tag = PAIR.tag
    past = check(signed(inception=NOW - 3 * DAY, expiration=NOW - DAY))
    assert past.text == f"signature expired 2027-01-14T08:00:00Z for www.example.jp/A by key {tag}"
    future = check(signed(inception=NOW + DAY, expiration=NOW + 2 * DAY))
    assert future.text == f"signature not valid before 2027-01-16T08:00:00Z for www.example.jp/A by key {tag}"
    assert check(patch(signed(), 4, bytes(4))).text == f"signature does not verify for www.example.jp/A by key {tag}"
    for result in (past, future):
        assert result.text.isascii() and len(result.text) < 200


# --- wildcards (RFC 4035 §5.3.2) ---------------------------------------------------------------------------------------


def expanded(source: str, name: str) -> RRset:
    made = RRset(n(source), t.A, 300, [bytes(4)])
    return RRset(n(name), t.A, 300, [bytes(4)], [sign(made, PAIR, ZONE)])


@pytest.mark.parametrize(
    ("source", "name", "encloser"),
    [
        ("*.example.jp", "www.example.jp", "example.jp"),
        ("*.example.jp", "a.b.c.example.jp", "example.jp"),
        ("*.w.example.jp", "x.w.example.jp", "w.example.jp"),
        ("*.w.example.jp", "*.x.w.example.jp", "w.example.jp"),
        ("*.example.jp", "*.w.example.jp", "example.jp"),
        ("*.*.example.jp", "a.*.example.jp", "*.example.jp"),
    ],
)
def test_wildcard_expansion(source: str, name: str, encloser: str) -> None:
    result = check(expanded(source, name))
    assert result.ok and result.closest_encloser == n(encloser)
    assert verify_exact(expanded(source, name), KEYS, ZONE, NOW, POLICY, Budget()).reason is Reason.RRSIG_MALFORMED


def test_the_wildcard_itself_is_not_expanded() -> None:
    """RFC 4034 §3.1.3: a leading asterisk label is not counted."""
    result = check(expanded("*.example.jp", "*.example.jp"))
    assert result.ok and result.closest_encloser is None
    assert verify_exact(expanded("*.example.jp", "*.example.jp"), KEYS, ZONE, NOW, POLICY, Budget()).ok


def test_an_asterisk_inside_is_a_label_like_others() -> None:
    result = check(signed(a_set("a.*.example.jp")))
    assert result.ok and result.closest_encloser is None


def test_labels_that_count_the_asterisk_are_too_many() -> None:
    rrset = RRset(n("*.example.jp"), t.A, 300, [bytes(4)])
    rrset.sigs = [sign(rrset, PAIR, ZONE)]
    assert check(patch(rrset, 3, b"\3")).reason is Reason.RRSIG_MALFORMED


def test_wildcard_outside_its_subtree() -> None:
    rrset = expanded("*.w.example.jp", "x.w.example.jp")
    rrset.name = n("x.v.example.jp")
    assert check(rrset).reason is Reason.SIGNATURE_INVALID


# --- several signatures ------------------------------------------------------------------------------------------------


def test_one_that_holds_suffices() -> None:
    """RFC 6840 §5.11."""
    good = signed().sigs[0]
    old = sign(a_set(), PAIR, ZONE, NOW - 2 * DAY, NOW - DAY)
    unknown = sign(a_set(), KeyPair(13, 257), ZONE)
    for order in ([old, unknown, corrupt(good), good], [good, old], [b"\0\1\xc8" + good[3:], good]):
        assert check(RRset(n("www.example.jp"), t.A, 300, a_set().rdatas, order)).ok


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        (("expired", "no key"), Reason.SIGNATURE_EXPIRED),
        (("expired", "invalid"), Reason.SIGNATURE_EXPIRED),
        (("future", "no key"), Reason.SIGNATURE_NOT_YET_VALID),
        (("invalid", "no key"), Reason.SIGNATURE_INVALID),
        (("invalid", "expired, no key"), Reason.SIGNATURE_INVALID),
        (("expired, no key", "no key"), Reason.SIGNATURE_EXPIRED),
        (("no key", "malformed"), Reason.SIGNING_KEY_MISSING),
        (("malformed", "unsupported"), Reason.RRSIG_MALFORMED),
        (("unsupported",), Reason.SIGNATURE_UNSUPPORTED),
        (("expired",), Reason.SIGNATURE_EXPIRED),
    ],
)
def test_the_most_telling_failure(kinds: tuple[str, ...], wanted: Reason, reverse: bool) -> None:
    rrset, other = a_set(), KeyPair(13, 257)
    good = sign(rrset, PAIR, ZONE)
    made = {
        "expired": sign(rrset, PAIR, ZONE, NOW - 2 * DAY, NOW - DAY),
        "expired, no key": sign(rrset, other, ZONE, NOW - 2 * DAY, NOW - DAY),
        "future": sign(rrset, PAIR, ZONE, NOW + DAY, NOW + 2 * DAY),
        "invalid": corrupt(good),
        "no key": sign(rrset, other, ZONE),
        "malformed": good[:3] + b"\x09" + good[4:],
        "unsupported": good[:2] + b"\x03" + good[3:],
    }
    rrset.sigs = [made[kind] for kind in kinds]
    if reverse:
        rrset.sigs.reverse()
    assert check(rrset).reason is wanted


def test_most_telling_of_several_sets() -> None:
    results = [
        SignatureResult(False, reason)
        for reason in (Reason.RRSIG_MISSING, Reason.SIGNATURE_EXPIRED, Reason.SIGNATURE_INVALID)
    ]
    found = most_telling([SignatureResult(True, Reason.VALID), *results])
    assert found is not None and found.reason is Reason.SIGNATURE_EXPIRED
    assert most_telling([SignatureResult(True, Reason.VALID)]) is None


@pytest.mark.parametrize("algorithm", [5, 7])
def test_sha1_counts_only_under_validate(algorithm: int) -> None:
    pair = KeyPair(algorithm, 256)
    keys = KeySet(ZONE, [Key(pair.rdata)])
    rrset = a_set()
    rrset.sigs = [sign(rrset, pair, ZONE)]
    assert check(rrset, keys).reason is Reason.SIGNATURE_UNSUPPORTED
    assert verify_rrset(rrset, keys, ZONE, NOW, Policy(sha1=Sha1.VALIDATE), Budget()).ok


# --- bounds (KeyTrap, CVE-2023-50387) ------------------------------------------------------------------------------------


def twin(pair: KeyPair, index: int) -> Key:
    """Another P-256 key made to have the same tag: the tag is a sum, and the flags are mostly free."""
    other = KeyPair(13, 256, 1 + index)
    for flags in range(0x100, 0x10000):
        if flags & 0x180 == 0x100:
            rdata = flags.to_bytes(2, "big") + other.rdata[2:]
            if key_tag(rdata) == pair.tag:
                return Key(rdata)
    raise AssertionError("no flags give that tag")


def twins() -> Iterator[Key]:
    index = 0
    while True:
        with contextlib.suppress(AssertionError):
            yield twin(PAIR, index)
        index += 1


def test_keys_of_one_tag() -> None:
    """KEYS_PER_TAG keys are tried; a limit that cut the search short is told, and nothing is secure for it."""
    source = twins()
    others = [next(source) for _ in range(KEYS_PER_TAG.value)]
    mine = KEYS.keys[0]
    rrset = signed()
    assert check(rrset, KeySet(ZONE, [others[0], mine])).ok
    budget = Budget()
    result = check(rrset, KeySet(ZONE, [*others, mine]), budget=budget)
    assert result.reason is Reason.LIMIT and KEYS_PER_TAG.label in result.text
    assert budget.verifications == KEYS_PER_TAG.value
    assert budget.limits.hits == {KEYS_PER_TAG.label: 1}
    # In shadow mode it is counted, and the right key found.
    budget = Budget(Limits(frozenset((KEYS_PER_TAG.label,))))
    assert check(rrset, KeySet(ZONE, [*others, mine]), budget=budget).ok
    assert (budget.limits.hits, budget.limits.shadowed) == ({}, {KEYS_PER_TAG.label: 1})


def test_failures_of_one_set() -> None:
    rrset = signed()
    good = rrset.sigs[0]
    bad = [good[:-2] + bytes((i, good[-1])) for i in range(SIG_FAILURES.value + 1) if i != good[-2]]
    rrset.sigs = [*bad[: SIG_FAILURES.value - 1], good]
    assert check(rrset).ok
    budget = Budget()
    rrset.sigs = [*bad[: SIG_FAILURES.value], good]
    result = check(rrset, budget=budget)
    assert result.reason is Reason.LIMIT and SIG_FAILURES.label in result.text
    assert budget.verifications == SIG_FAILURES.value


def test_signatures_of_one_set() -> None:
    rrset = signed()
    good = rrset.sigs[0]
    strange = [good[:16] + ((PAIR.tag + 1 + i) & 0xFFFF).to_bytes(2, "big") + good[18:] for i in range(20)]
    rrset.sigs = [*strange[: RRSIGS_PER_RRSET.value - 1], good]
    assert check(rrset).ok
    rrset.sigs = [*strange[: RRSIGS_PER_RRSET.value], good]
    result = check(rrset)
    assert result.reason is Reason.LIMIT and RRSIGS_PER_RRSET.label in result.text


def test_verifications_of_one_resolution() -> None:
    budget = Budget()
    rrset = signed()
    for _ in range(SIG_PER_RESOLUTION.value):
        assert check(rrset, budget=budget).ok
    assert budget.hit is None
    result = check(rrset, budget=budget)
    assert result.reason is Reason.LIMIT and SIG_PER_RESOLUTION.label in result.text
    assert budget.hit is SIG_PER_RESOLUTION and budget.verifications == SIG_PER_RESOLUTION.value


def test_nsec3_hashes_of_one_resolution() -> None:
    budget = Budget()
    assert budget.take_nsec3(149) and budget.take_nsec3() and not budget.take_nsec3()
    assert budget.hit is not None and budget.hit.label == "nsec3-hashes-per-resolution"
    assert budget.nsec3_hashes == 150


# --- every octet ---------------------------------------------------------------------------------------------------------


def test_no_bit_of_set_or_signature_may_change() -> None:
    rrset = signed(a_set(rdatas=[b"\xc0\0\2\1"]))
    whole = rrset.sigs[0]
    for bit in range(len(whole) * 8):
        octet, mask = bit >> 3, 0x80 >> (bit & 7)
        if 18 <= octet < 18 + len(ZONE):
            continue  # the signer's name: another test, since it must stay a name
        rrset.sigs = [whole[:octet] + bytes((whole[octet] ^ mask,)) + whole[octet + 1 :]]
        assert not check(rrset).ok, bit
    rrset.sigs = [whole]
    for bit in range(32):
        rrset.rdatas = [(0xC0000201 ^ 1 << bit).to_bytes(4, "big")]
        assert not check(rrset).ok
    rrset.rdatas = [b"\xc0\0\2\1"]
    assert check(rrset).ok
