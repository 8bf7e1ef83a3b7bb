"""The questions: drawn alike each time, and new to the resolver where they should be."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from bench.campaign import rotated
from bench.layout import FULL, QUICK, SCALES, TINY, Scale
from bench.workloads import HIT_RATIO, HOT_NAMES, Questions, universe, zipf_stream


@pytest.fixture
def questions(tmp_path: Path) -> Questions:
    return Questions(TINY, tmp_path)


def asked(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_zipf_measures_a_block_with_the_wanted_hits() -> None:
    before, block, ratio = zipf_stream(1_000, 1.0, 2_000, 0.9, random.Random(1))
    known = set(before)
    new = set(block) - known
    assert ratio >= 0.9
    assert ratio == 1 - len(new) / len(block)
    assert len(before) == len(known)


def test_zipf_is_the_same_for_the_same_seed() -> None:
    assert zipf_stream(500, 1.1, 300, 0.8, random.Random(7)) == zipf_stream(500, 1.1, 300, 0.8, random.Random(7))


def test_zipf_prefers_low_ranks() -> None:
    _, block, _ = zipf_stream(10_000, 1.2, 5_000, 0.5, random.Random(3))
    assert block.count(0) > block.count(9) > 0


def test_the_universe_has_each_name_once_and_none_that_makes_zones_known() -> None:
    names = universe(TINY)
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith("h000.") or ".z00000." in name]


@pytest.mark.parametrize("scale", [QUICK, FULL], ids=lambda scale: scale.name)
def test_there_are_names_enough(scale: Scale) -> None:
    """h000 of every zone and all of zone 0 are not in the universe."""
    most = scale.names - scale.zones - scale.names_per_ecdsa_zone
    assert most >= max(scale.zipf_universe, *scale.cache_sizes)
    assert min(scale.names_per_ecdsa_zone, scale.names_per_rsa_zone) >= 20
    assert scale.zones >= 2_000


def test_cold_asks_one_name_of_each_zone_but_the_first(questions: Questions) -> None:
    names = asked(questions.make("cold").measured.questions)
    assert len(names) == len(set(names)) == TINY.zones - 1
    assert "h000.z00000.bench. A" not in names


def test_warm_asks_nothing_that_was_asked_before(questions: Questions) -> None:
    workload = questions.make("warm")
    before = {name for load in workload.fill for name in asked(load.questions)}
    measured = asked(workload.measured.questions)
    assert len(set(measured)) == len(measured) == TINY.warm_names
    assert not before & set(measured)
    assert {name.split(".")[1] for name in measured} <= {name.split(".")[1] for name in before}


def test_hot_asks_only_what_was_asked_before(questions: Questions) -> None:
    workload = questions.make("hot")
    assert {load.questions for load in workload.fill} == {workload.measured.questions}
    assert 0 < len(asked(workload.measured.questions)) <= HOT_NAMES


def test_variants_ask_the_same_in_another_way(questions: Questions) -> None:
    hot, with_do, tcp = (questions.make(name) for name in ("hot", "hot-do", "hot-tcp"))
    assert replace(with_do.measured, dnssec_ok=False) == hot.measured
    assert tcp.measured.tcp
    assert not hot.measured.tcp
    assert tcp.measured.questions == hot.measured.questions


def test_zipf_workload_says_its_hit_ratio(questions: Questions) -> None:
    assert HIT_RATIO <= questions.make("zipf").facts["hit_ratio"] <= 1


@pytest.mark.parametrize("scale", SCALES.values(), ids=lambda scale: scale.name)
def test_every_family_of_the_issue_is_there(scale: Scale, tmp_path: Path) -> None:
    names = Questions(scale, tmp_path).names()
    families = {name.partition("-")[0] for name in names}
    assert families >= {"hot", "zipf", "cold", "warm", "nxdomain", "bogus", "size", "depth", "workers"}
    assert len(names) == len(set(names))


def test_rotation_starts_with_another_resolver_each_time() -> None:
    assert [rotated(["a", "b", "c"], by) for by in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]
