"""One table of texts: every key that the code uses is there, every key that is there is used, and fields fit."""

import re
import string

import pytest

from resolver.explain.diagnosis import Link
from resolver.explain.texts import TABLES, Words
from tests.conftest import ROOT
from trust.vocabulary import Kind, Security

ROOMS = [path for path in sorted((ROOT / "resolver/explain").glob("*.py")) if path.name != "texts.py"]
SOURCES = "".join(path.read_text() for path in (*ROOMS, ROOT / "resolver/cli/explain.py"))
MADE = (
    {f"link.{link.value}" for link in Link}
    | {f"kind.{kind.value}" for kind in Kind}
    | {f"word.{security.value}" for security in Security}
    | {"word.unchecked", "mark.signs", "mark.revoked", "mark.no-zone-key"}
    | {f"role.{role}" for role in ("KSK", "ZSK", "none")}
    | {f"{span}.{unit}" for span in ("left", "ago", "from") for unit in ("days", "hours", "minutes")}
    | {f"col.{key}" for key in ("server", "says", "security", "latency", "zone")}
)
"""Keys that are put together."""


def fields(template: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(template) if field is not None}


def test_every_key_is_used():
    unused = {key for key in TABLES["en"] if f'"{key}"' not in SOURCES and f"'{key}'" not in SOURCES and key not in MADE}
    assert unused == set()


def test_every_key_used_is_there():
    used = set(re.findall(r"""(?:words|say|Words\(\))\(["']([a-z0-9.-]+)["']""", SOURCES)) | MADE
    assert used - set(TABLES["en"]) == set()
    assert len(used) > 60


@pytest.mark.parametrize("language", TABLES)
def test_translations_have_the_same_fields(language):
    for key, template in TABLES[language].items():
        assert fields(template) == fields(TABLES["en"][key]), key


def test_an_unknown_language_is_english_and_an_unknown_key_a_bug():
    words = Words("xx")
    assert words.language == "en"
    with pytest.raises(KeyError):
        words("no.such.text")


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 min left"),
        (59 * 60, "59 min left"),
        (3600, "1 h 0 min left"),
        (48 * 3600 - 1, "47 h 59 min left"),
        (48 * 3600, "2 d 0 h left"),
        (-60, "expired 1 min ago"),
        (-90 * 86400 - 3600, "expired 90 d 1 h ago"),
    ],
)
def test_time_left(seconds, text):
    assert Words().left(seconds) == text


def test_time_to_come():
    assert Words().not_yet(3 * 86400) == "valid only in 3 d 0 h"
