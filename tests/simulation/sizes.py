"""Octets that an object and all that hangs on it take, each thing once: what a memory really costs, whoever made it."""

import gc
import sys
from enum import Enum
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, MethodType, ModuleType

_SHARED = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, GetSetDescriptorType, Enum)
"""Not data: the program itself."""


def octets_of(*roots: object, beside: tuple[object, ...] = ()) -> int:
    """Octets of everything reachable from `roots`; what is reachable from `beside` does not count."""
    seen: set[int] = set()
    for thing in beside:
        _walk(thing, seen)
    return sum(_walk(root, seen) for root in roots)


def _walk(root: object, seen: set[int]) -> int:
    total = 0
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, _SHARED):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        waiting += gc.get_referents(thing)
    return total
