"""Every option is declared whole, the contract's keys are all there, and what is generated from them is fresh and true."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from resolver.config import OPTIONS, Config, ConfigError, generate, load, parse
from resolver.config.options import LOCAL, Effect, Option, Reload, Section, options_of
from resolver.config.values import parse_endpoint
from tests.conftest import ROOT

# The keys that outside harnesses rely on, with their defaults.
CONTRACT = """
[server]
listen = ["127.0.0.1:53", "[::1]:53"]
workers = 0
user = ""
nsid = ""
max-udp-size = 1232
[access]
allow = ["127.0.0.0/8", "::1/128"]
[upstream]
root-hints = "builtin"
prime = true
port = 53
ipv4 = true
ipv6 = true
minimise = "relaxed"
randomise-case = true
edns-buffer = 1232
allow-loopback = false
private-servers = false
stub = {}
forward = {}
[cache]
size = "256M"
min-ttl = 0
max-ttl = 86400
max-negative-ttl = 3600
serve-stale = false
aggressive-nsec = true
prefetch = true
[trust]
anchors = "builtin"
rfc5011 = true
signal = true
sentinel = true
state-dir = "/var/lib/akashi"
sha1 = "insecure"
nsec3-max-iterations = 50
[trust.nta]
default-lifetime = "1h"
max-lifetime = "7d"
require-approval = true
recheck-interval = "5m"
extended-error = true
static = []
[metrics]
listen = "127.0.0.1:9153"
[control]
socket = "/run/akashi/control.sock"
[clock]
ntp-servers = []
max-offset = "1s"
[probe]
secure = []
bogus = []
interval = "60s"
[log]
level = "info"
format = "text"
validation-failures = true
queries = false
"""

_SOURCE = re.compile(r"(RFC \d{4}( §[\d.]+)?|guideline 2-([1-9]|1\d|2[0-2]))")


def flat(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Nested tables as {"section.key": value}; stub and forward are values, not sections."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        path = f"{above}{key}"
        found |= {path: value} if path in OPTIONS else flat(value, f"{path}.")
    return found


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.path)
def test_an_option_is_declared_whole(option: Option) -> None:
    facts = option.facts
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", option.key)
    assert re.match(r'[A-Z"]', facts.why) and facts.why.endswith("."), "why: one sentence"
    assert len(facts.why) > 20 and ". " not in facts.why, "why: one sentence"
    assert facts.source == LOCAL or all(_SOURCE.fullmatch(part) for part in facts.source.split(", "))
    assert isinstance(facts.reload, Reload) and isinstance(facts.effect, Effect)
    assert option.kind.expects and option.allowed
    if option.kind.name in ("number", "seconds", "duration", "size"):
        assert facts.low is not None and facts.high is not None and facts.low < facts.high, "a number has a range"


def test_the_contract_is_kept() -> None:
    contract = flat(tomllib.loads(CONTRACT))
    assert {path: OPTIONS[path].default for path in contract} == contract


def test_an_option_without_its_pieces_is_refused() -> None:
    class Bare(Section):
        limit: int = 3

    class Kindless(Section):
        limit: int = generate_option()

    with pytest.raises(TypeError, match="not declared with option"):
        list(options_of(Bare, "bare"))
    with pytest.raises(TypeError, match="needs a kind"):
        list(options_of(Kindless, "kindless"))


def generate_option() -> Any:
    from resolver.config.options import option

    return option(3, "A limit that has no kind.", source=LOCAL, reload=Reload.LIVE)


def test_the_generated_file_equals_the_defaults() -> None:
    text = (ROOT / "conf" / "akashi.toml").read_text("utf-8")
    assert flat(tomllib.loads(text)) == {path: option.default for path, option in OPTIONS.items()}
    assert parse(text) == Config()


def test_the_lab_example_fits_a_lab_with_the_defaults(tmp_path: Path) -> None:
    import lab.directory
    from lab.server import DEFAULT_PORT

    (tmp_path / "conf").mkdir()
    example = tmp_path / "conf" / "lab.toml"
    example.write_text((ROOT / "conf" / "lab.toml").read_text("utf-8"))
    paths = lab.directory.LabDirectory(tmp_path / ".lab")
    with pytest.raises(ConfigError) as caught:  # no lab was started
        load(example)
    assert [(f.key, f.problem) for f in caught.value.findings] == [
        ("upstream.root-hints", "no such file"),
        ("trust.anchors", "no such file"),
    ]
    paths.root.mkdir()
    paths.hints.touch()
    paths.anchor.touch()
    config = load(example)
    assert isinstance(config.upstream.root_hints, Path) and config.upstream.root_hints.samefile(paths.hints)
    assert config.trust.anchors != "builtin" and config.trust.anchors[0].samefile(paths.anchor)
    assert config.server.listen == (parse_endpoint(lab.directory.Settings().resolver_listen),)
    assert (config.upstream.port, config.upstream.allow_loopback) == (DEFAULT_PORT, True)


def test_the_generated_files_are_fresh() -> None:
    for path, text in generate.outputs().items():
        assert path.read_text("utf-8") == text, f"{path.name}: run python -m resolver.config.generate"


def test_every_option_is_documented() -> None:
    sections = (ROOT / "docs" / "CONFIG.md").read_text("utf-8").split("\n## ")[1:]
    documented = {}
    for section in sections:
        name = section[1 : section.index("]")]
        for row in re.findall(r"^\| (`.*) \|$", section, re.MULTILINE):
            cells = re.split(r" (?<!\\)\| ", row)
            documented[f"{name}.{cells[0].strip('`')}"] = cells
    assert list(documented) == list(OPTIONS)
    for path, cells in documented.items():
        assert len(cells) == 6 and all(cells), path
        assert OPTIONS[path].facts.why in cells[3]


def test_the_options_that_are_in_effect_are_read_by_the_daemon() -> None:
    """What no code that sees the configuration ever reads must say so (Effect.LATER)."""
    files = [*ROOT.glob("resolver/server/**/*.py"), *ROOT.glob("resolver/daemon*"), *ROOT.glob("resolver/daemon/**/*.py")]
    sources = [file for file in files if file.suffix == ".py"]
    if not any("daemon" in str(file.relative_to(ROOT)) and "def run(" in file.read_text("utf-8") for file in sources):
        pytest.skip("there is no resolver.daemon.run yet")
    names = {
        node.attr
        for file in sources
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
    }
    names |= {name.removesuffix("_servers") for name in names}
    dead = [o.path for o in OPTIONS.values() if o.facts.effect is Effect.NOW and o.attribute not in names]
    assert dead == []


class TestGenerate:
    @pytest.fixture
    def root(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(generate, "ROOT", tmp_path)
        return tmp_path

    def test_writes_both_files_and_then_finds_them_fresh(self, root: Path) -> None:
        assert CliRunner().invoke(generate.main, []).exit_code == 0
        assert (root / "conf" / "akashi.toml").exists() and (root / "docs" / "CONFIG.md").exists()
        assert CliRunner().invoke(generate.main, ["--check"]).exit_code == 0

    def test_check_names_a_stale_file_and_leaves_it(self, root: Path) -> None:
        CliRunner().invoke(generate.main, [])
        stale = root / "conf" / "akashi.toml"
        stale.write_text("[server]\n")
        result = CliRunner().invoke(generate.main, ["--check"])
        assert result.exit_code == 1
        assert "conf/akashi.toml is stale" in result.output and "CONFIG.md" not in result.output
        assert stale.read_text() == "[server]\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (3, "3"),
        ('a"b\\', r'"a\"b\\"'),
        (["a", "b"], '["a", "b"]'),
        ({}, "{}"),
        ({"a.b": ["c"]}, '{ "a.b" = ["c"] }'),
    ],
)
def test_toml_literals_are_read_back_as_they_were(value: object, text: str) -> None:
    assert generate.toml_literal(value) == text
    assert tomllib.loads(f"x = {text}") == {"x": value}
