"""The states of keys as RFC 7583 has them, with time as a value; and what is refused."""

import dns.name
import pytest

from lab.errors import LabError
from lab.internet import build
from lab.keys import REVOKE_FLAG, KeyStore
from lab.lifecycle import PROPAGATION_S, KeyClock, KeyRing, Role, State
from lab.operations import run
from lab.zones import SPECS

NOW = 1_790_000_000.0
TTL = 10
WAIT = TTL + PROPAGATION_S
ZONE = "example.jp."


@pytest.fixture(scope="module")
def keys() -> KeyStore:
    return KeyStore()


@pytest.fixture
def ring(keys: KeyStore) -> KeyRing:
    internet = build(NOW, keys=keys, faults=[], ttl=TTL, specs=[s for s in SPECS if s.origin in (".", "jp.", ZONE)])
    return internet.ring(dns.name.from_text(ZONE))


@pytest.fixture
def root(keys: KeyStore) -> KeyRing:
    internet = build(NOW, keys=keys, faults=[], ttl=TTL, specs=[s for s in SPECS if s.origin in (".", "jp.")])
    return internet.ring(dns.name.root)


def at(ring: KeyRing, now: float) -> dict[str, State]:
    """States by label; a second key is called 2, whatever generation it is."""
    counts: dict[Role, int] = {}
    states = {}
    for key in ring.keys.values():
        counts[key.role] = counts.get(key.role, 0) + 1
        number = counts[key.role]
        states[key.role.value + (f"-{number}" if number > 1 else "")] = ring.state(key, now)
    return states


def test_a_zone_begins_with_active_keys(ring: KeyRing) -> None:
    assert at(ring, NOW) == {"ksk": State.ACTIVE, "zsk": State.ACTIVE}


def test_zsk_by_pre_publication(ring: KeyRing) -> None:
    new = ring.generate(Role.ZSK).label
    assert at(ring, NOW)["zsk-2"] is State.GENERATED
    ring.publish(new, NOW)
    assert at(ring, NOW + WAIT - 0.1)["zsk-2"] is State.PUBLISHED
    assert at(ring, NOW + WAIT)["zsk-2"] is State.READY
    with pytest.raises(LabError, match=r"DNSKEY RRsets without .* for 0\.1 s"):
        ring.activate(new, NOW + WAIT - 0.1)
    begin = NOW + WAIT
    ring.activate(new, begin)
    assert at(ring, begin) == {"ksk": State.ACTIVE, "zsk": State.RETIRED, "zsk-2": State.ACTIVE}
    with pytest.raises(LabError, match="signatures by zsk"):
        ring.remove("zsk", begin + WAIT - 0.1)
    assert at(ring, begin + WAIT)["zsk"] is State.DEAD
    ring.remove("zsk", begin + WAIT)
    assert at(ring, begin + WAIT)["zsk"] is State.REMOVED


def test_ksk_by_double_ksk(ring: KeyRing) -> None:
    new = ring.generate(Role.KSK).label
    ring.publish(new, NOW)
    assert at(ring, NOW)["ksk-2"] is State.PUBLISHED
    with pytest.raises(LabError, match="DNSKEY RRsets without"):
        ring.set_ds([new], NOW + WAIT - 0.1)
    with pytest.raises(LabError, match="akashi lab ds"):
        ring.activate(new, NOW + WAIT)
    begin = NOW + WAIT
    ring.set_ds([new], begin)
    assert at(ring, begin) == {"ksk": State.RETIRED, "zsk": State.ACTIVE, "ksk-2": State.ACTIVE}
    with pytest.raises(LabError, match="only ksk matches"):
        ring.remove("ksk", begin + WAIT - 0.1)
    ring.remove("ksk", begin + WAIT)
    assert at(ring, begin + WAIT)["ksk"] is State.REMOVED


def test_ksk_by_double_ds(ring: KeyRing) -> None:
    new = ring.generate(Role.KSK).label
    ring.set_ds(["ksk", new], NOW)
    assert at(ring, NOW)["ksk-2"] is State.PUBLISHED
    begin = NOW + WAIT
    assert at(ring, begin)["ksk-2"] is State.READY
    ring.publish(new, begin)
    with pytest.raises(LabError, match="only ksk matches"):
        ring.remove("ksk", begin - 0.1)
    ring.remove("ksk", begin)
    assert at(ring, begin) == {"ksk": State.RETIRED, "zsk": State.ACTIVE, "ksk-2": State.ACTIVE}
    with pytest.raises(LabError, match="DNSKEY RRsets without"):
        ring.set_ds([new], begin + WAIT - 0.1)
    ring.set_ds([new], begin + WAIT)
    assert at(ring, begin + WAIT)["ksk"] is State.REMOVED


