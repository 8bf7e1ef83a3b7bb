"""The documents name real things: paths and definitions in backticks exist, links lead somewhere, and what is shown to be
copied works: configurations, command lines, names of metrics, what options are called elsewhere.

DECISIONS.md is history and may name what is gone, so only its links are checked.

Limitations: dotted module names are not checked (`trust.anchors` is a package member and a configuration key).
"""

import ast
import re
import shlex
import subprocess
import textwrap
from itertools import product, takewhile
from pathlib import Path

import click
import pytest

from resolver.cli import akashi
from resolver.config import ConfigError, load
from resolver.config.loading import parse
from resolver.config.model import OPTIONS
from resolver.conform.items import ITEMS
from tests.conftest import ROOT, require_binary
from tests.test_monitoring import RULES, known_names

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


# -- what a reader copies -------------------------------------------------------------------------------------------------

BOOK = [ROOT / "README.md", ROOT / "README.ja.md", *sorted(ROOT.glob("docs/**/*.md"))]
PRESENT = [document for document in BOOK if document.name not in ("DECISIONS.md",)]
MIGRATION = ROOT / "docs" / "MIGRATION.md"
_FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.M | re.S)


def fences(document: Path, language: str) -> list[str]:
    """Code blocks of one language."""
    found = _FENCE.findall(document.read_text(encoding="utf-8"))
    return [textwrap.dedent(text) for _, kind, text in found if kind == language]


@pytest.mark.parametrize("document", [d for d in BOOK if fences(d, "toml")], ids=lambda path: str(path.relative_to(ROOT)))
def test_configurations_shown_are_accepted(document: Path, tmp_path: Path) -> None:
    for index, text in enumerate(fences(document, "toml")):
        file = tmp_path / f"{index}.toml"
        text = text.replace("c2VjcmV0…", "c2VjcmV0").replace('user = "akashi"', 'user = "root"')  # whom every system has
        file.write_text(text, encoding="utf-8")
        try:
            # What a migration ends with must start as it is; elsewhere files are named that are the reader's own.
            load(file) if document == MIGRATION else parse(file.read_text(encoding="utf-8"))
        except ConfigError as error:
            pytest.fail("\n".join([text, *map(str, error.findings)]))


_COMMAND_LINE = re.compile(r"^(?: {4,})?(?:[$#] )?(?:\.venv/bin/)?(akashi [a-z-].*)$", re.M)


def commands(text: str) -> list[str]:
    """Command lines that start with `akashi`: in code spans, in blocks and behind a prompt."""
    text = re.sub(r" \\\n\s*", " ", text)
    prose = _FENCE.sub("", text)
    spans = re.findall(r"`(?:\.venv/bin/)?(akashi [a-z-][^`]*)`", prose)
    return [" ".join(span.split()) for span in spans] + _COMMAND_LINE.findall(text)


def wrong_with(line: str) -> str | None:
    """What click would say to a command line; None when it has nothing to say."""
    words = re.sub(r"[\[\]()]", " ", line.replace("\\|", "|")).replace("…", "X")
    lexer = shlex.shlex(words, posix=True, punctuation_chars=";|&<>")
    lexer.whitespace_split = True
    try:
        # What comes behind a pipe or the like is another command.
        arguments = list(takewhile(lambda word: word.strip(";|&<>"), lexer))[1:]
    except ValueError as error:
        return str(error)
    command: click.Command = akashi
    path = ["akashi"]
    places = 0
    given = iter(arguments)
    for word in given:
        if word.startswith("-") and word != "-":
            name, _, value = word.partition("=")
            option = next((p for p in command.params if name in p.opts + p.secondary_opts), None)
            if option is None and name not in ("--help", "--version"):
                return f"{' '.join(path)} has no {name}"
            if isinstance(option, click.Option) and not option.is_flag and not option.count and not value:
                next(given, None)
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                # A choice such as `akashi nta approve|reject` is no command; a placeholder stands for any.
                return None if word.isupper() or word == "X" else f"{' '.join(path)} has no {word}"
            command = found
            path.append(word)
        else:
            places += 1
    room = [p.nargs for p in command.params if isinstance(p, click.Argument)]
    if places > sum(room) and -1 not in room and "X" not in words:
        return f"{' '.join(path)} takes {sum(room)} arguments"
    return None


