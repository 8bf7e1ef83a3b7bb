"""What the daemon watches itself by, as one value: `watch.service` makes it, `watch.api` and `conform.service` use it."""

from dataclasses import dataclass

from resolver.daemon.watch.baseline_keeper import BaselineKeeper
from resolver.daemon.watch.clock_keeper import ClockKeeper
from resolver.daemon.watch.impact_keeper import ImpactKeeper
from resolver.daemon.watch.probe_keeper import ProbeKeeper


@dataclass(frozen=True, slots=True)
class Watch:
    """What watches."""

    clock: ClockKeeper
    probes: ProbeKeeper
    baseline: BaselineKeeper
    impact: ImpactKeeper
