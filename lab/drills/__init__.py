"""Drills: stories about DNSSEC, played step by step on a mini-Internet and a resolver of their own.

    play    the language they are written in: Drill, Step, Check    stage   the lab and the resolver of one drill
    checks  what can be looked at                                   watch   asks all the time, to miss nothing
    dig     one question and its answer                             <name>  one file for each drill

`akashi lab drill NAME` plays one (resolver/cli/lab_drill.py). docs/DRILLS.md tells their stories.
"""

from lab.drills import (
    clock_skew,
    emergency_breaking,
    emergency_keeping,
    expired_signatures,
    ksk_rollover,
    nta,
    root_rollover,
    unsigned_transfer,
    zsk_rollover,
)
from lab.drills.play import Drill

_ALL = (
    expired_signatures.DRILL,
    clock_skew.DRILL,
    nta.DRILL,
    root_rollover.DRILL,
    ksk_rollover.DRILL,
    zsk_rollover.DRILL,
    emergency_keeping.DRILL,
    emergency_breaking.DRILL,
    unsigned_transfer.DRILL,
)
DRILLS: dict[str, Drill] = {drill.name: drill for drill in _ALL}