@pytest.mark.parametrize("document", PRESENT, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_shown_are_there(document: Path) -> None:
    shown = commands(document.read_text(encoding="utf-8"))
    assert [f"{line}: {wrong}" for line in shown if (wrong := wrong_with(line))] == []


def test_commands_that_alerts_name_are_there() -> None:
    texts = (ROOT / "conf" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    named = re.findall(r"\bakashi ([a-z][a-z-]+)", texts)
    assert len(named) > 30
    assert [name for name in named if akashi.get_command(click.Context(akashi), name) is None] == []


def test_the_checker_of_commands_finds_what_is_wrong() -> None:
    spans = "`akashi nta propose NAME\n--reason TEXT` `akashi lab drill nta`"
    shown = commands(spans + "\n    akashi cache flush --all  # now\n$ akashi status\n")
    assert len(shown) == 4
    assert [wrong_with(line) for line in shown] == [None] * 4
    bad = [
        "akashi nta propse x",
        "akashi frob",
        "akashi status --helth",
        "akashi explain a b c",
        "akashi trust status --all",
    ]
    assert None not in [wrong_with(line) for line in bad]


def test_metrics_shown_are_there() -> None:
    known = known_names() | set(re.findall(r"record: (\S+)", RULES))
    for document in PRESENT:
        spans = _CODE_SPAN.findall(document.read_text(encoding="utf-8"))
        named = {match[0] for span in spans if (match := re.match(r"akashi_[a-z0-9_]+(?![*…\w])", span))}
        assert {name for name in named if name not in known and f"{name}_total" not in known} == set(), document.name


def test_options_shown_are_there() -> None:
    sections = {key.split(".")[0] for key in OPTIONS}
    tables = {key.rpartition(".")[0] for key in OPTIONS} | {"conform.attest", "policy.zones"}
    for document in PRESENT:
        spans = _CODE_SPAN.findall(document.read_text(encoding="utf-8"))
        keys = {
            match[1] for span in spans if (match := re.match(r"([a-z]+\.[a-z0-9-]+(?:\.[a-z0-9-]+)*)(?: = .*|=.*)?$", span))
        }
        named = {key for key in keys if key.split(".")[0] in sections and not (ROOT / key.replace(".", "/")).exists()}
        modules = {
            key for key in named if (ROOT / (key.replace(".", "/") + ".py")).exists() or key.endswith((".py", ".db"))
        }
        gone = {
            key
            for key in named - modules
            if key not in OPTIONS and key not in tables and not key.startswith("conform.attest.")
        }
        assert gone == set(), document.name


def test_the_guideline_item_by_item() -> None:
    """GUIDELINE.md says of each item what `akashi conform` goes by: how strongly it asks, which level needs it."""
    text = (ROOT / "docs" / "GUIDELINE.md").read_text(encoding="utf-8")
    strengths = {}
    for cell in re.findall(r"^\| ((?:2-\d+[^|]*)) \|", text, re.M):
        for items, strength in re.findall(r"((?:2-\d+(?:, )?)+) (MUST NOT|MUST|SHOULD|MAY)", cell):
            strengths |= dict.fromkeys(re.findall(r"2-\d+", items), strength)
    assert strengths == {item.number: item.strength for item in ITEMS}
    levels = {
        int(level): set(re.findall(r"2-\d+", cell))
        for level, cell in re.findall(r"^\| ([123]) \|.*\| ([^|]+) \|$", text, re.M)
    }
    assert levels == {level: {item.number for item in ITEMS if item.level == level} for level in (1, 2, 3)}


# -- coming from another resolver -----------------------------------------------------------------------------------------


def options_table(heading: str) -> list[list[str]]:
    """Rows of the first table of a section of MIGRATION.md, cell by cell."""
    section = MIGRATION.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.split("\n```")[0].splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


@pytest.mark.parametrize("heading", ["Unbound", "BIND", "PowerDNS Recursor"])
def test_what_options_are_called_here(heading: str) -> None:
    known = set(OPTIONS)
    rows = options_table(heading)
    assert len(rows) > 35
    for row in rows:
        here = row[-2] if len(row) == (4 if heading.startswith("PowerDNS") else 3) else row[-1]
        named = _CODE_SPAN.findall(here)
        assert named or here in ("**always**", "**none**"), row
        assert [name for name in named if name not in known] == [], row


def peers_words(program: str, *arguments: str) -> str:
    done = subprocess.run([require_binary(program), *arguments], capture_output=True, text=True, timeout=30, check=False)
    return re.sub(r".\x08", "", done.stdout) + done.stderr


@pytest.mark.parametrize(
    ("heading", "manual"),
    [
        ("Unbound", ["man", "unbound.conf"]),
        ("BIND", ["man", "named.conf"]),
        ("PowerDNS Recursor", ["pdns_recursor", "--help"]),
    ],
)
def test_what_options_are_called_there(heading: str, manual: list[str]) -> None:
    words = set(re.findall(r"[\w-]+", peers_words(*manual).replace("--", " ")))
    if len(words) < 300:
        pytest.skip(f"{' '.join(manual)} says nothing here")
    there = [name for row in options_table(heading) for name in _CODE_SPAN.findall(row[0])]
    assert [name for name in there if name not in words] == []


def test_the_peers_accept_what_is_migrated(tmp_path: Path) -> None:
    checkers = {
        "unbound": ["unbound-checkconf", tmp_path / "unbound"],
        "named": ["named-checkconf", tmp_path / "named"],
        "pdns": ["pdns_recursor", f"--config-dir={tmp_path}", "--config=check"],
    }
    for language, (program, *arguments) in checkers.items():
        (text,) = fences(MIGRATION, language)
        if language == "unbound":
            text += f'    control-use-cert: no\nserver:\n    chroot: ""\n    directory: "{tmp_path}"\n    username: ""\n'
        (tmp_path / language).write_text(text)
        (tmp_path / "recursor.conf").write_text(text)
        run = [require_binary(str(program)), *map(str, arguments)]
        done = subprocess.run(run, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
