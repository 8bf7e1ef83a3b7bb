"""The real root zones: every RRset and every NSEC verifies from the anchor of its day, and nothing altered does."""

import functools
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.conftest import require_corpora
from tests.trust.zones import n
from trust.anchors import TrustPoints, builtin, points_from_text
from trust.chain import zone_trust
from trust.policy import Budget, Policy
from trust.reason import Reason
from trust.signature import KeySet, verify_exact, verify_rrset
from trust.validate import Validated, validate
from trust.vocabulary import Address, Cut, Kind, Need, Now, Outcome, Reply, Security, Step
from wire import types as t
from wire.name import ROOT, Name, canonical_key, parent
from wire.rdata import bitmap_types, nsec_parts
from wire.rrset import RRset
from wire.text import rrsets_from_text

POLICY = Policy()
ANCHOR_2010 = ". IN DS 19036 8 2 49AAC11D7B6F6446702E54A1607371607A1A41855200FD2CE1CDDE32F24E8FB5"
SERVER = Address("198.41.0.4", 53)


def clock(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC).timestamp()


@functools.cache
def records(file: str) -> dict[tuple[Name, int], RRset]:
    text = require_corpora("rootzone", file).read_text()
    return {(rrset.name, rrset.rtype): rrset for rrset in rrsets_from_text(text)}


class RootZone:
    """A root zone file: its RRsets, and a View of it for the validator."""

    def __init__(self, file: str, when: str, points: TrustPoints) -> None:
        self.data = records(file) if file else {}
        self.now = Now(clock(when), 1000.0)
        self.points = points
        self.policy = POLICY
        self.zones: dict[Name, object] = {}
        self.budget = Budget()

    def cut(self, zone: Name) -> Cut | None:
        return None

    def closest_cut(self, name: Name) -> Cut:
        return Cut(ROOT, None, {}, self.now.mono + 3600)

    def play(self, steps: object) -> object:
        """Answer Needs from the zone."""
        try:
            effect = next(steps)  # type: ignore[call-overload]
            while True:
                assert isinstance(effect, Need) and effect.question.name == ROOT, effect
                step = Step(ROOT, effect.question.rtype, Kind.ANSWER, [self.data[effect.question]], [], ROOT, SERVER)
                effect = steps.send(Reply(self.now, outcome=Outcome(effect.question, [step])))  # type: ignore[attr-defined]
        except StopIteration as stop:
            return stop.value

    def judge(self, step: Step) -> Validated:
        self.budget = Budget()
        result = self.play(validate(step, self, self.now))  # type: ignore[arg-type]
        assert isinstance(result, Validated)
        return result

    def keys(self) -> KeySet:
        """The zone's keys, from the anchor."""
        trust = self.play(zone_trust(ROOT, self, self.now))  # type: ignore[arg-type]
        assert trust.secure, trust  # type: ignore[attr-defined]
        keys = trust.keys  # type: ignore[attr-defined]
        assert isinstance(keys, KeySet)
        return keys

    @property
    def own(self) -> list[RRset]:
        """What the root signs: all of its apex, and DS and NSEC at the delegations."""
        return [rrset for (name, rtype), rrset in self.data.items() if name == ROOT or rtype in (t.DS, t.NSEC)]


ZONES = {
    "2014-06-25": ("root-2014062501.zone", "2014-06-26T12:00"),
    "2017-08-21": ("root-2017082100.zone", "2017-08-25T12:00"),
}


@functools.cache
def load(day: str) -> RootZone:
    file, when = ZONES[day]
    return RootZone(file, when, TrustPoints(points_from_text(ANCHOR_2010)))


@pytest.fixture(scope="module", params=ZONES)
def zone(request: pytest.FixtureRequest) -> RootZone:
    return load(request.param)


