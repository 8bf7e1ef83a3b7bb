"""Killed while it writes NTAs: `python nta_writer.py DIRECTORY ROUNDS SEED` prints what it found, as JSON.

Each round forks a writer that changes NTAs at random as fast as it can and tells every acknowledged change over a pipe;
kills it with SIGKILL at a random moment; opens the database as a restart would; and compares. `rounds` with faults are
printed; none is right.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import structlog

from resolver.state.database import Database, Opened
from resolver.state.nta_store import NtaStore
from trust import nta
from trust.nta import Event, Record, Request, State
from trust.nta_rules import ROUNDS, Evidence, Rules, Seen
from wire.text import name_from_text, name_to_text

NOW = 1_800_000_000.0
RULES = Rules()
EVIDENCE = Evidence(Seen.BROKEN, "bogus", "", json.dumps({"evidence": "x" * 3000}))
NAMES = [name_from_text(f"zone{n}.example") for n in range(6)]


def change(store: NtaStore, dice: random.Random, wall: float) -> nta.Transition:
    """A random change that is possible now."""
    name = dice.choice(NAMES)
    record = next((r for r in store.trusted()[0] if r.name == name), None)
    if record is None:
        request = nta.check_request(Request(name, "a", "why"), None, Event.PROPOSE, RULES)
        return nta.begin(request, store.next_number(), EVIDENCE, Event.PROPOSE, wall)
    if record.state is State.PROPOSED:
        if dice.random() < 0.7:
            return nta.approve(record, "b", EVIDENCE, RULES, wall)
        return nta.reject(record, "b", "no", wall)
    who = "a" if record.granted_by == "b" else "b"
    return dice.choice(
        [
            lambda: nta.extend(record, who, dice.uniform(60, 600), "more", EVIDENCE, RULES, wall),
            lambda: nta.remove(record, "b", "mended", wall),
            lambda: nta.retire(record, ROUNDS, "secure", wall),
            lambda: nta.expire(record, wall),
        ]
    )()


def write(directory: Path, pipe: int, seed: int) -> None:
    """Until killed."""
    dice = random.Random(seed)
    store = NtaStore(Database(directory, structlog.get_logger(), NOW))
    wall = NOW
    os.write(pipe, b"ready\n")
    while True:
        wall += 1
        transition = change(store, dice, wall)
        head = store.apply(transition)
        os.write(pipe, f"{head} {told(transition.after)}\n".encode())


def told(record: Record) -> str:
    return f"{record.number} {name_to_text(record.name)} {record.state.value} {record.expires_wall}"


def round_(directory: Path, seed: int, dice: random.Random) -> tuple[int, str]:
    """Lines acknowledged in this round, and what is wrong after it."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            write(directory, writing, seed)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.readline() == "ready\n", "the writer did not start"
        lines = [pipe.readline() for _ in range(dice.randrange(4))]
        # Not a wait for anything: the moment of death is to be any, within a commit or two.
        time.sleep(dice.uniform(0, 0.01))
        os.kill(pid, signal.SIGKILL)
        lines += pipe.read().splitlines(keepends=True)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        return 0, f"the writer ended by itself: {status}"
    acknowledged = [line.strip() for line in lines if line.endswith("\n")]
    return len(acknowledged), examine(directory, acknowledged)


def examine(directory: Path, acknowledged: list[str]) -> str:
    """What is wrong after a restart; empty when all is as it should be."""
    database = Database(directory, structlog.get_logger(), NOW)
    try:
        if database.opened is not Opened.INTACT:
            return f"the file was found {database.opened}"
        store = NtaStore(database)
        faults = store.verify()
        if faults:
            return f"the trail does not verify: {faults}"
        lines = {f"{line['number']}:{line['hash']}" for line in store.history()}
        latest: dict[str, str] = {}
        for line in acknowledged:
            head, _, rest = line.partition(" ")
            if head not in lines:
                return f"acknowledged and lost: {line}"
            latest[rest.split(" ")[0]] = head
        if acknowledged:
            last = int(acknowledged[-1].partition(":")[0])
            if store.head().number - last > 1:
                return "more was written than could have been"
            if store.head().number == last:
                for line in acknowledged:
                    head, _, rest = line.partition(" ")
                    number = rest.split(" ")[0]
                    record = store.record(int(number))
                    if latest[number] == head and (record is None or told(record) != rest):
                        return f"half applied: {line}"
        return ""
    finally:
        database.close()


def main() -> None:
    directory, rounds, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    dice = random.Random(seed)
    setup = Database(directory, structlog.get_logger(), NOW)
    NtaStore(setup)
    setup.close()
    acknowledged, wrong = 0, []
    for number in range(rounds):
        count, what = round_(directory, seed + number, dice)
        acknowledged += count
        if what:
            wrong.append(f"round {number}: {what}")
            break
    print(json.dumps({"rounds": rounds, "acknowledged": acknowledged, "wrong": wrong}))


if __name__ == "__main__":
    main()
