"""The last good copy of each policy zone, in the state directory: what is in force when the daemon starts before its
primaries answer, or after somebody spoiled a file.

A copy is JSON, one line a slice of rules, after a head that says what it is; it is written beside and renamed, so that
there is always a whole one. When it was last known to be current is the time stamp of the file. A copy that makes no sense
is as good as none.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from resolver.policy.table import Soa, ZoneTable

_FORMAT: Final = 1


class PolicyStore:
    """Copies in a directory; without one (None) there are none."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = None if directory is None else directory / "policy"

    def write(self, label: str, source: str, checked_wall: float, table: ZoneTable, stamp: str = "") -> Iterator[None]:
        """Write a copy, a slice at each step. `source`: where it came from; `checked_wall`: when that was known to be so;
        `stamp`: by which a file is known to be the same.

        Raises:
            OSError: it cannot be written.
        """
        if self._directory is None or table.soa is None:
            return
        self._directory.mkdir(mode=0o750, exist_ok=True)
        path = self._path(label)
        beside = path.with_suffix(".new")
        head = {"format": _FORMAT, "zone": label, "source": source, "ignored": table.ignored, "stamp": stamp}
        head |= {"soa": table.soa.rdata.hex(), "ttl": table.soa.ttl, "rules": len(table)}
        with beside.open("w", encoding="ascii") as out:
            out.write(json.dumps(head) + "\n")
            for slice_ in table.slices():
                out.write(json.dumps(slice_, separators=(",", ":")) + "\n")
                yield
            out.flush()
            os.fsync(out.fileno())
        beside.replace(path)
        self.touch(label, checked_wall)

    def read(self, label: str, source: str) -> tuple[ZoneTable, float, str] | None:
        """The copy of a zone from that source, when it was last known to be current, and its stamp; None when there is
        none.
        """
        if self._directory is None:
            return None
        with (
            contextlib.suppress(OSError, ValueError, KeyError, TypeError, IndexError, AttributeError),
            self._path(label).open(encoding="ascii") as lines,
        ):
            head: dict[str, Any] = json.loads(next(lines, ""))
            if head["format"] != _FORMAT or head["zone"] != label or head["source"] != source:
                return None
            table = ZoneTable()
            for line in lines:
                table.take(json.loads(line))
            table.soa = Soa.of(bytes.fromhex(head["soa"]), head["ttl"])
            table.ignored = head["ignored"]
            if len(table) == head["rules"]:
                return table, os.fstat(lines.fileno()).st_mtime, str(head["stamp"])
        return None

    def touch(self, label: str, checked_wall: float) -> None:
        """Note that the copy is still current."""
        if self._directory is not None:
            with contextlib.suppress(OSError):
                os.utime(self._path(label), (checked_wall, checked_wall))

    def _path(self, label: str) -> Path:
        assert self._directory is not None
        return self._directory / f"{label.encode().hex()[:200]}.rules"
