"""The documents name real things: paths and definitions in backticks exist, links lead somewhere.

DECISIONS.md is history and may name what is gone, so only its links are checked.

Limitations: dotted module names are not checked (`trust.anchors` is a package member and a configuration key).
"""

import ast
import re
from itertools import product
from pathlib import Path

import pytest

from tests.conftest import ROOT

NAMES_PATHS = ["README.md", "docs/ARCHITECTURE.md", "docs/GLOSSARY.md"]
ROOMS = ("wire", "trust", "resolver", "lab", "tests", "tools", "bench", "conf", "docs", ".ci")

# `wire/reader.py`, `trust/`, `resolver/{cache,iteration}`, `tests/*.py`, `wire/name.py:from_text`, `reader.py`
_CODE_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PATH = re.compile(r"(?P<path>[\w.{},*/-]+?)(?:::?(?P<symbol>[A-Za-z_][\w.]*)(?:\(\))?)?")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")


def expand(path: str) -> list[str]:
    """`a/{b,c}` -> [`a/b`, `a/c`], as a shell would."""
    parts = [part[1:-1].split(",") if part.startswith("{") else [part] for part in re.split(r"(\{[^{}]*\})", path)]
    return ["".join(choice) for choice in product(*parts)]


def find(path: str, root: Path) -> list[Path]:
    """Files or directories that `path` names: below the root, or, for a bare `name.py`, in any room."""
    if "/" in path:
        return list(root.glob(path.rstrip("/")))
    return [hit for room in ROOMS for hit in (root / room).rglob(path)] + list(root.glob(path))


def defines(file: Path, symbol: str) -> bool:
    """Whether a Python file defines `name` or `Class.member`."""
    body: list[ast.stmt] = ast.parse(file.read_text(encoding="utf-8")).body
    for part in symbol.split("."):
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == part:
                body = node.body
                break
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if any(isinstance(target, ast.Name) and target.id == part for target in targets):
                body = []
                break
        else:
            return False
    return True


def lies(text: str, root: Path) -> list[str]:
    """Code spans of a document that look like a path of the project and name nothing."""
    wrong = []
    for span in _CODE_SPAN.findall(text):
        match = _PATH.fullmatch(span)
        if match is None:
            continue
        path, symbol = match["path"], match["symbol"]
        if not (path.startswith(tuple(room + "/" for room in ROOMS)) or path.endswith(".py")):
            continue
        for one in expand(path):
            hits = find(one, root)
            if not hits or (symbol and not any(hit.is_file() and defines(hit, symbol) for hit in hits)):
                wrong.append(span)
    return wrong


@pytest.mark.parametrize("document", NAMES_PATHS)
def test_paths_named_in_a_document_exist(document: str) -> None:
    assert lies((ROOT / document).read_text(encoding="utf-8"), ROOT) == []


@pytest.mark.parametrize("document", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    targets = _LINK.findall(document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_checker_finds_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "wire").mkdir()
    (tmp_path / "wire" / "name.py").write_text("LIMIT: int = 1\nclass Name:\n    def parent(self): ...\n")
    good = "`wire/` `wire/name.py` `name.py` `wire/{name,name}.py` `wire/*.py` `wire/name.py:Name.parent()` `name.py:LIMIT`"
    bad = ["wire/nowhere.py", "nowhere.py", "wire/{name,gone}.py", "wire/name.py:Gone", "name.py:Name.gone", "trust/"]
    assert lies(good + " `dig @127.0.0.1` `a/b.txt` `AD`", tmp_path) == []
    assert lies(" ".join(f"`{span}`" for span in bad), tmp_path) == bad
