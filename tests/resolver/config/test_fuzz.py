"""Whatever is written in the file or on the command line: a Config, or a ConfigError with something to say."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from resolver.config import OPTIONS, Config, ConfigError, load
from resolver.config.generate import toml_literal
from resolver.config.model import SECTIONS


def outcome(content: bytes, overrides: Sequence[str] = ()) -> Config | None:
    """None when refused; anything else that is raised fails the test."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "akashi.toml"
        file.write_bytes(content)
        try:
            return load(file, overrides)
        except ConfigError as error:
            assert error.findings
            for finding in error.findings:
                assert finding.problem
                assert str(finding).isprintable()
                assert finding.as_json()
            return None


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_addresses = st.ip_addresses().map(str)
_plausible = st.one_of(
    st.sampled_from(["builtin", "", ".", "jp", "off", "relaxed", "insecure", "debug", "json", "/", "1h", "256M", "true"]),
    _addresses,
    st.builds("{}:{}".format, _addresses, st.integers(-1, 70000)),
    st.builds("{}/{}".format, _addresses, st.integers(0, 130)),
)
_scalars = st.one_of(st.booleans(), st.integers(), st.integers(0, 1300), st.floats(), _text, _plausible)
_values = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["jp", "com", "a..b", "JP."]) | _text, inner, max_size=3)
    ),
    max_leaves=8,
)
_keys = st.sampled_from([*OPTIONS, *SECTIONS]) | st.lists(
    st.sampled_from(["server", "trust", "nta", "listen"]) | _text, max_size=3
).map(".".join)


def _line(key: str, value: object) -> str:
    return ".".join(toml_literal(part) for part in key.split(".")) + f" = {toml_literal(value)}\n"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_octets(content: bytes) -> None:
    outcome(content)


@settings(deadline=None)
@given(_text)
def test_any_text(text: str) -> None:
    outcome(text.encode())


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(_keys, _values, max_size=6))
def test_known_and_unknown_keys_with_any_values(table: dict[str, object]) -> None:
    outcome("".join(_line(key, value) for key, value in table.items()).encode())


@settings(deadline=None)
@given(st.lists(st.builds("{}={}".format, _keys, _plausible | _values.map(toml_literal)) | _text, max_size=4))
@example(["server.workers=" + "[" * 5000])
@example(["server.workers=" + "9" * 5000])
def test_any_overrides(overrides: list[str]) -> None:
    outcome(b"[server]\nworkers = 1\n[upstream.stub]\n'jp' = ['192.0.2.1']\n", overrides)


@settings(deadline=None)
@given(
    st.lists(st.builds(_line, _keys, _values), max_size=4),
    st.lists(st.builds("{}={}".format, _keys, _plausible), max_size=3),
)
def test_what_is_accepted_is_accepted_again(lines: list[str], overrides: list[str]) -> None:
    first = outcome("".join(lines).encode(), overrides)
    if first is not None:
        # Written out as an operator would, it is the same configuration.
        again = "".join(_line(change.key, change.option.kind.show(change.after)) for change in Config().differences(first))
        assert outcome(again.encode()) == first
