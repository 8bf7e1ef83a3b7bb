"""What zones have proven not to exist: order, ends, bounds."""

from resolver.cache.denials import DenialCache, Ring
from trust.nsec import Nsec
from wire.name import Name, canonical_key
from wire.rrset import RRset
from wire.text import name_from_text, rrsets_from_text

ZONE = name_from_text("example.")


def nsec(owner: str, next_name: str) -> RRset:
    (rrset,) = rrsets_from_text(f"{owner} 300 IN NSEC {next_name} A RRSIG NSEC")
    return rrset


def key(name: str) -> tuple[bytes, ...]:
    return canonical_key(name_from_text(name))


def test_the_predecessor_is_found_and_the_ring_closes() -> None:
    ring: Ring[tuple[bytes, ...], Nsec] = Ring()

    def put(owner: str, next_name: str) -> int:
        rrset = nsec(owner, next_name)
        return ring.put(key(owner), rrset, Nsec(rrset), 10.0)

    for owner in ("b.example.", "d.example.", "a.b.example."):
        assert put(owner, "z.example.") == 1
    assert put("b.example.", "c.example.") == 0

    def before(name: str) -> Name | None:
        found = ring.at_or_before(key(name), 0.0)
        return None if found is None else found.rrset.name

    assert before("b.example.") == name_from_text("b.example.")
    assert before("c.example.") == name_from_text("a.b.example.")
    assert before("zz.example.") == name_from_text("d.example.")
    assert before("a.example.") == name_from_text("d.example.")  # round to the last
    assert ring.at_or_before(key("b.example."), 10.0) is None  # expired
    assert ring.at(key("c.example."), 0.0) is None
    at_b = ring.at(key("b.example."), 0.0)
    assert at_b is not None
    assert at_b.read.next == name_from_text("c.example.")  # what was put last


def test_only_the_very_same_record_is_renewed() -> None:
    ring: Ring[tuple[bytes, ...], Nsec] = Ring()
    known = nsec("b.example.", "c.example.")
    ring.put(key("b.example."), known, Nsec(known), 10.0)
    assert not ring.renew(nsec("d.example.", "c.example."), 20.0)
    assert not ring.renew(nsec("b.example.", "d.example."), 20.0)
    signed = nsec("b.example.", "c.example.")
    signed.sigs.append(b"another")
    assert not ring.renew(signed, 20.0)
    assert ring.at(key("b.example."), 10.0) is None
    assert ring.renew(nsec("b.example.", "c.example."), 20.0)
    assert ring.at(key("b.example."), 10.0) is not None


def test_records_of_no_use_for_proofs_are_not_kept() -> None:
    cache = DenialCache()
    cache.learn(ZONE, [nsec("a.example.", "b.example.com.")], 10.0)  # the next name is another zone's
    cache.learn(ZONE, [nsec("a.other.", "b.example.")], 10.0)
    assert len(cache) == 0


def test_a_zone_that_is_full_starts_over() -> None:
    cache = DenialCache(limit_per_zone=3)
    for number in range(5):
        cache.learn(ZONE, [nsec(f"n{number}.example.", "z.example.")], 10.0)
    assert len(cache) == 2
    known = cache.get(ZONE)
    assert known is not None
    assert known.nsec.at(key("n4.example."), 0.0) is not None


def test_the_oldest_zone_gives_way() -> None:
    cache = DenialCache(limit=2)
    for number in range(4):
        zone = name_from_text(f"z{number}.")
        cache.learn(zone, [nsec(f"a.z{number}.", f"b.z{number}.")], 10.0)
    assert len(cache) == 2
    assert cache.get(name_from_text("z0.")) is None
    assert cache.get(name_from_text("z3.")) is not None


def test_opt_out_spans_are_not_kept() -> None:
    cache = DenialCache()
    owner = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example."
    for flags, kept in ((1, 0), (0, 1)):
        (rrset,) = rrsets_from_text(f"{owner} 300 IN NSEC3 1 {flags} 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG")
        cache.learn(ZONE, [rrset], 10.0)
        assert len(cache) == kept
    cache.clear()
    assert len(cache) == 0
