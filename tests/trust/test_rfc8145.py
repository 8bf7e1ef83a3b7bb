"""RFC 8145 §5: names of Key Tag queries."""

from tests.trust.zones import KeyPair, n
from trust.anchors import TrustPoint, builtin
from trust.rfc8145 import PER_LABEL, anchor_tags, key_tag_names
from wire.name import ROOT, labels
from wire.text import name_to_text


def test_the_root_as_packaged() -> None:
    (root,) = builtin()
    assert anchor_tags(root) == [20326, 38696]
    (name,) = key_tag_names(ROOT, anchor_tags(root))
    assert name_to_text(name) == "_ta-4f66-9728"


def test_sorted_padded_and_lower_case() -> None:
    assert [name_to_text(name) for name in key_tag_names(n("example.jp"), [0xBEEF, 1, 0xBEEF, 0x0ABC])] == [
        "_ta-0001-0abc-beef.example.jp"
    ]


def test_digest_and_key_of_the_same_tag_are_one() -> None:
    pair = KeyPair(15, 257)
    assert anchor_tags(TrustPoint(ROOT, [pair.ds(ROOT)], [pair.rdata])) == [pair.tag]


def test_labels_have_63_octets_at_most() -> None:
    names = key_tag_names(ROOT, range(100, 100 + 2 * PER_LABEL + 1))
    assert [len(labels(name)[0]) for name in names] == [63, 63, 8]
    assert [int(tag, 16) for name in names for tag in labels(name)[0].split(b"-")[1:]] == list(range(100, 125))


def test_nothing_to_tell() -> None:
    assert key_tag_names(ROOT, []) == []
    long = b"\x3f" + b"a" * 63 + b"\x3f" + b"b" * 63 + b"\x3f" + b"c" * 63 + b"\x3c" + b"d" * 60 + b"\0"
    assert key_tag_names(long, [1]) == []
