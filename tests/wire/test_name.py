"""Names: tables, the RFC's own order, and dnspython's opinion on random names."""

import itertools

import dns.name
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.wire.build import name
from tests.wire.steady import steady
from wire.name import (
    ROOT,
    ancestors,
    between,
    canonical_key,
    common_ancestor,
    count_labels,
    is_strict_subdomain,
    is_subdomain,
    is_wildcard,
    labels,
    parent,
    replace_suffix,
    suffix,
    wildcard,
)

# RFC 4034 §6.1, the example: names in canonical order.
RFC_4034_ORDER = [
    name("example"),
    name("a.example"),
    name("yljkjljk.a.example"),
    name("Z.a.example").lower(),
    name("zABC.a.EXAMPLE").lower(),
    name("z.example"),
    name("\x01.z.example"),
    name("*.z.example"),
    name("\xc8.z.example"),
]

Labels = tuple[bytes, ...]

label = st.one_of(
    st.sampled_from([b"a", b"b", b"www", b"*", b"\0", b"\1", b"\xff", b"-", b"xn--a"]),
    st.binary(min_size=1, max_size=5),
    st.just(b"z" * 63),
)
names = st.lists(label, max_size=6).map(tuple).filter(lambda ls: sum(len(x) + 1 for x in ls) <= 254)


def wire(parts: Labels) -> bytes:
    return b"".join(bytes([len(part)]) + part for part in parts).lower() + b"\0"


def theirs(parts: Labels) -> dns.name.Name:
    return dns.name.Name((*(part.lower() for part in parts), b""))


@pytest.mark.parametrize(
    ("child", "expected"),
    [("www.example.jp", "example.jp"), ("example.jp", "jp"), ("jp", "."), (".", ".")],
)
def test_parent(child: str, expected: str) -> None:
    assert parent(name(child)) == name(expected)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("www.example.jp", "example.jp", True),
        ("www.example.jp", "www.example.jp", True),
        ("www.example.jp", ".", True),
        (".", ".", True),
        ("example.jp", "www.example.jp", False),
        (".", "jp", False),
        ("wwwexample.jp", "example.jp", False),
        ("www.example.jp", "example.com", False),
        # The octets of the tail are there, but do not begin at a label.
        ("a\x01b", "b", False),
        ("x.\x03a\x02jp", "jp", False),
    ],
)
def test_is_subdomain(one: str, other: str, expected: bool) -> None:
    assert is_subdomain(name(one), name(other)) is expected
    assert is_strict_subdomain(name(one), name(other)) is (expected and one != other)


def test_labels() -> None:
    assert labels(name("www.example.jp")) == [b"www", b"example", b"jp"]
    assert labels(ROOT) == []
    assert [count_labels(name(text)) for text in (".", "jp", "*.jp", "www.example.jp")] == [0, 1, 2, 3]
    assert ancestors(name("a.b")) == [name("a.b"), name("b"), ROOT]
    assert ancestors(ROOT) == [ROOT]


def test_suffix() -> None:
    www = name("www.example.jp")
    assert [suffix(www, count) for count in range(5)] == [ROOT, name("jp"), name("example.jp"), www, www]


def test_wildcard() -> None:
    assert wildcard(name("example.jp")) == name("*.example.jp")
    assert is_wildcard(name("*.example.jp"))
    assert not is_wildcard(name("**.example.jp"))
    assert not is_wildcard(name("a.*.jp"))
    assert not is_wildcard(ROOT)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("a.example.jp", "b.example.jp", "example.jp"),
        ("a.b.example.jp", "example.jp", "example.jp"),
        ("example.jp", "example.com", "."),
        ("ab.jp", "b.jp", "jp"),
        (".", "jp", "."),
        ("a.a.a", "a.a", "a.a"),
    ],
)
def test_common_ancestor(left: str, right: str, expected: str) -> None:
    assert common_ancestor(name(left), name(right)) == name(expected)
    assert common_ancestor(name(right), name(left)) == name(expected)


