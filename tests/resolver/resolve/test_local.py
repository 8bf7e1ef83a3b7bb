"""Names that never leave the house."""

from ipaddress import ip_address

import pytest

from resolver.resolve.local import TTL, ZONES, local_answer
from resolver.settings import Settings
from tests.resolver.play import question, settings
from trust.vocabulary import Address
from wire import types as t
from wire.text import name_from_text, name_to_text, rrset_to_text


def answer(name: str, rtype: str = "A", chosen: Settings | None = None) -> str:
    """RCODE and records in words; "out" when the name is not local."""
    made = local_answer(*question(name, rtype), chosen or settings())
    if made is None:
        return "out"
    rcode = {t.NOERROR: "NOERROR", t.NXDOMAIN: "NXDOMAIN"}[made.rcode]
    records = [line.partition(" IN ")[2] for rrset in made.answer for line in rrset_to_text(rrset)]
    if not records:
        (soa,) = made.authority
        assert soa.rtype == t.SOA
        assert name_from_text(name).endswith(soa.name)
    else:
        assert made.authority == []
    return " ".join([rcode, *records])


# RFC 6303 §4 (and 6761 §6, 7793, 7686, 6762, 8375, 9462, 9665): zones as they stand there
RFC_6303_V4 = [
    *("0.in-addr.arpa", "10.in-addr.arpa", "127.in-addr.arpa", "254.169.in-addr.arpa", "168.192.in-addr.arpa"),
    *("2.0.192.in-addr.arpa", "100.51.198.in-addr.arpa", "113.0.203.in-addr.arpa", "255.255.255.255.in-addr.arpa"),
    *(f"{n}.172.in-addr.arpa" for n in range(16, 32)),
]
RFC_7793 = [f"{n}.100.in-addr.arpa" for n in range(64, 128)]
RFC_6303_V6 = [
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa",
    *("d.f.ip6.arpa", "8.e.f.ip6.arpa", "9.e.f.ip6.arpa", "a.e.f.ip6.arpa", "b.e.f.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa"),
]
SPECIAL = ["localhost", "invalid", "test", "onion", "local", "home.arpa", "resolver.arpa", "service.arpa"]
ALL = RFC_6303_V4 + RFC_7793 + RFC_6303_V6 + SPECIAL


def test_the_table_is_complete() -> None:
    assert {name_to_text(zone) for zone in ZONES} == set(ALL)


@pytest.mark.parametrize("zone", ALL)
def test_zone(zone: str) -> None:
    """RFC 6303 §3: an empty zone with SOA and NS of its own."""
    assert answer(zone, "SOA").startswith("NOERROR SOA localhost. nobody.invalid. 1 3600 1200 604800 10800")
    assert answer(zone, "NS") == "NOERROR NS localhost."
    assert answer(zone, "MX") == "NOERROR"
    if zone != "localhost":
        assert answer(f"a.b.{zone}", "A") == "NXDOMAIN"
        assert answer(f"a.b.{zone}", "SOA") == "NXDOMAIN"


@pytest.mark.parametrize("zone", ALL)
def test_a_ds_is_the_parents_to_answer(zone: str) -> None:
    assert answer(zone, "DS") == "out"


@pytest.mark.parametrize(
    ("name", "rtype", "wanted"),
    [
        ("localhost", "A", "NOERROR A 127.0.0.1"),
        ("localhost", "AAAA", "NOERROR AAAA ::1"),
        ("LocalHost", "A", "NOERROR A 127.0.0.1"),
        ("a.b.localhost", "A", "NOERROR A 127.0.0.1"),  # RFC 6761 §6.3: names below it too
        ("a.b.localhost", "TXT", "NOERROR"),
    ],
)
def test_localhost(name: str, rtype: str, wanted: str) -> None:
    assert answer(name, rtype) == wanted


@pytest.mark.parametrize(
    ("ip", "wanted"),
    [
        ("127.0.0.1", "NOERROR PTR localhost."),
        ("::1", "NOERROR PTR localhost."),
        ("127.0.0.2", "NXDOMAIN"),
        ("10.1.2.3", "NXDOMAIN"),
        ("172.16.0.1", "NXDOMAIN"),
        ("172.31.255.255", "NXDOMAIN"),
        ("172.32.0.1", "out"),
        ("172.15.0.1", "out"),
        ("192.168.1.1", "NXDOMAIN"),
        ("192.169.1.1", "out"),
        ("100.64.0.1", "NXDOMAIN"),
        ("100.127.255.255", "NXDOMAIN"),
        ("100.128.0.1", "out"),
        ("169.254.1.1", "NXDOMAIN"),
        ("255.255.255.255", "NOERROR"),
        ("1.1.1.1", "out"),
        ("fd00::1", "NXDOMAIN"),
        ("fc00::1", "out"),  # RFC 6303 §4.4: only the locally assigned half
        ("fe80::1", "NXDOMAIN"),
        ("febf::1", "NXDOMAIN"),
        ("2001:db8::1", "NXDOMAIN"),
        ("2001:db9::1", "out"),
    ],
)
def test_reverse_names(ip: str, wanted: str) -> None:
    assert answer(ip_address(ip).reverse_pointer, "PTR") == wanted


@pytest.mark.parametrize(
    "name", [".", "arpa", "in-addr.arpa", "172.in-addr.arpa", "notlocalhost", "example.testing", "xlocal", "home.arpa.jp"]
)
def test_other_names_are_not_local(name: str) -> None:
    assert answer(name) == "out"


def test_ttl_is_that_of_the_rfc() -> None:
    made = local_answer(*question("x.invalid"), settings())
    assert made is not None
    assert made.authority[0].ttl == TTL == 10800


@pytest.mark.parametrize("kind", ["stub", "forward"])
def test_a_configured_zone_goes_first(kind: str) -> None:
    chosen = settings(**{kind: {name_from_text("1.10.in-addr.arpa"): [Address("10.0.0.53", 53)]}})
    assert answer("7.1.10.in-addr.arpa", "PTR", chosen) == "out"
    assert answer("1.10.in-addr.arpa", "SOA", chosen) == "out"
    assert answer("7.2.10.in-addr.arpa", "PTR", chosen) == "NXDOMAIN"


def test_a_forwarder_for_everything_is_not_asked_about_them() -> None:
    chosen = settings(forward={name_from_text("."): [Address("192.0.2.53", 53)]})
    assert answer("x.invalid", "A", chosen) == "NXDOMAIN"


def test_it_can_be_turned_off() -> None:
    chosen = settings(local_zones=False)
    assert [answer(zone, "SOA", chosen) for zone in ALL] == ["out"] * len(ALL)
