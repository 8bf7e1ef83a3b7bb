"""Medians, percentiles, ratios, targets."""

import pytest

from bench.report import targets
from bench.summary import Figure, find, percentiles, ratio, summarise


def sample(workload: str, resolver: str, **figures: float) -> dict[str, object]:
    return {"workload": workload, "resolver": resolver, "figures": figures, "remarks": []}


def test_percentiles_by_nearest_rank() -> None:
    assert percentiles(range(1000, 0, -1)) == {"p50": 501, "p90": 901, "p99": 991, "p999": 1000}


def test_percentiles_of_one_value_and_of_none() -> None:
    assert percentiles([7.0]) == {"p50": 7.0, "p90": 7.0, "p99": 7.0, "p999": 7.0}
    assert percentiles([]) == {}


def test_figures_are_medians_over_repetitions_with_their_spread() -> None:
    rows = summarise([sample("hot", "akashi", cpu_us=value) for value in (9.0, 5.0, 6.0)])
    assert find(rows, "hot", "akashi", "cpu_us") == Figure(median=6.0, least=5.0, greatest=9.0)


def test_a_failed_run_leaves_its_error_and_no_figure() -> None:
    rows = summarise([sample("hot", "bind", cpu_us=8.0), {"workload": "hot", "resolver": "bind", "error": "no answer"}])
    assert rows[0].figures["cpu_us"].median == 8.0
    assert rows[0].remarks == ["no answer"]


def test_remarks_are_kept_once() -> None:
    remark = {**sample("cold", "knot", cpu_us=1.0), "remarks": ["lost 2.0%"]}
    assert summarise([remark, remark])[0].remarks == ["lost 2.0%"]


def test_ratio_is_ours_by_theirs() -> None:
    rows = summarise([sample("hot", "akashi", cpu_us=6.0), sample("hot", "unbound", cpu_us=8.0)])
    assert ratio(rows, "hot", "cpu_us", "unbound") == pytest.approx(0.75)
    assert ratio(rows, "hot", "cpu_us", "bind") is None


def test_targets_compare_with_the_best_peer_and_with_unbound() -> None:
    rows = summarise(
        [
            sample("hot", "akashi", cpu_us=6.0, latency_p99_us=200.0),
            sample("hot", "unbound", cpu_us=6.5, latency_p99_us=100.0),
            sample("hot", "powerdns", cpu_us=5.0),
            sample("cold", "akashi", cpu_us=400.0, upstream=3.0),
            sample("cold", "unbound", cpu_us=410.0, upstream=3.0),
        ]
    )
    assert targets(rows) == [
        ("hot: CPU/query ≤ the best peer's", "1.200 ×", False),
        ("hot: p99 latency ≤ Unbound's", "2.000 ×", False),
        ("cold: CPU/query ≤ Unbound's", "0.976 ×", True),
        ("cold: upstream packets ≤ Unbound's", "1.000 ×", True),
    ]


def test_targets_of_growth_memory_and_start() -> None:
    rows = summarise(
        [
            sample("size-10000", "akashi", cpu_us=10.0, startup_s=0.5),
            sample("size-1000000", "akashi", cpu_us=12.0, rss=2.0 * 2**30, startup_s=0.6),
        ]
    )
    assert targets(rows) == [
        ("CPU/query from 10,000 to 1,000,000 entries", "1.200 ×", False),
        ("10⁶ cached signed RRsets", "2.000 GiB", False),
        ("start-up to first answer", "0.600 s", True),
    ]


def test_two_workers_are_judged_by_the_busiest_ones_time() -> None:
    rows = summarise(
        [
            sample("workers-warm-1", "akashi", qps=3000.0, capacity=3300.0),
            sample("workers-warm-2", "akashi", qps=4500.0, capacity=6270.0),
        ]
    )
    assert targets(rows) == [("warm: two workers' capacity by one's", "1.900 ×", True)]
