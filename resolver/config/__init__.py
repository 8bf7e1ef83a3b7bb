"""The configuration: declared in `model`, read by `loading`, documented by `generate`.

Other packages import from here only.
"""

from resolver.config.findings import ConfigError, Finding
from resolver.config.loading import default_file, load, parse
from resolver.config.model import OPTIONS, Config, Difference
from resolver.config.values import Endpoint, Prefix, ServerAddress

__all__ = [
    "OPTIONS",
    "Config",
    "ConfigError",
    "Difference",
    "Endpoint",
    "Finding",
    "Prefix",
    "ServerAddress",
    "default_file",
    "load",
    "parse",
]
