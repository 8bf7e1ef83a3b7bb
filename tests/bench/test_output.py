"""The picture, the page and the profile's counts."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench import document
from bench.plot import svg
from bench.profiling.digest import Digest, add, digest
from bench.summary import summarise

TITLES = {"akashi": "Akashi", "unbound": "Unbound"}
META = {
    "date": "2026-01-01",
    "machine": "a machine <&>",
    "kernel": "6",
    "python": "3.11",
    "scale": "tiny",
    "repetitions": 1,
    "titles": TITLES,
    "versions": {"akashi": "0", "unbound": "1"},
    "workloads": {
        "hot": {"title": "cached & hot", "facts": {}},
        "size-10": {"title": "10", "facts": {"entries": 10}},
        "size-100": {"title": "100", "facts": {"entries": 100}},
    },
}
SAMPLES = [
    {"workload": workload, "resolver": resolver, "figures": {"cpu_us": value, "rss": 2.0**20}, "remarks": []}
    for workload, value in (("hot", 6.0), ("size-10", 7.0), ("size-100", 8.0))
    for resolver in TITLES
]


def texts(picture: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_is_well_formed_and_names_workloads_and_resolvers() -> None:
    found = texts(svg(summarise(SAMPLES), META))
    assert "hot: cached & hot" in found
    assert found.count("Akashi") == 2  # a bar, and the end of a line
    assert "6.0" in found


def test_a_sweep_of_one_point_is_not_drawn() -> None:
    found = texts(svg(summarise([s for s in SAMPLES if s["workload"] != "size-10"]), META))
    assert found.count("Akashi") == 1


def test_publish_replaces_only_what_is_between_the_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "PERFORMANCE.md"
    page.write_text(f"before\n{document._BEGIN}\nlast year\n{document._END}\nafter\n")
    for name, file in (("PAGE", "PERFORMANCE.md"), ("DATA", "performance.json"), ("PICTURE", "performance.svg")):
        monkeypatch.setattr(document, name, tmp_path / file)
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"meta": META, "samples": SAMPLES}))
    document.publish([results])
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "last year" not in text
    assert "| Unbound | 6.0 |" in text
    document.publish([results])
    assert page.read_text() == text


def test_publish_refuses_a_page_without_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "PERFORMANCE.md"
    page.write_text("nothing here\n")
    monkeypatch.setattr(document, "PAGE", page)
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"meta": META, "samples": SAMPLES}))
    with pytest.raises(ValueError, match="lacks the lines"):
        document.publish([results])


def campaign(folder: Path, name: str, samples: list[dict[str, object]], **meta: object) -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"meta": {**META, **meta}, "samples": samples}))
    return path


def test_campaigns_that_repeat_a_workload_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "PERFORMANCE.md"
    page.write_text(f"{document._BEGIN}\n{document._END}\n")
    for name, file in (("PAGE", "PERFORMANCE.md"), ("DATA", "performance.json"), ("PICTURE", "performance.svg")):
        monkeypatch.setattr(document, name, tmp_path / file)
    again = [
        {"workload": "hot", "resolver": resolver, "figures": {"cpu_us": cpu_us}, "remarks": []}
        for resolver in TITLES
        for cpu_us in (9.0, 10.0)
    ]
    document.publish([campaign(tmp_path, "all", SAMPLES), campaign(tmp_path, "again", again)])
    text = page.read_text()
    assert "medians of 1 to 3 interleaved runs" in text
    assert "| Unbound | 9.0 |" in text, "of 6, 9 and 10"
    assert "| Unbound | 7.0 |" in text


@pytest.mark.parametrize(
    "other",
    [{"scale": "full"}, {"python": "3.12"}, {"versions": {"akashi": "1", "unbound": "1"}}],
    ids=["scale", "python", "version"],
)
def test_campaigns_that_differ_are_not_mixed(tmp_path: Path, other: dict[str, object]) -> None:
    paths = [campaign(tmp_path, "one", SAMPLES), campaign(tmp_path, "other", SAMPLES, **other)]
    with pytest.raises(ValueError, match="not one campaign"):
        document.publish(paths)


def test_a_sample_counts_for_its_function_and_once_for_each_caller() -> None:
    result = Digest()
    add(result, [("/x/a.py", "inner", 3), ("/x/b.py", "outer", 9), ("/x/b.py", "outer", 5)])
    add(result, [("/x/b.py", "outer", 5)])
    assert result.total == 2
    assert result.own == {"/x/a.py:inner": 1, "/x/b.py:outer": 1}
    assert result.inclusive == {"/x/a.py:inner": 1, "/x/b.py:outer": 2}
    assert result.lines == {"/x/a.py:3": 1, "/x/b.py:5": 1}
    assert result.folded["/x/b.py:outer;/x/b.py:outer;/x/a.py:inner"] == 1


def test_only_the_measured_part_counts_and_not_the_sampler_itself(tmp_path: Path) -> None:
    stacks = [[["/x/a.py", "f", 1]], [["/x/hook/sitecustomize.py", "save", 1]]]
    data = {"stacks": stacks, "samples": [[1.0, 0], [2.0, 0], [2.5, 1], [9.0, 0]], "collections": [[2.1, 0, 0.5]]}
    file = tmp_path / "1.json"
    file.write_text(json.dumps(data))
    result = digest([file], 1.5, 3.0)
    assert result.total == 1
    assert result.pauses_s == {0: [0.5]}
