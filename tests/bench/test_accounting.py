"""Processor time by thread."""

import os
import threading
import time

from bench import accounting


def test_each_thread_is_counted_for_itself() -> None:
    done, begun = threading.Event(), threading.Event()
    spent: list[int] = []

    def work() -> None:
        while time.thread_time() < 0.05:
            pass
        spent.append(threading.get_native_id())
        begun.set()
        done.wait()

    before = accounting.thread_times(os.getpid())
    thread = threading.Thread(target=work)
    thread.start()
    try:
        begun.wait()
        after = accounting.thread_times(os.getpid())
    finally:
        done.set()
        thread.join()
    assert after[spent[0]] >= 40_000_000  # the tick by which the scheduler counts a running thread
    assert accounting.busiest_s(before, after) >= 0.04


def test_the_busiest_is_the_one_that_took_the_most_since() -> None:
    assert accounting.busiest_s({1: 5_000_000_000, 2: 0}, {1: 5_500_000_000, 2: 700_000_000, 3: 600_000_000}) == 0.7
    assert accounting.busiest_s({}, {}) == 0.0


def test_nothing_is_counted_of_what_is_gone() -> None:
    assert accounting.thread_times(2**22 + 1) == {}
