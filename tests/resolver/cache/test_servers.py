"""What is known of servers: smoothing (RFC 6298), back-off, rest, lameness."""

import pytest

from resolver.cache.servers import (
    DEAD_AFTER,
    FIRST_REST,
    FIRST_TIMEOUT,
    LAME_SECONDS,
    MAX_REST,
    MAX_TIMEOUT,
    MIN_TIMEOUT,
    UNKNOWN_RTT,
    Server,
    Servers,
)
from trust.vocabulary import Address
from wire.text import name_from_text

NOW = 1000.0
JP, COM = name_from_text("jp"), name_from_text("com")


def test_first_measurement() -> None:
    # RFC 6298 §2.2: SRTT = R, RTTVAR = R/2
    server = Server()
    server.heard(0.1)
    assert (server.srtt, server.rttvar) == (0.1, 0.05)


def test_later_measurements() -> None:
    # RFC 6298 §2.3: RTTVAR first, from the old SRTT; alpha 1/8, beta 1/4
    server = Server()
    server.heard(0.1)
    server.heard(0.2)
    assert server.rttvar == pytest.approx(0.75 * 0.05 + 0.25 * 0.1)
    assert server.srtt == pytest.approx(0.875 * 0.1 + 0.125 * 0.2)


def test_a_steady_server_is_waited_for_a_little_longer_than_it_takes() -> None:
    server = Server()
    for _ in range(50):
        server.heard(0.4)
    assert server.srtt == pytest.approx(0.4)
    assert 0.4 < server.timeout() < 0.5


@pytest.mark.parametrize(("rtts", "wanted"), [((), FIRST_TIMEOUT), ((0.0001,), MIN_TIMEOUT), ((30.0,), MAX_TIMEOUT)])
def test_time_out_is_bounded(rtts: tuple[float, ...], wanted: float) -> None:
    server = Server()
    for rtt in rtts:
        server.heard(rtt)
    assert server.timeout() == wanted


def test_time_outs_double_and_an_answer_ends_that() -> None:
    server = Server()
    for _ in range(20):
        server.heard(0.1)
    first = server.timeout()
    waits = []
    for _ in range(6):
        server.silent(NOW)
        waits.append(server.timeout())
    assert waits[:2] == [pytest.approx(2 * first), pytest.approx(4 * first)]
    assert waits[-1] == pytest.approx(min(16 * first, MAX_TIMEOUT))
    server.heard(0.1)
    assert server.timeout() == pytest.approx(first)


def test_rest_begins_after_some_time_outs_in_a_row_and_doubles() -> None:
    server = Server()
    rests = []
    for _ in range(DEAD_AFTER + 8):
        server.silent(NOW)
        rests.append(max(server.rest_until - NOW, 0.0))
    assert rests[: DEAD_AFTER - 1] == [0.0] * (DEAD_AFTER - 1)
    assert rests[DEAD_AFTER - 1 : DEAD_AFTER + 2] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST]
    assert rests[-1] == MAX_REST


def test_an_answer_ends_the_rest() -> None:
    server = Server()
    for _ in range(10):
        server.silent(NOW)
    server.heard(0.1)
    assert (server.rest_until, server.failures) == (0.0, 0)
    server.silent(NOW)
    assert server.rest_until == 0.0


def test_time_outs_that_are_not_in_a_row_bring_no_rest() -> None:
    server = Server()
    for _ in range(10):
        server.silent(NOW)
        server.heard(0.1)
    assert server.rest_until == 0.0


def test_servers_are_compared_by_the_time_they_take() -> None:
    near, far, unknown, silent = Server(), Server(), Server(), Server()
    near.heard(0.01)
    far.heard(0.5)
    silent.heard(0.01)
    for _ in range(6):
        silent.silent(NOW)
    assert near.cost() < unknown.cost() == UNKNOWN_RTT < far.cost()
    assert silent.cost() == pytest.approx(0.64)


def test_cost_of_a_server_that_never_answers_stays_finite() -> None:
    server = Server()
    for _ in range(10_000):
        server.silent(NOW)
    assert server.cost() == UNKNOWN_RTT * 64
    assert server.timeout() == MAX_TIMEOUT


def test_lameness_is_of_one_zone_and_for_a_time() -> None:
    server = Server()
    assert not server.is_lame(JP, NOW)
    server.set_lame(JP, NOW)
    assert server.is_lame(JP, NOW + LAME_SECONDS - 1)
    assert not server.is_lame(COM, NOW)
    assert not server.is_lame(JP, NOW + LAME_SECONDS)


def test_lame_zones_of_one_server_are_bounded() -> None:
    server = Server()
    for number in range(1000):
        server.set_lame(name_from_text(f"z{number}"), NOW)
        assert server.is_lame(name_from_text(f"z{number}"), NOW)
        assert server.lame is not None
        assert len(server.lame) <= 101


def test_one_record_for_one_address_and_port() -> None:
    servers = Servers()
    one = servers.get(Address("192.0.2.1", 53))
    assert servers.get(Address("192.0.2.1", 53)) is one
    assert servers.get(Address("192.0.2.1", 5353)) is not one
    servers.clear()
    assert servers.get(Address("192.0.2.1", 53)) is not one


def test_number_is_bounded() -> None:
    servers = Servers(limit=50)
    for number in range(200):
        made = servers.get(Address(f"192.0.2.{number}", 53))
        assert servers.get(Address(f"192.0.2.{number}", 53)) is made
    assert len(servers._servers) <= 50


def test_questions_that_time_out_together_tell_of_one_silence() -> None:
    server = Server()
    server.heard(0.001)
    for _ in range(50):
        server.silent(NOW + 0.25, asked=NOW)
    assert (server.failures, server.rest_until) == (1, 0.0)
    server.silent(NOW + 0.8, asked=NOW + 0.3)
    assert server.failures == 2
