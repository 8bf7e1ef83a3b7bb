"""Client-side sockets before there are workers."""

import os
import socket

import pytest

from resolver.config import Endpoint
from resolver.daemon import sockets
from resolver.daemon.errors import StartError
from resolver.daemon.privileges import become
from resolver.daemon.sockets import open_sockets, without_ipv6


@pytest.fixture
def opened():
    """Open sockets that are closed after the test."""
    kept = []

    def open_(endpoints, workers=1):
        sets, bound = open_sockets(endpoints, workers)
        kept.extend(sets)
        return sets, bound

    yield open_
    for found in kept:
        found.close()


@pytest.mark.parametrize("workers", [1, 3])
def test_each_worker_has_its_own_sockets_on_the_same_ports(opened, workers):
    sets, bound = opened([Endpoint("127.0.0.1", 0), Endpoint("::1", 0)], workers)
    assert len(sets) == workers
    for found in sets:
        for kind in (found.udp, found.tcp):
            assert [sock.getsockname()[:2] for sock in kind] == [tuple(endpoint) for endpoint in bound]
            assert not any(sock.getblocking() for sock in kind)


def test_udp_is_not_fragmented_and_a_wildcard_of_one_family_leaves_the_other_free(opened):
    first, _ = opened([Endpoint("0.0.0.0", 0)])
    second, _ = opened([Endpoint("::", 0)])
    (sock,) = first[0].udp
    assert sock.getsockopt(socket.IPPROTO_IP, 10) == 3  # IP_MTU_DISCOVER: IP_PMTUDISC_PROBE
    (sock,) = second[0].udp
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_DONTFRAG) == 1
    port = first[0].udp[0].getsockname()[1]
    opened([Endpoint("::", port)])


def test_a_port_taken_for_tcp_only_is_passed_over(opened, monkeypatch):
    """For port 0 another one is tried; a configured one is an error."""
    real = sockets._open
    failures = 3

    def taken(endpoint, kind, *, shared):
        nonlocal failures
        if kind == socket.SOCK_STREAM and failures:
            failures -= 1
            raise StartError("taken")
        return real(endpoint, kind, shared=shared)

    monkeypatch.setattr(sockets, "_open", taken)
    _, ((_, port),) = opened([Endpoint("127.0.0.1", 0)])
    assert port
    failures = 1
    with pytest.raises(StartError, match="taken"):
        open_sockets([Endpoint("127.0.0.2", port)], 1)


def test_nothing_stays_open_when_an_address_cannot_be_bound():
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(StartError, match="in use"):
            open_sockets([Endpoint("127.0.0.3", port), Endpoint("127.0.0.1", port)], 2)
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.bind(("127.0.0.3", port))


def test_a_system_without_ipv6(monkeypatch):
    four, six = Endpoint("127.0.0.1", 53), Endpoint("::1", 53)
    assert without_ipv6([four, six]) == ([four, six], [])
    monkeypatch.setattr(sockets, "_has_ipv6", lambda: False)
    assert without_ipv6([four, six]) == ([four], [six])
    assert without_ipv6([four]) == ([four], [])
    assert without_ipv6([six]) == ([six], []), "then it is an error, told when it is bound"


def test_a_user_that_is_not_there():
    with pytest.raises(StartError, match="no user nobody-of-this-name"):
        become("nobody-of-this-name")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may become anybody")
def test_only_root_becomes_somebody_else():
    with pytest.raises(StartError, match="only root"):
        become("root")
