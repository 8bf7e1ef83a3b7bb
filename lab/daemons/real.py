"""Real servers under the lab: which process serves what, starting, reloading, stopping.

Theory of operation. A server answers for all its zones on all its addresses. Zones that share name-server hosts are
therefore one *instance* (process), and zones that must not see each other are in different ones: a root server that also
had example.jp would answer for it instead of referring. The fault zones are siblings and cannot disturb each other, so one
instance has all of them, except for those that the server would refuse or repair; these are left to the embedded server.

Limitations: a zone served by a real server cannot be given a fault at run time that the server cannot serve.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import dns.name
from dns.name import Name
from dns.rdatatype import RdataType
from dns.rdtypes.ANY.SOA import SOA

from lab import child
from lab.child import Child
from lab.client import wait_for_answer
from lab.daemons.flavour import Flavour, Instance, ReloadBy, find_program
from lab.daemons.relay import Relay
from lab.directory import LabDirectory
from lab.faults import FAULTS_ZONE, Fault
from lab.internet import Internet, LabError
from lab.server import free_port

START_TIMEOUT_S = 30.0
LOG_TAIL_LINES = 10
FAULT_INSTANCE = "faults"
LOOPBACK = "127.0.0.1"


class RealServers:
    """All the processes of one kind of server."""

    def __init__(self, flavour: Flavour, internet: Internet, directory: LabDirectory, port: int) -> None:
        self._flavour = flavour
        self._internet = internet
        self._program = find_program(flavour.program, flavour.package)
        self._unfit = {
            origin: reason for origin, fault in internet.faults.items() if (reason := flavour.unfit(fault)) is not None
        }
        self._port = port
        self._relays: dict[str, Relay] = {}
        self._children: dict[str, Child] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._trouble: asyncio.Future[str]
        root = directory.root / flavour.program
        self.instances = [
            self._instance(name, zones, root / name, directory, port) for name, zones in self._groups().items()
        ]

    # -- who serves what -------------------------------------------------------------------------------------------------

    def _groups(self) -> dict[str, list[Name]]:
        """Instance name -> zones, one instance for each set of name-server hosts, and one for the fault zones."""
        groups: dict[str, list[Name]] = {}
        for origin, spec in self._internet.specs.items():
            if origin in self._unfit:
                continue
            own_fault = self._internet.parent_of(origin) == dns.name.from_text(FAULTS_ZONE)
            groups.setdefault(FAULT_INSTANCE if own_fault else spec.hosts[0].rstrip("."), []).append(origin)
        return groups

    def _instance(self, name: str, zones: list[Name], here: Path, directory: LabDirectory, port: int) -> Instance:
        hosts = list(dict.fromkeys(host for zone in zones for host in self._internet.specs[zone].hosts))
        addresses = [self._internet.addresses[dns.name.from_text(host)] for host in hosts]
        files = {zone: directory.zone_file(zone) for zone in zones}
        if self._flavour.listens_anywhere:
            return Instance(name, here, port, addresses, hosts, files)
        own_port = free_port(LOOPBACK)
        self._relays[name] = Relay(addresses, port, (LOOPBACK, own_port))
        return Instance(name, here, own_port, [LOOPBACK], hosts, files)

    def addresses(self) -> set[str]:
        """The addresses they serve."""
        return {
            self._internet.addresses[dns.name.from_text(host)] for instance in self.instances for host in instance.hosts
        }

    async def trouble(self) -> str | None:
        """Waits until one of their processes ends by itself; says which and how."""
        return await self._trouble

    def note(self) -> str:
        """What an operator should know: which zones they do not serve, and why."""
        by_reason: dict[str, list[str]] = {}
        for origin, reason in self._unfit.items():
            by_reason.setdefault(reason, []).append(self._internet.faults[origin].name)
        count = len(self._children) or len(self.instances)
        lines = [f"{count} processes of {self._flavour.title}; the embedded server beside them serves the fault zones that"]
        for reason, names in by_reason.items():
            lines.append(f"  - {reason}: {', '.join(names)}")
        return "\n".join(lines)

    def check(self, origin: Name, fault: Fault) -> None:
        """Raises LabError when this zone cannot have this fault here."""
        reason = self._flavour.unfit(fault)
        if reason and origin not in self._unfit:
            raise LabError(f"{self._flavour.title} serves {origin}; {fault.name} {reason}. Use --backend embedded")

    # -- life ------------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start all processes; returns when every zone is answered on every address."""
        self._trouble = asyncio.get_running_loop().create_future()
        for instance in self.instances:
            await self._start_one(instance)
        for relay in self._relays.values():
            await relay.open()
        await asyncio.gather(*(self._wait_for(instance) for instance in self.instances))

    async def stop(self) -> None:
        """End all processes."""
        await asyncio.gather(*(relay.close() for relay in self._relays.values()))
        await asyncio.gather(*(each.stop() for each in self._children.values()))
        self._children.clear()

    async def reload(self, internet: Internet, changed: Sequence[Name]) -> None:
        """Have the processes that serve the changed zones read them again; returns when they answer from them."""
        self._internet = internet
        affected = [instance for instance in self.instances if set(changed) & set(instance.zone_files)]
        await asyncio.gather(*(self._reload_one(instance) for instance in affected))

    async def _reload_one(self, instance: Instance) -> None:
        if self._flavour.reload_by is ReloadBy.HANGUP:
            self._children[instance.name].hang_up()
        else:
            await self._children.pop(instance.name).stop()
            await self._start_one(instance)
        await self._wait_for(instance)

    async def _start_one(self, instance: Instance) -> None:
        instance.directory.mkdir(parents=True, exist_ok=True)
        (instance.directory / "log").unlink(missing_ok=True)
        await asyncio.to_thread(self._flavour.configure, instance, self._internet.zones)
        started = await child.start(
            f"{self._flavour.title} for {instance.name}",
            self._flavour.command(self._program, instance),
            output=instance.directory / "log",
            directory=instance.directory,
        )
        self._children[instance.name] = started
        watch = asyncio.create_task(self._watch(started))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _watch(self, process: Child) -> None:
        trouble = await process.trouble()
        if trouble and not self._trouble.done():
            self._trouble.set_result(trouble)

    async def _wait_for(self, instance: Instance) -> None:
        """Until each zone is answered on each address with the serial that its master file has."""
        process = self._children[instance.name]
        answered = asyncio.create_task(self._answered(instance))
        ended = asyncio.create_task(process.wait())
        await asyncio.wait((answered, ended), return_when=asyncio.FIRST_COMPLETED, timeout=START_TIMEOUT_S)
        trouble = None
        if answered.done():
            trouble = answered.result()
        elif ended.done():
            trouble = f"ended with {child.explain_status(ended.result())}"
        else:
            trouble = "does not answer"
        for task in (answered, ended):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if trouble:
            tail = (instance.directory / "log").read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
            raise LabError(f"{process.name} {trouble}:\n" + "\n".join(tail))

    async def _answered(self, instance: Instance) -> str | None:
        deadline = time.monotonic() + START_TIMEOUT_S
        for origin in instance.zone_files:
            serial = cast(SOA, self._internet.zones[origin].soa[0]).serial
            hosts = self._internet.specs[origin].hosts
            for address in (self._internet.addresses[dns.name.from_text(host)] for host in hosts):
                while True:
                    name = origin.to_text()
                    answer = await wait_for_answer(address, self._port, name, "SOA", deadline - time.monotonic())
                    if answer is None:
                        return f"does not answer for {origin} on {address}"
                    soa = answer.get_rrset(answer.answer, origin, self._internet.zones[origin].soa.rdclass, RdataType.SOA)
                    if soa and cast(SOA, soa[0]).serial == serial:
                        break
                    if time.monotonic() > deadline:
                        return f"does not serve {origin} with serial {serial} on {address}"
                    await asyncio.sleep(0.05)
        return None
