"""NSD (NLnet Labs): one server process per instance, everything in the lab's directory, as the current user."""

from dns.name import Name

from lab.daemons.flavour import Instance, ReloadBy, origin_text, unfit_for_all
from lab.faults import Fault
from lab.records import Zone

_UNFIT = {
    "no-dnskey": "lacks the signed DNSKEY RRset by which NSD tells a signed zone",
    "no-rrsig-dnskey": "lacks the signed DNSKEY RRset by which NSD tells a signed zone",
    "bad-nsec3-hash": "has no NSEC3 at the apex, without which NSD uses none",
}


class Nsd:
    """Serves what the master file says, faults included, as long as it takes the zone for a signed one."""

    title = "NSD"
    program = "nsd"
    package = "nsd"
    listens_anywhere = True
    reload_by = ReloadBy.HANGUP

    def configure(self, instance: Instance, zones: dict[Name, Zone]) -> None:
        here = instance.directory
        lines = [
            "server:",
            *(f"    ip-address: {address}@{instance.port}" for address in instance.addresses),
            f"    port: {instance.port}",
            '    username: ""',
            '    chroot: ""',
            '    database: ""',
            f'    zonesdir: "{here}"',
            f'    pidfile: "{here}/nsd.pid"',
            f'    xfrdfile: "{here}/xfrd.state"',
            f'    xfrdir: "{here}"',
            f'    zonelistfile: "{here}/zone.list"',
            f'    nsid: "ascii_{instance.hosts[0].rstrip(".")}"',
            "    server-count: 1",
            "    do-ip6: no",
            # Response rate limiting would take a test for an attack.
            "    rrl-ratelimit: 0",
            "remote-control:",
            "    control-enable: no",
        ]
        for origin, path in instance.zone_files.items():
            lines += ["zone:", f"    name: {origin_text(origin)}", f'    zonefile: "{path}"']
        (here / "nsd.conf").write_text("\n".join(lines) + "\n")

    def command(self, program: str, instance: Instance) -> list[str]:
        return [program, "-d", "-c", str(instance.directory / "nsd.conf")]

    def unfit(self, fault: Fault) -> str | None:
        return unfit_for_all(fault) or _UNFIT.get(fault.name)
