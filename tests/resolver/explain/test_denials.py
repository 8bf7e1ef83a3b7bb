"""Proofs of absence read out: what NSEC and NSEC3 records say about a question."""

import pytest

from resolver.explain.denials import read_out
from resolver.explain.texts import Words
from trust.denial import Denial, Proof
from trust.nsec3 import nsec3_hash
from wire import types as t
from wire.rrset import RRset
from wire.text import name_from_text, rrsets_from_text, type_from_text

ZONE = name_from_text("example.")
DIGITS = "0123456789abcdefghijklmnopqrstuv"


def said(records: str | list[RRset], name: str, rtype: str = "A", encloser: str | None = None) -> list[str]:
    used = rrsets_from_text(records) if isinstance(records, str) else records
    closest = name_from_text(encloser) if encloser is not None else None
    denial = Denial(Proof.PROVEN, "", used=tuple(used), closest_encloser=closest)
    return read_out(denial, name_from_text(name), type_from_text(rtype), Words())


def test_nsec_at_the_name():
    (sentence,) = said("a.example. 300 IN NSEC c.example. A RRSIG NSEC", "a.example.", "MX")
    assert sentence == "a.example exists and has A, RRSIG, NSEC; MX is not among them."


def test_nsec_around_the_name_and_its_wildcard():
    one, two = said(
        "a.example. 300 IN NSEC c.example. A RRSIG NSEC\nexample. 300 IN NSEC a.example. SOA NS RRSIG NSEC", "b.example."
    )
    assert one == "Between a.example and c.example there is no name, so there is no b.example."
    assert two == "Between example and a.example there is no name, so there is no wildcard *.example either."


def test_one_nsec_may_say_both():
    both = said("example. 300 IN NSEC z.example. SOA NS RRSIG NSEC", "b.example.")
    assert len(both) == 2 and "no b.example" in both[0] and "wildcard *.example" in both[1]


def test_nsec_of_a_delegation():
    (sentence,) = said("sub.example. 300 IN NSEC z.example. NS RRSIG NSEC", "sub.example.", "DS")
    assert sentence == "sub.example is delegated (NS, RRSIG, NSEC) and has no DS."


def test_an_empty_non_terminal():
    (sentence, *_) = said("a.example. 300 IN NSEC x.b.example. A RRSIG NSEC", "b.example.")
    assert "b.example exists only because x.b.example is below it" in sentence


def test_a_compact_denial():
    # RFC 9824: NXNAME is type 128.
    (sentence,) = said("b.example. 300 IN NSEC \\000.b.example. RRSIG NSEC TYPE128", "b.example.")
    assert "NXNAME" in sentence


def label(digest: bytes) -> str:
    number = int.from_bytes(digest, "big")
    return "".join(DIGITS[number >> shift & 31] for shift in range(155, -1, -5))


def nsec3(low: bytes, high: bytes, types: str = "A RRSIG", flags: int = 0) -> list[RRset]:
    return rrsets_from_text(f"{label(low)}.example. 300 IN NSEC3 1 {flags} 0 - {label(high)} {types}")


def hashed(name: str) -> bytes:
    return nsec3_hash(name_from_text(name), b"", 0)


def beside(digest: bytes, by: int) -> bytes:
    return (int.from_bytes(digest, "big") + by).to_bytes(20, "big")


def test_nsec3_by_its_parts():
    own, nobody = hashed("example."), hashed("nobody.example.")
    star = hashed("*.example.")
    records = [
        *nsec3(own, beside(own, 1), "SOA NS A"),
        *nsec3(beside(nobody, -1), beside(nobody, 1)),
        *nsec3(beside(star, -1), beside(star, 1)),
    ]
    encloser, cover, wild = said(records, "nobody.example.", "A", "example.")
    assert encloser == "The hash of example is there: it is the nearest existing name."
    assert cover == "The hash of nobody.example falls into a gap, so there is no such name."
    assert wild == "The hash of the wildcard *.example falls into a gap, so nothing stands in for the name."


def test_nsec3_at_the_name():
    own = hashed("a.example.")
    (sentence,) = said(nsec3(own, beside(own, 1), "A RRSIG"), "a.example.", "MX")
    assert sentence == "The hash of a.example is there, and has A, RRSIG; MX is not among them."


def test_an_opt_out_gap():
    gap = hashed("sub.example.")
    (sentence,) = said(nsec3(beside(gap, -1), beside(gap, 1), flags=1), "sub.example.", "DS", "example.")
    assert "opt-out gap: unsigned delegations may hide in it" in sentence


@pytest.mark.parametrize("iterations, hashed_again", [(150, True), (151, False)])
def test_dear_hashes_are_not_made_again(iterations, hashed_again):
    records = rrsets_from_text(f"{label(bytes(20))}.example. 300 IN NSEC3 1 0 {iterations} - {label(bytes(19) + b'1')} A")
    assert (f"{iterations} iterations" in said(records, "a.example.")[0]) is not hashed_again


def test_nothing_to_read_out():
    assert read_out(Denial(Proof.MISSING, "none"), ZONE, t.A, Words()) == []