def test_canonical_order_is_the_rfcs() -> None:
    """RFC 4034 §6.1."""
    for order in itertools.permutations(RFC_4034_ORDER[3:]):
        assert sorted(RFC_4034_ORDER[:3] + list(order), key=canonical_key) == RFC_4034_ORDER
    assert min([*RFC_4034_ORDER, ROOT], key=canonical_key) == ROOT


def test_between_follows_the_rfcs_order() -> None:
    for low, mid, high in itertools.combinations(RFC_4034_ORDER, 3):
        assert between(low, mid, high)
        assert not between(low, high, mid)
        assert not between(mid, low, high)
        # The ring: past the last name the apex follows.
        assert between(high, low, mid)
        assert between(mid, high, low)
        assert not between(high, mid, low)


@pytest.mark.parametrize(
    ("owner", "inner", "following", "expected"),
    [
        ("b.jp", "b.jp", "d.jp", False),  # matches, does not cover
        ("b.jp", "d.jp", "d.jp", False),
        ("d.jp", "e.jp", "jp", True),  # the last NSEC points back to the apex
        ("d.jp", "a.jp", "jp", False),
        ("d.jp", "jp", "jp", False),
        ("d.jp", "d.jp", "jp", False),
        ("jp", "a.jp", "jp", True),  # a zone of one name covers all others
        ("jp", "jp", "jp", False),
        ("b.jp", "x.b.jp", "d.jp", True),  # names below the owner come right after it
    ],
)
def test_between(owner: str, inner: str, following: str, expected: bool) -> None:
    assert between(name(owner), name(inner), name(following)) is expected


def test_replace_suffix() -> None:
    """RFC 6672 §2.2."""
    old, new = name("example.jp"), name("example.com")
    assert replace_suffix(name("a.b.example.jp"), old, new) == name("a.b.example.com")
    assert replace_suffix(name("a.jp"), name("jp"), ROOT) == name("a")
    long = name(".".join(["x" * 63] * 3))  # 193 octets
    assert replace_suffix(name("a.example.jp"), old, long) is not None
    longest = b"\x3e" + b"y" * 62 + long  # 256: one too many below, 255 with one octet less
    assert len(longest) == 256
    assert replace_suffix(old, old, longest) is None
    assert replace_suffix(old, old, b"\x3d" + b"y" * 61 + long) == b"\x3d" + b"y" * 61 + long


@steady()
@given(names, names)
def test_relations_agree_with_dnspython(left: Labels, right: Labels) -> None:
    for one, other in ((left, right), (left + right, right), (left, left[1:])):
        assume(sum(len(x) + 1 for x in one) <= 254)
        assert is_subdomain(wire(one), wire(other)) == theirs(one).is_subdomain(theirs(other))
        assert (canonical_key(wire(one)) < canonical_key(wire(other))) == (theirs(one) < theirs(other))
        _, _, shared = theirs(one).fullcompare(theirs(other))
        assert count_labels(common_ancestor(wire(one), wire(other))) == shared - 1
        if one:
            assert parent(wire(one)) == theirs(one).parent().to_digestable()
    assert labels(wire(left)) == [part.lower() for part in left]
    assert [len(labels(x)) for x in ancestors(wire(left))] == list(range(len(left), -1, -1))


@steady()
@given(names, names, names)
def test_between_agrees_with_dnspython(owner: Labels, inner: Labels, after: Labels) -> None:
    low, mid, high = theirs(owner), theirs(inner), theirs(after)
    expected = low < mid < high if low < high else mid > low or mid < high
    assert between(wire(owner), wire(inner), wire(after)) == expected


@steady()
@given(st.lists(names, unique_by=lambda parts: wire(parts), min_size=1, max_size=8), names)
def test_every_name_is_in_a_zones_ring_exactly_once(zone: list[Labels], asked: Labels) -> None:
    """NSEC's purpose: a name that is not in the sorted ring lies between exactly one owner and its next name."""
    ring = sorted((wire(parts) for parts in zone), key=canonical_key)
    covering = [owner for owner, after in zip(ring, ring[1:] + ring[:1], strict=True) if between(owner, wire(asked), after)]
    assert len(covering) == (wire(asked) not in ring)
