"""The answer cache: what is found for which question, what replaces what, and what goes when there is no room."""

import pytest

from resolver.cache.answers import NAME_ERROR, AnswerCache, Entry, Rank
from tests.resolver.cache.steps import cname, data, denial, dname, validated
from trust.validate import Validated
from trust.vocabulary import Kind, Security, Step
from wire import types as t
from wire.text import name_from_text, type_from_text

SECURE, INSECURE, BOGUS = Security.SECURE, Security.INSECURE, Security.BOGUS
NOW = 1000.0
GENERATION = 7


class Cache:
    """An answer cache with a clock, asked in words."""

    def __init__(self, limit: int = 1 << 20) -> None:
        self.answers = AnswerCache(limit)
        self.mono = NOW

    def put(
        self,
        step: Step,
        security: Security | None = None,
        *,
        ttl: float = 300,
        rank: Rank = Rank.AUTHORITATIVE,
        generation: int = GENERATION,
    ) -> Entry:
        verdict = None if security is None else validated(security)
        return self.answers.put(step, rank, self.mono, ttl, verdict, generation)

    def get(self, name: str, rtype: str = "A") -> Step | None:
        entry = self.answers.get(name_from_text(name), type_from_text(rtype), self.mono)
        return None if entry is None else entry.step

    def has(self, step: Step, name: str = "www.example") -> bool:
        """Whether the entry of this name was made from the step; what is judged is not kept as it came."""
        entry = self.answers.get(name_from_text(name), step.rtype, self.mono)
        return entry is not None and entry.is_of(step)

    def above(self, name: str, generation: int = GENERATION) -> Step | None:
        entry = self.answers.above(name_from_text(name), self.mono, generation)
        return None if entry is None else entry.step


A = data("www.example. 300 IN A 192.0.2.1")
OTHER_A = data("www.example. 300 IN A 192.0.2.2")


# --- what is found -----------------------------------------------------------------------------------------------------


def test_a_set_is_found_under_its_own_type_only() -> None:
    cache = Cache()
    cache.put(A)
    assert cache.get("www.example") is A
    assert cache.get("WWW.Example") is A
    assert cache.get("www.example", "AAAA") is None
    assert cache.get("example") is None


def test_an_alias_is_found_for_every_type_but_those_beside_it() -> None:
    cache = Cache()
    alias = cname("www.example", "a.example")
    cache.put(alias)
    for rtype in ("A", "AAAA", "MX", "TYPE65280", "CNAME"):
        assert cache.get("www.example", rtype) is alias, rtype
    for rtype in ("NSEC", "RRSIG", "ANY"):  # RFC 4035 §2.5, RFC 1034 §3.6.2
        assert cache.get("www.example", rtype) is None, rtype


def test_the_absence_of_an_alias_says_nothing_of_other_types() -> None:
    cache = Cache()
    nothing = denial(Kind.NODATA, "www.example", "CNAME")
    cache.put(nothing)
    assert cache.get("www.example", "CNAME") is nothing
    assert cache.get("www.example", "A") is None


def test_data_beside_an_alias_goes_first() -> None:
    # A name may have become an alias since; both are live.
    cache = Cache()
    alias = cname("www.example", "a.example", "AAAA")
    cache.put(A)
    cache.put(alias)
    assert cache.get("www.example", "A") is A
    assert cache.get("www.example", "AAAA") is alias


def test_absence_of_data_is_of_one_type_and_absence_of_a_name_of_all() -> None:
    cache = Cache()
    nodata = denial(Kind.NODATA, "www.example", "MX")
    cache.put(nodata)
    assert cache.get("www.example", "MX") is nodata
    assert cache.get("www.example", "A") is None
    nxdomain = denial(Kind.NXDOMAIN, "nx.example", "MX")
    cache.put(nxdomain)
    for rtype in ("MX", "A", "CNAME", "NSEC", "ANY"):
        assert cache.get("nx.example", rtype) is nxdomain, rtype


# --- what is above -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("security", "settles"), [(SECURE, True), (INSECURE, False), (BOGUS, False), (None, False)])
def test_nothing_is_below_a_name_error_if_it_is_secure(security: Security | None, settles: bool) -> None:
    # RFC 8020 §2, with our deviation.
    cache = Cache()
    step = denial(Kind.NXDOMAIN, "nx.example")
    cache.put(step, security)
    for name in ("a.nx.example", "a.b.c.nx.example"):
        assert cache.above(name) is (step if settles else None)
    for name in ("nx.example", "example", "xnx.example"):
        assert cache.above(name) is None, name


def test_a_verdict_of_another_generation_settles_nothing() -> None:
    cache = Cache()
    cache.put(denial(Kind.NXDOMAIN, "nx.example"), SECURE)
    assert cache.above("a.nx.example", GENERATION + 1) is None


def test_absence_of_data_above_settles_nothing() -> None:
    cache = Cache()
    cache.put(denial(Kind.NODATA, "ent.example"), SECURE)
    assert cache.above("a.ent.example") is None