def test_a_broken_chain_is_mended_in_order(ring: KeyRing) -> None:
    ring.set_ds([], NOW)
    with pytest.raises(LabError, match="only ksk matches"):
        ring.remove("ksk", NOW + WAIT - 0.1)
    assert at(ring, NOW + WAIT)["ksk"] is State.DEAD
    ring.remove("ksk", NOW + WAIT)
    new = ring.generate(Role.KSK).label
    ring.publish(new, NOW + WAIT)
    with pytest.raises(LabError, match="DNSKEY RRsets without"):
        ring.set_ds([new], NOW + WAIT)
    ring.set_ds([new], NOW + 2 * WAIT)
    assert at(ring, NOW + 2 * WAIT)["ksk-2"] is State.ACTIVE


def test_the_only_key_that_the_ds_names_stays(ring: KeyRing) -> None:
    with pytest.raises(LabError, match="chain of trust would break"):
        ring.remove("ksk", NOW)
    ring.remove("ksk", NOW, force=True)
    assert not ring.keys["ksk"].in_zone.on


def test_a_ds_of_a_key_that_is_not_published_is_refused(ring: KeyRing) -> None:
    new = ring.generate(Role.KSK).label
    with pytest.raises(LabError, match="chain of trust would break"):
        ring.set_ds([new], NOW)


def test_a_zsk_that_signs_stays_even_by_force(ring: KeyRing) -> None:
    with pytest.raises(LabError, match="activate another"):
        ring.remove("zsk", NOW, force=True)


def test_a_ttl_that_was_lowered_counts_as_long_as_it_may_last(ring: KeyRing) -> None:
    ring.set_policy(NOW, ttl=1, validity_s=None)
    new = ring.generate(Role.KSK).label
    ring.publish(new, NOW + 2)
    # Fetched just before the change, a DNSKEY RRset lives until NOW + TTL.
    assert at(ring, NOW + WAIT - 0.1)["ksk-2"] is State.PUBLISHED
    assert at(ring, NOW + WAIT)["ksk-2"] is State.READY


def test_a_root_key_is_active_while_it_signs_and_revokes_itself(root: KeyRing) -> None:
    new = root.generate(Role.KSK).label
    root.publish(new, NOW)
    assert not root.keys[new].signs.on
    with pytest.raises(LabError, match="activate one before"):
        root.revoke("ksk", NOW)
    root.activate(new, NOW + WAIT)
    assert at(root, NOW + WAIT)["ksk"] is State.RETIRED
    root.revoke("ksk", NOW + WAIT)
    old = root.keys["ksk"]
    assert at(root, NOW + WAIT)["ksk"] is State.REVOKED
    assert old.signs.on and old.key.dnskey.flags & REVOKE_FLAG
    root.remove("ksk", NOW + WAIT)
    assert at(root, NOW + WAIT)["ksk"] is State.REMOVED
    with pytest.raises(LabError, match="no parent"):
        root.set_ds([new], NOW)


def test_a_stopped_clock_stands_still_from_the_next_change_on() -> None:
    time = [NOW]
    clock = KeyClock(lambda: time[0])
    clock.stop()
    time[0] += 5.0
    assert clock.now() == NOW + 5.0  # a slow command is no reason to think that less time has passed before it
    clock.changed(clock.now())
    time[0] += 60.0
    assert clock.now() == NOW + 5.0
    clock.changed(NOW + 65.0)
    assert clock.now() == NOW + 5.0
    clock.go()
    assert clock.now() == NOW + 65.0
    clock.changed(NOW + 65.0)
    time[0] += 1.0
    assert clock.now() == NOW + 66.0  # it runs unless it is stopped


def test_new_keys_are_new(ring: KeyRing) -> None:
    tags = {ring.generate(Role.KSK).key.dnskey.key for _ in range(3)} | {ring.keys["ksk"].key.dnskey.key}
    assert len(tags) == 4


@pytest.mark.parametrize(
    ("do", "request_", "problem"),
    [
        ("keys", {"zone": "nowhere.example."}, "not a zone of the lab"),
        ("keys", {"zone": "a..b"}, "not a domain name"),
        ("keys", {"zone": "unsigned.jp."}, "not signed"),
        ("generate", {"zone": ZONE, "key": "csk"}, "neither ksk nor zsk"),
        ("publish", {"zone": ZONE, "key": "ksk"}, "published already"),
        ("publish", {"zone": ZONE, "key": "ksk-77"}, "has no key"),
        ("ds", {"zone": ZONE, "keys": ["zsk"]}, "names a KSK"),
        ("revoke", {"zone": ZONE, "key": "zsk"}, "only a published KSK"),
        ("move", {"zone": ZONE, "hosts": ["ns1.nowhere."]}, "no server of the lab"),
        ("move", {"zone": ZONE, "hosts": ["ns1.example.jp."]}, "there already"),
        ("move", {"zone": ".", "hosts": ["ns1.example.jp."]}, "can move"),
        ("leave", {"zone": ZONE}, "has not moved"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    keys: KeyStore, do: str, request_: dict[str, object], problem: str
) -> None:
    internet = build(NOW, keys=keys, faults=[], ttl=TTL)
    before = {origin: zone.to_text() for origin, zone in internet.zones.items()}
    with pytest.raises(LabError, match=problem):
        run(internet, do, request_, NOW, int(NOW))
    assert {origin: zone.to_text() for origin, zone in internet.zones.items()} == before