@pytest.mark.slow
def test_every_set_verifies(zone: RootZone) -> None:
    keys = zone.keys()
    count = 0
    for rrset in zone.own:
        result = verify_rrset(rrset, keys, ROOT, zone.now.wall, POLICY, Budget())
        assert result.ok and result.closest_encloser is None, (rrset, result)
        assert result.ttl_cap_s == min(rrset.ttl, result.valid_s)
        count += len(rrset.sigs)
    assert count == sum(len(rrset.sigs) for rrset in zone.data.values()), "there is no signature beside these"
    assert count > 1000


@pytest.mark.slow
def test_every_set_is_judged_secure(zone: RootZone) -> None:
    """Through the whole validator, DS sets as answers to DS questions."""
    for rrset in zone.own:
        step = Step(rrset.name, rrset.rtype, Kind.ANSWER, [rrset], [], ROOT, SERVER)
        result = zone.judge(step)
        assert result.verdict.security is Security.SECURE, (rrset, result)
        bare = Step(rrset.name, rrset.rtype, Kind.ANSWER, [RRset(rrset.name, rrset.rtype, 1, rrset.rdatas)], [], ROOT, None)
        if rrset.rtype == t.DS or rrset.name == ROOT:
            assert zone.judge(bare).verdict.reason is Reason.RRSIG_MISSING


@pytest.mark.slow
def test_the_nsec_chain_is_complete(zone: RootZone) -> None:
    """NSEC by NSEC: it verifies, leads to the next owner in canonical order, and lists exactly the owner's types."""
    keys = zone.keys()
    owners = {name for name, rtype in zone.data if rtype in (t.NS, t.NSEC)}
    types: dict[Name, set[int]] = {}
    for name, rtype in zone.data:
        if name in owners and (name == ROOT or rtype in (t.NS, t.DS, t.NSEC)):
            types.setdefault(name, set()).add(rtype)
    ring = sorted(owners, key=canonical_key)
    assert len(ring) == sum(rtype == t.NSEC for _, rtype in zone.data)
    for owner, following in zip(ring, ring[1:] + ring[:1], strict=True):
        nsec = zone.data[owner, t.NSEC]
        assert verify_exact(nsec, keys, ROOT, zone.now.wall, POLICY, Budget()).ok
        next_name, bitmap = nsec_parts(nsec.rdatas[0])
        assert next_name == following
        assert set(bitmap_types(bitmap)) == types[owner] | {t.RRSIG}


@pytest.mark.slow
def test_denials(zone: RootZone) -> None:
    """Every gap between two top-level names proves its names absent, every unsigned delegation its missing DS."""
    soa = zone.data[ROOT, t.SOA]
    owners = sorted({name for name, rtype in zone.data if rtype == t.NSEC}, key=canonical_key)
    apex = zone.data[ROOT, t.NSEC]
    for owner in owners:
        nsec = zone.data[owner, t.NSEC]
        label = owner[1:-1] + b"-"
        absent = bytes((len(label),)) + label + b"\0"
        step = Step(absent, t.A, Kind.NXDOMAIN, [], [soa, nsec, apex] if nsec is not apex else [soa, nsec], ROOT, SERVER)
        result = zone.judge(step)
        assert result.verdict.security is Security.SECURE, (absent, result)
        if owner != ROOT:
            claim = Step(owner, t.DS, Kind.NODATA, [], [soa, nsec], ROOT, SERVER)
            wanted = Security.BOGUS if (owner, t.DS) in zone.data else Security.SECURE
            assert zone.judge(claim).verdict.security is wanted
            exists = Step(owner, t.A, Kind.NXDOMAIN, [], [soa, nsec, apex], ROOT, SERVER)
            assert zone.judge(exists).verdict.security is Security.BOGUS


def test_outside_the_validity() -> None:
    zone = load("2017-08-21")
    keys = zone.keys()
    soa = zone.data[ROOT, t.SOA]
    for when, reason in (
        ("2017-08-20T00:00", Reason.SIGNATURE_NOT_YET_VALID),
        ("2017-09-05T00:00", Reason.SIGNATURE_EXPIRED),
    ):
        assert verify_rrset(soa, keys, ROOT, clock(when), POLICY, Budget()).reason is reason


