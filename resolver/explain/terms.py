"""Names of numbers, times and durations, mail addresses: small words of the report.

IANA "DNS Security Algorithm Numbers", "DS RR Type Digest Algorithms", "Extended DNS Error Codes"; RFC 4034 §3.1.5;
RFC 1035 §3.3.13 and §8 (RNAME).
"""

from typing import Final

from trust.signature import time_text
from wire.name import ROOT, Name, labels
from wire.text import name_to_text

ALGORITHMS: Final = {
    1: "RSAMD5",
    3: "DSA",
    5: "RSASHA1",
    6: "DSA-NSEC3-SHA1",
    7: "RSASHA1-NSEC3-SHA1",
    8: "RSASHA256",
    10: "RSASHA512",
    12: "ECC-GOST",
    13: "ECDSAP256SHA256",
    14: "ECDSAP384SHA384",
    15: "ED25519",
    16: "ED448",
    17: "SM2SM3",
    23: "ECC-GOST12",
    253: "PRIVATEDNS",
    254: "PRIVATEOID",
}
DIGESTS: Final = {1: "SHA-1", 2: "SHA-256", 3: "GOST R 34.11-94", 4: "SHA-384", 5: "GOST R 34.11-2012", 6: "SM3"}
ERRORS: Final = {
    0: "Other Error",
    1: "Unsupported DNSKEY Algorithm",
    2: "Unsupported DS Digest Type",
    3: "Stale Answer",
    4: "Forged Answer",
    5: "DNSSEC Indeterminate",
    6: "DNSSEC Bogus",
    7: "Signature Expired",
    8: "Signature Not Yet Valid",
    9: "DNSKEY Missing",
    10: "RRSIGs Missing",
    11: "No Zone Key Bit Set",
    12: "NSEC Missing",
    13: "Cached Error",
    14: "Not Ready",
    15: "Blocked",
    16: "Censored",
    17: "Filtered",
    18: "Prohibited",
    19: "Stale NXDOMAIN Answer",
    20: "Not Authoritative",
    21: "Not Supported",
    22: "No Reachable Authority",
    23: "Network Error",
    24: "Invalid Data",
    25: "Signature Expired before Valid",
    26: "Too Early",
    27: "Unsupported NSEC3 Iterations Value",
    28: "Unable to conform to policy",
    29: "Synthesized",
    30: "Invalid Query Type",
    33: "Negative Trust Anchor",
}


def algorithm_name(number: int) -> str:
    """Mnemonic of a DNSSEC algorithm; "algorithm 99" when it has none."""
    return ALGORITHMS.get(number, f"algorithm {number}")


def digest_name(number: int) -> str:
    """Mnemonic of a DS digest type."""
    return DIGESTS.get(number, f"digest type {number}")


def error_name(code: int) -> str:
    """Purpose of an Extended DNS Error."""
    return ERRORS.get(code, f"EDE {code}")


def instant(serial: int, wall: float) -> float:
    """The instant nearest to `wall` that a 32-bit time of a signature may mean (RFC 4034 §3.1.5)."""
    now = int(wall)
    return now + ((serial - now + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def instant_text(serial: int, wall: float) -> str:
    """The same in RFC 3339."""
    return time_text(instant(serial, wall))


def mail_address(rname: Name) -> str | None:
    """The mail address that an SOA's RNAME stands for; None when it names none ("." is RFC 2142's "nobody")."""
    parts = labels(rname)
    if rname == ROOT or len(parts) < 2:
        return None
    local = parts[0].decode("ascii", "replace")
    return f"{local}@{name_to_text(rname[len(parts[0]) + 1 :])}"


def nsid_text(nsid: bytes) -> str:
    """An NSID for people: as ASCII when it is printable, else in hexadecimal (RFC 5001 §2.3 leaves it open)."""
    if nsid and all(0x20 <= octet < 0x7F for octet in nsid):
        return nsid.decode("ascii")
    return f"0x{nsid.hex()}"
