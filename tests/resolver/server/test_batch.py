"""What the kernel writes into the slots, and what is read out of them; the kernel is played by the test."""

import ctypes
import ipaddress
import socket
import struct

import pytest

from resolver.server.batch import HEAD, RECEIVED, SYSTEM, Batch, System

SLOTS = 4
V4, V6 = "192.0.2.7", "2001:db8::7"

pytestmark = pytest.mark.skipif(struct.calcsize("P") != 8, reason="other headers")


class Socket:
    """What a batch wants to know of a socket."""

    def __init__(self, family):
        self.family = family

    def fileno(self):
        return 7


class Kernel:
    """Fills headers as recvmmsg does and reads them as sendmmsg does. A datagram: octets, client, port, control data."""

    def __init__(self, *datagrams):
        self.datagrams = datagrams
        self.sent = []
        self.rooms = []
        self.system = System(self.recvmmsg, self.sendmmsg)

    def recvmmsg(self, descriptor, headers, slots, flags, timeout):
        assert (descriptor, slots, flags, timeout) == (7, SLOTS, socket.MSG_DONTWAIT, None)
        for number, (octets, client, port, control) in enumerate(self.datagrams):
            header = headers.value + 64 * number
            sender, room, iovecs, parts, control_at, control_room = header_at(header)
            self.rooms.append(control_room)
            name = sockaddr(client, port)
            assert room == len(name)
            ctypes.memmove(sender, name, len(name))
            octets = octets[:RECEIVED]
            rest = octets
            for part in range(parts):
                base, size = struct.unpack("@PN", ctypes.string_at(iovecs + 16 * part, 16))
                ctypes.memmove(base, rest[:size], len(rest[:size]))
                rest = rest[size:]
            assert not rest
            if control:
                ctypes.memmove(control_at, control, len(control))
            if control_room:
                ctypes.memmove(header + 40, struct.pack("@N", len(control)), 8)
            ctypes.memmove(header + 56, struct.pack("@I", len(octets)), 4)
        return len(self.datagrams) or -1

    def sendmmsg(self, descriptor, headers, count, flags):
        assert (descriptor, flags) == (7, socket.MSG_DONTWAIT)
        for number in range(count):
            sender, size, iovecs, parts, control_at, control_size = header_at(headers.value + 64 * number)
            octets = b""
            for part in range(parts):
                octets += ctypes.string_at(*struct.unpack("@PN", ctypes.string_at(iovecs + 16 * part, 16)))
            control = ctypes.string_at(control_at, control_size) if control_size else b""
            self.sent.append((octets, ctypes.string_at(sender, size), control))
        return count


def header_at(address):
    return struct.unpack("@PI4xPNPN", ctypes.string_at(address, 48))


def sockaddr(client, port, scope=0):
    packed = ipaddress.ip_address(client).packed
    if len(packed) == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, packed)
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16s", port, 0x0A0B0C, packed) + struct.pack("=I", 3)


def pktinfo(ours, interface):
    packed = ipaddress.ip_address(ours).packed
    if len(packed) == 4:
        return struct.pack("@Nii", 28, socket.IPPROTO_IP, 8) + struct.pack("=I4s4s4x", interface, packed, packed)
    data = packed + struct.pack("=I4x", interface)
    return struct.pack("@Nii", 36, socket.IPPROTO_IPV6, socket.IPV6_PKTINFO) + data


def test_the_system_is_found_here():
    assert SYSTEM is not None


@pytest.mark.parametrize(
    ("family", "client", "known"),
    [(socket.AF_INET, V4, (V4, 53001)), (socket.AF_INET6, V6, (V6, 53001, 0x0A0B0C, 3))],
)
def test_datagrams_and_their_senders(family, client, known):
    octets = [b"", bytes(range(200)), bytes(range(256)) * 2, b"x" * 5000]
    kernel = Kernel(*[(datagram, client, 53001 + number, b"") for number, datagram in enumerate(octets)])
    batch = Batch(Socket(family), SLOTS, kernel.system)
    assert batch.receive() == 4
    assert batch.lengths == [0, 200, 512, RECEIVED]
    assert [batch.query(slot) for slot in range(4)] == [*octets[:3], b"x" * RECEIVED]
    assert batch.heads[HEAD : HEAD + 200] == octets[1]
    assert batch.client(0) == known
    assert [batch.client(slot)[1] for slot in range(4)] == [53001, 53002, 53003, 53004]
    at = 2 * batch.sender_size + batch.address_at
    assert batch.senders[at : at + batch.address_size] == ipaddress.ip_address(client).packed
    assert batch.control(0) == []


@pytest.mark.parametrize(("family", "client"), [(socket.AF_INET, V4), (socket.AF_INET6, V6)])
def test_answers_go_back_with_the_ids_of_their_queries(family, client):
    kernel = Kernel(*[(b"%d%d query" % (number, number), client, 1000 + number, b"") for number in range(4)])
    batch = Batch(Socket(family), SLOTS, kernel.system)
    for _ in range(2):
        batch.receive()
        assert batch.send(1, [b" the first", b" the second", b""]) == 3
        assert batch.send(0, [b"-" * 65_533]) == 1
        names = [sockaddr(client, 1000 + number) for number in range(4)]
        assert kernel.sent == [
            (b"11 the first", names[1], b""),
            (b"22 the second", names[2], b""),
            (b"33", names[3], b""),
            (b"00" + b"-" * 65_533, names[0], b""),
        ]
        kernel.sent.clear()


def test_what_the_system_takes_of_them():
    kernel = Kernel((b"query", V4, 53, b""), (b"query", V4, 53, b""))
    for result, taken in ((2, 2), (1, 1), (0, 0), (-1, 0)):
        batch = Batch(Socket(socket.AF_INET), SLOTS, System(kernel.recvmmsg, lambda *_, result=result: result))
        batch.receive()
        assert batch.send(0, [b"answer", b"answer"]) == taken


def test_nothing_received():
    batch = Batch(Socket(socket.AF_INET), SLOTS, Kernel().system)
    assert batch.receive() == 0


@pytest.mark.parametrize(
    ("family", "client", "ours", "interface_kept"),
    [
        (socket.AF_INET, V4, "192.0.2.1", 0),
        (socket.AF_INET6, V6, "2001:db8::1", 0),
        (socket.AF_INET6, V6, "fe80::1", 5),
    ],
)
def test_an_answer_leaves_from_the_address_that_was_asked(family, client, ours, interface_kept):
    """Only a link-local address needs its interface; elsewhere the routing table decides."""
    kernel = Kernel(*[(b"query", client, 53, control) for control in (b"", pktinfo(ours, 5), pktinfo(ours, 0))])
    batch = Batch(Socket(family), SLOTS, kernel.system, told=True)
    for _ in range(2):
        assert batch.receive() == 3
        back = pktinfo(ours, interface_kept)
        (length,) = struct.unpack_from("@N", back)
        assert batch.control(0) == []
        level, kind = struct.unpack_from("@ii", back, 8)
        assert batch.control(1) == [(level, kind, back[16:length])]
        batch.send(0, [b"", b"", b""])
        assert [control for _, _, control in kernel.sent] == [b"", back, pktinfo(ours, 0)]
        kernel.sent.clear()
    assert len(set(kernel.rooms)) == 1, "each time there is all the room"