def test_other_anchors_do_not_fit() -> None:
    """20326 was published on 2017-08-21, but did not sign yet."""
    zone = load("2017-08-21")
    other = RootZone("root-2017082100.zone", "2017-08-25T12:00", TrustPoints(builtin()))
    trust = other.play(zone_trust(ROOT, other, other.now))  # type: ignore[arg-type]
    assert trust.reason is Reason.RRSIG_MISSING and "20326" in trust.text  # type: ignore[attr-defined]
    assert zone.keys().keys


# --- today's ------------------------------------------------------------------------------------------------------------


def test_the_apex_of_2026_from_the_packaged_anchors() -> None:
    zone = RootZone("root-2026082201.zone", "2026-08-25T12:00", TrustPoints(builtin()))
    keys = zone.keys()
    assert {key.tag for key in keys.keys} >= {20326, 38696}
    soa = zone.data[ROOT, t.SOA]
    assert zone.judge(Step(ROOT, t.SOA, Kind.ANSWER, [soa], [], ROOT, SERVER)).verdict.security is Security.SECURE
    dnskey = zone.data[ROOT, t.DNSKEY]
    assert zone.judge(Step(ROOT, t.DNSKEY, Kind.ANSWER, [dnskey], [], ROOT, SERVER)).verdict.security is Security.SECURE
    # Of this file only the apex signatures were kept: all else is unsigned in a secure zone.
    for name, rtype in ((n("jp"), t.DS), (ROOT, t.NS), (ROOT, t.NSEC)):
        step = Step(name, rtype, Kind.ANSWER, [zone.data[name, rtype]], [], ROOT, SERVER)
        assert zone.judge(step).verdict.reason is Reason.RRSIG_MISSING


def test_every_dnskey_set_since_2023() -> None:
    """102 states of the root's keys: each holds from the packaged anchors at a time within its signature's validity."""
    history = json.loads(require_corpora("rootzone", "root-dnskey-history.json").read_text())
    assert len(history) == 102
    for state in history:
        (dnskey,) = rrsets_from_text("\n".join([*state["dnskey"], *state["rrsig"]]))
        day = datetime.strptime(state["serial"][:8], "%Y%m%d")
        zone = RootZone("", f"{day:%Y-%m-%d}T12:00", TrustPoints(builtin()))
        zone.data = {(ROOT, t.DNSKEY): dnskey}
        assert zone.keys().keys, state["serial"]


# --- mutations -----------------------------------------------------------------------------------------------------------


def flip(data: bytes, bit: int) -> bytes:
    bit %= len(data) * 8
    return data[: bit >> 3] + bytes((data[bit >> 3] ^ 0x80 >> (bit & 7),)) + data[(bit >> 3) + 1 :]


