"""The root key sentinel (RFC 8509): three names tell a client what is trusted here, and nothing else is changed."""

import pytest

from resolver.resolve.sentinel import sentinel_query
from tests.resolver.house import House, broken
from tests.trust.zones import SignedZone, n
from trust.anchors import TrustPoint, TrustPoints
from trust.reason import Reason
from trust.vocabulary import Security
from wire import types as t
from wire.name import ROOT

OTHER_TAG = 12345
RECORDS = "*.keys 300 A 192.0.2.80\n*.keys 300 TXT text\nalias 300 CNAME www\nwww 300 A 192.0.2.81\n"


def house(**changes: object) -> House:
    """root → jp (signed) → example.jp (signed) and unsigned.jp."""
    root, jp = SignedZone(".", server="192.0.2.1"), SignedZone("jp", server="192.0.2.2")
    example = SignedZone("example.jp", RECORDS + names(root.ksk.tag), server="192.0.2.3")
    unsigned = SignedZone("unsigned.jp", names(root.ksk.tag), server="192.0.2.4", signed=False)
    root.delegate(jp)
    jp.delegate(example)
    jp.delegate(unsigned)
    for zone in (root, jp, example, unsigned):
        zone.sign()
    return House(root, jp, example, unsigned, **changes)


def label(kind: str, tag: int) -> str:
    return f"root-key-sentinel-{kind}-ta-{tag:05d}"


def names(tag: int) -> str:
    return "".join(f"{label(kind, value)} 300 A 192.0.2.9\n" for kind in ("is", "not") for value in (tag, OTHER_TAG))


def tag_of(here: House) -> int:
    return here.zones[ROOT].ksk.tag


@pytest.mark.parametrize(
    ("kind", "trusted", "answered"), [("is", True, True), ("is", False, False), ("not", True, False), ("not", False, True)]
)
def test_table_of_section_3_2(kind: str, trusted: bool, answered: bool) -> None:
    here = house()
    tag = tag_of(here) if trusted else OTHER_TAG
    for _ in range(2):  # from the authority, from the cache
        resolution = here.ask(f"{label(kind, tag)}.example.jp")
        if answered:
            assert resolution.rcode == t.NOERROR and resolution.security is Security.SECURE and resolution.answer
            assert not resolution.errors
        else:
            assert resolution.rcode == t.SERVFAIL and not resolution.answer and resolution.reason is Reason.SENTINEL
            ((code, text),) = resolution.errors
            assert code == 0 and f"key {tag} is {'a' if trusted else 'no'} trust anchor" in text


@pytest.mark.parametrize("rtype", ["A", "AAAA"])
def test_types(rtype: str) -> None:
    here = house()
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp", rtype).rcode == t.SERVFAIL


@pytest.mark.parametrize("rtype", ["TXT", "MX", "DNSKEY", "HTTPS"])
def test_other_types_are_answered_as_ever(rtype: str) -> None:
    here = house()
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp", rtype).rcode == t.NOERROR


def test_only_secure_answers() -> None:
    here = house()
    assert here.ask(f"{label('is', OTHER_TAG)}.unsigned.jp").rcode == t.NOERROR
    here.suspends("example.jp")
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp").rcode == t.NOERROR
    here.suspends()
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp").rcode == t.SERVFAIL


def test_bogus_stays_bogus() -> None:
    here = house()
    here.changes = {"192.0.2.3": broken()}
    resolution = here.ask(f"{label('not', OTHER_TAG)}.example.jp")
    assert resolution.security is Security.BOGUS and resolution.reason is not Reason.SENTINEL


def test_checking_disabled_is_answered_as_ever() -> None:
    here = house()
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp", cd=True).rcode == t.NOERROR
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp").rcode == t.SERVFAIL


def test_switched_off() -> None:
    here = house(sentinel=False)
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp").rcode == t.NOERROR


def test_a_name_error_counts_like_any_secure_answer() -> None:
    here = house()
    assert here.ask(f"{label('is', 1)}.example.jp").rcode == t.SERVFAIL
    assert here.ask(f"{label('not', 1)}.example.jp").rcode == t.NXDOMAIN


def test_a_wildcard_serves_all_tags() -> None:
    here = house()
    assert here.ask(f"{label('is', tag_of(here))}.keys.example.jp").rcode == t.NOERROR
    assert here.ask(f"{label('not', tag_of(here))}.keys.example.jp").rcode == t.SERVFAIL


def test_the_leftmost_label_of_the_name_asked_and_no_other() -> None:
    here = house()
    assert here.ask(f"www.{label('is', OTHER_TAG)}.keys.example.jp").rcode == t.NOERROR


def test_case_does_not_matter() -> None:
    here = house()
    assert here.ask(f"Root-Key-Sentinel-IS-TA-{OTHER_TAG:05d}.example.jp").rcode == t.SERVFAIL


def test_a_change_of_anchors_counts_at_once() -> None:
    here = house()
    root = here.zones[ROOT]
    assert here.ask(f"{label('is', root.ksk.tag)}.example.jp").rcode == t.NOERROR
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp").rcode == t.SERVFAIL
    more = OTHER_TAG.to_bytes(2, "big") + root.ksk.ds(ROOT)[2:]
    points = TrustPoints([TrustPoint(ROOT, [more], [root.ksk.rdata])], (), 7)
    here.mesh.set_trust(points)
    assert here.ask(f"{label('is', OTHER_TAG)}.example.jp").rcode == t.NOERROR
    assert here.ask(f"{label('is', root.ksk.tag)}.example.jp").rcode == t.NOERROR


def test_without_a_root_anchor_nothing_is_one() -> None:
    """The only trust point is below the root: the answer is secure, and no root key is trusted."""
    here = house()
    example = here.zones[n("example.jp")]
    here.mesh.set_trust(TrustPoints([TrustPoint(n("example.jp"), [example.ksk.ds(n("example.jp"))])], (), 7))
    assert here.ask(f"{label('is', tag_of(here))}.example.jp").rcode == t.SERVFAIL
    assert here.ask(f"{label('not', tag_of(here))}.example.jp").rcode == t.NOERROR


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("root-key-sentinel-is-ta-20326.example.jp", (True, 20326)),
        ("root-key-sentinel-not-ta-00007.", (False, 7)),
        ("root-key-sentinel-is-ta-65535.a", (True, 65535)),
        ("root-key-sentinel-is-ta-65536.a", None),
        ("root-key-sentinel-is-ta-99999.a", None),
        ("root-key-sentinel-is-ta-2032.a", None),
        ("root-key-sentinel-is-ta-020326.a", None),
        ("root-key-sentinel-is-ta-2032x.a", None),
        ("root-key-sentinel-ta-20326.a", None),
        ("xroot-key-sentinel-is-ta-20326.a", None),
        ("a.root-key-sentinel-is-ta-20326", None),
        (".", None),
    ],
)
def test_names(text: str, found: tuple[bool, int] | None) -> None:
    assert sentinel_query(n(text)) == found
