"""The configuration: declared in `model`, read by `load`, explained by `generate`.

from resolver.config import Config, load
"""

from resolver.config.model import OPTIONS, Config, Difference
from resolver.config.values import Endpoint, Prefix, ServerAddress

__all__ = ["OPTIONS", "Config", "Difference", "Endpoint", "Prefix", "ServerAddress"]
