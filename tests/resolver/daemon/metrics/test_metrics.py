"""The table of metrics: legal names, bounded labels, the document fresh; totals that never go down; cells of responses."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from resolver.daemon.metrics import document
from resolver.daemon.metrics.exporter import Table
from resolver.daemon.metrics.table import METRICS, PREFIX, Snapshot
from resolver.daemon.stats import Totals
from resolver.server.counters import Counters
from resolver.server.tally import MAX_CELLS, OTHER, Histogram, Said, Tally
from trust.vocabulary import Transport
from wire import types as t

UDP, TCP = Transport.UDP, Transport.TCP
EMPTY = Snapshot({"counters": {}, "gauges": {}})


def stats(counters):
    """As a worker tells them."""
    histogram = counters.client_seconds
    return {
        "counters": counters.as_dict(),
        "responses": counters.said(),
        "exchanges": dict(counters.exchanges),
        "limits": {},
        "client_seconds": dict(zip([*map(str, histogram.bounds), "+Inf"], histogram.counts, strict=True))
        | {"sum": histogram.sum_s},
        "gauges": {"inflight": 3},
    }


def exported(snapshot):
    """Samples by name and labels, as Prometheus would read them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Table(snapshot))
    text = generate_latest(registry).decode()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def busy():
    counters = Counters()
    counters.udp_queries, counters.packet_hits, counters.instant_hits = 10, 4, 1
    for _ in range(3):
        counters.tally.add(Said(UDP, t.A, t.NOERROR, "secure", "valid"))
    counters.tally.add(Said(TCP, t.AAAA, t.SERVFAIL, "bogus", "signature-expired", (7, 22)))
    counters.tally.add(Said(UDP, 4711, t.NOERROR, "insecure", "nta", (33,)))
    counters.tally.add(Said(UDP, OTHER, t.REFUSED, errors=(18,)))
    counters.client_seconds.add(0.02)
    counters.client_seconds.add(70.0)
    counters.exchanged("ipv4|udp", "answer")
    return counters


class TestTable:
    def test_the_document_is_fresh(self):
        assert document.FILE.read_text("utf-8") == document.text()

    def test_names_are_used_once(self):
        names = [metric.name for metric in METRICS]
        assert len(set(names)) == len(names)
        assert all(metric.help.endswith(".") and not metric.name.endswith("_total") for metric in METRICS)

    @pytest.mark.parametrize("snapshot", [EMPTY, Snapshot(stats(busy()))])
    def test_every_metric_can_be_read(self, snapshot):
        for metric in METRICS:
            for labels, value in metric.read(snapshot):
                assert value >= 0
                assert len(labels) == (1 if metric.kind == "histogram" else len(metric.labels)), metric.name

    def test_what_was_counted_is_what_is_exported(self):
        others = {"trust_anchor_state": [((".", "20326", "valid"), 1.0)]}
        full = Snapshot(
            stats(busy()),
            {"workers": 2, "workers_ready": 1},
            {"version": "1", "python": "3", "core": "compiled"},
            [0, 2],
            {".": [20326]},
            {"workers": True},
            others,
        )
        got = exported(full)
        assert got["akashi_queries_total", ("transport", "udp")] == 10
        assert got["akashi_responses_total", ("rcode", "NOERROR"), ("transport", "udp")] == 4
        assert got["akashi_responses_total", ("rcode", "SERVFAIL"), ("transport", "tcp")] == 1
        assert got["akashi_responses_total", ("rcode", "SERVFAIL"), ("transport", "udp")] == 0, "there from the start"
        assert got["akashi_query_types_total", ("transport", "udp"), ("type", "other")] == 2
        assert got["akashi_query_types_total", ("transport", "tcp"), ("type", "AAAA")] == 1
        assert got["akashi_validations_total", ("reason", "signature-expired"), ("verdict", "bogus")] == 1
        assert got["akashi_ede_total", ("code", "7")] == got["akashi_ede_total", ("code", "22")] == 1
        assert got["akashi_cache_hits_total", ("layer", "packet")] == 4
        assert got["akashi_client_seconds_bucket", ("le", "0.001")] == 4, "packet cache hits"
        assert got["akashi_client_seconds_bucket", ("le", "0.025")] == 5
        assert got["akashi_client_seconds_bucket", ("le", "+Inf")] == got[("akashi_client_seconds_count",)] == 6
        assert got[("akashi_client_seconds_sum",)] == pytest.approx(70.02)
        assert got["akashi_upstream_exchanges_total", ("family", "ipv4"), ("result", "answer"), ("transport", "udp")] == 1
        assert got["akashi_worker_restarts_total", ("worker", "1")] == 2
        assert got["akashi_trust_anchor", ("tag", "20326"), ("zone", ".")] == 1
        assert got["akashi_trust_anchor_state", ("state", "valid"), ("tag", "20326"), ("zone", ".")] == 1
        assert got["akashi_check_failed", ("check", "workers")] == 1
        assert got["akashi_build_info", ("core", "compiled"), ("python", "3"), ("version", "1")] == 1
        assert all(name[0].startswith(PREFIX) for name in got)

    def test_all_limits_are_there_before_they_are_hit(self):
        got = exported(EMPTY)
        assert got["akashi_limit_hits_total", ("enforced", "yes"), ("limit", "packets-per-query")] == 0
        assert got["akashi_limit_hits_total", ("enforced", "no"), ("limit", "packets-per-query")] == 0
        assert ("akashi_limit_hits_total", ("enforced", "no"), ("limit", "seconds-per-resolution")) not in got

    def test_defences_and_limits_in_shadow(self):
        stats = {"counters": {"upstream_tcp_opened": 3}, "gauges": {"forgery_zones": 2}}
        stats |= {"defences": {"cookie-missing": 4}, "limits": {"cname-hops": 5}, "limits_shadow": {"cname-hops": 6}}
        got = exported(Snapshot(stats))
        assert got["akashi_upstream_defences_total", ("event", "cookie-missing")] == 4
        assert got["akashi_upstream_defences_total", ("event", "forgery-tcp")] == 0, "there from the start"
        assert got["akashi_limit_hits_total", ("enforced", "yes"), ("limit", "cname-hops")] == 5
        assert got["akashi_limit_hits_total", ("enforced", "no"), ("limit", "cname-hops")] == 6
        assert got[("akashi_upstream_tcp_connections_total",)] == 3
        assert got[("akashi_forgery_zones",)] == 2


