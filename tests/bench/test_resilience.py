"""docs/RESILIENCE.md's table beside the peers: whole, and what it says of Akashi holds."""

import json

import dns.message
import pytest

from bench.resilience.clients import query
from bench.resilience.measure import ATTACKS
from bench.resilience.table import BEGIN, DATA, END, PAGE, markdown, publish, replace, save

ROW = {
    "akashi": {
        "packets": 2.0,
        "cpu_us": 1234.0,
        "outcomes": {"SERVFAIL": 39, "nothing": 1},
        "share": 1.0,
        "cached_ms": [0.1, 0.2],
        "new_ms": [1.0, 1.5],
        "alive": True,
    },
    "bind": {
        "packets": 50.0,
        "cpu_us": 99.0,
        "outcomes": {"NOERROR": 40},
        "share": 0.985,
        "cached_ms": [0.1, 0.1],
        "new_ms": [1.0, 9.5],
        "alive": False,
    },
}
META = {"date": "2026-01-01", "versions": {"akashi": ["Akashi", "1"], "bind": ["BIND", "9"]}, "load": "0.1 on 2 processors"}


@pytest.fixture(scope="module")
def measured():
    if not DATA.exists():
        pytest.skip("not measured yet: python -m bench.resilience")
    return json.loads(DATA.read_text())["attacks"]


def test_a_row():
    text = markdown(META, {"nxns": ROW})
    assert "Akashi 1 / BIND 9" in text
    cells = "2.0 / 50.0 | 1.23 / 0.10 | 100% / 98.5% | 1.0 → 1.5 / 1.0 → 9.5 | 0.1 → 0.2 / 0.1 → 0.1"
    assert f"| nxns (CVE-2020-8616) | {cells} | SERVFAIL / NOERROR, **ended** |" in text


def test_the_page_keeps_what_stands_around_the_table(tmp_path):
    page, data = tmp_path / "page.md", tmp_path / "data.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    save(META, {"nxns": ROW}, data)
    publish(data, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| nxns " in text
    with pytest.raises(ValueError, match="lacks the lines"):
        replace(page, "no such line", END, "")


def test_a_query_is_what_dnspython_reads():
    message = dns.message.from_wire(query(77, "www.example."))
    assert (message.id, message.question[0].to_text()) == (77, "www.example. IN A")
    assert message.ednsflags & 0x8000


def test_every_attack_is_in_the_table(measured):
    assert set(measured) == set(ATTACKS)
    text = PAGE.read_text()
    for name, attack in ATTACKS.items():
        assert f"| {name} ({attack.why}) | " in text


def test_what_was_measured_of_akashi_holds(measured):
    for name, row in measured.items():
        ours = row["akashi"]
        assert ours["alive"], name
        assert ours["share"] >= 0.99, name
        assert ours["packets"] <= ATTACKS[name].packets, name
        assert not any("AD" in outcome.split() for outcome in ours["outcomes"]), name
        if not ATTACKS[name].succeeds:
            assert "NOERROR" not in ours["outcomes"], name
