"""One DNS question, and the answer as a drill looks at it."""

from dataclasses import dataclass, field

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
from dns.rrset import RRset

TIMEOUT_S = 5.0
RESOLVER_TIMEOUT_S = 11.0
"""A resolution may take ten seconds."""


@dataclass(frozen=True)
class Seen:
    """An answer: what a client looks at. `rcode` is "no answer" when there was none."""

    rcode: str
    ad: bool = False
    ede: tuple[tuple[int, str], ...] = ()
    answer: tuple[RRset, ...] = field(default=(), repr=False)

    @property
    def records(self) -> int:
        """How many records answer the question, signatures not counted."""
        return sum(len(rrset) for rrset in self.answer if rrset.rdtype != dns.rdatatype.RRSIG)

    def __str__(self) -> str:
        errors = "".join(f", EDE {code}{f' ({text})' if text else ''}" for code, text in self.ede)
        return f"{self.rcode}{', AD' if self.ad else ''}, {self.records} records{errors}"


def dig(
    address: str,
    port: int,
    name: str,
    rtype: str,
    *,
    cd: bool = False,
    recurse: bool = True,
    timeout_s: float | None = None,
) -> Seen:
    """Ask with DO set, over UDP and, when truncated, TCP."""
    flags = (dns.flags.RD if recurse else 0) | (dns.flags.CD if cd else 0)
    query = dns.message.make_query(name, rtype, want_dnssec=True, flags=flags)
    try:
        timeout = timeout_s or (RESOLVER_TIMEOUT_S if recurse else TIMEOUT_S)
        response, _ = dns.query.udp_with_fallback(query, address, timeout=timeout, port=port)
    except (OSError, dns.exception.DNSException) as error:
        return Seen(f"no answer ({type(error).__name__})")
    errors = tuple(
        (int(option.code), option.text or "") for option in response.options if isinstance(option, dns.edns.EDEOption)
    )
    ad = bool(response.flags & dns.flags.AD)
    return Seen(dns.rcode.to_text(response.rcode()), ad, errors, tuple(response.answer))


def command(address: str, port: int, name: str, rtype: str, *, cd: bool = False, recurse: bool = True) -> str:
    """The command line of dig that asks the same."""
    options = "+dnssec" + (" +cd" if cd else "") + ("" if recurse else " +norec")
    return f"dig @{address} -p {port} {name} {rtype} {options}"