def mutations(rrset: RRset, others: dict[int, RRset], seed: int) -> Iterator[tuple[str, RRset]]:
    """Altered copies of a signed set. `seed` picks bits and places, differently for each set."""
    sig, rdatas = rrset.sigs[0], rrset.rdatas
    signature_at = 18 + 1  # the root's name is one octet

    def with_sig(changed: bytes) -> RRset:
        return RRset(rrset.name, rrset.rtype, rrset.ttl, rdatas, [changed])

    def with_rdatas(changed: list[bytes]) -> RRset:
        return RRset(rrset.name, rrset.rtype, rrset.ttl, changed, [sig])

    signature = sig[signature_at:]
    for turn in range(4):
        yield "signature bit", with_sig(sig[:signature_at] + flip(signature, seed * 7919 + turn * 521))
    yield "signature cut", with_sig(sig[:-1])
    yield "signature longer", with_sig(sig + b"\0")
    yield "no signature", with_sig(sig[:signature_at])
    for delta in (1, -1, 256):
        for name, at, size in (("original TTL", 4, 4), ("expiration", 8, 4), ("inception", 12, 4), ("key tag", 16, 2)):
            value = (int.from_bytes(sig[at : at + size], "big") + delta) % (1 << 8 * size)
            yield name, with_sig(sig[:at] + value.to_bytes(size, "big") + sig[at + size :])
    for labels in (0, 1, 2, 127, 255):
        if labels != sig[3]:
            yield "labels", with_sig(sig[:3] + bytes((labels,)) + sig[4:])
    yield "algorithm", with_sig(sig[:2] + b"\x0a" + sig[3:])
    yield "signer", with_sig(sig[:18] + n("jp") + signature)
    yield (
        "another set's signature",
        with_sig(others[rrset.rtype].sigs[0]) if rrset.rtype in others else with_sig(b"\0" * 20),
    )
    for turn in range(3):
        place = (seed + turn) % len(rdatas)
        changed = flip(rdatas[place], seed * 31 + turn * 101)
        yield "RDATA bit", with_rdatas([*rdatas[:place], changed, *rdatas[place + 1 :]])
    yield "RR added", with_rdatas([*rdatas, flip(rdatas[0], seed)])
    yield "RR dropped", with_rdatas(rdatas[:-1])
    yield "RDATA of another", with_rdatas(others[rrset.rtype].rdatas if rrset.rtype in others else [b""])
    for name in (n("akashi"), parent(rrset.name), n("x") if rrset.name == ROOT else b"\1x" + rrset.name):
        if name != rrset.name:
            yield "owner", RRset(name, rrset.rtype, rrset.ttl, rdatas, [sig])
    for rtype in (t.A, t.TXT, t.DS, t.NSEC, t.DNSKEY):
        if rtype != rrset.rtype:
            yield "type", RRset(rrset.name, rtype, rrset.ttl, rdatas, [sig])
            yield "type covered too", RRset(rrset.name, rtype, rrset.ttl, rdatas, [rtype.to_bytes(2, "big") + sig[2:]])
    yield "class", RRset(rrset.name, rrset.rtype, rrset.ttl, rdatas, [sig], t.CH)
    if rrset.rtype == t.NSEC:
        next_name, bitmap = nsec_parts(rdatas[0])
        yield "next name", with_rdatas([n("zz--") + bitmap])
        yield "next name", with_rdatas([ROOT + bitmap] if next_name != ROOT else [n("aaa") + bitmap])
        for bit in (t.DS, t.A, t.SOA, t.NS, t.CNAME):
            yield "NSEC bitmap", with_rdatas([next_name + flip(bitmap, 16 + bit % ((len(bitmap) - 2) * 8))])


@pytest.mark.slow
@pytest.mark.parametrize("day", ZONES)
def test_no_mutation_verifies(day: str) -> None:
    """At least 10,000 a zone; each set is checked unaltered, too."""
    zone = load(day)
    keys = zone.keys()
    own = sorted(zone.own, key=lambda rrset: (canonical_key(rrset.name), rrset.rtype))
    others: dict[int, RRset] = {}
    kinds: dict[str, int] = {}
    for seed, rrset in enumerate(own[:: 1 if len(own) < 1500 else 4]):
        assert verify_rrset(rrset, keys, ROOT, zone.now.wall, POLICY, Budget()).ok
        for kind, altered in mutations(rrset, others, seed):
            result = verify_rrset(altered, keys, ROOT, zone.now.wall, POLICY, Budget())
            assert not result.ok, (kind, rrset, altered.sigs[0].hex())
            kinds[kind] = kinds.get(kind, 0) + 1
        others[rrset.rtype] = rrset
    assert sum(kinds.values()) >= 10_000, kinds
    assert set(kinds) >= {
        "signature bit", "RDATA bit", "original TTL", "owner", "type", "labels", "key tag", "inception", "expiration",
        "NSEC bitmap", "next name", "RR dropped", "RR added",
    }  # fmt: skip
