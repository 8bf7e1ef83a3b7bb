"""Reading what dnsperf prints."""

import pytest

from bench.dnsperf import parse
from bench.process import RunError

STATISTICS = """\
[Status] Testing complete (end of file)

Statistics:

  Queries sent:         23
  Queries completed:    22 (95.65%)
  Queries lost:         1 (4.35%)

  Response codes:       NOERROR 20 (90.91%), SERVFAIL 1 (4.55%), NXDOMAIN 1 (4.55%)
  Average packet size:  request 34, response 51
  Run time (s):         0.085219
  Queries per second:   258.158392
"""
EACH = """\
> NOERROR h001.z00006.bench. A 0.000400
> T h001.z00007.bench. A
> SERVFAIL h000.b00000.bench. A 0.000200
"""


def test_statistics() -> None:
    result = parse(STATISTICS)
    assert (result.sent, result.completed, result.lost, result.seconds) == (23, 22, 1, 0.085219)
    assert result.rcodes == {"NOERROR": 20, "SERVFAIL": 1, "NXDOMAIN": 1}
    assert result.latency_us == {}


def test_latencies_of_answered_questions() -> None:
    assert parse(EACH + STATISTICS).latency_us["p50"] == pytest.approx(400.0)


def test_no_answer_at_all() -> None:
    text = STATISTICS.replace("completed:    22", "completed:    0")
    text = "\n".join(line for line in text.splitlines() if "Response codes" not in line)
    assert parse(text).rcodes == {}


def test_output_without_statistics_is_an_error() -> None:
    with pytest.raises(RunError, match="sent"):
        parse("Error: unable to open file\n")
