"""Hypothesis settings: no deadline, since the machine may be busy; the same examples each time, so that a failure is one of
the change at hand. `AKASHI_EXAMPLES=20000` looks further: that many examples of every property, new ones each time.
"""

import os

from hypothesis import HealthCheck, settings

_MORE = os.environ.get("AKASHI_EXAMPLES")


def steady(examples: int = 100) -> settings:
    """Settings for a property that is worth so many examples."""
    return settings(
        deadline=None,
        derandomize=_MORE is None,
        max_examples=int(_MORE) if _MORE else examples,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
