"""Where to find the root servers before anything else is known (RFC 9609 §2).

The packaged list is that of the IANA root hints file; priming replaces it at start by what the root itself says.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal

from resolver.daemon.errors import StartError
from trust.vocabulary import Address
from wire import types as t
from wire.name import ROOT, Name
from wire.text import name_from_text, rrsets_from_text

_BUILTIN: Final = {
    "a": ("198.41.0.4", "2001:503:ba3e::2:30"),
    "b": ("170.247.170.2", "2801:1b8:10::b"),
    "c": ("192.33.4.12", "2001:500:2::c"),
    "d": ("199.7.91.13", "2001:500:2d::d"),
    "e": ("192.203.230.10", "2001:500:a8::e"),
    "f": ("192.5.5.241", "2001:500:2f::f"),
    "g": ("192.112.36.4", "2001:500:12::d0d"),
    "h": ("198.97.190.53", "2001:500:1::53"),
    "i": ("192.36.148.17", "2001:7fe::53"),
    "j": ("192.58.128.30", "2001:503:c27::2:30"),
    "k": ("193.0.14.129", "2001:7fd::1"),
    "l": ("199.7.83.42", "2001:500:9f::42"),
    "m": ("202.12.27.33", "2001:dc3::35"),
}
"""<letter>.root-servers.net."""

_MAX_FILE: Final = 1 << 20


def root_servers(source: Path | Literal["builtin"], port: int) -> dict[Name, list[Address]]:
    """Names and addresses of the root servers, from the packaged list or a zone file with NS and address records.

    Raises:
        StartError: the file cannot be read or names no root server with an address.
    """
    if isinstance(source, str):
        return {
            name_from_text(f"{letter}.root-servers.net"): [Address(ip, port) for ip in addresses]
            for letter, addresses in _BUILTIN.items()
        }
    return _from_file(source, port)


def _from_file(path: Path, port: int) -> dict[Name, list[Address]]:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE + 1)
        if len(data) > _MAX_FILE:
            raise StartError(f"root hints {path}: longer than {_MAX_FILE} octets")
        rrsets = rrsets_from_text(data.decode("utf-8"))
    except OSError as error:
        raise StartError(f"root hints {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise StartError(f"root hints {path}: {error}") from None
    names = [rdata for rrset in rrsets if rrset.name == ROOT and rrset.rtype == t.NS for rdata in rrset.rdatas]
    servers: dict[Name, list[Address]] = {}
    for rrset in rrsets:
        if rrset.name in names and rrset.rtype in (t.A, t.AAAA):
            addresses = servers.setdefault(rrset.name, [])
            addresses += [Address(ip_text(rdata), port) for rdata in rrset.rdatas]
    if not servers:
        raise StartError(
            f"root hints {path}: no NS record of the root whose server has an A or AAAA record in the file",
            "the file must hold records such as '. NS a.root-servers.net.' and 'a.root-servers.net. A 198.41.0.4'",
        )
    return servers


def ip_text(rdata: bytes) -> str:
    """The canonical text of an address in the RDATA of A or AAAA."""
    return str(ip_address(rdata))
