"""Many datagrams with one system call: recvmmsg and sendmmsg of the C library, through ctypes.

Theory: everything the two calls need lies in memory of our own, laid out once for a socket, its addresses written down in
the headers: for each slot the first HEAD octets of a datagram, the rest of a long one, and its sender as the kernel writes
it (struct sockaddr). After `receive` the first octets and the senders are copied to two `bytes` that hold all of them, and
whoever looks at a query cuts it out of there; no address is put into text. An answer goes from its slot back to the slot's
sender, and its ID is that of the query, where it still stands. So a hit of the packet cache makes three small objects.

Neither call tells what was wrong, and it need not: where nothing was received or a datagram was refused, the caller does
the same with the socket's own methods and learns it there. That also serves where the kernel lacks the calls, or a filter
forbids them.

A socket bound to all addresses is told which of ours a datagram came to (IP_PKTINFO), and the answer is sent with what the
kernel wrote of that, less the interface: only a link-local address needs it, elsewhere the routing table decides.

Limitations: Linux, 64 bits; elsewhere `SYSTEM` is None. What lies in the slots holds until the next `receive`.
"""

import mmap
import socket
import struct
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from resolver.server.library import LIBRARY

ClientAddress: TypeAlias = tuple[str, int] | tuple[str, int, int, int]

RECEIVED: Final = 4096
"""Octets taken of a packet. A longer query is cut, and is malformed then."""
HEAD: Final = 256
"""Octets of a packet that are copied with those of the others: more than a query takes unless it is padded."""
_REST: Final = RECEIVED - HEAD
_LONGEST: Final = 65_535
_ID: Final = 2

# struct mmsghdr: msghdr (name, its length, iovecs, their number, control data, its length, flags) and what was received.
_HEADER: Final = struct.Struct("@PIPNPNi0PI0P")
_WORDS: Final = 16
"""Words of 32 bits in it; the last but one is the datagram's length."""
_LENGTH: Final = 14
# struct iovec: base, length. Each header has two.
_IOVEC: Final = struct.Struct("@PN")
_PAIR: Final = 4
"""Words of 64 bits in two of them."""

_SOCKADDR_IN: Final = struct.Struct("!2xH4s8x")
_SOCKADDR_IN6: Final = struct.Struct("!2xHI16s")
_SCOPE: Final = struct.Struct("=I")

# struct cmsghdr (length, level, type) before in_pktinfo (interface, our address, destination) or in6_pktinfo (address,
# interface), with what aligns them.
_CMSGHDR: Final = struct.Struct("@Nii")
_PKTINFO_SIZE: Final = 32
_PKTINFO6_SIZE: Final = 40
_CONTROL_LENGTH: Final = 5
"""Word of 64 bits in a header where the length of its control data stands."""
_LINK_LOCAL: Final = b"\xfe\x80"


class System(NamedTuple):
    """The two calls: descriptor, headers, their number, flags (and for receiving a time-out, which is not used)."""

    recvmmsg: Callable[..., int]
    sendmmsg: Callable[..., int]


def find_system() -> System | None:
    """The calls of this system, if it has them as we know them."""
    if sys.platform != "linux" or _HEADER.size != 4 * _WORDS or LIBRARY is None:
        return None
    try:
        return System(LIBRARY.recvmmsg, LIBRARY.sendmmsg)
    except AttributeError:
        return None


SYSTEM: Final = find_system()


