"""The daemon: cache, iteration, resolution, servers to clients and to upstreams, supervision and the command line."""

__version__ = "0.1.0"
