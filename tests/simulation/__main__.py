"""`python -m tests.simulation --days N --seed S`: long runs, in several configurations if asked for."""

import argparse
import resource
import sys

from tests.simulation.day import Day


def main() -> int:
    """Run, and tell what came of it; status 1 when the oracle objected, or could not foretell too much."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--days", type=float, default=1.0, help="days of virtual time (default 1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zones", type=int, default=40)
    parser.add_argument("--rate", type=float, default=1.0, help="questions a second (default 1)")
    parser.add_argument("--every", type=float, default=600.0, help="seconds from one event to the next (default 600)")
    parser.add_argument("--cache", type=int, default=1 << 20, help="octets of cache (default 1 MiB)")
    parser.add_argument("--unforetold", type=float, default=0.025, help="largest share not foretold (default 0.025)")
    parser.add_argument("--stale", action="store_true", help="with serve-stale")
    parser.add_argument("--prefetch", action="store_true", help="with prefetch")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first objection")
    parser.add_argument("--story", action="store_true", help="tell what happened to the zones")
    chosen = parser.parse_args()
    day = Day(
        chosen.seed,
        zones=chosen.zones,
        rate=chosen.rate,
        every=chosen.every,
        go_on=chosen.go_on,
        cache_size=chosen.cache,
        serve_stale=chosen.stale,
        prefetch=chosen.prefetch,
    )
    report = day.run(chosen.days * 86400)
    if chosen.story:
        print("\n".join(f"{at:9.0f} {text}" for at, text in day.fortunes.told))
    print("\n".join(report.lines()))
    print(
        f"resident: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB at most, the zones' history included"
    )
    return 1 if report.wrong or report.ambiguous > chosen.unforetold else 0


if __name__ == "__main__":
    sys.exit(main())