def test_a_redirection_is_found_for_names_below_it_only() -> None:
    # RFC 6672 §2.3
    cache = Cache()
    step = dname("old.example", "new.example", met_at="www.old.example")
    cache.put(step)
    assert cache.above("mail.old.example") is step
    assert cache.above("a.b.old.example") is step
    for name in ("old.example", "bold.example", "example"):
        assert cache.above(name) is None, name
    assert cache.get("old.example", "DNAME") is step
    assert cache.get("old.example", "A") is None
    assert cache.get("mail.old.example") is None


def test_an_answer_to_a_question_for_dname_redirects_nothing() -> None:
    # It may be made from a wildcard, and then nothing below is redirected (RFC 6672 §3.3).
    cache = Cache()
    cache.put(data("old.example. 300 IN DNAME new.example."), SECURE)
    assert cache.above("www.old.example") is None


def test_the_nearest_above_counts() -> None:
    cache = Cache()
    far = dname("example", "elsewhere", met_at="www.example")
    near = denial(Kind.NXDOMAIN, "nx.example")
    cache.put(far)
    cache.put(near, SECURE)
    assert cache.above("a.nx.example") is near
    assert cache.above("a.other.example") is far


def test_redirections_are_looked_for_as_long_as_there_are_any() -> None:
    cache = Cache()
    step = dname("old.example", "new.example", met_at="www.old.example")
    for _ in range(3):  # the count of them survives replacing
        cache.put(step)
    cache.answers.forget(name_from_text("old.example"), t.DNAME)
    assert cache.above("www.old.example") is None
    cache.put(step)
    assert cache.above("www.old.example") is step
    cache.answers.clear()
    assert cache.above("www.old.example") is None
    cache.put(step)
    assert cache.above("www.old.example") is step


# --- how long ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [A, cname("www.example", "a.example"), denial(Kind.NXDOMAIN, "www.example")])
def test_an_entry_ends_with_its_time(step: Step) -> None:
    cache = Cache()
    cache.put(step, ttl=60)
    cache.mono += 59.9
    assert cache.get("www.example") is step
    cache.mono += 0.1
    assert cache.get("www.example") is None
    assert (len(cache.answers), cache.answers.octets) == (0, 0)


def test_what_is_above_ends_too() -> None:
    cache = Cache()
    cache.put(denial(Kind.NXDOMAIN, "nx.example"), SECURE, ttl=60)
    cache.put(dname("old.example", "new.example", met_at="www.old.example"), ttl=60)
    cache.mono += 60
    assert cache.above("a.nx.example") is None
    assert cache.above("a.old.example") is None


def test_a_ttl_of_zero_is_for_this_transaction_only() -> None:
    # RFC 1035 §3.2.1
    cache = Cache()
    entry = cache.put(A, SECURE, ttl=0)
    assert entry.is_of(A)
    assert entry.verdict(GENERATION) is not None
    assert cache.get("www.example") is None


def test_a_ttl_of_zero_ends_what_was_there() -> None:
    cache = Cache()
    cache.put(A)
    cache.put(OTHER_A, ttl=0)
    assert cache.get("www.example") is None


# --- what replaces what ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "replaced"),
    [
        (Rank.REFERRED, Rank.REFERRED, True),
        (Rank.REFERRED, Rank.AUTHORITATIVE, True),
        (Rank.AUTHORITATIVE, Rank.AUTHORITATIVE, True),
        (Rank.AUTHORITATIVE, Rank.REFERRED, False),
    ],
)
@pytest.mark.parametrize("security", [None, INSECURE, BOGUS])
def test_ranks(old: Rank, new: Rank, replaced: bool, security: Security | None) -> None:
    # RFC 2181 §5.4.1
    cache = Cache()
    cache.put(A, security, rank=old)
    kept = cache.put(OTHER_A, rank=new)
    assert kept.is_of(OTHER_A if replaced else A)
    assert cache.has(OTHER_A if replaced else A)


@pytest.mark.parametrize(("security", "replaced"), [(SECURE, True), (INSECURE, True), (BOGUS, False), (None, True)])
def test_what_is_insecure_is_not_replaced_by_what_is_bogus(security: Security | None, replaced: bool) -> None:
    """Fetched anew ahead of its end while the zone above gave no proof of the unsigned delegation that validates."""
    cache = Cache()
    cache.put(A, INSECURE)
    cache.put(OTHER_A, security)
    assert cache.has(OTHER_A) is replaced


def test_what_was_insecure_under_other_trust_is_replaced_by_what_is_bogus() -> None:
    cache = Cache()
    cache.put(A, INSECURE, generation=GENERATION - 1)
    cache.put(OTHER_A, BOGUS)
    assert cache.has(OTHER_A)


def test_what_was_insecure_until_now_is_replaced_by_what_is_bogus() -> None:
    cache = Cache()
    cache.put(A, INSECURE, ttl=60)
    cache.mono += 60
    cache.put(OTHER_A, BOGUS)
    assert cache.has(OTHER_A)


