"""Killed while it writes trust anchors: `python anchors_writer.py DIRECTORY ROUNDS SEED` prints what it found, as JSON.

Each round forks a writer that saves state after state of two trust points as fast as it can, each with a serial number in
every one of its rows, and tells every acknowledged serial over a pipe; kills it with SIGKILL at a random moment; opens the
database as a restart would; and compares.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import structlog

from resolver.state.anchors_store import AnchorsStore
from resolver.state.database import Database, Opened
from trust.rfc5011 import Event, KeyState, PointState, State, Transition
from wire.text import name_from_text

NOW = 1_800_000_000.0
ZONES = (name_from_text("."), name_from_text("example.jp"))


def dnskey(number: int) -> bytes:
    return b"\x01\x01\x03\x0f" + number.to_bytes(32, "big")


def states(serial: int) -> list[PointState]:
    """Both trust points as of `serial`: from one to nine keys, the serial in every row."""
    keys = tuple(
        KeyState(State.VALID, float(serial), dnskey(number), first_seen=float(serial), last_seen=float(serial))
        for number in range(1 + serial % 9)
    )
    return [PointState(zone, keys, float(serial), float(serial), float(serial), serial) for zone in ZONES]


def moves(serial: int) -> list[Transition]:
    return [
        Transition(zone, 1, 15, State.ADD_PEND, State.VALID, Event.ADD_TIME, float(serial), str(serial)) for zone in ZONES
    ]


def write(directory: Path, pipe: int) -> None:
    """Until killed."""
    store = AnchorsStore(Database(directory, structlog.get_logger(), NOW))
    known = store.load()
    serial = known[ZONES[0]].original_ttl if known else 0
    os.write(pipe, b"0\n")
    while True:
        serial += 1
        store.save(states(serial), moves(serial))
        os.write(pipe, f"{serial}\n".encode())


def round_(directory: Path, dice: random.Random) -> tuple[int, int, str]:
    """The last serial acknowledged, how many were, and what is wrong after it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            write(directory, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        pipe.readline()  # it is at work
        time.sleep(dice.uniform(0, 0.03))
        os.kill(pid, signal.SIGKILL)
        lines = pipe.read().split(b"\n")
    os.waitpid(pid, 0)
    serials = [int(line) for line in lines[:-1]]
    acknowledged = max(serials, default=0)
    return acknowledged, len(serials), check(directory, acknowledged)


def check(directory: Path, acknowledged: int) -> str:
    """What is wrong after a restart; "" when nothing is."""
    database = Database(directory, structlog.get_logger(), NOW)
    try:
        if database.opened is Opened.REBUILT:
            return "rebuilt"
        store = AnchorsStore(database)
        found = store.load()
        if not found:
            return "" if not acknowledged else "empty"
        serial = found[ZONES[0]].original_ttl
        if serial < acknowledged:
            return f"{acknowledged} was acknowledged, {serial} is there"
        if list(found.values()) != states(serial):
            return f"half applied: {found}"
        if store.history(2) != list(reversed(moves(serial))):
            return f"the log ends otherwise: {store.history(2)}"
        return ""
    finally:
        database.close()


def main() -> None:
    directory, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    dice = random.Random(seed)
    wrong: list[str] = []
    total = last = 0
    for number in range(rounds):
        acknowledged, count, fault = round_(directory, dice)
        total += count
        if acknowledged and acknowledged < last:
            fault = fault or f"went back from {last} to {acknowledged}"
        last = max(last, acknowledged)
        if fault:
            wrong.append(f"round {number}: {fault}")
    print(json.dumps({"rounds": rounds, "acknowledged": total, "wrong": wrong}))


if __name__ == "__main__":
    main()
