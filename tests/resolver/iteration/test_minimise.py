"""QNAME minimisation: what is shown of a name at each step (RFC 9156)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.iteration.minimise import next_name
from wire.limits import MINIMISE_STEPS
from wire.name import count_labels, is_strict_subdomain, is_subdomain
from wire.text import name_from_text, name_to_text


def shown(qname: str, known: str) -> list[str]:
    """All the names that are asked about, when every one but the last is found to be no cut."""
    name, here = name_from_text(qname), name_from_text(known)
    out = []
    for step in range(100):
        sent = next_name(name, here, step)
        out.append(name_to_text(sent))
        if sent == name:
            return out
        here = sent
    raise AssertionError(f"never shows the whole name: {out}")


@pytest.mark.parametrize(
    ("qname", "known", "names"),
    [
        ("www.example.jp", ".", ["jp", "example.jp", "www.example.jp"]),
        ("www.example.jp", "jp", ["example.jp", "www.example.jp"]),
        ("www.example.jp", "example.jp", ["www.example.jp"]),
        ("www.example.jp", "www.example.jp", ["www.example.jp"]),
        ("jp", ".", ["jp"]),
        (".", ".", ["."]),
    ],
)
def test_one_label_at_a_time(qname: str, known: str, names: list[str]) -> None:
    assert shown(qname, known) == names


def test_many_labels_are_shared_out_over_the_steps_that_are_left() -> None:
    # RFC 9156 §2.3: the first few add one label each, the rest share what remains
    qname = ".".join(["x"] * 32) + ".ip6.arpa"
    names = shown(qname, "ip6.arpa")
    counts = [count_labels(name_from_text(name)) for name in names]
    assert counts[:4] == [3, 4, 5, 6]
    assert counts[-1] == 34
    assert len(names) <= MINIMISE_STEPS + 1
    strides = [after - before for before, after in pairwise(counts[3:])]
    assert max(strides) - min(strides) <= 2


def test_no_more_steps_than_the_limit() -> None:
    qname, known = name_from_text(".".join(["x"] * 100)), name_from_text(".")
    assert next_name(qname, known, MINIMISE_STEPS) == qname
    assert next_name(qname, known, MINIMISE_STEPS - 2) != qname


LABELS = st.lists(st.sampled_from(["a", "b", "xn--long-label"]), min_size=0, max_size=30)


@given(LABELS, st.integers(0, 30), st.integers(0, 20))
def test_each_step_is_nearer_and_on_the_way(labels: list[str], known_labels: int, steps: int) -> None:
    qname = name_from_text(".".join(labels) or ".")
    known = name_from_text(".".join(labels[max(len(labels) - known_labels, 0) :]) or ".")
    sent = next_name(qname, known, steps)
    assert is_subdomain(qname, sent)
    assert sent == qname or is_strict_subdomain(sent, known)


@given(LABELS.filter(bool))
def test_whatever_the_name_it_is_shown_whole_in_the_end(labels: list[str]) -> None:
    assert len(shown(".".join(labels), ".")) <= MINIMISE_STEPS + 1
