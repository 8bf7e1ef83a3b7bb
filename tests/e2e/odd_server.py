"""An authoritative server with a will of its own, in front of one of the lab's: passes on what its rule lets through."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from lab.steps import ParentStep

Rule = Callable[[dns.message.Message, bool], "bytes | dns.message.Message | None"]
"""(query, over TCP) → the answer; None for silence. `PASS` as the answer: whatever the lab's server says."""

PASS = b"pass"
_UPSTREAM_S = 5.0


def serve_at(*addresses: str) -> ParentStep:
    """The delegation names one server inside the child with these addresses."""

    def step(delegation) -> None:  # type: ignore[no-untyped-def]
        (host, *_) = delegation.hosts
        delegation.hosts = [host]
        delegation.glue = {host: list(addresses)}

    return step


def refuses(query: dns.message.Message, _tcp: bool) -> dns.message.Message:
    response = dns.message.make_response(query)
    response.set_rcode(dns.rcode.REFUSED)
    return response


def garbles(query: dns.message.Message, _tcp: bool) -> bytes:
    """ID and question are right, what follows is no record."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA
    wire = bytearray(response.to_wire())
    wire[6:8] = (3).to_bytes(2, "big")  # says that there are three answers
    return bytes(wire)


@contextlib.contextmanager
def odd_server(address: str, port: int, real: str, rule: Rule) -> Iterator[None]:
    """Serve at `address` what the lab's server at `real` says, as far as the rule allows. In a thread of its own."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    udp.bind((address, port))
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind((address, port))
    tcp.listen(8)
    threads = [
        threading.Thread(target=_serve_udp, args=(udp, real, port, rule), daemon=True),
        threading.Thread(target=_serve_tcp, args=(tcp, real, port, rule), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for sock in (udp, tcp):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in threads:
            thread.join()


def _serve_udp(sock: socket.socket, real: str, port: int, rule: Rule) -> None:
    while True:
        try:
            wire, client = sock.recvfrom(65535)
        except OSError:
            return
        if not wire:
            return  # shut down
        answer = _answer(wire, real, port, rule, tcp=False)
        if answer is not None:
            sock.sendto(answer, client)


def _serve_tcp(sock: socket.socket, real: str, port: int, rule: Rule) -> None:
    while True:
        try:
            connection, _ = sock.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb") as stream:
            while len(head := stream.read(2)) == 2:
                answer = _answer(stream.read(struct.unpack("!H", head)[0]), real, port, rule, tcp=True)
                if answer is None:
                    break
                stream.write(struct.pack("!H", len(answer)) + answer)
                stream.flush()


def _answer(wire: bytes, real: str, port: int, rule: Rule, *, tcp: bool) -> bytes | None:
    try:
        answer = rule(dns.message.from_wire(wire), tcp)
    except dns.exception.DNSException:
        return None
    if isinstance(answer, dns.message.Message):
        return answer.to_wire(max_size=65535)
    if answer != PASS:
        return answer
    kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as upstream:
        upstream.settimeout(_UPSTREAM_S)
        upstream.connect((real, port))
        upstream.sendall(struct.pack("!H", len(wire)) + wire if tcp else wire)
        if not tcp:
            return upstream.recv(65535)
        with upstream.makefile("rb") as stream:
            return stream.read(struct.unpack("!H", stream.read(2))[0])
