"""BIND 9 (ISC): authoritative only, primary zones from signed master files."""

from dns.name import Name

from lab.daemons.flavour import Instance, ReloadBy, origin_text, unfit_for_all
from lab.faults import Fault
from lab.records import Zone

_UNSIGNED = "looks unsigned to BIND, which then leaves out all DNSSEC records"
_UNFIT = {
    "no-dnskey": _UNSIGNED,
    "no-dnskey-256-257": _UNSIGNED,
    "nsec3param-missing": _UNSIGNED,
    "no-nsec3param-nsec3": _UNSIGNED,
    "nsec3-rrsig-missing": "gets other NSEC3 records than those that prove anything",
}


class Bind:
    """Looks at a zone's keys when it loads it: one without a usable DNSKEY is served as if unsigned."""

    title = "BIND"
    program = "named"
    package = "bind9"
    listens_anywhere = False
    reload_by = ReloadBy.HANGUP

    def configure(self, instance: Instance, zones: dict[Name, Zone]) -> None:
        here = instance.directory
        addresses = " ".join(f"{address};" for address in instance.addresses)
        lines = [
            "options {",
            f'    directory "{here}";',
            f'    pid-file "{here}/named.pid";',
            f'    session-keyfile "{here}/session.key";',
            f'    managed-keys-directory "{here}";',
            f'    server-id "{instance.hosts[0].rstrip(".")}";',
            f"    listen-on port {instance.port} {{ {addresses} }};",
            "    listen-on-v6 { none; };",
            "    recursion no;",
            "    dnssec-validation no;",
            "    notify no;",
            "    allow-transfer { none; };",
            "    empty-zones-enable no;",
            "    check-integrity no;",
            "    check-names primary ignore;",
            "    max-udp-size 1232;",
            "    edns-udp-size 1232;",
            "};",
            "controls { };",
            "logging { channel lab { stderr; severity warning; }; category default { lab; }; };",
        ]
        for origin, path in instance.zone_files.items():
            lines.append(f'zone "{origin_text(origin)}" {{ type primary; file "{path}"; }};')
        (here / "named.conf").write_text("\n".join(lines) + "\n")

    def command(self, program: str, instance: Instance) -> list[str]:
        return [program, "-f", "-n", "1", "-c", str(instance.directory / "named.conf")]

    def unfit(self, fault: Fault) -> str | None:
        return unfit_for_all(fault) or _UNFIT.get(fault.name)
