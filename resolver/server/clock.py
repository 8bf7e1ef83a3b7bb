"""The clock, read anew for each event: nothing here remembers a time.

The wall clock may jump (NTP, an operator, libfaketime); the monotonic one does not. The event loop's own time is not used
for RTTs: uvloop's has a resolution of a millisecond.
"""

from time import monotonic, time

from trust.vocabulary import Now

__all__ = ["monotonic", "now", "time"]


def now() -> Now:
    """Wall and monotonic time, seconds."""
    return Now(time(), monotonic())
