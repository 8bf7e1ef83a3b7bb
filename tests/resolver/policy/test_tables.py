"""Tables of rules: names with wildcards, prefixes, records of a zone, slices."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy import rpz
from resolver.policy.names import NameTable
from resolver.policy.prefixes import Prefix, PrefixTable, number_of, prefix_from_labels
from resolver.policy.rule import Action, Data, Override, Trigger
from resolver.policy.table import Soa, ZoneTable
from wire import types as t
from wire.name import ROOT, Name, ancestors, wildcard
from wire.text import name_from_text as n

ZONE = n("rpz.example")


def table_of(*lines: str) -> ZoneTable:
    """A table from "owner TYPE rdata", owners relative to the policy zone."""
    from wire.text import rrsets_from_text

    table = ZoneTable()
    for line in lines:
        for rrset in rrsets_from_text(line, origin="rpz.example.", default_ttl=60):
            for rdata in rrset.rdatas:
                rpz.add(table, ZONE, rrset.name, rrset.rtype, rrset.ttl, rdata)
    return table


# --- names -------------------------------------------------------------------------------------------------------------


def test_an_exact_rule_goes_before_a_wildcard() -> None:
    table = NameTable()
    table.put(n("*.example"), Action.NODATA)
    table.put(n("www.example"), Action.NXDOMAIN)
    assert table.find(n("www.example")) == (n("www.example"), Action.NXDOMAIN)
    assert table.find(n("a.b.example")) == (n("*.example"), Action.NODATA)
    assert table.find(n("example")) is None


def test_a_wildcard_stands_only_where_nothing_nearer_exists() -> None:
    table = NameTable()
    table.put(n("*.example"), Action.NODATA)
    table.put(n("host.ent.example"), Action.NXDOMAIN)
    assert table.find(n("other.ent.example")) is None  # RFC 4592 §2.2.2: ent.example exists
    assert table.find(n("ent.example")) is None
    assert table.find(n("below.host.ent.example")) is None
    table.drop(n("host.ent.example"))
    assert table.find(n("other.ent.example")) == (n("*.example"), Action.NODATA)


def test_a_wildcard_of_everything() -> None:
    table = NameTable()
    table.put(n("*"), Action.DROP)
    assert table.find(n("a.b.c")) == (n("*."), Action.DROP)
    assert table.find(ROOT) is None


LABELS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(lambda labels: n(".".join(labels)))
KEYS = st.one_of(LABELS, LABELS.map(wildcard))


def expected(keys: set[Name], name: Name) -> Name | None:
    """RFC 4592 §3.3.1 by definition."""
    exist = {above for key in keys for above in ancestors(key)}
    if name in keys:
        return name
    if name in exist:
        return None
    for above in ancestors(name)[1:]:
        if above in exist or above == ROOT:
            return wildcard(above) if wildcard(above) in keys else None
    return None


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), KEYS), max_size=30), st.lists(LABELS, min_size=1, max_size=10))
def test_names_come_and_go(steps: list[tuple[bool, Name]], asked: list[Name]) -> None:
    table, keys = NameTable(), set[Name]()
    for added, key in steps:
        if added:
            table.put(key, Action.NXDOMAIN)
            keys.add(key)
        else:
            table.drop(key)
            keys.discard(key)
    assert len(table) == len(keys) and {key for key, _ in table.items()} == keys
    for name in asked:
        found = table.find(name)
        assert (found[0] if found else None) == expected(keys, name)


# --- prefixes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("32.1.2.0.192", "192.0.2.1/32"),
        ("24.0.2.0.192", "192.0.2.0/24"),
        ("128.57.zz.101.db8.2001", "2001:db8:101::57/128"),
        ("48.zz.101.db8.2001", "2001:db8:101::/48"),
        ("128.1.zz", "::1/128"),
        ("128.zz.1", "1::/128"),
        ("64.zz.1.2.3.4", "4:3:2:1::/64"),
        ("128.8.7.6.5.4.3.2.1", "1:2:3:4:5:6:7:8/128"),
    ],
)
def test_prefixes_as_they_are_written(written: str, means: str) -> None:
    assert str(prefix_from_labels(n(written))) == means


@pytest.mark.parametrize(
    "written",
    ["33.1.2.0.192", "0.0.0.0.0", "24.1.2.0.192", "32.1.2.0.256", "32.1.2.0", "x.1.2.0.192", "129.1.zz", "64.1.zz", "zz",
     "128.zz.zz", "128.12345.zz", "128.g.zz", "-1.1.2.0.192", "128.1.2.3.4.5.6.7"],
)  # fmt: skip
def test_what_is_no_prefix(written: str) -> None:
    assert prefix_from_labels(n(written)) is None


def test_the_longest_prefix_decides() -> None:
    table = PrefixTable()
    for text, action in [("24.0.2.0.192", Action.NXDOMAIN), ("32.7.2.0.192", Action.PASSTHRU), ("16.zz.2001", Action.DROP)]:
        prefix = prefix_from_labels(n(text))
        assert prefix is not None
        table.put(prefix, action)
    assert table.find(number_of("192.0.2.7")) == (Prefix(128, number_of("192.0.2.7")), Action.PASSTHRU)
    assert table.find(number_of("192.0.2.8")) is not None
    assert table.find(number_of("192.0.3.8")) is None
    found = table.find_best([number_of("192.0.2.8"), number_of("192.0.2.7"), number_of("2001::1")])
    assert found is not None and found[1] is Action.PASSTHRU


def test_of_equal_prefixes_the_lowest_address() -> None:
    table = PrefixTable()
    for last, action in ((9, Action.NXDOMAIN), (3, Action.NODATA)):
        table.put(Prefix(128, number_of(f"192.0.2.{last}")), action)
    found = table.find_best([number_of("192.0.2.9"), number_of("192.0.2.3")])
    assert found is not None and found[1] is Action.NODATA


def test_a_prefix_of_ipv6_says_nothing_of_ipv4() -> None:
    table = PrefixTable()
    table.put(Prefix(1, 0), Action.DROP)
    assert table.find(number_of("192.0.2.1")) is None
    assert table.find(number_of("2001:db8::1")) is not None


def test_prefixes_go() -> None:
    table = PrefixTable()
    table.put(Prefix(120, 1), Action.DROP)
    table.drop(Prefix(120, 2))
    assert len(table) == 1
    table.drop(Prefix(120, 1))
    assert len(table) == 0 and table.find(1 << 8) is None


# --- records -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "action"),
    [
        (".", Action.NXDOMAIN),
        ("*.", Action.NODATA),
        ("rpz-passthru.", Action.PASSTHRU),
        ("rpz-drop.", Action.DROP),
        ("rpz-tcp-only.", Action.TCP_ONLY),
        ("bad.example.", Action.PASSTHRU),  # the old way
    ],
)
def test_actions(target: str, action: Action) -> None:
    assert table_of(f"bad.example CNAME {target}").get(Trigger.QNAME, n("bad.example")) is action


def test_triggers() -> None:
    table = table_of(
        "a.example CNAME .",
        "32.1.2.0.192.rpz-ip CNAME .",
        "32.1.2.0.192.rpz-client-ip CNAME .",
        "ns.example.rpz-nsdname CNAME .",
        "*.ns.example.rpz-nsdname CNAME .",
        "24.0.2.0.192.rpz-nsip CNAME .",
    )
    assert table.counts() == {"client-ip": 1, "qname": 1, "ip": 1, "nsdname": 2, "nsip": 1}
    assert table.ignored == 0 and table.waits


@pytest.mark.parametrize(
    "line",
    [
        "a.rpz-future CNAME .",
        "x.rpz-ip CNAME .",
        "rpz-ip CNAME .",
        "a.example DNAME b.example.",
        "a.example NS ns.example.",
        "a.example DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000",
    ],
)
def test_what_is_no_rule_is_counted_and_ignored(line: str) -> None:
    table = table_of(line)
    assert len(table) == 0 and table.ignored == 1


def test_the_apex_makes_no_rules() -> None:
    table = table_of("@ SOA ns. root. 7 60 30 600 10", "@ NS ns.", "@ TXT hello")
    assert len(table) == 0 and table.ignored == 0
    assert table.soa is not None and table.soa[2:] == (7, 60, 30, 600, 10)


def test_data_gathers() -> None:
    table = table_of("a.example 60 A 192.0.2.1", "a.example 30 A 192.0.2.2", "a.example TXT hello")
    data = table.get(Trigger.QNAME, n("a.example"))
    assert isinstance(data, Data)
    assert data.sets[t.A] == (30, [bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))])
    assert t.TXT in data.sets


def test_records_are_taken_out() -> None:
    table = table_of("a.example A 192.0.2.1", "a.example A 192.0.2.2", "b.example CNAME .")
    owner = n("a.example.rpz.example")
    rpz.remove(table, ZONE, owner, t.A, bytes((192, 0, 2, 1)))
    data = table.get(Trigger.QNAME, n("a.example"))
    assert isinstance(data, Data) and data.sets[t.A][1] == [bytes((192, 0, 2, 2))]
    rpz.remove(table, ZONE, owner, t.A, bytes((192, 0, 2, 2)))
    rpz.remove(table, ZONE, n("b.example.rpz.example"), t.CNAME, b"\x01*\0")  # another action: not this rule
    assert len(table) == 1
    rpz.remove(table, ZONE, n("b.example.rpz.example"), t.CNAME, ROOT)
    assert len(table) == 0


def test_a_malformed_soa() -> None:
    with pytest.raises(ValueError, match="SOA"):
        Soa.of(b"\0\0", 60)


# --- slices ------------------------------------------------------------------------------------------------------------


def test_a_table_travels_in_slices() -> None:
    table = table_of(
        *(f"bad{number}.example CNAME ." for number in range(25)),
        "*.bad.example CNAME rpz-drop.",
        "\\000\\255.example A 192.0.2.1",
        "32.1.2.0.192.rpz-ip CNAME *.",
        "48.zz.101.db8.2001.rpz-client-ip CNAME .",
        "ns.example.rpz-nsdname AAAA 2001:db8::1",
    )
    other = ZoneTable()
    slices = list(table.slices(10))
    assert len(slices) == 3
    for slice_ in slices:
        other.take(json.loads(json.dumps(slice_)))
    assert other.counts() == table.counts()
    for trigger in (Trigger.QNAME, Trigger.NSDNAME):
        assert dict(other.names(trigger).items()) == dict(table.names(trigger).items())
    assert dict(other.response_ip.items()) == dict(table.response_ip.items())
    other.take({"qname": {"bad": None}})


def test_a_slice_takes_rules_away() -> None:
    table = table_of("bad.example CNAME .", "32.1.2.0.192.rpz-ip CNAME *.")
    from resolver.policy.table import encode_key

    table.take(
        {
            "qname": {encode_key(n("bad.example")): None},
            "ip": {encode_key(Prefix(128, number_of("192.0.2.1"))): None},
        }
    )
    assert len(table) == 0


def test_overrides() -> None:
    assert Override("given").action is None and Override("disabled").action is None
    assert [Override(action.value).action for action in (Action.NXDOMAIN, Action.TCP_ONLY)] == [
        Action.NXDOMAIN,
        Action.TCP_ONLY,
    ]
