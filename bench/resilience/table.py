"""What was measured, as a table of docs/RESILIENCE.md and as docs/resilience.json."""

import json
from pathlib import Path
from typing import Any

from bench.layout import PROJECT
from bench.resilience.measure import ATTACKS

PAGE = PROJECT / "docs" / "RESILIENCE.md"
DATA = PROJECT / "docs" / "resilience.json"
BEGIN = "<!-- measured: begin (python -m bench.resilience) -->"
END = "<!-- measured: end -->"


def save(meta: dict[str, Any], found: dict[str, dict[str, dict[str, Any]]], path: Path = DATA) -> None:
    """Everything, for whoever wants to compute with it."""
    path.write_text(json.dumps({"meta": meta, "attacks": found}, indent=1, ensure_ascii=False) + "\n")


def load(path: Path = DATA) -> dict[str, dict[str, dict[str, Any]]]:
    """What was measured before."""
    return json.loads(path.read_text())["attacks"] if path.exists() else {}  # type: ignore[no-any-return]


def publish(path: Path = DATA, page: Path = PAGE) -> None:
    """Put the table between the page's markers. Raises ValueError when they are not there."""
    data = json.loads(path.read_text())
    replace(page, BEGIN, END, markdown(data["meta"], data["attacks"]))


def replace(page: Path, first: str, last: str, text: str) -> None:
    """Put a text between two lines of a page. Raises ValueError when they are not there."""
    head, begin, rest = page.read_text().partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{page.name} lacks the lines {first!r} and {last!r}")
    page.write_text(f"{head}{first}\n\n{text}\n{last}{tail}")


def markdown(meta: dict[str, Any], found: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The head and a row for each attack; cells give the resolvers in the head's order."""
    names = list(meta["versions"])
    versions = " / ".join(f"{title} {version}" for title, version in meta["versions"].values())
    lines = [
        f"Measured {meta['date']}, {versions} (each cell in this order), one worker each; load average {meta['load']}.",
        "",
        "| attack | packets a query | CPU ms a query | others answered | new names, ms, calm → attacked | cached names, ms "
        "| the attacker gets |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for attack, row in found.items():
        cells = [
            _joined(names, row, lambda one: f"{one['packets']:.1f}"),
            _joined(names, row, lambda one: f"{one['cpu_us'] / 1e3:.2f}"),
            _joined(names, row, lambda one: f"{one['share']:.0%}" if one["share"] == 1 else f"{one['share']:.1%}"),
            _joined(names, row, lambda one: _change(one["new_ms"])),
            _joined(names, row, lambda one: _change(one["cached_ms"])),
            _joined(names, row, lambda one: _outcome(one["outcomes"]) + ("" if one["alive"] else ", **ended**")),
        ]
        why = ATTACKS[attack].why if attack in ATTACKS else ""
        lines.append(f"| {attack} ({why}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _joined(names: list[str], row: dict[str, dict[str, Any]], text: Any) -> str:
    return " / ".join(text(row[name]) if name in row else "–" for name in names)


def _change(times: list[float]) -> str:
    calm, attacked = times
    return f"{calm:.1f} → {attacked:.1f}"


def _outcome(outcomes: dict[str, int]) -> str:
    return max(outcomes, key=lambda key: outcomes[key]) if outcomes else "nothing"