class Batch:
    """The slots of one socket.

    Attributes:
        lengths: octets of each datagram received.
        heads: HEAD octets for each, of which as many count as it has.
        senders: `sender_size` octets for each; the address are `address_size` octets from `address_at` on.
    """

    def __init__(self, sock: socket.socket, slots: int, system: System, *, told: bool = False) -> None:
        """`told`: the socket is told to which address each datagram came (IP_PKTINFO, IPV6_RECVPKTINFO is set)."""
        from ctypes import c_void_p

        self._socket = sock.fileno()
        self._slots = slots
        self._recvmmsg: Any = system.recvmmsg
        self._sendmmsg: Any = system.sendmmsg
        six = sock.family == socket.AF_INET6
        name_size = 28 if six else 16
        self.sender_size = 32 if six else 16
        self.address_at = 8 if six else 4
        self.address_size = 16 if six else 4
        self.lengths: list[int] = []
        self.heads = b""
        self.senders = b""

        self._heads, heads = _memory(slots * HEAD)
        self._rests, rests = _memory(slots * _REST)
        self._senders, senders = _memory(slots * self.sender_size)
        self._answers, self._answers_at = _memory(slots * _LONGEST)
        self._six = six
        self._control_size = size = (_PKTINFO6_SIZE if six else _PKTINFO_SIZE) if told else 0
        self._controls, controls = _memory(slots * _PKTINFO6_SIZE)
        self._control_words = memoryview(self._controls).cast("I")
        self._room = memoryview(array("Q", [size] * slots))
        self._none = memoryview(array("I", [0] * slots))

        space = bytearray()
        for slot in range(slots):
            space += _IOVEC.pack(heads + slot * HEAD, HEAD) + _IOVEC.pack(rests + slot * _REST, _REST)
        taken = array("Q", bytes(space))
        space.clear()
        for slot in range(slots):
            space += _IOVEC.pack(heads + slot * HEAD, _ID) + _IOVEC.pack(0, 0)
        self._given = array("Q", bytes(space))

        def headers(iovecs: "array[int]") -> "array[int]":
            at = iovecs.buffer_info()[0]
            made = bytearray()
            for slot in range(slots):
                sender, pair = senders + slot * self.sender_size, at + slot * 8 * _PAIR
                control = controls + slot * size if told else 0
                made += _HEADER.pack(sender, name_size, pair, 2, control, size, 0, 0)
            return array("I", bytes(made))

        incoming, outgoing = headers(taken), headers(self._given)
        self._incoming = memoryview(incoming)
        self._incoming_long = self._incoming.cast("B").cast("Q")
        self._outgoing_long = memoryview(outgoing).cast("B").cast("Q")
        self._in_at = c_void_p(incoming.buffer_info()[0])
        # Where the headers from a slot on are.
        start = outgoing.buffer_info()[0]
        self._out_at: list[Any] = [c_void_p(start + slot * _HEADER.size) for slot in range(slots)]
        self._kept = taken

    def receive(self) -> int:
        """Take what is there, and at most as many as there are slots; how many, and 0 when it did not work."""
        count: int = self._recvmmsg(self._socket, self._in_at, self._slots, socket.MSG_DONTWAIT, None)
        if count <= 0:
            return 0
        self.lengths = self._incoming[_LENGTH : count * _WORDS : _WORDS].tolist()
        self.heads = self._heads[: count * HEAD]
        self.senders = self._senders[: count * self.sender_size]
        if self._control_size:
            self._turn_controls(count)
        return count

    def _turn_controls(self, count: int) -> None:
        """Make the control data that came such as is sent."""
        end = count * _HEADER.size // 8
        came = self._incoming_long[_CONTROL_LENGTH : end : _HEADER.size // 8]
        self._outgoing_long[_CONTROL_LENGTH : end : _HEADER.size // 8] = came
        came[:] = self._room[:count]
        words = self._control_words
        if not self._six:
            words[4 : count * _PKTINFO_SIZE // 4 : _PKTINFO_SIZE // 4] = self._none[:count]
            return
        for slot in range(count):
            start = slot * _PKTINFO6_SIZE + _CMSGHDR.size
            if self._controls[start : start + 2] != _LINK_LOCAL:
                words[start // 4 + 4] = 0

    def query(self, slot: int) -> bytes:
        """The whole datagram."""
        length, start = self.lengths[slot], slot * HEAD
        if length <= HEAD:
            return self.heads[start : start + length]
        rest = self._rests[slot * _REST : slot * _REST + length - HEAD]
        return self.heads[start : start + HEAD] + rest

    def client(self, slot: int) -> ClientAddress:
        """Its sender, as the methods of a socket want it."""
        start = slot * self.sender_size
        if self.address_size == 4:
            port, address = _SOCKADDR_IN.unpack_from(self.senders, start)
            return socket.inet_ntop(socket.AF_INET, address), port
        port, flow, address = _SOCKADDR_IN6.unpack_from(self.senders, start)
        scope = _SCOPE.unpack_from(self.senders, start + 24)[0]
        return socket.inet_ntop(socket.AF_INET6, address), port, flow, scope

    def control(self, slot: int) -> list[tuple[int, int, bytes]]:
        """What makes the answer leave from the address that was asked, as `socket.sendmsg` wants it."""
        if not self._control_size or not self._outgoing_long[slot * (_HEADER.size // 8) + _CONTROL_LENGTH]:
            return []
        start = slot * self._control_size
        length, level, kind = _CMSGHDR.unpack_from(self._controls, start)
        return [(level, kind, self._controls[start + _CMSGHDR.size : start + length])]

    def send(self, slot: int, bodies: Sequence[bytes]) -> int:
        """Answer the datagrams from `slot` on; `bodies`: the answers after their IDs.

        Returns: how many went; the next one the system refused.
        """
        answers = b"".join(bodies)
        self._answers[: len(answers)] = answers
        given, at, address = self._given, slot * _PAIR + 2, self._answers_at
        for body in bodies:
            length = len(body)
            given[at] = address
            given[at + 1] = length
            at += _PAIR
            address += length
        count: int = self._sendmmsg(self._socket, self._out_at[slot], len(bodies), socket.MSG_DONTWAIT)
        return max(count, 0)


def _memory(size: int) -> tuple[mmap.mmap, int]:
    """Memory and where it is; it takes room only as far as it is used."""
    from ctypes import addressof, c_char

    made = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return made, addressof(c_char.from_buffer(made))
