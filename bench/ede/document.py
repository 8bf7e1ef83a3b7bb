"""docs/EDE.md: the table of what everybody says, written from a measurement; and read again, for the test that it holds."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.ede.measure import Said
from bench.ede.specificity import is_at_least_as_specific, is_beside_the_point
from bench.layout import PROJECT
from lab.faults import CATALOGUE, Fault

PAGE = PROJECT / "docs" / "EDE.md"
OURS = "akashi"
YES, NO = "yes", "**no**"

_HEAD = """\
# Extended DNS Errors: every published case

Written by `make ede-table` (`python -m bench.ede_table`); do not edit. Measured {when}.

The cases are those of the 2023 Internet Measurement Conference study on Extended DNS Errors and its follow-up, as
`lab/faults.py` rebuilds them. Each resolver was started afresh on the mini-Internet, with its defaults, validation on, and
Extended DNS Errors switched on where there is a switch (Unbound `ede: yes`, PowerDNS `extended-resolution-errors=yes`), and
was asked each question once: type A at the zone's apex, or below it for a name that does not exist where "(nx)" stands.

A cell says RCODE, AD if set, and the codes in the order sent. A peer's code in parentheses is beside the point: it is
neither one of the codes that are right for the case nor less specific than one, so it names a fault that is not there.
The last column says whether our answer is the one owed (RCODE, AD, a right code), and our set at least as specific as
every peer's: each of a peer's codes that is to the point is ours too, or we give one that says more about the same fault.
What says more than what is a table in `bench/ede/specificity.py`: 7, 8, 9, 10, 11, 12 and 25 say more than 6, which says
more than 22, 5 and 0; 25 more than 7 and 8; 11 more than 9; 23 and 24 more than 22.

"""

_TEXTS = """
## What Akashi's texts said

Zone, record, key, time and server stand in the text, as far as they bear on the fault.

| case | EDE | text |
| --- | --- | --- |
"""


def judge(fault: Fault, ours: Said, peers: Sequence[Said]) -> bool:
    """Whether our answer is the one owed and at least as specific as every peer's."""
    expect = fault.expect
    if (ours.rcode, ours.ad) != (expect.rcode, expect.ad):
        return False
    if expect.ede and not set(expect.ede) & set(ours.codes):
        return False
    return all(is_at_least_as_specific(ours.codes, peer.codes, expect.ede) for peer in peers)


def write(measured: Mapping[str, Mapping[str, Said]], titles: Mapping[str, str], when: str) -> str:
    """The page. `titles`: column heads (name and version) by resolver, ours first."""
    lines = [_HEAD.format(when=when)]
    lines.append(f"| case | what is wrong | {' | '.join(titles.values())} | as specific |\n")
    lines.append(f"| --- | --- |{' --- |' * len(titles)} --- |\n")
    peers = [name for name in titles if name != OURS]
    for case, ours in measured[OURS].items():
        fault = CATALOGUE[case]
        cells = [str(ours), *(_peer_cell(measured[name][case], fault) for name in peers)]
        good = judge(fault, ours, [measured[name][case] for name in peers])
        wrong = fault.wrong + (" (nx)" if fault.question != fault.zone else "")
        lines.append(f"| {case} | {wrong} | {' | '.join(cells)} | {YES if good else NO} |\n")
    lines.append(_TEXTS)
    for case, ours in measured[OURS].items():
        for code, text in zip(ours.codes, ours.texts, strict=True):
            lines.append(f"| {case} | {code} | {text.replace('|', chr(92) + '|') or '–'} |\n")
    return "".join(lines)


def _peer_cell(said: Said, fault: Fault) -> str:
    codes = [f"({code})" if is_beside_the_point(code, fault.expect.ede) else str(code) for code in said.codes]
    return str(Said(said.rcode, said.ad)) + (f" {','.join(codes)}" if codes else "")


def read(page: Path = PAGE) -> tuple[list[str], dict[str, tuple[list[Said], str]]]:
    """The first table again: the resolvers' column heads, and by case what each said with the last column."""
    rows = [_cells(line) for line in page.read_text().partition("\n## ")[0].splitlines() if line.startswith("|")]
    heads = rows[0][2:-1]
    return heads, {row[0]: ([_said(cell) for cell in row[2:-1]], row[-1]) for row in rows[2:]}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _said(cell: str) -> Said:
    found = re.fullmatch(r"(no answer|[A-Z]+)( AD)?(?: ([\d,()]+))?", cell)
    assert found, f"a cell that is no answer: {cell!r}"
    codes = tuple(int(code) for code in re.findall(r"\d+", found[3] or ""))
    return Said(found[1], bool(found[2]), codes)
