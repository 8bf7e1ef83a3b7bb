"""The daemon: cache, iteration, resolution, servers to clients and to upstreams, supervision and the command line."""

from importlib.util import find_spec

__version__ = "0.1.0"


def core() -> str:
    """What runs on a query's path: "compiled" where the accelerator is installed, else "python"."""
    spec = find_spec("wire.reader")
    return "python" if spec is None or spec.origin is None or spec.origin.endswith(".py") else "compiled"
