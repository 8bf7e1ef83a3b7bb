"""Adds the accelerator to the build when AKASHI_ACCELERATE=1: the typed core compiled by mypyc, same source.

Everything else about the package stands in pyproject.toml. Without the variable this file adds nothing, and the wheel is
pure Python. With it the wheel holds extension modules beside the very files they were made from, and Python prefers them.
An editable install is never accelerated, because compiled modules in the tree would hide what is being edited.

    AKASHI_ACCELERATE=1 pip install .        needs a C compiler and Python's headers
    make accelerate                          the wheel, and the same unpacked for tests and measurements
"""

import os
import sys
from pathlib import Path

from setuptools import setup

COMPILED = (
    "wire/*.py",
    "trust/*.py",
    "resolver/mesh.py",
    "resolver/resolution.py",
    "resolver/settings.py",
    "resolver/cache/*.py",
    "resolver/iteration/*.py",
    "resolver/resolve/*.py",
    "resolver/policy/*.py",
    "resolver/protect/*.py",
    "resolver/server/*.py",
)
"""What lies on a query's path. The daemon, the command line and configuration gain nothing by it."""

INTERPRETED = (
    "*/__init__.py",
    "wire/text.py",  # dnspython, off the query's path
    "trust/reason.py",  # an enum whose members have attributes: mypyc cannot make one
    # RFC 5011, NTAs and anchor files: some calls a day, and the compiler's work for each build.
    "trust/anchor_*.py",
    "trust/nta*.py",
    "trust/rfc5011*.py",
    # Subclasses of asyncio's protocols, bound by the event loop's own cost.
    "resolver/server/handover.py",  # rarely used; uvloop gives None from remove_reader, not a bool
    "resolver/server/listen_tcp.py",
    "resolver/server/upstream_tcp.py",
)


def compiled() -> list[str]:
    """The files that become extension modules."""
    root = Path(__file__).resolve().parent
    found = [path.relative_to(root) for pattern in COMPILED for path in sorted(root.glob(pattern))]
    return [str(path) for path in found if not any(path.match(pattern) for pattern in INTERPRETED)]


arguments = {}
if os.environ.get("AKASHI_ACCELERATE") == "1" and "editable_wheel" not in sys.argv:
    arguments["setup_requires"] = ["mypy>=1.19"]  # asked for by build isolation before anything is built
    if {"bdist_wheel", "build", "build_ext", "install"} & set(sys.argv):
        from mypyc.build import mypycify

        # No configuration: what mypy has to say is said by `make check`, and what an isolated build lacks is Any.
        flags = ["--config-file=", "--ignore-missing-imports", "--python-version=3.11"]
        # 1 instead of mypyc's 3 halves the time that the C compiler takes.
        level = os.environ.get("AKASHI_OPTIMISE", "3")
        modules = mypycify([*flags, *compiled()], opt_level=level, group_name="akashi", debug_level="0")
        for module in modules:
            # Else every call from one function of the core to another goes through a table, and none is inlined.
            module.extra_compile_args += ["-fvisibility=hidden", "-fno-plt"]
        arguments["ext_modules"] = modules

setup(**arguments)
