"""The real root: 102 signed states of its DNSKEY RRset, 2023-11 … 2026-08, from a resolver that knows only KSK-2017.

Every signature is verified at its own date, by the validator as by the state machine.
"""

import functools
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.conftest import require_corpora
from tests.trust.test_rootzone import RootZone
from trust.algorithms import Key
from trust.anchor_merge import merge_configured
from trust.anchors import TrustPoints, builtin, points_from_text
from trust.chain import zone_trust
from trust.policy import Policy
from trust.rfc5011 import Observation, PointState, State, Transition, observe, trust_point
from trust.vocabulary import Now
from trust.zone import ZoneTrust
from wire import types as t
from wire.name import ROOT
from wire.rdata import Rrsig
from wire.rrset import RRset
from wire.text import rrsets_from_text

DAY = 86400
KSK_2017, KSK_2024 = 20326, 38696
ANCHOR = ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"


@dataclass(frozen=True)
class Edition:
    """One state of the RRset. `at`: noon of the day in its serial; `until`: when its signature expires."""

    serial: str
    rrset: RRset
    at: float
    until: float


@functools.cache
def editions() -> list[Edition]:
    out: list[Edition] = []
    for entry in json.loads(require_corpora("rootzone", "root-dnskey-history.json").read_text()):
        (rrset,) = rrsets_from_text("\n".join(entry["dnskey"] + entry["rrsig"]))
        at = datetime.strptime(entry["serial"][:8], "%Y%m%d").replace(tzinfo=UTC, hour=12).timestamp()
        until = min(Rrsig(sig).expiration for sig in rrset.sigs)
        out.append(Edition(entry["serial"], rrset, at, float(until)))
    return out


def start() -> PointState:
    (anchors,) = points_from_text(ANCHOR)
    merged = merge_configured(None, anchors, ROOT, editions()[0].at - DAY)
    assert merged.point is not None
    return merged.point


@dataclass
class Play:
    """What came of playing the history: all observations with their times, and the state after the last."""

    point: PointState
    seen: list[tuple[float, Observation]]

    @property
    def transitions(self) -> list[Transition]:
        return [move for _, observation in self.seen for move in observation.transitions]


@functools.cache
def play(every_s: float) -> Play:
    """Look at each edition on its day, and again `every_s` seconds later as long as its signature is valid and no newer
    edition is out.
    """
    point, seen = start(), []
    following = [edition.at for edition in editions()[1:]] + [float("inf")]
    for edition, until in zip(editions(), following, strict=True):
        at = edition.at
        while at < min(until, edition.until):
            observation = observe(point, edition.rrset, at, Policy())
            point = observation.point
            seen.append((at, observation))
            at += every_s
    return Play(point, seen)


def states(point: PointState) -> dict[int, State]:
    return {entry.tag: entry.state for entry in point.keys}


def day(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d")


def test_the_corpus_is_what_it_says() -> None:
    assert len(editions()) == 102
    assert editions()[0].serial == "2023110400" and editions()[-1].serial.startswith("202608")
    first = next(e for e in editions() if any(Key(rdata).tag == KSK_2024 for rdata in e.rrset.rdatas))
    assert first.serial == "2025011100"


def test_every_edition_validates_at_its_own_date() -> None:
    """By the chain of trust, from KSK-2017 alone."""
    for edition in editions():
        zone = RootZone("", "2026-01-01T00:00", TrustPoints(points_from_text(ANCHOR)))
        zone.data = {(ROOT, t.DNSKEY): edition.rrset}
        zone.now = Now(edition.at, 1000.0)
        trust = zone.play(zone_trust(ROOT, zone, zone.now))  # type: ignore[arg-type]
        assert isinstance(trust, ZoneTrust) and trust.secure, edition.serial
        assert trust.dnskey_signature is not None and trust.dnskey_signature.key is not None
        assert trust.dnskey_signature.key.tag == KSK_2017


def test_ksk_2024_is_pending_in_january_2025_and_valid_a_month_later() -> None:
    for every_s in (DAY, DAY / 2, 7 * DAY):
        played = play(every_s)
        assert all(observation.ok for _, observation in played.seen)
        told = [(move.key_tag, move.old, move.new, day(move.at)) for move in played.transitions]
        assert told[0] == (KSK_2024, State.START, State.ADD_PEND, "2025-01-11")
        tag, old, new, when = told[1]
        assert (tag, old, new) == (KSK_2024, State.ADD_PEND, State.VALID) and when >= "2025-02-10"
        if every_s <= DAY:
            assert when == "2025-02-10"


def test_nothing_else_ever_moves() -> None:
    played = play(DAY)
    assert len(played.transitions) == 2
    assert states(played.point) == {KSK_2017: State.VALID, KSK_2024: State.VALID}
    for at, observation in played.seen:
        trusted = {entry.tag for entry in observation.point.trusted}
        assert trusted == ({KSK_2017} if day(at) < "2025-02-10" else {KSK_2017, KSK_2024}), day(at)
        assert not observation.ignored


def test_what_was_learnt_is_what_is_packaged() -> None:
    point = trust_point(play(DAY).point)
    assert point is not None and not point.ds
    for ds in builtin()[0].ds:
        assert any(Key(rdata).matches_ds(ROOT, ds) for rdata in point.dnskeys)


def test_the_learnt_anchors_validate_the_last_edition() -> None:
    learnt = trust_point(play(DAY).point)
    assert learnt is not None
    edition = editions()[-1]
    zone = RootZone("", "2026-01-01T00:00", TrustPoints([learnt]))
    zone.data = {(ROOT, t.DNSKEY): edition.rrset}
    zone.now = Now(edition.at, 1000.0)
    trust = zone.play(zone_trust(ROOT, zone, zone.now))  # type: ignore[arg-type]
    assert isinstance(trust, ZoneTrust) and trust.secure


def test_refreshes_are_daily() -> None:
    """TTL 172800: half of it is a day, or less when a signature expires sooner."""
    for at, observation in play(DAY).seen:
        assert observation.point.original_ttl == 172800
        assert observation.point.next_refresh - at <= DAY


def test_at_other_dates_nothing_validates() -> None:
    """The same RRsets a year later or earlier: expired or not yet valid, and no key moves."""
    point = start()
    for edition in editions():
        for shift in (-365 * DAY, 365 * DAY):
            observation = observe(point, edition.rrset, edition.at + shift, Policy())
            assert not observation.ok and not observation.transitions
            assert {entry.state for entry in observation.point.keys} == {State.VALID}


def test_an_attacker_who_alters_the_rrset_gains_nothing() -> None:
    """KSK-2024 swapped for another key, from its first sighting on: the signature does not hold."""
    point = start()
    for edition in editions():
        altered = RRset(ROOT, t.DNSKEY, edition.rrset.ttl, [_altered(r) for r in edition.rrset.rdatas], edition.rrset.sigs)
        observation = observe(point, altered, edition.at, Policy())
        point = observation.point
        has_new = any(Key(rdata).tag == KSK_2024 for rdata in edition.rrset.rdatas)
        assert observation.ok != has_new
    assert states(point) == {KSK_2017: State.VALID}


def _altered(rdata: bytes) -> bytes:
    return rdata if Key(rdata).tag != KSK_2024 else rdata[:-1] + bytes((rdata[-1] ^ 2,))
