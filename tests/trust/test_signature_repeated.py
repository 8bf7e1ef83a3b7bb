"""Denials bring the same records again: a key spares itself the arithmetic, and nothing else."""

import pytest

from tests.trust.test_signature import PAIR, ZONE, a_set, check, signed
from tests.trust.zones import DAY, NOW, corrupt
from trust.algorithms import HELD, Key, mark
from trust.policy import Budget
from trust.reason import Reason
from trust.signature import KeySet
from wire import types as t
from wire.rrset import RRset


def keys() -> KeySet:
    return KeySet(ZONE, [Key(PAIR.rdata)])


def an_nsec(number: int = 0) -> RRset:
    return signed(a_set(f"a{number}.example.jp", t.NSEC, rdatas=[b"\1b\7example\2jp\0\0\1\x40"]))


def test_the_same_record_is_verified_once() -> None:
    known, budget, nsec = keys(), Budget(), an_nsec()
    for _ in range(3):
        result = check(nsec, known, budget=budget)
        assert result.ok and result.rrsig is not None and result.key is known.keys[0]
    assert budget.verifications == 1


@pytest.mark.parametrize(
    ("rtype", "rdata"), [(t.A, b"\xc0\0\2\1"), (t.DNSKEY, PAIR.rdata), (t.TXT, b"\1a")], ids=["A", "DNSKEY", "TXT"]
)
def test_other_types_are_verified_each_time(rtype: int, rdata: bytes) -> None:
    known, budget, rrset = keys(), Budget(), signed(a_set(rtype=rtype, rdatas=[rdata]))
    assert check(rrset, known, budget=budget).ok and check(rrset, known, budget=budget).ok
    assert budget.verifications == 2


def test_times_are_looked_at_each_time() -> None:
    known, nsec = keys(), an_nsec()
    assert check(nsec, known).ok
    assert check(nsec, known, now=NOW + 400 * DAY).reason is Reason.SIGNATURE_EXPIRED


def test_other_data_under_a_remembered_signature_does_not_hold() -> None:
    known, nsec = keys(), an_nsec()
    assert check(nsec, known).ok
    other = RRset(nsec.name, nsec.rtype, nsec.ttl, [b"\1z\7example\2jp\0\0\1\x40"], nsec.sigs)
    assert check(other, known).reason is Reason.SIGNATURE_INVALID
    elsewhere = RRset(an_nsec(1).name, nsec.rtype, nsec.ttl, nsec.rdatas, nsec.sigs)
    assert check(elsewhere, known).reason is Reason.SIGNATURE_INVALID


def test_what_failed_is_not_remembered() -> None:
    known, budget, nsec = keys(), Budget(), an_nsec()
    nsec.sigs = [corrupt(nsec.sigs[0])]
    for _ in range(2):
        assert check(nsec, known, budget=budget).reason is Reason.SIGNATURE_INVALID
    assert budget.verifications == 2


def test_another_key_knows_nothing_of_it() -> None:
    budget, nsec = Budget(), an_nsec()
    assert check(nsec, keys(), budget=budget).ok and check(nsec, keys(), budget=budget).ok
    assert budget.verifications == 2


def test_few_are_remembered_and_the_least_used_goes() -> None:
    known, budget = keys(), Budget()
    records = [an_nsec(number) for number in range(HELD + 1)]
    for nsec in records[:HELD]:
        check(nsec, known, budget=budget)
    check(records[0], known, budget=budget)
    check(records[HELD], known, budget=budget)
    before = budget.verifications
    assert check(records[0], known, budget=budget).ok and budget.verifications == before
    assert check(records[1], known, budget=budget).ok and budget.verifications == before + 1


def test_where_signature_ends_and_data_begins_counts() -> None:
    key = Key(PAIR.rdata)
    key.hold(mark(b"signature", b"data"))
    assert key.holds(mark(b"signature", b"data"))
    assert not key.holds(mark(b"signatured", b"ata"))