@pytest.mark.parametrize(("security", "replaced"), [(SECURE, True), (INSECURE, False), (BOGUS, False), (None, False)])
@pytest.mark.parametrize("rank", list(Rank))
def test_only_secure_data_replaces_secure_data(security: Security | None, replaced: bool, rank: Rank) -> None:
    cache = Cache()
    cache.put(A, SECURE)
    assert cache.put(OTHER_A, security, rank=rank).is_of(OTHER_A) == replaced
    assert cache.has(OTHER_A) == replaced
    assert cache.has(A) != replaced


def test_secure_under_other_anchors_protects_nothing() -> None:
    cache = Cache()
    cache.put(A, SECURE, generation=GENERATION - 1)
    assert cache.put(OTHER_A).step is OTHER_A


def test_what_has_ended_protects_nothing() -> None:
    cache = Cache()
    cache.put(A, SECURE, ttl=60)
    cache.mono += 60
    assert cache.put(OTHER_A, rank=Rank.REFERRED).step is OTHER_A


def test_a_verdict_counts_under_its_generation_only() -> None:
    entry = Cache().put(A, SECURE)
    assert isinstance(entry.verdict(GENERATION), Validated)
    assert entry.verdict(GENERATION + 1) is None
    assert entry.verdict(GENERATION - 1) is None
    assert Cache().put(A).verdict(-1) is None


# --- room --------------------------------------------------------------------------------------------------------------


def numbered(number: int, size: int = 100) -> Step:
    return data(f'n{number}.example. 300 IN TXT "{"x" * size}"')


def held(cache: Cache, count: int) -> list[int]:
    return [n for n in range(count) if (name_from_text(f"n{n}.example"), t.TXT) in cache.answers._entries]


def test_size_follows_what_is_held() -> None:
    cache = Cache()
    cache.put(numbered(1, 200))
    one = cache.answers.octets
    assert one > 200
    cache.put(numbered(2, 200))
    assert cache.answers.octets == 2 * one
    cache.put(numbered(2, 100))
    assert cache.answers.octets < 2 * one
    cache.answers.forget(name_from_text("n2.example"), t.TXT)
    assert (cache.answers.octets, len(cache.answers)) == (one, 1)
    cache.answers.clear()
    assert (cache.answers.octets, len(cache.answers)) == (0, 0)


def test_signatures_and_proofs_count_too() -> None:
    plain, signed = data("www.example. 300 IN A 192.0.2.1"), data("www.example. 300 IN A 192.0.2.1")
    signed.rrsets[0].sigs.append(b"x" * 300)
    proven = denial(Kind.NODATA, "www.example", soa=f"{'0' * 50}.example. 300 IN NSEC b.example. A RRSIG NSEC")
    sizes = []
    for step in (plain, signed, denial(Kind.NODATA, "www.example", soa=""), proven):
        cache = Cache()
        cache.put(step)
        sizes.append(cache.answers.octets)
    assert sizes[1] > sizes[0] + 300
    assert sizes[3] > sizes[2] + 100


def test_the_oldest_go_when_there_is_no_room() -> None:
    cache = Cache(100_000)
    for number in range(1000):
        cache.put(numbered(number))
        assert cache.answers.octets <= 100_000
    left = held(cache, 1000)
    assert left == list(range(1000 - len(left), 1000))
    assert cache.answers.evictions == 1000 - len(left)
    assert len(left) > 50


def test_what_was_used_has_a_second_chance() -> None:
    cache = Cache(100_000)
    for number in range(50):
        cache.put(numbered(number))
    for number in range(50, 1000):
        assert cache.get("n7.example", "TXT") is not None
        cache.put(numbered(number))
    for number in range(1000, 1200):  # used no more
        cache.put(numbered(number))
    assert 7 not in held(cache, 1200)


def test_when_everything_was_used_something_goes_all_the_same() -> None:
    cache = Cache(30_000)
    for number in range(100):
        cache.put(numbered(number))
        for known in held(cache, number + 1):
            assert cache.get(f"n{known}.example", "TXT") is not None
        assert cache.answers.octets <= 30_000
    assert cache.answers.evictions > 50


def test_what_is_larger_than_the_cache_empties_it_and_no_more() -> None:
    cache = Cache(20_000)
    cache.put(A)
    big = data("big.example. 300 IN TXT " + " ".join(f'"{"x" * 250}"' for _ in range(100)))
    assert cache.put(big).step is big
    assert cache.answers.octets <= 20_000
    cache.put(A)
    assert cache.get("www.example") is A


def test_eviction_makes_room_for_many_insertions_at_once() -> None:
    # The oldest entry of a dictionary is found by stepping over all that was deleted before it.
    cache = Cache(10_000 * 1000)
    evicting = 0
    for number in range(12_000):
        before = cache.answers.evictions
        name = b"\x08%08x\x07example\0" % number
        cache.put(Step(name, t.A, Kind.ANSWER, A.rrsets, [], A.zone, None))
        evicting += cache.answers.evictions > before
    assert cache.answers.evictions > 1000
    assert evicting < cache.answers.evictions / 40


def test_name_error_has_a_type_that_no_record_has() -> None:
    assert NAME_ERROR == 0
