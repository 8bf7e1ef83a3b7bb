"""Counting distinct clients without keeping them."""

import random

import pytest

from resolver.watch.sketch import Pseudonyms, Sketch, network_of

KEY = bytes(16)


def filled(count: int, seed: int = 1, bits: int = 10) -> Sketch:
    dice, sketch = random.Random(seed), Sketch(bits)
    for _ in range(count):
        sketch.add(dice.getrandbits(64))
    return sketch


@pytest.mark.parametrize("count", [0, 1, 2, 10, 100, 1000, 3000, 10_000, 100_000])
def test_estimates(count: int) -> None:
    estimates = [filled(count, seed).estimate() for seed in range(5)]
    # Five standard errors of 3.3 % for each.
    assert all(abs(estimate - count) <= max(0.165 * count, 0) for estimate in estimates)
    if count <= 2:
        assert estimates == [count] * 5


def test_the_same_client_counts_once() -> None:
    names, sketch = Pseudonyms(KEY), Sketch()
    for _ in range(1000):
        sketch.add(names.hashed("192.0.2.1"))
    assert sketch.estimate() == 1


def test_merging_counts_the_union() -> None:
    one, two = filled(500, 1), filled(500, 2)
    one.merge(filled(500, 1))
    assert one.estimate() == filled(500, 1).estimate()
    one.merge(two)
    assert abs(one.estimate() - 1000) < 165
    with pytest.raises(ValueError, match="size"):
        one.merge(Sketch(8))
    with pytest.raises(ValueError, match="size"):
        Sketch(10, bytes(7))


def test_another_key_gives_other_hashes() -> None:
    assert Pseudonyms(KEY).hashed("192.0.2.1") == Pseudonyms(KEY).hashed("192.0.2.1")
    assert Pseudonyms(KEY).hashed("192.0.2.1") != Pseudonyms(b"x" * 16).hashed("192.0.2.1")
    assert Pseudonyms(KEY).hashed("192.0.2.1") != Pseudonyms(KEY).hashed("192.0.2.2")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2"),
        ("2001:db8::1", "2001:db8:0:0"),
        ("::1", "0:0:0:0"),
        ("::", "0:0:0:0"),
        ("2001:db8:1:2::", "2001:db8:1:2"),
        ("fe80::1%eth0", "fe80:0:0:0"),
        ("1::2:3:4:5:6:7", "1:0:2:3"),
    ],
)
def test_ipv6_networks(address: str, network: str) -> None:
    assert network_of(address) == network


def test_an_ipv6_network_is_one_client_and_ipv4_addresses_are_several() -> None:
    names = Pseudonyms(KEY)
    assert names.hashed("2001:db8::1") == names.hashed("2001:db8::dead:beef")
    assert names.hashed("2001:db8::1") != names.hashed("2001:db8:0:1::1")
    assert names.hashed("::ffff:192.0.2.1") != names.hashed("::ffff:192.0.2.2")


def test_registers_hold_no_address() -> None:
    sketch = Sketch()
    sketch.add(Pseudonyms(KEY).hashed("192.0.2.1"))
    assert len(sketch.registers) == 1024
    assert sum(register > 0 for register in sketch.registers) == 1
