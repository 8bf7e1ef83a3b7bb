"""The evidence page in a real browser: what a reader sees, on a desk, on a phone and on paper.

Debian's Chromium, driven by Playwright; skipped where either is absent.
"""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lab.internet
import lab.server
from resolver.config import load
from resolver.daemon.once import explain_once
from resolver.explain.html import page as make_page
from trust.vocabulary import Question
from wire.text import name_from_text

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (test extra)")
CHROMIUM = shutil.which("chromium")
if CHROMIUM is None:
    pytest.skip("chromium is not installed (Debian package chromium)", allow_module_level=True)

PREFIX = "127.73"
CASES = {
    "healthy": "www.example.jp",
    "expired": "rrsig-exp-a.faults.jp",
    "mismatch": "ds-bogus-digest-value.faults.jp",
    "absent": "nonexistent.example.jp",
    "unsigned": "www.unsigned.jp",
}
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def documents(tmp_path_factory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("lab")
    net = lab.internet.build(time.time(), prefix=PREFIX)
    (directory / "hints").write_text(net.hints())
    (directory / "anchor").write_text(net.anchor())
    with lab.server.running(net) as server:
        config = load(
            None,
            [
                f"upstream.root-hints={directory / 'hints'}",
                f"trust.anchors={directory / 'anchor'}",
                f"upstream.port={server.port}",
                "upstream.ipv6=false",
                "upstream.allow-loopback=true",
            ],
        )
        return {case: explain_once(config, Question(name_from_text(name), 1), fresh=True) for case, name in CASES.items()}


@pytest.fixture(scope="module")
def browser(documents) -> Iterator[Any]:
    """After the documents: Playwright keeps an event loop of its own running in this thread."""
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield running
        running.close()


def show(browser, document, tmp_path: Path, width: int = 1280) -> Any:
    """The page as a file, opened; whatever it would load or complain about is in `asked` and `said`."""
    file = tmp_path / "evidence.html"
    file.write_text(make_page(document), encoding="utf-8")
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.asked, tab.said = [], []
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.on("console", lambda message: tab.said.append(message.text))
    tab.goto(file.as_uri())
    assert tab.asked == [file.as_uri()], "the page loads nothing"
    assert tab.said == []
    return tab


@pytest.mark.parametrize("case", CASES)
def test_the_page_says_what_the_document_says(browser, documents, tmp_path, case):
    document = documents[case]
    tab = show(browser, document, tmp_path)
    assert tab.inner_text("h1").startswith(f"{CASES[case]} A")
    assert tab.inner_text("#verdict .said") == document["answer"]["sentence"]
    assert document["answer"]["next"] in tab.inner_text("ol.steps")
    # A box for each zone, and one for each step of the answer; in words, the same.
    assert tab.locator("svg rect.box").count() == len(document["chain"]) + len(document["steps"])
    assert tab.locator(".chain .zone").count() == len(document["chain"])
    assert tab.locator(".answer .zone").count() == len(document["steps"])
    for zone in document["chain"]:
        for key in zone["dnskey"]["keys"] if zone["dnskey"] is not None else []:
            assert f"DNSKEY {key['tag']}" in tab.inner_text(".chain")
            assert f"{key['role']} {key['tag']}" in tab.locator("svg").text_content()
    for row in document["authorities"][0]["servers"]:
        for part in (row["address"], row["nsid"], f"{row['latency_ms']} ms", str(row["serial"]), row["digest"]):
            assert part in tab.inner_text(".servers")
    tab.close()


def test_where_the_chain_breaks(browser, documents, tmp_path):
    tab = show(browser, documents["mismatch"], tmp_path)
    # One link is broken, the one to the zone at fault; what is below is not blamed.
    assert tab.locator("svg path.link.bogus").count() == 1
    assert tab.locator("svg path.link.secure").count() == 3
    assert tab.locator(".zone.fault h3").all_inner_texts() == ["ds-bogus-digest-value.faults.jp"]
    assert "digest differs" in tab.inner_text(".chain .zone.fault")
    tab.close()
    tab = show(browser, documents["expired"], tmp_path)
    assert tab.locator("svg path.link.bogus").count() == 1
    assert tab.locator(".chain .zone.fault").count() == 0
    assert "expired" in tab.inner_text(".answer .zone.fault")
    tab.close()
    tab = show(browser, documents["healthy"], tmp_path)
    assert tab.locator("svg path.link.bogus").count() == tab.locator(".zone.fault").count() == 0
    tab.close()


def test_colour_is_not_the_only_sign(browser, documents, tmp_path):
    tab = show(browser, documents["expired"], tmp_path)
    words = [element.strip() for element in tab.locator("svg text").all_text_contents()]
    assert words.count("secure") == 4 and words.count("bogus") == 1
    assert set(tab.locator(".tag.bogus").all_inner_texts()) == {"✘ bogus"}
    assert "✔ secure" in tab.locator(".tag.secure").all_inner_texts()
    tab.close()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("case", CASES)
def test_nothing_sticks_out(browser, documents, tmp_path, case, width):
    tab = show(browser, documents[case], tmp_path, width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    # No text of the drawing reaches over its edge, whatever the fonts are.
    over = tab.evaluate(
        """() => { const edge = document.querySelector('svg').getBoundingClientRect();
        return [...document.querySelectorAll('svg text')].filter(text => text.getBoundingClientRect().right > edge.right)
          .map(text => text.textContent) }"""
    )
    assert over == []
    tab.close()


def test_on_paper(browser, documents, tmp_path):
    tab = show(browser, documents["mismatch"], tmp_path)
    paper = tab.pdf(prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", paper)
    assert 2 <= len(boxes) <= 6
    for width, height in boxes:
        # A4 in points.
        assert abs(float(width) - 595) < 2 and abs(float(height) - 842) < 2
    tab.close()


def test_what_comes_from_the_network_stays_text(browser, documents, tmp_path):
    nasty = "<img src=x onerror=alert(1)></script><script>document.title='owned'</script>&quot;\"'\x07"
    text = json.dumps(documents["expired"]).replace("192.0.2.14", json.dumps(nasty)[1:-1])
    tab = show(browser, json.loads(text.replace("hostmaster@", json.dumps(nasty)[1:-1])), tmp_path)
    assert tab.locator("img, script, iframe, object").count() == 0
    assert "owned" not in tab.title()
    assert "<img src=x" in tab.inner_text(".answer")
    assert "<img" in tab.locator("svg").text_content()
    tab.close()
