"""docs/EDE.md: whole, and nowhere less specific than a peer; the order of codes; a sample of rows measured again."""

import itertools
import re
import time

import pytest

import lab.internet
import lab.server
from bench.ede.document import OURS, PAGE, YES, judge, read, write
from bench.ede.measure import PUBLISHED, Said, ask
from bench.ede.specificity import below, covers, is_at_least_as_specific, is_beside_the_point
from lab.faults import CATALOGUE
from tests.conftest import require_corpora
from tests.resolver.daemon.process import Daemon

PEERS = ("Unbound", "BIND", "Knot Resolver", "PowerDNS Recursor")
SAMPLE = ("valid", "ds-bad-tag", "rrsig-exp-all", "no-zsk", "nsec3-missing", "nsec3-iter-151", "dsa", "allow-query-none")


# --- the page --------------------------------------------------------------------------------------------------------


def test_every_published_case_is_there() -> None:
    _, rows = read()
    assert list(rows) == [fault.name for fault in PUBLISHED]


def test_the_catalogue_has_every_published_case() -> None:
    table = require_corpora("ede-cases.md").read_text()
    cases = {line.split("|")[1].strip() for line in table.splitlines() if re.match(r"\| [a-z]\S* \|", line)} - {"case"}
    assert {fault.name for fault in PUBLISHED} == cases


def test_the_four_peers_and_their_versions_are_there() -> None:
    heads, rows = read()
    assert heads[0].startswith("Akashi ")
    for peer, head in zip(PEERS, heads[1:], strict=True):
        assert re.fullmatch(rf"{peer} \d[\w.]*", head)
    assert all(len(said) == len(heads) for said, _ in rows.values())


@pytest.mark.parametrize("case", [fault.name for fault in PUBLISHED])
def test_ours_is_right_and_nowhere_less_specific(case: str) -> None:
    (ours, *peers), mark = read()[1][case]
    assert judge(CATALOGUE[case], ours, peers)
    assert mark == YES


def test_every_code_of_ours_has_its_text() -> None:
    _, _, texts = PAGE.read_text().partition("\n## ")
    found = [
        tuple(cell.strip() for cell in line.strip("|").split("|")) for line in texts.splitlines() if line.startswith("|")
    ]
    listed = [(case, int(code)) for case, code, _ in found[2:]]
    assert listed == [(case, code) for case, (said, _) in read()[1].items() for code in said[0].codes]
    # A second code of the same reason has no text of its own, and one that did not fit into the packet has none.
    assert sum(text == "–" for _, _, text in found[2:]) <= 12


def test_a_less_specific_answer_would_be_marked(tmp_path) -> None:
    said = {
        "akashi": {"no-zsk": Said("SERVFAIL", False, (6,), ("x|y",))},
        "unbound": {"no-zsk": Said("SERVFAIL", False, (9,))},
    }
    page = tmp_path / "EDE.md"
    page.write_text(write(said, {OURS: "Akashi 1", "unbound": "Unbound 2"}, "today"))
    heads, rows = read(page)
    assert heads == ["Akashi 1", "Unbound 2"]
    assert rows["no-zsk"][0] == [Said("SERVFAIL", False, (6,)), Said("SERVFAIL", False, (9,))]
    assert rows["no-zsk"][1] != YES
    fault = CATALOGUE["valid"]
    assert judge(fault, Said("NOERROR", True), [Said("NOERROR", True)])
    assert not judge(fault, Said("NOERROR"), [])
    assert not judge(CATALOGUE["rrsig-exp-a"], Said("SERVFAIL"), [])


# --- the order -------------------------------------------------------------------------------------------------------


def test_the_order_is_partial() -> None:
    codes = range(50)
    for code in codes:
        assert code not in below(code)
        assert all(below(other) < below(code) for other in below(code))
    for code in (7, 8, 9, 10, 11, 12, 25):
        assert below(code) >= {0, 5, 6, 22}
    for one, other in itertools.permutations((7, 8, 9, 10, 12), 2):
        assert one not in below(other)
    assert not below(13)


def test_what_is_as_specific() -> None:
    assert covers((7,), 7)
    assert covers((7,), 6)
    assert not covers((6,), 7)
    assert is_at_least_as_specific((25,), (8,), (25,))
    assert is_at_least_as_specific((8,), (9,), (8,))  # 9 is beside the point
    assert is_beside_the_point(9, (8,))
    assert not is_beside_the_point(22, (8,))
    assert not is_at_least_as_specific((6,), (9,), (6, 9))
    assert not is_at_least_as_specific((), (22,), (22,))
    assert is_at_least_as_specific((12,), (), (12,))


# --- measured again --------------------------------------------------------------------------------------------------


def test_a_sample_says_still_what_the_page_says(tmp_path) -> None:
    net = lab.internet.build(time.time(), prefix="127.88", faults=[CATALOGUE[case] for case in SAMPLE])
    (tmp_path / "hints").write_text(net.hints())
    (tmp_path / "anchor").write_text(net.anchor())
    rows = read()[1]
    with (
        lab.server.running(net) as server,
        Daemon(
            f"upstream.root-hints={tmp_path / 'hints'}",
            f"trust.anchors={tmp_path / 'anchor'}",
            f"upstream.port={server.port}",
            "upstream.ipv6=false",
            "upstream.allow-loopback=true",
        ) as daemon,
    ):
        daemon.wait_for("ready")
        for case in SAMPLE:
            said = ask("127.0.0.1", daemon.port, CATALOGUE[case].question)
            assert Said(said.rcode, said.ad, said.codes) == rows[case][0][0], case
        assert daemon.stop() == 0
