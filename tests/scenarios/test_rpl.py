"""Every replay scenario of the corpus, played with several seeds of the resolver's dice.

A file in EXCEPTIONS is played twice: to the letter, where it must fail (once it passes, the exception is to go), and with
what the exception names left out, where it must pass.
"""

import re
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.conftest import ROOT, corpora_dir
from tests.scenarios.exceptions import EXCEPTIONS
from tests.scenarios.play import Leniency, Play
from tests.scenarios.rpl import load

SEEDS = (1, 2, 3)
CORPUS = corpora_dir() / "rpl"
FILES = sorted(CORPUS.glob("*.rpl"))

if not FILES:
    pytest.skip(f"corpus {CORPUS} is absent (set AKASHI_CORPORA)", allow_module_level=True)


def failures(path: Path, leniency: Leniency | None = None) -> list[str]:
    """What fails, over all seeds."""
    scenario = load(path)
    out = []
    for seed in SEEDS:
        play = Play(scenario, seed) if leniency is None else Play(scenario, seed, leniency)
        out += [f"seed {seed}, {failure}" for failure in play.run()]
    return out


def strict_cases() -> list[ParameterSet]:
    """All files; those with an exception must fail."""
    cases = []
    for path in FILES:
        exception = EXCEPTIONS.get(path.name)
        marks = [] if exception is None else [pytest.mark.xfail(strict=True, reason=exception.reason)]
        cases.append(pytest.param(path, id=path.stem, marks=marks))
    return cases


@pytest.mark.parametrize("path", strict_cases())
def test_scenario(path: Path) -> None:
    assert failures(path) == []


@pytest.mark.parametrize("name", sorted(EXCEPTIONS))
def test_exception_excuses_no_more_than_it_says(name: str) -> None:
    assert failures(CORPUS / name, EXCEPTIONS[name].leniency) == []


def test_at_least_nine_of_ten_are_played_to_the_letter() -> None:
    assert len(FILES) >= 94
    assert set(EXCEPTIONS) <= {path.name for path in FILES}
    assert len(EXCEPTIONS) <= len(FILES) // 10


def test_the_documentation_lists_every_exception() -> None:
    text = (ROOT / "docs" / "SCENARIOS.md").read_text("utf-8")
    listed = dict(re.findall(r"^\| `(\S+\.rpl)` \| (.*) \|$", text, re.MULTILINE))
    assert listed == {name: exemption.reason for name, exemption in EXCEPTIONS.items()}
