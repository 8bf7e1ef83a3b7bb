"""Keeps a verified copy of the root zone and sees to it that every worker has it.

Theory: by the SOA's times the zone is transferred, or the file looked at; what comes is verified as a whole, from the
trust anchor down (`trust.zonemd`), in a thread of its own. A zone that verifies is written into the state directory, and
every few seconds each worker is told of it; it loads what it has not got. One that does not verify, or cannot be had,
changes nothing: the copy is used until it has not been confirmed for as long as its SOA says (expire).

Limitations: whole transfers only, of 1.3 MB or so each, and only when a server has a newer serial; a file counts as
confirmed when it was last written. Without a state directory there is no copy.

RFC 8806, RFC 8976, RFC 5936, RFC 1034 §4.3.5.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from structlog.typing import FilteringBoundLogger

from resolver.cache.local_root import LocalRoot, is_root_zone
from resolver.config.policy_values import Tsig
from resolver.config.values import Endpoint
from resolver.daemon.policy.transfer import TransferFailedError, transfer
from resolver.policy.table import Soa
from resolver.policy.transfer import Kind, Transfer
from resolver.state.rrset_file import FileRefusedError, pack_rrset, read_file, rrsets_in, write_file
from trust.anchors import TrustPoint
from trust.policy import Policy
from trust.zonemd import ZoneRefusedError, check_zone
from wire import types as t
from wire.name import ROOT, Name
from wire.rrset import RRset
from wire.text import gather, rrsets_from_text

KIND: Final = "root-zone"
FILE: Final = "root-zone.rrsets"
REQUEST: Final = "local-root"
"""The request to workers."""
TICK_S: Final = 5.0
BRISK_S: Final = 0.25
_BRISK_TURNS: Final = 20
"""How often workers are told sooner than by the tick, from a change on, until all of them have it."""
FIRST_RETRY_S: Final = 60.0
SHORTEST_S: Final = 60.0
"""Seconds between two looks for news at least."""
Fetch = Callable[[Name, Endpoint, Tsig | None, bytes | None], Awaitable[Transfer]]
MAX_OCTETS: Final = 64 << 20
"""Octets of a root zone that are taken; the real one has less than 2 MB."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the zone comes from: a file, or else servers."""

    file: Path | None
    servers: tuple[Endpoint, ...]


