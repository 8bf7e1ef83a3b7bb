"""Local zones: what each kind says of names with and without data."""

import pytest

from resolver.policy.local import LocalKind, LocalZones
from resolver.policy.rule import Action, Data
from wire import types as t
from wire.text import name_from_text as n
from wire.text import rrsets_from_text

RECORDS = "host.corp.example. 60 A 192.0.2.1\nhost.deep.corp.example. 60 A 192.0.2.2\ncorp.example. 60 TXT apex\n"


def zones(kind: str) -> LocalZones:
    return LocalZones({n("corp.example"): LocalKind(kind)}, rrsets_from_text(RECORDS))


def says(local: LocalZones, name: str) -> object:
    found = local.find(n(name))
    if found is None:
        return None
    rule = found[2]
    return sorted(rule.sets) if isinstance(rule, Data) else rule


@pytest.mark.parametrize(
    ("kind", "with_data", "ent", "without"),
    [
        ("static", [t.A], Action.NODATA, Action.NXDOMAIN),
        ("transparent", [t.A], None, None),
        ("redirect", [t.TXT], [t.TXT], [t.TXT]),
        ("nxdomain", Action.NXDOMAIN, Action.NXDOMAIN, Action.NXDOMAIN),
        ("nodata", Action.NODATA, Action.NODATA, Action.NODATA),
        ("refuse", Action.REFUSED, Action.REFUSED, Action.REFUSED),
        ("deny", Action.DROP, Action.DROP, Action.DROP),
        ("passthru", Action.PASSTHRU, Action.PASSTHRU, Action.PASSTHRU),
    ],
)
def test_kinds(kind: str, with_data: object, ent: object, without: object) -> None:
    local = zones(kind)
    assert says(local, "host.corp.example") == with_data
    assert says(local, "deep.corp.example") == ent
    assert says(local, "other.corp.example") == without
    assert says(local, "corp.example.net") is None and says(local, "example") is None


def test_redirect_without_data_has_none() -> None:
    assert says(LocalZones({n("ads.example"): LocalKind.REDIRECT}), "www.ads.example") is Action.NODATA


def test_the_deepest_zone_decides() -> None:
    local = LocalZones({n("example"): LocalKind.NXDOMAIN, n("good.example"): LocalKind.PASSTHRU})
    assert says(local, "bad.example") is Action.NXDOMAIN
    assert says(local, "www.good.example") is Action.PASSTHRU


def test_data_without_a_zone_makes_a_transparent_one() -> None:
    local = LocalZones({}, rrsets_from_text("www.example. 60 A 192.0.2.1\n"))
    assert says(local, "www.example") == [t.A]
    assert says(local, "sub.www.example") is None and says(local, "example") is None


def test_the_root_as_a_zone() -> None:
    assert says(LocalZones({n("."): LocalKind.REFUSE}), "anything.example") is Action.REFUSED
