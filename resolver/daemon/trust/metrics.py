"""What the metrics say of trust anchors: every state of every key, hold-downs, how refreshes go. Names: `metrics.table`."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from resolver.daemon.trust.anchor_book import AnchorBook
from trust.rfc5011 import State
from wire.text import name_to_text

Sample: TypeAlias = tuple[tuple[str, ...], float]


def trust_samples(book: AnchorBook) -> Mapping[str, Sequence[Sample]]:
    """Samples by metric name. Key tags may collide: then a state counts how many keys of that tag are in it."""
    states: dict[tuple[str, ...], float] = {}
    holds: list[Sample] = []
    successes: list[Sample] = []
    now = book.now()
    for name, point in book.points.items():
        zone = name_to_text(name)
        for key in point.keys:
            labels = (zone, str(key.tag), key.state.value)
            states[labels] = states.get(labels, 0) + 1
            left = key.hold_left_s(now, book.timers)
            if key.state is State.ADD_PEND and left is not None:
                holds.append(((zone, str(key.tag)), left))
        if point.last_success is not None:
            successes.append(((zone,), point.last_success))
    counts = book.counts
    return {
        "trust_anchor_state": list(states.items()),
        "trust_anchor_hold_down_seconds": holds,
        "trust_anchor_last_success_timestamp_seconds": successes,
        "trust_anchor_refreshes": [
            (("ok",), counts.refreshed),
            (("failed",), counts.failed - counts.mismatched),
            (("mismatch",), counts.mismatched),
        ],
        "trust_anchor_transitions": [((state.value,), counts.transitions[state]) for state in State],
    }