class LocalRootKeeper:
    """The supervisor's side. `tell`: gives every worker a request; `point`: the root's trust point of now.

    Attributes:
        serial, soa: of the copy in force; None without one. checked_wall: when it was last known to be current.
        problem: why it is not as it should be; "" when it is. results: how looks for news ended.
        workers, answers: how many use that copy, and how often it answered there, when they were last told of it.
    """

    def __init__(
        self,
        origin: Origin,
        directory: Path,
        tell: Callable[..., Awaitable[Sequence[tuple[Any, dict[str, Any]]]]],
        point: Callable[[], TrustPoint | None],
        policy: Callable[[], Policy],
        log: FilteringBoundLogger,
        *,
        wall: Callable[[], float],
        mono: Callable[[], float],
        fetch: Fetch = transfer,
    ) -> None:
        self._fetch = fetch
        self._origin, self._tell, self._point, self._policy, self._log = origin, tell, point, policy, log
        self._path = directory / FILE
        self._wall, self._mono = wall, mono
        self._due = 0.0
        self._stamp: tuple[int, int] | None = None
        self.soa: Soa | None = None
        self.checked_wall = 0.0
        self.problem = "not yet there"
        self.results = dict.fromkeys(("unchanged", "full", "failed"), 0)
        self.workers = self.answers = 0

    @property
    def serial(self) -> int | None:
        return self.soa.serial if self.soa is not None else None

    @property
    def expires_wall(self) -> float:
        """Until when the copy may be used."""
        return self.checked_wall + self.soa.expire if self.soa is not None else 0.0

    async def run(self) -> None:
        """For ever: look for news when it is time, and keep the workers up to date."""
        await self.recall()
        told, brisk = self.serial, _BRISK_TURNS
        while True:
            if self._mono() >= self._due:
                await self.refresh()
            if self.soa is not None and self._wall() >= self.expires_wall:
                self._log.error("local-root-expired", serial=self.serial)
                self.soa, self.problem = None, "expired: nobody confirmed it"
            settled = await self.tell_workers()
            told, brisk = self.serial, (brisk - 1 if told == self.serial else _BRISK_TURNS)
            await asyncio.sleep(TICK_S if settled or brisk < 0 else BRISK_S)

    async def tell_workers(self) -> bool:
        """Let every worker know which copy is in force; one that has it already does nothing. Returns whether all have."""
        serial = self.serial
        said = await self._tell(REQUEST, **self.request())
        using = [answer for _, answer in said if serial is not None and answer.get("serial") == serial]
        self.workers, self.answers = len(using), sum(answer["answers"] for answer in using)
        return bool(said) and all(answer.get("serial") == serial for _, answer in said)

    def request(self) -> dict[str, Any]:
        """What a worker is told of the copy in force; a new one hears it before it serves."""
        path = str(self._path) if self.soa is not None else None
        return {"path": path, "serial": self.serial, "expires": self.expires_wall}

    async def recall(self) -> None:
        """Begin with the copy of last time, verified again."""
        try:
            about, body = read_file(self._path, KIND, MAX_OCTETS)
            rrsets = await asyncio.to_thread(lambda: list(rrsets_in(body)))
            await self._take(rrsets, float(about["checked"]), write=False)
        except FileNotFoundError:
            return
        except (OSError, FileRefusedError, ZoneRefusedError, KeyError, ValueError, IndexError) as error:
            self._log.warning("local-root-copy-refused", problem=str(error))

    async def refresh(self) -> None:
        """One look for news; sets when the next is due."""
        try:
            changed = await (self._read() if self._origin.file is not None else self._transfer())
        except (OSError, ValueError, TransferFailedError) as error:
            self.results["failed"] += 1
            self.problem = str(error)
            kept = f"serial {self.serial} stays" if self.soa is not None else "root servers are asked"
            self._log.error("local-root-failed", problem=self.problem, kept=kept)
            wait: float = self.soa.retry if self.soa is not None else FIRST_RETRY_S
        else:
            self.results["full" if changed else "unchanged"] += 1
            self.problem = ""
            wait = self.soa.refresh if self.soa is not None else FIRST_RETRY_S
        self._due = self._mono() + max(wait, SHORTEST_S)

    async def _read(self) -> bool:
        assert self._origin.file is not None
        found = self._origin.file.stat()
        stamp = (found.st_mtime_ns, found.st_size)
        if found.st_size > MAX_OCTETS:
            raise ValueError(f"{self._origin.file}: larger than {MAX_OCTETS} octets")
        if stamp == self._stamp and self.soa is not None:
            return False  # not confirmed anew: nobody knows whether whoever keeps the file still does
        rrsets = await asyncio.to_thread(lambda path: rrsets_from_text(path.read_text("ascii")), self._origin.file)
        await self._take(rrsets, found.st_mtime, write=True)
        self._stamp = stamp
        return True

    async def _transfer(self) -> bool:
        problems: list[str] = []
        for server in self._origin.servers:
            try:
                machine = await self._fetch(ROOT, server, None, self.soa.rdata if self.soa is not None else None)
                if machine.kind is Kind.CURRENT:
                    self.checked_wall = self._wall()
                    return False
                if machine.kind is Kind.DELTA:
                    machine = await self._fetch(ROOT, server, None, None)
                changes = machine.changes
                rrsets = await asyncio.to_thread(
                    lambda taken: gather(
                        (c.record.owner, c.record.rtype, t.IN, c.record.ttl, c.record.rdata) for c in taken
                    ),
                    changes,
                )
                await self._take(rrsets, self._wall(), write=True)
            except TransferFailedError as error:
                problems.append(str(error))  # says of whom
                continue
            except ValueError as error:
                problems.append(f"{server}: {error}")
                continue
            return True
        raise TransferFailedError("; ".join(problems) or "no server is configured")

    async def _take(self, rrsets: list[RRset], checked_wall: float, *, write: bool) -> None:
        """Verify a zone and put it in force.

        Raises:
            ZoneRefusedError: it is not the root's, or not what the root signed. OSError: it cannot be written.
        """
        point = self._point()
        if point is None:
            raise ZoneRefusedError("the root is no trust point")
        policy, now = self._policy(), self._wall()
        serial = await asyncio.to_thread(check_zone, point, rrsets, now, policy)
        if not is_root_zone(rrsets):
            raise ZoneRefusedError("records below the delegations that are no addresses")
        soa = next(rrset for rrset in rrsets if rrset.name == ROOT and rrset.rtype == t.SOA)
        taken = Soa.of(soa.rdatas[0], soa.ttl)
        if checked_wall + taken.expire <= now:
            raise ZoneRefusedError(f"serial {serial} was last known to be current too long ago")
        if write:
            about = {"serial": serial, "checked": checked_wall}
            await asyncio.to_thread(write_file, self._path, KIND, about, map(pack_rrset, rrsets))
        self.soa, self.checked_wall, self.problem = taken, checked_wall, ""
        self._log.info("local-root-loaded", serial=serial, sets=len(rrsets), expires=taken.expire)


class LocalRootDesk:
    """A worker's side: loads the copy that it is told of, in a thread. `publish`: puts it in force, or none."""

    def __init__(self, publish: Callable[[LocalRoot | None], None], log: FilteringBoundLogger) -> None:
        self._publish, self._log = publish, log
        self._wanted: int | None = None
        self._copy: LocalRoot | None = None

    def handle(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The request `local-root`."""
        serial, path, expires = arguments["serial"], arguments["path"], float(arguments["expires"])
        if path is None:
            self._wanted, self._copy = None, None
            self._publish(None)
        elif serial != self._wanted:
            self._wanted = serial
            asyncio.get_running_loop().run_in_executor(None, _load, Path(path), expires).add_done_callback(self._loaded)
        elif self._copy is not None:
            self._copy.expires_wall = expires
        copy = self._copy
        return {"serial": copy.serial if copy is not None else None, "answers": copy.answers if copy is not None else 0}

    def _loaded(self, done: "asyncio.Future[LocalRoot]") -> None:
        error = done.exception()
        if error is not None:
            self._wanted = None  # told again, it tries again
            self._log.warning("local-root-not-loaded", problem=str(error))
        elif done.result().serial == self._wanted:
            self._copy = done.result()
            self._publish(self._copy)


def _load(path: Path, expires_wall: float) -> LocalRoot:
    _, body = read_file(path, KIND, MAX_OCTETS)
    return LocalRoot(rrsets_in(body), expires_wall)