class TestTally:
    def test_counts_go_up_in_a_list_that_stays_the_same(self):
        tally = Tally()
        counts = tally.counts
        said = Said(UDP, t.A, t.NOERROR, "secure", "valid")
        cell = tally.cell(said)
        for number in range(100):
            tally.add(Said(UDP, t.A, t.NOERROR, "secure", str(number)))
        counts[cell] += 5
        assert dict(tally.items())[said] == 5
        assert tally.cell(said) == cell

    def test_the_number_of_cells_is_bounded_and_nothing_is_lost(self):
        tally = Tally()
        for number in range(3 * MAX_CELLS):
            tally.add(Said(UDP, t.A, number % 6, "bogus", "x", (number,)))
        for rtype in range(65536):
            tally.cell(Said(TCP, rtype, 0))
        assert len(tally.counts) < MAX_CELLS + 100
        assert sum(tally.counts) == 3 * MAX_CELLS
        assert tally.by_rcode()[:6] == [3 * MAX_CELLS // 6] * 6

    def test_types_that_are_not_listed_are_one(self):
        tally = Tally()
        assert tally.cell(Said(UDP, 4711, 0)) == tally.cell(Said(UDP, 4712, 0)) == tally.cell(Said(UDP, OTHER, 0))
        assert tally.cell(Said(UDP, t.MX, 0)) != tally.cell(Said(UDP, OTHER, 0))

    def test_buckets(self):
        histogram = Histogram((0.1, 1.0))
        for seconds in (0.0, 0.1, 0.5, 1.0, 1.1):
            histogram.add(seconds)
        assert histogram.counts == [2, 2, 1]
        assert histogram.sum_s == pytest.approx(2.7)


class TestTotals:
    def test_what_the_dead_counted_stays(self):
        totals = Totals()
        one, two = stats(busy()), stats(busy())
        before = totals.with_living([one, two])
        assert before["counters"]["udp_queries"] == 20 and before["gauges"]["inflight"] == 6
        totals.bury(one)
        after = totals.with_living([two])
        assert {part: after[part] for part in after if part != "gauges"} == {
            part: before[part] for part in before if part != "gauges"
        }
        assert after["gauges"]["inflight"] == 3
        assert totals.with_living([])["counters"]["udp_queries"] == 10

    def test_one_that_never_told_counts_nothing(self):
        totals = Totals()
        totals.bury({})
        assert totals.with_living([{}])["counters"] == {}
