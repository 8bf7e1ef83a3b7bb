"""Processor time as a count: the Python calls that a resolution takes, without those of the world it talks to.

A count is the same on every machine and under every load. With the compiled core it is smaller: bounds hold all the more.
"""

import sys

from tests.hostile.virtual import Net


def calls(net: Net, name: str, rtype: str = "A") -> int:
    """Calls of Python functions, and of C functions from Python, until nothing of this question is under way."""
    count = 0
    world = net.world

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    def aside(ip: str, transport: str, wire: bytes):  # type: ignore[no-untyped-def]
        sys.setprofile(None)
        said = world(ip, transport, wire)
        sys.setprofile(profile)
        return said

    net.world = aside
    sys.setprofile(profile)
    try:
        net.ask(name, rtype)
        net.run()
    finally:
        sys.setprofile(None)
        net.world = world
    return count
