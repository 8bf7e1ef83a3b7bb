"""Which Extended DNS Errors tell more than others, and whether our set is as telling as a peer's.

The order is partial: a code stands above another when it says the same thing with more detail, so that whoever knows the
first can derive the second. Codes of different faults (7 and 9, say) are not comparable.

A peer's code is *beside the point* when it is neither one of the right ones for the case (the catalogue's, which has them
from the study's descriptions) nor below one: it names another fault, as 9 does ("no DNSKEY matches the DS") where the key
is there and its signature is corrupt or has a date in the future. That is no detail that we would have to match.

RFC 8914 §4, RFC 9276 §3.2.
"""

from collections.abc import Collection, Iterable
from typing import Final

_DIRECTLY_BELOW: Final[dict[int, frozenset[int]]] = {
    5: frozenset({0}),  # validation could not be carried out: at least it is about validation
    22: frozenset({0}),  # no authority was of use; BIND adds it to every bogus answer
    6: frozenset({5, 22}),  # it was carried out, and failed
    7: frozenset({6}),
    8: frozenset({6}),
    25: frozenset({7, 8}),  # before its inception or after its expiration it always is: 25 says why
    9: frozenset({6}),
    10: frozenset({6}),
    11: frozenset({9}),  # the bit is why no key matches
    12: frozenset({6}),
    23: frozenset({22}),
    24: frozenset({22}),
    1: frozenset({0}),
    2: frozenset({0}),
    27: frozenset({0}),
}


def below(code: int) -> frozenset[int]:
    """Every code that says less than `code` about the same fault."""
    found: set[int] = set()
    left = list(_DIRECTLY_BELOW.get(code, ()))
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += _DIRECTLY_BELOW.get(one, ())
    return frozenset(found)


def covers(ours: Iterable[int], code: int) -> bool:
    """Whether `ours` holds the code or one that is above it."""
    return any(own == code or code in below(own) for own in ours)


def is_beside_the_point(code: int, right: Collection[int]) -> bool:
    """Whether a code names another fault than the case has. `right`: the codes of which any is right for it."""
    return not covers(right, code)


def is_at_least_as_specific(ours: Collection[int], peer: Iterable[int], right: Collection[int]) -> bool:
    """Whether every code of the peer's that is to the point is ours too, or one above it is."""
    return all(is_beside_the_point(code, right) or covers(ours, code) for code in peer)
