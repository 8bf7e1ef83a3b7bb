"""A message as read: header, question, three sections of RRsets, EDNS."""

from wire.edns import Edns
from wire.name import ROOT, Name
from wire.rrset import RRset
from wire.types import OPCODE_MASK, RCODE_MASK, TC


class Message:
    """A DNS message.

    Attributes:
        id, flags: the first two 16-bit words of the header.
        has_question: QDCOUNT was 1; otherwise qname is the root and qtype, qclass are 0.
        qname: lower-cased; `qname_raw` the octets as they came (the case to echo).
        answer, authority, additional: RRsets in the order their first record came; RRSIGs stand in `RRset.sigs`.
        edns: what OPT said; None without OPT.
    """

    __slots__ = (
        "additional",
        "answer",
        "authority",
        "edns",
        "flags",
        "has_question",
        "id",
        "qclass",
        "qname",
        "qname_raw",
        "qtype",
    )

    def __init__(self, id: int = 0, flags: int = 0) -> None:
        self.id = id
        self.flags = flags
        self.has_question = False
        self.qname: Name = ROOT
        self.qname_raw: bytes = ROOT
        self.qtype = 0
        self.qclass = 0
        self.answer: list[RRset] = []
        self.authority: list[RRset] = []
        self.additional: list[RRset] = []
        self.edns: Edns | None = None

    @property
    def rcode(self) -> int:
        """The response code, extended by EDNS (RFC 6891 §6.1.3)."""
        low = self.flags & RCODE_MASK
        return low if self.edns is None else low | self.edns.extended_rcode << 4

    @property
    def opcode(self) -> int:
        """The operation code."""
        return (self.flags & OPCODE_MASK) >> 11

    @property
    def truncated(self) -> bool:
        """The TC bit."""
        return bool(self.flags & TC)
