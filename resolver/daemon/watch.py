"""What the daemon watches itself by, as one value: `watch_service` makes it, `watch_api` and `conform_service` use it."""

from dataclasses import dataclass

from resolver.daemon.baseline_keeper import BaselineKeeper
from resolver.daemon.clock_keeper import ClockKeeper
from resolver.daemon.impact_keeper import ImpactKeeper
from resolver.daemon.probe_keeper import ProbeKeeper


@dataclass(frozen=True, slots=True)
class Watch:
    """What watches."""

    clock: ClockKeeper
    probes: ProbeKeeper
    baseline: BaselineKeeper
    impact: ImpactKeeper
