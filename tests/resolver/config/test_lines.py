"""Line numbers of keys, against what is written where."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.config.generate import toml_literal
from resolver.config.lines import key_lines, line_of


def test_the_ways_to_write_a_key() -> None:
    text = textwrap.dedent('''\
        # [not.a.table]
        top = 1

        [server]  # comment with = and "quote
        listen = [  # [
          "a = b", # x = 1
          "]",
        ]
        nsid = """
        [fake]
        key = 1
        """
        other = \'\'\'
        fake = 2\'\'\'
          [ trust . "nta" ]
          static = ["#"]
        dotted.key = { a = 1, b = [1, 2] }
        "quoted key" = 1
        [[array]]
        \'literal.key\' = "\\\\" # end
        last=1''')
    assert key_lines(text) == {
        ("top",): 2,
        ("server",): 4,
        ("server", "listen"): 5,
        ("server", "nsid"): 9,
        ("server", "other"): 13,
        ("trust", "nta"): 15,
        ("trust", "nta", "static"): 16,
        ("trust", "nta", "dotted", "key"): 17,
        ("trust", "nta", "quoted key"): 18,
        ("array",): 19,
        ("array", "literal.key"): 20,
        ("array", "last"): 21,
    }


def test_carriage_returns() -> None:
    assert key_lines("a = 1\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 2, ("b", "c"): 3}


def test_the_nearest_line() -> None:
    lines = key_lines("[upstream]\nstub = { jp = [1] }")
    assert line_of(lines, ("upstream", "stub", "jp", "0")) == 2
    assert line_of(lines, ("upstream", "port")) == 1
    assert line_of(lines, ("cache",)) is None


_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=0, max_size=6)
_values = st.one_of(
    st.booleans(), st.integers(), _names, st.lists(_names, max_size=3), st.dictionaries(_names, _names, max_size=2)
)


@settings(deadline=None)
@given(st.dictionaries(_names, st.dictionaries(_names, _values, max_size=4), max_size=4), st.data())
def test_what_was_written_is_found(tables: dict[str, dict[str, object]], data: st.DataObject) -> None:
    text, expected, line = "", {}, 1
    for table, entries in tables.items():
        expected[(table,)] = line
        text += f"[{toml_literal(table)}]\n"
        line += 1
        for key, value in entries.items():
            filler = data.draw(st.sampled_from(["", "\n", "# [x] = '\n\n"]))
            text += filler
            line += filler.count("\n")
            expected[table, key] = line
            literal = toml_literal(value)
            if isinstance(value, list):
                literal = literal.replace("[", "[ # '\n", 1)
            text += f"{toml_literal(key)} = {literal}\n"
            line += 1 + literal.count("\n")
    if _is_toml(text):
        assert key_lines(text) == expected


def _is_toml(text: str) -> bool:
    import tomllib

    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # a character that JSON escapes otherwise
        return False
    return True


@pytest.mark.parametrize("text", ["", "\n\n", "# only", "\t"])
def test_nothing_there(text: str) -> None:
    assert key_lines(text) == {}
