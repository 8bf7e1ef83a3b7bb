"""Real-time priority for what is timed, so that latencies are those of the programs.

Theory: at 10,000 questions a second two pauses of five milliseconds in a second are the slowest hundredth of all answers.
The machine makes such pauses by itself: threads of the kernel, other programs, whatever runs on the processor then goes on
until its slice is over. A thread under SCHED_FIFO (sched(7)) waits for no ordinary one. All resolvers get the same
priority, and so does the load generator. What a hypervisor takes away stays in the figures.

Limitations: Linux; needs CAP_SYS_NICE outside of any user namespace, so in effect root.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bench import accounting

_PRIORITY = 1


@contextmanager
def before_others(root: int) -> Iterator[bool]:
    """The tree of processes at `root`, and what this thread starts meanwhile, run before what is not real-time.

    Yields: whether that is permitted; if not, all stays as it was.
    """
    try:
        _schedule(0, os.SCHED_FIFO, _PRIORITY)
    except PermissionError:
        yield False
        return
    threads = list(accounting.thread_times(root))
    try:
        for thread in threads:
            _schedule(thread, os.SCHED_FIFO, _PRIORITY)
        yield True
    finally:
        for thread in (0, *threads):
            _schedule(thread, os.SCHED_OTHER, 0)


def _schedule(thread: int, policy: int, priority: int) -> None:
    with suppress(ProcessLookupError):  # it has ended meanwhile
        os.sched_setscheduler(thread, policy, os.sched_param(priority))
