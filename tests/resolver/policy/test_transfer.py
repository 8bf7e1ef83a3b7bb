"""AXFR and IXFR as sequences of records (RFC 5936 §2.2, RFC 1995 §4)."""

import pytest

from resolver.policy.transfer import Kind, Record, Transfer, TransferError, newer
from wire import types as t
from wire.text import name_from_text as n

ZONE = n("rpz.example")


def soa(serial: int) -> Record:
    return Record(ZONE, t.SOA, 60, b"\0\0" + b"".join(value.to_bytes(4, "big") for value in (serial, 60, 30, 600, 10)))


def rule(name: str) -> Record:
    return Record(n(f"{name}.rpz.example"), t.CNAME, 60, b"\0")


def feed(have: int | None, *records: Record) -> Transfer:
    machine = Transfer(ZONE, have)
    for record in records:
        machine.feed(record)
    return machine


def names(machine: Transfer) -> list[str]:
    return [
        ("+" if change.added else "-") + change.record.owner[1 : 1 + change.record.owner[0]].decode()
        for change in machine.changes
        if change.record.rtype != t.SOA
    ]


def test_a_whole_zone() -> None:
    machine = feed(None, soa(3), rule("a"), rule("b"))
    assert not machine.done
    machine.feed(soa(3))
    assert machine.done and machine.kind is Kind.FULL and names(machine) == ["+a", "+b"]
    assert sum(change.record.rtype == t.SOA for change in machine.changes) == 1


def test_an_empty_zone() -> None:
    machine = feed(None, soa(3), soa(3))
    assert machine.done and machine.kind is Kind.FULL and len(machine.changes) == 1


def test_nothing_new() -> None:
    assert feed(3, soa(3)).kind is Kind.CURRENT
    assert feed(4, soa(3)).done  # a primary behind another


def test_differences() -> None:
    machine = feed(1, soa(3), soa(1), rule("a"), soa(2), rule("b"), rule("c"), soa(2), rule("b"), soa(3), rule("d"), soa(3))
    assert machine.done and machine.kind is Kind.DELTA
    assert names(machine) == ["-a", "+b", "+c", "-b", "+d"]
    assert [c.record.rdata[2:6] for c in machine.changes if c.record.rtype == t.SOA][-1] == (3).to_bytes(4, "big")


def test_the_whole_zone_in_answer_to_ixfr() -> None:
    machine = feed(1, soa(3), rule("a"), soa(3))
    assert machine.done and machine.kind is Kind.FULL and names(machine) == ["+a"]


def test_only_the_soa_though_there_is_news() -> None:
    machine = feed(1, soa(3))
    with pytest.raises(TransferError, match="newer"):
        machine.over()


@pytest.mark.parametrize(
    ("have", "records", "problem"),
    [
        (None, [rule("a")], "first record"),
        (None, [soa(3), rule("a"), soa(4)], "ended with 4"),
        (None, [soa(3), soa(3), rule("a")], "after the end"),
        (1, [soa(3), soa(1), rule("a"), soa(2), rule("b"), soa(1)], "follows"),
    ],
)
def test_what_is_no_transfer(have: int | None, records: list[Record], problem: str) -> None:
    with pytest.raises(TransferError, match=problem):
        feed(have, *records)


def test_serial_numbers_go_round() -> None:
    assert newer(1, 0xFFFFFFFF) and not newer(0xFFFFFFFF, 1) and not newer(5, 5)
