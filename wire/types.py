"""Numbers of the protocol: RR types, classes, opcodes, response codes, header flags (IANA "DNS Parameters").

Plain integers, not enums: they are compared on the query path. Their texts come from `wire.text`.
"""

from typing import Final

# RR types
A: Final = 1
NS: Final = 2
MD: Final = 3
MF: Final = 4
CNAME: Final = 5
SOA: Final = 6
MB: Final = 7
MG: Final = 8
MR: Final = 9
NULL: Final = 10
WKS: Final = 11
PTR: Final = 12
HINFO: Final = 13
MINFO: Final = 14
MX: Final = 15
TXT: Final = 16
RP: Final = 17
AFSDB: Final = 18
X25: Final = 19
ISDN: Final = 20
RT: Final = 21
SIG: Final = 24
KEY: Final = 25
PX: Final = 26
AAAA: Final = 28
LOC: Final = 29
NXT: Final = 30
SRV: Final = 33
NAPTR: Final = 35
KX: Final = 36
DNAME: Final = 39
OPT: Final = 41
DS: Final = 43
RRSIG: Final = 46
NSEC: Final = 47
DNSKEY: Final = 48
NSEC3: Final = 50
NSEC3PARAM: Final = 51
CDS: Final = 59
CDNSKEY: Final = 60
ZONEMD: Final = 63
SVCB: Final = 64
HTTPS: Final = 65
TLSA: Final = 52
SPF: Final = 99
NXNAME: Final = 128
TKEY: Final = 249
TSIG: Final = 250
IXFR: Final = 251
AXFR: Final = 252
MAILB: Final = 253
MAILA: Final = 254
ANY: Final = 255
CAA: Final = 257
RESINFO: Final = 261

# Classes
IN: Final = 1
CH: Final = 3
HS: Final = 4
CLASS_NONE: Final = 254
CLASS_ANY: Final = 255

# Opcodes
QUERY: Final = 0
NOTIFY: Final = 4
UPDATE: Final = 5

# Response codes (RFC 6895 §2.3); BADVERS needs EDNS
NOERROR: Final = 0
FORMERR: Final = 1
SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5
YXDOMAIN: Final = 6
NOTAUTH: Final = 9
BADVERS: Final = 16
BADCOOKIE: Final = 23

# Header flags (second 16-bit word)
QR: Final = 0x8000
OPCODE_MASK: Final = 0x7800
AA: Final = 0x0400
TC: Final = 0x0200
RD: Final = 0x0100
RA: Final = 0x0080
AD: Final = 0x0020
CD: Final = 0x0010
RCODE_MASK: Final = 0x000F

# EDNS (RFC 6891 §6.1.3): flag in the TTL field of OPT
DO: Final = 0x8000


def is_meta(rtype: int) -> bool:
    """Whether the type never stands for stored data: OPT, 128 … 255 (RFC 6895 §3.1) save NXNAME's use in bitmaps."""
    return rtype == OPT or 128 <= rtype <= 255 or rtype == 0
