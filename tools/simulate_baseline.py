"""Simulates weeks of traffic for `resolver/watch/baseline.py` and prints the tables of docs/BASELINE.md.

    .venv/bin/python tools/simulate_baseline.py            print
    .venv/bin/python tools/simulate_baseline.py --write    put them into docs/BASELINE.md

The traffic is harder than the method's own model: the share of SERVFAIL has a shape over the day, drifts, wanders for half
an hour at a time (a log-normal first-order process), and comes in bursts, since each broken name is asked for repeatedly.
Seeds are fixed: the same tables every time.
"""

import argparse
import math
import random
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from resolver.watch.baseline import WINDOW_S, Baseline

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "BASELINE.md"
DAY = 1440
LEARNING = DAY


@dataclass(frozen=True)
class Traffic:
    """What is simulated. Rates are per second at the busiest hour."""

    rate: float
    share: float = 0.015
    night: float = 0.15
    """Rate of the quietest hour, as a part of the busiest one's."""
    night_share: float = 2.0
    """Share of SERVFAIL at night, as a multiple of the day's."""
    drift_per_day: float = 0.0
    wander: float = 0.15
    """Standard deviation of the logarithm of the share."""
    burst: float = 4.0
    """SERVFAILs of one broken name in a minute, on average."""
    weekend: float = 1.0


def poisson(mean: float, dice: random.Random) -> int:
    if mean > 50:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    limit, count, product = math.exp(-mean), 0, dice.random()
    while product > limit:
        count += 1
        product *= dice.random()
    return count


class Simulation:
    """Minute by minute."""

    def __init__(self, traffic: Traffic, seed: int) -> None:
        self.traffic = traffic
        self.dice = random.Random(seed)
        self.minute = 0
        self._wander = 0.0

    def next(self, extra: float = 0.0) -> tuple[int, int]:
        """Responses and SERVFAILs of a minute. `extra`: share of queries that fail because of an incident."""
        t, dice = self.traffic, self.dice
        phase = (1 + math.cos(2 * math.pi * (self.minute % DAY) / DAY)) / 2  # 0: night, at noon; 1: busy, at midnight
        busy = t.night + (1 - t.night) * phase
        n = poisson(max(t.rate * 60 * busy, 0.0), dice)
        memory = math.exp(-1 / 30)
        self._wander = memory * self._wander + math.sqrt(1 - memory**2) * dice.gauss(0, t.wander)
        weekend = t.weekend if self.minute // DAY % 7 >= 5 else 1.0
        drift = (1 + t.drift_per_day) ** (self.minute / DAY)
        share = t.share * (t.night_share + (1 - t.night_share) * phase) * drift * weekend * math.exp(self._wander)
        k = 0
        for _ in range(poisson(n * share / t.burst, dice)) if n * share < 2000 else ():
            k += 1 + int(-math.log(1 - dice.random()) * (t.burst - 1))
        if n * share >= 2000:
            k = max(0, round(dice.gauss(n * share, math.sqrt(2 * t.burst * n * share))))
        k += poisson(n * extra, dice)
        self.minute += 1
        return n, min(k, n)


def false_alarms(traffic: Traffic, days: int, seeds: int) -> tuple[int, float]:
    """Alarms without cause, and per 30 days; the first day is for learning."""
    alarms = 0
    for seed in range(seeds):
        simulation, baseline, before = Simulation(traffic, seed), Baseline(), False
        for minute in range(days * DAY):
            n, k = simulation.next()
            outlook = baseline.add(minute * WINDOW_S, n, k, learning=minute < LEARNING)
            alarms += outlook.anomaly and not before
            before = outlook.anomaly
    return alarms, alarms * 30 / (seeds * (days - 1))


def delays(traffic: Traffic, extra: float, at_minute: int, seeds: int, days: int = 8) -> list[int | None]:
    """Minutes from an incident's begin to the alarm; None when there was none within an hour."""
    out: list[int | None] = []
    for seed in range(100, 100 + seeds):
        simulation, baseline = Simulation(traffic, seed), Baseline()
        for minute in range(days * DAY + at_minute):
            baseline.add(minute * WINDOW_S, *simulation.next(), learning=minute < LEARNING)
        found = None
        for late in range(60):
            n, k = simulation.next(extra)
            if baseline.add(simulation.minute * WINDOW_S, n, k).anomaly:
                found = late + 1
                break
        out.append(found)
    return out


USUAL = Traffic(rate=200)
KINDS = {
    "small site, 2 queries/s at most": replace(USUAL, rate=2),
    "200 queries/s": USUAL,
    "2,000 queries/s": replace(USUAL, rate=2000),
    "quiet night: 200/s by day, 0.4/s by night": replace(USUAL, night=0.002),
    "nothing at all by night": replace(USUAL, night=-0.5),
    "drift: share +5 % each day": replace(USUAL, drift_per_day=0.05),
    "drift: share -5 % each day": replace(USUAL, drift_per_day=-0.05),
    "weekend share 1.4 times": replace(USUAL, weekend=1.4),
    "restless: wander 0.3, bursts of 20": replace(USUAL, wander=0.3, burst=20),
    "share 0.1 %": replace(USUAL, share=0.001),
    "share 10 %": replace(USUAL, share=0.10),
}
INCIDENTS = (0.01, 0.02, 0.05, 0.2, 0.5)
PLACES = {"busy hour": 0, "quietest hour": DAY // 2}
WATCHED = ("small site, 2 queries/s at most", "200 queries/s", "2,000 queries/s", "restless: wander 0.3, bursts of 20")


def tables(days: int, seeds: int) -> str:
    lines = [f"False alarms, {seeds} runs of {days} days each (the first day learns):", ""]
    lines += ["| traffic | alarms | per 30 days |", "| --- | ---: | ---: |"]
    for name, traffic in KINDS.items():
        count, rate = false_alarms(traffic, days, seeds)
        lines.append(f"| {name} | {count} | {rate:.2f} |")
    lines += [
        "",
        f"Detection: an incident makes a further share of all queries fail, after 8 days; {seeds} runs each. Minutes to",
    ]
    lines += ["the alarm (median), and how many of the incidents were found within an hour:", ""]
    heads = [f"{extra:.1%}" for extra in INCIDENTS]
    lines += [f"| traffic | when | {' | '.join(heads)} |", f"| --- | --- |{' ---: |' * len(heads)}"]
    for name in WATCHED:
        for place, minute in PLACES.items():
            cells = []
            for extra in INCIDENTS:
                found = delays(KINDS[name], extra, minute, seeds)
                hits = [delay for delay in found if delay is not None]
                cells.append(f"{median(hits):g} min, {len(hits)}/{len(found)}" if hits else f"-, 0/{len(found)}")
            lines.append(f"| {name} | {place} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/BASELINE.md")
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    text = tables(asked.days, asked.seeds)
    if not asked.write:
        print(text, end="")
        return
    document = DOCUMENT.read_text()
    begin, end = "<!-- simulation -->\n", "<!-- end of simulation -->"
    DOCUMENT.write_text(re.sub(f"(?s){begin}.*{end}", lambda _: begin + text + end, document))


if __name__ == "__main__":
    main()
